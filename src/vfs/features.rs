// SPDX-License-Identifier: GPL-2.0

//! `/sys/fs/TYPE/features`: a file for each optional feature that this kernel was built with, by
//! which user space learns of it without a mount.
//!
//! C headers: `include/linux/kobject.h`, `include/linux/sysfs.h`.

use crate::bindings;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::str::as_char_ptr_in_const_context;

/// A feature, which has a file of its name.
#[repr(transparent)]
pub(crate) struct Feature(bindings::kobj_attribute);

// SAFETY: A feature is immutable; its name is `'static`.
unsafe impl Sync for Feature {}

impl Feature {
    /// A feature of that name.
    pub(crate) const fn new(name: &'static CStr) -> Self {
        let mut attribute: bindings::kobj_attribute = pin_init::zeroed();
        attribute.attr.name = as_char_ptr_in_const_context(name);
        attribute.attr.mode = 0o444;
        attribute.__bindgen_anon_1.show = Some(show);
        Self(attribute)
    }
}

/// # Safety
///
/// For calls through the `kobj_attribute` that it is in, only.
unsafe extern "C" fn show(
    _object: *mut bindings::kobject,
    _attribute: *mut bindings::kobj_attribute,
    buffer: *mut c_char,
) -> isize {
    // SAFETY: sysfs passes a page of its own, and the format takes nothing.
    unsafe { bindings::sysfs_emit(buffer, c"supported\n".as_char_ptr()) as isize }
}

/// A folder in sysfs, which goes when this is dropped.
///
/// # Invariants
///
/// Owns a reference to the object, which is in sysfs.
struct Folder(NonNull<bindings::kobject>);

// SAFETY: A folder may be removed by any task.
unsafe impl Send for Folder {}
// SAFETY: A shared folder offers nothing to safe code.
unsafe impl Sync for Folder {}

impl Folder {
    /// # Safety
    ///
    /// `parent` must be in sysfs for as long as the result lives.
    unsafe fn new(name: &'static CStr, parent: *mut bindings::kobject) -> Result<Self> {
        // SAFETY: By the caller's promise; the name is terminated.
        let object = unsafe { bindings::kobject_create_and_add(name.as_char_ptr(), parent) };
        // INVARIANT: Just added, with one reference.
        NonNull::new(object).map(Self).ok_or(ENOMEM)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. Waits for those who read a file in it.
        unsafe {
            bindings::kobject_del(self.0.as_ptr());
            bindings::kobject_put(self.0.as_ptr());
        }
    }
}

/// The folder with a file for each feature.
pub(super) struct Features {
    // Dropped before that of the file system type, which it is in.
    _features: Folder,
    _type: Folder,
}

impl Features {
    /// Makes `/sys/fs/NAME/features`. May sleep; fails with `ENOMEM`, or with `EEXIST` for two
    /// features of one name.
    pub(super) fn new(name: &'static CStr, features: &'static [&'static Feature]) -> Result<Self> {
        // SAFETY: `fs_kobj` is in sysfs for ever, and each folder outlives the one in it.
        let (own, folder) = unsafe {
            let own = Folder::new(name, bindings::fs_kobj)?;
            let folder = Folder::new(c"features", own.0.as_ptr())?;
            (own, folder)
        };
        for feature in features {
            // SAFETY: The folder is live, and the attribute is `'static`.
            to_result(unsafe {
                bindings::sysfs_create_file_ns(
                    folder.0.as_ptr(),
                    &raw const feature.0.attr,
                    core::ptr::null(),
                )
            })?;
        }
        Ok(Self {
            _features: folder,
            _type: own,
        })
    }
}
