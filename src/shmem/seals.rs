// SPDX-License-Identifier: GPL-2.0

//! Seals: what memfd_create(2) and fcntl(2) have forbidden for a file.
//!
//! Document: fcntl(2), "File Sealing"; C header: `include/uapi/linux/fcntl.h`.

use crate::bindings;
use kernel::prelude::*;

/// A set of seals (`F_SEAL_*`).
///
/// # Examples
///
/// ```
/// use crate::shmem::backend::SharedMemory;
/// use crate::shmem::seals::Seals;
/// use crate::vfs::Inode;
/// use kernel::prelude::*;
///
/// fn check_may_write<T: SharedMemory>(inode: &Inode<T>) -> Result {
///     if inode.seals().intersects(Seals::WRITE.union(Seals::FUTURE_WRITE)) {
///         return Err(EPERM);
///     }
///     Ok(())
/// }
/// ```
// Not by `impl_flags!`, of whose sets there are no constants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seals(u32);

impl Seals {
    /// No more seals: what a file has that memfd_create(2) has not made.
    pub(crate) const SEAL: Self = Self(bindings::F_SEAL_SEAL);
    /// The file must not become smaller.
    pub(crate) const SHRINK: Self = Self(bindings::F_SEAL_SHRINK);
    /// The file must not become larger.
    pub(crate) const GROW: Self = Self(bindings::F_SEAL_GROW);
    /// Nothing is to be written.
    pub(crate) const WRITE: Self = Self(bindings::F_SEAL_WRITE);
    /// Nothing is to be written, but through mappings that are there already.
    pub(crate) const FUTURE_WRITE: Self = Self(bindings::F_SEAL_FUTURE_WRITE);
    /// The permission to execute must not change.
    pub(crate) const EXEC: Self = Self(bindings::F_SEAL_EXEC);

    /// The set with these bits.
    pub(super) const fn from_raw(bits: c_uint) -> Self {
        Self(bits)
    }

    /// The bits.
    pub(super) const fn as_raw(self) -> c_uint {
        self.0
    }

    /// Whether one of `others` is among them.
    #[inline]
    pub(crate) const fn intersects(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// These and `others`.
    pub(crate) const fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}
