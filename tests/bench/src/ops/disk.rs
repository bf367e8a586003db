// SPDX-License-Identifier: GPL-2.0
//! The way to swap and back, on a disk: what the kernel does for it, interrupts of the disk included, but not the waiting
//! for it. The machine's init sets the disk up, and the memory cgroup that the file is charged to.

use std::fs;
use std::time::Duration;

use memmap2::MmapMut;
use rustix::io::{Errno, Result};

use super::io::{write_sequential, FILE_PAGES, FILE_SIZE};
use super::mapping::touch;
use super::swap::{going_out, in_swap, page_out, read_all};
use super::{errno, Operation, PAGE};
use crate::place::Place;
use crate::timer::{Sample, Timer};

/// Requests that the disk has not answered yet: reads, then writes.
const IN_FLIGHT: &str = "/sys/block/vda/inflight";
const GROUP: &str = "/sys/fs/cgroup/bench";
const ROOT_GROUP: &str = "/sys/fs/cgroup";

/// Sends all pages to the disk, and frees their memory, which on a disk is not done by the same pass.
fn evict(map: &mut MmapMut) -> Result<()> {
    let before = in_swap();
    page_out(map)?;
    if in_swap() == before {
        return Err(Errno::OPNOTSUPP);
    }
    loop {
        // The waiting for the disk is no work, asking is: so it is asked once, unless the host is busy.
        std::thread::sleep(Duration::from_millis(30));
        if fs::read(IN_FLIGHT).map_err(errno)?.trim_ascii() == b"0        0" {
            break;
        }
    }
    let reclaim = format!("{GROUP}/memory.reclaim");
    match fs::write(reclaim, format!("{FILE_SIZE} swappiness=max")).map_err(errno) {
        // It has freed less than it was asked for: what is in memory still is looked at afterwards.
        Err(Errno::AGAIN) => Ok(()),
        result => result,
    }
}

/// A file of [`FILE_SIZE`] that was written once, and is all that the memory cgroup has.
fn charged(place: &Place) -> Result<fs::File> {
    let file = place.create(c"file")?;
    let data = vec![0xa5; 1 << 20];
    enter(GROUP)?;
    let result = write_sequential(&file, &data);
    enter(ROOT_GROUP)?;
    result.map(|()| file)
}

fn enter(group: &str) -> Result<()> {
    fs::write(format!("{group}/cgroup.procs"), "0").map_err(errno)
}

/// How much of swap is in memory as well, in pages.
fn swap_cached() -> Result<u64> {
    // Processors count by themselves, and add up now and then.
    fs::write("/proc/sys/vm/stat_refresh", "1").map_err(errno)?;
    let text = fs::read_to_string("/proc/meminfo").map_err(errno)?;
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("SwapCached:")?.strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    Ok(kilobytes.ok_or(Errno::INVAL)? * 1024 / PAGE as u64)
}

/// Does `work` on a mapping of a file of [`FILE_SIZE`], and sees to it that it is on the disk alone afterwards.
fn evicted(
    file: &fs::File,
    work: impl FnOnce(&mut MmapMut) -> Result<Sample>,
) -> Result<(MmapMut, Sample)> {
    let evicted = going_out(file, work)?;
    match swap_cached()? {
        0 => Ok(evicted),
        // With huge= tmpfs keeps them all.
        FILE_PAGES => Err(Errno::OPNOTSUPP),
        pages => {
            eprintln!("{pages} of {FILE_PAGES} pages are in memory still");
            Err(Errno::BUSY)
        }
    }
}

/// A file that is on the disk alone, mapped.
fn on_disk(place: &Place) -> Result<(fs::File, MmapMut)> {
    let file = charged(place)?;
    let nothing = Sample { units: 0, ns: 0 };
    let (map, _) = evicted(&file, |map| evict(map).map(|()| nothing))?;
    Ok((file, map))
}

fn out(place: &Place, timer: &Timer) -> Result<Sample> {
    let file = charged(place)?;
    let out = |map: &mut MmapMut| timer.time_outside_idle(FILE_PAGES, || evict(map));
    Ok(evicted(&file, out)?.1)
}

fn in_by_read(place: &Place, timer: &Timer) -> Result<Sample> {
    let (file, _map) = on_disk(place)?;
    let mut data = vec![0; 1 << 20];
    timer.time_outside_idle(FILE_PAGES, || read_all(&file, &mut data))
}

fn in_by_fault(place: &Place, timer: &Timer) -> Result<Sample> {
    let (_file, map) = on_disk(place)?;
    timer.time_outside_idle(FILE_PAGES, || {
        touch(&map);
        Ok(())
    })
}

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::on_disk("swap out to a disk", "page", out),
        Operation::on_disk("swap in from a disk by read, 1 MiB", "page", in_by_read),
        Operation::on_disk("swap in from a disk by fault", "page", in_by_fault),
    ]
}
