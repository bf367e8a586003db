// SPDX-License-Identifier: GPL-2.0

//! `i_rwsem`, and what may be done only by its holder; and `i_lock`.
//!
//! Lock order (see also `Documentation/filesystems/directory-locking.rst`): `i_rwsem` of the parent
//! before that of the child; `i_rwsem` before `mmap_lock` (a fault on user memory inside a write)
//! and before folio locks, which a fault takes under `mmap_lock`. No lock of this module is taken below `i_lock`.

use super::{FileSystem, Inode};
use crate::bindings;
use crate::units::Pos;
use core::ops::Deref;
use kernel::types::NotThreadSafe;

/// Proof that `i_rwsem` of an inode is held for writing, by the VFS or by an [`InodeGuard`].
///
/// # Invariants
///
/// While a value exists, the current task holds `i_rwsem` of `inode` for writing (or is the only
/// one that can reach the inode), and no other [`Exclusive`] or [`Shared`] of that inode is in use.
///
/// # Examples
///
/// ```
/// use crate::units::Pos;
/// use crate::vfs::{Exclusive, FileSystem};
///
/// fn grow<T: FileSystem>(file: &mut Exclusive<'_, T>, size: Pos) {
///     if size > file.size() {
///         file.set_size(size);
///         file.touch();
///     }
/// }
/// ```
pub(crate) struct Exclusive<'a, T: FileSystem> {
    inode: &'a Inode<T>,
    // The lock belongs to the task.
    _task: NotThreadSafe,
}

impl<'a, T: FileSystem> Exclusive<'a, T> {
    /// # Safety
    ///
    /// The type invariants must hold for as long as the value lives.
    pub(super) unsafe fn new(inode: &'a Inode<T>) -> Self {
        // INVARIANT: The caller promises them.
        Self {
            inode,
            _task: NotThreadSafe,
        }
    }

    /// The inode, for as long as the VFS pins it.
    pub(crate) fn inode(&self) -> &'a Inode<T> {
        self.inode
    }

    /// The same proof, for as long as this one is borrowed.
    pub(super) fn reborrow(&mut self) -> Exclusive<'_, T> {
        // INVARIANT: This one is not in use while the result is.
        Exclusive {
            inode: self.inode,
            _task: NotThreadSafe,
        }
    }

    /// Sets the size of the file, as `i_size_write()`.
    pub(crate) fn set_size(&mut self, size: Pos) {
        // SAFETY: The inode is live, and `i_rwsem` serialises writers of `i_size`.
        unsafe { bindings::i_size_write(self.inode.as_ptr(), size.to_loff()) }
    }

    /// Adds a link, as `inc_nlink()`.
    pub(crate) fn inc_nlink(&mut self) {
        // SAFETY: The inode is live, and `i_rwsem` serialises changes of the link count.
        unsafe { bindings::inc_nlink(self.inode.as_ptr()) }
    }

    /// Removes a link, as `drop_nlink()`.
    pub(crate) fn drop_nlink(&mut self) {
        // SAFETY: The inode is live, and `i_rwsem` serialises changes of the link count.
        unsafe { bindings::drop_nlink(self.inode.as_ptr()) }
    }

    /// Sets ctime to now and counts a change (`i_version`).
    pub(crate) fn set_changed(&mut self) {
        let inode = self.inode.as_ptr();
        // SAFETY: The inode is live and locked.
        unsafe {
            bindings::inode_set_ctime_current(inode);
            bindings::inode_inc_iversion(inode);
        }
    }

    /// Sets ctime of this directory and of a file whose name in it changes to now, mtime of the
    /// directory too, and counts a change of the directory.
    pub(crate) fn touch_with(&mut self, file: &mut Exclusive<'_, T>) {
        let dir = self.inode.as_ptr();
        // SAFETY: Both inodes are live and locked.
        unsafe {
            let now = bindings::inode_set_ctime_current(file.inode.as_ptr());
            bindings::inode_set_ctime_to_ts(dir, now);
            bindings::inode_set_mtime_to_ts(dir, now);
            bindings::inode_inc_iversion(dir);
        }
    }

    /// Sets ctime and mtime to now and counts a change (`i_version`).
    pub(crate) fn touch(&mut self) {
        let inode = self.inode.as_ptr();
        // SAFETY: The inode is live, and `i_rwsem` serialises changes of mtime.
        unsafe {
            bindings::inode_set_mtime_to_ts(inode, bindings::inode_set_ctime_current(inode));
            bindings::inode_inc_iversion(inode);
        }
    }
}

