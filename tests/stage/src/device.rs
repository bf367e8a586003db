// SPDX-License-Identifier: GPL-2.0
//! Swap devices and files.

use crate::machine::{self, read};
use anyhow::{bail, ensure, Context, Result};
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Disk `number` of those that the machine has for tests.
pub fn disk(number: u32) -> Result<PathBuf> {
    for block in std::fs::read_dir("/sys/block")? {
        let block = block?;
        let serial = std::fs::read_to_string(block.path().join("serial")).unwrap_or_default();
        if serial.trim() == format!("disk{number}") {
            return Ok(Path::new("/dev").join(block.file_name()));
        }
    }
    bail!("the machine has no disk{number} (scripts/vm/run --disk SIZE)")
}

/// A device that pages are swapped to, until it is dropped.
pub struct Swap {
    path: PathBuf,
    on: bool,
}

impl Swap {
    pub fn disk(number: u32) -> Result<Self> {
        Self::new(&disk(number)?, None, None)
    }

    /// The first `mib` only.
    pub fn part_of_disk(number: u32, mib: u64) -> Result<Self> {
        Self::new(&disk(number)?, Some(mib), None)
    }

    pub fn new(path: &Path, mib: Option<u64>, priority: Option<i32>) -> Result<Self> {
        let mut mkswap = Command::new("mkswap");
        mkswap
            .arg(path)
            .args(mib.map(|mib| (mib * 1024).to_string()));
        let done = mkswap.output().context("mkswap")?;
        ensure!(
            done.status.success(),
            "{mkswap:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        on(path, priority).with_context(|| format!("swapon {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            on: true,
        })
    }

    /// As it was prepared before, or the first `mib` where it never was.
    pub fn as_before(path: &Path, mib: u64) -> Result<Self> {
        match on(path, None) {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                on: true,
            }),
            Err(_) => Self::new(path, Some(mib), None),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// KiB in use.
    pub fn used(&self) -> Result<u64> {
        let name = std::fs::canonicalize(&self.path)?;
        Ok(in_use()?
            .iter()
            .find(|(path, _)| Path::new(path) == name)
            .map_or(0, |(_, used)| *used))
    }

    pub fn off(&mut self) -> io::Result<()> {
        off(&self.path)?;
        self.on = false;
        Ok(())
    }

    /// Somebody else has switched it off.
    pub fn is_off(&mut self) {
        self.on = false;
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        if self.on {
            // Where the kernel has work for this task, as from a ring that has gone, the call is interrupted.
            let ended = loop {
                match off(&self.path) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    ended => break ended,
                }
            };
            if let Err(error) = ended {
                crate::tap::note(&format!("swapoff {}: {error}", self.path.display()));
            }
        }
    }
}

const ZRAM: &str = "/sys/block/zram0";

pub fn has_zram() -> bool {
    Path::new(ZRAM).exists()
}

/// Compressed memory as a swap device, from which large folios come back whole.
pub struct Zram(());

impl Zram {
    pub fn new() -> Result<Self> {
        ensure!(Self::reset()?, "zram0 is still in use");
        machine::write(format!("{ZRAM}/disksize"), "32M")?;
        Ok(Self(()))
    }

    pub fn swap(&self) -> Result<Swap> {
        Swap::new(Path::new("/dev/zram0"), None, None)
    }

    /// Whether it is empty now. What is written to a disk may have it open for a moment still.
    fn reset() -> Result<bool> {
        machine::wait(machine::LATE, || {
            Ok(machine::write(format!("{ZRAM}/reset"), "1").is_ok())
        })
    }
}

impl Drop for Zram {
    fn drop(&mut self) {
        if let Ok(false) | Err(_) = Self::reset() {
            crate::tap::note("zram0 is still in use");
        }
    }
}

/// Runs with zram as the only swap.
pub fn on_zram<T>(run: impl FnOnce(&Swap) -> Result<T>) -> Result<T> {
    let zram = Zram::new()?;
    let mut swap = zram.swap()?;
    let value = run(&swap)?;
    swap.off()?;
    Ok(value)
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no zero in a path")
}

pub fn on(path: &Path, priority: Option<i32>) -> io::Result<()> {
    const PREFER: i32 = 0x8000;
    // SAFETY: a path that ends with a zero.
    match unsafe { libc::swapon(c_path(path).as_ptr(), priority.map_or(0, |p| PREFER | p)) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

pub fn off(path: &Path) -> io::Result<()> {
    // SAFETY: a path that ends with a zero.
    match unsafe { libc::swapoff(c_path(path).as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The devices and the KiB in use on each.
pub fn in_use() -> Result<Vec<(String, u64)>> {
    let table = read("/proc/swaps")?;
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(((*words.first()?).to_owned(), words.get(3)?.parse().ok()?))
    };
    table
        .lines()
        .skip(1)
        .map(|text| line(text).with_context(|| format!("/proc/swaps: {text}")))
        .collect()
}

/// KiB of swap that are no shared memory's: pages of processes, and those whose slot is kept while they are in memory.
pub fn of_others() -> Result<u64> {
    let mut kib = machine::meminfo("SwapCached")?;
    for process in std::fs::read_dir("/proc")? {
        // A process may be gone by now, and threads of the kernel have no such line.
        let status = std::fs::read_to_string(process?.path().join("status")).unwrap_or_default();
        kib += machine::figure(&status, "VmSwap").unwrap_or(0);
    }
    Ok(kib)
}

/// Reads the machine's own files, udev's above all, which have gone out where all of the machine was asked for memory.
fn bring_back(dir: &Path) {
    let device = |path: &Path| std::fs::symlink_metadata(path).map(|data| data.dev()).ok();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            // Not what is mounted there.
            Ok(kind) if kind.is_dir() && device(&path) == device(dir) => bring_back(&path),
            // It may be gone by now.
            Ok(kind) if kind.is_file() => drop(std::fs::read(&path)),
            _ => {}
        }
    }
}

/// No shared memory is in swap; slots that are freed late have their time.
pub fn nothing_in_use() -> Result<()> {
    bring_back(Path::new("/run"));
    let total = || -> Result<u64> { Ok(in_use()?.iter().map(|(_, used)| used).sum()) };
    let done = machine::wait(machine::LATE, || Ok(total()? <= of_others()?))?;
    ensure!(
        done,
        "{} KiB of swap stay in use, and only {} KiB of processes; pages of rtmpfs: {}",
        total()?,
        of_others()?,
        read("/sys/fs/rtmpfs/swapped")
            .as_deref()
            .unwrap_or("not known")
            .trim()
    );
    Ok(())
}
