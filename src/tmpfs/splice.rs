// SPDX-License-Identifier: GPL-2.0

//! Giving a file to a pipe, for splice(2) and sendfile(2), without copying.

use super::file::some_or;
use super::inode::TmpfsInode;
use super::lookup;
use super::range;
use super::superblock::Tmpfs;
use crate::mm::task;
use crate::mm::PAGE_SIZE;
use crate::vfs::pipe::PipeWriter;
use crate::vfs::File;
use kernel::prelude::*;

/// Gives at most `len` bytes from `pos` on to `pipe`. May sleep.
pub(super) fn read(
    file: &File<Tmpfs>,
    pos: i64,
    pipe: &mut PipeWriter<'_>,
    len: usize,
) -> Result<usize> {
    let len = len.min(pipe.free_buffers() * PAGE_SIZE);
    let mut done = 0;
    // Ends where the pipe is full, at the latest: each round takes a buffer.
    let result = loop {
        if done == len {
            break Ok(());
        }
        match read_some(file.inode(), pos + done as i64, pipe, len - done) {
            Ok(0) => break Ok(()),
            Ok(bytes) => done += bytes,
            Err(e) => break Err(e),
        }
        if pipe.is_full() {
            break Ok(());
        }
        task::cond_resched();
    };
    file.accessed();
    some_or(done, result)
}

/// Gives at most the rest of a folio; 0 at the end of the file or of the pipe.
fn read_some(inode: &TmpfsInode, pos: i64, pipe: &mut PipeWriter<'_>, len: usize) -> Result<usize> {
    if pos >= inode.size() {
        return Ok(0);
    }
    let index = pos as u64 / PAGE_SIZE as u64;
    let folio = lookup::find(inode, index)?;
    // What is beyond the end of the file must not be seen, should it grow later.
    let len = range::clip(pos, len, inode.size());
    if len == 0 {
        return Ok(0);
    }
    let Some(folio) = folio else {
        return Ok(pipe.add_zeros(pos, len));
    };

    if folio.is_poisoned(index) {
        return Err(EIO);
    }
    let unit = if folio.contains_poison() {
        PAGE_SIZE
    } else {
        folio.size()
    };
    if inode.mapping().is_writably_mapped() {
        folio.flush_dcache();
    }
    folio.mark_accessed();
    Ok(pipe.add_folio(&folio, pos, range::chunk(pos, len, unit).bytes))
}
