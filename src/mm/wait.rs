// SPDX-License-Identifier: GPL-2.0

//! Waiting for something by its address.
//!
//! C header: `include/linux/wait_bit.h`.

use crate::bindings;
use core::mem::MaybeUninit;
use kernel::prelude::*;

/// What tasks wait for and are woken by, without a queue of its own: those of the kernel are shared, and
/// tell by the address who is meant (`wake_up_var()`).
pub(crate) struct WaitKey(#[expect(dead_code, reason = "only the address counts")] u8);

impl WaitKey {
    /// A key that no task waits for.
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    fn as_ptr(&self) -> *mut c_void {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    /// Sleeps until the next [`WaitKey::wake_all`], or until the task is killed; not at all where
    /// `is_awaited` says no once the task would be woken. That must not sleep, and look under a lock that
    /// the waker has held since. May return early: the caller looks again, or does without.
    ///
    /// # Examples
    ///
    /// ```
    /// use crate::mm::wait::WaitKey;
    /// use kernel::sync::atomic::{Acquire, Atomic};
    ///
    /// // Ends with the work, or with the task.
    /// fn wait_for_work(key: &WaitKey, is_done: &Atomic<u32>) {
    ///     while is_done.load(Acquire) == 0 && !crate::mm::task::fatal_signal_pending() {
    ///         key.wait_once(|| is_done.load(Acquire) == 0);
    ///     }
    /// }
    /// ```
    pub(crate) fn wait_once(&self, is_awaited: impl FnOnce() -> bool) {
        let mut entry = MaybeUninit::uninit();
        // SAFETY: The entry is initialised first, stays where it is, and has left the queue, which is the
        // kernel's and for ever, before it goes.
        unsafe {
            let queue = bindings::__var_waitqueue(self.as_ptr());
            bindings::init_wait_var_entry(entry.as_mut_ptr(), self.as_ptr(), 0);
            let wait = &raw mut (*entry.as_mut_ptr()).wq_entry;
            bindings::prepare_to_wait(queue, wait, bindings::int(bindings::TASK_KILLABLE));
            if is_awaited() {
                bindings::schedule();
            }
            bindings::finish_wait(queue, wait);
        }
    }

    /// Wakes all who wait for this key. Does not sleep.
    pub(crate) fn wake_all(&self) {
        // SAFETY: The address is compared only.
        unsafe { bindings::wake_up_var(self.as_ptr()) }
    }
}
