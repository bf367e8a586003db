// SPDX-License-Identifier: GPL-2.0

//! Counters that are cheap to change from many CPUs.
//!
//! C header: `include/linux/percpu_counter.h`.

use crate::bindings;
use core::array;
use core::marker::PhantomData;
use kernel::prelude::*;
#[cfg(all(CONFIG_SMP, CONFIG_X86_64))]
use kernel::sync::barrier::{smp_mb, Read};
use kernel::types::Opaque;

/// Signed counters that are kept per CPU, each with an approximate total (`struct percpu_counter`), in one piece of
/// memory of each CPU. In cache lines of their own, which are of 64 bytes on most machines: CPUs write there what they pass
/// on, and not what others read beside it.
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
///     if !counters.get::<INODES, 1>().add_limited(limit, 1) {
///         return Err(ENOSPC);
///     }
///     counters.get::<BLOCKS, 1>().add(1);
///     Ok(())
/// }
/// ```
#[pin_data(PinnedDrop)]
#[repr(align(64))]
pub(crate) struct PerCpuCounters<const N: usize> {
    #[pin]
    counters: Opaque<[bindings::percpu_counter; N]>,
}

// SAFETY: The C functions lock where they must.
unsafe impl<const N: usize> Send for PerCpuCounters<N> {}
// SAFETY: The C functions lock where they must.
unsafe impl<const N: usize> Sync for PerCpuCounters<N> {}

impl<const N: usize> PerCpuCounters<N> {
    /// Counters of 0. May sleep; fails with `ENOMEM`.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        const { assert!(N > 0, "no counters") };
        try_pin_init!(Self {
            counters <- Opaque::try_ffi_init(|slot: *mut [bindings::percpu_counter; N]| {
                // SAFETY: `slot` is valid for writes of so many and stays where it is.
                bindings::to_result(unsafe {
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

    /// One of the counters, for amounts of about `UNIT`, of which each CPU keeps as many to itself as of single ones.
    #[inline(always)]
    pub(crate) fn get<const WHICH: usize, const UNIT: i32>(&self) -> PerCpuCounter<'_, UNIT> {
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
            counter,
            _counters: PhantomData,
        }
    }

    /// The sums of all, to be shown: exact where not two CPUs pass on shares that cancel each other at that very moment.
    /// Visits all CPUs, once.
    #[inline]
    pub(crate) fn sums(&self) -> [i64; N] {
        self.sums_without_lock()
            .unwrap_or_else(|| self.exact_sums())
    }

    /// The sum of each.
    #[cold]
    fn exact_sums(&self) -> [i64; N] {
        let first = self.counters.get().cast::<bindings::percpu_counter>();
        // SAFETY: By the type invariants, for each of the array.
        array::from_fn(|i| unsafe { bindings::percpu_counter_sum(first.add(i)) })
    }

    /// The sums without the locks of the counters, which are for those that pass shares on; `None` where a task has done
    /// so meanwhile. That they do so in an order is to be seen where CPUs keep the order of stores, as those of x86.
    #[cfg(all(CONFIG_SMP, CONFIG_X86_64))]
    #[inline]
    fn sums_without_lock(&self) -> Option<[i64; N]> {
        let first = self.counters.get().cast::<bindings::percpu_counter>();
        let read = |i| {
            // SAFETY: By the type invariants, for each of the array. It is written as a whole.
            unsafe { (&raw const (*first.add(i)).count).read_volatile() }
        };
        // SAFETY: By the type invariants; it does not change.
        let shares: [*mut i32; N] = array::from_fn(|i| unsafe { (*first.add(i)).counters });

        let before: [i64; N] = array::from_fn(read);
        smp_mb(Read);
        let is_passed_on = |i| {
            // SAFETY: By the type invariants, for each of the array.
            unsafe { bindings::raw_spin_is_locked(&raw mut (*first.add(i)).lock) }
        };
        if (0..N).any(is_passed_on) {
            // A share may count twice: what it is added to is written first.
            return None;
        }
        smp_mb(Read);
        let mut sums = before;
        let mut cpu = 0;
        // Ends: each number is larger than the one before.
        loop {
            // SAFETY: Looks at masks that are always there. A CPU that is going is in one of them until it has passed its
            // share on.
            cpu = unsafe { bindings::next_cpu_or_dying(cpu) };
            // SAFETY: Reads a number.
            if cpu >= unsafe { bindings::small_cpumask_bits() } {
                break;
            }
            for (sum, share) in sums.iter_mut().zip(shares) {
                // SAFETY: Each possible CPU has a share, for as long as the counter, which is written as a whole.
                let share = unsafe {
                    bindings::per_cpu_ptr(share.cast(), cpu)
                        .cast::<i32>()
                        .read_volatile()
                };
                *sum = sum.wrapping_add(i64::from(share));
            }
            cpu = cpu.wrapping_add(1);
        }
        smp_mb(Read);
        (array::from_fn(read) == before).then_some(sums)
    }

    /// There is one CPU, which has no share beside the sum; or nothing is known of the order of stores.
    #[cfg(not(all(CONFIG_SMP, CONFIG_X86_64)))]
    fn sums_without_lock(&self) -> Option<[i64; N]> {
        None
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

/// With more than this, what all CPUs together may keep would not have the 31 bits in which C computes it.
#[cfg(CONFIG_SMP)]
const LARGEST_BATCH: i32 = i32::MAX >> bindings::NR_CPUS.ilog2() >> 1;

/// One of several counters.
///
/// # Invariants
///
/// The counter is initialised, and stays so for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct PerCpuCounter<'a, const UNIT: i32> {
    counter: *mut bindings::percpu_counter,
    _counters: PhantomData<&'a bindings::percpu_counter>,
}

impl<const UNIT: i32> PerCpuCounter<'_, UNIT> {
    /// How much a CPU keeps to itself before it tells the others.
    #[cfg(CONFIG_SMP)]
    fn batch(self) -> i32 {
        let batch = &raw const bindings::percpu_counter_batch;
        // SAFETY: The kernel's, always there. It changes as a whole, when CPUs come and go.
        let batch = unsafe { batch.read_volatile() };
        if UNIT == 1 {
            batch
        } else {
            // Limited first: the product then needs no check, and the path is hot.
            let largest = const { LARGEST_BATCH / UNIT };
            batch.min(largest).wrapping_mul(UNIT)
        }
    }

    /// There is no other CPU to be told: C does not look at the number.
    #[cfg(not(CONFIG_SMP))]
    fn batch(self) -> i32 {
        UNIT
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

    /// Whether the sum does not exceed `limit`. Visits all CPUs where it is near.
    #[cfg(CONFIG_SMP)]
    pub(crate) fn is_at_most(self, limit: i64) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::__percpu_counter_compare(self.counter, limit, self.batch()) <= 0 }
    }

    /// Whether the sum does not exceed `limit`.
    #[cfg(not(CONFIG_SMP))]
    pub(crate) fn is_at_most(self, limit: i64) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::percpu_counter_compare(self.counter, limit) <= 0 }
    }

    /// The exact sum. Visits all CPUs.
    pub(crate) fn sum(self) -> i64 {
        // SAFETY: By the type invariants.
        unsafe { bindings::percpu_counter_sum(self.counter) }
    }
}
