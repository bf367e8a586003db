// SPDX-License-Identifier: GPL-2.0

//! The second type of a file system: that of the kernel's own mounts, and of mounts in the place of another file
//! system's. It has another name, and users cannot ask for it.
//!
//! C header: `include/linux/fs.h`.

use super::kernel_mount::KernelMount;
use super::{context, FileSystem, Registration};
use crate::bindings;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::from_err_ptr;
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Release};
use kernel::types::Opaque;

/// A file system type, and the registration that it is a part of.
///
/// # Invariants
///
/// `raw` is initialised and pinned; it is the first field. `owner` points to the `Registration<T>` that it is a part
/// of. Where `is_live` says so, that is complete, and stays for as long as the module.
#[repr(C)]
#[pin_data]
pub(super) struct TypeOf<T: FileSystem> {
    #[pin]
    raw: Opaque<bindings::file_system_type>,
    owner: *const Registration<T>,
    is_for_users: bool,
    is_live: Atomic<bool>,
}

impl<T: FileSystem> TypeOf<T> {
    /// A type as `raw` says, of `owner`; whether users may have mounts of it.
    ///
    /// # Safety
    ///
    /// It must be a part of `owner`, with the functions of `T`, and of the module that `owner` stays for as long as.
    pub(super) unsafe fn new(
        raw: bindings::file_system_type,
        owner: *const Registration<T>,
        is_for_users: bool,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            raw: Opaque::new(raw),
            owner,
            is_for_users,
            is_live: Atomic::new(false),
        })
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::file_system_type {
        self.raw.get()
    }

    /// Mounts of the type may be made from now on.
    ///
    /// # Safety
    ///
    /// The registration must be complete, and stay for as long as the module.
    pub(super) unsafe fn set_live(&self) {
        self.is_live.store(true, Release);
    }

    /// The registration that a type is a part of.
    ///
    /// # Safety
    ///
    /// `raw` must be that of a `TypeOf<T>`.
    pub(super) unsafe fn owner(raw: *mut bindings::file_system_type) -> *const Registration<T> {
        // SAFETY: By the caller's promise, and the type invariants.
        unsafe { (*raw.cast::<Self>()).owner }
    }
}

/// The type of the kernel's own mounts, for what is registered with the MM.
///
/// # Invariants
///
/// The type outlives what is registered with the MM, see [`super::file_system::Memory::new`].
pub(crate) struct InternalType<T: FileSystem>(NonNull<TypeOf<T>>, PhantomData<T>);

impl<T: FileSystem> Clone for InternalType<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: FileSystem> Copy for InternalType<T> {}

// SAFETY: Any task may mount.
unsafe impl<T: FileSystem> Send for InternalType<T> {}
// SAFETY: Any task may mount.
unsafe impl<T: FileSystem> Sync for InternalType<T> {}

impl<T: FileSystem> InternalType<T> {
    /// # Safety
    ///
    /// The type invariants must hold.
    pub(super) unsafe fn new(raw: NonNull<TypeOf<T>>) -> Self {
        Self(raw, PhantomData)
    }

    /// Whether mounts of users may be of the type, too.
    pub(crate) fn is_for_users(&self) -> bool {
        // SAFETY: By the type invariants; it does not change.
        unsafe { self.0.as_ref() }.is_for_users
    }

    /// The type, once mounts of it may be made.
    fn live(&self) -> Result<&TypeOf<T>> {
        // SAFETY: By the type invariants; all of it that changes is atomic.
        let this = unsafe { self.0.as_ref() };
        if !this.is_live.load(Acquire) {
            return Err(EAGAIN);
        }
        Ok(this)
    }

    /// Makes a mount for the kernel itself, as `kern_mount()`, which holds the module. May sleep. The current task
    /// must be in the initial user namespace, which is that of the mount.
    ///
    /// Fails with `ENOMEM`, with `EAGAIN` before the type is registered, and with `ENODEV` when the module goes.
    pub(crate) fn mount(&self) -> Result<KernelMount<T>> {
        let fs_type = self.live()?.as_ptr();
        // SAFETY: By the invariants of the type its owner is the module, which is there while this code runs.
        if !unsafe { bindings::try_module_get((*fs_type).owner) } {
            return Err(ENODEV);
        }
        // SAFETY: The type is live and its module held, which the mount goes on to do. By the invariants of the
        // type, its superblocks are of `T`.
        let mount = unsafe {
            from_err_ptr(bindings::kern_mount(fs_type))
                .map(|mount| KernelMount::new(NonNull::new_unchecked(mount)))
        };
        // SAFETY: Taken above.
        unsafe { bindings::module_put((*fs_type).owner) };
        mount
    }

    /// Makes a new mount one of this type: whatever type it was to be, which must be built into the kernel, it has
    /// the options of `T` from now on. May sleep. Fails with `ENOMEM`, and with `EAGAIN` before the type is
    /// registered; then it is what it was.
    ///
    /// # Safety
    ///
    /// `cx` must be a live context of a mount, for which no `init_fs_context` has been called yet, and which no
    /// other task uses. The caller must hold the module.
    pub(crate) unsafe fn take_over(&self, cx: *mut bindings::fs_context) -> Result {
        let fs_type = self.live()?.as_ptr();
        // SAFETY: By the caller's promise.
        unsafe { context::init::<T>(cx)? };
        // The context holds the module of its type, and lets go of it; the one before was built in.
        // SAFETY: By the caller's promise the module is held; the type is one of `T`, as the operations are.
        unsafe {
            bindings::__module_get((*fs_type).owner);
            (*cx).fs_type = fs_type;
        }
        Ok(())
    }
}
