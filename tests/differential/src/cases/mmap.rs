//! Mappings: shared and private, faults, what is beyond the end.

use rustix::mm::{MapFlags, ProtFlags};

use crate::harness::kmsg::expecting;
use crate::harness::prelude::*;
use crate::harness::smaps;

cases! {
    "" => shared_is_the_file, private_is_not, tail_of_the_page, sigbus_beyond_the_end, holes, truncated_under,
        private_copies_after_truncate, extended_under, blocks_of_faults, unlinked_file, msync_calls,
        times, protection, offsets, resident, forked_mappings, many_pages, madvise_calls,
        unmapped_parts, open_modes, execute, around_faults;
    // What is mapped around a page is that of single ones: a large folio is mapped as a whole.
    "huge=never" => around_stores, around_stores_at_edges;
    "size=16k" => no_block_is_sigbus, no_block_for_the_kernel;
}

const PAGES: usize = 8;

fn shared_is_the_file(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, PAGES * PAGE))?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    t.put("seen", map.bytes(0, PAGES * PAGE));
    map.fill(PAGE + 10, 100, b'm');
    t.put("read after a store", file.pread(200, PAGE as u64)?);
    file.pwrite(&[b'w'; 50], 3 * PAGE as u64)?;
    t.put("load after a write", map.bytes(3 * PAGE, 60));
    let other = Map::shared(&file, PAGE, PAGE as u64)?;
    other.set(0, b'o');
    t.put("another mapping", map.get(PAGE));
    drop((map, other));
    t.put("contents", d.contents("f")?);
    Ok(())
}

fn private_is_not(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 3 * PAGE))?;
    let map = Map::private(&file, 3 * PAGE, 0)?;
    map.fill(10, 20, b'p');
    t.put("own copy", map.bytes(0, 40));
    t.put("file", file.pread(40, 0)?);
    file.pwrite(&[b'w'; 30], 0)?;
    t.put("after a write to a copied page", map.bytes(0, 40));
    file.pwrite(&[b'w'; 30], PAGE as u64)?;
    t.put("after a write to one that is not", map.bytes(PAGE, 40));
    t.put("blocks", file.blocks()?);
    Ok(())
}

/// What is stored behind the end of the file is not in the file, and is gone when that grows.
fn tail_of_the_page(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 100))?;
    let map = Map::shared(&file, PAGE, 0)?;
    t.put("zeros behind the end", map.bytes(90, 30));
    map.fill(100, 50, b'x');
    t.put("not in the file", file.all()?);
    file.truncate(120)?;
    t.put("grown by truncate", file.all()?);
    file.pwrite(b"y", 200)?;
    t.put("grown by write", file.all()?);
    map.fill(201, 1000, b'z');
    file.truncate(50)?;
    t.put("cut", map.bytes(0, 300));
    file.truncate(PAGE as u64)?;
    t.put("and grown", file.all()?);
    Ok(())
}

fn sigbus_beyond_the_end(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, PAGE + 1))?;
    let map = Map::shared(&file, 4 * PAGE, 0)?;
    let private = Map::private(&file, 4 * PAGE, 0)?;
    for at in [0, PAGE + 1, 2 * PAGE - 1, 2 * PAGE, 3 * PAGE + 5] {
        t.forked(format!("load at {at}"), |t| t.put("value", map.get(at)));
        t.forked(format!("store at {at}"), |_| map.set(at, 1));
        t.forked(format!("private load at {at}"), |t| {
            t.put("value", private.get(at))
        });
        t.forked(format!("private store at {at}"), |_| private.set(at, 1));
    }
    // SAFETY: handed to the kernel alone.
    let buffer = unsafe { map.raw(2 * PAGE, 10) };
    t.put(
        "as a buffer",
        rustix::io::pread(&file, &mut *buffer, 0).map_err(Errno::from),
    );
    t.put("as a source", file.pwrite(buffer, 0));
    t.put("meta", file.meta()?);
    Ok(())
}

fn holes(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    t.put("load", map.get(PAGE));
    t.put("meta after a load", file.meta()?);
    map.set(3 * PAGE, 1);
    t.put("meta after a store", file.meta()?);
    t.put("extents", file.extents()?);
    let private = Map::private(&file, PAGES * PAGE, 0)?;
    t.put("private load", private.get(5 * PAGE));
    private.set(6 * PAGE, 1);
    t.put("meta after private ones", file.meta()?);
    let read_only = Map::read_only(&file, PAGES * PAGE, 0)?;
    t.put("read-only load", read_only.get(7 * PAGE));
    t.put("meta", file.meta()?);
    t.put("contents", file.all()?);
    Ok(())
}

