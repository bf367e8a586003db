// SPDX-License-Identifier: GPL-2.0

//! The hooks by which the rest of mm/ calls a file system whose pages go to swap, but for that of
//! reclaim.
//!
//! C header: `include/linux/shmem_backend.h` of the patched kernel, which says what each hook must
//! do.

#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use super::backend::Backend;
use super::backend::{SharedMemory, Want};
use crate::bindings;
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
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
/// Nothing is asked: it does nothing.
pub(super) unsafe extern "C" fn error_remove_folio(
    _mapping: *mut bindings::address_space,
    _folio: *mut bindings::folio,
) -> c_int {
    0
}

/// `shmem_backend_ops::unuse`: swapoff.
///
/// # Safety
///
/// The backend of `T` must not be unregistered before the call returns.
#[cfg(CONFIG_SWAP)]
pub(super) unsafe extern "C" fn unuse<T: SharedMemory>(device: c_uint) -> c_int {
    // SAFETY: By the caller's promise.
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
/// Nothing is asked: it does nothing.
#[cfg(not(CONFIG_SWAP))]
pub(super) unsafe extern "C" fn unuse<T: SharedMemory>(_device: c_uint) -> c_int {
    0
}

/// `shmem_backend_ops::get_folio`.
///
/// # Safety
///
/// `inode` must be a live regular file of `T`, and `folio` valid for a write.
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
    // SAFETY: By the caller's promise.
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
    // SAFETY: By the caller's promise.
    unsafe { *folio = found };
    result
}

/// `shmem_backend_ops::truncate_range`.
///
/// # Safety
///
/// `inode` must be a live regular file of `T`, and its changes be serialised by the caller.
pub(super) unsafe extern "C" fn truncate_range<T: SharedMemory>(
    inode: *mut bindings::inode,
    start: bindings::loff_t,
    last: bindings::uoff_t,
) {
    // SAFETY: By the caller's promise.
    let inode = unsafe { Inode::<T>::from_raw(inode) };
    // To the end of all files where the last byte is none that a file can have.
    let end = i64::try_from(last)
        .ok()
        .and_then(Pos::new)
        .and_then(|last| last.checked_add(Len::new(1)));
    T::free_range(inode, Pos::from_loff(start), end);
    // SAFETY: The inode is live, and by the caller's promise nobody else changes it.
    unsafe {
        let inode = inode.as_ptr();
        bindings::inode_set_mtime_to_ts(inode, bindings::inode_set_ctime_current(inode));
        bindings::inode_inc_iversion(inode);
    }
}

/// `shmem_backend_ops::charge`: khugepaged adds pages.
///
/// # Safety
///
/// `inode` must be a live regular file of `T`, to whose page cache the caller adds as many pages as it may.
pub(super) unsafe extern "C" fn charge<T: SharedMemory>(
    inode: *mut bindings::inode,
    pages: c_long,
) -> bool {
    // SAFETY: By the caller's promise.
    let inode = unsafe { Inode::<T>::from_raw(inode) };
    let pages = PageCount::from_long(pages);
    let Ok(commit) = T::charge(inode, pages) else {
        return false;
    };
    let mapping = inode.mapping().as_ptr();
    // SAFETY: The mapping is live; by the caller's promise it gets the pages that are counted here.
    unsafe {
        bindings::xa_lock_irq(&raw mut (*mapping).i_pages);
        // There are no more than fit into memory.
        (*mapping).nrpages = (*mapping).nrpages.wrapping_add(pages.to_ulong());
        bindings::xa_unlock_irq(&raw mut (*mapping).i_pages);
    }
    commit();
    true
}

/// `shmem_backend_ops::uncharge`.
///
/// # Safety
///
/// `inode` must be a live regular file of `T`.
pub(super) unsafe extern "C" fn uncharge<T: SharedMemory>(
    inode: *mut bindings::inode,
    _pages: c_long,
) {
    // SAFETY: By the caller's promise.
    T::uncharge(unsafe { Inode::<T>::from_raw(inode) })
}

