//! Files of memfd_create(2): how they are made, what is seen of them, and how they are executed.

use std::os::fd::AsRawFd;

use rustix::fs::{fallocate, FallocateFlags};
use stage::machine::Setting;

use crate::harness::kmsg::expecting;
use crate::harness::map::ProtFlags;
use crate::harness::maps;
use crate::harness::memfd::{self, Sealed, ALLOW_SEALING, CLOEXEC, EXEC, HUGETLB, NOEXEC_SEAL};
use crate::harness::message::Socket;
use crate::harness::prelude::*;
use crate::harness::smaps;
use crate::harness::sys::Space;

cases! {
    shared => flags, noexec_policy, names, attributes, extended_attributes, contents, links, reopened, executed,
        executed_while_written, not_executable, scripts, mapped, of_another_user, passed_on, many, of_huge_pages,
        secret, shared_with_a_child;
}

/// What is seen of a new file, or why there is none.
fn made(name: &str, flags: u32) -> anyhow::Result<String> {
    let file = match memfd::create(name, flags) {
        Ok(file) => file,
        Err(e) => return Ok(format!("{e:?}")),
    };
    let descriptor = rustix::io::fcntl_getfd(&file)?;
    Ok(format!(
        "{} {descriptor:?} {:?} {:?} new {}",
        file.link(),
        file.seals(),
        file.meta()?,
        file.is_of_new_files()?
    ))
}

fn flags(t: &mut Trace, _: &Fs) -> Done {
    for flags in 0..0x20 {
        // Files of hugetlbfs have a case of their own.
        if flags & HUGETLB == 0 {
            t.text(format!("{flags:#x}"), quiet(|| made("name", flags))?);
        }
    }
    for flags in [0x20, 0x40, 0x8000_0000, CLOEXEC | 0x100] {
        t.text(format!("{flags:#x}"), quiet(|| made("name", flags))?);
    }
    Ok(())
}

/// The kernel says once of each boot that a program says nothing of execution.
fn quiet<T>(op: impl FnOnce() -> T) -> T {
    expecting("memfd_create\\(\\)", op)
}

fn noexec_policy(t: &mut Trace, _: &Fs) -> Done {
    for policy in ["0", "1", "2"] {
        let _set = Setting::new("/proc/sys/vm/memfd_noexec", policy)?;
        for flags in [0, ALLOW_SEALING, EXEC, EXEC | ALLOW_SEALING, NOEXEC_SEAL] {
            let seen = quiet(|| made("name", flags))?;
            t.text(format!("{policy}: {flags:#x}"), seen);
        }
    }
    Ok(())
}

fn names(t: &mut Trace, _: &Fs) -> Done {
    let long = "n".repeat(249);
    let too_long = "n".repeat(250);
    for name in [
        "",
        "a",
        "a b",
        "a/b",
        "..",
        "line\nbreak",
        "back\\slash",
        "(deleted)",
        "\u{e9}",
        &long,
        &too_long,
    ] {
        let file = memfd::create(name, CLOEXEC | EXEC);
        t.put(name, &file);
        let Ok(file) = file else { continue };
        file.truncate(PAGE as u64)?;
        let map = Map::shared(&file, PAGE, 0)?;
        let line = maps::line(&map)?;
        t.put("link", file.link());
        t.put("mapping", &line);
        t.put("its inode", line.number == rustix::fs::fstat(&file)?.st_ino);
        t.put("new", line.is_of_new_files()?);
    }
    // SAFETY: no string is at that address, which the kernel finds out.
    let none = unsafe { libc::memfd_create(std::ptr::without_provenance(8), 0) };
    t.put("no name", Errno::check(none.into()));
    Ok(())
}