fn truncated_under(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, PAGES * PAGE))?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    let seen = map.bytes(0, PAGES * PAGE);
    t.put("all", seen);
    file.truncate((3 * PAGE + 100) as u64)?;
    t.put("the page that is cut", map.bytes(3 * PAGE, PAGE));
    t.forked("beyond", |t| t.put("value", map.get(4 * PAGE)));
    t.forked("last", |t| t.put("value", map.get(PAGES * PAGE - 1)));
    t.put("meta", file.meta()?);
    file.truncate((PAGES * PAGE) as u64)?;
    t.put("grown again", map.bytes(0, PAGES * PAGE));
    t.put("meta", file.meta()?);
    Ok(())
}

/// Private copies of pages beyond the new end are dropped as well.
fn private_copies_after_truncate(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 4 * PAGE))?;
    let map = Map::private(&file, 4 * PAGE, 0)?;
    map.fill(0, 4 * PAGE, b'c');
    file.truncate((PAGE + 10) as u64)?;
    t.put("copies before the end", map.bytes(0, 2 * PAGE));
    t.forked("copies behind it", |t| t.put("value", map.get(2 * PAGE)));
    file.truncate(4 * PAGE as u64)?;
    t.put("grown again", map.bytes(2 * PAGE, 2 * PAGE));
    Ok(())
}

fn extended_under(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    let map = Map::shared(&file, 4 * PAGE, 0)?;
    t.forked("empty", |t| t.put("value", map.get(0)));
    file.pwrite(b"now", 0)?;
    t.put("there", map.bytes(0, 10));
    file.truncate(3 * PAGE as u64)?;
    map.set(2 * PAGE + 5, b'!');
    t.put("contents", file.pread(20, 2 * PAGE as u64)?);
    t.forked("still beyond", |t| t.put("value", map.get(3 * PAGE)));
    Ok(())
}

fn blocks_of_faults(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((64 * PAGE) as u64)?;
    let map = Map::shared(&file, 64 * PAGE, 0)?;
    let start = d.space()?.free;
    for page in [0, 1, 17, 63, 17] {
        map.set(page * PAGE, 1);
        t.put(
            format!("after page {page}"),
            (file.blocks()?, start - d.space()?.free),
        );
    }
    drop(map);
    file.truncate(0)?;
    t.put("given back", start - d.space()?.free);
    Ok(())
}

fn unlinked_file(t: &mut Trace, d: &Dir) -> Done {
    let before = d.space()?;
    let file = d.file("f", &pattern(1, 2 * PAGE))?;
    let map = Map::shared(&file, 2 * PAGE, 0)?;
    d.unlink("f")?;
    drop(file);
    t.put("alive", map.bytes(0, 2 * PAGE));
    map.set(0, 9);
    t.put("not given back", d.space()? != before);
    drop(map);
    t.put("given back", d.space()? == before);
    Ok(())
}

fn msync_calls(t: &mut Trace, d: &Dir) -> Done {
    use rustix::mm::{msync, MsyncFlags};
    let file = d.file("f", &pattern(1, 2 * PAGE))?;
    let map = Map::shared(&file, 2 * PAGE, 0)?;
    map.set(0, 1);
    for flags in [MsyncFlags::SYNC, MsyncFlags::ASYNC, MsyncFlags::INVALIDATE] {
        // SAFETY: the range is the mapping.
        let done = unsafe { msync(map.start(), 2 * PAGE, flags) }.map_err(Errno::from);
        t.put(format!("{flags:?}"), done);
    }
    t.effects("store and sync", d, &["f"], || {
        map.set(1, 1);
        map.sync()
    })?;
    Ok(())
}

fn times(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 2 * PAGE))?;
    let mut map = None;
    t.effects("map", d, &["f"], || {
        map = Map::shared(&file, 2 * PAGE, 0).ok()
    });
    let map = map.context("mmap")?;
    t.effects("load", d, &["f"], || map.get(0));
    t.effects("store", d, &["f"], || map.set(0, 1));
    t.effects("store in another page", d, &["f"], || map.set(PAGE, 1));
    t.effects("unmap", d, &["f"], || drop(map));
    Ok(())
}

