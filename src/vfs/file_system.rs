// SPDX-License-Identifier: GPL-2.0

//! What a file system is to the VFS: the traits that each has to implement.
//!
//! C headers: `include/linux/fs.h`, `Documentation/filesystems/vfs.rst`.

use super::casefold::CaseFolding;
use super::control::TypeFolder;
use super::features::Feature;
use super::figures::Figure;
use super::internal_type::InternalType;
use super::pins::Pins;
#[cfg(CONFIG_QUOTA)]
use super::quota::QuotaFormatTable;
use super::xattr::XattrTable;
use super::{
    BareSuperBlock, Exclusive, Inode, MountContext, NewInode, NewSuperBlock, ParameterTable,
    ParameterValue, SuperBlock,
};
use crate::bindings;
use crate::mm::memcg::Shortage;
use crate::mm::Mapping;
use crate::units::{PageCount, Pos};
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
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

/// The C structure around the VFS's inode, by which the MM knows more of an inode than the VFS does; the VFS's
/// alone where there is none.
///
/// # Safety
///
/// A `struct inode` must be at `INODE_OFFSET` bytes.
pub(crate) unsafe trait InodeBase {
    /// Where the VFS's inode is, in bytes.
    const INODE_OFFSET: usize;
}

// SAFETY: It is the inode.
unsafe impl InodeBase for bindings::inode {
    const INODE_OFFSET: usize = 0;
}

/// What a file system type has registered with the MM, and what its page caches and mappings are
/// operated by.
///
/// # Safety
///
/// What [`Memory::a_ops`] and [`Memory::vm_ops`] return must be valid, and stay so for as long as the
/// value lives; the VFS and the MM must be free to call the functions in it for the page caches and the
/// mappings of any file of `T`.
pub(crate) unsafe trait Memory<T: FileSystem>: Send + Sync + Sized {
    /// What it does from the beginning.
    type Settings: Default;
    /// The C structure that each inode is embedded in.
    type InodeBase: InodeBase;
    /// Its part of each inode that is no directory, reached without a lock.
    type InodeData: Send + Sync;

    /// Registers it. May sleep. `internal` is the type of mounts that the MM asks for, of which there are none before
    /// [`Memory::start`] is called; `folder` is that of the type in sysfs.
    ///
    /// # Safety
    ///
    /// The result must not outlive the registration that `internal` and `folder` belong to.
    unsafe fn new(
        module: &'static ThisModule,
        internal: InternalType<T>,
        folder: TypeFolder,
    ) -> impl PinInit<Self, Error>;

    /// All is registered, and stays for as long as the module. May sleep.
    fn start(&self, settings: Self::Settings);

    /// The initial state of its part of an inode.
    fn new_inode_data() -> Self::InodeData;

    /// Sets what is in the C structure beside the VFS's inode.
    ///
    /// # Safety
    ///
    /// `base` must be valid for writes, with an inode in it that nothing else refers to.
    unsafe fn init_base(base: *mut Self::InodeBase);

    /// The operations of page caches.
    fn a_ops(&self) -> *const bindings::address_space_operations;

    /// The operations of mappings of a file that has a name, or has none any more.
    fn vm_ops(&self, named: bool) -> *const bindings::vm_operations_struct;

    /// Prepares the page cache of a regular file.
    ///
    /// # Safety
    ///
    /// `mapping` must be that of a new inode of `T`, and have the operations of this value.
    unsafe fn init_mapping(&self, mapping: &Mapping);

    /// Forgets an inode, and waits for all who look at it. May sleep.
    ///
    /// # Safety
    ///
    /// The inode must be on its way out, of a file system of this type, and no directory.
    unsafe fn forget(&self, inode: &Inode<T>);

    /// The pins of an inode in its part of it, if it pins any; of each inode its own, the same each time.
    ///
    /// # Safety
    ///
    /// The inode must be no directory.
    unsafe fn pins(inode: &Inode<T>) -> Option<&Pins>;
}

