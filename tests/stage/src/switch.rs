// SPDX-License-Identifier: GPL-2.0
//! The switches of the module under test: what serves the files that are made without a mount, and the mounts of
//! type tmpfs. They hold for the whole machine, and for what is made from then on.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::fs::MemfdFlags;
use rustix::mount::{self, FsMountFlags, FsOpenFlags, MountAttrFlags};

use crate::machine::{self, Setting};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Files of memfd_create(2), System V IPC, anonymous shared memory and drivers.
    SharedMemory,
    /// Mounts of type tmpfs by user space.
    Mounts,
}

impl Switch {
    /// Where it is.
    pub fn path(self) -> &'static str {
        match self {
            Switch::SharedMemory => "/sys/fs/rtmpfs/shared_memory",
            Switch::Mounts => "/sys/fs/rtmpfs/mounts",
        }
    }

    /// Turns it, until the value is dropped.
    pub fn turn(self, on: bool) -> Result<Setting> {
        Setting::new(self.path(), if on { "1" } else { "0" })
    }

    /// Whether what is made now is made by the module, which is found without a look at the switch.
    pub fn is_in_force(self) -> Result<bool> {
        match self {
            Switch::SharedMemory => {
                let now = device_of_new_files()?;
                let _off = self.turn(false)?;
                Ok(device_of_new_files()? != now)
            }
            // What goes late of an earlier mount may hide one that comes.
            Switch::Mounts => {
                let mut attempts = (0..3).map(|_| is_new_mount_of_the_module());
                attempts.try_fold(false, |found, attempt| Ok(found || attempt?))
            }
        }
    }
}

/// The device number that files without a mount have: there is one superblock of tmpfs for all of them, and another
/// of the module under test.
pub fn device_of_new_files() -> Result<u64> {
    let file = rustix::fs::memfd_create("device", MemfdFlags::CLOEXEC).context("memfd_create")?;
    Ok(rustix::fs::fstat(file)?.st_dev)
}

/// Each mount of the module's counts as a use of the module.
fn is_new_mount_of_the_module() -> Result<bool> {
    let before = uses()?;
    let _mount = new_tmpfs()?;
    Ok(uses()? > before)
}

/// How often the module is in use.
pub fn uses() -> Result<u64> {
    let text = machine::read("/sys/module/rtmpfs/refcnt")?;
    text.trim().parse().context("refcnt")
}

/// A mount of type tmpfs that is in no folder.
fn new_tmpfs() -> Result<OwnedFd> {
    let context = mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    mount::fsconfig_create(&context)?;
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    Ok(mount::fsmount(&context, flags, MountAttrFlags::empty())?)
}
