// SPDX-License-Identifier: GPL-2.0

//! Giving a file to a pipe, for splice(2) and sendfile(2), without copying.

use super::file::some_or;
use super::lookup;
use crate::mm::{task, Len, Order, Pos};
use crate::tmpfs::pure::range;
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::vfs::pipe::PipeWriter;
use crate::vfs::File;
use kernel::prelude::*;

/// Gives at most `len` bytes from `pos` on to `pipe`. May sleep.
pub(in crate::tmpfs) fn read(
    file: &File<Tmpfs>,
    pos: Pos,
    pipe: &mut PipeWriter<'_>,
    len: Len,
) -> Result<Len> {
    let len = len.min(pipe.free_buffers().bytes());
    let (start, mut pos, mut left) = (pos, pos, len);
    // Ends where the pipe is full, at the latest: each round takes a buffer.
    let result = loop {
        if left.is_zero() {
            break Ok(());
        }
        match read_some(file.inode(), pos, pipe, left) {
            Ok(Len::ZERO) => break Ok(()),
            Ok(bytes) => {
                pos = pos.saturating_add(bytes);
                left = left.saturating_sub(bytes);
            }
            Err(e) => break Err(e),
        }
        if pipe.is_full() {
            break Ok(());
        }
        task::cond_resched();
    };
    file.accessed();
    some_or(start.distance_to(pos), result)
}

/// Gives at most the rest of a folio; 0 at the end of the file or of the pipe.
fn read_some(inode: &TmpfsInode, pos: Pos, pipe: &mut PipeWriter<'_>, len: Len) -> Result<Len> {
    if pos >= inode.size() {
        return Ok(Len::ZERO);
    }
    let index = pos.page();
    let folio = lookup::find(inode, index)?;
    // What is beyond the end of the file must not be seen, should it grow later.
    let len = range::clip(pos, len, inode.size());
    if len.is_zero() {
        return Ok(Len::ZERO);
    }
    let Some(folio) = folio else {
        return Ok(pipe.add_zeros(pos, len));
    };

    if folio.is_poisoned(index) {
        return Err(EIO);
    }
    let unit = if folio.contains_poison() {
        Order::ZERO
    } else {
        folio.order()
    };
    if inode.mapping().is_writably_mapped() {
        folio.flush_dcache();
    }
    folio.mark_accessed();
    Ok(pipe.add_folio(&folio, pos, range::chunk(pos, len, unit)))
}
