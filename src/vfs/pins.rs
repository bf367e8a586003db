// SPDX-License-Identifier: GPL-2.0

//! What keeps an inode from being evicted without a reference to it.
//!
//! Eviction waits until no pin is left. Reclaim begins none of an inode that is pinned, but leaves the last reference to
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

    /// One less. Returns whether the task has the last reference now; where it has not, the inode may go at once: it is not
    /// looked at once more.
    #[must_use]
    pub(super) fn unpin(&self) -> bool {
        let mut pins = self.0.load(Relaxed);
        // Ends: each further round is for another task that has just pinned the inode, or let go of it.
        loop {
            let left = pins.wrapping_sub(1);
            let is_last = left == LEFT;
            match self.0.cmpxchg(pins, if is_last { 0 } else { left }, Full) {
                Ok(_) => return is_last,
                Err(now) => pins = now,
            }
        }
    }

    /// Whether the last pin gets the last reference; a snapshot.
    pub(super) fn is_left(&self) -> bool {
        self.0.load(Relaxed) >= LEFT
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
