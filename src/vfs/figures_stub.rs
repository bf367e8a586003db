// SPDX-License-Identifier: GPL-2.0

//! Figures of a file system in a kernel without `CONFIG_SYSFS`: there is no place to read them.

use super::folder::Folder;
use super::inode::InodeCore;
use super::{DeviceId, FileSystem, Registration};
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::prelude::*;

/// A figure.
pub(crate) struct Figure<T: FileSystem>(PhantomData<T>);

impl<T: FileSystem> Figure<T> {
    /// A figure of that name.
    pub(crate) const fn new(_name: &'static CStr, _of: fn(&InodeCore<T>) -> u64) -> Self {
        Self(PhantomData)
    }
}

/// The figures of a file system type.
pub(super) struct TypeFigures<T: FileSystem>(PhantomData<T>);

impl<T: FileSystem> TypeFigures<T> {
    /// Makes nothing.
    ///
    /// # Safety
    ///
    /// None: there is no file.
    pub(super) unsafe fn new(
        _folder: &Folder,
        _registration: NonNull<Registration<T>>,
    ) -> Result<Self> {
        Ok(Self(PhantomData))
    }
}

/// The figures of superblocks.
pub(super) struct SuperFigures<T: FileSystem>(PhantomData<T>);

impl<T: FileSystem> SuperFigures<T> {
    /// None.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self(PhantomData))
    }

    /// Remembers nothing.
    pub(super) fn want(&self, _device: DeviceId) -> Result {
        Ok(())
    }

    /// Nothing is remembered.
    pub(super) fn forget(&self, _device: DeviceId) {}

    /// Makes nothing.
    ///
    /// # Safety
    ///
    /// None: there is no file.
    pub(super) unsafe fn update(&self, _registration: &Registration<T>, _device: DeviceId) {}
}
