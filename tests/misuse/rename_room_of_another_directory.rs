// SPDX-License-Identifier: GPL-2.0

//! Room for a name, reserved in one directory and made use of in two others.
// error: no method named `reserve` found for enum `RenameDirs`
// error: no method named `move_child` found for enum `RenameDirs`

use crate::tmpfs::Tmpfs;
use crate::vfs::{Exclusive, Positive, RenameDirs};
use kernel::prelude::*;

pub(crate) fn rename(
    dir: &mut Exclusive<'_, Tmpfs>,
    mut dirs: RenameDirs<'_, '_, Tmpfs>,
    moved: &Positive<'_, Tmpfs>,
) -> Result {
    let room = RenameDirs::Same(dir).reserve()?;
    dirs.move_child(room, moved);
    Ok(())
}
