//! Shared anonymous memory: mmap(2) of nothing, or of /dev/zero.

use nix::sys::resource::{setrlimit, Resource};
use rustix::fs::{fallocate, FallocateFlags};
use stage::machine;

use crate::harness::kmsg::expecting;
use crate::harness::map::{MapFlags, ProtFlags};
use crate::harness::maps;
use crate::harness::memfd::Sealed;
use crate::harness::prelude::*;
use crate::harness::smaps;

cases! {
    shared => names, given_names, of_zero, children, private_copies, lengths, ways_to_map, protections, grown, moved,
        kept_in_two_places, advised, in_memory, frames, figures, its_file, changed_by_its_file, waiting, by_users, unmapped_in_parts;
}

const PAGES: usize = 8;
const LEN: usize = PAGES * PAGE;

const BOTH: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// The file of a mapping.
pub fn file_of(map: &Map) -> anyhow::Result<Fd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    Ok(Fd(rustix::fs::open(map.file(), flags, Mode::empty())?))
}

fn zero() -> anyhow::Result<Fd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    Ok(Fd(rustix::fs::open("/dev/zero", flags, Mode::empty())?))
}

fn names(t: &mut Trace, _: &Fs) -> Done {
    let file = zero()?;
    for (name, map) in [
        ("shared", Map::common(LEN)?),
        ("of /dev/zero", Map::shared(&file, LEN, 0)?),
        ("of a part of it", Map::shared(&file, LEN, 5 * PAGE as u64)?),
        (
            "without reserve",
            Map::memory(LEN, BOTH, MapFlags::SHARED | MapFlags::NORESERVE)?,
        ),
    ] {
        let line = maps::line(&map)?;
        t.put(name, &line);
        t.put("new", line.is_of_new_files()?);
        t.put(
            "its inode",
            rustix::fs::fstat(file_of(&map)?)?.st_ino == line.number,
        );
    }
    let private = Map::private(&file, LEN, 0)?;
    t.put("private", maps::line(&private)?);
    let (one, other) = (Map::common(LEN)?, Map::common(LEN)?);
    t.put(
        "two files",
        maps::line(&one)?.number != maps::line(&other)?.number,
    );
    Ok(())
}

fn given_names(t: &mut Trace, _: &Fs) -> Done {
    const SET_VMA: i32 = 0x5356_4d41;
    let map = Map::common(LEN)?;
    for name in [Some(c"a name"), Some(c"bad[name]"), None] {
        let name = name.map_or(std::ptr::null(), |name| name.as_ptr());
        // SAFETY: a range of the mapping, and a string.
        let done = unsafe { libc::prctl(SET_VMA, 0, map.start(), 2 * PAGE, name) };
        t.put("set", Errno::check(done.into()));
        t.put("line", maps::line(&map)?);
    }
    Ok(())
}

fn of_zero(t: &mut Trace, _: &Fs) -> Done {
    let file = zero()?;
    let one = Map::shared(&file, LEN, 0)?;
    let other = Map::shared(&file, LEN, 0)?;
    one.set(0, 1);
    t.put("each has its own", (one.get(0), other.get(0)));
    t.put("the device", file.pread(4, 0));
    // Its file is as long as the mapping, which begins within it.
    let late = Map::shared(&file, LEN, 3 * PAGE as u64)?;
    t.put("late", late.bytes(0, 5 * PAGE));
    expecting("segfault at|Bus error", || {
        t.forked("beyond the end", |t| t.put("value", late.get(5 * PAGE)));
    });
    t.put("to read", Map::read_only(&file, LEN, 0)?.bytes(0, LEN));
    let reading = rustix::fs::open("/dev/zero", OFlags::RDONLY, Mode::empty())?;
    t.put("opened to read", Map::shared(&reading, LEN, 0).map(drop));
    t.put(
        "opened to read",
        Map::read_only(&reading, LEN, 0).map(|map| map.protect(BOTH)),
    );
    Ok(())
}

