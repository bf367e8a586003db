// SPDX-License-Identifier: GPL-2.0

//! Going to swap and coming back.
//!
//! A page is either in the page cache or in swap, and its slot in the mapping says which. Reclaim
//! moves a folio out with its lock held; whoever misses it brings it back through the swap cache,
//! where the folio's lock decides between those who try at once: the one who finds the entry still
//! in its slot puts the folio there.
//!
//! Lock order: the folio lock, then that of the page cache or of [`crate::tmpfs::state::page_counts::Usage`], or of the list of
//! inodes with pages in swap.

use super::lookup::{self, Purpose, Unwritten};
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use super::orders;
use super::page_accounting;
use super::truncate::Cut;
#[cfg(CONFIG_USERFAULTFD)]
use super::userfault;
#[cfg(CONFIG_SWAP)]
use crate::mm::backend::{BackendCell, OutgoingFolio, WrittenOut};
use crate::mm::backend::{Seals, SharedMemory, Want};
#[cfg(CONFIG_USERFAULTFD)]
use crate::mm::folio::MemoryOwner;
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::mm::huge::VmaAdvice;
#[cfg(CONFIG_NUMA)]
use crate::mm::mempolicy::SharedPolicy;
#[cfg(CONFIG_SWAP)]
use crate::mm::swap::{
    is_there_swap, LockedSwapFolio, Reader, SwapDevice, SwapDeviceId, SwapEntry, MAX_ORDER,
};
#[cfg(CONFIG_SWAP)]
use crate::mm::task;
#[cfg(CONFIG_USERFAULTFD)]
use crate::mm::NewFolio;
#[cfg(CONFIG_SWAP)]
use crate::mm::Order;
use crate::mm::{LockedFolio, PageCount, PageIndex, Pos};
#[cfg(CONFIG_SWAP)]
use crate::tmpfs::state::inode;
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::vfs::Inode;
use kernel::prelude::*;

/// The registered file system type, for calls that are not about one file.
#[cfg(CONFIG_SWAP)]
static BACKEND: BackendCell<Tmpfs> = BackendCell::new();

/// How many pages of a file are looked for at a time on a device that goes away.
#[cfg(CONFIG_SWAP)]
const SWAPOFF_BATCH: usize = 16;

/// Brings page `index` back, which was seen to be in swap in a slot with `entry`, perhaps with others
/// of that slot. May sleep. `major` is set where it had to be read, for `reader`: at most 2^`largest`
/// pages at once.
///
/// Fails with `EEXIST` where the entry is not there any more: look again. With `EIO` the contents
/// are lost, and the page is poisoned.
#[cfg(CONFIG_SWAP)]
pub(in crate::tmpfs) fn swap_in(
    inode: &TmpfsInode,
    index: PageIndex,
    entry: SwapEntry,
    largest: Order,
    reader: Reader<'_>,
    major: &mut bool,
) -> Result<LockedFolio> {
    let mapping = inode.mapping();
    let device = SwapDevice::of(entry);
    // Only now does it count: an entry that is still there keeps its device from going.
    let order = mapping.find_entry(index, entry).ok_or(EEXIST)?;
    let device = device.ok_or(EINVAL)?;

    let page = entry.add(index.offset_in(order));
    let result = device
        .find_or_read(
            mapping,
            page,
            order.min(largest),
            |order| inode::place(inode, index, order),
            reader,
            major,
        )
        .and_then(|folio| {
            // All slots of the folio's pages are to be its own. A folio that the swap cache has may
            // have more pages or fewer.
            #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
            if folio.order() < order {
                mapping.split_entry(index, entry)?;
            }
            settle(inode, index, page, folio.lock())
        });
    match result {
        // Whatever went wrong may be due to somebody else, who was faster.
        Err(e) if e != EIO && mapping.find_entry(index, entry).is_none() => Err(EEXIST),
        result => result,
    }
}

/// The same for the current task, as much at once as there is.
#[cfg(CONFIG_SWAP)]
pub(in crate::tmpfs) fn read_in(
    inode: &TmpfsInode,
    index: PageIndex,
    entry: SwapEntry,
) -> Result<LockedFolio> {
    swap_in(inode, index, entry, MAX_ORDER, Reader::CURRENT, &mut false)
}

/// Puts a folio from the swap cache, which has page `index` at `entry`, into the page cache, or
/// poisons its pages.
#[cfg(CONFIG_SWAP)]
fn settle(
    inode: &TmpfsInode,
    index: PageIndex,
    entry: SwapEntry,
    folio: LockedSwapFolio,
) -> Result<LockedFolio> {
    let (mapping, pages) = (inode.mapping(), folio.nr_pages());
    if !folio.is_uptodate() {
        page_accounting::lose_in_swap(inode, pages, || mapping.poison(folio, index, entry))?;
        return Err(EIO);
    }
    let folio = mapping.insert_from_swap(folio, index, entry)?;
    page_accounting::back_from_swap(inode, pages);
    Ok(folio)
}

/// Whether a folio must not go to swap as a whole: what it has beyond the end of the file can be given
/// back only in memory.
#[cfg(CONFIG_SWAP)]
fn must_be_split(folio: &OutgoingFolio<'_, Tmpfs>) -> bool {
    let inode = folio.inode();
    let file_end = inode.size().page_end();
    let end = inode.data().kept_end(file_end);
    !folio.may_go_whole() || (folio.pages().start < end && end < folio.pages().end)
}

/// Finds the folio at page `index` of the file, and locks it; `None` is a hole. May sleep.
///
/// Fails with `EINVAL` beyond the end, though fallocate(2) may have put something there.
fn find_within(
    inode: &TmpfsInode,
    index: PageIndex,
    unwritten: Unwritten,
) -> Result<Option<LockedFolio>> {
    lookup::check_within(inode, index)?;
    let folio = lookup::find_locked(inode, index, unwritten)?;
    // The file may have been truncated before the folio was locked.
    lookup::check_within(inode, index)?;
    Ok(folio)
}

