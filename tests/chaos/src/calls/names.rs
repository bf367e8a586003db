// SPDX-License-Identifier: GPL-2.0
//! Names, and what inodes have beside contents.

use crate::call::check;
use crate::worker::{Worker, STAYING};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags, StatxFlags, XattrFlags};
use rustix::io::{Errno, Result};
use stage::{fileattr, quota};
use std::mem::MaybeUninit;

const MODE: Mode = Mode::from_raw_mode(0o755);

pub fn create(worker: &mut Worker<'_>) -> Result<()> {
    let path = match worker.one_in(4) {
        true => format!("stay/x{}", worker.rng.u8(0..60)),
        false => worker.name(),
    };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(worker.root, path, flags, Mode::from_raw_mode(0o600))?;
    let file = worker.opened(fd, false)?;
    worker.keep(file);
    Ok(())
}

pub fn unlink(worker: &mut Worker<'_>) -> Result<()> {
    let path = match worker.rng.u8(0..4) {
        0 => format!("stay/x{}", worker.rng.u8(0..60)),
        1 if worker.one_in(3) => worker.wild_path(),
        _ => worker.name(),
    };
    rustix::fs::unlinkat(worker.root, path, AtFlags::empty())
}

pub fn make_directory(worker: &mut Worker<'_>) -> Result<()> {
    rustix::fs::mkdirat(worker.root, worker.name(), MODE)
}

pub fn remove_directory(worker: &mut Worker<'_>) -> Result<()> {
    rustix::fs::unlinkat(worker.root, worker.name(), AtFlags::REMOVEDIR)
}

pub fn symlink(worker: &mut Worker<'_>) -> Result<()> {
    let target = match worker.rng.bool() {
        true => format!("n{}", worker.rng.u8(0..16)),
        // Longer than what an inode has room for.
        false => format!("n{}", "/.".repeat(worker.rng.usize(1..2000))),
    };
    rustix::fs::symlinkat(target, worker.root, worker.name())
}

pub fn node(worker: &mut Worker<'_>) -> Result<()> {
    let (kind, device) = match worker.rng.u8(0..3) {
        0 => (FileType::Fifo, 0),
        1 => (FileType::Socket, 0),
        _ => (FileType::CharacterDevice, rustix::fs::makedev(1, 3)),
    };
    rustix::fs::mknodat(worker.root, worker.name(), kind, MODE, device)
}

pub fn link(worker: &mut Worker<'_>) -> Result<()> {
    let (from, to) = (worker.wild_path(), worker.name());
    rustix::fs::linkat(worker.root, from, worker.root, to, AtFlags::empty())
}

pub fn rename(worker: &mut Worker<'_>) -> Result<()> {
    const FLAGS: [RenameFlags; 6] = [
        RenameFlags::empty(),
        RenameFlags::empty(),
        RenameFlags::empty(),
        RenameFlags::NOREPLACE,
        RenameFlags::EXCHANGE,
        RenameFlags::WHITEOUT,
    ];
    let (from, to) = match worker.rng.u8(0..6) {
        0 => (worker.wild_path(), worker.wild_path()),
        1 => (
            format!("stay/x{}", worker.rng.u8(0..60)),
            format!("stay/x{}", worker.rng.u8(0..60)),
        ),
        _ => (worker.name(), worker.name()),
    };
    let flags = FLAGS[worker.rng.usize(0..FLAGS.len())];
    rustix::fs::renameat_with(worker.root, from, worker.root, to, flags)
}

pub fn linked_tmpfile(worker: &mut Worker<'_>) -> Result<()> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(worker.root, "names", flags, Mode::from_raw_mode(0o600))?;
    let file = worker.opened(fd, false)?;
    worker.prepare(file.id, 0, 2);
    let written = rustix::io::pwrite(&file.fd, &worker.buffer.0[..8192], 0);
    let name = worker.name();
    let linked = rustix::fs::linkat(&file.fd, "", worker.root, name, AtFlags::EMPTY_PATH);
    worker.keep(file);
    written.and(linked)
}

fn directory(worker: &Worker<'_>, path: &str) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(worker.root, path, flags, Mode::empty())
}

