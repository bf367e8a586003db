// SPDX-License-Identifier: GPL-2.0

//! A splice that says that it has added more to a pipe than it has.
// error: mismatched types

use crate::tmpfs::Tmpfs;
use crate::units::{Len, Pos};
use crate::vfs::pipe::PipeWriter;
use crate::vfs::{File, FileOperations};
use kernel::prelude::*;

type Splice = fn(&File<Tmpfs>, Pos, &mut PipeWriter<'_>) -> Result;

pub(crate) const REAL: Splice = <Tmpfs as FileOperations>::splice_read;
pub(crate) const LIE: Splice = |_, _, pipe| Ok(pipe.room().saturating_add(Len::PAGE));
