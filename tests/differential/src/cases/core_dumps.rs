//! Core dumps to the file system, and of memory that is mapped from it.

use nix::sys::resource::{setrlimit, Resource};
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult};
use stage::machine::Setting;

use crate::harness::prelude::*;

cases! {
    own => by_path, in_the_working_directory, limited, without_space, over_other_files, for_another_user,
        of_mapped_files;
}

const PATTERN: &str = "/proc/sys/kernel/core_pattern";
/// Private and shared memory without files, and with them; no headers of programs.
const EVERYTHING: &str = "0xf";

/// What a child that does `body` and then aborts ended with, and whether it left a core.
fn abort(limit: u64, body: impl FnOnce() -> Done) -> (Signal, bool) {
    // SAFETY: the case has one thread.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            let steps = std::panic::AssertUnwindSafe(|| {
                setrlimit(Resource::RLIMIT_CORE, limit, limit)?;
                body()
            });
            match std::panic::catch_unwind(steps) {
                Ok(Ok(())) => {}
                failed => {
                    if let Ok(Err(e)) = failed {
                        eprintln!("before the dump: {e:#}");
                    }
                    // SAFETY: ends the child without running what belongs to the parent.
                    unsafe { libc::_exit(1) };
                }
            }
            // SAFETY: ends the child by SIGABRT.
            unsafe { libc::abort() }
        }
        ForkResult::Parent { child } => match waitpid(child, None).expect("waitpid") {
            WaitStatus::Signaled(_, signal, dumped) => (signal, dumped),
            status => panic!("the child ended with {status:?}"),
        },
    }
}

fn plain(limit: u64) -> (Signal, bool) {
    abort(limit, || Ok(()))
}

/// A segment of a core.
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
    memory: u64,
}

/// The segments of a core, once its header is found to be that of one.
fn segments(core: &Fd) -> anyhow::Result<Vec<Segment>> {
    let head = core.pread(64, 0)?.0;
    ensure!(head.len() == 64, "a core of {} bytes", head.len());
    ensure!(head[..5] == *b"\x7fELF\x02", "no ELF file of 64 bits");
    let half = |d: &[u8], at: usize| u16::from_le_bytes([d[at], d[at + 1]]);
    let word = |d: &[u8], at: usize| u32::from_le_bytes(d[at..at + 4].try_into().expect("4 bytes"));
    let long = |d: &[u8], at: usize| u64::from_le_bytes(d[at..at + 8].try_into().expect("8 bytes"));
    ensure!(half(&head, 16) == 4, "of type {}", half(&head, 16));
    let (table, size, count) = (long(&head, 32), half(&head, 54), half(&head, 56));
    (0..u64::from(count))
        .map(|i| {
            let p = core.pread(size.into(), table + i * u64::from(size))?.0;
            ensure!(p.len() == usize::from(size), "a cut table of segments");
            Ok(Segment {
                kind: word(&p, 0),
                offset: long(&p, 8),
                address: long(&p, 16),
                size: long(&p, 32),
                memory: long(&p, 40),
            })
        })
        .collect()
}

/// What a core has to be, whatever the process had in memory.
fn check(t: &mut Trace, label: &str, d: &Dir, name: &str) -> Done {
    let core = d.read_only(name)?;
    let meta = core.meta()?;
    t.put(
        format!("{label}: file"),
        format!(
            "{:o} {}:{} nlink {}",
            meta.mode, meta.uid, meta.gid, meta.nlink
        ),
    );
    let segments = segments(&core)?;
    let loads = segments.iter().filter(|s| s.kind == 1).count();
    let notes = segments.iter().filter(|s| s.kind == 4).count();
    let end = segments.iter().map(|s| s.offset + s.size).max();
    t.put(
        format!("{label}: segments"),
        (
            loads > 10,
            notes,
            end == Some(meta.size),
            meta.size > 256 << 10,
        ),
    );
    // Pages that nobody touched are holes.
    t.put(format!("{label}: sparse"), meta.blocks * 512 < meta.size);
    let extents = core.extents()?;
    t.put(
        format!("{label}: starts with data"),
        extents.first().map(|e| e.0),
    );
    Ok(())
}

