//! Ranges against what is true of each byte.

use proptest::prelude::*;

use crate::pure::range::{chunk, clip, pages, Edge};
use crate::units::{Len, Order, PageIndex, Pos};

const PAGE: u128 = 4096;

/// Positions of interest: around pages, and at the end of what there is.
fn position() -> impl Strategy<Value = Pos> {
    let near = (0..20i64, -2..3i64).prop_map(|(page, by)| (page * PAGE as i64 + by).max(0));
    let end = (0..10_000i64).prop_map(|by| i64::MAX - by);
    prop_oneof![4 => near, 2 => 0..100_000i64, 1 => end, 1 => 0..i64::MAX].prop_map(Pos::from_loff)
}

fn length() -> impl Strategy<Value = Len> {
    prop_oneof![0..60_000u64, any::<u64>()].prop_map(Len::from_u64)
}

fn byte(pos: Pos) -> u128 {
    pos.to_loff() as u128
}

/// Whether a page is wholly in a range.
fn is_inside(index: PageIndex, start: Pos, end: Option<Pos>) -> bool {
    let first = u128::from(index.to_u64()) * PAGE;
    first >= byte(start) && end.is_none_or(|end| first + PAGE <= byte(end))
}

proptest! {
    /// The whole pages are those inside and no others, and what else there is of the range is at its edges.
    #[test]
    fn the_parts_are_the_range(start in position(), end in prop::option::of(position())) {
        let got = pages(start, end);
        let is_empty = end.is_some_and(|end| end <= start);
        let inside = |index| !is_empty && is_inside(index, start, end);
        let (first, last) = (got.whole.start, got.whole.last());
        prop_assert!(got.whole.start <= got.whole.end);
        prop_assert_eq!(got.whole.end == PageIndex::END, end.is_none());
        if let Some(last) = last {
            prop_assert!(inside(first) && inside(last), "{:?}", got);
        }
        prop_assert!(!first.before().is_some_and(inside), "{:?}", got);
        prop_assert!(end.is_none() || !inside(got.whole.end), "{:?}", got);

        let edge = |byte: Pos| Edge { index: byte.page(), is_partial: !inside(byte.page()) };
        prop_assert_eq!(got.first, (!is_empty && start > Pos::ZERO).then(|| edge(start)));
        let end = end.filter(|_| !is_empty);
        prop_assert_eq!(got.last, end.map(|end| edge(end.saturating_sub(Len::new(1)))));
    }

    /// Chunk by chunk a transfer is made whole, and no chunk crosses the end of a folio.
    #[test]
    fn chunks_make_a_transfer(pos in position(), len in 0..60_000usize, order in 0u32..10) {
        let order = Order::from_uint(order);
        let (mut at, mut left) = (pos, Len::new(len));
        while !left.is_zero() {
            let part = chunk(at, left, order);
            let end = at.offset_in(order).saturating_add(part);
            prop_assert!(!part.is_zero() && part <= left && end <= order.bytes());
            prop_assert!(part == left || end == order.bytes(), "smaller than it could be");
            let Some(next) = at.checked_add(part) else {
                // No transfer goes on behind the end of all files.
                return Ok(());
            };
            at = next;
            left = left.saturating_sub(part);
        }
        prop_assert_eq!(byte(at), byte(pos) + len as u128);
        prop_assert!(chunk(pos, Len::ZERO, order).is_zero());
    }

    #[test]
    fn clipped_is_inside(pos in position(), wanted in length(), size in position()) {
        let got = clip(pos, wanted, size);
        let want = byte(size).saturating_sub(byte(pos)).min(u128::from(wanted.to_u64()));
        prop_assert_eq!(u128::from(got.to_u64()), want);
    }
}
