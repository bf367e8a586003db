// SPDX-License-Identifier: GPL-2.0
//! Sizes and holes.

use crate::call::check;
use crate::worker::Worker;
use rustix::fd::AsRawFd;
use rustix::fs::FallocateFlags;
use rustix::io::Result;
use stage::pages::PAGE;

pub fn truncate(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.wild()?;
    let size = match worker.rng.u8(0..8) {
        0..=2 => 0,
        3 => i64::MAX as u64,
        _ => worker.position(),
    };
    let result = rustix::fs::ftruncate(&file.fd, size);
    worker.keep(file);
    result
}

fn range(worker: &mut Worker<'_>) -> (u64, u64) {
    let begin = worker.position();
    let length = match worker.rng.u8(0..16) {
        0 | 1 => worker.rng.u64(1..PAGE as u64),
        2 => 2 << 20,
        3 => i64::MAX as u64 - begin.min(i64::MAX as u64 - 1),
        4 => worker.rng.u64(1..600) * PAGE as u64,
        _ => worker.rng.u64(1..40) * PAGE as u64,
    };
    (begin, length)
}

fn fallocate(worker: &mut Worker<'_>, flags: FallocateFlags, range: (u64, u64)) -> Result<()> {
    let file = worker.wild()?;
    // What has no limit would take all the memory that there is.
    let most = if file.boundless { 2 << 20 } else { u64::MAX };
    let result = rustix::fs::fallocate(&file.fd, flags, range.0, range.1.min(most));
    worker.keep(file);
    result
}

pub fn allocate(worker: &mut Worker<'_>) -> Result<()> {
    let range = range(worker);
    let flags = if worker.rng.bool() {
        FallocateFlags::KEEP_SIZE
    } else {
        FallocateFlags::empty()
    };
    fallocate(worker, flags, range)
}

pub fn punch(worker: &mut Worker<'_>) -> Result<()> {
    let range = range(worker);
    fallocate(
        worker,
        FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        range,
    )
}

/// Those that a file system in memory may refuse; zeros are right anywhere, what moves is not.
pub fn other(worker: &mut Worker<'_>) -> Result<()> {
    let range = range(worker);
    if worker.rng.bool() {
        return fallocate(worker, FallocateFlags::ZERO_RANGE, range);
    }
    let file = worker.foreign()?;
    let mode = [0x08, 0x20, 0x40][worker.rng.usize(0..3)];
    let (begin, length) = (range.0 as i64, range.1 as i64);
    // SAFETY: touches no memory of the process.
    check(unsafe { libc::fallocate(file.fd.as_raw_fd(), mode, begin, length) }).map(drop)
}
