// SPDX-License-Identifier: GPL-2.0

//! Inode numbers.
//!
//! They count up from 1. Where a mount keeps to 32 bits for the sake of old programs, they start
//! again at 1 when those are used up; 0 is none, nor is any whose lower 32 bits are 0, which such
//! programs would take for it.
//!
//! A processor takes a block of them from the mount, and gives them to the files that it makes: tasks that make files on
//! different processors meet once in a block only.

use crate::units::Ino;

/// A block ends before a multiple of this.
const BLOCK: u64 = 32;

/// Numbers that are taken from a mount.
pub(crate) struct Block {
    /// The first one.
    pub(crate) first: Ino,
    /// What would be next in the mount: behind the last one.
    pub(crate) end: Ino,
    /// Whether the numbers have started again.
    pub(crate) wrapped: bool,
}

/// The block that a mount has next, where `next` would be its next number and with `wide` all 64 bits may be used.
pub(crate) fn allocate(next: Ino, wide: bool) -> Block {
    let mut first = next;
    if first.low() == 0 {
        first = first.wrapping_next();
    }
    let wrapped = !wide && !first.is_narrow();
    if wrapped {
        first = Ino::FIRST;
    }
    Block {
        first,
        end: first.wrapping_next_multiple(BLOCK),
        wrapped,
    }
}

/// The number after `number` in its block, if there is one.
#[inline]
pub(crate) fn after(number: Ino) -> Option<Ino> {
    let next = number.wrapping_next();
    if next == number.wrapping_next_multiple(BLOCK) {
        None
    } else {
        Some(next)
    }
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(rtmpfs_inode_numbers))]
mod tests {
    use super::*;

    fn block(next: u64, wide: bool) -> (u64, u64, bool) {
        let block = allocate(Ino::new(next), wide);
        (block.first.to_u64(), block.end.to_u64(), block.wrapped)
    }

    #[test]
    fn zero_is_left_out() {
        assert_eq!(block(0, true), (1, 32, false));
        assert_eq!(block(1, true), (1, 32, false));
        assert_eq!(block(2, true), (2, 32, false));
        assert_eq!(block(0xffff_ffff, true), (0xffff_ffff, 1 << 32, false));
        assert_eq!(block(1 << 32, true), (0x1_0000_0001, 0x1_0000_0020, false));
    }

    #[test]
    fn narrow_numbers_start_again() {
        assert_eq!(block(0xffff_ffe0, false), (0xffff_ffe0, 1 << 32, false));
        assert_eq!(block(1 << 32, false), (1, 32, true));
    }

    #[test]
    fn a_block_has_no_number_of_the_next_one() {
        let last = |first: u64| {
            let mut number = Ino::new(first);
            while let Some(next) = after(number) {
                number = next;
            }
            number.to_u64()
        };
        assert_eq!([last(1), last(31), last(32)], [31, 31, 63]);
        assert_eq!(last(0xffff_ffe5), 0xffff_ffff);
        assert_eq!(last(u64::MAX), u64::MAX);
    }
}
