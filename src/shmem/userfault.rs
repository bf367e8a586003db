// SPDX-License-Identifier: GPL-2.0

//! Faults that user space handles, see userfaultfd(2).
//!
//! A mapping can be registered so that a fault in a hole, or on a page that is in the file but not
//! yet mapped, is left to a monitor: the fault path asks [`Fault::is_left_to_user`]. The monitor resolves
//! a fault by an ioctl that fills a folio and maps it; how the folio gets into the file is asked of
//! [`SharedMemory`].
//!
//! C header: `include/linux/userfaultfd_k.h`.

use super::backend::{SharedMemory, Want};
use super::fault::Fault;
use crate::bindings;
use crate::mm::{LockedFolio, MemoryOwner, NewFolio};
use crate::units::PageIndex;
use crate::vfs::{FileSystem, Inode};
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::from_result;
use kernel::prelude::*;

/// What a fault found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A hole.
    Nothing,
    /// A page of the file, in memory or in swap.
    Page,
}

impl<T: FileSystem> Fault<'_, T> {
    /// Whether user space wants to handle faults of this kind. Then the fault must be ended with an
    /// error, any one, and without a folio locked; user space hears of it, and the fault is tried
    /// again.
    #[inline]
    pub(crate) fn is_left_to_user(&self, found: Found) -> bool {
        // SAFETY: By the type invariants the mapping is locked, so that its flags are stable.
        let (armed, reason) = unsafe {
            match found {
                Found::Nothing => (
                    bindings::userfaultfd_missing(self.vma()),
                    bindings::VM_UFFD_MISSING,
                ),
                Found::Page => (
                    bindings::userfaultfd_minor(self.vma()),
                    bindings::VM_UFFD_MINOR,
                ),
            }
        };
        if armed {
            self.remarks.user_reason.set(reason as c_ulong);
        }
        armed
    }

    /// Whether user space handles faults of some kind in this mapping, and hence counts single pages.
    #[inline]
    pub(crate) fn is_watched_by_user(&self) -> bool {
        // SAFETY: By the type invariants the mapping is locked, so that its flags are stable.
        unsafe { bindings::userfaultfd_armed(self.vma()) }
    }
}

/// The operations of mappings that user space may handle faults in.
pub(super) struct Tables<T>(PhantomData<T>);

impl<T: SharedMemory> Tables<T> {
    pub(super) const OPERATIONS: bindings::vm_uffd_ops = bindings::vm_uffd_ops {
        can_userfault: Some(can_userfault::<T>),
        get_folio_noalloc: Some(get_folio_noalloc::<T>),
        alloc_folio: Some(alloc_folio::<T>),
        filemap_add: Some(filemap_add::<T>),
        filemap_remove: Some(filemap_remove::<T>),
    };
}

/// The inode that a mapping maps.
///
/// # Safety
///
/// `vma` must be a mapping of a file of `T`, locked for as long as the inode is used.
unsafe fn inode_of<'a, T: FileSystem>(vma: *mut bindings::vm_area_struct) -> &'a Inode<T> {
    // SAFETY: By the caller's promise; a mapping holds its file, and that its inode.
    unsafe { Inode::from_raw(bindings::file_inode((*vma).vm_file)) }
}

/// `vm_uffd_ops::can_userfault`: all kinds of faults can be handled. It is asked before each registration for faults in
/// holes or on pages that are not mapped.
///
/// # Safety
///
/// `vma` must be a mapping of a file of `T`, locked.
unsafe extern "C" fn can_userfault<T: SharedMemory>(
    vma: *mut bindings::vm_area_struct,
    flags: bindings::vm_flags_t,
) -> bool {
    if flags & (bindings::VM_UFFD_MISSING | bindings::VM_UFFD_MINOR) != 0 {
        // SAFETY: By the caller's promise.
        T::is_to_be_watched(unsafe { inode_of(vma) });
    }
    true
}

