// SPDX-License-Identifier: GPL-2.0

//! Inodes, and the slab cache they come from.
//!
//! C header: `include/linux/fs.h`.

use super::dir_index::DirIndex;
use super::file_system::{InodeBase, Memory};
use super::inode_list::Link;
#[cfg(CONFIG_QUOTA)]
use super::quota::{self, Records};
use super::{eviction, xattr};
use super::{Exclusive, FileSystem, FileType, InodeGuard, Mode, SuperBlock};
use crate::bindings;
use crate::mm::Mapping;
use crate::units::{Ino, Len, PageCount, Pos};
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::{size_of, ManuallyDrop};
use core::ops::Deref;
use core::ptr::{addr_of_mut, NonNull};
use kernel::prelude::*;
use kernel::types::Opaque;

/// What `i_rwsem` protects of an inode.
pub(super) struct LockedState<T: FileSystem> {
    /// The entries of a directory; empty for other files.
    pub(super) index: DirIndex<T>,
}

/// The C structure that an inode of `T` is embedded in.
type Base<T> = <<T as FileSystem>::Memory as Memory<T>>::InodeBase;

/// The places of an inode in lists of those whose page caches are looked at. A directory has no page cache, and no place.
struct Places<T: FileSystem> {
    /// Under the lock of the list.
    cached: Link<T>,
    memory: <T::Memory as Memory<T>>::InodeData,
}

/// What depends on the type of a file.
union ByType<T: FileSystem> {
    /// Of a directory; under `i_rwsem`.
    directory: ManuallyDrop<UnsafeCell<LockedState<T>>>,
    /// Of any other file.
    other: ManuallyDrop<Places<T>>,
}

impl<T: FileSystem> ByType<T> {
    /// Makes that of a new file in its place: else it would be copied there.
    ///
    /// # Safety
    ///
    /// `this` must be valid for writes.
    #[inline]
    unsafe fn init(this: *mut Self, is_directory: bool) {
        // SAFETY: By the caller's promise, for each variant.
        unsafe {
            if is_directory {
                let locked = addr_of_mut!((*this).directory).cast::<UnsafeCell<LockedState<T>>>();
                let index = DirIndex::new();
                locked.write(UnsafeCell::new(LockedState { index }));
            } else {
                let places = addr_of_mut!((*this).other).cast::<Places<T>>();
                addr_of_mut!((*places).cached).write(Link::new());
                addr_of_mut!((*places).memory).write(T::Memory::new_inode_data());
            }
        }
    }
}

/// The object in the slab cache: the VFS's inode and the file system's parts of it.
///
/// # Invariants
///
/// `by_type` has the variant of a directory where [`make`] was told that the file is one, and `i_mode` says so then as
/// of when another has a reference to the inode; else it has the other variant. From [`make`] to [`free_inode`] all fields are initialised. Before and after, the VFS's inode in `base` is as
/// the slab's constructor has initialised it once: the VFS returns it to that state.
#[repr(C)]
struct InodeBox<T: FileSystem> {
    /// The VFS's, which says what is under which lock (`include/linux/fs.h`), and what the MM has around it.
    base: Opaque<Base<T>>,
    by_type: ByType<T>,
    /// Changed under `i_rwsem`, read under RCU.
    xattrs: super::xattr::List,
    /// The quota core's, which changes them under `dq_data_lock` and reads them under SRCU; there where the superblock
    /// has quota.
    #[cfg(CONFIG_QUOTA)]
    records: Option<KBox<UnsafeCell<Records>>>,
    data: T::InodeData,
}

/// The object that an inode is embedded in.
#[inline]
fn box_of<T: FileSystem>(inode: *mut bindings::inode) -> *mut InodeBox<T> {
    inode.wrapping_byte_sub(Base::<T>::INODE_OFFSET).cast()
}

/// The inode that is embedded in an object.
///
/// # Safety
///
/// `object` must be valid for writes of an `InodeBox<T>`.
unsafe fn inode_of<T: FileSystem>(object: *mut InodeBox<T>) -> NonNull<bindings::inode> {
    // SAFETY: By the caller's promise, and that of the base, the inode is inside the object.
    unsafe { NonNull::new_unchecked(object.byte_add(Base::<T>::INODE_OFFSET).cast()) }
}

/// What there is of an inode of file system `T` (`struct inode`) from its birth on, whether or not it is in
/// use: see [`Inode`] and [`super::NewInode`].
///
/// # Invariants
///
/// The inode is embedded in an `InodeBox<T>`, and live for as long as a reference to this type is in use,
/// and so is its superblock.
#[repr(transparent)]
pub(crate) struct InodeCore<T: FileSystem>(Opaque<bindings::inode>, PhantomData<T>);

