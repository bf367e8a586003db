// SPDX-License-Identifier: GPL-2.0

//! What the rest of mm/ and System V IPC look at in an inode of shared memory, and write: the seals of memfd, the
//! lock of SHM_LOCK, the pages in swap for smaps, and the end of what a split of a folio must leave.
//!
//! C header: `include/linux/shmem_fs.h` of the patched kernel (`struct shmem_inode_base`).

use super::backend::SharedMemory;
use super::seals::Seals;
use crate::bindings;
use crate::units::{PageCount, PageIndex};
use crate::vfs::file_system::InodeBase;
use crate::vfs::{InodeCore, NewInode};
use core::mem::offset_of;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};

// SAFETY: By the definition of the structure.
unsafe impl InodeBase for bindings::shmem_inode_base {
    const INODE_OFFSET: usize = offset_of!(Self, vfs_inode);
}

/// Sets what is beside the inode: sealed against seals, with each page committed by itself, and no pages.
///
/// # Safety
///
/// `base` must be valid for writes, and nothing else refer to it.
pub(super) unsafe fn init(base: *mut bindings::shmem_inode_base) {
    // SAFETY: By the caller's promise.
    unsafe {
        (*base).seals = Seals::SEAL.as_raw();
        (*base).flags = bindings::SHMEM_F_NORESERVE;
        (*base).swapped = 0;
        (*base).fallocend = 0;
    }
}

impl<T: SharedMemory> InodeCore<T> {
    /// What memfd forbids. Changed under `i_rwsem`; a snapshot without.
    #[inline]
    pub(crate) fn seals(&self) -> Seals {
        // SAFETY: The inode is live, and C code reads and writes the word as a whole.
        Seals::from_raw(unsafe { Atomic::from_ptr(&raw mut (*self.base()).seals) }.load(Relaxed))
    }

    /// `SHMEM_F_*`.
    #[inline]
    fn shmem_flags(&self) -> c_ulong {
        // SAFETY: The inode is live, and C code reads and writes the word as a whole.
        unsafe { core::ptr::read_volatile(&raw const (*self.base()).flags) }
    }

    /// Whether the pages stay in memory, because of SHM_LOCK; a snapshot.
    #[inline]
    pub(crate) fn is_shm_locked(&self) -> bool {
        self.shmem_flags() & bindings::SHMEM_F_LOCKED != 0
    }

    /// Whether the size of the file counts against the overcommit limit, and not its pages one by one. Does not
    /// change once the inode is in use.
    #[inline]
    pub(crate) fn commits_whole_size(&self) -> bool {
        self.shmem_flags() & bindings::SHMEM_F_NORESERVE == 0
    }

    /// How many pages are in swap; a snapshot.
    #[inline]
    pub(crate) fn swapped(&self) -> PageCount {
        // SAFETY: The inode is live, and C code reads the word as a whole.
        PageCount::from_ulong(unsafe {
            core::ptr::read_volatile(&raw const (*self.base()).swapped)
        })
    }

    /// Says how many pages are in swap, for smaps and SHM_INFO.
    #[inline]
    pub(crate) fn set_swapped(&self, pages: PageCount) {
        // SAFETY: The inode is live, and C code reads the word as a whole.
        unsafe { core::ptr::write_volatile(&raw mut (*self.base()).swapped, pages.to_ulong()) }
    }

    /// The end of what is to stay, in pages, in a file that ends at page `eof`: that, or what fallocate(2)
    /// was asked for. A snapshot.
    #[inline]
    pub(crate) fn fallocend(&self, eof: PageIndex) -> PageIndex {
        // SAFETY: The inode is live, and C code reads the word as a whole.
        let end = unsafe { core::ptr::read_volatile(&raw const (*self.base()).fallocend) };
        eof.max(PageIndex::from_pgoff(end))
    }

    /// Pages before `end` stay that the file does not need. Raised with `i_rwsem` held; truncation, which a
    /// driver may ask for without, lowers it.
    #[inline]
    pub(crate) fn set_fallocend(&self, end: PageIndex) {
        // SAFETY: The inode is live, and C code reads the word as a whole.
        unsafe { core::ptr::write_volatile(&raw mut (*self.base()).fallocend, end.to_pgoff()) }
    }
}

impl<T: SharedMemory> NewInode<'_, T> {
    /// From now on the size of the file counts against the overcommit limit, and not its pages one by one.
    pub(crate) fn commit_whole_size(&mut self) {
        // SAFETY: The inode is live, and by the type invariants nothing else uses it.
        unsafe { (*self.base()).flags &= !bindings::SHMEM_F_NORESERVE }
    }
}
