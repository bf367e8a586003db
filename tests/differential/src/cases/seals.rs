//! Seals of memfd: what may be added, and what each of them forbids.

use std::os::fd::AsRawFd;

use rustix::fs::{fallocate, FallocateFlags};
use rustix::io::ReadWriteFlags;

use crate::harness::map::{MapFlags, ProtFlags};
use crate::harness::memfd::{
    self, Sealed, Seals, ALLOW_SEALING, EXEC, FUTURE_WRITE, GROW, NOEXEC_SEAL, SEAL, SEALS,
    SEAL_EXEC, SHRINK, WRITE,
};
use crate::harness::prelude::*;
use crate::harness::sysv;
use crate::harness::uffd::{self, Uffd};

cases! {
    shared => added, added_in_pairs, added_without_the_right, of_other_files, of_files_in_use, of_mapped_files,
        writes, sizes, allocations, pipes, mappings, mapped_before, modes, fault_handlers, large_writes;
}

/// Of the files that the steps are done on: pages, and a part of one.
const LEN: usize = 2 * PAGE + PAGE / 2;

/// None, each, and each with another.
fn sets() -> Vec<u32> {
    let mut sets: Vec<u32> = vec![0];
    for (i, one) in SEALS.iter().enumerate() {
        sets.push(*one);
        sets.extend(SEALS[i + 1..].iter().map(|other| one | other));
    }
    sets
}

fn added(t: &mut Trace, _: &Fs) -> Done {
    for flags in [
        ALLOW_SEALING | EXEC,
        NOEXEC_SEAL,
        EXEC,
        NOEXEC_SEAL | ALLOW_SEALING,
    ] {
        for seals in SEALS
            .iter()
            .copied()
            .chain([0, 0x3f, 0x40, 0x8000_0000, GROW | 0x40])
        {
            let file = memfd::create("file", flags)?;
            t.put(
                format!("{flags:#x} {:?}", Seals(seals)),
                (file.seal(seals), file.seals(), file.meta()?.mode),
            );
        }
    }
    Ok(())
}

/// One after another: the second must not take back the first.
fn added_in_pairs(t: &mut Trace, _: &Fs) -> Done {
    for one in SEALS {
        for other in SEALS {
            let file = memfd::sealable(b"contents")?;
            let done = (file.seal(one), file.seal(other), file.seals());
            t.put(format!("{:?} {:?}", Seals(one), Seals(other)), done);
        }
    }
    Ok(())
}

fn added_without_the_right(t: &mut Trace, _: &Fs) -> Done {
    let file = memfd::sealable(b"contents")?;
    for (name, flags) in [
        ("read", libc::O_RDONLY),
        ("write", libc::O_WRONLY),
        ("path", libc::O_PATH),
    ] {
        let other = file.reopen(flags)?;
        t.put(name, (other.seals(), other.seal(SHRINK)));
    }
    Ok(())
}

fn of_other_files(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    for (name, file) in [
        ("in a folder", d.create("f")?),
        ("without a name", d.tmpfile()?),
        ("folder", d.openat(".", OFlags::RDONLY, 0)?),
    ] {
        t.put(name, (file.seals(), file.seal(GROW), file.seals()));
    }
    drop(d);
    mount.unmount()?;
    let (read, _write) = rustix::pipe::pipe()?;
    t.put("pipe", Fd(read).seals());
    Ok(())
}

/// Pages that the kernel works with keep a file from being sealed.
fn of_files_in_use(t: &mut Trace, _: &Fs) -> Done {
    let file = memfd::sealable(&pattern(1, LEN))?;
    let (end, begin) = rustix::pipe::pipe()?;
    let flags = rustix::pipe::SpliceFlags::empty();
    let mut at = 0;
    let spliced = rustix::pipe::splice(&file, Some(&mut at), &begin, None, PAGE, flags);
    t.put("splice", spliced.map_err(Errno::from));
    for seals in [FUTURE_WRITE, GROW, WRITE] {
        t.put(
            format!("while a pipe has a page {:?}", Seals(seals)),
            (file.seal(seals), file.seals()),
        );
    }
    drop((end, begin));
    t.put("afterwards", (file.seal(WRITE), file.seals()));
    Ok(())
}

