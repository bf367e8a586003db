// SPDX-License-Identifier: GPL-2.0

//! Freeing a range of a file: pages that are wholly in it go, those that are partly in it are zeroed
//! there. A large folio that is partly in it is split, so that its pages can go; where it cannot be
//! split it is zeroed there, and stays.
//!
//! Lock order: folio locks, one at a time; see `mm::batch` for whole pages.

use super::inode::TmpfsInode;
use super::lookup::{self, Unwritten};
use super::range::{self, Edge, Pages};
use super::space;
use crate::mm::mapping::END;
use crate::mm::{LockedFolio, PAGE_SIZE};
use core::ops::Range;
use kernel::prelude::*;

/// A range of a file that is to be freed.
pub(super) struct Cut {
    start: u64,
    end: Option<u64>,
    pages: Pages,
}

impl Cut {
    /// The bytes from `start` to before `end`, or to the last where that is `None`.
    pub(super) fn new(start: i64, end: Option<i64>) -> Self {
        Self {
            start: start.max(0) as u64,
            end: end.map(|end| end.max(0) as u64),
            pages: range::pages(start, end, PAGE_SIZE as u64),
        }
    }

    /// The pages that are wholly in the range.
    pub(super) fn whole(&self) -> Range<u64> {
        self.pages.start..self.pages.end.unwrap_or(END)
    }

    /// Brings back from swap what the range has in part, as long as that may fail: what is wanted
    /// later only to be zeroed, and cannot be read for want of memory, would come to light again. May
    /// sleep.
    ///
    /// Fails with `ENOMEM`.
    #[cfg(CONFIG_SWAP)]
    #[inline]
    pub(super) fn prepare(&self, inode: &TmpfsInode) -> Result {
        if space::in_swap(inode) == 0 {
            return Ok(());
        }
        self.bring_back_edges(inode)
    }

    #[cfg(CONFIG_SWAP)]
    fn bring_back_edges(&self, inode: &TmpfsInode) -> Result {
        for edge in [self.pages.first, self.pages.last].into_iter().flatten() {
            // A page that is lost has nothing that could come to light.
            if let Err(ENOMEM) = look_up(inode, edge) {
                return Err(ENOMEM);
            }
        }
        Ok(())
    }

    /// Frees the range. May sleep.
    ///
    /// The caller has unmapped it where user mappings must not see it any more, and keeps the size
    /// from growing meanwhile.
    pub(super) fn free(&self, inode: &TmpfsInode) {
        let whole = self.whole();
        inode.data().forget_kept(&whole);
        let removed = inode.mapping().remove(whole.start, whole.end, || {
            let left = self.free_partly(inode, whole);
            (left.start, left.end)
        });
        space::freed(inode, removed);
    }

    /// Frees what is in the range of folios that are not wholly in it. Returns the pages that are
    /// left to be freed of `whole`, those wholly in the range.
    fn free_partly(&self, inode: &TmpfsInode, whole: Range<u64>) -> Range<u64> {
        let last = self.pages.last;
        let mut left = whole;
        let mut done = 0;
        if let Some(first) = self.pages.first {
            done = first.index + 1;
            if let Some(mut folio) = find(inode, first) {
                done = folio.end();
                if !folio.cut_out(self.start, self.end) {
                    // What it was: it may be in pieces by now, of which none was taken out.
                    left.start = done;
                    if last.is_some_and(|last| last.index < done) {
                        left.end = folio.index();
                    }
                }
            }
        }
        // Both may be in one folio.
        if let Some(last) = last.filter(|last| last.index >= done) {
            if let Some(mut folio) = find(inode, last) {
                if !folio.cut_out(self.start, self.end) {
                    left.end = folio.index();
                }
            }
        }
        left
    }
}

/// The folio at an edge of a range, which the range has partly, or may have where the page is one of
/// several in it. A hole is zeros already.
fn look_up(inode: &TmpfsInode, edge: Edge) -> Result<Option<LockedFolio>> {
    if edge.is_partial {
        lookup::find_locked(inode, edge.index, Unwritten::Keep)
    } else {
        lookup::find_large(inode, edge.index)
    }
}

/// The same; a page that cannot be read back is lost anyway.
fn find(inode: &TmpfsInode, edge: Edge) -> Option<LockedFolio> {
    look_up(inode, edge).ok().flatten()
}
