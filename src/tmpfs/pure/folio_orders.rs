// SPDX-License-Identifier: GPL-2.0

//! Which sizes the folios of a file may have: what the mount, the system and the mapping say, and
//! what the file leaves room for.
//!
//! A folio of order `n` has 2^`n` pages and starts at a multiple of that.

use super::huge_policy::HugePolicy;
use crate::units::{Order, PageCount, PageIndex, PageRange};

/// What the system says about all mounts (`shmem_enabled`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// No large folios, whatever else is said.
    Deny,
    /// Folios of the size of a PMD, whatever mounts say.
    Force,
    /// As the mount says.
    Mount,
}

/// A set of orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders(usize);

impl Orders {
    /// No order.
    pub(crate) const NONE: Self = Self(0);

    /// The orders of a bitmap, up to [`Order::MAX`].
    pub(crate) const fn from_bits(bits: usize) -> Self {
        Self(bits & Self::below_or_at(Order::MAX))
    }

    /// The bitmap.
    pub(crate) const fn bits(self) -> usize {
        self.0
    }

    /// The orders from 1 to `max`.
    pub(crate) const fn up_to(max: Order) -> Self {
        Self(Self::below_or_at(max) & !1)
    }

    /// One order.
    pub(crate) const fn one(order: Order) -> Self {
        Self(order.bit())
    }

    /// The bits of `order` and of those below.
    const fn below_or_at(order: Order) -> usize {
        order.bit() | order.bit().wrapping_sub(1)
    }

    /// The orders of both sets.
    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The orders that are in both sets.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The highest of them.
    pub(crate) const fn highest(self) -> Option<Order> {
        match self.0.checked_ilog2() {
            Some(order) => Order::new(order),
            None => None,
        }
    }

    /// Those whose folio with page `index` starts with it, and has at most `pages` pages.
    pub(crate) fn starting_at(self, index: PageIndex, pages: PageCount) -> Self {
        match pages.largest_order() {
            Some(largest) => self.and(Self::up_to(largest.min(index.largest_order()))),
            None => Self::NONE,
        }
    }

    /// Those below `order`.
    pub(crate) const fn below(self, order: Order) -> Self {
        Self(self.0 & order.bit().wrapping_sub(1))
    }
}

/// What the system says about each order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Controls {
    /// About all of them.
    pub(crate) system: System,
    /// Orders that a file without a name has wherever possible.
    pub(crate) always: Orders,
    /// Orders that it has where a mapping asks for them.
    pub(crate) advise: Orders,
    /// Orders that follow [`Controls::system`].
    pub(crate) inherit: Orders,
    /// Orders that it has where they end within the file.
    pub(crate) within_size: Orders,
    /// All that the page cache supports.
    pub(crate) supported: Orders,
    /// That of a PMD, as far as it is supported.
    pub(crate) pmd: Orders,
}

/// What a mapping says about large folios.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advice {
    /// They are forbidden for it, or for its address space.
    pub(crate) forbids: bool,
    /// It asks for them.
    pub(crate) wants: bool,
    /// It maps a file that had no name when it was mapped: anonymous shared memory, which follows
    /// the controls of each order.
    pub(crate) is_anonymous: bool,
}

/// What a folio is wanted for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// The page that it must have.
    pub(crate) index: PageIndex,
    /// The page after the last one of the file.
    pub(crate) file_end: PageIndex,
    /// The page after the last one that is about to be written; 0 where none is.
    pub(crate) write_end: PageIndex,
    /// What the mapping says that it is for, if it is for one.
    pub(crate) advice: Option<Advice>,
    /// The caller wants it whatever the settings are but [`System::Deny`] (MADV_COLLAPSE).
    pub(crate) forced: bool,
}

