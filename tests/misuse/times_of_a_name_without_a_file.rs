// SPDX-License-Identifier: GPL-2.0

//! A rename sets the times of a file that is not there.
// error: mismatched types

use crate::tmpfs::Tmpfs;
use crate::vfs::{Dentry, RenameDirs};

pub(crate) fn rename(
    mut dirs: RenameDirs<'_, '_, Tmpfs>,
    old: &Dentry<Tmpfs>,
    new: &Dentry<Tmpfs>,
) {
    dirs.touch(old, new);
}
