// SPDX-License-Identifier: GPL-2.0

//! Inode numbers.
//!
//! They count up from 1. Where a mount keeps to 32 bits for the sake of old programs, they start
//! again at 1 when those are used up; 0 is none, nor is any whose lower 32 bits are 0, which such
//! programs would take for it.
//!
//! Nothing here needs the kernel: user space tests this very file.

/// The number for a new inode, where `next` would be next and with `wide` all 64 bits may be
/// used; what would be next after it; and whether the numbers have started again.
pub(crate) fn allocate(next: u64, wide: bool) -> (u64, u64, bool) {
    let is_zero = |number: u64| number as u32 == 0;
    let mut number = next;
    if is_zero(number) {
        number = number.wrapping_add(1);
    }
    let wrapped = !wide && number > u64::from(u32::MAX);
    if wrapped {
        number = 1;
    }
    (number, number.wrapping_add(1), wrapped)
}

/// Whether a mount whose next number is `next` can keep to 32 bits from now on.
pub(crate) fn fits_narrow(next: u64) -> bool {
    next <= u64::from(u32::MAX)
}
