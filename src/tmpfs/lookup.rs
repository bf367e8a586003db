// SPDX-License-Identifier: GPL-2.0

//! Finding the folio at an index of a file, or making it.
//!
//! Lock order: the folio lock is taken last, and never while another one is held.

use super::inode::{self, TmpfsInode};
use super::space::{self, SpaceReservation};
use super::superblock::Tmpfs;
use super::swap;
use crate::mm::fault::Fault;
use crate::mm::folio::MemoryOwner;
#[cfg(CONFIG_USERFAULTFD)]
use crate::mm::userfault::Found;
use crate::mm::{Folio, LockedFolio, NewFolio, Slot, PAGE_SIZE};
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// What the folio is wanted for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To be written by write(2): where it is new, the caller fills or zeros all of it.
    Write,
    /// To be used like a mapped one: all of it must be valid.
    Valid,
    /// To be mapped for a fault, and charged to the owner of the mapping: all of it must be valid.
    Fault(&'a Fault<'a, Tmpfs>),
    /// To be allocated in advance: one that is new stays as it is, one that was allocated earlier
    /// becomes valid, so that it is not taken for new.
    Allocate,
}

impl Purpose<'_> {
    /// Whether the folio is to be within the file.
    fn is_within_size(self) -> bool {
        matches!(self, Self::Valid | Self::Fault(_))
    }

    /// Whom a new folio is charged to.
    fn owner(self) -> MemoryOwner {
        match self {
            Self::Fault(fault) => fault.memory_owner(),
            Self::Write | Self::Valid | Self::Allocate => MemoryOwner::CURRENT,
        }
    }

    /// Whether it is a fault that user space handles, and that therefore has to end.
    #[inline]
    fn is_left_to_user(self, slot: &Slot) -> bool {
        #[cfg(CONFIG_USERFAULTFD)]
        if let Self::Fault(fault) = self {
            return fault.is_left_to_user(match slot {
                Slot::Empty => Found::Nothing,
                Slot::Folio(_) | Slot::Swap(_) | Slot::Poisoned => Found::Page,
            });
        }
        #[cfg(not(CONFIG_USERFAULTFD))]
        let _ = slot;
        false
    }
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
    purpose: Purpose<'_>,
    major: &mut bool,
) -> Result<LockedFolio> {
    loop {
        check_size(inode, index, purpose)?;
        let slot = inode.mapping().get(index);
        if purpose.is_left_to_user(&slot) {
            return Err(EAGAIN);
        }
        let (mut folio, is_new) = match slot {
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
            Purpose::Valid | Purpose::Fault(_) => false,
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
fn make(inode: &TmpfsInode, index: u64, purpose: Purpose<'_>) -> Result<LockedFolio> {
    let reservation = reserve(inode, index)?;
    let place = inode::place(inode, index, 0);
    let new = NewFolio::new(inode.mapping(), 0, purpose.owner(), &place)?;
    let mut folio = insert(inode, index, new, reservation)?;
    if !purpose.is_within_size() {
        folio.set_referenced();
    }
    Ok(folio)
}

/// Reserves what a new page at `index` counts as. Does not sleep.
///
/// Fails with `ENOSPC` where the limits forbid it, and with `EEXIST` where the file has that page by
/// now: whoever took the last one may have put it there.
pub(super) fn reserve(inode: &TmpfsInode, index: u64) -> Result<SpaceReservation<'_>> {
    space::reserve(inode, 1).map_err(|e| match inode.mapping().get(index) {
        Slot::Empty => e,
        Slot::Folio(_) | Slot::Swap(_) | Slot::Poisoned => EEXIST,
    })
}

/// Adds a new folio at page `index`, as what `reservation` was made for. May sleep.
///
/// Fails with `EEXIST` where the file has that page, and with `ENOMEM`.
pub(super) fn insert(
    inode: &TmpfsInode,
    index: u64,
    folio: NewFolio,
    reservation: SpaceReservation<'_>,
) -> Result<LockedFolio> {
    let folio = inode.mapping().insert(folio, index)?;
    reservation.keep(inode);
    inode.mapping().add_to_lru(&folio);
    Ok(folio)
}

/// A mapping sees the file up to the end of its last page; a write may go beyond.
fn check_size(inode: &TmpfsInode, index: u64, purpose: Purpose<'_>) -> Result {
    if purpose.is_within_size() && index >= (inode.size() as u64).div_ceil(PAGE_SIZE as u64) {
        return Err(EINVAL);
    }
    Ok(())
}