pub fn list(worker: &mut Worker<'_>) -> Result<()> {
    let mut path = worker.name();
    if worker.rng.bool() {
        path.truncate("names".len());
    }
    let fd = directory(worker, &path)?;
    let mut buffer = [MaybeUninit::<u8>::uninit(); 512];
    // Names that are made while it is read can come after it again and again.
    for _ in 0..worker.rng.u8(1..20) {
        let mut entries = RawDir::new(&fd, &mut buffer);
        let mut cookie = 0;
        while let Some(entry) = entries.next() {
            cookie = entry?.next_entry_cookie();
            if entries.is_buffer_empty() {
                break;
            }
        }
        if worker.one_in(4) {
            rustix::fs::seek(&fd, rustix::fs::SeekFrom::Start(cookie / 2))?;
        }
    }
    Ok(())
}

/// Names that nobody touches are seen, each once, whatever comes and goes around them.
pub fn staying(worker: &mut Worker<'_>) -> Result<()> {
    let fd = directory(worker, "stay")?;
    let mut seen = [0_u8; STAYING];
    let mut buffer = [MaybeUninit::<u8>::uninit(); 700];
    let mut entries = RawDir::new(&fd, &mut buffer);
    // There are at most 60 others at a time, but each may come back behind the reader.
    let mut left = 20_000;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if let Some(number) = name.strip_prefix(b"stays-") {
            let number = std::str::from_utf8(number)
                .ok()
                .and_then(|n| n.parse::<usize>().ok());
            if let Some(count) = number.and_then(|n| seen.get_mut(n)) {
                *count = count.saturating_add(1);
            }
        }
        left -= 1;
        if left == 0 {
            return Ok(());
        }
    }
    if seen.iter().any(|count| *count != 1) {
        worker.wrong(&format!(
            "names that nobody touches are seen so often: {seen:?}"
        ));
    }
    Ok(())
}

pub fn set_attribute(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.wild()?;
    let space = ["user.", "trusted.", "security."][worker.rng.usize(0..3)];
    let name = format!("{space}a{}", worker.rng.u8(0..6));
    let result = match worker.rng.u8(0..4) {
        0 => rustix::fs::fremovexattr(&file.fd, name),
        n => {
            let flags =
                [XattrFlags::empty(), XattrFlags::CREATE, XattrFlags::REPLACE][usize::from(n) - 1];
            let length = [0, 1, 100, 5000, 60000][worker.rng.usize(0..5)];
            worker.buffer.0[..length].fill(b'v');
            rustix::fs::fsetxattr(&file.fd, name, &worker.buffer.0[..length], flags)
        }
    };
    worker.keep(file);
    result
}

pub fn get_attribute(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.file()?;
    let name = format!("user.a{}", worker.rng.u8(0..6));
    let result = match worker.rng.bool() {
        true => rustix::fs::fgetxattr(&file.fd, name, &mut worker.buffer.0[..]),
        false => rustix::fs::flistxattr(&file.fd, &mut worker.buffer.0[..]),
    };
    if result.is_ok_and(|length| length > worker.buffer.0.len()) {
        worker.wrong("an attribute is longer than its buffer");
    }
    worker.keep(file);
    result.map(drop)
}

