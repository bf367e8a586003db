// SPDX-License-Identifier: GPL-2.0

//! What keeps an inode from being evicted without a reference to it.
//!
//! Eviction waits until no pin is left. Reclaim does not: it leaves the last reference to an inode that is pinned to
//! the last pin, see [`mod@super::delayed_iput`].

use kernel::sync::atomic::{Acquire, Atomic, Full, Relaxed};

/// How many tasks have pinned an inode.
pub(crate) struct Pins(Atomic<u32>);

/// With them, where the last one gets the last reference to the inode. There are not as many tasks.
const LEFT: u32 = 1 << 31;

impl Pins {
    pub(super) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// One more, which is there before what the task looks at next.
    pub(super) fn pin(&self) {
        self.0.fetch_add(1, Full);
    }

    /// One less. Returns whether the task has the last reference now; where it has not, the inode may go at once.
    #[must_use]
    pub(super) fn unpin(&self) -> bool {
        // What pins the inode in between gets the reference in its turn.
        self.0.fetch_sub(1, Full).wrapping_sub(1) == LEFT && self.0.cmpxchg(LEFT, 0, Full).is_ok()
    }

    /// Whether no task has pinned the inode.
    pub(super) fn are_none(&self) -> bool {
        self.0.load(Acquire) == 0
    }

    /// Whether no task but one has, which is to get nothing.
    pub(super) fn are_one(&self) -> bool {
        self.0.load(Acquire) <= 1
    }

    /// Leaves the last reference to the last pin; false where there is none. The caller has the reference, and it is not
    /// left yet.
    pub(super) fn leave(&self) -> bool {
        let mut pins = self.0.load(Relaxed);
        // Ends: each further round is for a task that has just pinned the inode, or let go of it.
        while pins != 0 {
            match self.0.cmpxchg(pins, pins | LEFT, Full) {
                Ok(_) => return true,
                Err(now) => pins = now,
            }
        }
        false
    }
}
