// SPDX-License-Identifier: GPL-2.0

//! `/sys/fs/TYPE/features`: a file for each optional feature that this kernel was built with, by
//! which user space learns of it without a mount.
//!
//! C headers: `include/linux/kobject.h`, `include/linux/sysfs.h`.

use super::folder::Folder;
use crate::bindings;
use kernel::prelude::*;
use kernel::str::as_char_ptr_in_const_context;

/// A feature, which has a file of its name.
///
/// # Examples
///
/// ```
/// use crate::vfs::features::Feature;
///
/// static CASEFOLD: Feature = Feature::new(c"casefold");
/// static FEATURES: &[&Feature] = &[&CASEFOLD];
/// ```
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

/// The folder with a file for each feature.
pub(super) struct Features(Folder);

impl Features {
    /// Makes the folder `features` in that of a file system type. May sleep; fails with `ENOMEM`, or with
    /// `EEXIST` for two features of one name.
    ///
    /// # Safety
    ///
    /// The result must be dropped before `parent` is.
    pub(super) unsafe fn new(
        parent: &Folder,
        features: &'static [&'static Feature],
    ) -> Result<Self> {
        // SAFETY: By the caller's promise.
        let this = Self(unsafe { parent.folder(c"features")? });
        for feature in features {
            // SAFETY: The attribute is complete, and `'static`.
            unsafe { this.0.list(&raw const feature.0.attr)? };
        }
        Ok(this)
    }
}