impl<T: FileSystem> Deref for Exclusive<'_, T> {
    type Target = Inode<T>;

    fn deref(&self) -> &Inode<T> {
        self.inode
    }
}

/// Proof that `i_rwsem` of an inode is held, at least for reading.
///
/// # Invariants
///
/// While a value exists, the current task holds `i_rwsem` of `inode`, and no [`Exclusive`] of that
/// inode is in use.
pub(crate) struct Shared<'a, T: FileSystem> {
    inode: &'a Inode<T>,
    _task: NotThreadSafe,
}

impl<'a, T: FileSystem> Shared<'a, T> {
    /// # Safety
    ///
    /// The type invariants must hold for as long as the value lives.
    pub(super) unsafe fn new(inode: &'a Inode<T>) -> Self {
        // INVARIANT: The caller promises them.
        Self {
            inode,
            _task: NotThreadSafe,
        }
    }
}

impl<T: FileSystem> Deref for Shared<'_, T> {
    type Target = Inode<T>;

    fn deref(&self) -> &Inode<T> {
        self.inode
    }
}

/// `i_rwsem` taken for writing, and released on drop.
///
/// Taking it may sleep, and must not be done under another inode's lock.
///
/// # Invariants
///
/// The current task has taken `i_rwsem` of the inode for writing through this value.
pub(crate) struct InodeGuard<'a, T: FileSystem> {
    inode: &'a Inode<T>,
    // The lock belongs to the task.
    _task: NotThreadSafe,
}

impl<'a, T: FileSystem> InodeGuard<'a, T> {
    pub(super) fn lock(inode: &'a Inode<T>) -> Self {
        // SAFETY: The inode is live.
        unsafe { bindings::inode_lock(inode.as_ptr()) };
        // INVARIANT: The lock was just taken.
        Self {
            inode,
            _task: NotThreadSafe,
        }
    }

    /// What the holder of the lock may do.
    pub(crate) fn exclusive(&mut self) -> Exclusive<'_, T> {
        // SAFETY: By the type invariants the lock is held, and it is for as long as the guard is
        // borrowed, by this one alone.
        unsafe { Exclusive::new(self.inode) }
    }
}

impl<T: FileSystem> Drop for InodeGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants this value holds the lock.
        unsafe { bindings::inode_unlock(self.inode.as_ptr()) }
    }
}

/// `i_rwsem` taken for writing by a task that changes nothing of the inode, whose eviction may have begun; released on drop.
pub(crate) struct WritersOut<'a, T: FileSystem> {
    _guard: InodeGuard<'a, T>,
}

impl<T: FileSystem> Inode<T> {
    /// Keeps tasks out that write, or change the inode in another way; `None` where one does so now, which may be this task.
    /// Does not sleep, and may be called with any lock held; see `inode_trylock()`.
    pub(crate) fn try_keep_writers_out(&self) -> Option<WritersOut<'_, T>> {
        // SAFETY: The inode is live.
        let is_taken = unsafe { bindings::inode_trylock(self.as_ptr()) } != 0;
        is_taken.then(|| WritersOut {
            // INVARIANT: The lock was just taken.
            _guard: InodeGuard {
                inode: self,
                _task: NotThreadSafe,
            },
        })
    }

    /// Calls `f` with `i_lock` held, which C code takes for the inode's state, its bytes and what others look at
    /// without `i_rwsem`. Does not sleep; neither must `f`, nor take the lock again.
    #[inline]
    pub(super) fn with_i_lock<R>(&self, f: impl FnOnce(*mut bindings::inode) -> R) -> R {
        let inode = self.as_ptr();
        // SAFETY: The inode is live; no reference is made.
        let lock = unsafe { &raw mut (*inode).i_lock };
        // SAFETY: The inode is live.
        unsafe { bindings::spin_lock(lock) };
        let result = f(inode);
        // SAFETY: The lock was just taken.
        unsafe { bindings::spin_unlock(lock) };
        result
    }
}
