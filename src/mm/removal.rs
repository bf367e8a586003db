// SPDX-License-Identifier: GPL-2.0

//! Taking pages out of the page cache of a file, and out of swap: what is in the way goes in batches.
//!
//! C headers: `include/linux/folio_batch.h`, `include/linux/pagemap.h`.
//!
//! Lock order: the folio locks of a batch are taken by trying only, and one that has to be waited for is
//! taken alone; under them `i_mmap_rwsem` (unmapping) and the lock of the xarray.

use super::folio::Folio;
use super::mapping::Mapping;
#[cfg(CONFIG_SWAP)]
use super::mapping::{decode_value, is_value, Slot};
#[cfg(CONFIG_SWAP)]
use super::swap;
use super::task;
use crate::bindings;
use crate::units::{Order, PageCount, PageIndex, PageRange};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

const SIZE: usize = bindings::FOLIO_BATCH_SIZE as usize;

/// What was taken out of a page cache, but for the folios that were in it, and what was not.
#[derive(Clone, Copy, Default)]
pub(crate) struct Removed {
    /// Pages that were in swap.
    pub(crate) swapped: PageCount,
    /// Those that could not be read back.
    pub(crate) poisoned: PageCount,
    /// Whether a folio that was partly in the range, and not the business of `cut`, could not be split and stays.
    pub(crate) is_stuck: bool,
}

/// What is to be removed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Removal {
    /// Everything.
    All,
    /// Folios that were allocated and never written.
    Unwritten,
}

impl Removal {
    /// # Safety
    ///
    /// `folio` must be live.
    unsafe fn includes(self, folio: *mut bindings::folio) -> bool {
        // SAFETY: By the caller's promise.
        self == Self::All || !unsafe { bindings::folio_test_uptodate(folio) }
    }
}

/// Why [`Batch::remove_waiting`] did not come to the end of a batch.
enum Stopped {
    /// It did.
    Not,
    /// From this page on there is something else now.
    Changed(PageIndex),
    /// A folio that was partly in the range was split.
    Split,
    /// A folio that is partly in the range, and begins before it, could not be split: the range
    /// goes on at this page.
    Stuck(PageIndex),
    /// These pages are in one slot, in swap, and only some of them in the range.
    #[cfg(CONFIG_SWAP)]
    Straddling(PageRange),
}

/// Entries of a page cache: folios with a reference, and values.
///
/// # Invariants
///
/// The first `batch.nr` entries are folios with a reference that this owns, or values. `indices` of as
/// many entries as the last search has found are theirs.
struct Batch {
    batch: bindings::folio_batch,
    indices: [MaybeUninit<c_ulong>; SIZE],
    /// What was removed so far.
    removed: Removed,
    /// How many pages [`Batch::remove_locked`] has taken out, folios and values.
    gone: PageCount,
}

impl Batch {
    /// An empty batch.
    fn new() -> Self {
        Self {
            batch: bindings::folio_batch::default(),
            indices: [const { MaybeUninit::uninit() }; SIZE],
            removed: Removed::default(),
            gone: PageCount::ZERO,
        }
    }

    fn len(&self) -> usize {
        self.batch.nr as usize
    }

    /// Finds entries from `*next` to `last`, folios that can be locked at once and that lie in the
    /// range with all their pages, and values; moves `*next` behind them. False where there is none.
    fn find_locked(&mut self, mapping: &Mapping, next: &mut PageIndex, last: PageIndex) -> bool {
        // SAFETY: It is one of the functions that fill a batch.
        unsafe { self.fill(bindings::find_lock_entries, mapping, next, last) }
    }

    /// Finds entries from `*next` to `last` and moves `*next` behind them. False where there is
    /// none.
    fn find(&mut self, mapping: &Mapping, next: &mut PageIndex, last: PageIndex) -> bool {
        // SAFETY: It is one of the functions that fill a batch.
        unsafe { self.fill(bindings::find_get_entries, mapping, next, last) }
    }

