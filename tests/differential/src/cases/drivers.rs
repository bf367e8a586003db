//! Files that the kernel makes for itself, and its users of memfd: big keys, udmabuf, DRM.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use anyhow::bail;
use rustix::fs::FallocateFlags;
use stage::switch::Switch;

use crate::harness::memfd::{self, Sealed, ALLOW_SEALING, CLOEXEC, EXEC, GROW, SHRINK, WRITE};
use crate::harness::meminfo::Growth;
use crate::harness::prelude::*;
use crate::harness::process::on_one_processor;

cases! {
    shared => big_keys, buffers_of_memfd, buffers_written, buffers_refused, buffers_of_parts, buffers_of_drm;
}

/// keyctl(2), with the session keyring.
mod keys {
    use super::{Errno, Res};
    use std::ffi::CStr;

    const SESSION: i64 = -3;

    pub fn join() -> Res<i64> {
        // SAFETY: a keyring without a name.
        Errno::check(unsafe { libc::syscall(libc::SYS_keyctl, 1, std::ptr::null::<u8>()) })
    }

    pub fn add(kind: &CStr, name: &CStr, data: &[u8]) -> Res<i64> {
        // SAFETY: two strings, and data with their length.
        Errno::check(unsafe {
            libc::syscall(
                libc::SYS_add_key,
                kind.as_ptr(),
                name.as_ptr(),
                data.as_ptr(),
                data.len(),
                SESSION,
            )
        })
    }

    pub fn read(key: i64, room: usize) -> Res<Vec<u8>> {
        let mut data = vec![0; room];
        // SAFETY: there is as much room as is said.
        let len = Errno::check(unsafe {
            libc::syscall(libc::SYS_keyctl, 11, key, data.as_mut_ptr(), room)
        })?;
        data.truncate(len as usize);
        Ok(data)
    }

    pub fn update(key: i64, data: &[u8]) -> Res<()> {
        // SAFETY: data with its length.
        let done = unsafe { libc::syscall(libc::SYS_keyctl, 2, key, data.as_ptr(), data.len()) };
        Errno::check(done).map(drop)
    }

    pub fn unlink(key: i64) -> Res<()> {
        // SAFETY: takes no pointer.
        Errno::check(unsafe { libc::syscall(libc::SYS_keyctl, 9, key, SESSION) }).map(drop)
    }
}

/// A key with much data has them in a file of the kernel's own.
fn big_keys(t: &mut Trace, _: &Fs) -> Done {
    t.put("keyring", keys::join().map(drop));
    let (shmem, committed) = (Growth::of("Shmem")?, Growth::of("Committed_AS")?);
    let mut all = Vec::new();
    for len in [1, 100, PAGE, 100_000, (1 << 20) - 1, 1 << 20] {
        let data = pattern(len as u32, len);
        let name = std::ffi::CString::new(len.to_string())?;
        let key = keys::add(c"big_key", &name, &data);
        t.put(format!("{len} bytes"), key.map(drop));
        let Ok(key) = key else { continue };
        t.put("read", keys::read(key, len).map(|read| read == data));
        t.put("of it", keys::read(key, len / 2).map(|read| read.len()));
        all.push(key);
    }
    for _ in 0..7 {
        let name = std::ffi::CString::new(format!("another {}", all.len()))?;
        all.extend(keys::add(c"big_key", &name, &pattern(1, (1 << 20) - 1)));
    }
    t.put("keys", (all.len(), shmem.mib()?, committed.mib()?));
    if let Some(&key) = all.last() {
        t.put("update", keys::update(key, &pattern(2, 200_000)));
        t.put(
            "read",
            keys::read(key, 200_000).map(|read| read == pattern(2, 200_000)),
        );
    }
    for key in all {
        keys::unlink(key)?;
    }
    // They are collected by work of the kernel's.
    t.put(
        "gone",
        stage::machine::wait(stage::machine::LATE, || {
            Ok((shmem.mib()?, committed.mib()?) == (0, 0))
        })?,
    );
    Ok(())
}

/// An ioctl(2) with a struct, after which it holds what the kernel wrote.
pub fn ioctl<T>(file: &impl AsRawFd, number: u64, argument: &mut T) -> Res<i32> {
    // SAFETY: the callers give the struct of the number.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), number as _, &raw mut *argument) };
    Errno::check(done.into()).map(|done| done as i32)
}

/// The number of an ioctl that reads and writes its argument.
const fn both<T>(group: u8, number: u8) -> u64 {
    (3 << 30) | ((std::mem::size_of::<T>() as u64) << 16) | ((group as u64) << 8) | number as u64
}

