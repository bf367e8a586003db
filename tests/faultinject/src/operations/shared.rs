// SPDX-License-Identifier: GPL-2.0
//! Files without a mount, of memfd_create(2), System V IPC and shared anonymous memory; and the switches by which the
//! module under test serves them, and mounts of type tmpfs.

use super::*;
use anyhow::bail;
use stage::skip::Skip;
use stage::switch::{device_of_new_files, Switch};

/// Of a file; what is committed for it, and left so, shows.
const LENGTH: usize = 4 << 20;

/// What of it gets pages: each is an allocation or more, and all are made anew for each that fails.
const FILLED: usize = 64 * PAGE;

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("memfd_create", nothing, memfd, of_new_files).without_mount(),
        Operation::new(
            "memfd_create and 256 KiB",
            nothing,
            filled_memfd,
            memfd_is_full,
        )
        .without_mount(),
        Operation::new("shmget", nothing, shmget, removed).without_mount(),
        Operation::new("shmat", segment, shmat, removed).without_mount(),
        Operation::new("shmctl, SHM_LOCK", segment, lock, removed).without_mount(),
        Operation::new("shared anonymous mapping", nothing, map, stored).without_mount(),
        Operation::new("shared mapping of /dev/zero", zeros, map_file, stored).without_mount(),
        Operation::new("store to shared anonymous memory", mapping, store, stored).without_mount(),
        Operation::new(
            "write behind the end of shared anonymous memory",
            file_of_mapping,
            grow,
            has_grown,
        )
        .without_mount(),
        Operation::new(
            "fallocate behind the end of shared anonymous memory",
            file_of_mapping,
            allocate,
            has_grown,
        )
        .without_mount(),
        Operation::new(
            "private mapping of a memfd, store",
            private,
            store,
            |_, held| {
                let mut data = vec![9; LENGTH];
                held.file
                    .expect("prepared with a file")
                    .read_exact_at(&mut data, 0)?;
                ensure!(
                    data == pattern(LENGTH),
                    "the file has what was stored to its private copy"
                );
                Ok(())
            },
        )
        .without_mount(),
        Operation::new(
            "shared memory, switched on",
            switch_off,
            switch_on,
            is_switched_on,
        ),
        Operation::new(
            "shared memory, switched on and off",
            switch_off,
            on_and_off,
            |_, _| Ok(()),
        ),
        Operation::new(
            "mount of type tmpfs",
            mounts_on,
            |h| mounts::mount(h, 0),
            |place, held| {
                ensure!(
                    stage::switch::uses()? > held.moved as u64,
                    "tmpfs serves it"
                );
                mounts::mounted(place, held)
            },
        ),
    ]
}

fn nothing(_: &Place) -> Result<Held> {
    Ok(Held::default())
}

fn memfd(held: &mut Held) -> io::Result<()> {
    // SAFETY: a name that ends with a zero.
    let fd = check(
        unsafe { libc::memfd_create(c"file".as_ptr(), libc::MFD_CLOEXEC | MFD_EXEC) }.into(),
    )?;
    // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
    held.file = Some(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd as RawFd) });
    Ok(())
}

const MFD_EXEC: libc::c_uint = 0x10;

fn of_new_files(_: &Place, held: Held) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let file = held.file.expect("made by the operation");
    let (device, expected) = (file.metadata()?.dev(), device_of_new_files()?);
    ensure!(
        device == expected,
        "a file of device {device}, not of {expected}"
    );
    Ok(())
}

/// What a file has, that there is at once or not at all.
fn filled_memfd(held: &mut Held) -> io::Result<()> {
    memfd(held)?;
    // SAFETY: no memory is passed.
    let done = unsafe { libc::fallocate(held.fd(), 0, 0, FILLED as i64) };
    check(done.into())
        .map(drop)
        .inspect_err(|_| held.file = None)
}

fn memfd_is_full(place: &Place, held: Held) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let blocks = held
        .file
        .as_ref()
        .expect("made by the operation")
        .metadata()?
        .blocks();
    ensure!(blocks == FILLED as u64 / 512, "{blocks} blocks");
    of_new_files(place, held)
}

