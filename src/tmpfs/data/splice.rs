// SPDX-License-Identifier: GPL-2.0

//! Reading for splice(2) and sendfile(2): what a file has goes into a pipe without being copied, and a hole as pages of
//! zeros.
//!
//! Lock order: that of the pipe, which the caller holds; no folio lock but in [`lookup`].

use super::beyond_eof;
use super::lookup;
use crate::mm::task;
use crate::tmpfs::pure::range;
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::units::{Len, Pos};
use crate::vfs::pipe::PipeWriter;
use crate::vfs::File;
use kernel::prelude::*;

/// Gives what is from `pos` on to `pipe`. May sleep.
#[inline]
pub(super) fn splice(file: &File<Tmpfs>, mut pos: Pos, pipe: &mut PipeWriter<'_>) -> Result {
    // A folio that is in a pipe can no longer be split.
    beyond_eof::trim(file.inode());
    // Ends where the pipe is full, at the latest: each round takes a buffer.
    let result = loop {
        if pipe.room().is_zero() {
            break Ok(());
        }
        match splice_some(file.inode(), pos, pipe) {
            Ok(Len::ZERO) => break Ok(()),
            Ok(bytes) => pos = pos.saturating_add(bytes),
            Err(e) => break Err(e),
        }
        if pipe.is_full() {
            break Ok(());
        }
        task::cond_resched();
    };
    file.accessed();
    result
}

/// Gives at most the rest of a folio; 0 at the end of the file or of the pipe.
#[inline(always)]
fn splice_some(inode: &TmpfsInode, pos: Pos, pipe: &mut PipeWriter<'_>) -> Result<Len> {
    if pos >= inode.size() {
        return Ok(Len::ZERO);
    }
    let (folio, _) = lookup::find(inode, pos, pipe.room(), true)?;
    // What is beyond the end of the file must not be seen, should it grow later.
    let len = range::clip(pos, pipe.room(), inode.size());
    if len.is_zero() {
        return Ok(Len::ZERO);
    }
    let Some(folio) = folio else {
        return Ok(pipe.add_zeros(pos, len));
    };

    let bytes = folio.readable(pos, len).ok_or(EIO)?;
    if inode.mapping().is_writably_mapped() {
        folio.flush_dcache();
    }
    folio.mark_accessed();
    Ok(pipe.add_folio(&folio, pos, bytes.len()))
}
