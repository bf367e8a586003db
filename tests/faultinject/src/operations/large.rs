// SPDX-License-Identifier: GPL-2.0
//! What is done in large folios, which may be split, and for which single pages may do.

use super::data::{
    advise, fallocate_range, holds, map_of, sized, touch, truncate, writable, write,
};
use super::*;

/// What a PMD maps.
const HUGE: usize = 2 << 20;
const MADV_COLLAPSE: libc::c_int = 25;

pub fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for (huge, names) in [("always", &ALWAYS), ("within_size", &WITHIN_SIZE)] {
        let [write_name, extend_name, fallocate_name, fault_name] = *names;
        all.extend([
            Operation::new(
                write_name,
                |p| writable(p, 0, HUGE + 5 * PAGE),
                |h| write(h, 0),
                |_, h| holds(h, 0),
            )
            .huge(huge),
            Operation::new(
                extend_name,
                |p| writable(p, HUGE - 5 * PAGE, 10 * PAGE),
                |h| write(h, (HUGE - 3 * PAGE - 7) as u64),
                |_, h| holds(h, (HUGE - 3 * PAGE - 7) as u64),
            )
            .huge(huge),
            Operation::new(
                fallocate_name,
                |p| writable(p, 0, 0),
                |h| fallocate_range(h, 0, 0, HUGE + 5 * PAGE),
                |_, h| sized(h, (HUGE + 5 * PAGE) as u64),
            )
            .huge(huge)
            .optional(),
            Operation::new(fault_name, |p| mapped(p, 0), fault, |_, h| marked(h)).huge(huge),
        ]);
    }
    all.extend([
        Operation::new(
            "large folios, truncate in the middle",
            |p| writable(p, HUGE, 0),
            |h| truncate(h, (HUGE / 2 + 100) as u64),
            |_, h| begins(h, HUGE / 2 + 100),
        )
        .huge("always"),
        Operation::new(
            "large folios, truncate within a mapping",
            |p| mapped(p, HUGE),
            |h| truncate(h, (3 * PAGE) as u64),
            |_, h| begins(h, 3 * PAGE),
        )
        .huge("always"),
        Operation::new(
            "large folios, FALLOC_FL_PUNCH_HOLE",
            |p| writable(p, HUGE, 0),
            |h| {
                let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
                fallocate_range(h, mode, 5 * PAGE, 3 * PAGE)
            },
            |_, h| punched(h),
        )
        .huge("always")
        .optional(),
        Operation::new(
            "large folios, MADV_COLLAPSE",
            collapsible,
            collapse,
            |_, h| begins(h, HUGE),
        )
        .huge("always"),
        Operation::new(
            "large folios, MADV_POPULATE_WRITE of a hole",
            |p| mapped(p, 0),
            |h| advise(h, libc::MADV_POPULATE_WRITE),
            nothing_more,
        )
        .huge("always"),
        Operation::new(
            "large folios, store to each page of data",
            |p| mapped(p, HUGE),
            touch,
            nothing_more,
        )
        .huge("always"),
    ]);
    all
}

const ALWAYS: [&str; 4] = [
    "large folios, write",
    "large folios, write across the end of one",
    "large folios, fallocate",
    "large folios, fault in a hole",
];
const WITHIN_SIZE: [&str; 4] = [
    "large folios within the size, write",
    "large folios within the size, write across the end of one",
    "large folios within the size, fallocate",
    "large folios within the size, fault in a hole",
];

/// A mapping of a file of that size, with `written` bytes of it there.
fn mapped(place: &Place, written: usize) -> Result<Held> {
    let mut held = writable(place, written, 0)?;
    let file = held.file.as_ref().expect("just made");
    file.set_len(HUGE as u64)?;
    held.map = Some(map_of(&held, MapFlags::SHARED, HUGE)?);
    Ok(held)
}

/// A store in the middle of it.
fn fault(held: &mut Held) -> io::Result<()> {
    let map = held.map.as_ref().expect("prepared with a mapping");
    map.set(HUGE / 2, 1);
    Ok(())
}

fn marked(held: Held) -> Result<()> {
    let mut data = vec![9; HUGE];
    held.file
        .expect("prepared with a file")
        .read_exact_at(&mut data, 0)?;
    let wrong = (0..HUGE).find(|at| data[*at] != u8::from(*at == HUGE / 2));
    ensure!(wrong.is_none(), "byte {wrong:?} is not what was stored");
    Ok(())
}

/// The file has that size, with what was there at first.
fn begins(held: Held, length: usize) -> Result<()> {
    let file = held.file.as_ref().expect("prepared with a file");
    let mut data = vec![0; length];
    file.read_exact_at(&mut data, 0)?;
    ensure!(data == pattern(length), "the file holds something else");
    sized(held, length as u64)
}

fn punched(held: Held) -> Result<()> {
    let mut data = vec![0; HUGE];
    held.file
        .expect("prepared with a file")
        .read_exact_at(&mut data, 0)?;
    let mut wanted = pattern(HUGE);
    wanted[5 * PAGE..8 * PAGE].fill(0);
    ensure!(data == wanted, "the file holds something else");
    Ok(())
}

/// A file of small pages on a mount that may have large folios now, at an address that a PMD can map.
fn collapsible(place: &Place) -> Result<Held> {
    set_huge(place, "never")?;
    let mut held = writable(place, HUGE, 0)?;
    set_huge(place, "always")?;
    held.map = Some(map_of(&held, MapFlags::SHARED, HUGE)?);
    Ok(held)
}

/// It has errors of its own for what it cannot do for now.
fn collapse(held: &mut Held) -> io::Result<()> {
    advise(held, MADV_COLLAPSE).map_err(|error| match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EINVAL) => io::Error::from_raw_os_error(libc::ENOMEM),
        _ => error,
    })
}