// SAFETY: All shared access goes through functions that the VFS allows to run concurrently; the
// file system's data is `Sync`.
unsafe impl<T: FileSystem> Sync for InodeCore<T> {}

impl<T: FileSystem> InodeCore<T> {
    /// # Safety
    ///
    /// The type invariants must hold for `'a`.
    pub(super) unsafe fn from_raw<'a>(inode: *mut bindings::inode) -> &'a Self {
        // SAFETY: The type is transparent, and the caller promises validity.
        unsafe { &*inode.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::inode {
        self.0.get()
    }

    /// The C structure that the inode is embedded in.
    pub(crate) fn base(&self) -> *mut Base<T> {
        self.as_box().cast()
    }

    fn as_box(&self) -> *mut InodeBox<T> {
        box_of(self.as_ptr())
    }

    /// The file system's data.
    pub(crate) fn data(&self) -> &T::InodeData {
        // SAFETY: By the type invariants the box is initialised; `data` is never changed but
        // through interior mutability.
        unsafe { &(*self.as_box()).data }
    }

    /// The list of extended attributes; reading it takes RCU, changing it `i_rwsem`.
    pub(super) fn xattr_list(&self) -> *mut bindings::list_head {
        // SAFETY: By the type invariants the box is there.
        unsafe { (*self.as_box()).xattrs.get() }
    }

    /// Where the records of quota are in which the inode counts; the quota core's. Null where the superblock has no
    /// quota.
    #[cfg(CONFIG_QUOTA)]
    pub(super) fn records(&self) -> *mut Records {
        // SAFETY: By the type invariants the box is initialised; the field never changes.
        let records = unsafe { &(*self.as_box()).records };
        records
            .as_ref()
            .map_or(core::ptr::null_mut(), |records| records.get())
    }

    /// The superblock.
    pub(crate) fn sb(&self) -> &SuperBlock<T> {
        // SAFETY: By the type invariants the superblock is live; it is of the same file system.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).i_sb) }
    }

    /// The inode number; a snapshot, since System V IPC gives the files that it asks for numbers of its own.
    pub(crate) fn number(&self) -> Ino {
        // SAFETY: The inode is live, and C code writes its number as a whole.
        Ino::new(unsafe { core::ptr::read_volatile(&raw const (*self.as_ptr()).i_ino) })
    }

    /// The type and the permissions; the latter are a snapshot.
    pub(crate) fn mode(&self) -> Mode {
        // SAFETY: The inode is live. The VFS reads the mode without a lock in the same way.
        Mode::from_raw(unsafe { core::ptr::read_volatile(&(*self.as_ptr()).i_mode) })
    }

    /// The type of the file.
    pub(crate) fn file_type(&self) -> FileType {
        self.mode().file_type()
    }

    /// The size of the file, as `i_size_read()`.
    pub(crate) fn size(&self) -> Pos {
        // SAFETY: The inode is live.
        Pos::from_loff(unsafe { bindings::i_size_read(self.as_ptr()) })
    }

    /// How many pages the file has in its own page cache; a snapshot.
    pub(crate) fn cached_pages(&self) -> PageCount {
        // SAFETY: The mapping is a part of the inode, and valid for as long as that is.
        unsafe { Mapping::from_raw(&raw mut (*self.as_ptr()).i_data) }.nr_pages()
    }

    /// Adds to `i_blocks`; `bytes` is a multiple of the block size. Takes `i_lock`.
    pub(crate) fn add_bytes(&self, bytes: Len) {
        // SAFETY: The inode is live, and the function takes its own lock.
        unsafe { bindings::inode_add_bytes(self.as_ptr(), bytes.to_loff()) }
    }

    /// Takes from `i_blocks`; `bytes` is a multiple of the block size. Takes `i_lock`.
    pub(crate) fn sub_bytes(&self, bytes: Len) {
        // SAFETY: The inode is live, and the function takes its own lock.
        unsafe { bindings::inode_sub_bytes(self.as_ptr(), bytes.to_loff()) }
    }

    /// The time of the last modification, as seconds and nanoseconds.
    pub(crate) fn mtime(&self) -> (i64, u32) {
        // SAFETY: The inode is live.
        let ts = unsafe { bindings::inode_get_mtime(self.as_ptr()) };
        // There are fewer in a second than fit.
        (ts.tv_sec, u32::try_from(ts.tv_nsec).unwrap_or(0))
    }
}

/// An inode of file system `T` that is in use.
///
/// # Invariants
///
/// For as long as a reference to this type is in use, something holds the inode that pins its superblock as
/// well, or the inode is being evicted.
#[repr(transparent)]
pub(crate) struct Inode<T: FileSystem>(InodeCore<T>);

impl<T: FileSystem> Deref for Inode<T> {
    type Target = InodeCore<T>;

    fn deref(&self) -> &InodeCore<T> {
        &self.0
    }
}

impl<T: FileSystem> Inode<T> {
    /// # Safety
    ///
    /// The type invariants must hold for `'a`.
    pub(crate) unsafe fn from_raw<'a>(inode: *mut bindings::inode) -> &'a Self {
        // SAFETY: The type is transparent, and the caller promises validity.
        unsafe { &*inode.cast() }
    }

    /// Where the data of a directory is that `i_rwsem` protects; looking at it takes that lock.
    ///
    /// # Safety
    ///
    /// The inode must be a directory.
    pub(super) unsafe fn locked_state(&self) -> *mut LockedState<T> {
        // SAFETY: By the type invariants the box is there, and by the caller's promise with that variant; no reference
        // is made.
        let locked = unsafe { &raw const (*self.as_box()).by_type.directory };
        UnsafeCell::raw_get(locked.cast())
    }

    /// The places in lists.
    ///
    /// # Safety
    ///
    /// The inode must be no directory.
    unsafe fn places(&self) -> &Places<T> {
        // SAFETY: By the type invariants the box is initialised, and by the caller's promise with that variant; it is
        // never changed but through interior mutability.
        unsafe { &(*self.as_box()).by_type.other }
    }

    /// The part of what the type keeps registered with the MM.
    ///
    /// # Safety
    ///
    /// The inode must be no directory.
    pub(crate) unsafe fn memory_data(&self) -> &<T::Memory as Memory<T>>::InodeData {
        // SAFETY: By the caller's promise.
        &unsafe { self.places() }.memory
    }

    /// Adds the inode to the list of those of its superblock that [`FileSystem::free_cached`] is to
    /// look at; its eviction takes it out. Does nothing where it is a directory. Does not sleep.
    pub(crate) fn list_cached(&self) {
        if self.file_type() == FileType::Directory {
            return;
        }
        // SAFETY: This is the list that eviction takes it out of, and the inode is no directory.
        drop(unsafe { self.sb().cached().pin(self) });
    }

    /// The inode's place in that list.
    ///
    /// # Safety
    ///
    /// The inode must be no directory.
    pub(super) unsafe fn cached_link(&self) -> &Link<T> {
        // SAFETY: By the caller's promise.
        &unsafe { self.places() }.cached
    }

    /// The page cache of the file: the inode's own. While a device is open it may have another one in use.
    pub(crate) fn mapping(&self) -> &Mapping {
        // SAFETY: The mapping is a part of the inode, and valid for as long as that is.
        unsafe { Mapping::from_raw(&raw mut (*self.as_ptr()).i_data) }
    }

    /// The link count; a snapshot where `i_rwsem` is not held.
    pub(crate) fn nlink(&self) -> u32 {
        // SAFETY: The inode is live. The VFS reads the count without a lock in the same way.
        unsafe { core::ptr::read_volatile(&(*self.as_ptr()).__bindgen_anon_1.i_nlink) }
    }

    /// Takes `i_rwsem` for writing. May sleep; the caller must not hold it already, and must hold a
    /// reference to the inode: eviction counts as its only user.
    pub(super) fn lock(&self) -> InodeGuard<'_, T> {
        InodeGuard::lock(self)
    }

    /// Takes another reference to the inode, as `ihold()`.
    ///
    /// # Safety
    ///
    /// The inode must have a reference; that it is kept from going is not enough.
    pub(super) unsafe fn to_ref(&self) -> InodeRef<T> {
        // SAFETY: By the caller's promise.
        unsafe { bindings::ihold(self.as_ptr()) };
        InodeRef(NonNull::from(self))
    }
}

/// A reference to an inode, given back by `iput()`.
///
/// # Invariants
///
/// Owns one reference.
pub(crate) struct InodeRef<T: FileSystem>(NonNull<Inode<T>>);

impl<T: FileSystem> InodeRef<T> {
    /// The inode, where it is one of `sb`: what has a dentry or a file of `sb` must be. Fails with
    /// `EINVAL`, and then drops it.
    pub(super) fn of(self, sb: &SuperBlock<T>) -> Result<Self> {
        if !core::ptr::eq(self.sb(), sb) {
            return Err(EINVAL);
        }
        Ok(self)
    }

