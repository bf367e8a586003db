// SPDX-License-Identifier: GPL-2.0

//! Shared memory as the rest of mm/ sees it: what a file system must do whose pages go to swap.
//!
//! C header: `include/linux/shmem_backend.h` of the patched kernel.

#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use super::fault::Fault;
use super::fault::FaultOperations;
#[cfg(CONFIG_SWAP)]
use super::outgoing::{OutgoingFolio, WrittenOut};
use crate::bindings;
#[cfg(CONFIG_USERFAULTFD)]
use crate::mm::folio::{MemoryOwner, NewFolio};
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::mm::huge::VmaAdvice;
#[cfg(CONFIG_NUMA)]
use crate::mm::mempolicy::SharedPolicy;
#[cfg(CONFIG_SWAP)]
use crate::mm::swap::SwapDeviceId;
use crate::mm::{LockedFolio, PageCount, PageIndex, Pos};
#[cfg(CONFIG_SWAP)]
use crate::vfs::inode_list::{InodeList, Link, ListKind};
use crate::vfs::Inode;
use core::marker::PhantomData;
use kernel::prelude::*;
#[cfg(CONFIG_SWAP)]
use kernel::sync::atomic::{Acquire, Atomic, Release};
use kernel::types::Opaque;

/// For what a caller in mm/ wants a folio.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// To read: a hole is none.
    Read,
    /// To read or to collapse: a hole is `ENOENT`.
    Existing,
    /// All of it valid, within the file.
    Valid,
    /// To write, to before byte `end`, also beyond the end of the file; a new folio need not be
    /// valid.
    Write {
        /// 0 where that is not known.
        end: Pos,
    },
}

/// A file system whose pages go to swap.
pub(crate) trait SharedMemory: FaultOperations<Memory = Backend<Self>> {
    /// Moves a folio to swap for reclaim, or gives it back. Must not wait for `i_rwsem`, for
    /// memory or for other folios.
    #[cfg(CONFIG_SWAP)]
    fn write_out<'a>(folio: OutgoingFolio<'a, Self>) -> WrittenOut<'a>;

    /// Brings the pages of a file that are on `device` back. May sleep; the inode cannot be evicted
    /// meanwhile. Fails with `ENOMEM`; pages and entries that go away meanwhile are no error.
    #[cfg(CONFIG_SWAP)]
    fn bring_back(inode: &Inode<Self>, device: SwapDeviceId) -> Result;

    /// How many pages of a file are in swap; a snapshot. Must not sleep.
    #[cfg(CONFIG_SWAP)]
    fn swapped(inode: &Inode<Self>) -> PageCount;

    /// Finds or makes the folio at page `index`, locked; `None` only for [`Want::Read`]. May sleep.
    fn get_folio(inode: &Inode<Self>, index: PageIndex, want: Want) -> Result<Option<LockedFolio>>;

    /// Makes a folio for page `index` that user space will fill, charged to `owner`; it is not in the
    /// file yet. May sleep. Fails beyond the end of the file, and without memory.
    #[cfg(CONFIG_USERFAULTFD)]
    fn new_folio(inode: &Inode<Self>, index: PageIndex, owner: MemoryOwner<'_>)
        -> Result<NewFolio>;

    /// Adds a folio at page `index` that user space has filled. May sleep. Fails with `EEXIST` where
    /// the file has that page, and with `ENOMEM`.
    #[cfg(CONFIG_USERFAULTFD)]
    fn add_folio(inode: &Inode<Self>, index: PageIndex, folio: NewFolio) -> Result<LockedFolio>;

    /// Takes a folio out again that was just added.
    #[cfg(CONFIG_USERFAULTFD)]
    fn remove_folio(inode: &Inode<Self>, folio: LockedFolio);

    /// Frees the bytes from `start` to before `end` (to the last where that is `None`); what is left
    /// of a page keeps its other bytes. May sleep.
    fn free_range(inode: &Inode<Self>, start: Pos, end: Option<Pos>);

    /// Reserves `pages` pages that are to be added to the page cache of the file; fails where the limits forbid
    /// it. The result is called when the cache counts them, and commits.
    fn charge(inode: &Inode<Self>, pages: PageCount) -> Result<impl FnOnce()>;

    /// Accounts for pages that have gone from the page cache. Must not wait for `i_rwsem` or for
    /// memory.
    fn uncharge(inode: &Inode<Self>);

    /// The end of what a split of a folio must leave in the file, in pages: `eof`, or more where
    /// pages beyond the end of the file were asked for. Must not sleep.
    fn kept_end(inode: &Inode<Self>, eof: PageIndex) -> PageIndex;

    /// A bitmap of the orders that a new folio with page `index` may have; for a mapping with
    /// `mapping`, which may be anonymous shared memory. `write_end` is what a write would make the
    /// size of the file; with `forced` the settings do not count. Must not sleep.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    fn huge_orders(
        inode: &Inode<Self>,
        mapping: Option<(VmaAdvice, bool)>,
        index: PageIndex,
        write_end: Pos,
        forced: bool,
    ) -> c_ulong;

    /// Whether the pages of a file shall stay in memory for SHM_LOCK; remembers it, and returns what
    /// it was. Must not sleep.
    fn set_locked(inode: &Inode<Self>, locked: bool) -> bool;

    /// Whether the pages of a file shall stay in memory.
    fn is_locked(inode: &Inode<Self>) -> bool;

    /// The memory policies of a file.
    #[cfg(CONFIG_NUMA)]
    fn policy(inode: &Inode<Self>) -> &SharedPolicy;

    /// Where the seals of memfd are kept; valid for as long as the inode.
    fn seals(inode: &Inode<Self>) -> &Seals;

    /// Where the registered type is remembered, for the hooks that are not about one file.
    #[cfg(CONFIG_SWAP)]
    fn cell() -> &'static BackendCell<Self>;
}

