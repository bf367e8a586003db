// SPDX-License-Identifier: GPL-2.0
//! Files without a mount: memfd_create(2) and seals, segments of System V, shared anonymous memory.

use crate::call::check;
use crate::memory::Area;
use crate::worker::{Mapped, Opened, Worker};
use rustix::fs::{FallocateFlags, MemfdFlags, Mode, SealFlags};
use rustix::io::{Errno, Result};
use stage::pages::PAGE;
use std::mem::MaybeUninit;

const HUGE: usize = 2 << 20;
/// Keys of segments that all processes have in common, and pages of each.
const KEYS: i32 = 4;
const COMMON_PAGES: usize = 64;

pub fn memfd(worker: &mut Worker<'_>) -> Result<()> {
    let mut flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    flags |= match worker.rng.bool() {
        true => MemfdFlags::EXEC,
        false => MemfdFlags::NOEXEC_SEAL,
    };
    let fd = rustix::fs::memfd_create("chaos", flags)?;
    if worker.rng.bool() {
        rustix::fs::ftruncate(&fd, worker.rng.u64(0..600 * PAGE as u64))?;
    }
    let file = worker.opened(fd, false)?;
    if worker.kept.len() > 1 {
        let at = worker.rng.usize(0..worker.kept.len());
        worker.kept.swap_remove(at);
    }
    worker.kept.push(file);
    Ok(())
}

/// Seals a file, and tries what that forbids.
pub fn seal(worker: &mut Worker<'_>) -> Result<()> {
    let sealable = worker.kept.iter().position(|file| file.boundless);
    let Some(at) = sealable else {
        return memfd(worker);
    };
    let file = worker.kept.swap_remove(at);
    let seal = SealFlags::from_bits_retain(1 << worker.rng.u32(0..6));
    let done = rustix::fs::fcntl_add_seals(&file.fd, seal);
    let tried = match done {
        Ok(()) => forbidden(worker, &file, seal),
        Err(_) => Ok(()),
    };
    worker.keep(file);
    tried.and(done)
}

/// Nobody else has the file open.
fn forbidden(worker: &mut Worker<'_>, file: &Opened, seal: SealFlags) -> Result<()> {
    const EXEC: u32 = 0x20;
    let fd = &file.fd;
    if !rustix::fs::fcntl_get_seals(fd)?.contains(seal) {
        worker.wrong(&format!("{seal:?} was added and is not there"));
    }
    let stat = rustix::fs::fstat(fd)?;
    let size = stat.st_size as u64;
    let done = if seal == SealFlags::SEAL {
        rustix::fs::fcntl_add_seals(fd, SealFlags::SHRINK)
    } else if seal == SealFlags::SHRINK && size > 0 {
        rustix::fs::ftruncate(fd, size - 1)
    } else if seal == SealFlags::GROW && size < 1 << 40 {
        rustix::fs::ftruncate(fd, size + 1)
    } else if seal == SealFlags::WRITE || seal == SealFlags::FUTURE_WRITE {
        let page = worker.rng.u64(0..8);
        worker.prepare(file.id, page, 1);
        match worker.rng.u8(0..3) {
            0 => rustix::io::pwrite(fd, &worker.buffer.0[..PAGE], page * PAGE as u64).map(drop),
            1 => {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(fd, flags, page * PAGE as u64, PAGE as u64)
            }
            _ => file
                .map(page, 1, libc::PROT_READ | libc::PROT_WRITE)
                .map(drop),
        }
    } else if seal.bits() == EXEC {
        rustix::fs::fchmod(fd, Mode::from_raw_mode((stat.st_mode ^ 0o100) & 0o7777))
    } else {
        return Ok(());
    };
    match done {
        Ok(()) => worker.wrong(&format!(
            "{seal:?} forbids nothing, of a file of {size} bytes"
        )),
        Err(Errno::PERM) => {}
        // No memory, on the way there.
        Err(error) => return Err(error),
    }
    Ok(())
}

pub fn anonymous(worker: &mut Worker<'_>) -> Result<()> {
    let (count, align) = match worker.one_in(3) {
        true => (512, HUGE),
        false => (worker.rng.usize(1..=96), PAGE),
    };
    let mut flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    for (flag, n) in [(libc::MAP_NORESERVE, 4), (libc::MAP_POPULATE, 10)] {
        if worker.one_in(n) {
            flags |= flag;
        }
    }
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    let area = Area::new(-1, 0, count * PAGE, prot, flags, align)?;
    let id = worker.salt ^ WITHOUT_MOUNT ^ worker.rng.u64(0..1 << 40);
    keep(worker, area, id);
    Ok(())
}

/// Of what pages of files without a mount say.
pub const WITHOUT_MOUNT: u64 = 1 << 43;
const OF_A_SEGMENT: u64 = 1 << 42;

fn keep(worker: &mut Worker<'_>, area: Area, id: u64) {
    worker.keep_map(Mapped {
        area,
        first: 0,
        id,
        foreign: false,
        writable: true,
    });
}

fn control(id: i32, command: i32) -> Result<i64> {
    let mut raw = MaybeUninit::<libc::shmid_ds>::uninit();
    // SAFETY: there is room for what the kernel writes; what it reads is not asked for.
    check(unsafe { libc::shmctl(id, command, raw.as_mut_ptr()) })
}

/// A segment: of this thread alone, which goes with its mappings, or one that any process may have, lock and remove.
pub fn segment(worker: &mut Worker<'_>) -> Result<()> {
    let common = worker.rng.bool();
    let (key, pages) = match common {
        true => (worker.rng.i32(1..=KEYS), COMMON_PAGES),
        false => (libc::IPC_PRIVATE, worker.rng.usize(1..600)),
    };
    let mut flags = libc::IPC_CREAT | 0o600;
    if worker.one_in(4) {
        flags |= libc::SHM_NORESERVE;
    }
    // SAFETY: takes no pointer.
    let id = check(unsafe { libc::shmget(key, pages * PAGE, flags) })? as i32;
    let area = Area::attached(id, pages * PAGE);
    if !common || worker.one_in(10) {
        control(id, libc::IPC_RMID)?;
    }
    let area = area?;
    let locked = match worker.rng.u8(0..8) {
        0 => control(id, libc::SHM_LOCK),
        1 => control(id, libc::SHM_UNLOCK),
        2 => control(id, libc::IPC_STAT),
        _ => Ok(0),
    };
    if worker.one_in(6) {
        area.detach()?;
    } else {
        // Another one with the same number comes when this is gone, with the same bits of it or not.
        keep(
            worker,
            area,
            worker.salt ^ WITHOUT_MOUNT ^ OF_A_SEGMENT ^ id as u64,
        );
    }
    locked.map(drop)
}

/// Removes all segments of the namespace; those that are attached go later.
pub fn remove_segments() {
    const SHM_INFO: i32 = 14;
    const SHM_STAT: i32 = 13;
    // Room for either structure.
    let mut room = [0_u64; 64];
    // SAFETY: there is room for what the kernel writes.
    unsafe {
        // A kernel without System V IPC has none.
        let last = libc::shmctl(0, SHM_INFO, room.as_mut_ptr().cast());
        for place in 0..=last {
            let id = libc::shmctl(place, SHM_STAT, room.as_mut_ptr().cast());
            libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut());
        }
    }
}