fn protection(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, PAGE))?;
    let map = Map::read_only(&file, PAGE, 0)?;
    expecting("segfault at", || {
        t.forked("store to a read-only one", |_| map.set(0, 1))
    });
    use rustix::mm::{mprotect, MprotectFlags};
    // SAFETY: the range is the mapping.
    let done = unsafe {
        mprotect(
            map.start(),
            PAGE,
            MprotectFlags::READ | MprotectFlags::WRITE,
        )
    };
    t.put("made writable", done.map_err(Errno::from));
    map.set(0, b'!');
    t.put("contents", file.pread(5, 0)?);
    Ok(())
}

fn offsets(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 3 * PAGE))?;
    for (len, offset) in [
        (PAGE, 0),
        (PAGE, PAGE),
        (PAGE, 100),
        (0, 0),
        (1, 2 * PAGE),
        (PAGE, 3 * PAGE),
        (PAGE, 1 << 40),
    ] {
        let map = Map::shared(&file, len, offset as u64);
        t.put(format!("{len} at {offset}"), map.as_ref().map(drop));
        if let (Ok(map), true) = (map, offset < 3 * PAGE) {
            t.put("first byte", map.get(0));
        }
    }
    for offset in [i64::MAX as u64 & !0xfff, 1 << 63, 0xffff_ffff_ffff_f000] {
        t.put(
            format!("at {offset:#x}"),
            Map::shared(&file, PAGE, offset).map(drop),
        );
    }
    Ok(())
}

fn resident(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    file.pwrite(b"x", (2 * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    t.put("one written", map.resident()?);
    map.set(5 * PAGE, 1);
    t.put("one stored", map.resident()?);
    file.truncate((3 * PAGE) as u64)?;
    t.put("cut", map.resident()?);
    Ok(())
}

fn forked_mappings(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 2 * PAGE))?;
    let (shared, private) = (
        Map::shared(&file, 2 * PAGE, 0)?,
        Map::private(&file, 2 * PAGE, 0)?,
    );
    private.set(0, b'p');
    t.forked("child", |t| {
        t.put("sees", (shared.get(0), private.get(0)));
        shared.set(1, b'S');
        private.set(1, b'P');
    });
    t.put("parent sees", (shared.bytes(0, 2), private.bytes(0, 2)));
    t.put("file", file.pread(2, 0)?);
    Ok(())
}

const MANY_PAGES: usize = 600;

fn many_pages(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((MANY_PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, MANY_PAGES * PAGE, 0)?;
    for page in 0..MANY_PAGES {
        map.set(page * PAGE + page, page as u8);
    }
    t.put("meta", file.meta()?);
    let wrong = (0..MANY_PAGES)
        .filter(|&p| map.get(p * PAGE + p) != p as u8)
        .count();
    t.put("wrong", wrong);
    t.put("contents", file.all()?);
    file.truncate(0)?;
    t.put(
        "cut",
        (file.meta()?, map.resident()?.iter().filter(|&&r| r).count()),
    );
    Ok(())
}

fn madvise_calls(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 4 * PAGE))?;
    let map = Map::shared(&file, 4 * PAGE, 0)?;
    let private = Map::private(&file, 4 * PAGE, 0)?;
    private.set(0, b'p');
    for (name, advice) in [
        ("NORMAL", libc::MADV_NORMAL),
        ("RANDOM", libc::MADV_RANDOM),
        ("SEQUENTIAL", libc::MADV_SEQUENTIAL),
        ("WILLNEED", libc::MADV_WILLNEED),
        ("DONTNEED", libc::MADV_DONTNEED),
        ("COLD", libc::MADV_COLD),
        ("POPULATE_READ", libc::MADV_POPULATE_READ),
        ("POPULATE_WRITE", libc::MADV_POPULATE_WRITE),
        ("DONTFORK", libc::MADV_DONTFORK),
        ("FREE", libc::MADV_FREE),
    ] {
        for (kind, map) in [("shared", &map), ("private", &private)] {
            // SAFETY: the range is the mapping; what is lost is the private copy.
            let done = unsafe { libc::madvise(map.start(), 4 * PAGE, advice) };
            t.put(format!("{name} {kind}"), Errno::check(done.into()));
            t.put("seen", map.bytes(0, 8));
        }
    }
    t.put("meta", file.meta()?);
    Ok(())
}

