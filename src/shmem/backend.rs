// SPDX-License-Identifier: GPL-2.0

//! Shared memory as the rest of mm/ sees it: the hooks by which reclaim, swapoff and others call a
//! file system whose pages go to swap.
//!
//! C header: `include/linux/shmem_backend.h` of the patched kernel, which says what each hook must
//! do.
//!
//! Lock order: the folio lock, then the lock of the xarray. Reclaim calls with the folio locked,
//! below any lock of the task that allocates.

use super::fault::{self, FaultOperations};
use crate::bindings;
#[cfg(CONFIG_USERFAULTFD)]
use crate::mm::folio::{MemoryOwner, NewFolio};
#[cfg(all(CONFIG_SWAP, CONFIG_TRANSPARENT_HUGEPAGE))]
use crate::mm::huge;
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::mm::huge::VmaAdvice;
#[cfg(CONFIG_SWAP)]
use crate::mm::mapping::Expected;
#[cfg(CONFIG_NUMA)]
use crate::mm::mempolicy::SharedPolicy;
#[cfg(CONFIG_SWAP)]
use crate::mm::swap::{SwapDeviceId, SwapEntry};
#[cfg(CONFIG_SWAP)]
use crate::mm::PageRange;
use crate::mm::{Len, LockedFolio, Mapping, PageCount, PageIndex, Pos};
use crate::vfs::file_system::Memory;
#[cfg(CONFIG_SWAP)]
use crate::vfs::inode_list::{InodeList, Link, ListKind};
use crate::vfs::Inode;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::prelude::*;
#[cfg(CONFIG_SWAP)]
use kernel::sync::atomic::{Acquire, Atomic, Release};
use kernel::types::Opaque;
use kernel::ThisModule;

/// For what somebody in mm/ wants a folio.
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

    /// Accounts for `pages` pages that are to be added to the file, and calls `add` to count them
    /// before it settles; false where the limits forbid it.
    fn charge(inode: &Inode<Self>, pages: PageCount, add: impl FnOnce()) -> bool;

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
pub(crate) struct Seals(Opaque<c_uint>);

// SAFETY: The value is read and written by C only, under `i_rwsem`.
unsafe impl Sync for Seals {}
// SAFETY: As above.
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
}

/// A folio that reclaim has locked stays where it is, dirty as before; returns the value for reclaim.
fn stay(folio: &LockedFolio) -> c_int {
    // SAFETY: The folio is live and locked, and stays so for reclaim.
    unsafe { bindings::folio_mark_dirty(folio.as_ptr()) };
    bindings::AOP_WRITEPAGE_ACTIVATE
}

/// What became of a folio that reclaim wanted to be written out in `'a`: the value for reclaim.
#[cfg(CONFIG_SWAP)]
pub(crate) struct WrittenOut<'a>(c_int, PhantomData<&'a ()>);

#[cfg(CONFIG_SWAP)]
impl WrittenOut<'_> {
    fn new(result: c_int) -> Self {
        Self(result, PhantomData)
    }
}

/// A folio that reclaim has locked and wants to be written out.
///
/// # Invariants
///
/// The folio is locked, referenced by reclaim, in the page cache of `inode`, and not dirty. The inode
/// stays for as long as the folio does.
#[cfg(CONFIG_SWAP)]
pub(crate) struct OutgoingFolio<'a, T: SharedMemory> {
    folio: ManuallyDrop<LockedFolio>,
    inode: &'a Inode<T>,
    cx: *mut bindings::swap_io_ctx,
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    list: *mut bindings::list_head,
}

#[cfg(CONFIG_SWAP)]
impl<'a, T: SharedMemory> OutgoingFolio<'a, T> {
    /// The file.
    pub(crate) fn inode(&self) -> &Inode<T> {
        self.inode
    }

