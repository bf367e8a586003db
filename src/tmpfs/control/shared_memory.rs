// SPDX-License-Identifier: GPL-2.0

//! The file system as the rest of mm/ sees it: what each hook of shared memory does.

#[cfg(CONFIG_USERFAULTFD)]
use crate::mm::folio::MemoryOwner;
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::mm::huge::VmaAdvice;
#[cfg(CONFIG_NUMA)]
use crate::mm::mempolicy::SharedPolicy;
#[cfg(CONFIG_SWAP)]
use crate::mm::swap::SwapDeviceId;
#[cfg(CONFIG_USERFAULTFD)]
use crate::mm::NewFolio;
use crate::mm::{LockedFolio, PageCount, PageIndex, Pos};
#[cfg(CONFIG_SWAP)]
use crate::shmem::backend::BackendCell;
use crate::shmem::backend::{Seals, SharedMemory, Want};
#[cfg(CONFIG_SWAP)]
use crate::shmem::outgoing::{OutgoingFolio, WrittenOut};
use crate::tmpfs::data::lookup::{self, Purpose, Unwritten};
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::tmpfs::data::orders;
use crate::tmpfs::data::page_accounting;
#[cfg(CONFIG_SWAP)]
use crate::tmpfs::data::swap;
use crate::tmpfs::data::truncate;
#[cfg(CONFIG_USERFAULTFD)]
use crate::tmpfs::data::userfault;
use crate::tmpfs::state::Tmpfs;
use crate::vfs::Inode;
use kernel::prelude::*;

/// The registered file system type, for calls that are not about one file.
#[cfg(CONFIG_SWAP)]
static BACKEND: BackendCell<Tmpfs> = BackendCell::new();

impl SharedMemory for Tmpfs {
    #[cfg(CONFIG_SWAP)]
    fn cell() -> &'static BackendCell<Self> {
        &BACKEND
    }

    #[cfg(CONFIG_SWAP)]
    #[inline]
    fn write_out<'a>(folio: OutgoingFolio<'a, Self>) -> WrittenOut<'a> {
        swap::write_out(folio)
    }

    #[cfg(CONFIG_SWAP)]
    fn bring_back(inode: &Inode<Self>, device: SwapDeviceId) -> Result {
        swap::unuse(inode, device)
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
            Want::Read => lookup::find_within(inode, index, Unwritten::IsHole),
            Want::Existing => match lookup::find_within(inode, index, Unwritten::MakeValid)? {
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
        truncate::truncate_range(inode, start, end);
    }

    fn charge(inode: &Inode<Self>, pages: PageCount) -> Result<impl FnOnce()> {
        let reservation = page_accounting::reserve(inode, pages)?;
        Ok(move || reservation.commit(inode))
    }

    fn uncharge(inode: &Inode<Self>) {
        page_accounting::recalc(inode);
    }

    fn kept_end(inode: &Inode<Self>, eof: PageIndex) -> PageIndex {
        inode.data().fallocend(eof)
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
        inode.data().set_shm_locked(locked)
    }

    fn is_locked(inode: &Inode<Self>) -> bool {
        inode.data().is_shm_locked()
    }

    #[cfg(CONFIG_NUMA)]
    fn policy(inode: &Inode<Self>) -> &SharedPolicy {
        inode.data().policy()
    }

    fn seals(inode: &Inode<Self>) -> &Seals {
        inode.data().seals()
    }
}
