// SPDX-License-Identifier: GPL-2.0
//! Large slots in swap of which many take something at once, each as much as it likes: a byte, a fault, all of a slot.

use super::damage::{self, Disk};
use super::{joined, Case, Scene};
use crate::device::{self, disk, Swap};
use crate::group::Group;
use crate::machine::{self, vmstat, Expected};
use crate::map::Map;
use crate::mounted::Mounted;
use crate::pages::{self, PAGE};
use crate::skip;
use anyhow::{bail, ensure, Context, Result};
use fastrand::Rng;
use rustix::fs::{fallocate, FallocateFlags};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Pages of a folio that a PMD maps.
const HUGE: u64 = 512;
/// Pages before this one are there at any time, but for those of [`changes`].
const MAPPED: u64 = 2 * HUGE;
const PAGES: u64 = 3 * HUGE;
const TASKS: u64 = 6;
/// What a task does before the file is made anew.
const STEPS: u64 = 12;
const ID: u64 = 1;
/// For so long one round begins after the other.
const TIME: Duration = Duration::from_secs(6);

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "sizes at once, on a disk",
            run: |scene| {
                let _swap = Swap::new(&disk(1)?, None, Some(10))?;
                at_once(scene)
            },
        },
        Case {
            name: "sizes at once, on zram",
            run: |scene| super::devices::on_zram(|_| at_once(scene)),
        },
        Case {
            name: "sizes at once, with no memory for the large ones",
            run: without_memory,
        },
        Case {
            name: "sizes at once, beside holes, on a disk",
            run: |scene| {
                let _swap = Swap::disk(1)?;
                beside_holes(scene)
            },
        },
        Case {
            name: "sizes at once, beside holes, on zram",
            run: |scene| super::devices::on_zram(|_| beside_holes(scene)),
        },
        Case {
            name: "sizes at once, beside pages that cannot be read back",
            run: beside_bad_pages,
        },
        Case {
            name: "sizes at once, many tasks and one page that cannot be read back",
            run: of_a_bad_page,
        },
    ]
}

/// Whether the page may be a hole, or zeros: the middle of each 64, across two parts of 16.
fn changes(index: u64) -> bool {
    index >= MAPPED || (40..56).contains(&(index % 64))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Hole,
    Zeros,
    Data,
}

struct Storm<'a> {
    mount: &'a Mounted,
    group: &'a Group,
    kind: &'a str,
    file: File,
    mapping: Map,
    data: &'a [u8],
    /// What each page holds; whoever changes the file has the lock.
    pages: Mutex<Vec<Holds>>,
}

fn bytes(pages: u64) -> usize {
    pages as usize * PAGE
}