fn children(t: &mut Trace, _: &Fs) -> Done {
    let map = Map::common(LEN)?;
    map.set(0, 1);
    t.forked("child", |t| {
        t.put("sees", map.bytes(0, 4));
        map.set(1, 2);
        map.set(7 * PAGE, 3);
        t.forked("grandchild", |t| {
            t.put("sees", (map.bytes(0, 4), map.get(7 * PAGE)));
            map.set(2, 4);
        });
    });
    t.put("seen", (map.bytes(0, 4), map.get(7 * PAGE)));
    t.put("file", file_of(&map)?.meta()?);
    Ok(())
}

fn private_copies(t: &mut Trace, _: &Fs) -> Done {
    let shared = Map::common(LEN)?;
    shared.fill(0, 2 * PAGE, 1);
    let file = file_of(&shared)?;
    let private = Map::private(&file, LEN, 0)?;
    t.put("as it is", private.bytes(0, LEN));
    private.set(0, 9);
    shared.set(1, 2);
    shared.set(PAGE, 3);
    t.put("shared", shared.bytes(0, LEN));
    t.put("private", private.bytes(0, LEN));
    t.forked("child", |t| {
        private.set(PAGE + 1, 7);
        t.put("private", private.bytes(0, LEN));
    });
    t.put("advise", private.advise(0, LEN, libc::MADV_DONTNEED));
    t.put("private", private.bytes(0, LEN));
    t.each("smaps", smaps::some(&private, SMAPS)?);
    t.put("line", maps::line(&private)?);
    Ok(())
}

fn lengths(t: &mut Trace, _: &Fs) -> Done {
    for len in [0, 1, PAGE, PAGE + 1, 1 << 62, usize::MAX] {
        let map = Map::memory(len, BOTH, MapFlags::SHARED);
        t.put(
            format!("{len} bytes"),
            map.as_ref().map(drop).map_err(|e| *e),
        );
        if let (Ok(map), true) = (&map, len % PAGE == 0) {
            t.put("file", file_of(map)?.meta()?);
        }
    }
    Ok(())
}

fn ways_to_map(t: &mut Trace, _: &Fs) -> Done {
    for (name, flags) in [
        ("populated", MapFlags::POPULATE),
        ("locked", MapFlags::LOCKED),
        ("without reserve", MapFlags::NORESERVE),
        ("validated", MapFlags::SHARED_VALIDATE),
        (
            "synchronous",
            MapFlags::SHARED_VALIDATE.union(MapFlags::SYNC),
        ),
        ("growing down", MapFlags::GROWSDOWN),
        ("in huge pages", MapFlags::HUGETLB),
    ] {
        let map = Map::memory(LEN, BOTH, flags | MapFlags::SHARED);
        t.put(name, map.as_ref().map(|map| map.resident()).map_err(|e| *e));
        let Ok(map) = map else { continue };
        map.set(PAGE, 1);
        t.each(name, smaps::some(&map, SMAPS)?);
    }
    Ok(())
}

fn protections(t: &mut Trace, _: &Fs) -> Done {
    let map = Map::memory(LEN, ProtFlags::empty(), MapFlags::SHARED)?;
    t.put("none", maps::line(&map)?);
    expecting("segfault at", || {
        t.forked("load", |t| t.put("value", map.get(0)))
    });
    for prot in [
        BOTH,
        ProtFlags::READ,
        ProtFlags::READ | ProtFlags::EXEC,
        BOTH | ProtFlags::EXEC,
    ] {
        t.put(format!("{prot:?}"), map.protect(prot));
        t.put("line", maps::line(&map)?);
        if prot.contains(ProtFlags::WRITE) {
            map.set(0, 1);
        }
        t.put("value", map.get(0));
    }
    Ok(())
}

/// The file behind it has the length that was asked for, whatever length the mapping comes to.
fn grown(t: &mut Trace, _: &Fs) -> Done {
    let mut map = Map::common(LEN)?;
    map.fill(0, LEN, 1);
    t.put("grow", map.remap(2 * LEN, libc::MREMAP_MAYMOVE));
    t.put("within", map.bytes(0, LEN));
    expecting("segfault at|Bus error", || {
        t.forked("beyond", |t| t.put("value", map.get(LEN)));
        t.forked("beyond, stored", |_| map.set(2 * LEN - 1, 1));
    });
    t.put("file", file_of(&map)?.meta()?);
    t.put("shrink", map.remap(PAGE, 0));
    t.put("file", file_of(&map)?.meta()?);
    t.put("grow again", map.remap(LEN, libc::MREMAP_MAYMOVE));
    t.put("what was cut off", map.bytes(0, LEN));
    Ok(())
}

