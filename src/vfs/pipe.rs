// SPDX-License-Identifier: GPL-2.0

//! Giving pages of a file to a pipe.
//!
//! C headers: `include/linux/pipe_fs_i.h`, `include/linux/splice.h`.

use crate::bindings;
use crate::mm::folio::Folio;
use crate::units::{Len, Order, PageCount, Pos};
use core::marker::PhantomData;
use core::ptr::NonNull;

/// The writing end of a pipe that the VFS has locked, for as many bytes as are wanted. It counts what is
/// added, so that no file system has to say it.
///
/// # Invariants
///
/// The pipe is live and its mutex held by the current task for `'a`. Of `wanted` bytes, `room` may still be added to
/// it, and the others were.
///
/// # Examples
///
/// ```
/// use crate::units::{Len, Pos};
/// use crate::vfs::pipe::PipeWriter;
///
/// // A hole: the VFS learns from the writer how far it came.
/// fn add_hole(pipe: &mut PipeWriter<'_>, mut pos: Pos) {
///     while !pipe.room().is_zero() {
///         match pipe.add_zeros(pos, pipe.room()) {
///             Len::ZERO => break,
///             added => pos = pos.saturating_add(added),
///         }
///     }
/// }
/// ```
pub(crate) struct PipeWriter<'a> {
    // Others look at the pipe, too, so that there is no reference to it.
    pipe: NonNull<bindings::pipe_inode_info>,
    wanted: Len,
    room: Len,
    _pipe: PhantomData<&'a ()>,
}

impl PipeWriter<'_> {
    /// The end of `pipe`, for `len` bytes, or for as many as its free buffers take.
    ///
    /// # Safety
    ///
    /// `pipe` must be live and locked by the current task for the life of the result.
    pub(super) unsafe fn from_raw(pipe: NonNull<bindings::pipe_inode_info>, len: Len) -> Self {
        // SAFETY: By the caller's promise.
        let used = unsafe { bindings::pipe_buf_usage(pipe.as_ptr()) };
        // SAFETY: By the caller's promise.
        let usable = unsafe { (*pipe.as_ptr()).max_usage };
        // Each buffer takes up to a page.
        let free = PageCount::new(u64::from(usable.saturating_sub(used)));
        let wanted = len.min(free.bytes());
        // INVARIANT: Nothing was added yet.
        Self {
            pipe,
            wanted,
            room: wanted,
            _pipe: PhantomData,
        }
    }

    /// Whether no buffer is free.
    pub(crate) fn is_full(&self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::pipe_is_full(self.pipe.as_ptr()) }
    }

    /// How many bytes may still be added; there may be no buffer for all of them.
    pub(crate) fn room(&self) -> Len {
        self.room
    }

    /// How many bytes were added.
    pub(super) fn added(&self) -> Len {
        self.wanted.saturating_sub(self.room)
    }

    /// The pipe, for a C function that adds bytes to it, which [`PipeWriter::count`] is to be told then.
    #[allow(dead_code, reason = "for what is used by some file systems only")]
    pub(super) fn as_ptr(&mut self) -> *mut bindings::pipe_inode_info {
        self.pipe.as_ptr()
    }

    /// As many bytes were added.
    #[inline(always)]
    pub(super) fn count(&mut self, bytes: Len) {
        self.room = self.room.saturating_sub(bytes);
    }

    /// Adds up to `bytes` bytes of a folio from byte `pos` of its file on, without copying; returns how many
    /// found room.
    #[inline(always)]
    pub(crate) fn add_folio(&mut self, folio: &Folio, pos: Pos, bytes: Len) -> Len {
        let bytes = bytes.min(self.room);
        // SAFETY: The folio is live, and by the type invariants the pipe is, and locked; each buffer takes its
        // own reference.
        let added = Len::new(unsafe {
            bindings::splice_folio_into_pipe(
                self.pipe.as_ptr(),
                folio.as_ptr(),
                pos.to_loff(),
                bytes.to_usize(),
            )
        });
        self.count(added);
        added
    }

    /// Adds up to `bytes` zeros, within the page that `pos` is in; returns how many found room. None are
    /// no buffer: who polls the pipe would take that for something to read.
    #[inline]
    pub(crate) fn add_zeros(&mut self, pos: Pos, bytes: Len) -> Len {
        let bytes = bytes.min(self.room).min(pos.left_in(Order::ZERO));
        if bytes.is_zero() || self.is_full() {
            return Len::ZERO;
        }
        // SAFETY: Returns a page that is never freed.
        let page = unsafe { bindings::zero_page() };
        // SAFETY: The page is live.
        unsafe { bindings::get_page(page) };
        // SAFETY: By the type invariants; a buffer is free, so that this is one.
        let buf = unsafe { bindings::pipe_head_buf(self.pipe.as_ptr()) };
        let filled = bindings::pipe_buffer {
            page,
            offset: pos.offset_in(Order::ZERO).to_uint(),
            len: bytes.to_uint(),
            // A pipe may outlive the module, so these are the kernel's, which want a reference.
            ops: &raw const bindings::nosteal_pipe_buf_ops,
            ..pin_init::zeroed()
        };
        // SAFETY: The buffer is free, and the lock of the pipe is held.
        unsafe { buf.write(filled) };
        // SAFETY: By the type invariants; the buffer at the head was filled.
        unsafe { bindings::pipe_advance_head(self.pipe.as_ptr()) };
        self.count(bytes);
        bytes
    }
}
