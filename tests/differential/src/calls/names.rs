//! Calls on names, and on the attributes of files by name or descriptor.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{AtFlags, StatxFlags};

use super::player::{number, Player, Said};
use super::state::{is_written_by_faults, metadata, shown};
use super::Call;
use crate::harness::bytes::{pattern, Bytes};
use crate::harness::errno::{Errno, Res};
use crate::harness::fileattr;
use crate::harness::meta::{statx, tick};
use crate::harness::sys::{link_of, Dir};
use crate::harness::xattr::{Acl, ACCESS, DEFAULT};

/// A path with its long names written out: a component `@N` is one of N letters.
pub fn path(short: &str) -> CString {
    let long = |part: &str| match part.strip_prefix('@').and_then(|n| n.parse().ok()) {
        Some(n) => "n".repeat(n),
        None => part.to_owned(),
    };
    let parts: Vec<String> = short.split('/').map(long).collect();
    CString::new(parts.join("/")).expect("no zero in a path")
}

/// Attributes lists and values of at most this many bytes are asked for.
const LARGEST: usize = 128 << 10;

impl Player {
    fn dir(&self) -> i32 {
        self.root.as_fd().as_raw_fd()
    }

    /// For calls that take no directory: the path by the magic link of the root.
    pub fn by_root(&self, name: &str) -> CString {
        let name = path(name).into_string().expect("letters");
        CString::new(format!("{}/{name}", link_of(&self.root))).expect("no zero")
    }

