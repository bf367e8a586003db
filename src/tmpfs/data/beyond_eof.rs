// SPDX-License-Identifier: GPL-2.0

//! Giving back what a large folio has beyond the end of its file.
//!
//! Such a folio is split where memory or blocks are short. Each mount keeps a list of inodes that had
//! one when it was made; whether they still do shows when they are looked at.
//!
//! What `shmem_unused_huge_shrink()` does for tmpfs.
//!
//! Lock order: `i_rwsem`, then a folio lock. Both are tried only where files of others are looked at, since a task that runs
//! out of memory may hold others. The lock of the list is not held meanwhile.

use super::orders;
use crate::mm::memcg::Shortage;
use crate::mm::{huge, task, Folio, LockedFolio, Slot};
use crate::tmpfs::pure::folio_orders;
use crate::tmpfs::pure::huge_policy::HugePolicy;
use crate::tmpfs::state::inode::{self, TmpfsInode};
use crate::tmpfs::state::Tmpfs;
use crate::units::{PageCount, PageIndex, Pos};
use crate::vfs::{Exclusive, SuperBlock};
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// How many inodes a search for blocks looks at where those are what the mount was asked for, and not this file's doing,
/// or where it comes again.
const OBJECTS: usize = 128;

/// How often a task that needs what it gives back comes to a folio that others use, a millisecond later each time: they may
/// be at a page just now, or have pinned it for ever.
const TURNS: usize = 128;

/// How often it looks in each turn: of those that read without end, one is between two calls at times.
const LOOKS: usize = 8;

/// Of what files folios are split.
enum Of<'a> {
    /// Of any that keep memory which is short.
    Any(&'a Shortage<'a>),
    /// Of any, and those that write are kept out meanwhile, where they are not in it.
    Wanted,
    /// Of one whose `i_rwsem` the caller holds, and which no other task makes larger.
    Own,
}

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
        note_for_group(inode, folio);
    }
}

/// There is, or may be, something to give back. Another task that has just found nothing may have taken `inode` from
/// the list. Does not sleep.
#[cold]
pub(super) fn look_later(inode: &TmpfsInode) {
    list(inode);
    if let Some(folio) = folio_at(inode, place(inode)) {
        note_for_group(inode, &folio);
    }
}

/// The memory cgroup of `folio` is to ask for what there is. By tmpfs's own policies it gets nothing back, as of tmpfs.
fn note_for_group(inode: &TmpfsInode, folio: &Folio) {
    if orders::is_fitting(inode) {
        inode.sb().note_cached(folio);
    }
}

fn list(inode: &TmpfsInode) {
    let is_new = inode.data().note_beyond_eof();
    // The task whose note it is may not have come to that yet.
    inode.list_cached();
    if is_new {
        let info = inode.sb().data();
        info.note_beyond_eof();
        info.set_kept_beyond_eof(false);
    }
}

/// Gives back what a folio of `inode` has beyond the end of the file, where that is to have no more pages than single
/// ones would be: what was made for a file that grows is not to be seen, nor to stay when the writes are over. May
/// sleep.
#[inline]
pub(in crate::tmpfs) fn trim(inode: &TmpfsInode) {
    if inode.data().may_be_beyond_eof() && orders::is_fitting(inode) {
        split_noted(inode, &Of::Any(&Shortage::OF_ALL));
    }
}

/// [`trim`] for a task that has said to make the file larger, which no other task does then. May sleep.
#[inline]
pub(super) fn trim_own(inode: &Exclusive<'_, Tmpfs>) {
    if inode.data().may_be_beyond_eof() && orders::is_fitting(inode) {
        split_noted(inode, &Of::Own);
    }
}

/// [`trim_own`] where what is left becomes a part of the file that is to be a hole. May sleep, and waits a moment for tasks
/// that use the folio.
#[inline]
pub(super) fn trim_for_hole(inode: &Exclusive<'_, Tmpfs>) {
    if inode.data().may_be_beyond_eof() && orders::is_fitting(inode) {
        insist(|| matches!(split_noted(inode, &Of::Own), Outcome::Busy));
    }
}

