// SPDX-License-Identifier: GPL-2.0

//! The bytes of a file that are counted against owners whom another file gets.
// error: this method takes 0 arguments but 2 arguments were supplied
// error: mismatched types

use crate::tmpfs::Tmpfs;
use crate::vfs::attr::SetAttr;
use crate::vfs::{Exclusive, IdMap};
use kernel::prelude::*;

pub(crate) fn transfer(
    request: &mut SetAttr<'_, Tmpfs>,
    idmap: &IdMap,
    another: &mut Exclusive<'_, Tmpfs>,
) -> Result {
    request.transfer_quota(idmap, another)
}

pub(crate) fn swap<'a>(request: &mut SetAttr<'a, Tmpfs>, another: Exclusive<'a, Tmpfs>) {
    let mut another = another;
    core::mem::swap(request.inode(), &mut another);
}