fn moved(t: &mut Trace, _: &Fs) -> Done {
    let mut map = Map::common(LEN)?;
    map.fill(0, PAGE, 5);
    let place = Map::anonymous(2 * LEN)?;
    t.put("onto another", map.remap_onto(LEN, 0, place));
    t.put("contents", map.bytes(0, LEN));
    let part = map.part(2 * PAGE, 2 * PAGE, 3 * PAGE, libc::MREMAP_MAYMOVE)?;
    part.set(0, 6);
    t.put("part", (maps::line(&part)?, part.bytes(0, 2 * PAGE)));
    t.put("file", file_of(&part)?.pread(3 * PAGE, 0)?);
    Ok(())
}

fn kept_in_two_places(t: &mut Trace, _: &Fs) -> Done {
    let map = Map::common(LEN)?;
    map.fill(0, LEN, 5);
    let again = map.part(0, 0, LEN, libc::MREMAP_MAYMOVE)?;
    again.set(0, 6);
    t.put("both", (map.get(0), again.get(0)));
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP;
    let moved = map.part(0, LEN, LEN, flags);
    t.put(
        "moved",
        moved
            .as_ref()
            .map(|moved| moved.bytes(0, 8))
            .map_err(|e| *e),
    );
    t.put("left behind", map.bytes(0, LEN));
    t.put("file", file_of(&map)?.meta()?);
    Ok(())
}

fn advised(t: &mut Trace, _: &Fs) -> Done {
    for (name, advice) in [
        ("NORMAL", libc::MADV_NORMAL),
        ("WILLNEED", libc::MADV_WILLNEED),
        ("DONTNEED", libc::MADV_DONTNEED),
        ("REMOVE", libc::MADV_REMOVE),
        ("FREE", libc::MADV_FREE),
        ("COLD", libc::MADV_COLD),
        ("PAGEOUT", libc::MADV_PAGEOUT),
        ("POPULATE_READ", libc::MADV_POPULATE_READ),
        ("POPULATE_WRITE", libc::MADV_POPULATE_WRITE),
        ("DONTFORK", libc::MADV_DONTFORK),
        ("DOFORK", libc::MADV_DOFORK),
        ("DONTDUMP", libc::MADV_DONTDUMP),
        ("MERGEABLE", libc::MADV_MERGEABLE),
        ("HUGEPAGE", libc::MADV_HUGEPAGE),
        ("NOHUGEPAGE", libc::MADV_NOHUGEPAGE),
        ("COLLAPSE", libc::MADV_COLLAPSE),
        ("WIPEONFORK", libc::MADV_WIPEONFORK),
        ("KEEPONFORK", libc::MADV_KEEPONFORK),
    ] {
        let map = Map::common(LEN)?;
        map.fill(0, 3 * PAGE, 1);
        t.put(name, map.advise(PAGE, 4 * PAGE, advice));
        t.put("file", file_of_part(&map)?.meta()?);
        t.put("contents", map.bytes(0, LEN));
    }
    Ok(())
}

/// A part of it may have become a mapping of its own by some advice.
fn file_of_part(map: &Map) -> anyhow::Result<Fd> {
    let first = format!("{:x}-", map.start() as usize);
    for entry in std::fs::read_dir("/proc/self/map_files")? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&first) {
            let flags = OFlags::RDWR | OFlags::CLOEXEC;
            return Ok(Fd(rustix::fs::open(entry.path(), flags, Mode::empty())?));
        }
    }
    anyhow::bail!("no file of the mapping")
}

