// SPDX-License-Identifier: GPL-2.0

//! Which sizes the folios of a file may have: what the mount, the system and the mapping say, and
//! what the file leaves room for.
//!
//! A folio of order `n` has 2^`n` pages and starts at a multiple of that. Page indices are at most
//! `i64::MAX` divided by the size of a page.
//!
//! Nothing here needs the kernel: user space tests this very file.

use super::huge_policy::HugePolicy;

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
pub(crate) struct Orders(u64);

impl Orders {
    /// No order.
    pub(crate) const NONE: Self = Self(0);

    /// The orders of a bitmap.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bitmap.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// The orders from 1 to `max`, at most 62.
    pub(crate) const fn up_to(max: u32) -> Self {
        Self(((1 << (max + 1)) - 1) & !1)
    }

    /// One order, at most 63.
    pub(crate) const fn one(order: u32) -> Self {
        Self(1 << order)
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
    pub(crate) const fn highest(self) -> Option<u32> {
        self.0.checked_ilog2()
    }

    /// Those whose folio with page `index` starts with it, and has at most `pages` pages.
    pub(crate) const fn starting_at(self, index: u64, pages: u64) -> Self {
        let Some(largest) = pages.checked_ilog2() else {
            return Self::NONE;
        };
        let aligned = index.trailing_zeros();
        let max = if aligned < largest { aligned } else { largest };
        self.and(Self::up_to(if max < 62 { max } else { 62 }))
    }

    /// Those below `order`.
    pub(crate) const fn below(self, order: u32) -> Self {
        Self(self.0 & ((1 << order) - 1))
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
    pub(crate) index: u64,
    /// The pages of the file.
    pub(crate) file_pages: u64,
    /// Behind the last page that is about to be written; 0 where none is.
    pub(crate) write_end: u64,
    /// What the mapping says that it is for, if it is for one.
    pub(crate) advice: Option<Advice>,
    /// Whoever asks wants it whatever the settings are but [`System::Deny`] (MADV_COLLAPSE).
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
            let end = request.file_pages.max(request.write_end);
            within(controls.supported, request.index, end)
        }
        HugePolicy::Advise => Orders::NONE,
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
    let fitting = within(controls.within_size, request.index, request.file_pages);
    let mut orders = controls.always.or(fitting);
    if advice.wants {
        orders = orders.or(controls.advise);
    }
    if by_mount {
        orders = orders.or(controls.inherit);
    }
    orders.and(controls.supported)
}

/// The orders from the highest on whose folio with page `index` ends at or before page `end`.
fn within(orders: Orders, index: u64, end: u64) -> Orders {
    let mut left = orders;
    while let Some(order) = left.highest() {
        if aligned_end(index, order) <= end {
            return left;
        }
        left = left.below(order);
    }
    Orders::NONE
}

/// The first page of the folio of `order` that has page `index`.
pub(crate) fn aligned_start(index: u64, order: u32) -> u64 {
    index & !((1 << order) - 1)
}

fn aligned_end(index: u64, order: u32) -> u64 {
    aligned_start(index, order) + (1 << order)
}

/// The orders whose folio with page `index` meets nothing in the file. `find` returns the first
/// page from its first to before its second argument where something is.
pub(crate) fn without_conflict(
    orders: Orders,
    index: u64,
    find: impl Fn(u64, u64) -> Option<u64>,
) -> Orders {
    let mut left = orders;
    while let Some(order) = left.highest() {
        let start = aligned_start(index, order);
        let Some(found) = find(start, aligned_end(index, order)) else {
            break;
        };
        // Lower ones may be clear of what was found; those that are not need not be tried.
        left = left.below(order);
        while let Some(order) = left.highest() {
            if found < aligned_start(index, order) || found >= aligned_end(index, order) {
                break;
            }
            left = left.below(order);
        }
    }
    left
}

/// How many pages of a folio from page `start` to before page `end` are beyond `file_end`, the end
/// of what the file needs, where they are not all of it.
pub(crate) fn unused(start: u64, end: u64, file_end: u64) -> u64 {
    if start < file_end {
        end.saturating_sub(file_end)
    } else {
        0
    }
}
