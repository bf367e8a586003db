// SPDX-License-Identifier: GPL-2.0

//! Folios.
//!
//! C headers: `include/linux/mm_types.h`, `include/linux/page-flags.h`, `include/linux/pagemap.h`.
//!
//! Which bytes of a folio are contents no type says: a new one has what was in memory before. Its file system zeros or fills
//! it before it says so, in [`LockedFolio::mark_uptodate`] and `make_valid`, and reads by [`Folio::readable`] no more of one
//! that is not up to date than it has filled. All else that shows a folio asks whether it is up to date.

use super::huge::{self, Effort};
use super::mempolicy::Placement;
use super::owner::MemoryOwner;
use super::GfpFlags;
use crate::bindings;
use crate::units::{Len, Order, PageCount, PageIndex, PageRange, Pos};
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;
use kernel::sync::aref::{ARef, AlwaysRefCounted};
use kernel::types::Opaque;

/// The largest folio that becomes single pages where one of them goes: the next one would split what is left of it once
/// more, and there is not much.
const LARGEST_IN_PAGES: Order = Order::from_uint(2);

/// A folio (`struct folio`): a power of two of contiguous pages.
///
/// # Invariants
///
/// The folio is live: a reference is held for as long as a reference to this type is in
/// use. Its order does not change but by a split, which needs the folio lock and that no reference is
/// held but by the task that splits and by the caches that the folio is in.
#[repr(transparent)]
pub(crate) struct Folio(Opaque<bindings::folio>);

// SAFETY: The C functions are safe to be called from several tasks; what needs the folio lock is
// reached through `LockedFolio`.
unsafe impl Send for Folio {}
// SAFETY: The C functions are safe to be called from several tasks.
unsafe impl Sync for Folio {}

// SAFETY: `folio_ref_add()` and `folio_put()` count references, and the last frees the folio.
unsafe impl AlwaysRefCounted for Folio {
    fn inc_ref(&self) {
        // SAFETY: The folio is live.
        unsafe { bindings::folio_ref_add(self.as_ptr(), 1) }
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller owns a reference.
        unsafe { bindings::folio_put(obj.as_ptr().cast()) }
    }
}

