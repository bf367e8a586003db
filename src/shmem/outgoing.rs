// SPDX-License-Identifier: GPL-2.0

//! A folio that reclaim wants to be written out, on its way to swap.
//!
//! Lock order: reclaim calls with the folio locked, below any lock of the task that allocates.

use crate::bindings;
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::mm::huge;
use crate::mm::LockedFolio;
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::units::Order;
use crate::units::{PageCount, PageIndex, PageRange};
use crate::vfs::{FileSystem, Inode};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use kernel::prelude::*;

/// A folio that reclaim has locked stays where it is, dirty as before; returns the value for reclaim.
pub(super) fn stay(folio: &LockedFolio) -> c_int {
    // SAFETY: The folio is live and locked, and stays so for reclaim.
    unsafe { bindings::folio_mark_dirty(folio.as_ptr()) };
    bindings::AOP_WRITEPAGE_ACTIVATE
}

/// What became of a folio that reclaim wanted to be written out in `'a`: the value for reclaim.
pub(crate) struct WrittenOut<'a>(pub(super) c_int, PhantomData<&'a ()>);

impl WrittenOut<'_> {
    pub(super) fn new(result: c_int) -> Self {
        Self(result, PhantomData)
    }
}

/// A folio that reclaim has locked and wants to be written out.
///
/// # Examples
///
/// ```
/// use crate::shmem::outgoing::{OutgoingFolio, PlacedFolio, WrittenOut};
/// use crate::units::PageRange;
/// use crate::vfs::FileSystem;
///
/// // Each step returns the folio where it fails, and one value of those that reclaim understands is left in the end.
/// fn write_out<'a, T: FileSystem>(
///     mut folio: OutgoingFolio<'a, T>,
///     write: impl FnOnce(PlacedFolio<'a, T>) -> WrittenOut<'a>,
/// ) -> WrittenOut<'a> {
///     if !folio.may_go_whole() && !folio.split() {
///         return folio.stay();
///     }
///     if !folio.is_valid() {
///         folio.make_valid(&PageRange::default());
///     }
///     match folio.allocate_swap() {
///         Ok(placed) => write(placed),
///         Err(folio) => folio.stay(),
///     }
/// }
/// ```
///
/// # Invariants
///
/// The folio is locked, referenced by reclaim, in the page cache of `inode`, and not dirty. The inode
/// stays for as long as the folio does.
pub(crate) struct OutgoingFolio<'a, T: FileSystem> {
    pub(super) folio: ManuallyDrop<LockedFolio>,
    pub(super) inode: &'a Inode<T>,
    pub(super) cx: *mut bindings::swap_io_ctx,
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    pub(super) list: *mut bindings::list_head,
}

impl<'a, T: FileSystem> OutgoingFolio<'a, T> {
    /// The file.
    pub(crate) fn inode(&self) -> &Inode<T> {
        self.inode
    }

    /// The folio stays where it is, dirty as before.
    pub(crate) fn stay(self) -> WrittenOut<'a> {
        WrittenOut::new(stay(&self.folio))
    }

    /// Splits a large folio into pages, the other ones of which go back to reclaim. False where
    /// another task uses it.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    pub(crate) fn split(&mut self) -> bool {
        let order = self.folio.order();
        if order.is_zero() {
            return true;
        }
        // SAFETY: The folio is live and locked. The pages must be dirty, lest they are dropped;
        // the one that is still ours is to be clean again.
        unsafe {
            bindings::folio_test_set_dirty(self.folio.as_ptr());
            if !huge::split(self.folio.as_ptr(), self.list, Order::ZERO) {
                return false;
            }
            huge::count_split_for_swap(self.folio.as_ptr(), order);
            bindings::folio_clear_dirty(self.folio.as_ptr());
        }
        true
    }

    /// There are no large folios.
    #[cfg(not(CONFIG_TRANSPARENT_HUGEPAGE))]
    pub(crate) fn split(&mut self) -> bool {
        true
    }

    /// Whether the folio can go to swap as a whole, and not only in pages.
    pub(crate) fn may_go_whole(&self) -> bool {
        cfg!(CONFIG_THP_SWAP)
    }

    /// How many pages it has.
    pub(crate) fn nr_pages(&self) -> PageCount {
        self.folio.nr_pages()
    }

    /// Its pages in the file.
    pub(crate) fn pages(&self) -> PageRange {
        self.folio.pages()
    }

    /// The index of the first page in the file.
    pub(crate) fn index(&self) -> PageIndex {
        self.folio.index()
    }

    /// Whether the folio was ever written.
    pub(crate) fn is_valid(&self) -> bool {
        self.folio.is_uptodate()
    }

    /// Makes a folio valid that was allocated in advance, and of whose pages only those that are `filled` were written.
    pub(crate) fn make_valid(&mut self, filled: &PageRange) {
        self.folio.make_valid(filled);
    }

    /// Gets a place in swap for the folio, all of whose pages must be valid; gives it back where there
    /// is none.
    #[cfg(CONFIG_SWAP)]
    pub(crate) fn allocate_swap(self) -> Result<PlacedFolio<'a, T>, Self> {
        if !self.is_valid() {
            return Err(self);
        }
        // SAFETY: The folio is locked, valid and in the page cache, so it can be added to the swap
        // cache.
        if unsafe { bindings::folio_alloc_swap(self.folio.as_ptr()) } != 0 {
            return Err(self);
        }
        // INVARIANT: Just added.
        Ok(PlacedFolio(self))
    }

    /// There is no place.
    #[cfg(not(CONFIG_SWAP))]
    pub(crate) fn allocate_swap(self) -> Result<PlacedFolio<'a, T>, Self> {
        Err(self)
    }
}

/// A folio that reclaim wants to be written out and that has a place in swap.
///
/// # Invariants
///
/// The folio is in the swap cache, and in the page cache as well.
pub(crate) struct PlacedFolio<'a, T: FileSystem>(pub(super) OutgoingFolio<'a, T>);