    /// The folio stays where it is, dirty as before.
    pub(crate) fn keep(self) -> WrittenOut<'a> {
        WrittenOut::new(stay(&self.folio))
    }

    /// Splits a large folio into pages, the other ones of which go back to reclaim. False where
    /// somebody else uses it.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    pub(crate) fn split(&mut self) -> bool {
        let order = self.folio.order();
        if order.is_zero() {
            return true;
        }
        // SAFETY: The folio is live and locked. The pages must be dirty, lest they are dropped;
        // the one that is still ours is to be clean again.
        unsafe {
            bindings::folio_test_set_dirty(self.folio.as_ptr());
            if bindings::split_folio_to_list(self.folio.as_ptr(), self.list) != 0 {
                return false;
            }
            huge::count_split_for_swap(self.folio.as_ptr(), order);
            bindings::folio_clear_dirty(self.folio.as_ptr());
        }
        true
    }

    /// There are no large folios.
    #[cfg(not(CONFIG_TRANSPARENT_HUGEPAGE))]
    pub(crate) fn split(&mut self) -> bool {
        true
    }

    /// Whether the folio can go to swap as a whole, and not only in pages.
    pub(crate) fn may_go_whole(&self) -> bool {
        cfg!(CONFIG_THP_SWAP)
    }

    /// How many pages it has.
    pub(crate) fn nr_pages(&self) -> PageCount {
        self.folio.nr_pages()
    }

    /// Its pages in the file.
    pub(crate) fn pages(&self) -> PageRange {
        self.folio.pages()
    }

    /// The index of the first page in the file.
    pub(crate) fn index(&self) -> PageIndex {
        self.folio.index()
    }

    /// Whether the folio was ever written.
    pub(crate) fn is_valid(&self) -> bool {
        self.folio.is_uptodate()
    }

    /// Makes a folio that was allocated and never written valid: zeros.
    pub(crate) fn make_valid(&mut self) {
        self.folio.zero();
        self.folio.mark_uptodate();
    }

    /// Gets a place in swap for the folio, all of whose pages must be valid; gives it back where there
    /// is none.
    pub(crate) fn allocate_swap(self) -> Result<PlacedFolio<'a, T>, Self> {
        if !self.is_valid() {
            return Err(self);
        }
        // SAFETY: The folio is locked, valid and in the page cache, so it can be added to the swap
        // cache.
        if unsafe { bindings::folio_alloc_swap(self.folio.as_ptr()) } != 0 {
            return Err(self);
        }
        // INVARIANT: Just added.
        Ok(PlacedFolio(self))
    }
}

/// A folio that reclaim wants to be written out and that has a place in swap.
///
/// # Invariants
///
/// The folio is in the swap cache, and in the page cache as well.
#[cfg(CONFIG_SWAP)]
pub(crate) struct PlacedFolio<'a, T: SharedMemory>(OutgoingFolio<'a, T>);

#[cfg(CONFIG_SWAP)]
impl<'a, T: SharedMemory> PlacedFolio<'a, T> {
    /// Moves the folio to swap. `counted` is called with the number of pages before they leave the
    /// page cache, `returned` where they come back since swap did not take them.
    pub(crate) fn move_to_swap(
        self,
        counted: impl FnOnce(&Inode<T>, PageCount),
        returned: impl FnOnce(&Inode<T>, PageCount),
    ) -> WrittenOut<'a> {
        let this = self.0;
        let inode = this.inode;
        let raw = this.folio.as_ptr();
        let nr = this.folio.nr_pages();
        // Once it is in the swap cache only, the lock of the folio does not keep the inode any more.
        let backend: &Backend<T> = inode.sb().memory();
        // SAFETY: This is the list that `forget()` takes it out of.
        let pinned = unsafe { backend.swapped.pin(inode) };
        counted(inode, nr);
        // SAFETY: By the type invariants the folio has an entry, which gets the page cache's count
        // before it is stored.
        let entry = unsafe {
            let entry = SwapEntry::of(raw);
            bindings::folio_dup_swap(raw, core::ptr::null_mut());
            inode.mapping().replace_by_swap(raw, entry);
            entry
        };

        // SAFETY: The folio is locked and in the swap cache only; the context is reclaim's.
        let result = unsafe { bindings::swap_writeout(this.cx, raw) };
        if result != bindings::AOP_WRITEPAGE_ACTIVATE {
            return WrittenOut::new(result);
        }

        // Swap did not take it after all. The folio is locked still; where the entry was freed
        // meanwhile, by truncation, the folio is nobody's.
        // SAFETY: The folio is in no page cache, and the entry's count goes with it.
        unsafe {
            let gfp = bindings::__GFP_HIGH | bindings::__GFP_NOMEMALLOC | bindings::__GFP_NOWARN;
            let expected = Expected::Swap(entry);
            // Out of the page cache it has kept its index.
            let index = this.folio.index();
            if pinned.mapping().store(raw, index, expected, gfp).is_ok() {
                returned(&pinned, nr);
                bindings::folio_put_swap(raw, core::ptr::null_mut());
            }
            bindings::swap_cache_del_folio(raw);
        }
        this.keep()
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
    vm_ops: Opaque<bindings::vm_operations_struct>,
    #[pin]
    anon_vm_ops: Opaque<bindings::vm_operations_struct>,
    #[pin]
    a_ops: Opaque<bindings::address_space_operations>,
    #[pin]
    ops: Opaque<bindings::shmem_backend_ops>,
    /// The inodes that have pages in swap.
    #[cfg(CONFIG_SWAP)]
    #[pin]
    swapped: InodeList<T, Swapped>,
    _fs: PhantomData<T>,
}

// SAFETY: All of it is immutable but the list, which locks.
unsafe impl<T: SharedMemory> Send for Backend<T> {}
// SAFETY: As above.
unsafe impl<T: SharedMemory> Sync for Backend<T> {}

