// SPDX-License-Identifier: GPL-2.0

//! The page cache of a file.
//!
//! C headers: `include/linux/fs.h` (`struct address_space`), `include/linux/pagemap.h`,
//! `include/linux/xarray.h`.
//!
//! Lock order: the folio lock before the lock of the xarray (`i_pages`, interrupts off).

use super::removal::{Batch, Removal, Stopped};
use super::folio::{Folio, LockedFolio, NewFolio};
#[cfg(CONFIG_SWAP)]
use super::swap::{self, LockedSwapFolio, SwapDeviceId, SwapEntry};
use super::task;
use super::{Order, PageCount, PageIndex, PageRange, Pos};
use crate::bindings;
use core::ptr::{addr_of_mut, NonNull};
#[cfg(all(CONFIG_SWAP, CONFIG_TRANSPARENT_HUGEPAGE))]
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
#[cfg(CONFIG_SWAP)]
use kernel::sync::rcu;
use kernel::types::Opaque;

/// What a slot of the page cache holds.
pub(crate) enum Slot {
    /// Nothing.
    Empty,
    /// A folio, with a reference. It may leave the cache before it is locked.
    Folio(ARef<Folio>),
    /// The page is in swap. Seen without a lock this is a hint: the entry may be gone.
    #[cfg(CONFIG_SWAP)]
    Swap(SwapEntry),
    /// The page was in swap and could not be read back.
    #[cfg(CONFIG_SWAP)]
    Poisoned,
}

/// What a value in a slot of the page cache stands for; it is none of the kinds that anonymous
/// memory has.
#[cfg(CONFIG_SWAP)]
fn decode_value(value: *mut c_void) -> Slot {
    // SAFETY: Computes numbers.
    let (entry, is_swap) = unsafe {
        let entry = bindings::radix_to_swp_entry(value);
        (entry, bindings::softleaf_is_swap(entry))
    };
    if is_swap {
        Slot::Swap(SwapEntry::from_raw(entry))
    } else {
        Slot::Poisoned
    }
}

/// Whether an entry of a page cache is a value, and no folio.
#[cfg(CONFIG_SWAP)]
pub(super) fn is_value(entry: *mut c_void) -> bool {
    entry.addr() & 1 != 0
}

/// What is to be in the slots that a folio is stored in.
#[derive(Clone, Copy)]
pub(crate) enum Expected {
    /// Nothing.
    Nothing,
    /// The swap entries from this one on.
    #[cfg(CONFIG_SWAP)]
    Swap(SwapEntry),
}

/// The page cache of a file (`struct address_space`).
///
/// # Invariants
///
/// The mapping is live for as long as a reference to this type is in use.
#[repr(transparent)]
pub(crate) struct Mapping(Opaque<bindings::address_space>);

