// SPDX-License-Identifier: GPL-2.0
//! One round: sets up the machine, starts the workers, kills some and starts others, and looks at what is left.
//!
//! In a process of its own without threads, since it forks, and since it may wait for ever.

use crate::board::{now, Board};
use crate::calls::{self, Step};
use crate::config::{Config, Shared, Swapping};
use crate::ledger::{self, Before};
use crate::machine::{self as hands, Scene};
use crate::process::start;
use crate::worker::{self, DIRECTORIES, STAYING};
use crate::{faults, own, quiet, Arguments};
use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::Pid;
use stage::device::{self, Swap, Zram};
use stage::group::Group;
use stage::machine::{self, Expected};
use stage::memory_errors;
use stage::mounted::Mounted;
use stage::switch::Switch;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The slot of the conductor itself; those of the hands begin before it.
pub const SLOT: usize = crate::board::SLOTS - 1;
const HANDS: usize = SLOT - 8;

struct Round<'a> {
    board: &'static Board,
    config: &'a Config,
    mount: PathBuf,
    group: Option<PathBuf>,
    seed: u64,
    salt: u64,
    workers: Vec<Option<Pid>>,
    started: u64,
    kills: u64,
    rng: Rng,
}

/// All children of this process.
enum Child {
    Ended(Pid, WaitStatus),
    Running,
    None,
}

fn child() -> Result<Child> {
    match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) => Ok(Child::Running),
        Ok(status) => Ok(status
            .pid()
            .map_or(Child::Running, |pid| Child::Ended(pid, status))),
        Err(Errno::ECHILD) => Ok(Child::None),
        Err(error) => Err(error).context("waitpid"),
    }
}

