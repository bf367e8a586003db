// SPDX-License-Identifier: GPL-2.0

//! Swap entries, and bringing pages back from swap.
//!
//! C headers: `include/linux/swap.h`, `include/linux/swapops.h`, `include/linux/leafops.h`.

use super::folio::{Folio, Locked, LockedFolio};
use super::mempolicy::Placement;
use super::GfpFlags;
use crate::bindings;
use crate::units::{Order, PageCount};
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::from_err_ptr;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// Whether the kernel has swap (`CONFIG_SWAP`).
pub(crate) const IS_BUILT_IN: bool = true;

/// The largest folio that is read in at once.
pub(crate) const MAX_ORDER: Order = super::huge::MAX_ORDER;

/// The order of the largest folio that comes back from a device which takes its time where less may be wanted: more than
/// is read ahead there of single pages, and little enough to wait for.
const MODERATE_ORDER: Order = Order::from_uint(4);

/// Where a page is in swap: a device and an offset in it (`swp_entry_t`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SwapEntry(usize);

impl SwapEntry {
    pub(super) fn from_raw(raw: bindings::swp_entry_t) -> Self {
        Self(raw.val)
    }

    /// The first entry of a folio.
    ///
    /// # Safety
    ///
    /// The folio must be locked, and in the swap cache.
    pub(crate) unsafe fn of(folio: *mut bindings::folio) -> Self {
        // SAFETY: By the caller's promise.
        Self::from_raw(unsafe { bindings::folio_swap_entry(folio) })
    }

    pub(super) fn as_raw(self) -> bindings::swp_entry_t {
        bindings::swp_entry_t { val: self.0 }
    }

    /// The first entry of those of a folio of `order`, which has this one.
    pub(super) fn aligned_to(self, order: Order) -> Self {
        Self(self.0 & !order.swap_mask())
    }

    /// The entry `pages` further on the same device.
    pub(super) fn add(self, pages: PageCount) -> Self {
        Self(self.0.wrapping_add(pages.to_ulong()))
    }

    /// The value that stands for the entry in the page cache.
    pub(super) fn as_value(self) -> *mut c_void {
        // SAFETY: Computes a number.
        unsafe { bindings::swp_to_radix_entry(self.as_raw()) }
    }

    /// The device.
    pub(crate) fn device(self) -> SwapDeviceId {
        // SAFETY: Computes a number.
        SwapDeviceId(unsafe { bindings::swp_type(self.as_raw()) } as c_uint)
    }
}

/// That pages in swap could not be read back: a kernel without swap has no value of this type, and hence no
/// [`super::Slot::Poisoned`].
pub(crate) struct Lost(pub(super) ());

/// The number of a swap device (`swp_type()`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SwapDeviceId(c_uint);

impl SwapDeviceId {
    /// The device that the MM knows by this number, if there is one.
    pub(crate) const fn new(number: c_uint) -> Self {
        Self(number)
    }
}

/// Whether there is any swap at all; a hint.
pub(crate) fn is_there_swap() -> bool {
    // SAFETY: Reads a counter without a lock, as C does.
    unsafe { core::ptr::read_volatile(&raw const bindings::total_swap_pages) > 0 }
}

/// For whom pages are read from swap: it decides how hard to try for large folios, and who is charged
/// where the one that went to swap is gone.
///
/// # Invariants
///
/// `fault` is null, for the current task, or a fault in progress for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    fault: *mut bindings::vm_fault,
    _fault: PhantomData<&'a bindings::vm_fault>,
}

impl Reader<'_> {
    /// The current task.
    pub(crate) const CURRENT: Self = Self {
        fault: core::ptr::null_mut(),
        _fault: PhantomData,
    };

    /// A fault.
    ///
    /// # Safety
    ///
    /// The fault must be in progress for the lifetime of the result.
    pub(crate) unsafe fn from_fault(fault: *mut bindings::vm_fault) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            fault,
            _fault: PhantomData,
        }
    }
}

/// How much is read at once.
#[derive(Clone, Copy)]
pub(crate) enum Amount {
    /// At most a folio of this order, and less from a device that takes its time: what of it is used remains to be seen. A
    /// single page may bring others into the swap cache that are near it on the device, by the same requests.
    UpTo(Order),
    /// At most a folio of this order, all of which is likely to be used.
    Wanted(Order),
    /// The page alone.
    Page,
}

