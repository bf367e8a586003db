// SPDX-License-Identifier: GPL-2.0

//! Freeing a range of a file: pages that are wholly in it go, those that are partly in it are zeroed
//! there.
//!
//! Lock order: folio locks, one at a time; see `mm::batch` for whole pages.

use super::inode::TmpfsInode;
use super::lookup;
use super::range;
use super::space;
use crate::mm::mapping::END;
use crate::mm::PAGE_SIZE;

/// Frees the bytes from `start` to before `end`, or to the last where that is `None`. May sleep.
///
/// The caller has unmapped the range where user mappings must not see it any more, and keeps the
/// size from growing meanwhile.
pub(super) fn free(inode: &TmpfsInode, start: i64, end: Option<i64>) {
    let pages = range::pages(start, end, PAGE_SIZE as u64);
    for partial in [pages.head, pages.tail].into_iter().flatten() {
        // A hole is zeros already; a page that cannot be read back is lost anyway.
        if let Ok(Some(mut folio)) = lookup::find_locked(inode, partial.index, true) {
            let base = partial.index - folio.index();
            let offset = base as usize * PAGE_SIZE + partial.start;
            folio.zero_range(offset, offset + (partial.end - partial.start));
            folio.mark_dirty();
        }
    }
    let removed = inode
        .mapping()
        .remove(pages.start, pages.end.unwrap_or(END));
    space::freed(inode, removed);
}
