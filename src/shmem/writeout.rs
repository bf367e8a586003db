// SPDX-License-Identifier: GPL-2.0

//! How reclaim has a folio written out: it goes from the page cache to swap.
//!
//! Lock order: the folio lock, then the lock of the xarray, or that of the list of inodes with pages in
//! swap. Reclaim calls with the folio locked, below any lock of the task that allocates.

#[cfg(CONFIG_SWAP)]
use super::backend::Backend;
use super::backend::SharedMemory;
use super::outgoing::{OutgoingFolio, PlacedFolio, WrittenOut};
use crate::bindings;
#[cfg(CONFIG_SWAP)]
use crate::mm::mapping::Expected;
#[cfg(CONFIG_SWAP)]
use crate::mm::swap::SwapEntry;
use crate::mm::LockedFolio;
use crate::units::PageCount;
use crate::vfs::Inode;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use kernel::prelude::*;

#[cfg(CONFIG_SWAP)]
impl<'a, T: SharedMemory> PlacedFolio<'a, T> {
    /// Moves the folio to swap. `counted` is called with the number of pages before they leave the
    /// page cache, `returned` where they come back since swap did not take them.
    pub(crate) fn move_to_swap(
        self,
        counted: impl FnOnce(&Inode<T>, PageCount),
        returned: impl FnOnce(&Inode<T>, PageCount),
    ) -> WrittenOut<'a> {
        let this = self.0;
        let inode = this.inode;
        let raw = this.folio.as_ptr();
        let nr = this.folio.nr_pages();
        // Once it is in the swap cache only, the lock of the folio does not keep the inode any more.
        let backend: &Backend<T> = inode.sb().memory();
        // SAFETY: This is the list that `forget()` takes it out of, and a directory has no folios.
        let pinned = unsafe { backend.swapped.pin(inode) };
        counted(inode, nr);
        // SAFETY: By the type invariants the folio has an entry, which gets the page cache's count
        // before it is stored.
        let entry = unsafe {
            let entry = SwapEntry::of(raw);
            bindings::folio_dup_swap(raw, core::ptr::null_mut());
            inode.mapping().replace_by_swap(raw, entry);
            entry
        };

        // SAFETY: The folio is locked and in the swap cache only; the context is reclaim's.
        let result = unsafe { bindings::swap_writeout(this.cx, raw) };
        if result != bindings::AOP_WRITEPAGE_ACTIVATE {
            return WrittenOut::new(result);
        }

        // Swap did not take it after all. The folio is locked still; where the entry was freed
        // meanwhile, by truncation, no owner is left of the folio.
        // SAFETY: The folio is in no page cache, and the entry's count goes with it.
        unsafe {
            let gfp = bindings::__GFP_HIGH | bindings::__GFP_NOMEMALLOC | bindings::__GFP_NOWARN;
            let expected = Expected::Swap(entry);
            // Out of the page cache it has kept its index.
            let index = this.folio.index();
            if pinned.mapping().store(raw, index, expected, gfp).is_ok() {
                returned(&pinned, nr);
                bindings::folio_put_swap(raw, core::ptr::null_mut());
            }
            bindings::swap_cache_del_folio(raw);
        }
        this.stay()
    }
}

#[cfg(not(CONFIG_SWAP))]
impl<'a, T: SharedMemory> PlacedFolio<'a, T> {
    /// There is no swap: the folio stays where it is.
    pub(crate) fn move_to_swap(
        self,
        _counted: impl FnOnce(&Inode<T>, PageCount),
        _returned: impl FnOnce(&Inode<T>, PageCount),
    ) -> WrittenOut<'a> {
        self.0.stay()
    }
}

/// `shmem_backend::writeout`.
///
/// # Safety
///
/// `folio` must be in the page cache of a file of `T`, locked by the current task, clean and not being written out, with
/// a reference of the caller's; `cx` and `list` must be what reclaim has for it.
pub(super) unsafe extern "C" fn writeout<T: SharedMemory>(
    cx: *mut bindings::swap_io_ctx,
    folio: *mut bindings::folio,
    #[cfg_attr(not(CONFIG_TRANSPARENT_HUGEPAGE), expect(unused_variables))]
    list: *mut bindings::list_head,
) -> c_int {
    // SAFETY: By the caller's promise the folio is live, and its lock keeps the mapping as it is.
    let mapping = unsafe { (*folio).__bindgen_anon_1.__bindgen_anon_1.mapping };
    // SAFETY: By the caller's promise; the lock of the folio keeps the inode while the folio is there.
    let inode = unsafe { Inode::<T>::from_raw((*mapping).host) };
    // SAFETY: By the caller's promise. The result is not dropped: lock and reference are reclaim's.
    let folio = unsafe { LockedFolio::borrowed(NonNull::new_unchecked(folio)) };
    // INVARIANT: By the caller's promise.
    let folio = OutgoingFolio {
        folio: ManuallyDrop::new(folio),
        inode,
        cx,
        #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
        list,
    };
    T::write_out(folio).0
}
