// SPDX-License-Identifier: GPL-2.0

//! The registration of file system types.
//!
//! C headers: `include/linux/fs.h`, `Documentation/filesystems/vfs.rst`.

use super::features::Features;
use super::file_system::Memory;
use super::inode::InodeCache;
use super::{context, superblock, FileSystem};
use crate::bindings;
use core::marker::PhantomData;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::types::Opaque;
use kernel::ThisModule;

/// A registered file system type; dropping it unregisters the type.
///
/// # Invariants
///
/// `fs_type` is registered with the VFS from the end of initialisation until drop. It is pinned,
/// since the VFS holds its address.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: FileSystem> {
    #[pin]
    fs_type: Opaque<bindings::file_system_type>,
    // Dropped after `fs_type` is unregistered: by then no superblock is left.
    #[pin]
    memory: T::Memory,
    cache: InodeCache<T>,
    _features: Features,
    _fs: PhantomData<T>,
}

// SAFETY: Nothing in a registration is tied to the task that made it.
unsafe impl<T: FileSystem> Send for Registration<T> {}
// SAFETY: A shared registration offers nothing but the address of its immutable cache.
unsafe impl<T: FileSystem> Sync for Registration<T> {}

impl<T: FileSystem> Registration<T> {
    /// Registers the file system type of module `module`.
    ///
    /// Fails with `EBUSY` where the name is taken, with `ENOMEM` without memory for the slab cache.
    pub(crate) fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            cache: InodeCache::new()?,
            _features: Features::new(T::NAME, T::FEATURES)?,
            fs_type: Opaque::new(bindings::file_system_type {
                name: T::NAME.as_char_ptr(),
                owner: module.as_ptr().cast(),
                fs_flags: bindings::int(
                bindings::FS_USERNS_MOUNT | bindings::FS_ALLOW_IDMAP | bindings::FS_MGTIME,
            ),
                init_fs_context: Some(context::init_fs_context::<T>),
                parameters: T::PARAMETERS.as_ptr(),
                kill_sb: Some(superblock::kill_sb::<T>),
                // SAFETY: All-zero bytes are valid: lists without members, and no more functions.
                ..unsafe { core::mem::zeroed() }
            }),
            // SAFETY: `fs_type` was just initialised, and is pinned beside what is made here.
            memory <- unsafe {
                T::Memory::new(module, Opaque::cast_into(&raw const (*this.as_ptr()).fs_type))
            },
            _fs: PhantomData,
        })
        .pin_chain(|this| {
            // SAFETY: The type is complete and pinned, and stays valid until drop unregisters it.
            to_result(unsafe { bindings::register_filesystem(this.fs_type.get()) })
        })
    }

    /// The registration that a `file_system_type` belongs to.
    ///
    /// # Safety
    ///
    /// `fs_type` must be the `fs_type` of a `Registration<T>` that lives for `'a`.
    pub(super) unsafe fn from_fs_type<'a>(fs_type: *mut bindings::file_system_type) -> &'a Self {
        // SAFETY: By the caller's promise.
        unsafe { &*kernel::container_of!(Opaque::cast_from(fs_type), Self, fs_type) }
    }

    pub(super) fn cache(&self) -> &InodeCache<T> {
        &self.cache
    }

    /// What the type keeps registered with the MM.
    pub(crate) fn memory(&self) -> &T::Memory {
        &self.memory
    }
}

#[pinned_drop]
impl<T: FileSystem> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants the type is registered. Each mount holds the module, so
        // none is left when the module goes away.
        unsafe { bindings::unregister_filesystem(self.fs_type.get()) };
    }
}
