// SPDX-License-Identifier: GPL-2.0

//! The page cache of a file.
//!
//! C headers: `include/linux/fs.h` (`struct address_space`), `include/linux/pagemap.h`,
//! `include/linux/xarray.h`.
//!
//! Lock order: the folio lock before the lock of the xarray (`i_pages`, interrupts off).

use super::folio::{Folio, Locked, LockedFolio, NewFolio};
use super::swap::{Lost, SwapEntry};
use super::{GfpFlags, MAX_FILE_SIZE};
use crate::bindings;
use crate::units::{Order, PageCount, PageIndex, PageRange, Pos};
use core::ptr::{addr_of_mut, NonNull};
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::types::Opaque;

/// What a slot of the page cache holds.
///
/// # Examples
///
/// ```
/// use crate::mm::{Folio, Mapping, Slot};
/// use crate::units::PageIndex;
/// use kernel::prelude::*;
/// use kernel::sync::aref::ARef;
///
/// fn cached(mapping: &Mapping, index: PageIndex) -> Result<Option<ARef<Folio>>> {
///     match mapping.get(index) {
///         Slot::Empty => Ok(None),
///         Slot::Folio(folio) => Ok(Some(folio)),
///         // A hint: who reads it in confirms it, see `Mapping::swapped_page()`.
///         Slot::Swap(_) => Err(EAGAIN),
///         Slot::Poisoned(_) => Err(EIO),
///     }
/// }
/// ```
pub(crate) enum Slot {
    /// Nothing.
    Empty,
    /// A folio, with a reference. It may leave the cache before it is locked.
    Folio(ARef<Folio>),
    /// The page is in swap. Seen without a lock this is a hint: the entry may be gone.
    Swap(SwapEntry),
    /// The page was in swap and could not be read back.
    Poisoned(Lost),
}

