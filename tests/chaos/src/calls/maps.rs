// SPDX-License-Identifier: GPL-2.0
//! Mappings.

use crate::call::check;
use crate::faults;
use crate::memory::Area;
use crate::worker::{Mapped, Worker};
use rustix::fd::AsRawFd;
use rustix::io::{Errno, Result};
use stage::pages::{self, PAGE};

const HUGE: usize = 2 << 20;

pub fn make(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.file()?;
    let huge = worker.one_in(3);
    let (first, count, align) = match huge {
        true => (worker.rng.u64(0..2) * 512, 512, HUGE),
        false => (worker.page(), worker.rng.usize(1..=96), PAGE),
    };
    let private = worker.one_in(4);
    let may_write = private || !(file.owned || worker.one_in(6));
    let mut prot = libc::PROT_READ;
    if may_write {
        prot |= libc::PROT_WRITE;
    }
    let mut flags = if private {
        libc::MAP_PRIVATE
    } else {
        libc::MAP_SHARED
    };
    if worker.one_in(10) {
        flags |= libc::MAP_POPULATE;
    }
    if worker.one_in(10) {
        flags |= libc::MAP_NORESERVE;
    }
    let area = Area::new(
        file.fd.as_raw_fd(),
        first.wrapping_mul(PAGE as u64),
        count * PAGE,
        prot,
        flags,
        align,
    );
    let (id, foreign) = (file.id, file.foreign);
    worker.keep(file);
    worker.keep_map(Mapped {
        area: area?,
        first,
        id,
        foreign,
        writable: may_write,
    });
    Ok(())
}

pub(super) fn with(
    worker: &mut Worker<'_>,
    act: impl FnOnce(&mut Worker<'_>, &mut Mapped) -> Result<()>,
) -> Result<()> {
    if worker.maps.is_empty() {
        make(worker)?;
    }
    let at = worker.rng.usize(0..worker.maps.len());
    let mut map = worker.maps.swap_remove(at);
    let result = act(worker, &mut map);
    worker.maps.push(map);
    result
}

pub fn read(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, |worker, map| {
        let mut page = [0; PAGE];
        let begin = worker.rng.usize(0..map.area.pages());
        let step = worker.rng.usize(1..4);
        for n in (begin..map.area.pages()).step_by(step).take(6) {
            match map.area.read(n, &mut page) {
                Some(()) => worker.look(
                    &page,
                    map.first.wrapping_add(n as u64).wrapping_mul(PAGE as u64),
                    map.id,
                    map.foreign,
                ),
                None => worker.bus(),
            }
        }
        Ok(())
    })
}

pub fn write(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, |worker, map| {
        if !map.writable {
            return Err(Errno::ACCESS);
        }
        let mut page = [0; PAGE];
        let version = worker.rng.u64(1..1 << 40);
        let begin = worker.rng.usize(0..map.area.pages());
        let step = worker.rng.usize(1..4);
        let end = if worker.one_in(3) {
            8 * worker.rng.usize(1..512)
        } else {
            PAGE
        };
        for n in (begin..map.area.pages()).step_by(step).take(6) {
            pages::fill(&mut page, map.id, map.first.wrapping_add(n as u64), version);
            if map.area.write(n, &page, 0..end).is_none() {
                worker.bus();
            }
        }
        Ok(())
    })
}

pub fn drop_one(worker: &mut Worker<'_>) -> Result<()> {
    if !worker.maps.is_empty() {
        let at = worker.rng.usize(0..worker.maps.len());
        worker.maps.swap_remove(at);
    }
    Ok(())
}

/// Some pages of a mapping.
fn part(worker: &mut Worker<'_>, map: &Mapped) -> (*mut libc::c_void, usize) {
    if worker.rng.bool() {
        return (map.area.address(0), map.area.pages() * PAGE);
    }
    let at = worker.rng.usize(0..map.area.pages());
    let count = worker.rng.usize(1..=map.area.pages() - at);
    (map.area.address(at), count * PAGE)
}

