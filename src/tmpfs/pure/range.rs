// SPDX-License-Identifier: GPL-2.0

//! Ranges of a file, in bytes and in units of a page or a folio.

use crate::mm::{Len, Order, PageIndex, PageRange, Pos};

/// How much of a transfer of `left` bytes at `pos` is in the first folio, in folios of `order`. Nothing
/// only where nothing is left.
#[inline]
pub(crate) fn chunk(pos: Pos, left: Len, order: Order) -> Len {
    left.min(pos.left_in(order))
}

/// How much of a transfer of `wanted` bytes at `pos` is inside a file of `size`.
#[inline]
pub(crate) fn clip(pos: Pos, wanted: Len, size: Pos) -> Len {
    wanted.min(pos.distance_to(size))
}

/// A page where a range starts or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// The page.
    pub(crate) index: PageIndex,
    /// Whether only a part of the page is in the range.
    pub(crate) is_partial: bool,
}

/// A range of a file in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pages {
    /// The pages that are wholly in the range; where there is none, it ends where it starts.
    pub(crate) whole: PageRange,
    /// The page that the range starts in, unless that is the first of the file.
    pub(crate) first: Option<Edge>,
    /// The page that the range ends in; it may be the same.
    pub(crate) last: Option<Edge>,
}

/// The pages of the bytes from `start` to before `end`, `None` being no end.
#[inline]
pub(crate) fn pages(start: Pos, end: Option<Pos>) -> Pages {
    let end = end.map(|end| start.max(end));
    let whole = PageRange {
        start: start.page_end(),
        end: end.map_or(PageIndex::END, |end| start.page_end().max(end.page())),
    };
    let edge = |byte: Pos| Edge {
        index: byte.page(),
        is_partial: !whole.contains(byte.page()),
    };
    let is_empty = end == Some(start);
    Pages {
        whole,
        first: (start > Pos::ZERO && !is_empty).then(|| edge(start)),
        last: end.filter(|_| !is_empty).and_then(Pos::before).map(edge),
    }
}