fn by_path(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    d.mkdir("dir")?;
    for (label, name) in [
        ("plain", "core"),
        ("in a directory", "dir/core.%s.%u"),
        ("none", "missing/core"),
    ] {
        let pattern = format!("{}/{name}", mount.path.display());
        let _pattern = Setting::new(PATTERN, &pattern)?;
        t.put(label, plain(u64::MAX));
    }
    check(t, "plain", &d, "core")?;
    check(t, "in a directory", &d, "dir/core.6.0")?;
    t.put("names", (d.names()?, d.sub("dir")?.names()?));
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn in_the_working_directory(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    d.mkdir("dir")?;
    let _pattern = Setting::new(PATTERN, "core")?;
    let dumped = abort(u64::MAX, || {
        Ok(std::env::set_current_dir(mount.path.join("dir"))?)
    });
    t.put("dumped", dumped);
    check(t, "core", &d, "dir/core")?;
    let space = d.space()?;
    d.unlink("dir/core")?;
    t.put("given back", d.space()?.free > space.free);
    let gone = abort(u64::MAX, || {
        std::env::set_current_dir(mount.path.join("dir"))?;
        Ok(std::fs::remove_dir(mount.path.join("dir"))?)
    });
    t.put("in a directory that is gone", gone);
    t.put("names", d.names()?);
    drop(d);
    mount.remount_flags("", nix::mount::MsFlags::MS_RDONLY)?;
    let read_only = abort(u64::MAX, || Ok(std::env::set_current_dir(&mount.path)?));
    t.put("on a read-only mount", read_only);
    mount.unmount()?;
    Ok(())
}

/// RLIMIT_CORE cuts a core, or forbids it.
fn limited(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let _pattern = Setting::new(PATTERN, &format!("{}/core", mount.path.display()))?;
    for limit in [0, 1, 4095, 4096, 65_536, 100_000] {
        t.put(limit, plain(limit));
        match d.read_only("core") {
            Ok(core) => {
                let size = core.size()?;
                t.put("size", (size > 0, size <= limit, core.pread(4, 0)?));
                d.unlink("core")?;
            }
            Err(e) => t.put("no file", e),
        }
    }
    t.put("space", d.space()?.free == d.space()?.blocks);
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn without_space(t: &mut Trace, fs: &Fs) -> Done {
    for options in ["size=64k", "size=4k", "nr_inodes=2", "nr_inodes=1"] {
        let mount = fs.mount(options)?;
        let d = mount.dir()?;
        let _pattern = Setting::new(PATTERN, &format!("{}/core", mount.path.display()))?;
        for _ in 0..2 {
            t.put(options, plain(u64::MAX));
            t.put("free", d.space()?.free.min(1));
            if let Ok(core) = d.read_only("core") {
                t.put(
                    "starts with",
                    (core.pread(4, 0)?, core.extents()?.first().map(|e| e.0)),
                );
            }
        }
        t.put("unlink", d.unlink("core"));
        t.put(
            "all is free",
            (d.space()?.free == d.space()?.blocks, d.space()?.free_files),
        );
        drop(d);
        mount.unmount()?;
    }
    Ok(())
}

/// What there is already under the name of the core.
fn over_other_files(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let _pattern = Setting::new(PATTERN, &format!("{}/core", mount.path.display()))?;
    d.file("target", b"target")?;
    for kind in [
        "larger",
        "hard link",
        "symlink",
        "directory",
        "fifo",
        "other's",
        "immutable",
        "open",
    ] {
        let mut held = None;
        match kind {
            "larger" => d.create("core")?.truncate(1 << 40)?,
            "hard link" => d.link("target", "core")?,
            "symlink" => d.symlink("target", "core")?,
            "directory" => d.mkdir("core")?,
            "fifo" => d.fifo("core")?,
            "other's" => {
                d.file("core", b"theirs")?;
                d.chown("core", Some(1000), None)?;
            }
            "immutable" => {
                use crate::harness::fileattr::{set_flags, IMMUTABLE};
                set_flags(d.file("core", b"kept")?, IMMUTABLE)?;
            }
            _ => held = Some(d.file("core", b"open")?),
        }
        t.put(kind, plain(u64::MAX));
        let meta = d.meta("core")?;
        t.put("is", (meta.mode, meta.nlink, meta.uid, meta.size.min(4096)));
        if let Some(file) = held {
            t.put("seen by who has it open", file.pread(4, 0)?);
        }
        if kind == "immutable" {
            crate::harness::fileattr::set_flags(d.read_only("core")?, 0)?;
        }
        d.unlink("core").or_else(|_| d.rmdir("core"))?;
    }
    t.put("target", d.contents("target")?);
    drop(d);
    mount.unmount()?;
    Ok(())
}

/// A process that has changed its user leaves a core only where suid_dumpable says so.
fn for_another_user(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("mode=1777")?;
    let d = mount.dir()?;
    let _pattern = Setting::new(PATTERN, &format!("{}/core", mount.path.display()))?;
    // With 2 the kernel starts from the root of its first process, which does not see this mount.
    for dumpable in ["0", "1"] {
        let _dumpable = Setting::new("/proc/sys/fs/suid_dumpable", dumpable)?;
        let dumped = abort(u64::MAX, || {
            // The user of this thread, for as long as it lives.
            std::mem::forget(User::become_user(1000, 1001, &[]));
            Ok(())
        });
        t.put(format!("suid_dumpable {dumpable}"), dumped);
        match d.meta("core") {
            Ok(meta) => {
                t.put("is", (meta.mode, meta.uid, meta.gid));
                d.unlink("core")?;
            }
            Err(e) => t.put("no file", e),
        }
    }
    drop(d);
    mount.unmount()?;
    Ok(())
}

/// Pages of mapped files are in a core, on another file system, as the process saw them.
fn of_mapped_files(t: &mut Trace, fs: &Fs) -> Done {
    const PAGES: usize = 16;
    let cores = fs.point("cores");
    let none = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("cores"), &cores, Some("tmpfs"), none, None::<&str>)?;
    let _pattern = Setting::new(PATTERN, &format!("{}/core", cores.display()))?;
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let place = Dir::open(&cores)?;
    for (label, unlinked, filter) in [
        ("named", false, EVERYTHING),
        ("unlinked", true, EVERYTHING),
        ("named, memory without files alone", false, "0x3"),
        ("unlinked, memory without files alone", true, "0x3"),
    ] {
        let file = d.file("f", &pattern(1, 4 * PAGE))?;
        file.truncate((PAGES * PAGE) as u64)?;
        if unlinked {
            d.unlink("f")?;
        }
        // Mapped before the fork, so that the addresses are known.
        let shared = Map::shared(&file, PAGES * PAGE, 0)?;
        let private = Map::private(&file, PAGES * PAGE, 0)?;
        let dumped = abort(u64::MAX, || {
            std::fs::write("/proc/self/coredump_filter", filter)?;
            shared.set(6 * PAGE, b's');
            private.set(0, b'p');
            private.set(8 * PAGE, b'q');
            Ok(())
        });
        t.put(label, dumped);
        let core = place.read_only("core")?;
        for (kind, map) in [("shared", &shared), ("private", &private)] {
            let address = map.start() as u64;
            let inside = |s: &&Segment| s.kind == 1 && s.address == address;
            let found = segments(&core)?;
            let segment = found
                .iter()
                .find(inside)
                .context("no segment of the mapping")?;
            t.put(format!("{label}: {kind}"), (segment.memory, segment.size));
            let contents = core.pread(segment.size as usize, segment.offset)?;
            t.put(format!("{label}: {kind} contents"), contents);
        }
        // A dump must not fill holes with pages.
        t.counts(label, &d, &file)?;
        place.unlink("core")?;
        drop((shared, private));
        if !unlinked {
            d.unlink("f")?;
        }
    }
    drop((d, place));
    mount.unmount()?;
    nix::mount::umount(&cores)?;
    Ok(())
}
