// SPDX-License-Identifier: GPL-2.0

//! The hooks by which the rest of mm/ calls a file system whose pages go to swap, but for that of
//! reclaim.
//!
//! C header: `include/linux/shmem_backend.h` of the patched kernel, which says what each hook must
//! do.

use super::backend::Backend;
use super::backend::{SharedMemory, Want};
use crate::bindings;
use crate::mm::huge::VmaAdvice;
#[cfg(CONFIG_SWAP)]
use crate::mm::swap::SwapDeviceId;
use crate::mm::{Len, LockedFolio, PageCount, PageIndex, Pos};
use crate::vfs::Inode;
use kernel::prelude::*;

/// A page with a memory error stays, so that readers see `EIO` and not zeros.
///
/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
pub(super) unsafe extern "C" fn error_remove_folio(
    _mapping: *mut bindings::address_space,
    _folio: *mut bindings::folio,
) -> c_int {
    0
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
#[cfg(CONFIG_SWAP)]
pub(super) unsafe extern "C" fn unuse<T: SharedMemory>(device: c_uint) -> c_int {
    // SAFETY: Unregistering waits for this call.
    let Some(backend) = (unsafe { T::cell().get() }) else {
        return 0;
    };
    let result = backend.swapped.for_each(
        |inode| !T::swapped(inode).is_zero(),
        |inode| T::bring_back(inode, SwapDeviceId::new(device)),
    );
    match result {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}

/// There is no swap to bring anything back from.
///
/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
#[cfg(not(CONFIG_SWAP))]
pub(super) unsafe extern "C" fn unuse<T: SharedMemory>(_device: c_uint) -> c_int {
    0
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
pub(super) unsafe extern "C" fn get_folio<T: SharedMemory>(
    inode: *mut bindings::inode,
    index: c_ulong,
    write_end: bindings::loff_t,
    folio: *mut *mut bindings::folio,
    purpose: bindings::sgp_type,
    _gfp: bindings::gfp_t,
) -> c_int {
    let want = match purpose {
        bindings::sgp_type_SGP_READ => Want::Read,
        bindings::sgp_type_SGP_NOALLOC => Want::Existing,
        bindings::sgp_type_SGP_CACHE => Want::Valid,
        _ => Want::Write {
            end: Pos::from_loff(write_end),
        },
    };
    // SAFETY: The callers pass a live inode of this file system.
    let inode = unsafe { Inode::<T>::from_raw(inode) };
    let index = PageIndex::from_pgoff(index);
    let (found, result) = match T::get_folio(inode, index, want) {
        // Nothing else is to be mapped or collapsed in its place, nor what was in memory before.
        Ok(Some(found))
            if !found.has_page(inode.mapping(), index)
                || !(found.is_uptodate() || matches!(want, Want::Write { .. })) =>
        {
            (core::ptr::null_mut(), EINVAL.to_errno())
        }
        Ok(found) => (
            found.map_or(core::ptr::null_mut(), LockedFolio::into_raw),
            0,
        ),
        Err(e) => (core::ptr::null_mut(), e.to_errno()),
    };
    // SAFETY: The callers pass room for a pointer.
    unsafe { *folio = found };
    result
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
pub(super) unsafe extern "C" fn truncate_range<T: SharedMemory>(
    inode: *mut bindings::inode,
    start: bindings::loff_t,
    last: bindings::uoff_t,
) {
    // SAFETY: The callers pass a live inode of this file system.
    let inode = unsafe { Inode::<T>::from_raw(inode) };
    // To the end of all files where the last byte is none that a file can have.
    let end = i64::try_from(last)
        .ok()
        .and_then(Pos::new)
        .and_then(|last| last.checked_add(Len::new(1)));
    T::free_range(inode, Pos::from_loff(start), end);
    // SAFETY: The inode is live, and the callers serialise changes.
    unsafe {
        let inode = inode.as_ptr();
        bindings::inode_set_mtime_to_ts(inode, bindings::inode_set_ctime_current(inode));
        bindings::inode_inc_iversion(inode);
    }
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
pub(super) unsafe extern "C" fn charge<T: SharedMemory>(
    inode: *mut bindings::inode,
    pages: c_long,
) -> bool {
    // SAFETY: khugepaged passes a live inode of this file system.
    let inode = unsafe { Inode::<T>::from_raw(inode) };
    let pages = PageCount::from_long(pages);
    T::charge(inode, pages, || {
        let mapping = inode.mapping().as_ptr();
        // SAFETY: The mapping is live; khugepaged adds the pages that are counted here.
        unsafe {
            bindings::xa_lock_irq(&raw mut (*mapping).i_pages);
            // There are no more than fit into memory.
            (*mapping).nrpages = (*mapping).nrpages.wrapping_add(pages.to_ulong());
            bindings::xa_unlock_irq(&raw mut (*mapping).i_pages);
        }
    })
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
pub(super) unsafe extern "C" fn uncharge<T: SharedMemory>(
    inode: *mut bindings::inode,
    _pages: c_long,
) {
    // SAFETY: The callers pass a live inode of this file system.
    T::uncharge(unsafe { Inode::<T>::from_raw(inode) })
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
pub(super) unsafe extern "C" fn fallocend<T: SharedMemory>(
    inode: *mut bindings::inode,
    eof: c_ulong,
) -> c_ulong {
    // SAFETY: The callers pass a live inode of this file system.
    let inode = unsafe { Inode::<T>::from_raw(inode) };
    // The pages in front of it are mapped while a folio is split, and must not be dropped.
    let eof = PageIndex::from_pgoff(eof);
    T::kept_end(inode, eof).max(eof).to_pgoff()
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
pub(super) unsafe extern "C" fn huge_orders<T: SharedMemory>(
    inode: *mut bindings::inode,
    vma: *mut bindings::vm_area_struct,
    index: c_ulong,
    write_end: bindings::loff_t,
    forced: bool,
) -> c_ulong {
    // SAFETY: The callers pass a live inode of this file system, and null or a mapping that is
    // locked.
    unsafe {
        let inode = Inode::<T>::from_raw(inode);
        let backend: &Backend<T> = inode.sb().memory();
        let mapping =
            (!vma.is_null()).then(|| (VmaAdvice::of(vma, forced), backend.is_anonymous(vma)));
        let index = PageIndex::from_pgoff(index);
        T::huge_orders(inode, mapping, index, Pos::from_loff(write_end), forced)
    }
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
pub(super) unsafe extern "C" fn pages_in_swap<T: SharedMemory>(
    inode: *mut bindings::inode,
) -> c_ulong {
    // SAFETY: The callers pass a live inode of this file system.
    T::swapped(unsafe { Inode::<T>::from_raw(inode) }).to_ulong()
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
pub(super) unsafe extern "C" fn lock<T: SharedMemory>(
    file: *mut bindings::file,
    lock: c_int,
    ucounts: *mut bindings::ucounts,
) -> c_int {
    // SAFETY: The callers pass a live file of this file system.
    let inode = unsafe { Inode::<T>::from_raw(bindings::file_inode(file)) };
    let size = Pos::ZERO.distance_to(inode.size()).to_usize();
    if lock != 0 && !T::is_locked(inode) {
        // SAFETY: The user is live for the call.
        if unsafe { bindings::user_shm_lock(size, ucounts) } == 0 {
            return ENOMEM.to_errno();
        }
        T::set_locked(inode, true);
        inode.mapping().set_unevictable();
    } else if lock == 0 && !ucounts.is_null() && T::set_locked(inode, false) {
        // SAFETY: As above.
        unsafe { bindings::user_shm_unlock(size, ucounts) };
        inode.mapping().clear_unevictable();
    }
    0
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
pub(super) unsafe extern "C" fn seals<T: SharedMemory>(inode: *mut bindings::inode) -> *mut c_uint {
    // SAFETY: The callers pass a live inode of this file system.
    T::seals(unsafe { Inode::<T>::from_raw(inode) }).0.get()
}
