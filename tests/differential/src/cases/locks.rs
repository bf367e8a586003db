//! Notification and locks: what inotify tells, and leases, flock(2), POSIX and OFD locks.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::harness::prelude::*;
use crate::harness::process::{forked, pipe};
use crate::harness::sys::link_of;

cases! {
    "" => inotify_on_a_directory, inotify_on_a_file, inotify_on_what_goes, whole_file_locks, posix_locks, ofd_locks,
        locks_end_with_their_owner, leases, leases_are_broken, delegations_of_directories;
    own => inotify_of_unmount;
}

/// An inotify instance, and the names of its watches.
struct Inotify {
    fd: OwnedFd,
    names: HashMap<i32, String>,
    cookies: Vec<u32>,
}

impl Inotify {
    fn new() -> Res<Inotify> {
        // SAFETY: takes no memory.
        let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        Errno::check(fd.into())?;
        Ok(Inotify {
            // SAFETY: the kernel has just given it out.
            fd: unsafe { OwnedFd::from_raw_fd(fd) },
            names: HashMap::new(),
            cookies: Vec::new(),
        })
    }

    fn watch(&mut self, d: &Dir, name: &str) -> Done {
        let path = format!("{}/{name}", link_of(d));
        self.watch_path(&path, name)
    }

    fn watch_path(&mut self, path: &str, name: &str) -> Done {
        let path = std::ffi::CString::new(path)?;
        // SAFETY: the path lives through the call.
        let watch = unsafe {
            libc::inotify_add_watch(self.fd.as_raw_fd(), path.as_ptr(), libc::IN_ALL_EVENTS)
        };
        Errno::check(watch.into())?;
        self.names.insert(watch, name.to_owned());
        Ok(())
    }

    /// The events so far; cookies are numbered as they come.
    fn events(&mut self) -> Res<Vec<String>> {
        const HEAD: usize = 16;
        let mut events = Vec::new();
        loop {
            let mut buffer = [0_u8; 4096];
            let n = match rustix::io::read(&self.fd, &mut buffer) {
                Ok(n) => n,
                Err(rustix::io::Errno::AGAIN) => return Ok(events),
                Err(e) => return Err(e.into()),
            };
            let mut rest = &buffer[..n];
            while rest.len() >= HEAD {
                let word = |at: usize| {
                    u32::from_ne_bytes(rest[4 * at..][..4].try_into().expect("4 bytes"))
                };
                let (watch, mask, cookie, len) =
                    (word(0) as i32, word(1), word(2), word(3) as usize);
                let name = String::from_utf8_lossy(&rest[HEAD..][..len])
                    .trim_end_matches('\0')
                    .to_owned();
                let cookie = match cookie {
                    0 => 0,
                    c => {
                        let at = self
                            .cookies
                            .iter()
                            .position(|&k| k == c)
                            .unwrap_or_else(|| {
                                self.cookies.push(c);
                                self.cookies.len() - 1
                            });
                        at + 1
                    }
                };
                let watched = self.names.get(&watch).map_or("?", |n| n);
                events.push(format!("{watched}: {mask:#x} {cookie} {name:?}"));
                rest = &rest[HEAD + len..];
            }
        }
    }
}

/// A step: runs it and records the events that it makes.
fn told<T: std::fmt::Debug>(
    t: &mut Trace,
    inotify: &mut Inotify,
    label: &str,
    op: impl FnOnce() -> T,
) -> Done {
    let value = op();
    t.put(label, value);
    t.each(label, inotify.events()?);
    Ok(())
}