/// What a value in a slot of the page cache stands for; it is none of the kinds that anonymous
/// memory has.
#[cfg(CONFIG_SWAP)]
pub(super) fn decode_value(value: *mut c_void) -> Slot {
    // SAFETY: Computes numbers.
    let (entry, is_swap) = unsafe {
        let entry = bindings::radix_to_swp_entry(value);
        (entry, bindings::softleaf_is_swap(entry))
    };
    if is_swap {
        Slot::Swap(SwapEntry::from_raw(entry))
    } else {
        Slot::Poisoned(Lost(()))
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

    /// Tasks that find a folio mapped from now on need not account for it any more.
    ///
    /// # Safety
    ///
    /// The inode must be on its way out, so that no task maps it.
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
        // SAFETY: The mapping is live, and that of a new inode, which no other task knows.
        unsafe { bindings::mapping_set_large_folios(self.as_ptr()) }
    }

    /// Keeps the folios in memory: reclaim does not look at them.
    pub(crate) fn set_unevictable(&self) {
        // SAFETY: The mapping is live, and the flag atomic.
        unsafe { bindings::mapping_set_unevictable(self.as_ptr()) }
    }

    /// The flags for allocations of folios (`mapping_gfp_mask()`).
    #[inline]
    pub(crate) fn gfp(&self) -> GfpFlags {
        // SAFETY: The mapping is live, and its flags are there for its folios.
        unsafe { GfpFlags::from_raw(bindings::mapping_gfp_mask(self.as_ptr())) }
    }

    /// Whether the cache has operations. That of a directory or a device has none: nothing would look after its
    /// folios, nor take them out again.
    #[inline]
    fn has_operations(&self) -> bool {
        // SAFETY: The mapping is live, and its operations are set while the inode is new.
        let a_ops = unsafe { (*self.as_ptr()).a_ops };
        !core::ptr::eq(a_ops, &raw const bindings::empty_aops)
    }

    /// How many pages are in the cache; a snapshot.
    pub(crate) fn nr_pages(&self) -> PageCount {
        // SAFETY: The mapping is live; the counter is read without a lock everywhere.
        PageCount::from_ulong(unsafe { core::ptr::read_volatile(&(*self.as_ptr()).nrpages) })
    }

    /// Whether the xarray has nodes, as `!mapping_empty()`; a snapshot. Where an insertion or a collapse has failed they
    /// may be without entries, until the inode goes.
    pub(crate) fn has_nodes(&self) -> bool {
        // SAFETY: The mapping is live.
        !unsafe { bindings::mapping_empty(self.as_ptr()) }
    }

    /// Whether nothing is in the cache, neither folios nor values; a snapshot.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_nodes() || self.first_in(PageRange::ALL).is_none()
    }

    /// Whether there is a user mapping; a snapshot.
    pub(crate) fn is_mapped(&self) -> bool {
        // SAFETY: The mapping is live.
        unsafe { bindings::mapping_mapped(self.as_ptr()) }
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
    /// that fails the folio is taken out again. Memory for it is allocated with as much effort as `flags` say.
    /// May sleep.
    ///
    /// Fails with `EEXIST` where something is there, with `ENOMEM`, with `EINVAL` for an index that is not aligned, pages that
    /// no file has, a large folio where the cache takes none, or a file without operations, and as `count` does; then
    /// drops the folio.
    ///
    /// # Examples
    ///
    /// ```
    /// use crate::mm::folio::NewFolio;
    /// use crate::mm::MemoryOwner;
    /// use crate::mm::mempolicy::SharedPolicy;
    /// use crate::mm::{LockedFolio, Mapping};
    /// use crate::units::PageIndex;
    /// use kernel::prelude::*;
    ///
    /// fn new_page(
    ///     mapping: &Mapping,
    ///     policy: &SharedPolicy,
    ///     index: PageIndex,
    ///     count: impl FnOnce(&LockedFolio) -> Result,
    /// ) -> Result<LockedFolio> {
    ///     let place = policy.place(index, 0);
    ///     let folio = NewFolio::new(mapping.gfp(), MemoryOwner::CURRENT, &place)?;
    ///     // Who finds it waits for its lock before it is looked into.
    ///     let mut folio = mapping.insert(folio, index, mapping.gfp(), count)?;
    ///     folio.zero();
    ///     folio.mark_uptodate();
    ///     Ok(folio)
    /// }
    /// ```
    #[inline(always)]
    pub(crate) fn insert(
        &self,
        folio: NewFolio,
        index: PageIndex,
        flags: GfpFlags,
        count: impl FnOnce(&LockedFolio) -> Result,
    ) -> Result<LockedFolio> {
        if !self.has_operations() {
            return Err(EINVAL);
        }
        // SAFETY: The folio is new, so it is in no other cache.
        unsafe { self.store(folio.as_ptr(), index, Expected::Nothing, flags.effort())? };
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

    /// Whether the cache may have folios of more than a page.
    fn takes_large(&self) -> bool {
        // SAFETY: The mapping is live, and the flag is set while the inode is new.
        unsafe { bindings::mapping_large_folio_support(self.as_ptr()) }
    }

    /// Stores a folio in slots that hold what is expected. Fails with `EINVAL` where no file has its pages, or the cache takes
    /// no folio of its order.
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
        // No file has a page behind the last position, and not each cache takes large folios.
        let is_in_file = index.saturating_add(nr) <= MAX_FILE_SIZE.page_end();
        if !index.is_aligned(order) || !is_in_file || !(order.is_zero() || self.takes_large()) {
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
                // There are no more than fit into memory. Others read it without the lock.
                let mapping = self.as_ptr();
                (*mapping).nrpages = (*mapping).nrpages.wrapping_add(nr.to_ulong());
            });
            if result.is_err() {
                (*fields).mapping = core::ptr::null_mut();
                bindings::folio_ref_sub(folio, nr.to_int());
            }
            result
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

    pub(super) fn xa(&self) -> *mut bindings::xarray {
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
}

/// Whether what is in the slots of `xas` is the swap entries of `nr` pages from `first` on.
///
/// # Safety
///
/// The xarray must be locked.
#[cfg(CONFIG_SWAP)]
#[inline]
pub(super) unsafe fn entries_are(
    xas: &mut bindings::xa_state,
    first: SwapEntry,
    nr: PageCount,
) -> bool {
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

impl Locked {
    /// The folio, where it is in the page cache of `mapping`, which it then is for as long as it is locked; else
    /// unlocks it.
    ///
    /// # Examples
    ///
    /// ```
    /// use crate::mm::{Folio, LockedFolio, Mapping};
    /// use kernel::sync::aref::ARef;
    ///
    /// // Between the look and the lock it may have been truncated.
    /// fn lock(folio: ARef<Folio>, mapping: &Mapping) -> Option<LockedFolio> {
    ///     let mut folio = Folio::lock(folio).belongs_to(mapping)?;
    ///     folio.mark_dirty();
    ///     Some(folio)
    /// }
    /// ```
    #[inline]
    pub(crate) fn belongs_to(self, mapping: &Mapping) -> Option<LockedFolio> {
        self.in_cache_of(mapping.as_ptr())
    }
}

impl LockedFolio {
    /// Whether page `index` of the page cache of `mapping` is in the folio.
    pub(crate) fn has_page(&self, mapping: &Mapping, index: PageIndex) -> bool {
        // An index before the first is behind all of them.
        let offset = index.to_pgoff().wrapping_sub(self.index().to_pgoff());
        self.mapping_ptr() == mapping.as_ptr() && PageCount::from_ulong(offset) < self.nr_pages()
    }
}

/// Counts pages of a folio in or out of the page cache's statistics. The xarray must be locked.
///
/// # Safety
///
/// The folio must be live and charged.
pub(super) unsafe fn account(folio: *mut bindings::folio, pages: c_int) {
    // SAFETY: By the caller's promise.
    unsafe {
        if bindings::folio_test_pmd_mappable(folio) {
            bindings::lruvec_stat_mod_folio(folio, bindings::node_stat_item_NR_SHMEM_THPS, pages);
        }
        bindings::lruvec_stat_mod_folio(folio, bindings::node_stat_item_NR_FILE_PAGES, pages);
        bindings::lruvec_stat_mod_folio(folio, bindings::node_stat_item_NR_SHMEM, pages);
    }
}
