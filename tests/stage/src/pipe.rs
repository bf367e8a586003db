// SPDX-License-Identifier: GPL-2.0
//! Pages of files in pipes.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{ensure, Result};
use rustix::pipe::{pipe, splice, SpliceFlags};

use crate::pages::PAGE;

/// A pipe that has a page of a file, and so uses its folio.
pub struct InPipe(#[expect(dead_code)] [OwnedFd; 2]);

impl InPipe {
    pub fn page(file: &impl AsFd, page: usize) -> Result<Self> {
        let (reader, writer) = pipe()?;
        let mut offset = (page * PAGE) as u64;
        let flags = SpliceFlags::empty();
        let moved = splice(file, Some(&mut offset), &writer, None, PAGE, flags)?;
        ensure!(moved == PAGE, "short splice");
        Ok(Self([reader, writer]))
    }
}