fn inotify_on_a_directory(t: &mut Trace, d: &Dir) -> Done {
    let sub = d.make("dir")?;
    let other = d.make("other")?;
    let mut inotify = Inotify::new()?;
    inotify.watch(d, "dir")?;
    inotify.watch(d, "other")?;
    let i = &mut inotify;
    told(t, i, "create", || sub.file("f", b"text").map(drop))?;
    told(t, i, "read", || sub.contents("f"))?;
    told(t, i, "write", || sub.read_write("f")?.write(b"more"))?;
    told(t, i, "truncate", || sub.truncate("f", 1))?;
    told(t, i, "chmod", || sub.chmod("f", 0o600))?;
    told(t, i, "chown", || sub.chown("f", Some(1), None))?;
    told(t, i, "mkdir", || sub.mkdir("d"))?;
    told(t, i, "fifo", || sub.fifo("p"))?;
    told(t, i, "symlink", || sub.symlink("x", "s"))?;
    told(t, i, "link", || sub.link("f", "g"))?;
    told(t, i, "rename", || sub.rename("f", "h"))?;
    told(t, i, "rename over", || sub.rename("h", "p"))?;
    told(t, i, "exchange", || {
        sub.rename_flags("g", "d", RenameFlags::EXCHANGE)
    })?;
    told(t, i, "whiteout", || {
        sub.rename_flags("g", "w", RenameFlags::WHITEOUT)
    })?;
    told(t, i, "to another directory", || {
        sub.rename_to("p", &other, "p")
    })?;
    told(t, i, "unlink", || other.unlink("p"))?;
    told(t, i, "rmdir", || sub.rmdir("w"))?;
    told(t, i, "list", || sub.names())?;
    told(t, i, "without a name", || {
        sub.tmpfile().and_then(|f| sub.link_fd(&f, "named"))
    })?;
    told(t, i, "of the root", || d.create("elsewhere").map(drop))?;
    Ok(())
}

fn inotify_on_a_file(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, PAGE))?;
    let mut inotify = Inotify::new()?;
    inotify.watch(d, "f")?;
    let i = &mut inotify;
    told(t, i, "read", || file.pread(1, 0))?;
    told(t, i, "write", || file.pwrite(b"x", 0))?;
    told(t, i, "allocate", || {
        rustix::fs::fallocate(
            &file,
            rustix::fs::FallocateFlags::empty(),
            0,
            2 * PAGE as u64,
        )
        .map_err(Errno::from)
    })?;
    told(t, i, "punch", || {
        let punch = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&file, punch, 0, PAGE as u64).map_err(Errno::from)
    })?;
    told(t, i, "map", || {
        Map::shared(&file, PAGE, 0).map(|m| m.set(0, 1))
    })?;
    told(t, i, "second name", || d.link("f", "g"))?;
    told(t, i, "rename", || d.rename("f", "h"))?;
    told(t, i, "one name less", || d.unlink("h"))?;
    told(t, i, "last name", || d.unlink("g"))?;
    told(t, i, "close", || drop(file))?;
    Ok(())
}

fn inotify_on_what_goes(t: &mut Trace, d: &Dir) -> Done {
    let sub = d.make("dir")?;
    let mut inotify = Inotify::new()?;
    inotify.watch(d, "dir")?;
    d.file("old", b"1")?;
    d.file("new", b"2")?;
    inotify.watch(d, "old")?;
    inotify.watch(d, "new")?;
    let i = &mut inotify;
    told(t, i, "rename over a watched file", || {
        d.rename("old", "new")
    })?;
    told(t, i, "rmdir", || d.rmdir("dir"))?;
    told(t, i, "close", || drop(sub))?;
    Ok(())
}

fn inotify_of_unmount(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    d.create("f")?;
    let mut inotify = Inotify::new()?;
    inotify.watch_path(mount.path.join("f").to_str().context("a plain path")?, "f")?;
    inotify.watch_path(mount.path.to_str().context("a plain path")?, "root")?;
    drop(d);
    mount.unmount()?;
    let mut events = inotify.events()?;
    events.sort();
    t.each("events", events);
    Ok(())
}

fn flock(file: &Fd, operation: i32) -> Res<()> {
    // SAFETY: takes no memory.
    let done = unsafe { libc::flock(file.as_fd().as_raw_fd(), operation | libc::LOCK_NB) };
    Errno::check(done.into()).map(drop)
}