/// A file system type. A whole one, and a small one, is `tests/sample/ramfs.rs`.
///
/// What is left out does what the VFS does without it, so that `#[vtable]` would have nothing to say.
///
/// All functions run in process context and may sleep unless they say otherwise; destructors of what they
/// return do, too, but for that of [`FileSystem::InodeData`].
pub(crate) trait FileSystem: Sized + Send + Sync + 'static {
    /// The name for mount(2) and `/proc/filesystems`, without a dot.
    const NAME: &'static CStr;
    /// The name of the type that mounts have which the kernel makes for itself, or in the place of another type's; users
    /// cannot ask for it.
    const INTERNAL_NAME: &'static CStr = Self::NAME;
    /// The name of the slab cache of inodes.
    const INODE_CACHE_NAME: &'static CStr;
    /// `f_type` of statfs(2).
    const MAGIC: u32;
    /// The largest size of a file, at most [`crate::mm::MAX_FILE_SIZE`].
    const MAX_BYTES: Pos;
    /// The mount parameters.
    const PARAMETERS: &'static ParameterTable;
    /// The operations on extended attributes.
    const XATTRS: XattrTable<Self> = XattrTable::NONE;
    /// The format of quota, see [`super::quota::QuotaOperations`].
    #[cfg(CONFIG_QUOTA)]
    const QUOTA_FORMAT: QuotaFormatTable<Self> = QuotaFormatTable::NONE;
    /// Whether files have POSIX ACLs, where the VFS knows those.
    const POSIX_ACL: bool = false;

    /// What user space shall know to be supported, in `/sys/fs`.
    const FEATURES: &'static [&'static Feature] = &[];

    /// What user space can read of the inodes, in `/sys/fs`; each has a name of its own.
    const FIGURES: &'static [Figure<Self>] = &[];

    /// What the type keeps registered with the MM.
    type Memory: Memory<Self>;
    /// The parameters of a mount or a reconfiguration under construction.
    type MountOptions: Send;
    /// The file system's part of a superblock.
    type SuperData: Send + Sync;
    /// The file system's part of an inode, reached without a lock. It is dropped after a grace period of RCU,
    /// by a softirq perhaps: its destructor must not sleep, nor take a lock that is taken with softirqs on.
    /// What sleeps is the business of [`FileSystem::evict`].
    type InodeData: Send + Sync;

    /// Starts a mount or a reconfiguration.
    fn new_options() -> Result<Self::MountOptions>;

    /// Whether a comma in the options of mount(2) that has `rest` behind it ends an option, and does
    /// not belong to its value.
    fn begins_option(rest: &[u8]) -> bool {
        let _ = rest;
        true
    }

    /// Takes in the parameter at `index` of [`FileSystem::PARAMETERS`].
    fn parse_parameter(
        options: &mut Self::MountOptions,
        cx: &MountContext,
        index: usize,
        value: ParameterValue<'_>,
    ) -> Result;

    /// How directories of a new superblock may fold case, if at all.
    fn case_folding(options: &mut Self::MountOptions) -> Result<Option<CaseFolding>> {
        let _ = options;
        Ok(None)
    }

    /// Makes the file system's part of a new superblock.
    fn new_super<'a>(
        options: &'a mut Self::MountOptions,
        cx: &'a MountContext,
    ) -> impl PinInit<Self::SuperData, Error> + 'a;

    /// Does to a new superblock what must come before its first inode: switches on quota. May sleep.
    fn before_first_inode(sb: &BareSuperBlock<'_, Self>) -> Result {
        let _ = sb;
        Ok(())
    }

    /// Makes the root directory of a new superblock.
    fn new_root<'a>(sb: &'a NewSuperBlock<'_, Self>) -> Result<NewInode<'a, Self>>;

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

    /// How many objects [`FileSystem::free_cached`] could look at; a snapshot. Must not sleep.
    fn count_cached(sb: &SuperBlock<Self>, shortage: &Shortage<'_>) -> usize {
        let _ = (sb, shortage);
        0
    }

    /// Gives back memory that is short, for reclaim: looks at `objects` objects at most, at others in the next call, and
    /// returns how many of them had any. Must not wait for folios or for `i_rwsem`.
    ///
    /// Reclaim of a memory cgroup asks only after [`SuperBlock::note_cached`] of a folio that it is charged for.
    fn free_cached(sb: &SuperBlock<Self>, objects: usize, shortage: &Shortage<'_>) -> usize {
        let _ = (sb, objects, shortage);
        0
    }

    /// The last user of an inode is gone: gives back what it holds. Its page cache is to be empty
    /// afterwards; what is left of it, or is added later, goes with a warning.
    ///
    /// May be called from reclaim, so it must not wait for an allocation that can reclaim.
    fn evict(inode: &mut Exclusive<'_, Self>);

    /// Attributes that were taken to need `bytes` bytes have gone: those of an inode that goes away, or one
    /// that a new inode could not get.
    fn xattrs_freed(sb: &SuperBlock<Self>, bytes: usize) {
        let _ = (sb, bytes);
    }
}
