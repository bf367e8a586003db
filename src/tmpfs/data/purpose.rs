// SPDX-License-Identifier: GPL-2.0

//! What a folio of a file is wanted for, and what follows from that.
//!
//! What `enum sgp_type` is for tmpfs, with what the caller knows besides.

use super::orders::{self, Rule};
use crate::mm::huge;
use crate::mm::swap::Reader;
use crate::mm::{Folio, GfpFlags, LockedFolio, MemoryOwner};
use crate::shmem::fault::Fault;
use crate::shmem::userfault::Found;
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::units::Pos;
use kernel::iov::IovIterSource;
use kernel::prelude::*;

/// What the folio is wanted for, as `enum sgp_type` says in mm/shmem.c (`SGP_WRITE`, `SGP_CACHE`, `SGP_FALLOC`).
#[derive(Clone, Copy)]
pub(in crate::tmpfs) enum Purpose<'a> {
    /// To be written by write(2), which goes on to before byte `end`: where it is new, the caller
    /// fills or zeros all of it.
    Write {
        /// The start of the file where that is not known. Only large folios care.
        end: Pos,
        /// What is to be written, where that is known.
        source: Option<&'a Source<'a>>,
    },
    /// To be used like a mapped one: all of it must be valid.
    Valid {
        /// By which memory for it is allocated, in the place of the file's own.
        flags: GfpFlags,
    },
    /// To be mapped for a fault, and charged to the owner of the mapping: all of it must be valid.
    Fault(&'a Fault<'a, Tmpfs>),
    /// To be allocated in advance, like all before byte `end`: one that is new stays as it is, one
    /// that was allocated earlier becomes valid, so that it is not taken for new.
    Allocate {
        /// The end of all that is to be allocated. Only large folios care.
        end: Pos,
        /// The size that the file is going to have. Only large folios care.
        size: Pos,
    },
}

impl Purpose<'_> {
    /// The end of what is to be written or allocated; the start of the file where that is not known.
    pub(super) fn end(self) -> Pos {
        match self {
            Self::Write { end, .. } | Self::Allocate { end, .. } => end,
            Self::Fault(_) | Self::Valid { .. } => Pos::ZERO,
        }
    }

    /// Whether the folio is to be within the file.
    pub(super) fn is_within_size(self) -> bool {
        matches!(self, Self::Valid { .. } | Self::Fault(_))
    }

    /// Lets reclaim know of the use of a new folio.
    #[inline]
    pub(super) fn note_use(self, folio: &mut LockedFolio) {
        if let Self::Write { .. } = self {
            folio.set_referenced();
        }
    }

    /// Whom a new folio is charged to.
    pub(super) fn owner(&self) -> MemoryOwner<'_> {
        match self {
            Self::Fault(fault) => fault.memory_owner(),
            Self::Write { .. } | Self::Valid { .. } | Self::Allocate { .. } => MemoryOwner::CURRENT,
        }
    }

    /// By which memory is allocated for it in `inode`.
    #[inline]
    pub(super) fn flags(self, inode: &TmpfsInode) -> GfpFlags {
        match self {
            Self::Valid { flags } => flags,
            Self::Fault(_) | Self::Write { .. } | Self::Allocate { .. } => inode.mapping().gfp(),
        }
    }

    /// Whether it is for a mapping of anonymous shared memory.
    #[inline]
    pub(super) fn is_for_anonymous(self) -> bool {
        matches!(self, Self::Fault(fault) if fault.is_anonymous())
    }

    /// Whether `folio` of `inode` may be more than what may be used as a whole for it, or have more contents than it says.
    #[inline]
    pub(super) fn may_be_for_part(self, inode: &TmpfsInode, folio: &LockedFolio) -> bool {
        if folio.is_uptodate() {
            self.shows_beyond_eof(inode, folio)
        } else {
            folio.is_large() || inode.data().filled().contains(folio.index())
        }
    }

    /// Whether it is a write that says what it writes, and may fill a folio bit by bit.
    #[inline]
    pub(super) fn fills(self) -> bool {
        matches!(
            self,
            Self::Write {
                source: Some(_),
                ..
            }
        )
    }

    /// Whether a mapping would show what `folio` has beyond the end of the file, which it must not: the MM maps folios as
    /// a whole. One that it maps by one entry shows it anyway, if it was not made to be given back.
    #[inline]
    pub(super) fn shows_beyond_eof(self, inode: &TmpfsInode, folio: &LockedFolio) -> bool {
        matches!(self, Self::Fault(_))
            && folio.is_large()
            && folio.end() > inode.size().page_end()
            && (folio.order() < huge::PMD_ORDER || inode.data().may_be_beyond_eof())
    }

    /// Whether another task may be making `inode` larger beyond the end of `folio`: a fault does not wait for that.
    #[inline(always)]
    pub(super) fn meets_growth(self, inode: &TmpfsInode, folio: &LockedFolio) -> bool {
        matches!(self, Self::Fault(_))
            && folio.end() > inode.size().page_end()
            && inode.data().is_growing()
    }

    /// Who reads from swap for it.
    #[inline]
    pub(super) fn reader(&self) -> Reader<'_> {
        match self {
            Self::Fault(fault) => fault.reader(),
            _ => Reader::CURRENT,
        }
    }

    /// Whether it is a fault that is over, as `folio`, which is there, is mapped now with what is around it. Where the mount
    /// says how large folios are, the MM maps one as a whole, and to what is beyond the end of the file.
    #[inline(always)]
    pub(super) fn maps_around(self, inode: &TmpfsInode, folio: &Folio) -> bool {
        matches!(self, Self::Fault(fault)
            if fault.may_map_around()
                && orders::rule(inode, || false) != Rule::Allowed
                && !fault.is_for_mm(folio, inode.size().page_end())
                && fault.map_around())
    }

    /// Fails with `EAGAIN` where it is a fault that user space handles, and that therefore has to end.
    #[inline(always)]
    pub(super) fn unless_left_to_user(self, found: Found) -> Result {
        match self {
            Self::Fault(fault) if fault.is_left_to_user(found) => Err(EAGAIN),
            _ => Ok(()),
        }
    }
}

/// What write(2) is to write.
pub(in crate::tmpfs) struct Source<'a> {
    /// Where the call begins.
    pub(super) call: Pos,
    /// Where it has come to, in the page that the folio is wanted for.
    pub(super) start: Pos,
    /// The rest of what the caller has given, which begins there.
    pub(super) data: &'a IovIterSource<'a>,
    /// Whether all of it could be copied so far.
    pub(super) is_there: bool,
}
