// SPDX-License-Identifier: GPL-2.0
//! A memory cgroup.

use crate::machine::{self, figure};
use crate::map::Map;
use crate::pages::PAGE;
use crate::skip::Skip;
use anyhow::{ensure, Context, Result};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

pub struct Group {
    root: PathBuf,
    path: PathBuf,
    gone: bool,
}

impl Group {
    /// A new group with these settings, and this process in it. Where the kernel has no such groups, the test is
    /// skipped.
    pub fn enter(settings: &[(&str, &str)]) -> Result<Self> {
        let group = Self::new(settings)?;
        group.add_self()?;
        Ok(group)
    }

    pub fn new(settings: &[(&str, &str)]) -> Result<Self> {
        let root = root()?;
        let controllers = machine::read(root.join("cgroup.controllers"))?;
        let has = |wanted| controllers.split_whitespace().any(|name| name == wanted);
        if !has("memory") {
            return Err(Skip("this kernel has no memory cgroups (CONFIG_MEMCG)".into()).into());
        }
        machine::write(root.join("cgroup.subtree_control"), "+memory")?;
        if has("cpuset") {
            machine::write(root.join("cgroup.subtree_control"), "+cpuset")?;
            // The first group with cpusets, and the end of the last one, change the code of the page allocator under all
            // processors. An emulated one may see the breakpoint of that when it is over, and its kernel dies of it: one
            // group stays.
            std::fs::create_dir_all(root.join("stays"))?;
        }
        let path = root.join(format!("swap-test-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
        let group = Self {
            root,
            path,
            gone: false,
        };
        for (name, value) in settings {
            group.set(name, value)?;
        }
        Ok(group)
    }

    pub fn add_self(&self) -> Result<()> {
        self.set("cgroup.procs", "0")
    }

    /// Where its files are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn leave(&self) -> Result<()> {
        machine::write(self.root.join("cgroup.procs"), "0")
    }

    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        machine::write(self.path.join(name), value)
    }

    /// A figure in bytes.
    pub fn value(&self, name: &str) -> Result<u64> {
        machine::read(self.path.join(name))?
            .trim()
            .parse()
            .with_context(|| name.to_owned())
    }

    pub fn stat(&self, name: &str) -> Result<u64> {
        let stat = machine::read(self.path.join("memory.stat"))?;
        figure(&stat, name).with_context(|| format!("memory.stat has no {name}"))
    }

    /// Waits until a figure of memory.stat is that many bytes: what a processor has counted last is in it after two
    /// seconds.
    pub fn comes_to(&self, name: &str, bytes: u64) -> Result<()> {
        let is_so = machine::wait(machine::LATE, || Ok(self.stat(name)? == bytes))?;
        ensure!(
            is_so,
            "memory.stat has {} bytes of {name}, not {bytes}",
            self.stat(name)?
        );
        Ok(())
    }

    /// Figures of memory.stat in whole MiB, since the kernel gathers them in batches for each processor.
    pub fn stats_mib<const N: usize>(&self, names: [&str; N]) -> Result<[u64; N]> {
        let mut figures = [0; N];
        for (figure, name) in figures.iter_mut().zip(names) {
            *figure = (self.stat(name)? + (1 << 19)) >> 20;
        }
        Ok(figures)
    }

    pub fn event(&self, name: &str) -> Result<u64> {
        let events = machine::read(self.path.join("memory.events"))?;
        figure(&events, name).with_context(|| format!("memory.events has no {name}"))
    }

    /// Asks for all shared memory of the group to go out, as often as it helps.
    pub fn reclaim(&self) -> Result<()> {
        let mut before = u64::MAX;
        let mut helpless = 0;
        for _ in 0..40 {
            let shmem = self.stat("shmem")?;
            if shmem == 0 {
                break;
            }
            helpless = if shmem < before { 0 } else { helpless + 1 };
            if helpless == 4 {
                break;
            }
            before = shmem;
            // EAGAIN: less than that could be reclaimed, which is for the caller to find out.
            let _ = self.set(
                "memory.reclaim",
                &format!("{} swappiness=max", shmem + (1 << 20)),
            );
        }
        // Once more, for what is still in the swap cache after its writing.
        let _ = self.set("memory.reclaim", "4M swappiness=max");
        Ok(())
    }