fn in_memory(t: &mut Trace, _: &Fs) -> Done {
    let map = Map::common(LEN)?;
    t.put("untouched", map.resident()?);
    map.set(0, 1);
    map.get(3 * PAGE);
    t.put("touched", map.resident()?);
    t.forked("child", |t| {
        map.set(5 * PAGE, 1);
        t.put("child", map.resident());
    });
    t.put("by the child", map.resident()?);
    t.put("lock", map.lock(true));
    t.put("locked", (map.resident()?, smaps::one(&map, "Locked")?));
    t.put("unlock", map.lock(false));
    Ok(())
}

/// What is said of a page by /proc/kpageflags and is not about its place on the lists of reclaim.
const KEPT: &[(&str, u32)] = &[
    ("dirty", 4),
    ("mapped", 11),
    ("anonymous", 12),
    ("in the swap cache", 13),
    ("backed by swap", 14),
    ("compound", 15),
    ("huge", 17),
    ("zero", 24),
];

fn frames(t: &mut Trace, _: &Fs) -> Done {
    use std::os::unix::fs::FileExt;
    const PRESENT: u64 = 1 << 63;
    // Of pagemap: soft dirty, exclusively mapped, of a file, in swap, there.
    const SHOWN: u64 = 0xe180_0000_0000_0000;
    let map = Map::common(LEN)?;
    map.set(0, 1);
    map.get(2 * PAGE);
    let private = Map::private(&file_of(&map)?, LEN, 0)?;
    private.get(0);
    private.set(2 * PAGE, 1);
    let flags = std::fs::File::open("/proc/kpageflags").context("kpageflags")?;
    for (name, map) in [("shared", &map), ("private", &private)] {
        for (page, word) in map.pagemap()?.into_iter().enumerate() {
            let mut letters = Vec::new();
            if word & PRESENT != 0 {
                let mut bytes = [0; 8];
                flags.read_exact_at(&mut bytes, (word & ((1 << 55) - 1)) * 8)?;
                let of_frame = u64::from_ne_bytes(bytes);
                letters = KEPT
                    .iter()
                    .filter(|kept| (of_frame >> kept.1) & 1 == 1)
                    .map(|kept| kept.0)
                    .collect();
            }
            t.put(
                format!("{name} page {page}"),
                (format!("{:#x}", word & SHOWN), letters),
            );
        }
    }
    Ok(())
}

const SMAPS: &[&str] = &[
    "Size",
    "KernelPageSize",
    "Rss",
    "Pss",
    "Shared_Clean",
    "Shared_Dirty",
    "Private_Clean",
    "Private_Dirty",
    "Anonymous",
    "LazyFree",
    "ShmemPmdMapped",
    "Swap",
    "Locked",
    "VmFlags",
];

fn figures(t: &mut Trace, _: &Fs) -> Done {
    let map = Map::common(LEN)?;
    t.each("untouched", smaps::some(&map, SMAPS)?);
    map.fill(0, 3 * PAGE, 1);
    map.get(4 * PAGE);
    t.each("touched", smaps::some(&map, SMAPS)?);
    t.forked("child", |t| {
        map.get(0);
        t.each("child", smaps::some(&map, SMAPS).expect("smaps"));
    });
    // Many of them are one figure of the process.
    let before = machine::status("RssShmem")?;
    let large = Map::common(4 << 20)?;
    large.advise(0, 4 << 20, libc::MADV_POPULATE_WRITE)?;
    t.put(
        "RssShmem",
        (machine::status("RssShmem")? - before + 512) >> 10,
    );
    Ok(())
}

fn its_file(t: &mut Trace, _: &Fs) -> Done {
    let map = Map::common(LEN)?;
    map.fill(0, PAGE, 1);
    let file = file_of(&map)?;
    t.put("link", file.link());
    t.put("meta", file.meta()?);
    let space = rustix::fs::fstatfs(&file)?;
    t.put(
        "file system",
        (space.f_type, space.f_blocks, space.f_files, space.f_namelen),
    );
    t.put("seals", (file.seals(), file.seal(1)));
    t.put("read", file.pread(8, PAGE as u64 - 4));
    t.put("write", file.pwrite(b"abc", 0));
    t.put("seen", map.bytes(0, 4));
    t.put("write beyond the end", file.pwrite(b"abc", LEN as u64));
    t.put("meta", file.meta()?);
    t.put(
        "chmod",
        rustix::fs::fchmod(&file, Mode::from_raw_mode(0o600)).map_err(Errno::from),
    );
    t.put(
        "attribute",
        (file.set_xattr("user.a", b"value", 0), file.xattrs()),
    );
    t.put("direct", file.reopen(libc::O_RDWR | libc::O_DIRECT));
    let mode = std::fs::metadata(file.path())?;
    t.put("links", std::os::unix::fs::MetadataExt::nlink(&mode));
    Ok(())
}

