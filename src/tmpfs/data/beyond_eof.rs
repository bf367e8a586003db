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

use crate::mm::{Folio, LockedFolio, PageCount, Slot};
use crate::tmpfs::pure::folio_orders;
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::vfs::SuperBlock;
use core::cell::Cell;
use kernel::prelude::*;

/// How many inodes a search for blocks looks at.
const OBJECTS: usize = 128;

/// What became of an inode that was looked at.
enum Outcome {
    /// There is nothing to give back.
    Nothing,
    /// These pages were given back.
    GivenBack(PageCount),
    /// Another task uses the folio.
    Busy,
}

/// A folio was added to `inode` that may be larger than it needs. Does not sleep.
pub(super) fn note(inode: &TmpfsInode, folio: &LockedFolio) {
    if inode.size().page_end() < folio.end() && inode.data().note_beyond_eof() {
        inode.list_cached();
    }
}

/// Gives back `pages` pages of a mount, if there are as many. May sleep, but waits for no other task.
pub(super) fn give_back_pages(sb: &SuperBlock<Tmpfs>, pages: PageCount) {
    shrink(sb, OBJECTS, pages);
}

/// Looks at `objects` inodes at most, until `pages` pages are given back; returns how many folios were
/// split. Waits for no other task.
pub(in crate::tmpfs) fn shrink(sb: &SuperBlock<Tmpfs>, objects: usize, pages: PageCount) -> usize {
    let (left, given_back, split) = (
        Cell::new(objects),
        Cell::new(PageCount::ZERO),
        Cell::new(0usize),
    );
    let result = sb.cached().for_each(
        |inode| inode.data().may_be_beyond_eof(),
        |inode| {
            if left.get() == 0 || given_back.get() >= pages {
                // Enough: an error ends the walk.
                return Err(EAGAIN);
            }
            left.set(left.get().saturating_sub(1));
            inode.data().clear_beyond_eof();
            match split_last(inode) {
                Outcome::Nothing => {}
                Outcome::GivenBack(n) => {
                    given_back.set(given_back.get().saturating_add(n));
                    split.set(split.get().saturating_add(1));
                }
                Outcome::Busy => {
                    inode.data().note_beyond_eof();
                }
            }
            Ok(())
        },
    );
    debug_assert!(matches!(result, Ok(()) | Err(EAGAIN)));
    split.get()
}

/// Splits the folio at the end of a file, where that gives something back.
fn split_last(inode: &TmpfsInode) -> Outcome {
    let size = inode.size();
    let Slot::Folio(folio) = inode.mapping().get(size.page()) else {
        return Outcome::Nothing;
    };
    if folio.order().is_zero() {
        return Outcome::Nothing;
    }
    let Some(folio) = Folio::try_lock(folio) else {
        return Outcome::Busy;
    };
    let Some(mut folio) = folio.belongs_to(inode.mapping()) else {
        return Outcome::Nothing;
    };
    let fallocend = inode.fallocend(size.page_end());
    match folio_orders::pages_beyond(folio.pages(), fallocend) {
        PageCount::ZERO => Outcome::Nothing,
        pages if folio.split() => Outcome::GivenBack(pages),
        _ => Outcome::Busy,
    }
}
