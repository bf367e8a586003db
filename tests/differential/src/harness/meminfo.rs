//! The figures of the whole machine.

use anyhow::Context;

/// A figure of /proc/meminfo in whole MiB, after all CPUs have handed in theirs.
pub fn mib(name: &str) -> anyhow::Result<i64> {
    Ok((kib(name)? + 512) >> 10)
}

/// The same in KiB.
fn kib(name: &str) -> anyhow::Result<i64> {
    std::fs::write("/proc/sys/vm/stat_refresh", "1").context("stat_refresh")?;
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok())
        .context("meminfo")
}

/// How much a figure has grown since some time.
pub struct Growth {
    name: &'static str,
    start: i64,
}

impl Growth {
    pub fn of(name: &'static str) -> anyhow::Result<Growth> {
        let start = kib(name)?;
        Ok(Growth { name, start })
    }

    /// In whole MiB: what other processes do in the meantime is less than half of one.
    pub fn mib(&self) -> anyhow::Result<i64> {
        Ok((kib(self.name)? - self.start + 512) >> 10)
    }
}
