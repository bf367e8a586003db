// SPDX-License-Identifier: GPL-2.0

//! Superblocks.
//!
//! C headers: `include/linux/fs/super_types.h`, `include/linux/fs.h`.

use super::acl;
use super::casefold::CaseFolding;
use super::export::{self, Exports};
use super::inode::{self, InodeCache};
use super::inode_list::{Cached, InodeList};
#[cfg(CONFIG_QUOTA)]
use super::quota;
use super::{FileSystem, MountContext, Registration};
use crate::bindings;
use crate::mm::{Len, PAGE_SHIFT, PAGE_SIZE};
use core::marker::PhantomData;
use core::ops::Deref;
use kernel::error::from_result;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::types::Opaque;

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
    #[pin]
    data: T::SuperData,
}

/// A superblock of file system `T` (`struct super_block`).
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

    /// What file handles share.
    pub(super) fn exports(&self) -> &Exports {
        &self.info().exports
    }

    /// The minor number of `s_dev`, for messages.
    pub(crate) fn minor(&self) -> u32 {
        // SAFETY: The superblock is live, and `s_dev` does not change.
        unsafe { (*self.as_ptr()).s_dev & ((1 << 20) - 1) }
    }
}

/// A superblock that is being filled and that nobody else can reach yet.
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
        alloc_inode: Some(inode::alloc_inode::<T>),
        free_inode: Some(inode::free_inode::<T>),
        evict_inode: Some(inode::evict_inode::<T>),
        drop_inode: Some(bindings::inode_just_drop),
        statfs: Some(statfs::<T>),
        show_options: Some(show_options::<T>),
        #[cfg(CONFIG_QUOTA)]
        get_dquots: Some(quota::get_records::<T>),
        #[cfg(CONFIG_QUOTA)]
        put_super: Some(put_super),
        nr_cached_objects: Some(nr_cached_objects::<T>),
        free_cached_objects: Some(free_cached_objects::<T>),
        // SAFETY: All-zero bytes are valid: the other operations are absent.
        ..unsafe { core::mem::zeroed() }
    };
}

/// Fills a new superblock.
///
/// # Safety
///
/// `sb` must be new and unreachable for others, with its `s_umount` held for writing, and `fs_type`
/// that of a live `Registration<T>`.
pub(super) unsafe fn fill<T: FileSystem>(
    sb: *mut bindings::super_block,
    fs_type: *mut bindings::file_system_type,
    options: &mut T::MountOptions,
    cx: &MountContext,
) -> Result {
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
            data <- T::new_super(options, cx),
        }? Error),
        GFP_KERNEL,
    )?;

    let mut uuid = bindings::uuid_t::default();
    // SAFETY: Nobody else can reach `sb`. The box stays pinned behind `s_fs_info` until
    // `kill_sb()` takes it back, which the VFS calls whether or not this function succeeds.
    unsafe {
        (*sb).s_fs_info = KBox::into_raw(Pin::into_inner_unchecked(info)).cast();
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

    // INVARIANT: The caller holds `s_umount`.
    // SAFETY: `s_fs_info` was just set.
    let new = NewSuperBlock(unsafe { SuperBlock::<T>::from_raw(sb) });
    let root = make_root(&new);
    // `put_super()` is not called for a superblock without a root.
    #[cfg(CONFIG_QUOTA)]
    if root.is_err() {
        // SAFETY: The caller holds `s_umount`; an inode that was made is gone.
        unsafe { quota::disable(sb) };
    }
    // SAFETY: As above.
    unsafe { (*sb).s_root = root? };
    Ok(())
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

/// # Safety
///
/// For calls through the table of `super_operations` that it is in, only.
#[cfg(CONFIG_QUOTA)]
unsafe extern "C" fn put_super(sb: *mut bindings::super_block) {
    // SAFETY: The VFS holds `s_umount` of a superblock that it has no use for any more, after the
    // eviction of its inodes.
    unsafe { quota::disable(sb) };
}

/// `file_system_type::kill_sb`.
///
/// # Safety
///
/// For calls through the table of `super_operations` or `file_system_type` that it is in, only.
pub(super) unsafe extern "C" fn kill_sb<T: FileSystem>(sb: *mut bindings::super_block) {
    // SAFETY: The VFS passes a superblock that it has no use for any more; `kill_anon_super()`
    // leaves `s_fs_info` alone, and does not free `sb`.
    let info = unsafe {
        bindings::kill_anon_super(sb);
        core::mem::replace(&mut (*sb).s_fs_info, core::ptr::null_mut()).cast::<SuperInfo<T>>()
    };
    if !info.is_null() {
        // SAFETY: `fill()` has stored a box. All inodes are evicted, so nobody uses it; it is
        // dropped in place.
        drop(unsafe { KBox::from_raw(info) });
    }
}

/// # Safety
///
/// For calls through the table of `super_operations` or `file_system_type` that it is in, only.
unsafe extern "C" fn statfs<T: FileSystem>(
    dentry: *mut bindings::dentry,
    buf: *mut bindings::kstatfs,
) -> c_int {
    // SAFETY: The VFS passes a dentry of a live superblock, and a buffer.
    let (sb, buf) = unsafe { (SuperBlock::<T>::from_raw((*dentry).d_sb), &mut *buf) };
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
    buf.f_fsid = unsafe { bindings::uuid_to_fsid((*sb.as_ptr()).s_uuid.b.as_mut_ptr()) };
    0
}

/// # Safety
///
/// For calls through the table of `super_operations` or `file_system_type` that it is in, only.
unsafe extern "C" fn show_options<T: FileSystem>(
    seq: *mut bindings::seq_file,
    root: *mut bindings::dentry,
) -> c_int {
    from_result(|| {
        // SAFETY: The VFS passes a dentry of a live superblock and a `seq_file`, which is the same
        // structure in both sets of bindings.
        let (sb, seq) = unsafe {
            (
                SuperBlock::<T>::from_raw((*root).d_sb),
                SeqFile::from_raw(seq.cast()),
            )
        };
        T::show_options(sb, seq);
        Ok(0)
    })
}

/// A number of objects, for the shrinker.
fn as_long(objects: usize) -> c_long {
    c_long::try_from(objects).unwrap_or(c_long::MAX)
}

/// # Safety
///
/// For calls through the table of `super_operations` or `file_system_type` that it is in, only.
unsafe extern "C" fn nr_cached_objects<T: FileSystem>(
    sb: *mut bindings::super_block,
    control: *mut bindings::shrink_control,
) -> c_long {
    // SAFETY: Reclaim passes a live superblock and its request.
    unsafe {
        // What there is belongs to no memory cgroup in particular.
        if !bindings::mem_cgroup_shrink_is_root(control) {
            return 0;
        }
        as_long(T::count_cached(SuperBlock::<T>::from_raw(sb)))
    }
}

/// # Safety
///
/// For calls through the table of `super_operations` or `file_system_type` that it is in, only.
unsafe extern "C" fn free_cached_objects<T: FileSystem>(
    sb: *mut bindings::super_block,
    control: *mut bindings::shrink_control,
) -> c_long {
    // SAFETY: Reclaim passes a live superblock and its request.
    let (sb, objects) = unsafe { (SuperBlock::<T>::from_raw(sb), (*control).nr_to_scan) };
    if T::count_cached(sb) == 0 {
        return bindings::SHRINK_STOP;
    }
    as_long(T::free_cached(sb, objects))
}
