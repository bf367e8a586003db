// SPDX-License-Identifier: GPL-2.0
//! Reading and writing through system calls.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsFd;

use rustix::fs::{fallocate, FallocateFlags, OFlags};
use rustix::io::{Errno, Result};

use super::{errno, Operation, PAGE};
use crate::place::Place;

/// Size of the files: large enough for a stable figure in 4 KiB folios and in huge ones.
pub const FILE_SIZE: usize = 16 << 20;
pub const FILE_PAGES: u64 = (FILE_SIZE / PAGE) as u64;

const BLOCKS: [(usize, &str); 3] = [(4 << 10, "4 KiB"), (64 << 10, "64 KiB"), (1 << 20, "1 MiB")];

/// A short transfer would make the figure a lie, so it is an error.
pub fn whole(done: usize, wanted: usize) -> Result<()> {
    if done == wanted {
        Ok(())
    } else {
        Err(Errno::IO)
    }
}

/// A buffer whose pages exist, so that no fault of its own is timed.
fn buffer(size: usize) -> Vec<u8> {
    vec![0xa5; size]
}

fn write_all(file: &mut File) -> Result<()> {
    let data = buffer(1 << 20);
    file.rewind().map_err(errno)?;
    for _ in 0..FILE_SIZE / data.len() {
        file.write_all(&data).map_err(errno)?;
    }
    file.rewind().map_err(errno)
}

/// A file of [`FILE_SIZE`] that was written once.
pub fn written(place: &Place) -> Result<File> {
    let mut file = place.create(c"file")?;
    write_all(&mut file)?;
    Ok(file)
}

/// A file written twice: its pages have been used more than once, as those of a file that stays.
fn settled(place: &Place) -> Result<File> {
    let mut file = written(place)?;
    write_all(&mut file)?;
    Ok(file)
}

/// A file of [`FILE_SIZE`] that is one hole.
pub fn sparse(place: &Place) -> Result<File> {
    let file = place.create(c"file")?;
    rustix::fs::ftruncate(&file, FILE_SIZE as u64)?;
    Ok(file)
}

/// A file of [`FILE_SIZE`] whose pages were allocated in advance.
pub fn allocated(place: &Place) -> Result<File> {
    let file = place.create(c"file")?;
    fallocate(&file, FallocateFlags::empty(), 0, FILE_SIZE as u64)?;
    Ok(file)
}

pub fn write_sequential(file: &File, data: &[u8]) -> Result<()> {
    for _ in 0..FILE_SIZE / data.len() {
        whole(rustix::io::write(file, data)?, data.len())?;
    }
    Ok(())
}

fn read_sequential(file: &File, data: &mut [u8]) -> Result<()> {
    for _ in 0..FILE_SIZE / data.len() {
        whole(rustix::io::read(file, &mut *data)?, data.len())?;
    }
    Ok(())
}

/// The offset of every block of the file, each once, in an order that is the same for everybody.
fn shuffled(block: usize) -> Vec<u64> {
    let mut offsets: Vec<u64> = (0..FILE_SIZE as u64).step_by(block).collect();
    fastrand::Rng::with_seed(block as u64).shuffle(&mut offsets);
    offsets
}

/// The offsets of a sixteenth of the pages of the file, in no order.
pub fn scattered() -> Vec<u64> {
    let mut offsets = shuffled(PAGE);
    offsets.truncate(offsets.len() / 16);
    offsets
}

fn write_at(file: &File, data: &[u8], offsets: &[u64]) -> Result<()> {
    for &offset in offsets {
        whole(rustix::io::pwrite(file, data, offset)?, data.len())?;
    }
    Ok(())
}

fn read_at(file: &File, data: &mut [u8], offsets: &[u64]) -> Result<()> {
    for &offset in offsets {
        whole(rustix::io::pread(file, &mut *data, offset)?, data.len())?;
    }
    Ok(())
}

/// One byte in each page of the file, at a different place in each.
fn single_bytes() -> Vec<u64> {
    let page = PAGE as u64;
    (0..FILE_PAGES)
        .map(|index| index * page + index % page)
        .collect()
}

