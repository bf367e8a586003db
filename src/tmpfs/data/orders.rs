// SPDX-License-Identifier: GPL-2.0

//! Which orders a new folio may have: what `huge` decides, on what the kernel says.

use crate::mm::huge::{self, VmaAdvice};
use crate::mm::{LockedFolio, Mapping};
use crate::shmem::huge as shmem;
use crate::tmpfs::pure::folio_orders::{allowed, Advice, Controls, Orders, Request, System};
use crate::tmpfs::pure::huge_policy::HugePolicy;
use crate::tmpfs::state::inode::TmpfsInode;
use crate::units::{Len, Order, PageIndex, Pos};
use crate::vfs::FileType;

/// Whether there can be large folios on this machine.
pub(in crate::tmpfs) fn are_supported() -> bool {
    huge::is_supported()
}

/// The policy of a mount that has no option for it: what the machine was booted with, if that is more than nothing.
pub(in crate::tmpfs) fn default_policy() -> HugePolicy {
    match HugePolicy::from_number(shmem::mount_default()) {
        HugePolicy::Never if are_supported() => HugePolicy::Fit,
        policy => policy,
    }
}

fn system() -> System {
    match shmem::enabled() {
        shmem::DENY => System::Deny,
        shmem::FORCE => System::Force,
        _ => System::Mount,
    }
}

fn decode(controls: &shmem::Controls) -> Controls {
    let supported = Orders::up_to(huge::MAX_ORDER);
    Controls {
        system: system(),
        always: Orders::from_bits(controls.always()),
        advise: Orders::from_bits(controls.madvise()),
        inherit: Orders::from_bits(controls.inherit()),
        within_size: Orders::from_bits(controls.within_size()),
        supported,
        pmd: Orders::one(huge::PMD_ORDER).and(supported),
    }
}

/// What says how large a new folio is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Nothing: it is a single page.
    SinglePage,
    /// What it is for, see [`mod@super::fitting`].
    Fit,
    /// What the mount, the system and the mapping allow, see [`allowed_for`].
    Allowed,
}

/// What says how large a new folio of `inode` is; `is_anonymous` says whether it is for a mapping of anonymous shared
/// memory. Each new page asks. Does not sleep.
#[inline]
pub(super) fn rule(inode: &TmpfsInode, is_anonymous: impl FnOnce() -> bool) -> Rule {
    if !huge::IS_BUILT_IN {
        return Rule::SinglePage;
    }
    // What a mount has by default is asked for first, as it takes least.
    if is_fitting(inode) {
        return match shmem::enabled() {
            shmem::DENY => Rule::SinglePage,
            _ => Rule::Fit,
        };
    }
    match shmem::enabled() {
        shmem::FORCE => Rule::Allowed,
        shmem::DENY => Rule::SinglePage,
        _ => match inode.sb().data().huge() {
            HugePolicy::Never if !is_anonymous() => Rule::SinglePage,
            // The system has just changed its mind.
            HugePolicy::Fit => Rule::Fit,
            _ => Rule::Allowed,
        },
    }
}

/// Whether the folios of `inode` are to look like single pages wherever that can be seen.
#[inline]
pub(super) fn is_fitting(inode: &TmpfsInode) -> bool {
    huge::IS_BUILT_IN
        && inode.sb().data().huge() == HugePolicy::Fit
        && shmem::enabled() != shmem::FORCE
}

/// Whether a folio of `inode` is a large one that is to look like single pages. Where the mount has another policy by
/// now, one that a PMD can map is taken for that policy's, unless it was never written.
#[inline]
pub(super) fn must_look_single(inode: &TmpfsInode, folio: &LockedFolio) -> bool {
    !folio.order().is_zero()
        && (is_fitting(inode)
            || (inode.data().was_fitted()
                && (folio.order() < huge::PMD_ORDER || !folio.is_uptodate())))
}

/// Whether a new folio of `inode` may be large at all. Does not sleep.
#[inline]
pub(in crate::tmpfs) fn may_be_large(inode: &TmpfsInode) -> bool {
    rule(inode, || false) != Rule::SinglePage
}

/// The orders that a new folio with page `index` of `inode` may have. `advice` is what the
/// mapping says that it is for; `write_end` is what a write would make the size of the file; with
/// `forced` the settings do not count. Does not sleep.
pub(in crate::tmpfs) fn allowed_for(
    inode: &TmpfsInode,
    index: PageIndex,
    write_end: Pos,
    advice: Option<Advice>,
    forced: bool,
) -> Orders {
    if huge::is_disabled() {
        return Orders::NONE;
    }
    let request = Request {
        index,
        file_end: inode.size().page_end(),
        write_end: write_end.page_end(),
        advice,
        forced,
    };
    allowed(
        inode.sb().data().huge(),
        &decode(&shmem::Controls::read()),
        &request,
    )
}

/// What a mapping says.
pub(in crate::tmpfs) fn advice(vma: VmaAdvice, is_anonymous: bool) -> Advice {
    Advice {
        forbids: vma.forbids,
        wants: vma.wants,
        is_anonymous,
    }
}

/// Those of `orders` whose folio with page `index` meets nothing in the file; a snapshot.
pub(in crate::tmpfs) fn without_conflict(
    mapping: &Mapping,
    orders: Orders,
    index: PageIndex,
) -> Orders {
    crate::tmpfs::pure::folio_orders::without_conflict(orders, index, |range| {
        mapping.first_in(range)
    })
}

/// The size that I/O on `inode` is best done in where that is not a page: that of the folios
/// that it begins with. Does not sleep.
#[inline]
pub(in crate::tmpfs) fn block_size(inode: &TmpfsInode) -> Option<Len> {
    (rule(inode, || false) == Rule::Allowed
        && inode.file_type() == FileType::Regular
        && !allowed_for(inode, PageIndex::ZERO, Pos::ZERO, None, false).is_empty())
    .then_some(huge::PMD_ORDER.bytes())
}

/// The order of the folios that mappings of `inode` are best aligned to.
pub(in crate::tmpfs) fn mapping_alignment(inode: &TmpfsInode) -> Option<Order> {
    let wanted = match system() {
        System::Deny => false,
        System::Force => true,
        System::Mount => match inode.sb().data().huge() {
            HugePolicy::Never => false,
            HugePolicy::Fit => inode.size() >= Pos::ZERO.saturating_add(huge::PMD_ORDER.bytes()),
            _ => true,
        },
    };
    wanted.then_some(huge::PMD_ORDER)
}
