//! What fanotify tells, and what it may forbid.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::harness::handle::Handle;
use crate::harness::prelude::*;
use crate::harness::process::Child;

cases! {
    own => with_handles, on_a_mount, permissions;
}

pub const FAN_REPORT_FID: u32 = 0x200;
const FAN_REPORT_DFID_NAME: u32 = 0xc00;
const FAN_MARK_ADD: u32 = 1;
pub const FAN_MARK_FILESYSTEM: u32 = 0x100;
pub const FAN_MARK_MOUNT: u32 = 0x10;
const FAN_ONDIR: u64 = 0x4000_0000;
/// Create, delete, moved from and to, rename, modify, attributes, delete self, move self, close after writing.
const NAME_EVENTS: u64 =
    0x100 | 0x200 | 0x40 | 0x80 | 0x1000_0000 | 0x2 | 0x4 | 0x400 | 0x800 | 0x8;
/// Open, access, modify, close of either kind.
pub const FILE_EVENTS: u64 = 0x20 | 0x1 | 0x2 | 0x8 | 0x10;

pub fn fanotify(class: u32, mark: u32, mask: u64, at: &std::path::Path) -> Res<OwnedFd> {
    const NONBLOCK: u32 = 2;
    // SAFETY: takes no memory.
    let fd = unsafe { libc::fanotify_init(class | NONBLOCK, libc::O_RDWR as u32) };
    Errno::check(fd.into())?;
    // SAFETY: the kernel has just given it out.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let path = std::ffi::CString::new(at.as_os_str().as_encoded_bytes()).expect("a plain path");
    // SAFETY: the path lives through the call.
    let done = unsafe {
        libc::fanotify_mark(
            fd.as_raw_fd(),
            FAN_MARK_ADD | mark,
            mask,
            libc::AT_FDCWD,
            path.as_ptr(),
        )
    };
    Errno::check(done.into())?;
    Ok(fd)
}

/// The records of an fanotify descriptor: mask, file descriptor, and the rest of each record.
fn records(fd: &OwnedFd) -> Res<Vec<(u64, i32, Vec<u8>)>> {
    const HEAD: usize = 24;
    let mut records = Vec::new();
    loop {
        let mut buffer = [0_u8; 8192];
        let n = match rustix::io::read(fd, &mut buffer) {
            Ok(n) => n,
            Err(rustix::io::Errno::AGAIN) => return Ok(records),
            Err(e) => return Err(e.into()),
        };
        let mut rest = &buffer[..n];
        while rest.len() >= HEAD {
            let len = u32::from_ne_bytes(rest[..4].try_into().expect("4 bytes")) as usize;
            let mask = u64::from_ne_bytes(rest[8..16].try_into().expect("8 bytes"));
            let file = i32::from_ne_bytes(rest[16..20].try_into().expect("4 bytes"));
            records.push((mask, file, rest[HEAD..len].to_vec()));
            rest = &rest[len..];
        }
    }
}

/// The pieces of information of a record: kind, which of `known` the handle is, and the name.
fn pieces(record: &[u8], known: &[(&str, Handle)]) -> Vec<String> {
    const HEAD: usize = 12;
    let mut pieces = Vec::new();
    let mut rest = record;
    while rest.len() > HEAD {
        let kind = rest[0];
        let len = u16::from_ne_bytes([rest[2], rest[3]]) as usize;
        let body = &rest[HEAD..len];
        let bytes = u32::from_ne_bytes(body[..4].try_into().expect("4 bytes")) as usize;
        let (handle, name) = (&body[8..][..bytes], &body[8 + bytes..]);
        let which = known
            .iter()
            .find(|(_, h)| h.data[..h.bytes as usize] == *handle);
        let name: Vec<u8> = name.iter().copied().take_while(|&b| b != 0).collect();
        pieces.push(format!(
            "{kind} of {} {:?}",
            which.map_or("another", |w| w.0),
            String::from_utf8_lossy(&name)
        ));
        rest = &rest[len..];
    }
    pieces
}

fn with_handles(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let sub = d.make("dir")?;
    d.file("f", b"text")?;
    let known = [
        ("root", Handle::of(&d, ".")?),
        ("dir", Handle::of(&d, "dir")?),
        ("f", Handle::of(&d, "f")?),
    ];
    for class in [
        FAN_REPORT_FID,
        FAN_REPORT_DFID_NAME,
        FAN_REPORT_FID | FAN_REPORT_DFID_NAME,
    ] {
        let mask = match class {
            FAN_REPORT_FID => NAME_EVENTS & !0x1000_0000,
            _ => NAME_EVENTS,
        };
        let fd = fanotify(class, FAN_MARK_FILESYSTEM, mask | FAN_ONDIR, &mount.path);
        t.put(format!("class {class:#x}"), fd.as_ref().map(drop));
        let fd = fd?;
        let mut step = |label: &str, done: Res<()>| -> Done {
            t.put(label, done);
            for (mask, file, rest) in records(&fd)? {
                t.put(label, (format!("{mask:#x}"), file, pieces(&rest, &known)));
            }
            Ok(())
        };
        step("create", sub.create("g").map(drop))?;
        step(
            "write",
            d.read_write("f").and_then(|f| f.write(b"x")).map(drop),
        )?;
        step("chmod", d.chmod("f", 0o600))?;
        step("mkdir", sub.mkdir("e"))?;
        step("rename", sub.rename_to("g", &d, "h"))?;
        step("rename of a directory", sub.rename("e", "i"))?;
        step(
            "exchange",
            d.rename_flags("f", "dir", RenameFlags::EXCHANGE),
        )?;
        step(
            "exchange back",
            d.rename_flags("f", "dir", RenameFlags::EXCHANGE),
        )?;
        step("unlink", d.unlink("h"))?;
        step("rmdir", sub.rmdir("i"))?;
        step("without a name", d.tmpfile().map(drop))?;
    }
    drop((d, sub));
    mount.unmount()?;
    Ok(())
}

