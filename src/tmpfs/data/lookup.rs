// SPDX-License-Identifier: GPL-2.0

//! Finding the folio at an index of a file, or making it.
//!
//! What `shmem_get_folio_gfp()` does for tmpfs; [`find`] is what a read needs of it (`SGP_READ`).
//!
//! Lock order: a folio lock is never waited for while another one is held. That of a new
//! folio is held while it is counted, which looks for folios that reach beyond the end of their files and tries
//! their locks only.

use super::beyond_eof;
use super::filling;
use super::fitting;
use super::orders::{self, Rule};
use super::page_accounting;
use super::policy_change;
use super::purpose::Purpose;
use super::shown;
use super::swap;
use crate::mm::huge::{self, Effort};
use crate::mm::swap::SwapEntry;
use crate::mm::{task, Folio, GfpFlags, LockedFolio, NewFolio, Slot};
use crate::shmem::userfault::Found;
use crate::tmpfs::pure::folio_orders::Orders;
use crate::tmpfs::state::inode::{self, TmpfsInode};
use crate::units::{Len, Order, PageCount, PageIndex, PageRange, Pos};
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// What is to become of a folio that was allocated and never written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::tmpfs) enum Unwritten {
    /// It is taken for a hole.
    IsHole,
    /// It is made valid.
    MakeValid,
    /// It stays as it is.
    Leave,
}

/// Finds the folio with byte `pos` for a call that reads `len` bytes from there, without its lock, and says how many of
/// them may be copied out of it. It is valid if it `is_kept` for longer than that. `None` is a hole, or a page that was
/// allocated and never written: both read as zeros. May sleep.
///
/// The folio may leave the file at any time; its contents remain what they were while it was
/// there. The caller checks the size of the file after the call.
///
/// Fails with `EIO` where the contents are lost, with `ENOMEM`, and with `EINTR` for a task that is killed
/// while other tasks change the page again and again.
#[inline(always)]
pub(in crate::tmpfs) fn find(
    inode: &TmpfsInode,
    pos: Pos,
    len: Len,
    is_kept: bool,
) -> Result<(Option<ARef<Folio>>, Len)> {
    // Goes round only where another task has just changed the page; a fatal signal ends it.
    loop {
        let result = match inode.mapping().get(pos.page()) {
            Slot::Empty => return Ok((None, len)),
            Slot::Folio(folio) if folio.is_uptodate() => return Ok((Some(folio), len)),
            Slot::Folio(folio) => find_invalid(inode, pos, len, is_kept, folio),
            Slot::Swap(entry) => {
                find_swapped(inode, pos, len, entry).map(|folio| (Some(folio), len))
            }
            Slot::Poisoned(_) => return Err(EIO),
        };
        match result {
            Err(EEXIST) => look_again()?,
            result => return result,
        }
    }
}

/// Brings the page with byte `pos` back for a reader of `len` bytes, who needs no lock. Not inlined: what is in the page
/// cache is found without.
#[inline(never)]
fn find_swapped(inode: &TmpfsInode, pos: Pos, len: Len, entry: SwapEntry) -> Result<ARef<Folio>> {
    let end = pos.saturating_add(len);
    Ok(swap::read_in(inode, pos.page(), end, entry)?.unlock())
}

/// Called where the page at an index has changed between the look at its slot and the lock of its folio, before
/// the caller looks again. Other tasks can change it for ever, so that this fails with `EINTR` where the
/// caller's task is about to be killed.
#[cold]
fn look_again() -> Result {
    if task::fatal_signal_pending() {
        Err(EINTR)
    } else {
        Ok(())
    }
}

/// Looks again, with its lock, at a folio that was not valid when a reader found it. `None` is a page that was never
/// written. Else another folio has migrated to it: such a one is in the file before it is marked as valid; or its page is
/// filled already. May sleep.
///
/// Fails with `EEXIST` where it has left the file, or was split: look again.
#[cold]
fn find_invalid(
    inode: &TmpfsInode,
    pos: Pos,
    len: Len,
    is_kept: bool,
    folio: ARef<Folio>,
) -> Result<(Option<ARef<Folio>>, Len)> {
    let mut folio = Folio::lock(folio)
        .belongs_to(inode.mapping())
        .ok_or(EEXIST)?;
    let mut len = len;
    if !folio.is_uptodate() {
        match filling::contents_at(inode, pos) {
            Len::ZERO => return Ok((None, len)),
            bytes if !is_kept => len = len.min(bytes),
            _ if !filling::make_page_valid(inode, &mut folio) => return Err(EEXIST),
            _ => {}
        }
    }
    Ok((Some(folio.unlock()), len))
}