fn unmapped_parts(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 4 * PAGE))?;
    let steps = |t: &mut Trace| {
        let map = Map::shared(&file, 4 * PAGE, 0).expect("mmap");
        // SAFETY: a page of the mapping, of which nothing is referred to.
        unsafe { rustix::mm::munmap(map.start().cast::<u8>().add(PAGE).cast(), PAGE) }
            .expect("munmap");
        t.put("around", (map.get(0), map.get(2 * PAGE)));
        map.set(PAGE, 1);
    };
    expecting("segfault at", || t.forked("hole in the mapping", steps));
    t.put("meta", file.meta()?);
    Ok(())
}

fn open_modes(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", &pattern(1, PAGE))?;
    let both = ProtFlags::READ | ProtFlags::WRITE;
    for (name, flags) in [
        ("RDONLY", OFlags::RDONLY),
        ("WRONLY", OFlags::WRONLY),
        ("RDWR", OFlags::RDWR),
        ("APPEND", OFlags::RDWR | OFlags::APPEND),
    ] {
        let file = d.openat("f", flags, 0)?;
        for (prot_name, prot) in [("read", ProtFlags::READ), ("both", both)] {
            for (kind, flags) in [
                ("shared", MapFlags::SHARED),
                ("private", MapFlags::PRIVATE),
                ("shared, validated", MapFlags::SHARED_VALIDATE),
            ] {
                let map = Map::new(&file, PAGE, 0, prot, flags);
                t.put(format!("{name} {prot_name} {kind}"), map.map(drop));
            }
        }
    }
    let file = d.read_write("f")?;
    t.put(
        "MAP_SYNC",
        Map::new(
            &file,
            PAGE,
            0,
            both,
            MapFlags::SHARED_VALIDATE | MapFlags::SYNC,
        )
        .map(drop),
    );
    t.put(
        "populate",
        Map::new(&file, PAGE, 0, both, MapFlags::SHARED | MapFlags::POPULATE).map(|m| m.get(5)),
    );
    t.put(
        "locked",
        Map::new(&file, PAGE, 0, both, MapFlags::SHARED | MapFlags::LOCKED).map(|m| m.get(5)),
    );
    t.put(
        "of a directory",
        Map::new(
            &d.openat(".", OFlags::RDONLY, 0)?,
            PAGE,
            0,
            ProtFlags::READ,
            MapFlags::SHARED,
        )
        .map(drop),
    );
    Ok(())
}

#[cfg(target_arch = "x86_64")]
fn execute(t: &mut Trace, d: &Dir) -> Done {
    // mov eax, 42; ret
    let file = d.file("code", &[0xb8, 42, 0, 0, 0, 0xc3])?;
    let map = Map::new(
        &file,
        PAGE,
        0,
        ProtFlags::READ | ProtFlags::EXEC,
        MapFlags::PRIVATE,
    )?;
    // SAFETY: the bytes above are such a function.
    let code: extern "C" fn() -> i32 = unsafe { std::mem::transmute(map.start()) };
    t.put("returns", code());
    Ok(())
}

#[cfg(not(target_arch = "x86_64"))]
fn execute(_: &mut Trace, _: &Dir) -> Done {
    skip!("no machine code for this architecture")
}

/// A read fault may map what is around it, never what is beyond the end.
fn around_faults(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 5 * PAGE + 10))?;
    let map = Map::read_only(&file, 16 * PAGE, 0)?;
    t.put("load", map.get(3 * PAGE));
    t.forked("beyond", |t| t.put("value", map.get(6 * PAGE)));
    file.truncate(2 * PAGE as u64)?;
    t.forked("beyond the new end", |t| t.put("value", map.get(3 * PAGE)));
    t.put("before it", map.bytes(0, 2 * PAGE));
    Ok(())
}

