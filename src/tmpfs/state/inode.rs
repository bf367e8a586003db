// SPDX-License-Identifier: GPL-2.0

//! What an inode holds.

use super::config;
use super::page_counts::PageCounts;
use super::Tmpfs;
use crate::mm::mempolicy::{Placement, Policy, SharedPolicy};
use crate::mm::wait::WaitKey;
use crate::units::{Len, Order, PageIndex};
use crate::vfs::fileattr::FileFlags;
use crate::vfs::Inode;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full, Relaxed};
use kernel::sync::barrier::smp_mb;
use kernel::sync::{new_spinlock, SpinLock};

/// An inode of this file system.
pub(in crate::tmpfs) type TmpfsInode = Inode<Tmpfs>;

/// The size that each entry adds to that of its directory; the first two are `.` and
/// `..`. Some programs take a directory of size 0 for broken.
pub(in crate::tmpfs) const DIR_ENTRY_SIZE: Len = Len::new(20);

/// The file system's part of an inode.
#[pin_data]
pub(crate) struct InodeInfo {
    /// How many pages there are, and where: see [`super::page_counts`].
    pub(super) counts: PageCounts,
    /// The lock of the counts.
    #[pin]
    pub(super) counting: SpinLock<()>,
    /// The time of creation. Written while the inode is new.
    btime_seconds: Atomic<i64>,
    btime_nanoseconds: Atomic<u32>,
    /// Woken when a hole has been punched.
    pub(super) punched: WaitKey,
    /// Whether a folio may have pages beyond the end of the file. Under no lock.
    beyond_eof: Atomic<bool>,
    /// Whether mappings may have stored to such pages. Set with the lock of their folio or without, taken back with
    /// `i_rwsem` held.
    shown_beyond_eof: Atomic<bool>,
    /// From which nodes the memory comes; with a lock of its own.
    #[pin]
    policy: SharedPolicy,
    /// The flags of chattr(1). Written with `i_rwsem` held, read without.
    flags: Atomic<u32>,
}

impl InodeInfo {
    /// What an inode starts with whose memory comes from anywhere.
    fn without_policy() -> impl PinInit<Self> {
        pin_init!(Self {
            counts: PageCounts::new(),
            counting <- new_spinlock!((), "rtmpfs_page_counts"),
            btime_seconds: Atomic::new(0),
            btime_nanoseconds: Atomic::new(0),
            punched: WaitKey::new(),
            beyond_eof: Atomic::new(false),
            shown_beyond_eof: Atomic::new(false),
            policy <- SharedPolicy::new(),
            flags: Atomic::new(FileFlags::NONE.as_raw()),
        })
    }

    /// What an inode starts with. Its memory comes from the nodes that `policy`, that of the mount, names, if there
    /// is one.
    pub(in crate::tmpfs) fn new(policy: Option<Policy>) -> impl PinInit<Self> {
        Self::without_policy().pin_chain(|info| {
            if let Some(policy) = policy {
                info.project().policy.start_with(policy);
            }
            Ok(())
        })
    }

    /// Notes that a folio may have pages beyond the end of the file; returns whether that is new.
    pub(in crate::tmpfs) fn note_beyond_eof(&self) -> bool {
        // What was added is there before the look: either this sees that the note was taken back, or the task that has
        // done so sees what was added.
        smp_mb(Full);
        !self.beyond_eof.load(Relaxed) && !self.beyond_eof.xchg(true, Relaxed)
    }

    /// Takes the note back. The caller looks at the folios only after that, so that what is added
    /// meanwhile is noted again.
    pub(in crate::tmpfs) fn clear_beyond_eof(&self) {
        self.beyond_eof.xchg(false, Full);
    }

    /// Whether a folio may have pages beyond the end of the file; a snapshot.
    pub(in crate::tmpfs) fn may_be_beyond_eof(&self) -> bool {
        self.beyond_eof.load(Relaxed)
    }

    /// Notes that a mapping shows pages beyond the end of the file, or takes that back.
    pub(in crate::tmpfs) fn set_shown_beyond_eof(&self, is_shown: bool) {
        self.shown_beyond_eof.store(is_shown, Relaxed);
    }

    /// Whether mappings may have stored to pages beyond the end of the file. Stores that were over before the caller
    /// came count.
    pub(in crate::tmpfs) fn may_be_shown_beyond_eof(&self) -> bool {
        self.shown_beyond_eof.load(Relaxed)
    }

    /// From which nodes the memory comes.
    pub(in crate::tmpfs) fn policy(&self) -> &SharedPolicy {
        &self.policy
    }

    /// The flags of chattr(1).
    pub(in crate::tmpfs) fn flags(&self) -> FileFlags {
        if config::XATTR {
            FileFlags::from_raw(self.flags.load(Relaxed))
        } else {
            FileFlags::NONE
        }
    }

    /// Remembers the flags of chattr(1). `i_rwsem` is held, or the inode is new.
    pub(in crate::tmpfs) fn set_flags(&self, flags: FileFlags) {
        self.flags.store(flags.as_raw(), Relaxed);
    }

    /// Remembers the time of creation, in seconds and nanoseconds.
    pub(in crate::tmpfs) fn set_btime(&self, (seconds, nanoseconds): (i64, u32)) {
        self.btime_seconds.store(seconds, Relaxed);
        self.btime_nanoseconds.store(nanoseconds, Relaxed);
    }

    /// The time of creation, in seconds and nanoseconds.
    pub(in crate::tmpfs) fn btime(&self) -> (i64, u32) {
        (
            self.btime_seconds.load(Relaxed),
            self.btime_nanoseconds.load(Relaxed),
        )
    }
}

/// The page after the last one of the file, and of what was allocated for it beyond its end. A snapshot.
#[inline]
pub(in crate::tmpfs) fn end_asked_for(inode: &TmpfsInode) -> PageIndex {
    inode.fallocend(inode.size().page_end())
}

/// From which nodes a new folio of `order` at page `index` comes. Files start interleaving at
/// nodes that differ.
pub(in crate::tmpfs) fn place(inode: &TmpfsInode, index: PageIndex, order: Order) -> Placement<'_> {
    let number = inode.number().to_ulong();
    let turn = number.wrapping_add(index.folio_number(order));
    inode.data().policy.place(index, turn)
}
