//! Positions, lengths, pages and orders against arithmetic that has room for all of them.

use proptest::prelude::*;

use crate::units::{Ino, Len, Order, PageCount, PageIndex, PageRange, Pos, PAGE_SHIFT};

const PAGE: u128 = 1 << PAGE_SHIFT;
const POS_MAX: u128 = i64::MAX as u128;
/// `MAX_LFS_FILESIZE` of 64 bits, and of 32.
const FILE_SIZES: [u64; 2] = [i64::MAX as u64, (u32::MAX as u64) << PAGE_SHIFT];

/// Where something happens, and the values beside.
fn edges() -> Vec<u64> {
    let mut edges = vec![0, 1, i64::MAX as u64, u64::MAX];
    edges.extend(FILE_SIZES);
    for shift in [PAGE_SHIFT, 21, 31, 32, 43, 51, 52, 63] {
        edges.extend([1 << shift, u64::MAX >> shift, i64::MAX as u64 >> shift]);
    }
    let beside = |edge: u64| (-2..=2).map(move |by| edge.wrapping_add_signed(by));
    edges.into_iter().flat_map(beside).collect()
}

/// A value of C, with the edges many times.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![3 => prop::sample::select(edges()), 1 => any::<u64>()]
}

fn position() -> impl Strategy<Value = Pos> {
    number().prop_map(|raw| Pos::from_loff(raw as i64))
}

fn order() -> impl Strategy<Value = Order> {
    (0..=31u32).prop_map(|raw| Order::new(raw).expect("an order up to 31"))
}

fn wide(pos: Pos) -> u128 {
    u128::try_from(pos.to_loff()).expect("a position is not negative")
}

fn pages_of(order: Order) -> u128 {
    1 << order.to_uint()
}

