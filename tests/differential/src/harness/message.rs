//! Descriptors in messages of a socket, unix(7).

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::errno::{Errno, Res};
use super::sys::Fd;

/// A socket with both of its ends.
pub struct Socket {
    one: OwnedFd,
    other: OwnedFd,
}

/// Room for one descriptor with its head, aligned as a head has to be.
#[repr(C, align(8))]
struct Control([u8; 32]);

impl Socket {
    pub fn new() -> Res<Socket> {
        let mut ends = [-1; 2];
        // SAFETY: there is room for two descriptors, which are nobody else's.
        unsafe {
            let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
            let done = libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr());
            Errno::check(done.into())?;
            Ok(Socket {
                one: OwnedFd::from_raw_fd(ends[0]),
                other: OwnedFd::from_raw_fd(ends[1]),
            })
        }
    }

    /// Sends a file, which is closed here.
    pub fn send(&self, file: Fd) -> Res<()> {
        with_message(|message| {
            // SAFETY: the message has room for a head and a descriptor.
            unsafe {
                let head = libc::CMSG_FIRSTHDR(message);
                (*head).cmsg_level = libc::SOL_SOCKET;
                (*head).cmsg_type = libc::SCM_RIGHTS;
                (*head).cmsg_len = libc::CMSG_LEN(4) as usize;
                libc::CMSG_DATA(head)
                    .cast::<i32>()
                    .write_unaligned(file.0.as_raw_fd());
                libc::sendmsg(self.one.as_raw_fd(), message, 0)
            }
        })
    }

    pub fn receive(&self) -> Res<Fd> {
        let mut fd = -1;
        with_message(|message| {
            // SAFETY: as above; the kernel has written a head and a descriptor if it has taken no error.
            unsafe {
                let got = libc::recvmsg(self.other.as_raw_fd(), message, 0);
                if got >= 0 {
                    let head = libc::CMSG_FIRSTHDR(message);
                    assert!(!head.is_null(), "a message without a descriptor");
                    fd = libc::CMSG_DATA(head).cast::<i32>().read_unaligned();
                }
                got
            }
        })?;
        // SAFETY: a new descriptor.
        Ok(Fd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }
}

/// Calls `op` with a message of one byte and room for one descriptor.
fn with_message(op: impl FnOnce(&mut libc::msghdr) -> isize) -> Res<()> {
    let mut byte = [0u8];
    let mut data = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let mut control = Control([0; 32]);
    // SAFETY: plain numbers and pointers, for which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut data;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: only calculates.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(4) } as usize;
    Errno::check(op(&mut message) as i64).map(drop)
}
