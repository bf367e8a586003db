// SPDX-License-Identifier: GPL-2.0

//! Folders in `/sys/fs`, and files in them that go before their folder does.
//!
//! C headers: `include/linux/kobject.h`, `include/linux/sysfs.h`.

use crate::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// A folder in sysfs, which goes when this is dropped.
///
/// # Invariants
///
/// Owns a reference to the object, which is in sysfs.
pub(super) struct Folder(NonNull<bindings::kobject>);

// SAFETY: A folder may be removed by any task.
unsafe impl Send for Folder {}
// SAFETY: A shared folder offers nothing to safe code.
unsafe impl Sync for Folder {}

impl Folder {
    /// Makes `/sys/fs/NAME`. May sleep; fails with `ENOMEM`.
    pub(super) fn new(name: &'static CStr) -> Result<Self> {
        // SAFETY: `fs_kobj` is in sysfs for ever.
        unsafe { Self::at(name, bindings::fs_kobj) }
    }

    /// Makes a folder in this one. May sleep; fails with `ENOMEM`.
    ///
    /// # Safety
    ///
    /// The result must be dropped before this one is.
    pub(super) unsafe fn folder(&self, name: &CStr) -> Result<Self> {
        // SAFETY: By the caller's promise.
        unsafe { Self::at(name, self.as_ptr()) }
    }

    /// # Safety
    ///
    /// `parent` must be in sysfs for as long as the result lives.
    unsafe fn at(name: &CStr, parent: *mut bindings::kobject) -> Result<Self> {
        // SAFETY: By the caller's promise; the name is terminated, and copied.
        let object = unsafe { bindings::kobject_create_and_add(name.as_char_ptr(), parent) };
        // INVARIANT: Just added, with one reference.
        NonNull::new(object).map(Self).ok_or(ENOMEM)
    }

    /// Makes the file of an attribute, which goes with the folder. May sleep; fails with `ENOMEM`, and with `EEXIST` where
    /// there is one of the name.
    ///
    /// # Safety
    ///
    /// The attribute must be complete, and stay until the folder has been dropped.
    pub(super) unsafe fn list(&self, attribute: *const bindings::attribute) -> Result {
        // SAFETY: By the caller's promise; the folder is there by the type invariants.
        unsafe { create_file(self.as_ptr(), attribute) }
    }

    /// The object.
    pub(super) fn as_ptr(&self) -> *mut bindings::kobject {
        self.0.as_ptr()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. Takes out what is in it, and waits for those who read it.
        unsafe {
            bindings::kobject_del(self.0.as_ptr());
            bindings::kobject_put(self.0.as_ptr());
        }
    }
}

/// Makes the file of an attribute.
///
/// # Safety
///
/// The attribute must be complete. It and the folder must stay for as long as the file is there.
unsafe fn create_file(
    folder: *mut bindings::kobject,
    attribute: *const bindings::attribute,
) -> Result {
    // SAFETY: By the caller's promise.
    bindings::to_result(unsafe {
        bindings::sysfs_create_file_ns(folder, attribute, core::ptr::null())
    })
}

/// An attribute that is a file in sysfs until this is dropped, which waits for the tasks that read or write it.
///
/// # Invariants
///
/// The file is there, and folder and attribute are valid.
pub(super) struct Listed {
    folder: *mut bindings::kobject,
    attribute: *const bindings::attribute,
}

impl Listed {
    /// May sleep; fails with `ENOMEM`, and with `EEXIST` where there is one of the name.
    ///
    /// # Safety
    ///
    /// The attribute must be complete. It and the folder must stay until the result has been dropped.
    pub(super) unsafe fn new(
        folder: *mut bindings::kobject,
        attribute: *const bindings::attribute,
    ) -> Result<Self> {
        // SAFETY: By the caller's promise.
        unsafe { create_file(folder, attribute)? };
        // INVARIANT: Just made.
        Ok(Self { folder, attribute })
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::sysfs_remove_file_ns(self.folder, self.attribute, core::ptr::null()) }
    }
}
