// SPDX-License-Identifier: GPL-2.0

//! A FIFO with the operations of symbolic links, so that its pipe would be read as a path.
// error: no method named `init_symlink` found for mutable reference
// error: no method named `init_directory` found for mutable reference
// error: cannot find method or associated constant `set_operations` in trait `FileSystem`

use crate::tmpfs::Tmpfs;
use crate::vfs::{FileSystem, NewInode};

pub(crate) fn change(fifo: &mut NewInode<'_, Tmpfs>) {
    fifo.init_symlink();
}

pub(crate) fn count_links_twice(dir: &mut NewInode<'_, Tmpfs>) {
    dir.init_directory();
}

pub(crate) fn set(inode: &NewInode<'_, Tmpfs>) {
    <Tmpfs as FileSystem>::set_operations(inode);
}