    /// `None` for a call of another kind.
    pub fn on_names(&mut self, call: Call) -> Option<Said> {
        if let Some(said) = self.on_attributes(call) {
            return Some(said);
        }
        let dir = self.dir();
        Some(match call {
            Call::Mkdir { path: name, mode } => {
                // SAFETY: paths end with a zero, and memory is as long as it is said to be.
                Some(number(
                    unsafe { libc::mkdirat(dir, path(name).as_ptr(), mode) }.into(),
                ))
            }
            Call::Mknod {
                path: name,
                mode,
                dev,
            } => {
                // SAFETY: as above.
                Some(number(
                    unsafe { libc::mknodat(dir, path(name).as_ptr(), mode, dev) }.into(),
                ))
            }
            Call::Symlink { target, path: name } => {
                const SHORT: usize = 128;
                let target = path(target);
                // SAFETY: as above.
                let done = unsafe { libc::symlinkat(target.as_ptr(), dir, path(name).as_ptr()) };
                self.long_link |= done == 0 && target.as_bytes().len() >= SHORT;
                Some(number(done.into()))
            }
            Call::Readlink { path: name, size } => {
                let mut data = vec![0u8; size];
                // SAFETY: as above.
                let n = unsafe {
                    libc::readlinkat(dir, path(name).as_ptr(), data.as_mut_ptr().cast(), size)
                };
                Some(Errno::check(n as libc::c_long).map(|n| {
                    data.truncate(n as usize);
                    format!("{:?}", Bytes(data))
                }))
            }
            Call::Link { from, to, flags } => {
                // SAFETY: as above.
                Some(number(
                    unsafe {
                        libc::linkat(dir, path(from).as_ptr(), dir, path(to).as_ptr(), flags)
                    }
                    .into(),
                ))
            }
            Call::LinkFd { fd, to } => self.raw(fd).map(|fd| {
                // SAFETY: as above.
                number(
                    unsafe {
                        libc::linkat(
                            fd,
                            c"".as_ptr(),
                            dir,
                            path(to).as_ptr(),
                            libc::AT_EMPTY_PATH,
                        )
                    }
                    .into(),
                )
            }),
            Call::Unlink { path: name, flags } => {
                // SAFETY: as above.
                Some(number(
                    unsafe { libc::unlinkat(dir, path(name).as_ptr(), flags) }.into(),
                ))
            }
            Call::Rename { from, to, flags } => {
                // SAFETY: as above.
                let done = unsafe {
                    libc::renameat2(dir, path(from).as_ptr(), dir, path(to).as_ptr(), flags)
                };
                self.moved |= done == 0;
                Some(number(done.into()))
            }
            Call::List { fd, size } => {
                let moved = self.moved;
                self.raw(fd).map(|fd| list(fd, size, moved))
            }
            Call::Mark { fd, mark } => self.raw(fd).map(|fd| {
                // SAFETY: no memory is involved.
                let at = unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) };
                self.marks[mark] = (at >= 0).then_some(at);
                Ok("kept".to_owned())
            }),
            Call::Return { fd, mark } => match (self.raw(fd), self.marks[mark]) {
                // A position of a directory is a number of its own.
                // SAFETY: no memory is involved.
                (Some(fd), Some(at)) => Some(number(
                    unsafe { libc::lseek(fd, at, libc::SEEK_SET) }.signum(),
                )),
                _ => None,
            },
            _ => return None,
        })
    }

    fn on_attributes(&mut self, call: Call) -> Option<Said> {
        let dir = self.dir();
        Some(match call {
            Call::Stat {
                path: name,
                flags,
                mask,
            } => Some(self.stat(name, flags, mask)),
            Call::Access {
                path: name,
                mode,
                flags,
            } => {
                // SAFETY: a path that ends with a zero; the C library would imitate some of the flags.
                Some(number(unsafe {
                    libc::syscall(libc::SYS_faccessat2, dir, path(name).as_ptr(), mode, flags)
                }))
            }
            Call::Statfs { path: name } => Some(
                rustix::fs::statfs(self.by_root(name))
                    .map(|s| shown(&s, self.roughly))
                    .map_err(Errno::from),
            ),
            Call::Chmod {
                path: name,
                mode,
                flags,
            } => {
                const FCHMODAT2: libc::c_long = 452;
                // SAFETY: as above.
                Some(number(unsafe {
                    libc::syscall(FCHMODAT2, dir, path(name).as_ptr(), mode, flags)
                }))
            }
            Call::Fchmod { fd, mode } => self.raw(fd).map(|fd| {
                // SAFETY: no memory is involved.
                number(unsafe { libc::fchmod(fd, mode) }.into())
            }),
            Call::Chown {
                path: name,
                uid,
                gid,
                flags,
            } => {
                // SAFETY: a path that ends with a zero.
                Some(number(
                    unsafe { libc::fchownat(dir, path(name).as_ptr(), uid, gid, flags) }.into(),
                ))
            }
            Call::Fchown { fd, uid, gid } => self.raw(fd).map(|fd| {
                // SAFETY: no memory is involved.
                number(unsafe { libc::fchown(fd, uid, gid) }.into())
            }),
            Call::Utimens {
                path: name,
                times,
                flags,
            } => {
                let times = times.map(|(tv_sec, tv_nsec)| libc::timespec { tv_sec, tv_nsec });
                // SAFETY: a path that ends with a zero, and two times.
                Some(number(
                    unsafe { libc::utimensat(dir, path(name).as_ptr(), times.as_ptr(), flags) }
                        .into(),
                ))
            }
            Call::SetFlags { fd, flags } => self
                .fd(fd)
                .map(|fd| fileattr::set_flags(fd, flags).map(|()| "set".to_owned())),
            Call::GetFlags { fd } => self.fd(fd).map(|fd| {
                let both = (fileattr::flags(fd)?, fileattr::fsxattr(fd)?);
                Ok(format!("{:#x} {:?}", both.0, both.1))
            }),
            Call::SetFsxattr { fd, xflags, projid } => self.fd(fd).map(|fd| {
                let attributes = fileattr::Fsxattr {
                    xflags,
                    projid,
                    ..Default::default()
                };
                fileattr::set_fsxattr(fd, attributes).map(|()| "set".to_owned())
            }),
            Call::SetXattr {
                path: name,
                name: key,
                len,
                byte,
                flags,
            } => Some(self.set_xattr(name, key, &pattern(byte.into(), len.min(LARGEST)), flags)),
            Call::FsetXattr {
                fd,
                name: key,
                len,
                byte,
                flags,
            } => self.raw(fd).map(|fd| {
                let (key, value) = (path(key), pattern(byte.into(), len.min(LARGEST)));
                // SAFETY: a name that ends with a zero, and a value with its length.
                number(
                    unsafe {
                        libc::fsetxattr(fd, key.as_ptr(), value.as_ptr().cast(), value.len(), flags)
                    }
                    .into(),
                )
            }),
            Call::SetAcl {
                path: name,
                default,
                acl,
            } => {
                let key = if default { DEFAULT } else { ACCESS };
                Some(if acl.is_empty() {
                    self.remove_xattr(name, key)
                } else {
                    self.set_xattr(name, key, &Acl::parse(acl).bytes(), 0)
                })
            }
            Call::GetXattr {
                path: name,
                name: key,
                size,
            } => {
                let (link, key, mut data) =
                    (self.by_root(name), path(key), vec![0u8; size.min(LARGEST)]);
                // SAFETY: names that end with a zero, and room of that length.
                let n = unsafe {
                    libc::lgetxattr(
                        link.as_ptr(),
                        key.as_ptr(),
                        data.as_mut_ptr().cast(),
                        data.len(),
                    )
                };
                Some(value(n, data))
            }
            Call::ListXattr { path: name, size } => {
                let (link, mut data) = (self.by_root(name), vec![0u8; size.min(LARGEST)]);
                // SAFETY: as above.
                let n = unsafe {
                    libc::llistxattr(link.as_ptr(), data.as_mut_ptr().cast(), data.len())
                };
                Some(value(n, data))
            }
            Call::RemoveXattr {
                path: name,
                name: key,
            } => Some(self.remove_xattr(name, key)),
            Call::Watch { path: name } => Some(self.watch(name)),
            _ => return None,
        })
    }

    fn stat(&self, name: &str, flags: i32, mask: u32) -> Res<String> {
        let (flags, mask) = (
            AtFlags::from_bits_retain(flags as u32),
            StatxFlags::from_bits_retain(mask),
        );
        let s = rustix::fs::statx(&self.root, path(name), flags, mask)?;
        Ok(format!(
            "{:?} mask {:#x} attributes {:#x} of {:#x}",
            metadata(&s, self.roughly),
            s.stx_mask,
            s.stx_attributes,
            s.stx_attributes_mask
        ))
    }

    fn set_xattr(&self, name: &str, key: &str, value: &[u8], flags: i32) -> Res<String> {
        let (link, key) = (self.by_root(name), path(key));
        // SAFETY: names that end with a zero, and a value with its length.
        number(
            unsafe {
                libc::lsetxattr(
                    link.as_ptr(),
                    key.as_ptr(),
                    value.as_ptr().cast(),
                    value.len(),
                    flags,
                )
            }
            .into(),
        )
    }

    fn remove_xattr(&self, name: &str, key: &str) -> Res<String> {
        // SAFETY: names that end with a zero.
        number(
            unsafe { libc::lremovexattr(self.by_root(name).as_ptr(), path(key).as_ptr()) }.into(),
        )
    }

    /// Says what changed since the last time, if that was the same file.
    fn watch(&mut self, name: &'static str) -> Res<String> {
        let now = statx(&self.root, &path(name).into_string().expect("letters"))?;
        let said = match self.watched.replace((name, now)) {
            Some((before, then)) if before == name => format!(
                "{} {} {} size {} {}",
                stamps(&then, &now, self.roughly),
                then.stx_nlink,
                now.stx_nlink,
                then.stx_size,
                now.stx_size,
            ),
            _ => "watched".to_owned(),
        };
        tick();
        Ok(said)
    }
}

