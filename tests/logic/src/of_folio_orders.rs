//! Sizes of folios against what is true of each page.

use proptest::prelude::*;

use crate::pure::folio_orders::{
    allowed, pages_beyond, without_conflict, Advice, Controls, Orders, Request, System,
};
use crate::pure::huge_policy::HugePolicy;
use crate::units::{Order, PageCount, PageIndex, PageRange};

const MAX: u32 = 9;
const SUPPORTED: Orders = Orders::up_to(order(MAX));

const fn order(raw: u32) -> Order {
    Order::from_uint(raw)
}

fn aligned_start(index: u64, order: u32) -> u64 {
    index >> order << order
}

fn policy() -> impl Strategy<Value = HugePolicy> {
    (0..4u32).prop_map(HugePolicy::from_number)
}

fn system() -> impl Strategy<Value = System> {
    prop_oneof![
        1 => Just(System::Deny),
        1 => Just(System::Force),
        4 => Just(System::Mount),
    ]
}

fn orders() -> impl Strategy<Value = Orders> {
    any::<usize>().prop_map(|bits| Orders::from_bits(bits).and(SUPPORTED))
}

fn controls() -> impl Strategy<Value = Controls> {
    (system(), orders(), orders(), orders(), orders()).prop_map(
        |(system, always, advise, inherit, within_size)| Controls {
            system,
            always,
            advise,
            inherit,
            within_size,
            supported: SUPPORTED,
            pmd: Orders::one(order(MAX)),
        },
    )
}

fn advice() -> impl Strategy<Value = Option<Advice>> {
    let some = any::<(bool, bool, bool)>().prop_map(|(forbids, wants, is_anonymous)| Advice {
        forbids,
        wants,
        is_anonymous,
    });
    proptest::option::of(some)
}

fn request() -> impl Strategy<Value = Request> {
    (0..3000u64, 0..3000u64, 0..3000u64, advice(), any::<bool>()).prop_map(
        |(index, file_end, write_end, advice, forced)| Request {
            index: PageIndex::new(index),
            file_end: PageIndex::new(file_end),
            write_end: PageIndex::new(write_end),
            advice,
            forced,
        },
    )
}

fn each(orders: Orders) -> Vec<u32> {
    let mut left = orders;
    let mut all = Vec::new();
    while let Some(order) = left.highest() {
        all.push(order.to_uint());
        left = left.below(order);
    }
    all
}

proptest! {
    /// Nothing is allowed that the page cache has no folios for, and single pages are no large folios.
    #[test]
    fn allowed_orders_are_supported(policy in policy(), controls in controls(), request in request()) {
        let orders = allowed(policy, &controls, &request);
        prop_assert_eq!(orders.and(SUPPORTED), orders);
    }

    /// Whoever forbids is obeyed.
    #[test]
    fn what_is_forbidden_is_not_done(policy in policy(), controls in controls(), request in request()) {
        let orders = allowed(policy, &controls, &request);
        let forbidden = request.advice.is_some_and(|a| a.forbids) || controls.system == System::Deny;
        prop_assert!(!forbidden || orders.is_empty());
    }

    /// A file with a name gets nothing on a mount that says never, unless it is forced to.
    #[test]
    fn never_is_never(controls in controls(), request in request()) {
        let named = !request.advice.is_some_and(|a| a.is_anonymous);
        if named && !request.forced && controls.system == System::Mount {
            prop_assert!(allowed(HugePolicy::Never, &controls, &request).is_empty());
        }
    }

    /// The highest order that a mount allows within the size of a file ends there.
    #[test]
    fn within_size_ends_in_the_file(controls in controls(), request in request()) {
        let request = Request { advice: None, forced: false, ..request };
        if controls.system == System::Mount {
            let end = request.file_end.max(request.write_end).to_u64();
            let highest = allowed(HugePolicy::WithinSize, &controls, &request).highest();
            let fits = |order: u32| aligned_start(request.index.to_u64(), order) + (1 << order) <= end;
            prop_assert_eq!(highest.map(Order::to_uint), (1..=MAX).rev().find(|order| fits(*order)));
        }
    }

    /// A mapping that asks for large folios gets at least what one that does not ask gets.
    #[test]
    fn advice_takes_nothing_away(policy in policy(), controls in controls(), request in request()) {
        let with = |wants| {
            let advice = request.advice.map(|advice| Advice { wants, ..advice });
            allowed(policy, &controls, &Request { advice, ..request })
        };
        prop_assert_eq!(with(false).and(with(true)), with(false));
    }

    /// What remains after conflicts begins with the highest order that meets nothing, and has all below.
    #[test]
    fn conflicts_leave_the_highest_that_is_clear(
        orders in orders(),
        index in 0..2000u64,
        present in proptest::collection::btree_set(0..2000u64, 0..6),
    ) {
        let find = |start, end| present.range(start..end).next().copied();
        let left = without_conflict(orders, PageIndex::new(index), |range| {
            find(range.start.to_u64(), range.end.to_u64()).map(PageIndex::new)
        });
        let clear = |order: &u32| {
            let start = aligned_start(index, *order);
            find(start, start + (1 << order)).is_none()
        };
        let expected = each(orders).into_iter().find(clear);
        prop_assert_eq!(left.highest(), expected.map(order));
        if let Some(order) = left.highest() {
            prop_assert_eq!(left.below(order), orders.below(order));
        }
    }

    /// Those that start at a page and are short enough are all aligned ones of that size.
    #[test]
    fn orders_that_start_at_a_page(orders in orders(), index in prop_oneof![Just(0u64), 0..2000u64], pages in 0..2000u64) {
        let expected: Vec<u32> = each(orders)
            .into_iter()
            .filter(|order| aligned_start(index, *order) == index && 1 << order <= pages)
            .collect();
        let (index, pages) = (PageIndex::new(index), PageCount::new(pages));
        prop_assert_eq!(each(orders.starting_at(index, pages)), expected);
        let all = Orders::up_to(Order::MAX);
        prop_assert_eq!(all.starting_at(PageIndex::ZERO, PageCount::MAX), all);
    }

    /// A search costs no more look-ups than there are orders.
    #[test]
    fn conflicts_are_looked_for_once_an_order(orders in orders(), index in 0..2000u64, present in 0..2000u64) {
        let count = std::cell::Cell::new(0);
        without_conflict(orders, PageIndex::new(index), |range| {
            count.set(count.get() + 1);
            Some(PageIndex::new(present)).filter(|page| range.contains(*page))
        });
        prop_assert!(count.get() <= each(orders).len());
    }

    /// Each page of a folio that the file begins in is used or is not.
    #[test]
    fn pages_beyond_are_those_after_the_end(start in 0..100u64, pages in 1..100u64, file_end in 0..300u64) {
        let end = start + pages;
        let beyond = (start..end).filter(|page| *page >= file_end).count() as u64;
        let expected = if beyond == pages { 0 } else { beyond };
        let folio = PageRange::new(PageIndex::new(start), PageIndex::new(end));
        prop_assert_eq!(pages_beyond(folio, PageIndex::new(file_end)), PageCount::new(expected));
    }
}
