// SPDX-License-Identifier: GPL-2.0

//! How large a new folio is with `huge=fit`: as large as what it is for, so that a file has the pages that it would
//! have of single ones.
//!
//! A call that says what it is going to write or to allocate gets no page beyond that. Where pages are asked for one
//! after another, by small calls at the end of a file or by faults, each folio may be larger than the one before it,
//! and so have pages that are asked for later, or never.

use crate::units::{Order, PageCount, PageIndex, PageRange};

/// Before this page there are none that were not asked for: small files are exact.
const RUN_START: PageIndex = PageIndex::new(16);

/// Calls for this many pages and more are no small ones.
const LARGE_CALL: PageCount = PageCount::new(16);

/// A folio of this order shows that faults come one after another: pages touched at random hardly ever make one.
const RUN_OF_FAULTS: Order = Order::from_uint(2);

/// The largest order of a folio that begins with page `index` and ends at or before page `end`.
pub(crate) fn within(index: PageIndex, end: PageIndex) -> Order {
    match index.distance_to(end).largest_order() {
        Some(order) => order.min(index.largest_order()),
        None => Order::ZERO,
    }
}

/// Whether page `index` may be given a folio for what follows it, too: where not, there is no need to look at what is
/// before it.
pub(crate) fn may_run(index: PageIndex) -> bool {
    index >= RUN_START && !index.largest_order().is_zero()
}

/// Whether a call that writes `call`, and is at page `index` of a file with the pages up to `file_end`, adds so little
/// at its end that others like it are to be expected.
pub(crate) fn is_append(index: PageIndex, call: &PageRange, file_end: PageIndex) -> bool {
    index >= file_end && call.len() < LARGE_CALL
}

/// The order of a folio for the page `index` of a fault, after a folio of order `before` and within `mapped`, the
/// pages that are both of the file and of the mapping. Such folios grow by two orders, so that alignment is what limits
/// them: a run that begins with the file gets as many pages as it has.
pub(crate) fn for_fault(index: PageIndex, before: Order, mapped: &PageRange) -> Order {
    if index < mapped.start {
        return Order::ZERO;
    }
    let next = if before < RUN_OF_FAULTS {
        before.larger()
    } else {
        before.larger().larger()
    };
    next.min(within(index, mapped.end))
}

/// The order of a folio for page `index` of a file that grows by small calls and has `pages` pages, after a folio of
/// order `before`: an eighth of them at most, and less than `mapped`, that of a folio which the MM maps as a whole
/// though the file ends in it.
pub(crate) fn for_append(
    index: PageIndex,
    before: Order,
    pages: PageCount,
    mapped: Order,
) -> Order {
    match pages.eighth().largest_order() {
        Some(largest) => before
            .larger()
            .min(largest)
            .min(index.largest_order())
            .min(mapped.smaller()),
        None => Order::ZERO,
    }
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(rtmpfs_fitting))]
mod tests {
    use super::*;

    const fn page(index: u64) -> PageIndex {
        PageIndex::new(index)
    }

    fn order(raw: u32) -> Order {
        Order::from_uint(raw)
    }

    #[test]
    fn a_call_gets_what_it_asks_for() {
        assert_eq!(within(page(0), page(1)), order(0));
        assert_eq!(within(page(0), page(512)), order(9));
        assert_eq!(within(page(0), page(511)), order(8));
        assert_eq!(within(page(1), page(512)), order(0));
        assert_eq!(within(page(4), page(512)), order(2));
        assert_eq!(within(page(512), page(513)), order(0));
        assert_eq!(within(page(5), page(5)), order(0));
        assert_eq!(within(page(6), page(5)), order(0));
        assert_eq!(within(page(0), PageIndex::END), Order::MAX);
        assert_eq!(within(PageIndex::END, PageIndex::END), order(0));
    }

    #[test]
    fn runs_begin_late_and_grow() {
        assert!(!may_run(page(0)) && !may_run(page(14)) && may_run(page(16)));
        assert!(!may_run(page(17)) && may_run(page(18)) && !may_run(PageIndex::END));

        let mapped = PageRange::new(page(8), page(100));
        assert_eq!(for_fault(page(16), order(0), &mapped), order(1));
        assert_eq!(for_fault(page(32), order(1), &mapped), order(2));
        assert_eq!(for_fault(page(32), order(2), &mapped), order(4));
        assert_eq!(for_fault(page(32), order(3), &mapped), order(5));
        assert_eq!(for_fault(page(32), order(4), &mapped), order(5));
        assert_eq!(for_fault(page(64), order(9), &mapped), order(5));
        assert_eq!(for_fault(page(96), order(9), &mapped), order(2));
        assert_eq!(for_fault(page(100), order(9), &mapped), order(0));
        assert_eq!(for_fault(page(4), order(9), &mapped), order(0));
    }

    #[test]
    fn growth_is_an_eighth_at_most() {
        assert_eq!(
            for_append(page(16), order(0), PageCount::new(15), order(9)),
            order(0)
        );
        assert_eq!(
            for_append(page(16), order(0), PageCount::new(16), order(9)),
            order(1)
        );
        assert_eq!(
            for_append(page(64), order(4), PageCount::new(64), order(9)),
            order(3)
        );
        assert_eq!(
            for_append(page(64), order(1), PageCount::MAX, order(9)),
            order(2)
        );
        assert_eq!(
            for_append(page(0), Order::MAX, PageCount::MAX, order(9)),
            order(8)
        );
        assert_eq!(
            for_append(page(0), Order::MAX, PageCount::MAX, order(0)),
            order(0)
        );
    }

    #[test]
    fn small_calls_at_the_end_append() {
        let is_append = |index, start, end, file_end| {
            let call = PageRange::new(page(start), page(end));
            is_append(page(index), &call, page(file_end))
        };
        assert!(is_append(8, 8, 9, 8));
        assert!(is_append(9, 8, 23, 9));
        assert!(!is_append(23, 8, 24, 23));
        assert!(!is_append(7, 7, 8, 8));
    }
}