impl Folio {
    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// The caller must own a reference to `folio`.
    pub(super) unsafe fn from_raw(folio: NonNull<bindings::folio>) -> ARef<Self> {
        // SAFETY: By the caller's promise; the type is transparent.
        unsafe { ARef::from_raw(folio.cast()) }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::folio {
        self.0.get()
    }

    /// Waits for the lock of a folio. May sleep.
    #[inline]
    pub(crate) fn lock(folio: ARef<Self>) -> Locked {
        // SAFETY: The folio is live.
        unsafe { bindings::folio_lock(folio.as_ptr()) };
        // SAFETY: Just locked.
        unsafe { Locked::from_locked(folio) }
    }

    /// The lock of a folio, where it can be had at once.
    pub(crate) fn try_lock(folio: ARef<Self>) -> Option<Locked> {
        // SAFETY: The folio is live.
        if !unsafe { bindings::folio_trylock(folio.as_ptr()) } {
            return None;
        }
        // SAFETY: Just locked.
        Some(unsafe { Locked::from_locked(folio) })
    }

    /// The order; a snapshot unless the folio is locked.
    pub(crate) fn order(&self) -> Order {
        // SAFETY: The folio is live.
        Order::from_uint(unsafe { bindings::folio_order(self.as_ptr()) })
    }

    /// Whether a page table has a page of it; a snapshot.
    pub(crate) fn is_mapped(&self) -> bool {
        // SAFETY: The folio is live.
        unsafe { bindings::folio_mapped(self.as_ptr()) }
    }

    /// Whether it has more than one page; a snapshot unless the folio is locked.
    pub(crate) fn is_large(&self) -> bool {
        // SAFETY: The folio is live.
        unsafe { bindings::folio_test_large(self.as_ptr()) }
    }

    /// How many pages it has; a snapshot unless the folio is locked.
    pub(crate) fn nr_pages(&self) -> PageCount {
        // SAFETY: The folio is live.
        PageCount::from_ulong(unsafe { bindings::folio_nr_pages(self.as_ptr()) })
    }

    /// Whether the contents are what the file holds: a folio that is not up to date was allocated
    /// in advance and reads as zeros. Contents are visible to a caller who sees true.
    pub(crate) fn is_uptodate(&self) -> bool {
        // SAFETY: The folio is live.
        unsafe { bindings::folio_test_uptodate(self.as_ptr()) }
    }

    /// Whether the page at `index` of the file has a memory error.
    pub(crate) fn is_poisoned(&self, index: PageIndex) -> bool {
        // SAFETY: The folio is live, and the page is taken modulo its size.
        unsafe {
            bindings::page_hwpoison(bindings::folio_file_page(self.as_ptr(), index.to_pgoff()))
        }
    }

    /// Whether any page has a memory error.
    pub(crate) fn contains_poison(&self) -> bool {
        // SAFETY: The folio is live.
        unsafe { bindings::folio_contain_hwpoisoned_page(self.as_ptr()) }
    }

    /// Tells reclaim that the folio was used.
    pub(crate) fn mark_accessed(&self) {
        // SAFETY: The folio is live.
        unsafe { bindings::folio_mark_accessed(self.as_ptr()) }
    }

    /// Makes the kernel's view of the folio agree with that of user mappings of it.
    pub(crate) fn flush_dcache(&self) {
        // SAFETY: The folio is live.
        unsafe { bindings::flush_dcache_folio(self.as_ptr()) }
    }

    /// The bytes from where byte `pos` of the file is in it, at most `bytes` and to the end of the folio; where a page
    /// has a memory error, to the end of a page. `None` is a page that has one.
    #[inline(always)]
    pub(crate) fn readable(&self, pos: Pos, bytes: Len) -> Option<Readable<'_>> {
        let order = self.order();
        let unit = if !self.contains_poison() {
            order
        } else if self.is_poisoned(pos.page()) {
            return None;
        } else {
            Order::ZERO
        };
        // INVARIANT: A page is not longer than its folio, whose order stays while there is a reference.
        Some(Readable {
            folio: self,
            page: pos.page().offset_in(order),
            offset: pos.offset_in(Order::ZERO),
            len: bytes.min(pos.left_in(unit)),
        })
    }
}

/// Bytes of a folio, none of which has a memory error that is known.
///
/// # Invariants
///
/// The folio has the `len` bytes from byte `offset` of its page `page` on.
pub(crate) struct Readable<'a> {
    folio: &'a Folio,
    page: PageCount,
    offset: Len,
    len: Len,
}

impl Readable<'_> {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> Len {
        self.len
    }

    /// Whether the folio begins with them.
    pub(crate) fn is_start(&self) -> bool {
        self.page.is_zero() && self.offset.is_zero()
    }

    /// Copies them; returns how many could be copied. May fault and sleep.
    #[inline(always)]
    pub(crate) fn copy_to_iter(&self, to: &mut IovIterDest<'_>) -> Len {
        // SAFETY: The folio is live, and by the type invariants has the page.
        let page = unsafe { bindings::folio_page(self.folio.as_ptr(), self.page.to_ulong()) };
        // C has a short way for what is within one page.
        // SAFETY: By the type invariants the bytes are the folio's; the iterator is the same structure in both sets of
        // bindings.
        Len::new(unsafe {
            bindings::copy_page_to_iter(
                page,
                self.offset.to_usize(),
                self.len.to_usize(),
                to.as_raw().cast(),
            )
        })
    }
}

/// A folio with its lock and a reference, of which is not known whose it is: before it was locked it may have been
/// truncated, or gone to swap. Dropping it unlocks it.
///
/// # Invariants
///
/// The current task holds the folio's lock.
pub(crate) struct Locked(ARef<Folio>);

impl Locked {
    /// Takes over a lock.
    ///
    /// # Safety
    ///
    /// The folio must be locked, and the lock the caller's.
    unsafe fn from_locked(folio: ARef<Folio>) -> Self {
        // INVARIANT: By the caller's promise.
        Self(folio)
    }

