// SPDX-License-Identifier: GPL-2.0

//! Hiding what is stored beyond the end of a file before it grows; see [`mod@super::shown`].
//!
//! Lock order: `i_rwsem`; then folio locks, one at a time.

use super::beyond_eof;
use super::fitting;
use super::lookup::{self, Unwritten};
use super::orders;
use super::shown;
use crate::mm::{huge, LockedFolio};
use crate::tmpfs::state::inode::{self, TmpfsInode};
use crate::tmpfs::state::Tmpfs;
use crate::units::{PageIndex, PageRange, Pos};
use crate::vfs::Exclusive;
use kernel::prelude::*;
use kernel::sync::barrier::{smp_mb, Read};

/// Hides what may have been stored beyond the end of `inode`, before what may move that end to `end`. May sleep.
///
/// Fails with `ENOMEM` where it cannot be brought back from swap, and, when the task is killed, with `EINTR`.
#[inline]
pub(super) fn hide(inode: &Exclusive<'_, Tmpfs>, end: Pos) -> Result {
    if huge::IS_BUILT_IN && may_have_stores(inode) {
        hide_stores(inode, end)
    } else {
        Ok(())
    }
}

/// Whether there may have been stores beyond the end of `inode`. Does not sleep.
#[inline]
fn may_have_stores(inode: &TmpfsInode) -> bool {
    if inode.mapping().is_writably_mapped() && shown::may_be_shown(inode) {
        return true;
    }
    // A mapping that is gone by the look for one has left its note: faults in it are over.
    smp_mb(Read);
    inode.data().is_shown_beyond_eof()
}

/// Zeros what there is beyond the end of the file and may have been stored to, where it is to move to `new_end`.
#[cold]
fn hide_stores(inode: &Exclusive<'_, Tmpfs>, new_end: Pos) -> Result {
    let end = inode.size().page_end();
    // What is stored to the last page stays, as on tmpfs.
    if new_end.page_end() <= end || shows_as_tmpfs(inode, end) {
        return Ok(());
    }
    beyond_eof::trim_own(inode);
    // What is shown from now on is noted again.
    let is_noted = inode.data().take_shown_beyond_eof();
    let behind = if is_noted || inode::end_asked_for(inode) > end {
        // Where the folio was split since, its pages that were asked for are there.
        end_of_largest(end)
    } else {
        shown::end_of_last(inode, end)
    };
    if behind <= end {
        return Ok(());
    }
    inode.mapping().unmap_from(end.start_or_max());
    zero_from(inode, end, behind).inspect_err(|_| inode.data().note_shown_beyond_eof())
}

/// Whether the folio with the last page of `inode`, which has the pages before `end`, shows what is beyond as one of tmpfs:
/// it is another policy's, as those are that a PMD maps.
fn shows_as_tmpfs(inode: &TmpfsInode, end: PageIndex) -> bool {
    !shown::is_of_interest(inode)
        || (!orders::is_fitting(inode)
            && fitting::order_before(inode, end) >= Some(huge::PMD_ORDER))
}

/// The end of the largest folio that there could be with the last page of a file, which has the pages before `end`.
fn end_of_largest(end: PageIndex) -> PageIndex {
    end.before()
        .map_or(end, |last| last.folio(huge::MAX_ORDER).end)
}

/// Zeros the pages from `end`, that of the file, to before page `behind`.
fn zero_from(inode: &TmpfsInode, end: PageIndex, behind: PageIndex) -> Result {
    let mut next = end;
    // Each round goes on behind what it has found, or has split that: then nothing of it is large any more.
    while let Some(index) = inode.mapping().first_in(PageRange::new(next, behind)) {
        next = match lookup::find_locked(inode, index, Unwritten::Leave) {
            Ok(Some(folio)) => zero_folio(inode, folio, end),
            // It has gone, or is lost.
            Ok(None) | Err(EIO) => index.next(),
            Err(e) => return Err(e),
        };
    }
    Ok(())
}

/// Zeros what a folio has from page `end` on, that of the file, or splits it where the file ends in it and it is to look
/// like single pages. Returns the page to go on with. May sleep.
fn zero_folio(inode: &TmpfsInode, mut folio: LockedFolio, end: PageIndex) -> PageIndex {
    let pages = folio.pages();
    // What was not written yet was not mapped either.
    if !folio.is_uptodate() {
        return pages.end;
    }
    if pages.start >= end {
        folio.zero();
    } else if orders::must_look_single(inode, &folio) && folio.split() {
        return end;
    } else {
        let start = pages.start.start_or_max();
        folio.zero_around(&pages, start, start.distance_to(end.start_or_max()));
        folio.flush_dcache();
        // It may be mapped again, or have been since the mappings were taken away.
        shown::note_uncut(inode);
    }
    folio.mark_dirty();
    pages.end
}
