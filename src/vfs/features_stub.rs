// SPDX-License-Identifier: GPL-2.0

//! `/sys/fs/TYPE/features` in a kernel without `CONFIG_SYSFS`: it is not there.

use super::folder::Folder;
use kernel::prelude::*;

/// A feature.
pub(crate) struct Feature(());

impl Feature {
    /// A feature of that name.
    pub(crate) const fn new(_name: &'static CStr) -> Self {
        Self(())
    }
}

/// The folder with a file for each feature.
pub(super) struct Features(());

impl Features {
    /// Makes nothing.
    ///
    /// # Safety
    ///
    /// None: there is no folder.
    pub(super) unsafe fn new(
        _parent: &Folder,
        _features: &'static [&'static Feature],
    ) -> Result<Self> {
        Ok(Self(()))
    }
}