pub fn operations() -> Vec<Operation> {
    let mut list = Vec::new();
    let mut per_block = |name: &str, make: fn(String, usize) -> Operation| {
        for (block, label) in BLOCKS {
            list.push(make(format!("{name}, {label}"), block));
        }
    };
    per_block("write new file", |name, block| {
        Operation::new(name, "page", move |place, timer| {
            let file = place.create(c"file")?;
            let data = buffer(block);
            timer.time(FILE_PAGES, || write_sequential(&file, &data))
        })
    });
    per_block("overwrite", |name, block| {
        Operation::new(name, "page", move |place, timer| {
            let file = written(place)?;
            let data = buffer(block);
            timer.time(FILE_PAGES, || write_sequential(&file, &data))
        })
    });
    per_block("read", |name, block| {
        Operation::new(name, "page", move |place, timer| {
            let file = settled(place)?;
            let mut data = buffer(block);
            timer.time(FILE_PAGES, || read_sequential(&file, &mut data))
        })
    });
    per_block("random write, new file", |name, block| {
        Operation::new(name, "page", move |place, timer| {
            let file = place.create(c"file")?;
            let (data, offsets) = (buffer(block), shuffled(block));
            timer.time(FILE_PAGES, || write_at(&file, &data, &offsets))
        })
    });
    per_block("random overwrite", |name, block| {
        Operation::new(name, "page", move |place, timer| {
            let file = settled(place)?;
            let (data, offsets) = (buffer(block), shuffled(block));
            timer.time(FILE_PAGES, || write_at(&file, &data, &offsets))
        })
    });
    per_block("random read", |name, block| {
        Operation::new(name, "page", move |place, timer| {
            let file = settled(place)?;
            let (mut data, offsets) = (buffer(block), shuffled(block));
            timer.time(FILE_PAGES, || read_at(&file, &mut data, &offsets))
        })
    });
    per_block("read of a hole", |name, block| {
        Operation::new(name, "page", move |place, timer| {
            let file = sparse(place)?;
            let mut data = buffer(block);
            timer.time(FILE_PAGES, || read_sequential(&file, &mut data))
        })
    });
    for (name, at) in [("read 100 bytes", 0), ("read at the end", FILE_SIZE as u64)] {
        list.push(Operation::new(name, "call", move |place, timer| {
            let file = settled(place)?;
            let mut data = [0; 100];
            let there = data.len().min(FILE_SIZE - at as usize);
            timer.time(FILE_PAGES, || {
                (0..FILE_PAGES)
                    .try_for_each(|_| whole(rustix::io::pread(&file, &mut data, at)?, there))
            })
        }));
    }
    list.push(Operation::new(
        "append 100 bytes",
        "call",
        |place, timer| {
            let file = place.create(c"file")?;
            timer.time(FILE_PAGES, || {
                (0..FILE_PAGES).try_for_each(|_| whole(rustix::io::write(&file, &[1; 100])?, 100))
            })
        },
    ));
    list.push(Operation::new(
        "append 4 KiB to 1 MiB",
        "page",
        |place, timer| {
            let data = buffer(PAGE);
            let files = (0..16)
                .map(|number| {
                    place.create(&std::ffi::CString::new(number.to_string()).expect("no NUL"))
                })
                .collect::<Result<Vec<_>>>()?;
            timer.time(FILE_PAGES, || {
                files.iter().try_for_each(|file| {
                    (0..256).try_for_each(|_| whole(rustix::io::write(file, &data)?, PAGE))
                })
            })
        },
    ));
    list.push(Operation::new(
        "random write, 1 page of 16 of a sparse file",
        "page",
        |place, timer| {
            let file = place.create(c"file")?;
            let (data, offsets) = (buffer(PAGE), scattered());
            timer.time(offsets.len() as u64, || write_at(&file, &data, &offsets))
        },
    ));
    list.push(Operation::new("pread 1 byte", "call", |place, timer| {
        let file = settled(place)?;
        let offsets = single_bytes();
        timer.time(FILE_PAGES, || read_at(&file, &mut [0], &offsets))
    }));
    list.push(Operation::new("pwrite 1 byte", "call", |place, timer| {
        let file = settled(place)?;
        let offsets = single_bytes();
        timer.time(FILE_PAGES, || write_at(&file, &[1], &offsets))
    }));
    list.push(Operation::new("sendfile, 1 MiB", "page", |place, timer| {
        let file = settled(place)?;
        let null = rustix::fs::open("/dev/null", OFlags::WRONLY, rustix::fs::Mode::empty())?;
        timer.time(FILE_PAGES, || send_all(&file, &null))
    }));
    list
}

/// sendfile() moves less than it was asked to where the pipe in the middle is smaller.
fn send_all(from: &File, to: impl AsFd) -> Result<()> {
    let mut offset = 0;
    while offset < FILE_SIZE as u64 {
        if rustix::fs::sendfile(&to, from, Some(&mut offset), 1 << 20)? == 0 {
            return Err(Errno::IO);
        }
    }
    Ok(())
}