/// A swap device that cannot go away.
///
/// # Invariants
///
/// Owns a reference to the device.
pub(super) struct SwapDevice(NonNull<bindings::swap_info_struct>);

impl SwapDevice {
    /// The device of an entry, or `None` where that is not in use any more.
    pub(super) fn of(entry: SwapEntry) -> Option<Self> {
        // SAFETY: Checks the entry.
        let device = unsafe { bindings::get_swap_device(entry.as_raw()) };
        // INVARIANT: The reference was just taken.
        NonNull::new(device).map(Self)
    }

    /// Finds the folio of an entry of this device in the swap cache, or reads it into memory that is allocated with
    /// `flags` where `place` says; `major` is set where it was read. The folio is in the swap cache, unless that
    /// was changed by another task, and not locked. It may have more pages than the one of the
    /// entry: as `amount` says where it is read, with the place of its first.
    ///
    /// May sleep. Fails with `ENOMEM`, and with the errors of `swapin_sync()`. Whether the contents
    /// could be read at all shows only in [`LockedSwapFolio::is_uptodate`].
    ///
    /// # Safety
    ///
    /// A page cache must have had the entry when the reference to this device, which is that of the entry, was
    /// there: any other may be the header of the device, or a bad page.
    pub(super) unsafe fn find_or_read<'a>(
        &self,
        flags: GfpFlags,
        entry: SwapEntry,
        amount: Amount,
        place: impl Fn(Order) -> Placement<'a>,
        reader: Reader<'_>,
        major: &mut bool,
    ) -> Result<SwapFolio> {
        // SAFETY: By the type invariants the device is stable, which all of these ask for, and by the caller's
        // promise has the entry; the reader's fault is null or in progress, and only looked at. They return a folio
        // with a reference.
        unsafe {
            if let Some(folio) = NonNull::new(bindings::swap_cache_get_folio(entry.as_raw())) {
                bindings::swap_update_readahead(folio.as_ptr(), core::ptr::null_mut(), 0);
                return Ok(SwapFolio(Folio::from_raw(folio)));
            }

            let device_flags = core::ptr::read_volatile(&(*self.0.as_ptr()).flags);
            let is_synchronous = device_flags & (bindings::SWP_SYNCHRONOUS_IO as c_ulong) != 0;
            let order = match amount {
                // What zswap may have some pages of is read page by page.
                _ if !bindings::zswap_never_enabled() => Order::ZERO,
                Amount::Page => Order::ZERO,
                Amount::UpTo(order) if !is_synchronous => order.min(MODERATE_ORDER),
                Amount::UpTo(order) | Amount::Wanted(order) => order.min(MAX_ORDER),
            };
            let read = |order: Order| {
                let placement = place(order);
                from_err_ptr(bindings::swapin_sync(
                    entry.as_raw(),
                    flags.as_raw(),
                    order.bit(),
                    reader.fault,
                    placement.policy(),
                    placement.turn(),
                ))
            };
            let whole = (!order.is_zero()).then_some(order);
            // Where there is no memory for so much at once, there may be for a part.
            let part = (order > MODERATE_ORDER).then_some(MODERATE_ORDER);
            let mut orders = [whole, part].into_iter().flatten();
            let large = orders.find_map(|order| read(order).ok());
            let folio = if let Some(folio) = large {
                folio
            } else if is_synchronous || matches!(amount, Amount::Page) {
                read(Order::ZERO)?
            } else {
                let placement = place(Order::ZERO);
                bindings::swap_cluster_readahead(
                    entry.as_raw(),
                    flags.as_raw(),
                    placement.policy(),
                    placement.turn(),
                )
            };
            let folio = NonNull::new(folio).ok_or(ENOMEM)?;
            *major = true;
            Ok(SwapFolio(Folio::from_raw(folio)))
        }
    }
}

impl Drop for SwapDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::put_swap_device(self.0.as_ptr()) }
    }
}

