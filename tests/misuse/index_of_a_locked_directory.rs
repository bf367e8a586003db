// SPDX-License-Identifier: GPL-2.0

//! The index of a directory, from the proof that its lock is held.
// error: no method named `index` found for mutable reference
// error: method `locked_state` is private

use crate::tmpfs::Tmpfs;
use crate::vfs::Exclusive;

pub(crate) fn index(dir: &mut Exclusive<'_, Tmpfs>) {
    let _ = dir.index();
    let _ = dir.locked_state();
}
