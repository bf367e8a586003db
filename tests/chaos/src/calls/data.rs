// SPDX-License-Identifier: GPL-2.0
//! Reading and writing.

use crate::call::check;
use crate::worker::Worker;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::{Errno, ReadWriteFlags, Result};
use stage::pages::PAGE;
use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;

fn flags(worker: &mut Worker<'_>) -> ReadWriteFlags {
    match worker.rng.u8(0..20) {
        0 => ReadWriteFlags::NOWAIT,
        1 => ReadWriteFlags::DSYNC,
        2 => ReadWriteFlags::HIPRI,
        3 => ReadWriteFlags::from_bits_retain(0x80), // RWF_DONTCACHE
        _ => ReadWriteFlags::empty(),
    }
}

/// A write of some bytes of the worker's buffer to a position of a file, with flags.
pub(super) fn write_by(
    worker: &mut Worker<'_>,
    call: impl FnOnce(&mut Worker<'_>, &OwnedFd, Range<usize>, u64, ReadWriteFlags) -> Result<usize>,
) -> Result<()> {
    let file = worker.wild()?;
    let page = worker.page();
    let count = worker.count();
    worker.prepare(file.id, page, count);
    // A part of the pages, with the bytes that belong there.
    let (from, to) = match worker.rng.u8(0..4) {
        0 => {
            let from = worker.rng.usize(0..count * PAGE);
            (from, worker.rng.usize(from..=count * PAGE))
        }
        _ => (0, count * PAGE),
    };
    let flags = flags(worker);
    let position = page * PAGE as u64 + from as u64;
    let done = call(worker, &file.fd, from..to, position, flags);
    if done.is_ok_and(|done| done > to - from) {
        worker.wrong("more was written than there was");
    }
    worker.keep(file);
    done.map(drop)
}

pub fn write(worker: &mut Worker<'_>) -> Result<()> {
    write_by(worker, |worker, file, bytes, position, flags| {
        let data = &worker.buffer.0[bytes];
        rustix::io::pwritev2(file, &[IoSlice::new(data)], position, flags)
    })
}

pub fn append(worker: &mut Worker<'_>) -> Result<()> {
    // What is appended stands where nobody knows.
    let file = worker.foreign()?;
    worker.prepare(file.id, 0, 1);
    let length = worker.rng.usize(1..PAGE);
    rustix::fs::fcntl_setfl(&file.fd, rustix::fs::OFlags::APPEND)?;
    rustix::io::write(&file.fd, &worker.buffer.0[..length]).map(drop)
}

/// A read of so many bytes to the worker's buffer, likewise.
pub(super) fn read_by(
    worker: &mut Worker<'_>,
    call: impl FnOnce(&mut Worker<'_>, &OwnedFd, Range<usize>, u64, ReadWriteFlags) -> Result<usize>,
) -> Result<()> {
    let file = worker.file()?;
    let position = worker.position();
    let most = worker.count() * PAGE;
    let length = worker.rng.usize(1..=most);
    let flags = flags(worker);
    let done = call(worker, &file.fd, 0..length, position, flags);
    if let Ok(done) = done {
        worker.look(&worker.buffer.0[..done], position, file.id, file.foreign);
    }
    worker.keep(file);
    done.map(drop)
}

pub fn read(worker: &mut Worker<'_>) -> Result<()> {
    read_by(worker, |worker, file, bytes, position, flags| {
        let buffer = &mut worker.buffer.0[bytes];
        rustix::io::preadv2(file, &mut [IoSliceMut::new(buffer)], position, flags)
    })
}

/// A mapping of a file is the buffer of a call on the same file: the same bytes go to where they are, or to a hole.
fn with_own_mapping(worker: &mut Worker<'_>, writes: bool) -> Result<()> {
    let file = worker.wild()?;
    let page = worker.rng.u64(0..300);
    let count = worker.rng.usize(1..=64);
    let area = file.map(page, count, libc::PROT_READ | libc::PROT_WRITE);
    let result = area.and_then(|area| {
        let (fd, at, len, offset) = (
            file.fd.as_raw_fd(),
            area.address(0),
            count * PAGE,
            (page * PAGE as u64) as i64,
        );
        // SAFETY: the area is as long as is said, and nobody has a reference to it.
        check(unsafe {
            match writes {
                true => libc::pwrite(fd, at, len, offset),
                false => libc::pread(fd, at, len, offset),
            }
        } as i64)
    });
    worker.keep(file);
    result.map(drop)
}

pub fn write_from_mapping(worker: &mut Worker<'_>) -> Result<()> {
    with_own_mapping(worker, true)
}

pub fn read_into_mapping(worker: &mut Worker<'_>) -> Result<()> {
    with_own_mapping(worker, false)
}

pub fn advise(worker: &mut Worker<'_>) -> Result<()> {
    use rustix::fs::Advice::{DontNeed, NoReuse, Normal, Random, Sequential, WillNeed};
    let file = worker.file()?;
    let position = worker.position();
    let advice = [DontNeed, NoReuse, Normal, Random, Sequential, WillNeed][worker.rng.usize(0..6)];
    let result = rustix::fs::fadvise(
        &file.fd,
        position,
        std::num::NonZeroU64::new(1 << 20),
        advice,
    );
    worker.keep(file);
    result
}

pub fn sync(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.file()?;
    let result = match worker.rng.u8(0..3) {
        0 => rustix::fs::fsync(&file.fd),
        1 => rustix::fs::fdatasync(&file.fd),
        // SAFETY: touches no memory of the process.
        _ => check(unsafe { libc::sync_file_range(file.fd.as_raw_fd(), 0, 1 << 20, 7) }).map(drop),
    };
    worker.keep(file);
    result
}

pub fn seek(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.file()?;
    let (begin, mut at) = (worker.position() as i64, 0);
    // The map of a file that others change has no end that could be waited for.
    for round in 0..64 {
        let whence = if round % 2 == 0 {
            libc::SEEK_DATA
        } else {
            libc::SEEK_HOLE
        };
        // SAFETY: touches no memory of the process.
        let found = check(unsafe { libc::lseek(file.fd.as_raw_fd(), begin.max(at), whence) });
        match found {
            Ok(found) if found < begin.max(at) => worker.wrong("SEEK_DATA or SEEK_HOLE goes back"),
            Ok(found) => at = found,
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error),
        }
    }
    worker.keep(file);
    Ok(())
}

pub fn stat(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.file()?;
    let stat = rustix::fs::fstat(&file.fd)?;
    // No block without a page, and no more than the mount ever had; a size that a write may have.
    if stat.st_blocks < 0 || stat.st_size < 0 || stat.st_blocks as u64 > (64 << 20) / 512 {
        worker.wrong(&format!("{} blocks, size {}", stat.st_blocks, stat.st_size));
    }
    worker.keep(file);
    Ok(())
}

pub fn lock(worker: &mut Worker<'_>) -> Result<()> {
    use rustix::fs::FlockOperation::{NonBlockingLockExclusive, NonBlockingLockShared, Unlock};
    let file = worker.file()?;
    let operation =
        [NonBlockingLockExclusive, NonBlockingLockShared, Unlock][worker.rng.usize(0..3)];
    let result = match worker.rng.bool() {
        true => rustix::fs::flock(&file.fd, operation),
        false => rustix::fs::fcntl_lock(&file.fd, operation),
    };
    worker.keep(file);
    result
}