/// A folio of the swap cache, with a reference. Which entries or which file it is for shows when it is
/// locked: by now they may be others.
pub(crate) struct SwapFolio(ARef<Folio>);

impl SwapFolio {
    /// The order; a snapshot.
    pub(crate) fn order(&self) -> Order {
        self.0.order()
    }

    /// Waits for its lock. May sleep.
    pub(crate) fn lock(self) -> LockedSwapFolio {
        LockedSwapFolio(Folio::lock(self.0))
    }
}

/// The same, locked. Nothing of it may be changed until it is known to be a file's, see
/// [`super::SwappedPage::insert`].
pub(crate) struct LockedSwapFolio(Locked);

impl LockedSwapFolio {
    pub(super) fn as_ptr(&self) -> *mut bindings::folio {
        self.0.as_ptr()
    }

    pub(super) fn folio(&self) -> &Folio {
        &self.0
    }

    /// The order.
    pub(crate) fn order(&self) -> Order {
        self.0.order()
    }

    /// How many pages it has.
    pub(crate) fn nr_pages(&self) -> PageCount {
        self.0.nr_pages()
    }

    /// Whether the contents could be read.
    pub(crate) fn is_uptodate(&self) -> bool {
        self.0.is_uptodate()
    }

    /// Whether any page has a memory error. What is dirty then is lost, and the MM says that it is not up to date: swap
    /// may have something older.
    pub(crate) fn contains_poison(&self) -> bool {
        self.0.contains_poison()
    }

    /// Whether it is the swap cache's for `entry`. Stays true while it is locked.
    pub(super) fn is_of(&self, entry: SwapEntry) -> bool {
        let folio = self.as_ptr();
        // SAFETY: The folio is live and locked.
        if !unsafe { bindings::folio_test_swapcache(folio) } {
            return false;
        }
        // SAFETY: The folio is live and locked, and in the swap cache, so that it says where.
        let first = unsafe { bindings::folio_swap_entry(folio) };
        // As many entries as pages, from a multiple of that on.
        first.val == entry.as_raw().val & !self.nr_pages().to_ulong().wrapping_sub(1)
    }

    /// Waits until no write of the folio is in progress. May sleep.
    pub(super) fn wait_for_writeback(&self) {
        self.0.wait_for_writeback();
    }

    /// Whether it has something that swap does not have yet.
    pub(super) fn is_dirty(&self) -> bool {
        // SAFETY: The folio is live and locked.
        unsafe { bindings::folio_test_dirty(self.as_ptr()) }
    }

    /// The folio leaves the swap cache, whose entries keep the contents.
    ///
    /// # Safety
    ///
    /// The folio must be in the swap cache, clean, not be written out, and in no page cache or page table.
    pub(super) unsafe fn discard(self) {
        // SAFETY: By the caller's promise; the folio is live and locked.
        unsafe { bindings::swap_cache_del_folio(self.as_ptr()) }
    }

    /// The page cache refers to the swap entries of this folio no more, and the folio leaves the swap
    /// cache: for the page cache, or to be freed.
    ///
    /// # Safety
    ///
    /// The folio must be in the swap cache, and not be written out; the caller must have replaced the
    /// entries in the page cache, whose counts this gives back.
    pub(super) unsafe fn leave_swap_cache(self) -> LockedFolio {
        // SAFETY: By the caller's promise; the folio is live and locked.
        unsafe {
            bindings::folio_put_swap(self.as_ptr(), core::ptr::null_mut());
            bindings::swap_cache_del_folio(self.as_ptr());
            self.0.assume_owned()
        }
    }
}

impl Folio {
    /// Waits until no write of the folio is in progress. May sleep.
    pub(super) fn wait_for_writeback(&self) {
        // SAFETY: The folio is live.
        unsafe { bindings::folio_wait_writeback(self.as_ptr()) }
    }
}

/// Frees `pages` entries in swap from `entry` on.
///
/// # Safety
///
/// The caller must have taken them out of the page cache, and with them their counts.
pub(super) unsafe fn free_entries(entry: SwapEntry, pages: PageCount) {
    // SAFETY: By the caller's promise.
    unsafe { bindings::swap_put_entries_direct(entry.as_raw(), pages.to_int()) }
}
