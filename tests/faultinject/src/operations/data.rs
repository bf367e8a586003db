// SPDX-License-Identifier: GPL-2.0
//! Reading, writing, sizes and mappings.

use super::*;

/// Far enough for the mapping's tree to need nodes of its own.
const FAR: u64 = 1 << 30;
const MAPPED: usize = 4 * PAGE;
const MARK: u8 = 0xa5;

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "write to an empty file",
            |p| writable(p, 0, 16 * PAGE),
            |h| write(h, 0),
            |_, h| holds(h, 0),
        ),
        Operation::new(
            "write of one byte far out",
            |p| writable(p, 0, 1),
            |h| write(h, FAR),
            |_, h| holds(h, FAR),
        ),
        Operation::new(
            "write over data",
            |p| writable(p, 4 * PAGE, 2 * PAGE),
            |h| write(h, 100),
            |_, h| holds(h, 100),
        ),
        Operation::new(
            "write across the end",
            |p| writable(p, PAGE + 5, 3 * PAGE),
            |h| write(h, 5000),
            |_, h| holds(h, 5000),
        ),
        Operation::new(
            "read of data",
            |p| readable(p, 4 * PAGE),
            read,
            |_, h| {
                ensure!(
                    h.buffer[..h.moved] == pattern(4 * PAGE)[..h.moved],
                    "other data than written"
                );
                Ok(())
            },
        ),
        Operation::new(
            "read of a hole",
            |p| readable(p, 0),
            read,
            |_, h| {
                ensure!(
                    h.buffer[..h.moved].iter().all(|b| *b == 0),
                    "a hole that is not zero"
                );
                Ok(())
            },
        ),
        Operation::new(
            "sendfile",
            |p| pair(p, 4 * PAGE, None),
            sendfile,
            |_, h| copied(h),
        ),
        Operation::new(
            "copy_file_range",
            |p| pair(p, 4 * PAGE, Some("copy")),
            copy_file_range,
            |_, h| copied(h),
        ),
        Operation::new(
            "truncate to nothing",
            |p| writable(p, 8 * PAGE, 0),
            |h| truncate(h, 0),
            |_, h| sized(h, 0),
        ),
        Operation::new(
            "truncate within a page",
            |p| writable(p, 8 * PAGE, 0),
            |h| truncate(h, 5000),
            |_, h| sized(h, 5000),
        ),
        Operation::new(
            "truncate upwards",
            |p| writable(p, 100, 0),
            |h| truncate(h, FAR),
            |_, h| sized(h, FAR),
        ),
        Operation::new(
            "fallocate",
            |p| writable(p, 0, 0),
            |h| fallocate(h, 0),
            |_, h| sized(h, 16 * PAGE as u64),
        )
        .optional(),
        Operation::new(
            "fallocate FALLOC_FL_PUNCH_HOLE",
            |p| writable(p, 20 * PAGE, 0),
            |h| fallocate(h, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE),
            |_, h| sized(h, 20 * PAGE as u64),
        )
        .optional(),
        Operation::new(
            "lseek SEEK_DATA",
            |p| writable(p, PAGE, 0),
            seek_data,
            nothing_more,
        ),
        Operation::new("fsync", |p| writable(p, PAGE, 0), fsync, nothing_more),
        Operation::new("mmap", |p| writable(p, MAPPED, 0), map_now, nothing_more),
        Operation::new(
            "fault, shared write to a hole",
            |p| mapped(p, MapFlags::SHARED, 0),
            touch,
            touched,
        ),
        Operation::new(
            "fault, shared write to data",
            |p| mapped(p, MapFlags::SHARED, MAPPED),
            touch,
            |_, _| Ok(()),
        ),
        Operation::new(
            "fault, private write",
            |p| mapped(p, MapFlags::PRIVATE, MAPPED),
            touch,
            untouched,
        ),
        Operation::new(
            "MADV_POPULATE_WRITE of a hole",
            |p| mapped(p, MapFlags::SHARED, 0),
            |h| advise(h, libc::MADV_POPULATE_WRITE),
            nothing_more,
        ),
        Operation::new(
            "MADV_POPULATE_READ of a hole",
            |p| mapped(p, MapFlags::SHARED, 0),
            |h| advise(h, libc::MADV_POPULATE_READ),
            nothing_more,
        ),
        Operation::new(
            "MADV_POPULATE_READ of data",
            |p| mapped(p, MapFlags::SHARED, MAPPED),
            |h| advise(h, libc::MADV_POPULATE_READ),
            nothing_more,
        ),
        Operation::new(
            "mmap of private memory between such over a shared mapping",
            covered_around,
            cover,
            covered,
        ),
        Operation::new(
            "read into a mapping of a hole",
            read_into_map_prepared,
            read_into_map,
            nothing_more,
        ),
    ]
}

