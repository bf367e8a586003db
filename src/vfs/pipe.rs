// SPDX-License-Identifier: GPL-2.0

//! Giving pages of a file to a pipe.
//!
//! C headers: `include/linux/pipe_fs_i.h`, `include/linux/splice.h`.

use crate::bindings;
use crate::mm::folio::Folio;
use crate::mm::{Len, Order, PageCount, Pos};

/// The writing end of a pipe that the VFS has locked.
pub(crate) struct PipeWriter<'a>(&'a mut bindings::pipe_inode_info);

impl PipeWriter<'_> {
    /// # Safety
    ///
    /// `pipe` must be live and locked by the current task for the life of the result.
    pub(super) unsafe fn from_raw(pipe: *mut bindings::pipe_inode_info) -> Self {
        // SAFETY: By the caller's promise.
        Self(unsafe { &mut *pipe })
    }

    /// The pipe, for C functions that fill it.
    #[allow(dead_code, reason = "for what is used by some file systems only")]
    pub(super) fn as_ptr(&mut self) -> *mut bindings::pipe_inode_info {
        self.0
    }

    /// Whether no buffer is free.
    pub(crate) fn is_full(&self) -> bool {
        // SAFETY: The pipe is live and locked.
        unsafe { bindings::pipe_is_full(self.0) }
    }

    /// How many buffers are free; each takes up to a page.
    pub(crate) fn free_buffers(&self) -> PageCount {
        // SAFETY: The pipe is live and locked.
        let used = unsafe { bindings::pipe_buf_usage(self.0) };
        PageCount::new(u64::from(self.0.max_usage.saturating_sub(used)))
    }

    /// Adds `bytes` of a folio from byte `pos` of its file on, without copying; returns how many
    /// bytes found room.
    pub(crate) fn add_folio(&mut self, folio: &Folio, pos: Pos, bytes: Len) -> Len {
        // SAFETY: Folio and pipe are live; each buffer takes its own reference.
        Len::new(unsafe {
            bindings::splice_folio_into_pipe(
                self.0,
                folio.as_ptr(),
                pos.to_loff(),
                bytes.to_usize(),
            )
        })
    }

    /// Adds up to `bytes` zeros, within the page that `pos` is in; returns how many found room. None are
    /// no buffer: who polls the pipe would take that for something to read.
    pub(crate) fn add_zeros(&mut self, pos: Pos, bytes: Len) -> Len {
        if bytes.is_zero() || self.is_full() {
            return Len::ZERO;
        }
        let offset = pos.offset_in(Order::ZERO);
        let bytes = bytes.min(pos.left_in(Order::ZERO));
        // A pipe may outlive the module, so the operations are the kernel's, and these want a reference.
        // SAFETY: The pipe is live and locked, and has a free buffer. The zero page is never freed.
        unsafe {
            let page = bindings::zero_page();
            bindings::get_page(page);
            let buf = bindings::pipe_head_buf(self.0);
            buf.write(bindings::pipe_buffer {
                page,
                offset: offset.to_uint(),
                len: bytes.to_uint(),
                ops: &raw const bindings::nosteal_pipe_buf_ops,
                ..core::mem::zeroed()
            });
            bindings::pipe_advance_head(self.0);
        }
        bytes
    }
}
