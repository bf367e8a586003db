// SPDX-License-Identifier: GPL-2.0

//! Counters that are cheap to change from many CPUs.
//!
//! C header: `include/linux/percpu_counter.h`.

use crate::bindings;
use core::marker::PhantomData;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::types::Opaque;

/// Signed counters that are kept per CPU, each with an approximate total (`struct percpu_counter`), in one piece of
/// memory of each CPU.
///
/// # Invariants
///
/// The counters are initialised and pinned.
///
/// # Examples
///
/// ```
/// use crate::mm::counter::PerCpuCounters;
/// use kernel::prelude::*;
///
/// const BLOCKS: usize = 0;
/// const INODES: usize = 1;
///
/// fn take_inode(counters: &PerCpuCounters<2>, limit: i64) -> Result {
///     if !counters.get::<INODES>().add_limited(limit, 1) {
///         return Err(ENOSPC);
///     }
///     counters.get::<BLOCKS>().add(1);
///     Ok(())
/// }
/// ```
#[pin_data(PinnedDrop)]
pub(crate) struct PerCpuCounters<const N: usize> {
    units: [i32; N],
    #[pin]
    counters: Opaque<[bindings::percpu_counter; N]>,
}

// SAFETY: The C functions lock where they must.
unsafe impl<const N: usize> Send for PerCpuCounters<N> {}
// SAFETY: The C functions lock where they must.
unsafe impl<const N: usize> Sync for PerCpuCounters<N> {}

impl<const N: usize> PerCpuCounters<N> {
    /// Counters of 0, each for amounts of about its unit, of which each CPU keeps as many to itself as of single
    /// ones. May sleep; fails with `ENOMEM`.
    pub(crate) fn new(units: [i32; N]) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            units,
            counters <- Opaque::try_ffi_init(|slot: *mut [bindings::percpu_counter; N]| {
                // SAFETY: `slot` is valid for writes of so many and stays where it is.
                to_result(unsafe {
                    bindings::percpu_counter_init_many(
                        slot.cast(),
                        0,
                        bindings::GFP_KERNEL,
                        bindings::uint(N),
                    )
                })
            }),
        })
    }

    /// One of the counters.
    #[inline(always)]
    pub(crate) fn get<const WHICH: usize>(&self) -> PerCpuCounter<'_> {
        const { assert!(WHICH < N, "no such counter") };
        // SAFETY: Computes an address inside the array.
        let counter = unsafe {
            self.counters
                .get()
                .cast::<bindings::percpu_counter>()
                .add(WHICH)
        };
        // INVARIANT: By the type invariants, for as long as this is borrowed.
        PerCpuCounter {
            unit: self.units[WHICH],
            counter,
            _counters: PhantomData,
        }
    }
}

#[pinned_drop]
impl<const N: usize> PinnedDrop for PerCpuCounters<N> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants; a value that is dropped has no other user.
        unsafe {
            bindings::percpu_counter_destroy_many(self.counters.get().cast(), bindings::uint(N));
        }
    }
}

/// One of several counters.
///
/// # Invariants
///
/// The counter is initialised, and stays so for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct PerCpuCounter<'a> {
    unit: i32,
    counter: *mut bindings::percpu_counter,
    _counters: PhantomData<&'a bindings::percpu_counter>,
}

impl PerCpuCounter<'_> {
    /// How much a CPU keeps to itself before it tells the others.
    #[cfg(CONFIG_SMP)]
    fn batch(self) -> i32 {
        let batch = &raw const bindings::percpu_counter_batch;
        // SAFETY: The kernel's, always there. It changes as a whole, when CPUs come and go.
        unsafe { batch.read_volatile() }.saturating_mul(self.unit)
    }

    /// There is no other CPU to be told: C does not look at the number.
    #[cfg(not(CONFIG_SMP))]
    fn batch(self) -> i32 {
        self.unit
    }

    /// Adds `amount`, which may be negative.
    pub(crate) fn add(self, amount: i64) {
        // SAFETY: By the type invariants.
        unsafe { bindings::percpu_counter_add_batch(self.counter, amount, self.batch()) }
    }

    /// Adds `amount` where the sum does not exceed `limit`, else returns false and adds nothing.
    #[cfg(CONFIG_SMP)]
    pub(crate) fn add_limited(self, limit: i64, amount: i64) -> bool {
        let (counter, batch) = (self.counter, self.batch());
        // SAFETY: By the type invariants.
        unsafe { bindings::__percpu_counter_limited_add(counter, limit, amount, batch) }
    }

    /// Adds `amount` where the sum does not exceed `limit`, else returns false and adds nothing.
    #[cfg(not(CONFIG_SMP))]
    pub(crate) fn add_limited(self, limit: i64, amount: i64) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::percpu_counter_limited_add(self.counter, limit, amount) }
    }

    /// The exact sum. Visits all CPUs.
    pub(crate) fn sum(self) -> i64 {
        // SAFETY: By the type invariants.
        unsafe { bindings::percpu_counter_sum(self.counter) }
    }
}
