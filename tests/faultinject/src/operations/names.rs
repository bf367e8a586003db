// SPDX-License-Identifier: GPL-2.0
//! Operations on names, attributes and folders.

use super::*;
use std::ffi::CStr;

/// Longer than what fits beside an inode, so that it needs memory of its own.
pub const LONG_TARGET: usize = 300;
const ENTRIES: usize = 64;

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "create",
            |p| Ok(paths(p, &["new"])),
            |h| open(h, libc::O_CREAT | libc::O_EXCL | libc::O_RDWR),
            |p, _| present(p, "new"),
        ),
        Operation::new(
            "open",
            |p| Ok(paths(p, &["file"])),
            |h| open(h, libc::O_RDWR),
            nothing_more,
        ),
        Operation::new(
            "open O_TMPFILE",
            |p| Ok(paths(p, &["dir"])),
            |h| open(h, libc::O_TMPFILE | libc::O_RDWR),
            nothing_more,
        ),
        Operation::new("link of an O_TMPFILE", tmpfile, link_tmpfile, |p, _| {
            present(p, "new")
        }),
        Operation::new(
            "lookup of a missing name",
            |p| Ok(paths(p, &["missing"])),
            missing,
            nothing_more,
        ),
        Operation::new(
            "mknod fifo",
            |p| Ok(paths(p, &["new"])),
            |h| mknod(h, libc::S_IFIFO, 0),
            |p, _| present(p, "new"),
        ),
        Operation::new(
            "mknod device",
            |p| Ok(paths(p, &["new"])),
            |h| mknod(h, libc::S_IFCHR, 0x103),
            |p, _| present(p, "new"),
        ),
        Operation::new(
            "mkdir",
            |p| Ok(paths(p, &["new"])),
            mkdir,
            |p, _| present(p, "new"),
        ),
        Operation::new(
            "rmdir",
            |p| Ok(paths(p, &["empty"])),
            rmdir,
            |p, _| {
                ensure!(!p.mount.join("empty").exists(), "the folder is still there");
                Ok(())
            },
        ),
        Operation::new("symlink, short", |p| symlink_to(p, 8), symlink, symlinked),
        Operation::new(
            "symlink, long",
            |p| symlink_to(p, LONG_TARGET),
            symlink,
            symlinked,
        ),
        Operation::new(
            "symlink, as long as can be",
            |p| symlink_to(p, 4095),
            symlink,
            symlinked,
        ),
        Operation::new(
            "readlink",
            |p| {
                Ok(Held {
                    buffer: vec![0; 4096],
                    ..paths(p, &["long link"])
                })
            },
            readlink,
            |_, h| {
                ensure!(
                    h.buffer[..h.moved].iter().all(|b| *b == b't') && h.moved == LONG_TARGET,
                    "another target"
                );
                Ok(())
            },
        ),
        Operation::new(
            "link",
            |p| Ok(paths(p, &["file", "new"])),
            link,
            |p, _| present(p, "new"),
        ),
        Operation::new(
            "unlink",
            |p| Ok(paths(p, &["file"])),
            unlink,
            |p, _| {
                ensure!(!p.mount.join("file").exists(), "the file is still there");
                Ok(())
            },
        ),
        Operation::new("unlink of an open file", unlinked, unlink, nothing_more),
        Operation::new(
            "rename",
            |p| Ok(paths(p, &["file", "new"])),
            |h| rename(h, 0),
            renamed,
        ),
        Operation::new(
            "rename over a file",
            |p| Ok(paths(p, &["file", "other"])),
            |h| rename(h, 0),
            renamed,
        ),
        Operation::new(
            "rename to another folder",
            |p| Ok(paths(p, &["file", "dir/new"])),
            |h| rename(h, 0),
            renamed,
        ),
        Operation::new(
            "rename RENAME_NOREPLACE",
            |p| Ok(paths(p, &["file", "new"])),
            |h| rename(h, libc::RENAME_NOREPLACE),
            renamed,
        ),
        Operation::new(
            "rename RENAME_EXCHANGE",
            |p| Ok(paths(p, &["file", "dir/inner"])),
            |h| rename(h, libc::RENAME_EXCHANGE),
            renamed,
        ),
        Operation::new(
            "rename RENAME_WHITEOUT",
            |p| Ok(paths(p, &["file", "new"])),
            |h| rename(h, libc::RENAME_WHITEOUT),
            renamed,
        ),
        Operation::new(
            "rename of a folder",
            |p| Ok(paths(p, &["empty", "dir/new"])),
            |h| rename(h, 0),
            renamed,
        ),
        Operation::new("readdir", readdir_prepared, readdir, |_, h| {
            ensure!(
                h.moved > ENTRIES * 24,
                "getdents gave {} bytes for {ENTRIES} entries",
                h.moved
            );
            Ok(())
        }),
        Operation::new("chmod", |p| Ok(paths(p, &["file"])), chmod, nothing_more),
        Operation::new("chown", |p| Ok(paths(p, &["file"])), chown, nothing_more),
        Operation::new(
            "utimensat",
            |p| Ok(paths(p, &["file"])),
            utimens,
            nothing_more,
        ),
        Operation::new("statx", |p| Ok(paths(p, &["file"])), statx, nothing_more),
        Operation::new("statfs", |p| Ok(paths(p, &["file"])), statfs, nothing_more),
        Operation::new(
            "setxattr",
            |p| {
                Ok(Held {
                    buffer: vec![1; 200],
                    ..paths(p, &["file"])
                })
            },
            setxattr,
            nothing_more,
        )
        .optional(),
        Operation::new(
            "setxattr over another value",
            |p| {
                let mut held = Held {
                    buffer: vec![1; 200],
                    ..paths(p, &["file"])
                };
                setxattr(&mut held)?;
                held.buffer = vec![2; 300];
                Ok(held)
            },
            setxattr,
            nothing_more,
        ),
        Operation::new(
            "setting an ACL",
            |p| {
                Ok(Held {
                    buffer: acl(),
                    ..paths(p, &["file"])
                })
            },
            |h| set(h, c"system.posix_acl_access"),
            nothing_more,
        ),
        Operation::new(
            "mkdir where an ACL is inherited",
            |p| inheriting(p, "dir/new"),
            mkdir,
            |p, _| present(p, "dir/new"),
        ),
        Operation::new(
            "create where an ACL is inherited",
            |p| inheriting(p, "dir/new"),
            |h| open(h, libc::O_CREAT | libc::O_EXCL | libc::O_RDWR),
            |p, _| present(p, "dir/new"),
        ),
        Operation::new(
            "inotify watch",
            |p| Ok(paths(p, &["file"])),
            watch,
            nothing_more,
        ),
    ]
}