impl Storm<'_> {
    fn data(&self, from: u64, to: u64) -> &[u8] {
        &self.data[bytes(from)..bytes(to)]
    }

    /// Looks at what was found from page `from` on while others may change what changes.
    fn look(&self, found: &[u8], from: u64) -> Result<()> {
        for (page, index) in found.chunks(PAGE).zip(from..) {
            let wanted = &self.data(index, index + 1)[..page.len()];
            if page == wanted {
                continue;
            }
            if !changes(index) {
                pages::check(page, ID, index, 1)?;
            }
            if let Some(at) = pages::first_foreign(page, index * PAGE as u64, ID) {
                bail!("byte {at} of page {index} is of no version of it");
            }
        }
        Ok(())
    }

    fn read(&self, from: u64, count: u64) -> Result<()> {
        let mut buffer = vec![0xa5; bytes(count)];
        let read = self.file.read_at(&mut buffer, from * PAGE as u64)?;
        ensure!(
            read == buffer.len() || from + count > MAPPED,
            "{read} bytes of {count} pages from {from}"
        );
        self.look(&buffer[..read], from)
    }

    fn advise(&self, rng: &mut Rng, advice: i32) -> std::io::Result<()> {
        let (from, count) = range(rng, MAPPED);
        Ok(self.mapping.advise(bytes(from), bytes(count), advice)?)
    }

    /// Some pages of those that change, those at the end of the file or a few of the others.
    fn changing(rng: &mut Rng) -> (u64, u64) {
        if rng.u8(0..4) == 0 {
            let from = rng.u64(MAPPED..PAGES);
            return (from, rng.u64(from + 1..=PAGES));
        }
        let start = rng.u64(0..MAPPED / 64) * 64 + 40;
        let from = rng.u64(0..16);
        (start + from, start + rng.u64(from + 1..=16))
    }

    fn change(&self, rng: &mut Rng) -> Result<()> {
        let mut holds = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, to) = Self::changing(rng);
        let (offset, len) = (from * PAGE as u64, bytes(to - from) as u64);
        let new = match rng.u8(0..4) {
            0 => {
                self.file.write_all_at(self.data(from, to), offset)?;
                Holds::Data
            }
            1 => {
                fallocate(&self.file, FallocateFlags::empty(), offset, len)?;
                for page in &mut holds[from as usize..to as usize] {
                    *page = if *page == Holds::Data {
                        *page
                    } else {
                        Holds::Zeros
                    };
                }
                return Ok(());
            }
            2 if from >= MAPPED => {
                // Within a page, which is written again.
                self.file.set_len(offset + 1000)?;
                self.file.set_len(PAGES * PAGE as u64)?;
                let mut page = vec![0; PAGE];
                self.file.read_exact_at(&mut page, offset)?;
                ensure!(
                    page[1000..].iter().all(|byte| *byte == 0),
                    "page {from} has something where it was cut off"
                );
                self.file.write_all_at(self.data(from, from + 1), offset)?;
                holds[from as usize..].fill(Holds::Hole);
                holds[from as usize] = Holds::Data;
                return Ok(());
            }
            _ => {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                fallocate(&self.file, flags, offset, len)?;
                Holds::Hole
            }
        };
        holds[from as usize..to as usize].fill(new);
        Ok(())
    }

    fn remount(&self, rng: &mut Rng) -> Result<()> {
        let policies = ["never", "always", "within_size", "fit"];
        let some = policies.len() - usize::from(self.kind == "tmpfs");
        let policy = policies[rng.usize(..some)];
        Ok(self.mount.remount(&format!("huge={policy}"))?)
    }

    fn step(&self, rng: &mut Rng) -> Result<()> {
        let any = rng.u64(0..PAGES);
        match rng.u8(0..20) {
            0..=2 => self.read(any, 1),
            3..=5 => self.read(any / HUGE * HUGE, HUGE),
            6 | 7 => {
                let (from, count) = range(rng, PAGES);
                self.read(from, count)
            }
            8 | 9 => {
                let index = any % MAPPED;
                self.look(self.mapping.page(index as usize), index)
            }
            10 => {
                let (from, count) = range(rng, MAPPED);
                (from..from + count)
                    .try_for_each(|index| self.look(self.mapping.page(index as usize), index))
            }
            11 => Ok(self.advise(rng, libc::MADV_POPULATE_READ)?),
            12 => Ok(self.advise(rng, libc::MADV_WILLNEED)?),
            13 => Ok(self.advise(rng, libc::MADV_PAGEOUT)?),
            14 | 15 => self.change(rng),
            16 => {
                // What is there already.
                let index = (0..MAPPED)
                    .cycle()
                    .skip(any as usize)
                    .find(|at| !changes(*at));
                let index = index.context("no page stays")?;
                let some = &self.data(index, index + 1)[..rng.usize(1..=PAGE)];
                Ok(self.file.write_all_at(some, index * PAGE as u64)?)
            }
            17 => self.remount(rng),
            18 => {
                // EAGAIN: there was not so much.
                let _ = self.group.set("memory.reclaim", "1M swappiness=200");
                Ok(())
            }
            _ => self.read(any / 64 * 64 + 48, 1),
        }
    }

    /// With nobody at work any more.
    fn verify(&self) -> Result<u64> {
        let holds = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let mut page = vec![0; PAGE];
        for (index, holds) in (0..).zip(holds.iter()) {
            self.file
                .read_exact_at(&mut page, index * PAGE as u64)
                .with_context(|| format!("reading page {index}"))?;
            match holds {
                Holds::Data => pages::check(&page, ID, index, 1)?,
                _ => ensure!(
                    page.iter().all(|byte| *byte == 0),
                    "page {index} is not zeros"
                ),
            }
        }
        Ok(holds.iter().filter(|holds| **holds != Holds::Hole).count() as u64)
    }
}

/// Any pages of the first `pages`.
fn range(rng: &mut Rng, pages: u64) -> (u64, u64) {
    let from = rng.u64(0..pages);
    (from, rng.u64(1..=(pages - from).min(HUGE)))
}

