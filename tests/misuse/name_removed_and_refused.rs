// SPDX-License-Identifier: GPL-2.0

//! An unlink that takes the name from the index and then fails, so that the VFS leaves it where it is.
// error: no method named `remove_child` found for mutable reference

use crate::tmpfs::Tmpfs;
use crate::vfs::dir::Victim;
use crate::vfs::Exclusive;
use kernel::prelude::*;

pub(crate) fn unlink(dir: &mut Exclusive<'_, Tmpfs>, victim: &mut Victim<'_, Tmpfs>) -> Result {
    dir.remove_child(&victim.dentry);
    Err(EPERM)
}
