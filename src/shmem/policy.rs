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
/// For calls through the table of `vm_operations_struct` that it is in, only.
pub(super) unsafe extern "C" fn set_policy<T: SharedMemory>(
    vma: *mut bindings::vm_area_struct,
    policy: *mut bindings::mempolicy,
) -> c_int {
    // SAFETY: The MM passes a mapping of a file of this file system, with its lock held for
    // writing, and a live policy or null.
    unsafe {
        let inode = Inode::<T>::from_raw(bindings::file_inode((*vma).vm_file));
        bindings::mpol_set_shared_policy(T::policy(inode).as_ptr(), vma, policy)
    }
}

/// `vm_operations_struct::get_policy`; the caller adds the turn of the page to `turn`.
///
/// # Safety
///
/// For calls through the table of `vm_operations_struct` that it is in, only.
pub(super) unsafe extern "C" fn get_policy<T: SharedMemory>(
    vma: *mut bindings::vm_area_struct,
    address: c_ulong,
    turn: *mut c_ulong,
) -> *mut bindings::mempolicy {
    // SAFETY: The MM passes a mapping of a file of this file system, locked, an address in it,
    // and where to store the turn. A policy that is found comes with a reference, as the
    // caller expects.
    unsafe {
        let inode = Inode::<T>::from_raw(bindings::file_inode((*vma).vm_file));
        *turn = inode.number().to_ulong();
        bindings::mpol_shared_policy_lookup(
            T::policy(inode).as_ptr(),
            bindings::linear_page_index(vma, address),
        )
    }
}
