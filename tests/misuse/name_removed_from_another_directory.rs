// SPDX-License-Identifier: GPL-2.0

//! A name that is taken from the index of a directory where it is not.
// error: struct `Names` is private

use crate::tmpfs::Tmpfs;
use crate::vfs::dir_index::Names;
use crate::vfs::Positive;

pub(crate) fn remove(names: &mut Names<'_, Tmpfs>, name: &Positive<'_, Tmpfs>) {
    names.remove(name);
}
