// SPDX-License-Identifier: GPL-2.0

//! Operations of open regular files.
//!
//! C headers: `include/linux/fs.h`, `include/linux/uio.h`.

use super::file_system::Memory;
use super::pipe::PipeWriter;
use super::{Exclusive, FileSystem, Inode, InodeGuard};
use crate::bindings;
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::mm::alignment;
use crate::mm::{Len, Pos};
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::mm::{Order, PageIndex, PAGE_SIZE};
use core::marker::PhantomData;
use kernel::error::{from_result, to_result};
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

    /// Updates the access time as the mount says, as `file_accessed()`.
    pub(crate) fn accessed(&self) {
        // SAFETY: The file is live.
        unsafe { bindings::file_accessed(self.as_ptr()) }
    }
}

/// A read or a write in progress (`struct kiocb`).
pub(crate) struct Kiocb<'a, T: FileSystem> {
    kiocb: &'a mut bindings::kiocb,
    _fs: PhantomData<T>,
}

impl<'a, T: FileSystem> Kiocb<'a, T> {
    /// # Safety
    ///
    /// `kiocb` must be valid and used by nobody else for `'a`, and of a file of `T`.
    unsafe fn from_raw(kiocb: *mut bindings::kiocb) -> Self {
        Self {
            // SAFETY: By the caller's promise.
            kiocb: unsafe { &mut *kiocb },
            _fs: PhantomData,
        }
    }

    /// The request, for C functions that carry it out.
    #[allow(dead_code, reason = "for what is used by some file systems only")]
    pub(super) fn as_ptr(&mut self) -> *mut bindings::kiocb {
        self.kiocb
    }

    /// The file.
    pub(crate) fn file(&self) -> &'a File<T> {
        // SAFETY: A request holds its file.
        unsafe { File::from_raw(self.kiocb.ki_filp) }
    }

    /// The position in the file.
    pub(crate) fn pos(&self) -> Pos {
        Pos::from_loff(self.kiocb.ki_pos)
    }

    /// Moves the position to `pos`.
    pub(crate) fn set_pos(&mut self, pos: Pos) {
        self.kiocb.ki_pos = pos.to_loff();
    }

    /// Prepares a write: locks the inode, checks against limits (`generic_write_checks()`), which may
    /// leave less to write, takes away setuid bits and capabilities, and sets the times. May sleep.
    #[inline]
    pub(crate) fn start_write(
        &mut self,
        from: &mut IovIterSource<'_>,
    ) -> Result<InodeGuard<'a, T>> {
        let guard = self.file().inode().lock();
        // SAFETY: Request and iterator are valid; the iterator is the same structure in both sets
        // of bindings.
        let left = unsafe { bindings::generic_write_checks(self.kiocb, from.as_raw().cast()) };
        if left <= 0 {
            // Error numbers fit.
            return to_result(c_int::try_from(left).unwrap_or(0)).map(|()| guard);
        }
        // SAFETY: The file is live, and the inode locked.
        unsafe {
            to_result(bindings::file_remove_privs(self.kiocb.ki_filp))?;
            to_result(bindings::file_update_time(self.kiocb.ki_filp))?;
        }
        Ok(guard)
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
    /// Reads at the position of `kiocb` and moves it on; returns the number of bytes, 0 at the end
    /// of the file. May sleep; `i_rwsem` is not held.
    fn read(kiocb: &mut Kiocb<'_, Self>, to: &mut IovIterDest<'_>) -> Result<Len>;

    /// Writes at the position of `kiocb` and moves it on; returns the number of bytes. May sleep;
    /// `i_rwsem` is not held.
    fn write(kiocb: &mut Kiocb<'_, Self>, from: &mut IovIterSource<'_>) -> Result<Len>;

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
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    fn mapping_alignment(inode: &Inode<Self>) -> Option<Order> {
        let _ = inode;
        None
    }

    /// Gives pages of the file from `pos` on to a pipe, at most `len` bytes; returns the number of
    /// bytes. May sleep.
    fn splice_read(file: &File<Self>, pos: Pos, pipe: &mut PipeWriter<'_>, len: Len)
        -> Result<Len>;
}

