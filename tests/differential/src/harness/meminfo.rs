//! The figures of the whole machine.

use anyhow::Context;

/// A figure of /proc/meminfo in whole MiB, after all CPUs have handed in theirs.
pub fn mib(name: &str) -> anyhow::Result<i64> {
    std::fs::write("/proc/sys/vm/stat_refresh", "1").context("stat_refresh")?;
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
    let kib: i64 = line
        .and_then(|l| l.split_whitespace().next()?.parse().ok())
        .context("meminfo")?;
    Ok((kib + 512) >> 10)
}
