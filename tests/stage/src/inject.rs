// SPDX-License-Identifier: GPL-2.0
//! The kernel's fault injection, as far as the tests need it: the Nth allocation of a task fails.

use anyhow::{bail, Context, Result};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::machine;

/// Knobs that take allocations out of the count by default, or would fill the kernel log: a failure is
/// wanted for every kind of allocation, and without a stack dump.
const KNOBS: &[(&str, &str)] = &[
    ("failslab/ignore-gfp-wait", "N"),
    ("failslab/verbose", "0"),
    ("fail_page_alloc/ignore-gfp-wait", "N"),
    ("fail_page_alloc/ignore-gfp-highmem", "N"),
    ("fail_page_alloc/min-order", "0"),
    ("fail_page_alloc/verbose", "0"),
];

/// What the kernel says of failures on demand, EREs for those who read its log: of allocations, and of requests to a disk
/// that is swapped to.
pub const EXPECTED: &str =
    "percpu: allocation failed|vmalloc error|page allocation failure|SLUB: Unable to allocate memory";
pub const EXPECTED_OF_SWAP: &str = "I/O error|swap-device";

const DEBUGFS: &str = "/sys/kernel/debug";
const FAIL_NTH: &str = "/proc/thread-self/fail-nth";

/// Whether the kernel can do it at all.
pub fn available() -> bool {
    Path::new(FAIL_NTH).exists()
}

/// Whether that is how a call fails that finds no memory: an inode that cannot be had is one of those that there is no
/// space for.
pub fn is_out_of_memory(errno: i32) -> bool {
    matches!(errno, libc::ENOMEM | libc::ENOSPC)
}

/// The lines that only one of two records has.
pub fn changes(before: &[String], after: &[String]) -> Vec<String> {
    let only = |of: &[String], other: &[String], label: &str| -> Vec<String> {
        let lines = of.iter().filter(|line| !other.contains(line));
        lines.map(|line| format!("{label} {line}")).collect()
    };
    [
        only(before, after, "before:"),
        only(after, before, "after: "),
    ]
    .concat()
}

/// Sets the kernel up for the whole run.
pub fn prepare() -> Result<()> {
    for (knob, value) in KNOBS {
        let path = Path::new(DEBUGFS).join(knob);
        fs::write(&path, value)
            .with_context(|| format!("{}: is debugfs mounted?", path.display()))?;
    }
    Ok(())
}

/// Requests to disks can be made to fail, until this is dropped. None reads ahead meanwhile: what a task reads of another
/// one's memory, and cannot, is lost to that, be it the shell that the tests run in.
pub struct Requests {
    knobs: Vec<PathBuf>,
    _single: machine::Setting,
}

impl Requests {
    /// `None` where the kernel cannot do that, or there is no disk.
    pub fn of(disks: &[&Path]) -> Result<Option<Self>> {
        const QUIET: &str = "/sys/kernel/debug/fail_make_request/verbose";
        let mut knobs = Vec::new();
        for disk in disks {
            let name = disk.file_name().context("a disk has a name")?;
            knobs.push(Path::new("/sys/block").join(name).join("make-it-fail"));
        }
        let can = knobs.iter().all(|knob| knob.exists()) && Path::new(QUIET).exists();
        if disks.is_empty() || !can {
            return Ok(None);
        }
        machine::write(QUIET, "0")?;
        let this = Self {
            _single: machine::Setting::new("/proc/sys/vm/page-cluster", "0")?,
            knobs,
        };
        for knob in &this.knobs {
            machine::write(knob, "1")?;
        }
        Ok(Some(this))
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        for knob in &self.knobs {
            if let Err(error) = machine::write(knob, "0") {
                crate::tap::note(&format!("{error:#}"));
            }
        }
    }
}

/// The calling thread's countdown. Kept open, since opening it would itself be counted.
pub struct Countdown(File);

impl Countdown {
    pub fn of_this_thread() -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(FAIL_NTH)
            .context(FAIL_NTH)?;
        Ok(Self(file))
    }

    /// From here on, allocation number `nth` of this thread fails.
    pub fn arm(&self, nth: u32) -> Result<()> {
        let text = nth.to_string();
        if self.0.write_at(text.as_bytes(), 0)? != text.len() {
            bail!("{FAIL_NTH}: short write");
        }
        Ok(())
    }

    /// No more failures; tells whether one was injected since `arm`.
    pub fn disarm(&self) -> Result<bool> {
        let mut text = [0; 16];
        let length = self.0.read_at(&mut text, 0)?;
        self.arm(0)?;
        let left: u32 = std::str::from_utf8(&text[..length])?
            .trim()
            .parse()
            .context(FAIL_NTH)?;
        Ok(left == 0)
    }
}
