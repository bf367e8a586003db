// SPDX-License-Identifier: GPL-2.0

//! An inode that gets pages, a place on the list for the shrinker or a lock before a name refers to it.
// error: no method named `mapping` found for reference
// error: no method named `list_cached` found for reference
// error: no method named `exclusive` found for mutable reference
// error: mismatched types

use crate::tmpfs::Tmpfs;
use crate::vfs::{Inode, NewInode};

pub(crate) fn use_early(new: &mut NewInode<'_, Tmpfs>) {
    let _ = new.exclusive();
    let new = &*new;
    let _ = new.mapping();
    new.list_cached();
    let _: &Inode<Tmpfs> = new;
}