/// Inodes with pages in swap, of all file systems of a type.
#[cfg(CONFIG_SWAP)]
struct Swapped;

#[cfg(CONFIG_SWAP)]
// SAFETY: The place is for this kind alone.
unsafe impl<T: SharedMemory> ListKind<T> for Swapped {
    #[inline]
    fn link(inode: &Inode<T>) -> &Link<T> {
        inode.memory_data()
    }
}

// SAFETY: By the type invariants of the backend its tables stay, and their functions are those for files of `T`.
unsafe impl<T: SharedMemory> Memory<T> for Backend<T> {
    #[cfg(CONFIG_SWAP)]
    type InodeData = Link<T>;
    #[cfg(not(CONFIG_SWAP))]
    type InodeData = ();

    unsafe fn new(
        module: &'static ThisModule,
        fs_type: *mut bindings::file_system_type,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            vm_ops: Opaque::new(fault::vm_operations::<T>()),
            anon_vm_ops: Opaque::new(fault::vm_operations::<T>()),
            #[cfg(CONFIG_SWAP)]
            // SAFETY: There is one backend for a type, and `forget()` takes the inodes out.
            swapped <- unsafe { InodeList::new() },
            a_ops: Opaque::new(bindings::address_space_operations {
                dirty_folio: Some(bindings::noop_dirty_folio),
                #[cfg(CONFIG_MIGRATION)]
                migrate_folio: Some(bindings::migrate_folio),
                error_remove_folio: Some(error_remove_folio),
                // SAFETY: Computes an address inside the object that is being initialised.
                shmem_ops: unsafe { Opaque::cast_into(&raw const (*this.as_ptr()).ops) },
                // SAFETY: All-zero bytes are valid: the other operations are absent.
                ..unsafe { core::mem::zeroed() }
            }),
            ops: Opaque::new(bindings::shmem_backend_ops {
                owner: module.as_ptr().cast(),
                fs_type,
                // SAFETY: Computes addresses inside the object that is being initialised.
                vm_ops: unsafe { Opaque::cast_into(&raw const (*this.as_ptr()).vm_ops) },
                // SAFETY: As above.
                anon_vm_ops: unsafe { Opaque::cast_into(&raw const (*this.as_ptr()).anon_vm_ops) },
                unuse: Some(unuse::<T>),
                writeout: Some(writeout::<T>),
                get_folio: Some(get_folio::<T>),
                truncate_range: Some(truncate_range::<T>),
                charge: Some(charge::<T>),
                uncharge: Some(uncharge::<T>),
                fallocend: Some(fallocend::<T>),
                huge_orders: Some(huge_orders::<T>),
                swapped: Some(pages_in_swap::<T>),
                lock: Some(lock::<T>),
                seals: Some(seals::<T>),
                file_setup: None,
            }),
            _fs: PhantomData,
        })
        .pin_chain(|this| {
            // SAFETY: The table is complete and pinned, and stays until drop unregisters it.
            to_result(unsafe { bindings::register_shmem_backend(this.ops.get()) })?;
            #[cfg(CONFIG_SWAP)]
            {
                let this: *const Self = &*this;
                T::cell().0.store(this.cast_mut().cast(), Release);
            }
            Ok(())
        })
    }

    #[cfg(CONFIG_SWAP)]
    #[inline]
    fn new_inode_data() -> Link<T> {
        Link::new()
    }

    #[cfg(not(CONFIG_SWAP))]
    #[inline]
    fn new_inode_data() {}

    #[inline]
    fn a_ops(&self) -> *const bindings::address_space_operations {
        self.a_ops.get()
    }

    /// What has no name is anonymous shared memory.
    fn vm_ops(&self, named: bool) -> *const bindings::vm_operations_struct {
        if named {
            self.vm_ops.get()
        } else {
            self.anon_vm_ops.get()
        }
    }

    unsafe fn init_mapping(&self, mapping: &Mapping) {
        // SAFETY: By the caller's promise nobody else uses the mapping yet, and its operations name
        // the backend.
        unsafe {
            bindings::mapping_set_shmem(mapping.as_ptr());
            #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
            mapping.allow_large_folios();
        }
    }

    #[cfg(CONFIG_SWAP)]
    fn forget(&self, inode: &Inode<T>) {
        self.swapped.remove(inode);
    }

    #[cfg(not(CONFIG_SWAP))]
    fn forget(&self, _inode: &Inode<T>) {}
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

#[pinned_drop]
impl<T: SharedMemory> PinnedDrop for Backend<T> {
    fn drop(self: Pin<&mut Self>) {
        #[cfg_attr(not(CONFIG_SWAP), expect(unused_variables))]
        // SAFETY: By the type invariants. The file system type is unregistered and no superblock
        // left, so this does not fail.
        let result = unsafe { bindings::unregister_shmem_backend(self.ops.get()) };
        // Where the registration had failed, another may be registered.
        #[cfg(CONFIG_SWAP)]
        if result == 0 {
            T::cell().0.store(core::ptr::null_mut(), Release);
        }
    }
}

