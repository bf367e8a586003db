// SPDX-License-Identifier: GPL-2.0
//! Everything at once: writers, readers, mappers, truncaters, renamers, unlinkers, forks with private copies, a swap
//! device that comes and goes, memory that comes and goes, remounts and other mounts. What each page holds is known
//! at any time, and looked at; in the end nothing is left.

use crate::device::{self, disk, Swap};
use crate::group::Group;
use crate::machine::{self, vmstat};
use crate::map::Map;
use crate::mounted::Mounted;
use crate::pages::{self, PAGE};
use anyhow::{bail, ensure, Context, Result};
use fastrand::Rng;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult};
use rustix::fs::FallocateFlags;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Arguments {
    /// How long
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// What the random choices begin with
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const FILES: usize = 8;
const WORKERS: u64 = 5;
/// Pages that one lock is for.
const STRIPE: usize = 32;
const STRIPES: usize = 16;
const PAGES: usize = STRIPE * STRIPES;
/// What the cgroup may have, in MiB, of the 16 MiB of all files; more makes it slow, but gets nobody killed.
const MEMORY: [u64; 4] = [6, 10, 16, 32];

/// A file, under a lock that those have for writing who change it as a whole.
struct Known {
    id: u64,
    path: PathBuf,
    file: File,
    /// The version of each page, 0 for a hole; under a lock that whoever writes the pages has for writing.
    stripes: Vec<RwLock<Vec<u64>>>,
}

impl Known {
    fn new(id: u64, path: PathBuf) -> Result<Self> {
        let file = pages::create(&path)?;
        file.set_len((PAGES * PAGE) as u64)?;
        let stripes = (0..STRIPES).map(|_| RwLock::new(vec![0; STRIPE])).collect();
        Ok(Self {
            id,
            path,
            file,
            stripes,
        })
    }

    fn check(&self, page: &[u8], index: usize, version: u64) -> Result<()> {
        match version {
            0 if page.iter().any(|byte| *byte != 0) => {
                bail!("page {index} of file {} is no hole", self.id)
            }
            0 => Ok(()),
            _ => pages::check(page, self.id, index as u64, version),
        }
    }
}

struct Torture {
    mount: Mounted,
    files: Vec<RwLock<Known>>,
    next: AtomicU64,
    stop: AtomicBool,
    punch: bool,
    counts: [AtomicU64; OPERATIONS.len()],
}

type Operation = fn(&Torture, &mut Rng) -> Result<()>;

/// Each with its weight.
const OPERATIONS: [(&str, u32, Operation); 10] = [
    ("writes", 20, Torture::write),
    ("reads", 20, Torture::read),
    ("writes through mappings", 15, Torture::map_write),
    ("reads through mappings", 15, Torture::map_read),
    ("page outs", 4, Torture::page_out),
    ("truncations", 4, Torture::truncate),
    ("renames", 4, Torture::rename),
    ("deletions", 2, Torture::unlink),
    ("forks", 3, Torture::fork),
    ("holes punched", 4, Torture::punch),
];

/// A panic of another thread is reported by that thread.
macro_rules! locked {
    ($lock:expr) => {
        $lock.unwrap_or_else(PoisonError::into_inner)
    };
}

impl Torture {
    fn any(&self, rng: &mut Rng) -> &RwLock<Known> {
        &self.files[rng.usize(0..FILES)]
    }

    fn version(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    fn write(&self, rng: &mut Rng) -> Result<()> {
        let known = locked!(self.any(rng).read());
        let stripe = rng.usize(0..STRIPES);
        let mut versions = locked!(known.stripes[stripe].write());
        let from = rng.usize(0..STRIPE);
        let to = rng.usize(from + 1..=STRIPE);
        let version = self.version();
        let at = |n: usize| (stripe * STRIPE + n) as u64;
        pages::write(&known.file, known.id, at(from), at(to), version)?;
        versions[from..to].fill(version);
        Ok(())
    }

    fn read(&self, rng: &mut Rng) -> Result<()> {
        let known = locked!(self.any(rng).read());
        let first = rng.usize(0..STRIPES);
        let mut page = vec![0; PAGE];
        for stripe in first..(first + 4).min(STRIPES) {
            let versions = locked!(known.stripes[stripe].read());
            for (n, version) in versions.iter().enumerate() {
                let index = stripe * STRIPE + n;
                known.file.read_exact_at(&mut page, (index * PAGE) as u64)?;
                known.check(&page, index, *version)?;
            }
        }
        Ok(())
    }

    fn map_write(&self, rng: &mut Rng) -> Result<()> {
        let known = locked!(self.any(rng).read());
        let mut mapping = Map::first(&known.file, PAGES)?;
        let stripe = rng.usize(0..STRIPES);
        let mut versions = locked!(known.stripes[stripe].write());
        for (n, version) in versions.iter_mut().enumerate() {
            if rng.bool() {
                let index = stripe * STRIPE + n;
                known.check(mapping.page(index), index, *version)?;
                *version = self.version();
                pages::fill(mapping.page_mut(index), known.id, index as u64, *version);
            }
        }
        Ok(())
    }

    fn map_read(&self, rng: &mut Rng) -> Result<()> {
        let known = locked!(self.any(rng).read());
        let mapping = Map::first(&known.file, PAGES)?;
        let first = rng.usize(0..STRIPES);
        for stripe in first..(first + 4).min(STRIPES) {
            let versions = locked!(known.stripes[stripe].read());
            for (n, version) in versions.iter().enumerate() {
                let index = stripe * STRIPE + n;
                known.check(mapping.page(index), index, *version)?;
            }
        }
        Ok(())
    }

    fn page_out(&self, rng: &mut Rng) -> Result<()> {
        let known = locked!(self.any(rng).read());
        let mapping = Map::first(&known.file, PAGES)?;
        for index in (0..PAGES).step_by(rng.usize(1..8)) {
            std::hint::black_box(mapping.page(index)[0]);
        }
        mapping
            .advise_all(libc::MADV_PAGEOUT)
            .context("MADV_PAGEOUT")
    }

    fn truncate(&self, rng: &mut Rng) -> Result<()> {
        let known = locked!(self.any(rng).write());
        let index = rng.usize(0..PAGES);
        let within = rng.usize(0..PAGE);
        // With a mapping that has faulted some of it in.
        let mapping = Map::first(&known.file, PAGES)?;
        std::hint::black_box(mapping.page(index)[0]);
        known.file.set_len((index * PAGE + within) as u64)?;
        known.file.set_len((PAGES * PAGE) as u64)?;
        let mut page = vec![0; PAGE];
        known.file.read_exact_at(&mut page, (index * PAGE) as u64)?;
        let (stripe, n) = (index / STRIPE, index % STRIPE);
        let version = locked!(known.stripes[stripe].read())[n];
        let mut wanted = vec![0; PAGE];
        if version != 0 {
            pages::fill(&mut wanted, known.id, index as u64, version);
            wanted[within..].fill(0);
        }
        ensure!(
            page == wanted,
            "page {index} of file {} truncated at {within} is wrong",
            known.id
        );
        let version = self.version();
        pages::write(
            &known.file,
            known.id,
            index as u64,
            index as u64 + 1,
            version,
        )?;
        locked!(known.stripes[stripe].write())[n] = version;
        locked!(known.stripes[stripe].write())[n + 1..].fill(0);
        for later in &known.stripes[stripe + 1..] {
            locked!(later.write()).fill(0);
        }
        Ok(())
    }

    fn rename(&self, rng: &mut Rng) -> Result<()> {
        let mut known = locked!(self.any(rng).write());
        let path = self.mount.file(&format!("renamed-{}", self.version()));
        std::fs::rename(&known.path, &path)?;
        known.path = path;
        known.file = File::options().read(true).write(true).open(&known.path)?;
        Ok(())
    }

    fn unlink(&self, rng: &mut Rng) -> Result<()> {
        let mut known = locked!(self.any(rng).write());
        let id = self.version();
        let new = Known::new(id, self.mount.file(&format!("file-{id}")))?;
        std::fs::remove_file(&known.path)?;
        *known = new;
        Ok(())
    }

    /// A private mapping of one stripe whose odd pages are copied: by this process before it forks, and by its child
    /// once more.
    fn fork(&self, rng: &mut Rng) -> Result<()> {
        const OWN: u64 = 1 << 20;
        // For the whole time: a truncation would drop private copies, too.
        let known = locked!(self.any(rng).read());
        let stripe = rng.usize(0..STRIPES);
        let first = stripe * STRIPE;
        let mut mapping = Map::private(&known.file, STRIPE * PAGE, (first * PAGE) as u64)?;
        {
            let versions = locked!(known.stripes[stripe].read());
            for (n, version) in versions.iter().enumerate() {
                known.check(mapping.page(n), first + n, *version)?;
                if n % 2 == 1 {
                    pages::fill(mapping.page_mut(n), OWN, n as u64, 1);
                }
            }
        }
        let holds = |mapping: &Map, version| {
            (1..STRIPE)
                .step_by(2)
                .all(|n| pages::is(mapping.page(n), OWN, n as u64, version))
        };
        let pause = Duration::from_millis(rng.u64(0..20));
        // SAFETY: the child allocates nothing and takes no locks: it compares, fills, sleeps and ends.
        match unsafe { fork() }? {
            ForkResult::Child => {
                let first = holds(&mapping, 1);
                for n in (1..STRIPE).step_by(2) {
                    pages::fill(mapping.page_mut(n), OWN, n as u64, 2);
                }
                std::thread::sleep(pause);
                let code = i32::from(!(first && holds(&mapping, 2)));
                // SAFETY: ends the child.
                unsafe { libc::_exit(code) }
            }
            ForkResult::Parent { child } => {
                let ended = waitpid(child, None)?;
                ensure!(
                    ended == WaitStatus::Exited(child, 0),
                    "a child saw other data than its own: {ended:?}"
                );
                ensure!(
                    holds(&mapping, 1),
                    "a child has changed the private copies of its parent"
                );
                Ok(())
            }
        }
    }

    fn punch(&self, rng: &mut Rng) -> Result<()> {
        if !self.punch {
            return Ok(());
        }
        let known = locked!(self.any(rng).read());
        let stripe = rng.usize(0..STRIPES);
        let mut versions = locked!(known.stripes[stripe].write());
        let from = rng.usize(0..STRIPE);
        let to = rng.usize(from + 1..=STRIPE);
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let (offset, len) = ((stripe * STRIPE + from) * PAGE, (to - from) * PAGE);
        rustix::fs::fallocate(&known.file, flags, offset as u64, len as u64)?;
        versions[from..to].fill(0);
        Ok(())
    }

    fn work(&self, mut rng: Rng) -> Result<()> {
        let weights: u32 = OPERATIONS.iter().map(|(_, weight, _)| weight).sum();
        while !self.stop.load(Relaxed) {
            let mut choice = rng.u32(0..weights);
            for (count, (name, weight, operation)) in self.counts.iter().zip(&OPERATIONS) {
                if choice < *weight {
                    operation(self, &mut rng).with_context(|| (*name).to_owned())?;
                    count.fetch_add(1, Relaxed);
                    break;
                }
                choice -= weight;
            }
        }
        Ok(())
    }

    /// Does something every so often, until the end.
    fn meanwhile(&self, every: Duration, mut act: impl FnMut() -> Result<()>) -> Result<()> {
        while !self.stop.load(Relaxed) {
            act()?;
            std::thread::sleep(every);
        }
        Ok(())
    }

    fn swap_comes_and_goes(&self, path: &Path) -> Result<()> {
        let mut is_on = true;
        let mut rounds = 0;
        self.meanwhile(Duration::from_millis(150), || {
            if is_on {
                device::off(path).context("swapoff")?;
            } else {
                device::on(path, Some(20)).context("swapon")?;
            }
            is_on = !is_on;
            rounds += 1;
            Ok(())
        })?;
        stage::tap::note(&format!(
            "{} times off and on: {}",
            rounds / 2,
            path.display()
        ));
        if !is_on {
            device::on(path, Some(20))?;
        }
        Ok(())
    }

    fn others_come_and_go(&self, kind: &str) -> Result<()> {
        let mut rounds = 0;
        self.meanwhile(Duration::from_millis(30), || {
            let mount = Mounted::new(kind, "size=4m")?;
            let file = pages::create(&mount.file("file"))?;
            pages::write(&file, 5, 0, 128, 1)?;
            Map::first(&file, 128)?.advise_all(libc::MADV_PAGEOUT)?;
            pages::verify(&file, 5, 0, 64, |_| 1)?;
            drop(file);
            rounds += 1;
            mount.unmount_when_free()
        })?;
        stage::tap::note(&format!("{rounds} other mounts came and went"));
        Ok(())
    }
}

/// Whether all went well; what did not is printed.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let kind = crate::type_under_test();
    let begin = Instant::now();
    let shmem = machine::meminfo("Shmem")?;
    let first = Swap::new(&disk(1)?, None, Some(10))?;
    let second = Swap::new(&disk(2)?, None, Some(20))?;
    let mount = Mounted::new(&kind, "size=64m")?;
    let empty = mount.used()?;
    let group = Group::enter(&[("memory.high", "32M")])?;
    let (out, back) = (vmstat("pswpout")?, vmstat("pswpin")?);

    let probe = pages::create(&mount.file("probe"))?;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let punch = rustix::fs::fallocate(&probe, flags, 0, PAGE as u64);
    if let Err(error) = punch {
        ensure!(
            error == rustix::io::Errno::OPNOTSUPP,
            "punching a hole: {error}"
        );
        stage::tap::note(&format!("no holes are punched: {kind} says EOPNOTSUPP"));
    }
    drop(probe);
    std::fs::remove_file(mount.file("probe"))?;
    let files = (0..FILES)
        .map(|n| Known::new(n as u64, mount.file(&format!("file-{n}"))).map(RwLock::new))
        .collect::<Result<Vec<_>>>()?;
    let torture = Torture {
        mount,
        files,
        next: AtomicU64::new(1000),
        stop: AtomicBool::new(false),
        punch: punch.is_ok(),
        counts: Default::default(),
    };

    stage::tap::note(&format!(
        "{} s on {kind}, seed {}",
        arguments.seconds, arguments.seed
    ));
    let problems: Vec<String> = std::thread::scope(|scope| {
        let (torture, group, kind) = (&torture, &group, &kind);
        let guarded = |work: &dyn Fn() -> Result<()>| {
            let result = work();
            if result.is_err() {
                torture.stop.store(true, Relaxed);
            }
            result
        };
        let mut threads = Vec::new();
        for worker in 0..WORKERS {
            let rng = Rng::with_seed(arguments.seed * WORKERS + worker);
            threads.push(scope.spawn(move || guarded(&|| torture.work(rng.clone()))));
        }
        let path = second.path().to_owned();
        threads.push(scope.spawn(move || guarded(&|| torture.swap_comes_and_goes(&path))));
        threads.push(scope.spawn(move || guarded(&|| torture.others_come_and_go(kind))));
        threads.push(scope.spawn(move || {
            guarded(&|| {
                let rng = std::cell::RefCell::new(Rng::with_seed(arguments.seed));
                torture.meanwhile(Duration::from_millis(250), || {
                    let mib = MEMORY[rng.borrow_mut().usize(0..MEMORY.len())];
                    group.set("memory.high", &format!("{mib}M"))
                })
            })
        }));
        threads.push(scope.spawn(move || {
            guarded(&|| {
                let size = std::cell::Cell::new(40);
                torture.meanwhile(Duration::from_millis(100), || {
                    size.set(104 - size.get());
                    torture
                        .mount
                        .remount(&format!("size={}m", size.get()))
                        .context("remount")
                })
            })
        }));
        while begin.elapsed() < Duration::from_secs(arguments.seconds)
            && !torture.stop.load(Relaxed)
        {
            std::thread::sleep(Duration::from_millis(100));
        }
        torture.stop.store(true, Relaxed);
        let ended = threads.into_iter().map(|thread| thread.join());
        ended
            .filter_map(|result| match result {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("{error:#}")),
                Err(_) => Some("a thread panicked".to_owned()),
            })
            .collect()
    });
    problems
        .iter()
        .for_each(|problem| stage::tap::note(&format!("WRONG: {problem}")));
    for (count, (name, ..)) in torture.counts.iter().zip(&OPERATIONS) {
        stage::tap::note(&format!("{} {name}", count.load(Relaxed)));
    }

    // What is there now, and that nothing stays.
    let mut page = vec![0; PAGE];
    for known in &torture.files {
        let known = locked!(known.read());
        for index in 0..PAGES {
            let version = locked!(known.stripes[index / STRIPE].read())[index % STRIPE];
            known.file.read_exact_at(&mut page, (index * PAGE) as u64)?;
            known.check(&page, index, version).context("in the end")?;
        }
        known.file.set_len(0)?;
    }
    let (out, back) = (vmstat("pswpout")? - out, vmstat("pswpin")? - back);
    stage::tap::note(&format!(
        "{out} pages went out and {back} came back; memory ran out {} times",
        group.event("oom")?
    ));
    ensure!(out > 0 && back > 0, "there was no pressure");
    ensure!(
        torture.mount.used()? == empty,
        "{} blocks stay in use",
        torture.mount.used()? - empty
    );
    let Torture { mount, files, .. } = torture;
    drop(files);
    mount.unmount()?;
    device::nothing_in_use()?;
    let left = group.value("memory.swap.current")?;
    ensure!(
        left / 1024 <= device::of_others()?,
        "memory.swap.current stays {left}"
    );
    group.comes_to("shmem", 0)?;
    group.remove()?;
    drop((first, second));
    let settled = machine::wait(machine::LATE, || {
        Ok(machine::meminfo("Shmem")? <= shmem + 1024)
    })?;
    ensure!(
        settled,
        "/proc/meminfo Shmem was {shmem} KiB and is {} KiB",
        machine::meminfo("Shmem")?
    );
    Ok(problems.is_empty())
}
