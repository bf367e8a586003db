// SPDX-License-Identifier: GPL-2.0

//! Writing.
//!
//! Lock order: `i_rwsem`, then the lock of one folio at a time. A fault on the user's buffer takes
//! `mmap_lock` and perhaps a folio lock of this very file, so that it is let happen only where no
//! folio is locked.

use super::beyond_eof;
use super::filling;
use super::growing;
use super::hiding;
use super::lookup::{self, Contents, Unwritten};
use super::orders;
use super::purpose::{Purpose, Source};
use super::whole_size;
use crate::mm::iter::fault_in_source;
use crate::mm::{huge, task, LockedFolio};
use crate::shmem::seals::Seals;
use crate::tmpfs::pure::range;
use crate::tmpfs::state::Tmpfs;
use crate::units::{Len, Order, Pos};
use crate::vfs::Exclusive;
use kernel::iov::IovIterSource;
use kernel::prelude::*;

/// The seals that forbid any write.
pub(super) const AGAINST_WRITES: Seals = Seals::WRITE.union(Seals::FUTURE_WRITE);

/// Those that a write is to be checked against.
const LIMITING: Seals = AGAINST_WRITES.union(Seals::GROW);

/// Writes from `pos` on. May sleep.
///
/// Fails with `EPERM` where a seal forbids it, with `EFAULT`, with `EINTR` for a task that is killed, and as
/// [`lookup::find_or_make`] and, for a file that counts as a whole, [`whole_size::growing`] do.
#[inline]
pub(super) fn write(
    inode: &mut Exclusive<'_, Tmpfs>,
    pos: Pos,
    from: &mut IovIterSource<'_>,
) -> Result {
    if inode.commits_whole_size() || pos > inode.size() {
        return write_apart(inode, pos, from);
    }
    // The folio with the end of the file is locked when that moves.
    write_pages(inode, pos, from)
}

/// [`write()`] to a file that counts as a whole, or behind its end: apart, since the others are to be fast.
#[cold]
#[inline(never)]
fn write_apart(inode: &mut Exclusive<'_, Tmpfs>, pos: Pos, from: &mut IovIterSource<'_>) -> Result {
    let end = pos.saturating_add(Len::new(from.len()));
    whole_size::growing(inode, end, |inode| {
        growing::during(inode, |inode| {
            if pos > inode.size() {
                // What is between becomes a hole.
                beyond_eof::trim_for_hole(inode);
            }
            write_slowly(inode, pos, from)
        })
    })
}

/// [`write_pages`], but called.
#[inline(never)]
fn write_slowly(
    inode: &mut Exclusive<'_, Tmpfs>,
    pos: Pos,
    from: &mut IovIterSource<'_>,
) -> Result {
    write_pages(inode, pos, from)
}

/// [`write()`] without what the size of the file counts for, and what is between its end and `pos`.
#[inline(always)]
fn write_pages(
    inode: &mut Exclusive<'_, Tmpfs>,
    mut pos: Pos,
    from: &mut IovIterSource<'_>,
) -> Result {
    let call = pos;
    hiding::hide(inode, pos.saturating_add(Len::new(from.len())))?;
    filling::settle_unless_at(inode, pos.page());
    let mut unit = Unit::MAX;
    let is_sealed = inode.seals().intersects(LIMITING);
    // A round that writes nothing faults the source in and halves the next one; one of a page writes
    // something, unless its source goes again before. Or a folio with a memory error was split, or another task has changed
    // it meanwhile. A fatal signal ends that.
    while !from.is_empty() {
        if is_sealed {
            check_seals(inode, pos, Len::new(from.len()), &unit)?;
        }
        match write_some(inode, call, pos, from, &mut unit) {
            Ok(bytes) => pos = pos.saturating_add(bytes),
            Err(EIO) => pos = write_beside_poison(inode, call, pos, from, &unit)?,
            Err(e) => return Err(e),
        }
        task::cond_resched();
    }
    Ok(())
}

/// Fails with `EPERM` where a seal forbids to write the `wanted` bytes at `pos`, or as many of them as a write of
/// tmpfs looks at before it takes up the next: a write that would make the file larger ends where those begin, not at
/// the end of the file.
#[cold]
fn check_seals(inode: &Exclusive<'_, Tmpfs>, pos: Pos, wanted: Len, unit: &Unit) -> Result {
    let bytes = range::chunk(pos, wanted, unit.announced);
    if inode.seals().intersects(AGAINST_WRITES) || range::is_beyond(pos, bytes, inode.size()) {
        return Err(EPERM);
    }
    Ok(())
}

/// How much a write does at a time.
struct Unit {
    /// It copies at most the rest of a folio of this order.
    copied: Order,
    /// What it is known to go on to is at most the rest of a folio of this order: the `chunk` of
    /// `generic_perform_write()`.
    announced: Order,
    /// Page by page into a folio that has one with a memory error.
    is_beside_poison: bool,
}

impl Unit {
    /// As much as any folio has.
    const MAX: Self = Self {
        copied: Order::MAX,
        announced: huge::MAX_ORDER,
        is_beside_poison: false,
    };

    /// Whether nothing had to be faulted in again so far.
    fn is_whole(&self) -> bool {
        self.copied == Order::MAX
    }