fn attributes(t: &mut Trace, _: &Fs) -> Done {
    let file = memfd::create("file", CLOEXEC | EXEC)?;
    t.put("born", file.meta()?);
    let space = rustix::fs::fstatfs(&file)?;
    t.put(
        "file system",
        (space.f_type, space.f_bsize, Space::of(&space)),
    );
    t.put("flags of the mount", (space.f_flags, space.f_namelen));
    t.put(
        "chmod",
        rustix::fs::fchmod(&file, Mode::from_raw_mode(0o640)).map_err(Errno::from),
    );
    let owner = (
        Some(rustix::fs::Uid::from_raw(7)),
        Some(rustix::fs::Gid::from_raw(8)),
    );
    t.put(
        "chown",
        rustix::fs::fchown(&file, owner.0, owner.1).map_err(Errno::from),
    );
    t.put("changed", file.meta()?);
    t.put("write", file.write(&pattern(1, 3 * PAGE + 5)));
    t.put("written", file.meta()?);
    t.put("sync", rustix::fs::fsync(&file).map_err(Errno::from));
    t.put(
        "flags",
        rustix::fs::ioctl_getflags(&file).map_err(Errno::from),
    );
    let immutable = rustix::fs::IFlags::IMMUTABLE;
    t.put(
        "immutable",
        rustix::fs::ioctl_setflags(&file, immutable).map_err(Errno::from),
    );
    t.put("write then", file.pwrite(b"x", 0));
    t.put("truncate then", file.truncate(5));
    t.put("sealed then", (file.seal(memfd::GROW), file.seals()));
    let none = rustix::fs::IFlags::empty();
    t.put(
        "not immutable",
        rustix::fs::ioctl_setflags(&file, none).map_err(Errno::from),
    );
    let lock = rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive);
    t.put("lock", lock.map_err(Errno::from));
    t.put(
        "reads ahead",
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::WillNeed).map_err(Errno::from),
    );
    Ok(())
}

fn extended_attributes(t: &mut Trace, _: &Fs) -> Done {
    let file = memfd::create("file", CLOEXEC | EXEC)?;
    for name in [
        "user.a",
        "trusted.a",
        "security.a",
        "system.a",
        "security.capability",
    ] {
        t.put(format!("set {name}"), file.set_xattr(name, b"value", 0));
        t.put(format!("get {name}"), file.xattr(name));
    }
    t.put("list", file.xattrs());
    t.put("remove", file.remove_xattr("user.a"));
    t.put("list", file.xattrs());
    Ok(())
}

fn counts(t: &mut Trace, label: &str, file: &Fd) -> Done {
    t.put(label, (file.meta()?, file.extents()?, file.all()?));
    Ok(())
}

fn contents(t: &mut Trace, _: &Fs) -> Done {
    let file = memfd::create("file", CLOEXEC | EXEC)?;
    for (at, len) in stage::bytes::WRITES {
        t.put(
            format!("write {len} at {at}"),
            file.pwrite(&pattern(1, len), at as u64),
        );
    }
    counts(t, "written", &file)?;
    for (at, len) in stage::bytes::READS {
        t.put(format!("read {len} at {at}"), file.pread(len, at as u64)?);
    }
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    for (name, flags, at, len) in [
        ("allocate", FallocateFlags::empty(), 8 * PAGE, 3 * PAGE),
        ("keep the size", FallocateFlags::KEEP_SIZE, 12 * PAGE, PAGE),
        ("punch", punch, PAGE / 2, 2 * PAGE),
        ("zero", FallocateFlags::ZERO_RANGE, 0, PAGE),
        ("collapse", FallocateFlags::COLLAPSE_RANGE, 0, PAGE),
        ("insert", FallocateFlags::INSERT_RANGE, 0, PAGE),
    ] {
        let done = fallocate(&file, flags, at as u64, len as u64).map_err(Errno::from);
        t.put(name, done);
        counts(t, name, &file)?;
    }
    for size in [5 * PAGE + 7, PAGE, 0, 4 * PAGE] {
        t.put("truncate", file.truncate(size as u64));
        counts(t, "cut", &file)?;
    }
    t.put(
        "too large",
        (file.truncate(1 << 63), file.truncate((1 << 63) - 1)),
    );
    t.put("holes to the end of the world", file.extents());
    t.put(
        "at the end of the world",
        file.pwrite(b"abc", (1 << 63) - 2),
    );
    let other = memfd::create("other", CLOEXEC | EXEC)?;
    file.truncate(0)?;
    file.pwrite(&pattern(3, 2 * PAGE), 0)?;
    file.seek(SeekFrom::Start(0))?;
    let sent = rustix::fs::sendfile(&other, &file, None, 3 * PAGE).map_err(Errno::from);
    t.put("sendfile", (sent, other.all()?));
    let (mut from, mut to) = (5, 3 * PAGE as u64);
    let copied = rustix::fs::copy_file_range(&file, Some(&mut from), &other, Some(&mut to), PAGE);
    t.put(
        "copy_file_range",
        (copied.map_err(Errno::from), other.all()?),
    );
    let (end, begin) = rustix::pipe::pipe()?;
    let flags = rustix::pipe::SpliceFlags::empty();
    let mut at = 7;
    let into = rustix::pipe::splice(&file, Some(&mut at), &begin, None, PAGE, flags);
    t.put("splice into a pipe", into.map_err(Errno::from));
    let mut at = 1;
    let out = rustix::pipe::splice(&end, None, &other, Some(&mut at), PAGE, flags);
    t.put("splice out of it", (out.map_err(Errno::from), other.all()?));
    Ok(())
}

