// SPDX-License-Identifier: GPL-2.0

//! Ranges of a file, in bytes and in units of a page or a folio.

use crate::units::{Len, Order, PageCount, PageIndex, PageRange, Pos};

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

/// Whether a transfer of `len` bytes at `pos` goes beyond the end of a file of `size`.
#[inline]
pub(crate) fn is_beyond(pos: Pos, len: Len, size: Pos) -> bool {
    pos.saturating_add(len) > size
}

/// How many pages a file of `size` has, the last one perhaps in part.
#[inline]
pub(crate) fn pages_of(size: Pos) -> PageCount {
    PageIndex::ZERO.distance_to(size.page_end())
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

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(rtmpfs_range))]
mod tests {
    use super::*;

    fn pos(bytes: u64) -> Pos {
        Pos::ZERO.saturating_add(Len::from_u64(bytes))
    }

    const PAGE: u64 = Len::PAGE.to_u64();
    const BEFORE_THE_SECOND: u64 = PAGE - 6;
    const IN_THE_THIRD: u64 = 2 * PAGE + 5;

    #[test]
    fn transfers_stop_at_units() {
        let some = Len::new(100);
        assert_eq!(
            chunk(pos(BEFORE_THE_SECOND), some, Order::ZERO),
            Len::new(6)
        );
        assert_eq!(chunk(pos(PAGE), some, Order::ZERO), some);
        assert_eq!(clip(pos(10), some, pos(50)), Len::new(40));
        assert_eq!(clip(pos(60), some, pos(50)), Len::ZERO);
    }

    #[test]
    fn a_transfer_may_end_with_the_file() {
        let some = Len::new(100);
        assert!(!is_beyond(pos(0), some, pos(100)));
        assert!(is_beyond(pos(1), some, pos(100)));
        assert!(is_beyond(pos(100), Len::new(1), pos(100)));
        assert!(!is_beyond(pos(100), Len::ZERO, pos(100)));
        assert!(!is_beyond(Pos::MAX, some, Pos::MAX));
    }

    #[test]
    fn the_last_page_may_be_partial() {
        assert_eq!(pages_of(pos(0)), PageCount::ZERO);
        assert_eq!(pages_of(pos(1)), PageCount::ONE);
        assert_eq!(pages_of(pos(PAGE)), PageCount::ONE);
        assert_eq!(pages_of(pos(PAGE + 1)), PageCount::new(2));
        assert_eq!(
            pages_of(Pos::MAX),
            PageIndex::ZERO.distance_to(Pos::MAX.page_end())
        );
    }

    #[test]
    fn ranges_have_partial_edges() {
        let page = PageIndex::new;
        let edge = |index, is_partial| {
            let index = page(index);
            Some(Edge { index, is_partial })
        };
        assert_eq!(
            pages(pos(100), None),
            Pages {
                whole: PageRange::new(page(1), PageIndex::END),
                first: edge(0, true),
                last: None
            }
        );
        assert_eq!(
            pages(pos(100), Some(pos(200))),
            Pages {
                whole: PageRange::new(page(1), page(1)),
                first: edge(0, true),
                last: edge(0, true)
            }
        );
        assert_eq!(
            pages(pos(PAGE), Some(pos(IN_THE_THIRD))),
            Pages {
                whole: PageRange::new(page(1), page(2)),
                first: edge(1, false),
                last: edge(2, true)
            }
        );
    }
}
