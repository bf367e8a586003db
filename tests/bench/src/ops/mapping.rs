// SPDX-License-Identifier: GPL-2.0
//! Page faults on shared mappings.

use std::fs::File;
use std::hint::black_box;

use memmap2::{Mmap, MmapMut, MmapOptions};
use rustix::io::Result;

use super::io::{allocated, scattered, sparse, written, FILE_PAGES};
use super::{errno, Operation, PAGE};
use crate::place::Place;
use crate::timer::{Sample, Timer};

/// Reads a byte of each page.
pub fn touch(map: &[u8]) {
    for page in map.chunks_exact(PAGE) {
        black_box(page[0]);
    }
}

/// Maps the file anew and reads a byte of each page.
fn touch_reading(file: &File, timer: &Timer) -> Result<Sample> {
    // SAFETY: the file lives on a mount of our own, and nothing else changes it.
    let map = unsafe { Mmap::map(file) }.map_err(errno)?;
    timer.time(FILE_PAGES, || {
        touch(&map);
        Ok(())
    })
}

/// Maps the file anew and writes a byte of each page.
fn touch_writing(file: &File, timer: &Timer) -> Result<Sample> {
    // SAFETY: the file lives on a mount of our own, and nothing else changes it.
    let mut map = unsafe { MmapMut::map_mut(file) }.map_err(errno)?;
    timer.time(FILE_PAGES, || {
        for page in map.chunks_exact_mut(PAGE) {
            *black_box(&mut page[0]) = 1;
        }
        Ok(())
    })
}

pub fn operations() -> Vec<Operation> {
    let operation =
        |name, prepare: fn(&Place) -> Result<File>, touch: fn(&File, &Timer) -> Result<Sample>| {
            Operation::new(name, "page", move |place, timer| {
                touch(&prepare(place)?, timer)
            })
        };
    let mut list = vec![
        operation("mmap, first write of a hole", sparse, touch_writing),
        operation("mmap, first read of a hole", sparse, touch_reading),
        operation(
            "mmap, first write after fallocate",
            allocated,
            touch_writing,
        ),
        operation("mmap, read of a populated page", written, touch_reading),
        operation("mmap, write of a populated page", written, touch_writing),
    ];
    list.push(Operation::new(
        "mmap, first write of 1 page of 16 of a hole",
        "page",
        |place, timer| {
            let (file, offsets) = (sparse(place)?, scattered());
            // SAFETY: the file lives on a mount of our own, and nothing else changes it.
            let mut map = unsafe { MmapMut::map_mut(&file) }.map_err(errno)?;
            timer.time(offsets.len() as u64, || {
                for &offset in &offsets {
                    *black_box(&mut map[offset as usize]) = 1;
                }
                Ok(())
            })
        },
    ));
    list.push(Operation::new(
        "mmap, populate a hole",
        "page",
        |place, timer| {
            let file = sparse(place)?;
            timer.time(FILE_PAGES, || {
                // SAFETY: as above.
                unsafe { MmapOptions::new().populate().map_mut(&file) }
                    .map(drop)
                    .map_err(errno)
            })
        },
    ));
    list.push(Operation::new(
        "mmap, private copy of a populated page",
        "page",
        |place, timer| {
            let file = written(place)?;
            // SAFETY: as above.
            let mut map = unsafe { MmapOptions::new().map_copy(&file) }.map_err(errno)?;
            timer.time(FILE_PAGES, || {
                for page in map.chunks_exact_mut(PAGE) {
                    *black_box(&mut page[0]) = 1;
                }
                Ok(())
            })
        },
    ));
    list
}