fn links(t: &mut Trace, fs: &Fs) -> Done {
    let file = memfd::create("file", CLOEXEC | EXEC)?;
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    t.put("a name in a mount", d.link_fd(&file, "name"));
    drop(d);
    mount.unmount()?;
    let path = file.path();
    t.put(
        "a name beside it",
        rustix::fs::link(&path, "/proc/self/fd/x").map_err(Errno::from),
    );
    t.put("removed", rustix::fs::unlink(&path).map_err(Errno::from));
    t.put("a folder", Dir::open(std::path::Path::new(&path)).map(drop));
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.0.as_raw_fd()))?;
    // The number of the mount and of the inode are the machine's.
    let lines = info
        .lines()
        .filter(|line| !line.starts_with("mnt_id") && !line.starts_with("ino"));
    t.each("fdinfo", lines);
    Ok(())
}

fn reopened(t: &mut Trace, _: &Fs) -> Done {
    let file = memfd::sealable(&pattern(1, PAGE + 9))?;
    for (name, flags) in [
        ("read", libc::O_RDONLY),
        ("write", libc::O_WRONLY),
        ("both", libc::O_RDWR),
        ("append", libc::O_RDWR | libc::O_APPEND),
        ("direct", libc::O_RDWR | libc::O_DIRECT),
        ("path", libc::O_PATH),
        ("exclusive", libc::O_RDWR | libc::O_CREAT | libc::O_EXCL),
        ("folder", libc::O_RDONLY | libc::O_DIRECTORY),
        ("none of the links", libc::O_RDONLY | libc::O_NOFOLLOW),
    ] {
        let other = file.reopen(flags);
        t.put(name, &other);
        let Ok(other) = other else { continue };
        t.put("position", other.seek(SeekFrom::Current(0)));
        t.put("write", other.write(b"abc"));
        t.put("read", other.pread(8, 0));
        t.put("seals", other.seals());
        t.put("sealed", other.seal(0));
        t.put("meta", file.meta()?);
    }
    t.put("truncate", file.reopen(libc::O_RDWR | libc::O_TRUNC));
    t.put("meta", file.meta()?);
    Ok(())
}

const PROGRAM: &str = "/bin/busybox";

/// A memfd with a program in it.
pub fn program(flags: u32) -> anyhow::Result<Fd> {
    let data = std::fs::read(PROGRAM).context(PROGRAM)?;
    let file = memfd::create("program", flags)?;
    ensure!(file.write(&data)? == data.len(), "short write");
    Ok(file)
}

/// Runs what a descriptor is open on, in a child: its exit status, or the error.
fn run(t: &mut Trace, label: &str, file: &Fd) {
    let arguments = [
        c"sh".as_ptr(),
        c"-c".as_ptr(),
        c"exit 7".as_ptr(),
        std::ptr::null(),
    ];
    let environment = [std::ptr::null::<libc::c_char>()];
    t.forked(label, |t| {
        // SAFETY: the strings and lists end as they have to.
        unsafe { libc::fexecve(file.0.as_raw_fd(), arguments.as_ptr(), environment.as_ptr()) };
        t.put(format!("{label}: error"), Errno::last());
    });
}

