//! Calls on open files and their contents.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd};

use io_uring::squeue::Flags;
use io_uring::{opcode, types};
use rustix::fs::FileType;

use super::names::path;
use super::player::{number, Player, Said};
use super::Call;
use crate::harness::bytes::{pattern, Bytes};
use crate::harness::errno::{Errno, Res};
use crate::harness::sys::cached_pages;
use crate::harness::uring::Ring;

/// More than this is read to, or written from, nowhere at all: the address is bad.
const LARGEST: usize = 16 << 20;

const FICLONERANGE: libc::Ioctl = 0x4020_940d;

/// Files never wait, and never stay open in a program that is started.
const ALWAYS: i32 = libc::O_NONBLOCK | libc::O_CLOEXEC;

/// Memory to read to or write from.
fn buffer(len: usize, byte: Option<u8>) -> (Vec<u8>, *mut libc::c_void) {
    let mut data = match byte {
        _ if len > LARGEST => return (Vec::new(), std::ptr::null_mut()),
        None => vec![0; len],
        Some(byte) => pattern(byte.into(), len),
    };
    let start = data.as_mut_ptr().cast();
    (data, start)
}

/// Two parts of it, the first of them a third.
fn parts(start: *mut libc::c_void, len: usize) -> [libc::iovec; 2] {
    let first = len / 3;
    let part = |at: usize, len| libc::iovec {
        iov_base: start.wrapping_byte_add(at),
        iov_len: len,
    };
    [part(0, first), part(first, len - first)]
}

fn got(mut data: Vec<u8>, value: libc::c_long) -> Res<String> {
    let n = Errno::check(value)?;
    data.truncate(n as usize);
    Ok(format!("{:?}", Bytes(data)))
}

/// A position that the kernel moves on, and where it moved it to.
pub fn with_position(at: Option<i64>, call: impl FnOnce(*mut i64) -> libc::c_long) -> Res<String> {
    let Some(mut at) = at else {
        return number(call(std::ptr::null_mut()));
    };
    let said = number(call(&raw mut at))?;
    Ok(format!("{said}, then at {at}"))
}

