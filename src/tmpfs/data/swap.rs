// SPDX-License-Identifier: GPL-2.0

//! Going to swap and coming back.
//!
//! A page is either in the page cache or in swap, and its slot in the mapping says which. Reclaim
//! moves a folio out with its lock held ([`write_out`], as `shmem_writeout()`). A task that misses it brings
//! it back through the swap cache ([`swap_in`], as `shmem_swapin_folio()`), where the folio's lock decides
//! between tasks that try at once: the one that finds the entry still in its slot puts the folio there.
//! swapoff brings back all that is on its device ([`unuse`], as `shmem_unuse()`).
//!
//! Lock order: the folio lock, then that of the page cache or of [`mod@crate::tmpfs::state::page_counts`],
//! or of the list of inodes with pages in swap.

use super::fitting;
use super::orders;
use super::page_accounting;
use super::purpose::Purpose;
use crate::mm::swap::{
    is_there_swap, Amount, LockedSwapFolio, Reader, SwapDeviceId, SwapEntry, MAX_ORDER,
};
use crate::mm::{task, GfpFlags, LockedFolio, SwappedPage};
use crate::shmem::outgoing::{OutgoingFolio, WrittenOut};
use crate::tmpfs::state::activity;
use crate::tmpfs::state::inode::{self, TmpfsInode};
use crate::tmpfs::state::Tmpfs;
use crate::units::{Order, PageCount, PageIndex, Pos};
use core::cell::Cell;
use kernel::prelude::*;
use kernel::time::delay::fsleep;
use kernel::time::Delta;

/// How often a page has to fail when it is read alone before it is lost. What looks like such a read may be that of another
/// task, or be one request with it: others may read the page together with its neighbours in the moment between the look
/// into the swap cache and the read, and the block layer merges what is near on the device. It is not to happen each time.
const READS_ALONE: u32 = 4;

/// Pages that are next to each other are read again after different times, these many of them: tasks that have waited for
/// one request would else make one of their next ones, too.
const APART: Order = Order::from_uint(3);
const MICROSECONDS_APART: i64 = 250;

/// How much of `inode` may come back with page `index` for `purpose`. Does not sleep.
#[cold]
pub(super) fn amount(inode: &TmpfsInode, index: PageIndex, purpose: &Purpose<'_>) -> Amount {
    match *purpose {
        // What the monitor was not asked for stays where it is.
        Purpose::Fault(fault) if fault.is_watched_by_user() => Amount::UpTo(Order::ZERO),
        Purpose::Fault(fault) if orders::is_fitting(inode) => {
            fitting::read_for_fault(inode, index, fault)
        }
        _ => amount_for_call(inode, index, purpose.end()),
    }
}

/// How much of `inode` may come back with page `index` for a call that is going to use what is before byte `end`.
fn amount_for_call(inode: &TmpfsInode, index: PageIndex, end: Pos) -> Amount {
    if orders::is_fitting(inode) {
        fitting::read_for_call(index, end)
    } else {
        Amount::UpTo(MAX_ORDER)
    }
}

/// Brings page `index` back, which was seen to be in swap in a slot with `entry`, perhaps with others
/// of that slot. May sleep. `major` is set where it had to be read, for `reader`: `amount` at once, into memory that is
/// allocated with `flags`.
///
/// Fails with `EEXIST` where the entry is not there any more: look again. With `EIO` the contents
/// are lost, and the page is poisoned.
pub(super) fn swap_in(
    inode: &TmpfsInode,
    index: PageIndex,
    entry: SwapEntry,
    amount: Amount,
    reader: Reader<'_>,
    flags: GfpFlags,
    major: &mut bool,
) -> Result<LockedFolio> {
    let page = inode.mapping().swapped_page(index, entry, flags)?;
    let reads_alone = Cell::new(0u32);
    let mut bring = |amount| {
        let place = |order| inode::place(inode, index, order);
        let mut is_read = false;
        let folio = page.find_or_read(amount, place, reader, &mut is_read)?;
        *major |= is_read;
        // All slots of the folio's pages are to be its own. A folio that the swap cache has may
        // have more pages or fewer.
        if folio.order() < page.slot_order() {
            page.split_slot(folio.order())?;
        }
        let is_alone = is_read && matches!(amount, Amount::Page);
        if is_alone {
            reads_alone.set(reads_alone.get().saturating_add(1));
        }
        let is_last = is_alone && reads_alone.get() >= READS_ALONE;
        add_to_cache(inode, index, &page, folio.lock(), is_last)
    };
    let mut brought = bring(amount);
    // One page that cannot be read is to lose no other. Ends: in each round one of the tasks that want this page reads it,
    // and the first that has done so often enough takes it for lost.
    while let Ok(None) = brought {
        if !page.is_there() {
            return Err(EEXIST);
        }
        if reads_alone.get() > 0 {
            let turn = i64::from(index.offset_in(APART).to_int());
            fsleep(Delta::from_micros(
                turn.saturating_add(1).saturating_mul(MICROSECONDS_APART),
            ));
        }
        brought = bring(Amount::Page);
    }
    match brought.and_then(|folio| folio.ok_or(EEXIST)) {
        // Another task may have been faster, and the error be due to that.
        Err(e) if e != EIO && !page.is_there() => Err(EEXIST),
        result => result,
    }
}

