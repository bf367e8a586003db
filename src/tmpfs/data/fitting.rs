// SPDX-License-Identifier: GPL-2.0

//! The orders that a new folio may have with `huge=fit`, by what it is wanted for, and what one that was allocated in
//! advance is taken apart into.

use super::page_accounting;
use super::purpose::{Purpose, Source};
use crate::mm::iter::fault_in_source;
use crate::mm::swap::Amount;
use crate::mm::{huge, LockedFolio, Slot};
use crate::shmem::fault::Fault;
use crate::tmpfs::pure::fitting;
use crate::tmpfs::pure::folio_orders::Orders;
use crate::tmpfs::state::inode::{self, TmpfsInode};
use crate::tmpfs::state::Tmpfs;
use crate::units::{Order, PageIndex, PageRange, Pos};

/// What a larger folio that was allocated in advance is split into where less of it is written: such are split into
/// pages at little cost, and few are.
const PART_IN_ADVANCE: Order = Order::from_uint(4);

/// The largest folio that is allocated in advance beyond the end of the file: one that a PMD can map is mapped as a whole, by
/// faults and by MADV_COLLAPSE.
const LARGEST_BEYOND_EOF: Order = huge::PMD_ORDER.smaller();

/// The largest folio that comes back from swap where only a page of it is wanted.
const LARGEST_READ: Order = Order::from_uint(4);

/// The orders that a new folio with page `index` may have, which it begins with; none where it is to be a single page.
/// May sleep, and faults in the source of a write; no folio may be locked.
#[inline]
pub(super) fn orders(inode: &TmpfsInode, index: PageIndex, purpose: &Purpose<'_>) -> Orders {
    // Each page has the place that the policy of the file says for it.
    if index.largest_order().is_zero() || !inode.data().policy().is_empty() {
        return Orders::NONE;
    }
    let order = match *purpose {
        Purpose::Write { end, source } => for_write(inode, index, end.page_end(), source),
        Purpose::Allocate { size, .. } => {
            let order = wanted(inode, index, purpose).min(huge::MAX_ORDER);
            if index.folio(order).end <= size.page_end() {
                order
            } else {
                order.min(LARGEST_BEYOND_EOF)
            }
        }
        // Quota would count pages that no task has touched, and a monitor of another mapping not hear of them.
        Purpose::Fault(_) if inode.data().is_watched() || inode.sb().data().quota().is_some() => {
            Order::ZERO
        }
        // What is made for a run of faults is data then, and stays.
        Purpose::Fault(_) => while_there_is_room(inode, wanted(inode, index, purpose), Order::ZERO),
        Purpose::Valid { .. } => Order::ZERO,
    };
    if order.is_zero() || huge::is_disabled() {
        return Orders::NONE;
    }
    Orders::up_to(order.min(huge::MAX_ORDER))
}

/// The order of what is wanted with page `index`, of a hole or of what was allocated in advance. Does not sleep.
#[inline]
fn wanted(inode: &TmpfsInode, index: PageIndex, purpose: &Purpose<'_>) -> Order {
    match *purpose {
        Purpose::Write { end, .. } | Purpose::Allocate { end, .. } => {
            fitting::within(index, end.page_end())
        }
        Purpose::Fault(fault) => for_fault(inode, index, fault),
        Purpose::Valid { .. } => Order::ZERO,
    }
}

/// The order of what `folio` of `inode`, which has page `index`, is to be split into where it may be more than is used
/// as a whole for `purpose`; no less than its own where it is not. Does not sleep.
#[cold]
pub(super) fn part(
    inode: &TmpfsInode,
    folio: &LockedFolio,
    index: PageIndex,
    purpose: &Purpose<'_>,
) -> Order {
    if folio.is_uptodate() {
        return Order::ZERO;
    }
    // It was allocated in advance: what makes one page of it valid must not make data of all.
    let wanted = wanted(inode, index, purpose);
    let is_small = wanted < folio.order() && folio.order() <= PART_IN_ADVANCE;
    match purpose {
        // Where its source ends, a write leaves what it would of single pages.
        Purpose::Write { .. } if is_small => Order::ZERO,
        _ => wanted,
    }
}

/// Splits a folio into such of order `part`, to which it comes in two steps where there is much between: what is left
/// of one that was allocated in advance is for later calls. False where another task uses it. May sleep.
#[cold]
pub(super) fn take_apart(folio: &mut LockedFolio, part: Order) -> bool {
    let is_in_two_steps = !folio.is_uptodate() && folio.order() > PART_IN_ADVANCE;
    folio.split_to(if is_in_two_steps {
        part.max(PART_IN_ADVANCE)
    } else {
        part
    })
}

