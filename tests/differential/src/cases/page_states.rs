//! What the kernel says of the pages of a mapping, to their process and to others: locked, dirty, scanned, advised.

use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use crate::harness::meminfo::Growth;
use crate::harness::prelude::*;
use crate::harness::process::on_one_processor;
use crate::harness::process::pipe;
use crate::harness::smaps;
use crate::harness::uffd::{self, Uffd, WP};

cases! {
    "" => locked, locked_on_fault, locked_for_ever, of_the_machine, soft_dirty, scanned, scanned_and_protected,
        advised_by_another, memory_of_another, forced_by_another;
}

const PAGES: usize = 8;
const LEN: usize = PAGES * PAGE;

fn holes(d: &Dir) -> anyhow::Result<(Fd, Map)> {
    let file = d.create("f")?;
    file.truncate(LEN as u64)?;
    let map = Map::shared(&file, LEN, 0)?;
    Ok((file, map))
}

fn lock(map: &Map, page: usize, pages: usize, flags: u32) -> Res<()> {
    let start = map.start().wrapping_byte_add(page * PAGE);
    // SAFETY: pages of the mapping.
    let done = unsafe { libc::syscall(libc::SYS_mlock2, start, pages * PAGE, flags) };
    Errno::check(done).map(drop)
}

fn unlock(map: &Map, page: usize, pages: usize) -> Res<()> {
    // SAFETY: pages of the mapping.
    let done = unsafe { libc::munlock(map.start().wrapping_byte_add(page * PAGE), pages * PAGE) };
    Errno::check(done.into()).map(drop)
}

