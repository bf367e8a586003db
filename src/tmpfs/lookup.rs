// SPDX-License-Identifier: GPL-2.0

//! Finding the folio at an index of a file, or making it.
//!
//! Lock order: the folio lock is taken last, and never while another one is held.

use super::inode::{self, TmpfsInode};
use super::space;
use super::swap;
use crate::mm::folio::MemoryOwner;
use crate::mm::{Folio, LockedFolio, NewFolio, Slot, PAGE_SIZE};
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// What the folio is wanted for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// To be written by write(2): where it is new, the caller fills or zeros all of it.
    Write,
    /// To be mapped, and charged to the owner of the mapping: all of it must be valid.
    Map(MemoryOwner),
    /// To be allocated in advance: one that is new stays as it is, one that was allocated earlier
    /// becomes valid, so that it is not taken for new.
    Allocate,
}

impl Purpose {
    /// To be used like a mapped one, and charged to the current task.
    pub(super) const VALID: Self = Self::Map(MemoryOwner::CURRENT);
}

/// Finds the folio at page `index` for reading, without its lock. `None` is a hole, or a page
/// that was allocated and never written: both read as zeros. May sleep.
///
/// The folio may leave the file at any time; its contents remain what they were while it was
/// there. The caller checks the size of the file after the call.
#[inline]
pub(super) fn find(inode: &TmpfsInode, index: u64) -> Result<Option<ARef<Folio>>> {
    loop {
        return match inode.mapping().get(index) {
            Slot::Empty => Ok(None),
            Slot::Folio(folio) if folio.is_uptodate() => Ok(Some(folio)),
            Slot::Folio(_) => Ok(None),
            Slot::Swap(entry) => match swap::swap_in(inode, index, entry, &mut false) {
                Err(EEXIST) => continue,
                result => result.map(|folio| Some(folio.unlock())),
            },
            Slot::Poisoned => Err(EIO),
        };
    }
}

/// Finds the folio at page `index`, and locks it. `None` is a hole; with `even_unwritten` a page that
/// was allocated and never written is none, but is made valid. May sleep.
pub(super) fn find_locked(
    inode: &TmpfsInode,
    index: u64,
    even_unwritten: bool,
) -> Result<Option<LockedFolio>> {
    loop {
        let mut folio = match inode.mapping().get(index) {
            Slot::Empty => return Ok(None),
            Slot::Folio(folio) => LockedFolio::lock(folio),
            Slot::Swap(entry) => match swap::swap_in(inode, index, entry, &mut false) {
                Err(EEXIST) => continue,
                result => result?,
            },
            Slot::Poisoned => return Err(EIO),
        };
        if !folio.belongs_to(inode.mapping()) {
            continue;
        }
        if !folio.is_uptodate() {
            if !even_unwritten {
                return Ok(None);
            }
            make_valid(&mut folio);
        }
        return Ok(Some(folio));
    }
}

fn make_valid(folio: &mut LockedFolio) {
    folio.zero();
    folio.mark_uptodate();
}

/// Finds the folio at page `index`, or makes it. May sleep. `major` is set where it had to be read from
/// swap.
///
/// Fails with `ENOSPC` where the limits forbid another page, with `ENOMEM`, and where the folio is
/// to be mapped with `EINVAL` beyond the end of the file.
pub(super) fn find_or_make(
    inode: &TmpfsInode,
    index: u64,
    purpose: Purpose,
    major: &mut bool,
) -> Result<LockedFolio> {
    loop {
        check_size(inode, index, purpose)?;
        let (mut folio, is_new) = match inode.mapping().get(index) {
            Slot::Folio(folio) => {
                let folio = LockedFolio::lock(folio);
                if !folio.belongs_to(inode.mapping()) {
                    continue;
                }
                if let Purpose::Write = purpose {
                    folio.mark_accessed();
                }
                (folio, false)
            }
            Slot::Empty => match make(inode, index, purpose) {
                Err(EEXIST) => continue,
                result => (result?, true),
            },
            Slot::Swap(entry) => match swap::swap_in(inode, index, entry, major) {
                Err(EEXIST) => continue,
                result => (result?, false),
            },
            Slot::Poisoned => return Err(EIO),
        };

        let may_be_invalid = match purpose {
            Purpose::Write => true,
            Purpose::Map(_) => false,
            Purpose::Allocate => is_new,
        };
        if !may_be_invalid && !folio.is_uptodate() {
            make_valid(&mut folio);
        }
        // The file may have been truncated before the folio was locked.
        if let Err(e) = check_size(inode, index, purpose) {
            if is_new {
                folio.remove_from_cache();
                space::recalculate(inode);
            }
            return Err(e);
        }
        return Ok(folio);
    }
}

/// Makes the folio at page `index`; `EEXIST` where somebody else did.
fn make(inode: &TmpfsInode, index: u64, purpose: Purpose) -> Result<LockedFolio> {
    let owner = match purpose {
        Purpose::Map(owner) => owner,
        Purpose::Write | Purpose::Allocate => MemoryOwner::CURRENT,
    };
    let mapping = inode.mapping();
    let reservation = match space::reserve(inode, 1) {
        // Whoever took the last page may have put it here.
        Err(_) if !matches!(mapping.get(index), Slot::Empty) => return Err(EEXIST),
        result => result?,
    };
    let folio = NewFolio::new(mapping, 0, owner, &inode::place(inode, index, 0))?;
    let mut folio = mapping.insert(folio, index)?;
    reservation.keep(inode);
    if !matches!(purpose, Purpose::Map(_)) {
        folio.set_referenced();
    }
    mapping.add_to_lru(&folio);
    Ok(folio)
}

/// A mapping sees the file up to the end of its last page; a write may go beyond.
fn check_size(inode: &TmpfsInode, index: u64, purpose: Purpose) -> Result {
    match purpose {
        Purpose::Map(_) if index >= (inode.size() as u64).div_ceil(PAGE_SIZE as u64) => Err(EINVAL),
        _ => Ok(()),
    }
}
