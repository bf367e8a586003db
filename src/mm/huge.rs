// SPDX-License-Identifier: GPL-2.0

//! Transparent huge pages: which there can be, how they are allocated, and what is counted of them.
//!
//! C header: `include/linux/huge_mm.h`; `Documentation/admin-guide/mm/transhuge.rst`.

use super::GfpFlags;
use crate::bindings;
use crate::units::Order;
use core::ptr::NonNull;

/// Whether the kernel has large folios (`CONFIG_TRANSPARENT_HUGEPAGE`).
pub(crate) const IS_BUILT_IN: bool = true;

/// The order of a folio that a PMD maps.
pub(crate) const PMD_ORDER: Order = Order::from_uint(bindings::HPAGE_PMD_ORDER);

/// The highest order that the page cache supports (`MAX_PAGECACHE_ORDER`).
pub(crate) const MAX_ORDER: Order = if bindings::HPAGE_PMD_ORDER < bindings::MAX_XAS_ORDER {
    PMD_ORDER
} else {
    Order::from_uint(bindings::MAX_XAS_ORDER)
};

/// Whether the machine has them at all.
pub(crate) fn is_supported() -> bool {
    // SAFETY: Looks at the CPU's features.
    unsafe { bindings::has_transparent_hugepage() }
}

/// Whether the machine was found to have trouble with them.
pub(crate) fn is_disabled() -> bool {
    // SAFETY: Reads a variable.
    unsafe { bindings::thp_disabled_by_hw() }
}

/// What a mapping says about large folios.
#[derive(Clone, Copy)]
pub(crate) struct VmaAdvice {
    /// They are forbidden for it, or for its address space.
    pub(crate) forbids: bool,
    /// It asks for them.
    pub(crate) wants: bool,
}

impl VmaAdvice {
    /// What `vma` says; with `forced` to a caller who wants them anyhow.
    ///
    /// # Safety
    ///
    /// `vma` must be live and locked.
    pub(crate) unsafe fn of(vma: *mut bindings::vm_area_struct, forced: bool) -> Self {
        // SAFETY: By the caller's promise.
        unsafe {
            let flags = (*vma).__bindgen_anon_2.vm_flags;
            Self {
                forbids: bindings::vma_thp_disabled(vma, flags, forced),
                wants: flags & bindings::VM_HUGEPAGE != 0,
            }
        }
    }
}

/// How hard an allocation of a large folio is to try: flags that `vma_thp_gfp_mask()` gives.
#[derive(Clone, Copy)]
pub(crate) struct Effort(bindings::gfp_t);

impl Effort {
    /// As the system says for what is not for a mapping.
    pub(crate) fn unmapped() -> Self {
        // SAFETY: Without a mapping only the system's flags are looked at.
        Self(unsafe { bindings::vma_thp_gfp_mask(core::ptr::null_mut()) })
    }

    /// As the system says for a mapping.
    ///
    /// # Safety
    ///
    /// `vma` must be live and locked.
    pub(crate) unsafe fn of(vma: NonNull<bindings::vm_area_struct>) -> Self {
        // SAFETY: By the caller's promise.
        Self(unsafe { bindings::vma_thp_gfp_mask(vma.as_ptr()) })
    }

    /// The flags for a file whose folios are allocated with `flags` otherwise.
    pub(super) fn within(self, flags: GfpFlags) -> GfpFlags {
        // SAFETY: Computes a number: flags that tmpfs allocates large folios with.
        unsafe { GfpFlags::from_raw(bindings::thp_shmem_limit_gfp_mask(self.0, flags.as_raw())) }
    }
}

/// Splits a folio into such of `order`, of which the first stays locked. The others go to `list`, or to the LRU where
/// that is null; those beyond the end of the file leave the page cache. False where another task uses the folio. May
/// sleep.
///
/// # Safety
///
/// `folio` must be live, locked and larger than `order`, and `list` null or a list of the caller's own.
pub(crate) unsafe fn split(
    folio: *mut bindings::folio,
    list: *mut bindings::list_head,
    order: Order,
) -> bool {
    // A folio begins with its first page.
    let page = folio.cast();
    // SAFETY: By the caller's promise.
    unsafe { bindings::__split_huge_page_to_list_to_order(page, list, order.to_uint()) == 0 }
}

fn count_size(order: Order, item: bindings::mthp_stat_item) {
    // SAFETY: Changes a counter of an order that there are counters for.
    unsafe { bindings::count_mthp_stat(order.to_int(), item) }
}

fn count_event(item: bindings::vm_event_item) {
    // SAFETY: Changes a counter.
    unsafe { bindings::count_vm_event(item) }
}

/// Counts a new folio.
pub(crate) fn count_allocated(order: Order) {
    if order >= PMD_ORDER {
        count_event(bindings::vm_event_item_THP_FILE_ALLOC);
    }
    count_size(order, bindings::mthp_stat_item_MTHP_STAT_SHMEM_ALLOC);
}

/// Counts a folio for which there was no memory in one piece.
pub(crate) fn count_not_allocated(order: Order) {
    if order == PMD_ORDER {
        count_event(bindings::vm_event_item_THP_FILE_FALLBACK);
    }
    count_size(order, bindings::mthp_stat_item_MTHP_STAT_SHMEM_FALLBACK);
}

/// Counts a folio that the memory cgroup had no room for.
pub(crate) fn count_not_charged(order: Order) {
    count_not_allocated(order);
    if order == PMD_ORDER {
        count_event(bindings::vm_event_item_THP_FILE_FALLBACK_CHARGE);
    }
    count_size(
        order,
        bindings::mthp_stat_item_MTHP_STAT_SHMEM_FALLBACK_CHARGE,
    );
}

/// Counts a folio of `order`, of which `folio` is a part, that was split on its way to swap.
///
/// # Safety
///
/// `folio` must be live.
pub(crate) unsafe fn count_split_for_swap(folio: *mut bindings::folio, order: Order) {
    if order >= PMD_ORDER {
        let event = bindings::vm_event_item_THP_SWPOUT_FALLBACK;
        // SAFETY: By the caller's promise.
        unsafe { bindings::count_memcg_folio_events(folio, event, 1) };
        count_event(event);
    }
    count_size(order, bindings::mthp_stat_item_MTHP_STAT_SWPOUT_FALLBACK);
}