fn executed(t: &mut Trace, _: &Fs) -> Done {
    let file = program(ALLOW_SEALING | EXEC)?;
    let again = file.reopen(libc::O_RDONLY)?;
    t.put(
        "seals",
        file.seal(memfd::WRITE | memfd::SHRINK | memfd::GROW | memfd::SEAL_EXEC),
    );
    run(t, "while it is open for writing", &again);
    drop(file);
    run(t, "when it is not", &again);
    t.put(
        "chmod",
        rustix::fs::fchmod(&again, Mode::from_raw_mode(0o666)).map_err(Errno::from),
    );
    run(t, "still", &again);
    let closing = program(CLOEXEC | EXEC)?.reopen(libc::O_RDONLY)?;
    rustix::io::fcntl_setfd(&closing, rustix::io::FdFlags::CLOEXEC)?;
    run(t, "closed by what it executes", &closing);
    Ok(())
}

/// A program that runs keeps its file from being written.
fn executed_while_written(t: &mut Trace, _: &Fs) -> Done {
    let file = program(EXEC)?;
    let reading = file.reopen(libc::O_RDONLY)?;
    drop(file);
    let mut child = std::process::Command::new(reading.path())
        .arg("sleep")
        .arg("1000")
        .spawn()?;
    t.put("write", reading.reopen(libc::O_WRONLY));
    t.put("read", reading.reopen(libc::O_RDONLY));
    let link = std::fs::read_link(format!("/proc/{}/exe", child.id()))?;
    t.put("its program", link);
    child.kill()?;
    child.wait()?;
    t.put("write afterwards", reading.reopen(libc::O_WRONLY));
    Ok(())
}

fn not_executable(t: &mut Trace, _: &Fs) -> Done {
    let file = program(NOEXEC_SEAL)?;
    let reading = file.reopen(libc::O_RDONLY)?;
    t.put(
        "chmod",
        rustix::fs::fchmod(&file, Mode::from_raw_mode(0o777)).map_err(Errno::from),
    );
    t.put(
        "chmod of the others",
        rustix::fs::fchmod(&file, Mode::from_raw_mode(0o600)).map_err(Errno::from),
    );
    drop(file);
    run(t, "run", &reading);
    t.put("meta", reading.meta()?.mode);
    Ok(())
}

fn scripts(t: &mut Trace, _: &Fs) -> Done {
    let file = memfd::create("script", EXEC)?;
    file.write(b"#!/bin/sh\nexit 9\n")?;
    let reading = file.reopen(libc::O_RDONLY)?;
    drop(file);
    run(t, "script", &reading);
    Ok(())
}

const SMAPS: &[&str] = &[
    "Size",
    "Rss",
    "Shared_Dirty",
    "Private_Dirty",
    "Anonymous",
    "Swap",
    "VmFlags",
];

fn mapped(t: &mut Trace, _: &Fs) -> Done {
    let file = memfd::create("file", CLOEXEC | EXEC)?;
    file.truncate(8 * PAGE as u64)?;
    let shared = Map::shared(&file, 8 * PAGE, 0)?;
    let private = Map::private(&file, 8 * PAGE, 0)?;
    (0..4).for_each(|page| shared.set(page * PAGE, page as u8 + 1));
    private.set(PAGE, 9);
    private.set(6 * PAGE, 9);
    for (name, map) in [("shared", &shared), ("private", &private)] {
        t.put(name, maps::line(map)?);
        t.each(name, smaps::some(map, SMAPS)?);
        t.put(name, (map.resident()?, map.bytes(0, 2 * PAGE)));
    }
    t.put("file", (file.meta()?, file.all()?));
    t.put("execute", shared.protect(ProtFlags::READ | ProtFlags::EXEC));
    file.truncate(PAGE as u64)?;
    expecting("segfault at|Bus error", || {
        t.forked("beyond the end", |t| t.put("value", shared.get(2 * PAGE)));
    });
    t.put("before it", private.bytes(0, 8));
    drop(file);
    t.put(
        "without a descriptor",
        (maps::line(&private)?, private.bytes(0, 8)),
    );
    Ok(())
}

fn of_another_user(t: &mut Trace, _: &Fs) -> Done {
    let file = User::run(1000, 1001, || memfd::create("file", ALLOW_SEALING | EXEC))?;
    t.put("meta", file.meta()?);
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o400))?;
    User::run(1000, 1001, || {
        t.put("write", file.write(b"abc"));
        t.put("open", file.reopen(libc::O_RDWR));
        t.put("open to read", file.reopen(libc::O_RDONLY));
        t.put("sealed", file.seal(memfd::GROW));
    });
    User::run(1001, 1001, || {
        t.put("open by another", file.reopen(libc::O_RDONLY));
        let mode = Mode::from_raw_mode(0o777);
        t.put(
            "chmod by another",
            rustix::fs::fchmod(&file, mode).map_err(Errno::from),
        );
        t.put("sealed by another", file.seal(memfd::SHRINK));
    });
    Ok(())
}

