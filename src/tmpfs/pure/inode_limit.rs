// SPDX-License-Identifier: GPL-2.0

//! The limit of inodes of a mount.
//!
//! Users count inodes, but the limit is there for the memory that they take, which extended attributes
//! take as well. So it is in bytes, of which an inode counts as a fixed number.

use super::limits::{Counter, Limit, LimitError, Limited, Reservation};

/// Memory that counts against the limit of inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InodeSpace(u64);

impl InodeSpace {
    /// What an inode counts as, and each name of a file beyond its first.
    pub(crate) const INODE: Self = Self(Self::INODE_BYTES as u64);
    /// The bytes of [`InodeSpace::INODE`], as the unit of a counter.
    pub(crate) const INODE_BYTES: i32 = 1024;

    /// What counts as `bytes` bytes.
    pub(crate) const fn from_bytes(bytes: usize) -> Self {
        Self(bytes as u64)
    }

    /// The number of bytes.
    #[cfg(test)]
    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }
}

/// The largest limit, in inodes.
pub(crate) const MAX_INODES: u64 = u64::MAX / InodeSpace::INODE.0;

/// A limit of inodes, of 0 for none; then nothing is counted.
pub(crate) struct InodeLimit(Limit);

impl InodeLimit {
    /// A limit of `max` inodes, of which there are at most [`MAX_INODES`].
    pub(crate) fn new(max: u64) -> Self {
        Self(Limit::new(to_bytes(max)))
    }

    /// The inodes whose bytes `used` counts, under this limit.
    #[inline(always)]
    pub(crate) fn of<C: Counter>(&self, used: C) -> LimitedInodes<'_, C> {
        LimitedInodes(self.0.of(used))
    }
}

/// The inodes of a mount, with their limit.
#[derive(Clone, Copy)]
pub(crate) struct LimitedInodes<'a, C>(Limited<'a, C>);

impl<'a, C: Counter> LimitedInodes<'a, C> {
    /// The limit, in inodes; 0 is none.
    pub(crate) fn max(self) -> u64 {
        self.0.max() / InodeSpace::INODE.0
    }

    /// The limit, and how many inodes are left under it where the sum of the counter is `sum`; 0 and 0 without one.
    pub(crate) fn shown(self, sum: i64) -> (u64, u64) {
        let (max, free) = self.0.shown(sum);
        (max / InodeSpace::INODE.0, free / InodeSpace::INODE.0)
    }

    /// How many inodes are left under the limit; 0 without one.
    #[cfg(any(test, CONFIG_KUNIT))]
    pub(crate) fn free(self) -> u64 {
        self.shown(i64::try_from(self.0.used()).unwrap_or(i64::MAX))
            .1
    }

    /// Reserves `space`, or returns `None` where that would exceed the limit.
    #[inline]
    pub(crate) fn reserve(self, space: InodeSpace) -> Option<Reservation<'a, C>> {
        self.0.reserve(space.0)
    }

    /// Returns `space` that was reserved and committed.
    #[inline]
    pub(crate) fn release(self, space: InodeSpace) {
        self.0.release(space.0)
    }

    /// Whether the limit may become `max` inodes; no limit is always allowed.
    pub(crate) fn check_max(self, max: u64) -> Result<(), LimitError> {
        self.0.check_max(to_bytes(max))
    }

    /// Changes the limit, in inodes; [`LimitedInodes::check_max`] must have allowed it.
    pub(crate) fn set_max(self, max: u64) {
        self.0.set_max(to_bytes(max))
    }
}

fn to_bytes(inodes: u64) -> u64 {
    inodes.saturating_mul(InodeSpace::INODE.0)
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(rtmpfs_inode_limit))]
mod tests {
    use super::super::limits::tests::Plain;
    use super::*;

    fn take(limit: LimitedInodes<'_, &Plain>, space: InodeSpace) -> bool {
        limit.reserve(space).map(Reservation::commit).is_some()
    }

    #[test]
    fn parts_of_an_inode_count() {
        let (limit, counter) = (InodeLimit::new(2), Plain::new());
        let limit = limit.of(&counter);
        assert!(take(limit, InodeSpace::INODE));
        assert!(take(limit, InodeSpace::from_bytes(1)));
        assert_eq!((limit.max(), limit.free()), (2, 0));
        assert!(!take(limit, InodeSpace::from_bytes(1024)));
        assert_eq!(limit.check_max(1), Err(LimitError::InUse));
        limit.release(InodeSpace::from_bytes(1));
        assert_eq!(limit.free(), 1);
        assert_eq!(limit.check_max(1), Ok(()));
    }

    #[test]
    fn none_is_no_limit() {
        let (limit, counter) = (InodeLimit::new(0), Plain::new());
        let limit = limit.of(&counter);
        assert!(take(limit, InodeSpace::INODE));
        assert!(take(limit, InodeSpace::from_bytes(usize::MAX)));
        assert_eq!((limit.max(), limit.free()), (0, 0));
        assert_eq!(limit.check_max(1), Err(LimitError::WasUnlimited));
    }

    #[test]
    fn the_largest_limit_counts_too() {
        const ONE_LESS: u64 = MAX_INODES - 1;
        let (limit, counter) = (InodeLimit::new(MAX_INODES), Plain::new());
        let limit = limit.of(&counter);
        assert!(take(limit, InodeSpace::INODE));
        assert_eq!((limit.max(), limit.free()), (MAX_INODES, ONE_LESS));
    }
}
