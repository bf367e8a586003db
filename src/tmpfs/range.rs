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

/// A page that is only partly in a range: which one, and the bytes of it that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partial {
    /// The index of the page.
    pub(crate) index: u64,
    /// The first byte, from the start of the page.
    pub(crate) start: usize,
    /// Behind the last byte.
    pub(crate) end: usize,
}

/// A range of a file in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pages {
    /// The page that the range starts in the middle of.
    pub(crate) head: Option<Partial>,
    /// The first page that is wholly in the range.
    pub(crate) start: u64,
    /// Behind the last page that is wholly in the range; may be below `start`. None where the range
    /// has no end.
    pub(crate) end: Option<u64>,
    /// The page that the range ends in the middle of, unless it is `head`.
    pub(crate) tail: Option<Partial>,
}

impl Pages {
    /// Whether the range ends in the middle of page `index`, where it does not start.
    pub(crate) fn tail_is(&self, index: u64) -> bool {
        self.tail.is_some_and(|tail| tail.index == index)
    }
}

/// The pages of the bytes from `start` to before `end`, `None` being no end, in units of `page`
/// bytes.
pub(crate) fn pages(start: i64, end: Option<i64>, page: u64) -> Pages {
    let start = start.max(0) as u64;
    let end = end.map(|end| start.max(end.max(0) as u64));
    let first = start / page;
    let head_start = (start % page) as usize;
    let (last, tail_end) = match end {
        Some(end) => (Some(end / page), (end % page) as usize),
        None => (None, 0),
    };

    let head = (head_start > 0).then(|| Partial {
        index: first,
        start: head_start,
        end: if last == Some(first) {
            tail_end
        } else {
            page as usize
        },
    });
    let tail = match last {
        Some(last) if tail_end > 0 && (head_start == 0 || last != first) => Some(Partial {
            index: last,
            start: 0,
            end: tail_end,
        }),
        _ => None,
    };
    Pages {
        head: head.filter(|head| head.start < head.end),
        start: start.div_ceil(page),
        end: last,
        tail,
    }
}

/// The first multiple of `unit` that is not below `size`; `i64::MAX` where it would not fit.
pub(crate) fn round_up(size: i64, unit: i64) -> i64 {
    match size.checked_add(unit - 1) {
        Some(sum) => sum & !(unit - 1),
        None => i64::MAX,
    }
}
