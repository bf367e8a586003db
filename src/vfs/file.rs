// SPDX-License-Identifier: GPL-2.0

//! Operations of open regular files.
//!
//! C headers: `include/linux/fs.h`, `include/linux/uio.h`.

use super::mmap;
use super::pipe::PipeWriter;
use super::{Exclusive, FileSystem, Inode, InodeGuard};
use crate::bindings;
use crate::units::{Len, Order, Pos};
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::from_result;
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;
use kernel::types::Opaque;

/// An open file of file system `T` (`struct file`).
///
/// # Invariants
///
/// The file is live for as long as a reference to this type is in use.
#[repr(transparent)]
pub(crate) struct File<T: FileSystem>(Opaque<bindings::file>, PhantomData<T>);

impl<T: FileSystem> File<T> {
    /// # Safety
    ///
    /// The type invariants must hold for `'a`.
    pub(crate) unsafe fn from_raw<'a>(file: *mut bindings::file) -> &'a Self {
        // SAFETY: The type is transparent, and the caller promises validity.
        unsafe { &*file.cast() }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::file {
        self.0.get()
    }

    /// The file's inode.
    pub(crate) fn inode(&self) -> &Inode<T> {
        // SAFETY: An open file pins its inode. Where the file is a layer's above, the VFS passes
        // that of this file system to its operations.
        unsafe { Inode::from_raw((*(*self.as_ptr()).f_mapping).host) }
    }

    /// Whether it is open for writing and no other file of its inode is, nor a task about to open one; a snapshot.
    #[inline]
    pub(crate) fn is_last_writer(&self) -> bool {
        // SAFETY: The file is live and pins its inode, whose count of writers is read without a lock everywhere.
        unsafe {
            let file = self.as_ptr();
            let count = &raw const (*(*(*file).f_mapping).host).i_writecount.counter;
            (*file).f_mode & bindings::FMODE_WRITE != 0 && core::ptr::read_volatile(count) <= 1
        }
    }

    /// Updates the access time as the mount says, as `file_accessed()`.
    pub(crate) fn accessed(&self) {
        // SAFETY: The file is live.
        unsafe { bindings::file_accessed(self.as_ptr()) }
    }
}

/// Where llseek(2) is to look from a given position.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seek {
    /// The next byte that is not in a hole.
    Data,
    /// The next byte in a hole; the end of the file is one.
    Hole,
}