fn at_once(scene: &mut Scene) -> Result<()> {
    skip::without("TRANSPARENT_HUGEPAGE")?;
    let default = if scene.kind == "tmpfs" {
        "always"
    } else {
        "fit"
    };
    let mount = scene.mount(&format!("size=32m,huge={default}"))?;
    let empty = mount.used()?;
    let group = Group::enter(&[])?;
    let data = pages::content(ID, 0, PAGES, 1);
    let begin = Instant::now();
    let (mut rounds, mut whole) = (0, 0);
    while begin.elapsed() < TIME {
        // A device that goes away meanwhile, in some.
        let second = (rounds % 4 == 3)
            .then(|| Swap::new(&disk(2)?, None, Some(20)))
            .transpose()?;
        let by_default = rounds % 3 != 2;
        let policy = if by_default { default } else { "always" };
        mount.remount(&format!("huge={policy}"))?;
        machine::write("/proc/sys/vm/compact_memory", "1")?;
        let file = pages::create(&mount.file("file"))?;
        file.write_all_at(&data, 0)?;
        let out = vmstat("thp_swpout")?;
        group.push_out()?;
        whole += vmstat("thp_swpout")? - out;
        let storm = Storm {
            mount: &mount,
            group: &group,
            kind: &scene.kind,
            mapping: Map::first(&file, MAPPED as usize)?,
            file,
            data: &data,
            pages: Mutex::new(vec![Holds::Data; PAGES as usize]),
        };
        storm_round(&storm, rounds, second).with_context(|| format!("in round {rounds}"))?;
        let there = storm
            .verify()
            .with_context(|| format!("in round {rounds}"))?;
        let blocks = storm.file.metadata()?.blocks() / 8;
        let used = mount.used()? - empty;
        ensure!(
            blocks >= there && used == blocks,
            "st_blocks has {blocks} pages and statfs {used}, with {there} in use"
        );
        storm.file.set_len(0)?;
        ensure!(
            storm.file.metadata()?.blocks() == 0 && mount.used()? == empty,
            "the file is empty, and st_blocks {}, statfs {}",
            storm.file.metadata()?.blocks(),
            mount.used()? - empty
        );
        rounds += 1;
    }
    scene.note(&format!(
        "{rounds} rounds, {whole} large folios went out whole"
    ));
    ensure!(whole > rounds, "hardly any folio went out whole");
    std::fs::remove_file(mount.file("file"))?;
    mount.unmount()?;
    device::nothing_in_use()?;
    ensure!(group.event("oom_kill")? == 0, "a task was killed");
    group.comes_to("shmem", 0)?;
    group.remove()
}

fn storm_round(storm: &Storm<'_>, round: u64, second: Option<Swap>) -> Result<()> {
    let barrier = Barrier::new(TASKS as usize + 1);
    std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let barrier = &barrier;
                let mut rng = Rng::with_seed(round * TASKS + task);
                scope.spawn(move || {
                    barrier.wait();
                    (0..STEPS).try_for_each(|_| storm.step(&mut rng))
                })
            })
            .collect();
        barrier.wait();
        let off = second.map_or(Ok(()), |mut swap| swap.off().context("swapoff"));
        tasks.into_iter().try_for_each(|task| joined(task)?)?;
        off
    })
}

/// Who wants more at once than the group has room for gets it in pages.
fn without_memory(scene: &mut Scene) -> Result<()> {
    const MIB: u64 = 1 << 20;
    skip::without("TRANSPARENT_HUGEPAGE")?;
    // On a disk that answers late all that the group has may be on its way out, and a reader is killed.
    let disk = Disk::new()?;
    let swap = Swap::new(disk.device(), None, None)?;
    let mount = scene.mount("size=32m")?;
    let group = Group::enter(&[])?;
    let data = pages::content(ID, 0, PAGES, 1);
    machine::write("/proc/sys/vm/compact_memory", "1")?;
    let file = pages::create(&mount.file("file"))?;
    file.write_all_at(&data, 0)?;
    for _ in 0..2 {
        group.push_out()?;
        // The buffers of the readers are more than this.
        let limit = group.value("memory.current")? + MIB;
        group.set("memory.max", &limit.to_string())?;
        let refused = machine::folios(2048, "swpin_fallback_charge")?;
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..2u64)
                .map(|reader| {
                    let (file, data) = (&file, &data);
                    scope.spawn(move || -> Result<()> {
                        for slot in 0..PAGES / HUGE {
                            let slot = (slot + reader) % (PAGES / HUGE);
                            let mut found = vec![0; bytes(HUGE)];
                            file.read_exact_at(&mut found, bytes(slot * HUGE) as u64)?;
                            ensure!(
                                found == data[bytes(slot * HUGE)..][..bytes(HUGE)],
                                "what is read of slot {slot} is wrong"
                            );
                        }
                        Ok(())
                    })
                })
                .collect();
            readers.into_iter().try_for_each(|reader| joined(reader)?)
        })?;
        let refused = machine::folios(2048, "swpin_fallback_charge")? - refused;
        scene.note(&format!("{refused} large folios had no room in the group"));
        group.set("memory.max", "max")?;
    }
    ensure!(group.event("oom_kill")? == 0, "a task was killed");
    drop(file);
    mount.unmount()?;
    device::nothing_in_use()?;
    drop(swap);
    group.remove()
}

