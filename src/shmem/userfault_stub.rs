// SPDX-License-Identifier: GPL-2.0

//! Faults that user space handles, in a kernel without `CONFIG_USERFAULTFD`: there are none.

use super::fault::Fault;
use crate::vfs::FileSystem;

/// What a fault found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A hole.
    Nothing,
    /// A page of the file, in memory or in swap.
    Page,
}

impl<T: FileSystem> Fault<'_, T> {
    /// Whether user space wants to handle faults of this kind.
    #[inline(always)]
    pub(crate) fn is_left_to_user(&self, _found: Found) -> bool {
        false
    }

    /// Whether user space handles faults of some kind in this mapping.
    #[inline(always)]
    pub(crate) fn is_watched_by_user(&self) -> bool {
        false
    }
}
