//! Mappings that move, grow, shrink, and those that are sealed against it.

use crate::harness::kmsg::expecting;
use crate::harness::prelude::*;

cases! {
    "" => grown, shrunk, moved_parts, onto_another, copied, of_private_mappings, refused, sealed;
}

const PAGES: usize = 8;
const LEN: usize = PAGES * PAGE;
const MAYMOVE: i32 = libc::MREMAP_MAYMOVE;
const DONTUNMAP: i32 = libc::MREMAP_DONTUNMAP;

/// The first byte of each page.
fn firsts(map: &Map, pages: usize) -> Bytes {
    Bytes((0..pages).map(|page| map.get(page * PAGE)).collect())
}

fn grown(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, LEN))?;
    let mut map = Map::shared(&file, PAGE, PAGE as u64)?;
    map.set(0, b'0');
    t.put("grow", map.remap(3 * PAGE, MAYMOVE));
    t.put("seen", firsts(&map, 3));
    map.set(2 * PAGE, b'!');
    t.put("in the file", file.pread(2, 3 * PAGE as u64)?);
    // Over the end of the file.
    t.put("grow further", map.remap(2 * LEN, MAYMOVE));
    t.put("up to the end", firsts(&map, PAGES - 1));
    t.forked("load beyond the end", |t| t.put("value", map.get(LEN)));
    file.truncate(2 * LEN as u64)?;
    map.set(LEN, b'n');
    t.put("in the file", file.pread(1, (LEN + PAGE) as u64)?);
    t.counts("in the end", d, &file)?;
    drop((map, file));
    d.unlink("f")?;
    t.put("all is free", d.space()?.free == d.space()?.blocks);
    Ok(())
}

fn shrunk(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, LEN))?;
    let mut map = Map::shared(&file, LEN, 0)?;
    map.set(LEN - 1, b'l');
    let end = map.start().wrapping_byte_add(3 * PAGE).cast::<u8>();
    t.put("shrink", map.remap(3 * PAGE, 0));
    t.put("seen", firsts(&map, 3));
    expecting("segfault at", || {
        t.forked("load behind it", |t| {
            // SAFETY: ends the child, which is what it is for.
            t.put("value", unsafe { end.read_volatile() })
        });
    });
    t.put("last byte of the file", file.pread(1, LEN as u64 - 1)?);
    t.put("and grow", map.remap(LEN, MAYMOVE));
    t.put("seen", map.bytes(0, LEN));
    t.counts("in the end", d, &file)
}

fn moved_parts(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, LEN))?;
    let map = Map::shared(&file, LEN, 0)?;
    map.set(3 * PAGE, b'3');
    let part = map.part(2 * PAGE, 2 * PAGE, 4 * PAGE, MAYMOVE)?;
    t.put("part", firsts(&part, 4));
    t.put("around", (firsts(&map, 2), map.get(5 * PAGE)));
    expecting("segfault at", || {
        t.forked("load where it was", |t| t.put("value", map.get(2 * PAGE)));
    });
    part.set(0, b'p');
    map.set(4 * PAGE, b'm');
    t.put(
        "seen by both",
        (part.get(2 * PAGE), file.pread(1, 2 * PAGE as u64)?),
    );
    file.truncate(3 * PAGE as u64)?;
    t.put("before the end", part.get(0));
    t.forked("load beyond the end", |t| {
        t.put("value", part.get(2 * PAGE))
    });
    t.counts("cut", d, &file)
}

fn onto_another(t: &mut Trace, d: &Dir) -> Done {
    let (f, g) = (
        d.file("f", &pattern(1, LEN))?,
        d.file("g", &pattern(2, LEN))?,
    );
    let mut map = Map::shared(&f, 3 * PAGE, PAGE as u64)?;
    let other = Map::shared(&g, 3 * PAGE, 0)?;
    other.set(0, b'g');
    map.set(0, b'f');
    let place = other.start();
    t.put("onto", map.remap_onto(3 * PAGE, 0, other));
    t.put("there", map.start() == place);
    t.put("seen", firsts(&map, 3));
    map.set(PAGE, b'1');
    t.put("of the other file", g.pread(LEN, 0)?);
    t.put("of this one", f.pread(1, 2 * PAGE as u64)?);
    // With another length, and with the old place kept.
    let other = Map::shared(&g, 3 * PAGE, 0)?;
    t.put("shorter", map.remap_onto(PAGE, 0, other));
    t.put("seen", firsts(&map, 1));
    let other = Map::shared(&g, PAGE, 0)?;
    let old = map.start().cast::<u8>();
    t.put("old place kept", map.remap_onto(PAGE, DONTUNMAP, other));
    map.set(1, b'k');
    // SAFETY: the old place is still a mapping of the page.
    t.put("seen at the old place", unsafe {
        old.add(1).read_volatile()
    });
    // SAFETY: nothing refers to the old place any more.
    t.put("unmap", unsafe { libc::munmap(old.cast(), PAGE) });
    t.counts("f", d, &f)?;
    t.counts("g", d, &g)
}

