// SPDX-License-Identifier: GPL-2.0

//! Inode numbers.
//!
//! They count up from 1. Where a mount keeps to 32 bits for the sake of old programs, they start
//! again at 1 when those are used up; 0 is none, nor is any whose lower 32 bits are 0, which such
//! programs would take for it.

use crate::units::Ino;

/// The number for a new inode, where `next` would be next and with `wide` all 64 bits may be
/// used; what would be next after it; and whether the numbers have started again.
pub(crate) fn allocate(next: Ino, wide: bool) -> (Ino, Ino, bool) {
    let mut number = next;
    if number.low() == 0 {
        number = number.wrapping_next();
    }
    let wrapped = !wide && !number.is_narrow();
    if wrapped {
        number = Ino::FIRST;
    }
    (number, number.wrapping_next(), wrapped)
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(rtmpfs_inode_numbers))]
mod tests {
    use super::*;

    fn numbers(next: u64, wide: bool) -> (u64, u64, bool) {
        let (number, after, wrapped) = allocate(Ino::new(next), wide);
        (number.to_u64(), after.to_u64(), wrapped)
    }

    #[test]
    fn zero_is_left_out() {
        assert_eq!(numbers(0, true), (1, 2, false));
        assert_eq!(numbers(1, true), (1, 2, false));
        assert_eq!(numbers(0xffff_ffff, true), (0xffff_ffff, 1 << 32, false));
        assert_eq!(
            numbers(1 << 32, true),
            (0x1_0000_0001, 0x1_0000_0002, false)
        );
    }

    #[test]
    fn narrow_numbers_start_again() {
        assert_eq!(numbers(0xffff_ffff, false), (0xffff_ffff, 1 << 32, false));
        assert_eq!(numbers(1 << 32, false), (1, 2, true));
    }
}