#[inline]
fn for_write(
    inode: &TmpfsInode,
    index: PageIndex,
    end: PageIndex,
    source: Option<&Source<'_>>,
) -> Order {
    let order = fitting::within(index, end).min(huge::MAX_ORDER);
    let Some(source) = source else {
        return order;
    };
    let call = PageRange::new(source.call.page(), end);
    // What could not be copied at once gets folios that are filled as far as it goes: they become smaller each time,
    // down to a page, which is kept with whatever there is for it.
    // Quota would count what is made in advance: its soft limits would be exceeded by what no file has. Where a mapping
    // could show it, each write would have to give it back.
    if source.is_there
        && inode.sb().data().quota().is_none()
        && !inode.mapping().is_writably_mapped()
        && fitting::may_run(index)
        && fitting::is_append(index, &call, inode::end_asked_for(inode))
    {
        if let Some(before) = order_before(inode, index) {
            let pages = inode.mapping().nr_pages();
            let ahead = fitting::for_append(index, before, pages, huge::PMD_ORDER);
            // What is made in advance cannot be given back while it is written.
            return while_there_is_room(inode, ahead, order);
        }
    }
    if order.is_zero() {
        return order;
    }
    order.min(fitting::within(index, readable_end(index, order, source)))
}

/// The order `ahead`, of a folio with pages that were not asked for yet, where the mount has room for twice as many, and
/// `needed` else: others get at its last blocks.
#[inline]
fn while_there_is_room(inode: &TmpfsInode, ahead: Order, needed: Order) -> Order {
    if ahead > needed && page_accounting::has_room(inode, ahead.larger().pages()) {
        ahead
    } else {
        needed
    }
}

/// The page after the last one of a folio of `order` that the source of a write can be read for. A large folio for what
/// cannot be read would be more than the file is to have.
#[inline]
fn readable_end(index: PageIndex, order: Order, source: &Source<'_>) -> PageIndex {
    let bytes = source
        .start
        .distance_to(index.folio(order).end.start_or_max());
    let missing = fault_in_source(source.data, bytes);
    source
        .start
        .saturating_add(bytes.saturating_sub(missing))
        .page_end()
}

fn for_fault(inode: &TmpfsInode, index: PageIndex, fault: &Fault<'_, Tmpfs>) -> Order {
    // What the monitor was not asked for stays as it is, and what is touched at random has no run.
    if !fitting::may_run(index)
        || fault.is_watched_by_user()
        || fault.is_at_random()
        || fault.advice().forbids
    {
        return Order::ZERO;
    }
    let Some(before) = order_before(inode, index).filter(|_| is_used_before(inode, index)) else {
        return Order::ZERO;
    };
    let file = PageRange::new(PageIndex::ZERO, inode.size().page_end());
    fitting::for_fault(index, before, &fault.mapped().clip(&file))
}

/// How much comes back from swap with page `index` for a call that is going to use what is before byte `end`: the rest of
/// that, as far as it fits.
pub(super) fn read_for_call(index: PageIndex, end: Pos) -> Amount {
    amount(fitting::within(index, end.page_end()))
}

/// How much comes back from swap with page `index` for a fault: more where what is before it is back, as of a hole.
pub(super) fn read_for_fault(
    inode: &TmpfsInode,
    index: PageIndex,
    fault: &Fault<'_, Tmpfs>,
) -> Amount {
    let is_in_run = index
        .before()
        .is_some_and(|before| matches!(inode.mapping().get(before), Slot::Folio(_)));
    amount(if is_in_run {
        for_fault(inode, index, fault)
    } else {
        Order::ZERO
    })
}

/// How much comes back where a folio of order `wanted` is to be used.
fn amount(wanted: Order) -> Amount {
    if wanted > LARGEST_READ {
        Amount::Wanted(wanted)
    } else {
        Amount::UpTo(LARGEST_READ)
    }
}

/// The order of what is before page `index`, if there is something. Does not sleep.
pub(super) fn order_before(inode: &TmpfsInode, index: PageIndex) -> Option<Order> {
    inode.mapping().slot_order(index.before()?)
}

/// Whether what is before page `index` is more than allocated in advance, which would not say that it is used.
fn is_used_before(inode: &TmpfsInode, index: PageIndex) -> bool {
    index
        .before()
        .is_some_and(|before| match inode.mapping().get(before) {
            Slot::Folio(folio) => folio.is_uptodate(),
            _ => true,
        })
}