/// What is left of a slot where a hole was punched in swap comes back, whatever is asked for.
fn beside_holes(scene: &mut Scene) -> Result<()> {
    const TWO: u64 = 2 * HUGE;
    skip::without("TRANSPARENT_HUGEPAGE")?;
    let mount = scene.mount("size=32m")?;
    let group = Group::enter(&[])?;
    let data = pages::content(ID, 0, TWO, 1);
    let file = pages::create(&mount.file("file"))?;
    for (from, to) in [(0, 1), (100, 120), (HUGE / 2, HUGE), (HUGE - 1, HUGE + 1)] {
        for (start, count) in [(0, HUGE), (96, 1), (121, 300), (HUGE - 1, 1), (0, TWO)] {
            machine::write("/proc/sys/vm/compact_memory", "1")?;
            file.write_all_at(&data, 0)?;
            group.push_out()?;
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let (offset, len) = (bytes(from) as u64, bytes(to - from) as u64);
            fallocate(&file, flags, offset, len)?;
            for (start, count) in [(start, count), (0, TWO)] {
                let mut found = vec![0; bytes(count)];
                file.read_exact_at(&mut found, bytes(start) as u64)?;
                for (page, index) in found.chunks(PAGE).zip(start..) {
                    if (from..to).contains(&index) {
                        ensure!(
                            page.iter().all(|byte| *byte == 0),
                            "page {index} is no hole"
                        );
                    } else {
                        pages::check(page, ID, index, 1)?;
                    }
                }
                let blocks = file.metadata()?.blocks() / 8;
                ensure!(
                    blocks == TWO - (to - from),
                    "{blocks} pages with {from}..{to} cut out, and {count} from {start} read"
                );
            }
            file.set_len(0)?;
        }
    }
    drop(file);
    mount.unmount()?;
    device::nothing_in_use()?;
    group.remove()
}

/// The last of each so many pages of the disk is bad.
const EACH: u64 = 8;

/// None but the pages that are bad is lost, whatever was read together with them, and by whom.
fn beside_bad_pages(scene: &mut Scene) -> Result<()> {
    skip::without("TRANSPARENT_HUGEPAGE")?;
    let disk = Disk::new()?;
    if scene.kind == "tmpfs" {
        // It loses all that was read at once.
        return Ok(());
    }
    let swap = Swap::new(disk.device(), None, None)?;
    let mount = scene.mount("size=32m")?;
    let group = Group::enter(&[])?;
    let data = pages::content(ID, 0, HUGE, 1);
    let _expected = Expected::new(damage::MESSAGES)?;
    let begin = Instant::now();
    let mut rounds = 0;
    while begin.elapsed() < TIME {
        machine::write("/proc/sys/vm/compact_memory", "1")?;
        let file = pages::create(&mount.file("file"))?;
        file.write_all_at(&data, 0)?;
        let out = vmstat("thp_swpout")?;
        group.push_out()?;
        // Whose pages lie on the device as they do in the file.
        ensure!(
            vmstat("thp_swpout")? == out + 1,
            "the folio did not go out as a whole"
        );
        disk.bad_each(EACH)?;
        let mapping = Map::first(&file, HUGE as usize)?;
        std::thread::scope(|scope| {
            let tasks: Vec<_> = (0..TASKS)
                .map(|task| {
                    let mut rng = Rng::with_seed(rounds * TASKS + task);
                    let (file, mapping, data) = (&file, &mapping, &data);
                    scope.spawn(move || {
                        (0..64).try_for_each(|_| read_bad(file, mapping, data, &mut rng))
                    })
                })
                .collect();
            tasks.into_iter().try_for_each(|task| joined(task)?)
        })
        .with_context(|| format!("in round {rounds}"))?;
        for index in 0..HUGE {
            read_page(&file, &data, index).with_context(|| format!("in round {rounds}"))?;
        }
        disk.bad(false)?;
        drop(mapping);
        file.set_len(0)?;
        ensure!(file.metadata()?.blocks() == 0, "blocks stay");
        rounds += 1;
    }
    scene.note(&format!("{rounds} rounds"));
    std::fs::remove_file(mount.file("file"))?;
    mount.unmount()?;
    device::nothing_in_use()?;
    drop(swap);
    group.remove()
}

