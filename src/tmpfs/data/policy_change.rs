// SPDX-License-Identifier: GPL-2.0

//! What a file has of `huge=fit` where its mount has another policy by now.
//!
//! Its folios go on looking like single pages; those of the new policy do not, and may have the same sizes. So before the
//! first of these is made, those of which it can be seen are taken apart. That is rare, and takes as long as a walk of the
//! file.
//!
//! Lock order: folio locks, one at a time.

use crate::mm::{huge, task, Folio, Slot};
use crate::tmpfs::state::inode::TmpfsInode;
use crate::units::{Order, PageIndex, PageRange};
use kernel::sync::aref::ARef;

/// Makes `inode` ready for a large folio of another policy. What other tasks use looks like one of those from now on: to
/// come back for it would be a walk for each. May sleep; no folio may be locked.
#[inline]
pub(super) fn leave_fit(inode: &TmpfsInode) {
    if inode.data().was_fitted() && take_all_apart(inode) {
        inode.data().forget_fitted();
    }
}

/// Takes apart what can be; false where the task is killed before the end.
#[cold]
fn take_all_apart(inode: &TmpfsInode) -> bool {
    let mapping = inode.mapping();
    let mut next = PageIndex::ZERO;
    // Ends: each round goes on behind what it has found.
    while let Some(index) = mapping.first_in(PageRange::new(next, PageIndex::END)) {
        if task::fatal_signal_pending() {
            return false;
        }
        task::cond_resched();
        let order = mapping.slot_order(index).unwrap_or(Order::ZERO);
        next = index.folio(order).end;
        if order.is_zero() {
            continue;
        }
        // What is in swap was written, and is not mapped.
        if let Slot::Folio(folio) = mapping.get(index) {
            take_apart(inode, folio);
        }
    }
    true
}

/// Splits a folio if it was allocated in advance or reaches beyond the end of the file, and no other task uses it. One that a
/// PMD maps may reach there.
fn take_apart(inode: &TmpfsInode, folio: ARef<Folio>) {
    if let Some(mut folio) = Folio::lock(folio).belongs_to(inode.mapping()) {
        let is_beyond = folio.end() > inode.size().page_end();
        let is_seen = folio.order() < huge::PMD_ORDER && is_beyond;
        if (!folio.is_uptodate() || is_seen) && !(is_beyond && inode.data().is_growing()) {
            // One in use stays as it is.
            folio.split();
        }
    }
}
