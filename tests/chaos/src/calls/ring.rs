// SPDX-License-Identifier: GPL-2.0
//! io_uring: at once or by a worker of the kernel's, and with pages of a file that stay pinned.

use super::data;
use crate::memory::Area;
use crate::worker::{Buffer, Opened, Worker, BUFFER};
use io_uring::squeue::{Entry, Flags};
use io_uring::{opcode, types};
use rustix::fd::AsRawFd;
use rustix::io::{Errno, Result};
use stage::pages::PAGE;
use stage::uring::Ring;

/// Pages of a file that are the buffer of a ring, whatever becomes of the file.
pub struct Registered {
    ring: Ring,
    area: Area,
    file: Opened,
    first: u64,
}

fn raw(error: stage::errno::Errno) -> Errno {
    Errno::from_raw_os_error(error.0)
}

/// What a request came to; the ring is the caller's no more where it is not known whether the request has ended.
///
/// # Safety
///
/// What the request points to must stay, also if this fails.
unsafe fn run(ring: Ring, worker: &mut Worker<'_>, entry: Entry) -> (Option<Ring>, Result<usize>) {
    let mut ring = ring;
    let how = match worker.rng.bool() {
        true => Flags::ASYNC,
        false => Flags::empty(),
    };
    // SAFETY: the caller's promise.
    match unsafe { ring.run_all([entry.flags(how)]) } {
        Ok(results) => (Some(ring), results[0].map(|n| n as usize).map_err(raw)),
        Err(error) => (None, Err(raw(error))),
    }
}

/// A request with the buffer of the worker.
fn with_buffer(worker: &mut Worker<'_>, entry: Entry) -> Result<usize> {
    let ring = match worker.ring.take() {
        Some(ring) => ring,
        None => Ring::new(1).map_err(raw)?,
    };
    // SAFETY: the buffer stays: it is left to a request that may go on.
    let (ring, done) = unsafe { run(ring, worker, entry) };
    if ring.is_none() {
        let another = Box::new(Buffer([0; BUFFER * PAGE]));
        Box::leak(std::mem::replace(&mut worker.buffer, another));
    }
    worker.ring = ring;
    done
}

pub fn read(worker: &mut Worker<'_>) -> Result<()> {
    data::read_by(worker, |worker, file, bytes, position, flags| {
        let length = bytes.len() as u32;
        let buffer = worker.buffer.0[bytes].as_mut_ptr();
        let entry = opcode::Read::new(types::Fd(file.as_raw_fd()), buffer, length)
            .offset(position)
            .rw_flags(flags.bits() as i32);
        with_buffer(worker, entry.build())
    })
}

pub fn write(worker: &mut Worker<'_>) -> Result<()> {
    data::write_by(worker, |worker, file, bytes, position, flags| {
        let length = bytes.len() as u32;
        let data = worker.buffer.0[bytes].as_ptr();
        let entry = opcode::Write::new(types::Fd(file.as_raw_fd()), data, length)
            .offset(position)
            .rw_flags(flags.bits() as i32);
        with_buffer(worker, entry.build())
    })
}

fn register(worker: &mut Worker<'_>) -> Result<Registered> {
    let file = worker.wild()?;
    let first = worker.rng.u64(0..300);
    let count = match worker.one_in(3) {
        true => 512,
        false => worker.rng.usize(1..=64),
    };
    let area = file.map(first, count, libc::PROT_READ | libc::PROT_WRITE)?;
    let ring = Ring::new(1).map_err(raw)?;
    let buffer = libc::iovec {
        iov_base: area.address(0),
        iov_len: count * PAGE,
    };
    // SAFETY: the kernel holds the pages itself.
    let done = unsafe { ring.submitter().register_buffers(&[buffer]) };
    done.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(Registered {
        ring,
        area,
        file,
        first,
    })
}

/// Pages are read from where they are in their file, or written there: the same bytes, or older ones of the same page,
/// where the file has another in its place by now.
pub fn registered(worker: &mut Worker<'_>) -> Result<()> {
    let registered = match worker.registered.take() {
        Some(registered) if !worker.one_in(4) => registered,
        _ => register(worker)?,
    };
    let Registered {
        ring,
        area,
        file,
        first,
    } = registered;
    let at = worker.rng.usize(0..area.pages());
    let count = worker.rng.usize(1..=(area.pages() - at).min(BUFFER));
    let (fd, buffer) = (
        types::Fd(file.fd.as_raw_fd()),
        area.address(at).cast::<u8>(),
    );
    let (len, offset) = ((count * PAGE) as u32, (first + at as u64) * PAGE as u64);
    let entry = match worker.rng.bool() {
        true => opcode::ReadFixed::new(fd, buffer, len, 0)
            .offset(offset)
            .build(),
        false => opcode::WriteFixed::new(fd, buffer.cast_const(), len, 0)
            .offset(offset)
            .build(),
    };
    // SAFETY: the pages stay as long as the kernel needs them.
    let (ring, done) = unsafe { run(ring, worker, entry) };
    worker.registered = ring.map(|ring| Registered {
        ring,
        area,
        file,
        first,
    });
    done.map(drop)
}
