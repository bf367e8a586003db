// SPDX-License-Identifier: GPL-2.0
//! The timed region of an operation.

use std::arch::asm;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context};

use crate::gate;
use crate::idle::Idler;

/// How long the machine rests before a region, in milliseconds.
pub const SETTLE: u64 = 60;

/// What one region took: `ns` nanoseconds for `units` operations (or pages, or entries).
pub struct Sample {
    pub units: u64,
    pub ns: u64,
}

/// As one process tells it another.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.units, self.ns)
    }
}

impl FromStr for Sample {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let read = || {
            let (units, ns) = text.split_once(' ')?;
            Some((units.parse().ok()?, ns.parse().ok()?))
        };
        let (units, ns) = read().with_context(|| format!("'{text}' is no figure of a region"))?;
        ensure!(units > 0, "a region of no units");
        Ok(Self { units, ns })
    }
}

pub struct Timer {
    /// How long the machine rests before a region.
    settle: Duration,
    /// Others have a region at the same time.
    with_others: bool,
}

impl Timer {
    pub fn new(settle: Duration) -> Self {
        Self {
            settle,
            with_others: false,
        }
    }

    /// That of a worker.
    pub fn with_others(settle: Duration) -> Self {
        Self {
            settle,
            with_others: true,
        }
    }

    /// Times `work`, which does `units` units.
    pub fn time(
        &self,
        units: u64,
        work: impl FnOnce() -> rustix::io::Result<()>,
    ) -> rustix::io::Result<Sample> {
        self.rest();
        self.region(units, work, || Duration::ZERO)
    }

    /// The same, without the time in which the machine, which has one processor, has nothing to do.
    pub fn time_outside_idle(
        &self,
        units: u64,
        work: impl FnOnce() -> rustix::io::Result<()>,
    ) -> rustix::io::Result<Sample> {
        self.rest();
        let idler = Idler::start()?;
        self.region(units, work, || idler.so_far())
    }

    /// Lets work that the kernel put off (RCU callbacks above all) finish, so that the clean-up of
    /// one region is not charged to the next.
    fn rest(&self) {
        std::thread::sleep(self.settle);
    }

    fn region(
        &self,
        units: u64,
        work: impl FnOnce() -> rustix::io::Result<()>,
        idle: impl Fn() -> Duration,
    ) -> rustix::io::Result<Sample> {
        if self.with_others {
            gate::wait_for_start()?;
        }
        let before = idle();
        let start = Instant::now();
        mark_begin();
        let result = work();
        mark_end();
        let elapsed = start.elapsed().saturating_sub(idle() - before);
        result?;
        let sample = Sample {
            units,
            ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
        };
        if self.with_others {
            gate::wait_for_end(&sample)?;
        }
        Ok(sample)
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
mark! {
    /// Tells it that user space has nothing to do until the kernel runs.
    pub fn mark_idle = "0x52544205"
}
