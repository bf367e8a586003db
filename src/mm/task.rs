// SPDX-License-Identifier: GPL-2.0

//! The current task, where it works on a lot of memory at a time.
//!
//! C headers: `include/linux/sched.h`, `include/linux/sched/signal.h`.

use crate::bindings;
use kernel::time::{delay, Delta};

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

/// Sleeps for a millisecond, in which another task may be done with what it is just using.
pub(crate) fn sleep_a_moment() {
    delay::fsleep(Delta::from_millis(1));
}

/// Whether the current task gives memory back because an allocation needs it (`PF_MEMALLOC`), or allocates as if it did:
/// then it begins no reclaim.
pub(crate) fn is_reclaiming() -> bool {
    // SAFETY: Looks at the current task only.
    unsafe { bindings::current_flags() & bindings::PF_MEMALLOC != 0 }
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
