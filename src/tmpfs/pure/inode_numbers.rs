// SPDX-License-Identifier: GPL-2.0

//! Inode numbers.
//!
//! They count up from 1. Where a mount keeps to 32 bits for the sake of old programs, they start
//! again at 1 when those are used up; 0 is none, nor is any whose lower 32 bits are 0, which such
//! programs would take for it.

use crate::mm::Ino;

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