fn whole_file_locks(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.mkdir("dir")?;
    for name in ["f", "dir"] {
        let (one, two) = (d.read_only(name)?, d.read_only(name)?);
        for (label, first, second) in [
            ("shared, shared", libc::LOCK_SH, libc::LOCK_SH),
            ("shared, exclusive", libc::LOCK_SH, libc::LOCK_EX),
            ("exclusive, shared", libc::LOCK_EX, libc::LOCK_SH),
            ("exclusive, exclusive", libc::LOCK_EX, libc::LOCK_EX),
        ] {
            t.put(
                format!("{name}: {label}"),
                (flock(&one, first), flock(&two, second)),
            );
            t.put(
                "upgrade",
                (flock(&one, libc::LOCK_EX), flock(&two, libc::LOCK_UN)),
            );
            t.put("release", flock(&one, libc::LOCK_UN));
        }
        let path = d.openat(name, OFlags::PATH, 0)?;
        t.put("by a path", flock(&path, libc::LOCK_SH));
    }
    Ok(())
}

fn region(kind: i32, start: i64, len: i64) -> libc::flock {
    // SAFETY: a plain struct of numbers, for which zeros are good.
    let mut region: libc::flock = unsafe { std::mem::zeroed() };
    region.l_type = kind as libc::c_short;
    region.l_start = start;
    region.l_len = len;
    region
}

fn lock(file: &Fd, command: i32, mut region: libc::flock) -> Res<(i16, i64, i64)> {
    // SAFETY: the region lives through the call.
    let done = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), command, &mut region) };
    Errno::check(done.into())?;
    Ok((region.l_type, region.l_start, region.l_len))
}

const READ: i32 = libc::F_RDLCK;
const WRITE: i32 = libc::F_WRLCK;
const NONE: i32 = libc::F_UNLCK;

/// Regions that are set one after another, each seen by somebody else.
fn regions(t: &mut Trace, own: &Fd, set: i32, mut ask: impl FnMut(&[libc::flock]) -> Vec<String>) {
    for (kind, start, len) in [
        (WRITE, 0, 10),
        (READ, 4, 2),
        (READ, 0, 0),
        (WRITE, 100, 0),
        (NONE, 2, 4),
        (NONE, 0, 0),
        (WRITE, i64::MAX, 1),
        (WRITE, -1, 1),
        (WRITE, 10, -5),
        (READ, 1 << 40, 1),
        (NONE, 0, 0),
    ] {
        let done = lock(own, set, region(kind, start, len)).map(drop);
        t.put(format!("{kind} {start}+{len}"), done);
        let mut wanted = Vec::new();
        for (start, len) in [(0, 1), (3, 1), (5, 1), (8, 1), (50, 1), (200, 0), (0, 0)] {
            wanted.extend([READ, WRITE].map(|kind| region(kind, start, len)));
        }
        t.each("seen", ask(&wanted));
    }
}

fn posix_locks(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 64))?;
    regions(t, &file, libc::F_SETLK, |wanted| {
        // Another process asks, since locks of one's own are not seen.
        let (mut read, mut write) = pipe();
        forked(|| {
            let own = d.read_write("f").expect("it is there");
            for region in wanted {
                let answer = lock(&own, libc::F_GETLK, *region);
                writeln!(write, "{answer:?}").expect("the parent reads");
            }
        });
        drop(write);
        let mut text = String::new();
        read.read_to_string(&mut text).expect("a pipe");
        text.lines().map(str::to_owned).collect()
    });
    let reader = d.read_only("f")?;
    let write = lock(&reader, libc::F_SETLK, region(WRITE, 0, 1));
    t.put("write lock by a reader", write);
    let dir = d.openat(".", OFlags::RDONLY, 0)?;
    let read = lock(&dir, libc::F_SETLK, region(READ, 0, 1));
    t.put("lock of a directory", read);
    Ok(())
}

fn ofd_locks(t: &mut Trace, d: &Dir) -> Done {
    let (one, two) = (d.file("f", &pattern(1, 64))?, d.read_write("f")?);
    regions(t, &one, libc::F_OFD_SETLK, |wanted| {
        let seen = |region: &libc::flock| format!("{:?}", lock(&two, libc::F_OFD_GETLK, *region));
        wanted.iter().map(seen).collect()
    });
    let set = |file: &Fd, command, kind| lock(file, command, region(kind, 5, 10)).map(drop);
    t.put("one", set(&one, libc::F_OFD_SETLK, WRITE));
    t.put("two", set(&two, libc::F_OFD_SETLK, READ));
    t.put("posix", set(&two, libc::F_SETLK, READ));
    drop(one);
    t.put("two again", set(&two, libc::F_OFD_SETLK, READ));
    Ok(())
}

