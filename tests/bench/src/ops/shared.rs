// SPDX-License-Identifier: GPL-2.0
//! Memory that is shared without a mount: memfd, shared anonymous memory, segments of System V. The type of the mount
//! says who is to serve it.

use std::hint::black_box;
use std::ptr::null_mut;

use rustix::fs::MemfdFlags;
use rustix::io::{Errno, Result};
use rustix::mm::{MapFlags, ProtFlags};

use super::{Operation, PAGE};
use crate::place::Place;
use crate::timer::{Sample, Timer};

const SWITCH: &str = "/sys/fs/rtmpfs/shared_memory";

/// How often a region does its work, and the pages of what is mapped.
const TIMES: u64 = 500;
const FORKS: u64 = 50;
const PAGES: usize = 16;
const LEN: usize = PAGES * PAGE;

/// The module under test serves what is made until this is dropped, where `on`.
struct Served {
    on: bool,
}

impl Served {
    fn by(place: &Place) -> Result<Served> {
        let on = match place.column().fstype() {
            "tmpfs" => false,
            "rtmpfs" => true,
            _ => return Err(Errno::OPNOTSUPP),
        };
        if on {
            turn("1")?;
        }
        Ok(Served { on })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.on {
            turn("0").expect("what was turned on can be turned off");
        }
    }
}

fn turn(value: &str) -> Result<()> {
    std::fs::write(SWITCH, value).map_err(super::errno)
}

fn memfds(timer: &Timer) -> Result<Sample> {
    timer.time(TIMES, || {
        for _ in 0..TIMES {
            drop(rustix::fs::memfd_create("file", MemfdFlags::CLOEXEC)?);
        }
        Ok(())
    })
}

/// Shared anonymous memory, unmapped when dropped.
struct Memory(*mut u8);

impl Memory {
    fn new() -> Result<Memory> {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the place, so that nothing else is there.
        let start = unsafe { rustix::mm::mmap_anonymous(null_mut(), LEN, prot, MapFlags::SHARED)? };
        Ok(Memory(start.cast()))
    }

    fn touch(&self) {
        for page in 0..PAGES {
            // SAFETY: within the mapping, which is plain memory.
            unsafe { black_box(self.0.add(page * PAGE)).write_volatile(1) };
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping, to which nothing refers any more.
        unsafe { rustix::mm::munmap(self.0.cast(), LEN) }.expect("the mapping is there");
    }
}

fn anonymous(timer: &Timer) -> Result<Sample> {
    timer.time(TIMES, || {
        for _ in 0..TIMES {
            Memory::new()?.touch();
        }
        Ok(())
    })
}

/// The negative result of a system call as an error.
fn checked(result: i32) -> Result<i32> {
    match result {
        -1 => Err(super::errno(std::io::Error::last_os_error())),
        result => Ok(result),
    }
}

fn forks(timer: &Timer) -> Result<Sample> {
    let memory = Memory::new()?;
    memory.touch();
    timer.time(FORKS, || {
        for _ in 0..FORKS {
            // SAFETY: the process has one thread, and the child only ends.
            let child = unsafe {
                match checked(libc::fork())? {
                    0 => libc::_exit(0),
                    child => child,
                }
            };
            // SAFETY: the status is not wanted.
            checked(unsafe { libc::waitpid(child, null_mut(), 0) })?;
        }
        Ok(())
    })
}

fn segments(timer: &Timer) -> Result<Sample> {
    timer.time(TIMES, || {
        for _ in 0..TIMES {
            // SAFETY: the kernel chooses the place of a segment of our own, which nothing refers to.
            unsafe {
                let id = checked(libc::shmget(
                    libc::IPC_PRIVATE,
                    LEN,
                    libc::IPC_CREAT | 0o600,
                ))?;
                let start = libc::shmat(id, null_mut(), 0);
                assert_ne!(start as isize, -1, "shmat of a new segment");
                checked(libc::shmdt(start))?;
                checked(libc::shmctl(id, libc::IPC_RMID, null_mut()))?;
            }
        }
        Ok(())
    })
}

pub fn operations() -> Vec<Operation> {
    let operation = |name, unit, run: fn(&Timer) -> Result<Sample>| {
        Operation::new(name, unit, move |place, timer| {
            let _served = Served::by(place)?;
            run(timer)
        })
    };
    vec![
        operation("memfd_create and close", "file", memfds),
        operation(
            "shared anonymous memory of 16 pages: map, write, unmap",
            "call",
            anonymous,
        ),
        operation("fork and exit with shared anonymous memory", "call", forks),
        operation("shmget, shmat, shmdt, IPC_RMID", "segment", segments),
    ]
}
