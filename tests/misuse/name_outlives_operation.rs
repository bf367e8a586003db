// SPDX-License-Identifier: GPL-2.0

//! A name that is remembered after the VFS has given up the lock of its directory.
// error: lifetime may not live long enough

use crate::tmpfs::Tmpfs;
use crate::vfs::Negative;

pub(crate) fn make(name: &Negative<'_, Tmpfs>) {
    let _: &'static Negative<'static, Tmpfs> = name;
}
