//! The figures of the whole machine.

use stage::machine;

/// A figure of /proc/meminfo in KiB, after all CPUs have handed in theirs.
pub fn kib(name: &str) -> anyhow::Result<i64> {
    machine::write("/proc/sys/vm/stat_refresh", "1")?;
    Ok(machine::meminfo(name)? as i64)
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
