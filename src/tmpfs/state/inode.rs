// SPDX-License-Identifier: GPL-2.0

//! Inodes: how they are made, and how they go.

use super::mount::Tmpfs;
use super::page_counts::Usage;
use crate::mm::backend::Seals;
use crate::mm::mempolicy::{Placement, SharedPolicy};
use crate::mm::wait::WaitKey;
#[cfg(CONFIG_SWAP)]
use crate::mm::PageCount;
use crate::mm::{Ino, Len, Order, PageIndex, PageRange, Pos};
use crate::tmpfs::data::fallocate::Activity;
use crate::tmpfs::data::page_accounting;
use crate::tmpfs::data::truncate::Cut;
#[cfg(CONFIG_TMPFS_XATTR)]
use crate::tmpfs::namespace::flags;
use crate::tmpfs::pure::inode_limit::InodeSpace;
#[cfg(CONFIG_TMPFS_XATTR)]
use crate::vfs::fileattr::FileFlags;
use crate::vfs::{DeviceId, Exclusive, FileType, IdMap, Inode, Mode, NewInode, SuperBlock};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_spinlock, SpinLock};

/// An inode of this file system.
pub(in crate::tmpfs) type TmpfsInode = Inode<Tmpfs>;

/// The size that each entry adds to that of its directory; the first two are `.` and
/// `..`. Some programs take a directory of size 0 for broken.
pub(in crate::tmpfs) const DIR_ENTRY_SIZE: Len = Len::new(20);

/// The size of a directory without files: two names are its own.
const EMPTY_DIR_SIZE: Pos = Pos::ZERO
    .saturating_add(DIR_ENTRY_SIZE)
    .saturating_add(DIR_ENTRY_SIZE);

/// The file system's part of an inode.
#[pin_data]
pub(crate) struct InodeInfo {
    #[pin]
    pub(in crate::tmpfs) usage: Usage,
    btime_seconds: Atomic<i64>,
    btime_nanoseconds: Atomic<u32>,
    /// What fallocate(2) is doing.
    #[pin]
    activity: SpinLock<Activity>,
    /// Whether that is anything.
    is_active: Atomic<bool>,
    /// Woken when a hole has been punched.
    punched: WaitKey,
    /// Behind the last page that fallocate(2) was asked for: up to there the file keeps pages that it
    /// does not need.
    kept: Atomic<u64>,
    /// Whether a folio may have pages that the file does not need.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    unused: Atomic<bool>,
    /// SHM_LOCK keeps the pages in memory.
    locked: Atomic<bool>,
    /// What memfd forbids.
    seals: Seals,
    /// From which nodes the memory comes.
    #[pin]
    policy: SharedPolicy,
    /// The flags of chattr(1).
    #[cfg(CONFIG_TMPFS_XATTR)]
    flags: Atomic<u32>,
}

