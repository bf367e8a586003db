//! Sizes of folios that fit against what each of their pages is for.

use proptest::prelude::*;

use crate::pure::fitting::{for_append, for_fault, within};
use crate::units::{Order, PageCount, PageIndex, PageRange};

/// Page numbers at the edges of folios and of files.
fn page() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..2048u64,
        (0..52u32, -2..=2i64).prop_map(|(bit, by)| (1u64 << bit).saturating_add_signed(by)),
        Just(u64::MAX),
    ]
}

proptest! {
    #[test]
    fn no_page_is_beyond_the_call(index in page(), end in page()) {
        let (index, end) = (PageIndex::new(index), PageIndex::new(end));
        let folio = index.folio(within(index, end));
        prop_assert_eq!(folio.start, index);
        prop_assert!(within(index, end).is_zero() || folio.end <= end);
        // The next larger would begin before the page or end behind the call.
        let larger = within(index, end).larger();
        prop_assert!(
            larger == within(index, end)
                || !index.is_aligned(larger)
                || index.distance_to(end) < larger.pages()
        );
    }

    #[test]
    fn faults_stay_in_the_mapping(index in page(), before in 0..10u32, start in page(), end in page()) {
        let (index, mapped) = (
            PageIndex::new(index),
            PageRange::new(PageIndex::new(start), PageIndex::new(end)),
        );
        let order = for_fault(index, Order::from_uint(before), &mapped);
        let folio = index.folio(order);
        prop_assert_eq!(folio.start, index);
        prop_assert!(order.is_zero() || mapped.contains_all(&folio));
        // What may have come by chance proves no run.
        let growth = if before < 2 { 1 } else { 2 };
        prop_assert!(order.to_uint() <= before + growth);
    }

    #[test]
    fn growth_is_a_part_of_the_file(index in page(), before in 0..=31u32, pages in page()) {
        let pages = PageCount::new(pages);
        let order = for_append(PageIndex::new(index), Order::from_uint(before), pages, Order::MAX);
        prop_assert!(PageIndex::new(index).is_aligned(order));
        prop_assert!(order.is_zero() || order.pages() <= pages.eighth());
        prop_assert!(order.to_uint() <= before + 1);
    }
}
