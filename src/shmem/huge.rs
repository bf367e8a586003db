// SPDX-License-Identifier: GPL-2.0

//! What the system says about large folios of shared memory.
//!
//! C header: `include/linux/shmem_backend.h` of the patched kernel;
//! `Documentation/admin-guide/mm/transhuge.rst`.

use crate::bindings;
use kernel::prelude::*;

/// `shmem_enabled` is `deny`.
pub(crate) const DENY: c_int = bindings::SHMEM_HUGE_DENY;

/// `shmem_enabled` is `force`.
pub(crate) const FORCE: c_int = bindings::SHMEM_HUGE_FORCE;

/// What `shmem_enabled` says at this moment (`SHMEM_HUGE_*`).
#[inline]
pub(crate) fn enabled() -> c_int {
    // SAFETY: Reads a variable without a lock, as C does.
    unsafe { core::ptr::read_volatile(&raw const bindings::shmem_huge) }
}

/// What the system says beside `shmem_enabled` (`struct shmem_huge_controls`), as bitmaps of orders.
pub(crate) struct Controls(bindings::shmem_huge_controls);

impl Controls {
    /// What it says at this moment.
    #[inline]
    pub(crate) fn read() -> Self {
        let mut controls = bindings::shmem_huge_controls::default();
        // SAFETY: Fills the structure.
        unsafe { bindings::shmem_get_huge_controls(&mut controls) };
        Self(controls)
    }

    /// Those that are always wanted.
    pub(crate) fn always(&self) -> c_ulong {
        self.0.always
    }

    /// Those that are wanted where the mapping asks for them.
    pub(crate) fn madvise(&self) -> c_ulong {
        self.0.madvise
    }

    /// Those for which `shmem_enabled`, or the mount, decides.
    pub(crate) fn inherit(&self) -> c_ulong {
        self.0.inherit
    }

    /// Those that are wanted within the size of the file.
    pub(crate) fn within_size(&self) -> c_ulong {
        self.0.within_size
    }
}

/// What `huge=` is where a mount does not say, as its number.
pub(crate) fn mount_default() -> u32 {
    u32::try_from(Controls::read().0.mount_default).unwrap_or(0)
}
