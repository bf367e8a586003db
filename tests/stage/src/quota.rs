//! quotactl_fd(2).

use std::os::fd::{AsFd, AsRawFd};

use super::errno::{Errno, Res};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    User = 0,
    Group = 1,
}

/// Commands of quotactl(2).
pub mod command {
    pub const SYNC: u32 = 0x80_0001;
    pub const ON: u32 = 0x80_0002;
    pub const OFF: u32 = 0x80_0003;
    pub const GET_FORMAT: u32 = 0x80_0004;
    pub const GET_INFO: u32 = 0x80_0005;
    pub const SET_INFO: u32 = 0x80_0006;
    pub const GET: u32 = 0x80_0007;
    pub const SET: u32 = 0x80_0008;
    pub const GET_NEXT: u32 = 0x80_0009;
    /// Those that XFS had first.
    pub const X_GET_STATE: u32 = 0x5805;
    pub const X_OFF: u32 = 0x5802;
    pub const X_ON: u32 = 0x5801;
}

/// What fields of [`Quota`] a command sets.
pub mod field {
    pub const BLOCK_LIMITS: u32 = 1;
    pub const SPACE: u32 = 2;
    pub const INODE_LIMITS: u32 = 4;
    pub const INODES: u32 = 8;
    pub const BLOCK_TIME: u32 = 16;
    pub const LIMITS: u32 = BLOCK_LIMITS | INODE_LIMITS;
}

/// `struct if_nextdqblk`, of which `struct if_dqblk` is the beginning. Limits of blocks are in KiB.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Quota {
    pub hard_blocks: u64,
    pub soft_blocks: u64,
    pub bytes: u64,
    pub hard_inodes: u64,
    pub soft_inodes: u64,
    pub inodes: u64,
    pub block_time: u64,
    pub inode_time: u64,
    pub valid: u32,
    pub id: u32,
}

/// A grace time that runs is one that runs: its value is not the same twice.
impl std::fmt::Debug for Quota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "id {} bytes {} of {} ({}) KiB, inodes {} of {} ({}), grace {} {}, valid {:#x}",
            self.id,
            self.bytes,
            self.hard_blocks,
            self.soft_blocks,
            self.inodes,
            self.hard_inodes,
            self.soft_inodes,
            self.block_time != 0,
            self.inode_time != 0,
            self.valid,
        )
    }
}

/// `struct if_dqinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Info {
    pub block_grace: u64,
    pub inode_grace: u64,
    pub flags: u32,
    pub valid: u32,
}

/// Any command, with whatever it reads or writes behind `data`, which must be at least as large.
pub fn raw<T>(fd: impl AsFd, command: u32, kind: u32, id: u32, data: &mut T) -> Res<()> {
    let command = (command << 8) | kind;
    let data: *mut T = data;
    // SAFETY: the commands of the cases take at most what `data` points to.
    let done = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            fd.as_fd().as_raw_fd(),
            command,
            id,
            data,
        )
    };
    Errno::check(done).map(drop)
}

pub fn get(fd: impl AsFd, kind: Kind, id: u32) -> Res<Quota> {
    let mut quota = Quota::default();
    raw(fd, command::GET, kind as u32, id, &mut quota)?;
    quota.id = id;
    Ok(quota)
}

pub fn set(fd: impl AsFd, kind: Kind, id: u32, mut quota: Quota) -> Res<()> {
    raw(fd, command::SET, kind as u32, id, &mut quota)
}

/// Sets the hard limits.
pub fn limit(fd: impl AsFd, kind: Kind, id: u32, kib: u64, inodes: u64) -> Res<()> {
    let quota = Quota {
        hard_blocks: kib,
        hard_inodes: inodes,
        valid: field::LIMITS,
        ..Quota::default()
    };
    set(fd, kind, id, quota)
}

pub fn next(fd: impl AsFd, kind: Kind, id: u32) -> Res<Quota> {
    let mut quota = Quota::default();
    raw(fd, command::GET_NEXT, kind as u32, id, &mut quota)?;
    Ok(quota)
}

/// Waits until the records that are not used any more are gone.
pub fn sync(fd: impl AsFd, kind: Kind) -> Res<()> {
    raw(fd, command::SYNC, kind as u32, 0, &mut 0u32)
}

/// All ids that are known, once those that are not used any more are gone.
pub fn all(fd: impl AsFd, kind: Kind) -> Res<Vec<Quota>> {
    sync(&fd, kind)?;
    let mut found = Vec::new();
    let mut id = 0;
    loop {
        // The last number is no id.
        if id == u32::MAX {
            return Ok(found);
        }
        match next(&fd, kind, id) {
            Ok(quota) => {
                id = quota.id + 1;
                found.push(quota);
            }
            Err(Errno(libc::ENOENT)) => return Ok(found),
            Err(e) => return Err(e),
        }
    }
}