/// The operations of a file system's regular files.
pub(crate) trait FileOperations: FileSystem {
    /// Reads from byte `pos` on, which was in the file just now, into `to`, as far as that has room and the file has bytes. What is gone of
    /// `to` afterwards was read; an error counts only where nothing was. May sleep; `i_rwsem` is not held.
    fn read(file: &File<Self>, pos: Pos, to: &mut IovIterDest<'_>) -> Result;

    /// Writes what is in `from` at byte `pos`. What is gone of `from` afterwards was written; an error counts
    /// only where nothing was. The limits were looked at, and the times are set. May sleep.
    fn write(
        file: &File<Self>,
        inode: &mut Exclusive<'_, Self>,
        pos: Pos,
        from: &mut IovIterSource<'_>,
    ) -> Result;

    /// Finds data or a hole at or after `offset`; `ENXIO` where the file ends before. May sleep.
    fn seek(inode: &mut InodeGuard<'_, Self>, offset: Pos, what: Seek) -> Result<Pos>;

    /// Allocates the bytes from `start` to before `end` in advance, for fallocate(2); with
    /// `keep_size` the file does not grow. May sleep.
    fn allocate(inode: &mut Exclusive<'_, Self>, start: Pos, end: Pos, keep_size: bool) -> Result {
        let _ = (inode, start, end, keep_size);
        Err(EOPNOTSUPP)
    }

    /// Makes the bytes from `start` to before `end` a hole, for fallocate(2). May sleep.
    fn punch(inode: &mut Exclusive<'_, Self>, start: Pos, end: Pos) -> Result {
        let _ = (inode, start, end);
        Err(EOPNOTSUPP)
    }

    /// The order of the folios that mappings of the file are best aligned to; `None` where that of a page
    /// will do. Must not sleep.
    fn mapping_alignment(inode: &Inode<Self>) -> Option<Order> {
        let _ = inode;
        None
    }

    /// The file is about to be mapped. May sleep; `mmap_lock` is held for writing.
    #[inline]
    fn map(inode: &Inode<Self>) {
        let _ = inode;
    }

    /// An open file is closed for good. May sleep.
    fn release(file: &File<Self>) {
        let _ = file;
    }

    /// Gives pages of the file from byte `pos` on to a pipe, as far as that has room. What was added was
    /// read; an error counts only where nothing was. May sleep; `i_rwsem` is not held.
    fn splice_read(file: &File<Self>, pos: Pos, pipe: &mut PipeWriter<'_>) -> Result;
}

/// The tables of a file system's regular files.
pub(super) struct Tables<T>(PhantomData<T>);

impl<T: FileOperations> Tables<T> {
    pub(super) const FILE_OPERATIONS: bindings::file_operations = bindings::file_operations {
        open: Some(open),
        release: Some(release::<T>),
        llseek: Some(llseek::<T>),
        read_iter: Some(read_iter::<T>),
        write_iter: Some(write_iter::<T>),
        fsync: Some(bindings::noop_fsync),
        mmap_prepare: Some(mmap::mmap_prepare::<T>),
        splice_read: Some(splice_read::<T>),
        splice_write: Some(bindings::iter_file_splice_write),
        setlease: Some(bindings::generic_setlease),
        fallocate: Some(fallocate::<T>),
        // System V IPC calls it without a look.
        #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
        get_unmapped_area: Some(mmap::get_unmapped_area::<T>),
        #[cfg(not(CONFIG_TRANSPARENT_HUGEPAGE))]
        get_unmapped_area: Some(bindings::mm_get_unmapped_area),
        // The other operations are absent.
        ..pin_init::zeroed()
    };
}

/// What a transfer of no bytes returns.
#[inline]
fn nothing_or(result: Result) -> isize {
    match result {
        // For the VFS that is no error: the request would go on by itself.
        Err(EIOCBQUEUED) => EIO.to_errno() as isize,
        Err(e) => e.to_errno() as isize,
        Ok(()) => 0,
    }
}

/// Where a request is to begin.
///
/// # Safety
///
/// `kiocb` must be a request in progress, which only the caller uses during the call.
#[inline(always)]
unsafe fn position(kiocb: *mut bindings::kiocb) -> Pos {
    // SAFETY: By the caller's promise.
    Pos::from_loff(unsafe { (*kiocb).ki_pos })
}

/// The end of a request that `bytes` bytes were transferred for: moves its position on. Returns what the VFS is told, an
/// error only where there was nothing else.
///
/// # Safety
///
/// As for [`position`].
#[inline(always)]
unsafe fn end(kiocb: *mut bindings::kiocb, bytes: Len, result: Result) -> isize {
    if bytes.is_zero() {
        return nothing_or(result);
    }
    // SAFETY: By the caller's promise; no reference is made.
    let ki_pos = unsafe { &raw mut (*kiocb).ki_pos };
    // Where the request ends, which the VFS has looked at before, is a position.
    // SAFETY: By the caller's promise.
    unsafe { *ki_pos = (*ki_pos).wrapping_add(bytes.to_loff()) };
    bytes.to_ssize()
}

/// The bytes that are gone of an iterator that had `before`; iterators do not grow.
#[inline(always)]
fn gone(before: usize, left: usize) -> Len {
    Len::new(before.wrapping_sub(left))
}

/// `file_operations::open`: all files take `O_DIRECT`, since there is nothing more direct than the page cache.
///
/// # Safety
///
/// `inode` must be live, and `file` be one of it that is being opened, which no other task knows yet.
unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: By the caller's promise the file is this function's alone.
    let flags = unsafe {
        (*file).f_mode |= bindings::FMODE_CAN_ODIRECT;
        (*file).f_flags
    };
    // Nothing else would be looked at, and the call takes more than all of this.
    if flags & bindings::O_LARGEFILE != 0 {
        return 0;
    }
    // SAFETY: By the caller's promise both are live.
    unsafe { bindings::generic_file_open(inode, file) }
}

/// `file_operations::release`.
///
/// # Safety
///
/// `file` must be an open file of `T` that is being closed for good.
unsafe extern "C" fn release<T: FileOperations>(
    _inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: By the caller's promise.
    T::release(unsafe { File::from_raw(file) });
    0
}

/// `file_operations::read_iter`.
///
/// # Safety
///
/// `kiocb` must be a request in progress on an open file of `T`, and `iter` a destination; no other
/// task may use either during the call.
unsafe extern "C" fn read_iter<T: FileOperations>(
    kiocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
) -> isize {
    // SAFETY: By the caller's promise; a request holds its file.
    let file = unsafe { File::<T>::from_raw((*kiocb).ki_filp) };
    // SAFETY: By the caller's promise.
    let pos = unsafe { position(kiocb) };
    // Programs read until there is nothing more.
    if pos >= file.inode().size() {
        file.accessed();
        return 0;
    }
    // SAFETY: By the caller's promise.
    unsafe { read_before_end(file, pos, kiocb, iter) }
}

/// Reads from byte `pos` of `file` on, which is before its end. Not inlined: what finds the end needs less.
///
/// # Safety
///
/// As for [`read_iter`]; the request must be one on `file`, and begin at `pos`.
#[inline(never)]
unsafe fn read_before_end<T: FileOperations>(
    file: &File<T>,
    pos: Pos,
    kiocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
) -> isize {
    // SAFETY: By the caller's promise; it is the same structure in both sets of bindings.
    let to = unsafe { IovIterDest::from_raw(iter.cast()) };
    let wanted = to.len();
    let result = T::read(file, pos, to);
    let bytes = gone(wanted, to.len());
    // SAFETY: By the caller's promise.
    unsafe { end(kiocb, bytes, result) }
}

/// `file_operations::write_iter`: locks the inode, checks against limits (`generic_write_checks()`), which may
/// leave less to write, takes away setuid bits and capabilities, and sets the times.
///
/// # Safety
///
/// `kiocb` must be a request in progress on an open file of `T`, and `iter` a source; no other task may use
/// either during the call. The caller must not hold `i_rwsem` of the file.
unsafe extern "C" fn write_iter<T: FileOperations>(
    kiocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
) -> isize {
    // SAFETY: By the caller's promise; a request holds its file.
    let file = unsafe { File::<T>::from_raw((*kiocb).ki_filp) };
    let mut guard = file.inode().lock();
    // SAFETY: By the caller's promise; the inode is locked.
    let left = unsafe { bindings::generic_write_checks(kiocb, iter) };
    if left <= 0 {
        return left;
    }
    // SAFETY: The file is live, and its inode locked.
    if let Err(e) = bindings::to_result(unsafe { bindings::file_remove_privs(file.as_ptr()) }) {
        return nothing_or(Err(e));
    }
    // SAFETY: The file is live, and its inode locked.
    if let Err(e) = bindings::to_result(unsafe { bindings::file_update_time(file.as_ptr()) }) {
        return nothing_or(Err(e));
    }
    // SAFETY: By the caller's promise; it is the same structure in both sets of bindings.
    let from = unsafe { IovIterSource::from_raw(iter.cast()) };
    let wanted = from.len();
    // SAFETY: By the caller's promise.
    let pos = unsafe { position(kiocb) };
    let result = T::write(file, &mut guard.exclusive(), pos, from);
    let bytes = gone(wanted, from.len());
    // SAFETY: By the caller's promise.
    unsafe { end(kiocb, bytes, result) }
}

/// `file_operations::llseek`.
///
/// # Safety
///
/// `file` must be an open file of `T`, with its position locked; the caller must not hold `i_rwsem` of it.
unsafe extern "C" fn llseek<T: FileOperations>(
    file: *mut bindings::file,
    offset: bindings::loff_t,
    whence: c_int,
) -> bindings::loff_t {
    // SAFETY: By the caller's promise.
    let inode = unsafe { File::<T>::from_raw(file) }.inode();
    const DATA: c_int = bindings::int(bindings::SEEK_DATA);
    const HOLE: c_int = bindings::int(bindings::SEEK_HOLE);
    let what = match whence {
        DATA => Seek::Data,
        HOLE => Seek::Hole,
        // SAFETY: By the caller's promise.
        _ => unsafe {
            return bindings::generic_file_llseek_size(
                file,
                offset,
                whence,
                T::MAX_BYTES.to_loff(),
                inode.size().to_loff(),
            );
        },
    };
    from_result(|| {
        let offset = Pos::new(offset).ok_or(ENXIO)?;
        let mut guard = inode.lock();
        let offset = T::seek(&mut guard, offset, what)?;
        // SAFETY: By the caller's promise.
        Ok(unsafe { bindings::vfs_setpos(file, offset.to_loff(), T::MAX_BYTES.to_loff()) })
    })
}

/// `file_operations::splice_read`.
///
/// # Safety
///
/// `file` must be an open file of `T`, `ppos` a position that only this function uses during the call, and
/// `pipe` a pipe whose mutex the current task holds.
unsafe extern "C" fn splice_read<T: FileOperations>(
    file: *mut bindings::file,
    ppos: *mut bindings::loff_t,
    pipe: *mut bindings::pipe_inode_info,
    len: usize,
    _flags: c_uint,
) -> isize {
    // SAFETY: By the caller's promise.
    let file = unsafe { File::<T>::from_raw(file) };
    // SAFETY: By the caller's promise, so that it is not null either.
    let mut pipe = unsafe { PipeWriter::from_raw(NonNull::new_unchecked(pipe), Len::new(len)) };
    // SAFETY: By the caller's promise.
    let pos = Pos::from_loff(unsafe { *ppos });
    let result = T::splice_read(file, pos, &mut pipe);
    let bytes = pipe.added();
    if bytes.is_zero() && result.is_err() {
        return nothing_or(result);
    }
    let pos = pos.saturating_add(bytes).to_loff();
    // SAFETY: By the caller's promise.
    unsafe { *ppos = pos };
    // SAFETY: The file is live; the state of readahead is a hint.
    unsafe { (*file.as_ptr()).__bindgen_anon_3.f_ra.prev_pos = pos };
    bytes.to_ssize()
}

/// `file_operations::fallocate`.
///
/// # Safety
///
/// `file` must be an open file of `T`; the caller must not hold `i_rwsem` of it.
unsafe extern "C" fn fallocate<T: FileOperations>(
    file: *mut bindings::file,
    mode: c_int,
    offset: bindings::loff_t,
    len: bindings::loff_t,
) -> c_long {
    from_result(|| {
        const KEEP_SIZE: c_int = bindings::int(bindings::FALLOC_FL_KEEP_SIZE);
        const PUNCH_HOLE: c_int = bindings::int(bindings::FALLOC_FL_PUNCH_HOLE);
        if mode & !(KEEP_SIZE | PUNCH_HOLE) != 0 {
            return Err(EOPNOTSUPP);
        }
        // The VFS refuses negative numbers.
        let (Some(start), Some(len)) = (Pos::new(offset), Pos::new(len)) else {
            return Err(EINVAL);
        };
        let len = Pos::ZERO.distance_to(len);
        let end = start.checked_add(len).ok_or(EFBIG)?;
        // SAFETY: By the caller's promise.
        let inode = unsafe { File::<T>::from_raw(file) }.inode();
        let mut guard = inode.lock();
        if mode & PUNCH_HOLE != 0 {
            T::punch(&mut guard.exclusive(), start, end)?;
        } else {
            // SAFETY: The inode is live and locked. Checks the limit of the process too.
            bindings::to_result(unsafe {
                bindings::inode_newsize_ok(inode.as_ptr(), end.to_loff())
            })?;
            T::allocate(&mut guard.exclusive(), start, end, mode & KEEP_SIZE != 0)?;
        }
        // SAFETY: The file is live, and its inode locked. Its failure does not undo the success.
        unsafe { bindings::file_modified(file) };
        Ok(0)
    })
}
