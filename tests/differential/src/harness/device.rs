//! A loop device.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use super::errno::{Errno, Res};
use super::sys::{Fd, PAGE};

const SET_FD: libc::Ioctl = 0x4c00;
const CLR_FD: libc::Ioctl = 0x4c01;
const SET_CAPACITY: libc::Ioctl = 0x4c07;
const SET_DIRECT_IO: libc::Ioctl = 0x4c08;
const SET_BLOCK_SIZE: libc::Ioctl = 0x4c09;
const GET_FREE: libc::Ioctl = 0x4c82;

/// A loop device that is let go when dropped.
pub struct Loop {
    device: File,
    pub path: String,
}

impl Loop {
    /// The reason why there is none, otherwise.
    pub fn on(file: &Fd) -> Result<Loop, String> {
        let control =
            File::open("/dev/loop-control").map_err(|e| format!("/dev/loop-control: {e}"))?;
        // SAFETY: no memory is involved.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), GET_FREE) };
        let number = Errno::check(number.into()).map_err(|e| format!("no loop device: {e}"))?;
        let path = format!("/dev/loop{number}");
        let device = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| format!("{path}: {e}"))?;
        // SAFETY: as above.
        let done = unsafe { libc::ioctl(device.as_raw_fd(), SET_FD, file.0.as_raw_fd()) };
        Errno::check(done.into()).map_err(|e| format!("{path}: {e}"))?;
        // A device that is open for writing cannot be mounted.
        let device = File::open(&path).map_err(|e| format!("{path}: {e}"))?;
        Ok(Loop { device, path })
    }

    /// The device as a file to read from and write to.
    pub fn disk(&self) -> std::io::Result<Fd> {
        let disk = File::options().read(true).write(true).open(&self.path)?;
        Ok(Fd(OwnedFd::from(disk)))
    }

    /// Reads whole blocks past the pages that the kernel has of the device.
    pub fn read_direct(&self, at: u64, len: usize) -> std::io::Result<Vec<u8>> {
        let disk = File::options()
            .read(true)
            .custom_flags(libc::O_DIRECT)
            .open(&self.path)?;
        let mut room = vec![0; len + PAGE];
        let start = room.as_ptr().align_offset(PAGE);
        disk.read_exact_at(&mut room[start..][..len], at)?;
        Ok(room[start..][..len].to_vec())
    }

    fn set(&self, number: libc::Ioctl, value: libc::c_ulong) -> Res<()> {
        // SAFETY: these take a number.
        let done = unsafe { libc::ioctl(self.device.as_raw_fd(), number, value) };
        Errno::check(done.into()).map(drop)
    }

    pub fn set_direct_io(&self, on: bool) -> Res<()> {
        self.set(SET_DIRECT_IO, on.into())
    }

    pub fn set_block_size(&self, size: u32) -> Res<()> {
        self.set(SET_BLOCK_SIZE, size.into())
    }

    /// Takes the size of the file as it is now.
    pub fn set_capacity(&self) -> Res<()> {
        self.set(SET_CAPACITY, 0)
    }

    /// An attribute of the device, under /sys/block.
    pub fn attribute(&self, name: &str) -> String {
        let path = format!(
            "/sys/block/{}/{name}",
            self.path.trim_start_matches("/dev/")
        );
        std::fs::read_to_string(path).map_or_else(|e| e.to_string(), |t| t.trim().to_owned())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // SAFETY: no memory is involved.
        unsafe { libc::ioctl(self.device.as_raw_fd(), CLR_FD) };
    }
}

/// Discards a range of a device (BLKDISCARD).
pub fn discard(disk: &Fd, at: u64, len: u64) -> Res<()> {
    range(disk, 0x1277, at, len)
}

/// Zeros a range of a device (BLKZEROOUT).
pub fn zero(disk: &Fd, at: u64, len: u64) -> Res<()> {
    range(disk, 0x127f, at, len)
}

fn range(disk: &Fd, number: libc::Ioctl, at: u64, len: u64) -> Res<()> {
    let range = [at, len];
    // SAFETY: both calls read a start and a length.
    let done = unsafe { libc::ioctl(disk.0.as_raw_fd(), number, range.as_ptr()) };
    Errno::check(done.into()).map(drop)
}
