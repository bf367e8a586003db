// SPDX-License-Identifier: GPL-2.0

//! Memory policies that mbind(2) sets on mappings of files, and how the MM asks for them.
//!
//! C headers: `include/linux/mempolicy.h`, `include/linux/mm.h`.

use super::backend::SharedMemory;
use crate::bindings;
use crate::vfs::Inode;
use kernel::prelude::*;

/// `vm_operations_struct::set_policy`, for mbind(2).
///
/// # Safety
///
/// `vma` must be a live mapping of a file of `T`, locked for writing, and `policy` live or null.
pub(super) unsafe extern "C" fn set_policy<T: SharedMemory>(
    vma: *mut bindings::vm_area_struct,
    policy: *mut bindings::mempolicy,
) -> c_int {
    // SAFETY: By the caller's promise; a mapping holds its file, and that its inode.
    let inode = unsafe { Inode::<T>::from_raw(bindings::file_inode((*vma).vm_file)) };
    // SAFETY: By the caller's promise; the shared policy is there as long as the inode.
    unsafe { bindings::mpol_set_shared_policy(T::policy(inode).as_ptr(), vma, policy) }
}

/// `vm_operations_struct::get_policy`; the caller adds the turn of the page to `turn`.
///
/// # Safety
///
/// `vma` must be a live mapping of a file of `T`, locked, `address` one in it, and `turn` valid for a write.
pub(super) unsafe extern "C" fn get_policy<T: SharedMemory>(
    vma: *mut bindings::vm_area_struct,
    address: c_ulong,
    turn: *mut c_ulong,
) -> *mut bindings::mempolicy {
    // SAFETY: By the caller's promise; a mapping holds its file, and that its inode.
    let inode = unsafe { Inode::<T>::from_raw(bindings::file_inode((*vma).vm_file)) };
    // SAFETY: By the caller's promise.
    unsafe { *turn = inode.number().to_ulong() };
    // SAFETY: By the caller's promise.
    let index = unsafe { bindings::linear_page_index(vma, address) };
    // SAFETY: The shared policy is there as long as the inode. What is found comes with a reference, as the caller
    // expects.
    unsafe { bindings::mpol_shared_policy_lookup(T::policy(inode).as_ptr(), index) }
}
