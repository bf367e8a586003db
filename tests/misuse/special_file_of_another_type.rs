// SPDX-License-Identifier: GPL-2.0

//! A special file whose mode is that of a regular file, or one that is no special file.
// error: no variant or associated item named `Regular` found for enum `Special`
// error: mismatched types

use crate::tmpfs::state::inode::InodeInfo;
use crate::tmpfs::Tmpfs;
use crate::units::Ino;
use crate::vfs::{Mode, NewInode, Origin, Special};
use kernel::prelude::*;

pub(crate) fn make<'a>(
    origin: Origin<'a, Tmpfs>,
    ino: Ino,
    data: impl PinInit<InodeInfo>,
) -> Option<NewInode<'a, Tmpfs>> {
    NewInode::special(
        origin,
        ino,
        Mode::NO_PERMISSIONS,
        Mode::from_raw(0o100644),
        data,
    )
}

pub(crate) const REGULAR: Special = Special::Regular;
