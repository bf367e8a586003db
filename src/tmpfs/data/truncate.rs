// SPDX-License-Identifier: GPL-2.0

//! Truncating a range of a file: pages that are wholly in it go, those that are partly in it are zeroed
//! there. A large folio that is partly in it is split, so that its pages can go; where it cannot be
//! split it is zeroed there, and stays.
//!
//! What `shmem_truncate_range()` and `shmem_undo_range()` do for tmpfs.
//!
//! Lock order: `i_rwsem`, where the size changes; then folio locks, one at a time, under which unmapping takes
//! `i_mmap_rwsem`; see `mm::removal` for whole pages.

use super::beyond_eof;
use super::filling;
use super::growing;
use super::hiding;
use super::lookup::{self, Unwritten};
use super::orders;
use super::page_accounting;
use super::shown;
use super::whole_size;
use crate::mm::swap::is_there_swap;
use crate::mm::{Folio, LockedFolio};
use crate::shmem::seals::Seals;
use crate::tmpfs::pure::range::{self, Edge, Pages};
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::units::{PageIndex, PageRange, Pos};
use crate::vfs::Exclusive;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// A range of a file that is to be truncated.
pub(super) struct Truncation {
    start: Pos,
    end: Option<Pos>,
    pages: Pages,
    /// The folios at the edges, as far as they are known. The reference holds them where they are: neither reclaim nor
    /// migration moves them.
    first: Option<ARef<Folio>>,
    last: Option<ARef<Folio>>,
}

impl Truncation {
    /// The bytes from `start` to before `end`, or to the last where that is `None`.
    #[inline]
    pub(in crate::tmpfs) fn new(start: Pos, end: Option<Pos>) -> Self {
        Self {
            start,
            end,
            pages: range::pages(start, end),
            first: None,
            last: None,
        }
    }

    /// The pages that are wholly in the range.
    pub(in crate::tmpfs) fn whole(&self) -> PageRange {
        self.pages.whole
    }

    /// Brings back from swap the pages that the range has in part, and holds them in memory, while the caller
    /// can still fail. [`Truncation::run`] cannot: a page that it could not read for want of memory would not
    /// be zeroed, and its old bytes would be seen when the file grows again. A caller that cannot fail goes
    /// without this, and takes that risk. May sleep; `i_rwsem` is held.
    ///
    /// Fails with `ENOMEM` and, when the task is killed, with `EINTR`.
    #[inline]
    pub(super) fn prepare(&mut self, inode: &TmpfsInode) -> Result {
        // Now, as a folio that is held cannot be split.
        if filling::is_cut_by(inode, &self.whole()) {
            filling::settle(inode);
        }
        // A page that a mapping adds now to a file without pages needs no preparation: it is written while
        // the file is truncated, and may as well have been written before.
        if !inode.swapped().is_zero() || (is_there_swap() && inode.mapping().has_nodes()) {
            self.hold_edges(inode)?;
        }
        Ok(())
    }

    fn hold_edges(&mut self, inode: &TmpfsInode) -> Result {
        if let Some(first) = self.pages.first {
            self.first = self.hold(inode, first)?;
        }
        // Both may be one page.
        if let Some(last) = self
            .pages
            .last
            .filter(|&last| self.pages.first != Some(last))
        {
            self.last = self.hold(inode, last)?;
        }
        Ok(())
    }

    /// Looks for the folio at an edge, and holds it where it is.
    fn hold(&self, inode: &TmpfsInode, edge: Edge) -> Result<Option<ARef<Folio>>> {
        match self.look_up(inode, edge, true) {
            Ok(folio) => Ok(folio.map(LockedFolio::unlock)),
            Err(e) if e == ENOMEM || e == EINTR => Err(e),
            // A page that is lost has nothing that could come to light.
            Err(_) => Ok(None),
        }
    }

    /// The folio at an edge, which the range has partly, or may have where the page is one of several
    /// in it. A hole is zeros already. Where the range has only whole pages of it, a folio that is not
    /// `to_stay` in memory is of interest only in swap: in memory it is met when those pages go. Nor is one
    /// that MADV_COLLAPSE has made on a mount without large folios, which would cost all others a look.
    fn look_up(
        &self,
        inode: &TmpfsInode,
        edge: Edge,
        to_stay: bool,
    ) -> Result<Option<LockedFolio>> {
        if edge.is_partial {
            return lookup::find_locked(inode, edge.index, Unwritten::Leave);
        }
        if (to_stay && orders::may_be_large(inode)) || !inode.swapped().is_zero() {
            return lookup::find_large(inode, edge.index, &self.whole());
        }
        Ok(None)
    }

    /// The folio at an edge, locked, as [`Truncation::look_up`] has it; none where its page cannot be read
    /// back, which is lost anyway. May sleep.
    fn find(&self, inode: &TmpfsInode, edge: Edge) -> Option<LockedFolio> {
        // Goes round only where another task has just changed the page. The size is that of the shorter
        // file by now and the rest has to follow, also where the task is killed.
        loop {
            match self.look_up(inode, edge, false) {
                Ok(folio) => return folio,
                Err(EINTR) => {}
                Err(_) => return None,
            }
        }
    }

