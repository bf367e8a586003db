// SPDX-License-Identifier: GPL-2.0

//! All inodes of a superblock, one after another.
//!
//! A superblock may have millions of them. Their list is walked a few at a time: in between, the lock of the list is
//! released, and a reference to one inode keeps the place. The VFS adds new ones at the head, behind the walk.
//!
//! Lock order: `s_inode_list_lock`, then `i_lock` of an inode.
//!
//! C header: `include/linux/fs.h`.

use super::inode::InodeCore;
use super::{FileSystem, SuperBlock};
use crate::bindings;
use crate::mm::task;
use core::ptr::NonNull;
use kernel::prelude::*;

/// How many inodes are looked at before the lock is released.
const BATCH: usize = 256;

/// The list of all inodes of a superblock, with its lock held.
///
/// # Invariants
///
/// Owns `s_inode_list_lock` of the superblock.
struct List<'a, T: FileSystem>(&'a SuperBlock<T>);

impl<'a, T: FileSystem> List<'a, T> {
    /// Takes the lock. Does not sleep; must not be called with a list of the same superblock at hand.
    fn lock(sb: &'a SuperBlock<T>) -> Self {
        // SAFETY: The superblock is live.
        unsafe { bindings::spin_lock(&raw mut (*sb.as_ptr()).s_inode_list_lock) };
        // INVARIANT: Just taken.
        Self(sb)
    }

    fn head(&self) -> *mut bindings::list_head {
        // SAFETY: The superblock is live; no reference is made.
        unsafe { &raw mut (*self.0.as_ptr()).s_inodes }
    }

    /// The inode that `link` points to, unless that is the end. It is live for as long as the lock is held: what is
    /// evicted leaves the list first.
    ///
    /// # Safety
    ///
    /// `link` must be the head of the list, or a place in it.
    unsafe fn next(&self, link: *mut bindings::list_head) -> Option<NonNull<bindings::inode>> {
        // SAFETY: By the caller's promise; the lock is held.
        let next = unsafe { (*link).next };
        if next == self.head() {
            return None;
        }
        // SAFETY: Each place in the list is that of an inode.
        NonNull::new(unsafe { kernel::container_of!(next, bindings::inode, i_sb_list) })
    }
}

impl<T: FileSystem> Drop for List<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::spin_unlock(&raw mut (*self.0.as_ptr()).s_inode_list_lock) }
    }
}

/// A reference that keeps an inode in the list, and is used for nothing else.
///
/// # Invariants
///
/// Owns one reference.
struct Place(NonNull<bindings::inode>);

impl Place {
    /// That of an inode, unless its eviction has begun. Takes `i_lock`.
    ///
    /// # Safety
    ///
    /// The inode must be in the list that the caller has locked.
    unsafe fn at(inode: NonNull<bindings::inode>) -> Option<Self> {
        // INVARIANT: The reference, where there is one.
        // SAFETY: By the caller's promise the inode is live.
        NonNull::new(unsafe { bindings::igrab(inode.as_ptr()) }).map(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. May sleep, and evict an inode that all others are done with.
        unsafe { bindings::iput(self.0.as_ptr()) }
    }
}

impl<T: FileSystem> SuperBlock<T> {
    /// Adds up what `f` says of each inode, new ones and those on their way out as well. Those that come or go
    /// meanwhile may be missed. May sleep; `f`, which is called with a spinlock held, must not.
    ///
    /// Fails with `EINTR` when the task is being killed.
    ///
    /// # Safety
    ///
    /// `generic_shutdown_super()` must not be called before this returns.
    pub(super) unsafe fn sum_of_inodes(&self, f: fn(&InodeCore<T>) -> u64) -> Result<u64> {
        let mut sum = 0u64;
        let mut seen = 0usize;
        let mut place: Option<Place> = None;
        let mut list = List::lock(self);
        let mut link = list.head();
        // Each turn is one inode further in a list that grows at its other end.
        // SAFETY: `link` is the head, or the place of an inode that was in the list in the turn before: the lock is held
        // since, or the inode was kept in it.
        while let Some(inode) = unsafe { list.next(link) } {
            // SAFETY: The inode is in the list, which the inodes of `T` enter when all of them is initialised, and
            // hence live.
            sum = sum.saturating_add(f(unsafe { InodeCore::from_raw(inode.as_ptr()) }));
            seen = seen.saturating_add(1);
            // SAFETY: The inode is in the list, and hence live; no reference is made.
            link = unsafe { &raw mut (*inode.as_ptr()).i_sb_list };
            if seen < BATCH {
                continue;
            }
            // SAFETY: The list is locked.
            let Some(next) = (unsafe { Place::at(inode) }) else {
                // The next one will do.
                continue;
            };
            drop(list);
            // The place before goes here, without the lock.
            place = Some(next);
            seen = 0;
            task::cond_resched();
            if task::fatal_signal_pending() {
                return Err(EINTR);
            }
            list = List::lock(self);
        }
        drop(list);
        drop(place);
        Ok(sum)
    }
}
