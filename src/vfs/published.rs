// SPDX-License-Identifier: GPL-2.0

//! What a task that works on an inode shows to others meanwhile: a record on its stack, to which `i_private` points
//! for as long.
//!
//! Lock order: `i_lock` is taken below a folio lock, and no lock below it.
//!
//! C header: `include/linux/fs.h`.

use super::{Exclusive, FileSystem, Inode};
use core::ptr::NonNull;

/// A file system that shows what it is doing with an inode.
pub(crate) trait Publish: FileSystem {
    /// What there is to see. It changes by interior mutability, if at all.
    type Record: Sync;
}

// Invariant of `i_private`, which nothing else uses: it is null or points to a record that is live, and changes with
// `i_lock` held.

impl<T: Publish> Inode<T> {
    /// Whether a record is shown; a snapshot, without a lock.
    #[inline]
    pub(crate) fn shows_record(&self) -> bool {
        // SAFETY: The inode is live, and the pointer is written as a whole.
        !unsafe { core::ptr::read_volatile(&raw const (*self.as_ptr()).i_private) }.is_null()
    }

    /// Calls `f` with the record that is shown, if there is one. Takes `i_lock`; `f` must not sleep.
    pub(crate) fn with_record<R>(&self, f: impl FnOnce(&T::Record) -> R) -> Option<R> {
        if !self.shows_record() {
            return None;
        }
        self.with_i_lock(|inode| {
            // SAFETY: The inode is live, and its lock held.
            let record = NonNull::new(unsafe { (*inode).i_private }.cast::<T::Record>());
            // SAFETY: By the invariant of the pointer the record is live, and stays so while the lock is held.
            record.map(|record| f(unsafe { record.as_ref() }))
        })
    }

    /// Sets the record that is shown, and returns the one that was. Takes `i_lock`.
    ///
    /// # Safety
    ///
    /// The record must be live until it is replaced.
    unsafe fn replace_record(&self, record: *const T::Record) -> *const T::Record {
        self.with_i_lock(|inode| {
            // SAFETY: The inode is live, and its lock held; a look without it reads the pointer as a whole.
            unsafe {
                let shown = &raw mut (*inode).i_private;
                let old = *shown;
                shown.write_volatile(record.cast_mut().cast());
                old.cast()
            }
        })
    }
}

impl<T: Publish> Exclusive<'_, T> {
    /// Calls `f`, and shows `record` meanwhile. Takes `i_lock` before and after.
    pub(crate) fn show<R>(&mut self, record: &T::Record, f: impl FnOnce(&mut Self) -> R) -> R {
        let inode = self.inode();
        // SAFETY: The record is borrowed until after it is replaced.
        let old = unsafe { inode.replace_record(record) };
        let result = f(self);
        // SAFETY: What was shown before is borrowed by a caller of this function, which has not returned.
        unsafe { inode.replace_record(old) };
        result
    }
}
