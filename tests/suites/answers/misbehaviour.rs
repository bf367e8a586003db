// SPDX-License-Identifier: GPL-2.0

//! What a file system can do wrong in safe code, so that a layer has to answer when it runs.
//!
//! In a copy of rtmpfs, which `module` beside this file makes, this is a module of the file system, and chmod(2),
//! page faults and evictions come here first. The permissions of a file say what goes wrong with it; where chmod(2)
//! itself does that, it fails with what the layer says.

use super::namespace::lifecycle;
use super::state::inode::{self, TmpfsInode};
use super::state::Tmpfs;
use crate::mm::huge::{self, Effort};
use crate::mm::{Folio, LockedFolio, NewFolio, Slot};
use crate::mm::{MemoryOwner, MAX_FILE_SIZE};
use crate::shmem::fault::Fault;
use crate::units::{Order, PageCount, PageIndex};
use crate::vfs::attr::SetAttr;
use crate::vfs::{Exclusive, File, Mode, SuperBlock};
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Full};
use kernel::time::delay::fsleep;
use kernel::time::Delta;

// The suite reads these lines.
const MAKES_LARGE_FOLIOS: u16 = 0o001;
const ADDS_PAGES: u16 = 0o002;
const LEAVES_PAGES: u16 = 0o003;
const MAPS_FIRST_PAGE_ONLY: u16 = 0o004;
const LEAVES_ALL: u16 = 0o005;
const ADDS_PAGES_BEYOND: u16 = 0o006;
const IS_LOOKED_AT: u16 = 0o010;
const IS_EVICTED_SLOWLY: u16 = 0o020;
const WALKS: u16 = 0o040;
const QUEUES_READS: u16 = 0o100;
const QUEUES_CHANGES: u16 = 0o200;

fn permissions(mode: Mode) -> u16 {
    mode.as_raw() & 0o777
}

/// Before chmod(2) does what it should.
pub(super) fn chmod(request: &mut SetAttr<'_, Tmpfs>) -> Result {
    let (mode, inode) = (request.mode(), request.inode());
    match mode.map(permissions) {
        Some(MAKES_LARGE_FOLIOS) => make_large_folios(&inode),
        Some(ADDS_PAGES) => add_pages(&inode),
        Some(ADDS_PAGES_BEYOND) => add_pages_beyond(&inode),
        Some(IS_LOOKED_AT) => {
            inode.list_cached();
            Ok(())
        }
        Some(IS_EVICTED_SLOWLY) => {
            wait_for(LOOKING)?;
            inode.list_cached();
            Ok(())
        }
        Some(WALKS) => walk(inode.sb()),
        Some(QUEUES_CHANGES) if loses_setuid(mode, &inode) => Err(EIOCBQUEUED),
        _ => Ok(()),
    }
}

/// As a write takes it from the file.
fn loses_setuid(mode: Option<Mode>, inode: &TmpfsInode) -> bool {
    const SETUID: u16 = 0o4000;
    let has = |mode: Mode| mode.as_raw() & SETUID != 0;
    has(inode.mode()) && !mode.is_some_and(has)
}

/// Of all orders that the page cache cannot have. Fails with `E2BIG` where there is no folio of any of them.
fn make_large_folios(inode: &TmpfsInode) -> Result {
    let makes = |order| {
        let place = inode::place(inode, PageIndex::ZERO, order);
        NewFolio::large(inode.mapping().gfp(), order, Effort::unmapped(), &place).is_some()
    };
    if !makes(Order::ZERO) {
        return Err(ENOMEM);
    }
    let mut order = huge::MAX_ORDER;
    // Ends: the order grows.
    while order < Order::MAX {
        order = order.larger();
        if makes(order) {
            return Ok(());
        }
    }
    Err(E2BIG)
}

