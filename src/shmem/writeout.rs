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
use crate::mm::PageCount;
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
        // SAFETY: This is the list that `forget()` takes it out of.
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
        // meanwhile, by truncation, the folio is nobody's.
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
        this.keep()
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
        self.0.keep()
    }
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
pub(super) unsafe extern "C" fn writeout<T: SharedMemory>(
    cx: *mut bindings::swap_io_ctx,
    folio: *mut bindings::folio,
    #[cfg_attr(not(CONFIG_TRANSPARENT_HUGEPAGE), expect(unused_variables))]
    list: *mut bindings::list_head,
) -> c_int {
    // INVARIANT: Reclaim passes a locked folio with a reference, in the page cache of a file of this
    // file system, whose inode the lock keeps while the folio is there.
    // SAFETY: As above. The result is not dropped: lock and reference are reclaim's.
    let folio = unsafe {
        let mapping = (*folio).__bindgen_anon_1.__bindgen_anon_1.mapping;
        OutgoingFolio {
            folio: ManuallyDrop::new(LockedFolio::borrowed(NonNull::new_unchecked(folio))),
            inode: Inode::<T>::from_raw((*mapping).host),
            cx,
            #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
            list,
        }
    };
    T::write_out(folio).0
}