/// Finds the folio at page `index`, and locks it. `None` is a hole. May sleep.
///
/// Fails with `EIO` for what is lost, with `ENOMEM`, and with `EINTR` where it has to look again and
/// the task is killed.
pub(super) fn find_locked(
    inode: &TmpfsInode,
    index: PageIndex,
    unwritten: Unwritten,
) -> Result<Option<LockedFolio>> {
    // Goes round only where another task has just moved the page: in or out of swap, out of the file,
    // or to another folio; and twice where the folio was split. The former can go on for ever, so a fatal signal ends it.
    loop {
        let mut folio = match inode.mapping().get(index) {
            Slot::Empty => return Ok(None),
            Slot::Folio(folio) => match Folio::lock(folio).belongs_to(inode.mapping()) {
                Some(folio) => folio,
                None => {
                    look_again()?;
                    continue;
                }
            },
            Slot::Swap(entry) => match swap::read_in(inode, index, Pos::ZERO, entry) {
                Err(EEXIST) => {
                    look_again()?;
                    continue;
                }
                result => result?,
            },
            Slot::Poisoned(_) => return Err(EIO),
        };
        if !folio.is_uptodate() {
            match unwritten {
                Unwritten::IsHole if !filling::has_contents(inode, index) => return Ok(None),
                Unwritten::IsHole | Unwritten::MakeValid => {
                    if !filling::make_page_valid(inode, &mut folio) {
                        look_again()?;
                        continue;
                    }
                }
                Unwritten::Leave => {}
            }
        }
        return Ok(Some(folio));
    }
}

/// Finds the folio at page `index` of the file, and locks it; `None` is a hole. May sleep.
///
/// Fails with `EINVAL` beyond the end, though fallocate(2) may have put something there.
pub(in crate::tmpfs) fn find_within(
    inode: &TmpfsInode,
    index: PageIndex,
    unwritten: Unwritten,
) -> Result<Option<LockedFolio>> {
    check_within(inode, index)?;
    let folio = find_locked(inode, index, unwritten)?;
    // The file may have been truncated before the folio was locked.
    check_within(inode, index)?;
    Ok(folio)
}

/// Finds the folio at page `index`, and locks it, where its slot has pages outside of `range` too. May sleep.
///
/// Fails as [`find_locked`].
pub(super) fn find_large(
    inode: &TmpfsInode,
    index: PageIndex,
    range: &PageRange,
) -> Result<Option<LockedFolio>> {
    let Some(order) = inode.mapping().slot_order(index) else {
        return Ok(None);
    };
    if range.contains_all(&index.folio(order)) {
        return Ok(None);
    }
    find_locked(inode, index, Unwritten::Leave)
}

/// Finds the folio at page `index`, or makes it, as [`find_or_make_noting`] does.
pub(in crate::tmpfs) fn find_or_make(
    inode: &TmpfsInode,
    index: PageIndex,
    purpose: Purpose<'_>,
) -> Result<LockedFolio> {
    find_or_make_noting(inode, index, purpose).map(|(folio, _)| folio)
}

/// What is in a folio that was found or made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// What was in memory: it is new.
    Nothing,
    /// What the file has, if it is valid; else no page was written.
    Whole,
    /// Some pages are filled, or none so far. What is written is to be noted by [`filling::note`].
    Filling,
}

