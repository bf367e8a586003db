// SPDX-License-Identifier: GPL-2.0

//! A size of a file, and bytes of it, that are plain numbers: negative, or beyond what the page cache can index.
// error: mismatched types

use crate::tmpfs::Tmpfs;
use crate::vfs::Exclusive;
use kernel::prelude::*;

pub(crate) fn resize(file: &mut Exclusive<'_, Tmpfs>) -> Result {
    file.set_size(-1i64);
    file.inode().charge_space(-4096i64).map(drop)
}
