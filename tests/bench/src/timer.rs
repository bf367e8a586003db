// SPDX-License-Identifier: GPL-2.0
//! The timed region of an operation.

use std::arch::asm;
use std::time::{Duration, Instant};

/// How long the machine rests before a region, in milliseconds.
pub const SETTLE: u64 = 60;

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

/// A mark: a long no-op with a displacement nobody else uses. A processor ignores it, and the profiler's QEMU plugin
/// recognises its bytes (see `profiler/`).
macro_rules! mark {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident = $displacement:literal) => {
        $(#[$meta])*
        #[inline(always)]
        $visibility fn $name() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a no-op; the operand is not accessed.
            unsafe {
                asm!(
                    concat!("nop dword ptr [rax + ", $displacement, "]"),
                    options(nomem, nostack, preserves_flags)
                );
            }
        }
    };
}

mark! {
    /// Tells an instruction counter outside the machine that a region begins.
    fn mark_begin = "0x52544201"
}
mark! {
    /// Tells it that a region ends.
    pub fn mark_end = "0x52544202"
}
mark! {
    /// Tells it that what comes now is something else.
    pub fn mark_next = "0x52544203"
}
mark! {
    /// Tells it that a region begins in which the atomic instructions of user space count, too.
    pub fn mark_known = "0x52544204"
}