    /// The pointer, with the reference that it holds.
    pub(super) fn into_raw(self) -> *mut bindings::inode {
        ManuallyDrop::new(self).as_ptr()
    }
}

impl<T: FileSystem> Deref for InodeRef<T> {
    type Target = Inode<T>;

    fn deref(&self) -> &Inode<T> {
        // SAFETY: This value owns a reference.
        unsafe { self.0.as_ref() }
    }
}

impl<T: FileSystem> Drop for InodeRef<T> {
    fn drop(&mut self) {
        // SAFETY: This value owns a reference. May sleep and evict the inode.
        unsafe { bindings::iput(self.as_ptr()) }
    }
}

/// The slab cache that inodes of file system `T` come from.
///
/// # Invariants
///
/// `cache` is a slab cache for `InodeBox<T>`.
pub(super) struct InodeCache<T: FileSystem> {
    cache: NonNull<bindings::kmem_cache>,
    _fs: PhantomData<T>,
}

impl<T: FileSystem> InodeCache<T> {
    /// Makes the cache. May sleep; fails with `ENOMEM`.
    pub(super) fn new() -> Result<Self> {
        let mut args = bindings::kmem_cache_args {
            align: bindings::uint(core::mem::align_of::<InodeBox<T>>()),
            ctor: Some(init_once::<T>),
            ..Default::default()
        };
        // SAFETY: The arguments describe `InodeBox<T>`, and the name is static.
        let cache = unsafe {
            bindings::__kmem_cache_create_args(
                T::INODE_CACHE_NAME.as_char_ptr(),
                bindings::uint(size_of::<InodeBox<T>>()),
                &mut args,
                bindings::SLAB_ACCOUNT,
            )
        };
        // INVARIANT: Just made for that type.
        Ok(Self {
            cache: NonNull::new(cache).ok_or(ENOMEM)?,
            _fs: PhantomData,
        })
    }
}

impl<T: FileSystem> Drop for InodeCache<T> {
    fn drop(&mut self) {
        // SAFETY: No superblock is left that could allocate; inodes whose freeing waits for a grace
        // period are gone after the barrier.
        unsafe {
            bindings::rcu_barrier();
            bindings::kmem_cache_destroy(self.cache.as_ptr());
        }
    }
}

/// The next of the numbers that files without a name share, all over the system (`get_next_ino()`). Takes no lock,
/// and each CPU counts by itself.
pub(crate) fn next_anonymous_number() -> Ino {
    // SAFETY: Changes counters of its own.
    Ino::new(u64::from(unsafe { bindings::get_next_ino() }))
}

/// Makes an inode of `sb`, with the file system's `data`; its type and what goes with that are the caller's
/// to set. Only the result refers to it, and it is on no list. May sleep.
///
/// Returns `None` without memory.
///
/// # Safety
///
/// The caller must set `i_mode` before anything else is done with the inode, to that of a directory where
/// `is_directory` says so, and to that of another file where it does not.
pub(super) unsafe fn make<T: FileSystem>(
    sb: &SuperBlock<T>,
    is_directory: bool,
    data: impl PinInit<T::InodeData>,
) -> Option<InodeRef<T>> {
    #[cfg(CONFIG_QUOTA)]
    let records = quota::new_records(sb).ok()?;
    let cache = sb.cache().cache.as_ptr();
    // SAFETY: Superblock and cache are live.
    let object = unsafe { bindings::alloc_inode_sb(sb.as_ptr(), cache, bindings::GFP_KERNEL) };
    // By the invariants of the cache.
    let raw = NonNull::new(object)?.cast::<InodeBox<T>>().as_ptr();
    // SAFETY: The object is that large.
    let inode = unsafe { inode_of(raw) };
    // SAFETY: The superblock is live. The inode is as the slab's constructor has left it, and nothing else refers
    // to it.
    if unsafe { bindings::inode_init_always(sb.as_ptr(), inode.as_ptr()) } != 0 {
        // SAFETY: Nothing else refers to the object, and no part of it owns anything yet. `kfree()` takes
        // objects of any slab cache.
        unsafe { bindings::kfree(raw.cast()) };
        return None;
    }
    // INVARIANT: All fields are set here, but for the inode in `base`, which was just initialised.
    // SAFETY: The object is memory of the right size that nothing else refers to, never moved, and
    // initialising the data cannot fail.
    unsafe {
        T::Memory::init_base(Opaque::cast_into(addr_of_mut!((*raw).base)));
        ByType::init(addr_of_mut!((*raw).by_type), is_directory);
        xattr::init_list(addr_of_mut!((*raw).xattrs));
        #[cfg(CONFIG_QUOTA)]
        addr_of_mut!((*raw).records).write(records);
        let Ok(()) = pin_init::raw_try_init(addr_of_mut!((*raw).data), data);
    }
    // INVARIANT: The inode starts with one reference.
    Some(InodeRef(inode.cast()))
}

/// The slab's constructor.
///
/// # Safety
///
/// `object` must be valid for writes of an `InodeBox<T>`, and nothing else may use it.
unsafe extern "C" fn init_once<T: FileSystem>(object: *mut c_void) {
    // SAFETY: By the safety requirements.
    let inode = unsafe { inode_of(object.cast::<InodeBox<T>>()) };
    // SAFETY: By the safety requirements.
    unsafe { bindings::inode_init_once(inode.as_ptr()) }
}

/// `super_operations::alloc_inode`, for those who would make an inode that [`make`] does not: there is none.
///
/// # Safety
///
/// None: looks at nothing.
pub(super) unsafe extern "C" fn alloc_inode(
    _sb: *mut bindings::super_block,
) -> *mut bindings::inode {
    core::ptr::null_mut()
}

/// `super_operations::free_inode`; runs after a grace period and must not sleep.
///
/// # Safety
///
/// `inode` must be one that [`make`] has made for `T` and that has been destroyed; nothing may use it during
/// this call or after it. An `i_link` that it has as a symbolic link must be its own, of `kmalloc()`.
pub(super) unsafe extern "C" fn free_inode<T: FileSystem>(inode: *mut bindings::inode) {
    let object = box_of::<T>(inode);
    // SAFETY: By the safety requirements.
    let file_type = Mode::from_raw(unsafe { (*inode).i_mode }).file_type();
    if file_type == FileType::Symlink {
        // SAFETY: By the safety requirements.
        unsafe { bindings::kfree((*inode).__bindgen_anon_5.i_link.cast()) };
    }
    // SAFETY: By the invariants of `InodeBox` the fields are initialised, and by the safety requirements
    // nothing uses them or the object any more. `kfree()` takes objects of any slab cache.
    unsafe {
        let by_type = addr_of_mut!((*object).by_type);
        if file_type == FileType::Directory {
            ManuallyDrop::drop(&mut (*by_type).directory);
        } else {
            ManuallyDrop::drop(&mut (*by_type).other);
        }
        #[cfg(CONFIG_QUOTA)]
        core::ptr::drop_in_place(addr_of_mut!((*object).records));
        core::ptr::drop_in_place(addr_of_mut!((*object).data));
        bindings::kfree(object.cast());
    }
}

/// `super_operations::evict_inode`.
///
/// # Safety
///
/// `inode` must be a live inode that [`make`] has made for `T`, of a live superblock, and which is being
/// evicted: nothing else may use it, but what finds it on a list that this function takes it out of.
pub(super) unsafe extern "C" fn evict_inode<T: FileSystem>(inode: *mut bindings::inode) {
    // SAFETY: By the safety requirements.
    let this = unsafe { Inode::<T>::from_raw(inode) };
    // SAFETY: By the safety requirements the inode is being evicted.
    unsafe { eviction::begin(this) };
    // SAFETY: By the safety requirements nothing else uses the inode in ways for which there are locks.
    T::evict(&mut unsafe { Exclusive::new(this) });
    if this.file_type() == FileType::Directory {
        // A large one takes its time, which `free_inode()` has not.
        // SAFETY: The inode is a directory, and by the safety requirements nothing else looks at its index.
        unsafe { (*this.locked_state()).index.clear() };
    }
    // SAFETY: The inode is being evicted, as was said above.
    unsafe { eviction::finish(this) };
    // The table of the superblock must not refer to an inode that is gone.
    // SAFETY: The inode is being evicted.
    unsafe { xattr::free(this) };
    #[cfg(CONFIG_QUOTA)]
    // SAFETY: The inode is being evicted.
    unsafe {
        quota::evict(this)
    };
    // SAFETY: The page cache of the inode is empty, and nothing refers to it any more.
    unsafe { bindings::clear_inode(inode) };
}
