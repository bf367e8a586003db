// SPDX-License-Identifier: GPL-2.0
//! Directories, names and attributes.

use std::ffi::CString;
use std::mem::MaybeUninit;

use rustix::fs::{
    fgetxattr, fsetxattr, linkat, mkdirat, mknodat, readlinkat_raw, renameat, statat, symlinkat,
    unlinkat, AtFlags, FileType, Mode, OFlags, RawDir, XattrFlags,
};
use rustix::io::{Errno, Result};

use super::Operation;
use crate::place::Place;
use crate::timer::{Sample, Timer};

const FILES: usize = 1000;
const ENTRIES: usize = 10_000;
const MODE: Mode = Mode::from_raw_mode(0o755);

fn numbered(prefix: &str, count: usize) -> Vec<CString> {
    (0..count)
        .map(|number| CString::new(format!("{prefix}{number}")).expect("no NUL in a number"))
        .collect()
}

/// Times `call` once for each of [`FILES`] names that start with `prefix`.
fn for_each_name(
    timer: &Timer,
    prefix: &str,
    mut call: impl FnMut(&std::ffi::CStr) -> Result<()>,
) -> Result<Sample> {
    let names = numbered(prefix, FILES);
    timer.time(FILES as u64, || {
        names.iter().try_for_each(|name| call(name))
    })
}

/// Times `call` once for each pair of an old and a new name.
fn for_each_pair(
    timer: &Timer,
    mut call: impl FnMut(&std::ffi::CStr, &std::ffi::CStr) -> Result<()>,
) -> Result<Sample> {
    let pairs: Vec<_> = numbered("old", FILES)
        .into_iter()
        .zip(numbered("new", FILES))
        .collect();
    timer.time(FILES as u64, || {
        pairs.iter().try_for_each(|(old, new)| call(old, new))
    })
}

pub fn operations() -> Vec<Operation> {
    let mut list = changes();
    for (label, length) in [("short", 6), ("300 bytes", 300)] {
        list.push(Operation::new(
            format!("symlink, {label}"),
            "link",
            move |place, timer| {
                let target = CString::new(vec![b't'; length]).expect("no NUL among the letters");
                for_each_name(timer, "link", |name| {
                    symlinkat(target.as_c_str(), place.root(), name)
                })
            },
        ));
    }
    list.extend(others());
    list
}

fn changes() -> Vec<Operation> {
    vec![
        Operation::new("create and close", "file", |place, timer| {
            for_each_name(timer, "file", |name| place.create(name).map(drop))
        }),
        Operation::new("open and close", "file", |place, timer| {
            place.create_all(&numbered("file", FILES))?;
            for_each_name(timer, "file", |name| {
                place.open(name, OFlags::RDONLY).map(drop)
            })
        }),
        Operation::new("stat", "file", |place, timer| {
            place.create_all(&numbered("file", FILES))?;
            for_each_name(timer, "file", |name| {
                statat(place.root(), name, AtFlags::empty()).map(drop)
            })
        }),
        Operation::new("stat of a missing name", "call", |place, timer| {
            for_each_name(timer, "file", |name| {
                match statat(place.root(), name, AtFlags::empty()) {
                    Err(Errno::NOENT) => Ok(()),
                    Err(error) => Err(error),
                    Ok(_) => Err(Errno::EXIST),
                }
            })
        }),
        Operation::new("rename", "file", |place, timer| {
            place.create_all(&numbered("old", FILES))?;
            for_each_pair(timer, |old, new| {
                renameat(place.root(), old, place.root(), new)
            })
        }),
        Operation::new("rename over a file", "file", |place, timer| {
            place.create_all(&numbered("old", FILES))?;
            place.create_all(&numbered("new", FILES))?;
            for_each_pair(timer, |old, new| {
                renameat(place.root(), old, place.root(), new)
            })
        }),
        Operation::new("rename to another directory", "file", |place, timer| {
            place.create_all(&numbered("old", FILES))?;
            mkdirat(place.root(), c"other", MODE)?;
            let other = place.open(c"other", OFlags::DIRECTORY)?;
            for_each_pair(timer, |old, new| renameat(place.root(), old, &other, new))
        }),
        Operation::new("link", "file", |place, timer| {
            place.create_all(&numbered("old", FILES))?;
            for_each_pair(timer, |old, new| {
                linkat(place.root(), old, place.root(), new, AtFlags::empty())
            })
        }),
        Operation::new("unlink", "file", |place, timer| {
            place.create_all(&numbered("file", FILES))?;
            for_each_name(timer, "file", |name| {
                unlinkat(place.root(), name, AtFlags::empty())
            })
        }),
        Operation::new("mkdir", "directory", |place, timer| {
            for_each_name(timer, "dir", |name| mkdirat(place.root(), name, MODE))
        }),
        Operation::new("rmdir", "directory", |place, timer| {
            for name in numbered("dir", FILES) {
                mkdirat(place.root(), name, MODE)?;
            }
            for_each_name(timer, "dir", |name| {
                unlinkat(place.root(), name, AtFlags::REMOVEDIR)
            })
        }),
        Operation::new("mknod", "node", |place, timer| {
            for_each_name(timer, "node", |name| {
                mknodat(place.root(), name, FileType::Fifo, MODE, 0)
            })
        }),
    ]
}

