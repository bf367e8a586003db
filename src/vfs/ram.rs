// SPDX-License-Identifier: GPL-2.0

//! Files whose pages stay in memory, as those of ramfs: their page caches are operated by the kernel's own
//! `ram_aops`, their mappings by the functions of `mm/filemap.c`, and so are reads and writes.
//!
//! A file system says so by `type Memory = Ram`. What is here is for such a file system alone, since it calls
//! what only these operations have.
//!
//! C headers: `include/linux/fs.h`, `include/linux/pagemap.h`.

use super::control::TypeFolder;
use super::file_system::Memory;
use super::internal_type::InternalType;
use super::pins::Pins;
use super::pipe::PipeWriter;
use super::{Exclusive, File, FileSystem, Inode};
use crate::bindings;
use crate::mm::Mapping;
use crate::units::{Len, Pos};
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
        // The other operations are absent.
        ..pin_init::zeroed()
    };
}

// SAFETY: Both tables live for ever, and their functions are for any file that has `ram_aops`.
unsafe impl<T: FileSystem<Memory = Self>> Memory<T> for Ram {
    type Settings = ();
    type InodeBase = bindings::inode;
    type InodeData = ();

    unsafe fn new(
        _module: &'static ThisModule,
        _internal: InternalType<T>,
        _folder: TypeFolder,
    ) -> impl PinInit<Self, Error> {
        Ok(Self)
    }

    fn start(&self, (): ()) {}

    fn new_inode_data() {}

    unsafe fn init_base(_base: *mut bindings::inode) {}

    fn a_ops(&self) -> *const bindings::address_space_operations {
        &raw const bindings::ram_aops
    }

    fn vm_ops(&self, _named: bool) -> *const bindings::vm_operations_struct {
        &Self::VM_OPERATIONS
    }

    unsafe fn init_mapping(&self, mapping: &Mapping) {
        // There is no function that migrates a dirty page, so that none may be where pages must be movable.
        // SAFETY: By the safety requirements the inode is new, so that its mapping has no user yet.
        unsafe { (*mapping.as_ptr()).gfp_mask = bindings::GFP_HIGHUSER };
        mapping.set_unevictable();
    }

    unsafe fn forget(&self, _inode: &Inode<T>) {}

    unsafe fn pins(_inode: &Inode<T>) -> Option<&Pins> {
        None
    }
}

/// A request for C functions that transfer bytes from or to byte `pos` of a file on.
fn request<T: FileSystem<Memory = Ram>>(file: &File<T>, pos: Pos) -> bindings::kiocb {
    bindings::kiocb {
        ki_filp: file.as_ptr(),
        ki_pos: pos.to_loff(),
        ..pin_init::zeroed()
    }
}

/// What a C function says that transfers bytes: how many, or a negative error.
fn transferred(bytes: isize) -> Result<Len> {
    match usize::try_from(bytes) {
        Ok(bytes) => Ok(Len::new(bytes)),
        // Error numbers fit.
        Err(_) => Err(Error::from_errno(c_int::try_from(bytes).unwrap_or(0))),
    }
}

/// Reads from byte `pos` on into `to`, as `generic_file_read_iter()`. What is a hole gets pages. May sleep.
///
/// Fails, where it has read nothing, with `EFAULT`, with `ENOMEM`, and with `EINTR` for a task that is killed.
pub(crate) fn read<T: FileSystem<Memory = Ram>>(
    file: &File<T>,
    pos: Pos,
    to: &mut IovIterDest<'_>,
) -> Result {
    let mut request = request(file, pos);
    let before = to.len();
    // SAFETY: The request is for an open file, and the iterator the same structure in both sets of bindings.
    // The file has `ram_aops`, which can read a folio; this does not look for direct I/O, which they have not.
    let read = unsafe { bindings::filemap_read(&mut request, to.as_raw().cast(), 0) };
    let read = transferred(read);
    // It may have cut off what is beyond the largest size of a file, without reading it.
    let left = before.saturating_sub(read.unwrap_or(Len::ZERO).to_usize());
    // SAFETY: The iterator had that many bytes left, of which none were transferred.
    unsafe {
        (*to.as_raw())
            .__bindgen_anon_1
            .__bindgen_anon_1
            .as_mut()
            .count = left
    };
    read.map(drop)
}

/// Writes what is in `from` at byte `pos` of the file that `inode` is, as `generic_perform_write()`, and makes it as
/// large as that needs. May sleep.
///
/// Fails, where it has written nothing, with `EFAULT`, with `ENOMEM`, and with `EINTR` for a task that is killed; with
/// `EINVAL` where `file` is not open on `inode`.
pub(crate) fn write<T: FileSystem<Memory = Ram>>(
    file: &File<T>,
    inode: &mut Exclusive<'_, T>,
    pos: Pos,
    from: &mut IovIterSource<'_>,
) -> Result {
    if !core::ptr::eq(file.inode(), inode.inode()) {
        return Err(EINVAL);
    }
    // It looks at what there is only once it has written some.
    if from.is_empty() {
        return Ok(());
    }
    let mut request = request(file, pos);
    // SAFETY: The request is for an open file, and the iterator the same structure in both sets of bindings.
    // The file has `ram_aops`, which can begin and end a write, and the inode is locked.
    let written = unsafe { bindings::generic_perform_write(&mut request, from.as_raw().cast()) };
    transferred(written).map(drop)
}

/// Gives pages of the file from byte `pos` on to a pipe, as `filemap_splice_read()`. What is a hole gets pages. May
/// sleep.
///
/// Fails, where it has given nothing, with `ENOMEM`, and with `EINTR` for a task that is killed.
pub(crate) fn splice_read<T: FileSystem<Memory = Ram>>(
    file: &File<T>,
    pos: Pos,
    pipe: &mut PipeWriter<'_>,
) -> Result {
    let (mut pos, room) = (pos.to_loff(), pipe.room().to_usize());
    // SAFETY: The file is open and has `ram_aops`, which can read a folio; the pipe is live and locked.
    let given =
        unsafe { bindings::filemap_splice_read(file.as_ptr(), &mut pos, pipe.as_ptr(), room, 0) };
    pipe.count(transferred(given)?);
    Ok(())
}
