// SPDX-License-Identifier: GPL-2.0

//! Quota of users and groups, without any file: here the limits of an id outlast the quota core's record of it.
//!
//! There is a tree for users and one for groups. An id is in it as long as it has inodes, and after that if
//! it has limits that differ from those of the mount options.
//!
//! Lock order: the lock of a record of the quota core's, then that of a tree.

use super::Tmpfs;
use crate::shmem::QFMT_SHMEM;
use crate::units::Len;
use crate::vfs::attr::SetAttr;
use crate::vfs::quota::{self, QuotaKind, QuotaLimits, QuotaOperations, QuotaRecord};
use crate::vfs::{BareSuperBlock, InodeCore, NewInode, SuperBlock};
use kernel::prelude::*;
use kernel::rbtree::RBTree;
use kernel::sync::{new_mutex, Mutex};

/// Whether a mount may have quota (`CONFIG_TMPFS_QUOTA`).
pub(in crate::tmpfs) const IS_BUILT_IN: bool = true;

/// Bytes of an inode that are in its `i_blocks` and count against its owners; dropping it takes them back.
pub(in crate::tmpfs) type SpaceCharge<'a> = quota::SpaceCharge<'a, Tmpfs>;

/// What each user, or each group, may have where setquota(8) has not said otherwise; 0 is no limit.
#[derive(Clone, Copy, Default)]
pub(in crate::tmpfs) struct HardLimits {
    pub(in crate::tmpfs) bytes: u64,
    pub(in crate::tmpfs) inodes: u64,
}

/// The quota options of a mount.
#[derive(Clone, Copy, Default)]
pub(in crate::tmpfs) struct QuotaOptions {
    /// Whether users have quota.
    pub(in crate::tmpfs) users: bool,
    /// Whether groups have quota.
    pub(in crate::tmpfs) groups: bool,
    /// For each user.
    pub(in crate::tmpfs) user_limits: HardLimits,
    /// For each group.
    pub(in crate::tmpfs) group_limits: HardLimits,
}

impl QuotaOptions {
    /// Whether they ask for any.
    pub(in crate::tmpfs) fn has_any(&self) -> bool {
        self.users || self.groups
    }
}

/// Limits by id, of the initial user namespace.
type LimitTree = RBTree<u32, QuotaLimits>;

/// The quota of a mount.
#[pin_data]
pub(in crate::tmpfs) struct Quota {
    /// Stays what it was at first.
    options: QuotaOptions,
    /// Of users, under this lock.
    #[pin]
    users: Mutex<LimitTree>,
    /// Of groups, under this lock.
    #[pin]
    groups: Mutex<LimitTree>,
}

impl Quota {
    /// The quota of a new mount, where it has any. May sleep.
    pub(in crate::tmpfs) fn new(options: &QuotaOptions) -> Result<Option<Pin<KBox<Self>>>> {
        if !options.has_any() {
            return Ok(None);
        }
        let quota = KBox::pin_init(
            pin_init!(Self {
                options: *options,
                users <- new_mutex!(RBTree::new(), "rtmpfs_quota"),
                groups <- new_mutex!(RBTree::new(), "rtmpfs_quota"),
            }),
            GFP_KERNEL,
        )?;
        Ok(Some(quota))
    }

    /// What the mount options asked for.
    pub(in crate::tmpfs) fn options(&self) -> &QuotaOptions {
        &self.options
    }

    /// Switches on what the options of a new mount ask for. May sleep.
    pub(in crate::tmpfs) fn enable(&self, sb: &BareSuperBlock<'_, Tmpfs>) -> Result {
        let wanted = [
            (self.options.users, QuotaKind::User),
            (self.options.groups, QuotaKind::Group),
        ];
        for (_, kind) in wanted.into_iter().filter(|(wanted, _)| *wanted) {
            sb.enable_quota(kind).map_err(|e| {
                pr_warn!(
                    "failed to enable quota tracking (type={}, err={})\n",
                    kind.number(),
                    e.to_errno()
                );
                ENOMEM
            })?;
        }
        Ok(())
    }

