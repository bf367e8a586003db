// SPDX-License-Identifier: GPL-2.0

//! A rename that makes no whiteout, though one is asked for.
// error: mismatched types

use crate::tmpfs::Tmpfs;
use crate::vfs::dir::RenameTarget;
use crate::vfs::{DirectoryOperations, IdMap, Negative, NewInode, Positive, RenameDirs};
use kernel::prelude::*;

type Rename = for<'a> fn(
    RenameDirs<'a, 'a, Tmpfs>,
    &'a IdMap,
    &Positive<'a, Tmpfs>,
    &mut RenameTarget<'a, Tmpfs>,
    &Negative<'a, Tmpfs>,
) -> Result<NewInode<'a, Tmpfs>>;

pub(crate) const REAL: Rename = <Tmpfs as DirectoryOperations>::rename_with_whiteout;
pub(crate) const LAZY: Rename = |_, _, _, _, _| Ok(());
