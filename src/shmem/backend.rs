// SPDX-License-Identifier: GPL-2.0

//! Shared memory as the rest of mm/ sees it: what a file system must do whose pages go to swap.
//!
//! C header: `include/linux/shmem_backend.h` of the patched kernel.

use super::fault::Fault;
use super::fault::FaultOperations;
use super::outgoing::{OutgoingFolio, WrittenOut};
use super::switches::{Files, Mounts};
use crate::bindings;
use crate::mm::huge::VmaAdvice;
use crate::mm::mempolicy::SharedPolicy;
use crate::mm::swap::SwapDeviceId;
use crate::mm::{GfpFlags, LockedFolio, MemoryOwner, NewFolio};
use crate::units::{PageCount, PageIndex, Pos};
use crate::vfs::control::ControlFile;
#[cfg(CONFIG_SWAP)]
use crate::vfs::inode_list::{InodeList, Link, ListKind};
use crate::vfs::{Inode, NewInode, SuperBlock};
use core::marker::PhantomData;
use kernel::prelude::*;
use kernel::types::Opaque;

/// For what a caller in mm/ wants a folio.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// To read: a hole is none.
    Read,
    /// To read or to collapse: a hole is `ENOENT`.
    Existing,
    /// All of it valid, within the file.
    Valid {
        /// By which memory for it is allocated, in the place of the file's own: a driver may have it in some zone
        /// only, or not try hard.
        flags: GfpFlags,
    },
    /// To write, to before byte `end`, also beyond the end of the file; a new folio need not be
    /// valid.
    Write {
        /// 0 where that is not known.
        end: Pos,
    },
}

/// A file system whose pages go to swap.
///
/// # Examples
///
/// ```
/// use crate::shmem::backend::{SharedMemory, Want};
/// use crate::units::PageIndex;
/// use crate::vfs::Inode;
/// use kernel::prelude::*;
///
/// // As a caller in mm/ asks: a hole is no folio, and none is made for it.
/// fn is_hole<T: SharedMemory>(inode: &Inode<T>, index: PageIndex) -> Result<bool> {
///     Ok(T::get_folio(inode, index, Want::Read)?.is_none())
/// }
/// ```
pub(crate) trait SharedMemory: FaultOperations<Memory = Backend<Self>> {
    /// Moves a folio to swap for reclaim, or gives it back. Must not wait for `i_rwsem`, for
    /// memory or for other folios.
    fn write_out<'a>(folio: OutgoingFolio<'a, Self>) -> WrittenOut<'a>;

    /// A monitor is to hear of faults in a mapping of the file: from now on no page may come that was not asked for,
    /// also by a task that uses another mapping. Must not sleep.
    fn is_to_be_watched(inode: &Inode<Self>);

    /// Brings the pages of a file that are on `device` back. May sleep; the inode cannot be evicted
    /// meanwhile. Fails with `ENOMEM`; pages and entries that go away meanwhile are no error.
    fn unuse(inode: &Inode<Self>, device: SwapDeviceId) -> Result;

    /// Finds or makes the folio at page `index`, locked; `None` only for [`Want::Read`]. May sleep.
    fn get_folio(inode: &Inode<Self>, index: PageIndex, want: Want) -> Result<Option<LockedFolio>>;

    /// Makes a folio for page `index` that user space will fill, charged to `owner`; it is not in the
    /// file yet. May sleep. Fails beyond the end of the file, and without memory.
    fn new_folio(inode: &Inode<Self>, index: PageIndex, owner: MemoryOwner<'_>)
        -> Result<NewFolio>;

    /// Adds a folio at page `index` that user space has filled. May sleep. Fails with `EEXIST` where
    /// the file has that page, and with `ENOMEM`.
    fn add_folio(inode: &Inode<Self>, index: PageIndex, folio: NewFolio) -> Result<LockedFolio>;

    /// Takes a folio out again that was just added.
    fn remove_folio(inode: &Inode<Self>, folio: LockedFolio);

    /// Frees the bytes from `start` to before `end` (to the last where that is `None`); what is left
    /// of a page keeps its other bytes. May sleep.
    fn truncate_range(inode: &Inode<Self>, start: Pos, end: Option<Pos>);

    /// Reserves `pages` pages that are to be added to the page cache of the file; fails where the limits forbid
    /// it. The result is called when the cache counts them, and commits.
    fn charge(inode: &Inode<Self>, pages: PageCount) -> Result<impl FnOnce()>;

    /// Accounts for pages that have gone from the page cache. Must not wait for `i_rwsem` or for
    /// memory.
    fn uncharge(inode: &Inode<Self>);

    /// A bitmap of the orders that a new folio with page `index` may have; for a mapping with
    /// `mapping`, which may be anonymous shared memory. `write_end` is what a write would make the
    /// size of the file; with `forced` the settings do not count. Must not sleep.
    fn huge_orders(
        inode: &Inode<Self>,
        mapping: Option<(VmaAdvice, bool)>,
        index: PageIndex,
        write_end: Pos,
        forced: bool,
    ) -> c_ulong;

    /// The memory policies of a file.
    fn policy(inode: &Inode<Self>) -> &SharedPolicy;

    /// Makes a regular file of `size` on a mount of the kernel's own, for any use. With `commits_whole_size` the size
    /// counts against the overcommit limit from now on, for the current task, and not each page. May sleep.
    ///
    /// Fails with `ENOMEM`, and with `ENOSPC` as the file system does where there is no memory for an inode.
    fn new_unlinked(
        sb: &SuperBlock<Self>,
        size: Pos,
        commits_whole_size: bool,
    ) -> Result<NewInode<'_, Self>>;
}

