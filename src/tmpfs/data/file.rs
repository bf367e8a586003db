// SPDX-License-Identifier: GPL-2.0

//! Reading, writing and seeking.
//!
//! Lock order: `i_rwsem`, then the lock of one folio at a time. A fault on the user's buffer takes
//! `mmap_lock` and perhaps a folio lock of this very file, so that it is let happen only where no
//! folio is locked.

use super::fallocate;
use super::lookup::{self, Purpose};
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use super::orders;
use crate::mm::folio::{copy_zeros_to_iter, fault_in_source};
use crate::mm::task;
use crate::mm::{Len, Order, Pos};
use crate::tmpfs::pure::range;
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::vfs::file::Seek;
use crate::vfs::pipe::PipeWriter;
use crate::vfs::{Exclusive, File, FileOperations, InodeGuard, Kiocb};
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;

impl FileOperations for Tmpfs {
    #[inline]
    fn read(kiocb: &mut Kiocb<'_, Self>, to: &mut IovIterDest<'_>) -> Result<Len> {
        let file = kiocb.file();
        let start = kiocb.pos();
        let mut pos = start;
        // Each round but the last reads something, of what the caller wants or the file has.
        let result = loop {
            match read_some(file.inode(), pos, to) {
                Ok(Len::ZERO) => break Ok(()),
                Ok(bytes) => pos = pos.saturating_add(bytes),
                Err(e) => break Err(e),
            }
            if to.is_empty() {
                break Ok(());
            }
            task::cond_resched();
        };
        kiocb.set_pos(pos);
        file.accessed();
        some_or(start.distance_to(pos), result)
    }

    #[inline]
    fn write(kiocb: &mut Kiocb<'_, Self>, from: &mut IovIterSource<'_>) -> Result<Len> {
        let mut guard = kiocb.start_write(from)?;

        let start = kiocb.pos();
        let mut pos = start;
        let mut unit = Unit::MAX;
        // A round that writes nothing faults the source in and halves the next one; one of a page writes
        // something, unless its source goes again before. A fatal signal ends that.
        let result = loop {
            if from.is_empty() {
                break Ok(());
            }
            match write_some(&mut guard.exclusive(), pos, from, &mut unit) {
                Ok(bytes) => pos = pos.saturating_add(bytes),
                Err(e) => break Err(e),
            }
            task::cond_resched();
        };
        kiocb.set_pos(pos);
        some_or(start.distance_to(pos), result)
    }

    fn seek(inode: &mut InodeGuard<'_, Self>, offset: Pos, what: Seek) -> Result<Pos> {
        let inode = inode.exclusive().inode();
        inode
            .mapping()
            .seek(offset, inode.size(), what == Seek::Data)
    }

    fn allocate(inode: &mut Exclusive<'_, Self>, start: Pos, end: Pos, keep_size: bool) -> Result {
        fallocate::allocate(inode, start, end, keep_size)
    }

    fn punch(inode: &mut Exclusive<'_, Self>, start: Pos, end: Pos) -> Result {
        fallocate::punch(inode, start, end)
    }

    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    fn mapping_alignment(inode: &TmpfsInode) -> Option<Order> {
        orders::mapping_alignment(inode)
    }

    fn splice_read(
        file: &File<Self>,
        pos: Pos,
        pipe: &mut PipeWriter<'_>,
        len: Len,
    ) -> Result<Len> {
        super::read::read(file, pos, pipe, len)
    }
}

/// What a transfer returns that did `done` bytes before it ended: an error only where it did none.
pub(in crate::tmpfs) fn some_or(done: Len, result: Result) -> Result<Len> {
    match result {
        Err(e) if done.is_zero() => Err(e),
        _ => Ok(done),
    }
}

/// Reads from `pos` on, at most to the end of a folio; 0 at the end of the file or where nothing
/// more is wanted.
fn read_some(inode: &TmpfsInode, pos: Pos, to: &mut IovIterDest<'_>) -> Result<Len> {
    let wanted = range::clip(pos, Len::new(to.len()), inode.size());
    if wanted.is_zero() {
        return Ok(Len::ZERO);
    }
    let index = pos.page();
    let folio = lookup::find(inode, index)?;
    // Only now is it certain that the folio was not truncated before it was up to date.
    let wanted = range::clip(pos, wanted, inode.size());

    let copied = match &folio {
        Some(folio) => {
            if folio.is_poisoned(index) {
                return Err(EIO);
            }
            let order = folio.order();
            let unit = if folio.contains_poison() {
                Order::ZERO
            } else {
                order
            };
            let bytes = range::chunk(pos, wanted, unit);
            if inode.mapping().is_writably_mapped() {
                folio.flush_dcache();
            }
            if pos.offset_in(order).is_zero() {
                folio.mark_accessed();
            }
            (folio.copy_to_iter(pos, bytes, to), bytes)
        }
        None => {
            let bytes = range::chunk(pos, wanted, Order::ZERO);
            (copy_zeros_to_iter(bytes, to), bytes)
        }
    };
    match copied {
        (Len::ZERO, bytes) if !bytes.is_zero() => Err(EFAULT),
        (copied, _) => Ok(copied),
    }
}

/// How much a write copies at a time: at most the rest of a folio of this order.
struct Unit(Order);

impl Unit {
    /// As much as any folio has.
    const MAX: Self = Self(Order::MAX);

    /// Nothing of `bytes` bytes could be copied at `pos`: faults the source in for half as much, which has a
    /// better chance to be there still when it is copied. May sleep; no folio may be locked.
    ///
    /// Fails with `EFAULT` where there is nothing to be faulted in.
    #[cold]
    fn fault_in(&mut self, bytes: Len, pos: Pos, from: &mut IovIterSource<'_>) -> Result {
        self.0 = bytes.order().smaller();
        let bytes = range::chunk(pos, Len::new(from.len()), self.0);
        if fault_in_source(from, bytes) == bytes {
            return Err(EFAULT);
        }
        Ok(())
    }
}

/// Writes from `pos` on, at most to the end of a folio. Returns 0 where the user's buffer had to be
/// faulted in first.
fn write_some(
    inode: &mut Exclusive<'_, Tmpfs>,
    pos: Pos,
    from: &mut IovIterSource<'_>,
    unit: &mut Unit,
) -> Result<Len> {
    if task::fatal_signal_pending() {
        return Err(EINTR);
    }
    let wanted = Len::new(from.len());
    let mut folio = lookup::find_or_make(
        inode,
        pos.page(),
        Purpose::Write {
            end: pos.saturating_add(wanted),
        },
        &mut false,
    )?;
    if folio.contains_poison() {
        return Err(EIO);
    }
    let order = folio.order();
    let bytes = range::chunk(pos, wanted, order.min(unit.0));
    let shared = inode.mapping().is_writably_mapped();
    if shared {
        folio.flush_dcache();
    }
    let copied = folio.copy_from_iter(pos, bytes, from);
    folio.flush_dcache();

    let end = pos.saturating_add(copied);
    if end > inode.size() {
        inode.set_size(end);
    }
    if !folio.is_uptodate() {
        if copied < order.bytes() {
            folio.zero_around(pos, copied);
        }
        folio.mark_uptodate();
    }
    folio.mark_dirty();
    drop(folio);

    if copied.is_zero() {
        unit.fault_in(bytes, pos, from)?;
    }
    Ok(copied)
}
