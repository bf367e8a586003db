// SPDX-License-Identifier: GPL-2.0

//! An inode that still has pages is taken out of the list of those with pages in swap.
// error: call to unsafe function `Memory::forget` is unsafe

use crate::tmpfs::Tmpfs;
use crate::vfs::file_system::Memory;
use crate::vfs::Inode;

pub(crate) fn forget(inode: &Inode<Tmpfs>) {
    inode.sb().memory().forget(inode);
}
