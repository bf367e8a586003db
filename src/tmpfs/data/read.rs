// SPDX-License-Identifier: GPL-2.0

//! Reading into memory of the caller.
//!
//! Lock order: no folio lock but in [`lookup`], which may have to bring a folio in. A fault on the user's
//! buffer takes `mmap_lock`, and perhaps a folio lock of this very file.

use super::lookup;
use crate::mm::iter::copy_zeros_to_iter;
use crate::mm::task;
use crate::tmpfs::pure::range;
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::units::{Len, Order, Pos};
use crate::vfs::File;
use kernel::iov::IovIterDest;
use kernel::prelude::*;

/// Reads from `pos` on. May sleep.
///
/// Fails with `EFAULT`, and as [`lookup::find`] does.
#[inline]
pub(super) fn read(file: &File<Tmpfs>, mut pos: Pos, to: &mut IovIterDest<'_>) -> Result {
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
    file.accessed();
    result
}

/// Reads from `pos` on, at most to the end of a folio; 0 at the end of the file or where nothing
/// more is wanted.
fn read_some(inode: &TmpfsInode, pos: Pos, to: &mut IovIterDest<'_>) -> Result<Len> {
    let wanted = range::clip(pos, Len::new(to.len()), inode.size());
    if wanted.is_zero() {
        return Ok(Len::ZERO);
    }
    let (folio, wanted) = lookup::find(inode, pos, wanted, false)?;
    // Only now is it certain that the folio was not truncated before it was up to date.
    let wanted = range::clip(pos, wanted, inode.size());

    let copied = match &folio {
        Some(folio) => {
            let bytes = folio.readable(pos, wanted).ok_or(EIO)?;
            if inode.mapping().is_writably_mapped() {
                folio.flush_dcache();
            }
            if bytes.is_start() {
                folio.mark_accessed();
            }
            (bytes.copy_to_iter(to), bytes.len())
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