fn open(held: &mut Held, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: a NUL-terminated path that lives across the call; the descriptor is new and owned by nothing else.
    let fd =
        check(unsafe { libc::open(held.path[0].as_ptr(), flags | libc::O_CLOEXEC, 0o640) }.into())?;
    // SAFETY: as above.
    held.second = Some(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd as RawFd) });
    Ok(())
}

fn tmpfile(place: &Place) -> Result<Held> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = fs::OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .open(place.mount.join("dir"))?;
    Ok(Held {
        file: Some(file),
        ..paths(place, &["new"])
    })
}

fn link_tmpfile(held: &mut Held) -> io::Result<()> {
    // SAFETY: NUL-terminated paths that live across the call.
    check(
        unsafe {
            libc::linkat(
                held.fd(),
                c"".as_ptr(),
                libc::AT_FDCWD,
                held.path[0].as_ptr(),
                libc::AT_EMPTY_PATH,
            )
        }
        .into(),
    )?;
    Ok(())
}

fn missing(held: &mut Held) -> io::Result<()> {
    // SAFETY: a NUL-terminated path that lives across the call.
    match check(unsafe { libc::access(held.path[0].as_ptr(), libc::F_OK) }.into()) {
        Ok(_) => Err(io::Error::from_raw_os_error(libc::EEXIST)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

fn mknod(held: &mut Held, kind: libc::mode_t, device: libc::dev_t) -> io::Result<()> {
    // SAFETY: a NUL-terminated path that lives across the call.
    check(unsafe { libc::mknod(held.path[0].as_ptr(), kind | 0o600, device) }.into())?;
    Ok(())
}

fn mkdir(held: &mut Held) -> io::Result<()> {
    // SAFETY: a NUL-terminated path that lives across the call.
    check(unsafe { libc::mkdir(held.path[0].as_ptr(), 0o700) }.into())?;
    Ok(())
}

fn rmdir(held: &mut Held) -> io::Result<()> {
    // SAFETY: a NUL-terminated path that lives across the call.
    check(unsafe { libc::rmdir(held.path[0].as_ptr()) }.into())?;
    Ok(())
}

fn symlink_to(place: &Place, length: usize) -> Result<Held> {
    let target = CString::new(vec![b't'; length])?;
    let mut held = paths(place, &["new"]);
    held.path.push(target);
    Ok(held)
}

fn symlink(held: &mut Held) -> io::Result<()> {
    // SAFETY: NUL-terminated strings that live across the call.
    check(unsafe { libc::symlink(held.path[1].as_ptr(), held.path[0].as_ptr()) }.into())?;
    Ok(())
}

fn symlinked(place: &Place, held: Held) -> Result<()> {
    let target = fs::read_link(place.mount.join("new"))?;
    ensure!(
        target.as_os_str().as_bytes() == held.path[1].as_bytes(),
        "the link leads to {target:?}"
    );
    present(place, "new")
}

fn readlink(held: &mut Held) -> io::Result<()> {
    // SAFETY: the path lives across the call, and the buffer is as long as said.
    let length = unsafe {
        libc::readlink(
            held.path[0].as_ptr(),
            held.buffer.as_mut_ptr().cast(),
            held.buffer.len(),
        )
    };
    held.moved = check(length as i64)? as usize;
    Ok(())
}

fn link(held: &mut Held) -> io::Result<()> {
    // SAFETY: NUL-terminated paths that live across the call.
    check(unsafe { libc::link(held.path[0].as_ptr(), held.path[1].as_ptr()) }.into())?;
    Ok(())
}

fn unlink(held: &mut Held) -> io::Result<()> {
    // SAFETY: a NUL-terminated path that lives across the call.
    check(unsafe { libc::unlink(held.path[0].as_ptr()) }.into())?;
    Ok(())
}

fn unlinked(place: &Place) -> Result<Held> {
    Ok(Held {
        file: Some(File::open(place.mount.join("file"))?),
        ..paths(place, &["file"])
    })
}

fn rename(held: &mut Held, flags: libc::c_uint) -> io::Result<()> {
    let (old, new) = (held.path[0].as_ptr(), held.path[1].as_ptr());
    // SAFETY: NUL-terminated paths that live across the call.
    check(unsafe { libc::renameat2(libc::AT_FDCWD, old, libc::AT_FDCWD, new, flags) }.into())?;
    Ok(())
}

fn renamed(_: &Place, held: Held) -> Result<()> {
    let path = Path::new(std::str::from_utf8(held.path[1].as_bytes())?);
    ensure!(
        path.symlink_metadata().is_ok(),
        "the new name is not there after a success"
    );
    Ok(())
}

fn readdir_prepared(place: &Place) -> Result<Held> {
    let many = place.mount.join("many");
    fs::create_dir(&many)?;
    for number in 0..ENTRIES {
        File::create(many.join(format!("entry {number}")))?;
    }
    Ok(Held {
        file: Some(File::open(many)?),
        buffer: vec![0; 1024],
        ..Held::default()
    })
}

fn readdir(held: &mut Held) -> io::Result<()> {
    held.moved = 0;
    // From the start, also when this is tried again.
    // SAFETY: no memory is passed.
    check(unsafe { libc::lseek(held.fd(), 0, libc::SEEK_SET) })?;
    loop {
        // SAFETY: the buffer is as long as said.
        let length = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                held.fd(),
                held.buffer.as_mut_ptr(),
                held.buffer.len(),
            )
        };
        match check(length)? {
            0 => return Ok(()),
            bytes => held.moved += bytes as usize,
        }
    }
}

fn chmod(held: &mut Held) -> io::Result<()> {
    // SAFETY: a NUL-terminated path that lives across the call.
    check(unsafe { libc::chmod(held.path[0].as_ptr(), 0o4711) }.into())?;
    Ok(())
}

fn chown(held: &mut Held) -> io::Result<()> {
    // SAFETY: a NUL-terminated path that lives across the call.
    check(unsafe { libc::chown(held.path[0].as_ptr(), 12, 34) }.into())?;
    Ok(())
}

fn utimens(held: &mut Held) -> io::Result<()> {
    // SAFETY: a NUL-terminated path that lives across the call; no times means now.
    check(
        unsafe { libc::utimensat(libc::AT_FDCWD, held.path[0].as_ptr(), std::ptr::null(), 0) }
            .into(),
    )?;
    Ok(())
}

fn statx(held: &mut Held) -> io::Result<()> {
    let mut answer = std::mem::MaybeUninit::<libc::statx>::uninit();
    // SAFETY: the path lives across the call, and there is room for the answer.
    check(
        unsafe {
            libc::statx(
                libc::AT_FDCWD,
                held.path[0].as_ptr(),
                0,
                libc::STATX_ALL,
                answer.as_mut_ptr(),
            )
        }
        .into(),
    )?;
    Ok(())
}

fn statfs(held: &mut Held) -> io::Result<()> {
    let mut answer = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the path lives across the call, and there is room for the answer.
    check(unsafe { libc::statfs(held.path[0].as_ptr(), answer.as_mut_ptr()) }.into())?;
    Ok(())
}

fn setxattr(held: &mut Held) -> io::Result<()> {
    set(held, c"user.test")
}

fn set(held: &mut Held, name: &CStr) -> io::Result<()> {
    let (name, value) = (name.as_ptr(), held.buffer.as_ptr().cast());
    // SAFETY: NUL-terminated strings that live across the call, and a value as long as said.
    check(
        unsafe { libc::setxattr(held.path[0].as_ptr(), name, value, held.buffer.len(), 0) }.into(),
    )?;
    Ok(())
}

/// An ACL, as an attribute has it, that a mode cannot say: u::rwx u:10:rwx g::r-x m::rwx o::---.
fn acl() -> Vec<u8> {
    const NOBODY: u32 = u32::MAX;
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (1u16, 7u16, NOBODY),
        (2, 7, 10),
        (4, 5, NOBODY),
        (16, 7, NOBODY),
        (32, 0, NOBODY),
    ] {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// A path in `dir`, which hands an ACL down.
fn inheriting(place: &Place, path: &str) -> Result<Held> {
    let mut dir = Held {
        buffer: acl(),
        ..paths(place, &["dir"])
    };
    set(&mut dir, c"system.posix_acl_default")?;
    Ok(paths(place, &[path]))
}

fn watch(held: &mut Held) -> io::Result<()> {
    // SAFETY: the descriptor is new and owned by nothing else.
    let fd = check(unsafe { libc::inotify_init1(libc::IN_CLOEXEC) }.into())? as RawFd;
    // SAFETY: as above.
    held.second = Some(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) });
    // SAFETY: a NUL-terminated path that lives across the call.
    check(
        unsafe { libc::inotify_add_watch(fd, held.path[0].as_ptr(), libc::IN_ALL_EVENTS) }.into(),
    )?;
    Ok(())
}
