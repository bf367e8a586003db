// SPDX-License-Identifier: GPL-2.0

//! The pages of a file that are in swap: the slots of its page cache that have swap entries.
//!
//! C headers: `include/linux/xarray.h`, `include/linux/swapops.h`, `include/linux/leafops.h`.
//!
//! Lock order: the folio lock before the lock of the xarray (`i_pages`, interrupts off).

use super::folio::LockedFolio;
use super::mapping::{account, decode_value, entries_are, is_value, Expected, Mapping, Slot};
use super::mempolicy::Placement;
use super::swap::{
    Amount, LockedSwapFolio, Reader, SwapDevice, SwapDeviceId, SwapEntry, SwapFolio,
};
use super::task;
use super::GfpFlags;
use crate::bindings;
use crate::units::{Order, PageIndex};
use core::ptr::addr_of_mut;
use kernel::prelude::*;
use kernel::sync::rcu;

/// A page of a file that was found in swap, on a device that cannot go away meanwhile. Where it is on the device is
/// computed here alone, from what the page cache has.
///
/// # Invariants
///
/// With the reference to `device` there, the slot of page `index` of `mapping` had `slot`, an entry of that device, and
/// 2^`order` pages, among which `entry` is that of the page.
///
/// # Examples
///
/// ```
/// use crate::mm::mempolicy::SharedPolicy;
/// use crate::mm::swap::{Amount, Reader, SwapEntry};
/// use crate::mm::{LockedFolio, Mapping};
/// use crate::units::{Order, PageIndex};
/// use kernel::prelude::*;
///
/// // `EEXIST` says that the slot has something else by now: look again.
/// fn swap_in(
///     mapping: &Mapping,
///     index: PageIndex,
///     entry: SwapEntry,
///     policy: &SharedPolicy,
///     reader: Reader<'_>,
/// ) -> Result<LockedFolio> {
///     let mut major = false;
///     let page = mapping.swapped_page(index, entry, mapping.gfp())?;
///     let place = |_: Order| policy.place(index, 0);
///     let folio = page.find_or_read(Amount::UpTo(Order::ZERO), place, reader, &mut major)?.lock();
///     if !folio.is_uptodate() {
///         page.poison(folio)?;
///         return Err(EIO);
///     }
///     page.insert(folio, place)
/// }
/// ```
pub(crate) struct SwappedPage<'a> {
    mapping: &'a Mapping,
    index: PageIndex,
    slot: SwapEntry,
    order: Order,
    entry: SwapEntry,
    device: SwapDevice,
    /// By which memory is allocated for it.
    flags: GfpFlags,
}

