// SPDX-License-Identifier: GPL-2.0

//! Who pays for memory.

use crate::bindings;
use core::marker::PhantomData;

/// Whom the memory of a new folio is charged to.
///
/// # Invariants
///
/// The address space is live for `'a`; null stands for the current task.
#[derive(Clone, Copy)]
pub(crate) struct MemoryOwner<'a>(*mut bindings::mm_struct, PhantomData<&'a ()>);

impl MemoryOwner<'_> {
    /// The current task.
    pub(crate) const CURRENT: Self = Self(core::ptr::null_mut(), PhantomData);

    /// # Safety
    ///
    /// `mm` must be live for the lifetime of the result.
    pub(crate) unsafe fn from_raw(mm: *mut bindings::mm_struct) -> Self {
        // INVARIANT: By the caller's promise.
        Self(mm, PhantomData)
    }

    pub(super) fn as_ptr(self) -> *mut bindings::mm_struct {
        self.0
    }
}
