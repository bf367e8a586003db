// SPDX-License-Identifier: GPL-2.0

//! Where work items wait for their turn.
//!
//! C header: `include/linux/workqueue.h`.

use crate::bindings;
use kernel::workqueue::Queue;

/// The queue of those that may take long, on any processor.
pub(super) fn long_queue() -> &'static Queue {
    // SAFETY: The kernel has it from its start to its end.
    unsafe { Queue::from_raw(bindings::system_dfl_long_wq.cast()) }
}