/// Finds the folio at page `index`, or makes it, and says what is in it. May sleep.
///
/// Fails with `ENOSPC` or `EDQUOT` where the limits forbid another page, with `ENOMEM`, where the folio is
/// to be mapped with `EINVAL` beyond the end of the file, and with `EINTR` for a task that is killed while
/// other tasks change the page again and again.
// A copy for write(2) and one for faults: neither is to ask at each step whether it is the other.
#[inline(always)]
pub(super) fn find_or_make_noting(
    inode: &TmpfsInode,
    index: PageIndex,
    purpose: Purpose<'_>,
) -> Result<(LockedFolio, Contents)> {
    // Goes round only where another task has just changed the page or the size, and twice where the folio was split; a
    // fatal signal ends it.
    loop {
        check_size(inode, index, purpose)?;
        let (mut folio, is_new) = match inode.mapping().get(index) {
            Slot::Folio(folio) => {
                purpose.unless_left_to_user(Found::Page)?;
                if purpose.maps_around(inode, &folio) {
                    return Err(EAGAIN);
                }
                let Some(folio) = Folio::lock(folio).belongs_to(inode.mapping()) else {
                    look_again()?;
                    continue;
                };
                (folio, false)
            }
            Slot::Empty => {
                purpose.unless_left_to_user(Found::Nothing)?;
                // A copy: of what only this function has, the compiler knows what it stays.
                let copy = purpose;
                match make(inode, index, &copy) {
                    Err(EEXIST) => {
                        look_again()?;
                        continue;
                    }
                    result => (result?, true),
                }
            }
            Slot::Swap(entry) => {
                purpose.unless_left_to_user(Found::Page)?;
                // A copy, as above.
                let copy = purpose;
                let amount = swap::amount(inode, index, &copy);
                let reader = purpose.reader();
                let flags = purpose.flags(inode);
                let mut is_read = false;
                let result =
                    swap::swap_in(inode, index, entry, amount, reader, flags, &mut is_read);
                if let (Purpose::Fault(fault), true) = (purpose, is_read) {
                    fault.set_major();
                }
                match result {
                    Err(EEXIST) => {
                        look_again()?;
                        continue;
                    }
                    result => (result?, false),
                }
            }
            Slot::Poisoned(_) => {
                purpose.unless_left_to_user(Found::Page)?;
                return Err(EIO);
            }
        };

        let mut contents = if is_new {
            Contents::Nothing
        } else {
            Contents::Whole
        };
        if !is_new && purpose.may_be_for_part(inode, &folio) {
            if purpose.fills() && filling::may_fill(inode, &folio, index) {
                contents = Contents::Filling;
            } else {
                // A copy, as above.
                let copy = purpose;
                if let Some(part) = filling::part(inode, &mut folio, index, &copy) {
                    if orders::must_look_single(inode, &folio)
                        && !purpose.meets_growth(inode, &folio)
                        && fitting::take_apart(&mut folio, part)
                    {
                        look_again()?;
                        continue;
                    }
                    if let Purpose::Fault(_) = purpose {
                        shown::note_mapped(inode, &folio);
                    }
                }
                filling::make_valid_if_begun(inode, &mut folio);
            }
        }
        if let (Purpose::Write { .. }, false) = (purpose, is_new) {
            folio.mark_accessed();
        }
        let may_be_invalid = match purpose {
            Purpose::Write { .. } => true,
            Purpose::Fault(_) | Purpose::Valid { .. } => false,
            Purpose::Allocate { .. } => is_new,
        };
        if !may_be_invalid && !folio.is_uptodate() {
            if is_new {
                // What is noted as filled is none of it, but may have been at its place.
                folio.zero();
                folio.mark_uptodate();
            } else {
                filling::make_valid(inode, &mut folio);
            }
        }
        // The file may have been truncated before the folio was locked.
        if let Err(e) = check_size(inode, index, purpose) {
            if is_new {
                take_back(inode, folio);
            }
            return Err(e);
        }
        if is_new && purpose.shows_beyond_eof(inode, &folio) && orders::is_fitting(inode) {
            take_back(inode, folio);
            look_again()?;
            continue;
        }
        return Ok((folio, contents));
    }
}

/// Takes a new folio, which no other task has used, out of the file again. May sleep.
#[cold]
pub(super) fn take_back(inode: &TmpfsInode, folio: LockedFolio) {
    folio.remove_from_cache();
    page_accounting::recalc(inode);
}

/// Makes the folio at page `index`; `EEXIST` where another task was faster.
fn make(inode: &TmpfsInode, index: PageIndex, purpose: &Purpose<'_>) -> Result<LockedFolio> {
    let rule = orders::rule(inode, || purpose.is_for_anonymous());
    let orders = match rule {
        Rule::SinglePage => Orders::NONE,
        Rule::Fit => fitting::orders(inode, index, purpose),
        Rule::Allowed => allowed(inode, index, purpose),
    };
    if !orders.is_empty() {
        if rule == Rule::Allowed {
            policy_change::leave_fit(inode);
        }
        match make_large(inode, index, purpose, orders) {
            Ok(Some(folio)) => {
                if rule == Rule::Fit {
                    inode.data().note_fitted();
                }
                return Ok(folio);
            }
            Err(EEXIST) => return Err(EEXIST),
            // A single page may do where there is no memory or no room for more.
            Ok(None) | Err(_) => {}
        }
    }
    let flags = purpose.flags(inode);
    let place = inode::place(inode, index, Order::ZERO);
    let new = NewFolio::new(flags, purpose.owner(), &place)
        .map_err(|e| unless_there(inode, index, Order::ZERO, e))?;
    let mut folio = insert(inode, index, new, flags)?;
    purpose.note_use(&mut folio);
    Ok(folio)
}

/// Why there is no new folio of `order` with page `index`: `EEXIST` where the file has one of its pages
/// by now, for which another task may have got what there was no more of, else `error`.
#[cold]
#[inline(never)]
fn unless_there(inode: &TmpfsInode, index: PageIndex, order: Order, error: Error) -> Error {
    match inode.mapping().first_in(index.folio(order)) {
        Some(_) => EEXIST,
        None => error,
    }
}

