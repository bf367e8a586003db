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
use crate::mm::{GfpFlags, LockedFolio};
use crate::units::{Len, PageCount, PageIndex, Pos};
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

/// `shmem_backend::unuse`: swapoff.
///
/// # Safety
///
/// `table` must be that of a [`Backend`] of `T`, which is not unregistered before the call returns.
#[cfg(CONFIG_SWAP)]
pub(super) unsafe extern "C" fn unuse<T: SharedMemory>(
    table: *const bindings::shmem_backend,
    device: c_uint,
) -> c_int {
    // SAFETY: By the caller's promise.
    let backend = unsafe { Backend::<T>::from_table(table) };
    let result = backend.swapped.for_each(
        |inode| !inode.swapped().is_zero(),
        |inode| match inode.swapped() {
            PageCount::ZERO => Ok(()),
            _ => T::unuse(inode, SwapDeviceId::new(device)),
        },
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
pub(super) unsafe extern "C" fn unuse<T: SharedMemory>(
    _table: *const bindings::shmem_backend,
    _device: c_uint,
) -> c_int {
    0
}

/// `shmem_backend::get_folio`.
///
/// # Safety
///
/// `inode` must be a live regular file of `T`, `folio` valid for a write, and `gfp` flags for a folio of that file, with
/// which the caller may sleep.
pub(super) unsafe extern "C" fn get_folio<T: SharedMemory>(
    inode: *mut bindings::inode,
    index: c_ulong,
    write_end: bindings::loff_t,
    folio: *mut *mut bindings::folio,
    purpose: bindings::sgp_type,
    gfp: bindings::gfp_t,
) -> c_int {
    let want = match purpose {
        bindings::sgp_type_SGP_READ => Want::Read,
        bindings::sgp_type_SGP_NOALLOC => Want::Existing,
        bindings::sgp_type_SGP_CACHE => Want::Valid {
            // SAFETY: By the caller's promise.
            flags: unsafe { GfpFlags::from_raw(gfp) },
        },
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
        // A hole is an answer to a reader only.
        Ok(None) if want != Want::Read => (core::ptr::null_mut(), ENOENT.to_errno()),
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

/// `shmem_backend::truncate_range`.
///
/// # Safety
///
/// `inode` must be a live regular file of `T`.
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
    T::truncate_range(inode, Pos::from_loff(start), end);
    // SAFETY: The inode is live. Drivers hold no lock of it: where two truncate it at once, the kernel lets the time of
    // either stand, which it reads and writes so everywhere.
    unsafe {
        let inode = inode.as_ptr();
        bindings::inode_set_mtime_to_ts(inode, bindings::inode_set_ctime_current(inode));
        bindings::inode_inc_iversion(inode);
    }
}

/// `shmem_backend::charge`: khugepaged adds pages; or, where that is a negative number, pages have gone.
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
    if pages < 0 {
        T::uncharge(inode);
        return true;
    }
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

/// `shmem_backend::huge_orders`.
///
/// # Safety
///
/// `inode` must be a live regular file of `T`, and `vma` null or a live mapping, which is locked.
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

/// `shmem_backend::file_setup`: a file for memfd_create(2), System V IPC, anonymous shared memory or a driver. Null
/// leaves it to tmpfs.
///
/// # Safety
///
/// `table` must be that of a [`Backend`] of `T`, which is not unregistered before the call returns; `name` must be a
/// string for that time, and `size` one that a file can have.
pub(super) unsafe extern "C" fn file_setup<T: SharedMemory>(
    table: *const bindings::shmem_backend,
    name: *const c_char,
    size: bindings::loff_t,
    flags: bindings::vma_flags_t,
    inode_flags: c_uint,
) -> *mut bindings::file {
    // SAFETY: By the caller's promise.
    let backend = unsafe { Backend::<T>::from_table(table) };
    let Some(mount) = backend.files.mount() else {
        return core::ptr::null_mut();
    };
    // SAFETY: By the caller's promise.
    let name = unsafe { CStr::from_char_ptr(name) };
    let is_private = inode_flags & bindings::S_PRIVATE != 0;
    // What a live update restores is filled by code that knows tmpfs only. Nothing else that users can reach is
    // without a name; a big key is, which they cannot.
    if name.is_empty() && !is_private {
        return core::ptr::null_mut();
    }
    // SAFETY: Looks at the flags.
    let commits = unsafe { !bindings::vma_flags_test(&flags, bindings::VMA_NORESERVE_BIT) };
    let file = T::new_unlinked(&mount, Pos::from_loff(size), commits)
        .and_then(|inode| mount.open_unlinked(inode, name, is_private));
    match file {
        Ok(file) => file.into_raw(),
        Err(e) => e.to_ptr(),
    }
}

/// `shmem_backend::init_fs_context`: a mount of type tmpfs by a user. 1 leaves it to tmpfs.
///
/// # Safety
///
/// `table` must be that of a [`Backend`] of `T` whose module is held, and `cx` a live context of a mount, without
/// operations, which no other task uses.
pub(super) unsafe extern "C" fn init_fs_context<T: SharedMemory>(
    table: *const bindings::shmem_backend,
    cx: *mut bindings::fs_context,
) -> c_int {
    // SAFETY: By the caller's promise.
    let backend = unsafe { Backend::<T>::from_table(table) };
    // SAFETY: By the caller's promise; tmpfs is built into the kernel.
    match unsafe { backend.mounts.take_over(cx) } {
        Ok(taken) => c_int::from(!taken),
        Err(e) => e.to_errno(),
    }
}
