// SPDX-License-Identifier: GPL-2.0

//! The last reference to an inode that a walk of a list looks at, where reclaim drops it.
//!
//! No inode or name of ours is in an LRU list, but a name of a file system on top, overlayfs say, may be the last to hold
//! an inode, and goes when memory is reclaimed. Eviction waits for the walk. Where the walk needs memory, reclaim may be
//! in its own task, which would wait for itself: so reclaim gives the reference to the walk, which drops it when it has
//! looked.
//!
//! C header: `include/linux/fs.h`.

use super::file_system::Memory;
use super::{FileSystem, FileType, Inode, SuperBlock};
use crate::bindings;
use crate::mm::task;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full};

/// How many references of inodes of a superblock were given to walks, and not dropped yet.
pub(super) struct HandedOver(Atomic<u32>);

/// The superblock goes: no more are given. There are not as many inodes.
const CLOSED: u32 = 1 << 31;

impl HandedOver {
    pub(super) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Counts one more; false where the superblock goes.
    fn begin(&self) -> bool {
        self.0.fetch_add(1, Full) & CLOSED == 0
    }

    /// One of them was dropped.
    fn end(&self) {
        self.0.fetch_sub(1, Full);
    }

    /// Ends it where none is left to be dropped; returns whether it has.
    pub(super) fn close(&self) -> bool {
        self.0.cmpxchg(0, CLOSED, Full).is_ok()
    }
}

/// The reference that a walk was given. Dropping it may evict the inode, and may sleep.
///
/// # Invariants
///
/// Owns that reference, which the superblock has counted.
pub(super) struct Given<T: FileSystem>(NonNull<Inode<T>>);

impl<T: FileSystem> Given<T> {
    /// # Safety
    ///
    /// [`drop_inode`] must have given the reference, to the caller.
    pub(super) unsafe fn new(inode: NonNull<Inode<T>>) -> Self {
        // INVARIANT: By the caller's promise.
        Self(inode)
    }
}

impl<T: FileSystem> Drop for Given<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it is live.
        let inode = unsafe { self.0.as_ref() }.as_ptr();
        // SAFETY: As that is. The superblock waits for what it has counted, see `kill_sb()`, which sees that nothing is left
        // when the lock is released again.
        let sb = unsafe { SuperBlock::<T>::from_raw((*inode).i_sb) };
        // SAFETY: By the type invariants; it is used no more.
        unsafe { bindings::iput(inode) };
        sb.cached().wake_after(|| sb.handed_over().end());
    }
}

/// `super_operations::drop_inode`: an inode without a reference is evicted at once, as by `inode_just_drop()`, but where a
/// walk is given the last one.
///
/// # Safety
///
/// `inode` must be a live inode of a live superblock of `T`, with `i_lock` held and no reference left.
pub(super) unsafe extern "C" fn drop_inode<T: FileSystem>(inode: *mut bindings::inode) -> c_int {
    // SAFETY: By the caller's promise.
    c_int::from(!task::is_reclaiming() || !unsafe { give::<T>(inode) })
}

/// Gives the last reference to a walk that looks at the inode; false where none does.
///
/// # Safety
///
/// That of [`drop_inode`].
#[cold]
unsafe fn give<T: FileSystem>(inode: *mut bindings::inode) -> bool {
    // SAFETY: By the caller's promise.
    let this = unsafe { Inode::<T>::from_raw(inode) };
    // An inode that does not go here is kept for another use only where the VFS keeps any.
    // SAFETY: By the caller's promise.
    let is_kept = unsafe {
        bindings::inode_state_read(inode) & bindings::inode_state_flags_enum_I_DONTCACHE == 0
            && (*(*inode).i_sb).s_flags & bindings::SB_ACTIVE != 0
    };
    if !is_kept || this.file_type() == FileType::Directory || !this.sb().handed_over().begin() {
        return false;
    }
    // SAFETY: By the caller's promise, and the inode is no directory.
    let is_given = unsafe { this.sb().cached().give(this) || this.sb().memory().give(this) };
    if is_given {
        // SAFETY: By the caller's promise the lock is held.
        unsafe { bindings::__iget(inode) };
    } else {
        this.sb().handed_over().end();
    }
    is_given
}