    /// Unlocks the folio and keeps the reference.
    #[inline]
    pub(crate) fn unlock(self) -> ARef<Folio> {
        let this = ManuallyDrop::new(self);
        // SAFETY: By the type invariants the lock is held. The reference is moved out, and `this`
        // is not used again.
        unsafe {
            bindings::folio_unlock(this.0.as_ptr());
            core::ptr::read(&this.0)
        }
    }

    /// The folio, where `mapping` is that of its page cache, which it then is for as long as it is locked; else unlocks it.
    #[inline]
    pub(super) fn in_cache_of(self, mapping: *mut bindings::address_space) -> Option<LockedFolio> {
        if self.mapping_ptr() == mapping {
            Some(LockedFolio(self))
        } else {
            None
        }
    }

    fn mapping_ptr(&self) -> *mut bindings::address_space {
        // SAFETY: The folio is live, and its lock keeps the mapping as it is.
        unsafe { (*self.0.as_ptr()).__bindgen_anon_1.__bindgen_anon_1.mapping }
    }

    /// The folio leaves all caches but page caches, or had left them: it is for its file to change.
    ///
    /// # Safety
    ///
    /// The folio must be in a page cache, or new, and in no swap cache.
    pub(super) unsafe fn assume_owned(self) -> LockedFolio {
        LockedFolio(self)
    }
}

impl Deref for Locked {
    type Target = Folio;

    fn deref(&self) -> &Folio {
        &self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the lock is held.
        unsafe { bindings::folio_unlock(self.0.as_ptr()) }
    }
}

/// A locked folio of a file, with a reference; dropping it unlocks it.
///
/// # Invariants
///
/// The folio was found in the page cache of a file with its lock held, or is new. While it is locked, it leaves that
/// only by a function of this type.
pub(crate) struct LockedFolio(Locked);

impl LockedFolio {
    /// The lock of a folio that another owner has taken, who has the reference, too.
    ///
    /// # Safety
    ///
    /// The folio must be in a page cache, and locked by the current task for as long as the result is used, which
    /// must not be dropped unless lock and reference are given up.
    pub(crate) unsafe fn borrowed(folio: NonNull<bindings::folio>) -> Self {
        // SAFETY: By the caller's promise; the reference is not given back.
        unsafe { Self(Locked::from_locked(Folio::from_raw(folio))) }
    }

    /// Unlocks the folio and keeps the reference.
    #[inline]
    pub(crate) fn unlock(self) -> ARef<Folio> {
        self.0.unlock()
    }

    pub(super) fn mapping_ptr(&self) -> *mut bindings::address_space {
        self.0.mapping_ptr()
    }

    /// The index of the first page in the file.
    pub(crate) fn index(&self) -> PageIndex {
        // SAFETY: The folio is live, and its lock keeps the index as it is.
        PageIndex::from_pgoff(unsafe {
            (*self.0.as_ptr())
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_2
                .index
        })
    }

    /// Behind the index of the last page in the file.
    pub(crate) fn end(&self) -> PageIndex {
        self.index().saturating_add(self.nr_pages())
    }

    /// Its pages in the file.
    pub(crate) fn pages(&self) -> PageRange {
        PageRange::new(self.index(), self.end())
    }

    /// Frees the bytes of the file from `start` to before `end`, or to the last where that is
    /// `None`, as far as they are in the folio: zeros them and splits a large folio, so that the
    /// pages that are free can be taken out. May sleep. Has no effect on a folio that has none of
    /// them or is in no page cache.
    ///
    /// False where a large folio could not be split and stays.
    pub(crate) fn cut_out(&mut self, start: Pos, end: Option<Pos>) -> bool {
        // The last page of the largest file ends behind the last position, where no file has a byte.
        let pos = self.index().start_or_max();
        let folio_end = self.end().start_or_max();
        if start >= folio_end || end.is_some_and(|end| end <= start.max(pos)) {
            return true;
        }
        if self.mapping_ptr().is_null() {
            return true;
        }
        // Where there is nothing to be zeroed, as the bytes are those of pages.
        let is_of_pages = |pos: Pos| pos.page() == pos.page_end();
        if self.is_large()
            && self.order() <= LARGEST_IN_PAGES
            && is_of_pages(start)
            && end.is_none_or(is_of_pages)
            && self.split()
        {
            return true;
        }
        // A clean folio that cannot be split would be dropped with all its contents.
        self.mark_dirty();
        let last = end.and_then(Pos::before).map_or(-1, Pos::to_loff);
        // SAFETY: The folio is live, locked, and in a page cache, out of which no other task takes it;
        // it has some of the bytes, so that `start` is below its end, as it is within the largest file.
        unsafe { bindings::truncate_inode_partial_folio(self.0.as_ptr(), start.to_loff(), last) }
    }

