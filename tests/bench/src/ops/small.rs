// SPDX-License-Identifier: GPL-2.0
//! Small files, each written by one call, and calls about an open file.

use std::ffi::CString;
use std::mem::MaybeUninit;

use rustix::fs::{fchmod, fstat, fstatfs, Mode, OFlags, RawDir};

use super::io::whole;
use super::Operation;

const FILES: usize = 200;
const CALLS: u64 = 1000;

fn names() -> Vec<CString> {
    (0..FILES)
        .map(|number| CString::new(format!("file{number}")).expect("no NUL in a number"))
        .collect()
}

pub fn operations() -> Vec<Operation> {
    let mut list = Vec::new();
    for (size, label) in [
        (4 << 10, "4 KiB"),
        (10 << 10, "10 KiB"),
        (16 << 10, "16 KiB"),
        (64 << 10, "64 KiB"),
        (256 << 10, "256 KiB"),
    ] {
        let name = format!("file of {label}: create, write, close");
        list.push(Operation::new(name, "file", move |place, timer| {
            let (data, names) = (vec![0xa5; size], names());
            timer.time(FILES as u64, || {
                names.iter().try_for_each(|name| {
                    let file = place.create(name)?;
                    whole(rustix::io::write(&file, &data)?, size)
                })
            })
        }));
    }
    list.push(Operation::new("fstat", "call", |place, timer| {
        let file = place.create(c"file")?;
        timer.time(CALLS, || {
            (0..CALLS).try_for_each(|_| fstat(&file).map(drop))
        })
    }));
    list.push(Operation::new("fstatfs", "call", |place, timer| {
        let file = place.create(c"file")?;
        timer.time(CALLS, || {
            (0..CALLS).try_for_each(|_| fstatfs(&file).map(drop))
        })
    }));
    list.push(Operation::new("fchmod", "call", |place, timer| {
        let file = place.create(c"file")?;
        timer.time(CALLS, || {
            (0..CALLS).try_for_each(|_| fchmod(&file, Mode::RUSR))
        })
    }));
    list.push(Operation::new(
        "O_TMPFILE and close",
        "file",
        |place, timer| {
            timer.time(CALLS, || {
                (0..CALLS)
                    .try_for_each(|_| place.open(c".", OFlags::TMPFILE | OFlags::RDWR).map(drop))
            })
        },
    ));
    list.push(Operation::new(
        "open a directory, read its 10 names, close",
        "call",
        |place, timer| {
            place.create_all(&names()[..10])?;
            timer.time(CALLS, || {
                let mut buffer = [MaybeUninit::uninit(); 4096];
                (0..CALLS).try_for_each(|_| {
                    let dir = place.open(c".", OFlags::RDONLY | OFlags::DIRECTORY)?;
                    let mut dir = RawDir::new(dir, &mut buffer);
                    while let Some(entry) = dir.next() {
                        entry?;
                    }
                    Ok(())
                })
            })
        },
    ));
    list
}
