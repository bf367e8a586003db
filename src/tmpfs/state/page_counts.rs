// SPDX-License-Identifier: GPL-2.0

//! How many pages a file has, and where.
//!
//! Lock order: no lock is taken below that of the counts.

use super::Tmpfs;
use crate::mm::swap;
use crate::units::PageCount;
use crate::vfs::InodeCore;
use kernel::sync::atomic::{Atomic, Relaxed};

/// The pages of a file, counted.
pub(in crate::tmpfs) struct Counts {
    /// Pages that count against the limits.
    pub(in crate::tmpfs) alloced: PageCount,
    /// Those of them that are in swap.
    pub(in crate::tmpfs) swapped: PageCount,
    /// Those of them that are neither in the page cache nor in swap, and count all the same: the target of
    /// a symbolic link, and pages that could not be read back.
    pub(in crate::tmpfs) counted_only: PageCount,
}

impl Counts {
    /// Those that are not in the page cache.
    fn others(&self) -> PageCount {
        if swap::IS_BUILT_IN {
            self.swapped.saturating_add(self.counted_only)
        } else {
            self.counted_only
        }
    }

    /// Takes out the pages that the file no longer has, with `cached` pages in the page cache; returns how
    /// many there are.
    pub(in crate::tmpfs) fn take_surplus(&mut self, cached: PageCount) -> PageCount {
        let have = self.others().saturating_add(cached);
        let surplus = self.alloced.saturating_sub(have);
        self.alloced = self.alloced.saturating_sub(surplus);
        surplus
    }
}

/// The counts of a file that the MM does not keep for it: how many pages are in swap it looks at itself.
///
/// Both are written under the lock, and read without it for a snapshot.
pub(in crate::tmpfs) struct PageCounts {
    alloced: Atomic<u64>,
    counted_only: Atomic<u64>,
}

impl PageCounts {
    /// A file without pages.
    pub(super) const fn new() -> Self {
        Self {
            alloced: Atomic::new(0),
            counted_only: Atomic::new(0),
        }
    }

    fn load(&self, swapped: PageCount) -> Counts {
        Counts {
            alloced: PageCount::new(self.alloced.load(Relaxed)),
            swapped,
            counted_only: PageCount::new(self.counted_only.load(Relaxed)),
        }
    }
}

/// The counts of a file. Takes no lock: a snapshot, of which a part may have changed meanwhile.
#[inline]
fn look(inode: &InodeCore<Tmpfs>) -> Counts {
    let swapped = if swap::IS_BUILT_IN {
        inode.swapped()
    } else {
        PageCount::ZERO
    };
    inode.data().counts.load(swapped)
}

/// Whether the counts go with a page cache of `cached` pages. Takes no lock: a snapshot.
#[inline]
pub(in crate::tmpfs) fn agree(inode: &InodeCore<Tmpfs>, cached: PageCount) -> bool {
    let counts = look(inode);
    // Less than nothing while a page is counted at two places.
    let in_cache = counts.alloced.wrapping_sub(counts.swapped);
    in_cache.wrapping_sub(counts.counted_only) == cached
}

/// Whether no page counts. Takes no lock: a snapshot.
#[inline]
pub(in crate::tmpfs) fn are_zero(inode: &InodeCore<Tmpfs>) -> bool {
    look(inode).alloced.is_zero()
}

/// Reads or changes the counts of a file. Takes their lock; `f` must not sleep.
#[inline]
pub(in crate::tmpfs) fn with<R>(inode: &InodeCore<Tmpfs>, f: impl FnOnce(&mut Counts) -> R) -> R {
    let info = inode.data();
    let _lock = info.counting.lock();
    let mut counts = look(inode);
    let result = f(&mut counts);
    info.counts.alloced.store(counts.alloced.to_u64(), Relaxed);
    info.counts
        .counted_only
        .store(counts.counted_only.to_u64(), Relaxed);
    if swap::IS_BUILT_IN {
        inode.set_swapped(counts.swapped);
    }
    result
}