/// Which the file system does not count.
fn add_pages(inode: &TmpfsInode) -> Result {
    let (mapping, flags) = (inode.mapping(), inode.mapping().gfp());
    for index in [0, 1, 1 << 20].map(PageIndex::from_pgoff) {
        let place = inode::place(inode, index, Order::ZERO);
        let folio = NewFolio::new(flags, MemoryOwner::CURRENT, &place)?;
        drop(mapping.insert(folio, index, flags, |_| Ok(()))?);
    }
    Ok(())
}

/// Where no file has one. Fails with `EFBIG` where none of them comes to the page cache.
fn add_pages_beyond(inode: &TmpfsInode) -> Result {
    let (mapping, flags) = (inode.mapping(), inode.mapping().gfp());
    let last = MAX_FILE_SIZE.page_end();
    for index in [last, last.saturating_add(PageCount::ONE), PageIndex::END] {
        let place = inode::place(inode, index, Order::ZERO);
        let folio = NewFolio::new(flags, MemoryOwner::CURRENT, &place)?;
        match mapping.insert(folio, index, flags, |_| Ok(())) {
            Err(EINVAL) => {}
            _ => return Ok(()),
        }
    }
    Err(EFBIG)
}

/// Whether a read(2) is to go on by itself.
pub(super) fn queues(file: &File<Tmpfs>) -> bool {
    permissions(file.inode().mode()) == QUEUES_READS
}

/// What a page fault is answered with, whichever page it is for, and up to date or not.
pub(super) fn fault(fault: &Fault<'_, Tmpfs>) -> Option<LockedFolio> {
    let inode = fault.inode();
    if permissions(inode.mode()) != MAPS_FIRST_PAGE_ONLY {
        return None;
    }
    match inode.mapping().get(PageIndex::ZERO) {
        Slot::Folio(folio) => Folio::lock(folio).belongs_to(inode.mapping()),
        _ => None,
    }
}

/// How far a walk and two evictions beside it have come: a step each.
static STEPS: Atomic<u32> = Atomic::new(0);
/// The walk looks at the first file of the list, and waits there.
const LOOKING: u32 = 1;
/// The evictions of that and of the next one have begun.
const EVICTING: u32 = 3;
/// The walk is over. The eviction of the second file begins and does not go on before.
const WALKED: u32 = 4;

fn step() {
    STEPS.fetch_add(1, Full);
}

fn wait_for(steps: u32) -> Result {
    for _ in 0..3000 {
        if STEPS.load(Acquire) >= steps {
            return Ok(());
        }
        fsleep(Delta::from_millis(10));
    }
    Err(ETIMEDOUT)
}

/// Looks at one file while it is evicted, for a second, and then for another one whose eviction has begun as well.
/// Fails with `EEXIST` where it comes to that, and with `ENOENT` where it did not come to the first.
fn walk(sb: &SuperBlock<Tmpfs>) -> Result {
    let mut looked = Err(ENOENT);
    let walked = sb.cached().for_each(
        |_| true,
        |inode| match permissions(inode.mode()) {
            IS_LOOKED_AT => {
                step();
                wait_for(EVICTING)?;
                fsleep(Delta::from_secs(1));
                looked = Ok(());
                Ok(())
            }
            IS_EVICTED_SLOWLY => Err(EEXIST),
            _ => Ok(()),
        },
    );
    step();
    walked.and(looked)
}

/// Whether that was all of the eviction, and not what comes before.
pub(super) fn evict(inode: &mut Exclusive<'_, Tmpfs>) -> bool {
    match permissions(inode.mode()) {
        IS_LOOKED_AT => step(),
        IS_EVICTED_SLOWLY => {
            step();
            // Where nothing comes of it, the walk says so.
            let _ = wait_for(WALKED);
        }
        LEAVES_PAGES => {
            lifecycle::evict(inode);
            // Where it can not, the warning is missed.
            let _ = add_pages(inode);
            return true;
        }
        LEAVES_ALL => return true,
        _ => {}
    }
    false
}
