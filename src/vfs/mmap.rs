// SPDX-License-Identifier: GPL-2.0

//! Mapping a file: its operations for the mapping, and the address.
//!
//! C header: `include/linux/fs.h`.

use super::file::{File, FileOperations};
use super::file_system::Memory;
use super::Inode;
use crate::bindings;
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::mm::alignment;
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::units::{PageIndex, PAGE_SIZE};
use kernel::prelude::*;

/// `file_operations::mmap_prepare`.
///
/// # Safety
///
/// `desc` must describe a mapping that is being made of an open file of `T`, and no other task use it during
/// the call.
pub(super) unsafe extern "C" fn mmap_prepare<T: FileOperations>(
    desc: *mut bindings::vm_area_desc,
) -> c_int {
    // SAFETY: By the caller's promise.
    let file = unsafe { (*desc).file };
    // SAFETY: By the caller's promise the file is live.
    unsafe { bindings::file_accessed(file) };
    // SAFETY: By the caller's promise the file is live, and of `T`; it holds its inode.
    let inode = unsafe { Inode::<T>::from_raw(bindings::file_inode(file)) };
    T::map(inode);
    // SAFETY: By the caller's promise.
    unsafe { (*desc).vm_ops = inode.sb().memory().vm_ops(inode.nlink() > 0) };
    0
}

/// `file_operations::get_unmapped_area`: chooses the address of a mapping, aligned so that large folios can be mapped as a whole.
///
/// # Safety
///
/// `file` must be an open file of `T`, and the current task hold `mmap_lock` of its address space for writing.
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
pub(super) unsafe extern "C" fn get_unmapped_area<T: FileOperations>(
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

    // SAFETY: By the caller's promise.
    let addr = unsafe { bindings::mm_get_unmapped_area(file, hint, len, pgoff, flags) };
    // SAFETY: By the caller's promise.
    let inode = unsafe { File::<T>::from_raw(file) }.inode();
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
    // SAFETY: By the caller's promise; without a file, since the room is not for it.
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