/// `vm_uffd_ops::get_folio_noalloc`: finds a page that is to be mapped: locked, with a reference.
///
/// # Safety
///
/// `inode` must be a live regular file of `T`.
unsafe extern "C" fn get_folio_noalloc<T: SharedMemory>(
    inode: *mut bindings::inode,
    index: c_ulong,
) -> *mut bindings::folio {
    // SAFETY: By the caller's promise.
    let inode = unsafe { Inode::<T>::from_raw(inode) };
    let index = PageIndex::from_pgoff(index);
    match T::get_folio(inode, index, Want::Existing) {
        Ok(Some(folio)) if folio.has_page(inode.mapping(), index) && folio.is_uptodate() => {
            folio.into_raw()
        }
        Ok(_) => ENOENT.to_ptr(),
        Err(e) => e.to_ptr(),
    }
}

/// `vm_uffd_ops::alloc_folio`: makes a folio that the MM fills: not locked, since the MM may drop it, with a reference.
///
/// # Safety
///
/// `vma` must be a live mapping of a file of `T`, locked, and `address` one in it.
unsafe extern "C" fn alloc_folio<T: SharedMemory>(
    vma: *mut bindings::vm_area_struct,
    address: c_ulong,
) -> *mut bindings::folio {
    // SAFETY: By the caller's promise.
    let inode = unsafe { inode_of::<T>(vma) };
    // SAFETY: By the caller's promise.
    let index = PageIndex::from_pgoff(unsafe { bindings::linear_page_index(vma, address) });
    // SAFETY: By the caller's promise; the address space lives as long as the mapping is locked.
    let owner = unsafe { MemoryOwner::from_raw((*vma).vm_mm) };
    match T::new_folio(inode, index, owner) {
        Ok(folio) => folio.into_unlocked(),
        Err(_) => core::ptr::null_mut(),
    }
}

/// `vm_uffd_ops::filemap_add`: adds a folio that was filled to the file; it is locked then.
///
/// # Safety
///
/// `folio` must come from [`alloc_folio`], and only the caller, which keeps its reference, have used it; `vma` must
/// be a live mapping of a file of `T`, locked, and `address` one in it.
unsafe extern "C" fn filemap_add<T: SharedMemory>(
    folio: *mut bindings::folio,
    vma: *mut bindings::vm_area_struct,
    address: c_ulong,
) -> c_int {
    from_result(|| {
        // SAFETY: By the caller's promise.
        let inode = unsafe { inode_of::<T>(vma) };
        // SAFETY: By the caller's promise.
        let index = PageIndex::from_pgoff(unsafe { bindings::linear_page_index(vma, address) });
        // SAFETY: By the caller's promise the folio is new, and not locked.
        let new = unsafe { NewFolio::from_unlocked(NonNull::new_unchecked(folio)) };
        let added = T::add_folio(inode, index, new)?;
        if added.as_ptr() != folio || !added.has_page(inode.mapping(), index) {
            return Err(EINVAL);
        }
        // SAFETY: The lock goes to the MM, which has a reference of its own.
        unsafe { bindings::folio_put(added.into_raw()) };
        Ok(0)
    })
}

/// `vm_uffd_ops::filemap_remove`: takes a folio out of the file that was just added and could not be mapped; it is not locked any
/// more then.
///
/// # Safety
///
/// `folio` must be what [`filemap_add`] has added for `vma`, with the lock that it has got there, which it is to lose; the
/// caller must have a reference, which it keeps. `vma` must be a live mapping of a file of `T`, locked.
unsafe extern "C" fn filemap_remove<T: SharedMemory>(
    folio: *mut bindings::folio,
    vma: *mut bindings::vm_area_struct,
) {
    // SAFETY: By the caller's promise.
    let inode = unsafe { inode_of::<T>(vma) };
    // SAFETY: By the caller's promise the folio is live.
    unsafe { bindings::folio_ref_add(folio, 1) };
    // SAFETY: By the caller's promise the folio is in the page cache of the file, and the lock is given away. The
    // reference was just taken.
    let folio = unsafe { LockedFolio::borrowed(NonNull::new_unchecked(folio)) };
    T::remove_folio(inode, folio);
}
