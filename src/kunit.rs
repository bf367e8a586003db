// SPDX-License-Identifier: GPL-2.0

//! KUnit suites for what needs nothing of the kernel, run in it when the module is loaded.
//!
//! `tests/logic` has property tests of the same files in user space; these show that they mean the
//! same here, with the kernel's compiler flags.

use kernel::prelude::*;

#[kunit_tests(rtmpfs_size)]
mod size {
    use crate::mm::PageCount;
    use crate::tmpfs::pure::option_number::{self, parse_count};

    fn parse_pages(text: &[u8], page_shift: u32, total: u64) -> Option<u64> {
        option_number::parse_pages(text, page_shift, PageCount::new(total)).map(PageCount::to_u64)
    }

    #[test]
    fn counts_have_bases_and_suffixes() {
        assert_eq!(parse_count(b"123", 1000), Some(123));
        assert_eq!(parse_count(b"0x10", 1000), Some(16));
        assert_eq!(parse_count(b"010", 1000), Some(8));
        assert_eq!(parse_count(b"2k", 4096), Some(2048));
        assert_eq!(parse_count(b"1M", 1 << 20), Some(1 << 20));
    }

    #[test]
    fn counts_refuse_rests_and_excess() {
        assert_eq!(parse_count(b"12x", 1000), None);
        assert_eq!(parse_count(b"1001", 1000), None);
        assert_eq!(parse_count(b"k", 1000), None);
        assert_eq!(parse_count(b"16e", u64::MAX), None);
        assert_eq!(parse_count(b"99999999999999999999", u64::MAX), None);
    }

    #[test]
    fn pages_are_rounded_up() {
        assert_eq!(parse_pages(b"1", 12, 100), Some(1));
        assert_eq!(parse_pages(b"4096", 12, 100), Some(1));
        assert_eq!(parse_pages(b"4097", 12, 100), Some(2));
        assert_eq!(parse_pages(b"50%", 12, 100), Some(50));
        assert_eq!(parse_pages(b"50%%", 12, 100), None);
    }
}

#[kunit_tests(rtmpfs_numbers)]
mod numbers {
    use crate::mm::Ino;
    use crate::tmpfs::pure::inode_numbers;

    fn allocate(next: u64, wide: bool) -> (u64, u64, bool) {
        let (number, after, wrapped) = inode_numbers::allocate(Ino::new(next), wide);
        (number.to_u64(), after.to_u64(), wrapped)
    }

    #[test]
    fn zero_is_left_out() {
        assert_eq!(allocate(1, true), (1, 2, false));
        assert_eq!(
            allocate(1 << 32, true),
            ((1 << 32) + 1, (1 << 32) + 2, false)
        );
    }

    #[test]
    fn narrow_numbers_start_again() {
        assert_eq!(allocate(0xffff_ffff, false), (0xffff_ffff, 1 << 32, false));
        assert_eq!(allocate(1 << 32, false), (1, 2, true));
        assert!(Ino::new(0xffff_ffff).is_narrow());
        assert!(!Ino::new(1 << 32).is_narrow());
    }
}

#[kunit_tests(rtmpfs_range)]
mod range {
    use crate::mm::{Len, Order, PageIndex, PageRange, Pos, PAGE_SIZE};
    use crate::tmpfs::pure::range::{chunk, clip, pages, Edge, Pages};

    #[test]
    fn transfers_stop_at_units() {
        let pos = |bytes| Pos::ZERO.saturating_add(Len::new(bytes));
        assert_eq!(
            chunk(pos(PAGE_SIZE - 6), Len::new(100), Order::ZERO),
            Len::new(6)
        );
        assert_eq!(
            chunk(pos(2 * PAGE_SIZE), Len::new(100), Order::ZERO),
            Len::new(100)
        );
        assert_eq!(clip(pos(10), Len::new(100), pos(50)), Len::new(40));
        assert_eq!(clip(pos(60), Len::new(100), pos(50)), Len::ZERO);
    }