/// What is left of a sum or a product in 64 bits.
fn saturated(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_position_is_never_negative(raw in number()) {
        let raw = raw as i64;
        prop_assert_eq!(Pos::new(raw).map(Pos::to_loff), (raw >= 0).then_some(raw));
        let pos = Pos::from_loff(raw);
        prop_assert!(pos.to_loff() >= 0 && pos <= Pos::MAX);
        prop_assert!(raw < 0 || pos.to_loff() == raw);
    }

    #[test]
    fn positions_move(pos in position(), len in number()) {
        let sum = wide(pos) + u128::from(len);
        let len = Len::from_u64(len);
        prop_assert_eq!(wide(pos.saturating_add(len)), sum.min(POS_MAX));
        prop_assert_eq!(pos.checked_add(len).map(wide), (sum <= POS_MAX).then_some(sum));
        let back = wide(pos).saturating_sub(u128::from(len.to_u64()));
        prop_assert_eq!(wide(pos.saturating_sub(len)), back);
        prop_assert_eq!(pos.before().map(wide), wide(pos).checked_sub(1));
    }

    #[test]
    fn distances_are_differences(start in position(), end in position()) {
        let want = wide(end).saturating_sub(wide(start));
        prop_assert_eq!(u128::from(start.distance_to(end).to_u64()), want);
        prop_assert!(start > end || start.saturating_add(start.distance_to(end)) == end);
    }

    #[test]
    fn a_position_is_in_its_page(pos in position(), order in order()) {
        let index = u128::from(pos.page().to_u64());
        prop_assert!(index * PAGE <= wide(pos) && wide(pos) < (index + 1) * PAGE);
        let start = pos.page().start().expect("a page that has a position starts at one");
        prop_assert_eq!(start.saturating_add(pos.offset_in(Order::ZERO)), pos);

        let bytes = pages_of(order) * PAGE;
        prop_assert_eq!(u128::from(pos.offset_in(order).to_u64()), wide(pos) % bytes);
        let left = u128::from(pos.left_in(order).to_u64());
        prop_assert_eq!(left, bytes - wide(pos) % bytes);
        prop_assert_eq!(
            u128::from(pos.page_end().to_u64()),
            wide(pos).div_ceil(PAGE)
        );
    }

    #[test]
    fn pages_start_where_they_do(index in number()) {
        let start = u128::from(index) * PAGE;
        let index = PageIndex::new(index);
        prop_assert_eq!(index.start().map(wide), (start <= POS_MAX).then_some(start));
        prop_assert_eq!(wide(index.start_or_max()), start.min(POS_MAX));
        if let Some(start) = index.start() {
            prop_assert_eq!(start.page(), index);
            prop_assert_eq!(start.page_end(), index);
        }
    }

    #[test]
    fn a_folio_fits_in_a_number(index in number(), pages in 0..5000u64) {
        let start = PageIndex::new(index);
        let range = PageRange::new(start, start.saturating_add(PageCount::new(pages)));
        match range.to_bits() {
            Some(0) => prop_assert!(range.is_empty()),
            Some(bits) => prop_assert_eq!(PageRange::from_bits(bits), range),
            None => prop_assert!(range.len() > PageCount::new(4095) || index >> 52 != 0),
        }
        prop_assert!(PageRange::from_bits(0).is_empty());
    }

    #[test]
    fn pages_move(index in number(), pages in number()) {
        let (from, by) = (u128::from(index), u128::from(pages));
        let (index, pages) = (PageIndex::new(index), PageCount::new(pages));
        prop_assert_eq!(index.saturating_add(pages).to_u64(), saturated(from + by));
        prop_assert_eq!(index.next().to_u64(), saturated(from + 1));
        prop_assert_eq!(index.before().map(|it| u128::from(it.to_u64())), from.checked_sub(1));
        let end = PageIndex::new(pages.to_u64());
        prop_assert_eq!(u128::from(index.distance_to(end).to_u64()), by.saturating_sub(from));
        prop_assert_eq!(PageIndex::from_pgoff(index.to_pgoff()), index);
    }

    #[test]
    fn pages_are_in_their_folio(index in number(), order in order()) {
        let nr = pages_of(order);
        let start = u128::from(index) / nr * nr;
        let index = PageIndex::new(index);
        let folio = index.folio(order);
        prop_assert_eq!(index.align_down(order).to_u64(), saturated(start));
        prop_assert_eq!(index.is_aligned(order), start == u128::from(index.to_u64()));
        prop_assert_eq!(u128::from(index.offset_in(order).to_u64()), u128::from(index.to_u64()) - start);
        prop_assert_eq!(index.folio_number(order) as u128, start / nr);
        prop_assert_eq!(index.is_aligned(order), order <= index.largest_order());
        prop_assert_eq!((folio.start.to_u64(), folio.end.to_u64()), (saturated(start), saturated(start + nr)));
        prop_assert!(folio.contains(index) || index == PageIndex::END);
    }

    #[test]
    fn counts_are_counted(some in number(), others in number()) {
        let (a, b) = (u128::from(some), u128::from(others));
        let (some, others) = (PageCount::new(some), PageCount::new(others));
        prop_assert_eq!(some.saturating_add(others).to_u64(), saturated(a + b));
        prop_assert_eq!(u128::from(some.saturating_sub(others).to_u64()), a.saturating_sub(b));
        let around = ((1 << 64) + a - b) % (1 << 64);
        prop_assert_eq!(u128::from(some.wrapping_sub(others).to_u64()), around);
        prop_assert_eq!(u128::from(some.half().to_u64()), a / 2);
        prop_assert_eq!(some.is_zero(), a == 0);
        let fits = |raw: &u32| 1u128 << raw <= a;
        prop_assert_eq!(some.largest_order().map(Order::to_uint), (0..=31).rev().find(fits));
        prop_assert_eq!(some.bytes().to_u64(), saturated(a * PAGE));
        prop_assert_eq!(u128::from(some.shown_kib()), a * PAGE / 1024 % (1 << 64));
        prop_assert_eq!(some.to_long() as u128, a.min(isize::MAX as u128));
        prop_assert_eq!(some.to_int() as u128, a.min(i32::MAX as u128));
        prop_assert_eq!(PageCount::from_ulong(some.to_ulong()), some);
        let long = some.to_u64() as isize;
        prop_assert_eq!(PageCount::from_long(long).to_u64() as i128, (long as i128).max(0));
    }

    #[test]
    fn lengths_are_counted(some in number(), others in number()) {
        let (a, b) = (u128::from(some), u128::from(others));
        let (some, others) = (Len::from_u64(some), Len::from_u64(others));
        prop_assert_eq!(some.saturating_add(others).to_u64(), saturated(a + b));
        prop_assert_eq!(u128::from(some.saturating_sub(others).to_u64()), a.saturating_sub(b));
        prop_assert_eq!(some.to_loff() as u128, a.min(i64::MAX as u128));
        prop_assert_eq!(some.to_ssize() as u128, a.min(isize::MAX as u128));
        let fits = |raw: &u32| a <= PAGE << raw;
        prop_assert_eq!(some.order().to_uint(), (0..31).find(fits).unwrap_or(31));
        prop_assert_eq!(some.to_uint() as u128, a.min(u32::MAX as u128));
        prop_assert_eq!(Len::new(some.to_usize()), some);
        prop_assert_eq!(some.is_zero(), a == 0);
    }

    /// A range is the pages that it says, one by one.
    #[test]
    fn ranges_have_their_pages(start in number(), end in number(), other in number(), index in number()) {
        let range = PageRange::new(PageIndex::new(start), PageIndex::new(end));
        let all = u128::from(start)..u128::from(end);
        prop_assert_eq!(range.is_empty(), all.is_empty());
        prop_assert_eq!(u128::from(range.len().to_u64()), all.end.saturating_sub(all.start));
        prop_assert_eq!(range.contains(PageIndex::new(index)), all.contains(&u128::from(index)));
        let last = (!all.is_empty()).then(|| end - 1);
        prop_assert_eq!(range.last().map(PageIndex::to_u64), last);

        let with = PageRange::new(PageIndex::new(index.min(other)), PageIndex::new(index.max(other)));
        let both = range.clip(&with);
        for page in [start, end, index, other].into_iter().flat_map(|it| [it, it.wrapping_sub(1)]) {
            let page = PageIndex::new(page);
            prop_assert_eq!(both.contains(page), range.contains(page) && with.contains(page));
        }
        prop_assert!(both.is_empty() || range.contains_all(&both) && with.contains_all(&both));
        prop_assert!(with.is_empty() || range.contains_all(&with) == (both == with));
    }

    #[test]
    fn inodes_have_two_halves(raw: u64) {
        let ino = Ino::new(raw);
        prop_assert_eq!(Ino::from_halves(ino.low(), ino.high()), ino);
        prop_assert_eq!((ino.low(), ino.high()), (raw as u32, (raw >> 32) as u32));
        prop_assert_eq!(ino.is_narrow(), raw <= u64::from(u32::MAX));
        prop_assert_eq!(ino.wrapping_next().to_u64(), raw.wrapping_add(1));
    }

    #[test]
    fn orders_are_bounded(raw: u32) {
        prop_assert_eq!(Order::new(raw).map(Order::to_uint), (raw <= 31).then_some(raw));
        let order = Order::from_uint(raw);
        prop_assert!(order <= Order::MAX && (raw > 31 || order.to_uint() == raw));
        prop_assert_eq!(Order::from_int(raw as i32), order);
        prop_assert_eq!(i64::from(order.to_int()), i64::from(order.to_uint()));
    }
}