/// A file lives in a message that nobody has taken.
fn passed_on(t: &mut Trace, _: &Fs) -> Done {
    let file = memfd::sealable(b"in a message")?;
    let socket = Socket::new()?;
    socket.send(file)?;
    let file = socket.receive()?;
    t.put("link", file.link());
    t.put("contents", file.all()?);
    t.put("seals", file.seals()?);
    t.put("new", file.is_of_new_files()?);
    Ok(())
}

fn many(t: &mut Trace, _: &Fs) -> Done {
    let files: Result<Vec<Fd>, Errno> = (0..500)
        .map(|n| memfd::create(&n.to_string(), CLOEXEC | EXEC))
        .collect();
    let files = files?;
    let numbers: std::collections::BTreeSet<u64> = files
        .iter()
        .map(|f| Ok(rustix::fs::fstat(f)?.st_ino))
        .collect::<anyhow::Result<_>>()?;
    t.put("inode numbers", numbers.len());
    t.put("last", files[499].link());
    Ok(())
}

/// They are hugetlbfs's, whatever the switch says.
fn of_huge_pages(t: &mut Trace, _: &Fs) -> Done {
    if !std::path::Path::new("/proc/sys/vm/nr_hugepages").exists() {
        skip!("this kernel has no hugetlbfs");
    }
    for flags in [
        HUGETLB,
        HUGETLB | ALLOW_SEALING,
        HUGETLB | NOEXEC_SEAL,
        HUGETLB | (21 << 26),
        HUGETLB | (13 << 26),
    ] {
        t.text(format!("{flags:#x}"), quiet(|| made("huge", flags))?);
    }
    Ok(())
}

/// They have a file system of their own, whatever the switch says.
fn secret(t: &mut Trace, _: &Fs) -> Done {
    for flags in [1, 0x8000_0000] {
        t.put(format!("{flags:#x}"), memfd::secret(flags));
    }
    let file = match memfd::secret(libc::O_CLOEXEC as u32) {
        Err(Errno(libc::ENOSYS)) => skip!("this kernel has no secret memory"),
        file => file?,
    };
    t.put("link", file.link());
    t.put("meta", (file.meta()?, file.seals(), file.seal(memfd::GROW)));
    t.put("device", rustix::fs::fstat(&file)?.st_dev);
    t.put("new", file.is_of_new_files()?);
    let space = rustix::fs::fstatfs(&file)?;
    t.put("file system", (space.f_type, Space::of(&space)));
    t.put("size", file.truncate(2 * PAGE as u64));
    t.put("another size", file.truncate(PAGE as u64));
    t.put("private", Map::private(&file, PAGE, 0).map(drop));
    let map = Map::shared(&file, 2 * PAGE, 0)?;
    map.fill(PAGE - 3, 6, 9);
    t.put("mapped", (maps::line(&map)?, map.bytes(0, 2 * PAGE)));
    t.each("mapped", smaps::some(&map, SMAPS)?);
    t.put("read", file.pread(8, PAGE as u64));
    t.put("write", file.pwrite(b"abc", 0));
    t.put("open", file.reopen(libc::O_RDWR));
    t.forked("child", |t| t.put("mapped", map.bytes(PAGE, 8)));
    t.put("remove", map.advise(0, PAGE, libc::MADV_REMOVE));
    t.put("meta", (file.meta()?, file.extents()));
    Ok(())
}

fn shared_with_a_child(t: &mut Trace, _: &Fs) -> Done {
    let file = memfd::sealable(b"contents")?;
    t.forked("child", |t| {
        t.put("reads", file.pread(8, 0));
        t.put("writes", file.pwrite(b"by the child", 0));
        t.put("seals", file.seal(memfd::WRITE));
    });
    t.put(
        "contents",
        (file.all()?, file.seals()?, file.pwrite(b"no", 0)),
    );
    Ok(())
}
