// SPDX-License-Identifier: GPL-2.0

//! A new inode that is leaked, to be used when its superblock has gone.
// error: lifetime may not live long enough

use crate::tmpfs::state::inode::InodeInfo;
use crate::tmpfs::Tmpfs;
use crate::units::Ino;
use crate::vfs::{IdMap, Inode, InodeCore, Mode, NewInode, Origin};
use kernel::prelude::*;

pub(crate) fn leak(
    dir: &Inode<Tmpfs>,
    idmap: &IdMap,
    ino: Ino,
) -> Result<&'static InodeCore<Tmpfs>> {
    let origin = Origin::child_of(dir, idmap);
    let mode = Mode::NO_PERMISSIONS;
    let inode = NewInode::regular(origin, ino, mode, InodeInfo::new(None)).ok_or(ENOMEM)?;
    Ok(&**KBox::leak(KBox::new(inode, GFP_KERNEL)?))
}