/// A segment of System V. It goes with the last that has it attached.
pub struct Segment(i32);

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: the command takes no pointer.
        unsafe { libc::shmctl(self.0, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

fn shmget(held: &mut Held) -> io::Result<()> {
    // SAFETY: takes no pointer.
    let id = check(unsafe { libc::shmget(libc::IPC_PRIVATE, LENGTH, 0o1600) }.into())?;
    held.segment = Some(Segment(id as i32));
    Ok(())
}

fn segment(_: &Place) -> Result<Held> {
    let mut held = Held::default();
    shmget(&mut held)?;
    Ok(held)
}

fn shmat(held: &mut Held) -> io::Result<()> {
    let id = held.segment.as_ref().expect("prepared with a segment").0;
    held.map = Some(Map::attached(id, LENGTH, 0)?);
    Ok(())
}

fn lock(held: &mut Held) -> io::Result<()> {
    let id = held.segment.as_ref().expect("prepared with a segment").0;
    // SAFETY: the command takes no pointer.
    check(unsafe { libc::shmctl(id, libc::SHM_LOCK, std::ptr::null_mut()) }.into()).map(drop)
}

/// It is of use until it is removed.
fn removed(_: &Place, mut held: Held) -> Result<()> {
    if held.map.is_none() {
        shmat(&mut held)?;
    }
    let map = held.map.take().expect("attached");
    map.set(LENGTH - 1, 7);
    drop(held.segment.take());
    ensure!(map.get(LENGTH - 1) == 7, "a store to the segment is lost");
    Ok(())
}

fn map(held: &mut Held) -> io::Result<()> {
    held.map = Some(Map::common(LENGTH)?);
    Ok(())
}

fn zeros(_: &Place) -> Result<Held> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/zero");
    Ok(Held {
        file: Some(file?),
        ..Held::default()
    })
}

fn map_file(held: &mut Held) -> io::Result<()> {
    held.map = Some(data::map_of(held, MapFlags::SHARED, LENGTH)?);
    Ok(())
}

fn mapping(_: &Place) -> Result<Held> {
    let mut held = Held::default();
    map(&mut held)?;
    Ok(held)
}

fn file_of_mapping(place: &Place) -> Result<Held> {
    let mut held = mapping(place)?;
    let map = held.map.take().expect("just made");
    held.file = Some(OpenOptions::new().read(true).write(true).open(map.file())?);
    held.buffer = vec![5; PAGE];
    Ok(held)
}

fn has_grown(_: &Place, held: Held) -> Result<()> {
    let size = held.file.expect("prepared with a file").metadata()?.len();
    ensure!(size == (3 * LENGTH) as u64, "{size} bytes");
    Ok(())
}

/// All of what is to be added is committed before there is a page of it.
fn grow(held: &mut Held) -> io::Result<()> {
    let at = (3 * LENGTH - held.buffer.len()) as i64;
    let data = held.buffer.as_ptr().cast();
    // SAFETY: a buffer of that length.
    check(unsafe { libc::pwrite(held.fd(), data, held.buffer.len(), at) } as i64).map(drop)
}

fn allocate(held: &mut Held) -> io::Result<()> {
    let at = (3 * LENGTH - FILLED) as i64;
    // SAFETY: no memory is passed.
    let done = unsafe { libc::fallocate(held.fd(), 0, at, FILLED as i64) };
    check(done.into()).map(drop)
}

fn private(_: &Place) -> Result<Held> {
    let mut held = Held::default();
    memfd(&mut held)?;
    held.file
        .as_ref()
        .expect("just made")
        .write_all_at(&pattern(LENGTH), 0)?;
    held.map = Some(data::map_of(&held, MapFlags::PRIVATE, LENGTH)?);
    Ok(held)
}

fn store(held: &mut Held) -> io::Result<()> {
    let map = held.map.as_ref().expect("prepared with a mapping");
    for at in (0..FILLED).step_by(PAGE) {
        map.set(at, 5);
    }
    Ok(())
}

/// Each page is there once.
fn stored(_: &Place, held: Held) -> Result<()> {
    let map = held.map.expect("made by the operation");
    for page in 0..map.pages() {
        map.set(page * PAGE, page as u8);
    }
    for page in 0..map.pages() {
        let byte = map.get(page * PAGE);
        ensure!(byte == page as u8, "page {page} has {byte}");
    }
    Ok(())
}

/// The switch, open and off; it is off again with what holds it.
fn control(place: &Place, switch: Switch) -> Result<Held> {
    if !Path::new(switch.path()).exists() || place.fstype == "tmpfs" {
        return Err(Skip(format!("{} has no switches", place.fstype)).into());
    }
    let before = switch.turn(false)?;
    let file = OpenOptions::new().write(true).open(switch.path())?;
    Ok(Held {
        file: Some(file),
        _before: Some(before),
        ..Held::default()
    })
}

fn switch_off(place: &Place) -> Result<Held> {
    control(place, Switch::SharedMemory)
}

fn say(held: &Held, text: &[u8; 1]) -> io::Result<()> {
    // SAFETY: a byte.
    check(unsafe { libc::pwrite(held.fd(), text.as_ptr().cast(), 1, 0) } as i64).map(drop)
}

fn switch_on(held: &mut Held) -> io::Result<()> {
    say(held, b"1")
}

fn is_switched_on(_: &Place, held: Held) -> Result<()> {
    if !Switch::SharedMemory.is_in_force()? {
        bail!("new files are not the module's after a success");
    }
    say(&held, b"0")?;
    Ok(())
}

fn on_and_off(held: &mut Held) -> io::Result<()> {
    say(held, b"1")?;
    // What fails to be switched off stays on; the next attempt has all the memory that it wants.
    say(held, b"0").inspect_err(|_| drop(say(held, b"0")))
}

/// What would be a mount of tmpfs.
fn mounts_on(place: &Place) -> Result<Held> {
    let held = control(place, Switch::Mounts)?;
    say(&held, b"1")?;
    Ok(Held {
        path: vec![c(&place.outside), c"tmpfs".into(), c"size=1m".into()],
        moved: stage::switch::uses()? as usize,
        ..held
    })
}