pub fn advise(worker: &mut Worker<'_>) -> Result<()> {
    const GUARD_INSTALL: i32 = 102;
    const GUARD_REMOVE: i32 = 103;
    const ADVICE: [i32; 22] = [
        libc::MADV_PAGEOUT,
        libc::MADV_PAGEOUT,
        libc::MADV_PAGEOUT,
        libc::MADV_COLD,
        libc::MADV_COLLAPSE,
        libc::MADV_COLLAPSE,
        libc::MADV_REMOVE,
        libc::MADV_DONTNEED,
        libc::MADV_DONTNEED,
        libc::MADV_FREE,
        libc::MADV_HUGEPAGE,
        libc::MADV_NOHUGEPAGE,
        libc::MADV_WILLNEED,
        libc::MADV_POPULATE_READ,
        libc::MADV_POPULATE_WRITE,
        libc::MADV_DONTFORK,
        libc::MADV_DOFORK,
        libc::MADV_MERGEABLE,
        libc::MADV_DONTNEED_LOCKED,
        libc::MADV_WIPEONFORK,
        GUARD_INSTALL,
        GUARD_REMOVE,
    ];
    with(worker, |worker, map| {
        let advice = ADVICE[worker.rng.usize(0..ADVICE.len())];
        let (start, len) = part(worker, map);
        // A hole that the file's owner does not know of is no way to treat it: such mappings cannot be written to, and
        // the kernel refuses.
        // SAFETY: nobody has references to the area.
        check(unsafe { libc::madvise(start, len, advice) }).map(drop)
    })
}

pub fn remap(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, |worker, map| {
        if worker.one_in(3) {
            let beside = Mapped {
                area: map.area.beside()?,
                ..*map
            };
            worker.keep_map(beside);
            return Ok(());
        }
        let pages = worker.rng.usize(1..=600);
        map.area.moved(pages)
    })
}

pub fn protect(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, |worker, map| {
        let full = if map.writable {
            libc::PROT_READ | libc::PROT_WRITE
        } else {
            libc::PROT_READ
        };
        let (start, len) = part(worker, map);
        let prot = if worker.rng.bool() {
            libc::PROT_READ
        } else {
            full
        };
        // SAFETY: what cannot be written to is replaced when it is.
        check(unsafe { libc::mprotect(start, len, prot) }).map(drop)
    })
}

pub fn lock(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, |worker, map| {
        let (start, len) = part(worker, map);
        // SAFETY: changes no contents.
        check(unsafe {
            match worker.rng.u8(0..3) {
                0 => libc::mlock(start, len),
                1 => libc::mlock2(start, len, libc::MLOCK_ONFAULT),
                _ => libc::munlock(start, len),
            }
        })
        .map(drop)
    })
}

pub fn sync(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, |worker, map| {
        let (start, len) = part(worker, map);
        // SAFETY: changes no contents.
        check(unsafe { libc::msync(start, len, libc::MS_SYNC) }).map(drop)
    })
}

pub fn in_core(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, |_, map| {
        let mut core = [0; 600];
        let len = map.area.pages().min(core.len()) * PAGE;
        // SAFETY: there is a byte for each page.
        check(unsafe { libc::mincore(map.area.address(0), len, core.as_mut_ptr()) }).map(drop)
    })
}

/// Pages go to other places of the mapping and would no longer be where they belong: there and away.
pub fn remap_pages(worker: &mut Worker<'_>) -> Result<()> {
    let file = worker.wild()?;
    let area = file.map(0, 16, libc::PROT_READ);
    let (id, foreign) = (file.id, file.foreign);
    worker.keep(file);
    let area = area?;
    // SAFETY: nobody has references to the area.
    let done = faults::spared(|| unsafe {
        libc::syscall(
            libc::SYS_remap_file_pages,
            area.address(0),
            4 * PAGE,
            0,
            8_usize,
            0,
        )
    });
    check(done)?;
    let mut page = [0; PAGE];
    match area.read(1, &mut page) {
        Some(()) => worker.look(&page, 9 * PAGE as u64, id, foreign),
        None => worker.bus(),
    }
    Ok(())
}

