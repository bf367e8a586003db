// SPDX-License-Identifier: GPL-2.0

//! Numbers in the type that C has them in at one place, for another where it has another type.
//!
//! bindgen takes each constant for an unsigned number, and C converts without a word. What is not
//! known at compile time to fit does not link.

use kernel::build_assert::build_assert;
use kernel::ffi::{c_int, c_long, c_uchar, c_uint, c_ushort};

/// A constant, as an `int`.
#[inline(always)]
pub(crate) const fn int(constant: c_uint) -> c_int {
    build_assert!(constant <= c_int::MAX as c_uint);
    constant as c_int
}

/// A constant, as a `long`.
#[inline(always)]
pub(crate) const fn long(constant: c_uint) -> c_long {
    build_assert!(constant as u64 <= c_long::MAX as u64);
    constant as c_long
}

/// A size that is known at compile time, as an `unsigned int`.
#[inline(always)]
pub(crate) const fn uint(size: usize) -> c_uint {
    build_assert!(size <= c_uint::MAX as usize);
    size as c_uint
}

/// A constant, as an `unsigned short`.
#[inline(always)]
pub(crate) const fn ushort(constant: c_uint) -> c_ushort {
    build_assert!(constant <= c_ushort::MAX as c_uint);
    constant as c_ushort
}

/// A constant, as an `unsigned char`.
#[inline(always)]
pub(crate) const fn uchar(constant: c_uint) -> c_uchar {
    build_assert!(constant <= c_uchar::MAX as c_uint);
    constant as c_uchar
}

/// The length of a name, as an `int`: it is at most `NAME_MAX`.
#[inline(always)]
pub(crate) const fn name_len(len: c_uint) -> c_int {
    len as c_int
}
