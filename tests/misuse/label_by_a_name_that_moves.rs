// SPDX-License-Identifier: GPL-2.0

//! A security label that is chosen by a name whose directory is not locked, as that in `set_flags()`.
// error: mismatched types

use crate::tmpfs::Tmpfs;
use crate::vfs::{Dentry, Exclusive, NewInode};
use kernel::prelude::*;

pub(crate) fn set_flags(
    inode: &mut Exclusive<'_, Tmpfs>,
    dentry: &Dentry<Tmpfs>,
    mut new: NewInode<'_, Tmpfs>,
) -> Result {
    new.init_security(inode, Some(dentry))
}
