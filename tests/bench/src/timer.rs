// SPDX-License-Identifier: GPL-2.0
//! The timed region of an operation.

use std::arch::asm;
use std::time::{Duration, Instant};

/// What one region took: `ns` nanoseconds for `units` operations (or pages, or entries).
pub struct Sample {
    pub units: u64,
    pub ns: u64,
}

pub struct Timer {
    /// How long the machine rests before a region.
    settle: Duration,
}

impl Timer {
    pub fn new(settle: Duration) -> Self {
        Self { settle }
    }

    /// Times `work`, which does `units` units.
    ///
    /// The rest before it lets work that the kernel put off (RCU callbacks above all) finish, so
    /// that the clean-up of one region is not charged to the next.
    pub fn time(
        &self,
        units: u64,
        work: impl FnOnce() -> rustix::io::Result<()>,
    ) -> rustix::io::Result<Sample> {
        std::thread::sleep(self.settle);
        let start = Instant::now();
        mark_begin();
        let result = work();
        mark_end();
        let elapsed = start.elapsed();
        result.map(|()| Sample {
            units,
            ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
        })
    }
}

/// Tells an instruction counter outside the machine that a region begins.
///
/// All marks are long no-ops with a displacement nobody else uses: a processor ignores them, and
/// the profiler's QEMU plugin recognises their bytes (see `profiler/`).
#[inline(always)]
fn mark_begin() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a no-op; the operand is not accessed.
    unsafe {
        asm!(
            "nop dword ptr [rax + 0x52544201]",
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// Tells a counter outside the machine that what comes now is something else.
#[inline(always)]
pub fn mark_next() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a no-op; the operand is not accessed.
    unsafe {
        asm!(
            "nop dword ptr [rax + 0x52544203]",
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// Tells an instruction counter outside the machine that a region ends.
#[inline(always)]
fn mark_end() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a no-op; the operand is not accessed.
    unsafe {
        asm!(
            "nop dword ptr [rax + 0x52544202]",
            options(nomem, nostack, preserves_flags)
        );
    }
}
