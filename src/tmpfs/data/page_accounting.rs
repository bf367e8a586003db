// SPDX-License-Identifier: GPL-2.0

//! The pages of a file: what they count against, and how many there are.
//!
//! A page counts against the overcommit policy, unless the whole size of its file does (see
//! [`mod@super::whole_size`]), against the mount's blocks and against the quota of
//! the file's owners, is in `i_blocks`, and in the file's own counts. Reclaim drops clean pages
//! without telling; each change of the counts notices and gives them back. At every quiet moment
//! `alloced == nrpages + swapped + counted_only`. While a page changes between page cache and swap it may
//! be counted in both, never in none. A new page is in the page cache before it counts, with its folio
//! locked: a task that finds no room for one that another task has just added finds that one.
//!
//! [`recalc`] is `shmem_recalc_inode()`, and gives back what reclaim has dropped; [`reserve`] is
//! `shmem_inode_acct_blocks()`.
//!
//! `i_lock` is taken when the lock of the counts is released, and quota, which may sleep, is asked
//! before that is taken or after.

use crate::mm::commit::{uncommit, Commitment};
use crate::mm::removal::Removed;
use crate::tmpfs::pure::limits::Reservation;
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::mount::SpaceCounter;
use crate::tmpfs::state::page_counts::{self, Counts};
use crate::tmpfs::state::quota::SpaceCharge;
use crate::tmpfs::state::Tmpfs;
use crate::units::{Len, PageCount};
use crate::vfs::InodeCore;
use kernel::prelude::*;

/// Pages that count against the limits and are not yet used; dropping it returns them.
pub(in crate::tmpfs) struct SpaceReservation<'a> {
    commitment: Commitment,
    blocks: Reservation<'a, SpaceCounter<'a>>,
    /// The pages in `i_blocks`, where the mount has quota: both change at once.
    charge: Option<SpaceCharge<'a>>,
    pages: PageCount,
}

/// Reserves `pages` pages for a file. Sleeps only where the mount has quota.
///
/// Fails with `ENOSPC` where the mount's limit or the overcommit policy forbids it, and with `EDQUOT`
/// where the quota of the file's owners does.
#[inline]
pub(in crate::tmpfs) fn reserve(
    inode: &TmpfsInode,
    pages: PageCount,
) -> Result<SpaceReservation<'_>> {
    match try_reserve(inode, pages) {
        Ok(reservation) => Ok(reservation),
        Err(_) => reserve_again(inode, pages),
    }
}

/// Pages that reclaim has dropped may be the ones that are missing.
#[cold]
fn reserve_again(inode: &TmpfsInode, pages: PageCount) -> Result<SpaceReservation<'_>> {
    recalc(inode);
    try_reserve(inode, pages)
}

#[inline(always)]
fn try_reserve(inode: &InodeCore<Tmpfs>, pages: PageCount) -> Result<SpaceReservation<'_>> {
    Ok(SpaceReservation {
        commitment: if inode.commits_whole_size() {
            Commitment::NONE
        } else {
            Commitment::new(pages).map_err(|_| ENOSPC)?
        },
        blocks: inode
            .sb()
            .data()
            .blocks()
            .reserve(pages.to_u64())
            .ok_or(ENOSPC)?,
        charge: match inode.sb().data().quota() {
            Some(quota) => Some(quota.charge_space(inode, pages.bytes())?),
            None => None,
        },
        pages,
    })
}

/// Counts the `pages` pages of a folio that was just put into the page cache of `inode` and is locked
/// still. Sleeps only where the mount has quota.
///
/// Fails as [`reserve`] does, also where the limits forbid it only because of pages that
/// [`crate::tmpfs::data::beyond_eof`] could give back; then the folio must be taken out again, and after that
/// [`recalc`] be called: what others counted meanwhile took its pages for counted ones.
#[inline]
pub(in crate::tmpfs) fn count_cached(inode: &TmpfsInode, pages: PageCount) -> Result {
    match try_reserve(inode, pages) {
        Ok(reservation) => {
            reservation.commit(inode);
            Ok(())
        }
        Err(_) => count_cached_again(inode, pages),
    }
}

/// Pages that reclaim has dropped may be the ones that are missing.
#[cold]
fn count_cached_again(inode: &TmpfsInode, pages: PageCount) -> Result {
    // The new ones stand for none of those that were counted. Looked at under the lock: what others add
    // and count meanwhile is no surplus.
    let surplus = page_counts::with(inode, |counts| {
        counts.take_surplus(inode.mapping().nr_pages().saturating_sub(pages))
    });
    release(inode, surplus);
    try_reserve(inode, pages)?.commit(inode);
    Ok(())
}

/// How many pages the mount has room for, whatever else forbids them; a snapshot. Visits all CPUs.
pub(super) fn room(inode: &TmpfsInode) -> PageCount {
    let blocks = inode.sb().data().blocks();
    match blocks.max() {
        0 => PageCount::MAX,
        _ => PageCount::new(blocks.free()),
    }
}

/// Whether the mount has room for `pages` pages, whatever else forbids them; a snapshot.
#[inline]
pub(super) fn has_room(inode: &TmpfsInode, pages: PageCount) -> bool {
    inode.sb().data().blocks().has_room(pages.to_u64())
}

/// Counts `pages` pages for memory of a new inode outside its page cache. Sleeps only where the mount has
/// quota.
///
/// Fails as [`reserve`] does; there is nothing that reclaim could have dropped.
pub(in crate::tmpfs) fn count_only(inode: &InodeCore<Tmpfs>, pages: PageCount) -> Result {
    let reservation = try_reserve(inode, pages)?;
    page_counts::with(inode, |counts| {
        counts.alloced = counts.alloced.saturating_add(pages);
        counts.counted_only = counts.counted_only.saturating_add(pages);
    });
    reservation.commit_all(inode);
    Ok(())
}