fn status(name: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text
        .lines()
        .find(|l| l.starts_with(name))
        .context("status")?;
    Ok(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn put(t: &mut Trace, label: &str, d: &Dir, file: &Fd, map: &Map) -> Done {
    // A range that is locked in part is a mapping of its own, of which the first is shown.
    t.each(
        label,
        smaps::some(map, &["Size", "Rss", "Locked", "Pss_Dirty", "Referenced"])?,
    );
    t.put(label, (status("VmLck")?, map.resident()?));
    t.counts(label, d, file)
}

fn locked(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    t.put("lock", lock(&map, 0, PAGES, 0));
    put(t, "locked", d, &file, &map)?;
    t.put("unlock a part", unlock(&map, 0, 2));
    put(t, "unlocked in part", d, &file, &map)?;
    t.put("again", lock(&map, 0, PAGES, 0));
    t.put("cut", file.truncate(2 * PAGE as u64));
    put(t, "cut", d, &file, &map)?;
    t.put("grow", file.truncate(LEN as u64));
    put(t, "grown", d, &file, &map)?;
    t.put("lock what grew", lock(&map, 0, PAGES, 0));
    t.put("unlock", unlock(&map, 0, PAGES));
    put(t, "unlocked", d, &file, &map)?;
    let private = Map::private(&file, LEN, 0)?;
    t.put("private", lock(&private, 0, PAGES, 0));
    put(t, "private", d, &file, &private)?;
    private.set(0, 1);
    put(t, "private, written", d, &file, &private)?;
    let reading = Map::read_only(&file, LEN, 0)?;
    t.put("read-only", lock(&reading, 0, PAGES, 0));
    put(t, "read-only", d, &file, &reading)
}

fn locked_on_fault(t: &mut Trace, d: &Dir) -> Done {
    const ONFAULT: u32 = 1;
    let (file, map) = holes(d)?;
    file.pwrite(&pattern(1, PAGE), PAGE as u64)?;
    t.put("lock", lock(&map, 0, PAGES, ONFAULT));
    put(t, "locked", d, &file, &map)?;
    map.set(3 * PAGE, 1);
    map.get(PAGE);
    map.get(5 * PAGE);
    put(t, "touched", d, &file, &map)?;
    t.put("out", map.advise(0, LEN, libc::MADV_PAGEOUT));
    t.put("all of it", lock(&map, 0, PAGES, 0));
    put(t, "all locked", d, &file, &map)?;
    t.put("unknown flag", lock(&map, 0, PAGES, 2));
    t.put("unlock", unlock(&map, 0, PAGES));
    put(t, "unlocked", d, &file, &map)
}

/// mlockall(2) of what is mapped from then on.
fn locked_for_ever(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate(LEN as u64)?;
    t.forked("locked", |t| {
        for flags in [libc::MCL_FUTURE, libc::MCL_FUTURE | libc::MCL_ONFAULT] {
            // SAFETY: takes no memory.
            t.put(flags, unsafe { libc::mlockall(flags) });
            let map = Map::shared(&file, LEN, 0).expect("mmap");
            t.put("resident", map.resident());
            t.put("blocks", file.blocks());
            // SAFETY: as above.
            t.put("end", unsafe { libc::munlockall() });
            drop(map);
            file.truncate(0)
                .and_then(|()| file.truncate(LEN as u64))
                .expect("truncate");
        }
    });
    t.counts("in the end", d, &file)
}

/// Mlocked and Unevictable, in whole MiB: CPUs keep a few pages to themselves.
fn of_the_machine(t: &mut Trace, d: &Dir) -> Done {
    const AMOUNT: usize = 8 << 20;
    let file = d.create("f")?;
    file.truncate(AMOUNT as u64)?;
    let map = Map::shared(&file, AMOUNT, 0)?;
    let names = ["Mlocked", "Unevictable"];
    let growth = [Growth::of(names[0])?, Growth::of(names[1])?];
    let mut show = |label: &str| -> Done {
        for (name, growth) in names.iter().zip(&growth) {
            t.put(format!("{label}: {name}"), growth.mib()?);
        }
        Ok(())
    };
    lock(&map, 0, AMOUNT / PAGE, 0)?;
    show("locked")?;
    unlock(&map, 0, AMOUNT / PAGE / 2)?;
    show("a half unlocked")?;
    file.truncate(AMOUNT as u64 / 4 * 3)?;
    show("cut")?;
    drop(map);
    show("unmapped")
}

const SOFT_DIRTY: u64 = 1 << 55;
const EXCLUSIVE: u64 = 1 << 56;
const OF_A_FILE: u64 = 1 << 61;
const SWAPPED: u64 = 1 << 62;
const PRESENT: u64 = 1 << 63;

/// The pages of a mapping, each by the letters of what it is.
fn letters(map: &Map) -> anyhow::Result<Vec<String>> {
    let letters = [
        (PRESENT, 'p'),
        (SWAPPED, 's'),
        (OF_A_FILE, 'f'),
        (EXCLUSIVE, 'x'),
        (SOFT_DIRTY, 'd'),
    ];
    let words = map.pagemap()?;
    Ok(words
        .into_iter()
        .map(|w| {
            letters
                .iter()
                .filter(|l| w & l.0 != 0)
                .map(|l| l.1)
                .collect()
        })
        .collect())
}

fn soft_dirty(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    let private = Map::private(&file, LEN, 0)?;
    let mut show = |label: &str| -> Done {
        t.put(label, letters(&map)?);
        t.put(format!("{label}, private"), letters(&private)?);
        Ok(())
    };
    show("untouched")?;
    map.set(0, 1);
    map.get(PAGE);
    private.set(2 * PAGE, 1);
    private.get(3 * PAGE);
    show("touched")?;
    std::fs::write("/proc/self/clear_refs", "4").context("clear_refs")?;
    show("cleared")?;
    map.set(0, 2);
    map.get(PAGE);
    map.set(4 * PAGE, 2);
    private.set(2 * PAGE, 2);
    file.pwrite(b"by a call", PAGE as u64)?;
    show("written to")?;
    std::fs::write("/proc/self/clear_refs", "4")?;
    map.advise(0, LEN, libc::MADV_DONTNEED)?;
    show("dropped")?;
    map.bytes(0, 2 * PAGE);
    show("read again")?;
    file.truncate(0)?;
    file.truncate(LEN as u64)?;
    show("cut")?;
    map.set(5 * PAGE, 1);
    std::fs::write("/proc/self/clear_refs", "4")?;
    let moved = map.part(4 * PAGE, 2 * PAGE, 2 * PAGE, libc::MREMAP_MAYMOVE)?;
    t.put("moved", letters(&moved)?);
    Ok(())
}

/// `struct pm_scan_arg`
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

const PAGEMAP_SCAN: libc::Ioctl = 0xc060_6610;
const ALL_CATEGORIES: u64 = 0x1ff;
const WRITTEN: u64 = 2;
const WP_MATCHING: u64 = 1;
const CHECK_WPASYNC: u64 = 2;

type Regions = Vec<(u64, u64, String)>;

/// The ranges of pages that a scan finds, with their categories, and where it ended.
fn scan(map: &Map, flags: u64, of: u64, any: u64, inverted: u64) -> Res<(Regions, u64)> {
    let mut regions = [[0u64; 3]; 2 * PAGES];
    let start = map.start() as u64;
    let mut scan = Scan {
        size: size_of::<Scan>() as u64,
        flags,
        start,
        end: start + LEN as u64,
        vec: regions.as_mut_ptr() as u64,
        vec_len: regions.len() as u64,
        category_inverted: inverted,
        category_mask: of,
        category_anyof_mask: any,
        return_mask: ALL_CATEGORIES,
        ..Scan::default()
    };
    let pagemap = std::fs::File::open("/proc/self/pagemap").expect("/proc is mounted");
    // SAFETY: the argument says how large it is and how many regions there is room for.
    let count = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &raw mut scan) };
    let count = Errno::check(count.into())? as usize;
    let page = |address: u64| (address - start) / PAGE as u64;
    let found = regions[..count].iter();
    let found = found.map(|r| (page(r[0]), page(r[1]), format!("{:#x}", r[2])));
    Ok((found.collect(), page(scan.walk_end)))
}

