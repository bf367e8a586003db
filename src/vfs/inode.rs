// SPDX-License-Identifier: GPL-2.0

//! Inodes, and the slab cache they come from.
//!
//! C header: `include/linux/fs.h`.

use super::dir_index::DirIndex;
use super::file_system::Memory;
use super::inode_list::Link;
#[cfg(CONFIG_QUOTA)]
use super::quota::{self, Records};
use super::xattr;
use super::{attr, dir, file};
use super::{
    AttrOperations, DeviceId, DirectoryOperations, Exclusive, FileOperations, FileSystem, FileType,
    IdMap, InodeGuard, Kgid, Kuid, Mode, Negative, NewSuperBlock, SuperBlock,
};
use crate::bindings;
use crate::mm::{Ino, Len, Mapping, Pos};
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::{size_of, ManuallyDrop};
use core::ops::Deref;
use core::ptr::{addr_of_mut, NonNull};
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::types::Opaque;

/// What `i_rwsem` protects of an inode.
pub(super) struct LockedState<T: FileSystem> {
    /// The entries of a directory; empty for other files.
    pub(super) index: DirIndex<T>,
}

/// The object in the slab cache: the VFS's inode and the file system's parts of it.
///
/// # Invariants
///
/// From `alloc_inode()` to `free_inode()` all fields are initialised. `inode` is initialised once
/// by the slab's constructor and returned to that state by the VFS.
#[repr(C)]
struct InodeBox<T: FileSystem> {
    /// The VFS's, which says what is under which lock (`include/linux/fs.h`).
    inode: Opaque<bindings::inode>,
    /// Under `i_rwsem`.
    locked: UnsafeCell<LockedState<T>>,
    /// Under the lock of the list.
    cached: Link<T>,
    /// Changed under `i_rwsem`, read under RCU.
    xattrs: super::xattr::List,
    /// The quota core's, which changes them under `dq_data_lock` and reads them under SRCU.
    #[cfg(CONFIG_QUOTA)]
    records: UnsafeCell<Records>,
    memory: <T::Memory as Memory<T>>::InodeData,
    data: T::InodeData,
}

/// An inode of file system `T` (`struct inode`).
///
/// # Invariants
///
/// The inode is embedded in an `InodeBox<T>` and live: a reference to it is held for as
/// long as a reference to this type is in use.
#[repr(transparent)]
pub(crate) struct Inode<T: FileSystem>(Opaque<bindings::inode>, PhantomData<T>);

// SAFETY: All shared access goes through functions that the VFS allows to run concurrently; the
// file system's data is `Sync`.
unsafe impl<T: FileSystem> Sync for Inode<T> {}

