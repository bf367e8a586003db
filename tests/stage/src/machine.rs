// SPDX-License-Identifier: GPL-2.0
//! The machine's counters and settings, and its kernel log.

use anyhow::{Context, Result};
use nix::sys::mman::{mlockall, MlockAllFlags};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub fn is_debug() -> bool {
    std::env::var("RTMPFS_KERNEL").is_ok_and(|kernel| kernel == "debug")
}

/// `large` on the release kernel, `small` on the debug kernel, where everything takes several times as long.
pub fn sized(large: u64, small: u64) -> u64 {
    if is_debug() {
        small
    } else {
        large
    }
}

pub fn read(path: impl AsRef<Path>) -> Result<String> {
    fs::read_to_string(&path).with_context(|| path.as_ref().display().to_string())
}

/// Writes with one system call, as files of the kernel want it.
pub fn write(path: impl AsRef<Path>, text: &str) -> Result<()> {
    let context = || format!("writing '{text}' to {}", path.as_ref().display());
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .with_context(context)?;
    file.write_all(text.as_bytes()).with_context(context)
}

/// The number after `name` in lines of names and numbers.
pub fn figure(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()?.trim_end_matches(':') == name).then(|| words.next()?.parse().ok())?
    })
}

pub fn vmstat(name: &str) -> Result<u64> {
    figure(&read("/proc/vmstat")?, name).with_context(|| format!("/proc/vmstat has no {name}"))
}

/// In KiB.
pub fn meminfo(name: &str) -> Result<u64> {
    figure(&read("/proc/meminfo")?, name).with_context(|| format!("/proc/meminfo has no {name}"))
}

/// One of the counters that the kernel keeps of folios of this size.
pub fn folios(kib: u64, counter: &str) -> Result<u64> {
    let path = format!("/sys/kernel/mm/transparent_hugepage/hugepages-{kib}kB/stats/{counter}");
    read(&path)?.trim().parse().context(path)
}

/// Of this process, in KiB.
pub fn status(name: &str) -> Result<u64> {
    let path = "/proc/self/status";
    figure(&read(path)?, name).with_context(|| format!("{path} has no {name}"))
}

/// A file of /proc or /sys that gets its old value back in the end.
pub struct Setting {
    path: PathBuf,
    old: String,
}

impl Setting {
    pub fn new(path: &str, value: &str) -> Result<Self> {
        let text = read(path)?;
        // Some show all values that there are, with the one that holds in brackets.
        let old = text.split(['[', ']']).nth(1).unwrap_or(&text);
        let old = old.trim().to_owned();
        write(path, value)?;
        Ok(Self {
            path: path.into(),
            old,
        })
    }

    /// Another value for the time being.
    pub fn set(&self, value: &str) -> Result<()> {
        write(&self.path, value)
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        if let Err(error) = write(&self.path, &self.old) {
            crate::tap::note(&format!("{error:#}"));
        }
    }
}

/// Tells who reads the kernel log which messages are provoked on purpose.
pub struct Expected;

impl Expected {
    pub fn new(ere: &str) -> Result<Self> {
        write("/dev/kmsg", &format!("rtmpfs-vm: expect begins: {ere}"))?;
        Ok(Self)
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        if let Err(error) = write("/dev/kmsg", "rtmpfs-vm: expect ends") {
            crate::tap::note(&format!("{error:#}"));
        }
    }
}

/// Keeps what this process has in memory, and what it gets from now on, there: nothing of it is missing or in swap.
/// Children do as they like.
pub fn keep_in_memory() -> nix::Result<()> {
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE)
}

/// The same, but not what it maps from now on.
pub fn keep_in_memory_so_far() -> nix::Result<()> {
    mlockall(MlockAllFlags::MCL_CURRENT)
}

/// How long the kernel may take with what it does late, in seconds: a worker may have no processor for long. What comes to
/// be ends the wait, so that only a test that fails takes it.
pub const LATE: u64 = 60;

/// Waits until `done`, for things that the kernel does late; false where it does not come to be.
pub fn wait(seconds: u64, mut done: impl FnMut() -> Result<bool>) -> Result<bool> {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if done()? {
            return Ok(true);
        }
        if Instant::now() > end {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