const fn write_only<T>(group: u8, number: u8) -> u64 {
    (1 << 30) | ((std::mem::size_of::<T>() as u64) << 16) | ((group as u64) << 8) | number as u64
}

/// The kernel's struct udmabuf_create, and an item of a list of it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Create {
    file: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Item {
    file: u32,
    pad: u32,
    offset: u64,
    size: u64,
}

#[repr(C)]
struct List {
    flags: u32,
    count: u32,
    items: [Item; 2],
}

pub fn device(path: &str) -> anyhow::Result<OwnedFd> {
    match rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => Ok(file),
        Err(e @ (rustix::io::Errno::NOENT | rustix::io::Errno::NXIO)) => skip!("{path}: {e}"),
        Err(e) => bail!("{path}: {e}"),
    }
}

pub fn buffer(device: &OwnedFd, file: &Fd, offset: u64, size: u64) -> Res<Fd> {
    let mut create = Create {
        file: file.0.as_raw_fd() as u32,
        flags: 1,
        offset,
        size,
    };
    let fd = ioctl(device, write_only::<Create>(b'u', 0x42), &mut create)?;
    // SAFETY: a new descriptor.
    Ok(Fd(unsafe { OwnedFd::from_raw_fd(fd) }))
}

const PAGES: usize = 16;
const LEN: usize = PAGES * PAGE;

/// A file that a buffer may be made of.
fn source(seals: u32) -> anyhow::Result<Fd> {
    let file = memfd::create("buffer", CLOEXEC | ALLOW_SEALING | EXEC)?;
    file.truncate(LEN as u64)?;
    file.pwrite(&pattern(1, 3 * PAGE), 0)?;
    file.seal(seals)?;
    Ok(file)
}

fn buffers_of_memfd(t: &mut Trace, _: &Fs) -> Done {
    let device = device("/dev/udmabuf")?;
    let file = source(SHRINK)?;
    t.put("new", file.is_of_new_files()?);
    let buffer = buffer(&device, &file, 0, LEN as u64)?;
    t.put("pages", file.meta()?.blocks);
    let map = Map::shared(&buffer, LEN, 0)?;
    t.put("seen", map.bytes(0, LEN));
    map.set(0, 200);
    map.set(9 * PAGE, 201);
    t.put(
        "in the file",
        (file.pread(4, 0), file.pread(4, 9 * PAGE as u64)),
    );
    file.pwrite(b"from the file", 5 * PAGE as u64)?;
    t.put("in the buffer", map.bytes(5 * PAGE, 16));
    t.put("sealed", (file.seal(WRITE), file.seal(GROW), file.seals()));
    // What is cut out of the file stays the buffer's.
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    t.put(
        "punch",
        rustix::fs::fallocate(&file, punch, 0, PAGE as u64).map_err(Errno::from),
    );
    t.put("then", (map.bytes(0, 8), file.pread(8, 0)));
    drop(file);
    t.put("file closed", map.bytes(5 * PAGE, 16));
    drop(buffer);
    t.put("buffer closed", map.bytes(5 * PAGE, 16));
    Ok(())
}

/// What was written by a mapping of the buffer stays in the file, of which nothing was written before, when there is no
/// buffer any more.
fn buffers_written(t: &mut Trace, _: &Fs) -> Done {
    let device = device("/dev/udmabuf")?;
    on_one_processor()?;
    let file = memfd::create("buffer", CLOEXEC | ALLOW_SEALING | EXEC)?;
    file.truncate(LEN as u64)?;
    file.seal(SHRINK)?;
    let buffer = buffer(&device, &file, 0, LEN as u64)?;
    let map = Map::shared(&buffer, LEN, 0)?;
    map.fill(0, LEN, 7);
    drop((map, buffer));
    let map = Map::shared(&file, LEN, 0)?;
    for _ in 0..10 {
        t.put("in the file", map.bytes(0, LEN));
        map.advise_all(libc::MADV_PAGEOUT)?;
        std::thread::sleep(Duration::from_millis(20));
    }
    ensure!(
        map.bytes(0, LEN).0 == [7; LEN],
        "what was written to the buffer is lost"
    );
    Ok(())
}