impl<T: FileSystem> Inode<T> {
    /// # Safety
    ///
    /// The type invariants must hold for `'a`.
    pub(crate) unsafe fn from_raw<'a>(inode: *mut bindings::inode) -> &'a Self {
        // SAFETY: The type is transparent, and the caller promises validity.
        unsafe { &*inode.cast() }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::inode {
        self.0.get()
    }

    fn as_box(&self) -> *mut InodeBox<T> {
        // The inode is the first field of its box.
        self.as_ptr().cast()
    }

    /// The file system's data.
    pub(crate) fn data(&self) -> &T::InodeData {
        // SAFETY: By the type invariants the box is initialised; `data` is never changed but
        // through interior mutability.
        unsafe { &(*self.as_box()).data }
    }

    /// Where the data protected by `i_rwsem` is; looking at it takes that lock.
    pub(super) fn locked_state(&self) -> *mut LockedState<T> {
        // SAFETY: By the type invariants the box is there; no reference is made.
        UnsafeCell::raw_get(unsafe { core::ptr::addr_of!((*self.as_box()).locked) })
    }

    /// The part of what the type keeps registered with the MM.
    pub(crate) fn memory_data(&self) -> &<T::Memory as Memory<T>>::InodeData {
        // SAFETY: By the type invariants the box is initialised; `memory` is never changed but
        // through interior mutability.
        unsafe { &(*self.as_box()).memory }
    }

    /// Adds the inode to the list of those of its superblock that [`FileSystem::free_cached`] is to
    /// look at; its eviction takes it out. Does not sleep.
    pub(crate) fn list_cached(&self) {
        // SAFETY: This is the list that eviction takes it out of.
        drop(unsafe { self.sb().cached().pin(self) });
    }

    /// The inode's place in that list.
    pub(super) fn cached_link(&self) -> &Link<T> {
        // SAFETY: By the type invariants the box is initialised; the link is never changed but
        // through interior mutability.
        unsafe { &(*self.as_box()).cached }
    }

    /// The list of extended attributes; reading it takes RCU, changing it `i_rwsem`.
    pub(super) fn xattr_list(&self) -> *mut bindings::list_head {
        // SAFETY: By the type invariants the box is there.
        unsafe { (*self.as_box()).xattrs.get() }
    }

    /// Where the records of quota are in which the inode counts; the quota core's.
    #[cfg(CONFIG_QUOTA)]
    pub(super) fn records(&self) -> *mut Records {
        // SAFETY: By the type invariants the box is there; no reference is made.
        UnsafeCell::raw_get(unsafe { core::ptr::addr_of!((*self.as_box()).records) })
    }

    /// The superblock.
    pub(crate) fn sb(&self) -> &SuperBlock<T> {
        // SAFETY: An inode pins its superblock, which is of the same file system.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).i_sb) }
    }

    /// The page cache of the file.
    pub(crate) fn mapping(&self) -> &Mapping {
        // SAFETY: The mapping of a live inode is valid for as long as the inode is.
        unsafe { Mapping::from_raw((*self.as_ptr()).i_mapping) }
    }

    /// The inode number.
    pub(crate) fn number(&self) -> Ino {
        // SAFETY: The inode is live, and its number does not change.
        Ino::new(unsafe { (*self.as_ptr()).i_ino })
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

    /// The link count; a snapshot where `i_rwsem` is not held.
    pub(crate) fn nlink(&self) -> u32 {
        // SAFETY: The inode is live. The VFS reads the count without a lock in the same way.
        unsafe { core::ptr::read_volatile(&(*self.as_ptr()).__bindgen_anon_1.i_nlink) }
    }

    /// The size of the file, as `i_size_read()`.
    pub(crate) fn size(&self) -> Pos {
        // SAFETY: The inode is live.
        Pos::from_loff(unsafe { bindings::i_size_read(self.as_ptr()) })
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

/// An inode that no dentry and no file refers to yet.
///
/// Dropping it evicts it.
///
/// # Invariants
///
/// Nobody else uses the inode but to find it on the superblock's list.
pub(crate) struct NewInode<T: FileSystem>(InodeRef<T>);

impl<T: FileSystem> NewInode<T> {
    /// Makes an inode with number `ino`, owned as `inode_init_owner()` says for a file in `parent`
    /// (or for the root directory, where there is no parent).
    ///
    /// May sleep. Returns `None` without memory.
    pub(crate) fn new(
        sb: &SuperBlock<T>,
        idmap: &IdMap,
        parent: Option<&Inode<T>>,
        ino: Ino,
        mode: Mode,
        device: DeviceId,
    ) -> Option<Self> {
        // SAFETY: The superblock is live; `alloc_inode()` provides an initialised box.
        let inode = NonNull::new(unsafe { bindings::new_inode(sb.as_ptr()) })?.cast::<Inode<T>>();
        // INVARIANT: `new_inode()` returns an inode with one reference, unknown to others.
        let this = Self(InodeRef(inode));
        let raw = this.as_ptr();
        let parent = parent.map_or(core::ptr::null_mut(), Inode::as_ptr);
        // SAFETY: By the type invariants nobody else uses the inode; parent and idmap are live.
        unsafe {
            (*raw).i_ino = ino.to_u64();
            bindings::inode_init_owner(idmap.as_ptr(), raw, parent, mode.as_raw());
            (*raw).i_blocks = 0;
            // The caches of directories and the like stay empty; that is not for the mm to find out.
            (*(*raw).i_mapping).a_ops = sb.memory().a_ops();
            bindings::simple_inode_init_ts(raw);
            // What it inherits comes later, and there is nowhere else to look for any.
            bindings::cache_no_acl(raw);
            if mode.file_type() == FileType::Special {
                bindings::init_special_inode(raw, mode.as_raw(), device.as_raw());
            }
        }
        T::set_operations(&this);
        // SAFETY: As above; the lock is not in use.
        unsafe { bindings::lockdep_annotate_inode_mutex_key(raw) };
        Some(this)
    }

    /// What the holder of `i_rwsem` may do: nobody else can reach the inode.
    pub(crate) fn exclusive(&mut self) -> Exclusive<'_, T> {
        // SAFETY: By the type invariants this is the only user of the inode, and `&mut self` is
        // borrowed for the life of the result.
        unsafe { Exclusive::new(&self.0) }
    }

    /// The file system's data, which nobody else uses yet.
    #[cfg(CONFIG_NUMA)] // for nothing but memory policies as yet
    pub(crate) fn data_mut(&mut self) -> Pin<&mut T::InodeData> {
        // SAFETY: By the type invariants this is the only user of the inode, and `&mut self` is
        // borrowed for the life of the result. The data is never moved.
        unsafe { Pin::new_unchecked(&mut (*self.as_box()).data) }
    }

    /// Lets the security modules initialise the inode, as `security_inode_init_security()`.
    ///
    /// `name` is the name it will have in `dir`, where it gets one. May sleep.
    pub(crate) fn init_security(
        &mut self,
        dir: &Inode<T>,
        name: Option<&Negative<'_, T>>,
    ) -> Result {
        let name = name.map_or(core::ptr::null(), |dentry| dentry.qstr());
        // Without attributes, labels are in memory only, with the security modules.
        let store = T::XATTRS.init();
        // SAFETY: All inodes are live, and the callback gets this one, which nobody else uses.
        let ret = unsafe {
            bindings::security_inode_init_security(
                self.as_ptr(),
                dir.as_ptr(),
                name,
                store,
                core::ptr::null_mut(),
            )
        };
        match to_result(ret) {
            Err(EOPNOTSUPP) => Ok(()),
            result => result,
        }
    }

    /// Overrides owner and group, for the root directory of a mount.
    pub(crate) fn set_owner(&self, uid: Kuid, gid: Kgid) {
        // SAFETY: By the type invariants nobody else uses the inode.
        unsafe {
            (*self.as_ptr()).i_uid = uid.as_raw();
            (*self.as_ptr()).i_gid = gid.as_raw();
        }
    }

    /// Sets the target of a symbolic link, which the inode then owns, and the size with it.
    ///
    /// Has no effect on other types of file.
    pub(crate) fn set_link(&mut self, target: &CStr) -> Result {
        // SAFETY: By the type invariants nobody else uses the inode.
        let is_set = unsafe { !(*self.as_ptr()).__bindgen_anon_5.i_link.is_null() };
        if self.file_type() != FileType::Symlink || is_set {
            return Err(EINVAL);
        }
        let len = c_int::try_from(target.to_bytes().len()).map_err(|_| ENAMETOOLONG)?;
        let bytes = target.to_bytes_with_nul();
        let mut link = KVec::with_capacity(bytes.len(), GFP_KERNEL_ACCOUNT)?;
        link.extend_from_slice(bytes, GFP_KERNEL_ACCOUNT)?;
        let ptr = link.into_raw_parts().0;
        // SAFETY: The string is terminated, and `free_inode()` frees it after a grace period, so
        // that lockless path walks may read it.
        unsafe { bindings::inode_set_cached_link(self.as_ptr(), ptr.cast(), len) };
        let size = Pos::ZERO.saturating_add(Len::new(target.to_bytes().len()));
        self.exclusive().set_size(size);
        Ok(())
    }

    /// Makes the inode a directory: its operations, and the link that `.` is.
    pub(crate) fn init_directory(&self)
    where
        T: DirectoryOperations + AttrOperations,
    {
        // SAFETY: By the type invariants nobody else uses the inode.
        unsafe {
            bindings::inc_nlink(self.as_ptr());
            (*self.as_ptr()).i_op = &dir::Tables::<T>::INODE_OPERATIONS;
            (*self.as_ptr()).__bindgen_anon_3.i_fop = &dir::Tables::<T>::FILE_OPERATIONS;
        }
    }

    /// Makes the inode a regular file.
    pub(crate) fn init_regular(&self)
    where
        T: FileOperations + AttrOperations,
    {
        // SAFETY: By the type invariants nobody else uses the inode.
        unsafe {
            (*self.as_ptr()).i_op = &attr::Tables::<T>::FILE_OPERATIONS;
            (*self.as_ptr()).__bindgen_anon_3.i_fop = &file::Tables::<T>::FILE_OPERATIONS;
        }
        // SAFETY: The inode is new, and `new()` has set the operations.
        unsafe { self.sb().memory().init_mapping(self.mapping()) };
    }

    /// Makes the inode a symbolic link; [`NewInode::set_link`] gives it its target.
    pub(crate) fn init_symlink(&self)
    where
        T: AttrOperations,
    {
        // SAFETY: By the type invariants nobody else uses the inode.
        unsafe { (*self.as_ptr()).i_op = &attr::Tables::<T>::SYMLINK_OPERATIONS };
    }

    /// Gives a special file its inode operations; the VFS has set the others.
    pub(crate) fn init_special(&self)
    where
        T: AttrOperations,
    {
        // SAFETY: By the type invariants nobody else uses the inode.
        unsafe { (*self.as_ptr()).i_op = &attr::Tables::<T>::INODE_OPERATIONS };
    }

    /// The reference, for a dentry or a file to own.
    pub(super) fn into_ref(self) -> InodeRef<T> {
        self.0
    }

    /// Makes the inode of the root directory of a superblock that is being filled, as
    /// [`NewInode::new`] does.
    pub(crate) fn for_root(sb: &NewSuperBlock<'_, T>, ino: Ino, mode: Mode) -> Option<Self> {
        Self::new(sb, IdMap::nop(), None, ino, mode, DeviceId::NONE)
    }
}

impl<T: FileSystem> Deref for NewInode<T> {
    type Target = Inode<T>;

    fn deref(&self) -> &Inode<T> {
        &self.0
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

/// The slab's constructor.
///
/// # Safety
///
/// For calls through the table of `super_operations` or `kmem_cache_args` that it is in, only.
unsafe extern "C" fn init_once<T: FileSystem>(object: *mut c_void) {
    // SAFETY: The slab passes an object of the size and alignment of `InodeBox<T>`.
    unsafe {
        bindings::inode_init_once(Opaque::cast_into(addr_of_mut!(
            (*object.cast::<InodeBox<T>>()).inode
        )))
    }
}

/// `super_operations::alloc_inode`.
///
/// # Safety
///
/// For calls through the table of `super_operations` or `kmem_cache_args` that it is in, only.
pub(super) unsafe extern "C" fn alloc_inode<T: FileSystem>(
    sb: *mut bindings::super_block,
) -> *mut bindings::inode {
    // SAFETY: The VFS passes a superblock that `fill()` has set up.
    let sb = unsafe { SuperBlock::<T>::from_raw(sb) };
    // SAFETY: The cache is one for `InodeBox<T>`.
    let object = unsafe {
        bindings::alloc_inode_sb(sb.as_ptr(), sb.cache().cache.as_ptr(), bindings::GFP_KERNEL)
    }
    .cast::<InodeBox<T>>();
    if object.is_null() {
        return core::ptr::null_mut();
    }
    // INVARIANT: All fields but `inode`, which the constructor has initialised, are set here.
    // SAFETY: The object is uninitialised memory of the right size, never moved, and initialising
    // the data cannot fail.
    unsafe {
        addr_of_mut!((*object).locked).write(UnsafeCell::new(LockedState {
            index: DirIndex::new(),
        }));
        addr_of_mut!((*object).cached).write(Link::new());
        addr_of_mut!((*object).memory).write(T::Memory::new_inode_data());
        xattr::init_list(addr_of_mut!((*object).xattrs));
        #[cfg(CONFIG_QUOTA)]
        addr_of_mut!((*object).records).write(UnsafeCell::new(quota::NO_RECORDS));
        let Ok(()) = pin_init::raw_try_init(addr_of_mut!((*object).data), T::new_inode_data());
    }
    object.cast()
}

/// `super_operations::free_inode`; runs after a grace period and must not sleep.
///
/// # Safety
///
/// For calls through the table of `super_operations` or `kmem_cache_args` that it is in, only.
pub(super) unsafe extern "C" fn free_inode<T: FileSystem>(inode: *mut bindings::inode) {
    let object = inode.cast::<InodeBox<T>>();
    // SAFETY: The VFS passes an inode that `alloc_inode()` has made, for the last time; all parts
    // that are dropped are initialised by the type invariants, and the target of a symbolic link
    // is the inode's own. `kfree()` takes objects of any slab cache.
    unsafe {
        if Mode::from_raw((*inode).i_mode).file_type() == FileType::Symlink {
            bindings::kfree((*inode).__bindgen_anon_5.i_link.cast());
        }
        core::ptr::drop_in_place(addr_of_mut!((*object).locked));
        core::ptr::drop_in_place(addr_of_mut!((*object).memory));
        core::ptr::drop_in_place(addr_of_mut!((*object).data));
        bindings::kfree(object.cast());
    }
}

/// `super_operations::evict_inode`.
///
/// # Safety
///
/// For calls through the table of `super_operations` or `kmem_cache_args` that it is in, only.
pub(super) unsafe extern "C" fn evict_inode<T: FileSystem>(inode: *mut bindings::inode) {
    // SAFETY: The VFS passes a live inode that nobody else uses any more, which is being evicted.
    let this = unsafe {
        let this = Inode::<T>::from_raw(inode);
        this.mapping().set_exiting();
        T::evict(&mut Exclusive::new(this));
        // A large one takes its time, which `free_inode()` has not.
        (*this.locked_state()).index.clear();
        this
    };
    // What is written out or looked at just now was there before the pages went.
    // SAFETY: The inode is being evicted, and `evict()` has freed its pages.
    unsafe { this.sb().memory().forget(this) };
    // SAFETY: The same; what lists the inode as one with something to give back uses this list.
    unsafe { this.sb().cached().remove(this) };
    // The table of the superblock must not refer to an inode that is gone.
    // SAFETY: As above.
    unsafe { xattr::free(this) };
    #[cfg(CONFIG_QUOTA)]
    // SAFETY: As above.
    unsafe {
        quota::evict(this)
    };
    // SAFETY: The page cache of the inode is empty, as `evict()` promises; `clear_inode()` checks.
    unsafe { bindings::clear_inode(inode) };
}
