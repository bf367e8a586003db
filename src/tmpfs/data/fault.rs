// SPDX-License-Identifier: GPL-2.0

//! Page faults in mappings of a file.

use super::beyond_eof;
use super::fallocate;
use super::lookup;
use super::purpose::Purpose;
use super::shown;
use crate::shmem::fault::{Fault, FaultOperations, Faulted};
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use core::ops::ControlFlow;
use kernel::prelude::*;

impl FaultOperations for Tmpfs {
    #[inline]
    fn fault(fault: Fault<'_, Self>) -> Result<Faulted> {
        let fault = match fallocate::wait_for_punch(fault) {
            ControlFlow::Continue(fault) => fault,
            ControlFlow::Break(ended) => return Ok(ended),
        };
        beyond_eof::trim(fault.inode());
        lookup::find_or_make_noting(fault.inode(), fault.index(), Purpose::Fault(&fault))
            .map(|(folio, _)| Faulted::Folio(folio))
    }

    #[inline]
    fn may_map_around(inode: &TmpfsInode) -> bool {
        // Else the fault gives it back, or maps a page of it.
        !shown::may_be_mapped(inode)
    }

    #[inline]
    fn has_mapped_around(inode: &TmpfsInode) {
        shown::note_mapped_around(inode);
    }
}
