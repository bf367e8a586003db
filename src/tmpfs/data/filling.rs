// SPDX-License-Identifier: GPL-2.0

//! Filling a large folio that was allocated in advance, by one write(2) after another.
//!
//! The folio is to look like single pages, so that a write makes valid only what it writes; and yet it need not be taken
//! apart for that. The inode notes which of its pages are filled, from the first one on, until all are, and the folio is
//! valid. A file has one such note, which is enough for writes that follow each other; another write takes its folio
//! apart.
//!
//! So a folio that is not valid may have contents, and what finds one asks here, with its lock held. Only a write makes a
//! note, or makes it longer, with the lock of the folio held, too. The note stays where the folio is split, and where pages
//! of it become valid by other ways, go to swap or are taken out: a page in it has contents, or is not in the file. Hence it
//! must not be there for a page that was just added. fallocate(2), which adds pages that are not valid, takes it back
//! first, if any folio that it may add could have one of its pages; any other new folio stays locked until it is valid, for
//! a task that does not ask.
//!
//! A read copies what is filled as it is: two tasks that use a folio at once keep each other from splitting it.
//!
//! To mincore(2) a mapping shows which folios are valid, so that nothing is filled while there is a mapping. A write that
//! has found none while one is being made is not seen there until its page is used.
//!
//! Lock order: folio locks, one at a time.

use super::fitting;
use super::orders;
use super::purpose::Purpose;
use crate::mm::{huge, Folio, LockedFolio, Slot};
use crate::tmpfs::state::inode::TmpfsInode;
use crate::units::{Len, Order, PageIndex, PageRange, Pos};
use kernel::sync::aref::ARef;

/// What `folio`, which has page `index`, is to be split into for `purpose`, if that can be; `None` where it is used as it
/// is. One that is filled becomes valid. Does not sleep.
#[inline(never)]
pub(super) fn part(
    inode: &TmpfsInode,
    folio: &mut LockedFolio,
    index: PageIndex,
    purpose: &Purpose<'_>,
) -> Option<Order> {
    if !folio.is_uptodate() && inode.data().filled().contains_all(&folio.pages()) {
        folio.mark_uptodate();
    }
    if folio.is_uptodate() && !purpose.shows_beyond_eof(inode, folio) {
        return None;
    }
    let part = fitting::part(inode, folio, index, purpose);
    (part < folio.order()).then_some(part)
}

/// Whether a write at page `index` may fill `folio`, which has that page: it begins to, or goes on with that. What it writes is
/// noted by [`note`], with the folio locked all the time.
#[inline(always)]
pub(super) fn may_fill(inode: &TmpfsInode, folio: &LockedFolio, index: PageIndex) -> bool {
    let (filled, pages) = (inode.data().filled(), folio.pages());
    let follows = if filled.is_empty() {
        index == pages.start
    } else {
        // It may be about another one.
        pages.contains_all(&filled) && is_at(&filled, index)
    };
    follows && !folio.is_uptodate() && orders::is_fitting(inode) && !inode.mapping().is_mapped()
}

/// Whether a write at page `index` goes on with what is `filled`.
#[inline(always)]
fn is_at(filled: &PageRange, index: PageIndex) -> bool {
    filled.start <= index && index <= filled.end
}

/// Notes that `bytes` bytes of `folio` were written at `pos`, which [`may_fill`] has allowed. What else their pages have is
/// zeroed if it was not filled before. The page at `pos` is filled even where nothing could be copied, as a page of tmpfs
/// is. The folio becomes valid with its last page. `i_rwsem` is held.
#[inline(always)]
pub(super) fn note(inode: &TmpfsInode, folio: &mut LockedFolio, pos: Pos, bytes: Len) {
    let before = inode.data().filled();
    let (start, next) = if before.is_empty() {
        (folio.index(), folio.index())
    } else {
        (before.start, before.end)
    };
    let after = pos.saturating_add(bytes);
    let is_of_page = |pos: Pos| pos.offset_in(Order::ZERO).is_zero();
    let end = if !bytes.is_zero() && is_of_page(pos) && is_of_page(after) {
        after.page()
    } else {
        fill_up(folio, next, pos, bytes)
    };
    let filled = PageRange::new(start, end.max(next));
    if filled.len() == folio.nr_pages() {
        folio.mark_uptodate();
        inode.data().forget_filled();
    } else if !inode.data().note_filled(&filled) {
        folio.make_valid(&filled);
    }
}

/// Zeros what the pages with `bytes` bytes at `pos`, one at least, have besides, but for those before page `next`. Returns
/// the end of them.
#[cold]
fn fill_up(folio: &mut LockedFolio, next: PageIndex, pos: Pos, bytes: Len) -> PageIndex {
    let end = pos.saturating_add(bytes).page_end().max(pos.page().next());
    if end > next {
        folio.zero_around(&PageRange::new(next, end), pos, bytes);
    }
    end
}