/// A mapping of the first `length` bytes of the file.
pub fn map_of(held: &Held, flags: MapFlags, length: usize) -> io::Result<Map> {
    let file = held.file.as_ref().expect("prepared with a file");
    let map = Map::new(file, length, 0, ProtFlags::READ | ProtFlags::WRITE, flags)?;
    Ok(map)
}

/// A file of `length` bytes, and as many bytes to be written to it.
pub fn writable(place: &Place, length: usize, bytes: usize) -> Result<Held> {
    let file = filled(&place.mount.join("data"), length)?;
    Ok(Held {
        file: Some(file),
        buffer: pattern(bytes),
        ..Held::default()
    })
}

pub fn write(held: &mut Held, offset: u64) -> io::Result<()> {
    // SAFETY: the buffer is as long as said.
    let written = unsafe {
        libc::pwrite(
            held.fd(),
            held.buffer.as_ptr().cast(),
            held.buffer.len(),
            offset as libc::off_t,
        )
    };
    held.moved = check(written as i64)? as usize;
    Ok(())
}

/// A write may stop short where a page finds no memory; what it says it wrote must be there, and no more.
pub fn holds(held: Held, offset: u64) -> Result<()> {
    ensure!(held.moved > 0, "a write of no bytes, and no error");
    let file = held.file.expect("prepared with a file");
    let mut back = vec![0; held.moved];
    file.read_exact_at(&mut back, offset)?;
    ensure!(
        back == held.buffer[..held.moved],
        "{} bytes written read back differently",
        held.moved
    );
    Ok(())
}

fn readable(place: &Place, length: usize) -> Result<Held> {
    let held = writable(place, length, 4 * PAGE)?;
    held.file
        .as_ref()
        .expect("just made")
        .set_len(4 * PAGE as u64)?;
    Ok(held)
}

fn read(held: &mut Held) -> io::Result<()> {
    let (fd, buffer) = (held.fd(), &mut held.buffer);
    // SAFETY: the buffer is as long as said.
    let got = unsafe { libc::pread(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    held.moved = check(got as i64)? as usize;
    Ok(())
}

/// A file and something to send it to: another file, or /dev/null.
fn pair(place: &Place, length: usize, to: Option<&str>) -> Result<Held> {
    let second = match to {
        Some(name) => filled(&place.mount.join(name), 0)?,
        None => OpenOptions::new().write(true).open("/dev/null")?,
    };
    Ok(Held {
        second: Some(second),
        ..writable(place, length, length)?
    })
}

fn sendfile(held: &mut Held) -> io::Result<()> {
    let mut offset = 0;
    // SAFETY: the offset lives across the call.
    let sent =
        unsafe { libc::sendfile(held.second_fd(), held.fd(), &mut offset, held.buffer.len()) };
    held.moved = check(sent as i64)? as usize;
    Ok(())
}

fn copy_file_range(held: &mut Held) -> io::Result<()> {
    let (mut from, mut to) = (0, 0);
    // SAFETY: both offsets live across the call.
    let copied = unsafe {
        libc::copy_file_range(
            held.fd(),
            &mut from,
            held.second_fd(),
            &mut to,
            held.buffer.len(),
            0,
        )
    };
    held.moved = check(copied as i64)? as usize;
    Ok(())
}

fn copied(held: Held) -> Result<()> {
    let second = held.second.expect("prepared with a second file");
    ensure!(held.moved > 0, "nothing moved, and no error");
    if second.metadata()?.is_file() {
        let mut back = vec![0; held.moved];
        second.read_exact_at(&mut back, 0)?;
        ensure!(back == held.buffer[..held.moved], "the copy differs");
    }
    Ok(())
}

pub fn truncate(held: &mut Held, length: u64) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::ftruncate(held.fd(), length as libc::off_t) }.into())?;
    Ok(())
}

pub fn sized(held: Held, length: u64) -> Result<()> {
    let size = held.file.expect("prepared with a file").metadata()?.len();
    ensure!(size == length, "the size is {size}, not {length}");
    Ok(())
}

