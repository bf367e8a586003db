// SPDX-License-Identifier: GPL-2.0

//! The page cache of a file.
//!
//! C headers: `include/linux/fs.h` (`struct address_space`), `include/linux/pagemap.h`,
//! `include/linux/xarray.h`.
//!
//! Lock order: the folio lock before the lock of the xarray (`i_pages`, interrupts off).

use super::folio::{Folio, LockedFolio, NewFolio};
use crate::bindings;
use core::ptr::{addr_of_mut, NonNull};
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::types::Opaque;

/// What a slot of the page cache holds.
pub(crate) enum Slot {
    /// Nothing.
    Empty,
    /// A folio, with a reference. It may leave the cache before it is locked.
    Folio(ARef<Folio>),
    /// The page is elsewhere.
    Value,
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

    pub(super) fn as_ptr(&self) -> *mut bindings::address_space {
        self.0.get()
    }

    /// Sets the operations of a cache whose folios have swap behind them, and nothing else.
    ///
    /// For a new inode: idempotent, and harmless on one in use.
    pub(crate) fn init_for_swap_backed(&self) {
        // SAFETY: The mapping is live. The operations are never other than these.
        unsafe { (*self.as_ptr()).a_ops = &SWAP_BACKED_OPERATIONS };
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
    pub(crate) fn nr_pages(&self) -> u64 {
        // SAFETY: The mapping is live; the counter is read without a lock everywhere.
        unsafe { core::ptr::read_volatile(&(*self.as_ptr()).nrpages) as u64 }
    }

    /// Whether a user mapping can change the contents behind the kernel's back.
    pub(crate) fn is_writably_mapped(&self) -> bool {
        // SAFETY: The mapping is live.
        unsafe { bindings::mapping_writably_mapped(self.as_ptr()) }
    }

    /// What is at page `index`, without a lock.
    pub(crate) fn get(&self, index: u64) -> Slot {
        // SAFETY: The mapping is live.
        let entry = unsafe { bindings::filemap_get_entry(self.as_ptr(), index as c_ulong) };
        match NonNull::new(entry) {
            None => Slot::Empty,
            Some(entry) if entry.addr().get() & 1 != 0 => Slot::Value,
            // SAFETY: An entry that is no value is a folio, with a reference for the caller.
            Some(entry) => Slot::Folio(unsafe { Folio::from_raw(entry.cast()) }),
        }
    }

    /// Adds a folio at page `index`, a multiple of its size, and to the LRU. May sleep.
    ///
    /// Fails with `EEXIST` where something is there, with `ENOMEM`, and with `EINVAL` for an index
    /// that is not aligned; then drops the folio.
    pub(crate) fn insert(&self, folio: NewFolio, index: u64) -> Result<LockedFolio> {
        let raw = folio.as_ptr();
        let order = folio_order(raw);
        let nr = 1 << order;
        if index & (nr - 1) != 0 {
            return Err(EINVAL);
        }
        let gfp = self.reclaim_gfp();

        // SAFETY: The folio is new, locked, and unknown to others until it is stored; the cache
        // takes `nr` references. The xarray is that of a live mapping.
        unsafe {
            bindings::folio_ref_add(raw, nr as _);
            let fields = addr_of_mut!((*raw).__bindgen_anon_1.__bindgen_anon_1);
            (*fields).mapping = self.as_ptr();
            (*fields).__bindgen_anon_2.index = index as _;
            bindings::folio_throttle_swaprate(raw, gfp);

            let xa = addr_of_mut!((*self.as_ptr()).i_pages);
            let mut xas = bindings::xa_state(xa, index as _, order);
            let mut occupied = false;
            loop {
                bindings::xa_lock_irq(xa);
                if !bindings::xas_find_conflict(&mut xas).is_null() {
                    occupied = true;
                } else {
                    bindings::xas_store(&mut xas, raw.cast());
                    if bindings::xas_error(&xas) == 0 {
                        account(raw, nr as _);
                        (*self.as_ptr()).nrpages += nr as c_ulong;
                    }
                }
                bindings::xa_unlock_irq(xa);
                if occupied || !bindings::xas_nomem(&mut xas, gfp) {
                    break;
                }
            }

            let error = if occupied {
                Err(EEXIST)
            } else {
                to_result(bindings::xas_error(&xas))
            };
            if let Err(e) = error {
                (*fields).mapping = core::ptr::null_mut();
                bindings::folio_ref_sub(raw, nr as _);
                return Err(e);
            }
        }
        Ok(folio.into_locked())
    }

    /// Adds a folio of this cache to the LRU, where reclaim will find it.
    pub(crate) fn add_to_lru(&self, folio: &LockedFolio) {
        // SAFETY: The folio is live.
        unsafe { bindings::folio_add_lru(folio.as_ptr()) }
    }

    /// The first data or hole at or after byte `offset` of a file of `size` bytes, as
    /// `mapping_seek_hole_data()`; `ENXIO` where there is none.
    pub(crate) fn seek(&self, offset: i64, size: i64, data: bool) -> Result<i64> {
        let whence = if data {
            bindings::SEEK_DATA
        } else {
            bindings::SEEK_HOLE
        };
        // SAFETY: The mapping is live.
        let found = unsafe {
            bindings::mapping_seek_hole_data(self.as_ptr(), offset, size, whence as c_int)
        };
        if found < 0 {
            return Err(Error::from_errno(found as c_int));
        }
        Ok(found)
    }

    /// Takes the pages from byte `offset` on out of all user mappings, private copies too.
    /// May sleep.
    pub(crate) fn unmap_from(&self, offset: i64) {
        // SAFETY: The mapping is live. A length of 0 means to the end.
        unsafe { bindings::unmap_mapping_range(self.as_ptr(), offset, 0, 1) }
    }

    /// The inode is about to go: waits for those that still look at its last folios, so that the
    /// cache is empty for good. May sleep.
    pub(crate) fn finish(&self) {
        // SAFETY: The mapping is live.
        unsafe { bindings::truncate_inode_pages_final(self.as_ptr()) }
    }

    /// Takes the folios of the bytes from `start` to `last` out of the cache; what of a folio is
    /// in the range becomes zeros where the rest of it stays. May sleep.
    pub(crate) fn truncate(&self, start: i64, last: i64) {
        // SAFETY: The mapping is live.
        unsafe { bindings::truncate_inode_pages_range(self.as_ptr(), start, last as _) }
    }
}

fn folio_order(folio: *mut bindings::folio) -> u32 {
    // SAFETY: The callers pass a live folio.
    unsafe { bindings::folio_order(folio) }
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

/// Folios that live in memory and swap: dirtying them starts no writeback.
const SWAP_BACKED_OPERATIONS: bindings::address_space_operations =
    bindings::address_space_operations {
        dirty_folio: Some(bindings::noop_dirty_folio),
        #[cfg(CONFIG_MIGRATION)]
        migrate_folio: Some(bindings::migrate_folio),
        error_remove_folio: Some(error_remove_folio),
        // SAFETY: All-zero bytes are valid: the other operations are absent.
        ..unsafe { core::mem::zeroed() }
    };

/// A page with a memory error stays, so that readers see `EIO` and not zeros.
unsafe extern "C" fn error_remove_folio(
    _mapping: *mut bindings::address_space,
    _folio: *mut bindings::folio,
) -> c_int {
    0
}
