// SPDX-License-Identifier: GPL-2.0
//! A fresh mount of the file system that is measured.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{bail, Context, Result};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags};

/// A file system to measure: `TYPE` or `TYPE,MOUNT-OPTIONS`.
#[derive(Clone, Debug)]
pub struct Column {
    pub label: String,
    fstype: String,
    options: CString,
}

impl FromStr for Column {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (fstype, options) = text.split_once(',').unwrap_or((text, ""));
        if fstype.is_empty() {
            bail!("'{text}' names no file system type");
        }
        Ok(Self {
            label: text.to_owned(),
            fstype: fstype.to_owned(),
            options: CString::new(options).context("mount options hold a NUL byte")?,
        })
    }
}

impl Column {
    /// Fails unless the kernel has this type.
    pub fn check(&self) -> Result<()> {
        let known = std::fs::read_to_string("/proc/filesystems")
            .context("cannot read /proc/filesystems")?;
        if known
            .lines()
            .any(|line| line.split('\t').nth(1) == Some(&self.fstype))
        {
            return Ok(());
        }
        bail!(
            "this kernel has no file system type '{}' (is its module loaded?)",
            self.fstype
        )
    }

    pub fn fstype(&self) -> &str {
        &self.fstype
    }

    pub fn mount_on(&self, directory: &Path) -> rustix::io::Result<()> {
        rustix::mount::mount(
            "none",
            directory,
            self.fstype.as_str(),
            MountFlags::empty(),
            Some(self.options.as_c_str()),
        )
    }
}

/// A mounted, empty file system; dropping it unmounts what it has mounted.
pub struct Place {
    column: Column,
    mount_point: PathBuf,
    root: Option<OwnedFd>,
    is_mounted: bool,
}

impl Place {
    pub fn new(column: &Column, mount_point: &Path) -> Result<Self> {
        column.mount_on(mount_point).with_context(|| {
            format!("cannot mount {} on {}", column.label, mount_point.display())
        })?;
        // From here on a failure must unmount, so the value exists before the next step.
        let mut place = Self {
            column: column.clone(),
            mount_point: mount_point.to_owned(),
            root: None,
            is_mounted: true,
        };
        place.root = Some(Self::open_root(mount_point)?);
        Ok(place)
    }

    /// A directory of a file system that another process has mounted.
    pub fn within(column: &Column, directory: &Path) -> Result<Self> {
        Ok(Self {
            column: column.clone(),
            mount_point: directory.to_owned(),
            root: Some(Self::open_root(directory)?),
            is_mounted: false,
        })
    }

    fn open_root(directory: &Path) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::open(directory, flags, Mode::empty())
    }

    pub fn column(&self) -> &Column {
        &self.column
    }

    pub fn mount_point(&self) -> &Path {
        &self.mount_point
    }

    /// The root directory of the mount.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_ref().expect("opened in new()").as_fd()
    }

    pub fn open(&self, name: &CStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let mode = Mode::from_raw_mode(0o644);
        rustix::fs::openat(self.root(), name, flags | OFlags::CLOEXEC, mode)
    }

    /// A new, empty file open for reading and writing.
    pub fn create(&self, name: &CStr) -> rustix::io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        self.open(name, flags).map(File::from)
    }

    /// Makes closed, empty files with these names.
    pub fn create_all(&self, names: &[CString]) -> rustix::io::Result<()> {
        names
            .iter()
            .try_for_each(|name| self.create(name).map(drop))
    }

    /// Unmounts and says how that went, which dropping cannot.
    pub fn close(mut self) -> Result<()> {
        self.unmount()
            .with_context(|| format!("cannot unmount {}", self.column.label))
    }

    fn unmount(&mut self) -> rustix::io::Result<()> {
        match self.root.take() {
            Some(root) => drop(root),
            None => return Ok(()),
        }
        if !self.is_mounted {
            return Ok(());
        }
        rustix::mount::unmount(&self.mount_point, UnmountFlags::empty())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            eprintln!("cannot unmount {}: {error}", self.mount_point.display());
        }
    }
}
