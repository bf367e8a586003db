// SPDX-License-Identifier: GPL-2.0

//! Files whose pages stay in memory, as those of ramfs: their page caches are operated by the kernel's own
//! `ram_aops`, their mappings by the functions of `mm/filemap.c`, and so are reads and writes.
//!
//! A file system says so by `type Memory = Ram`. What is here is for such a file system alone, since it calls
//! what only these operations have.
//!
//! C headers: `include/linux/fs.h`, `include/linux/pagemap.h`.

use super::file_system::Memory;
use super::pipe::PipeWriter;
use super::{File, FileSystem, Inode, Kiocb};
use crate::bindings;
use crate::mm::{Len, Mapping, Pos};
use kernel::error::to_result;
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;
use kernel::ThisModule;

/// What operates page caches whose pages stay in memory. Nothing of it is registered.
pub(crate) struct Ram;

impl Ram {
    /// The operations of mappings, as `generic_file_vm_ops`.
    const VM_OPERATIONS: bindings::vm_operations_struct = bindings::vm_operations_struct {
        fault: Some(bindings::filemap_fault),
        map_pages: Some(bindings::filemap_map_pages),
        page_mkwrite: Some(bindings::filemap_page_mkwrite),
        // SAFETY: All-zero bytes are valid: the other operations are absent.
        ..unsafe { core::mem::zeroed() }
    };
}

// SAFETY: Both tables live for ever, and their functions are for any file that has `ram_aops`.
unsafe impl<T: FileSystem<Memory = Self>> Memory<T> for Ram {
    type InodeData = ();

    unsafe fn new(
        _module: &'static ThisModule,
        _fs_type: *mut bindings::file_system_type,
    ) -> impl PinInit<Self, Error> {
        Ok(Self)
    }

    fn new_inode_data() {}

    fn a_ops(&self) -> *const bindings::address_space_operations {
        &raw const bindings::ram_aops
    }

    fn vm_ops(&self, _named: bool) -> *const bindings::vm_operations_struct {
        &Self::VM_OPERATIONS
    }

    unsafe fn init_mapping(&self, mapping: &Mapping) {
        // There is no function that migrates a dirty page, so that none may be where pages must be movable.
        // SAFETY: By the safety requirements nobody else uses the mapping yet.
        unsafe { (*mapping.as_ptr()).gfp_mask = bindings::GFP_HIGHUSER };
        mapping.set_unevictable();
    }

    unsafe fn forget(&self, _inode: &Inode<T>) {}
}

/// Reads from the position of `kiocb` on, which moves, as `generic_file_read_iter()`; returns the number of
/// bytes. What is a hole gets pages. May sleep; no folio may be locked.
///
/// Fails, where it has read nothing, with `EFAULT`, with `ENOMEM`, and with `EINTR` for a task that is killed.
pub(crate) fn read<T: FileSystem<Memory = Ram>>(
    kiocb: &mut Kiocb<'_, T>,
    to: &mut IovIterDest<'_>,
) -> Result<Len> {
    // SAFETY: Request and iterator are valid, and the iterator is the same structure in both sets of bindings.
    // The file has `ram_aops`, which can read a folio; direct I/O they have not, nor does this look for it.
    transferred(unsafe { bindings::filemap_read(kiocb.as_ptr(), to.as_raw().cast(), 0) })
}

/// Writes from the position of `kiocb` on, which moves, and makes the file as large as that needs; returns the
/// number of bytes, as `generic_file_write_iter()`. Takes `i_rwsem`; may sleep; no folio may be locked.
///
/// Fails, where it has written nothing, with `EFAULT`, with `ENOMEM`, with `EINTR` for a task that is killed, and as
/// [`Kiocb::start_write`] does.
pub(crate) fn write<T: FileSystem<Memory = Ram>>(
    kiocb: &mut Kiocb<'_, T>,
    from: &mut IovIterSource<'_>,
) -> Result<Len> {
    let guard = kiocb.start_write(from)?;
    if from.is_empty() {
        return Ok(Len::ZERO);
    }
    // SAFETY: As in `read()`; `ram_aops` can begin and end a write, and the inode is locked.
    let written = unsafe { bindings::generic_perform_write(kiocb.as_ptr(), from.as_raw().cast()) };
    drop(guard);
    transferred(written)
}

/// Gives pages of the file from `pos` on to a pipe, at most `len` bytes, as `filemap_splice_read()`; returns the
/// number of bytes. What is a hole gets pages. May sleep.
///
/// Fails, where it has given nothing, with `ENOMEM`, and with `EINTR` for a task that is killed.
pub(crate) fn splice_read<T: FileSystem<Memory = Ram>>(
    file: &File<T>,
    pos: Pos,
    pipe: &mut PipeWriter<'_>,
    len: Len,
) -> Result<Len> {
    let mut pos = pos.to_loff();
    // SAFETY: The file is open and has `ram_aops`, which can read a folio; the pipe is live and locked.
    transferred(unsafe {
        bindings::filemap_splice_read(file.as_ptr(), &mut pos, pipe.as_ptr(), len.to_usize(), 0)
    })
}

/// What a C function says that transfers bytes: how many, or a negative error.
fn transferred(bytes: isize) -> Result<Len> {
    match usize::try_from(bytes) {
        Ok(bytes) => Ok(Len::new(bytes)),
        // Error numbers fit.
        Err(_) => to_result(c_int::try_from(bytes).unwrap_or(-1)).map(|()| Len::ZERO),
    }
}
