// SPDX-License-Identifier: GPL-2.0

//! Counters that are cheap to change from many CPUs.
//!
//! C header: `include/linux/percpu_counter.h`.

use crate::bindings;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::types::Opaque;

/// A signed counter that is kept per CPU, with an approximate total (`struct percpu_counter`).
///
/// # Invariants
///
/// The counter is initialised and pinned.
#[pin_data(PinnedDrop)]
pub(crate) struct PerCpuCounter {
    unit: i32,
    #[pin]
    counter: Opaque<bindings::percpu_counter>,
}

// SAFETY: The C functions lock where they must.
unsafe impl Send for PerCpuCounter {}
// SAFETY: The C functions lock where they must.
unsafe impl Sync for PerCpuCounter {}

impl PerCpuCounter {
    /// A counter of 0. May sleep; fails with `ENOMEM`.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        Self::with_unit(1)
    }

    /// A counter of 0 for amounts of about `unit`, of which each CPU keeps as many to itself as of
    /// single ones. May sleep; fails with `ENOMEM`.
    pub(crate) fn with_unit(unit: i32) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            unit,
            counter <- Opaque::try_ffi_init(|slot| {
                // SAFETY: `slot` is valid for writes and stays where it is.
                to_result(unsafe {
                    bindings::percpu_counter_init(slot, 0, bindings::GFP_KERNEL)
                })
            }),
        })
    }

    /// How much a CPU keeps to itself before it tells the others.
    #[cfg(CONFIG_SMP)]
    fn batch(&self) -> i32 {
        let batch = &raw const bindings::percpu_counter_batch;
        // SAFETY: The kernel's, always there. It changes as a whole, when CPUs come and go.
        unsafe { batch.read_volatile() }.saturating_mul(self.unit)
    }

    /// There is no other CPU to be told: C does not look at the number.
    #[cfg(not(CONFIG_SMP))]
    fn batch(&self) -> i32 {
        self.unit
    }

    /// Adds `amount`, which may be negative.
    pub(crate) fn add(&self, amount: i64) {
        // SAFETY: By the type invariants.
        unsafe { bindings::percpu_counter_add_batch(self.counter.get(), amount, self.batch()) }
    }

    /// Adds `amount` where the sum does not exceed `limit`, else returns false and adds nothing.
    #[cfg(CONFIG_SMP)]
    pub(crate) fn add_limited(&self, limit: i64, amount: i64) -> bool {
        let (counter, batch) = (self.counter.get(), self.batch());
        // SAFETY: By the type invariants.
        unsafe { bindings::__percpu_counter_limited_add(counter, limit, amount, batch) }
    }

    /// Adds `amount` where the sum does not exceed `limit`, else returns false and adds nothing.
    #[cfg(not(CONFIG_SMP))]
    pub(crate) fn add_limited(&self, limit: i64, amount: i64) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::percpu_counter_limited_add(self.counter.get(), limit, amount) }
    }

    /// The exact sum. Visits all CPUs.
    pub(crate) fn sum(&self) -> i64 {
        // SAFETY: By the type invariants.
        unsafe { bindings::percpu_counter_sum(self.counter.get()) }
    }
}

#[pinned_drop]
impl PinnedDrop for PerCpuCounter {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants; nobody uses it any more.
        unsafe { bindings::percpu_counter_destroy(self.counter.get()) }
    }
}