    /// Whether the page with byte `pos` is a good one, to be written by itself though the folio has one with a memory error.
    #[cold]
    fn may_be_beside_poison(&self, folio: &LockedFolio, pos: Pos) -> bool {
        self.is_beside_poison && folio.is_uptodate() && !folio.is_poisoned(pos.page())
    }

    /// Nothing of `bytes` bytes could be copied at `pos`: faults the source in for half as much, which has a
    /// better chance to be there still when it is copied. May sleep; no folio may be locked.
    ///
    /// Fails with `EFAULT` where there is nothing to be faulted in.
    #[cold]
    fn fault_in(&mut self, bytes: Len, pos: Pos, from: &mut IovIterSource<'_>) -> Result {
        self.copied = bytes.order().smaller();
        self.announced = self.announced.smaller();
        let bytes = range::chunk(pos, Len::new(from.len()), self.copied);
        if fault_in_source(from, bytes) == bytes {
            return Err(EFAULT);
        }
        Ok(())
    }
}

/// Goes on at `pos` with a call that began at `call`, where a page with a memory error in the folio was in the way: splits it, so
/// that its other pages are as good as any, or, while another task uses it, writes them one by one. May sleep. Returns
/// where the next ones are to be written.
///
/// Fails with `EIO` at the page itself, and as [`write()`] does.
#[cold]
fn write_beside_poison(
    inode: &mut Exclusive<'_, Tmpfs>,
    call: Pos,
    mut pos: Pos,
    from: &mut IovIterSource<'_>,
    unit: &Unit,
) -> Result<Pos> {
    let Some(mut folio) = lookup::find_locked(inode, pos.page(), Unwritten::Leave)? else {
        return Ok(pos);
    };
    if !folio.contains_poison() {
        return Ok(pos);
    }
    if !orders::must_look_single(inode, &folio) {
        return Err(EIO);
    }
    if folio.split() {
        return Ok(pos);
    }
    let end = folio.end().start_or_max();
    drop(folio);
    let mut unit = Unit {
        copied: Order::ZERO,
        is_beside_poison: true,
        ..*unit
    };
    // Ends as the loop of the caller does.
    while pos < end && !from.is_empty() {
        if inode.seals().intersects(LIMITING) {
            check_seals(inode, pos, Len::new(from.len()), &unit)?;
        }
        pos = pos.saturating_add(write_some(inode, call, pos, from, &mut unit)?);
        task::cond_resched();
    }
    Ok(pos)
}

/// Writes from `pos` on, for a call that began at `call`, at most to the end of a folio. Returns 0 where the user's
/// buffer had to be faulted in first.
fn write_some(
    inode: &mut Exclusive<'_, Tmpfs>,
    call: Pos,
    pos: Pos,
    from: &mut IovIterSource<'_>,
    unit: &mut Unit,
) -> Result<Len> {
    if task::fatal_signal_pending() {
        return Err(EINTR);
    }
    let wanted = Len::new(from.len());
    let (mut folio, contents) = lookup::find_or_make_noting(
        inode,
        pos.page(),
        Purpose::Write {
            end: pos.saturating_add(range::chunk(pos, wanted, unit.copied)),
            source: Some(&Source {
                call,
                start: pos,
                data: from,
                is_there: unit.is_whole(),
            }),
        },
    )?;
    let is_new = contents == Contents::Nothing;
    if folio.contains_poison() && !unit.may_be_beside_poison(&folio, pos) {
        if is_new {
            // What is not valid has not been filled, whatever is noted.
            lookup::take_back(inode, folio);
        }
        return Err(EIO);
    }
    let order = folio.order();
    let bytes = range::chunk(pos, wanted, order.min(unit.copied));
    let shared = inode.mapping().is_writably_mapped();
    if shared {
        folio.flush_dcache();
    }
    // Of one that was allocated in advance only a page may be filled in part, or what is noted.
    let is_whole =
        is_new || (bytes > Len::PAGE && !folio.is_uptodate() && contents != Contents::Filling);
    let copied = if is_whole && orders::must_look_single(inode, &folio) {
        // It is not larger than what was there to be copied a moment ago: what is not there now gets no pages.
        if !folio.copy_all_from_iter(pos, bytes, from) {
            if is_new {
                lookup::take_back(inode, folio);
            } else {
                drop(folio);
            }
            if let Err(error) = unit.fault_in(bytes, pos, from) {
                // The file reaches to where the write was to begin, as it does where that makes a single page.
                if pos > inode.size() {
                    inode.set_size(pos);
                }
                return Err(error);
            }
            return Ok(Len::ZERO);
        }
        bytes
    } else {
        folio.copy_from_iter(pos, bytes, from)
    };
    folio.flush_dcache();

    let end = pos.saturating_add(copied);
    if end > inode.size() {
        inode.set_size(end);
    }
    if !folio.is_uptodate() {
        if contents == Contents::Filling {
            filling::note(inode, &mut folio, pos, copied);
        } else {
            if copied < order.bytes() {
                let pages = folio.pages();
                folio.zero_around(&pages, pos, copied);
            }
            if copied < bytes {
                // It was made for all of them.
                beyond_eof::note(inode, &folio, Pos::ZERO);
            }
            folio.mark_uptodate();
        }
    }
    folio.mark_dirty();
    drop(folio);

    if copied.is_zero() {
        unit.fault_in(bytes, pos, from)?;
    }
    Ok(copied)
}
