// SPDX-License-Identifier: GPL-2.0
//! Giving space to files and taking it back.

use rustix::fs::{fallocate, ftruncate, FallocateFlags};

use super::io::{allocated, write_sequential, written, FILE_PAGES, FILE_SIZE};
use super::{Operation, PAGE};

const ROUNDS: u64 = 1000;

fn write_allocated(name: &'static str, block: usize) -> Operation {
    Operation::new(name, "page", move |place, timer| {
        let (file, data) = (allocated(place)?, vec![0xa5; block]);
        timer.time(FILE_PAGES, || write_sequential(&file, &data))
    })
}

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("truncate to 0", "page", |place, timer| {
            let file = written(place)?;
            timer.time(FILE_PAGES, || ftruncate(&file, 0))
        }),
        Operation::new(
            "truncate up and down, empty file",
            "pair",
            |place, timer| {
                let file = place.create(c"file")?;
                timer.time(ROUNDS, || {
                    for _ in 0..ROUNDS {
                        ftruncate(&file, FILE_SIZE as u64)?;
                        ftruncate(&file, 0)?;
                    }
                    Ok(())
                })
            },
        ),
        Operation::new("fallocate", "page", |place, timer| {
            let file = place.create(c"file")?;
            timer.time(FILE_PAGES, || {
                fallocate(&file, FallocateFlags::empty(), 0, FILE_SIZE as u64)
            })
        }),
        write_allocated("write after fallocate, 4 KiB", 4 << 10),
        write_allocated("write after fallocate, 64 KiB", 64 << 10),
        write_allocated("write after fallocate, 1 MiB", 1 << 20),
        Operation::new("punch the whole file", "page", |place, timer| {
            let file = written(place)?;
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            timer.time(FILE_PAGES, || fallocate(&file, flags, 0, FILE_SIZE as u64))
        }),
        Operation::new("punch single pages", "page", |place, timer| {
            let file = written(place)?;
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let page = PAGE as u64;
            timer.time(FILE_PAGES / 2, || {
                (0..FILE_PAGES)
                    .step_by(2)
                    .try_for_each(|index| fallocate(&file, flags, index * page, page))
            })
        }),
    ]
}
