// SPDX-License-Identifier: GPL-2.0

//! Ranges of a file, in bytes and in units of a page or a folio.
//!
//! Units are powers of two; positions are not negative and at most `i64::MAX`.
//!
//! Nothing here needs the kernel: user space tests this very file.

/// The part of a transfer that lies in one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Where it starts, in bytes from the start of the unit.
    pub(crate) offset: usize,
    /// Its length in bytes; 0 only where nothing is left.
    pub(crate) bytes: usize,
}

/// The first part of a transfer of `left` bytes at `pos`, in units of `unit` bytes.
#[inline]
pub(crate) fn chunk(pos: i64, left: usize, unit: usize) -> Chunk {
    let offset = pos as usize & (unit - 1);
    Chunk {
        offset,
        bytes: left.min(unit - offset),
    }
}

/// How many bytes of a transfer of `wanted` bytes at `pos` are inside a file of `size` bytes.
#[inline]
pub(crate) fn clip(pos: i64, wanted: usize, size: i64) -> usize {
    match usize::try_from(size.saturating_sub(pos)) {
        Ok(inside) => wanted.min(inside),
        Err(_) => 0,
    }
}

/// The first multiple of `unit` that is not below `size`; `i64::MAX` where it would not fit.
pub(crate) fn round_up(size: i64, unit: i64) -> i64 {
    match size.checked_add(unit - 1) {
        Some(sum) => sum & !(unit - 1),
        None => i64::MAX,
    }
}
