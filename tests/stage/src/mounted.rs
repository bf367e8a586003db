// SPDX-License-Identifier: GPL-2.0
//! A mount of the file system under test.

use crate::errno::Res;
use crate::mount::Mount;
use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// RTMPFS_TYPE, or what there is to test.
pub fn type_under_test() -> String {
    std::env::var("RTMPFS_TYPE").unwrap_or_else(|_| "rtmpfs".into())
}

/// A mount in a folder of its own.
pub struct Mounted {
    mount: Mount,
}

impl Mounted {
    pub fn new(kind: &str, options: &str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("swap-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
        let mounted = Mount::new("swap", path.clone(), kind, MsFlags::empty(), options);
        if mounted.is_err() {
            let _ = std::fs::remove_dir(&path);
        }
        let mount = mounted.with_context(|| format!("mount -t {kind} -o {options}"))?;
        Ok(Self { mount })
    }

    pub fn path(&self) -> &Path {
        &self.mount.path
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn remount(&self, options: &str) -> Res<()> {
        self.mount.remount(options)
    }

    /// Blocks in use, in pages.
    pub fn used(&self) -> Result<u64> {
        let figures = nix::sys::statvfs::statvfs(self.path())?;
        Ok(figures.blocks() - figures.blocks_free())
    }

    pub fn unmount_when_free(mut self) -> Result<()> {
        self.mount.unmount_when_free()
    }

    pub fn unmount(mut self) -> Result<()> {
        self.mount.try_unmount(MntFlags::empty()).context("umount")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = self.mount.try_unmount(MntFlags::MNT_DETACH) {
            crate::tap::note(&format!("umount: {error}"));
        }
        let _ = std::fs::remove_dir(self.path());
    }
}