/// The tables of a file system's regular files.
pub(super) struct Tables<T>(PhantomData<T>);

impl<T: FileOperations> Tables<T> {
    pub(super) const FILE_OPERATIONS: bindings::file_operations = bindings::file_operations {
        open: Some(open),
        llseek: Some(llseek::<T>),
        read_iter: Some(read_iter::<T>),
        write_iter: Some(write_iter::<T>),
        fsync: Some(bindings::noop_fsync),
        mmap_prepare: Some(mmap_prepare::<T>),
        splice_read: Some(splice_read::<T>),
        splice_write: Some(bindings::iter_file_splice_write),
        setlease: Some(bindings::generic_setlease),
        fallocate: Some(fallocate::<T>),
        #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
        get_unmapped_area: Some(get_unmapped_area::<T>),
        // SAFETY: All-zero bytes are valid: the other operations are absent.
        ..unsafe { core::mem::zeroed() }
    };
}

/// All files take `O_DIRECT`: there is nothing more direct than the page cache.
///
/// # Safety
///
/// For calls through the table of `file_operations` that it is in, only.
unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: The VFS passes an inode and a file that nobody else uses yet.
    unsafe {
        (*file).f_mode |= bindings::FMODE_CAN_ODIRECT;
        bindings::generic_file_open(inode, file)
    }
}

/// # Safety
///
/// For calls through the table of `file_operations` that it is in, only.
unsafe extern "C" fn read_iter<T: FileOperations>(
    kiocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
) -> isize {
    // SAFETY: The VFS passes a request and an iterator to be filled, which is the same structure
    // in both sets of bindings.
    let (mut kiocb, to) = unsafe { (Kiocb::from_raw(kiocb), IovIterDest::from_raw(iter.cast())) };
    match T::read(&mut kiocb, to) {
        Ok(bytes) => bytes.to_ssize(),
        Err(e) => e.to_errno() as isize,
    }
}

/// # Safety
///
/// For calls through the table of `file_operations` that it is in, only.
unsafe extern "C" fn write_iter<T: FileOperations>(
    kiocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
) -> isize {
    // SAFETY: The VFS passes a request and an iterator to be emptied, which is the same structure
    // in both sets of bindings.
    let (mut kiocb, from) =
        unsafe { (Kiocb::from_raw(kiocb), IovIterSource::from_raw(iter.cast())) };
    match T::write(&mut kiocb, from) {
        Ok(bytes) => bytes.to_ssize(),
        Err(e) => e.to_errno() as isize,
    }
}

/// # Safety
///
/// For calls through the table of `file_operations` that it is in, only.
unsafe extern "C" fn llseek<T: FileOperations>(
    file: *mut bindings::file,
    offset: bindings::loff_t,
    whence: c_int,
) -> bindings::loff_t {
    // SAFETY: The VFS passes an open file of this file system.
    let inode = unsafe { File::<T>::from_raw(file) }.inode();
    const DATA: c_int = bindings::int(bindings::SEEK_DATA);
    const HOLE: c_int = bindings::int(bindings::SEEK_HOLE);
    let what = match whence {
        DATA => Seek::Data,
        HOLE => Seek::Hole,
        // SAFETY: As above.
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
        // SAFETY: As above.
        Ok(unsafe { bindings::vfs_setpos(file, offset.to_loff(), T::MAX_BYTES.to_loff()) })
    })
}

