// SPDX-License-Identifier: GPL-2.0

//! Control files: the switches of a file system type, in `/sys/fs/TYPE`.
//!
//! C header: `include/linux/sysfs.h`.

use super::folder::{Folder, Listed};
use super::switch::Switch;
use crate::bindings;
use core::ops::Deref;
use kernel::error::from_result;
use kernel::prelude::*;
use kernel::str::kstrtobool_bytes;
use kernel::types::Opaque;

/// The folder of a file system type, `/sys/fs/TYPE`, which is there for as long as the type is registered.
///
/// # Invariants
///
/// The folder outlives what is registered with the MM, see [`super::file_system::Memory::new`].
#[derive(Clone, Copy)]
pub(crate) struct TypeFolder(*mut bindings::kobject);

impl TypeFolder {
    /// # Safety
    ///
    /// The type invariants must hold.
    pub(super) unsafe fn of(folder: &Folder) -> Self {
        // INVARIANT: By the caller's promise.
        Self(folder.as_ptr())
    }
}

/// A file by which user space sees a switch, as `0` or `1`, and turns it, by what `kstrtobool()` takes. It goes when
/// this is dropped.
///
/// # Invariants
///
/// The file is there from the end of initialisation until drop.
#[pin_data]
pub(crate) struct ControlFile<S: Switch> {
    // Dropped before what the tasks that read or write the file look at.
    _listed: Listed,
    #[pin]
    attribute: Opaque<bindings::kobj_attribute>,
    switch: S,
}

// SAFETY: The attribute is immutable and may be removed by any task.
unsafe impl<S: Switch> Send for ControlFile<S> {}
// SAFETY: The attribute is immutable.
unsafe impl<S: Switch> Sync for ControlFile<S> {}

impl<S: Switch> ControlFile<S> {
    /// Makes the file `name`. May sleep; fails with `ENOMEM`, and with `EEXIST` where there is one.
    ///
    /// # Safety
    ///
    /// The result must be a part of what is registered with the MM by the call of
    /// [`super::file_system::Memory::new`] that has got `folder`.
    pub(crate) unsafe fn new(
        folder: TypeFolder,
        name: &'static CStr,
        switch: S,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            attribute: Opaque::new({
                let mut attribute: bindings::kobj_attribute = pin_init::zeroed();
                attribute.attr.name = name.as_char_ptr();
                attribute.attr.mode = 0o644;
                attribute.__bindgen_anon_1.show = Some(show::<S>);
                attribute.__bindgen_anon_2.store = Some(store::<S>);
                attribute
            }),
            switch,
            // SAFETY: All else is there and pinned, and dropped later than this; the folder stays by the caller's
            // promise.
            _listed: unsafe {
                Listed::new(folder.0, &raw const (*Opaque::cast_into(&raw const (*this.as_ptr()).attribute)).attr)?
            },
        })
    }

    /// The control file that sysfs calls.
    ///
    /// # Safety
    ///
    /// `attribute` must be that of a control file with a switch of type `S`, which stays for `'a`.
    unsafe fn of<'a>(attribute: *mut bindings::kobj_attribute) -> &'a Self {
        // SAFETY: By the caller's promise.
        unsafe { &*kernel::container_of!(Opaque::cast_from(attribute), Self, attribute) }
    }
}

impl<S: Switch> Deref for ControlFile<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.switch
    }
}

/// `kobj_attribute::show`.
///
/// # Safety
///
/// `attribute` must be that of a control file with a switch of type `S`, which is not dropped before the call
/// returns, and `buffer` a page that sysfs has for this call.
unsafe extern "C" fn show<S: Switch>(
    _object: *mut bindings::kobject,
    attribute: *mut bindings::kobj_attribute,
    buffer: *mut c_char,
) -> isize {
    // SAFETY: By the caller's promise.
    let file = unsafe { ControlFile::<S>::of(attribute) };
    let text = if file.is_on() { c"1\n" } else { c"0\n" };
    // SAFETY: By the caller's promise; the format takes one string.
    unsafe { bindings::sysfs_emit(buffer, c"%s".as_char_ptr(), text.as_char_ptr()) as isize }
}

/// `kobj_attribute::store`.
///
/// # Safety
///
/// As for [`show`]; `buffer` must have `count` bytes.
unsafe extern "C" fn store<S: Switch>(
    _object: *mut bindings::kobject,
    attribute: *mut bindings::kobj_attribute,
    buffer: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: By the caller's promise.
    let file = unsafe { ControlFile::<S>::of(attribute) };
    // SAFETY: By the caller's promise.
    let text = unsafe { core::slice::from_raw_parts(buffer.cast::<u8>(), count) };
    from_result(|| {
        // The owner of the file may be root in a user namespace, whose mounts and files these would be.
        // SAFETY: Looks at the current task only.
        if !unsafe { bindings::capable(bindings::int(bindings::CAP_SYS_ADMIN)) } {
            return Err(EPERM);
        }
        file.turn(kstrtobool_bytes(text)?)?;
        // A buffer is as long as a page.
        Ok(isize::try_from(count).unwrap_or(isize::MAX))
    })
}
