// SPDX-License-Identifier: GPL-2.0

//! The end of an inode: from when nothing refers to it but the lists that do not hold it, to when those do not
//! either and its page cache is empty, whatever the file system does meanwhile.
//!
//! A walk of a list skips what is being evicted, and what is so is listed no more, see
//! [`mod@super::inode_list`]. A walk that was there before is waited for.
//!
//! C headers: `include/linux/fs.h`, `include/linux/pagemap.h`.

use super::file_system::Memory;
use super::{FileSystem, FileType, Inode};
use crate::mm::Mapping;
use crate::units::PageRange;

/// Before the file system gives back what the inode holds.
///
/// # Safety
///
/// The inode must be on its way out, so that no task maps it.
pub(super) unsafe fn begin<T: FileSystem>(inode: &Inode<T>) {
    // SAFETY: By the caller's promise.
    unsafe { inode.mapping().set_exiting() };
}

/// After the file system has given back what the inode holds: waits until no list has the inode and no task that
/// has found it by one looks at it, and empties the page cache where pages are left, with a warning. May sleep.
///
/// # Safety
///
/// [`begin`] must have been called.
pub(super) unsafe fn finish<T: FileSystem>(inode: &Inode<T>) {
    if inode.file_type() == FileType::Directory {
        // It has no operations for a page cache, so no pages, and is in no list.
        return;
    }
    // SAFETY: By the caller's promise the inode is on its way out; what lists it as one with something to give back
    // uses this list.
    unsafe { inode.sb().cached().remove(inode) };
    let cache = inode.mapping();
    // Ends: no list takes the inode any more, so that what adds pages later is the file system where one of
    // those that are left is written out, and the next round takes them all.
    loop {
        // What is written out or looked at just now was there before the pages went.
        // SAFETY: By the caller's promise the inode is on its way out.
        unsafe { inode.sb().memory().forget(inode) };
        if cache.is_empty() {
            return;
        }
        remove_pages(cache);
    }
}

/// The file system has left pages, or added some to a file that is gone.
#[cold]
fn remove_pages(cache: &Mapping) {
    kernel::warn_on!(true);
    cache.remove(PageRange::ALL, || PageRange::ALL);
}