impl InodeInfo {
    /// What an inode starts with.
    pub(in crate::tmpfs) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            usage <- Usage::new(),
            btime_seconds: Atomic::new(0),
            btime_nanoseconds: Atomic::new(0),
            activity <- new_spinlock!(Activity::None, "rtmpfs_activity"),
            is_active: Atomic::new(false),
            punched: WaitKey::new(),
            kept: Atomic::new(0),
            #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
            unused: Atomic::new(false),
            locked: Atomic::new(false),
            seals: Seals::new(),
            policy <- SharedPolicy::new(),
            #[cfg(CONFIG_TMPFS_XATTR)]
            flags: Atomic::new(FileFlags::NONE.as_raw()),
        })
    }

    /// Tells others what fallocate(2) is doing. `i_rwsem` is held.
    pub(in crate::tmpfs) fn set_activity(&self, activity: Activity) {
        let mut current = self.activity.lock();
        self.is_active
            .store(!matches!(activity, Activity::None), Relaxed);
        *current = activity;
    }

    /// Whether fallocate(2) is doing anything; a snapshot, without a lock.
    #[inline]
    pub(in crate::tmpfs) fn is_active(&self) -> bool {
        self.is_active.load(Relaxed)
    }

    /// fallocate(2) has got all pages before `end`, the last of which are `new`. Returns whether
    /// reclaim wants to write out more of what was allocated than that is.
    #[cfg(CONFIG_SWAP)]
    pub(in crate::tmpfs) fn allocated_up_to(&self, end: PageIndex, is_new: bool) -> bool {
        match &mut *self.activity.lock() {
            Activity::Allocating { done, new, refused } => {
                if is_new {
                    *new = new.saturating_add(done.end.distance_to(end));
                }
                done.end = end;
                *refused > *new
            }
            _ => false,
        }
    }

    /// Whether the folio of `pages` pages at page `index` was allocated by the fallocate(2) that is
    /// still at work; counts that reclaim wanted it.
    #[cfg(CONFIG_SWAP)]
    pub(in crate::tmpfs) fn refuse_to_write_out(&self, index: PageIndex, pages: PageCount) -> bool {
        if !self.is_active() {
            return false;
        }
        match &mut *self.activity.lock() {
            Activity::Allocating { done, refused, .. } if done.contains(index) => {
                *refused = refused.saturating_add(pages);
                true
            }
            _ => false,
        }
    }

    /// Whether a hole is just being punched into the page at `index`.
    pub(in crate::tmpfs) fn is_being_punched(&self, index: PageIndex) -> bool {
        is_punching(&self.activity.lock(), index)
    }

    /// The hole has been punched: wakes those who wait for that. `i_rwsem` is held.
    pub(in crate::tmpfs) fn end_punch(&self) {
        self.set_activity(Activity::None);
        self.punched.wake_all();
    }

    /// Waits for the end of the punch into the page at `index` that is just at work, or until the task is
    /// killed. May sleep. The next punch may be at work by then.
    pub(in crate::tmpfs) fn wait_for_punch(&self, index: PageIndex) {
        self.punched.wait_once(|| self.is_being_punched(index));
    }

    /// Keeps what is before page `end`, needed or not; returns to where that was before. `i_rwsem` is
    /// held.
    pub(in crate::tmpfs) fn keep_to(&self, end: PageIndex) -> PageIndex {
        let kept = self.kept();
        self.set_kept(kept.max(end));
        kept
    }

    /// Keeps what is before page `end`, and what the file needs. `i_rwsem` is held.
    pub(in crate::tmpfs) fn set_kept(&self, end: PageIndex) {
        self.kept.store(end.to_u64(), Relaxed);
    }

    /// The pages `freed` need not be kept any more, nor what is behind the last of those.
    pub(in crate::tmpfs) fn forget_kept(&self, freed: &PageRange) {
        let kept = self.kept();
        if freed.start < kept && kept <= freed.end {
            self.set_kept(freed.start);
        }
    }

    /// Behind the last page that is to be kept, in a file that needs those before `end`.
    pub(in crate::tmpfs) fn kept_end(&self, end: PageIndex) -> PageIndex {
        end.max(self.kept())
    }

    fn kept(&self) -> PageIndex {
        PageIndex::new(self.kept.load(Relaxed))
    }

    /// Remembers that a folio may have pages that the file does not need; whether that is new.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    pub(in crate::tmpfs) fn set_unused(&self) -> bool {
        !self.unused.load(Relaxed) && !self.unused.xchg(true, Relaxed)
    }

    /// Forgets that, before somebody looks.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    pub(in crate::tmpfs) fn clear_unused(&self) {
        self.unused.store(false, Relaxed);
    }

    /// Whether a folio may have pages that the file does not need.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    pub(in crate::tmpfs) fn has_unused(&self) -> bool {
        self.unused.load(Relaxed)
    }

    /// Whether SHM_LOCK keeps the pages in memory.
    pub(in crate::tmpfs) fn is_locked(&self) -> bool {
        self.locked.load(Relaxed)
    }

    /// Remembers whether SHM_LOCK keeps the pages in memory; returns what it was.
    pub(in crate::tmpfs) fn set_locked(&self, locked: bool) -> bool {
        self.locked.xchg(locked, Relaxed)
    }

    /// What memfd forbids.
    pub(in crate::tmpfs) fn seals(&self) -> &Seals {
        &self.seals
    }

    /// From which nodes the memory comes.
    #[cfg(CONFIG_NUMA)]
    pub(in crate::tmpfs) fn policy(&self) -> &SharedPolicy {
        &self.policy
    }

    /// The flags of chattr(1).
    #[cfg(CONFIG_TMPFS_XATTR)]
    pub(in crate::tmpfs) fn flags(&self) -> FileFlags {
        FileFlags::from_raw(self.flags.load(Relaxed))
    }

    /// Remembers the flags of chattr(1). `i_rwsem` is held, or nobody else knows the inode.
    #[cfg(CONFIG_TMPFS_XATTR)]
    pub(in crate::tmpfs) fn set_flags(&self, flags: FileFlags) {
        self.flags.store(flags.as_raw(), Relaxed);
    }

    /// The time of creation, in seconds and nanoseconds.
    pub(in crate::tmpfs) fn btime(&self) -> (i64, u32) {
        (
            self.btime_seconds.load(Relaxed),
            self.btime_nanoseconds.load(Relaxed),
        )
    }
}

