//! Ranges against what is true of each byte.

use proptest::prelude::*;

use crate::range::{chunk, clip, pages, round_up, Pages, Partial};

const PAGE: u64 = 4096;

/// Positions of interest: around pages, and at the end of what there is.
fn position() -> impl Strategy<Value = i64> {
    let near = (0..20i64, -2..3i64).prop_map(|(page, by)| (page * PAGE as i64 + by).max(0));
    let end = (0..10_000i64).prop_map(|by| i64::MAX - by);
    prop_oneof![4 => near, 2 => 0..100_000i64, 1 => end, 1 => 0..i64::MAX]
}

/// The bytes that a partial page stands for.
fn bytes(partial: Option<Partial>) -> Option<(u128, u128)> {
    let partial = partial?;
    let start = u128::from(partial.index) * u128::from(PAGE);
    Some((start + partial.start as u128, start + partial.end as u128))
}

/// All that `pages` stands for, in order, joined where one part follows the other.
fn covered(pages: &Pages, no_end: u128) -> Vec<(u128, u128)> {
    let scale = |index: u64| u128::from(index) * u128::from(PAGE);
    let whole = (scale(pages.start), pages.end.map_or(no_end, scale));
    let mut parts: Vec<(u128, u128)> = Vec::new();
    let all = [bytes(pages.head), Some(whole), bytes(pages.tail)];
    for part in all.into_iter().flatten().filter(|(start, end)| start < end) {
        match parts.last_mut() {
            Some(last) if last.1 == part.0 => last.1 = part.1,
            _ => parts.push(part),
        }
    }
    parts
}

proptest! {
    /// Head, whole pages and tail are the range, each byte of it once, and nothing else.
    #[test]
    fn the_parts_are_the_range(start in position(), end in prop::option::of(position())) {
        let no_end = u128::MAX;
        let got = pages(start, end, PAGE);
        let want = (start as u128, end.map_or(no_end, |end| end as u128));
        let want = if want.0 < want.1 { vec![want] } else { vec![] };
        prop_assert_eq!(covered(&got, no_end), want, "{:?}", got);
        for partial in [got.head, got.tail].into_iter().flatten() {
            prop_assert!(partial.start < partial.end && partial.end <= PAGE as usize);
            prop_assert!(partial.end - partial.start < PAGE as usize, "a whole page is none in part");
            let whole = got.start..got.end.unwrap_or(u64::MAX);
            prop_assert!(!whole.contains(&partial.index), "a page is both whole and in part");
        }
        if let (Some(head), Some(tail)) = (got.head, got.tail) {
            prop_assert!(head.index < tail.index);
        }
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

#[test]
fn a_tail_is_in_its_page() {
    let inside = pages(0, Some(PAGE as i64 + 1), PAGE);
    assert!(inside.tail_is(1) && !inside.tail_is(0));
    let whole = pages(0, Some(PAGE as i64), PAGE);
    assert!(!whole.tail_is(0) && !whole.tail_is(1));
}