    #[test]
    fn ranges_have_partial_edges() {
        let pos = |bytes| Pos::ZERO.saturating_add(Len::new(bytes));
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
            pages(pos(PAGE_SIZE), Some(pos(2 * PAGE_SIZE + 5))),
            Pages {
                whole: PageRange::new(page(1), page(2)),
                first: edge(1, false),
                last: edge(2, true)
            }
        );
    }
}

#[kunit_tests(rtmpfs_limits)]
mod limits {
    use crate::tmpfs::pure::inode_limit::{InodeLimit, InodeSpace};
    use crate::tmpfs::pure::limits::{Counter, Limit, LimitError};
    use core::cell::Cell;

    struct Plain(Cell<i64>);

    impl Counter for Plain {
        fn add(&self, amount: i64) {
            self.0.set(self.0.get() + amount);
        }

        fn add_limited(&self, limit: i64, amount: i64) -> bool {
            let fits = self.0.get() + amount <= limit;
            if fits {
                self.add(amount);
            }
            fits
        }

        fn sum(&self) -> i64 {
            self.0.get()
        }
    }

    #[test]
    fn reservations_return_unless_committed() {
        let limit = Limit::new(10, Plain(Cell::new(0)));
        let reservation = limit.reserve(6);
        assert!(limit.reserve(5).is_none());
        drop(limit.reserve(4));
        assert_eq!(limit.free(), 4);
        if let Some(reservation) = reservation {
            reservation.commit();
        }
        assert_eq!(limit.used(), 6);
        limit.release(6);
        assert_eq!(limit.free(), 10);
    }

    #[test]
    fn limits_do_not_go_below_use() {
        let limit = Limit::new(10, Plain(Cell::new(6)));
        assert_eq!(limit.check_max(5), Err(LimitError::InUse));
        assert_eq!(limit.check_max(6), Ok(()));
        assert_eq!(limit.check_max(0), Ok(()));
        limit.set_max(0);
        assert_eq!(limit.check_max(5), Err(LimitError::WasUnlimited));
        assert!(limit.reserve(1000).is_some());
    }

    #[test]
    fn parts_of_an_inode_count() {
        let limit = InodeLimit::new(2, Plain(Cell::new(0)));
        for space in [InodeSpace::INODE, InodeSpace::from_bytes(1)] {
            if let Some(reservation) = limit.reserve(space) {
                reservation.commit();
            }
        }
        assert_eq!((limit.max(), limit.free()), (2, 0));
        assert!(limit.reserve(InodeSpace::from_bytes(1024)).is_none());
        assert_eq!(limit.check_max(1), Err(LimitError::InUse));
        limit.release(InodeSpace::from_bytes(1));
        assert_eq!(limit.free(), 1);
        assert_eq!(limit.check_max(1), Ok(()));
    }
}

#[kunit_tests(rtmpfs_cookies)]
mod cookies {
    use crate::vfs::cookies::{Cookie, Entries, Run};
    use kernel::prelude::*;

    type Slots = KVec<Option<u32>>;
    type Names = Entries<u32, Slots, KVVec<Run<Slots>>>;

    fn add(names: &mut Names, entry: u32) -> Option<Cookie> {
        Some(names.reserve().ok()?.fill(entry))
    }

    fn got(names: &Names, cookie: Option<Cookie>) -> Option<u32> {
        Some(names.find(cookie?)?.1)
    }

    fn remove(names: &mut Names, cookie: Option<Cookie>) {
        if let Some((place, _)) = cookie.and_then(|cookie| names.find(cookie)) {
            names.remove(place);
        }
    }

    fn listed(names: &Names, from: Cookie) -> (u32, u32) {
        let (mut count, mut first) = (0, 0);
        names.all_down_from(from, |_, entry| {
            if count == 0 {
                first = entry;
            }
            count += 1;
            true
        });
        (count, first)
    }

    #[test]
    fn entries_are_found_and_order_stays() {
        let mut names = Names::starting_at(Cookie::FIRST);
        let mut cookies = [None; 200];
        for (entry, cookie) in (0..).zip(&mut cookies) {
            *cookie = add(&mut names, entry);
        }
        assert!(cookies.is_sorted());
        assert_eq!(listed(&names, Cookie::LAST), (200, 199));
        for (entry, cookie) in (0..).zip(cookies) {
            assert_eq!(got(&names, cookie), Some(entry));
        }
        for cookie in &cookies[1..199] {
            remove(&mut names, *cookie);
            assert_eq!(got(&names, *cookie), None);
        }
        assert_eq!(listed(&names, Cookie::LAST), (2, 199));
        assert_eq!(cookies[150].map(|from| listed(&names, from)), Some((1, 0)));
    }

