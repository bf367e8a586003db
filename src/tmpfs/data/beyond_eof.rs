// SPDX-License-Identifier: GPL-2.0

//! Giving back what a large folio has beyond the end of its file.
//!
//! Such a folio is split where memory or blocks are short. Each mount keeps a list of inodes that had
//! one when it was made; whether they still do shows when they are looked at.
//!
//! What `shmem_unused_huge_shrink()` does for tmpfs.
//!
//! Lock order: a folio lock, which is tried only, since a task that runs out of memory may hold others.
//! The lock of the list is not held meanwhile.

use super::orders;
use crate::mm::memcg::Shortage;
use crate::mm::{huge, task, Folio, LockedFolio, Slot};
use crate::tmpfs::pure::folio_orders;
use crate::tmpfs::pure::huge_policy::HugePolicy;
use crate::tmpfs::state::inode::{self, TmpfsInode};
use crate::tmpfs::state::Tmpfs;
use crate::units::{PageCount, Pos};
use crate::vfs::SuperBlock;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// How many inodes a search for blocks looks at where those are what the mount was asked for, and not this file's doing.
const OBJECTS: usize = 128;

/// What became of an inode that was looked at.
enum Outcome {
    /// There is nothing to give back.
    Nothing,
    /// These pages were given back.
    GivenBack(PageCount),
    /// Another task uses the folio.
    Busy,
    /// It keeps none of the memory that is short.
    OfOthers,
}

/// A folio was added to `inode`, for a call that is about to go on to before byte `end`, which may be larger than the
/// file needs. Does not sleep.
pub(super) fn note(inode: &TmpfsInode, folio: &LockedFolio, end: Pos) {
    if inode.size().max(end).page_end() < folio.end() {
        list(inode);
        inode.sb().note_cached(folio);
    }
}

/// There is, or may be, something to give back. Another task that has just found nothing may have taken `inode` from
/// the list. Does not sleep.
#[cold]
pub(super) fn look_later(inode: &TmpfsInode) {
    list(inode);
    if let Some(folio) = last_folio(inode) {
        inode.sb().note_cached(&folio);
    }
}

fn list(inode: &TmpfsInode) {
    if inode.data().note_beyond_eof() {
        inode.list_cached();
        inode.sb().data().note_beyond_eof();
    }
}

/// Gives back what a folio of `inode` has beyond the end of the file, where that is to have no more pages than single
/// ones would be: what was made for a file that grows is not to be seen, nor to stay when the writes are over. May
/// sleep.
#[inline]
pub(in crate::tmpfs) fn trim(inode: &TmpfsInode) {
    if inode.data().may_be_beyond_eof() && orders::is_fitting(inode) {
        split_noted(inode, &Shortage::OF_ALL);
    }
}

/// Gives back `pages` pages of the mount of `inode`, if there are as many. May sleep, but waits for no other task.
pub(super) fn give_back_pages(inode: &TmpfsInode, pages: PageCount) {
    let objects = if orders::is_fitting(inode) {
        usize::MAX
    } else {
        OBJECTS
    };
    walk(inode.sb(), &Shortage::OF_ALL, objects, pages);
}

/// Gives back what [`trim`] would of each file, so that what a mount has free is what single pages would leave. May
/// sleep, but waits for no other task.
pub(in crate::tmpfs) fn trim_all(sb: &SuperBlock<Tmpfs>) {
    let info = sb.data();
    if huge::IS_BUILT_IN && info.huge() == HugePolicy::Fit && info.take_beyond_eof() {
        walk(sb, &Shortage::OF_ALL, usize::MAX, PageCount::MAX);
        if task::fatal_signal_pending() {
            // The walk may not have come to the end.
            info.note_beyond_eof();
        }
    }
}

/// Looks at `objects` inodes at most, and at those that keep nothing of what is short; returns how many folios were
/// split. May sleep, but waits for no other task.
pub(in crate::tmpfs) fn shrink(
    sb: &SuperBlock<Tmpfs>,
    shortage: &Shortage<'_>,
    objects: usize,
) -> usize {
    walk(sb, shortage, objects, PageCount::MAX)
}

/// Looks at inodes as [`shrink`] does, the ones that were noted last first, until `pages` pages are given back or the task
/// is killed.
fn walk(
    sb: &SuperBlock<Tmpfs>,
    shortage: &Shortage<'_>,
    objects: usize,
    pages: PageCount,
) -> usize {
    let mut left = objects;
    let mut given_back = PageCount::ZERO;
    let mut split = 0usize;
    let result = sb.cached().for_each(
        |inode| inode.data().may_be_beyond_eof(),
        |inode| {
            if left == 0 || given_back >= pages || task::fatal_signal_pending() {
                // Enough: an error ends the walk.
                return Err(EAGAIN);
            }
            match split_noted(inode, shortage) {
                Outcome::OfOthers => return Ok(()),
                Outcome::GivenBack(n) => {
                    given_back = given_back.saturating_add(n);
                    split = split.saturating_add(1);
                }
                Outcome::Busy | Outcome::Nothing => {}
            }
            left = left.saturating_sub(1);
            Ok(())
        },
    );
    debug_assert!(matches!(result, Ok(()) | Err(EAGAIN)));
    split
}

/// Splits the folio that the note of an inode is about, where that gives back what is short, and takes the note back. It
/// stays where it does not, where another task is using the folio, or has noted something meanwhile: a fault at the same
/// time is to know of it.
#[cold]
fn split_noted(inode: &TmpfsInode, shortage: &Shortage<'_>) -> Outcome {
    let Some(note) = inode.data().beyond_eof() else {
        return Outcome::Nothing;
    };
    let outcome = split_last(inode, shortage);
    if matches!(outcome, Outcome::Busy | Outcome::OfOthers) || !inode.data().take_back(note) {
        // What is still noted is looked at again, and the list has it still.
        inode.sb().data().note_beyond_eof();
    }
    outcome
}

/// The folio at the end of a file, or beyond, that would have something to give back. Does not sleep.
fn last_folio(inode: &TmpfsInode) -> Option<ARef<Folio>> {
    let at = if orders::is_fitting(inode) {
        // A folio that reaches beyond has this page. So has one that is being made behind an end which a write is about
        // to move, and which its lock shows.
        inode::end_asked_for(inode)
    } else {
        inode.size().page()
    };
    match inode.mapping().get(at) {
        Slot::Folio(folio) if !folio.order().is_zero() => Some(folio),
        _ => None,
    }
}

/// Splits the folio at the end of a file, where that gives something back of what is short.
fn split_last(inode: &TmpfsInode, shortage: &Shortage<'_>) -> Outcome {
    let Some(folio) = last_folio(inode) else {
        return Outcome::Nothing;
    };
    if !shortage.is_of(&folio) {
        return Outcome::OfOthers;
    }
    let Some(folio) = Folio::try_lock(folio) else {
        return Outcome::Busy;
    };
    // Another one may be in its place by now.
    let Some(mut folio) = folio.belongs_to(inode.mapping()) else {
        return Outcome::Busy;
    };
    match folio_orders::pages_beyond(folio.pages(), inode::end_asked_for(inode)) {
        PageCount::ZERO => Outcome::Nothing,
        _ if inode.data().is_growing() => Outcome::Busy,
        pages if folio.split() => Outcome::GivenBack(pages),
        _ => Outcome::Busy,
    }
}