impl SharedMemory for Tmpfs {
    #[cfg(CONFIG_SWAP)]
    fn cell() -> &'static BackendCell<Self> {
        &BACKEND
    }

    #[cfg(CONFIG_SWAP)]
    #[inline]
    fn write_out<'a>(mut folio: OutgoingFolio<'a, Self>) -> WrittenOut<'a> {
        let inode = folio.inode();
        let mount = inode.sb().data();
        if inode.data().is_locked() || mount.is_without_swap() || !is_there_swap() {
            return folio.keep();
        }
        if folio.nr_pages() > PageCount::ONE && must_be_split(&folio) && !folio.split() {
            return folio.keep();
        }
        if !folio.is_valid() {
            let activity = &folio.inode().data().activity;
            if activity.refuse_to_write_out(folio.index(), folio.nr_pages()) {
                return folio.keep();
            }
            folio.make_valid();
        }
        let placed = match folio.allocate_swap() {
            Ok(placed) => placed,
            // Its pages may find room where it does not.
            Err(mut folio) => {
                if folio.nr_pages() == PageCount::ONE || !folio.split() {
                    return folio.keep();
                }
                match folio.allocate_swap() {
                    Ok(placed) => placed,
                    Err(folio) => return folio.keep(),
                }
            }
        };
        // They count before they leave the cache, lest they are taken for some that reclaim dropped.
        placed.move_to_swap(
            page_accounting::going_to_swap,
            page_accounting::back_from_swap,
        )
    }

    #[cfg(CONFIG_SWAP)]
    fn bring_back(inode: &Inode<Self>, device: SwapDeviceId) -> Result {
        let mut next = PageIndex::ZERO;
        let mut batch = [None; SWAPOFF_BATCH];
        // Each round goes on behind the last page that it has found; any signal ends it.
        loop {
            let found = inode
                .mapping()
                .find_on_device(device, &mut next, &mut batch);
            for (index, entry) in batch[..found].iter().flatten() {
                // Pages that have gone or cannot be read need not come back.
                if let Err(ENOMEM) = read_in(inode, *index, *entry) {
                    return Err(ENOMEM);
                }
                if task::signal_pending() {
                    return Err(EINTR);
                }
                task::cond_resched();
            }
            if found < SWAPOFF_BATCH {
                return Ok(());
            }
        }
    }

    #[cfg(CONFIG_SWAP)]
    fn swapped(inode: &Inode<Self>) -> PageCount {
        page_accounting::in_swap(inode)
    }

    fn get_folio(inode: &Inode<Self>, index: PageIndex, want: Want) -> Result<Option<LockedFolio>> {
        // No file can be that long.
        if index.start().is_none() {
            return Err(EFBIG);
        }
        match want {
            Want::Read => find_within(inode, index, Unwritten::IsHole),
            Want::Existing => match find_within(inode, index, Unwritten::MakeValid)? {
                Some(folio) => Ok(Some(folio)),
                None => Err(ENOENT),
            },
            Want::Valid => lookup::find_or_make(inode, index, Purpose::Valid, &mut false).map(Some),
            Want::Write { end } => {
                lookup::find_or_make(inode, index, Purpose::Write { end }, &mut false).map(Some)
            }
        }
    }

    #[cfg(CONFIG_USERFAULTFD)]
    fn new_folio(
        inode: &Inode<Self>,
        index: PageIndex,
        owner: MemoryOwner<'_>,
    ) -> Result<NewFolio> {
        userfault::new_folio(inode, index, owner)
    }

    #[cfg(CONFIG_USERFAULTFD)]
    fn add_folio(inode: &Inode<Self>, index: PageIndex, folio: NewFolio) -> Result<LockedFolio> {
        userfault::add_folio(inode, index, folio)
    }

    #[cfg(CONFIG_USERFAULTFD)]
    fn remove_folio(inode: &Inode<Self>, folio: LockedFolio) {
        userfault::remove_folio(inode, folio);
    }

    fn free_range(inode: &Inode<Self>, start: Pos, end: Option<Pos>) {
        Cut::new(start, end).free(inode);
    }

    fn charge(inode: &Inode<Self>, pages: PageCount, add: impl FnOnce()) -> bool {
        match page_accounting::reserve(inode, pages) {
            Ok(reservation) => {
                add();
                reservation.keep(inode);
                true
            }
            Err(_) => false,
        }
    }

    fn uncharge(inode: &Inode<Self>) {
        page_accounting::recalculate(inode);
    }

    fn kept_end(inode: &Inode<Self>, eof: PageIndex) -> PageIndex {
        inode.data().kept_end(eof)
    }

    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    fn huge_orders(
        inode: &Inode<Self>,
        mapping: Option<(VmaAdvice, bool)>,
        index: PageIndex,
        write_end: Pos,
        forced: bool,
    ) -> c_ulong {
        let advice = mapping.map(|(vma, is_anonymous)| orders::advice(vma, is_anonymous));
        orders::allowed_for(inode, index, write_end, advice, forced).bits()
    }

    fn set_locked(inode: &Inode<Self>, locked: bool) -> bool {
        inode.data().set_locked(locked)
    }

    fn is_locked(inode: &Inode<Self>) -> bool {
        inode.data().is_locked()
    }

    #[cfg(CONFIG_NUMA)]
    fn policy(inode: &Inode<Self>) -> &SharedPolicy {
        inode.data().policy()
    }

    fn seals(inode: &Inode<Self>) -> &Seals {
        inode.data().seals()
    }
}