    /// Splits a large folio into pages; those beyond the end of the file leave the page cache. False
    /// where another task uses it. May sleep.
    pub(crate) fn split(&mut self) -> bool {
        self.split_to(Order::ZERO)
    }

    /// Splits a folio that is larger than `order` into such of that order, as [`LockedFolio::split`] does; the first of
    /// them is the one that is locked.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    pub(crate) fn split_to(&mut self, order: Order) -> bool {
        if self.order() <= order {
            return true;
        }
        // SAFETY: The folio is live, locked and larger than `order`, and stays locked in its first page.
        unsafe { huge::split(self.0.as_ptr(), core::ptr::null_mut(), order) }
    }

    /// There are no large folios.
    #[cfg(not(CONFIG_TRANSPARENT_HUGEPAGE))]
    pub(crate) fn split_to(&mut self, _order: Order) -> bool {
        true
    }

    /// The contents are valid from now on; orders them before.
    pub(crate) fn mark_uptodate(&mut self) {
        // SAFETY: The folio is live and locked.
        unsafe { bindings::folio_mark_uptodate(self.0.as_ptr()) }
    }

    /// The contents must not be dropped by reclaim.
    pub(crate) fn mark_dirty(&mut self) {
        let folio = self.0.as_ptr();
        // A folio that is dirty already may still be marked as one that reclaim is to free next.
        // SAFETY: The folio is live and locked.
        unsafe {
            if !bindings::folio_test_dirty(folio) || bindings::folio_test_reclaim(folio) {
                bindings::folio_mark_dirty(folio);
            }
        }
    }

    /// Reclaim shall find the folio used once.
    pub(crate) fn set_referenced(&mut self) {
        // SAFETY: The folio is live.
        unsafe { bindings::folio_set_referenced(self.0.as_ptr()) }
    }

    /// Zeros what is of `pages` in it, but for the `bytes` bytes from byte `pos` of the file on.
    ///
    /// # Examples
    ///
    /// ```
    /// use crate::mm::LockedFolio;
    /// use crate::units::{Len, Pos};
    /// use kernel::iov::IovIterSource;
    ///
    /// // A write into a folio that no task has written yet, and whose memory may have anything in it.
    /// fn fill(folio: &mut LockedFolio, pos: Pos, from: &mut IovIterSource<'_>) -> Len {
    ///     let copied = folio.copy_from_iter(pos, Len::PAGE, from);
    ///     if !folio.is_uptodate() {
    ///         folio.zero_around(&folio.pages(), pos, copied);
    ///         folio.mark_uptodate();
    ///     }
    ///     folio.mark_dirty();
    ///     copied
    /// }
    /// ```
    pub(crate) fn zero_around(&mut self, pages: &PageRange, pos: Pos, bytes: Len) {
        let pages = pages.clip(&self.pages());
        let from = self.index().distance_to(pages.start);
        let to = self.index().distance_to(pages.end);
        let folio = self.index().start_or_max();
        let offset = |pos: Pos| folio.distance_to(pos).max(from.bytes()).min(to.bytes());
        let (start, end) = (offset(pos), offset(pos.saturating_add(bytes)));
        // The pages that are wholly before, those that are not, and those that are wholly behind.
        let (first, last) = (start.pages(), end.pages_needed());
        self.zero_pages(from, first);
        if first.bytes() < start || end < last.bytes() {
            // SAFETY: The folio is live and locked, and the ranges are within it.
            unsafe {
                bindings::folio_zero_segments(
                    self.0.as_ptr(),
                    first.bytes().to_usize(),
                    start.to_usize(),
                    end.to_usize(),
                    last.bytes().to_usize(),
                )
            }
        }
        self.zero_pages(last.max(first), to);
    }

    /// Zeros the pages of the folio from `start` to before `end`, faster than bytes.
    fn zero_pages(&mut self, start: PageCount, end: PageCount) {
        for page in start.to_ulong()..end.min(self.nr_pages()).to_ulong() {
            // SAFETY: The folio is live and locked, and has that page.
            unsafe { bindings::clear_highpage(bindings::folio_page(self.0.as_ptr(), page)) }
        }
    }

    /// Zeros the whole folio.
    pub(crate) fn zero(&mut self) {
        self.zero_pages(PageCount::ZERO, self.nr_pages());
        self.flush_dcache();
    }

    /// Makes the folio valid, of which only what it has of the pages `filled` was written: zeros the rest.
    pub(crate) fn make_valid(&mut self, filled: &PageRange) {
        let pages = self.pages();
        let filled = filled.clip(&pages);
        self.zero_around(&pages, filled.start.start_or_max(), filled.len().bytes());
        self.flush_dcache();
        self.mark_uptodate();
    }

    /// Copies `bytes` bytes, at most to the end of the folio, to where byte `pos` of the file is in it,
    /// and moves the iterator on; returns how many could be copied without a page fault.
    pub(crate) fn copy_from_iter(
        &mut self,
        pos: Pos,
        bytes: Len,
        from: &mut IovIterSource<'_>,
    ) -> Len {
        let order = self.order();
        // SAFETY: The folio is live and locked and the range within it; the iterator is the same
        // structure in both sets of bindings.
        Len::new(unsafe {
            bindings::copy_folio_from_iter_atomic(
                self.0.as_ptr(),
                pos.offset_in(order).to_usize(),
                bytes.min(pos.left_in(order)).to_usize(),
                from.as_raw().cast(),
            )
        })
    }

    /// As [`LockedFolio::copy_from_iter`], but where not all of it can be copied nothing is gone of the iterator: the
    /// folio has some of it then, and must not be shown. Returns whether all was copied.
    pub(crate) fn copy_all_from_iter(
        &mut self,
        pos: Pos,
        bytes: Len,
        from: &mut IovIterSource<'_>,
    ) -> bool {
        let copied = self.copy_from_iter(pos, bytes, from);
        if copied < bytes {
            // SAFETY: The iterator was just moved on by as many bytes.
            unsafe { from.revert(copied.to_usize()) };
        }
        copied == bytes
    }

    /// Takes the folio out of the page cache it is in and out of user mappings, as
    /// `truncate_inode_folio()`. May sleep.
    pub(crate) fn remove_from_cache(self) {
        let mapping = self.mapping_ptr();
        if !mapping.is_null() {
            // SAFETY: The folio is locked and in the page cache of this mapping, which holds a reference.
            unsafe { bindings::truncate_inode_folio(mapping, self.0.as_ptr()) };
        }
    }

    /// The folio with its lock and its reference, for a C function that takes both over.
    pub(crate) fn into_raw(self) -> *mut bindings::folio {
        let folio = self.0.as_ptr();
        core::mem::forget(self);
        folio
    }
}

