// SPDX-License-Identifier: GPL-2.0

//! Sets of small numbers, a bit each.
//!
//! A [`Bit`] is one that the set has, so that no operation shifts by more than there is. Nothing here needs the kernel:
//! user space tests this very file.

/// A number that [`Bits`] has a bit for.
///
/// # Invariants
///
/// Less than [`Bits::COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bit(u32);

impl Bit {
    /// The lowest.
    pub(super) const ZERO: Self = Self(0);

    /// The bit of a number; `None` where there is none.
    #[inline(always)]
    pub(super) const fn new(number: u32) -> Option<Self> {
        if number >= Bits::COUNT {
            return None;
        }
        // INVARIANT: Just checked.
        Some(Self(number))
    }

    /// The number.
    #[inline(always)]
    pub(super) const fn to_u32(self) -> u32 {
        self.0
    }

    /// This bit and those above.
    pub(super) fn upwards(self) -> impl Iterator<Item = Self> {
        // INVARIANT: Less than the count.
        (self.0..Bits::COUNT).map(Self)
    }

    /// With this bit only.
    #[inline(always)]
    const fn alone(self) -> u64 {
        // By the invariants it is not shifted out.
        1u64.wrapping_shl(self.0)
    }

    /// With this bit and those above.
    #[inline(always)]
    const fn and_above(self) -> u64 {
        // By the invariants this bit is left.
        u64::MAX.wrapping_shl(self.0)
    }
}

/// A set of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits(u64);

impl Bits {
    /// How many numbers there can be.
    pub(super) const COUNT: u32 = u64::BITS;

    /// No number.
    pub(super) const NONE: Self = Self(0);

    /// How many there are.
    #[inline(always)]
    pub(super) const fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// How many there are below `bit`.
    #[inline(always)]
    pub(super) const fn count_below(self, bit: Bit) -> usize {
        let above = bit.and_above();
        if self.0 | above == u64::MAX {
            // Mostly there are no gaps, and to count takes longer.
            return bit.0 as usize;
        }
        (self.0 & !above).count_ones() as usize
    }

    /// Whether `bit` is one of them.
    #[inline(always)]
    pub(super) const fn contains(self, bit: Bit) -> bool {
        self.0 & bit.alone() != 0
    }

    /// Whether there is none from `bit` on.
    #[inline(always)]
    pub(super) const fn is_empty_from(self, bit: Bit) -> bool {
        self.0.wrapping_shr(bit.0) == 0
    }

    /// Those up to `bit`, and that.
    #[inline(always)]
    pub(super) const fn up_to(self, bit: Bit) -> Self {
        // The bit itself is shifted out where it is the highest.
        Self(self.0 & !(bit.and_above() << 1))
    }

    /// Adds one, if it is not there.
    #[inline(always)]
    pub(super) fn insert(&mut self, bit: Bit) {
        self.0 |= bit.alone();
    }

    /// Takes those away that are in `others`.
    #[inline(always)]
    pub(super) fn remove_all(&mut self, others: Self) {
        self.0 &= !others.0;
    }

    /// Takes away the highest, which it returns; `None` where there is none.
    #[inline(always)]
    pub(super) fn take_highest(&mut self) -> Option<Bit> {
        // INVARIANT: The logarithm is less than the bits that there are.
        let highest = Bit(self.0.checked_ilog2()?);
        self.remove_all(Self(highest.alone()));
        Some(highest)
    }

    /// Takes away the lowest, which it returns alone; none where there is none.
    #[inline(always)]
    pub(super) fn take_lowest(&mut self) -> Self {
        let lowest = Self(self.0 & self.0.wrapping_neg());
        self.remove_all(lowest);
        lowest
    }
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(vfs_bits))]
mod tests {
    use super::*;

    /// With these numbers, as far as they have a bit.
    fn set(numbers: &[u32]) -> Bits {
        let mut bits = Bits::NONE;
        for bit in numbers.iter().filter_map(|&number| Bit::new(number)) {
            bits.insert(bit);
        }
        bits
    }

    #[test]
    fn there_are_no_more_than_the_count() {
        assert_eq!(Bit::new(63).map(Bit::to_u32), Some(63));
        assert_eq!(Bit::new(64), None);
        assert_eq!(Bit::new(u32::MAX), None);
        assert_eq!(Bit::ZERO.upwards().count(), 64);
        assert_eq!(Bit::new(62).map(|bit| bit.upwards().count()), Some(2));
    }

    #[test]
    fn each_alone_and_among_all() {
        let all = Bits(u64::MAX);
        for bit in Bit::ZERO.upwards() {
            let mut alone = Bits::NONE;
            alone.insert(bit);
            assert_eq!((alone.contains(bit), alone.count()), (true, 1));
            assert!(!alone.is_empty_from(bit) && Bits::NONE.is_empty_from(bit));
            assert_eq!((alone.count_below(bit), alone.up_to(bit)), (0, alone));
            assert!(all.contains(bit) && !all.is_empty_from(bit));
            // Below it there are as many as its number, and with it one more.
            let below = all.count_below(bit);
            assert_eq!(Ok(below), usize::try_from(bit.to_u32()));
            assert_eq!(all.up_to(bit).count(), below.wrapping_add(1));
            for other in bit.upwards().skip(1) {
                assert!(!alone.contains(other) && alone.is_empty_from(other));
                assert_eq!((alone.count_below(other), alone.up_to(other)), (1, alone));
            }
            assert_eq!(alone.take_highest(), Some(bit));
            assert_eq!(alone, Bits::NONE);
        }
    }

    #[test]
    fn from_both_ends() {
        let mut bits = set(&[0, 5, 63, 64]);
        assert_eq!(bits.count(), 3);
        assert_eq!(bits.take_highest(), Bit::new(63));
        assert_eq!(bits.take_lowest(), set(&[0]));
        assert_eq!(bits, set(&[5]));
        assert_eq!(bits.take_lowest(), set(&[5]));
        assert_eq!(
            (bits.take_lowest(), bits.take_highest()),
            (Bits::NONE, None)
        );
    }
}
