// SPDX-License-Identifier: GPL-2.0

//! Large folios in a kernel without `CONFIG_TRANSPARENT_HUGEPAGE`: there are none.

use super::GfpFlags;
use crate::bindings;
use crate::units::Order;
use core::ptr::NonNull;

/// Whether the kernel has large folios.
pub(crate) const IS_BUILT_IN: bool = false;

/// The order of a folio that a PMD maps: no folio has one.
pub(crate) const PMD_ORDER: Order = Order::ZERO;

/// The highest order that the page cache supports.
pub(crate) const MAX_ORDER: Order = Order::ZERO;

/// Whether the machine has them at all.
#[inline(always)]
pub(crate) const fn is_supported() -> bool {
    false
}

/// Whether the machine was found to have trouble with them.
#[inline(always)]
pub(crate) const fn is_disabled() -> bool {
    true
}

/// What a mapping says about large folios.
#[derive(Clone, Copy)]
pub(crate) struct VmaAdvice {
    /// They are forbidden for it.
    pub(crate) forbids: bool,
    /// It asks for them.
    pub(crate) wants: bool,
}

impl VmaAdvice {
    /// What `vma` says: that they are forbidden.
    ///
    /// # Safety
    ///
    /// None: the mapping is not looked at.
    pub(crate) unsafe fn of(_vma: *mut bindings::vm_area_struct, _forced: bool) -> Self {
        Self {
            forbids: true,
            wants: false,
        }
    }
}

/// How hard an allocation of a large folio is to try: there is none.
#[derive(Clone, Copy)]
pub(crate) struct Effort(());

impl Effort {
    /// As the system says for what is not for a mapping.
    pub(crate) fn unmapped() -> Self {
        Self(())
    }

    /// As the system says for a mapping.
    ///
    /// # Safety
    ///
    /// None: the mapping is not looked at.
    pub(crate) unsafe fn of(_vma: NonNull<bindings::vm_area_struct>) -> Self {
        Self(())
    }

    /// The flags for a file whose folios are allocated with `flags` otherwise.
    pub(super) fn within(self, flags: GfpFlags) -> GfpFlags {
        flags
    }
}

/// Counts a new folio.
pub(crate) fn count_allocated(_order: Order) {}

/// Counts a folio for which there was no memory in one piece.
pub(crate) fn count_not_allocated(_order: Order) {}

/// Counts a folio that the memory cgroup had no room for.
pub(crate) fn count_not_charged(_order: Order) {}

/// Counts a folio that was split on its way to swap.
///
/// # Safety
///
/// None: the folio is not looked at.
pub(crate) unsafe fn count_split_for_swap(_folio: *mut bindings::folio, _order: Order) {}