/// Which time stamps are others now. Those of two files may or may not be of one tick.
fn stamps(then: &rustix::fs::Statx, now: &rustix::fs::Statx, roughly: bool) -> String {
    if then.stx_ino != now.stx_ino {
        return "another file".to_owned();
    }
    let times = |s: &rustix::fs::Statx| {
        [s.stx_atime, s.stx_mtime, s.stx_ctime, s.stx_btime].map(|t| (t.tv_sec, t.tv_nsec))
    };
    let pairs = times(then).into_iter().zip(times(now)).zip("amcb".chars());
    pairs
        .filter(|(_, letter)| !("mc".contains(*letter) && roughly && is_written_by_faults(now)))
        .filter(|((a, b), _)| a != b)
        .map(|(_, letter)| letter)
        .collect()
}

fn value(n: isize, mut data: Vec<u8>) -> Res<String> {
    let n = Errno::check(n as libc::c_long)? as usize;
    data.truncate(n);
    Ok(format!("{n} {:?}", Bytes(data)))
}

fn list(fd: i32, size: usize, moved: bool) -> Res<String> {
    // SAFETY: the descriptor stays open meanwhile.
    let dir = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    let dir = Dir::from(dir.try_clone_to_owned().map_err(|_| Errno::last())?);
    let entries = dir.list_once(size);
    // In another order there may be others, and more or less of them in the buffer, which the first may be too long for.
    if moved && matches!(entries, Ok(_) | Err(Errno(libc::EINVAL))) {
        return Ok("listed".to_owned());
    }
    let entries = entries?;
    let names: Vec<String> = entries
        .iter()
        .map(|e| format!("{}:{:?}", short(&e.name), e.kind))
        .collect();
    Ok(names.join(" "))
}

/// A name as a path of a call would have it.
pub fn short(name: &str) -> String {
    match name.len() {
        32.. => format!("@{}", name.len()),
        _ => name.to_owned(),
    }
}
