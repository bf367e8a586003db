// SPDX-License-Identifier: GPL-2.0
//! Pages that only one thread changes, which therefore knows what each holds: those of a file of its own, or a part of
//! one whose other parts other threads change at the same time.

use crate::memory::Area;
use crate::worker::{Pipe, Worker, BUFFER, MOST_WORKERS};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags};
use rustix::io::{Errno, Result};
use stage::pages::{self, PAGE};

/// Of a file of its own: more than one huge page.
const PAGES: usize = 600;
/// Of a part.
const PART: usize = 40;
pub const COMMON: &str = "own/common";
/// Bytes of the file of all, in which there is a part for each slot of a worker.
pub const COMMON_SIZE: u64 = (PART * MOST_WORKERS * PAGE) as u64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    Hole,
    Version(u64),
    /// Changed in part: only that it is no other's is known.
    Some,
}

pub struct Own {
    file: OwnedFd,
    id: u64,
    /// Where in the file the pages begin; what is below is a number from there.
    base: usize,
    pages: Vec<Known>,
    version: u64,
    common: bool,
}

impl Own {
    fn new(worker: &mut Worker<'_>) -> Result<Self> {
        if worker.rng.bool() {
            return Self::part(worker);
        }
        let path = format!("own/{}", worker.slot);
        match rustix::fs::unlinkat(worker.root, &path, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(worker.root, &path, flags, Mode::from_raw_mode(0o644))?;
        let id = worker.id(&file)?;
        rustix::fs::ftruncate(&file, (PAGES * PAGE) as u64)?;
        Ok(Self {
            file,
            id,
            base: 0,
            pages: vec![Known::Hole; PAGES],
            version: 0,
            common: false,
        })
    }

    fn part(worker: &mut Worker<'_>) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::openat(worker.root, COMMON, flags, Mode::empty())?;
        let id = worker.id(&file)?;
        Ok(Self {
            file,
            id,
            base: worker.slot * PART,
            // As the last worker with this slot has left them.
            pages: vec![Known::Some; PART],
            version: worker.rng.u64(1..1 << 40) << 20,
            common: true,
        })
    }

    /// Where a page is in the file.
    fn offset(&self, at: usize) -> u64 {
        ((self.base + at) * PAGE) as u64
    }

    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn check(&self, worker: &Worker<'_>, page: &[u8], at: usize) {
        let (id, index) = (self.id, (self.base + at) as u64);
        match self.pages[at] {
            Known::Hole => {
                if let Some(byte) = page.iter().position(|byte| *byte != 0) {
                    let begin = byte & !7;
                    let mut again = [0; PAGE];
                    let read = rustix::io::pread(&self.file, &mut again, self.offset(at));
                    let first = again.iter().position(|byte| *byte != 0);
                    worker.wrong(&format!(
                        "page {index} of the own file {id:#x} is no hole from byte {byte} on: {:02x?}; read again \
                         ({read:?}), it is none from {first:?} on",
                        &page[begin..(begin + 32).min(PAGE)]
                    ));
                }
            }
            Known::Version(version) => {
                if let Err(error) = pages::check(page, id, index, version) {
                    worker.wrong(&format!("own file: {error:#}"));
                }
            }
            Known::Some => worker.look(page, self.offset(at), id, false),
        }
    }

    fn write(&mut self, worker: &mut Worker<'_>, at: usize, count: usize) -> Result<()> {
        let version = self.next();
        for (n, page) in worker
            .buffer
            .0
            .chunks_exact_mut(PAGE)
            .take(count)
            .enumerate()
        {
            pages::fill(page, self.id, (self.base + at + n) as u64, version);
        }
        let done = rustix::io::pwrite(
            &self.file,
            &worker.buffer.0[..count * PAGE],
            self.offset(at),
        )?;
        self.pages[at..at + done / PAGE].fill(Known::Version(version));
        if done % PAGE != 0 {
            self.pages[at + done / PAGE] = Known::Some;
        }
        Ok(())
    }

    fn punch(&mut self, at: usize, count: usize) -> Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&self.file, flags, self.offset(at), (count * PAGE) as u64)?;
        self.pages[at..at + count].fill(Known::Hole);
        Ok(())
    }

    fn map(&self, at: usize, count: usize, flags: i32) -> Result<Area> {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        Area::new(
            self.file.as_raw_fd(),
            self.offset(at),
            count * PAGE,
            prot,
            flags,
            0,
        )
    }
}

/// Does something with the pages of this thread, `count` from `at` on, of which there are at most `most`.
fn with(
    worker: &mut Worker<'_>,
    most: usize,
    act: impl FnOnce(&mut Own, &mut Worker<'_>, usize, usize) -> Result<()>,
) -> Result<()> {
    let mut own = match worker.own.take() {
        Some(own) if !worker.one_in(100) => own,
        _ => Own::new(worker)?,
    };
    let at = worker.rng.usize(0..own.pages.len());
    let most = if worker.one_in(4) { most } else { most.min(6) };
    let count = worker.rng.usize(1..=most.min(own.pages.len() - at));
    let result = act(&mut own, worker, at, count);
    worker.own = Some(own);
    result
}

pub fn write(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, BUFFER, |own, worker, at, count| {
        own.write(worker, at, count)
    })
}

pub fn read(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, BUFFER, |own, worker, at, count| {
        let buffer = &mut worker.buffer.0[..count * PAGE];
        let done = rustix::io::pread(&own.file, buffer, own.offset(at))?;
        for n in 0..done / PAGE {
            own.check(worker, &worker.buffer.0[n * PAGE..(n + 1) * PAGE], at + n);
        }
        Ok(())
    })
}