    /// All but a few pages of the group's shared memory have to be in swap after this.
    pub fn push_out(&self) -> Result<()> {
        const LEFT: u64 = 64;
        // There is no such figure without swap.
        let pages = |name| self.stat(name).unwrap_or(0) / PAGE as u64;
        // A page stays in the swap cache while it is written, until reclaim comes by once more.
        let is_out = || pages("shmem") <= LEFT;
        machine::wait(10, || {
            self.reclaim()?;
            Ok(is_out() && pages("swapcached") <= LEFT)
        })?;
        // The figures are gathered late.
        machine::wait(machine::LATE, || {
            if !is_out() {
                self.reclaim()?;
            }
            Ok(is_out())
        })?;
        let shmem = pages("shmem");
        ensure!(
            shmem <= LEFT,
            "{shmem} pages do not go out when they are reclaimed"
        );
        Ok(())
    }

    /// The first pages of a file are all in swap after this, and in the swap cache no more; also those that the group's
    /// figures, which are gathered in batches, do not show any more. No mapping of this process has any of them in the page
    /// tables then.
    pub fn push_out_all(&self, file: &impl AsFd, pages: usize) -> Result<()> {
        let map = Map::first(file, pages)?;
        // From a disk, a page of this process that comes back brings those in the slots beside it: the file's, each time anew.
        let _single = machine::Setting::new("/proc/sys/vm/page-cluster", "0")?;
        let gone = machine::wait(machine::LATE, || {
            self.push_out()?;
            let gone = !map.resident()?.contains(&true);
            if !gone {
                // A page may wait in a batch of a processor, on no list. Reclaim takes it from there when it finds nothing
                // else, but what this process has is enough for it; compaction does so at once.
                let _ = machine::write("/proc/sys/vm/compact_memory", "1");
            }
            Ok(gone)
        })?;
        let stay = map.resident()?.iter().filter(|&&stays| stays).count();
        ensure!(gone, "{stay} pages of {pages} stay in memory");
        Ok(())
    }

    /// The group is deleted, whatever is still charged to it.
    pub fn remove(mut self) -> Result<()> {
        self.try_remove()
    }

    fn try_remove(&mut self) -> Result<()> {
        self.gone = true;
        self.leave()?;
        // Processes that have just ended may still count.
        machine::wait(
            machine::LATE,
            || Ok(std::fs::remove_dir(&self.path).is_ok()),
        )?;
        ensure!(
            !self.path.exists(),
            "{} cannot be removed",
            self.path.display()
        );
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.gone {
            if let Err(error) = self.try_remove() {
                crate::tap::note(&format!("{error:#}"));
            }
        }
    }
}

/// The folder of the group that this process is in; `None` where that is the root.
pub fn current() -> Result<Option<PathBuf>> {
    let text = machine::read("/proc/self/cgroup")?;
    let path = text
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .context("/proc/self/cgroup")?;
    Ok(if path.is_empty() {
        None
    } else {
        Some(root()?.join(path))
    })
}

/// Asks for so many MiB of all groups together to go out, of what is not read from files.
pub fn reclaim_machine(mib: u64) -> Result<()> {
    machine::write(
        root()?.join("memory.reclaim"),
        &format!("{mib}M swappiness=max"),
    )
}

/// Whether this kernel has memory cgroups.
pub fn available() -> bool {
    let controllers = root().and_then(|root| machine::read(root.join("cgroup.controllers")));
    controllers.is_ok_and(|names| names.split_whitespace().any(|name| name == "memory"))
}

/// Where the cgroups are; mounted where nobody has done it.
fn root() -> Result<PathBuf> {
    let mounts = machine::read("/proc/self/mounts")?;
    let found = mounts.lines().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (*words.get(2)? == "cgroup2").then(|| PathBuf::from(words[1]))
    });
    if let Some(found) = found {
        return Ok(found);
    }
    let path = Path::new("/sys/fs/cgroup");
    nix::mount::mount(
        Some("cgroup2"),
        path,
        Some("cgroup2"),
        nix::mount::MsFlags::empty(),
        None::<&str>,
    )
    .context("mounting cgroup2")?;
    Ok(path.to_owned())
}
