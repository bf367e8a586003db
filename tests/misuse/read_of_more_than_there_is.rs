// SPDX-License-Identifier: GPL-2.0

//! A read that says that it has read more than it has.
// error: mismatched types

use crate::tmpfs::Tmpfs;
use crate::units::{Len, Pos};
use crate::vfs::{File, FileOperations};
use kernel::iov::IovIterDest;
use kernel::prelude::*;

type Read = fn(&File<Tmpfs>, Pos, &mut IovIterDest<'_>) -> Result;

pub(crate) const REAL: Read = <Tmpfs as FileOperations>::read;
pub(crate) const LIE: Read = |_, _, to| Ok(Len::new(to.len()).saturating_add(Len::PAGE));
