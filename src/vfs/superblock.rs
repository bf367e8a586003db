// SPDX-License-Identifier: GPL-2.0

//! Superblocks.
//!
//! C headers: `include/linux/fs/super_types.h`, `include/linux/fs.h`.

use super::acl;
use super::casefold::CaseFolding;
use super::delayed_iput::{self, Delayed, DelayedIputs};
use super::export::{self, Exports};
use super::inode::{self, InodeCache};
use super::inode_list::{Cached, InodeList};
#[cfg(CONFIG_QUOTA)]
use super::quota;
use super::{DeviceId, FileSystem, MountContext, Registration};
use crate::bindings;
use crate::mm::memcg::{Shortage, ShrinkerId};
use crate::mm::Folio;
use crate::units::{Len, PAGE_SHIFT, PAGE_SIZE};
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::error::from_result;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::types::{ForeignOwnable, Opaque};

/// What `s_fs_info` points to.
#[pin_data]
pub(super) struct SuperInfo<T: FileSystem> {
    /// The registration, which outlives every superblock.
    registration: *const Registration<T>,
    /// What finds extended attributes.
    xattrs: super::xattr::Cache,
    case_folding: Option<CaseFolding>,
    #[pin]
    exports: Exports,
    /// Inodes that [`FileSystem::free_cached`] is to look at.
    #[pin]
    cached: InodeList<T, Cached>,
    /// That of the shrinker, which goes before the last inodes do.
    shrinker: ShrinkerId,
    delayed: Delayed,
    #[pin]
    data: T::SuperData,
}

/// A superblock of file system `T` (`struct super_block`).
///
/// # Examples
///
/// ```
/// use crate::vfs::{FileSystem, Inode};
/// use kernel::sync::atomic::{Atomic, Relaxed};
///
/// // An inode keeps its superblock, and with it the file system's own data of that.
/// fn next_number<T>(inode: &Inode<T>) -> u64
/// where
///     T: FileSystem<SuperData = Atomic<u64>>,
/// {
///     inode.sb().data().fetch_add(1, Relaxed)
/// }
/// ```
///
/// # Invariants
///
/// The superblock is live and its `s_fs_info` points to a `SuperInfo<T>`.
#[repr(transparent)]
pub(crate) struct SuperBlock<T: FileSystem>(Opaque<bindings::super_block>, PhantomData<T>);

// SAFETY: All shared access goes through functions that the VFS allows to run concurrently.
unsafe impl<T: FileSystem> Sync for SuperBlock<T> {}

impl<T: FileSystem> SuperBlock<T> {
    /// # Safety
    ///
    /// The type invariants must hold for `'a`.
    pub(super) unsafe fn from_raw<'a>(sb: *mut bindings::super_block) -> &'a Self {
        // SAFETY: The type is transparent, and the caller promises validity.
        unsafe { &*sb.cast() }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::super_block {
        self.0.get()
    }

    fn info(&self) -> &SuperInfo<T> {
        // SAFETY: By the type invariants; the pointer is set before the superblock is seen.
        unsafe { &*(*self.as_ptr()).s_fs_info.cast() }
    }

    /// The file system's part.
    pub(crate) fn data(&self) -> &T::SuperData {
        &self.info().data
    }

    /// How directories may fold case, if at all.
    pub(crate) fn case_folding(&self) -> Option<&CaseFolding> {
        self.info().case_folding.as_ref()
    }

    fn registration(&self) -> &Registration<T> {
        // SAFETY: The registration outlives its superblocks: each holds the module.
        unsafe { &*self.info().registration }
    }

    pub(super) fn cache(&self) -> &InodeCache<T> {
        self.registration().cache()
    }

    /// What finds the extended attributes of the inodes.
    pub(super) fn xattrs(&self) -> &super::xattr::Cache {
        &self.info().xattrs
    }

    /// What the file system type keeps registered with the MM.
    pub(crate) fn memory(&self) -> &T::Memory {
        self.registration().memory()
    }

    /// Inodes that [`FileSystem::free_cached`] is to look at, see [`super::Inode::list_cached`].
    pub(crate) fn cached(&self) -> &InodeList<T, Cached> {
        &self.info().cached
    }

    /// [`FileSystem::free_cached`] could free memory that `folio` keeps. Where the memory cgroup that is charged for it is
    /// short of memory, it is asked to, once it could be told what there is. Does not sleep.
    pub(crate) fn note_cached(&self, folio: &Folio) {
        self.info().shrinker.note(folio);
    }

    /// How many references reclaim has left to be dropped later.
    pub(super) fn delayed(&self) -> &Delayed {
        &self.info().delayed
    }

    /// What drops them.
    pub(super) fn delayed_iputs(&self) -> &DelayedIputs<T> {
        self.registration().delayed_iputs()
    }

    /// What file handles share.
    pub(super) fn exports(&self) -> &Exports {
        &self.info().exports
    }

    /// The device number.
    pub(crate) fn device(&self) -> DeviceId {
        // SAFETY: The superblock is live, and `s_dev` does not change.
        DeviceId::from_raw(unsafe { (*self.as_ptr()).s_dev })
    }
}

/// A superblock that is being filled and has no inode yet.
///
/// # Invariants
///
/// The VFS holds its `s_umount` for writing, and no inode of it is made, for as long as the value lives.
pub(crate) struct BareSuperBlock<'a, T: FileSystem>(&'a SuperBlock<T>);

