// SPDX-License-Identifier: GPL-2.0

//! What fallocate(2) is doing with a file, for reclaim and for faults to know.
//!
//! Lock order: the lock of [`FileActivity`] is taken below the folio lock, and none below it.

use crate::mm::wait::WaitKey;
#[cfg(CONFIG_SWAP)]
use crate::mm::PageCount;
use crate::mm::{PageIndex, PageRange};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_spinlock, SpinLock};

/// What fallocate(2) is doing with a file just now; `i_rwsem` lets it do one thing at a time.
#[derive(Default)]
pub(in crate::tmpfs) enum Activity {
    /// Nothing.
    #[default]
    None,
    /// Punching a hole into these pages.
    Punching(PageRange),
    /// Allocating.
    #[cfg(CONFIG_SWAP)]
    Allocating {
        /// The pages that were allocated so far.
        done: PageRange,
        /// How many of them are new.
        new: PageCount,
        /// How often reclaim was refused to write one of them out.
        refused: PageCount,
    },
}

/// The [`Activity`] of a file, and the tasks that wait for its end.
#[pin_data]
pub(in crate::tmpfs) struct FileActivity {
    /// Under this lock; another one begins with `i_rwsem` held.
    #[pin]
    current: SpinLock<Activity>,
    /// Whether `current` is anything but [`Activity::None`]. Written under the lock of `current`, for
    /// [`FileActivity::is_any`], which takes none.
    is_any: Atomic<bool>,
    /// Woken when a hole has been punched.
    punched: WaitKey,
}

impl FileActivity {
    /// That of a new file: none.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            current <- new_spinlock!(Activity::None, "rtmpfs_activity"),
            is_any: Atomic::new(false),
            punched: WaitKey::new(),
        })
    }

    /// Tells reclaim and faults what fallocate(2) is doing. `i_rwsem` is held.
    pub(in crate::tmpfs) fn set(&self, activity: Activity) {
        let mut current = self.current.lock();
        self.is_any
            .store(!matches!(activity, Activity::None), Relaxed);
        *current = activity;
    }

    /// Whether fallocate(2) is doing anything; a snapshot, without a lock.
    #[inline]
    pub(in crate::tmpfs) fn is_any(&self) -> bool {
        self.is_any.load(Relaxed)
    }

    /// fallocate(2) has got all pages before `end`, the last of which are `new`. Returns whether
    /// reclaim wants to write out more of what was allocated than that is.
    #[cfg(CONFIG_SWAP)]
    pub(in crate::tmpfs) fn allocated_up_to(&self, end: PageIndex, is_new: bool) -> bool {
        match &mut *self.current.lock() {
            Activity::Allocating { done, new, refused } => {
                if is_new {
                    *new = new.saturating_add(done.end.distance_to(end));
                }
                done.end = end;
                *refused > *new
            }
            _ => false,
        }
    }

    /// Whether the folio of `pages` pages at page `index` was allocated by the fallocate(2) that is
    /// still at work; counts that reclaim wanted it.
    #[cfg(CONFIG_SWAP)]
    pub(in crate::tmpfs) fn refuse_to_write_out(&self, index: PageIndex, pages: PageCount) -> bool {
        if !self.is_any() {
            return false;
        }
        match &mut *self.current.lock() {
            Activity::Allocating { done, refused, .. } if done.contains(index) => {
                *refused = refused.saturating_add(pages);
                true
            }
            _ => false,
        }
    }

    /// Whether a hole is just being punched into the page at `index`.
    pub(in crate::tmpfs) fn is_punching(&self, index: PageIndex) -> bool {
        matches!(&*self.current.lock(), Activity::Punching(pages) if pages.contains(index))
    }

    /// The hole has been punched: wakes the faults that wait for that. `i_rwsem` is held.
    pub(in crate::tmpfs) fn end_punch(&self) {
        self.set(Activity::None);
        self.punched.wake_all();
    }

    /// Waits for the end of the punch into the page at `index` that is just at work, or until the task is
    /// killed. May sleep. The next punch may be at work by then.
    pub(in crate::tmpfs) fn wait_for_punch(&self, index: PageIndex) {
        self.punched.wait_once(|| self.is_punching(index));
    }
}
