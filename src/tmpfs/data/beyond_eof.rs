// SPDX-License-Identifier: GPL-2.0

//! Giving back what a large folio has beyond the end of its file.
//!
//! Such a folio is split where memory or blocks are short. Each mount keeps a list of inodes that had
//! one when it was made; whether they still do shows when they are looked at.
//!
//! Lock order: a folio lock, which is tried only, since whoever runs out of memory may hold others.
//! The lock of the list is not held meanwhile.

use crate::mm::{LockedFolio, PageCount, Slot};
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
    Freed(PageCount),
    /// Somebody else uses the folio.
    Busy,
}

/// A folio was added to `inode` that may be larger than it needs. Does not sleep.
pub(in crate::tmpfs) fn note(inode: &TmpfsInode, folio: &LockedFolio) {
    if inode.size().page_end() < folio.end() && inode.data().set_unused() {
        inode.list_unused();
    }
}

/// Frees `pages` pages of a mount, if there are as many. May sleep.
pub(in crate::tmpfs) fn free_pages(sb: &SuperBlock<Tmpfs>, pages: PageCount) {
    free(sb, OBJECTS, pages);
}

/// Looks at `objects` inodes at most, until `pages` pages are free; returns how many folios were
/// split. Waits for nobody.
pub(in crate::tmpfs) fn free(sb: &SuperBlock<Tmpfs>, objects: usize, pages: PageCount) -> usize {
    let (left, freed, split) = (
        Cell::new(objects),
        Cell::new(PageCount::ZERO),
        Cell::new(0usize),
    );
    let result = sb.unused().for_each(
        |inode| inode.data().has_unused(),
        |inode| {
            if left.get() == 0 || freed.get() >= pages {
                // Enough: an error ends the walk.
                return Err(EAGAIN);
            }
            left.set(left.get().saturating_sub(1));
            inode.data().clear_unused();
            match give_back(inode) {
                Outcome::Nothing => {}
                Outcome::Freed(n) => {
                    freed.set(freed.get().saturating_add(n));
                    split.set(split.get().saturating_add(1));
                }
                Outcome::Busy => {
                    inode.data().set_unused();
                }
            }
            Ok(())
        },
    );
    debug_assert!(matches!(result, Ok(()) | Err(EAGAIN)));
    split.get()
}

/// Splits the folio at the end of a file, where that gives something back.
fn give_back(inode: &TmpfsInode) -> Outcome {
    let size = inode.size();
    let Slot::Folio(folio) = inode.mapping().get(size.page()) else {
        return Outcome::Nothing;
    };
    if folio.order().is_zero() {
        return Outcome::Nothing;
    }
    let Some(mut folio) = LockedFolio::try_lock(folio) else {
        return Outcome::Busy;
    };
    if !folio.belongs_to(inode.mapping()) {
        return Outcome::Nothing;
    }
    let fallocend = inode.data().fallocend(size.page_end());
    match folio_orders::unused(folio.pages(), fallocend) {
        PageCount::ZERO => Outcome::Nothing,
        pages if folio.split() => Outcome::Freed(pages),
        _ => Outcome::Busy,
    }
}