    /// Counts a new inode against its owners, as [`NewInode::charge_quota`].
    #[inline(always)]
    pub(in crate::tmpfs) fn charge_inode(&self, inode: &mut NewInode<'_, Tmpfs>) -> Result {
        inode.charge_quota()
    }

    /// Adds `bytes` to `i_blocks`, and counts them against the owners of the inode, as
    /// [`InodeCore::charge_space`].
    #[inline(always)]
    pub(in crate::tmpfs) fn charge_space<'a>(
        &self,
        inode: &'a InodeCore<Tmpfs>,
        bytes: Len,
    ) -> Result<SpaceCharge<'a>> {
        inode.charge_space(bytes)
    }

    /// Takes `bytes` that were charged from `i_blocks`, and from what the owners of the inode have, as
    /// [`InodeCore::uncharge_space`].
    #[inline(always)]
    pub(in crate::tmpfs) fn uncharge_space(&self, inode: &InodeCore<Tmpfs>, bytes: Len) {
        inode.uncharge_space(bytes);
    }

    fn tree(&self, kind: QuotaKind) -> &Mutex<LimitTree> {
        match kind {
            QuotaKind::User => &self.users,
            QuotaKind::Group => &self.groups,
        }
    }

    fn defaults(&self, kind: QuotaKind) -> QuotaLimits {
        let HardLimits { bytes, inodes } = match kind {
            QuotaKind::User => self.options.user_limits,
            QuotaKind::Group => self.options.group_limits,
        };
        QuotaLimits {
            hard_bytes: Len::from_u64(bytes),
            hard_inodes: inodes,
            ..QuotaLimits::default()
        }
    }
}

/// Counts an inode, and its bytes, against the owners that it is about to get, where its mount has quota. May
/// sleep.
///
/// Fails as [`SetAttr::transfer_quota`].
#[inline(always)]
pub(in crate::tmpfs) fn transfer(request: &mut SetAttr<'_, Tmpfs>) -> Result {
    if request.inode().sb().data().quota().is_some() {
        request.transfer_quota()?;
    }
    Ok(())
}

impl QuotaOperations for Tmpfs {
    // "rtmp"; tmpfs's format has its own number.
    const FORMAT: u32 = 0x7274_6d70;
    // Programs that know tmpfs's quota know this one.
    const SHOWN_FORMAT: u32 = QFMT_SHMEM;
    const GRACE: u32 = 7 * 24 * 60 * 60;

    fn acquire(sb: &SuperBlock<Self>, kind: QuotaKind, id: u32) -> Result<QuotaLimits> {
        let quota = sb.data().quota().ok_or(ESRCH)?;
        let mut tree = quota.tree(kind).lock();
        if let Some(limits) = tree.get(&id) {
            return Ok(*limits);
        }
        let limits = quota.defaults(kind);
        tree.try_create_and_insert(id, limits, GFP_KERNEL)?;
        Ok(limits)
    }

    fn release(sb: &SuperBlock<Self>, kind: QuotaKind, id: u32, record: QuotaRecord) {
        let Some(quota) = sb.data().quota() else {
            return;
        };
        let mut tree = quota.tree(kind).lock();
        if is_forgettable(&record, &quota.defaults(kind)) {
            tree.remove(&id);
        } else if let Some(limits) = tree.get_mut(&id) {
            *limits = record.limits;
        }
    }

    fn next_id(sb: &SuperBlock<Self>, kind: QuotaKind, id: u32) -> Option<u32> {
        let quota = sb.data().quota()?;
        let tree = quota.tree(kind).lock();
        let cursor = tree.cursor_lower_bound(&id)?;
        Some(*cursor.current().0)
    }
}

/// Whether an id whose record is not in use may leave its tree: there are no limits at all,
/// or no hard ones but those that each id gets, and nothing is counted. As on tmpfs, soft limits of
/// an id that has nothing do not last.
fn is_forgettable(record: &QuotaRecord, defaults: &QuotaLimits) -> bool {
    let limits = &record.limits;
    *limits == QuotaLimits::default()
        || record.bytes.is_zero()
            && record.inodes == 0
            && limits.hard_bytes == defaults.hard_bytes
            && limits.hard_inodes == defaults.hard_inodes
}
