// SPDX-License-Identifier: GPL-2.0
//! A mount of the file system under test.

use anyhow::{Context, Result};
use nix::mount::{mount, umount, umount2, MntFlags, MsFlags};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// RTMPFS_TYPE, or what there is to test.
pub fn type_under_test() -> String {
    std::env::var("RTMPFS_TYPE").unwrap_or_else(|_| "rtmpfs".into())
}

pub struct Mounted {
    path: PathBuf,
    kind: String,
    there: bool,
}

impl Mounted {
    pub fn new(kind: &str, options: &str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("swap-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
        let mut mounted = Self {
            path,
            kind: kind.to_owned(),
            there: false,
        };
        mount(
            Some("swap"),
            &mounted.path,
            Some(kind),
            MsFlags::empty(),
            Some(options),
        )
        .with_context(|| format!("mount -t {kind} -o {options}"))?;
        mounted.there = true;
        Ok(mounted)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn remount(&self, options: &str) -> nix::Result<()> {
        mount(
            Some("swap"),
            &self.path,
            Some(self.kind.as_str()),
            MsFlags::MS_REMOUNT,
            Some(options),
        )
    }

    /// Blocks in use, in pages.
    pub fn used(&self) -> Result<u64> {
        let figures = nix::sys::statvfs::statvfs(&self.path)?;
        Ok(figures.blocks() - figures.blocks_free())
    }

    /// Unmounts once nobody uses it any more: children that others have forked hold on to what is open or mapped.
    pub fn unmount_when_free(mut self) -> Result<()> {
        let free = crate::machine::wait(10, || match umount(&self.path) {
            Err(nix::errno::Errno::EBUSY) => Ok(false),
            result => result.map(|()| true).context("umount"),
        })?;
        anyhow::ensure!(free, "umount: busy for 10 s");
        self.there = false;
        Ok(())
    }

    pub fn unmount(mut self) -> Result<()> {
        umount(&self.path).context("umount")?;
        self.there = false;
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.there {
            if let Err(error) = umount2(&self.path, MntFlags::MNT_DETACH) {
                crate::tap::note(&format!("umount: {error}"));
            }
        }
        let _ = std::fs::remove_dir(&self.path);
    }
}