fn fallocate(held: &mut Held, mode: libc::c_int) -> io::Result<()> {
    fallocate_range(held, mode, 0, 16 * PAGE)
}

pub fn fallocate_range(
    held: &mut Held,
    mode: libc::c_int,
    at: usize,
    length: usize,
) -> io::Result<()> {
    let (at, length) = (at as libc::off_t, length as libc::off_t);
    // SAFETY: no memory is passed.
    check(unsafe { libc::fallocate(held.fd(), mode, at, length) }.into())?;
    Ok(())
}

fn seek_data(held: &mut Held) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::lseek(held.fd(), 0, libc::SEEK_DATA) })?;
    Ok(())
}

fn fsync(held: &mut Held) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::fsync(held.fd()) }.into())?;
    Ok(())
}

fn map_now(held: &mut Held) -> io::Result<()> {
    held.map = Some(map_of(held, MapFlags::SHARED, MAPPED)?);
    Ok(())
}

/// A shared mapping with private memory over its second page, which is not touched, and over its fourth, which is: that
/// over the third is merged with both, for which the second needs what the fourth has.
fn covered_around(place: &Place) -> Result<Held> {
    let held = mapped(place, MapFlags::SHARED, MAPPED)?;
    let map = held.map.as_ref().expect("just made");
    map.cover(1)?;
    map.cover(3)?;
    map.set(3 * PAGE, 1);
    Ok(held)
}

fn cover(held: &mut Held) -> io::Result<()> {
    let map = held.map.as_ref().expect("prepared with a mapping");
    map.cover(2)?;
    Ok(())
}

fn covered(_: &Place, held: Held) -> Result<()> {
    let map = held.map.as_ref().expect("prepared with a mapping");
    map.fill(PAGE, 3 * PAGE, MARK);
    let mut data = vec![0; MAPPED];
    let file = held.file.as_ref().expect("prepared with a file");
    file.read_exact_at(&mut data, 0)?;
    ensure!(
        data == pattern(MAPPED),
        "the file has what was stored to private memory"
    );
    Ok(())
}

/// A mapping of a file of which that many bytes are written and the rest is a hole.
fn mapped(place: &Place, flags: MapFlags, written: usize) -> Result<Held> {
    let mut held = writable(place, written, 0)?;
    held.file
        .as_ref()
        .expect("just made")
        .set_len(MAPPED as u64)?;
    held.map = Some(map_of(&held, flags, MAPPED)?);
    Ok(held)
}

/// Writes through the mapping as any program does: no error can come back, only a signal that ends this one.
pub fn touch(held: &mut Held) -> io::Result<()> {
    let map = held.map.as_ref().expect("prepared with a mapping");
    for page in 0..map.pages() {
        map.set(page * PAGE, MARK);
    }
    Ok(())
}

fn touched(place: &Place, held: Held) -> Result<()> {
    drop(held);
    let mut want = vec![0; MAPPED];
    (0..MAPPED).step_by(PAGE).for_each(|at| want[at] = MARK);
    ensure!(
        fs::read(place.mount.join("data"))? == want,
        "the file does not hold what was written to its mapping"
    );
    Ok(())
}

fn untouched(place: &Place, held: Held) -> Result<()> {
    drop(held);
    ensure!(
        fs::read(place.mount.join("data"))? == pattern(MAPPED),
        "a private mapping changed its file"
    );
    Ok(())
}

pub fn advise(held: &mut Held, advice: libc::c_int) -> io::Result<()> {
    let map = held.map.as_ref().expect("prepared with a mapping");
    Ok(map.advise_all(advice)?)
}

fn read_into_map_prepared(place: &Place) -> Result<Held> {
    Ok(Held {
        second: Some(File::open("/dev/zero")?),
        ..mapped(place, MapFlags::SHARED, 0)?
    })
}

/// The kernel itself faults the mapping in; it answers with EFAULT, as read(2) does when its buffer has no memory.
fn read_into_map(held: &mut Held) -> io::Result<()> {
    let map = held.map.as_ref().expect("prepared with a mapping");
    // SAFETY: the whole of a mapping that is ours.
    let got = unsafe { libc::read(held.second_fd(), map.start(), map.length()) };
    match check(got as i64) {
        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => {
            Err(io::Error::from_raw_os_error(libc::ENOMEM))
        }
        other => {
            held.moved = other? as usize;
            Ok(())
        }
    }
}
