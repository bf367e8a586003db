// SPDX-License-Identifier: GPL-2.0

//! File system types and their registration.
//!
//! C headers: `include/linux/fs.h`, `Documentation/filesystems/vfs.rst`.

#[cfg(CONFIG_UNICODE)]
use super::casefold::CaseFolding;
#[cfg(CONFIG_SYSFS)]
use super::features::{Feature, Features};
#[cfg(CONFIG_SWAP)]
use super::inode::Inode;
use super::inode::InodeCache;
use super::{context, superblock};
use super::{
    Exclusive, MountContext, NewInode, NewSuperBlock, ParameterTable, ParameterValue, SuperBlock,
};
use crate::bindings;
use crate::mm::{PageCount, Pos};
use core::marker::PhantomData;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::types::Opaque;
use kernel::ThisModule;

/// What `statfs(2)` reports beyond the superblock's own fields; all counts, no bytes.
///
/// A file system without a limit reports 0 for total and free, as `simple_statfs()`.
#[derive(Default)]
pub(crate) struct StatFs {
    /// Blocks in all, each a page.
    pub(crate) blocks: PageCount,
    /// Blocks that are free.
    pub(crate) blocks_free: PageCount,
    /// Inodes in all.
    pub(crate) inodes: u64,
    /// Inodes that are free.
    pub(crate) inodes_free: u64,
}

/// What a file system type keeps registered with the MM for as long as it is registered.
pub(crate) trait Memory<T: FileSystem>: Send + Sync + Sized {
    /// Registers it. May sleep.
    ///
    /// # Safety
    ///
    /// `fs_type` must be initialised, and stay where it is for as long as the result lives.
    unsafe fn new(
        module: &'static ThisModule,
        fs_type: *mut bindings::file_system_type,
    ) -> impl PinInit<Self, Error>;

    /// The operations of page caches.
    fn a_ops(&self) -> *const bindings::address_space_operations;

    /// Forgets an inode that is being evicted and has no pages any more. May sleep.
    #[cfg(CONFIG_SWAP)]
    fn forget(&self, inode: &Inode<T>);
}

/// A file system type.
///
/// All functions run in process context and may sleep unless they say otherwise.
pub(crate) trait FileSystem: Sized + Send + Sync + 'static {
    /// The name for mount(2) and `/proc/filesystems`.
    const NAME: &'static CStr;
    /// The name of the slab cache of inodes.
    const INODE_CACHE_NAME: &'static CStr;
    /// `f_type` of statfs(2).
    const MAGIC: u32;
    /// The largest size of a file.
    const MAX_BYTES: Pos;
    /// The mount parameters.
    const PARAMETERS: &'static ParameterTable;
    /// The operations on extended attributes.
    #[cfg(CONFIG_TMPFS_XATTR)]
    const XATTRS: super::xattr::XattrTable<Self>;

    /// What user space shall know to be supported, in `/sys/fs`.
    #[cfg(CONFIG_SYSFS)]
    const FEATURES: &'static [&'static Feature];

    /// What the type keeps registered with the MM.
    type Memory: Memory<Self>;
    /// The parameters of a mount or a reconfiguration under construction.
    type MountOptions: Send;
    /// The file system's part of a superblock.
    type SuperData: Send + Sync;
    /// The file system's part of an inode, reached without a lock.
    type InodeData: Send + Sync;

    /// Starts a mount or a reconfiguration.
    fn new_options() -> Result<Self::MountOptions>;

    /// Whether a comma in the options of mount(2) that has `rest` behind it ends an option, and does
    /// not belong to its value.
    fn begins_option(rest: &[u8]) -> bool;

    /// Takes in the parameter at `index` of [`FileSystem::PARAMETERS`].
    fn parse_parameter(
        options: &mut Self::MountOptions,
        cx: &MountContext,
        index: usize,
        value: ParameterValue<'_>,
    ) -> Result;

    /// How directories of a new superblock may fold case, if at all.
    #[cfg(CONFIG_UNICODE)]
    fn case_folding(options: &mut Self::MountOptions) -> Result<Option<CaseFolding>>;

    /// Makes the file system's part of a new superblock.
    fn new_super<'a>(
        options: &'a mut Self::MountOptions,
        cx: &'a MountContext,
    ) -> impl PinInit<Self::SuperData, Error> + 'a;

    /// Makes the root directory of a new superblock.
    fn new_root(sb: &NewSuperBlock<'_, Self>) -> Result<NewInode<Self>>;

    /// Changes the parameters of a live superblock (remount), all or none of them.
    fn reconfigure(
        sb: &SuperBlock<Self>,
        options: &mut Self::MountOptions,
        cx: &MountContext,
    ) -> Result;

    /// Fills in statfs(2).
    fn stat_fs(sb: &SuperBlock<Self>) -> StatFs;

    /// Shows the parameters in `/proc/mounts`, each with a comma before it.
    fn show_options(sb: &SuperBlock<Self>, seq: &SeqFile);

    /// The initial state of the file system's part of an inode.
    fn new_inode_data() -> impl PinInit<Self::InodeData>;

    /// How many objects [`FileSystem::free_cached`] could look at; a snapshot. Must not sleep.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    fn count_cached(sb: &SuperBlock<Self>) -> usize;

    /// Gives back memory, for reclaim: looks at `objects` objects at most, and returns how many of
    /// them had any. Must not wait for folios or for `i_rwsem`.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    fn free_cached(sb: &SuperBlock<Self>, objects: usize) -> usize;

    /// The last user of an inode is gone: gives back what it holds. Its page cache must be empty
    /// afterwards.
    ///
    /// May be called from reclaim, so it must not wait for an allocation that can reclaim.
    fn evict(inode: &mut Exclusive<'_, Self>);

    /// The attributes of an inode that goes away have gone, which were taken to need `bytes` bytes.
    #[cfg(CONFIG_TMPFS_XATTR)]
    fn xattrs_freed(sb: &SuperBlock<Self>, bytes: usize);

    /// Sets the operations of a new inode by the type of its file.
    fn set_operations(inode: &NewInode<Self>);
}

/// A registered file system type; dropping it unregisters the type.
///
/// # Invariants
///
/// `fs_type` is registered with the VFS from the end of initialisation until drop. It is pinned,
/// since the VFS holds its address.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: FileSystem> {
    #[pin]
    fs_type: Opaque<bindings::file_system_type>,
    // Dropped after `fs_type` is unregistered: by then no superblock is left.
    #[pin]
    memory: T::Memory,
    cache: InodeCache<T>,
    #[cfg(CONFIG_SYSFS)]
    _features: Features,
    _fs: PhantomData<T>,
}

