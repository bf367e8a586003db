// SPDX-License-Identifier: GPL-2.0

//! A symbolic link that has no target, which readlink(2) would look for.
// error: this function takes 4 arguments but 3 arguments were supplied
// error: no method named `set_link` found for mutable reference

use crate::tmpfs::state::inode::InodeInfo;
use crate::tmpfs::Tmpfs;
use crate::units::Ino;
use crate::vfs::{NewInode, Origin};
use kernel::prelude::*;

pub(crate) fn without<'a>(
    origin: Origin<'a, Tmpfs>,
    ino: Ino,
    data: impl PinInit<InodeInfo>,
) -> Option<NewInode<'a, Tmpfs>> {
    NewInode::symlink(origin, ino, data)
}

pub(crate) fn later(inode: &mut NewInode<'_, Tmpfs>, target: &CStr) -> Result {
    inode.set_link(target)
}
