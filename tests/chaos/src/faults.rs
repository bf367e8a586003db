// SPDX-License-Identifier: GPL-2.0
//! Allocations and requests of chosen tasks that fail at random, as far as the kernel can do that.

use anyhow::{Context, Result};
use stage::inject::{self, Requests};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

const DEBUGFS: &str = "/sys/kernel/debug";
const KINDS: [&str; 3] = ["failslab", "fail_page_alloc", "fail_make_request"];

thread_local! {
    /// Whether it hits this thread.
    static IS_HIT: Cell<bool> = const { Cell::new(false) };
}

/// May be called in a handler of signals. False where there was no memory for it, or the kernel cannot do it.
fn set(hit: bool) -> bool {
    let value = if hit { c"1" } else { c"0" };
    // SAFETY: the path is a string, the value as long as is said, and the file this function's own.
    unsafe {
        let file = libc::open(
            c"/proc/thread-self/make-it-fail".as_ptr(),
            libc::O_WRONLY | libc::O_CLOEXEC,
        );
        if file < 0 {
            return false;
        }
        let done = libc::write(file, value.as_ptr().cast(), 1) == 1;
        libc::close(file);
        done
    }
}

/// Says whether what is injected hits the calling thread and the children it makes from then on.
pub fn of_this_thread(hit: bool) {
    // A kernel without it hits nobody.
    IS_HIT.set(set(hit) && hit);
}

/// Calls `act`, in which nothing fails on demand: a mapping at a fixed address that fails leaves a gap, which another
/// thread may get, and a thread that goes on with that address has the other one's pages. May be called in a handler of signals.
pub fn spared<T>(act: impl FnOnce() -> T) -> T {
    /// So many times in a row nothing fails that fails one time in twenty.
    const TRIES: u32 = 20;
    if !IS_HIT.get() {
        return act();
    }
    let _ = (0..TRIES).any(|_| set(false));
    let value = act();
    let _ = (0..TRIES).any(|_| set(true));
    value
}

fn knob(kind: &str, name: &str) -> PathBuf {
    Path::new(DEBUGFS).join(kind).join(name)
}

/// What the kernel says of failures on demand, EREs for those who read its log.
pub const EXPECTED: [&str; 2] = [inject::EXPECTED, inject::EXPECTED_OF_SWAP];

/// Faults are on, for tasks that asked for it; until this is dropped.
pub struct Faults {
    _disks: Option<Requests>,
}

impl Faults {
    /// Of what the chosen tasks do, `percent` of a hundred fails; of each kind at most `times`. Requests fail on these
    /// disks only.
    pub fn at_random(percent: u32, times: u32, disks: &[PathBuf]) -> Result<Self> {
        inject::prepare()?;
        let disks: Vec<&Path> = disks.iter().map(PathBuf::as_path).collect();
        let this = Self {
            _disks: Requests::of(&disks)?,
        };
        for kind in KINDS {
            if !knob(kind, "probability").exists() {
                continue;
            }
            for (name, value) in [
                ("verbose", "0".to_owned()),
                ("task-filter", "Y".to_owned()),
                ("times", times.to_string()),
                ("interval", "1".to_owned()),
                ("probability", percent.to_string()),
            ] {
                let path = knob(kind, name);
                fs::write(&path, value).with_context(|| path.display().to_string())?;
            }
        }
        Ok(this)
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        for kind in KINDS {
            let _ = fs::write(knob(kind, "probability"), "0");
            let _ = fs::write(knob(kind, "task-filter"), "N");
        }
    }
}