impl Deref for LockedFolio {
    type Target = Folio;

    fn deref(&self) -> &Folio {
        &self.0
    }
}

/// A folio that is in no page cache yet: swap-backed, locked and charged.
///
/// Dropping it frees it.
pub(crate) struct NewFolio(LockedFolio);

impl NewFolio {
    /// Allocates a single page with `flags` where `placement` says, and charges it to
    /// `owner`'s memory cgroup. May sleep.
    ///
    /// Fails with `ENOMEM`.
    #[inline(always)]
    pub(crate) fn new(
        flags: GfpFlags,
        owner: MemoryOwner<'_>,
        placement: &Placement<'_>,
    ) -> Result<Self> {
        Self::allocate(flags, Order::ZERO, placement)
            .ok_or(ENOMEM)?
            .charge(owner, flags)
    }

    /// Allocates a folio of `order` where `placement` says, with as much of `effort` as `flags` allow,
    /// and counts it where there is none, as for an order above [`huge::MAX_ORDER`]. May sleep. It is
    /// not charged yet, see [`UnchargedFolio::charge_to`].
    pub(crate) fn large(
        flags: GfpFlags,
        order: Order,
        effort: Effort,
        placement: &Placement<'_>,
    ) -> Option<UnchargedFolio> {
        let flags = effort.within(flags);
        let allocated = if order <= huge::MAX_ORDER {
            Self::allocate(flags, order, placement)
        } else {
            None
        };
        let Some(folio) = allocated else {
            huge::count_not_allocated(order);
            return None;
        };
        Some(UnchargedFolio { folio, flags })
    }

