// SPDX-License-Identifier: GPL-2.0
//! What all processes of a run share: the word to stop, what each task does at the moment, what was found.
//!
//! It lies in locked memory that no task under test can push out, and nobody waits for anybody to read or write it.

use anyhow::{ensure, Result};
use std::io;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use std::time::Duration;

/// More than there ever are.
pub const SLOTS: usize = 48;
pub const CALLS: usize = 128;
/// The first is none, the last is for all that have no place of their own.
const ERRORS: usize = 136;
const FINDINGS: usize = 16;
const TEXT: usize = 1000;

/// A task. What is in use has a process.
pub struct Slot {
    process: AtomicI32,
    task: AtomicI32,
    /// The name of what it does, an index into `Board::names`.
    doing: AtomicU32,
    /// When that began, in ms of the monotonic clock.
    since: AtomicU64,
}

struct Finding {
    len: AtomicUsize,
    text: [AtomicU32; TEXT / 4],
}

pub struct Board {
    stop: AtomicBool,
    slots: [Slot; SLOTS],
    /// How often each call came back without an error, and with which.
    calls: [[AtomicU32; ERRORS]; CALLS],
    /// SIGBUS that were caught.
    lost_pages: AtomicU64,
    found: AtomicUsize,
    findings: [Finding; FINDINGS],
}

pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

impl Board {
    /// Shared with all children.
    pub fn new() -> Result<&'static Self> {
        let (len, prot) = (size_of::<Self>(), libc::PROT_READ | libc::PROT_WRITE);
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, prot, flags, -1, 0) };
        ensure!(
            start != libc::MAP_FAILED,
            "mmap: {}",
            io::Error::last_os_error()
        );
        // SAFETY: locking changes no contents.
        let locked = unsafe { libc::mlock(start, len) };
        ensure!(locked == 0, "mlock: {}", io::Error::last_os_error());
        // SAFETY: the mapping is as large as a board, aligned to pages, never unmapped, and zeros are a valid board.
        Ok(unsafe { &*start.cast::<Self>() })
    }

    /// For the next round; what was called is counted on.
    pub fn clear(&self) {
        self.stop.store(false, Release);
        self.slots.iter().for_each(Slot::leave);
        self.found.store(0, Relaxed);
        self.findings.iter().for_each(|f| f.len.store(0, Relaxed));
    }

    pub fn stop(&self) {
        self.stop.store(true, Release);
    }

    pub fn is_over(&self) -> bool {
        self.stop.load(Acquire)
    }

    /// Sleeps, but not beyond the end.
    pub fn sleep(&self, ms: u64) {
        let end = now() + ms;
        while now() < end && !self.is_over() {
            std::thread::sleep(Duration::from_millis((end - now().min(end)).min(20)));
        }
    }

    pub fn slot(&self, number: usize) -> &Slot {
        &self.slots[number]
    }

    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.process() != 0)
    }

    /// A call has come back with this error, or with 0.
    pub fn count(&self, call: usize, error: i32) {
        let error = usize::try_from(error).unwrap_or(ERRORS);
        self.calls[call][error.min(ERRORS - 1)].fetch_add(1, Relaxed);
    }

    /// How often anything came back.
    pub fn calls(&self) -> u64 {
        let counts = self.calls.iter().flatten();
        counts.map(|count| u64::from(count.load(Relaxed))).sum()
    }

    /// How often a call came back without an error, and with each error, of the most frequent first.
    pub fn counts(&self, call: usize) -> (u64, Vec<(i32, u64)>) {
        let counts = self.calls[call]
            .iter()
            .map(|count| u64::from(count.load(Relaxed)));
        let mut counts: Vec<_> = (0..).zip(counts).collect();
        let (_, good) = counts.remove(0);
        counts.retain(|(_, count)| *count > 0);
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        (good, counts)
    }

    pub fn page_was_lost(&self) {
        self.lost_pages.fetch_add(1, Relaxed);
    }

    pub fn lost_pages(&self) -> u64 {
        self.lost_pages.load(Relaxed)
    }

    /// Tells of something wrong, and ends the round. Allocates nothing but what `text` is.
    pub fn wrong(&self, text: &str) {
        let number = self.found.fetch_add(1, Relaxed);
        if let Some(finding) = self.findings.get(number) {
            let bytes = &text.as_bytes()[..text.len().min(TEXT)];
            for (word, chunk) in finding.text.iter().zip(bytes.chunks(4)) {
                let mut four = [0; 4];
                four[..chunk.len()].copy_from_slice(chunk);
                word.store(u32::from_ne_bytes(four), Relaxed);
            }
            finding.len.store(bytes.len(), Release);
        }
        self.stop();
    }

    pub fn findings(&self) -> Vec<String> {
        let text = |finding: &Finding| {
            let words = finding.text.iter();
            let mut bytes: Vec<u8> = words
                .flat_map(|word| word.load(Relaxed).to_ne_bytes())
                .collect();
            bytes.truncate(finding.len.load(Acquire));
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let number = self.found.load(Relaxed);
        let mut all: Vec<_> = self.findings.iter().take(number).map(text).collect();
        if number > FINDINGS {
            all.push(format!("and {} more", number - FINDINGS));
        }
        all
    }
}

impl Slot {
    /// For a process that is about to begin.
    pub fn take(&self, process: i32) {
        self.task.store(process, Relaxed);
        self.doing.store(0, Relaxed);
        self.since.store(now(), Relaxed);
        self.process.store(process, Release);
    }

    /// The calling thread is the task from now on.
    pub fn take_self(&self) {
        // SAFETY: no arguments.
        let task = unsafe { libc::syscall(libc::SYS_gettid) } as i32;
        self.take(std::process::id() as i32);
        self.task.store(task, Relaxed);
    }

    pub fn leave(&self) {
        self.process.store(0, Release);
    }

    /// What begins now, the number of a call.
    pub fn does(&self, call: usize) {
        self.doing.store(call as u32, Relaxed);
        self.since.store(now(), Relaxed);
    }

    pub fn process(&self) -> i32 {
        self.process.load(Acquire)
    }

    pub fn task(&self) -> i32 {
        self.task.load(Relaxed)
    }

    pub fn doing(&self) -> usize {
        self.doing.load(Relaxed) as usize
    }

    /// For how many ms.
    pub fn age(&self) -> u64 {
        now().saturating_sub(self.since.load(Relaxed))
    }
}