impl<T: FileSystem> BareSuperBlock<'_, T> {
    /// The file system's data.
    pub(crate) fn data(&self) -> &T::SuperData {
        self.0.data()
    }

    #[cfg(CONFIG_QUOTA)]
    pub(super) fn as_ptr(&self) -> *mut bindings::super_block {
        self.0.as_ptr()
    }
}

/// A superblock that is being filled and that no other task can reach yet.
///
/// # Invariants
///
/// The VFS holds its `s_umount` for writing, for as long as the value lives.
pub(crate) struct NewSuperBlock<'a, T: FileSystem>(&'a SuperBlock<T>);

impl<T: FileSystem> Deref for NewSuperBlock<'_, T> {
    type Target = SuperBlock<T>;

    fn deref(&self) -> &SuperBlock<T> {
        self.0
    }
}

struct Tables<T>(PhantomData<T>);

impl<T: FileSystem> Tables<T> {
    const OPERATIONS: bindings::super_operations = bindings::super_operations {
        alloc_inode: Some(inode::alloc_inode),
        free_inode: Some(inode::free_inode::<T>),
        evict_inode: Some(inode::evict_inode::<T>),
        drop_inode: Some(delayed_iput::drop_inode::<T>),
        statfs: Some(statfs::<T>),
        show_options: Some(show_options::<T>),
        #[cfg(CONFIG_QUOTA)]
        get_dquots: Some(quota::get_records::<T>),
        #[cfg(CONFIG_QUOTA)]
        put_super: Some(put_super),
        nr_cached_objects: Some(nr_cached_objects::<T>),
        free_cached_objects: Some(free_cached_objects::<T>),
        // The other operations are absent.
        ..pin_init::zeroed()
    };
}

