// SPDX-License-Identifier: GPL-2.0

//! An inode that is taken out of the list of another superblock.
// error: call to unsafe function `InodeList::<T, K>::remove` is unsafe

use crate::tmpfs::Tmpfs;
use crate::vfs::{Inode, SuperBlock};

pub(crate) fn remove(sb: &SuperBlock<Tmpfs>, inode_of_another: &Inode<Tmpfs>) {
    sb.cached().remove(inode_of_another);
}