/// `shmem_backend_ops::fallocend`.
///
/// # Safety
///
/// `inode` must be a live regular file of `T`.
pub(super) unsafe extern "C" fn fallocend<T: SharedMemory>(
    inode: *mut bindings::inode,
    eof: c_ulong,
) -> c_ulong {
    // SAFETY: By the caller's promise.
    let inode = unsafe { Inode::<T>::from_raw(inode) };
    // The pages in front of it are mapped while a folio is split, and must not be dropped.
    let eof = PageIndex::from_pgoff(eof);
    T::kept_end(inode, eof).max(eof).to_pgoff()
}

/// `shmem_backend_ops::huge_orders`.
///
/// # Safety
///
/// `inode` must be a live regular file of `T`, and `vma` null or a live mapping, which is locked.
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
pub(super) unsafe extern "C" fn huge_orders<T: SharedMemory>(
    inode: *mut bindings::inode,
    vma: *mut bindings::vm_area_struct,
    index: c_ulong,
    write_end: bindings::loff_t,
    forced: bool,
) -> c_ulong {
    // SAFETY: By the caller's promise.
    let inode = unsafe { Inode::<T>::from_raw(inode) };
    let backend: &Backend<T> = inode.sb().memory();
    let mapping = if vma.is_null() {
        None
    } else {
        // SAFETY: By the caller's promise.
        let advice = unsafe { VmaAdvice::of(vma, forced) };
        // SAFETY: By the caller's promise.
        Some((advice, unsafe { backend.is_anonymous(vma) }))
    };
    let index = PageIndex::from_pgoff(index);
    T::huge_orders(inode, mapping, index, Pos::from_loff(write_end), forced)
}

/// There are no large folios.
///
/// # Safety
///
/// Nothing is asked: it does nothing.
#[cfg(not(CONFIG_TRANSPARENT_HUGEPAGE))]
pub(super) unsafe extern "C" fn huge_orders<T: SharedMemory>(
    _inode: *mut bindings::inode,
    _vma: *mut bindings::vm_area_struct,
    _index: c_ulong,
    _write_end: bindings::loff_t,
    _forced: bool,
) -> c_ulong {
    0
}

/// `shmem_backend_ops::swapped`.
///
/// # Safety
///
/// `inode` must be a live one of `T`.
#[cfg(CONFIG_SWAP)]
pub(super) unsafe extern "C" fn pages_in_swap<T: SharedMemory>(
    inode: *mut bindings::inode,
) -> c_ulong {
    // SAFETY: By the caller's promise.
    T::swapped(unsafe { Inode::<T>::from_raw(inode) }).to_ulong()
}

/// There is no swap.
///
/// # Safety
///
/// Nothing is asked: it does nothing.
#[cfg(not(CONFIG_SWAP))]
pub(super) unsafe extern "C" fn pages_in_swap<T: SharedMemory>(
    _inode: *mut bindings::inode,
) -> c_ulong {
    0
}

/// `shmem_backend_ops::lock`: SHM_LOCK and SHM_UNLOCK.
///
/// # Safety
///
/// `file` must be an open regular file of `T`, and `ucounts` live, or null where nothing is to be locked.
pub(super) unsafe extern "C" fn lock<T: SharedMemory>(
    file: *mut bindings::file,
    lock: c_int,
    ucounts: *mut bindings::ucounts,
) -> c_int {
    // SAFETY: By the caller's promise; a file holds its inode.
    let inode = unsafe { Inode::<T>::from_raw(bindings::file_inode(file)) };
    let size = Pos::ZERO.distance_to(inode.size()).to_usize();
    if lock != 0 && !T::is_locked(inode) {
        // SAFETY: By the caller's promise.
        if unsafe { bindings::user_shm_lock(size, ucounts) } == 0 {
            return ENOMEM.to_errno();
        }
        T::set_locked(inode, true);
        inode.mapping().set_unevictable();
    } else if lock == 0 && !ucounts.is_null() && T::set_locked(inode, false) {
        // SAFETY: By the caller's promise; it is not null.
        unsafe { bindings::user_shm_unlock(size, ucounts) };
        inode.mapping().clear_unevictable();
    }
    0
}

/// `shmem_backend_ops::seals`.
///
/// # Safety
///
/// `inode` must be a live regular file of `T`; it must be for as long as the result is used.
pub(super) unsafe extern "C" fn seals<T: SharedMemory>(inode: *mut bindings::inode) -> *mut c_uint {
    // SAFETY: By the caller's promise.
    T::seals(unsafe { Inode::<T>::from_raw(inode) }).0.get()
}