/// Calls `is_busy` until it says no, the task is killed, or it was often enough; returns whether it was in vain.
#[cold]
fn insist(mut is_busy: impl FnMut() -> bool) -> bool {
    for turn in 0..TURNS {
        if turn > 0 {
            task::sleep_a_moment();
        }
        for _ in 0..LOOKS {
            if !is_busy() || task::fatal_signal_pending() {
                return false;
            }
        }
    }
    true
}

/// Gives back `pages` pages of the mount of `inode`, if there are as many, and then asks whether that `is_enough`. May
/// sleep; waits for no other task, but where it `insists`, a moment for those that use the folios. By tmpfs's own policies
/// it does not, nor where that was in vain and no file has had something to give back since.
pub(super) fn give_back_pages(
    inode: &TmpfsInode,
    pages: PageCount,
    insists: bool,
    mut is_enough: impl FnMut() -> bool,
) {
    let info = inode.sb().data();
    let is_fitting = orders::is_fitting(inode);
    let insists = insists && is_fitting;
    let mut objects = if is_fitting { usize::MAX } else { OBJECTS };
    let of = if insists {
        Of::Wanted
    } else {
        Of::Any(&Shortage::OF_ALL)
    };
    let mut is_busy = || {
        let found = walk(inode.sb(), &of, Which::Last(objects), pages);
        objects = OBJECTS;
        !is_enough() && found.is_busy
    };
    if !insists || info.is_kept_beyond_eof() {
        is_busy();
    } else if insist(is_busy) {
        info.set_kept_beyond_eof(true);
    }
}

/// Gives back what [`trim`] would of each file, so that what a mount has free is what single pages would leave. May
/// sleep, but waits for no other task.
pub(in crate::tmpfs) fn trim_all(sb: &SuperBlock<Tmpfs>) {
    let info = sb.data();
    if fits(sb) && info.take_beyond_eof() {
        walk(
            sb,
            &Of::Any(&Shortage::OF_ALL),
            Which::Last(usize::MAX),
            PageCount::MAX,
        );
        if task::fatal_signal_pending() {
            // The walk may not have come to the end.
            info.note_beyond_eof();
        }
    }
}

fn fits(sb: &SuperBlock<Tmpfs>) -> bool {
    huge::IS_BUILT_IN && sb.data().huge() == HugePolicy::Fit
}

/// How many inodes [`shrink`] could look at; none for a memory cgroup by tmpfs's own policies. Does not sleep.
pub(in crate::tmpfs) fn count(sb: &SuperBlock<Tmpfs>, shortage: &Shortage<'_>) -> usize {
    if shortage.is_of_group() && !fits(sb) {
        return 0;
    }
    sb.cached().len()
}

/// Looks at `objects` inodes at most, the next time at others; returns how many folios were split. May sleep, but waits for
/// no other task.
pub(in crate::tmpfs) fn shrink(
    sb: &SuperBlock<Tmpfs>,
    shortage: &Shortage<'_>,
    objects: usize,
) -> usize {
    walk(
        sb,
        &Of::Any(shortage),
        Which::InTurn(objects),
        PageCount::MAX,
    )
    .folios
}

/// What a walk has come to.
struct Found {
    /// How many folios were split,
    folios: usize,
    /// and what that has given back.
    pages: PageCount,
    /// Whether there was one that another task uses.
    is_busy: bool,
}

/// Which inodes a walk looks at, and at how many at most.
enum Which {
    /// The ones that were noted last first.
    Last(usize),
    /// Others than the last such walk.
    InTurn(usize),
}