fn scanned(t: &mut Trace, d: &Dir) -> Done {
    // Pages that wait in a batch of another processor do not go out of the mapping.
    on_one_processor()?;
    let (file, map) = holes(d)?;
    let private = Map::private(&file, LEN, 0)?;
    file.pwrite(&pattern(1, PAGE), 6 * PAGE as u64)?;
    let mut show = |label: &str| {
        for (kind, map) in [("shared", &map), ("private", &private)] {
            for (what, of, any, inverted) in [
                ("all", 0, 0, 0),
                ("present", 8, 0, 0),
                ("of a file or swapped", 0, 4 | 16, 0),
                ("absent", 8, 0, 8),
                ("written", WRITTEN, 0, 0),
                ("wrong", 1 << 20, 0, 0),
            ] {
                let label = format!("{label} {kind} {what}");
                t.put(label, scan(map, 0, of, any, inverted));
            }
        }
    };
    show("untouched");
    map.set(0, 1);
    map.get(PAGE);
    private.set(2 * PAGE, 1);
    private.get(6 * PAGE);
    map.advise(4 * PAGE, PAGE, 102)?;
    show("touched");
    map.advise(0, LEN, libc::MADV_PAGEOUT)?;
    show("out");
    Ok(())
}

/// Which pages were written since the last look, as checkpoints and garbage collectors ask.
fn scanned_and_protected(t: &mut Trace, d: &Dir) -> Done {
    const WP_UNPOPULATED: u64 = 1 << 13;
    for shared in [true, false] {
        let file = d.create("f")?;
        file.truncate(LEN as u64)?;
        file.pwrite(&pattern(1, PAGE), 6 * PAGE as u64)?;
        let map = match shared {
            true => Map::shared(&file, LEN, 0)?,
            false => Map::private(&file, LEN, 0)?,
        };
        let look = |map: &Map| scan(map, WP_MATCHING | CHECK_WPASYNC, WRITTEN, 0, 0);
        t.put("without a monitor", look(&map));
        let features = uffd::FEATURE_FLAG_WP | uffd::FEATURE_WP_ASYNC | WP_UNPOPULATED;
        let uffd = Uffd::new(features)?;
        t.put("register", uffd.register(&map, 0, PAGES, WP));
        t.put("first", look(&map));
        t.put("nothing new", look(&map));
        map.set(0, 1);
        map.set(6 * PAGE, 1);
        map.get(2 * PAGE);
        file.pwrite(b"by a call", 3 * PAGE as u64)?;
        t.put("written", look(&map));
        t.put("nothing new", look(&map));
        map.advise(0, LEN, libc::MADV_DONTNEED)?;
        t.put("dropped", look(&map));
        file.truncate(PAGE as u64)?;
        file.truncate(LEN as u64)?;
        t.put("cut", look(&map));
        map.set(7 * PAGE, 1);
        t.put("written", look(&map));
        t.counts("in the end", d, &file)?;
        drop((uffd, map, file));
        d.unlink("f")?;
    }
    Ok(())
}

/// Runs steps while another process, of which they get the number, has the same mappings as this one.
fn with_another(touch: impl FnOnce(), steps: impl FnOnce(i32) -> Done) -> Done {
    let (mut ready, mut told) = pipe();
    let (mut wait, end) = pipe();
    // SAFETY: the case has one thread.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Child => {
            drop((ready, end));
            touch();
            let _ = told.write_all(b"r");
            let _ = wait.read(&mut [0]);
            // SAFETY: ends the child without running what belongs to the parent.
            unsafe { libc::_exit(0) }
        }
        nix::unistd::ForkResult::Parent { child } => {
            drop((told, wait));
            let done = ready
                .read_exact(&mut [0])
                .context("the other process")
                .and_then(|()| steps(child.as_raw()));
            drop(end);
            nix::sys::wait::waitpid(child, None)?;
            done
        }
    }
}

fn parts(map: &Map) -> [libc::iovec; 2] {
    [(0, 2), (4, 2)].map(|(page, pages)| libc::iovec {
        iov_base: map.start().wrapping_byte_add(page * PAGE),
        iov_len: pages * PAGE,
    })
}

