// SPDX-License-Identifier: GPL-2.0

//! A limited quantity, such as the blocks or the inodes of a mount: how much of it there may be,
//! how much is in use, and reservations that return what is not used after all.
//!
//! The limit is only loaded and stored, so that relaxed atomics mean what `READ_ONCE()` and `WRITE_ONCE()` do.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU64, Ordering};

/// A counter that several CPUs change at once.
pub(crate) trait Counter: Copy {
    /// Adds `amount`, which may be negative.
    fn add(&self, amount: i64);

    /// Adds `amount` where the sum does not exceed `limit`, else returns false and adds nothing.
    fn add_limited(&self, limit: i64, amount: i64) -> bool;

    /// Whether the sum does not exceed `limit`.
    fn is_at_most(&self, limit: i64) -> bool;

    /// The exact sum.
    fn sum(&self) -> i64;
}

/// Why a limit cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitError {
    /// There was none, so that what is in use was not counted.
    WasUnlimited,
    /// More is in use already.
    InUse,
}

/// A limit of a quantity. One of 0 is none; then nothing is counted.
pub(crate) struct Limit(AtomicU64);

impl Limit {
    /// A limit of `max`. More than `i64::MAX` is not granted in any case.
    pub(crate) fn new(max: u64) -> Self {
        Self(AtomicU64::new(max))
    }

    /// The quantity that `used` counts, under this limit.
    #[inline(always)]
    pub(crate) fn of<C: Counter>(&self, used: C) -> Limited<'_, C> {
        Limited { limit: self, used }
    }
}

/// A quantity with a limit.
#[derive(Clone, Copy)]
pub(crate) struct Limited<'a, C> {
    limit: &'a Limit,
    used: C,
}

impl<'a, C: Counter> Limited<'a, C> {
    /// The limit; 0 is none.
    pub(crate) fn max(self) -> u64 {
        self.limit.0.load(Ordering::Relaxed)
    }

    fn limit(self) -> Option<i64> {
        match self.max() {
            0 => None,
            max => Some(i64::try_from(max).unwrap_or(i64::MAX)),
        }
    }

    /// How much is in use; 0 without a limit.
    pub(crate) fn used(self) -> u64 {
        match self.limit() {
            None => 0,
            Some(_) => u64::try_from(self.used.sum()).unwrap_or(0),
        }
    }

    /// How much is left under the limit; 0 without one.
    pub(crate) fn free(self) -> u64 {
        self.max().saturating_sub(self.used())
    }

    /// Whether `amount` could be reserved; a snapshot.
    pub(crate) fn has_room(self, amount: u64) -> bool {
        match (self.limit(), i64::try_from(amount)) {
            (None, _) => true,
            (Some(limit), Ok(amount)) => self.used.is_at_most(limit.saturating_sub(amount)),
            _ => false,
        }
    }

    /// The limit, and how much is left under it where the sum of the counter is `sum`; 0 and 0 without one.
    pub(crate) fn shown(self, sum: i64) -> (u64, u64) {
        let max = self.max();
        // Less than nothing, for a sum that is not exact.
        (max, max.saturating_sub(u64::try_from(sum).unwrap_or(0)))
    }

    /// Reserves `amount`, or returns `None` where that would exceed the limit.
    #[inline]
    pub(crate) fn reserve(self, amount: u64) -> Option<Reservation<'a, C>> {
        if let Some(limit) = self.limit() {
            let amount = i64::try_from(amount).ok()?;
            if !self.used.add_limited(limit, amount) {
                return None;
            }
        }
        Some(Reservation { of: self, amount })
    }

    /// Returns `amount` that was reserved and committed.
    #[inline]
    pub(crate) fn release(self, amount: u64) {
        if self.limit().is_some() {
            // No more was reserved, see [`Limited::reserve`].
            let amount = i64::try_from(amount).unwrap_or(i64::MAX);
            self.used.add(amount.wrapping_neg());
        }
    }

    /// Whether the limit may become `max`; no limit is always allowed.
    pub(crate) fn check_max(self, max: u64) -> Result<(), LimitError> {
        if max == 0 {
            Ok(())
        } else if self.limit().is_none() {
            Err(LimitError::WasUnlimited)
        } else if self.used() > max {
            Err(LimitError::InUse)
        } else {
            Ok(())
        }
    }

    /// Changes the limit; [`Limited::check_max`] must have allowed it. What is reserved between the
    /// two calls may exceed the new limit.
    pub(crate) fn set_max(self, max: u64) {
        self.limit.0.store(max, Ordering::Relaxed);
    }
}

