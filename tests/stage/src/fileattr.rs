//! The flags of chattr(1), by both of their interfaces.

use std::os::fd::{AsFd, AsRawFd};

use super::errno::{Errno, Res};

const FS_IOC_GETFLAGS: libc::Ioctl = 0x8008_6601;
const FS_IOC_SETFLAGS: libc::Ioctl = 0x4008_6602;
const FS_IOC_FSGETXATTR: libc::Ioctl = 0x801c_581f;
const FS_IOC_FSSETXATTR: libc::Ioctl = 0x401c_5820;

pub const IMMUTABLE: u32 = 0x10;
pub const APPEND: u32 = 0x20;
pub const NODUMP: u32 = 0x40;
pub const NOATIME: u32 = 0x80;
pub const CASEFOLD: u32 = 0x4000_0000;

/// `struct fsxattr`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fsxattr {
    pub xflags: u32,
    pub extsize: u32,
    pub nextents: u32,
    pub projid: u32,
    pub cowextsize: u32,
    pub pad: [u32; 2],
}

fn ioctl<T>(fd: impl AsFd, number: libc::Ioctl, value: &mut T) -> Res<()> {
    // SAFETY: each number above takes a pointer to a value of the type it is called with here.
    let done = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), number, value) };
    Errno::check(done.into()).map(drop)
}

pub fn flags(fd: impl AsFd) -> Res<u32> {
    // The kernel writes an int, though the number says long.
    let mut flags = [0_u32; 2];
    ioctl(fd, FS_IOC_GETFLAGS, &mut flags)?;
    Ok(flags[0])
}

pub fn set_flags(fd: impl AsFd, flags: u32) -> Res<()> {
    ioctl(fd, FS_IOC_SETFLAGS, &mut [flags, 0])
}

pub fn fsxattr(fd: impl AsFd) -> Res<Fsxattr> {
    let mut attributes = Fsxattr::default();
    ioctl(fd, FS_IOC_FSGETXATTR, &mut attributes)?;
    Ok(attributes)
}

pub fn set_fsxattr(fd: impl AsFd, mut attributes: Fsxattr) -> Res<()> {
    ioctl(fd, FS_IOC_FSSETXATTR, &mut attributes)
}