// SAFETY: Nothing in a registration is tied to the task that made it.
unsafe impl<T: FileSystem> Send for Registration<T> {}
// SAFETY: A shared registration offers nothing but the address of its immutable cache.
unsafe impl<T: FileSystem> Sync for Registration<T> {}

impl<T: FileSystem> Registration<T> {
    /// Registers the file system type of module `module`.
    ///
    /// Fails with `EBUSY` where the name is taken, with `ENOMEM` without memory for the slab cache.
    pub(crate) fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            cache: InodeCache::new()?,
            #[cfg(CONFIG_SYSFS)]
            _features: Features::new(T::NAME, T::FEATURES)?,
            fs_type: Opaque::new(bindings::file_system_type {
                name: T::NAME.as_char_ptr(),
                owner: module.as_ptr().cast(),
                fs_flags: bindings::int(
                bindings::FS_USERNS_MOUNT | bindings::FS_ALLOW_IDMAP | bindings::FS_MGTIME,
            ),
                init_fs_context: Some(context::init_fs_context::<T>),
                parameters: T::PARAMETERS.as_ptr(),
                kill_sb: Some(superblock::kill_sb::<T>),
                // SAFETY: All-zero bytes are valid: lists without members, and no more functions.
                ..unsafe { core::mem::zeroed() }
            }),
            // SAFETY: `fs_type` was just initialised, and is pinned beside what is made here.
            memory <- unsafe {
                T::Memory::new(module, Opaque::cast_into(&raw const (*this.as_ptr()).fs_type))
            },
            _fs: PhantomData,
        })
        .pin_chain(|this| {
            // SAFETY: The type is complete and pinned, and stays valid until drop unregisters it.
            to_result(unsafe { bindings::register_filesystem(this.fs_type.get()) })
        })
    }

    /// The registration that a `file_system_type` belongs to.
    ///
    /// # Safety
    ///
    /// `fs_type` must be the `fs_type` of a `Registration<T>` that lives for `'a`.
    pub(super) unsafe fn from_fs_type<'a>(fs_type: *mut bindings::file_system_type) -> &'a Self {
        // SAFETY: By the caller's promise.
        unsafe { &*kernel::container_of!(Opaque::cast_from(fs_type), Self, fs_type) }
    }

    pub(super) fn cache(&self) -> &InodeCache<T> {
        &self.cache
    }

    /// What the type keeps registered with the MM.
    pub(crate) fn memory(&self) -> &T::Memory {
        &self.memory
    }
}

#[pinned_drop]
impl<T: FileSystem> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants the type is registered. Each mount holds the module, so
        // none is left when the module goes away.
        unsafe { bindings::unregister_filesystem(self.fs_type.get()) };
    }
}