fn advised_by_another(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, LEN))?;
    let map = Map::shared(&file, LEN, 0)?;
    let private = Map::private(&file, LEN, 0)?;
    let touch = || {
        map.bytes(0, LEN);
        private.fill(0, PAGE, b'p');
    };
    with_another(touch, |pid| {
        // SAFETY: takes no memory.
        let pidfd = Errno::check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
        // SAFETY: the kernel has just given it out.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
        let advise = |map: &Map, advice: i32| {
            let parts = parts(map);
            // SAFETY: addresses of the other process.
            let done = unsafe {
                let (fd, list) = (pidfd.as_raw_fd(), parts.as_ptr());
                libc::syscall(libc::SYS_process_madvise, fd, list, parts.len(), advice, 0)
            };
            Errno::check(done)
        };
        for (kind, map) in [("shared", &map), ("private", &private)] {
            for (label, advice) in [
                ("cold", libc::MADV_COLD),
                ("out", libc::MADV_PAGEOUT),
                ("will be needed", libc::MADV_WILLNEED),
                ("collapse", 25),
                ("normal", libc::MADV_NORMAL),
                ("random", libc::MADV_RANDOM),
                ("populate", libc::MADV_POPULATE_READ),
                ("not needed", libc::MADV_DONTNEED),
                ("not needed, even if locked", 24),
                ("free", libc::MADV_FREE),
                ("remove", libc::MADV_REMOVE),
                ("guard", 102),
                ("unguard", 103),
                ("merge", libc::MADV_MERGEABLE),
                ("unknown", 999),
            ] {
                t.put(format!("{kind} {label}"), advise(map, advice));
                t.counts(label, d, &file)?;
            }
            let of_a_user = User::run(1000, 1000, || advise(map, libc::MADV_COLD));
            t.put("by a user", of_a_user);
        }
        Ok(())
    })?;
    t.put("file", file.all()?);
    Ok(())
}

/// process_vm_readv(2) and process_vm_writev(2).
fn memory_of_another(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    file.pwrite(&pattern(1, PAGE), 0)?;
    let private = Map::private(&file, LEN, 0)?;
    let reading = Map::read_only(&file, LEN, 0)?;
    let longer = Map::shared(&file, 2 * LEN, 0)?;
    let touch = || private.fill(0, PAGE, b'p');
    with_another(touch, |pid| {
        for (kind, map) in [
            ("shared", &map),
            ("private", &private),
            ("read-only", &reading),
        ] {
            let mut data = pattern(7, 4 * PAGE);
            let local = libc::iovec {
                iov_base: data.as_mut_ptr().cast(),
                iov_len: data.len(),
            };
            let remote = parts(map);
            // SAFETY: there is room for what is read; the remote addresses are those of the other process.
            let (written, read) = unsafe {
                let len = remote.len() as u64;
                let written = libc::process_vm_writev(pid, &local, 1, remote.as_ptr(), len, 0);
                let written = Errno::check(written as i64);
                data.fill(0);
                let read = libc::process_vm_readv(pid, &local, 1, remote.as_ptr(), len, 0);
                (written, Errno::check(read as i64))
            };
            t.put(format!("{kind} written"), written);
            t.put(format!("{kind} read"), read);
            t.put("data", Bytes(data));
            t.counts(kind, d, &file)?;
        }
        let mut byte = 0u8;
        let local = libc::iovec {
            iov_base: (&raw mut byte).cast(),
            iov_len: 1,
        };
        let remote = libc::iovec {
            iov_base: longer.start().wrapping_byte_add(LEN),
            iov_len: 1,
        };
        // SAFETY: as above.
        let read = unsafe { libc::process_vm_readv(pid, &local, 1, &remote, 1, 0) };
        t.put("beyond the end", Errno::check(read as i64));
        Ok(())
    })?;
    t.put("file", file.all()?);
    Ok(())
}

/// A debugger's writes go through protections, and what is private then stays private.
fn forced_by_another(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    file.pwrite(&pattern(1, LEN), 0)?;
    let reading = Map::read_only(&file, LEN, 0)?;
    let (prot, flags) = (rustix::mm::ProtFlags::READ, rustix::mm::MapFlags::PRIVATE);
    let private = Map::new(&file, LEN, 0, prot, flags)?;
    with_another(
        || {},
        |pid| {
            let path = format!("/proc/{pid}/mem");
            let mut memory = std::fs::File::options().read(true).write(true).open(path)?;
            for (kind, map) in [
                ("shared", &map),
                ("read-only", &reading),
                ("private", &private),
            ] {
                let at = map.start() as u64 + PAGE as u64 - 3;
                let written = memory.write_at(kind.as_bytes(), at);
                t.put(
                    format!("{kind} written"),
                    written.map_err(|e| e.raw_os_error()),
                );
                let mut back = [0; 12];
                let read = memory.read_at(&mut back, at);
                t.put(format!("{kind} read"), read.map_err(|e| e.raw_os_error()));
                t.put("data", Bytes(back.to_vec()));
                t.put("file", file.all()?);
            }
            memory.rewind()?;
            Ok(())
        },
    )?;
    t.counts("in the end", d, &file)
}