/// The tables of a file system type whose pages go to swap, and their registration with mm/.
///
/// # Invariants
///
/// The tables are immutable and pinned. `table` is registered from the end of initialisation until
/// drop.
#[pin_data]
pub(crate) struct Backend<T: SharedMemory> {
    // Dropped first.
    pub(super) _registered: Registered,
    /// Whether files that the kernel makes are served.
    #[pin]
    pub(super) files: ControlFile<Files<T>>,
    /// Whether mounts of type tmpfs are.
    #[pin]
    pub(super) mounts: ControlFile<Mounts<T>>,
    #[pin]
    pub(super) vm_ops: Opaque<bindings::vm_operations_struct>,
    #[pin]
    pub(super) anon_vm_ops: Opaque<bindings::vm_operations_struct>,
    #[pin]
    pub(super) table: Opaque<bindings::shmem_backend>,
    /// The inodes that have pages in swap.
    #[cfg(CONFIG_SWAP)]
    #[pin]
    pub(super) swapped: InodeList<T, Swapped>,
    pub(super) _fs: PhantomData<T>,
}

// SAFETY: All of it is immutable but the list, which locks, and the switches, which are atomic.
unsafe impl<T: SharedMemory> Send for Backend<T> {}
// SAFETY: All of it is immutable but the list, which locks, and the switches, which are atomic.
unsafe impl<T: SharedMemory> Sync for Backend<T> {}

/// Inodes with pages in swap, of all file systems of a type.
#[cfg(CONFIG_SWAP)]
pub(super) struct Swapped;

#[cfg(CONFIG_SWAP)]
// SAFETY: The place is for this kind alone.
unsafe impl<T: SharedMemory> ListKind<T> for Swapped {
    const LAST_FIRST: bool = false;

    #[inline]
    unsafe fn link(inode: &Inode<T>) -> &Link<T> {
        // SAFETY: By the caller's promise.
        unsafe { inode.memory_data() }
    }
}

impl<T: SharedMemory> Backend<T> {
    /// The backend that the C side calls.
    ///
    /// # Safety
    ///
    /// `table` must be that of a backend of `T`, which stays for `'a`.
    pub(super) unsafe fn from_table<'a>(table: *const bindings::shmem_backend) -> &'a Self {
        let table = Opaque::cast_from(table.cast_mut());
        // SAFETY: By the caller's promise.
        unsafe { &*kernel::container_of!(table, Self, table) }
    }

    /// Whether a mapping is of anonymous shared memory.
    ///
    /// # Safety
    ///
    /// `vma` must be live and locked.
    pub(super) unsafe fn is_anonymous(&self, vma: *mut bindings::vm_area_struct) -> bool {
        // SAFETY: By the caller's promise.
        core::ptr::eq(unsafe { (*vma).vm_ops }, self.anon_vm_ops.get())
    }
}

impl<T: SharedMemory> Fault<'_, T> {
    /// Whether the mapping is of anonymous shared memory.
    pub(crate) fn is_anonymous(&self) -> bool {
        let backend: &Backend<T> = self.inode().sb().memory();
        // SAFETY: By the type invariants.
        unsafe { backend.is_anonymous(self.vma()) }
    }
}

/// The registration of a backend, taken back when this is dropped.
pub(super) struct Registered(());

impl Registered {
    /// Registers a backend. May sleep; fails with `EBUSY` where there is another.
    ///
    /// # Safety
    ///
    /// `table` must be that of a [`Backend`] which is complete and stays where it is until the result has been
    /// dropped.
    pub(super) unsafe fn new(table: *const bindings::shmem_backend) -> Result<Self> {
        // SAFETY: By the caller's promise.
        bindings::to_result(unsafe { bindings::register_shmem_backend(table) })?;
        Ok(Self(()))
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: It is registered. Waits for the calls that are in progress.
        unsafe { bindings::unregister_shmem_backend() };
    }
}
