// SPDX-License-Identifier: GPL-2.0

//! The current task, where it works on a lot of memory at a time, or needs some to give more of it back.
//!
//! C headers: `include/linux/sched.h`, `include/linux/sched/signal.h`, `include/linux/sched/mm.h`.

use crate::bindings;
use core::ffi::c_uint;
use kernel::types::NotThreadSafe;

/// Lets other tasks run if it is their turn. May sleep.
pub(crate) fn cond_resched() {
    // SAFETY: May be called wherever sleeping is allowed.
    unsafe { bindings::cond_resched() };
}

/// The same, for loops over all of a file: a grace period of RCU tasks need not wait for their end.
pub(crate) fn cond_resched_tasks_rcu_qs() {
    // SAFETY: May be called wherever sleeping is allowed.
    unsafe { bindings::cond_resched_tasks_rcu_qs() };
}

/// Whether the current task has a signal to handle.
pub(crate) fn signal_pending() -> bool {
    // SAFETY: Looks at the current task only.
    unsafe { bindings::signal_pending() }
}

/// Whether the current task is about to be killed.
pub(crate) fn fatal_signal_pending() -> bool {
    // SAFETY: Looks at the current task only.
    unsafe { bindings::fatal_signal_pending() }
}

/// What the memory that a task gets is not taken from.
#[derive(Clone, Copy)]
pub(crate) enum Without {
    /// File systems (`__GFP_FS`): reclaim in this task drops no name and evicts no inode.
    #[cfg(CONFIG_QUOTA)]
    FileSystems,
    /// Reclaim at all (`PF_MEMALLOC`): it comes from the reserves, beyond the limit of any cgroup. For a little that is about
    /// to give back more.
    Reclaim,
}

/// As long as this lives, the current task allocates like that. Such scopes end in the reverse order of their beginnings.
#[must_use = "the scope ends when this is dropped"]
pub(crate) struct AllocationScope {
    without: Without,
    /// What the end of the scope is told.
    flags: c_uint,
    _of_this_task: NotThreadSafe,
}

impl AllocationScope {
    /// Begins the scope. Does not sleep.
    pub(crate) fn begin(without: Without) -> Self {
        // SAFETY: Changes flags of the current task.
        let flags = unsafe {
            match without {
                #[cfg(CONFIG_QUOTA)]
                Without::FileSystems => bindings::memalloc_nofs_save(),
                Without::Reclaim => bindings::memalloc_noreclaim_save(),
            }
        };
        Self {
            without,
            flags,
            _of_this_task: NotThreadSafe,
        }
    }
}

impl Drop for AllocationScope {
    fn drop(&mut self) {
        // SAFETY: Changes flags of the current task, in which the scope began.
        unsafe {
            match self.without {
                #[cfg(CONFIG_QUOTA)]
                Without::FileSystems => bindings::memalloc_nofs_restore(self.flags),
                Without::Reclaim => bindings::memalloc_noreclaim_restore(self.flags),
            }
        }
    }
}
