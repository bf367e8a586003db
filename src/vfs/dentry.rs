// SPDX-License-Identifier: GPL-2.0

//! Dentries: the names of files.
//!
//! C header: `include/linux/dcache.h`.

use super::{FileSystem, Inode};
use crate::bindings;
use core::marker::PhantomData;
use core::ops::Deref;
use kernel::types::Opaque;

/// A dentry of file system `T` (`struct dentry`).
///
/// # Invariants
///
/// The dentry is live: a reference to it is held for as long as a reference to this type
/// is in use.
#[repr(transparent)]
pub(crate) struct Dentry<T: FileSystem>(Opaque<bindings::dentry>, PhantomData<T>);

impl<T: FileSystem> Dentry<T> {
    /// # Safety
    ///
    /// The type invariants must hold for `'a`.
    pub(super) unsafe fn from_raw<'a>(dentry: *mut bindings::dentry) -> &'a Self {
        // SAFETY: The type is transparent, and the caller promises validity.
        unsafe { &*dentry.cast() }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::dentry {
        self.0.get()
    }

    /// The name, for C functions that take a `struct qstr`.
    pub(super) fn qstr(&self) -> *const bindings::qstr {
        // SAFETY: The dentry is live; no reference is made.
        unsafe { core::ptr::addr_of!((*self.as_ptr()).__bindgen_anon_1.d_name) }
    }

    /// Whether no name in this directory is in use, as `simple_empty()`.
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: The dentry is live. Takes `d_lock`.
        unsafe { bindings::simple_empty(self.as_ptr()) != 0 }
    }
}

/// A name without a file, in a directory whose `i_rwsem` the VFS holds for writing.
///
/// # Invariants
///
/// The dentry has no inode, and no task can give it one while the value exists.
pub(crate) struct Negative<'a, T: FileSystem>(&'a Dentry<T>);

impl<'a, T: FileSystem> Negative<'a, T> {
    /// # Safety
    ///
    /// The type invariants must hold for `'a`.
    pub(super) unsafe fn from_raw(dentry: *mut bindings::dentry) -> Self {
        // SAFETY: By the caller's promise.
        Self(unsafe { Dentry::from_raw(dentry) })
    }
}

impl<T: FileSystem> Deref for Negative<'_, T> {
    type Target = Dentry<T>;

    fn deref(&self) -> &Dentry<T> {
        self.0
    }
}

/// A name that has a file, in a directory whose `i_rwsem` the VFS holds for writing.
///
/// # Invariants
///
/// The dentry has an inode, and keeps it, its name and its directory for `'a`.
pub(crate) struct Positive<'a, T: FileSystem>(&'a Dentry<T>);

impl<'a, T: FileSystem> Positive<'a, T> {
    /// # Safety
    ///
    /// The type invariants must hold for `'a`.
    pub(super) unsafe fn from_raw(dentry: *mut bindings::dentry) -> Self {
        // SAFETY: By the caller's promise.
        Self(unsafe { Dentry::from_raw(dentry) })
    }

    /// The file.
    pub(crate) fn inode(&self) -> &'a Inode<T> {
        // SAFETY: By the type invariants there is one, of the same file system, pinned by the
        // dentry for `'a`.
        unsafe { Inode::from_raw((*self.as_ptr()).d_inode) }
    }
}

impl<T: FileSystem> Deref for Positive<'_, T> {
    type Target = Dentry<T>;

    fn deref(&self) -> &Dentry<T> {
        self.0
    }
}
