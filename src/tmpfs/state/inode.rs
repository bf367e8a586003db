// SPDX-License-Identifier: GPL-2.0

//! What an inode holds.

use super::config;
use super::page_counts::PageCounts;
use super::Tmpfs;
use crate::mm::mempolicy::{Placement, Policy, SharedPolicy};
use crate::mm::wait::WaitKey;
use crate::units::{Len, Order, PageIndex, PageRange};
use crate::vfs::fileattr::FileFlags;
use crate::vfs::Inode;
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Full, Relaxed, Release};
use kernel::sync::barrier::smp_mb;
use kernel::sync::{new_spinlock, SpinLock};

/// An inode of this file system.
pub(in crate::tmpfs) type TmpfsInode = Inode<Tmpfs>;

/// The size that each entry adds to that of its directory; the first two are `.` and
/// `..`. Some programs take a directory of size 0 for broken.
pub(in crate::tmpfs) const DIR_ENTRY_SIZE: Len = Len::new(20);

/// The bit of a number that is a note.
const NOTED: u32 = 1;

/// A note that a folio may have pages beyond the end of its file.
pub(in crate::tmpfs) struct BeyondEof(u32);

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
    /// Odd where a folio may have pages beyond the end of the file; another number each time that is noted. Under no
    /// lock.
    beyond_eof: Atomic<u32>,
    /// Whether such pages may be stored to. Set with the lock of their folio or without, taken back with `i_rwsem` held.
    shown_beyond_eof: Atomic<bool>,
    /// Whether there was a large folio ever that is to look like single pages. Set with its lock.
    was_fitted: Atomic<bool>,
    /// Whether a task is making the file larger. Set with `i_rwsem` held.
    is_growing: Atomic<bool>,
    /// Whether a monitor has asked for faults in some mapping. For ever, as the MM does not say when it is over.
    is_watched: Atomic<bool>,
    /// Pages that are filled though their folio may not be valid, see [`PageRange::to_bits`]. Written with `i_rwsem` held,
    /// and set with the lock of that folio.
    filled: Atomic<u64>,
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
            beyond_eof: Atomic::new(0),
            shown_beyond_eof: Atomic::new(false),
            was_fitted: Atomic::new(false),
            is_growing: Atomic::new(false),
            is_watched: Atomic::new(false),
            filled: Atomic::new(0),
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

    /// Notes that a folio may have pages beyond the end of the file; returns whether there was no such note.
    pub(in crate::tmpfs) fn note_beyond_eof(&self) -> bool {
        let mut old = self.beyond_eof.load(Relaxed);
        // Goes round only where another task has just noted something, or taken it back.
        loop {
            // What was added is there before the note is another one: either this comes too late for the task that takes
            // the old one back, which then cannot, or that task sees what was added.
            match self
                .beyond_eof
                .cmpxchg(old, old.wrapping_add(2) | NOTED, Full)
            {
                Ok(_) => return old & NOTED == 0,
                Err(current) => old = current,
            }
        }
    }

    /// The note that a folio may have pages beyond the end of the file. A caller who looks at the folios after that and
    /// finds none takes it back by [`InodeInfo::take_back`]; until then it stays.
    pub(in crate::tmpfs) fn beyond_eof(&self) -> Option<BeyondEof> {
        let note = self.beyond_eof.load(Acquire);
        (note & NOTED != 0).then_some(BeyondEof(note))
    }

    /// Takes a note back, unless there is another one by now; returns whether there is none.
    pub(in crate::tmpfs) fn take_back(&self, BeyondEof(note): BeyondEof) -> bool {
        self.beyond_eof
            .cmpxchg(note, note.wrapping_add(1), Full)
            .is_ok()
    }

    /// Whether a folio may have pages beyond the end of the file; a snapshot.
    pub(in crate::tmpfs) fn may_be_beyond_eof(&self) -> bool {
        self.beyond_eof.load(Relaxed) & NOTED != 0
    }

    /// Notes that pages beyond the end of the file may be stored to from now on.
    pub(in crate::tmpfs) fn note_shown_beyond_eof(&self) {
        self.shown_beyond_eof.store(true, Relaxed);
    }

    /// Takes that note back; returns whether there was one. `i_rwsem` is held.
    pub(in crate::tmpfs) fn take_shown_beyond_eof(&self) -> bool {
        self.shown_beyond_eof.xchg(false, Full)
    }

    /// Whether there may have been stores to pages beyond the end of the file. Those that were over before the caller came
    /// count.
    pub(in crate::tmpfs) fn is_shown_beyond_eof(&self) -> bool {
        self.shown_beyond_eof.load(Relaxed)
    }

    /// Notes whether a task is making the file larger. Once it is not, a task that sees that sees the new size.
    pub(in crate::tmpfs) fn set_growing(&self, is: bool) {
        self.is_growing.store(is, Release);
    }

    /// Whether another task may be making the file larger, of which the caller has locked a folio that reaches beyond the
    /// end. Does not sleep.
    pub(in crate::tmpfs) fn is_growing(&self) -> bool {
        // Behind what a mapping of the folio has left to be seen.
        smp_mb(Full);
        self.is_growing.load(Acquire)
    }

    /// Notes that there is a large folio that is to look like single pages.
    pub(in crate::tmpfs) fn note_fitted(&self) {
        if !self.was_fitted.load(Relaxed) {
            self.was_fitted.store(true, Relaxed);
        }
    }

    /// Takes that note back: there is none any more.
    pub(in crate::tmpfs) fn forget_fitted(&self) {
        self.was_fitted.store(false, Relaxed);
    }

    /// Whether there may be such a folio, or was.
    pub(in crate::tmpfs) fn was_fitted(&self) -> bool {
        self.was_fitted.load(Relaxed)
    }

    /// Notes that a monitor has asked for faults in some mapping.
    pub(in crate::tmpfs) fn note_watched(&self) {
        self.is_watched.store(true, Relaxed);
    }

    /// Whether one has, at any time.
    pub(in crate::tmpfs) fn is_watched(&self) -> bool {
        self.is_watched.load(Relaxed)
    }

    /// The pages that are filled though their folio may not be valid. With the lock of that folio held it is certain which of
    /// its pages are.
    #[inline]
    pub(in crate::tmpfs) fn filled(&self) -> PageRange {
        PageRange::from_bits(self.filled.load(Relaxed))
    }

    /// Whether there are any.
    #[inline]
    pub(in crate::tmpfs) fn has_filled(&self) -> bool {
        self.filled.load(Relaxed) != 0
    }

    /// Notes that these pages are filled, and no others. False where there are too many. `i_rwsem` is held, and the lock
    /// of their folio.
    pub(in crate::tmpfs) fn note_filled(&self, pages: &PageRange) -> bool {
        match pages.to_bits() {
            Some(bits) => {
                self.filled.store(bits, Relaxed);
                true
            }
            None => false,
        }
    }

    /// Takes that note back: these pages are valid, or gone. `i_rwsem` is held.
    pub(in crate::tmpfs) fn forget_filled(&self) {
        self.filled.store(0, Relaxed);
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