    #[test]
    fn the_last_cookie_is_not_the_end() {
        let mut names = Names::starting_at(Cookie::LAST);
        assert_eq!(add(&mut names, 1), Some(Cookie::LAST));
        assert_eq!(add(&mut names, 2), Some(Cookie::FIRST));
        assert_eq!(listed(&names, Cookie::LAST), (2, 1));
        remove(&mut names, Some(Cookie::LAST));
        assert_eq!(listed(&names, Cookie::LAST), (1, 2));
    }
}

#[kunit_tests(rtmpfs_handle)]
mod handle {
    use crate::mm::Ino;
    use crate::vfs::handle::Handle;

    #[test]
    fn handles_come_back_from_their_words() {
        let handle = Handle {
            ino: Ino::new(0x1_0000_0002),
            generation: 3,
        };
        assert_eq!(handle.to_words(), [3, 2, 1]);
        assert_eq!(Handle::from_words(&[3, 2, 1, 9]), Some(handle));
        assert_eq!(Handle::from_words(&[3, 2]), None);
        assert_eq!(handle.hash(), 0x1_0000_0005);
    }
}

#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
#[kunit_tests(rtmpfs_huge)]
mod huge {
    use crate::mm::{Order, PageCount, PageIndex, PageRange};
    use crate::tmpfs::pure::folio_orders::{pages_beyond, without_conflict, Orders};
    use crate::tmpfs::pure::huge_policy::HugePolicy;

    #[test]
    fn policies_have_names() {
        assert_eq!(
            HugePolicy::parse(b"within_size"),
            Some(HugePolicy::WithinSize)
        );
        assert_eq!(HugePolicy::WithinSize.name(), "within_size");
        assert_eq!(HugePolicy::parse(b"deny"), None);
    }

    #[test]
    fn conflicts_leave_what_is_clear() {
        let all = Orders::up_to(Order::from_uint(9));
        let index = PageIndex::new(5);
        assert_eq!(without_conflict(all, index, |_| None), all);
        let left = |at| {
            let at = PageIndex::new(at);
            without_conflict(all, index, |range| {
                Some(at).filter(|at| range.contains(*at))
            })
        };
        assert_eq!(left(0).highest(), Order::new(2));
        assert_eq!(left(4).highest(), None);
    }

    #[test]
    fn pages_are_beyond_the_file() {
        let page = PageIndex::new;
        let beyond = |start, end, file_end| {
            pages_beyond(PageRange::new(page(start), page(end)), page(file_end))
        };
        assert_eq!(beyond(0, 512, 3), PageCount::new(509));
        assert_eq!(beyond(0, 512, 512), PageCount::ZERO);
        assert_eq!(beyond(512, 1024, 512), PageCount::ZERO);
    }
}

#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
#[kunit_tests(rtmpfs_alignment)]
mod alignment {
    use crate::mm::alignment::placement;
    use crate::mm::{Order, PageIndex, PAGE_SIZE};

    #[test]
    fn a_mapping_gets_in_phase() {
        let place = |addr| {
            let (len, order) = (2 * PAGE_SIZE, Order::from_uint(1));
            placement(addr, len, PageIndex::ZERO, order, 1 << 40)
        };
        assert_eq!(
            place(PAGE_SIZE).map(|place| (place.room, place.within(PAGE_SIZE))),
            Some((3 * PAGE_SIZE, 2 * PAGE_SIZE))
        );
        assert_eq!(place(2 * PAGE_SIZE), None);
    }
}

#[kunit_tests(rtmpfs_module)]
mod module {
    use super::*;

    #[test]
    fn is_registered_once() {
        let module = <crate::Module as kernel::InPlaceModule>::init(&crate::THIS_MODULE);
        assert_eq!(KBox::pin_init(module, GFP_KERNEL).err(), Some(EBUSY));
    }
}