// SAFETY: The C functions lock where they must.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// # Safety
    ///
    /// The type invariants must hold for `'a`.
    pub(crate) unsafe fn from_raw<'a>(mapping: *mut bindings::address_space) -> &'a Self {
        // SAFETY: The type is transparent, and the caller promises validity.
        unsafe { &*mapping.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::address_space {
        self.0.get()
    }

    /// Whoever finds a folio mapped from now on need not account for it any more.
    ///
    /// # Safety
    ///
    /// The inode must be on its way out, so that nobody maps it.
    pub(crate) unsafe fn set_exiting(&self) {
        // SAFETY: The mapping is live.
        unsafe { bindings::mapping_set_exiting(self.as_ptr()) }
    }

    /// The cache may have folios of any size.
    ///
    /// # Safety
    ///
    /// The inode must be new.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    pub(crate) unsafe fn allow_large_folios(&self) {
        // SAFETY: The mapping is live, and nobody else uses it yet.
        unsafe { bindings::mapping_set_large_folios(self.as_ptr()) }
    }

    /// Keeps the folios in memory: reclaim does not look at them.
    pub(crate) fn set_unevictable(&self) {
        // SAFETY: The mapping is live, and the flag atomic.
        unsafe { bindings::mapping_set_unevictable(self.as_ptr()) }
    }

    /// Lets reclaim look at the folios again.
    pub(crate) fn clear_unevictable(&self) {
        // SAFETY: The mapping is live, and the flag atomic.
        unsafe { bindings::mapping_clear_unevictable(self.as_ptr()) }
    }

    /// The flags for allocations of folios (`mapping_gfp_mask()`).
    pub(super) fn gfp(&self) -> bindings::gfp_t {
        // SAFETY: The mapping is live.
        unsafe { bindings::mapping_gfp_mask(self.as_ptr()) }
    }

    /// The flags for allocations on behalf of a folio: how far reclaim may go, not where the
    /// memory is.
    pub(super) fn reclaim_gfp(&self) -> bindings::gfp_t {
        self.gfp() & bindings::GFP_KERNEL
    }

    /// How many pages are in the cache; a snapshot.
    pub(crate) fn nr_pages(&self) -> PageCount {
        // SAFETY: The mapping is live; the counter is read without a lock everywhere.
        PageCount::from_ulong(unsafe { core::ptr::read_volatile(&(*self.as_ptr()).nrpages) })
    }

    /// Whether nothing is in the cache, neither folios nor values; a snapshot.
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: The mapping is live.
        unsafe { bindings::mapping_empty(self.as_ptr()) }
    }

    /// Whether a user mapping can change the contents behind the kernel's back.
    pub(crate) fn is_writably_mapped(&self) -> bool {
        // SAFETY: The mapping is live.
        unsafe { bindings::mapping_writably_mapped(self.as_ptr()) }
    }

    /// What is at page `index`, without a lock.
    pub(crate) fn get(&self, index: PageIndex) -> Slot {
        // SAFETY: The mapping is live.
        let entry = unsafe { bindings::filemap_get_entry(self.as_ptr(), index.to_pgoff()) };
        match NonNull::new(entry) {
            None => Slot::Empty,
            #[cfg(CONFIG_SWAP)]
            Some(entry) if is_value(entry.as_ptr()) => decode_value(entry.as_ptr()),
            // SAFETY: An entry that is no value is a folio, with a reference for the caller.
            Some(entry) => Slot::Folio(unsafe { Folio::from_raw(entry.cast()) }),
        }
    }

    /// The first page of `range` where something is; a snapshot.
    pub(crate) fn first_in(&self, range: PageRange) -> Option<PageIndex> {
        let last = range.last()?;
        let mut index = range.start.to_pgoff();
        // SAFETY: The xarray is that of a live mapping.
        let found = unsafe {
            bindings::xa_find(self.xa(), &mut index, last.to_pgoff(), bindings::XA_PRESENT)
        };
        (!found.is_null()).then_some(PageIndex::from_pgoff(index))
    }

    /// Adds a folio at page `index`, a multiple of its size, and to the LRU, where reclaim will find it.
    /// In between, with the folio in the cache, locked and in no list, `count` is to count it; where
    /// that fails the folio is taken out again. May sleep.
    ///
    /// Fails with `EEXIST` where something is there, with `ENOMEM`, with `EINVAL` for an index that is
    /// not aligned, and as `count` does; then drops the folio.
    #[inline]
    pub(crate) fn insert(
        &self,
        folio: NewFolio,
        index: PageIndex,
        count: impl FnOnce(&LockedFolio) -> Result,
    ) -> Result<LockedFolio> {
        // SAFETY: The folio is new, so it is in no other cache.
        unsafe { self.store(folio.as_ptr(), index, Expected::Nothing, self.reclaim_gfp())? };
        let folio = folio.into_locked();
        match count(&folio) {
            Ok(()) => {
                // SAFETY: The folio is live, and in no list yet.
                unsafe { bindings::folio_add_lru(folio.as_ptr()) };
                Ok(folio)
            }
            Err(e) => {
                folio.remove_from_cache();
                Err(e)
            }
        }
    }

    /// Moves a folio, which has page `index` at `entry`, from the swap cache back into the place of its
    /// entries. May sleep. The folio is dirty afterwards: nothing but it has the contents.
    ///
    /// Fails with `EEXIST` where one of the entries is not there any more or the folio not theirs, and with
    /// `ENOMEM`.
    #[cfg(CONFIG_SWAP)]
    pub(crate) fn insert_from_swap(
        &self,
        folio: LockedSwapFolio,
        index: PageIndex,
        entry: SwapEntry,
    ) -> Result<LockedFolio> {
        let (start, first) = self.find_in_swap(&folio, index, entry).ok_or(EEXIST)?;
        // What is being written keeps its place in swap.
        folio.wait_for_writeback();
        // SAFETY: A folio in the swap cache is in no page cache, and this one has pages of this file.
        let stored = unsafe {
            bindings::arch_swap_restore(first.as_raw(), folio.as_ptr());
            let expected = Expected::Swap(first);
            self.store(folio.as_ptr(), start, expected, self.reclaim_gfp())
        };
        if let Err(e) = stored {
            if e == EEXIST {
                self.part_with(folio, index, entry);
            }
            return Err(e);
        }
        // SAFETY: The folio was found to be the swap cache's for these entries, and has waited.
        let mut folio = unsafe { folio.leave_swap_cache() };
        folio.mark_dirty();
        Ok(folio)
    }

    /// The first page of a folio that has page `index` at `entry`, and its entry, where the folio is the swap
    /// cache's and that page just now in swap there.
    #[cfg(CONFIG_SWAP)]
    fn find_in_swap(
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

    /// Takes a folio with page `index` at `entry` out of the swap cache, when others of its pages have left
    /// swap: as a whole it cannot come back any more, and while the swap cache has it no page can by itself.
    /// The contents are in swap as before.
    #[cfg(CONFIG_SWAP)]
    #[cold]
    fn part_with(&self, folio: LockedSwapFolio, index: PageIndex, entry: SwapEntry) {
        folio.wait_for_writeback();
        if self.find_in_swap(&folio, index, entry).is_some() && !folio.is_dirty() {
            // SAFETY: The folio is locked, in the swap cache, clean and not written. It has an entry of
            // this file, and no other owner of it therefore.
            unsafe { folio.discard() };
        }
    }

    /// Stores a folio in slots that hold what is expected.
    ///
    /// # Safety
    ///
    /// The folio must be live, locked, charged, and in no page cache.
    pub(crate) unsafe fn store(
        &self,
        folio: *mut bindings::folio,
        index: PageIndex,
        expected: Expected,
        gfp: bindings::gfp_t,
    ) -> Result {
        // SAFETY: The folio is live.
        let order = Order::from_uint(unsafe { bindings::folio_order(folio) });
        let nr = order.pages();
        if !index.is_aligned(order) {
            return Err(EINVAL);
        }

        // SAFETY: The folio is the caller's until it is stored; the cache takes `nr` references.
        // The xarray is that of a live mapping.
        unsafe {
            bindings::folio_ref_add(folio, nr.to_int());
            let fields = addr_of_mut!((*folio).__bindgen_anon_1.__bindgen_anon_1);
            (*fields).mapping = self.as_ptr();
            (*fields).__bindgen_anon_2.index = index.to_pgoff();
            bindings::folio_throttle_swaprate(folio, gfp);

            // Most folios are of one page, which the compiler then knows.
            let mut xas = if order.is_zero() {
                bindings::xa_state(self.xa(), index.to_pgoff(), 0)
            } else {
                bindings::xa_state(self.xa(), index.to_pgoff(), order.to_uint())
            };
            let result = self.replace(&mut xas, order, expected, folio.cast(), gfp, || {
                account(folio, nr.to_int());
                // There are no more than fit into memory.
                let cached = &mut (*self.as_ptr()).nrpages;
                *cached = cached.wrapping_add(nr.to_ulong());
            });
            if result.is_err() {
                (*fields).mapping = core::ptr::null_mut();
                bindings::folio_ref_sub(folio, nr.to_int());
            }
            result
        }
    }

    /// Puts a swap entry into the place of a folio of this cache, which then is in no page cache.
    ///
    /// # Safety
    ///
    /// The folio must be locked, referenced by the caller, and in the swap cache with that entry,
    /// whose count for the page cache the caller has taken.
    #[cfg(CONFIG_SWAP)]
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
            let cached = &mut (*self.as_ptr()).nrpages;
            *cached = cached.wrapping_sub(nr.to_ulong());
            account(folio, nr.to_int().wrapping_neg());
            bindings::xa_unlock_irq(xa);
            bindings::folio_ref_sub(folio, nr.to_int());
        }
    }

    /// Whether page `index` is still in swap at `entry`, in a slot of any size. Takes no lock.
    #[cfg(CONFIG_SWAP)]
    fn has_entry(&self, index: PageIndex, entry: SwapEntry) -> bool {
        let (found, order) = self.load(index);
        core::ptr::eq(found, entry.aligned_to(order).as_value())
    }

    /// Whether page `index` is still in swap at `entry`, and how many pages the slot covers, as an
    /// order. Takes no lock: only the folio lock of the swap cache makes it last.
    #[cfg(CONFIG_SWAP)]
    pub(crate) fn find_entry(&self, index: PageIndex, entry: SwapEntry) -> Option<Order> {
        self.find_value(index, entry.as_value())
    }

    #[cfg(CONFIG_SWAP)]
    fn find_value(&self, index: PageIndex, value: *mut c_void) -> Option<Order> {
        let (found, order) = self.load(index);
        core::ptr::eq(found, value).then_some(order)
    }

    /// What the slot of page `index` holds, and the order of how many pages it covers; a snapshot.
    #[cfg(CONFIG_SWAP)]
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

    /// Marks the pages of a folio that has page `index` at `entry`, and that could not be read back, as
    /// poisoned, and frees their swap entries. May sleep. Each page has a mark of its own, so that
    /// any of them can be cut off and be a hole again.
    ///
    /// Fails with `EEXIST` where one of the entries is not there any more or the folio not theirs, and
    /// with `ENOMEM`; then nothing is marked.
    #[cfg(CONFIG_SWAP)]
    pub(crate) fn poison(
        &self,
        folio: LockedSwapFolio,
        index: PageIndex,
        entry: SwapEntry,
    ) -> Result {
        let (start, first) = self.find_in_swap(&folio, index, entry).ok_or(EEXIST)?;
        let marked = self.mark_poisoned(start, first, folio.order());
        if let Err(e) = marked {
            if e == EEXIST {
                self.part_with(folio, index, entry);
            }
            return Err(e);
        }
        folio.wait_for_writeback();
        // SAFETY: As in `insert_from_swap()`. The folio is nobody's now.
        drop(unsafe { folio.leave_swap_cache() });
        Ok(())
    }

    /// Puts the mark into the slots of the pages of a folio of `order` at page `index`, whose lock the caller
    /// has, where they hold the entries from `entry` on. May sleep.
    #[cfg(CONFIG_SWAP)]
    fn mark_poisoned(&self, index: PageIndex, entry: SwapEntry, order: Order) -> Result {
        let pages = order.pages();
        #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
        for page in pages.each() {
            self.split_entry(index.saturating_add(page), entry.add(page))?;
        }
        // While the swap cache has the folio nobody puts entries like these into one slot again.
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

    /// Stores `value` in the slots of `xas`, those of a folio of `order`, where they hold what is
    /// expected, and then calls `stored`, under the lock.
    ///
    /// # Safety
    ///
    /// `xas` must be of this cache, and `value` what is allowed in it; `stored` must not sleep.
    unsafe fn replace(
        &self,
        xas: &mut bindings::xa_state,
        #[cfg_attr(not(CONFIG_SWAP), expect(unused_variables))] order: Order,
        expected: Expected,
        value: *mut c_void,
        gfp: bindings::gfp_t,
        mut stored: impl FnMut(),
    ) -> Result {
        let xa = self.xa();
        // SAFETY: By the caller's promise; the xarray is locked where that must be.
        unsafe {
            // Goes round only with memory that it was short of and has got; that is soon enough.
            loop {
                bindings::xa_lock_irq(xa);
                let mut result = Err(EEXIST);
                let fits = match expected {
                    Expected::Nothing => bindings::xas_find_conflict(xas).is_null(),
                    #[cfg(CONFIG_SWAP)]
                    Expected::Swap(first) => entries_are(xas, first, order.pages()),
                };
                if fits {
                    bindings::xas_store(xas, value);
                    result = match bindings::xas_error(xas) {
                        0 => {
                            stored();
                            Ok(())
                        }
                        error => Err(Error::from_errno(error)),
                    };
                }
                bindings::xa_unlock_irq(xa);
                if result.is_ok() && xas.xa_alloc.is_null() {
                    return result;
                }
                // Allocates where that is what failed, else frees what was allocated for nothing.
                if !bindings::xas_nomem(xas, gfp) {
                    return result;
                }
            }
        }
    }

    /// Splits the slot of several pages that holds `entry` and page `index` among others, until that
    /// page has a slot of its own; each then holds the entry of its first page. May sleep.
    ///
    /// Fails with `EEXIST` where the entry is not there any more, and with `ENOMEM`.
    #[cfg(all(CONFIG_SWAP, CONFIG_TRANSPARENT_HUGEPAGE))]
    pub(crate) fn split_entry(&self, index: PageIndex, mut entry: SwapEntry) -> Result {
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
                    if found && !order.is_zero() {
                        let smaller = bindings::xas_try_split_min_order(order.to_uint());
                        bindings::xas_set_order(&mut xas, index.to_pgoff(), smaller);
                        bindings::xas_try_split(&mut xas, value, order.to_uint());
                        if bindings::xas_error(&xas) == 0 {
                            let smaller = Order::from_uint(smaller);
                            entry = self.number_entries(index, entry, order, smaller);
                            order = smaller;
                        }
                    }
                    bindings::xa_unlock_irq(xa);
                    let again = bindings::xas_nomem(&mut xas, self.reclaim_gfp());
                    if !found {
                        return Err(EEXIST);
                    }
                    if !again {
                        break;
                    }
                }
                to_result(bindings::xas_error(&xas))?;
                order
            };
            if order.is_zero() {
                return Ok(());
            }
        }
    }

    /// Gives each of the slots of order `smaller` that one of `order` with page `index` was split
    /// into its own entry, where all have `entry`; returns that of page `index`.
    ///
    /// # Safety
    ///
    /// The xarray must be locked, and the slots must be so.
    #[cfg(all(CONFIG_SWAP, CONFIG_TRANSPARENT_HUGEPAGE))]
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

    /// Fills `found` with pages from `*from` on that are in swap on `device`, moves `*from` behind
    /// the last of them, and returns how many it found. May sleep.
    #[cfg(CONFIG_SWAP)]
    pub(crate) fn find_on_device(
        &self,
        device: SwapDeviceId,
        from: &mut PageIndex,
        found: &mut [Option<(PageIndex, SwapEntry)>],
    ) -> usize {
        let mut len = 0;
        let mut steps = 0u32;
        let mut rcu = rcu::read_lock();
        // SAFETY: The xarray is that of a live mapping, and RCU is held but where the state is
        // paused.
        unsafe {
            let mut xas = bindings::xa_state(self.xa(), from.to_pgoff(), 0);
            // Ends with the file: each round looks behind what the one before has found, but where that
            // was just changing.
            while len < found.len() {
                let value = bindings::xas_find(&mut xas, c_ulong::MAX);
                if value.is_null() {
                    break;
                }
                if bindings::xas_retry(&mut xas, value) {
                    continue;
                }
                if is_value(value) {
                    if let Slot::Swap(entry) = decode_value(value) {
                        if entry.device() == device {
                            let order = Order::from_int(bindings::xas_get_order(&mut xas));
                            let pages = PageIndex::from_pgoff(xas.xa_index).folio(order);
                            found[len] = Some((pages.start, entry));
                            // By the condition of the loop it is less than a length.
                            len = len.wrapping_add(1);
                            *from = pages.end;
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
        drop(rcu);
        len
    }

    /// Takes the swap entry at page `index` out of the cache and frees it, where it is still there
    /// and all of it in the pages before `end`; a poisoned page too. Counts it in `removed`, and
    /// returns whether the slot is empty now.
    #[cfg(CONFIG_SWAP)]
    #[inline(always)]
    pub(super) fn remove_value(
        &self,
        index: PageIndex,
        end: PageIndex,
        value: *mut c_void,
        removed: &mut Removed,
    ) -> bool {
        let mut nr = PageCount::ZERO;
        // SAFETY: The xarray is that of a live mapping.
        unsafe {
            let xa = self.xa();
            let mut xas = bindings::xa_state(xa, index.to_pgoff(), 0);
            bindings::xa_lock_irq(xa);
            if core::ptr::eq(bindings::xas_load(&mut xas), value) {
                let order = Order::from_int(bindings::xas_get_order(&mut xas));
                let pages = index.folio(order);
                if pages.start == index && pages.end <= end {
                    bindings::xas_store(&mut xas, core::ptr::null_mut());
                    nr = order.pages();
                }
            }
            bindings::xa_unlock_irq(xa);
        }
        match decode_value(value) {
            Slot::Swap(entry) if !nr.is_zero() => {
                // SAFETY: The entries were just taken out.
                unsafe { swap::free_entries(entry, nr) };
                removed.swapped = removed.swapped.saturating_add(nr);
            }
            _ => removed.poisoned = removed.poisoned.saturating_add(nr),
        }
        !nr.is_zero()
    }

    fn xa(&self) -> *mut bindings::xarray {
        // SAFETY: The mapping is live; no reference is made.
        unsafe { addr_of_mut!((*self.as_ptr()).i_pages) }
    }

    /// The first data or hole at or after byte `offset` of a file of `size` bytes, as
    /// `mapping_seek_hole_data()`; `ENXIO` where there is none.
    pub(crate) fn seek(&self, offset: Pos, size: Pos, data: bool) -> Result<Pos> {
        let whence = if data {
            bindings::int(bindings::SEEK_DATA)
        } else {
            bindings::int(bindings::SEEK_HOLE)
        };
        // SAFETY: The mapping is live.
        let found = unsafe {
            bindings::mapping_seek_hole_data(
                self.as_ptr(),
                offset.to_loff(),
                size.to_loff(),
                whence,
            )
        };
        // It fails in no other way.
        Pos::new(found).ok_or(ENXIO)
    }

    /// Takes the pages from byte `offset` on out of all user mappings, private copies too.
    /// May sleep.
    pub(crate) fn unmap_from(&self, offset: Pos) {
        // SAFETY: The mapping is live. A length of 0 means to the end.
        unsafe { bindings::unmap_mapping_range(self.as_ptr(), offset.to_loff(), 0, 1) }
    }

    /// Takes the pages of `range` out of all shared user mappings. May sleep.
    pub(crate) fn unmap_shared(&self, range: PageRange) {
        let start = range.start.start_or_max();
        let len = start.distance_to(range.end.start_or_max());
        // A length of 0 would mean to the end.
        if !len.is_zero() {
            // SAFETY: The mapping is live.
            unsafe {
                bindings::unmap_mapping_range(self.as_ptr(), start.to_loff(), len.to_loff(), 0)
            }
        }
    }

    /// Takes the pages of `range` out of the cache and out of swap. Where it ends at
    /// [`PageIndex::END`] none is left, even of those that come and go meanwhile. May sleep.
    ///
    /// What is only partly in the range is the business of `cut`, which is called when most of the
    /// rest has gone and returns the range that is left: a folio that could not be split is outside
    /// of it. A folio that comes to be partly in the range later is zeroed there. For one that does so
    /// and is in swap by then, `cut` is called once more; where that does not bring it back, it stays.
    pub(crate) fn remove(&self, range: PageRange, cut: impl FnMut() -> PageRange) -> Removed {
        self.remove_some(range, Removal::All, cut)
    }

    /// Takes the folios with pages of `range` that were allocated and never written out of the cache,
    /// with all their pages. May sleep.
    pub(crate) fn remove_unwritten(&self, range: PageRange) {
        self.remove_some(range, Removal::Unwritten, || range);
    }

    fn remove_some(
        &self,
        range: PageRange,
        what: Removal,
        mut cut: impl FnMut() -> PageRange,
    ) -> Removed {
        let mut batch = Batch::new();

        // What can be had without waiting goes in batches. Ends: `next` moves on.
        let mut next = range.start;
        while let Some(last) = PageRange::new(next, range.end).last() {
            if !batch.find_locked(self, &mut next, last) {
                break;
            }
            batch.remove_locked(self, what, range.end);
            task::cond_resched_tasks_rcu_qs();
        }

        let mut range = cut();
        #[cfg(CONFIG_SWAP)]
        let mut may_cut = true;
        next = range.start;
        // Then one by one, until nothing is found. Ends: the callers keep new pages out of the range, so
        // there is less each time, and a slot is looked at again only where another task has changed
        // it, or where a folio was split, which can be done as often as it has orders. What cannot be
        // taken out leaves the range.
        while let Some(last) = PageRange::new(next, range.end).last() {
            task::cond_resched_tasks_rcu_qs();
            let from = next;
            if !batch.find(self, &mut next, last) {
                if from == range.start || range.end != PageIndex::END {
                    break;
                }
                next = range.start;
                continue;
            }
            match batch.remove_waiting(self, what, &range) {
                Stopped::Not => {}
                Stopped::Changed(index) => next = index,
                Stopped::Split => next = range.start,
                Stopped::Stuck(after) => {
                    // What is in front of it has gone.
                    range.start = after;
                    next = after;
                }
                #[cfg(CONFIG_SWAP)]
                Stopped::Straddling(_) if may_cut => {
                    may_cut = false;
                    range = range.clip(&cut());
                    next = range.start;
                }
                #[cfg(CONFIG_SWAP)]
                Stopped::Straddling(pages) if pages.start < range.start => {
                    range.start = pages.end;
                    next = range.start;
                }
                #[cfg(CONFIG_SWAP)]
                Stopped::Straddling(pages) => {
                    range.end = pages.start;
                    next = range.start;
                }
            }
        }
        batch.removed
    }

    /// The pages of the slot that has page `index` and still holds `value`; `None` where it holds
    /// something else. A snapshot.
    #[cfg(CONFIG_SWAP)]
    pub(super) fn find_slot(&self, index: PageIndex, value: *mut c_void) -> Option<PageRange> {
        Some(index.folio(self.find_value(index, value)?))
    }
}

/// Pages that were taken out of a page cache, but for those that were in it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Removed {
    /// Those that were in swap.
    #[cfg(CONFIG_SWAP)]
    pub(crate) swapped: PageCount,
    /// Those that could not be read back.
    #[cfg(CONFIG_SWAP)]
    pub(crate) poisoned: PageCount,
}

/// Whether what is in the slots of `xas` is the swap entries of `nr` pages from `first` on.
///
/// # Safety
///
/// The xarray must be locked.
#[cfg(CONFIG_SWAP)]
#[inline]
unsafe fn entries_are(xas: &mut bindings::xa_state, first: SwapEntry, nr: PageCount) -> bool {
    // SAFETY: By the caller's promise.
    unsafe {
        let found = bindings::xas_find_conflict(xas);
        if nr == PageCount::ONE {
            core::ptr::eq(found, first.as_value()) && bindings::xas_get_order(xas) == 0
        } else {
            entries_go_on(xas, found, first, nr)
        }
    }
}

/// Whether `found` and what else is in the slots of `xas` are the swap entries of `nr` pages from
/// `first` on.
///
/// # Safety
///
/// The xarray must be locked, and `found` the first conflict.
#[cfg(CONFIG_SWAP)]
unsafe fn entries_go_on(
    xas: &mut bindings::xa_state,
    mut found: *mut c_void,
    first: SwapEntry,
    nr: PageCount,
) -> bool {
    let mut next = first;
    // Ends with the slots of `xas`.
    while core::ptr::eq(found, next.as_value()) {
        // SAFETY: By the caller's promise.
        unsafe {
            next = next.add(Order::from_int(bindings::xas_get_order(xas)).pages());
            found = bindings::xas_find_conflict(xas);
        }
    }
    found.is_null() && next == first.add(nr)
}

/// Counts pages of a folio in or out of the page cache's statistics. The xarray must be locked.
///
/// # Safety
///
/// The folio must be live and charged.
unsafe fn account(folio: *mut bindings::folio, pages: c_int) {
    // SAFETY: By the caller's promise.
    unsafe {
        if bindings::folio_test_pmd_mappable(folio) {
            bindings::lruvec_stat_mod_folio(folio, bindings::node_stat_item_NR_SHMEM_THPS, pages);
        }
        bindings::lruvec_stat_mod_folio(folio, bindings::node_stat_item_NR_FILE_PAGES, pages);
        bindings::lruvec_stat_mod_folio(folio, bindings::node_stat_item_NR_SHMEM, pages);
    }
}
