// SPDX-License-Identifier: GPL-2.0

//! What is stored beyond the end of a file, with `huge=fit`, is not to be its contents when it grows.
//!
//! The MM maps folios as a whole. One that reaches beyond the end is mapped so where it cannot be split, as another task
//! uses it; a fault around may map one, too. A folio in use that is cut stays as it is, and pages of it that were pinned
//! before may be stored to. All that is noted, and a task that makes the file larger zeros what is there first:
//! [`mod@super::hiding`].
//!
//! A store that was over before the file began to grow does not escape that. It was made possible by a note before it,
//! with the lock of the folio held; or by a fault around, whose note comes after it, but with the mapping locked, which
//! hence is there until then. So there is a note or a mapping to be seen. What is stored while the file grows may be
//! seen, as if it came later.
//!
//! Lock order: `i_rwsem`; then folio locks, one at a time.

use super::beyond_eof;
use super::fitting;
use super::orders;
use crate::mm::LockedFolio;
use crate::tmpfs::state::inode::{self, TmpfsInode};
use crate::units::PageIndex;

/// `folio` is about to be mapped as a whole for a fault, which has its lock: it is in use, and cannot be split, or the
/// policy is another one by now. Does not sleep.
#[cold]
pub(super) fn note_mapped(inode: &TmpfsInode, folio: &LockedFolio) {
    if is_of_interest(inode) && inode.size().page_end() < folio.end() {
        note(inode);
    }
}

/// A folio of `inode` could not be cut, as it is in use: what was cut off may be mapped with the rest of it, or be pinned.
/// By another policy it shows that, as one of tmpfs does. Does not sleep.
#[cold]
pub(super) fn note_uncut(inode: &TmpfsInode) {
    let end = inode.size().page_end();
    if is_of_interest(inode) && end_of_last(inode, end) > end {
        note(inode);
    }
}

fn note(inode: &TmpfsInode) {
    inode.data().note_shown_beyond_eof();
    beyond_eof::look_later(inode);
}

/// A fault has mapped what is around its page. A folio that was made meanwhile for a file that grows may be among it.
/// Does not sleep.
#[inline]
pub(super) fn note_mapped_around(inode: &TmpfsInode) {
    if may_be_shown(inode) {
        inode.data().note_shown_beyond_eof();
    }
}

/// Whether a folio may have valid pages beyond the end of the file that no mapping is to show, also those that were
/// allocated in advance. Does not sleep.
#[inline]
pub(super) fn may_be_mapped(inode: &TmpfsInode) -> bool {
    may_be_beyond(inode) && orders::is_fitting(inode)
}

/// Whether a mapping may show what is beyond the end of the file and is not to be seen, noted or not: that of a fault around
/// which is still at work leaves its note later. Does not sleep.
#[inline]
pub(super) fn may_be_shown(inode: &TmpfsInode) -> bool {
    may_be_beyond(inode) && is_of_interest(inode)
}

/// Whether a folio may have pages beyond the end of the file, whatever for.
#[inline]
fn may_be_beyond(inode: &TmpfsInode) -> bool {
    inode.data().may_be_beyond_eof() || inode::end_asked_for(inode) > inode.size().page_end()
}

/// Whether the folios of `inode` are to look like single pages, or were when some of them were made.
#[inline]
pub(super) fn is_of_interest(inode: &TmpfsInode) -> bool {
    orders::is_fitting(inode) || inode.data().was_fitted()
}

/// The end of the folio with the last page of `inode`, which has the pages before `end`.
pub(super) fn end_of_last(inode: &TmpfsInode, end: PageIndex) -> PageIndex {
    end.before()
        .zip(fitting::order_before(inode, end))
        .map_or(end, |(last, order)| last.folio(order).end)
}
