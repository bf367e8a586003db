// SPDX-License-Identifier: GPL-2.0

//! Control files in a kernel without `CONFIG_SYSFS`: they are not there, and module parameters alone turn switches.

use super::folder::Folder;
use super::switch::Switch;
use core::ops::Deref;
use kernel::prelude::*;

/// The folder of a file system type.
#[derive(Clone, Copy)]
pub(crate) struct TypeFolder(());

impl TypeFolder {
    /// # Safety
    ///
    /// None: there is no folder.
    pub(super) unsafe fn of(_folder: &Folder) -> Self {
        Self(())
    }
}

/// A switch that has no file.
pub(crate) struct ControlFile<S: Switch>(S);

impl<S: Switch> ControlFile<S> {
    /// Makes no file.
    ///
    /// # Safety
    ///
    /// None: there is no file.
    pub(crate) unsafe fn new(
        _folder: TypeFolder,
        _name: &'static CStr,
        switch: S,
    ) -> impl PinInit<Self, Error> {
        Ok(Self(switch))
    }
}

impl<S: Switch> Deref for ControlFile<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}
