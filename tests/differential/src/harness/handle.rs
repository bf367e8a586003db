//! File handles: name_to_handle_at(2) and open_by_handle_at(2).

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::path::Arg;

use super::errno::{Errno, Res};
use super::sys::Fd;

/// More than any file system takes.
const MAX_BYTES: usize = 128;

/// `struct file_handle`
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    pub bytes: u32,
    pub kind: i32,
    pub data: [u8; MAX_BYTES],
}

impl Handle {
    pub fn new(bytes: u32) -> Handle {
        Handle {
            bytes,
            kind: 0,
            data: [0; MAX_BYTES],
        }
    }

    pub fn of(dir: impl AsFd, name: impl Arg) -> Res<Handle> {
        let mut handle = Handle::new(MAX_BYTES as u32);
        handle.fill(dir, name, 0)?;
        Ok(handle)
    }

    pub fn fill(&mut self, dir: impl AsFd, name: impl Arg, flags: i32) -> Res<()> {
        let name = name.into_c_str()?;
        let mut mount = 0_i32;
        // SAFETY: the handle has room for as many bytes as it says, and all pointers live through the call.
        let done = unsafe {
            libc::syscall(
                libc::SYS_name_to_handle_at,
                dir.as_fd().as_raw_fd(),
                name.as_ptr(),
                &raw mut *self,
                &raw mut mount,
                flags,
            )
        };
        Errno::check(done).map(drop)
    }

    pub fn open(&self, mount: impl AsFd, flags: OFlags) -> Res<Fd> {
        // SAFETY: the handle lives through the call.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_open_by_handle_at,
                mount.as_fd().as_raw_fd(),
                &raw const *self,
                (flags | OFlags::CLOEXEC).bits(),
            )
        };
        let fd = Errno::check(fd)?;
        // SAFETY: the kernel has just given it out.
        Ok(Fd(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
    }

    /// The words of the handle.
    pub fn words(&self) -> Vec<u32> {
        self.data[..self.bytes as usize]
            .chunks_exact(4)
            .map(|w| u32::from_ne_bytes([w[0], w[1], w[2], w[3]]))
            .collect()
    }

    pub fn set_word(&mut self, at: usize, value: u32) {
        self.data[4 * at..][..4].copy_from_slice(&value.to_ne_bytes());
    }
}
