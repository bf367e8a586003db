// SPDX-License-Identifier: GPL-2.0

//! Directories in which names are the same whatever their case.
//!
//! The dcache compares names by folding them, with what a superblock's encoding says; a directory
//! asks for it by a flag of its inode (`S_CASEFOLD`). C headers: `include/linux/unicode.h`,
//! `include/linux/fs.h`.

use super::{Exclusive, FileSystem, InodeCore, Negative};
use crate::bindings;
use core::ptr::NonNull;
use kernel::error::from_err_ptr;
use kernel::prelude::*;

/// Whether the kernel knows encodings (`CONFIG_UNICODE`).
pub(crate) const IS_BUILT_IN: bool = true;

/// A version of Unicode.
#[derive(Clone, Copy)]
pub(crate) struct UnicodeVersion(u32);

impl UnicodeVersion {
    /// The latest that the kernel knows.
    pub(crate) const LATEST: Self = Self(bindings::UTF8_LATEST);

    /// Parses `MAJOR.MINOR.REVISION`.
    pub(crate) fn parse(text: &CStr) -> Option<Self> {
        // SAFETY: The string is terminated, and the function only reads it.
        let version = unsafe { bindings::utf8_parse_version(text.as_char_ptr().cast_mut()) };
        u32::try_from(version).ok().map(Self)
    }
}

impl kernel::fmt::Display for UnicodeVersion {
    fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
        let [_, major, minor, revision] = self.0.to_be_bytes();
        write!(f, "{major}.{minor}.{revision}")
    }
}

/// The encoding of names: UTF-8 in a version of Unicode, whose tables this keeps loaded.
///
/// # Invariants
///
/// Owns a map that `utf8_load()` returned.
pub(crate) struct Encoding(NonNull<bindings::unicode_map>);

// SAFETY: The map is immutable, and may be given back by any task.
unsafe impl Send for Encoding {}
// SAFETY: The map is immutable.
unsafe impl Sync for Encoding {}

impl Encoding {
    /// Loads the tables of a version. May sleep; fails with `EINVAL` where there are none, with
    /// `ENOMEM` without memory.
    pub(crate) fn load(version: UnicodeVersion) -> Result<Self> {
        // SAFETY: Takes any number.
        let map = from_err_ptr(unsafe { bindings::utf8_load(version.0) })?;
        // INVARIANT: Just loaded.
        NonNull::new(map).map(Self).ok_or(EINVAL)
    }
}

impl Drop for Encoding {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. Path walks that look at the map without a lock still may:
        // it is freed after a grace period.
        unsafe { bindings::utf8_unload(self.0.as_ptr()) }
    }
}

/// How the directories of a superblock may fold case.
pub(crate) struct CaseFolding {
    /// The encoding of names.
    pub(crate) encoding: Encoding,
    /// Whether names that are not valid in it are refused; otherwise they are bytes.
    pub(crate) strict: bool,
}

static DENTRY_OPERATIONS: bindings::dentry_operations = bindings::dentry_operations {
    d_hash: Some(bindings::generic_ci_d_hash),
    d_compare: Some(bindings::generic_ci_d_compare),
    // The other operations are absent.
    ..pin_init::zeroed()
};

impl CaseFolding {
    /// Lets the dentries of a superblock compare names with this encoding where their directory
    /// folds case.
    ///
    /// # Safety
    ///
    /// `sb` must have no dentries yet. This value must live until its last dentry is gone.
    pub(super) unsafe fn set_up(&self, sb: *mut bindings::super_block) {
        // SAFETY: By the caller's promise.
        unsafe {
            (*sb).s_encoding = self.encoding.0.as_ptr();
            if self.strict {
                (*sb).s_encoding_flags = bindings::ushort(bindings::SB_ENC_STRICT_MODE_FL);
            }
            bindings::set_default_d_op(sb, &raw const DENTRY_OPERATIONS);
        }
    }
}

impl<T: FileSystem> InodeCore<T> {
    /// Whether this is a directory in which case does not matter.
    pub(crate) fn folds_case(&self) -> bool {
        // SAFETY: The inode is live. The VFS reads the flags without a lock in the same way.
        let flags = unsafe { core::ptr::read_volatile(&(*self.as_ptr()).i_flags) };
        flags & bindings::S_CASEFOLD != 0
    }

    /// Whether this is a directory in which case need not matter: its mount has an encoding.
    pub(super) fn could_fold_case(&self) -> bool {
        self.file_type() == super::FileType::Directory && self.sb().case_folding().is_some()
    }
}

impl<T: FileSystem> Exclusive<'_, T> {
    /// Whether a file in this directory may have that name: one that folds case may insist on names
    /// that are valid in its encoding.
    pub(crate) fn allows_name(&self, dentry: &Negative<'_, T>) -> bool {
        // SAFETY: Inode and dentry are live, and a name without a file stays as it is.
        unsafe { bindings::generic_ci_validate_strict_name(self.as_ptr(), dentry.qstr()) }
    }
}