fn is_punching(activity: &Activity, index: PageIndex) -> bool {
    matches!(activity, Activity::Punching(pages) if pages.contains(index))
}

/// Makes an inode for a new file in `parent`. May sleep.
///
/// Fails with `ENOSPC` where the mount has no inode left, and, like tmpfs, where there is no memory
/// for one; with `EDQUOT` where the owners have none.
pub(in crate::tmpfs) fn new(
    parent: &TmpfsInode,
    idmap: &IdMap,
    mode: Mode,
    device: DeviceId,
) -> Result<NewInode<Tmpfs>> {
    let sb = parent.sb();
    let inode = init(sb, |ino| {
        NewInode::new(sb, idmap, Some(parent), ino, mode, device)
    })?;
    #[cfg(CONFIG_TMPFS_XATTR)]
    let inode = flags::inherit(parent, inode);
    Ok(inode)
}

/// Reserves and numbers an inode, and sets up what `make` makes of the number.
pub(in crate::tmpfs) fn init(
    sb: &SuperBlock<Tmpfs>,
    make: impl FnOnce(Ino) -> Option<NewInode<Tmpfs>>,
) -> Result<NewInode<Tmpfs>> {
    let reservation = sb.data().inodes.reserve(InodeSpace::INODE).ok_or(ENOSPC)?;
    let mut inode = make(sb.data().next_ino(sb)).ok_or(ENOSPC)?;
    // From here on `evict()` returns it.
    reservation.keep();

    if sb.data().is_without_swap() {
        inode.mapping().set_unevictable();
    }
    let (seconds, nanoseconds) = inode.mtime();
    let info = inode.data();
    info.btime_seconds.store(seconds, Relaxed);
    info.btime_nanoseconds.store(nanoseconds, Relaxed);
    match inode.file_type() {
        FileType::Directory => inode.exclusive().set_size(EMPTY_DIR_SIZE),
        #[cfg(CONFIG_NUMA)]
        FileType::Regular => {
            if let Some(policy) = sb.data().policy.get() {
                inode.data_mut().project().policy.start_with(policy);
            }
        }
        _ => {}
    }
    #[cfg(CONFIG_TMPFS_QUOTA)]
    if sb.data().quota.is_some() {
        inode.charge_quota()?;
    }
    Ok(inode)
}

/// Where a new folio of `order` at page `index` shall come from. Files start interleaving at
/// nodes that differ.
pub(in crate::tmpfs) fn place(inode: &TmpfsInode, index: PageIndex, order: Order) -> Placement<'_> {
    let number = inode.number().to_ulong();
    let turn = number.wrapping_add(index.folio_number(order));
    inode.data().policy.place(index, turn)
}

/// Sets the operations of a new inode.
pub(in crate::tmpfs) fn set_operations(inode: &NewInode<Tmpfs>) {
    match inode.file_type() {
        FileType::Regular => inode.init_regular(),
        FileType::Directory => inode.init_directory(),
        FileType::Symlink => inode.init_symlink(),
        FileType::Special => inode.init_special(),
    }
}

/// The inode has no user left: gives back its pages and its place.
pub(in crate::tmpfs) fn evict(inode: &mut Exclusive<'_, Tmpfs>) {
    if inode.file_type() == FileType::Regular {
        if page_accounting::has_pages(inode) {
            inode.set_size(Pos::ZERO);
            Cut::new(Pos::ZERO, None).free(inode);
        }
        inode.data().policy.clear();
    }
    page_accounting::release_elsewhere(inode);
    inode.sb().data().inodes.release(InodeSpace::INODE);
}
