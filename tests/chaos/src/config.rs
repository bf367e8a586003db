// SPDX-License-Identifier: GPL-2.0
//! What a round is like: drawn from the seed, and from what the machine has.

use fastrand::Rng;
use stage::switch::Switch;
use stage::{device, group, inject, skip};
use std::fmt::{self, Display, Formatter};

/// What this machine can do.
pub struct Machine {
    pub swap: bool,
    pub zram: bool,
    pub groups: bool,
    pub nodes: usize,
    pub huge: bool,
    pub quota: bool,
    pub casefold: bool,
    pub faults: bool,
    /// The module serves files without a mount when it is told to.
    pub switch: bool,
    /// The kernel does something about memory errors.
    pub errors: bool,
}

impl Machine {
    pub fn look() -> Self {
        let memory = std::fs::read_to_string("/sys/devices/system/node/has_memory");
        Self {
            swap: !skip::lacks("SWAP") && device::disk(1).is_ok(),
            zram: !skip::lacks("SWAP") && device::has_zram(),
            groups: group::available(),
            nodes: match memory.unwrap_or_default().trim() {
                "" | "0" => 1,
                _ => 2,
            },
            huge: std::path::Path::new("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
                .exists(),
            quota: !skip::lacks("TMPFS_QUOTA"),
            casefold: !skip::lacks("UNICODE"),
            faults: inject::available(),
            switch: std::path::Path::new(Switch::SharedMemory.path()).exists(),
            errors: std::path::Path::new("/proc/sys/vm/memory_failure_recovery").exists(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Swapping {
    Off,
    Disk,
    Zram,
    Both,
}

/// A memory cgroup that is too small.
#[derive(Clone, Copy)]
pub struct Limits {
    /// MiB.
    pub memory: u64,
    /// MiB of swap; nothing: as much as there is.
    pub swap: Option<u64>,
    /// All processes are in it, or only the first.
    pub all: bool,
}

/// Who serves files without a mount.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    Tmpfs,
    Module,
    /// Now the one, now the other.
    Changes,
}

pub struct Config {
    pub seconds: u64,
    /// Options of the mount.
    pub options: String,
    /// MiB.
    pub size: u64,
    pub quota: bool,
    pub swapping: Swapping,
    /// Whether swap devices are switched off and on.
    pub restless: bool,
    pub group: Option<Limits>,
    /// khugepaged looks all the time, and the controls of huge pages change.
    pub awake: bool,
    pub processes: usize,
    pub threads: usize,
    /// Whether processes are killed.
    pub kill: bool,
    /// How many of a hundred allocations fail; 0: none.
    pub faults: u32,
    pub remount: bool,
    pub shared: Shared,
    /// Whether pages have memory errors.
    pub errors: bool,
}

impl Config {
    pub fn draw(rng: &mut Rng, machine: &Machine) -> Self {
        // All is drawn, whatever the machine has, so that a seed means the same on each.
        let size = *rng.choice(&[8, 32, 32]).expect("not empty");
        let mut options = vec![format!("size={size}m")];
        if rng.u8(0..4) == 0 {
            options.push("nr_inodes=200".into());
        }
        let huge = *rng
            .choice(&["", "never", "always", "within_size", "advise", "always"])
            .expect("not empty");
        if !huge.is_empty() && machine.huge {
            options.push(format!("huge={huge}"));
        }
        if rng.u8(0..8) == 0 {
            options.push("noswap".into());
        }
        let policy = *rng
            .choice(&[
                "",
                "",
                "interleave",
                "local",
                "bind:0",
                "prefer:1",
                "interleave:0-1",
            ])
            .expect("not empty");
        if !policy.is_empty() && machine.nodes > 1 {
            options.push(format!("mpol={policy}"));
        }
        if rng.u8(0..5) == 0 && machine.casefold {
            options.push("casefold".into());
        }
        if rng.u8(0..6) == 0 {
            options.push("inode32".into());
        }
        let quota = rng.u8(0..4) == 0 && machine.quota;
        if quota {
            options.push("quota,usrquota_block_hardlimit=2m,usrquota_inode_hardlimit=40".into());
            options.push("grpquota_block_hardlimit=3m".into());
        }
        let swapping = *rng
            .choice(&[
                Swapping::Off,
                Swapping::Disk,
                Swapping::Disk,
                Swapping::Zram,
                Swapping::Both,
                Swapping::Both,
            ])
            .expect("not empty");
        let swapping = match (swapping, machine.swap, machine.zram) {
            (_, false, false) => Swapping::Off,
            (Swapping::Zram | Swapping::Both, _, false) => Swapping::Disk,
            (Swapping::Disk | Swapping::Both, false, _) => Swapping::Zram,
            (swapping, ..) => swapping,
        };
        let limits = Limits {
            memory: *rng.choice(&[6, 8, 12, 16]).expect("not empty"),
            swap: *rng
                .choice(&[None, None, Some(4), Some(16)])
                .expect("not empty"),
            all: rng.bool(),
        };
        let group = (rng.u8(0..2) == 0 && machine.groups).then_some(limits);
        let faults = *rng.choice(&[0, 1, 2, 5]).expect("not empty");
        Self {
            seconds: rng.u64(10..=20),
            options: options.join(","),
            size,
            quota,
            swapping,
            restless: rng.bool(),
            group,
            awake: rng.bool() && machine.huge,
            processes: rng.usize(2..=4),
            threads: rng.usize(2..=5),
            kill: rng.u8(0..3) > 0,
            faults: if machine.faults { faults } else { 0 },
            remount: rng.bool(),
            shared: match rng.u8(0..5) {
                _ if !machine.switch => Shared::Tmpfs,
                0 => Shared::Tmpfs,
                1 | 2 => Shared::Module,
                _ => Shared::Changes,
            },
            // A cgroup counts a page as shared memory for ever that had one.
            errors: rng.u8(0..3) == 0 && machine.errors && group.is_none(),
        }
    }
}

impl Config {
    /// Whether there may be an error where there was data.
    pub fn may_lose_pages(&self) -> bool {
        self.faults > 0 || self.errors
    }
}

impl Display for Config {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} s, {}, {} processes of {} threads, swap {:?}",
            self.seconds, self.options, self.processes, self.threads, self.swapping
        )?;
        if self.restless && self.swapping != Swapping::Off {
            write!(f, " on and off")?;
        }
        if let Some(limits) = self.group {
            let of = if limits.all { "all" } else { "one" };
            write!(f, ", memory.max {}M for {of}", limits.memory)?;
            if let Some(swap) = limits.swap {
                write!(f, ", memory.swap.max {swap}M")?;
            }
        }
        for (is, what) in [
            (self.awake, "khugepaged awake"),
            (self.kill, "kill"),
            (self.remount, "remount"),
            (self.errors, "memory errors"),
            (self.shared == Shared::Module, "shared memory served"),
            (
                self.shared == Shared::Changes,
                "shared memory served now and then",
            ),
        ] {
            if is {
                write!(f, ", {what}")?;
            }
        }
        match self.faults {
            0 => Ok(()),
            faults => write!(f, ", {faults} % of allocations fail"),
        }
    }
}