pub fn map(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, 12, |own, worker, at, count| {
        let area = own.map(at, count, libc::MAP_SHARED)?;
        let mut page = [0; PAGE];
        for n in 0..count {
            match area.read(n, &mut page) {
                Some(()) => own.check(worker, &page, at + n),
                None => {
                    // What is mapped there now is no page of the file.
                    worker.bus();
                    continue;
                }
            }
            if worker.rng.bool() {
                let version = own.next();
                pages::fill(&mut page, own.id, (own.base + at + n) as u64, version);
                own.pages[at + n] = match area.write(n, &page, 0..PAGE) {
                    Some(()) => Known::Version(version),
                    None => Known::Some,
                };
            }
            if worker.board.is_over() {
                break;
            }
        }
        if worker.one_in(3) {
            // SAFETY: changes no contents.
            crate::call::check(unsafe {
                libc::madvise(area.address(0), count * PAGE, libc::MADV_PAGEOUT)
            })?;
        }
        Ok(())
    })
}

pub fn cut(worker: &mut Worker<'_>) -> Result<()> {
    let within = if worker.rng.bool() {
        0
    } else {
        worker.rng.usize(0..PAGE)
    };
    with(worker, 1, |own, worker, at, count| {
        if own.common {
            // Others have the rest of it.
            return own.punch(at, count);
        }
        rustix::fs::ftruncate(&own.file, own.offset(at) + within as u64)?;
        let before = own.pages[at];
        own.pages[at..].fill(Known::Hole);
        own.pages[at] = if within == 0 {
            Known::Hole
        } else {
            Known::Some
        };
        rustix::fs::ftruncate(&own.file, (PAGES * PAGE) as u64)?;
        let mut page = [0; PAGE];
        if rustix::io::pread(&own.file, &mut page, own.offset(at))? < PAGE {
            return Ok(());
        }
        let mut wanted = [0; PAGE];
        match before {
            Known::Hole => {}
            Known::Version(version) => pages::fill(&mut wanted, own.id, at as u64, version),
            Known::Some => wanted = page,
        }
        wanted[within..].fill(0);
        if let Some(wrong) = (0..PAGE).find(|n| page[*n] != wanted[*n]) {
            worker.wrong(&format!(
                "page {at} of the own file {:#x}, that was cut at {within}, is wrong from byte {wrong} on ({:#x})",
                own.id, page[wrong]
            ));
        }
        Ok(())
    })
}

pub fn punch(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, PAGES, |own, _, at, count| own.punch(at, count))
}

/// Changes no contents, whether it succeeds or not.
pub fn allocate(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, PAGES, |own, _, at, count| {
        let (offset, len) = (own.offset(at), (count * PAGE) as u64);
        rustix::fs::fallocate(&own.file, FallocateFlags::KEEP_SIZE, offset, len)
    })
}

/// Through a pipe, whose pages are those of the file.
pub fn send(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, BUFFER, |own, worker, at, count| {
        let pipe = Pipe::new()?;
        let mut offset = own.offset(at);
        let flags = rustix::pipe::SpliceFlags::NONBLOCK;
        let done = rustix::pipe::splice(
            &own.file,
            Some(&mut offset),
            &pipe.write,
            None,
            count * PAGE,
            flags,
        )?;
        let got = worker.empty(&pipe, done)?;
        for n in 0..got / PAGE {
            own.check(worker, &worker.buffer.0[n * PAGE..(n + 1) * PAGE], at + n);
        }
        Ok(())
    })
}

/// A private mapping whose odd pages are copied: by this process before it forks, and by its child once more.
pub fn fork(worker: &mut Worker<'_>) -> Result<()> {
    const OTHER: u64 = 1 << 20;
    const COUNT: usize = 16;
    let pause = worker.rng.u64(0..30);
    with(worker, 1, |own, worker, at, _| {
        let at = at.min(own.pages.len() - COUNT);
        let area = own.map(at, COUNT, libc::MAP_PRIVATE)?;
        let mut page = [0; PAGE];
        for n in 0..COUNT {
            match area.read(n, &mut page) {
                Some(()) => own.check(worker, &page, at + n),
                None => return Err(Errno::NOMEM),
            }
            if n % 2 == 1 {
                pages::fill(&mut page, OTHER, n as u64, 1);
                area.write(n, &page, 0..PAGE).ok_or(Errno::NOMEM)?;
            }
        }
        let odd = || (1..COUNT).step_by(2);
        // Whether it has that version; none where the pages did not come.
        let holds = |page: &mut [u8; PAGE], version| {
            let mut right = true;
            for n in odd() {
                area.read(n, page)?;
                right &= pages::is(page, OTHER, n as u64, version);
            }
            Some(right)
        };
        let first = crate::process::child(|| {
            let first = holds(&mut page, 1);
            for n in odd() {
                pages::fill(&mut page, OTHER, n as u64, 2);
                if area.write(n, &page, 0..PAGE).is_none() {
                    return 0;
                }
            }
            crate::process::pause(pause);
            match (first, holds(&mut page, 2)) {
                (Some(false), _) | (_, Some(false)) => 1,
                _ => 0,
            }
        })?;
        if first == Some(1) {
            worker.wrong("a child saw other data than its own");
        }
        if holds(&mut page, 1) == Some(false) {
            worker.wrong("a child has changed the private copies of its parent");
        }
        // Others look at the file while it is like this, and its owner sees what it wrote.
        Ok(())
    })
}
