// SPDX-License-Identifier: GPL-2.0

//! How many pages a file has, and where.
//!
//! Lock order: the lock of [`Usage`] is innermost.

use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_spinlock, SpinLock};

/// The pages of a file, counted.
#[derive(Default)]
pub(super) struct Counts {
    /// Pages that count against the limits.
    pub(super) alloced: u64,
    /// Those of them that are in swap.
    #[cfg(CONFIG_SWAP)]
    pub(super) swapped: u64,
    /// Those of them that are neither in the page cache nor in swap: the target of a symbolic link,
    /// and pages that could not be read back.
    pub(super) elsewhere: u64,
}

impl Counts {
    /// Those that are not in the page cache.
    fn others(&self) -> u64 {
        #[cfg(CONFIG_SWAP)]
        let others = self.swapped + self.elsewhere;
        #[cfg(not(CONFIG_SWAP))]
        let others = self.elsewhere;
        others
    }

    /// Takes out what the file no longer has, whose page cache has `cached` pages; returns how many
    /// that are.
    pub(super) fn take_surplus(&mut self, cached: u64) -> u64 {
        let surplus = self.alloced.saturating_sub(self.others() + cached);
        self.alloced -= surplus;
        surplus
    }
}

/// The counts of a file, under a lock.
#[pin_data]
pub(super) struct Usage {
    #[pin]
    counts: SpinLock<Counts>,
    /// How many pages there are in the page cache if nothing has changed since.
    cached: Atomic<u64>,
    /// How many are in swap.
    #[cfg(CONFIG_SWAP)]
    swapped: Atomic<u64>,
}

impl Usage {
    /// A file without pages.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            counts <- new_spinlock!(Counts::default(), "rtmpfs_usage"),
            cached: Atomic::new(0),
            #[cfg(CONFIG_SWAP)]
            swapped: Atomic::new(0),
        })
    }

    /// Reads or changes the counts. Takes the lock; `f` must not sleep.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Counts) -> R) -> R {
        let mut counts = self.counts.lock();
        let result = f(&mut counts);
        // Less than nothing while a page is counted at two places.
        let cached = counts.alloced.wrapping_sub(counts.others());
        self.cached.store(cached, Relaxed);
        #[cfg(CONFIG_SWAP)]
        self.swapped.store(counts.swapped, Relaxed);
        result
    }

    /// Whether the counts go with a page cache of `cached` pages. Takes no lock: a snapshot.
    #[inline]
    pub(super) fn agrees(&self, cached: u64) -> bool {
        self.cached.load(Relaxed) == cached
    }

    /// How many pages are in swap. Takes no lock: a snapshot.
    #[cfg(CONFIG_SWAP)]
    pub(super) fn swapped(&self) -> u64 {
        self.swapped.load(Relaxed)
    }
}