    /// # Safety
    ///
    /// `find` must be `find_lock_entries()` or `find_get_entries()`.
    #[inline(always)]
    unsafe fn fill(
        &mut self,
        find: unsafe extern "C" fn(
            *mut bindings::address_space,
            *mut c_ulong,
            c_ulong,
            *mut bindings::folio_batch,
            *mut c_ulong,
        ) -> c_uint,
        mapping: &Mapping,
        next: &mut PageIndex,
        last: PageIndex,
    ) -> bool {
        debug_assert!(self.len() == 0);
        let mut start = next.to_pgoff();
        // SAFETY: The mapping is live and the batch empty; there is room for its indices.
        let found = unsafe {
            find(
                mapping.as_ptr(),
                &mut start,
                last.to_pgoff(),
                &mut self.batch,
                self.indices.as_mut_ptr().cast(),
            )
        };
        *next = PageIndex::from_pgoff(start);
        found > 0
    }

    /// The entry at `at` and its index.
    ///
    /// # Safety
    ///
    /// The last search must have found more than `at` entries.
    unsafe fn entry(&self, at: usize) -> (*mut bindings::folio, PageIndex) {
        // SAFETY: By the type invariants.
        let index = unsafe { self.indices[at].assume_init() };
        (self.batch.folios[at], PageIndex::from_pgoff(index))
    }

    /// Takes what [`Batch::find_locked`] has found in a range that ends before page `end` out of the
    /// cache; empties the batch.
    fn remove_locked(
        &mut self,
        mapping: &Mapping,
        what: Removal,
        #[cfg_attr(not(CONFIG_SWAP), expect(unused_variables))] end: PageIndex,
    ) {
        let len = core::mem::take(&mut self.batch.nr) as usize;
        for at in 0..len {
            #[cfg_attr(not(CONFIG_SWAP), expect(unused_variables))]
            // SAFETY: So many were found.
            let (folio, index) = unsafe { self.entry(at) };
            #[cfg(CONFIG_SWAP)]
            if is_value(folio.cast()) {
                if what == Removal::All {
                    let pages = mapping.remove_value(index, end, folio.cast(), &mut self.removed);
                    self.gone = self.gone.saturating_add(pages);
                }
                continue;
            }
            // SAFETY: The entry is a folio of this mapping, locked, with a reference that is ours.
            unsafe {
                if !what.includes(folio) || bindings::folio_mapped(folio) {
                    if what.includes(folio) {
                        bindings::truncate_inode_folio(mapping.as_ptr(), folio);
                    }
                    bindings::folio_unlock(folio);
                    bindings::folio_put(folio);
                } else {
                    let pages = Order::from_uint(bindings::folio_order(folio)).pages();
                    self.gone = self.gone.saturating_add(pages);
                    bindings::folio_cancel_dirty(folio);
                    // Those that are left for the end, in the place of those that are done with.
                    self.batch.folios[self.batch.nr as usize] = folio;
                    // There are at most as many as there were.
                    self.batch.nr = self.batch.nr.wrapping_add(1);
                }
            }
        }
        let unmapped = &mut self.batch;
        if unmapped.nr == 0 {
            return;
        }
        // SAFETY: The folios are locked, in this mapping and not mapped; no fault maps them while they are locked. Only
        // GUP-fast may have marked one dirty again, which is nothing in a mapping without writeback.
        unsafe {
            bindings::delete_from_page_cache_batch(mapping.as_ptr(), unmapped);
            for at in 0..unmapped.nr as usize {
                bindings::folio_unlock(unmapped.folios[at]);
            }
            bindings::folio_batch_release(unmapped);
        }
    }

    /// Takes what [`Batch::find`] has found in `range` out of the cache, waiting for the locks of
    /// folios; empties the batch. A folio that is only partly in the range loses that part, or all of
    /// it where it was never written and that is what is to go. Stops at a value that is only partly in
    /// the range, where there is something else in the cache meanwhile, and where a folio was split.
    fn remove_waiting(&mut self, mapping: &Mapping, what: Removal, range: &PageRange) -> Stopped {
        let len = core::mem::take(&mut self.batch.nr) as usize;
        let mut stopped = Stopped::Not;
        for at in 0..len {
            // SAFETY: So many were found.
            let (folio, index) = unsafe { self.entry(at) };
            #[cfg(CONFIG_SWAP)]
            if is_value(folio.cast()) {
                let value = folio.cast();
                if what == Removal::All
                    && matches!(stopped, Stopped::Not)
                    && mapping
                        .remove_value(index, range.end, value, &mut self.removed)
                        .is_zero()
                {
                    stopped = why_it_stays(mapping, range, index, value);
                }
                continue;
            }
            let Some(folio) = NonNull::new(folio) else {
                continue;
            };
            // SAFETY: The entry is a folio with a reference that is ours.
            let folio = unsafe { Folio::from_raw(folio) };
            if matches!(stopped, Stopped::Not) {
                stopped = remove_folio(mapping, what, range, index, folio, &mut self.removed);
            }
        }
        stopped
    }
}

