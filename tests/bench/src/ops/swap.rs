// SPDX-License-Identifier: GPL-2.0
//! The way to swap and back. The device is one in memory that answers at once, so that what is counted is the work of
//! the kernel: the machine's init sets it up.

use std::fs::File;

use memmap2::MmapMut;
use rustix::fs::{fadvise, Advice as FileAdvice};
use rustix::io::{pread, Errno, Result};
use rustix::mm::{madvise, Advice};
use rustix::system::sysinfo;

use super::io::{whole, written, FILE_PAGES, FILE_SIZE};
use super::mapping::touch;
use super::{errno, Operation, PAGE};
use crate::place::Place;
use crate::timer::{Sample, Timer};

fn map(file: &File) -> Result<MmapMut> {
    // SAFETY: the file lives on a mount of our own, and nothing else changes it.
    unsafe { MmapMut::map_mut(file) }.map_err(errno)
}

/// Sends all pages to swap.
pub fn page_out(map: &mut MmapMut) -> Result<()> {
    // SAFETY: the range is that of the mapping; going to swap changes no byte of it.
    unsafe { madvise(map.as_mut_ptr().cast(), map.len(), Advice::LinuxPageOut) }
}

/// How much swap is in use, in pages.
pub fn in_swap() -> u64 {
    let info = sysinfo();
    (info.totalswap - info.freeswap) * u64::from(info.mem_unit) / PAGE as u64
}

/// Reads the file from its start, as much at a time as there is room for.
pub fn read_all(file: &File, data: &mut [u8]) -> Result<()> {
    let len = data.len();
    (0..FILE_SIZE)
        .step_by(len)
        .try_for_each(|at| whole(pread(file, &mut *data, at as u64)?, len))
}

/// Does `work` on a mapping of a file and sees to it that its pages are in swap afterwards.
pub fn going_out(
    file: &File,
    work: impl FnOnce(&mut MmapMut) -> Result<Sample>,
) -> Result<(MmapMut, Sample)> {
    let mut map = map(file)?;
    // Only what is mapped is sent out.
    touch(&map);
    let before = in_swap();
    let sample = work(&mut map)?;
    match in_swap() - before {
        FILE_PAGES => Ok((map, sample)),
        // A file system without swap leaves them all where they are.
        0 => Err(Errno::OPNOTSUPP),
        pages => {
            eprintln!("{pages} pages went to swap, not {FILE_PAGES}");
            Err(Errno::AGAIN)
        }
    }
}

/// A file whose pages are all in swap, mapped.
fn swapped(place: &Place) -> Result<(File, MmapMut)> {
    let file = written(place)?;
    let nothing = Sample { units: 0, ns: 0 };
    let (map, _) = going_out(&file, |map| page_out(map).map(|()| nothing))?;
    // One page is asked for, one comes: a disk would have read its neighbours too.
    fadvise(&file, 0, None, FileAdvice::Random)?;
    Ok((file, map))
}

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("swap out", "page", |place, timer| {
            let file = written(place)?;
            let out = |map: &mut MmapMut| timer.time(FILE_PAGES, || page_out(map));
            Ok(going_out(&file, out)?.1)
        }),
        Operation::new("swap in by read, 1 MiB", "page", |place, timer| {
            let (file, _map) = swapped(place)?;
            let mut data = vec![0; 1 << 20];
            timer.time(FILE_PAGES, || read_all(&file, &mut data))
        }),
        Operation::new("swap in by fault", "page", |place, timer| {
            let (_file, map) = swapped(place)?;
            timer.time(FILE_PAGES, || {
                touch(&map);
                Ok(())
            })
        }),
        Operation::new("truncate to 0, in swap", "page", |place, timer| {
            let (file, _map) = swapped(place)?;
            timer.time(FILE_PAGES, || rustix::fs::ftruncate(&file, 0))
        }),
        Operation::new("refault of one page", "call", refault),
    ]
}

/// Reads single bytes, each of a page in swap, in an order that no readahead foresees.
fn refault(place: &Place, timer: &Timer) -> Result<Sample> {
    let (file, _map) = swapped(place)?;
    // Odd, so that all pages have their turn.
    let stride = 1_283;
    let mut byte = [0];
    timer.time(FILE_PAGES, || {
        (0..FILE_PAGES).try_for_each(|step| {
            let index = step * stride % FILE_PAGES;
            whole(pread(&file, &mut byte, index * PAGE as u64)?, 1)
        })
    })
}