fn others() -> Vec<Operation> {
    vec![
        Operation::new("readlink", "link", |place, timer| {
            for name in numbered("link", FILES) {
                symlinkat(c"target", place.root(), name)?;
            }
            let mut target = [MaybeUninit::<u8>::uninit(); 64];
            for_each_name(timer, "link", |name| {
                let (target, _) = readlinkat_raw(place.root(), name, &mut target[..])?;
                if target == b"target" {
                    Ok(())
                } else {
                    Err(Errno::IO)
                }
            })
        }),
        Operation::new("readdir of 10,000", "entry", read_directory),
        Operation::new(
            "small file: create, write 1 KiB, read, unlink",
            "file",
            |place, timer| {
                let mut data = [0xa5; 1024];
                for_each_name(timer, "file", |name| {
                    let file = place.create(name)?;
                    let written = rustix::io::write(&file, &data)?;
                    let read = rustix::io::pread(&file, &mut data, 0)?;
                    if (written, read) != (data.len(), data.len()) {
                        return Err(Errno::IO);
                    }
                    drop(file);
                    unlinkat(place.root(), name, AtFlags::empty())
                })
            },
        ),
        Operation::new("setxattr and removexattr", "pair", |place, timer| {
            let file = place.create(c"file")?;
            for_each_name(timer, "user.", |name| {
                fsetxattr(&file, name, b"value", XattrFlags::CREATE)?;
                rustix::fs::fremovexattr(&file, name)
            })
        }),
        Operation::new("getxattr", "call", |place, timer| {
            let file = place.create(c"file")?;
            fsetxattr(&file, c"user.name", b"value", XattrFlags::CREATE)?;
            let mut value = [0; 16];
            for_each_name(timer, "file", |_| {
                match fgetxattr(&file, c"user.name", &mut value)? {
                    5 => Ok(()),
                    _ => Err(Errno::IO),
                }
            })
        }),
    ]
}

fn read_directory(place: &Place, timer: &Timer) -> Result<Sample> {
    place.create_all(&numbered("file", ENTRIES))?;
    let directory = place.open(c".", OFlags::DIRECTORY)?;
    let mut buffer = vec![MaybeUninit::new(0); 32 << 10];
    timer.time(ENTRIES as u64, || {
        let mut seen = 0;
        let mut entries = RawDir::new(&directory, &mut buffer);
        while let Some(entry) = entries.next() {
            entry?;
            seen += 1;
        }
        // "." and ".." come with the files.
        if seen == ENTRIES + 2 {
            Ok(())
        } else {
            Err(Errno::IO)
        }
    })
}