fn locks_end_with_their_owner(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", b"text")?;
    t.forked("child", |t| {
        let own = d.read_write("f").expect("it is there");
        t.put(
            "in the child",
            (
                flock(&own, libc::LOCK_EX),
                lock(&own, libc::F_SETLK, region(WRITE, 0, 0)).map(drop),
            ),
        );
    });
    t.put(
        "after it",
        (
            flock(&file, libc::LOCK_EX),
            lock(&file, libc::F_SETLK, region(WRITE, 0, 0)).map(drop),
        ),
    );
    let other = d.read_write("f")?;
    drop(other);
    t.forked("child", |t| {
        let own = d.read_write("f").expect("it is there");
        t.put(
            "closing any descriptor releases",
            lock(&own, libc::F_SETLK, region(WRITE, 0, 0)).map(drop),
        );
    });
    d.unlink("f")?;
    t.put(
        "without a name",
        lock(&file, libc::F_SETLK, region(WRITE, 0, 0)).map(drop),
    );
    Ok(())
}

fn lease(file: &Fd, kind: i32) -> Res<()> {
    // SAFETY: takes no memory.
    let done = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_SETLEASE, kind) };
    Errno::check(done.into()).map(drop)
}

fn leased(file: &Fd) -> Res<i64> {
    // SAFETY: takes no memory.
    let kind = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_GETLEASE) };
    Errno::check(kind.into())
}

fn leases(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", b"text")?;
    d.fifo("fifo")?;
    let (reader, writer) = (d.read_only("f")?, d.read_write("f")?);
    for kind in [READ, WRITE, NONE] {
        t.put(
            format!("{kind} with a writer"),
            (lease(&reader, kind), leased(&reader)),
        );
    }
    drop(writer);
    for kind in [READ, WRITE, NONE, 7] {
        t.put(
            format!("{kind} alone"),
            (lease(&reader, kind), leased(&reader)),
        );
    }
    let second = d.read_only("f")?;
    t.put("write lease with a second reader", lease(&reader, WRITE));
    t.put("both read", (lease(&reader, READ), lease(&second, READ)));
    t.put(
        "fifo",
        lease(
            &d.openat("fifo", OFlags::RDONLY | OFlags::NONBLOCK, 0)?,
            READ,
        ),
    );
    t.put("directory", lease(&d.openat(".", OFlags::RDONLY, 0)?, READ));
    let user = User::run(1000, 1000, || lease(&second, READ));
    t.put("another's file", user);
    Ok(())
}

fn leases_are_broken(t: &mut Trace, d: &Dir) -> Done {
    // SAFETY: the signal is only ignored.
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
    d.file("f", b"text")?;
    let reader = d.read_only("f")?;
    let nonblock = |flags| d.openat("f", flags | OFlags::NONBLOCK, 0).map(drop);
    t.put("read lease", lease(&reader, READ));
    t.put("open to read", nonblock(OFlags::RDONLY));
    t.put("open to write", nonblock(OFlags::WRONLY));
    t.put("being broken", leased(&reader));
    t.put("give it back", (lease(&reader, NONE), leased(&reader)));
    t.put("open to write", nonblock(OFlags::WRONLY));
    t.put("write lease", lease(&reader, WRITE));
    t.put("open to read", nonblock(OFlags::RDONLY));
    t.put("being broken", leased(&reader));
    t.put("downgrade", (lease(&reader, READ), leased(&reader)));
    t.put("open to read", nonblock(OFlags::RDONLY));
    t.put("give it back", (lease(&reader, NONE), leased(&reader)));
    Ok(())
}

fn delegations_of_directories(t: &mut Trace, d: &Dir) -> Done {
    let sub = d.make("dir")?;
    let dir = d.openat("dir", OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
    for kind in [READ, WRITE, NONE] {
        t.put(format!("{kind}"), (lease(&dir, kind), leased(&dir)));
    }
    sub.create("f")?;
    t.put("names", sub.names());
    Ok(())
}