/// A fault of a writer may map what is around it, never what is beyond the end or was not there. The times change with
/// the first store.
fn around_stores(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 5 * PAGE + 10))?;
    let map = Map::shared(&file, 16 * PAGE, 0)?;
    t.effects("store", d, &["f"], || map.set(3 * PAGE, 1));
    t.put("around it", map.bytes(0, 6 * PAGE));
    t.forked("beyond", |_| map.set(6 * PAGE, 1));
    file.truncate(2 * PAGE as u64)?;
    t.forked("beyond the new end", |_| map.set(3 * PAGE, 1));
    file.truncate(16 * PAGE as u64)?;
    t.put("grown", map.bytes(0, 16 * PAGE));
    drop(map);

    let map = Map::shared(&file, 16 * PAGE, 0)?;
    file.pwrite(b"there", 4 * PAGE as u64)?;
    map.set(0, 2);
    t.put("holes stay", (file.blocks()?, file.extents()?));
    map.set(5 * PAGE, 3);
    t.put("filled", (file.blocks()?, file.extents()?));
    t.put("contents", file.all()?);
    // What a store finds mapped reaches the file all the same.
    map.set(4 * PAGE + 1, b'H');
    drop(map);
    t.put(
        "after a store to a neighbour",
        file.pread(5, 4 * PAGE as u64)?,
    );

    let private = Map::private(&file, 16 * PAGE, 0)?;
    private.set(4 * PAGE, b'p');
    t.put("a private one", file.pread(5, 4 * PAGE as u64)?);
    Ok(())
}

/// Mappings that begin and end within what a fault maps, and those in which it should map nothing else.
fn around_stores_at_edges(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 70 * PAGE))?;
    for (start, pages) in [(0, 1), (1, 1), (3, 6), (15, 2), (17, 40), (0, 70), (69, 1)] {
        for advice in [libc::MADV_NORMAL, libc::MADV_RANDOM] {
            let map = Map::shared(&file, pages * PAGE, (start * PAGE) as u64)?;
            map.advise(0, pages * PAGE, advice)?;
            map.set(pages / 2 * PAGE, start as u8);
            map.set(0, pages as u8);
            map.set(pages * PAGE - 1, b'e');
        }
        t.put(format!("{pages} from {start}"), file.all()?);
    }
    let map = Map::shared(&file, 70 * PAGE, 0)?;
    map.advise(0, 70 * PAGE, libc::MADV_RANDOM)?;
    map.set(20 * PAGE, 1);
    t.put("pages at random", smaps::one(&map, "Rss")?);
    let locked = Map::shared(&file, 20 * PAGE, 0)?;
    // SAFETY: the range is the mapping.
    let done = unsafe { libc::mlock(locked.start(), 20 * PAGE) };
    t.put("locked", Errno::check(done.into()));
    locked.set(7 * PAGE, b'l');
    t.put("locked pages", smaps::some(&locked, &["Rss", "Locked"])?);
    t.put("contents", file.all()?);
    Ok(())
}

fn no_block_is_sigbus(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    for page in 0..PAGES {
        t.forked(format!("store in page {page}"), |_| map.set(page * PAGE, 1));
        t.put("space", d.space()?);
    }
    t.forked("load of a hole when full", |t| {
        t.put("value", map.get(7 * PAGE))
    });
    let private = Map::private(&file, PAGES * PAGE, 0)?;
    t.forked("private load of a hole when full", |t| {
        t.put("value", private.get(6 * PAGE))
    });
    t.forked("private store to what is there", |t| {
        private.set(0, 7);
        t.put("value", private.get(0));
    });
    let read_only = Map::read_only(&file, PAGES * PAGE, 0)?;
    t.forked("read-only load of a hole when full", |t| {
        t.put("value", read_only.get(5 * PAGE))
    });
    t.put("meta", file.meta()?);
    file.truncate(PAGE as u64)?;
    file.truncate((PAGES * PAGE) as u64)?;
    t.forked("after room was made", |_| map.set(6 * PAGE, 1));
    t.put("meta", file.meta()?);
    Ok(())
}

/// Where the kernel itself touches a mapping that gets no block.
fn no_block_for_the_kernel(t: &mut Trace, d: &Dir) -> Done {
    let source = d.file("source", &pattern(1, 3 * PAGE))?;
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    // SAFETY: handed to the kernel alone.
    let buffer = unsafe { map.raw(0, 3 * PAGE) };
    t.put(
        "read into it",
        rustix::io::pread(&source, &mut *buffer, 0).map_err(Errno::from),
    );
    t.put("meta", file.meta()?);
    t.put("write from it", source.pwrite(buffer, 0));
    t.put("contents", source.all()?);
    t.put(
        "populate",
        Map::new(
            &file,
            PAGES * PAGE,
            0,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED | MapFlags::POPULATE,
        )
        .map(drop),
    );
    // SAFETY: the range is the mapping.
    let done = unsafe { libc::madvise(map.start(), PAGES * PAGE, libc::MADV_POPULATE_WRITE) };
    t.put("populate by advice", Errno::check(done.into()));
    t.put("space", d.space()?);
    Ok(())
}
