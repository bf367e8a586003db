// SPDX-License-Identifier: GPL-2.0

//! Attributes that are set on a file other than the one that the change is for: the type comes with the mode.
// error: no method named `copy_to` found for reference `&SetAttr
// error: this method takes 0 arguments but 1 argument was supplied

use crate::tmpfs::Tmpfs;
use crate::vfs::attr::SetAttr;
use crate::vfs::{Exclusive, IdMap};
use kernel::prelude::*;

pub(crate) fn copy(
    request: &SetAttr<'_, Tmpfs>,
    idmap: &IdMap,
    another: &mut Exclusive<'_, Tmpfs>,
) -> Result {
    request.copy_to(idmap, another)
}

pub(crate) fn commit<'a>(
    request: SetAttr<'a, Tmpfs>,
    another: Exclusive<'a, Tmpfs>,
) -> Result<Exclusive<'a, Tmpfs>> {
    request.commit(another)
}
