// SPDX-License-Identifier: GPL-2.0
//! Pages on their way through pipes.

use crate::call::check;
use crate::worker::{Opened, Pipe, Worker};
use rustix::fd::AsRawFd;
use rustix::io::{Errno, Result};
use rustix::pipe::SpliceFlags;
use stage::pages::PAGE;

fn flags(worker: &mut Worker<'_>) -> SpliceFlags {
    let more = if worker.rng.bool() {
        SpliceFlags::MOVE
    } else {
        SpliceFlags::MORE
    };
    SpliceFlags::NONBLOCK | more
}

/// Some of a file in a new pipe: where it begins, and how much.
fn fill(worker: &mut Worker<'_>, file: &Opened) -> Result<(Pipe, u64, usize)> {
    let pipe = Pipe::new()?;
    let position = worker.position();
    let most = worker.count() * PAGE;
    let length = worker.rng.usize(1..=most);
    let flags = flags(worker);
    let mut offset = position;
    let done = rustix::pipe::splice(
        &file.fd,
        Some(&mut offset),
        &pipe.write,
        None,
        length,
        flags,
    )?;
    Ok((pipe, position, done))
}

pub fn splice_out(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.file()?;
    let filled = fill(worker, &file);
    let (id, foreign) = (file.id, file.foreign);
    worker.keep(file);
    let (pipe, position, length) = filled?;
    if worker.one_in(4) {
        worker.keep_pipe(pipe);
        return Ok(());
    }
    let got = worker.empty(&pipe, length)?;
    worker.look(&worker.buffer.0[..got], position, id, foreign);
    Ok(())
}

/// From a pipe into a file, whose bytes are as they belong there.
pub fn splice_in(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.wild()?;
    let page = worker.page();
    let count = worker.count();
    worker.prepare(file.id, page, count);
    let pipe = Pipe::new()?;
    let length = rustix::io::write(&pipe.write, &worker.buffer.0[..count * PAGE])?;
    let flags = flags(worker);
    let mut offset = page.wrapping_mul(PAGE as u64);
    let result = rustix::pipe::splice(&pipe.read, None, &file.fd, Some(&mut offset), length, flags);
    worker.keep(file);
    result.map(drop)
}

/// The pages of a mapping are in a pipe, and then in the file that they are from.
pub fn vmsplice(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.wild()?;
    let page = worker.rng.u64(0..300);
    let offset = page * PAGE as u64;
    let count = worker.count();
    let area = file.map(page, count, libc::PROT_READ);
    let result = area.and_then(|area| {
        let pipe = Pipe::new()?;
        let vector = libc::iovec {
            iov_base: area.address(0),
            iov_len: count * PAGE,
        };
        // SAFETY: the area is as long as is said.
        let length = check(unsafe {
            libc::vmsplice(pipe.write.as_raw_fd(), &vector, 1, libc::SPLICE_F_NONBLOCK)
        } as i64)?;
        if worker.rng.bool() {
            // It goes on without the mapping.
            drop(area);
        }
        if worker.one_in(4) {
            worker.keep_pipe(pipe);
            return Ok(());
        }
        let mut to = offset;
        let flags = flags(worker);
        rustix::pipe::splice(
            &pipe.read,
            None,
            &file.fd,
            Some(&mut to),
            length as usize,
            flags,
        )
        .map(drop)
    });
    worker.keep(file);
    result
}

pub fn sendfile(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.file()?;
    let mut position = worker.position();
    let length = worker.rng.usize(1..64 * PAGE);
    let result = worker
        .foreign()
        .and_then(|to| rustix::fs::sendfile(&to.fd, &file.fd, Some(&mut position), length));
    worker.keep(file);
    result.map(drop)
}

pub fn copy_range(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.file()?;
    let (mut from, mut to) = (worker.position(), worker.position());
    let length = worker.rng.usize(1..128 * PAGE);
    let result = worker.foreign().and_then(|target| {
        rustix::fs::copy_file_range(&file.fd, Some(&mut from), &target.fd, Some(&mut to), length)
    });
    worker.keep(file);
    result.map(drop)
}

pub fn tee(worker: &mut Worker<'_>) -> Result<()> {
    let Some(from) = worker.pipes.pop() else {
        return leave_full(worker);
    };
    let to = Pipe::new()?;
    let result = rustix::pipe::tee(&from.read, &to.write, 16 * PAGE, SpliceFlags::NONBLOCK);
    worker.keep_pipe(from);
    worker.keep_pipe(to);
    result.map(drop)
}

/// A pipe that holds pages of a file for as long as it is there.
pub fn leave_full(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.file()?;
    let pipe = Pipe::new()?;
    let mut position = worker.position();
    let mut result = Ok(());
    for _ in 0..16 {
        let flags = flags(worker);
        match rustix::pipe::splice(
            &file.fd,
            Some(&mut position),
            &pipe.write,
            None,
            16 * PAGE,
            flags,
        ) {
            Ok(0) | Err(Errno::AGAIN) => break,
            Ok(_) => {}
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    worker.keep(file);
    worker.keep_pipe(pipe);
    result
}

pub fn drain(worker: &mut Worker<'_>) -> Result<()> {
    let Some(pipe) = worker.pipes.pop() else {
        return Ok(());
    };
    for _ in 0..16 {
        match rustix::io::read(&pipe.read, &mut worker.buffer.0[..]) {
            Ok(0) | Err(Errno::AGAIN) => break,
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