    /// Truncates the range. May sleep.
    ///
    /// The caller has unmapped it where user mappings must not see it any more, and prevents that the size
    /// grows meanwhile.
    pub(super) fn run(mut self, inode: &TmpfsInode) {
        let whole = self.whole();
        lower_fallocend(inode, &whole);
        let removed = inode.mapping().remove(whole, || self.truncate_edges(inode));
        if removed.is_stuck {
            shown::note_uncut(inode);
        }
        page_accounting::removed(inode, removed);
    }

    /// Truncates the folios that are not wholly in the range. Returns the pages of it that are left to be
    /// removed.
    fn truncate_edges(&mut self, inode: &TmpfsInode) -> PageRange {
        let mut left = self.whole();
        let mut done = PageIndex::ZERO;
        if let Some(first) = self.pages.first {
            done = first.index.next();
            let held = self.first.take();
            if let Some(mut folio) = self.lock(inode, held, first) {
                done = folio.end();
                if self.pages.last.is_some_and(|last| last.index < done) {
                    // Only one task may have a reference to a folio that is split, and only once.
                    self.last = None;
                }
                if !folio.cut_out(self.start, self.end) {
                    shown::note_uncut(inode);
                    // What it was: it may be in pieces by now, of which none was taken out.
                    left.start = done;
                    if self.pages.last.is_some_and(|last| last.index < done) {
                        left.end = folio.index();
                    }
                }
            }
        }
        // Both may be in one folio.
        if let Some(last) = self.pages.last.filter(|last| last.index >= done) {
            let held = self.last.take();
            if let Some(mut folio) = self.lock(inode, held, last) {
                if !folio.cut_out(self.start, self.end) {
                    shown::note_uncut(inode);
                    left.end = folio.index();
                }
            }
        }
        left
    }

    /// Locks the folio that is held for an edge, or where there is none, or it has left the file, the one
    /// that is found. May sleep.
    fn lock(
        &self,
        inode: &TmpfsInode,
        held: Option<ARef<Folio>>,
        edge: Edge,
    ) -> Option<LockedFolio> {
        if let Some(folio) = held {
            if let Some(folio) = Folio::lock(folio).belongs_to(inode.mapping()) {
                return Some(folio);
            }
        }
        self.find(inode, edge)
    }
}

/// Truncates the bytes from `start` to before `end`, or to the last where that is `None`, for a caller that
/// cannot fail. May sleep; see [`Truncation::run`].
#[inline]
pub(in crate::tmpfs) fn truncate_range(inode: &TmpfsInode, start: Pos, end: Option<Pos>) {
    let truncation = Truncation::new(start, end);
    if filling::is_cut_by(inode, &truncation.whole()) {
        filling::show(inode);
    }
    truncation.run(inode);
}

/// Sets the size of a regular file; what is beyond it is gone for good when it grows again.
///
/// Fails with `EPERM` where a seal forbids it, with `ENOMEM`, also where the overcommit policy forbids what a file
/// that is committed as a whole is to have more, and, when the task is killed, with `EINTR`; then nothing has
/// changed.
#[inline(always)]
pub(in crate::tmpfs) fn resize(inode: &mut Exclusive<'_, Tmpfs>, size: Pos) -> Result {
    let old = inode.size();
    let against = if size < old {
        Seals::SHRINK
    } else {
        Seals::GROW
    };
    if size != old && inode.seals().intersects(against) {
        return Err(EPERM);
    }
    if size > old {
        return growing::during(inode, |inode| {
            beyond_eof::trim_for_hole(inode);
            hiding::hide(inode, size)?;
            whole_size::recommit(inode, old, size)?;
            inode.set_size(size);
            Ok(())
        });
    }
    let mut truncation = Truncation::new(size, None);
    truncation.prepare(inode)?;
    if size != old {
        whole_size::recommit(inode, old, size)?;
        inode.set_size(size);
    }

    // User mappings go first, so that none is left of the folios that are removed; and once more,
    // since a private copy may have been made in between by a fault that found the folio still
    // there.
    let hole = size.page_end().start_or_max();
    let unmap = |inode: &TmpfsInode| {
        if old > hole {
            inode.mapping().unmap_from(hole);
        }
    };
    unmap(inode);
    if page_accounting::has_pages(inode) {
        truncation.run(inode);
    }
    unmap(inode);
    Ok(())
}

/// The pages of `range` are truncated: neither they nor what is past the last of them has been asked for any
/// more.
fn lower_fallocend(inode: &TmpfsInode, range: &PageRange) {
    let old = inode.fallocend(PageIndex::ZERO);
    if range.start < old && old <= range.end {
        inode.set_fallocend(range.start);
    }
}
