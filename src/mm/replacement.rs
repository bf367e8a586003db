// SPDX-License-Identifier: GPL-2.0

//! Folios that come back from swap in memory where their file may not have them: they are replaced by a copy.
//!
//! A driver may ask for the memory of a file in a zone that its device can address. What is read for the file is
//! there; but the swap cache may have got the folio from readahead for another file.
//!
//! What `shmem_replace_folio()` is for tmpfs, but that the copy never is in the swap cache.
//!
//! C headers: `include/linux/gfp.h`, `include/linux/memcontrol.h`.
//!
//! Lock order: as in [`mod@super::swapped`]; the copy is locked below the folio, and no other task knows it.

use super::folio::{Folio, LockedFolio, NewFolio};
use super::huge::Effort;
use super::mapping::Expected;
use super::mempolicy::Placement;
use super::owner::MemoryOwner;
use super::swap::{LockedSwapFolio, SwapEntry};
use super::{GfpFlags, Mapping};
use crate::bindings;
use crate::units::PageIndex;
use kernel::prelude::*;
use kernel::sync::rcu;

impl LockedSwapFolio {
    /// Whether an allocation with `flags` could have got this memory.
    pub(super) fn is_in_zone_of(&self, flags: GfpFlags) -> bool {
        // SAFETY: The folio is live; its zone does not change, and that of the flags is computed.
        unsafe { bindings::folio_zonenum(self.as_ptr()) <= bindings::gfp_zone(flags.as_raw()) }
    }
}

impl Mapping {
    /// Does for a copy of a folio, allocated with `flags` where `place` says, what
    /// [`super::SwappedPage::insert`] does for the folio, which leaves the swap cache and is freed. May sleep.
    #[cold]
    pub(super) fn insert_copy_from_swap(
        &self,
        folio: LockedSwapFolio,
        index: PageIndex,
        entry: SwapEntry,
        flags: GfpFlags,
        place: &Placement<'_>,
    ) -> Result<LockedFolio> {
        let (start, first) = self.find_in_swap(&folio, index, entry).ok_or(EEXIST)?;
        folio.wait_for_writeback();
        // SAFETY: The folio was found to be the swap cache's for these entries.
        unsafe { bindings::arch_swap_restore(first.as_raw(), folio.as_ptr()) };
        let copy = NewFolio::copy_of(folio.folio(), flags, place)?;
        // SAFETY: The copy is new, so it is in no other cache.
        let stored =
            unsafe { self.store(copy.as_ptr(), start, Expected::Swap(first), flags.effort()) };
        if let Err(e) = stored {
            return Err(self.part_with(folio, index, entry, e));
        }
        // SAFETY: The folio was found to be the swap cache's for these entries, which the copy has replaced, and has
        // waited. It has no owner now.
        drop(unsafe { folio.leave_swap_cache() });
        let mut copy = copy.into_locked();
        // SAFETY: The copy is live, and in no list yet.
        unsafe { bindings::folio_add_lru(copy.as_ptr()) };
        copy.mark_dirty();
        Ok(copy)
    }
}

impl NewFolio {
    /// A valid copy of a folio that is locked and valid, allocated with `flags` where `place` says, or elsewhere
    /// where there is no memory of that zone, and charged to the same memory cgroup. May sleep.
    ///
    /// Fails with `ENOMEM`.
    fn copy_of(folio: &Folio, flags: GfpFlags, place: &Placement<'_>) -> Result<Self> {
        let order = folio.order();
        let flags = if order.is_zero() {
            flags
        } else {
            Effort::unmapped().within(flags)
        };
        let copy = Self::allocate(flags.on_any_node(), order, place).ok_or(ENOMEM)?;
        let mut copy = on_behalf_of(folio, || copy.charge_beyond_limit(MemoryOwner::CURRENT))?;
        // SAFETY: Both are live and have as many pages; no other task knows the copy.
        unsafe { bindings::folio_copy(copy.as_ptr(), folio.as_ptr()) };
        copy.locked().flush_dcache();
        copy.locked().mark_uptodate();
        Ok(copy)
    }
}

/// Calls `charge`, and what it charges to the current task goes to the memory cgroup that `folio` is charged to.
fn on_behalf_of<R>(folio: &Folio, charge: impl FnOnce() -> R) -> R {
    let memcg = {
        let _rcu = rcu::read_lock();
        // SAFETY: The folio is live and stays charged; with RCU held its memory cgroup is there.
        unsafe {
            let memcg = bindings::folio_memcg(folio.as_ptr());
            if bindings::mem_cgroup_tryget(memcg) {
                memcg
            } else {
                core::ptr::null_mut()
            }
        }
    };
    if memcg.is_null() {
        return charge();
    }
    // SAFETY: The reference that was just taken is given back when the memory cgroup is not the active one any
    // more.
    unsafe {
        let outer = bindings::set_active_memcg(memcg);
        let result = charge();
        bindings::set_active_memcg(outer);
        bindings::mem_cgroup_put(memcg);
        result
    }
}