fn buffers_refused(t: &mut Trace, fs: &Fs) -> Done {
    let device = device("/dev/udmabuf")?;
    for seals in [0, SHRINK, SHRINK | GROW, SHRINK | WRITE, WRITE] {
        let file = source(seals)?;
        t.put(
            format!("seals {seals:#x}"),
            buffer(&device, &file, 0, LEN as u64),
        );
    }
    let file = source(SHRINK)?;
    for (offset, size) in [
        (1, PAGE),
        (0, 5),
        (0, 0),
        (LEN, PAGE),
        (0, LEN + PAGE),
        (PAGE, LEN),
        (PAGE, PAGE),
    ] {
        let done = buffer(&device, &file, offset as u64, size as u64);
        t.put(format!("{size} at {offset}"), done);
    }
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let named = d.file("f", &[1; LEN])?;
    t.put("not sealed", buffer(&device, &named, 0, LEN as u64));
    drop((named, d));
    mount.unmount()?;
    Ok(())
}

fn buffers_of_parts(t: &mut Trace, _: &Fs) -> Done {
    let device = device("/dev/udmabuf")?;
    let (one, other) = (source(SHRINK)?, source(SHRINK)?);
    other.pwrite(&pattern(7, PAGE), 0)?;
    let item = |file: &Fd, page: usize, pages: usize| Item {
        file: file.0.as_raw_fd() as u32,
        pad: 0,
        offset: (page * PAGE) as u64,
        size: (pages * PAGE) as u64,
    };
    let mut list = List {
        flags: 1,
        count: 2,
        items: [item(&one, 1, 2), item(&other, 0, 1)],
    };
    // The size in the number is that of the head.
    let number = (1 << 30) | (8 << 16) | (u64::from(b'u') << 8) | 0x43;
    let fd = ioctl(&device, number, &mut list)?;
    // SAFETY: a new descriptor.
    let buffer = Fd(unsafe { OwnedFd::from_raw_fd(fd) });
    let map = Map::shared(&buffer, 3 * PAGE, 0)?;
    t.put("seen", map.bytes(0, 3 * PAGE));
    map.set(2 * PAGE, 99);
    t.put("in the file", other.pread(4, 0));
    Ok(())
}

/// The kernel's struct drm_mode_create_dumb and drm_mode_map_dumb.
#[repr(C)]
#[derive(Default)]
struct Dumb {
    height: u32,
    width: u32,
    bits: u32,
    flags: u32,
    handle: u32,
    pitch: u32,
    size: u64,
}

#[repr(C)]
#[derive(Default)]
struct DumbMap {
    handle: u32,
    pad: u32,
    offset: u64,
}

/// How many pages of files the module under test holds.
fn resident() -> anyhow::Result<i64> {
    let pages = std::fs::read_to_string("/sys/fs/rtmpfs/resident")?;
    Ok(pages.trim_end().parse()?)
}

fn buffers_of_drm(t: &mut Trace, _: &Fs) -> Done {
    let card = device("/dev/dri/card0")?;
    let (shmem, committed) = (Growth::of("Shmem")?, Growth::of("Committed_AS")?);
    let before = resident()?;
    let mut dumb = Dumb {
        height: 1024,
        width: 1024,
        bits: 32,
        ..Dumb::default()
    };
    t.put("create", ioctl(&card, both::<Dumb>(b'd', 0xb2), &mut dumb));
    t.put("size", (dumb.size, dumb.pitch, shmem.mib()?));
    let mut place = DumbMap {
        handle: dumb.handle,
        ..DumbMap::default()
    };
    t.put("map", ioctl(&card, both::<DumbMap>(b'd', 0xb3), &mut place));
    let map = Map::shared(&card, dumb.size as usize, place.offset)?;
    t.put("zeros", map.bytes(0, 2 * PAGE));
    (0..map.pages()).for_each(|page| map.set(page * PAGE, page as u8));
    t.put("written", (shmem.mib()?, committed.mib()?));
    let got = resident()? - before;
    let is_served = got >= map.pages() as i64;
    ensure!(
        is_served == Switch::SharedMemory.is_in_force()?,
        "the module has {got} pages"
    );
    let wrong = (0..map.pages())
        .filter(|page| map.get(page * PAGE) != *page as u8)
        .count();
    t.put("wrong", wrong);
    t.put("read by the kernel", {
        let file = memfd::create("copy", CLOEXEC | EXEC)?;
        // SAFETY: handed to the kernel alone.
        let done = file.pwrite(unsafe { map.raw(0, 2 * PAGE) }, 0);
        (done, file.all()?)
    });
    drop(map);
    drop(card);
    t.put(
        "gone",
        stage::machine::wait(stage::machine::LATE, || Ok(shmem.mib()? == 0))?,
    );
    Ok(())
}
