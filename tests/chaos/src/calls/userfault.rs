// SPDX-License-Identifier: GPL-2.0
//! userfaultfd: pages that come by its ioctls, and not by faults.

use crate::call::check;
use crate::worker::Worker;
use rustix::fd::{AsRawFd, FromRawFd, OwnedFd};
use rustix::io::Result;
use stage::pages::PAGE;

const API: (u64, u64) = (0x3f, 24);
const REGISTER: (u64, u64) = (0, 32);
const COPY: (u64, u64) = (3, 40);
const ZERO: (u64, u64) = (4, 32);
const PROTECT: (u64, u64) = (6, 24);
const RESUME: (u64, u64) = (7, 32);

const MISSING: u64 = 1;
const WRITE_PROTECT: u64 = 2;
const MINOR: u64 = 4;
/// A fault is a SIGBUS, for which nobody has to wait.
const FEATURE_SIGBUS: u64 = 1 << 7;

/// One of the ioctls, a number and a size, all of which take words that they also write to.
fn ioctl(fd: &OwnedFd, (number, size): (u64, u64), words: &mut [u64; 5]) -> Result<()> {
    debug_assert!(size <= 40);
    let code = (3 << 30) | (size << 16) | (0xaa << 8) | number;
    // SAFETY: there are as many words as the longest of them takes.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), code, words.as_mut_ptr()) }).map(drop)
}

pub fn fill(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.wild()?;
    let page = worker.rng.u64(0..300);
    let count = worker.count();
    let len = count * PAGE;
    let area = file.map(page, count, libc::PROT_READ | libc::PROT_WRITE);
    let (id, foreign) = (file.id, file.foreign);
    worker.keep(file);
    let area = area?;
    // SAFETY: takes no pointer; the descriptor that it returns is nobody else's.
    let uffd = unsafe {
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
        let fd = check(libc::syscall(libc::SYS_userfaultfd, flags))?;
        OwnedFd::from_raw_fd(fd as i32)
    };
    ioctl(&uffd, API, &mut [0xaa, FEATURE_SIGBUS, 0, 0, 0])?;
    let mode = [MISSING, MINOR, MISSING | WRITE_PROTECT, MISSING | MINOR][worker.rng.usize(0..4)];
    let start = area.address(0) as u64;
    ioctl(&uffd, REGISTER, &mut [start, len as u64, mode, 0, 0])?;
    worker.prepare(id, page, count);
    let source = worker.buffer.0.as_ptr() as u64;
    let mut done = Ok(());
    for n in 0..count {
        let (at, one) = (start + (n * PAGE) as u64, PAGE as u64);
        let step = match worker.rng.u8(0..4) {
            0 => ioctl(&uffd, ZERO, &mut [at, one, 0, 0, 0]),
            1 if mode & MINOR != 0 => ioctl(&uffd, RESUME, &mut [at, one, 0, 0, 0]),
            2 if mode & WRITE_PROTECT != 0 => ioctl(&uffd, PROTECT, &mut [at, one, 1, 0, 0]),
            _ => {
                let from = source + (n * PAGE) as u64;
                ioctl(&uffd, COPY, &mut [at, from, one, 0, 0])
            }
        };
        done = done.and(step);
    }
    let mut copy = [0; PAGE];
    for n in 0..count {
        match area.read(n, &mut copy) {
            Some(()) => worker.look(&copy, (page + n as u64) * PAGE as u64, id, foreign),
            None => worker.bus(),
        }
    }
    done
}