/// The orders that a new folio with page `index` may have by what the mount, the system and the mapping say.
#[inline(never)]
fn allowed(inode: &TmpfsInode, index: PageIndex, purpose: &Purpose<'_>) -> Orders {
    let advice = match purpose {
        Purpose::Fault(fault) => Some(orders::advice(fault.advice(), fault.is_anonymous())),
        _ => None,
    };
    let orders = orders::allowed_for(inode, index, purpose.end(), advice, false);
    match purpose {
        Purpose::Fault(fault) if !orders.is_empty() => {
            Orders::from_bits(fault.suitable_orders(orders.bits()))
        }
        _ => orders,
    }
}

/// Makes a folio of one of `orders` that has page `index`, where that can be; `EEXIST` where there is something now.
#[inline(never)]
fn make_large(
    inode: &TmpfsInode,
    index: PageIndex,
    purpose: &Purpose<'_>,
    mut orders: Orders,
) -> Result<Option<LockedFolio>> {
    let end = purpose.end();
    let effort = match purpose {
        Purpose::Fault(fault) => fault.effort(),
        _ => Effort::unmapped(),
    };
    let (mapping, flags) = (inode.mapping(), purpose.flags(inode));
    orders = orders::without_conflict(mapping, orders, index);
    // Ends: there are fewer orders each time.
    while let Some(order) = orders.highest() {
        let start = index.align_down(order);
        let place = inode::place(inode, start, order);
        let Some(new) = NewFolio::large(flags, order, effort, &place) else {
            orders = orders.below(order);
            continue;
        };
        let new = new.charge_to(purpose.owner()).map_err(|e| {
            let e = unless_there(inode, index, order, e);
            if e != EEXIST {
                huge::count_not_charged(order);
            }
            e
        })?;
        // Noted before it counts: a task that finds no room for a page is to find it.
        match insert_noting(inode, start, new, flags, |folio| {
            beyond_eof::note(inode, folio, end);
        }) {
            Ok(mut folio) => {
                huge::count_allocated(order);
                purpose.note_use(&mut folio);
                return Ok(Some(folio));
            }
            // What is left goes to pages that are asked for.
            Err(ENOSPC) => {
                let wanted = index.distance_to(end.page_end());
                let pages = wanted.min(page_accounting::room(inode));
                orders = orders.below(order).starting_at(index, pages);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(None)
}

/// Adds a new folio at page `index`, and counts it. Memory for that is allocated with as much effort as `flags` say. May
/// sleep.
///
/// Fails with `EEXIST` where the file has one of its pages, with `ENOMEM`, and where the limits forbid it
/// with `ENOSPC` or `EDQUOT`.
#[inline(always)]
pub(super) fn insert(
    inode: &TmpfsInode,
    index: PageIndex,
    folio: NewFolio,
    flags: GfpFlags,
) -> Result<LockedFolio> {
    insert_noting(inode, index, folio, flags, |_| {})
}

/// [`insert`] that calls `note` with the folio in the file, and locked, before it counts.
#[inline(always)]
fn insert_noting(
    inode: &TmpfsInode,
    index: PageIndex,
    folio: NewFolio,
    flags: GfpFlags,
    note: impl FnOnce(&LockedFolio),
) -> Result<LockedFolio> {
    let result = inode.mapping().insert(folio, index, flags, |folio| {
        note(folio);
        let pages = folio.nr_pages();
        page_accounting::count_cached(inode, pages)
            .or_else(|e| count_after_giving_back(inode, pages, e))
    });
    if !matches!(result, Ok(_) | Err(EEXIST)) {
        // Tasks that counted while the folio was there took its pages for counted ones.
        page_accounting::recalc(inode);
    }
    result
}

/// Counts new pages in the place of those that folios have beyond the end of their files, where they could not be
/// counted because of `why`. For a single page, without which there is nothing, it waits a moment for tasks that use
/// such folios.
#[cold]
fn count_after_giving_back(inode: &TmpfsInode, pages: PageCount, why: Error) -> Result {
    if !huge::IS_BUILT_IN {
        return Err(why);
    }
    // What is given back of other files may be of other users.
    let wanted = if why == EDQUOT { PageCount::MAX } else { pages };
    let mut result = Err(why);
    beyond_eof::give_back_pages(inode, wanted, pages == PageCount::ONE, || {
        result = page_accounting::count_cached(inode, pages);
        result.is_ok()
    });
    result
}

/// A mapping sees the file up to the end of its last page; a write may go beyond.
fn check_size(inode: &TmpfsInode, index: PageIndex, purpose: Purpose<'_>) -> Result {
    if purpose.is_within_size() {
        check_within(inode, index)?;
    }
    Ok(())
}

/// Fails with `EINVAL` where page `index` is beyond the last page of the file.
#[inline]
fn check_within(inode: &TmpfsInode, index: PageIndex) -> Result {
    if index >= inode.size().page_end() {
        return Err(EINVAL);
    }
    Ok(())
}