impl SwappedPage<'_> {
    /// How many pages the slot had, as an order.
    pub(crate) fn slot_order(&self) -> Order {
        self.order
    }

    /// Whether the slot is still what it was; a snapshot.
    pub(crate) fn is_there(&self) -> bool {
        self.mapping.find_entry(self.index, self.slot).is_some()
    }

    /// Finds the folio of the page in the swap cache, or reads it into memory, with as many pages of the slot as `amount`
    /// says, in places that `place` says for an order; `major` is set where it was read. May sleep. One page of
    /// several is read without others that happen to be near it on the device, too.
    ///
    /// Fails with `ENOMEM`, and with the errors of `swapin_sync()`; see [`LockedSwapFolio::is_uptodate`].
    pub(crate) fn find_or_read<'a>(
        &self,
        amount: Amount,
        place: impl Fn(Order) -> Placement<'a>,
        reader: Reader<'_>,
        major: &mut bool,
    ) -> Result<SwapFolio> {
        let amount = match amount {
            Amount::UpTo(Order::ZERO) if !self.order.is_zero() => Amount::Page,
            Amount::UpTo(largest) => Amount::UpTo(self.order.min(largest)),
            Amount::Wanted(largest) => Amount::Wanted(self.order.min(largest)),
            Amount::Page => Amount::Page,
        };
        // SAFETY: By the type invariants.
        unsafe {
            self.device
                .find_or_read(self.flags, self.entry, amount, place, reader, major)
        }
    }

    /// Splits the slot until that of the page is of `order`, where it is larger. May sleep.
    ///
    /// Fails with `EEXIST` where the slot has something else by now, and with `ENOMEM`.
    pub(crate) fn split_slot(&self, order: Order) -> Result {
        self.mapping
            .split_entry(self.index, self.slot, order, self.flags)
    }

    /// Moves a folio with the page from the swap cache back into the place of its entries, or a copy of it, in a place
    /// that `place` says for its order, where the memory is of a zone that the file may not have. May sleep. The folio
    /// is dirty afterwards: nothing but it has the contents.
    ///
    /// Fails with `EEXIST` where one of the entries is not there any more or the folio not theirs, with `EIO` where it
    /// could not be read, and with `ENOMEM`.
    pub(crate) fn insert<'a>(
        &self,
        folio: LockedSwapFolio,
        place: impl Fn(Order) -> Placement<'a>,
    ) -> Result<LockedFolio> {
        let &Self {
            mapping,
            index,
            entry,
            flags,
            ..
        } = self;
        if !folio.is_uptodate() {
            return Err(EIO);
        }
        if folio.is_in_zone_of(flags) {
            mapping.insert_from_swap(folio, index, entry, flags)
        } else {
            let place = place(folio.order());
            mapping.insert_copy_from_swap(folio, index, entry, flags, &place)
        }
    }

    /// Takes a folio with the page out of the swap cache, where it is the page's still; the contents are in swap as
    /// before. May sleep.
    pub(crate) fn discard(&self, folio: LockedSwapFolio) {
        self.mapping.discard(folio, self.index, self.entry);
    }

    /// Marks the pages of a folio with the page, that could not be read back, as poisoned, and frees their swap
    /// entries. May sleep. Each page has a mark of its own, so that any of them can be cut off and be a hole again.
    ///
    /// Fails as [`SwappedPage::insert`] does; then nothing is marked.
    pub(crate) fn poison(&self, folio: LockedSwapFolio) -> Result {
        self.mapping
            .poison(folio, self.index, self.entry, self.flags)
    }
}