/// Looks at inodes until `pages` pages are given back or the task is killed.
fn walk(sb: &SuperBlock<Tmpfs>, of: &Of<'_>, which: Which, pages: PageCount) -> Found {
    let (Which::Last(mut left) | Which::InTurn(mut left)) = which;
    let mut found = Found {
        folios: 0,
        pages: PageCount::ZERO,
        is_busy: false,
    };
    let stays_listed = |inode: &TmpfsInode| inode.data().may_be_beyond_eof();
    let look = |inode: &TmpfsInode| {
        match split_noted(inode, of) {
            Outcome::GivenBack(n) => {
                found.pages = found.pages.saturating_add(n);
                found.folios = found.folios.saturating_add(1);
            }
            Outcome::Busy => found.is_busy = true,
            Outcome::Nothing | Outcome::OfOthers => {}
        }
        left = left.saturating_sub(1);
        if left == 0 || found.pages >= pages || task::fatal_signal_pending() {
            // Enough: an error ends the walk.
            return Err(EAGAIN);
        }
        Ok(())
    };
    let result = match which {
        Which::Last(_) => sb.cached().for_each(stays_listed, look),
        Which::InTurn(_) => sb.cached().for_each_in_turn(stays_listed, look),
    };
    debug_assert!(matches!(result, Ok(()) | Err(EAGAIN)));
    found
}

/// Splits the folio that the note of an inode is about, where that is asked for, and takes the note back. It stays where it
/// is not, where another task is using the folio, or has noted something meanwhile: a fault at the same time is to know of
/// it.
#[cold]
fn split_noted(inode: &TmpfsInode, of: &Of<'_>) -> Outcome {
    let Some(note) = inode.data().beyond_eof() else {
        return Outcome::Nothing;
    };
    let outcome = split_last(inode, of);
    if matches!(outcome, Outcome::Busy | Outcome::OfOthers) || !inode.data().take_back(note) {
        // What is still noted is looked at again, and the list has it still.
        inode.sb().data().note_beyond_eof();
    }
    outcome
}

fn folio_at(inode: &TmpfsInode, index: PageIndex) -> Option<ARef<Folio>> {
    match inode.mapping().get(index) {
        Slot::Folio(folio) => Some(folio),
        _ => None,
    }
}

/// The page at which a folio is that would have something to give back. Does not sleep.
fn place(inode: &TmpfsInode) -> PageIndex {
    if orders::is_fitting(inode) {
        // A folio that reaches beyond has this page. So has one that is being made behind an end which a write is about
        // to move, and which its lock shows.
        inode::end_asked_for(inode)
    } else {
        inode.size().page()
    }
}

/// Splits the folio at the end of a file, where that gives something back, and is asked for.
fn split_last(inode: &TmpfsInode, of: &Of<'_>) -> Outcome {
    let at = place(inode);
    // A task that waits for the lock of the folio uses it, too.
    let _quiet = match of {
        Of::Wanted => inode.try_keep_writers_out(),
        Of::Any(_) | Of::Own => None,
    };
    let folio = match of {
        // Until another task has split and counted what both pages were in, the one before is locked.
        Of::Own => folio_at(inode, at).or_else(|| folio_at(inode, at.before()?)),
        // The caller may have locked a new page.
        _ => folio_at(inode, at).filter(|folio| !folio.order().is_zero()),
    };
    let Some(folio) = folio else {
        return Outcome::Nothing;
    };
    if matches!(of, Of::Any(shortage) if !shortage.is_of(&folio)) {
        return Outcome::OfOthers;
    }
    let folio = match of {
        Of::Own => Folio::lock(folio),
        Of::Any(_) | Of::Wanted => match Folio::try_lock(folio) {
            Some(folio) => folio,
            None => return Outcome::Busy,
        },
    };
    // Another one may be in its place by now.
    let Some(mut folio) = folio.belongs_to(inode.mapping()) else {
        return Outcome::Busy;
    };
    match folio_orders::pages_beyond(folio.pages(), inode::end_asked_for(inode)) {
        PageCount::ZERO => Outcome::Nothing,
        _ if !matches!(of, Of::Own) && inode.data().is_growing() => Outcome::Busy,
        pages if folio.split() => Outcome::GivenBack(pages),
        _ => Outcome::Busy,
    }
}