impl Player {
    /// `None` for a call of another kind.
    pub fn on_files(&mut self, call: Call) -> Option<Said> {
        Some(match call {
            Call::Open { .. }
            | Call::OpenAt { .. }
            | Call::Reopen { .. }
            | Call::Close { .. }
            | Call::Dup { .. } => self.descriptors(call),
            Call::SetStatus { fd, flags } => self.raw(fd).map(|fd| {
                // SAFETY: no memory is involved.
                number(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) }.into())
            }),
            Call::Seals { fd, add } => self.raw(fd).map(|fd| {
                // SAFETY: no memory is involved.
                number(
                    match add {
                        Some(seals) => unsafe { libc::fcntl(fd, libc::F_ADD_SEALS, seals) },
                        None => unsafe { libc::fcntl(fd, libc::F_GET_SEALS) },
                    }
                    .into(),
                )
            }),
            Call::Ioctl { fd, number: which } => self.raw(fd).map(|fd| {
                // Block size and bytes to read; what others say is a random number or has room for one.
                const TELLING: [u32; 2] = [0x2, 0x541b];
                let mut room = [0u32; 128];
                // SAFETY: the numbers of the calls say that they take less than that.
                let done = unsafe { libc::ioctl(fd, libc::Ioctl::from(which), room.as_mut_ptr()) };
                let said = number(done.into())?;
                Ok(if TELLING.contains(&which) {
                    format!("{said} {}", room[0])
                } else {
                    said
                })
            }),
            Call::Read { fd, len } => self.raw(fd).map(|fd| {
                let (data, start) = buffer(len, None);
                // SAFETY: the memory is as long as it is said to be, or there is none.
                got(data, unsafe { libc::read(fd, start, len) } as libc::c_long)
            }),
            Call::Write { fd, len, byte } => self.raw(fd).map(|fd| {
                let (_data, start) = buffer(len, Some(byte));
                // SAFETY: as above.
                number(unsafe { libc::write(fd, start, len) } as libc::c_long)
            }),
            Call::Preadv { fd, len, at, flags } => self.raw(fd).map(|fd| {
                let (data, start) = buffer(len, None);
                let parts = parts(start, len);
                // SAFETY: as above, in two parts.
                got(
                    data,
                    unsafe { libc::preadv2(fd, parts.as_ptr(), 2, at, flags) } as libc::c_long,
                )
            }),
            Call::Pwritev {
                fd,
                len,
                at,
                byte,
                flags,
            } => self.raw(fd).map(|fd| {
                let (_data, start) = buffer(len, Some(byte));
                let parts = parts(start, len);
                // SAFETY: as above, in two parts.
                number(unsafe { libc::pwritev2(fd, parts.as_ptr(), 2, at, flags) } as libc::c_long)
            }),
            // With O_NONBLOCK, too, it waits for what may never come.
            Call::Uring { fd, .. } if self.is_of_type(fd, FileType::Fifo) => None,
            Call::Uring {
                fd,
                len,
                at,
                write,
                flags,
                aside,
            } => self.raw(fd).map(|fd| {
                let (data, start) = buffer(len as usize, write);
                let (fd, start) = (types::Fd(fd), start.cast::<u8>());
                let entry = match write {
                    Some(_) => opcode::Write::new(fd, start, len)
                        .offset(at as u64)
                        .rw_flags(flags)
                        .build(),
                    None => opcode::Read::new(fd, start, len)
                        .offset(at as u64)
                        .rw_flags(flags)
                        .build(),
                };
                let how = match aside {
                    true => Flags::ASYNC,
                    false => Flags::empty(),
                };
                // SAFETY: the memory is as long as it is said to be, or there is none.
                let done = unsafe { self.ring()?.run(entry, how) }?.into();
                match write {
                    Some(_) => number(done),
                    None => got(data, done),
                }
            }),
            Call::PreadMap {
                fd,
                map,
                from,
                len,
                at,
            } => self.raw(fd).map(|fd| {
                let (start, len) = self.range(map, from, len);
                // SAFETY: the place is a mapping's, which is plain memory, or nothing.
                number(unsafe { libc::pread(fd, start, len, at) } as libc::c_long)
            }),
            Call::PwriteMap {
                fd,
                map,
                from,
                len,
                at,
            } => self.raw(fd).map(|fd| {
                let (start, len) = self.range(map, from, len);
                // SAFETY: as above.
                number(unsafe { libc::pwrite(fd, start, len, at) } as libc::c_long)
            }),
            Call::Seek {
                fd,
                to,
                whence: whence @ (libc::SEEK_DATA | libc::SEEK_HOLE),
            } if self.roughly => self.raw(fd).map(|fd| seek_and_back(fd, to, whence)),
            Call::Seek { fd, to, whence } => {
                // Where a reader of a directory is depends on the order of its names.
                let vague = self.moved
                    && whence == libc::SEEK_CUR
                    && self.is_of_type(fd, FileType::Directory);
                self.raw(fd).map(|fd| {
                    // SAFETY: no memory is involved.
                    let at = unsafe { libc::lseek(fd, to, whence) };
                    number(if vague { at.signum() } else { at })
                })
            }
            Call::Truncate { path: name, len } => {
                let link = self.by_root(name);
                // SAFETY: a path that ends with a zero.
                Some(number(unsafe { libc::truncate(link.as_ptr(), len) }.into()))
            }
            Call::Ftruncate { fd, len } => self.raw(fd).map(|fd| {
                // SAFETY: no memory is involved.
                number(unsafe { libc::ftruncate(fd, len) }.into())
            }),
            Call::Fallocate { fd, mode, at, len } => self.raw(fd).map(|fd| {
                // SAFETY: no memory is involved.
                number(unsafe { libc::fallocate(fd, mode, at, len) }.into())
            }),
            Call::Fsync { fd, data } => self.raw(fd).map(|fd| {
                // SAFETY: no memory is involved.
                number(
                    unsafe {
                        if data {
                            libc::fdatasync(fd)
                        } else {
                            libc::fsync(fd)
                        }
                    }
                    .into(),
                )
            }),
            Call::SyncRange { fd, at, len, flags } => self.raw(fd).map(|fd| {
                // SAFETY: no memory is involved.
                number(unsafe { libc::sync_file_range(fd, at, len, flags) }.into())
            }),
            Call::Fadvise {
                fd,
                at,
                len,
                advice,
            } => self.raw(fd).map(|fd| {
                // SAFETY: no memory is involved.
                Ok(unsafe { libc::posix_fadvise(fd, at, len, advice) }.to_string())
            }),
            Call::Readahead { fd, at, len } => self.raw(fd).map(|fd| {
                // SAFETY: no memory is involved.
                number(unsafe { libc::readahead(fd, at, len) } as libc::c_long)
            }),
            Call::CopyRange { .. } | Call::Sendfile { .. } | Call::Clone { .. } => {
                self.between_files(call)
            }
            Call::Cachestat { fd, at, len } => {
                let vague = self.vague;
                self.raw(fd).map(|fd| cachestat(fd, at, len, vague))
            }
            _ => return None,
        })
    }

    fn ring(&mut self) -> Res<&mut Ring> {
        match self.ring {
            Some(ref mut ring) => Ok(ring),
            None => Ok(self.ring.insert(Ring::new(1)?)),
        }
    }

    fn descriptors(&mut self, call: Call) -> Said {
        match call {
            Call::Open {
                fd,
                path: name,
                flags,
                mode,
            } => {
                self.fds[fd] = None;
                let (dir, name) = (self.root.as_fd().as_raw_fd(), path(name));
                // SAFETY: a path that ends with a zero.
                let given = unsafe { libc::openat(dir, name.as_ptr(), flags | ALWAYS, mode) };
                Some(self.take(fd, given.into()))
            }
            Call::OpenAt {
                fd,
                dir,
                path: name,
                flags,
            } => {
                let dir = self.raw(dir)?;
                let name = path(name);
                // SAFETY: a path that ends with a zero.
                let given = unsafe { libc::openat(dir, name.as_ptr(), flags | ALWAYS, 0o644) };
                Some(self.take(fd, given.into()))
            }
            Call::Reopen { fd, of, flags } => {
                let link =
                    CString::new(format!("/proc/self/fd/{}", self.raw(of)?)).expect("no zero");
                // SAFETY: a path that ends with a zero.
                let given = unsafe { libc::open(link.as_ptr(), flags | ALWAYS, 0o644) };
                Some(self.take(fd, given.into()))
            }
            Call::Dup { fd, of } => {
                // SAFETY: no memory is involved.
                let given = unsafe { libc::fcntl(self.raw(of)?, libc::F_DUPFD_CLOEXEC, 0) };
                Some(self.take(fd, given.into()))
            }
            Call::Close { fd } => self.fds[fd].take().map(|_| Ok("closed".to_owned())),
            _ => unreachable!("{call:?} makes or ends no descriptor"),
        }
    }

    fn between_files(&mut self, call: Call) -> Said {
        match call {
            Call::CopyRange {
                from,
                at,
                to,
                to_at,
                len,
                flags,
            } => {
                let (from, to) = (self.raw(from)?, self.raw(to)?);
                Some(with_position(at, |at| {
                    let mut to_at = to_at;
                    let to_at = to_at
                        .as_mut()
                        .map_or(std::ptr::null_mut(), |at| &raw mut *at);
                    // SAFETY: the positions live through the call.
                    unsafe {
                        libc::copy_file_range(from, at, to, to_at, len, flags) as libc::c_long
                    }
                }))
            }
            Call::Sendfile { from, at, to, len } => {
                let (from, to) = (self.raw(from)?, self.raw(to)?);
                // SAFETY: the position lives through the call.
                Some(with_position(
                    at,
                    |at| unsafe { libc::sendfile(to, from, at, len) } as libc::c_long,
                ))
            }
            Call::Clone {
                from,
                at,
                to,
                to_at,
                len,
            } => {
                let (from, to) = (self.raw(from)?, self.raw(to)?);
                let range = [i64::from(from), at, len, to_at];
                // SAFETY: `struct file_clone_range`: a descriptor, a position, a length, a position.
                Some(number(
                    unsafe { libc::ioctl(to, FICLONERANGE, range.as_ptr()) }.into(),
                ))
            }
            _ => unreachable!("{call:?} is not between files"),
        }
    }
}

/// Where there is data is not said, and where the file stood it stands again.
fn seek_and_back(fd: i32, to: i64, whence: i32) -> Res<String> {
    // SAFETY: no memory is involved.
    let (before, found) = unsafe {
        let before = libc::lseek(fd, 0, libc::SEEK_CUR);
        (before, Errno::check(libc::lseek(fd, to, whence)))
    };
    match found {
        Ok(_) | Err(Errno(libc::ENXIO)) => {
            // SAFETY: as above.
            unsafe { libc::lseek(fd, before, libc::SEEK_SET) };
            Ok("done".to_owned())
        }
        Err(e) => Err(e),
    }
}

/// Only what no reclaim changes is said: the pages that are there as long as none has gone out. What a file that grows
/// has got in advance, which is a known difference, goes when the file's blocks are asked for.
fn cachestat(fd: i32, at: u64, len: u64, vague: bool) -> Res<String> {
    let mut status = std::mem::MaybeUninit::uninit();
    // SAFETY: room for the status, which is not looked at.
    unsafe { libc::fstat(fd, status.as_mut_ptr()) };
    let pages = cached_pages(fd, at, len)?;
    Ok(if vague {
        "done".to_owned()
    } else {
        format!("{pages} pages")
    })
}