impl SpaceReservation<'_> {
    /// The pages are in the page cache of `inode` now.
    ///
    /// What reclaim has dropped meanwhile is given back: else pages that it drops and that come again
    /// would count each time.
    #[inline]
    pub(in crate::tmpfs) fn commit(self, inode: &TmpfsInode) {
        let surplus = page_counts::with(inode, |counts| {
            counts.alloced = counts.alloced.saturating_add(self.pages);
            counts.take_surplus(inode.mapping().nr_pages())
        });
        self.commit_all(inode);
        if !surplus.is_zero() {
            release_dropped(inode, surplus);
        }
    }

    /// The pages are in the counts of `inode`.
    #[inline]
    fn commit_all(self, inode: &InodeCore<Tmpfs>) {
        match self.charge {
            Some(charge) => charge.commit(),
            None => inode.add_bytes(self.pages.bytes()),
        }
        self.commitment.commit();
        self.blocks.commit();
    }
}

/// Gives back what the file no longer uses, because its pages were truncated or dropped by
/// reclaim. Sleeps only where the mount has quota, and never for memory. Not inlined: stat finds that the counts agree.
#[inline(never)]
pub(in crate::tmpfs) fn recalc(inode: &TmpfsInode) {
    recalc_with(inode, |_| {});
}

/// Does what [`recalc`] does where a look at the counts, without their lock, shows that reclaim has dropped
/// pages. A change at the same moment may be missed.
#[inline]
pub(in crate::tmpfs) fn update(inode: &TmpfsInode) {
    if !page_counts::agree(inode, inode.mapping().nr_pages()) {
        recalc(inode);
    }
}

/// Changes the counts, and gives back what the file no longer uses.
#[inline]
fn recalc_with(inode: &TmpfsInode, change: impl FnOnce(&mut Counts)) {
    let surplus = page_counts::with(inode, |counts| {
        change(counts);
        counts.take_surplus(inode.mapping().nr_pages())
    });
    if !surplus.is_zero() {
        release(inode, surplus);
    }
}

/// Gives back pages that reclaim has dropped, which is seldom found out where others are added.
#[cold]
fn release_dropped(inode: &TmpfsInode, pages: PageCount) {
    release(inode, pages);
}

/// Gives back pages that are in the counts of the file no more.
fn release(inode: &TmpfsInode, pages: PageCount) {
    release_bytes(inode, pages.bytes());
    inode.sb().data().blocks().release(pages.to_u64());
    if !inode.commits_whole_size() {
        uncommit(pages);
    }
}

fn release_bytes(inode: &TmpfsInode, bytes: Len) {
    match inode.sb().data().quota() {
        Some(quota) => quota.uncharge_space(inode, bytes),
        None => inode.sub_bytes(bytes),
    }
}

/// Gives back the memory outside the page cache of a file that goes.
pub(in crate::tmpfs) fn release_counted_only(inode: &TmpfsInode) {
    if page_counts::are_zero(inode) {
        return;
    }
    recalc_with(inode, |counts| counts.counted_only = PageCount::ZERO);
}

/// Pages are about to go from the page cache to swap. Gives back what reclaim has dropped; sleeps only
/// where the mount has quota, and never for memory.
pub(super) fn going_to_swap(inode: &TmpfsInode, pages: PageCount) {
    let surplus = page_counts::with(inode, |counts| {
        // Before they count in both places, which would hide as many.
        let surplus = counts.take_surplus(inode.mapping().nr_pages());
        counts.swapped = counts.swapped.saturating_add(pages);
        surplus
    });
    if !surplus.is_zero() {
        release_dropped(inode, surplus);
    }
}

/// Pages have come from swap to the page cache.
pub(super) fn back_from_swap(inode: &TmpfsInode, pages: PageCount) {
    recalc_with(inode, |counts| {
        counts.swapped = counts.swapped.saturating_sub(pages);
    });
}

/// Pages in swap cannot be read back; `poison` marks them so, unless they are there no more. They
/// count until they are truncated. Returns what `poison` does. Sleeps only where the mount has quota, or where `poison` does.
pub(super) fn lose_in_swap(
    inode: &TmpfsInode,
    pages: PageCount,
    poison: impl FnOnce() -> Result,
) -> Result {
    // Counted first, so that truncation finds no mark that does not count.
    page_counts::with(inode, |counts| {
        counts.counted_only = counts.counted_only.saturating_add(pages);
    });
    let lost = poison();
    // Truncation may have taken the mark out by now, for good: then nothing looks for a surplus any more but this.
    recalc_with(inode, |counts| {
        if lost.is_ok() {
            counts.swapped = counts.swapped.saturating_sub(pages);
        } else {
            counts.counted_only = counts.counted_only.saturating_sub(pages);
        }
    });
    lost
}

/// Pages of the file have gone.
pub(super) fn removed(inode: &TmpfsInode, pages: Removed) {
    recalc_with(inode, |counts| {
        counts.swapped = counts.swapped.saturating_sub(pages.swapped);
        counts.counted_only = counts.counted_only.saturating_sub(pages.poisoned);
    });
}

/// Whether the file has any pages, in the page cache or not; a new one is there before it counts.
pub(in crate::tmpfs) fn has_pages(inode: &TmpfsInode) -> bool {
    !page_counts::are_zero(inode) || !inode.mapping().is_empty()
}