/// Something reserved and not yet used: dropping it returns it.
#[must_use]
pub(crate) struct Reservation<'a, C: Counter> {
    of: Limited<'a, C>,
    amount: u64,
}

impl<C: Counter> Reservation<'_, C> {
    /// It is used: it stays counted until [`Limited::release`].
    #[inline]
    pub(crate) fn commit(self) {
        core::mem::forget(self);
    }
}

impl<C: Counter> Drop for Reservation<'_, C> {
    fn drop(&mut self) {
        self.of.release(self.amount);
    }
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(rtmpfs_limits))]
pub(crate) mod tests {
    use super::*;
    use core::cell::Cell;

    /// A counter for one task.
    pub(crate) struct Plain(Cell<i64>);

    impl Plain {
        /// One at 0.
        pub(crate) fn new() -> Self {
            Self(Cell::new(0))
        }
    }

    impl Counter for &Plain {
        fn add(&self, amount: i64) {
            let sum = self.0.get().checked_add(amount);
            self.0.set(sum.expect("no overflow"));
        }

        fn add_limited(&self, limit: i64, amount: i64) -> bool {
            let sum = self.0.get().checked_add(amount);
            let allowed = sum.filter(|sum| *sum <= limit);
            allowed.map(|sum| self.0.set(sum)).is_some()
        }

        fn is_at_most(&self, limit: i64) -> bool {
            self.0.get() <= limit
        }

        fn sum(&self) -> i64 {
            self.0.get()
        }
    }

    #[test]
    fn reservations_return_unless_committed() {
        let (limit, counter) = (Limit::new(10), Plain::new());
        let limit = limit.of(&counter);
        let reservation = limit.reserve(6);
        assert!(limit.reserve(5).is_none());
        drop(limit.reserve(4));
        assert_eq!(limit.free(), 4);
        if let Some(reservation) = reservation {
            reservation.commit();
        }
        assert_eq!(limit.used(), 6);
        limit.release(6);
        assert_eq!(limit.free(), 10);
    }

    #[test]
    fn there_is_room_for_what_could_be_reserved() {
        let (limit, counter) = (Limit::new(10), Plain::new());
        let limit = limit.of(&counter);
        limit.used.add(6);
        for amount in [0, 1, 4, 5, 11, i64::MAX as u64, 1 << 63, u64::MAX] {
            assert_eq!(limit.has_room(amount), limit.reserve(amount).is_some());
        }
        assert_eq!(limit.used(), 6);
        limit.used.add(-6);
        limit.set_max(0);
        assert!(limit.has_room(0) && limit.has_room(u64::MAX));
    }

    #[test]
    fn what_is_shown_is_within_the_limit() {
        let (limit, counter) = (Limit::new(10), Plain::new());
        let limit = limit.of(&counter);
        assert_eq!(limit.shown(4), (10, 6));
        assert_eq!(limit.shown(-1), (10, 10));
        assert_eq!(limit.shown(11), (10, 0));
        limit.set_max(0);
        assert_eq!(limit.shown(4), (0, 0));
    }

    #[test]
    fn limits_do_not_go_below_use() {
        let (limit, counter) = (Limit::new(10), Plain::new());
        let limit = limit.of(&counter);
        limit.used.add(6);
        assert_eq!(limit.check_max(5), Err(LimitError::InUse));
        assert_eq!(limit.check_max(6), Ok(()));
        assert_eq!(limit.check_max(0), Ok(()));
        limit.set_max(0);
        assert_eq!(limit.check_max(5), Err(LimitError::WasUnlimited));
        assert!(limit.reserve(1000).is_some());
    }
}