/// The attribute as setfacl(1) writes it: a version, and a tag, permissions and an id for each entry.
pub fn acl(worker: &mut Worker<'_>) -> Result<()> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, id) in [
        (1_u16, u32::MAX),
        (2, 1000),
        (4, u32::MAX),
        (16, u32::MAX),
        (32, u32::MAX),
    ] {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(worker.rng.u16(4..8).to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    if worker.rng.bool() {
        let fd = directory(worker, "names")?;
        let name = "system.posix_acl_default";
        return match worker.rng.bool() {
            true => rustix::fs::fsetxattr(fd, name, &bytes, XattrFlags::empty()),
            false => rustix::fs::fremovexattr(fd, name),
        };
    }
    let file = worker.wild()?;
    let result = rustix::fs::fsetxattr(
        &file.fd,
        "system.posix_acl_access",
        &bytes,
        XattrFlags::empty(),
    );
    worker.keep(file);
    result
}

pub fn flags(worker: &mut Worker<'_>) -> Result<()> {
    use fileattr::{APPEND, IMMUTABLE, NOATIME, NODUMP};
    let path = worker.name();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(worker.root, &path, flags, Mode::empty())?;
    if path.matches('/').count() == 1 && worker.one_in(2) {
        // Not for long: nothing else would happen there.
        return fileattr::set_flags(&fd, 0).map_err(errno);
    }
    let flag = [APPEND, IMMUTABLE, NOATIME, NODUMP][worker.rng.usize(0..4)];
    let result = fileattr::set_flags(&fd, flag).map_err(errno);
    let _ = fileattr::flags(&fd);
    if worker.rng.u8(0..8) > 0 {
        let _ = fileattr::set_flags(&fd, 0);
    }
    result
}

fn errno(error: stage::errno::Errno) -> Errno {
    Errno::from_raw_os_error(error.0)
}

pub fn change(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.wild()?;
    let sticky = if file.foreign {
        Mode::SVTX
    } else {
        Mode::empty()
    };
    let result = match worker.rng.u8(0..3) {
        0 => rustix::fs::fchmod(
            &file.fd,
            Mode::from_raw_mode(worker.rng.u32(0o600..0o1000)) | sticky,
        ),
        1 => {
            let (uid, gid) = (1000 + worker.rng.u32(0..4), 2000 + worker.rng.u32(0..2));
            let user = Some(rustix::fs::Uid::from_raw(uid));
            let group = Some(rustix::fs::Gid::from_raw(gid));
            rustix::fs::fchown(&file.fd, user, group)
        }
        _ => {
            let now = rustix::fs::Timespec {
                tv_sec: 0,
                tv_nsec: libc::UTIME_NOW,
            };
            let times = rustix::fs::Timestamps {
                last_access: now,
                last_modification: now,
            };
            rustix::fs::futimens(&file.fd, &times)
        }
    };
    worker.keep(file);
    result
}

/// A file is opened by its handle.
pub fn handle(worker: &mut Worker<'_>) -> Result<()> {
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        data: [u8; 128],
    }
    let file = worker.file()?;
    let mut handle = Handle {
        bytes: 128,
        kind: 0,
        data: [0; 128],
    };
    let mut mount = 0;
    let flags = libc::AT_EMPTY_PATH;
    let fd = file.fd.as_raw_fd();
    // SAFETY: the handle has the room that it says.
    let named = check(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            fd,
            c"".as_ptr(),
            &raw mut handle,
            &raw mut mount,
            flags,
        )
    });
    let (id, owned) = (file.id, file.owned);
    if worker.rng.bool() {
        worker.keep(file);
    } else {
        // It may be gone before the handle is used.
        drop(file);
    }
    named?;
    let root = worker.root.as_raw_fd();
    // What its owner alone changes is opened for reading, or MADV_REMOVE would punch holes in it by a mapping of it.
    let access = if owned { libc::O_RDONLY } else { libc::O_RDWR };
    // SAFETY: as above.
    let again = check(unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            root,
            &raw const handle,
            access | libc::O_CLOEXEC,
        )
    })?;
    // SAFETY: a new descriptor, which nobody else has.
    let fd = unsafe { <OwnedFd as rustix::fd::FromRawFd>::from_raw_fd(again as i32) };
    let file = worker.opened(fd, owned)?;
    if file.id != id {
        worker.wrong(&format!(
            "a handle of file {id:#x} opens file {:#x}",
            file.id
        ));
    }
    worker.keep(file);
    Ok(())
}

pub fn space(worker: &mut Worker<'_>) -> Result<()> {
    let figures = rustix::fs::fstatfs(worker.root)?;
    let _ = rustix::fs::statx(
        worker.root,
        worker.name(),
        AtFlags::SYMLINK_NOFOLLOW,
        StatxFlags::ALL,
    );
    if figures.f_bfree > figures.f_blocks || figures.f_ffree > figures.f_files {
        worker.wrong(&format!(
            "statfs: {} blocks free of {}, {} inodes of {}",
            figures.f_bfree, figures.f_blocks, figures.f_ffree, figures.f_files
        ));
    }
    Ok(())
}

pub fn quota(worker: &mut Worker<'_>) -> Result<()> {
    let kind = if worker.rng.bool() {
        quota::Kind::User
    } else {
        quota::Kind::Group
    };
    let id = [0, 1000, 1001, 1002, 1003, 2000][worker.rng.usize(0..6)];
    let fd = worker.root.as_fd();
    match worker.rng.u8(0..3) {
        0 => {
            let (kib, inodes) = (worker.rng.u64(64..8192), worker.rng.u64(5..200));
            quota::limit(fd, kind, id, kib, inodes).map_err(errno)
        }
        1 => quota::next(fd, kind, id).map(drop).map_err(errno),
        _ => quota::get(fd, kind, id).map(drop).map_err(errno),
    }
}