fn dies_with_parent() {
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

impl Round<'_> {
    fn slot_of(&self, process: usize) -> usize {
        process * self.config.threads
    }

    fn start_worker(&mut self, process: usize) -> Result<()> {
        let slot = self.slot_of(process);
        self.started += 1;
        let seed = Rng::with_seed(self.seed ^ (self.started << 32)).u64(..);
        let group = self
            .group
            .as_ref()
            .filter(|_| process == 0 || self.config.group.is_some_and(|limits| limits.all));
        let pid = start(|| {
            dies_with_parent();
            if let Some(group) = group {
                // In a group that is full it may be killed before it does anything.
                let _ = machine::write(group.join("cgroup.procs"), "0");
            }
            worker::run(self.board, self.config, &self.mount, slot, seed, self.salt);
        })?;
        for n in slot..slot + self.config.threads {
            self.board.slot(n).take(pid.as_raw());
        }
        self.workers[process] = Some(pid);
        Ok(())
    }

    fn ended(&mut self, pid: Pid, status: WaitStatus) {
        let Some(process) = self.workers.iter().position(|worker| *worker == Some(pid)) else {
            // A worker's child that outlived it, or the hands.
            return;
        };
        self.workers[process] = None;
        let slot = self.slot_of(process);
        for n in slot..slot + self.config.threads {
            self.board.slot(n).leave();
        }
        let fine = match status {
            WaitStatus::Exited(_, code) => code == 0,
            WaitStatus::Signaled(_, Signal::SIGKILL, _) => true,
            // Allocations of the worker itself fail, too.
            WaitStatus::Signaled(..) => self.config.faults > 0,
            _ => true,
        };
        if !fine {
            self.board.wrong(&format!("a worker ended: {status:?}"));
        }
    }

    fn conduct(&mut self) -> Result<()> {
        let end = now() + self.config.seconds * 1000;
        let mut next_kill = now() + 1000;
        while now() < end && !self.board.is_over() {
            self.board.slot(SLOT).does(Step::Conduct as usize);
            for process in 0..self.config.processes {
                if self.workers[process].is_none() {
                    self.start_worker(process)?;
                }
            }
            if self.config.kill && now() > next_kill {
                next_kill = now() + self.rng.u64(100..2000);
                let process = self.rng.usize(0..self.config.processes);
                if let Some(pid) = self.workers[process] {
                    self.kills += 1;
                    let _ = kill(pid, Signal::SIGKILL);
                }
            }
            while let Child::Ended(pid, status) = child()? {
                self.ended(pid, status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Until all children are gone; the watchdog ends this where they do not go.
    fn wait(&mut self) -> Result<()> {
        self.board.slot(SLOT).does(Step::Wait as usize);
        loop {
            match child()? {
                Child::Ended(pid, status) => self.ended(pid, status),
                Child::Running => std::thread::sleep(Duration::from_millis(10)),
                Child::None => return Ok(()),
            }
        }
    }
}

fn is_out_of_memory(error: &anyhow::Error) -> bool {
    let errno = error.root_cause().downcast_ref::<std::io::Error>();
    errno.and_then(std::io::Error::raw_os_error) == Some(libc::ENOMEM)
}

fn swap_devices(config: &Config) -> Result<(Option<Zram>, Vec<Swap>)> {
    let (mut zram, mut swaps) = (None, Vec::new());
    if matches!(config.swapping, Swapping::Zram | Swapping::Both) {
        let made = Zram::new()?;
        swaps.push(made.swap()?);
        zram = Some(made);
    }
    if matches!(config.swapping, Swapping::Disk | Swapping::Both) {
        swaps.push(Swap::part_of_disk(1, 96)?);
    }
    Ok((zram, swaps))
}

/// Switches off what is on still: another process may have done it for some.
fn swap_off(board: &Board, swaps: &mut [Swap]) -> Result<()> {
    board.slot(SLOT).does(Step::Swapoff as usize);
    let on = device::in_use()?;
    for swap in swaps {
        let name = std::fs::canonicalize(swap.path())?;
        match on.iter().any(|(path, _)| Path::new(path) == name) {
            true => swap
                .off()
                .with_context(|| format!("swapoff {}", name.display()))?,
            false => swap.is_off(),
        }
    }
    Ok(())
}

fn make_tree(mount: &Path, config: &Config) -> Result<()> {
    for name in DIRECTORIES {
        std::fs::create_dir(mount.join(name))?;
    }
    if config.options.contains("casefold") {
        let names = std::fs::File::open(mount.join("names"))?;
        stage::fileattr::set_flags(&names, stage::fileattr::CASEFOLD).context("casefold")?;
    }
    std::fs::File::create(mount.join(own::COMMON))?.set_len(own::COMMON_SIZE)?;
    for n in 0..STAYING {
        // Links of one: there may be few inodes.
        let path = mount.join("stay").join(format!("stays-{n}"));
        match n {
            0 => drop(std::fs::File::create(path)?),
            _ => std::fs::hard_link(mount.join("stay/stays-0"), path)?,
        }
    }
    Ok(())
}

/// A round as it was drawn.
pub struct Drawn<'a> {
    pub config: Config,
    pub arguments: &'a Arguments,
    pub number: u64,
    pub seed: u64,
}

/// A whole round; what goes wrong is on the board.
pub fn run(board: &'static Board, drawn: &Drawn<'_>) {
    board.slot(SLOT).take_self();
    // Orphans of killed workers are to be waited for, too.
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    // Segments of System V are the round's own, where the kernel has them.
    let _ = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWIPC);
    if let Err(error) = round(board, drawn) {
        board.wrong(&format!("{error:#}"));
    }
    board.slot(SLOT).leave();
}

fn round(board: &'static Board, drawn: &Drawn<'_>) -> Result<()> {
    let (config, seed) = (&drawn.config, drawn.seed);
    let step = |step: Step| board.slot(SLOT).does(step as usize);
    step(Step::SetUp);
    // What is read from swap may fail on demand.
    machine::keep_in_memory()?;
    let kind = &drawn.arguments.kind;
    let before = Before::look(kind)?;
    // The kernel says once of each boot that a program says nothing of execution.
    let mut provoked = vec!["memfd_create\\(\\)"];
    if config.group.is_some() {
        provoked.push("oom-kill|Memory cgroup out of memory|Out of memory and no killable");
    }
    if config.faults > 0 {
        provoked.extend(faults::EXPECTED);
    }
    if config.errors {
        provoked.push(memory_errors::EXPECTED);
    }
    let _expected = Expected::new(&provoked.join("|"))?;
    let served = match config.shared {
        Shared::Tmpfs => None,
        _ => Some(Switch::SharedMemory.turn(true)?),
    };
    // What is dropped last is swapped to by the others.
    let (zram, mut swaps) = swap_devices(config)?;
    let mut group = None;
    if let Some(limits) = config.group {
        let made = Group::new(&[("memory.max", &format!("{}M", limits.memory))])?;
        if let (Some(swap), Swapping::Disk | Swapping::Zram | Swapping::Both) =
            (limits.swap, config.swapping)
        {
            made.set("memory.swap.max", &format!("{swap}M"))?;
        }
        group = Some(made);
    }
    let mount = Mounted::new(kind, &config.options)?;
    make_tree(mount.path(), config)?;
    let group_path = group.as_ref().map(|group| group.path().to_owned());
    let salt = (seed << 56) ^ ((drawn.number + 1) << 44);
    let mut rng = Rng::with_seed(seed);
    let mut round = Round {
        board,
        config,
        mount: mount.path().to_owned(),
        group: group_path.clone(),
        seed,
        salt,
        workers: vec![None; config.processes],
        started: 0,
        kills: 0,
        rng: rng.fork(),
    };
    let devices: Vec<PathBuf> = swaps.iter().map(|swap| swap.path().to_owned()).collect();
    let injected = match config.faults {
        0 => None,
        percent => Some(faults::Faults::at_random(percent, 20_000, &devices)?),
    };
    let scene = Scene {
        board,
        kind: kind.clone(),
        mount: round.mount.clone(),
        devices,
        group: group_path,
        workers: config.processes * config.threads,
        size: config.size,
        limit: config.group.map_or(8, |limits| limits.memory),
    };
    start(|| {
        dies_with_parent();
        hands::run(scene, config, HANDS, seed);
    })?;
    let conducted = round.conduct();
    board.stop();
    if conducted.is_err() {
        for pid in round.workers.iter().flatten() {
            let _ = kill(*pid, Signal::SIGKILL);
        }
    }
    round.wait()?;
    conducted?;
    calls::remove_segments();
    drop(served);
    drop(injected);

    if rng.bool() {
        if let Some(group) = &group {
            group.set("memory.max", "max")?;
        }
        swap_off(board, &mut swaps)?;
    }
    step(Step::Look);
    let look = || quiet::look(mount.path(), salt, config.quota, config.may_lose_pages());
    match (look(), &group) {
        // What comes back from swap is charged to the group, which has no task any more that could be killed
        // for it, and may not get rid of anything fast enough.
        (Err(error), Some(group)) if is_out_of_memory(&error) => {
            stage::tap::note(&format!("{error:#}: once more without a limit"));
            group.set("memory.max", "max")?;
            look()?;
        }
        (result, _) => result?,
    }
    step(Step::Remove);
    ledger::wipe(mount.path())?;
    ledger::is_empty(mount.path(), config.quota)?;
    step(Step::Unmount);
    mount.unmount_when_free()?;
    step(Step::Count);
    if config.swapping != Swapping::Off {
        device::nothing_in_use()?;
    }
    if let Some(group) = group {
        ledger::group_is_empty(&group)?;
        group.remove()?;
    }
    swap_off(board, &mut swaps)?;
    drop((swaps, zram));
    if config.errors {
        memory_errors::take_back()?;
    }
    step(Step::Count);
    before.compare(kind)?;
    ensure!(
        device::in_use()?.is_empty(),
        "swap is still on: {:?}",
        device::in_use()?
    );
    stage::tap::note(&format!(
        "{} workers were started, {} of them killed",
        round.started, round.kills
    ));
    Ok(())
}
