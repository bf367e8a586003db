// SPDX-License-Identifier: GPL-2.0

//! Pages that user space brings in, see userfaultfd(2).
//!
//! Lock order: as in [`lookup`].

use super::lookup;
use super::page_accounting;
use crate::mm::{LockedFolio, MemoryOwner, NewFolio};
use crate::tmpfs::state::inode::{self, TmpfsInode};
use crate::units::{Order, PageIndex};
use kernel::prelude::*;

/// Makes a folio for page `index`, which is not in the file yet. May sleep.
///
/// Fails with `EINVAL` beyond the end of the file, and with `ENOMEM`.
pub(in crate::tmpfs) fn new_folio(
    inode: &TmpfsInode,
    index: PageIndex,
    owner: MemoryOwner<'_>,
) -> Result<NewFolio> {
    if index >= inode.size().page_end() {
        return Err(EINVAL);
    }
    NewFolio::new(
        inode.mapping().gfp(),
        owner,
        &inode::place(inode, index, Order::ZERO),
    )
}

/// Adds a folio, which is valid, at page `index`. May sleep.
///
/// Fails with `EEXIST` where the file has that page, and with `ENOMEM`, also where the limits forbid
/// another one.
pub(in crate::tmpfs) fn add_folio(
    inode: &TmpfsInode,
    index: PageIndex,
    folio: NewFolio,
) -> Result<LockedFolio> {
    lookup::insert(inode, index, folio, inode.mapping().gfp()).map_err(|e| match e {
        EEXIST => e,
        _ => ENOMEM,
    })
}

/// Takes a folio out again that [`add_folio`] has added, and that is not mapped.
pub(in crate::tmpfs) fn remove_folio(inode: &TmpfsInode, folio: LockedFolio) {
    folio.remove_from_cache();
    page_accounting::recalc(inode);
}
