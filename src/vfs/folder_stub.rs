// SPDX-License-Identifier: GPL-2.0

//! Folders in `/sys/fs` in a kernel without `CONFIG_SYSFS`: there are none.

use kernel::prelude::*;

/// A folder.
pub(super) struct Folder(());

impl Folder {
    /// Makes nothing.
    pub(super) fn new(_name: &'static CStr) -> Result<Self> {
        Ok(Self(()))
    }
}
