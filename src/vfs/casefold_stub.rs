// SPDX-License-Identifier: GPL-2.0

//! Directories in which names are the same whatever their case, in a kernel without `CONFIG_UNICODE`: there are
//! none.

use super::{Exclusive, FileSystem, Inode, Negative};
use crate::bindings;
use core::convert::Infallible;
use kernel::prelude::*;

/// Whether the kernel knows encodings.
pub(crate) const IS_BUILT_IN: bool = false;

/// A version of Unicode: one that the kernel does not know.
#[derive(Clone, Copy)]
pub(crate) struct UnicodeVersion(());

impl UnicodeVersion {
    /// The latest.
    pub(crate) const LATEST: Self = Self(());

    /// Parses `MAJOR.MINOR.REVISION`: none is known.
    pub(crate) fn parse(_text: &CStr) -> Option<Self> {
        None
    }
}

impl kernel::fmt::Display for UnicodeVersion {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        f.write_str("none")
    }
}

/// The encoding of names: there is none.
pub(crate) struct Encoding(Infallible);

impl Encoding {
    /// Loads the tables of a version; fails with `EINVAL`.
    pub(crate) fn load(_version: UnicodeVersion) -> Result<Self> {
        Err(EINVAL)
    }
}

/// How the directories of a superblock may fold case: a type without values.
pub(crate) struct CaseFolding {
    /// The encoding of names.
    pub(crate) encoding: Encoding,
    /// Whether names that are not valid in it are refused.
    pub(crate) strict: bool,
}

impl CaseFolding {
    /// Lets the dentries of a superblock compare names with this encoding.
    ///
    /// # Safety
    ///
    /// None: there is no such encoding.
    pub(super) unsafe fn set_up(&self, _sb: *mut bindings::super_block) {
        match self.encoding.0 {}
    }
}

impl<T: FileSystem> Inode<T> {
    /// Whether this is a directory in which case does not matter.
    #[inline(always)]
    pub(crate) fn folds_case(&self) -> bool {
        false
    }
}

impl<T: FileSystem> Exclusive<'_, T> {
    /// Whether a file in this directory may have that name: it may have any.
    #[inline(always)]
    pub(crate) fn allows_name(&self, _dentry: &Negative<'_, T>) -> bool {
        true
    }
}
