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

/// A page where a range starts or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// The index of the page.
    pub(crate) index: u64,
    /// Whether only a part of the page is in the range.
    pub(crate) is_partial: bool,
}

/// A range of a file in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pages {
    /// The first page that is wholly in the range.
    pub(crate) start: u64,
    /// Behind the last page that is wholly in the range, `start` where there is none. None where the
    /// range has no end.
    pub(crate) end: Option<u64>,
    /// The page that the range starts in, unless that is the first of the file.
    pub(crate) first: Option<Edge>,
    /// The page that the range ends in; it may be the same.
    pub(crate) last: Option<Edge>,
}

/// The pages of the bytes from `start` to before `end`, `None` being no end, in units of `page`
/// bytes.
#[inline]
pub(crate) fn pages(start: i64, end: Option<i64>, page: u64) -> Pages {
    let start = start.max(0) as u64;
    let end = end.map(|end| start.max(end.max(0) as u64));
    let whole_start = start.div_ceil(page);
    let whole_end = end.map(|end| whole_start.max(end / page));
    let edge = |byte: u64| {
        let index = byte / page;
        let is_whole = whole_start <= index && whole_end.is_none_or(|end| index < end);
        Edge {
            index,
            is_partial: !is_whole,
        }
    };
    let is_empty = end == Some(start);
    Pages {
        start: whole_start,
        end: whole_end,
        first: (start > 0 && !is_empty).then(|| edge(start)),
        last: end.filter(|_| !is_empty).map(|end| edge(end - 1)),
    }
}

/// The first multiple of `unit` that is not below `size`; `i64::MAX` where it would not fit.
pub(crate) fn round_up(size: i64, unit: i64) -> i64 {
    match size.checked_add(unit - 1) {
        Some(sum) => sum & !(unit - 1),
        None => i64::MAX,
    }
}
