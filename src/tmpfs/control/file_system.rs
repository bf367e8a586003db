// SPDX-License-Identifier: GPL-2.0

//! The file system type as the VFS sees it.

use super::options::{self, Options};
use crate::mm::memcg::Shortage;
use crate::mm::MAX_FILE_SIZE;
use crate::shmem::backend::Backend;
use crate::tmpfs::data::beyond_eof;
use crate::tmpfs::data::orders;
use crate::tmpfs::namespace::lifecycle;
use crate::tmpfs::namespace::xattr;
use crate::tmpfs::state::config;
use crate::tmpfs::state::inode::InodeInfo;
use crate::tmpfs::state::mount::{NewMount, SuperInfo};
use crate::tmpfs::state::Tmpfs;
use crate::units::{PageCount, Pos};
use crate::vfs::casefold::{self, CaseFolding};
use crate::vfs::features::Feature;
use crate::vfs::figures::Figure;
use crate::vfs::file_system::StatFs;
#[cfg(CONFIG_TMPFS_QUOTA)]
use crate::vfs::quota::QuotaFormatTable;
use crate::vfs::xattr::XattrTable;
use crate::vfs::{
    BareSuperBlock, Exclusive, FileSystem, MountContext, NewInode, NewSuperBlock, ParameterTable,
    ParameterValue, SuperBlock,
};
use kernel::prelude::*;
use kernel::seq_file::SeqFile;

/// Directories in which case does not matter.
static CASEFOLD: Feature = Feature::new(c"casefold");

impl FileSystem for Tmpfs {
    const NAME: &'static CStr = c"rtmpfs";
    // Security modules and programs go by that name.
    const INTERNAL_NAME: &'static CStr = c"tmpfs";
    const INODE_CACHE_NAME: &'static CStr = c"rtmpfs_inode_cache";
    // Programs that ask whether this is a temporary file system get tmpfs's answer.
    const MAGIC: u32 = crate::shmem::TMPFS_MAGIC;
    const MAX_BYTES: Pos = MAX_FILE_SIZE;
    const PARAMETERS: &'static ParameterTable = &options::PARAMETERS;
    const XATTRS: XattrTable<Self> = if config::XATTR {
        XattrTable::new()
    } else {
        XattrTable::NONE
    };
    #[cfg(CONFIG_TMPFS_QUOTA)]
    const QUOTA_FORMAT: QuotaFormatTable<Self> = QuotaFormatTable::new();
    const POSIX_ACL: bool = config::POSIX_ACL;

    const FEATURES: &'static [&'static Feature] = if casefold::IS_BUILT_IN {
        &[&CASEFOLD]
    } else {
        &[]
    };

    // Pages, what the names say of them, and a count.
    const FIGURES: &'static [Figure<Self>] = &[
        Figure::new(c"resident", |inode| inode.cached_pages().to_u64()),
        Figure::new(c"swapped", |inode| inode.swapped().to_u64()),
        Figure::new(c"inodes", |_| 1),
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

    fn case_folding(options: &mut Options) -> Result<Option<CaseFolding>> {
        options.names.take()
    }

    fn new_super<'a>(
        options: &'a mut Options,
        cx: &'a MountContext,
    ) -> impl PinInit<SuperInfo, Error> + 'a {
        let is_internal = cx.is_internal();
        // What the kernel asks for has no limits, and large folios as the system says.
        let (blocks, inodes, huge) = if is_internal {
            (PageCount::ZERO, 0, None)
        } else {
            (
                options::default_blocks(),
                options::default_inodes(),
                Some(orders::default_policy()),
            )
        };
        SuperInfo::new(NewMount {
            is_internal,
            blocks: options.blocks.unwrap_or(blocks),
            inodes: options.inodes.unwrap_or(inodes),
            wide_inos: options.wide_inos.unwrap_or(options::DEFAULT_WIDE_INOS),
            quota: options.quota,
            policy: options.policy.take(),
            huge: options.huge.or(huge),
            huge_is_given: options.huge.is_some(),
            without_swap: options.without_swap,
            mode: options.mode,
            uid: options.uid,
            gid: options.gid,
        })
    }

    fn before_first_inode(sb: &BareSuperBlock<'_, Self>) -> Result {
        match sb.data().quota() {
            Some(quota) => quota.enable(sb),
            None => Ok(()),
        }
    }

    fn new_root<'a>(sb: &'a NewSuperBlock<'_, Self>) -> Result<NewInode<'a, Self>> {
        lifecycle::new_root(sb)
    }

    fn reconfigure(sb: &SuperBlock<Self>, options: &mut Options, cx: &MountContext) -> Result {
        // A limit is compared with what single pages would take, and no page in advance outlives the policy that
        // made it, but for those of a folio in use.
        beyond_eof::trim_all(sb);
        options.apply(sb.data(), cx)
    }

    #[inline]
    fn stat_fs(sb: &SuperBlock<Self>) -> StatFs {
        beyond_eof::trim_all(sb);
        let ((blocks, blocks_free), (inodes, inodes_free)) = sb.data().shown_limits();
        StatFs {
            blocks: PageCount::new(blocks),
            blocks_free: PageCount::new(blocks_free),
            inodes,
            inodes_free,
        }
    }

    fn show_options(sb: &SuperBlock<Self>, seq: &SeqFile) {
        options::show(sb.data(), seq);
    }

    fn count_cached(sb: &SuperBlock<Self>, shortage: &Shortage<'_>) -> usize {
        beyond_eof::count(sb, shortage)
    }

    fn free_cached(sb: &SuperBlock<Self>, objects: usize, shortage: &Shortage<'_>) -> usize {
        beyond_eof::shrink(sb, shortage, objects)
    }

    fn evict(inode: &mut Exclusive<'_, Self>) {
        lifecycle::evict(inode);
    }

    fn xattrs_freed(sb: &SuperBlock<Self>, bytes: usize) {
        xattr::release_space(sb, bytes);
    }
}