    pub(super) fn allocate(
        flags: GfpFlags,
        order: Order,
        placement: &Placement<'_>,
    ) -> Option<Self> {
        // SAFETY: Allocates; the policy is live.
        let folio = unsafe {
            bindings::folio_alloc_mpol(
                flags.as_raw(),
                order.to_uint(),
                placement.policy(),
                placement.turn(),
                bindings::numa_node_id(),
            )
        };
        let folio = NonNull::new(folio)?;
        // SAFETY: The folio is new, and no other task knows it.
        unsafe {
            bindings::folio_set_locked(folio.as_ptr());
            bindings::folio_set_swapbacked(folio.as_ptr());
            Some(Self(
                Locked::from_locked(Folio::from_raw(folio)).assume_owned(),
            ))
        }
    }

    pub(super) fn charge(self, owner: MemoryOwner<'_>, flags: GfpFlags) -> Result<Self> {
        self.charge_with(owner, flags.effort())
    }

    /// Charges the folio to `owner`'s memory cgroup, at once and whatever the limit is: for a folio in whose place
    /// another is freed right after. Does not sleep.
    #[cfg(CONFIG_SWAP)]
    pub(super) fn charge_beyond_limit(self, owner: MemoryOwner<'_>) -> Result<Self> {
        // A charge that may not wait for reclaim, and is urgent, is let through.
        self.charge_with(owner, bindings::__GFP_HIGH)
    }

    fn charge_with(self, owner: MemoryOwner<'_>, effort: bindings::gfp_t) -> Result<Self> {
        // SAFETY: The folio is new, and the owner live.
        match unsafe { bindings::mem_cgroup_charge(self.as_ptr(), owner.as_ptr(), effort) } {
            0 => Ok(self),
            error => Err(Error::from_errno(error)),
        }
    }

    /// The folio with its reference and without its lock, for a C function that takes it over and knows single pages
    /// only. Null where it has more; then it is freed.
    #[cfg(CONFIG_USERFAULTFD)]
    pub(crate) fn into_unlocked(self) -> *mut bindings::folio {
        if self.0.is_large() {
            return core::ptr::null_mut();
        }
        ARef::into_raw(self.0.unlock()).as_ptr().cast()
    }

    /// Locks a folio that [`NewFolio::into_unlocked`] has given away, and takes another reference.
    ///
    /// # Safety
    ///
    /// The folio must be in no page cache and not locked, and the caller must be its only user.
    #[cfg(CONFIG_USERFAULTFD)]
    pub(crate) unsafe fn from_unlocked(folio: NonNull<bindings::folio>) -> Self {
        // SAFETY: By the caller's promise.
        unsafe {
            bindings::folio_ref_add(folio.as_ptr(), 1);
            bindings::folio_set_locked(folio.as_ptr());
            Self(Locked::from_locked(Folio::from_raw(folio)).assume_owned())
        }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::folio {
        self.0.as_ptr()
    }

    /// The folio, to be filled.
    #[cfg(CONFIG_SWAP)]
    pub(super) fn locked(&mut self) -> &mut LockedFolio {
        &mut self.0
    }

    /// The folio has been added to a page cache.
    pub(super) fn into_locked(self) -> LockedFolio {
        self.0
    }
}

/// A large folio that is charged to no memory cgroup yet.
pub(crate) struct UnchargedFolio {
    folio: NewFolio,
    flags: GfpFlags,
}

impl UnchargedFolio {
    /// Charges the folio to `owner`'s memory cgroup. May sleep.
    ///
    /// Fails with `ENOMEM`; then frees the folio.
    pub(crate) fn charge_to(self, owner: MemoryOwner<'_>) -> Result<NewFolio> {
        self.folio.charge(owner, self.flags)
    }
}
