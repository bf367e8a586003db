// SPDX-License-Identifier: GPL-2.0

//! No other task takes a folio apart while the end of its file moves.
//!
//! Of a folio that is split, the MM drops what is beyond the end of the file as it was when that began. A mapping may show
//! these pages, see [`mod@super::shown`], and what is stored to them once they belong to the file must stay. So a task
//! that makes a file larger says so first, and one that has locked such a folio looks for that before it splits it. Either
//! the split is over before the first task has locked the folio to zero what is stored in it ([`mod@super::hiding`]), or
//! it is not begun; and where that task has not locked it, as there was nothing to be seen of a mapping, each task
//! that maps the folio later is ordered behind it.
//!
//! What the MM splits by itself does not look here: for a memory error, a migration without memory, or MADV_COLD and
//! MADV_PAGEOUT of a part. Nor does reclaim need to, which has taken all mappings away before.
//!
//! Lock order: `i_rwsem`; then a folio lock.

use super::shown;
use crate::mm::huge;
use crate::tmpfs::state::Tmpfs;
use crate::vfs::Exclusive;
use kernel::sync::atomic::Full;
use kernel::sync::barrier::smp_mb;

/// Calls `f`, which may move the end of `inode` further.
#[inline]
pub(super) fn during<R>(
    inode: &mut Exclusive<'_, Tmpfs>,
    f: impl FnOnce(&mut Exclusive<'_, Tmpfs>) -> R,
) -> R {
    // Only a task that holds `i_rwsem` makes such a folio that may be taken apart. By another policy a folio shows what it
    // has beyond the end, and gives its blocks back to this very task.
    if huge::IS_BUILT_IN && shown::may_be_shown(inode) {
        say_during(inode, f)
    } else {
        f(inode)
    }
}

#[cold]
fn say_during<R>(
    inode: &mut Exclusive<'_, Tmpfs>,
    f: impl FnOnce(&mut Exclusive<'_, Tmpfs>) -> R,
) -> R {
    inode.data().set_growing(true);
    // Before the look for what a mapping shows, which a task leaves before it maps: see `is_growing()`.
    smp_mb(Full);
    let result = f(inode);
    inode.data().set_growing(false);
    result
}
