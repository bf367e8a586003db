// SPDX-License-Identifier: GPL-2.0

//! Inodes: how they are made, and how they go.

use super::flags;
use crate::tmpfs::data::page_accounting;
use crate::tmpfs::data::truncate;
use crate::tmpfs::data::whole_size;
use crate::tmpfs::pure::inode_limit::InodeSpace;
use crate::tmpfs::state::inode::{InodeInfo, TmpfsInode, DIR_ENTRY_SIZE};
use crate::tmpfs::state::Tmpfs;
use crate::units::Pos;
use crate::vfs::{
    Exclusive, FileKind, FileType, IdMap, LinkTarget, Mode, NewInode, NewSuperBlock, Origin,
    Special, SuperBlock,
};
use kernel::prelude::*;

/// The size of a directory without files: two names are its own.
const EMPTY_DIR_SIZE: Pos = Pos::ZERO
    .saturating_add(DIR_ENTRY_SIZE)
    .saturating_add(DIR_ENTRY_SIZE);

/// What a new inode is for.
pub(in crate::tmpfs) enum Kind {
    Regular,
    Directory,
    Symlink(LinkTarget),
    Special(Special),
}

impl From<FileKind> for Kind {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::Regular => Self::Regular,
            FileKind::Directory => Self::Directory,
            FileKind::Special(special) => Self::Special(special),
        }
    }
}

/// Makes an inode for a new file in `parent`, with the permissions of `mode`. May sleep.
///
/// Fails with `ENOSPC` where the mount has no inode left, and, like tmpfs, where there is no memory
/// for one; with `EDQUOT` where the owners have none.
pub(in crate::tmpfs) fn new<'a>(
    parent: &'a TmpfsInode,
    idmap: &'a IdMap,
    kind: Kind,
    mode: Mode,
) -> Result<NewInode<'a, Tmpfs>> {
    let inode = init(Origin::child_of(parent, idmap), kind, mode)?;
    let inode = flags::inherit(parent, inode);
    Ok(inode)
}

/// Makes the inode of the root directory of a new mount. May sleep; fails as [`new`] does.
pub(in crate::tmpfs) fn new_root<'a>(
    sb: &'a NewSuperBlock<'_, Tmpfs>,
) -> Result<NewInode<'a, Tmpfs>> {
    let info = sb.data();
    let mut root = init(Origin::root_of(sb), Kind::Directory, info.mode)?;
    root.set_owner(info.uid, info.gid);
    Ok(root)
}

/// Makes a regular file of `size` on a mount of the kernel's own, for any use. With `commits_whole_size` that counts
/// against the overcommit limit from now on, and not each page. May sleep; fails as [`new`] does, and with
/// `ENOMEM`.
pub(in crate::tmpfs) fn new_unlinked(
    sb: &SuperBlock<Tmpfs>,
    size: Pos,
    commits_whole_size: bool,
) -> Result<NewInode<'_, Tmpfs>> {
    let mode = Mode::from_raw(0o777);
    let mut inode = init(Origin::unlinked_in(sb), Kind::Regular, mode)?;
    inode.set_size(size);
    if commits_whole_size {
        whole_size::commit(&mut inode)?;
    }
    Ok(inode)
}

/// Reserves, numbers and makes an inode.
fn init<'a>(origin: Origin<'a, Tmpfs>, kind: Kind, mode: Mode) -> Result<NewInode<'a, Tmpfs>> {
    let sb = origin.sb();
    let info = sb.data();
    let reservation = info.inodes().reserve(InodeSpace::INODE).ok_or(ENOSPC)?;
    let ino = info.next_ino(sb);
    let data = InodeInfo::new(match kind {
        Kind::Regular => info.policy.get(),
        _ => None,
    });
    let inode = match kind {
        Kind::Regular => NewInode::regular(origin, ino, mode, data),
        Kind::Directory => NewInode::directory(origin, ino, mode, EMPTY_DIR_SIZE, data),
        Kind::Symlink(target) => NewInode::symlink(origin, ino, target, data),
        Kind::Special(special) => NewInode::special(origin, ino, mode, special, data),
    };
    let mut inode = inode.ok_or(ENOSPC)?;
    // From here on `evict()` returns it.
    reservation.commit();

    if info.is_without_swap() {
        inode.set_unevictable();
    }
    inode.data().set_btime(inode.mtime());
    if let Some(quota) = info.quota() {
        quota.charge_inode(&mut inode)?;
    }
    Ok(inode)
}

/// The inode has no user left: gives back its pages and its place.
pub(in crate::tmpfs) fn evict(inode: &mut Exclusive<'_, Tmpfs>) {
    if inode.file_type() == FileType::Regular {
        whole_size::release(inode);
        if page_accounting::has_pages(inode) {
            inode.set_size(Pos::ZERO);
            truncate::truncate_range(inode, Pos::ZERO, None);
        }
        inode.data().policy().clear();
    }
    page_accounting::release_counted_only(inode);
    inode.sb().data().inodes().release(InodeSpace::INODE);
}
