// SPDX-License-Identifier: GPL-2.0

//! Allocating pages in advance, and punching holes.
//!
//! A page that is allocated in advance is not up to date: it reads as zeros, and is taken back where
//! the allocation fails later. While fallocate(2) is at work, [`Activity`] tells reclaim, which should not
//! write out what was allocated a moment ago and may have to be taken back; and faults, which could for ever
//! fill the hole again that the puncher has just emptied.
//!
//! What `shmem_fallocate()` and `struct shmem_falloc` are for tmpfs.
//!
//! Lock order: `i_rwsem`, folio locks, then `i_lock`, under which others look at the [`Activity`].

use super::beyond_eof;
use super::filling;
use super::growing;
use super::hiding;
use super::lookup;
use super::page_accounting;
use super::purpose::Purpose;
use super::truncate::Truncation;
use super::whole_size;
use super::write::AGAINST_WRITES;
use crate::mm::task;
use crate::shmem::fault::{Fault, Faulted};
use crate::shmem::seals::Seals;
use crate::tmpfs::state::activity::{self, Activity};
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::units::{PageIndex, PageRange, Pos};
use crate::vfs::Exclusive;
use core::ops::ControlFlow;
use kernel::prelude::*;

/// Allocates the pages of the bytes from `start` to before `end`. May sleep.
///
/// Fails with `EPERM` where a seal forbids that the file grows, even where it is to keep its size, with `ENOSPC`,
/// `ENOMEM` and, when the task is killed, `EINTR`, and as [`whole_size::growing`] does; then no new page is left.
pub(in crate::tmpfs) fn allocate(
    inode: &mut Exclusive<'_, Tmpfs>,
    start: Pos,
    end: Pos,
    keep_size: bool,
) -> Result {
    if end > inode.size() && inode.seals().intersects(Seals::GROW) {
        return Err(EPERM);
    }
    let pages = PageRange::new(start.page(), end.page_end());
    if pages.end.start().is_none() {
        return Err(EFBIG);
    }
    // Else it would drive other files into swap for what it cannot have.
    let max = inode.sb().data().blocks().max();
    if max > 0 && pages.len().to_u64() > max {
        return Err(ENOSPC);
    }

    // What was made for a file that grows was not asked for.
    beyond_eof::trim(inode);
    filling::settle_near(inode, &pages);
    if keep_size {
        let size = inode.size();
        return allocate_for(inode, pages, end, size);
    }
    growing::during(inode, |inode| {
        beyond_eof::trim_for_hole(inode);
        hiding::hide(inode, end)?;
        let size = inode.size().max(end);
        allocate_for(inode, pages, end, size)
    })
}

/// Allocates `pages`, which go on to before byte `end`, in a file that is to have the size `size` then.
fn allocate_for(inode: &mut Exclusive<'_, Tmpfs>, pages: PageRange, end: Pos, size: Pos) -> Result {
    let purpose = Purpose::Allocate { end, size };
    let activity = Activity::allocating(pages.start);
    whole_size::growing(inode, size, |inode| {
        let fallocend = inode.fallocend(PageIndex::ZERO);
        inode.set_fallocend(fallocend.max(pages.end));
        let result = activity.during(inode, |inode| {
            allocate_pages(inode, &activity, pages, purpose)
        });
        if result.is_err() {
            inode.set_fallocend(fallocend);
            // A fault may have made a folio valid meanwhile, which stays.
            beyond_eof::look_later(inode);
        }
        result?;
        if size > inode.size() {
            inode.set_size(size);
        }
        Ok(())
    })
}

fn allocate_pages(
    inode: &TmpfsInode,
    activity: &Activity,
    pages: PageRange,
    purpose: Purpose<'_>,
) -> Result {
    let mut next = pages.start;
    let mut is_driven_into_swap = false;
    // Each round goes on after the folio that it has got; a fatal signal ends it.
    while next < pages.end {
        let allocated = if is_driven_into_swap {
            Err(ENOMEM)
        } else {
            allocate_one(inode, activity, &mut next, purpose)
        };
        match allocated {
            Ok(driven) => is_driven_into_swap = driven,
            Err(e) => {
                let done = PageRange::new(pages.start, next);
                inode.mapping().remove_unwritten(done);
                page_accounting::recalc(inode);
                return Err(e);
            }
        }
        task::cond_resched();
    }
    Ok(())
}

/// Allocates the folio at page `*next` for `purpose`, and moves `*next` to its end.
/// Returns whether reclaim wants to write out more of what was allocated than that is.
fn allocate_one(
    inode: &TmpfsInode,
    activity: &Activity,
    next: &mut PageIndex,
    purpose: Purpose<'_>,
) -> Result<bool> {
    if task::fatal_signal_pending() {
        return Err(EINTR);
    }
    let mut folio = lookup::find_or_make(inode, *next, purpose)?;
    *next = folio.end();
    let is_driven_into_swap = activity.allocated_up_to(*next, !folio.is_uptodate());
    // Memory pressure is to swap it out rather than drop it.
    folio.mark_dirty();
    Ok(is_driven_into_swap)
}

/// Punches a hole into the bytes from `start` to before `end`: FALLOC_FL_PUNCH_HOLE, and MADV_REMOVE, which the
/// MM makes one of. May sleep.
///
/// Fails with `EPERM` where a seal forbids writes, with `ENOMEM` and, when the task is killed, with `EINTR`; then
/// nothing has changed.
pub(super) fn punch_hole(inode: &mut Exclusive<'_, Tmpfs>, start: Pos, end: Pos) -> Result {
    if inode.seals().intersects(AGAINST_WRITES) {
        return Err(EPERM);
    }
    let mut truncation = Truncation::new(start, Some(end));
    truncation.prepare(inode)?;
    let whole = truncation.whole();
    Activity::punching(whole).during(inode, |inode| {
        // Private copies stay.
        inode.mapping().unmap_shared(whole);
        truncation.run(inode);
        inode.touch();
    });
    Ok(())
}

/// A fault in a hole that is just being punched waits for that, once, and is over: what else it meets is
/// for the next one, before which a fatal signal counts.
#[inline]
pub(in crate::tmpfs) fn wait_for_punch(
    fault: Fault<'_, Tmpfs>,
) -> ControlFlow<Faulted, Fault<'_, Tmpfs>> {
    if fault.inode().shows_record() {
        wait_for_activity(fault)
    } else {
        ControlFlow::Continue(fault)
    }
}

#[cold]
fn wait_for_activity(fault: Fault<'_, Tmpfs>) -> ControlFlow<Faulted, Fault<'_, Tmpfs>> {
    let index = fault.index();
    if !activity::is_punching(fault.inode(), index) {
        return ControlFlow::Continue(fault);
    }
    ControlFlow::Break(fault.wait(|inode| activity::wait_for_punch(inode, index)))
}