/// Brings page `index` back as [`swap_in`] does, for the current task, which is going to use what is before byte `end`.
pub(super) fn read_in(
    inode: &TmpfsInode,
    index: PageIndex,
    end: Pos,
    entry: SwapEntry,
) -> Result<LockedFolio> {
    let flags = inode.mapping().gfp();
    swap_in(
        inode,
        index,
        entry,
        amount_for_call(inode, index, end),
        Reader::CURRENT,
        flags,
        &mut false,
    )
}

/// Puts a folio from the swap cache, which has `page` at `index`, into the page cache, or poisons the page. `None`
/// where it could not be read, which may be due to another page, one of a larger folio or one near it on the device: unless it
/// `is_last`, the last try of a task that has read it alone [as often as it takes](READS_ALONE).
fn add_to_cache(
    inode: &TmpfsInode,
    index: PageIndex,
    page: &SwappedPage<'_>,
    folio: LockedSwapFolio,
    is_last: bool,
) -> Result<Option<LockedFolio>> {
    let pages = folio.nr_pages();
    if !folio.is_uptodate() {
        // After a memory error there is nothing to be read again but what the page was before.
        if pages > PageCount::ONE || !(is_last || folio.contains_poison()) {
            page.discard(folio);
            return Ok(None);
        }
        page_accounting::lose_in_swap(inode, pages, || page.poison(folio))?;
        return Err(EIO);
    }
    let folio = page.insert(folio, |order| inode::place(inode, index, order))?;
    page_accounting::back_from_swap(inode, pages);
    Ok(Some(folio))
}

/// Whether a folio must not go to swap as a whole: what it has beyond the end of the file can be given
/// back only in memory.
fn must_be_split(folio: &OutgoingFolio<'_, Tmpfs>) -> bool {
    let inode = folio.inode();
    let end = inode::end_asked_for(inode);
    !folio.may_go_whole() || (folio.pages().start < end && end < folio.pages().end)
}

/// Writes out a folio that reclaim has chosen, or leaves it where it is: its pages get a place in swap, the
/// entries take its slots, and the write begins. Called with the folio locked, below any lock of a task
/// that allocates: it must not wait for `i_rwsem`, nor for memory.
#[inline]
pub(in crate::tmpfs) fn write_out<'a>(mut folio: OutgoingFolio<'a, Tmpfs>) -> WrittenOut<'a> {
    let inode = folio.inode();
    let mount = inode.sb().data();
    if inode.is_shm_locked() || mount.is_without_swap() || !is_there_swap() {
        return folio.stay();
    }
    if folio.nr_pages() > PageCount::ONE && must_be_split(&folio) && !folio.split() {
        return folio.stay();
    }
    if !folio.is_valid() {
        if activity::refuse_to_write_out(folio.inode(), folio.index(), folio.nr_pages()) {
            return folio.stay();
        }
        let filled = folio.inode().data().filled();
        folio.make_valid(&filled);
    }
    let placed = match folio.allocate_swap() {
        Ok(placed) => placed,
        // Its pages may find room where it does not.
        Err(mut folio) => {
            if folio.nr_pages() == PageCount::ONE || !folio.split() {
                return folio.stay();
            }
            match folio.allocate_swap() {
                Ok(placed) => placed,
                Err(folio) => return folio.stay(),
            }
        }
    };
    // They count before they leave the cache, or they would be taken for pages that reclaim has dropped.
    placed.move_to_swap(
        page_accounting::going_to_swap,
        page_accounting::back_from_swap,
    )
}

/// Brings back what the file has on a swap device that goes away (swapoff). May sleep.
///
/// Fails with `ENOMEM`, and with `EINTR` where a signal is pending.
pub(in crate::tmpfs) fn unuse(inode: &TmpfsInode, device: SwapDeviceId) -> Result {
    let mut next = PageIndex::ZERO;
    // Each round goes on behind the page that it has found; any signal ends it.
    while let Some((index, entry)) = inode.mapping().find_on_device(device, next) {
        // All of the file is to come back.
        next = match read_in(inode, index, Pos::MAX, entry) {
            // Others of its slot may have come with it.
            Ok(folio) => folio.pages().end,
            Err(ENOMEM) => return Err(ENOMEM),
            // A page that has gone or cannot be read need not come back.
            Err(_) => index.saturating_add(PageCount::ONE),
        };
        if task::signal_pending() {
            return Err(EINTR);
        }
        if inode.is_left_to_pin() {
            // Memory is short, and all of it goes at once.
            break;
        }
        task::cond_resched();
    }
    Ok(())
}
