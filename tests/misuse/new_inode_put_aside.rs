// SPDX-License-Identifier: GPL-2.0

//! A new inode that is kept for another operation, perhaps of another mount.
// error: borrowed data escapes outside of function

use crate::tmpfs::Tmpfs;
use crate::vfs::{DirectoryOperations, IdMap, Inode, Mode, NewInode};
use kernel::prelude::*;

pub(crate) fn keep(
    dir: &Inode<Tmpfs>,
    idmap: &IdMap,
    kept: &mut KVec<NewInode<'static, Tmpfs>>,
) -> Result {
    let inode = Tmpfs::make_unnamed(dir, idmap, Mode::NO_PERMISSIONS)?;
    Ok(kept.push(inode, GFP_KERNEL)?)
}