/// A page with a memory error stays, so that readers see `EIO` and not zeros.
///
/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
unsafe extern "C" fn error_remove_folio(
    _mapping: *mut bindings::address_space,
    _folio: *mut bindings::folio,
) -> c_int {
    0
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
#[cfg(CONFIG_SWAP)]
unsafe extern "C" fn unuse<T: SharedMemory>(device: c_uint) -> c_int {
    // SAFETY: The cell holds null or a registered backend, and unregistering waits for this call.
    let Some(backend) = (unsafe { T::cell().0.load(Acquire).cast::<Backend<T>>().as_ref() }) else {
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

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
#[cfg(CONFIG_SWAP)]
unsafe extern "C" fn writeout<T: SharedMemory>(
    cx: *mut bindings::swap_io_ctx,
    folio: *mut bindings::folio,
    #[cfg_attr(not(CONFIG_TRANSPARENT_HUGEPAGE), expect(unused_variables))]
    list: *mut bindings::list_head,
) -> c_int {
    // INVARIANT: Reclaim passes a locked folio with a reference, in the page cache of a file of this
    // file system, whose inode the lock keeps while the folio is there.
    // SAFETY: As above. The result is not dropped: lock and reference are reclaim's.
    let folio = unsafe {
        let mapping = (*folio).__bindgen_anon_1.__bindgen_anon_1.mapping;
        OutgoingFolio {
            folio: ManuallyDrop::new(LockedFolio::borrowed(NonNull::new_unchecked(folio))),
            inode: Inode::<T>::from_raw((*mapping).host),
            cx,
            #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
            list,
        }
    };
    T::write_out(folio).0
}

/// There is no swap to bring anything back from.
///
/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
#[cfg(not(CONFIG_SWAP))]
unsafe extern "C" fn unuse<T: SharedMemory>(_device: c_uint) -> c_int {
    0
}

/// There is no swap to go to.
///
/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
#[cfg(not(CONFIG_SWAP))]
unsafe extern "C" fn writeout<T: SharedMemory>(
    _cx: *mut bindings::swap_io_ctx,
    folio: *mut bindings::folio,
    _list: *mut bindings::list_head,
) -> c_int {
    // SAFETY: Reclaim passes a locked folio with a reference. The result is not dropped: lock and
    // reference are reclaim's.
    let folio = unsafe { LockedFolio::borrowed(NonNull::new_unchecked(folio)) };
    stay(&ManuallyDrop::new(folio))
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
unsafe extern "C" fn get_folio<T: SharedMemory>(
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
unsafe extern "C" fn truncate_range<T: SharedMemory>(
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
unsafe extern "C" fn charge<T: SharedMemory>(inode: *mut bindings::inode, pages: c_long) -> bool {
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
unsafe extern "C" fn uncharge<T: SharedMemory>(inode: *mut bindings::inode, _pages: c_long) {
    // SAFETY: The callers pass a live inode of this file system.
    T::uncharge(unsafe { Inode::<T>::from_raw(inode) })
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
unsafe extern "C" fn fallocend<T: SharedMemory>(
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
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
unsafe extern "C" fn huge_orders<T: SharedMemory>(
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

/// There are no large folios.
///
/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
#[cfg(not(CONFIG_TRANSPARENT_HUGEPAGE))]
unsafe extern "C" fn huge_orders<T: SharedMemory>(
    _inode: *mut bindings::inode,
    _vma: *mut bindings::vm_area_struct,
    _index: c_ulong,
    _write_end: bindings::loff_t,
    _forced: bool,
) -> c_ulong {
    0
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
#[cfg(CONFIG_SWAP)]
unsafe extern "C" fn pages_in_swap<T: SharedMemory>(inode: *mut bindings::inode) -> c_ulong {
    // SAFETY: The callers pass a live inode of this file system.
    T::swapped(unsafe { Inode::<T>::from_raw(inode) }).to_ulong()
}

/// There is no swap.
///
/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
#[cfg(not(CONFIG_SWAP))]
unsafe extern "C" fn pages_in_swap<T: SharedMemory>(_inode: *mut bindings::inode) -> c_ulong {
    0
}

/// # Safety
///
/// For calls through the table of `shmem_backend_ops` or `address_space_operations` that it is in, only.
unsafe extern "C" fn lock<T: SharedMemory>(
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
unsafe extern "C" fn seals<T: SharedMemory>(inode: *mut bindings::inode) -> *mut c_uint {
    // SAFETY: The callers pass a live inode of this file system.
    T::seals(unsafe { Inode::<T>::from_raw(inode) }).0.get()
}