/// Fills a new superblock; returns its number where its folder of figures is to be waited for when `s_umount` is released.
///
/// # Safety
///
/// `sb` must be new and unreachable for others, with its `s_umount` held for writing, and `fs_type`
/// one of a live `Registration<T>`.
pub(super) unsafe fn fill<T: FileSystem>(
    sb: *mut bindings::super_block,
    fs_type: *mut bindings::file_system_type,
    options: &mut T::MountOptions,
    cx: &MountContext,
) -> Result<Option<DeviceId>> {
    // SAFETY: By the caller's promise.
    let registration: *const Registration<T> = unsafe { Registration::from_fs_type(fs_type) };
    let info = KBox::pin_init(
        try_pin_init!(SuperInfo::<T> {
            registration,
            xattrs: super::xattr::Cache::new(),
            case_folding: T::case_folding(options)?,
            exports <- Exports::new(),
            // SAFETY: The list is only for inodes of the superblock, and their eviction takes them out.
            cached <- unsafe { InodeList::new() },
            // SAFETY: A superblock has one, aware of memory cgroups, from the beginning, and as long as a reference keeps it active.
            shrinker: unsafe { ShrinkerId::of(NonNull::new((*sb).s_shrink).ok_or(EINVAL)?) },
            delayed: Delayed::new(),
            data <- T::new_super(options, cx),
        }? Error),
        GFP_KERNEL,
    )?;

    let mut uuid = bindings::uuid_t::default();
    // SAFETY: No other task can reach `sb`. The box stays pinned behind `s_fs_info` until
    // `kill_sb()` takes it back, which the VFS calls whether or not this function succeeds.
    unsafe {
        (*sb).s_fs_info = info.into_foreign();
        (*sb).s_op = &Tables::<T>::OPERATIONS;
        (*sb).s_export_op = &export::Tables::<T>::OPERATIONS;
        (*sb).s_magic = T::MAGIC as usize;
        (*sb).s_blocksize = PAGE_SIZE;
        (*sb).s_blocksize_bits = bindings::uchar(PAGE_SHIFT);
        (*sb).s_maxbytes = T::MAX_BYTES.to_loff();
        (*sb).s_time_gran = 1;
        (*sb).s_flags |= bindings::SB_NOSEC;
        (*sb).s_xattr = T::XATTRS.handlers();
        if T::POSIX_ACL {
            (*sb).s_flags |= acl::SB_FLAG;
        }
        // Dentries hold the files, so an unused one is of no use to the dcache's LRU.
        (*sb).s_d_flags |= bindings::DCACHE_DONTCACHE;
        bindings::uuid_gen(&mut uuid);
        bindings::super_set_uuid(sb, uuid.b.as_ptr(), bindings::uint(uuid.b.len()));
    }
    // SAFETY: `s_fs_info` was just set, and there is no dentry yet. It stays until all are gone.
    unsafe {
        if let Some(case_folding) = SuperBlock::<T>::from_raw(sb).case_folding() {
            case_folding.set_up(sb);
        }
    }

    // SAFETY: `s_fs_info` was just set.
    let new = unsafe { SuperBlock::<T>::from_raw(sb) };
    let device = new.device();
    let is_to_come = new.registration().figure_folders().want(device)?;

    // INVARIANT: The caller holds `s_umount`, and nothing makes an inode meanwhile: what is called has no way to.
    let begun = T::before_first_inode(&BareSuperBlock(new));
    // INVARIANT: The caller holds `s_umount`.
    let root = begun.and_then(|()| make_root(&NewSuperBlock(new)));
    // `put_super()` is not called for a superblock without a root.
    #[cfg(CONFIG_QUOTA)]
    if root.is_err() {
        // SAFETY: The caller holds `s_umount`; an inode that was made is gone.
        unsafe { quota::disable(sb) };
    }
    let root = root?;
    // SAFETY: By the caller's promise no other task can reach `sb`.
    unsafe { (*sb).s_root = root };
    Ok(is_to_come.then_some(device))
}

fn make_root<T: FileSystem>(sb: &NewSuperBlock<'_, T>) -> Result<*mut bindings::dentry> {
    let root = T::new_root(sb)?.into_ref().of(sb)?;
    // SAFETY: `d_make_root()` takes over the reference, also where it fails.
    let dentry = unsafe { bindings::d_make_root(root.into_raw()) };
    if dentry.is_null() {
        return Err(ENOMEM);
    }
    Ok(dentry)
}

/// `super_operations::put_super`.
///
/// # Safety
///
/// `sb` must be a superblock of this type whose inodes are all evicted, with `s_umount` held for writing.
#[cfg(CONFIG_QUOTA)]
unsafe extern "C" fn put_super(sb: *mut bindings::super_block) {
    // SAFETY: By the caller's promise.
    unsafe { quota::disable(sb) };
}

/// `file_system_type::kill_sb`.
///
/// # Safety
///
/// `sb` must be a superblock that [`fill`] was called for with `T`, or none, which is used no more, with `s_umount`
/// held for writing.
pub(super) unsafe extern "C" fn kill_sb<T: FileSystem>(sb: *mut bindings::super_block) {
    // SAFETY: It is null, or the box that `fill()` has stored.
    let info = unsafe { (*sb).s_fs_info.cast::<SuperInfo<T>>().as_ref() };
    if let Some(info) = info {
        // SAFETY: The VFS lets go of the module, and with it of the registration, after the call.
        let registration = unsafe { &*info.registration };
        // SAFETY: By the caller's promise.
        let device = DeviceId::from_raw(unsafe { (*sb).s_dev });
        // Before the number is free for another superblock.
        registration.figure_folders().forget(device);
        // As long as there is one the VFS keeps what is not dropped, see `drop_inode()`.
        registration.delayed_iputs().close(&info.delayed);
    }
    // SAFETY: By the caller's promise. Releases `s_umount`.
    unsafe { bindings::kill_anon_super(sb) };
    // SAFETY: That leaves `s_fs_info` alone, and does not free `sb`, of which this is the last user.
    let info = unsafe { core::mem::replace(&mut (*sb).s_fs_info, core::ptr::null_mut()) };
    // SAFETY: It is null, or the box that `fill()` has stored. All inodes are evicted, so that nothing uses it.
    drop(unsafe { Pin::<KBox<SuperInfo<T>>>::try_from_foreign(info) });
}