/// Why what was `value` at page `index` could not be taken out.
#[cfg(CONFIG_SWAP)]
#[cold]
fn why_it_stays(
    mapping: &Mapping,
    range: &PageRange,
    index: PageIndex,
    value: *mut c_void,
) -> Stopped {
    let Some(pages) = mapping.find_slot(index, value) else {
        return Stopped::Changed(index);
    };
    if range.contains_all(&pages) {
        // It had more pages, or fewer.
        return Stopped::Changed(pages.start);
    }
    Stopped::Straddling(pages)
}

/// Takes a folio that was found at page `index` out of the cache, as far as it is in `range`.
fn remove_folio(
    mapping: &Mapping,
    what: Removal,
    range: &PageRange,
    index: PageIndex,
    folio: ARef<Folio>,
    removed: &mut Removed,
) -> Stopped {
    let Some(mut folio) = Folio::lock(folio).belongs_to(mapping) else {
        return Stopped::Changed(index);
    };
    // SAFETY: The folio is live.
    if !unsafe { what.includes(folio.as_ptr()) } {
        return Stopped::Not;
    }
    let pages = folio.pages();
    if what == Removal::Unwritten || range.contains_all(&pages) {
        #[cfg(CONFIG_SWAP)]
        folio.wait_for_writeback();
        // SAFETY: The folio is locked and in this mapping.
        unsafe { bindings::truncate_inode_folio(mapping.as_ptr(), folio.as_ptr()) };
        return Stopped::Not;
    }
    let order = folio.order();
    if !folio.cut_out(range.start.start_or_max(), range.end.start()) {
        removed.is_stuck = true;
        return if pages.start < range.start {
            Stopped::Stuck(pages.end)
        } else {
            Stopped::Not
        };
    }
    // The pieces that are in the range have not been looked at.
    if folio.order() < order {
        return Stopped::Split;
    }
    Stopped::Not
}

impl Mapping {
    /// Takes the pages of `range` out of the cache and out of swap. Where it ends at
    /// [`PageIndex::END`] none is left, even of those that come and go meanwhile. May sleep.
    ///
    /// What is only partly in the range is the business of `cut`, which is called when most of the
    /// rest has gone and returns the range that is left: a folio that could not be split is outside
    /// of it. A folio that comes to be partly in the range later is zeroed there. For one that does so
    /// and is in swap by then, `cut` is called once more; where that does not bring it back, it stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use crate::mm::Mapping;
    /// use crate::units::{PageCount, PageRange};
    ///
    /// // Nothing is partly in it: `cut` has nothing to do. What was in swap is for the caller's accounts.
    /// fn empty(mapping: &Mapping) -> PageCount {
    ///     mapping.remove(PageRange::ALL, || PageRange::ALL).swapped
    /// }
    /// ```
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
            if !self.has_nodes() || !batch.find_locked(self, &mut next, last) {
                break;
            }
            batch.remove_locked(self, what, range.end);
            task::cond_resched_tasks_rcu_qs();
        }

        // Where the cache is empty now there is nothing in part either; what another task adds from here on might have
        // come later.
        if !self.has_nodes() {
            return batch.removed;
        }
        // No page is met twice: each of them was there, and was taken out.
        let all_gone = batch.gone == range.len();
        let mut range = cut();
        if all_gone {
            return batch.removed;
        }
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

    /// Takes the swap entry at page `index` out of the cache and frees it, where it is still there
    /// and all of it in the pages before `end`; a poisoned page too. Counts it in `removed`, and
    /// returns how many pages there were, none where it stays.
    #[cfg(CONFIG_SWAP)]
    #[inline(always)]
    fn remove_value(
        &self,
        index: PageIndex,
        end: PageIndex,
        value: *mut c_void,
        removed: &mut Removed,
    ) -> PageCount {
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
        nr
    }

    /// The pages of the slot that has page `index` and still holds `value`; `None` where it holds
    /// something else. A snapshot.
    #[cfg(CONFIG_SWAP)]
    fn find_slot(&self, index: PageIndex, value: *mut c_void) -> Option<PageRange> {
        Some(index.folio(self.find_value(index, value)?))
    }
}
