// SPDX-License-Identifier: GPL-2.0
//! Time in which the processor has nothing to do, which does not count in a region that waits for a disk.
//!
//! The kernel's own idle time is not it: interrupts come while the processor idles, and what they do counts. So the
//! processor is kept from idling by a thread that gives way to all others and reads the clock, round by round. A round
//! as short as any is time with nothing to do; in a longer one the kernel or another task had the processor.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::io::{Errno, Result};

use crate::ops::errno;
use crate::timer::mark_idle;

/// Rounds from which the length of the shortest is learnt.
const TRIALS: u32 = 1000;

/// A round of so many times the shortest has had an interrupt, which takes far more.
const INTERRUPTED: u32 = 4;

/// The thread that runs while no other has anything to do, on a machine of one processor.
pub struct Idler {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// In nanoseconds.
    idle: AtomicU64,
    is_over: AtomicBool,
}

impl Idler {
    /// Starts the thread, and waits until it is at work.
    pub fn start() -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::spawn({
            let shared = shared.clone();
            move || {
                let may_idle = give_way();
                let limit = shortest() * INTERRUPTED;
                // Without a listener there is nothing to be heard, nor to be done.
                if ready.send(may_idle).is_ok() && may_idle.is_ok() {
                    idle(&shared, limit);
                }
            }
        });
        is_ready.recv().unwrap_or(Err(Errno::SRCH))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// How long there was nothing to do so far.
    pub fn so_far(&self) -> Duration {
        Duration::from_nanos(self.shared.idle.load(Relaxed))
    }
}

impl Drop for Idler {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic.
            let _ = thread.join();
        }
    }
}

/// Makes this thread run only where no other wants to.
fn give_way() -> Result<()> {
    // SAFETY: all zeros are a priority of 0, the only one that this policy has.
    let done = unsafe {
        let parameters: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &parameters)
    };
    match done {
        0 => Ok(()),
        _ => Err(errno(std::io::Error::last_os_error())),
    }
}

/// The shortest round.
fn shortest() -> Duration {
    let mut last = Instant::now();
    let mut shortest = Duration::MAX;
    for _ in 0..TRIALS {
        shortest = shortest.min(round(&mut last));
    }
    shortest
}

fn idle(shared: &Shared, limit: Duration) {
    let mut last = Instant::now();
    let mut idle = Duration::ZERO;
    while !shared.is_over.load(Relaxed) {
        let round = round(&mut last);
        if round < limit {
            idle += round;
            let nanoseconds = u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX);
            shared.idle.store(nanoseconds, Relaxed);
        }
    }
}

/// Time since the last call.
fn round(last: &mut Instant) -> Duration {
    mark_idle();
    let now = Instant::now();
    now - std::mem::replace(last, now)
}
