// SPDX-License-Identifier: GPL-2.0

//! Files whose whole size is committed: segments of System V, anonymous shared memory and what drivers make, unless
//! they are made with `VM_NORESERVE`.
//!
//! The size counts against the overcommit policy from the birth of the file to its end, and its pages do not count
//! any more, see [`mod@super::page_accounting`]. What changes the size commits the difference: truncate(2) by
//! [`recommit`], a write or fallocate(2) beyond the end by [`growing`].
//!
//! [`commit`] is `shmem_acct_size()`, [`recommit`] `shmem_reacct_size()`, [`release`] `shmem_unacct_size()`.

use crate::mm::commit::{uncommit, Commitment};
use crate::tmpfs::pure::range;
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::units::Pos;
use crate::vfs::{Exclusive, NewInode};
use kernel::prelude::*;

/// Commits the size that a new regular file has, on behalf of the current task: from now on it counts, instead of
/// the pages. Does not sleep.
///
/// Fails with `ENOMEM` where the overcommit policy forbids it; then the pages count.
pub(in crate::tmpfs) fn commit(inode: &mut NewInode<'_, Tmpfs>) -> Result {
    let commitment = Commitment::new(range::pages_of(inode.size()))?;
    inode.commit_whole_size();
    commitment.commit();
    Ok(())
}

/// The size of a file is to change from `old` to `new`: commits the pages that are more, or takes back the
/// commitment of those that are less. Does not sleep.
///
/// Fails with `ENOMEM` where the overcommit policy forbids it, which it does only for a larger file.
pub(super) fn recommit(inode: &Exclusive<'_, Tmpfs>, old: Pos, new: Pos) -> Result {
    if !inode.commits_whole_size() {
        return Ok(());
    }
    let more = range::pages_of(new).saturating_sub(range::pages_of(old));
    if more.is_zero() {
        take_back(old, new);
    } else {
        Commitment::new(more)?.commit();
    }
    Ok(())
}

/// Of a file that counts as `old` bytes, `new` are left: takes back the commitment of the pages between.
fn take_back(old: Pos, new: Pos) {
    uncommit(range::pages_of(old).saturating_sub(range::pages_of(new)));
}

/// Runs `change`, which may make the file as large as `end`, and commits the pages that this is more. May sleep where
/// `change` does.
///
/// Fails with `ENOMEM` where the overcommit policy forbids that size, before anything has changed, and as `change` does.
pub(super) fn growing(
    inode: &mut Exclusive<'_, Tmpfs>,
    end: Pos,
    change: impl FnOnce(&mut Exclusive<'_, Tmpfs>) -> Result,
) -> Result {
    let counted = inode.size().max(end);
    recommit(inode, inode.size(), counted)?;
    let changed = change(inode);
    if inode.commits_whole_size() {
        // It may have failed, or done a part.
        take_back(counted, inode.size());
    }
    changed
}

/// A regular file goes: takes back the commitment of its size, which must still be what it was.
pub(in crate::tmpfs) fn release(inode: &TmpfsInode) {
    if inode.commits_whole_size() {
        uncommit(range::pages_of(inode.size()));
    }
}
