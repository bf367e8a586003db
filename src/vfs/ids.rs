// SPDX-License-Identifier: GPL-2.0

//! Ids of users and groups, and how a mount maps them.
//!
//! C headers: `include/linux/uidgid.h`, `include/linux/mnt_idmapping.h`,
//! `Documentation/filesystems/idmappings.rst`.

use crate::bindings;
use kernel::types::Opaque;

/// The id mapping of a mount (`struct mnt_idmap`).
#[repr(transparent)]
pub(crate) struct IdMap(Opaque<bindings::mnt_idmap>);

impl IdMap {
    /// # Safety
    ///
    /// `idmap` must be valid for `'a`.
    pub(super) unsafe fn from_raw<'a>(idmap: *mut bindings::mnt_idmap) -> &'a Self {
        // SAFETY: The type is transparent, and the caller promises validity.
        unsafe { &*idmap.cast() }
    }

    /// The mapping that changes nothing.
    pub(crate) fn nop() -> &'static Self {
        // SAFETY: It is a static of the kernel.
        unsafe { Self::from_raw(core::ptr::addr_of_mut!(bindings::nop_mnt_idmap)) }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::mnt_idmap {
        self.0.get()
    }
}

/// A user id inside the kernel (`kuid_t`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kuid(pub(super) u32);

/// A group id inside the kernel (`kgid_t`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kgid(pub(super) u32);

impl Kuid {
    /// That of the current task for files.
    pub(crate) fn current_fs() -> Self {
        // SAFETY: Looks at the current task's credentials only.
        Self::from_raw(unsafe { bindings::current_fsuid() })
    }

    /// Root of the initial user namespace.
    pub(crate) const ROOT: Self = Self(0);

    /// Takes an id as the VFS hands it out.
    pub(super) fn from_raw(raw: bindings::kuid_t) -> Self {
        Self(raw.val)
    }

    /// The id as the VFS takes it.
    pub(super) fn as_raw(self) -> bindings::kuid_t {
        bindings::kuid_t { val: self.0 }
    }

    /// The id as the initial user namespace shows it.
    pub(crate) fn in_init_ns(self) -> u32 {
        self.0
    }
}

impl Kgid {
    /// That of the current task for files.
    pub(crate) fn current_fs() -> Self {
        // SAFETY: Looks at the current task's credentials only.
        Self::from_raw(unsafe { bindings::current_fsgid() })
    }

    /// Root's group of the initial user namespace.
    pub(crate) const ROOT: Self = Self(0);

    /// Takes an id as the VFS hands it out.
    pub(super) fn from_raw(raw: bindings::kgid_t) -> Self {
        Self(raw.val)
    }

    /// The id as the VFS takes it.
    pub(super) fn as_raw(self) -> bindings::kgid_t {
        bindings::kgid_t { val: self.0 }
    }

    /// The id as the initial user namespace shows it.
    pub(crate) fn in_init_ns(self) -> u32 {
        self.0
    }
}
