// SPDX-License-Identifier: GPL-2.0

//! Figures of a file system in a kernel without `CONFIG_SYSFS`: there is no place to read them.

use super::folder::Folder;
use super::inode::InodeCore;
use super::{FileSystem, Registration, SuperBlock};
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

/// The figures of a superblock.
pub(super) struct SuperFigures<T: FileSystem>(PhantomData<T>);

impl<T: FileSystem> SuperFigures<T> {
    /// Makes nothing.
    ///
    /// # Safety
    ///
    /// None: there is no file.
    pub(super) unsafe fn new(_parent: &Folder, _sb: &SuperBlock<T>) -> Result<Option<Self>> {
        Ok(None)
    }
}
