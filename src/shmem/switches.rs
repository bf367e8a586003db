// SPDX-License-Identifier: GPL-2.0

//! What the file system serves beside its own mounts, and the switches for it: files that the kernel makes for
//! memfd_create(2), System V IPC, anonymous shared memory and drivers, and mounts of type tmpfs.
//!
//! What was made before a switch is turned stays as it is. No lock is needed: a switch is one word, which is
//! changed as a whole, and what is served by then has references of its own.

use crate::bindings;
use crate::vfs::internal_type::InternalType;
use crate::vfs::kernel_mount::{MountRef, PublishedMount};
use crate::vfs::switch::Switch;
use crate::vfs::FileSystem;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};

/// What is served from the beginning.
#[derive(Default)]
pub(crate) struct Served {
    /// Files that the kernel makes.
    pub(crate) files: bool,
    /// Mounts of type tmpfs.
    pub(crate) mounts: bool,
}

/// The switch for files that the kernel makes. It is on while there is a mount for them, which holds the module.
pub(super) struct Files<T: FileSystem> {
    internal: InternalType<T>,
    mount: PublishedMount<T>,
}

impl<T: FileSystem> Files<T> {
    /// Off. May sleep; fails with `ENOMEM`.
    pub(super) fn new(internal: InternalType<T>) -> Result<Self> {
        Ok(Self {
            internal,
            mount: PublishedMount::new()?,
        })
    }

    /// Where to make files, if they are served. Does not sleep.
    #[inline]
    pub(super) fn mount(&self) -> Option<MountRef<'_, T>> {
        self.mount.get()
    }
}

impl<T: FileSystem> Switch for Files<T> {
    fn is_on(&self) -> bool {
        !self.mount.is_empty()
    }

    fn turn(&self, on: bool) -> Result {
        if !on {
            // Waits for the tasks that make a file. The mount goes with the last file on it.
            drop(self.mount.take());
        } else if !self.is_on() {
            self.mount.publish(self.internal.mount()?);
        }
        Ok(())
    }
}

/// The switch for mounts of type tmpfs by users.
pub(super) struct Mounts<T: FileSystem> {
    internal: InternalType<T>,
    is_on: Atomic<bool>,
}

impl<T: FileSystem> Mounts<T> {
    /// Off.
    pub(super) fn new(internal: InternalType<T>) -> Self {
        Self {
            internal,
            is_on: Atomic::new(false),
        }
    }

    /// Takes over a mount of type tmpfs, if those are served; returns whether it has. May sleep.
    ///
    /// # Safety
    ///
    /// As for [`InternalType::take_over`].
    pub(super) unsafe fn take_over(&self, cx: *mut bindings::fs_context) -> Result<bool> {
        if !self.is_on() {
            return Ok(false);
        }
        // SAFETY: By the caller's promise.
        match unsafe { self.internal.take_over(cx) } {
            Ok(()) => Ok(true),
            // The module is being loaded.
            Err(EAGAIN) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

impl<T: FileSystem> Switch for Mounts<T> {
    fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    /// Fails with `EOPNOTSUPP` where users may mount nothing.
    fn turn(&self, on: bool) -> Result {
        if on && !self.internal.is_for_users() {
            return Err(EOPNOTSUPP);
        }
        self.is_on.store(on, Relaxed);
        Ok(())
    }
}