fn on_a_mount(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    d.file("f", b"text")?;
    let fd = fanotify(0, FAN_MARK_MOUNT, FILE_EVENTS, &mount.path)?;
    let mut step = |label: &str, done: Res<()>| -> Done {
        t.put(label, done);
        for (mask, file, _) in records(&fd)? {
            // SAFETY: the record hands the descriptor over.
            let file = Fd(unsafe { OwnedFd::from_raw_fd(file) });
            t.put(label, (format!("{mask:#x}"), file.all().map(|c| c.0.len())));
        }
        Ok(())
    };
    step("read", d.contents("f").map(drop))?;
    step(
        "write",
        d.read_write("f").and_then(|f| f.write(b"x")).map(drop),
    )?;
    step("create", d.file("g", b"xyz").map(drop))?;
    drop(d);
    drop(fd);
    mount.unmount()?;
    Ok(())
}

const FAN_CLASS_CONTENT: u32 = 4;
const FAN_CLASS_PRE_CONTENT: u32 = 8;
const OPEN: u64 = 0x1_0000;
const ACCESS: u64 = 0x2_0000;
const EXECUTE: u64 = 0x4_0000;
const PRE_ACCESS: u64 = 0x10_0000;
const ALLOW: u32 = 1;
const DENY: u32 = 2;

/// Runs `op` in a child and answers what the kernel asks about it meanwhile; gives the questions that came.
fn asked(fd: &OwnedFd, answer: u32, op: impl FnOnce()) -> anyhow::Result<Vec<String>> {
    let mut child = Child::new(op)?;
    let mut questions = Vec::new();
    loop {
        let ended = child.ended()?.is_some();
        for (mask, file, _) in records(fd)? {
            // The answer names the file by the descriptor of the question.
            let response = [file as u32, answer].map(u32::to_ne_bytes).concat();
            let taken = rustix::io::write(fd, &response).map_err(Errno::from);
            // SAFETY: the record hands the descriptor over.
            let file = Fd(unsafe { OwnedFd::from_raw_fd(file) });
            questions.push(format!("{mask:#x} of {} bytes: {taken:?}", file.size()?));
        }
        if ended {
            return Ok(questions);
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Opening, reading and running a file wait for the word of whoever has asked for it.
fn permissions(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    d.file("f", b"text")?;
    d.file("program", b"#!/bin/true\n")?;
    d.chmod("program", 0o755)?;
    let open = d.read_write("f")?;
    match fanotify(FAN_CLASS_CONTENT, FAN_MARK_MOUNT, OPEN, &mount.path) {
        // What it does not know is no event for it.
        Err(Errno(libc::EINVAL)) => {
            skip!("the kernel has no CONFIG_FANOTIFY_ACCESS_PERMISSIONS")
        }
        other => drop(other?),
    }
    for mark in [FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM] {
        let fd = fanotify(
            FAN_CLASS_CONTENT,
            mark,
            OPEN | ACCESS | EXECUTE,
            &mount.path,
        )?;
        for (label, answer) in [("allowed", ALLOW), ("denied", DENY)] {
            let mut step = |what: &str, op: &dyn Fn() -> Res<()>| -> Done {
                let label = format!("{mark:#x} {label} {what}");
                let (read, write) = crate::harness::process::pipe();
                let questions = asked(&fd, answer, || {
                    let text = format!("{:?}", op());
                    let _ = rustix::io::write(&write, text.as_bytes());
                })?;
                drop(write);
                t.put(label, (Fd(read.into()).read(100)?, questions));
                Ok(())
            };
            step("open", &|| d.read_only("f").map(drop))?;
            step("create", &|| {
                d.openat("new", OFlags::CREATE | OFlags::RDWR, 0o600)
                    .map(drop)
            })?;
            step("unnamed", &|| d.tmpfile().map(drop))?;
            step("read", &|| open.pread(4, 0).map(drop))?;
            step("write", &|| open.pwrite(b"x", 0).map(drop))?;
            step("map", &|| Map::shared(&open, PAGE, 0).map(drop))?;
            step("cut", &|| open.truncate(2))?;
            step("list", &|| d.names().map(drop))?;
            step("run", &|| {
                let status = std::process::Command::new(mount.path.join("program")).status();
                status
                    .map(drop)
                    .map_err(|e| Errno(e.raw_os_error().unwrap_or(0)))
            })?;
        }
    }
    let before = fanotify(
        FAN_CLASS_PRE_CONTENT,
        FAN_MARK_MOUNT,
        PRE_ACCESS,
        &mount.path,
    );
    t.put("before the access", before.map(drop));
    drop((open, d));
    mount.unmount()?;
    Ok(())
}