pub fn bind(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, |worker, map| {
        let (start, len) = part(worker, map);
        let (mode, flags) = (worker.rng.u64(0..6), worker.rng.u64(0..4));
        let nodes: u64 = if mode == 0 || mode == 4 {
            0
        } else {
            worker.rng.u64(1..4)
        };
        // SAFETY: the mask has as many bits as are said.
        let done = check(unsafe {
            libc::syscall(
                libc::SYS_mbind,
                start,
                len,
                mode,
                &raw const nodes,
                64_u64,
                flags,
            )
        });
        match done {
            // Pages that are not where they are to be.
            Err(Errno::IO) if flags != 0 => Ok(()),
            done => done.map(drop),
        }
    })
}

pub fn move_pages(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, |worker, map| {
        let count = map.area.pages().min(16);
        let mut addresses = [std::ptr::null_mut(); 16];
        (0..count).for_each(|n| addresses[n] = map.area.address(n));
        let nodes = [worker.rng.i32(0..2); 16];
        let mut status = [0_i32; 16];
        // SAFETY: each list has `count` elements.
        check(unsafe {
            libc::syscall(
                libc::SYS_move_pages,
                0,
                count,
                addresses.as_ptr(),
                nodes.as_ptr(),
                status.as_mut_ptr(),
                2,
            )
        })
        .map(drop)
    })
}

/// One page of the calling process, as another process would read or write it.
fn remotely(worker: &mut Worker<'_>, map: &Mapped, n: usize, writes: bool) -> Result<i64> {
    let local = libc::iovec {
        iov_base: worker.buffer.0.as_mut_ptr().cast(),
        iov_len: PAGE,
    };
    let remote = libc::iovec {
        iov_base: map.area.address(n),
        iov_len: PAGE,
    };
    // SAFETY: a page on each side.
    check(unsafe {
        let process = libc::getpid();
        match writes {
            true => libc::process_vm_writev(process, &local, 1, &remote, 1, 0),
            false => libc::process_vm_readv(process, &local, 1, &remote, 1, 0),
        }
    } as i64)
}

pub fn read_remotely(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, |worker, map| {
        let n = worker.rng.usize(0..map.area.pages());
        let done = remotely(worker, map, n, false)?;
        let position = map.first.wrapping_add(n as u64).wrapping_mul(PAGE as u64);
        worker.look(
            &worker.buffer.0[..done as usize],
            position,
            map.id,
            map.foreign,
        );
        Ok(())
    })
}

pub fn write_remotely(worker: &mut Worker<'_>) -> Result<()> {
    with(worker, |worker, map| {
        if !map.writable {
            return Err(Errno::ACCESS);
        }
        let n = worker.rng.usize(0..map.area.pages());
        worker.prepare(map.id, map.first.wrapping_add(n as u64), 1);
        remotely(worker, map, n, true).map(drop)
    })
}

/// A child that reads and writes what it inherits.
pub fn fork(worker: &mut Worker<'_>) -> Result<()> {
    let pause = worker.rng.u64(0..20);
    with(worker, |worker, map| {
        let version = worker.rng.u64(1..1 << 40);
        let mut page = [0; PAGE];
        let code = crate::process::child(|| {
            for n in (0..map.area.pages()).step_by(3).take(6) {
                let position = map.first.wrapping_add(n as u64).wrapping_mul(PAGE as u64);
                let read = map.area.read(n, &mut page);
                if read.is_some()
                    && !map.foreign
                    && pages::first_foreign(&page, position, map.id).is_some()
                {
                    return 1;
                }
                if map.writable {
                    pages::fill(&mut page, map.id, map.first.wrapping_add(n as u64), version);
                    let _ = map.area.write(n, &page, 0..PAGE);
                }
            }
            crate::process::pause(pause);
            0
        })?;
        if code == Some(1) {
            worker.wrong("a child read a page that is not its file's");
        }
        Ok(())
    })
}
