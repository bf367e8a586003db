// SPDX-License-Identifier: GPL-2.0

//! Reading, writing and seeking.
//!
//! Lock order: `i_rwsem`, then the lock of one folio at a time. A fault on the user's buffer takes
//! `mmap_lock` and perhaps a folio lock of this very file, so that it is let happen only where no
//! folio is locked.

use super::fallocate;
use super::inode::TmpfsInode;
use super::lookup::{self, Purpose};
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use super::orders;
use super::range;
use super::superblock::Tmpfs;
use crate::mm::folio::{copy_zeros_to_iter, fault_in_source};
use crate::mm::task;
use crate::mm::PAGE_SIZE;
use crate::vfs::file::Seek;
use crate::vfs::pipe::PipeWriter;
use crate::vfs::{Exclusive, File, FileOperations, InodeGuard, Kiocb};
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;

impl FileOperations for Tmpfs {
    #[inline]
    fn read(kiocb: &mut Kiocb<'_, Self>, to: &mut IovIterDest<'_>) -> Result<usize> {
        let file = kiocb.file();
        let mut done = 0;
        // Each round but the last reads something, of what the caller wants or the file has.
        let result = loop {
            match read_some(file.inode(), kiocb.pos(), to) {
                Ok(0) => break Ok(()),
                Ok(bytes) => {
                    kiocb.advance(bytes);
                    done += bytes;
                }
                Err(e) => break Err(e),
            }
            if to.is_empty() {
                break Ok(());
            }
            task::cond_resched();
        };
        file.accessed();
        some_or(done, result)
    }

    #[inline]
    fn write(kiocb: &mut Kiocb<'_, Self>, from: &mut IovIterSource<'_>) -> Result<usize> {
        let mut guard = kiocb.start_write(from)?;

        let mut done = 0;
        let mut unit = Unit::MAX;
        // A round that writes nothing faults the source in and halves the next one; one of a page writes
        // something, unless its source goes again before. A fatal signal ends that.
        let result = loop {
            if from.is_empty() {
                break Ok(());
            }
            match write_some(&mut guard.exclusive(), kiocb.pos(), from, &mut unit) {
                Ok(0) => {}
                Ok(bytes) => {
                    unit.grow();
                    kiocb.advance(bytes);
                    done += bytes;
                }
                Err(e) => break Err(e),
            }
            task::cond_resched();
        };
        some_or(done, result)
    }

    fn seek(inode: &mut InodeGuard<'_, Self>, offset: i64, what: Seek) -> Result<i64> {
        let inode = inode.exclusive().inode();
        inode
            .mapping()
            .seek(offset, inode.size(), what == Seek::Data)
    }

    fn allocate(inode: &mut Exclusive<'_, Self>, offset: i64, end: i64, keep_size: bool) -> Result {
        fallocate::allocate(inode, offset, end, keep_size)
    }

    fn punch(inode: &mut Exclusive<'_, Self>, start: i64, end: i64) -> Result {
        fallocate::punch(inode, start, end)
    }

    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    fn mapping_alignment(inode: &TmpfsInode) -> Option<usize> {
        orders::mapping_alignment(inode)
    }

    fn splice_read(
        file: &File<Self>,
        pos: i64,
        pipe: &mut PipeWriter<'_>,
        len: usize,
    ) -> Result<usize> {
        super::splice::read(file, pos, pipe, len)
    }
}

/// What a transfer returns that did `done` bytes before it ended: an error only where it did none.
pub(super) fn some_or(done: usize, result: Result) -> Result<usize> {
    match result {
        Err(e) if done == 0 => Err(e),
        _ => Ok(done),
    }
}

/// Reads from `pos` on, at most to the end of a folio; 0 at the end of the file or where nothing
/// more is wanted.
fn read_some(inode: &TmpfsInode, pos: i64, to: &mut IovIterDest<'_>) -> Result<usize> {
    let wanted = range::clip(pos, to.len(), inode.size());
    if wanted == 0 {
        return Ok(0);
    }
    let index = pos as u64 / PAGE_SIZE as u64;
    let folio = lookup::find(inode, index)?;
    // Only now is it certain that the folio was not truncated before it was up to date.
    let wanted = range::clip(pos, wanted, inode.size());

    let copied = match &folio {
        Some(folio) => {
            if folio.is_poisoned(index) {
                return Err(EIO);
            }
            let unit = if folio.contains_poison() {
                PAGE_SIZE
            } else {
                folio.size()
            };
            let chunk = range::chunk(pos, wanted, unit);
            if inode.mapping().is_writably_mapped() {
                folio.flush_dcache();
            }
            let start = pos as usize & (folio.size() - 1);
            if start == 0 {
                folio.mark_accessed();
            }
            (folio.copy_to_iter(start, chunk.bytes, to), chunk.bytes)
        }
        None => {
            let chunk = range::chunk(pos, wanted, PAGE_SIZE);
            (copy_zeros_to_iter(chunk.bytes, to), chunk.bytes)
        }
    };
    match copied {
        (0, bytes) if bytes > 0 => Err(EFAULT),
        (copied, _) => Ok(copied),
    }
}

/// How much a write copies at a time: at most the rest of a unit of as many bytes, a power of two and at least
/// a page.
struct Unit(usize);

impl Unit {
    /// As much as any folio has.
    const MAX: Self = Self(usize::MAX / 2 + 1);

    /// Something was copied.
    #[inline]
    fn grow(&mut self) {
        if self.0 < Self::MAX.0 {
            self.0 *= 2;
        }
    }

    /// Nothing of `bytes` bytes could be copied at `pos`: faults the source in for half as much, which has a
    /// better chance to be there still when it is copied. May sleep; no folio may be locked.
    ///
    /// Fails with `EFAULT` where there is nothing to be faulted in.
    #[cold]
    fn fault_in(&mut self, bytes: usize, pos: i64, from: &mut IovIterSource<'_>) -> Result {
        self.0 = bytes.next_power_of_two().div_ceil(2).max(PAGE_SIZE);
        let bytes = range::chunk(pos, from.len(), self.0).bytes;
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
    pos: i64,
    from: &mut IovIterSource<'_>,
    unit: &mut Unit,
) -> Result<usize> {
    if task::fatal_signal_pending() {
        return Err(EINTR);
    }
    let mut folio = lookup::find_or_make(
        inode,
        pos as u64 / PAGE_SIZE as u64,
        Purpose::Write {
            end: pos.saturating_add(from.len() as i64),
        },
        &mut false,
    )?;
    if folio.contains_poison() {
        return Err(EIO);
    }
    let size = folio.size();
    let offset = pos as usize & (size - 1);
    let bytes = range::chunk(pos, from.len(), size.min(unit.0)).bytes;
    let shared = inode.mapping().is_writably_mapped();
    if shared {
        folio.flush_dcache();
    }
    let copied = folio.copy_from_iter(offset, bytes, from);
    folio.flush_dcache();

    let end = pos + copied as i64;
    if end > inode.size() {
        inode.set_size(end);
    }
    if !folio.is_uptodate() {
        if copied < size {
            folio.zero_around(offset, offset + copied);
        }
        folio.mark_uptodate();
    }
    folio.mark_dirty();
    drop(folio);

    if copied == 0 {
        unit.fault_in(bytes, pos, from)?;
    }
    Ok(copied)
}
