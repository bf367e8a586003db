// SPDX-License-Identifier: GPL-2.0

//! File flags: which there are, and which a new file has from its directory.

use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::vfs::fileattr::{FileFlags, FlagOperations};
use crate::vfs::{Dentry, Exclusive, FileType, NewInode};
use kernel::prelude::*;

impl FlagOperations for Tmpfs {
    fn flags(inode: &TmpfsInode) -> FileFlags {
        inode.data().flags()
    }

    fn set_flags(
        inode: &mut Exclusive<'_, Self>,
        dentry: &Dentry<Self>,
        flags: FileFlags,
    ) -> Result {
        let supported = FileFlags::IMMUTABLE
            | FileFlags::APPEND
            | FileFlags::NODUMP
            | FileFlags::NOATIME
            | FileFlags::CASEFOLD;
        if !supported.contains(flags) {
            return Err(EOPNOTSUPP);
        }
        check_case_folding(inode, dentry, flags.contains(FileFlags::CASEFOLD))?;

        inode.enforce_flags(flags);
        inode.data().set_flags(flags);
        inode.set_changed();
        Ok(())
    }
}

/// Whether the file may get or lose the flag: a directory with names in it could come to have two
/// that are the same.
#[cfg(CONFIG_UNICODE)]
fn check_case_folding(inode: &TmpfsInode, dentry: &Dentry<Tmpfs>, wanted: bool) -> Result {
    if wanted == inode.folds_case() {
        return Ok(());
    }
    if wanted && inode.sb().case_folding().is_none() {
        return Err(EOPNOTSUPP);
    }
    if wanted && inode.file_type() != FileType::Directory {
        return Err(ENOTDIR);
    }
    if !dentry.is_empty() {
        return Err(ENOTEMPTY);
    }
    Ok(())
}

#[cfg(not(CONFIG_UNICODE))]
fn check_case_folding(_inode: &TmpfsInode, _dentry: &Dentry<Tmpfs>, wanted: bool) -> Result {
    if wanted {
        return Err(EOPNOTSUPP);
    }
    Ok(())
}

/// Gives a new file those flags of its directory that pass on.
pub(in crate::tmpfs) fn inherit<'a>(
    parent: &TmpfsInode,
    mut inode: NewInode<'a, Tmpfs>,
) -> NewInode<'a, Tmpfs> {
    let passed = FileFlags::NODUMP | FileFlags::NOATIME | FileFlags::CASEFOLD;
    let flags = parent.data().flags().within(passed);
    if flags == FileFlags::NONE {
        return inode;
    }
    inode.data().set_flags(flags);
    // A file that is no directory cannot fold case. It shows the flag, and as on tmpfs none of the
    // flags that come with this one has an effect.
    if !flags.contains(FileFlags::CASEFOLD) || inode.file_type() == FileType::Directory {
        inode.enforce_flags(flags);
    }
    inode
}
