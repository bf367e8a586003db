// SPDX-License-Identifier: GPL-2.0

//! Inodes: how they are made, and how they go.

use super::flags;
use crate::mm::{Ino, Pos};
use crate::tmpfs::data::page_accounting;
use crate::tmpfs::data::truncate;
use crate::tmpfs::pure::inode_limit::InodeSpace;
use crate::tmpfs::state::inode::{TmpfsInode, DIR_ENTRY_SIZE};
use crate::tmpfs::state::Tmpfs;
use crate::vfs::{DeviceId, Exclusive, FileType, IdMap, Mode, NewInode, SuperBlock};
use kernel::prelude::*;

/// The size of a directory without files: two names are its own.
const EMPTY_DIR_SIZE: Pos = Pos::ZERO
    .saturating_add(DIR_ENTRY_SIZE)
    .saturating_add(DIR_ENTRY_SIZE);

/// Makes an inode for a new file in `parent`. May sleep.
///
/// Fails with `ENOSPC` where the mount has no inode left, and, like tmpfs, where there is no memory
/// for one; with `EDQUOT` where the owners have none.
pub(in crate::tmpfs) fn new(
    parent: &TmpfsInode,
    idmap: &IdMap,
    mode: Mode,
    device: DeviceId,
) -> Result<NewInode<Tmpfs>> {
    let sb = parent.sb();
    let inode = init(sb, |ino| {
        NewInode::new(sb, idmap, Some(parent), ino, mode, device)
    })?;
    let inode = flags::inherit(parent, inode);
    Ok(inode)
}

/// Reserves and numbers an inode, and sets up what `make` makes of the number.
pub(in crate::tmpfs) fn init(
    sb: &SuperBlock<Tmpfs>,
    make: impl FnOnce(Ino) -> Option<NewInode<Tmpfs>>,
) -> Result<NewInode<Tmpfs>> {
    let reservation = sb.data().inodes.reserve(InodeSpace::INODE).ok_or(ENOSPC)?;
    let mut inode = make(sb.data().next_ino(sb)).ok_or(ENOSPC)?;
    // From here on `evict()` returns it.
    reservation.commit();

    if sb.data().is_without_swap() {
        inode.mapping().set_unevictable();
    }
    inode.data().set_btime(inode.mtime());
    match inode.file_type() {
        FileType::Directory => inode.exclusive().set_size(EMPTY_DIR_SIZE),
        FileType::Regular => {
            if let Some(policy) = sb.data().policy.get() {
                inode.data_mut().start_with_policy(policy);
            }
        }
        _ => {}
    }
    if let Some(quota) = sb.data().quota() {
        quota.charge_inode(&inode)?;
    }
    Ok(inode)
}

/// Sets the operations of a new inode.
pub(in crate::tmpfs) fn set_operations(inode: &NewInode<Tmpfs>) {
    match inode.file_type() {
        FileType::Regular => inode.init_regular(),
        FileType::Directory => inode.init_directory(),
        FileType::Symlink => inode.init_symlink(),
        FileType::Special => inode.init_special(),
    }
}

/// The inode has no user left: gives back its pages and its place.
pub(in crate::tmpfs) fn evict(inode: &mut Exclusive<'_, Tmpfs>) {
    if inode.file_type() == FileType::Regular {
        if page_accounting::has_pages(inode) {
            inode.set_size(Pos::ZERO);
            truncate::truncate_range(inode, Pos::ZERO, None);
        }
        inode.data().policy().clear();
    }
    page_accounting::release_counted_only(inode);
    inode.sb().data().inodes.release(InodeSpace::INODE);
}