/// Tasks that all want the same page come to an end: none waits for a read that is its own each time.
fn of_a_bad_page(scene: &mut Scene) -> Result<()> {
    const MANY: usize = 40;
    let disk = Disk::new()?;
    let swap = Swap::new(disk.device(), None, None)?;
    let mount = scene.mount("size=32m")?;
    let group = Group::enter(&[])?;
    let _expected = Expected::new(damage::MESSAGES)?;
    let file = pages::create(&mount.file("file"))?;
    file.write_all_at(&pages::content(ID, 0, 1, 1), 0)?;
    group.push_out_all(&file, 1)?;
    disk.bad(true)?;
    std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..MANY)
            .map(|_| scope.spawn(|| file.read_at(&mut [0; 10], 0)))
            .collect();
        tasks.into_iter().try_for_each(|task| {
            let error = joined(task)?.map_err(|error| error.raw_os_error());
            ensure!(error == Err(Some(libc::EIO)), "a read came to {error:?}");
            Ok(())
        })
    })?;
    disk.bad(false)?;
    drop(file);
    std::fs::remove_file(mount.file("file"))?;
    mount.unmount()?;
    device::nothing_in_use()?;
    drop(swap);
    group.remove()
}

/// One that is bad is lost, and no other.
fn read_page(file: &File, data: &[u8], index: u64) -> Result<()> {
    let mut page = vec![0; PAGE];
    let found = file.read_exact_at(&mut page, index * PAGE as u64);
    let is_bad = index % EACH == EACH - 1;
    match found.map_err(|error| error.raw_os_error()) {
        Ok(()) => {
            ensure!(!is_bad, "page {index} was read, and is bad");
            ensure!(
                page == data[bytes(index)..bytes(index + 1)],
                "page {index} is wrong"
            );
        }
        Err(error) => ensure!(
            is_bad && error == Some(libc::EIO),
            "page {index}: {error:?}, and it is good"
        ),
    }
    Ok(())
}

fn read_bad(file: &File, mapping: &Map, data: &[u8], rng: &mut Rng) -> Result<()> {
    let (from, count) = range(rng, HUGE);
    match rng.u8(0..5) {
        0 => {
            // Up to the first that is lost, if there is one.
            let mut buffer = vec![0; bytes(count)];
            match file.read_at(&mut buffer, from * PAGE as u64) {
                Ok(read) => ensure!(
                    buffer[..read] == data[bytes(from)..][..read],
                    "what is read of {count} pages from {from} is wrong"
                ),
                Err(error) => ensure!(
                    from % EACH == EACH - 1 && error.raw_os_error() == Some(libc::EIO),
                    "{count} pages from {from}: {error}"
                ),
            }
            Ok(())
        }
        1 => Ok(mapping.advise(bytes(from), bytes(count), libc::MADV_WILLNEED)?),
        2 => {
            // A fault, which ends with an error and no signal.
            let index = from - from % EACH;
            let at = bytes(index);
            mapping
                .advise(at, PAGE, libc::MADV_POPULATE_READ)
                .with_context(|| format!("a fault of page {index}, which is good"))?;
            ensure!(
                mapping.page(index as usize) == &data[at..at + PAGE],
                "page {index} is wrong in the mapping"
            );
            Ok(())
        }
        3 => read_page(file, data, from),
        _ => {
            let near = from / EACH * EACH;
            (near..near + EACH).try_for_each(|index| read_page(file, data, index))
        }
    }
}
