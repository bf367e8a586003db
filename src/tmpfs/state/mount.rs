// SPDX-License-Identifier: GPL-2.0

//! Superblocks: what belongs to one mount, and the file system type.

use super::inode::{self, InodeInfo};
#[cfg(CONFIG_TMPFS_QUOTA)]
use super::quota::{self, Quota};
use crate::mm::backend::Backend;
use crate::mm::counter::PerCpuCounter;
#[cfg(CONFIG_NUMA)]
use crate::mm::mempolicy::MountPolicy;
use crate::mm::{Ino, PageCount, Pos, MAX_FILE_SIZE};
use crate::tmpfs::control::options::{self, Options};
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::tmpfs::data::beyond_eof;
use crate::tmpfs::data::orders;
use crate::tmpfs::data::page_accounting::SpaceCounter;
#[cfg(CONFIG_TMPFS_XATTR)]
use crate::tmpfs::namespace::xattr;
use crate::tmpfs::pure::huge_policy::HugePolicy;
use crate::tmpfs::pure::inode_limit::{InodeLimit, InodeSpace};
use crate::tmpfs::pure::inode_numbers;
use crate::tmpfs::pure::limits::Limit;
#[cfg(CONFIG_UNICODE)]
use crate::vfs::casefold::CaseFolding;
#[cfg(CONFIG_SYSFS)]
use crate::vfs::features::Feature;
use crate::vfs::fs_type::StatFs;
use crate::vfs::parameter::{Kgid, Kuid};
use crate::vfs::{
    Exclusive, FileSystem, Mode, MountContext, NewInode, NewSuperBlock, ParameterTable,
    ParameterValue, SuperBlock,
};
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::sync::atomic::{Atomic, Relaxed};

/// Directories in which case does not matter.
#[cfg(all(CONFIG_SYSFS, CONFIG_UNICODE))]
static CASEFOLD: Feature = Feature::new(c"casefold");

/// The file system type `rtmpfs`.
pub(crate) struct Tmpfs;

/// The file system's part of a superblock.
#[pin_data]
pub(crate) struct SuperInfo {
    /// Blocks, which are pages.
    pub(in crate::tmpfs) blocks: Limit<SpaceCounter>,
    /// Inodes, and what counts as such: names and extended attributes take memory too.
    pub(in crate::tmpfs) inodes: InodeLimit<SpaceCounter>,
    /// Quota, where the mount has any.
    #[cfg(CONFIG_TMPFS_QUOTA)]
    pub(in crate::tmpfs) quota: Option<Pin<KBox<Quota>>>,
    next_ino: Atomic<u64>,
    wide_inos: Atomic<bool>,
    /// The memory policy that new files start with.
    #[cfg(CONFIG_NUMA)]
    #[pin]
    pub(in crate::tmpfs) policy: MountPolicy,
    /// The number of the policy for large folios.
    huge: Atomic<u32>,
    /// Whether the pages of this mount stay in memory.
    without_swap: bool,
    /// The mode of the root directory at the time of the mount.
    pub(in crate::tmpfs) mode: Mode,
    /// Its owner.
    pub(in crate::tmpfs) uid: Kuid,
    /// Its group.
    pub(in crate::tmpfs) gid: Kgid,
}

impl SuperInfo {
    /// The number for a new inode.
    pub(in crate::tmpfs) fn next_ino(&self, sb: &SuperBlock<Tmpfs>) -> Ino {
        let wide = self.has_wide_inos();
        let mut next = self.next_ino.load(Relaxed);
        // Goes round only where another task has taken a number.
        loop {
            let (ino, after, wrapped) = inode_numbers::allocate(Ino::new(next), wide);
            match self.next_ino.cmpxchg(next, after.to_u64(), Relaxed) {
                Ok(_) => {
                    if wrapped {
                        pr_warn!(
                            "inode number overflow on device {}, consider using inode64 mount option\n",
                            sb.minor()
                        );
                    }
                    return ino;
                }
                Err(current) => next = current,
            }
        }
    }

    /// Whether inode numbers may have 64 bits.
    pub(in crate::tmpfs) fn has_wide_inos(&self) -> bool {
        self.wide_inos.load(Relaxed)
    }

    /// Where there are to be large folios.
    pub(in crate::tmpfs) fn huge(&self) -> HugePolicy {
        HugePolicy::from_number(self.huge.load(Relaxed))
    }

    /// Sets where there are to be large folios from now on.
    pub(in crate::tmpfs) fn set_huge(&self, policy: HugePolicy) {
        self.huge.store(policy.as_number(), Relaxed);
    }

    /// Whether the pages of this mount stay in memory.
    pub(in crate::tmpfs) fn is_without_swap(&self) -> bool {
        self.without_swap
    }

    /// Whether inode numbers could keep to 32 bits from now on.
    pub(in crate::tmpfs) fn could_narrow_inos(&self) -> bool {
        Ino::new(self.next_ino.load(Relaxed)).is_narrow()
    }

