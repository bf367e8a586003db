//! Pages on their way through pipes.

use std::os::fd::AsRawFd;

use super::files::with_position;
use super::player::{number, Player, Said};
use super::Call;
use crate::harness::bytes::{pattern, Bytes};
use crate::harness::errno::Errno;

impl Player {
    /// `None` for a call of another kind.
    pub fn on_pipes(&mut self, call: Call) -> Option<Said> {
        let read = |pipe: usize| self.pipes[pipe].0.as_raw_fd();
        let write = |pipe: usize| self.pipes[pipe].1.as_raw_fd();
        Some(match call {
            Call::SpliceIn {
                fd,
                at,
                pipe,
                len,
                flags,
            } => self.raw(fd).map(|fd| {
                with_position(at, |at| {
                    // SAFETY: the position lives through the call.
                    unsafe {
                        libc::splice(fd, at, write(pipe), std::ptr::null_mut(), len, flags)
                            as libc::c_long
                    }
                })
            }),
            Call::SpliceOut {
                pipe,
                fd,
                at,
                len,
                flags,
            } => self.raw(fd).map(|fd| {
                with_position(at, |at| {
                    // SAFETY: the position lives through the call.
                    unsafe {
                        libc::splice(read(pipe), std::ptr::null_mut(), fd, at, len, flags)
                            as libc::c_long
                    }
                })
            }),
            Call::Tee {
                from,
                to,
                len,
                flags,
            } => {
                // SAFETY: no memory is involved.
                Some(number(
                    unsafe { libc::tee(read(from), write(to), len, flags) } as libc::c_long,
                ))
            }
            Call::Vmsplice {
                map,
                from,
                len,
                pipe,
                flags,
            } => {
                let (start, len) = self.range(map, from, len);
                let part = libc::iovec {
                    iov_base: start,
                    iov_len: len,
                };
                // Unlike the others it waits for room where only the pipe is told not to.
                let flags = flags | libc::SPLICE_F_NONBLOCK;
                // SAFETY: the place is a mapping's, which is plain memory, or nothing; one part.
                Some(number(
                    unsafe { libc::vmsplice(write(pipe), &raw const part, 1, flags) }
                        as libc::c_long,
                ))
            }
            Call::PipeRead { pipe, len } => {
                let mut data = vec![0; len];
                // SAFETY: the memory is as long as it is said to be.
                let n = unsafe { libc::read(read(pipe), data.as_mut_ptr().cast(), len) };
                Some(Errno::check(n as libc::c_long).map(|n| {
                    data.truncate(n as usize);
                    format!("{:?}", Bytes(data))
                }))
            }
            Call::PipeWrite { pipe, len, byte } => {
                let data = pattern(byte.into(), len);
                // SAFETY: as above.
                Some(number(
                    unsafe { libc::write(write(pipe), data.as_ptr().cast(), len) } as libc::c_long,
                ))
            }
            _ => return None,
        })
    }
}