/// A length of 0 makes a second mapping of the same pages, of shared memory alone.
fn copied(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, LEN))?;
    let map = Map::shared(&file, LEN, 0)?;
    let copy = map.part(2 * PAGE, 0, 2 * PAGE, MAYMOVE)?;
    copy.set(0, b'c');
    t.put("seen by both", (map.get(2 * PAGE), firsts(&copy, 2)));
    file.truncate(2 * PAGE as u64)?;
    t.forked("beyond the end", |t| t.put("value", copy.get(0)));
    let private = Map::private(&file, LEN, 0)?;
    t.put("private", private.part(0, 0, PAGE, MAYMOVE).map(drop));
    t.counts("in the end", d, &file)
}

fn of_private_mappings(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, LEN))?;
    let mut map = Map::private(&file, 2 * PAGE, 0)?;
    map.set(0, b'p');
    t.put("grow", map.remap(4 * PAGE, MAYMOVE));
    t.put("seen", firsts(&map, 4));
    map.set(3 * PAGE, b'q');
    let kept = map.part(0, 4 * PAGE, 4 * PAGE, MAYMOVE | DONTUNMAP)?;
    t.put("at the new place", firsts(&kept, 4));
    t.put("at the old one", firsts(&map, 4));
    t.put("file", file.all()?);
    t.counts("in the end", d, &file)
}

fn refused(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, LEN))?;
    let map = Map::shared(&file, LEN, 0)?;
    for (label, at, len, new, flags) in [
        ("in the way of nothing", 0, PAGE, PAGE, 0),
        ("grow in the middle", 0, PAGE, 2 * PAGE, 0),
        ("not at a page", 1, PAGE, PAGE, MAYMOVE),
        ("to nothing", 0, PAGE, 0, MAYMOVE),
        ("from nothing, in place", 0, 0, PAGE, 0),
        ("unknown flag", 0, PAGE, PAGE, MAYMOVE | 8),
        ("kept without moving", 0, PAGE, PAGE, DONTUNMAP),
        (
            "kept with another length",
            0,
            PAGE,
            2 * PAGE,
            MAYMOVE | DONTUNMAP,
        ),
        ("too large", 0, PAGE, usize::MAX & !(PAGE - 1), MAYMOVE),
    ] {
        // What succeeds is at the old place.
        let done = map.part(at, len, new, flags).map(std::mem::forget);
        t.put(label, done);
    }
    t.put("seen", map.bytes(0, LEN));
    Ok(())
}

/// A sealed mapping stays as it is; its file does not care.
fn sealed(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, LEN))?;
    // In children: what is sealed is there as long as the process is.
    for (kind, shared, writable) in [
        ("shared", true, true),
        ("private", false, true),
        ("shared, read-only", true, false),
        ("private, read-only", false, false),
    ] {
        use rustix::mm::{MapFlags, ProtFlags};
        let prot = match writable {
            true => ProtFlags::READ | ProtFlags::WRITE,
            false => ProtFlags::READ,
        };
        let flags = if shared {
            MapFlags::SHARED
        } else {
            MapFlags::PRIVATE
        };
        let map = Map::new(&file, LEN, 0, prot, flags)?;
        t.forked(kind, |t| {
            let seal = || {
                // SAFETY: the range is the mapping.
                let done = unsafe { libc::syscall(libc::SYS_mseal, map.start(), LEN, 0) };
                Errno::check(done)
            };
            t.put("seal", seal());
            t.put("seal again", seal());
            t.put("move", map.part(0, LEN, LEN, MAYMOVE).map(std::mem::forget));
            t.put("shrink", map.part(0, LEN, PAGE, 0).map(std::mem::forget));
            t.put(
                "grow",
                map.part(0, LEN, 2 * LEN, MAYMOVE).map(std::mem::forget),
            );
            // SAFETY: the range is the mapping, which stays.
            let (unmap, protect) = unsafe {
                let unmap = libc::munmap(map.start(), PAGE);
                let unmap = Errno::check(unmap.into());
                let protect = libc::mprotect(map.start(), PAGE, libc::PROT_NONE);
                (unmap, Errno::check(protect.into()))
            };
            t.put("unmap", unmap);
            t.put("protect", protect);
            for advice in [
                libc::MADV_DONTNEED,
                libc::MADV_FREE,
                libc::MADV_REMOVE,
                libc::MADV_PAGEOUT,
                libc::MADV_COLD,
                libc::MADV_DONTFORK,
                102,
            ] {
                t.put(format!("advice {advice}"), map.advise(PAGE, PAGE, advice));
            }
            std::mem::forget(map);
        });
        t.put("write", file.pwrite(b"seen", 0));
        t.counts(kind, d, &file)?;
    }
    let map = Map::shared(&file, LEN, 0)?;
    t.forked("cut", |t| {
        // SAFETY: the range is the mapping.
        let sealed = unsafe { libc::syscall(libc::SYS_mseal, map.start(), LEN, 0) };
        t.put("seal", Errno::check(sealed));
        t.put("cut", file.truncate(0));
        map.get(0);
    });
    t.counts("in the end", d, &file)
}