/// The seals of a file (`F_SEAL_*`), which memfd changes under `i_rwsem`.
pub(crate) struct Seals(pub(super) Opaque<c_uint>);

// SAFETY: The value is read and written by C only, under `i_rwsem`.
unsafe impl Sync for Seals {}
// SAFETY: The value is read and written by C only, from any task.
unsafe impl Send for Seals {}

impl Seals {
    /// Those of a file that was not made by memfd_create(2): there will be none.
    pub(crate) const fn new() -> Self {
        Self(Opaque::new(bindings::F_SEAL_SEAL))
    }
}

/// Remembers the registered backend of a file system type.
#[cfg(CONFIG_SWAP)]
pub(crate) struct BackendCell<T: SharedMemory>(Atomic<*mut c_void>, PhantomData<T>);

#[cfg(CONFIG_SWAP)]
// SAFETY: The pointer is to something that may be used from any task.
unsafe impl<T: SharedMemory> Sync for BackendCell<T> {}

#[cfg(CONFIG_SWAP)]
impl<T: SharedMemory> BackendCell<T> {
    /// A cell for a type that is not registered.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(core::ptr::null_mut()), PhantomData)
    }

    /// The registered backend, if there is one.
    ///
    /// # Safety
    ///
    /// It must not be unregistered for as long as the result is used.
    pub(super) unsafe fn get<'a>(&self) -> Option<&'a Backend<T>> {
        // SAFETY: The cell has null or a backend that is registered, and by the caller's promise stays
        // so.
        unsafe { self.0.load(Acquire).cast::<Backend<T>>().as_ref() }
    }

    /// Remembers a backend that was registered, or null.
    ///
    /// # Safety
    ///
    /// It must be pinned, and null be set when it is unregistered.
    pub(super) unsafe fn set(&self, backend: *const Backend<T>) {
        self.0.store(backend.cast_mut().cast(), Release);
    }
}

/// The tables of a file system type whose pages go to swap, and their registration with mm/.
///
/// # Invariants
///
/// The tables are immutable and pinned. `ops` is registered from the end of initialisation until
/// drop.
#[pin_data(PinnedDrop)]
pub(crate) struct Backend<T: SharedMemory> {
    #[pin]
    pub(super) vm_ops: Opaque<bindings::vm_operations_struct>,
    #[pin]
    pub(super) anon_vm_ops: Opaque<bindings::vm_operations_struct>,
    #[pin]
    pub(super) a_ops: Opaque<bindings::address_space_operations>,
    #[pin]
    pub(super) ops: Opaque<bindings::shmem_backend_ops>,
    /// The inodes that have pages in swap.
    #[cfg(CONFIG_SWAP)]
    #[pin]
    pub(super) swapped: InodeList<T, Swapped>,
    pub(super) _fs: PhantomData<T>,
}

// SAFETY: All of it is immutable but the list, which locks.
unsafe impl<T: SharedMemory> Send for Backend<T> {}
// SAFETY: All of it is immutable but the list, which locks.
unsafe impl<T: SharedMemory> Sync for Backend<T> {}

/// Inodes with pages in swap, of all file systems of a type.
#[cfg(CONFIG_SWAP)]
pub(super) struct Swapped;

#[cfg(CONFIG_SWAP)]
// SAFETY: The place is for this kind alone.
unsafe impl<T: SharedMemory> ListKind<T> for Swapped {
    #[inline]
    fn link(inode: &Inode<T>) -> &Link<T> {
        inode.memory_data()
    }
}

impl<T: SharedMemory> Backend<T> {
    /// Whether a mapping is of anonymous shared memory.
    ///
    /// # Safety
    ///
    /// `vma` must be live and locked.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    pub(super) unsafe fn is_anonymous(&self, vma: *mut bindings::vm_area_struct) -> bool {
        // SAFETY: By the caller's promise.
        core::ptr::eq(unsafe { (*vma).vm_ops }, self.anon_vm_ops.get())
    }
}

#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
impl<T: SharedMemory> Fault<'_, T> {
    /// Whether the mapping is of anonymous shared memory.
    pub(crate) fn is_anonymous(&self) -> bool {
        let backend: &Backend<T> = self.inode().sb().memory();
        // SAFETY: By the type invariants.
        unsafe { backend.is_anonymous(self.vma()) }
    }
}
