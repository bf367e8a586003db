//! Ranges against what is true of each byte.

use proptest::prelude::*;

use crate::range::{chunk, clip, pages, round_up, Edge};

const PAGE: u64 = 4096;

/// Positions of interest: around pages, and at the end of what there is.
fn position() -> impl Strategy<Value = i64> {
    let near = (0..20i64, -2..3i64).prop_map(|(page, by)| (page * PAGE as i64 + by).max(0));
    let end = (0..10_000i64).prop_map(|by| i64::MAX - by);
    prop_oneof![4 => near, 2 => 0..100_000i64, 1 => end, 1 => 0..i64::MAX]
}

/// Whether a page is wholly in a range.
fn is_inside(index: u64, start: i64, end: Option<i64>) -> bool {
    let byte = |index: u64| u128::from(index) * u128::from(PAGE);
    byte(index) >= start as u128 && end.is_none_or(|end| byte(index + 1) <= end as u128)
}

proptest! {
    /// The whole pages are those inside and no others, and what else there is of the range is at its edges.
    #[test]
    fn the_parts_are_the_range(start in position(), end in prop::option::of(position())) {
        let got = pages(start, end, PAGE);
        let is_empty = end.is_some_and(|end| end <= start);
        let inside = |index| !is_empty && is_inside(index, start, end);
        let last = got.end.unwrap_or(u64::MAX / PAGE);
        prop_assert!(got.start <= last && got.end.is_none() == end.is_none());
        if got.start < last {
            prop_assert!(inside(got.start) && inside(last - 1), "{:?}", got);
        }
        prop_assert!(got.start == 0 || !inside(got.start - 1), "{:?}", got);
        prop_assert!(got.end.is_none_or(|end| !inside(end)), "{:?}", got);

        let edge = |byte: i64| {
            let index = byte as u64 / PAGE;
            Edge { index, is_partial: !inside(index) }
        };
        prop_assert_eq!(got.first, (!is_empty && start > 0).then(|| edge(start)));
        prop_assert_eq!(got.last, end.filter(|_| !is_empty).map(|end| edge(end - 1)));
    }

    #[test]
    fn odd_arguments_do_no_harm(start: i64, end: Option<i64>) {
        let got = pages(start, end, PAGE);
        prop_assert!(got.end.is_none() == end.is_none());
    }

    /// Chunk by chunk a transfer is made whole, and no chunk crosses a unit.
    #[test]
    fn chunks_make_a_transfer(pos in 0..1i64 << 40, len in 0..60_000usize, shift in 12u32..22) {
        let unit = 1usize << shift;
        let (mut at, mut left) = (pos, len);
        while left > 0 {
            let part = chunk(at, left, unit);
            prop_assert_eq!(part.offset as i64, at % unit as i64);
            prop_assert!(part.bytes > 0 && part.bytes <= left && part.offset + part.bytes <= unit);
            prop_assert!(part.bytes == left || part.offset + part.bytes == unit, "smaller than it could be");
            at += part.bytes as i64;
            left -= part.bytes;
        }
        prop_assert_eq!(at, pos + len as i64);
        prop_assert_eq!(chunk(pos, 0, unit).bytes, 0);
    }

    #[test]
    fn clipped_is_inside(pos in position(), wanted: usize, size in position()) {
        let got = clip(pos, wanted, size);
        let want = (size as i128 - pos as i128).max(0).min(wanted as i128);
        prop_assert_eq!(got as i128, want);
    }

    #[test]
    fn rounded_up_is_the_next_multiple(size in position(), shift in 0u32..30) {
        let unit = 1i64 << shift;
        let got = round_up(size, unit);
        let want = (size as i128 + unit as i128 - 1) / unit as i128 * unit as i128;
        match i64::try_from(want) {
            Ok(want) => prop_assert_eq!(got, want),
            Err(_) => prop_assert_eq!(got, i64::MAX),
        }
        prop_assert!(got >= size);
    }
}
