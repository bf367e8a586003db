// SPDX-License-Identifier: GPL-2.0

//! How many pages a file has, and where.
//!
//! Lock order: no lock is taken below that of [`PageCounts`].

use super::Tmpfs;
use crate::mm::{swap, PageCount};
use crate::vfs::InodeCore;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_spinlock, SpinLock};

/// The pages of a file, counted.
#[derive(Default)]
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

/// The counts of a file, under a lock.
#[pin_data]
pub(in crate::tmpfs) struct PageCounts {
    /// Under this lock.
    #[pin]
    counts: SpinLock<Counts>,
    /// How many pages there are in the page cache if nothing has changed since. Written under the lock of
    /// `counts`, read without.
    cached: Atomic<u64>,
}

impl PageCounts {
    /// A file without pages.
    pub(in crate::tmpfs) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            counts <- new_spinlock!(Counts::default(), "rtmpfs_page_counts"),
            cached: Atomic::new(0),
        })
    }

    /// Whether the counts go with a page cache of `cached` pages. Takes no lock: a snapshot.
    #[inline]
    pub(in crate::tmpfs) fn agrees(&self, cached: PageCount) -> bool {
        self.cached.load(Relaxed) == cached.to_u64()
    }
}

/// Reads or changes the counts of a file. Takes their lock; `f` must not sleep.
#[inline]
pub(in crate::tmpfs) fn with<R>(inode: &InodeCore<Tmpfs>, f: impl FnOnce(&mut Counts) -> R) -> R {
    let this = &inode.data().counts;
    let mut counts = this.counts.lock();
    let result = f(&mut counts);
    // Less than nothing while a page is counted at two places.
    let cached = counts.alloced.wrapping_sub(counts.others());
    this.cached.store(cached.to_u64(), Relaxed);
    if swap::IS_BUILT_IN {
        inode.set_swapped(counts.swapped);
    }
    result
}