    /// Sets how many bits inode numbers may have.
    pub(in crate::tmpfs) fn set_wide_inos(&self, wide: bool) {
        self.wide_inos.store(wide, Relaxed);
    }
}

impl FileSystem for Tmpfs {
    const NAME: &'static CStr = c"rtmpfs";
    const INODE_CACHE_NAME: &'static CStr = c"rtmpfs_inode_cache";
    // Whoever asks "is this a temporary file system?" shall hear yes.
    const MAGIC: u32 = crate::vfs::superblock::TMPFS_MAGIC;
    const MAX_BYTES: Pos = MAX_FILE_SIZE;
    const PARAMETERS: &'static ParameterTable = &options::PARAMETERS;
    #[cfg(CONFIG_TMPFS_XATTR)]
    const XATTRS: crate::vfs::xattr::XattrTable<Self> = crate::vfs::xattr::XattrTable::new();

    #[cfg(CONFIG_SYSFS)]
    const FEATURES: &'static [&'static Feature] = &[
        #[cfg(CONFIG_UNICODE)]
        &CASEFOLD,
    ];

    type Memory = Backend<Self>;
    type MountOptions = Options;
    type SuperData = SuperInfo;
    type InodeData = InodeInfo;

    fn new_options() -> Result<Options> {
        Ok(Options::new())
    }

    fn begins_option(rest: &[u8]) -> bool {
        options::begins_option(rest)
    }

    fn parse_parameter(
        options: &mut Options,
        cx: &MountContext,
        index: usize,
        value: ParameterValue<'_>,
    ) -> Result {
        options.parse(cx, index, value)
    }

    #[cfg(CONFIG_UNICODE)]
    fn case_folding(options: &mut Options) -> Result<Option<CaseFolding>> {
        options.names.take()
    }

    fn new_super<'a>(
        options: &'a mut Options,
        _cx: &'a MountContext,
    ) -> impl PinInit<SuperInfo, Error> + 'a {
        try_pin_init!(SuperInfo {
            blocks: Limit::new(
                options
                    .blocks
                    .unwrap_or_else(options::default_blocks)
                    .to_u64(),
                KBox::pin_init(PerCpuCounter::new(), GFP_KERNEL)?
            ),
            inodes: InodeLimit::new(
                options.inodes.unwrap_or_else(options::default_inodes),
                KBox::pin_init(
                    PerCpuCounter::with_unit(InodeSpace::INODE_BYTES),
                    GFP_KERNEL
                )?
            ),
            #[cfg(CONFIG_TMPFS_QUOTA)]
            quota: Quota::new(&options.quota)?,
            next_ino: Atomic::new(Ino::FIRST.to_u64()),
            wide_inos: Atomic::new(options.wide_inos.unwrap_or(options::DEFAULT_WIDE_INOS)),
            #[cfg(CONFIG_NUMA)]
            policy <- MountPolicy::new(options.policy.take()),
            huge: Atomic::new(options.huge.unwrap_or_else(orders::default_policy).as_number()),
            without_swap: options.without_swap,
            mode: options.mode,
            uid: options.uid,
            gid: options.gid,
        }? Error)
    }

    fn new_root(sb: &NewSuperBlock<'_, Self>) -> Result<NewInode<Self>> {
        #[cfg(CONFIG_TMPFS_QUOTA)]
        quota::enable(sb)?;
        let info = sb.data();
        let root = inode::init(sb, |ino| NewInode::for_root(sb, ino, info.mode.directory()))?;
        root.set_owner(info.uid, info.gid);
        Ok(root)
    }

    fn reconfigure(sb: &SuperBlock<Self>, options: &mut Options, cx: &MountContext) -> Result {
        options.apply(sb.data(), cx)
    }

    fn stat_fs(sb: &SuperBlock<Self>) -> StatFs {
        let info = sb.data();
        StatFs {
            blocks: PageCount::new(info.blocks.max()),
            blocks_free: PageCount::new(info.blocks.free()),
            inodes: info.inodes.max(),
            inodes_free: info.inodes.free(),
        }
    }

    fn show_options(sb: &SuperBlock<Self>, seq: &SeqFile) {
        options::show(sb.data(), seq);
    }

    fn new_inode_data() -> impl PinInit<InodeInfo> {
        InodeInfo::new()
    }

    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    fn count_cached(sb: &SuperBlock<Self>) -> usize {
        sb.unused().len()
    }

    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    fn free_cached(sb: &SuperBlock<Self>, objects: usize) -> usize {
        beyond_eof::free(sb, objects, PageCount::MAX)
    }

    fn evict(inode: &mut Exclusive<'_, Self>) {
        inode::evict(inode);
    }

    #[cfg(CONFIG_TMPFS_XATTR)]
    fn xattrs_freed(sb: &SuperBlock<Self>, bytes: usize) {
        xattr::freed(sb, bytes);
    }

    fn set_operations(inode: &NewInode<Self>) {
        inode::set_operations(inode);
    }
}
