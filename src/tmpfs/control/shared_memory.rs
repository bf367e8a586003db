// SPDX-License-Identifier: GPL-2.0

//! The file system as the rest of mm/ sees it: what each hook of shared memory does.

use crate::mm::huge::VmaAdvice;
use crate::mm::mempolicy::SharedPolicy;
use crate::mm::swap::SwapDeviceId;
use crate::mm::{LockedFolio, MemoryOwner, NewFolio};
use crate::shmem::backend::{SharedMemory, Want};
use crate::shmem::outgoing::{OutgoingFolio, WrittenOut};
use crate::tmpfs::data::lookup::{self, Unwritten};
use crate::tmpfs::data::orders;
use crate::tmpfs::data::page_accounting;
use crate::tmpfs::data::purpose::Purpose;
use crate::tmpfs::data::swap;
use crate::tmpfs::data::truncate;
use crate::tmpfs::data::userfault;
use crate::tmpfs::namespace::lifecycle;
use crate::tmpfs::state::Tmpfs;
use crate::units::{PageCount, PageIndex, Pos};
use crate::vfs::{Inode, NewInode, SuperBlock};
use kernel::prelude::*;

impl SharedMemory for Tmpfs {
    #[inline]
    fn write_out<'a>(folio: OutgoingFolio<'a, Self>) -> WrittenOut<'a> {
        swap::write_out(folio)
    }

    fn is_to_be_watched(inode: &Inode<Self>) {
        inode.data().note_watched();
    }

    fn unuse(inode: &Inode<Self>, device: SwapDeviceId) -> Result {
        swap::unuse(inode, device)
    }

    fn get_folio(inode: &Inode<Self>, index: PageIndex, want: Want) -> Result<Option<LockedFolio>> {
        // No file can be that long.
        if index.start().is_none() {
            return Err(EFBIG);
        }
        match want {
            Want::Read => lookup::find_within(inode, index, Unwritten::IsHole),
            Want::Existing => match lookup::find_within(inode, index, Unwritten::MakeValid)? {
                Some(folio) => Ok(Some(folio)),
                None => Err(ENOENT),
            },
            Want::Valid { flags } => {
                lookup::find_or_make(inode, index, Purpose::Valid { flags }).map(Some)
            }
            Want::Write { end } => {
                lookup::find_or_make(inode, index, Purpose::Write { end, source: None }).map(Some)
            }
        }
    }

    fn new_folio(
        inode: &Inode<Self>,
        index: PageIndex,
        owner: MemoryOwner<'_>,
    ) -> Result<NewFolio> {
        userfault::new_folio(inode, index, owner)
    }

    fn add_folio(inode: &Inode<Self>, index: PageIndex, folio: NewFolio) -> Result<LockedFolio> {
        userfault::add_folio(inode, index, folio)
    }

    fn remove_folio(inode: &Inode<Self>, folio: LockedFolio) {
        userfault::remove_folio(inode, folio);
    }

    fn truncate_range(inode: &Inode<Self>, start: Pos, end: Option<Pos>) {
        truncate::truncate_range(inode, start, end);
    }

    fn charge(inode: &Inode<Self>, pages: PageCount) -> Result<impl FnOnce()> {
        let reservation = page_accounting::reserve(inode, pages)?;
        Ok(move || reservation.commit(inode))
    }

    fn uncharge(inode: &Inode<Self>) {
        page_accounting::recalc(inode);
    }

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

    fn policy(inode: &Inode<Self>) -> &SharedPolicy {
        inode.data().policy()
    }

    fn new_unlinked(
        sb: &SuperBlock<Self>,
        size: Pos,
        commits_whole_size: bool,
    ) -> Result<NewInode<'_, Self>> {
        lifecycle::new_unlinked(sb, size, commits_whole_size)
    }
}
