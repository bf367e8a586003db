// SPDX-License-Identifier: GPL-2.0

//! The file system's data of an inode, borrowed for changes while another task may look at it.
// error: no method named `data_mut` found for mutable reference

use crate::tmpfs::Tmpfs;
use crate::vfs::NewInode;

pub(crate) fn change(new: &mut NewInode<'_, Tmpfs>) {
    let _ = new.data_mut();
}
