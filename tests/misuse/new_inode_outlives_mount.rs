// SPDX-License-Identifier: GPL-2.0

//! A new inode that goes after the mount that it was made for, and so perhaps after the superblock.
// error: `mount` does not live long enough

use crate::tmpfs::namespace::lifecycle;
use crate::tmpfs::Tmpfs;
use crate::units::Pos;
use crate::vfs::kernel_mount::PublishedMount;
use kernel::prelude::*;

pub(crate) fn make(place: &PublishedMount<Tmpfs>) -> Result {
    let _inode;
    let mount = place.get().ok_or(ENOENT)?;
    _inode = lifecycle::new_unlinked(&mount, Pos::ZERO, false)?;
    Ok(())
}
