// SPDX-License-Identifier: GPL-2.0

//! A name that is kept, to get a second file later.
// error: cannot move out of `*name` which is behind a shared reference

use crate::tmpfs::Tmpfs;
use crate::vfs::Negative;

pub(crate) fn make<'a>(name: &Negative<'a, Tmpfs>, kept: &mut Option<Negative<'a, Tmpfs>>) {
    *kept = Some(*name);
}