/// The orders that a new folio may have.
pub(crate) fn allowed(policy: HugePolicy, controls: &Controls, request: &Request) -> Orders {
    let advice = request.advice;
    if advice.is_some_and(|advice| advice.forbids) {
        return Orders::NONE;
    }
    let of_mount = allowed_by_mount(policy, controls, request);
    match advice {
        Some(advice) if advice.is_anonymous && !request.forced => {
            allowed_without_name(controls, request, advice, !of_mount.is_empty())
        }
        _ => of_mount,
    }
}

fn allowed_by_mount(policy: HugePolicy, controls: &Controls, request: &Request) -> Orders {
    match controls.system {
        System::Deny => return Orders::NONE,
        System::Force => return controls.pmd,
        System::Mount if request.forced => return controls.pmd,
        System::Mount => {}
    }
    let wanted = request.advice.is_some_and(|advice| advice.wants);
    let of_size = match policy {
        HugePolicy::Never => return Orders::NONE,
        HugePolicy::Always => return controls.supported,
        HugePolicy::WithinSize => {
            let end = request.file_end.max(request.write_end);
            within(controls.supported, request.index, end)
        }
        HugePolicy::Advise => Orders::NONE,
        // Neither what a mapping asks for nor what khugepaged would like is a need.
        HugePolicy::Fit => return Orders::NONE,
    };
    if of_size.is_empty() && wanted {
        controls.supported
    } else {
        of_size
    }
}

/// `by_mount` says whether the mount would allow any.
fn allowed_without_name(
    controls: &Controls,
    request: &Request,
    advice: Advice,
    by_mount: bool,
) -> Orders {
    match controls.system {
        System::Deny => return Orders::NONE,
        System::Force => return controls.inherit,
        System::Mount => {}
    }
    let fitting = within(controls.within_size, request.index, request.file_end);
    let mut orders = controls.always.or(fitting);
    if advice.wants {
        orders = orders.or(controls.advise);
    }
    if by_mount {
        orders = orders.or(controls.inherit);
    }
    orders.and(controls.supported)
}

/// Those of `orders` up to the highest whose folio with page `index` ends at or before page `end`.
fn within(orders: Orders, index: PageIndex, end: PageIndex) -> Orders {
    let mut left = orders;
    while let Some(order) = left.highest() {
        if index.folio(order).end <= end {
            return left;
        }
        left = left.below(order);
    }
    Orders::NONE
}

/// Those of `orders`, from the highest down, whose folio with page `index` would have only pages that the
/// file does not have yet. `find` returns the first page of a range that the file has.
pub(crate) fn without_conflict(
    orders: Orders,
    index: PageIndex,
    find: impl Fn(PageRange) -> Option<PageIndex>,
) -> Orders {
    let mut left = orders;
    while let Some(order) = left.highest() {
        let Some(found) = find(index.folio(order)) else {
            break;
        };
        // Orders whose folio has the page that was found need no search of their own.
        left = left.below(order);
        while let Some(order) = left.highest() {
            if !index.folio(order).contains(found) {
                break;
            }
            left = left.below(order);
        }
    }
    left
}

/// How many pages of a folio with the pages `folio` are at `end` or past it, the end of what is to stay
/// in the file, where they are not all of it.
pub(crate) fn pages_beyond(folio: PageRange, end: PageIndex) -> PageCount {
    if folio.start < end {
        end.distance_to(folio.end)
    } else {
        PageCount::ZERO
    }
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(rtmpfs_folio_orders))]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_its_orders() {
        let order = Order::from_uint;
        let low = Orders::up_to(order(3));
        assert_eq!(low.bits(), 0b1110);
        assert_eq!(low.highest(), Some(order(3)));
        assert_eq!(low.below(order(3)).bits(), 0b110);
        assert_eq!(Orders::one(order(5)).highest(), Some(order(5)));
        assert_eq!(Orders::NONE.highest(), None);
        assert_eq!(Orders::up_to(Order::MAX).highest(), Some(Order::MAX));
        assert_eq!(Orders::from_bits(1 << 40).highest(), None);
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