/// # Safety
///
/// For calls through the table of `file_operations` that it is in, only.
unsafe extern "C" fn splice_read<T: FileOperations>(
    file: *mut bindings::file,
    ppos: *mut bindings::loff_t,
    pipe: *mut bindings::pipe_inode_info,
    len: usize,
    _flags: c_uint,
) -> isize {
    // SAFETY: The VFS passes an open file of this file system, and a pipe that it has locked.
    let (file, mut pipe) = unsafe { (File::<T>::from_raw(file), PipeWriter::from_raw(pipe)) };
    // SAFETY: The position is the VFS's own, and nobody else uses it.
    let ppos = unsafe { &mut *ppos };
    let pos = Pos::from_loff(*ppos);
    match T::splice_read(file, pos, &mut pipe, Len::new(len)) {
        Ok(bytes) => {
            *ppos = pos.saturating_add(bytes).to_loff();
            // SAFETY: The file is live; readahead state is a hint.
            unsafe { (*file.as_ptr()).__bindgen_anon_3.f_ra.prev_pos = *ppos };
            bytes.to_ssize()
        }
        Err(e) => e.to_errno() as isize,
    }
}

/// # Safety
///
/// For calls through the table of `file_operations` that it is in, only.
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
        // SAFETY: The VFS passes an open file of this file system.
        let inode = unsafe { File::<T>::from_raw(file) }.inode();
        let mut guard = inode.lock();
        if mode & PUNCH_HOLE != 0 {
            T::punch(&mut guard.exclusive(), start, end)?;
        } else {
            // SAFETY: The inode is live and locked. Checks the limit of the process too.
            to_result(unsafe { bindings::inode_newsize_ok(inode.as_ptr(), end.to_loff()) })?;
            T::allocate(&mut guard.exclusive(), start, end, mode & KEEP_SIZE != 0)?;
        }
        // SAFETY: The file is live, and its inode locked. Its failure does not undo the success.
        unsafe { bindings::file_modified(file) };
        Ok(0)
    })
}

/// `file_operations::mmap_prepare`.
///
/// # Safety
///
/// For calls through the table of `file_operations` that it is in, only.
unsafe extern "C" fn mmap_prepare<T: FileOperations>(desc: *mut bindings::vm_area_desc) -> c_int {
    // SAFETY: The VFS passes a description of a mapping of a live file.
    unsafe {
        bindings::file_accessed((*desc).file);
        let inode = Inode::<T>::from_raw(bindings::file_inode((*desc).file));
        (*desc).vm_ops = inode.sb().memory().vm_ops(inode.nlink() > 0);
    }
    0
}

/// Chooses the address of a mapping, aligned so that large folios can be mapped as a whole.
///
/// # Safety
///
/// For calls through the table of `file_operations` that it is in, only.
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
unsafe extern "C" fn get_unmapped_area<T: FileOperations>(
    file: *mut bindings::file,
    hint: c_ulong,
    len: c_ulong,
    pgoff: c_ulong,
    flags: c_ulong,
) -> c_ulong {
    // SAFETY: Looks at the current task.
    let max = unsafe { bindings::task_size() };
    let Some(last) = max.checked_sub(len) else {
        return ENOMEM.to_ptr::<c_void>().addr();
    };
    // What is not a multiple of a page is an error.
    let fits = |addr: c_ulong| addr % PAGE_SIZE == 0 && addr <= last;

    // SAFETY: The MM passes an open file of this file system, and holds the lock of the address
    // space.
    let (addr, inode) = unsafe {
        (
            bindings::mm_get_unmapped_area(file, hint, len, pgoff, flags),
            File::<T>::from_raw(file).inode(),
        )
    };
    // A hint that could be followed was followed.
    if !fits(addr) || addr == hint || flags & bindings::MAP_FIXED != 0 {
        return addr;
    }
    let placement = T::mapping_alignment(inode).and_then(|order| {
        alignment::placement(addr, len, PageIndex::from_pgoff(pgoff), order, max)
    });
    let Some(placement) = placement else {
        return addr;
    };
    // SAFETY: As above; without a file, since the room is not for it.
    let room = unsafe {
        bindings::mm_get_unmapped_area(core::ptr::null_mut(), hint, placement.room, 0, flags)
    };
    let aligned = placement.within(room);
    if room % PAGE_SIZE == 0 && fits(aligned) {
        aligned
    } else {
        addr
    }
}
