// SPDX-License-Identifier: GPL-2.0

//! File flags: which there are, and which a new file has from its directory.

use super::inode::TmpfsInode;
use super::superblock::Tmpfs;
use crate::vfs::fileattr::FileFlags;
use crate::vfs::{Dentry, Exclusive, NewInode};
use kernel::prelude::*;

/// Replaces the flags of a file, of which `dentry` is a name.
pub(super) fn set(
    inode: &mut Exclusive<'_, Tmpfs>,
    _dentry: &Dentry<Tmpfs>,
    flags: FileFlags,
) -> Result {
    let supported = FileFlags::IMMUTABLE
        | FileFlags::APPEND
        | FileFlags::NODUMP
        | FileFlags::NOATIME;
    if !supported.contains(flags) {
        return Err(EOPNOTSUPP);
    }

    inode.enforce_flags(flags);
    inode.data().set_flags(flags);
    inode.set_changed();
    Ok(())
}

/// Gives a new file those flags of its directory that pass on.
pub(super) fn inherit(parent: &TmpfsInode, mut inode: NewInode<Tmpfs>) -> NewInode<Tmpfs> {
    let passed = FileFlags::NODUMP | FileFlags::NOATIME;
    let flags = parent.data().flags().within(passed);
    if flags == FileFlags::NONE {
        return inode;
    }
    inode.data().set_flags(flags);
    inode.exclusive().enforce_flags(flags);
    inode
}
