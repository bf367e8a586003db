// SPDX-License-Identifier: GPL-2.0

//! Queues of work items.
//!
//! C header: `include/linux/workqueue.h`.

use crate::bindings;
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::workqueue::Queue;

/// A queue of work items, one of which is at work at a time. It is also where there is no memory for a task that does the
/// work (`WQ_MEM_RECLAIM`): for what gives memory back.
///
/// # Invariants
///
/// Owns the queue.
pub(super) struct OwnQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: Nothing of it is tied to a task.
unsafe impl Send for OwnQueue {}
// SAFETY: Any task may queue a work item.
unsafe impl Sync for OwnQueue {}

impl OwnQueue {
    /// Makes a queue, whose tasks have `name`. May sleep; fails with `ENOMEM`.
    pub(super) fn new(name: &CStr) -> Result<Self> {
        let flags = bindings::wq_flags_WQ_UNBOUND | bindings::wq_flags_WQ_MEM_RECLAIM;
        // SAFETY: The name is copied.
        let queue = unsafe { bindings::alloc_workqueue(name.as_char_ptr(), flags, 1) };
        // INVARIANT: Just made.
        Ok(Self(NonNull::new(queue).ok_or(ENOMEM)?))
    }
}

impl Deref for OwnQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: By the type invariants; it is the same structure in both sets of bindings.
        unsafe { Queue::from_raw(self.0.as_ptr().cast()) }
    }
}

impl Drop for OwnQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. Waits for the work items.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}
