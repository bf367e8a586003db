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
#[cfg(CONFIG_SWAP)]
use crate::mm::swap::is_there_swap;
#[cfg(CONFIG_SWAP)]
use crate::mm::Folio;
use crate::mm::{LockedFolio, PageIndex, PageRange, Pos};
use kernel::prelude::*;
#[cfg(CONFIG_SWAP)]
use kernel::sync::aref::ARef;

/// A range of a file that is to be freed.
pub(super) struct Cut {
    start: Pos,
    end: Option<Pos>,
    pages: Pages,
}

impl Cut {
    /// The bytes from `start` to before `end`, or to the last where that is `None`.
    pub(super) fn new(start: Pos, end: Option<Pos>) -> Self {
        let pages = range::pages(start, end);
        Self { start, end, pages }
    }

    /// The pages that are wholly in the range.
    pub(super) fn whole(&self) -> PageRange {
        self.pages.whole
    }

    /// Brings back from swap what the range has in part and keeps it in memory, as long as that may fail:
    /// what is wanted later only to be zeroed, and cannot be read for want of memory, would come to
    /// light again. May sleep.
    ///
    /// Fails with `ENOMEM` and, when the task is killed, with `EINTR`.
    #[inline]
    pub(super) fn prepare(
        self,
        #[cfg_attr(not(CONFIG_SWAP), expect(unused_variables))] inode: &TmpfsInode,
    ) -> Result<PreparedCut> {
        #[cfg_attr(not(CONFIG_SWAP), expect(unused_mut))]
        let mut prepared = self.unprepared();
        #[cfg(CONFIG_SWAP)]
        if is_there_swap() || !space::in_swap(inode).is_zero() {
            prepared.hold_edges(inode)?;
        }
        Ok(prepared)
    }

    fn unprepared(self) -> PreparedCut {
        PreparedCut {
            cut: self,
            first: Held::Unknown,
            last: Held::Unknown,
        }
    }

    /// Frees the range, for those who cannot fail: what cannot be brought back from swap stays. May sleep.
    pub(super) fn free(self, inode: &TmpfsInode) {
        self.unprepared().free(inode);
    }

    /// Looks for the folio at an edge, and keeps it where it is.
    #[cfg(CONFIG_SWAP)]
    fn hold(&self, inode: &TmpfsInode, edge: Edge) -> Result<Held> {
        match self.look_up(inode, edge) {
            Ok(Some(folio)) => Ok(Held::Folio(folio.unlock())),
            Err(e) if e == ENOMEM || e == EINTR => Err(e),
            // A user mapping may still write to the page, and what it wrote must go. A page that is lost
            // has nothing that could come to light.
            _ if edge.is_partial => Ok(Held::Unknown),
            // What comes to be partly in the range is looked at when whole pages go.
            _ => Ok(Held::Nothing),
        }
    }

    /// The folio at an edge, which the range has partly, or may have where the page is one of several
    /// in it. A hole is zeros already.
    fn look_up(&self, inode: &TmpfsInode, edge: Edge) -> Result<Option<LockedFolio>> {
        if edge.is_partial {
            lookup::find_locked(inode, edge.index, Unwritten::Keep)
        } else {
            lookup::find_large(inode, edge.index, &self.whole())
        }
    }

    /// The same; a page that cannot be read back is lost anyway.
    fn find(&self, inode: &TmpfsInode, edge: Edge) -> Option<LockedFolio> {
        loop {
            match self.look_up(inode, edge) {
                Ok(folio) => return folio,
                // It is as near to its end as it was: the page has just changed, and a killed task
                // waits for the one that changed it, too.
                Err(EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}

/// What is known of an edge of a range.
enum Held {
    /// Nothing is: look.
    Unknown,
    /// There is no folio that the range has partly.
    #[cfg(CONFIG_SWAP)]
    Nothing,
    /// This one. The reference keeps reclaim and all others from moving it.
    #[cfg(CONFIG_SWAP)]
    Folio(ARef<Folio>),
}

/// A range of a file that is to be freed, and the folios that it has in part.
pub(super) struct PreparedCut {
    cut: Cut,
    first: Held,
    last: Held,
}

impl PreparedCut {
    #[cfg(CONFIG_SWAP)]
    fn hold_edges(&mut self, inode: &TmpfsInode) -> Result {
        if let Some(first) = self.cut.pages.first {
            self.first = self.cut.hold(inode, first)?;
        }
        if let Some(last) = self.cut.pages.last {
            self.last = self.cut.hold(inode, last)?;
        }
        Ok(())
    }

    /// The pages that are wholly in the range.
    pub(super) fn whole(&self) -> PageRange {
        self.cut.whole()
    }

    /// Frees the range. May sleep.
    ///
    /// The caller has unmapped it where user mappings must not see it any more, and keeps the size
    /// from growing meanwhile.
    pub(super) fn free(mut self, inode: &TmpfsInode) {
        let whole = self.whole();
        inode.data().forget_kept(&whole);
        let removed = inode.mapping().remove(whole, || self.free_partly(inode));
        space::freed(inode, removed);
    }

    /// Frees what is in the range of folios that are not wholly in it. Returns the pages that are
    /// left to be freed of those that are.
    fn free_partly(&mut self, inode: &TmpfsInode) -> PageRange {
        let cut = &self.cut;
        let mut left = cut.whole();
        let mut done = PageIndex::ZERO;
        if let Some(first) = cut.pages.first {
            done = first.index.next();
            if let Some(mut folio) = lock(inode, &mut self.first, || cut.find(inode, first)) {
                done = folio.end();
                if cut.pages.last.is_some_and(|last| last.index < done) {
                    // Nobody else may have a reference to a folio that is split.
                    self.last = Held::Unknown;
                }
                if !folio.cut_out(cut.start, cut.end) {
                    // What it was: it may be in pieces by now, of which none was taken out.
                    left.start = done;
                    if cut.pages.last.is_some_and(|last| last.index < done) {
                        left.end = folio.index();
                    }
                }
            }
        }
        // Both may be in one folio.
        if let Some(last) = cut.pages.last.filter(|last| last.index >= done) {
            if let Some(mut folio) = lock(inode, &mut self.last, || cut.find(inode, last)) {
                if !folio.cut_out(cut.start, cut.end) {
                    left.end = folio.index();
                }
            }
        }
        left
    }
}

/// Locks the folio that is held, or the one that `find` finds where that is not known or has left the
/// file. Nothing is held any more afterwards. May sleep.
#[inline]
fn lock(
    inode: &TmpfsInode,
    held: &mut Held,
    find: impl FnOnce() -> Option<LockedFolio>,
) -> Option<LockedFolio> {
    match core::mem::replace(held, Held::Unknown) {
        #[cfg(CONFIG_SWAP)]
        Held::Nothing => return None,
        #[cfg(CONFIG_SWAP)]
        Held::Folio(folio) => {
            let folio = LockedFolio::lock(folio);
            if folio.belongs_to(inode.mapping()) {
                return Some(folio);
            }
        }
        Held::Unknown => {}
    }
    find()
}
