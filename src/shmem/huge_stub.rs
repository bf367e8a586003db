// SPDX-License-Identifier: GPL-2.0

//! What the system says about large folios of shared memory in a kernel without
//! `CONFIG_TRANSPARENT_HUGEPAGE`: that there are none.

use kernel::prelude::*;

/// `shmem_enabled` is `deny`.
pub(crate) const DENY: c_int = 0;

/// `shmem_enabled` is `force`.
pub(crate) const FORCE: c_int = 1;

/// What `shmem_enabled` says.
#[inline(always)]
pub(crate) const fn enabled() -> c_int {
    DENY
}

/// What the system says beside `shmem_enabled`, as bitmaps of orders: all are empty.
pub(crate) struct Controls(());

impl Controls {
    /// What it says.
    pub(crate) const fn read() -> Self {
        Self(())
    }

    /// Those that are always wanted.
    pub(crate) const fn always(&self) -> c_ulong {
        0
    }

    /// Those that are wanted where the mapping asks for them.
    pub(crate) const fn madvise(&self) -> c_ulong {
        0
    }

    /// Those for which `shmem_enabled`, or the mount, decides.
    pub(crate) const fn inherit(&self) -> c_ulong {
        0
    }

    /// Those that are wanted within the size of the file.
    pub(crate) const fn within_size(&self) -> c_ulong {
        0
    }
}

/// What `huge=` is where a mount does not say, as its number: `never`.
pub(crate) const fn mount_default() -> u32 {
    0
}
