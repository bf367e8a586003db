// SPDX-License-Identifier: GPL-2.0
//! Mounts.

use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};
use nix::mount::{self as api, MntFlags, MsFlags};

use crate::errno::{Errno, Res};
use crate::machine::{wait, LATE};

/// mount(2).
pub fn mount(source: &str, path: &Path, kind: &str, flags: MsFlags, options: &str) -> Res<()> {
    Ok(api::mount(
        Some(source),
        path,
        Some(kind),
        flags,
        Some(options),
    )?)
}

/// mount(2) of what is mounted.
pub fn remount(path: &Path, flags: MsFlags, options: &str) -> Res<()> {
    let flags = MsFlags::MS_REMOUNT | flags;
    Ok(api::mount(
        None::<&str>,
        path,
        None::<&str>,
        flags,
        Some(options),
    )?)
}

/// A mount, undone when dropped.
pub struct Mount {
    pub path: PathBuf,
    is_there: bool,
}

impl Mount {
    pub fn new(
        source: &str,
        path: PathBuf,
        kind: &str,
        flags: MsFlags,
        options: &str,
    ) -> Res<Mount> {
        mount(source, &path, kind, flags, options)?;
        Ok(Mount::at(path))
    }

    /// What is mounted there already.
    pub fn at(path: PathBuf) -> Mount {
        Mount {
            path,
            is_there: true,
        }
    }

    pub fn remount(&self, options: &str) -> Res<()> {
        self.remount_flags(options, MsFlags::empty())
    }

    pub fn remount_flags(&self, options: &str, flags: MsFlags) -> Res<()> {
        remount(&self.path, flags, options)
    }

    pub fn unmount(self) -> Res<()> {
        self.unmount_flags(MntFlags::empty())
    }

    /// Unmounts once nothing uses it any more, in at most [`LATE`]: some users let go only after the call that ends their
    /// use. A thread of io_uring tells of a request before it puts the file, a loop device is let go by a worker, and
    /// a child that another thread forks holds on to what is open or mapped until its exec.
    pub fn unmount_when_free(&mut self) -> Result<()> {
        let free = wait(LATE, || match self.try_unmount(MntFlags::empty()) {
            Err(Errno(libc::EBUSY)) => Ok(false),
            result => result.map(|()| true).context("umount"),
        })?;
        ensure!(free, "umount: busy for {LATE} s");
        Ok(())
    }

    pub fn unmount_flags(mut self, flags: MntFlags) -> Res<()> {
        self.try_unmount(flags)
    }

    /// Does nothing where it is unmounted already; may be tried again.
    pub fn try_unmount(&mut self, flags: MntFlags) -> Res<()> {
        if self.is_there {
            api::umount2(&self.path, flags)?;
            self.is_there = false;
        }
        Ok(())
    }

    /// The line of /proc/mounts without the path of the mount.
    pub fn options(&self) -> String {
        self.proc_line("/proc/mounts", " ", 1)
    }

    /// The line of /proc/self/mountinfo without ids and paths.
    pub fn mountinfo(&self) -> String {
        let line = self.proc_line("/proc/self/mountinfo", " ", 4);
        line.split(' ').skip(3).collect::<Vec<_>>().join(" ")
    }

    fn proc_line(&self, file: &str, separator: &str, field: usize) -> String {
        let path = self.path.to_str().expect("a plain path was chosen");
        let text = std::fs::read_to_string(file).expect("/proc is mounted");
        let found = text
            .lines()
            .rev()
            .find(|l| l.split(separator).nth(field) == Some(path));
        found.unwrap_or("not mounted").replace(path, "MOUNT")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = self.try_unmount(MntFlags::MNT_DETACH);
    }
}