fn changed_by_its_file(t: &mut Trace, _: &Fs) -> Done {
    let map = Map::common(LEN)?;
    map.fill(0, LEN, 1);
    let file = file_of(&map)?;
    t.put("cut", file.truncate(PAGE as u64 + 5));
    expecting("segfault at|Bus error", || {
        t.forked("beyond", |t| t.put("value", map.get(3 * PAGE)));
    });
    t.put("before", map.bytes(0, 2 * PAGE));
    t.put("grown", file.truncate(LEN as u64));
    t.put("zeros", map.bytes(0, LEN));
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    t.put(
        "punch",
        fallocate(&file, punch, 0, PAGE as u64).map_err(Errno::from),
    );
    t.put(
        "allocate",
        fallocate(&file, FallocateFlags::empty(), 0, 2 * LEN as u64).map_err(Errno::from),
    );
    t.put("meta", (file.meta()?, map.bytes(0, LEN)));
    Ok(())
}

/// Waits in one process for another one: what is waited for is found by the file.
fn waiting(t: &mut Trace, _: &Fs) -> Done {
    let map = Map::common(PAGE)?;
    let futex = |operation: i32, value: u32| {
        let seconds = libc::timespec {
            tv_sec: 60,
            tv_nsec: 0,
        };
        // SAFETY: a word of the mapping.
        let done = unsafe {
            libc::syscall(
                libc::SYS_futex,
                map.start(),
                operation,
                value,
                &raw const seconds,
            )
        };
        Errno::check(done)
    };
    // SAFETY: the case has one thread.
    let child = unsafe { nix::unistd::fork() }?;
    let nix::unistd::ForkResult::Parent { child } = child else {
        let done = futex(libc::FUTEX_WAIT, 0);
        // SAFETY: ends the child without running what belongs to the parent.
        unsafe { libc::_exit(done.is_err().into()) }
    };
    let woken = machine::wait(60, || Ok(futex(libc::FUTEX_WAKE, 1) == Ok(1)))?;
    t.put("woken", woken);
    t.put(
        "end",
        nix::sys::wait::waitpid(child, None).map(|status| format!("{status:?}").contains(", 0")),
    );
    Ok(())
}

fn by_users(t: &mut Trace, _: &Fs) -> Done {
    t.forked("user", |t| {
        setrlimit(Resource::RLIMIT_MEMLOCK, PAGE as u64, PAGE as u64).expect("setrlimit");
        let _user = User::become_user(1000, 1001, &[]);
        let map = Map::common(LEN).expect("mmap");
        map.set(0, 1);
        t.put("lock", map.lock(true));
        t.put(
            "locked",
            Map::memory(LEN, BOTH, MapFlags::SHARED | MapFlags::LOCKED).map(drop),
        );
        // SAFETY: the process has one thread, which is to be this user in the end.
        unsafe { libc::seteuid(0) };
        t.put("file", file_of(&map).map(|file| file.meta()).ok());
    });
    Ok(())
}

fn unmapped_in_parts(t: &mut Trace, _: &Fs) -> Done {
    let map = Map::common(LEN)?;
    map.fill(0, LEN, 1);
    let file = file_of(&map)?;
    // SAFETY: pages of the mapping, of which nothing is referred to.
    unsafe { rustix::mm::munmap(map.start().wrapping_byte_add(2 * PAGE), 2 * PAGE) }?;
    t.put(
        "contents",
        (map.bytes(0, 2 * PAGE), map.bytes(4 * PAGE, 4 * PAGE)),
    );
    t.put("file", (file.meta()?, file.all()?));
    drop(map);
    t.put("unmapped", (file.meta()?, file.pread(8, 3 * PAGE as u64)));
    Ok(())
}
