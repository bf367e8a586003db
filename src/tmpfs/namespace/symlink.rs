// SPDX-License-Identifier: GPL-2.0

//! Symbolic links.
//!
//! The target is in memory of its own, which path walks read without a lock. A long one counts as
//! a page against the limits, as if it were in one.

use super::lifecycle::{self, Kind};
use crate::tmpfs::data::page_accounting;
use crate::tmpfs::state::Tmpfs;
use crate::units::{PageCount, PAGE_SIZE};
use crate::vfs::{Exclusive, IdMap, LinkTarget, Mode, Negative, NewInode};
use kernel::prelude::*;

/// The longest target, in bytes with its terminator, that does not count as a page.
const SHORT_TARGET: usize = 128;

/// Makes a symbolic link in `dir`, to have the name. May sleep.
///
/// Fails with `ENAMETOOLONG` for a target that does not fit into a page.
pub(in crate::tmpfs) fn new<'a>(
    dir: &mut Exclusive<'a, Tmpfs>,
    idmap: &'a IdMap,
    name: &Negative<'_, Tmpfs>,
    target: &CStr,
) -> Result<NewInode<'a, Tmpfs>> {
    let len = target.to_bytes_with_nul().len();
    if len > PAGE_SIZE {
        return Err(ENAMETOOLONG);
    }

    let kind = Kind::Symlink(LinkTarget::new(target)?);
    let mut inode = lifecycle::new(dir.inode(), idmap, kind, Mode::NO_PERMISSIONS)?;
    inode.init_security(dir, Some(name))?;
    if len > SHORT_TARGET {
        page_accounting::count_only(&inode, PageCount::ONE)?;
    }
    Ok(inode)
}