impl Mapping {
    /// Page `index`, which was seen to be in swap in a slot with `slot`, perhaps with others of that slot, and for
    /// which memory is to be allocated with `flags`.
    ///
    /// Fails with `EEXIST` where the slot has something else by now, and with `EINVAL` where the device has gone.
    pub(crate) fn swapped_page(
        &self,
        index: PageIndex,
        slot: SwapEntry,
        flags: GfpFlags,
    ) -> Result<SwappedPage<'_>> {
        let device = SwapDevice::of(slot);
        // Only now does it count: an entry that is still there keeps its device from going.
        let order = self.find_entry(index, slot).ok_or(EEXIST)?;
        // Entry and order of a slot are read one after the other: these are not of the same moment.
        if slot.aligned_to(order) != slot {
            return Err(EEXIST);
        }
        // INVARIANT: Just looked at.
        Ok(SwappedPage {
            mapping: self,
            index,
            slot,
            order,
            entry: slot.add(index.offset_in(order)),
            device: device.ok_or(EINVAL)?,
            flags,
        })
    }

    /// What [`SwappedPage::insert`] does for page `index` at `entry`.
    fn insert_from_swap(
        &self,
        folio: LockedSwapFolio,
        index: PageIndex,
        entry: SwapEntry,
        flags: GfpFlags,
    ) -> Result<LockedFolio> {
        let (start, first) = self.find_in_swap(&folio, index, entry).ok_or(EEXIST)?;
        // What is being written keeps its place in swap.
        folio.wait_for_writeback();
        // SAFETY: A folio in the swap cache is in no page cache, and this one has pages of this file.
        let stored = unsafe {
            bindings::arch_swap_restore(first.as_raw(), folio.as_ptr());
            let expected = Expected::Swap(first);
            self.store(folio.as_ptr(), start, expected, flags.effort())
        };
        if let Err(e) = stored {
            return Err(self.part_with(folio, index, entry, e));
        }
        // SAFETY: The folio was found to be the swap cache's for these entries, and has waited.
        let mut folio = unsafe { folio.leave_swap_cache() };
        folio.mark_dirty();
        Ok(folio)
    }

    /// The first page of a folio that has page `index` at `entry`, and its entry, where the folio is the swap
    /// cache's and that page just now in swap there.
    pub(super) fn find_in_swap(
        &self,
        folio: &LockedSwapFolio,
        index: PageIndex,
        entry: SwapEntry,
    ) -> Option<(PageIndex, SwapEntry)> {
        let order = folio.order();
        let (start, first) = (index.align_down(order), entry.aligned_to(order));
        let fits = first.add(index.offset_in(order)) == entry
            && folio.is_of(first)
            && self.has_entry(index, entry);
        fits.then_some((start, first))
    }

    /// Lets go of a folio with page `index` at `entry` that could not take its slots because of `error`, which it
    /// returns. With `EEXIST` others of its pages have left swap: as a whole it cannot come back any more, and
    /// while the swap cache has it no page can by itself. Hence it is taken out of that; the contents are in
    /// swap as before. May sleep.
    #[cold]
    pub(super) fn part_with(
        &self,
        folio: LockedSwapFolio,
        index: PageIndex,
        entry: SwapEntry,
        error: Error,
    ) -> Error {
        if error == EEXIST {
            self.discard(folio, index, entry);
        }
        error
    }

    /// What [`SwappedPage::discard`] does for page `index` at `entry`.
    #[cold]
    fn discard(&self, folio: LockedSwapFolio, index: PageIndex, entry: SwapEntry) {
        folio.wait_for_writeback();
        if self.find_in_swap(&folio, index, entry).is_some() && !folio.is_dirty() {
            // SAFETY: The folio was found to be the swap cache's, and is clean and not written. It has
            // an entry of this file, so that nothing else has put it into a page cache or page table.
            unsafe { folio.discard() };
        }
    }

    /// Puts a swap entry into the place of a folio of this cache, which then is in no page cache.
    ///
    /// # Safety
    ///
    /// The folio must be locked, referenced by the caller, and in the swap cache with that entry,
    /// whose count for the page cache the caller has taken.
    #[inline]
    pub(crate) unsafe fn replace_by_swap(&self, folio: *mut bindings::folio, entry: SwapEntry) {
        // SAFETY: A folio of this cache is in its slot for as long as it is locked. The references
        // of the cache are given back, which are not the last: the caller has one.
        unsafe {
            let nr = Order::from_uint(bindings::folio_order(folio)).pages();
            let fields = addr_of_mut!((*folio).__bindgen_anon_1.__bindgen_anon_1);
            let index = (*fields).__bindgen_anon_2.index;
            let xa = self.xa();
            let mut xas = bindings::xa_state(xa, index, 0);
            bindings::xa_lock_irq(xa);
            let found = bindings::xas_load(&mut xas);
            debug_assert!(core::ptr::eq(found, folio.cast()));
            bindings::xas_store(&mut xas, entry.as_value());
            (*fields).mapping = core::ptr::null_mut();
            // It was counted when it came in.
            let mapping = self.as_ptr();
            (*mapping).nrpages = (*mapping).nrpages.wrapping_sub(nr.to_ulong());
            account(folio, nr.to_int().wrapping_neg());
            bindings::xa_unlock_irq(xa);
            bindings::folio_ref_sub(folio, nr.to_int());
        }
    }

    /// Whether page `index` is still in swap at `entry`, in a slot of any size. Takes no lock.
    fn has_entry(&self, index: PageIndex, entry: SwapEntry) -> bool {
        let (found, order) = self.load(index);
        core::ptr::eq(found, entry.aligned_to(order).as_value())
    }

    /// Whether page `index` is still in swap at `entry`, and how many pages the slot covers, as an
    /// order. Takes no lock: only the folio lock of the swap cache makes it last.
    fn find_entry(&self, index: PageIndex, entry: SwapEntry) -> Option<Order> {
        self.find_value(index, entry.as_value())
    }

    pub(super) fn find_value(&self, index: PageIndex, value: *mut c_void) -> Option<Order> {
        let (found, order) = self.load(index);
        core::ptr::eq(found, value).then_some(order)
    }

    /// The order of the folio at page `index`, or of the folio that went to swap from there; `None` where there is
    /// nothing. A snapshot.
    pub(crate) fn slot_order(&self, index: PageIndex) -> Option<Order> {
        let (found, order) = self.load(index);
        (!found.is_null()).then_some(order)
    }

    /// What the slot of page `index` holds, and the order of how many pages it covers; a snapshot.
    fn load(&self, index: PageIndex) -> (*mut c_void, Order) {
        let _rcu = rcu::read_lock();
        // SAFETY: The xarray is that of a live mapping, and RCU is held.
        unsafe {
            let mut xas = bindings::xa_state(self.xa(), index.to_pgoff(), 0);
            // Ends: it looks again only where a node was just replaced, which readers do not wait for.
            loop {
                let found = bindings::xas_load(&mut xas);
                if bindings::xas_retry(&mut xas, found) {
                    continue;
                }
                // Where nothing is found there may be no slot either.
                let order = if found.is_null() {
                    Order::ZERO
                } else {
                    Order::from_int(bindings::xas_get_order(&mut xas))
                };
                return (found, order);
            }
        }
    }

    /// What [`SwappedPage::poison`] does for page `index` at `entry`.
    fn poison(
        &self,
        folio: LockedSwapFolio,
        index: PageIndex,
        entry: SwapEntry,
        flags: GfpFlags,
    ) -> Result {
        let (start, first) = self.find_in_swap(&folio, index, entry).ok_or(EEXIST)?;
        if let Err(e) = self.mark_poisoned(start, first, folio.order(), flags) {
            return Err(self.part_with(folio, index, entry, e));
        }
        folio.wait_for_writeback();
        // SAFETY: The folio was found to be the swap cache's for these entries, which the mark has replaced, and has
        // waited. It has no owner now.
        drop(unsafe { folio.leave_swap_cache() });
        Ok(())
    }

    /// Puts the mark into the slots of the pages of a folio of `order` at page `index`, whose lock the caller
    /// has, where they hold the entries from `entry` on. May sleep.
    fn mark_poisoned(
        &self,
        index: PageIndex,
        entry: SwapEntry,
        order: Order,
        flags: GfpFlags,
    ) -> Result {
        let pages = order.pages();
        for page in pages.each() {
            self.split_entry(
                index.saturating_add(page),
                entry.add(page),
                Order::ZERO,
                flags,
            )?;
        }
        // While the swap cache has the folio no task puts entries like these into one slot again.
        // SAFETY: The xarray is that of a live mapping, and locked where that must be. What replaces
        // the value of a single page needs no memory.
        let found = unsafe {
            let value = bindings::swp_to_radix_entry(bindings::make_poisoned_swp_entry());
            let xa = self.xa();
            let mut xas = bindings::xa_state(xa, index.to_pgoff(), order.to_uint());
            bindings::xa_lock_irq(xa);
            let found = entries_are(&mut xas, entry, pages);
            if found {
                for page in pages.each() {
                    let page = index.saturating_add(page).to_pgoff();
                    bindings::__xa_store(xa, page, value, 0);
                }
            }
            bindings::xa_unlock_irq(xa);
            found
        };
        if found {
            Ok(())
        } else {
            Err(EEXIST)
        }
    }

    /// Splits the slot that holds `entry` and page `index` among others, until that page has one of at most `wanted`, an
    /// order; each then holds the entry of its first page. May sleep.
    ///
    /// Fails with `EEXIST` where the entry is not there any more, and with `ENOMEM`.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    fn split_entry(
        &self,
        index: PageIndex,
        mut entry: SwapEntry,
        wanted: Order,
        flags: GfpFlags,
    ) -> Result {
        let xa = self.xa();
        // Ends: the slot has fewer pages each time, and no task makes it larger while it has the entry.
        loop {
            // SAFETY: The xarray is that of a live mapping, and locked where that must be. A slot is
            // split by as much as needs one node, and all of its pages get their entries.
            let order = unsafe {
                let mut xas = bindings::xa_state(xa, index.to_pgoff(), 0);
                let mut order = Order::ZERO;
                // Goes round only with memory that it was short of and has got.
                loop {
                    bindings::xas_set_order(&mut xas, index.to_pgoff(), 0);
                    bindings::xa_lock_irq(xa);
                    let value = bindings::xas_load(&mut xas);
                    let found = core::ptr::eq(value, entry.as_value());
                    if found {
                        order = Order::from_int(bindings::xas_get_order(&mut xas));
                    }
                    if found && order > wanted {
                        let smaller = bindings::xas_try_split_min_order(order.to_uint())
                            .max(wanted.to_uint());
                        bindings::xas_set_order(&mut xas, index.to_pgoff(), smaller);
                        bindings::xas_try_split(&mut xas, value, order.to_uint());
                        if bindings::xas_error(&xas) == 0 {
                            let smaller = Order::from_uint(smaller);
                            entry = self.number_entries(index, entry, order, smaller);
                            order = smaller;
                        }
                    }
                    bindings::xa_unlock_irq(xa);
                    let again = bindings::xas_nomem(&mut xas, flags.effort());
                    if !found {
                        return Err(EEXIST);
                    }
                    if !again {
                        break;
                    }
                }
                bindings::to_result(bindings::xas_error(&xas))?;
                order
            };
            if order <= wanted {
                return Ok(());
            }
        }
    }

    /// No slot has several pages.
    #[cfg(not(CONFIG_TRANSPARENT_HUGEPAGE))]
    #[inline(always)]
    fn split_entry(
        &self,
        _index: PageIndex,
        _entry: SwapEntry,
        _wanted: Order,
        _flags: GfpFlags,
    ) -> Result {
        Ok(())
    }

    /// Gives each of the slots of order `smaller` that one of `order` with page `index` was split
    /// into its own entry, where all have `entry`; returns that of page `index`.
    ///
    /// # Safety
    ///
    /// The xarray must be locked, and the slots must be so.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    unsafe fn number_entries(
        &self,
        index: PageIndex,
        entry: SwapEntry,
        order: Order,
        smaller: Order,
    ) -> SwapEntry {
        let start = index.align_down(order);
        for page in order.pages().each().step_by(smaller.pages().to_ulong()) {
            let value = entry.add(page).as_value();
            let page = start.saturating_add(page).to_pgoff();
            // SAFETY: By the caller's promise. It replaces a value, which needs no memory.
            unsafe { bindings::__xa_store(self.xa(), page, value, 0) };
        }
        entry.add(start.distance_to(index.align_down(smaller)))
    }

    /// The first page from `from` on that is in swap on `device`, and the entry in its slot, which may be that of
    /// several pages. May sleep.
    pub(crate) fn find_on_device(
        &self,
        device: SwapDeviceId,
        from: PageIndex,
    ) -> Option<(PageIndex, SwapEntry)> {
        let mut steps = 0u32;
        let mut rcu = rcu::read_lock();
        // SAFETY: The xarray is that of a live mapping, and RCU is held but where the state is
        // paused.
        unsafe {
            let mut xas = bindings::xa_state(self.xa(), from.to_pgoff(), 0);
            // Ends with the file: each round looks behind what the one before has found, but where that
            // was just changing.
            loop {
                let value = bindings::xas_find(&mut xas, c_ulong::MAX);
                if value.is_null() {
                    return None;
                }
                if bindings::xas_retry(&mut xas, value) {
                    continue;
                }
                if is_value(value) {
                    if let Slot::Swap(entry) = decode_value(value) {
                        if entry.device() == device {
                            let order = Order::from_int(bindings::xas_get_order(&mut xas));
                            let first = PageIndex::from_pgoff(xas.xa_index).align_down(order);
                            return Some((first.max(from), entry));
                        }
                    }
                }
                steps = steps.wrapping_add(1);
                if steps % 1024 == 0 {
                    bindings::xas_pause(&mut xas);
                    drop(rcu);
                    task::cond_resched();
                    rcu = rcu::read_lock();
                }
            }
        }
    }
}