/// `super_operations::statfs`.
///
/// # Safety
///
/// `dentry` must be one of a live superblock of `T`, and `buf` a buffer, which only this function uses during the
/// call.
unsafe extern "C" fn statfs<T: FileSystem>(
    dentry: *mut bindings::dentry,
    buf: *mut bindings::kstatfs,
) -> c_int {
    // SAFETY: By the caller's promise.
    let sb = unsafe { SuperBlock::<T>::from_raw((*dentry).d_sb) };
    // SAFETY: By the caller's promise.
    let buf = unsafe { &mut *buf };
    let stat = T::stat_fs(sb);
    buf.f_type = bindings::long(T::MAGIC);
    buf.f_bsize = Len::PAGE.to_ssize();
    buf.f_namelen = bindings::long(bindings::NAME_MAX);
    buf.f_blocks = stat.blocks.to_u64();
    buf.f_bfree = stat.blocks_free.to_u64();
    buf.f_bavail = stat.blocks_free.to_u64();
    buf.f_files = stat.inodes;
    buf.f_ffree = stat.inodes_free;
    // SAFETY: The superblock is live, and its uuid does not change.
    buf.f_fsid = unsafe { bindings::uuid_to_fsid((&raw mut (*sb.as_ptr()).s_uuid.b).cast()) };
    0
}

/// `super_operations::show_options`.
///
/// # Safety
///
/// `root` must be a dentry of a live superblock of `T`, and `seq` a live file to write to.
unsafe extern "C" fn show_options<T: FileSystem>(
    seq: *mut bindings::seq_file,
    root: *mut bindings::dentry,
) -> c_int {
    from_result(|| {
        // SAFETY: By the caller's promise.
        let sb = unsafe { SuperBlock::<T>::from_raw((*root).d_sb) };
        // SAFETY: By the caller's promise; it is the same structure in both sets of bindings.
        let seq = unsafe { SeqFile::from_raw(seq.cast()) };
        T::show_options(sb, seq);
        Ok(0)
    })
}

/// A number of objects, for the shrinker.
fn as_long(objects: usize) -> c_long {
    c_long::try_from(objects).unwrap_or(c_long::MAX)
}

/// `super_operations::nr_cached_objects`.
///
/// # Safety
///
/// `sb` must be a live superblock of `T`, and `control` a request of reclaim.
unsafe extern "C" fn nr_cached_objects<T: FileSystem>(
    sb: *mut bindings::super_block,
    control: *mut bindings::shrink_control,
) -> c_long {
    // SAFETY: By the caller's promise.
    let sb = unsafe { SuperBlock::<T>::from_raw(sb) };
    // SAFETY: By the caller's promise.
    let control = unsafe { NonNull::new_unchecked(control) };
    // SAFETY: By the caller's promise.
    let shortage = unsafe { Shortage::of(control) };
    as_long(T::count_cached(sb, &shortage))
}

/// `super_operations::free_cached_objects`.
///
/// # Safety
///
/// `sb` must be a live superblock of `T`, with `s_umount` held, and `control` a request of reclaim.
unsafe extern "C" fn free_cached_objects<T: FileSystem>(
    sb: *mut bindings::super_block,
    control: *mut bindings::shrink_control,
) -> c_long {
    // SAFETY: By the caller's promise.
    let sb = unsafe { SuperBlock::<T>::from_raw(sb) };
    // SAFETY: By the caller's promise.
    let control = unsafe { NonNull::new_unchecked(control) };
    // SAFETY: By the caller's promise.
    let (objects, shortage) = unsafe { ((*control.as_ptr()).nr_to_scan, Shortage::of(control)) };
    as_long(T::free_cached(sb, objects, &shortage))
}