fn of_mapped_files(t: &mut Trace, _: &Fs) -> Done {
    let read_write = ProtFlags::READ | ProtFlags::WRITE;
    for (name, prot, flags) in [
        ("shared", read_write, MapFlags::SHARED),
        ("private", read_write, MapFlags::PRIVATE),
        ("to read", ProtFlags::READ, MapFlags::SHARED),
        ("not at all", ProtFlags::empty(), MapFlags::SHARED),
    ] {
        for seals in SEALS {
            let file = memfd::sealable(&pattern(1, LEN))?;
            let map = Map::new(&file, LEN, 0, prot, flags)?;
            let while_mapped = (file.seal(seals), file.seals());
            drop(map);
            t.put(
                format!("{name} {:?}", Seals(seals)),
                (while_mapped, file.seal(seals), file.seals()),
            );
        }
    }
    let file = memfd::sealable(&pattern(1, LEN))?;
    let reading = file.reopen(libc::O_RDONLY)?;
    let _map = Map::read_only(&reading, LEN, 0)?;
    t.put(
        "mapped by one who may only read",
        (file.seal(WRITE), file.seals()),
    );
    Ok(())
}

type Step = (&'static str, fn(&Fd) -> String);

/// Each step on a file of its own for each set of seals, and what is left of the file.
fn each(t: &mut Trace, steps: &[Step]) -> Done {
    for seals in sets() {
        for (name, step) in steps {
            let file = memfd::sealable(&pattern(1, LEN))?;
            file.seal(seals)?;
            let label = format!("{:?} {name}", Seals(seals));
            t.text(&label, step(&file));
            t.put(label, (file.meta()?, file.all()?));
        }
    }
    Ok(())
}

fn shown(value: impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

const END: u64 = LEN as u64;

fn writes(t: &mut Trace, _: &Fs) -> Done {
    each(
        t,
        &[
            ("short write", |f| shown(f.pwrite(b"abc", 10))),
            ("write of nothing", |f| shown(f.pwrite(b"", 10))),
            ("write up to the end", |f| {
                shown(f.pwrite(&[7; 100], END - 100))
            }),
            ("write over the end", |f| {
                shown(f.pwrite(&[7; 100], END - 50))
            }),
            ("write at the end", |f| shown(f.pwrite(b"abc", END))),
            ("write beyond the end", |f| {
                shown(f.pwrite(b"abc", END + 3 * PAGE as u64))
            }),
            ("write of pages over the end", |f| {
                shown(f.pwrite(&[7; 8 * PAGE], 1))
            }),
            ("write of the whole", |f| shown(f.pwrite(&[7; LEN], 0))),
            ("append", |f| {
                shown(
                    f.reopen(libc::O_WRONLY | libc::O_APPEND)
                        .and_then(|f| f.write(b"abc")),
                )
            }),
            ("append by a flag", |f| {
                shown(f.pwritev2(b"abc", 0, ReadWriteFlags::APPEND))
            }),
            ("write without waiting", |f| {
                shown(f.pwritev2(b"abc", 0, ReadWriteFlags::NOWAIT))
            }),
            ("write of a bad address", |f| {
                // SAFETY: nothing is at that address, which the kernel finds out.
                let done = unsafe {
                    libc::pwrite(f.0.as_raw_fd(), std::ptr::without_provenance(8), PAGE, 0)
                };
                shown(Errno::check(done as i64))
            }),
            ("read", |f| shown(f.pread(9, END - 5))),
        ],
    )
}

/// Writes whose parts are as large as a large folio: which part is the first that is too much?
fn large_writes(t: &mut Trace, _: &Fs) -> Done {
    const MIB: usize = 1 << 20;
    let data = pattern(2, 5 * MIB);
    for seals in [GROW, SHRINK | GROW] {
        for size in [0, 1, PAGE, MIB, 2 * MIB, 2 * MIB + 5, 4 * MIB - 1, 4 * MIB] {
            for at in [0, PAGE / 2, MIB + 3] {
                let file = memfd::sealable(b"")?;
                file.truncate(size as u64)?;
                file.seal(seals)?;
                let label = format!("{:?} {size} bytes, write at {at}", Seals(seals));
                t.put(&label, file.pwrite(&data, at as u64));
                t.put(label, (file.size()?, file.all()?));
            }
        }
    }
    Ok(())
}

fn sizes(t: &mut Trace, _: &Fs) -> Done {
    each(
        t,
        &[
            ("truncate to nothing", |f| shown(f.truncate(0))),
            ("truncate by a byte", |f| shown(f.truncate(END - 1))),
            ("truncate to the same", |f| shown(f.truncate(END))),
            ("grow by a byte", |f| shown(f.truncate(END + 1))),
            ("grow", |f| shown(f.truncate(4 * END))),
            ("truncate by opening", |f| {
                shown(f.reopen(libc::O_RDWR | libc::O_TRUNC))
            }),
            ("truncate by its path", |f| {
                shown(nix::unistd::truncate(f.path().as_str(), 5).map_err(Errno::from))
            }),
        ],
    )
}

const PUNCH: FallocateFlags = FallocateFlags::PUNCH_HOLE.union(FallocateFlags::KEEP_SIZE);

fn allocate(file: &Fd, flags: FallocateFlags, at: u64, len: u64) -> String {
    shown(fallocate(file, flags, at, len).map_err(Errno::from))
}

fn allocations(t: &mut Trace, _: &Fs) -> Done {
    each(
        t,
        &[
            ("allocate within", |f| {
                allocate(f, FallocateFlags::empty(), 0, END)
            }),
            ("allocate beyond", |f| {
                allocate(f, FallocateFlags::empty(), END, 4096)
            }),
            ("allocate, the size kept", |f| {
                allocate(f, FallocateFlags::KEEP_SIZE, END, 4 * PAGE as u64)
            }),
            ("allocate within, the size kept", |f| {
                allocate(f, FallocateFlags::KEEP_SIZE, 0, 100)
            }),
            ("punch", |f| allocate(f, PUNCH, 100, PAGE as u64)),
            ("punch beyond", |f| {
                allocate(f, PUNCH, END + 10, PAGE as u64)
            }),
            ("zero", |f| {
                allocate(f, FallocateFlags::ZERO_RANGE, 0, PAGE as u64)
            }),
            ("punch by advice", |f| {
                let map = Map::shared(f, LEN, 0);
                shown(map.map(|map| map.advise(0, PAGE, libc::MADV_REMOVE)))
            }),
        ],
    )
}

fn pipes(t: &mut Trace, _: &Fs) -> Done {
    each(
        t,
        &[
            ("splice out of it", |f| {
                let (_end, begin) = rustix::pipe::pipe().expect("pipe");
                let flags = rustix::pipe::SpliceFlags::empty();
                let mut at = 5;
                shown(
                    rustix::pipe::splice(f, Some(&mut at), &begin, None, PAGE, flags)
                        .map_err(Errno::from),
                )
            }),
            ("splice into it", |f| splice_into(f, 10)),
            ("splice over the end", |f| splice_into(f, END - 2)),
            ("sendfile", |f| {
                let source = memfd::sealable(b"source").expect("memfd");
                f.seek(SeekFrom::Start(3)).expect("seek");
                shown(rustix::fs::sendfile(f, &source, Some(&mut 0), 6).map_err(Errno::from))
            }),
            ("copy_file_range", |f| {
                let source = memfd::sealable(b"source").expect("memfd");
                let done = rustix::fs::copy_file_range(&source, Some(&mut 0), f, Some(&mut 1), 6);
                shown(done.map_err(Errno::from))
            }),
        ],
    )
}

fn splice_into(file: &Fd, mut at: u64) -> String {
    let (end, begin) = rustix::pipe::pipe().expect("pipe");
    rustix::io::write(&begin, b"spliced").expect("write");
    let flags = rustix::pipe::SpliceFlags::empty();
    shown(rustix::pipe::splice(&end, None, file, Some(&mut at), 7, flags).map_err(Errno::from))
}

fn map_and_protect(file: &Fd, prot: ProtFlags, flags: MapFlags, then: ProtFlags) -> String {
    let map = Map::new(file, LEN, 0, prot, flags);
    shown(map.map(|map| (map.protect(then), map.smaps("Rss").is_ok())))
}

fn mappings(t: &mut Trace, _: &Fs) -> Done {
    const READ: ProtFlags = ProtFlags::READ;
    const BOTH: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);
    const RUN: ProtFlags = ProtFlags::READ.union(ProtFlags::EXEC);
    each(
        t,
        &[
            ("shared", |f| {
                map_and_protect(f, BOTH, MapFlags::SHARED, READ)
            }),
            ("shared to read, then to write", |f| {
                map_and_protect(f, READ, MapFlags::SHARED, BOTH)
            }),
            ("shared to read, then to execute", |f| {
                map_and_protect(f, READ, MapFlags::SHARED, RUN)
            }),
            ("validated", |f| {
                map_and_protect(f, BOTH, MapFlags::SHARED_VALIDATE, BOTH)
            }),
            ("private", |f| {
                map_and_protect(f, BOTH, MapFlags::PRIVATE, BOTH)
            }),
            ("private to read, then to write", |f| {
                map_and_protect(f, READ, MapFlags::PRIVATE, BOTH)
            }),
            ("private and written", |f| {
                let map = Map::private(f, LEN, 0).expect("a private mapping");
                map.set(5, 200);
                shown((map.bytes(0, 8), f.pread(8, 0)))
            }),
            ("by one who may only read", |f| {
                let reading = f.reopen(libc::O_RDONLY).expect("open");
                map_and_protect(&reading, READ, MapFlags::SHARED, BOTH)
            }),
        ],
    )
}

/// A mapping from before the seal goes on, where there may be one.
fn mapped_before(t: &mut Trace, _: &Fs) -> Done {
    for seals in [0, SHRINK, GROW, FUTURE_WRITE, SEAL, SEAL_EXEC] {
        let file = memfd::sealable(&pattern(1, LEN))?;
        let map = Map::shared(&file, LEN, 0)?;
        let label = format!("{:?}", Seals(seals));
        t.put(&label, (file.seal(seals), file.seals()));
        map.set(3, 250);
        t.put(
            &label,
            (map.bytes(0, 8), file.pread(8, 0), file.pwrite(b"abc", 0)),
        );
        t.put(&label, map.protect(ProtFlags::READ));
        t.put(&label, map.protect(ProtFlags::READ | ProtFlags::WRITE));
        map.set(4, 251);
        t.forked("child", |t| {
            map.set(5, 252);
            t.put("sees", map.bytes(0, 8));
        });
        t.put(
            &label,
            (file.pread(8, 0), map.advise(0, PAGE, libc::MADV_REMOVE)),
        );
        t.put(
            label,
            (file.pread(8, 0), Map::shared(&file, LEN, 0).map(drop)),
        );
    }
    Ok(())
}

fn modes(t: &mut Trace, _: &Fs) -> Done {
    for seals in [0, SEAL_EXEC, SEAL, WRITE] {
        for before in [0o777, 0o666, 0o100, 0o000] {
            for after in [0o777, 0o666, 0o700, 0o4666, 0o1000, 0o110] {
                let file = memfd::sealable(b"contents")?;
                rustix::fs::fchmod(&file, Mode::from_raw_mode(before))?;
                file.seal(seals)?;
                let done =
                    rustix::fs::fchmod(&file, Mode::from_raw_mode(after)).map_err(Errno::from);
                t.put(
                    format!("{:?} {before:o} to {after:o}", Seals(seals)),
                    (done, file.seals(), file.meta()?.mode),
                );
            }
        }
    }
    // Seals that come with the one of execution hold.
    let file = memfd::sealable(&pattern(1, LEN))?;
    t.put("executable", (file.seal(SEAL_EXEC), file.seals()));
    t.put(
        "write",
        (
            file.pwrite(b"a", 0),
            file.truncate(0),
            file.truncate(1 << 20),
        ),
    );
    let owner = Some(rustix::fs::Uid::from_raw(5));
    t.put(
        "chown",
        rustix::fs::fchown(&file, owner, None).map_err(Errno::from),
    );
    t.put("meta", file.meta()?);
    Ok(())
}

/// What a handler of faults puts into a sealed file, by mappings that there may be.
fn fault_handlers(t: &mut Trace, _: &Fs) -> Done {
    for seals in [0, SHRINK, GROW, FUTURE_WRITE, WRITE] {
        for (name, private) in [("shared", false), ("private", true)] {
            let label = format!("{:?} {name}", Seals(seals));
            let file = memfd::sealable(b"")?;
            file.truncate(4 * PAGE as u64)?;
            let map = match private {
                true => Map::private(&file, 4 * PAGE, 0)?,
                false => Map::shared(&file, 4 * PAGE, 0)?,
            };
            t.put(&label, file.seal(seals));
            let handler = Uffd::new(0)?;
            t.put(&label, handler.register(&map, 0, 4, uffd::MISSING).is_ok());
            t.put(&label, handler.copy(&map, 1, &pattern(3, PAGE)));
            t.put(&label, handler.zero(&map, 2, 1));
            handler.unregister(&map, 0, 4)?;
            // A mapping that may never be written to, where the seal forbids it.
            let late = Map::read_only(&file, 4 * PAGE, 0)?;
            let late = handler.register(&late, 0, 4, uffd::MISSING).map(drop);
            t.put(format!("{label}, mapped late"), late);
            t.put(&label, (map.bytes(0, 4 * PAGE), file.all()?, file.meta()?));
        }
    }
    let segment = sysv::new(PAGE)?;
    let map = segment.attach(0)?;
    let handler = Uffd::new(0)?;
    t.put(
        "segment",
        handler.register(&map, 0, 1, uffd::MISSING).is_ok(),
    );
    t.put("segment", handler.copy(&map, 0, &pattern(3, PAGE)));
    t.put("segment", map.bytes(0, 16));
    Ok(())
}