/// Whether page `index`, whose folio is locked and not valid, has contents all the same.
pub(super) fn has_contents(inode: &TmpfsInode, index: PageIndex) -> bool {
    inode.data().filled().contains(index)
}

/// How many bytes from `pos` on have contents where the folio, which is locked, is not valid.
pub(super) fn contents_at(inode: &TmpfsInode, pos: Pos) -> Len {
    let filled = inode.data().filled();
    if filled.contains(pos.page()) {
        pos.distance_to(filled.end.start_or_max())
    } else {
        Len::ZERO
    }
}

/// Makes `folio` valid, which is not new: zeros what is not filled. Does not sleep.
pub(super) fn make_valid(inode: &TmpfsInode, folio: &mut LockedFolio) {
    folio.make_valid(&inode.data().filled());
}

/// Makes `folio` valid as [`make_valid`] does if any of it is filled. Does not sleep.
pub(super) fn make_valid_if_begun(inode: &TmpfsInode, folio: &mut LockedFolio) {
    if !folio.is_uptodate() {
        let filled = inode.data().filled();
        if !filled.clip(&folio.pages()).is_empty() {
            folio.make_valid(&filled);
        }
    }
}

/// Makes `folio` valid for a task that needs a page of it, but not what other pages of it have if they are to look like
/// single ones. False where it was split for that: look again. May sleep.
pub(super) fn make_page_valid(inode: &TmpfsInode, folio: &mut LockedFolio) -> bool {
    if !inode.data().filled().contains_all(&folio.pages())
        && orders::must_look_single(inode, folio)
        && fitting::take_apart(folio, Order::ZERO)
    {
        return false;
    }
    make_valid(inode, folio);
    true
}

/// What is to be written from page `index` on does not go on with what is filled, which therefore is [settled](settle).
/// `i_rwsem` is held.
#[inline]
pub(super) fn settle_unless_at(inode: &TmpfsInode, index: PageIndex) {
    if inode.data().has_filled() && !is_at(&inode.data().filled(), index) {
        settle(inode);
    }
}

/// [Settles](settle) what is filled if it is where a folio with a page of `range` may have pages. `i_rwsem` is held.
pub(super) fn settle_near(inode: &TmpfsInode, range: &PageRange) {
    if is_near(inode, range) {
        settle(inode);
    }
}

/// Whether some of what is filled may be left of a folio when the pages of `range` are truncated. It is to be valid before:
/// what truncation holds at its edges cannot be split then.
#[inline]
pub(super) fn is_cut_by(inode: &TmpfsInode, range: &PageRange) -> bool {
    is_near(inode, range) && !range.contains_all(&inode.data().filled())
}

/// Whether what is filled is in the largest folio that a page of `range` could be in.
#[inline]
fn is_near(inode: &TmpfsInode, range: &PageRange) -> bool {
    inode.data().has_filled() && {
        let folio = inode.data().filled().start.folio(huge::MAX_ORDER);
        !folio.clip(range).is_empty()
    }
}

/// Makes what is filled of a folio valid, and takes the note back. May sleep; `i_rwsem` is held, and no folio locked.
pub(super) fn settle(inode: &TmpfsInode) {
    show(inode);
    inode.data().forget_filled();
}

/// Makes what is filled of a folio valid. May sleep; no folio may be locked.
#[inline]
pub(super) fn show(inode: &TmpfsInode) {
    if inode.data().has_filled() {
        show_pages(inode, &inode.data().filled());
    }
}

#[cold]
fn show_pages(inode: &TmpfsInode, filled: &PageRange) {
    let mut next = filled.start;
    // Each round goes on behind what it has found, unless it has split that, which it does twice at most, or another task
    // has just taken it out of the file or moved it.
    while next < filled.end {
        next = match inode.mapping().get(next) {
            Slot::Folio(folio) if !folio.is_uptodate() => {
                show_folio(inode, folio, next).unwrap_or(next)
            }
            // Pieces of it would be valid, too.
            Slot::Folio(folio) => next.folio(folio.order()).end,
            _ => next.next(),
        };
    }
}

/// Makes a folio valid that has page `index`, if that is filled, and returns its end. `None` where something else is in its
/// place.
fn show_folio(inode: &TmpfsInode, folio: ARef<Folio>, index: PageIndex) -> Option<PageIndex> {
    let mut folio = Folio::lock(folio).belongs_to(inode.mapping())?;
    let is_done =
        folio.is_uptodate() || !has_contents(inode, index) || make_page_valid(inode, &mut folio);
    is_done.then(|| folio.end())
}
