// SPDX-License-Identifier: GPL-2.0

//! Freeing a range of a file: pages that are wholly in it go, those that are partly in it are zeroed
//! there. A large folio that is partly in it is split, so that its pages can go; where it cannot be
//! split it is zeroed there, and stays.
//!
//! Lock order: folio locks, one at a time; see `mm::batch` for whole pages.

use super::inode::TmpfsInode;
use super::lookup::{self, Unwritten};
use super::range::{self, Pages};
use super::space;
use crate::mm::mapping::END;
use crate::mm::{LockedFolio, PAGE_SIZE};
use core::ops::Range;
use kernel::prelude::*;

/// Brings back from swap what the range has in part, as long as that may fail: what is wanted later only to be
/// zeroed, and cannot be read for want of memory, would come to light again. May sleep.
///
/// Fails with `ENOMEM`.
#[cfg(CONFIG_SWAP)]
pub(super) fn prepare(inode: &TmpfsInode, start: i64, end: Option<i64>) -> Result {
    if space::in_swap(inode) == 0 {
        return Ok(());
    }
    let pages = range::pages(start, end, PAGE_SIZE as u64);
    let page = |byte: i64| byte as u64 / PAGE_SIZE as u64;
    // Nothing begins before the file does.
    let first = Some(page(start)).filter(|_| start > 0);
    let first = first.map(|first| (first, pages.head.is_some() || pages.tail_is(first)));
    let last = end.filter(|end| *end > start);
    let last = last.map(|end| (page(end - 1), pages.tail.is_some()));
    for (index, partly) in [first, last].into_iter().flatten() {
        // A page that is lost has nothing that could come to light.
        if let Err(ENOMEM) = look_up(inode, index, partly) {
            return Err(ENOMEM);
        }
    }
    Ok(())
}

/// Frees the bytes from `start` to before `end`, or to the last where that is `None`. May sleep.
///
/// The caller has unmapped the range where user mappings must not see it any more, and keeps the
/// size from growing meanwhile.
pub(super) fn free(inode: &TmpfsInode, start: i64, end: Option<i64>) {
    let pages = range::pages(start, end, PAGE_SIZE as u64);
    let whole = pages.start..pages.end.unwrap_or(END);
    inode.data().forget_kept(&whole);
    let removed = inode.mapping().remove(whole.start, whole.end, || {
        let left = free_partly(inode, start, end, &pages, whole.clone());
        (left.start, left.end)
    });
    space::freed(inode, removed);
}

/// Frees what is in the range of folios that are not wholly in it. Returns the pages that are
/// left to be freed of `whole`, those wholly in the range.
fn free_partly(
    inode: &TmpfsInode,
    start: i64,
    end: Option<i64>,
    pages: &Pages,
    whole: Range<u64>,
) -> Range<u64> {
    if end.is_some_and(|end| end <= start) {
        return whole;
    }
    let page = |byte: i64| byte as u64 / PAGE_SIZE as u64;
    let first = page(start);
    let last = end.map(|end| page(end - 1));
    let mut left = whole;
    // Whether both ends of the range are in one folio.
    let mut is_one = last == Some(first);

    // Nothing begins before the file does.
    if start > 0 || is_one {
        if let Some(mut folio) = find(inode, first, pages.head.is_some() || pages.tail_is(first)) {
            let folio_end = folio.end();
            is_one = end.is_some_and(|end| page(end - 1) < folio_end);
            if !folio.cut_out(start, end) {
                // What it was: it may be in pieces by now, of which none was taken out.
                left.start = folio_end;
                if is_one {
                    left.end = folio.index();
                }
            }
        }
    }
    if let Some(last) = last.filter(|_| !is_one) {
        if let Some(mut folio) = find(inode, last, pages.tail.is_some()) {
            if !folio.cut_out(start, end) {
                left.end = folio.index();
            }
        }
    }
    left
}

/// The folio at page `index`, which the range has `partly`, or may have where it is one of several
/// in a folio. A hole is zeros already.
fn look_up(inode: &TmpfsInode, index: u64, partly: bool) -> Result<Option<LockedFolio>> {
    if partly {
        lookup::find_locked(inode, index, Unwritten::Keep)
    } else {
        lookup::find_large(inode, index)
    }
}

/// The same; a page that cannot be read back is lost anyway.
fn find(inode: &TmpfsInode, index: u64, partly: bool) -> Option<LockedFolio> {
    look_up(inode, index, partly).ok().flatten()
}
