//! Advice about mappings and what else mm/ does with their pages: holes, guards, locks, pins, memory errors.

use rustix::fs::FallocateFlags;
use stage::memory_errors;

use crate::harness::kmsg::expecting;
use crate::harness::prelude::*;
use crate::harness::process::forked;

cases! {
    "" => removed, removed_in_part, populated, paged_out, guarded, locked, kept_at_the_old_place, advised_by_pidfd,
        with_memory_errors, memory_errors_in_holes, memory_error_beside_a_page_in_use;
    // Pages that are pinned stay with the folio that they are a part of.
    "huge=never" => pinned;
    "size=16k" => populated_beyond_the_limit;
}

const PAGES: usize = 8;
const GUARD: i32 = 102;
const UNGUARD: i32 = 103;

fn advise(map: &Map, page: usize, pages: usize, advice: i32) -> Res<()> {
    map.advise(page * PAGE, pages * PAGE, advice)
}

fn mapped(d: &Dir) -> anyhow::Result<(Fd, Map)> {
    let file = d.file("f", &pattern(1, PAGES * PAGE))?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    Ok((file, map))
}

fn removed(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = mapped(d)?;
    let other = Map::shared(&file, PAGES * PAGE, 0)?;
    let private = Map::private(&file, PAGES * PAGE, 0)?;
    private.set(2 * PAGE, b'p');
    t.put("seen before", other.get(2 * PAGE));
    t.effects("remove", d, &["f"], || {
        advise(&map, 2, 3, libc::MADV_REMOVE)
    })?;
    t.put("file", file.all()?);
    t.put("other mapping", other.bytes(0, PAGES * PAGE));
    t.put("private copy", private.bytes(2 * PAGE, 2 * PAGE));
    t.counts("removed", d, &file)?;
    map.set(3 * PAGE, 1);
    t.counts("written", d, &file)?;
    t.put("again", advise(&map, 0, PAGES, libc::MADV_REMOVE));
    t.counts("all", d, &file)?;
    t.put("private", advise(&private, 0, 1, libc::MADV_REMOVE));
    let reading = Map::read_only(&file, PAGES * PAGE, 0)?;
    t.put("read-only", advise(&reading, 0, 1, libc::MADV_REMOVE));
    let longer = Map::shared(&file, 2 * PAGES * PAGE, 0)?;
    t.put(
        "beyond the end",
        advise(&longer, PAGES - 1, 4, libc::MADV_REMOVE),
    );
    t.counts("in the end", d, &file)
}

/// The mapping starts in the middle of the file.
fn removed_in_part(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, PAGES * PAGE))?;
    let map = Map::shared(&file, 4 * PAGE, 3 * PAGE as u64)?;
    t.put("remove", advise(&map, 1, 2, libc::MADV_REMOVE));
    t.put("file", file.all()?);
    t.counts("removed", d, &file)
}

fn populated(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, 2 * PAGES * PAGE, 0)?;
    t.put("read", advise(&map, 0, 2, libc::MADV_POPULATE_READ));
    t.counts("read", d, &file)?;
    t.put("write", advise(&map, 2, 2, libc::MADV_POPULATE_WRITE));
    t.counts("written", d, &file)?;
    for (label, advice) in [
        ("read", libc::MADV_POPULATE_READ),
        ("write", libc::MADV_POPULATE_WRITE),
    ] {
        t.put(
            format!("{label} beyond the end"),
            advise(&map, PAGES - 1, 2, advice),
        );
        t.put(
            format!("{label} far beyond"),
            advise(&map, PAGES + 2, 2, advice),
        );
    }
    t.counts("beyond", d, &file)?;
    let private = Map::private(&file, PAGES * PAGE, 0)?;
    t.put(
        "private read",
        advise(&private, 4, 1, libc::MADV_POPULATE_READ),
    );
    t.put(
        "private write",
        advise(&private, 5, 1, libc::MADV_POPULATE_WRITE),
    );
    t.counts("private", d, &file)?;
    let reading = Map::read_only(&file, PAGES * PAGE, 0)?;
    t.put(
        "read-only read",
        advise(&reading, 6, 1, libc::MADV_POPULATE_READ),
    );
    t.put(
        "read-only write",
        advise(&reading, 6, 1, libc::MADV_POPULATE_WRITE),
    );
    t.counts("read-only", d, &file)
}

fn populated_beyond_the_limit(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    t.put("write", advise(&map, 0, PAGES, libc::MADV_POPULATE_WRITE));
    t.counts("write", d, &file)?;
    t.put("read", advise(&map, 0, PAGES, libc::MADV_POPULATE_READ));
    t.counts("read", d, &file)
}

fn paged_out(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = mapped(d)?;
    map.bytes(0, PAGES * PAGE);
    for (label, advice) in [
        ("cold", libc::MADV_COLD),
        ("out", libc::MADV_PAGEOUT),
        ("not needed", libc::MADV_DONTNEED),
        ("will be needed", libc::MADV_WILLNEED),
    ] {
        t.put(label, advise(&map, 1, 4, advice));
        t.put(format!("{label}: seen"), map.bytes(0, PAGES * PAGE));
        t.counts(label, d, &file)?;
    }
    let private = Map::private(&file, PAGES * PAGE, 0)?;
    private.fill(0, 2 * PAGE, b'p');
    t.put("private", advise(&private, 0, 4, libc::MADV_PAGEOUT));
    t.put("private: seen", private.bytes(0, PAGES * PAGE));
    t.put("dropped", advise(&private, 0, 1, libc::MADV_DONTNEED));
    t.put("dropped: seen", private.bytes(0, 2 * PAGE));
    Ok(())
}

fn guarded(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = mapped(d)?;
    map.set(2 * PAGE, b'g');
    t.put("guard", advise(&map, 2, 2, GUARD));
    expecting("segfault at", || {
        t.forked("load", |t| t.put("value", map.get(2 * PAGE)));
        t.forked("store", |_| map.set(3 * PAGE, 1));
    });
    t.put("beside", (map.get(PAGE), map.get(4 * PAGE)));
    // SAFETY: handed to the kernel alone.
    let buffer = unsafe { map.raw(2 * PAGE, 10) };
    let read = rustix::io::pread(&file, &mut *buffer, 0).map_err(Errno::from);
    t.put("as a buffer", read);
    t.put("populate", advise(&map, 1, 3, libc::MADV_POPULATE_READ));
    t.put("file", file.all()?);
    file.truncate(0)?;
    file.truncate((PAGES * PAGE) as u64)?;
    expecting("segfault at", || {
        t.forked("load after truncation", |t| {
            t.put("value", map.get(2 * PAGE))
        });
    });
    t.put("unguard", advise(&map, 2, 2, UNGUARD));
    t.put("seen", map.bytes(2 * PAGE, 2 * PAGE));
    t.counts("guarded", d, &file)?;
    let reading = Map::read_only(&file, PAGES * PAGE, 0)?;
    t.put("read-only", advise(&reading, 0, 1, GUARD));
    expecting("segfault at", || {
        t.forked("read-only load", |t| t.put("value", reading.get(0)));
    });
    Ok(())
}

fn locked(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, 2 * PAGES * PAGE, 0)?;
    let lock = |page: usize, pages: usize| {
        // SAFETY: pages of the mapping.
        let done = unsafe { libc::mlock(map.start().wrapping_byte_add(page * PAGE), pages * PAGE) };
        Errno::check(done.into())
    };
    t.put("lock", lock(0, 4));
    t.put("resident", map.resident()?);
    t.counts("locked", d, &file)?;
    t.put("out", advise(&map, 0, 4, libc::MADV_PAGEOUT));
    t.put("not needed", advise(&map, 0, 4, libc::MADV_DONTNEED));
    t.put("remove", advise(&map, 0, 4, libc::MADV_REMOVE));
    t.put("guard", advise(&map, 0, 4, GUARD));
    file.truncate(2 * PAGE as u64)?;
    t.counts("cut", d, &file)?;
    t.put("beyond the end", lock(PAGES, 2));
    // SAFETY: pages of the mapping.
    let done = unsafe { libc::munlock(map.start(), 2 * PAGES * PAGE) };
    t.put("unlock", Errno::check(done.into()));
    Ok(())
}

/// MREMAP_DONTUNMAP: both places are mapped afterwards.
fn kept_at_the_old_place(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = mapped(d)?;
    map.set(0, b'!');
    let new = map.part(
        0,
        PAGES * PAGE,
        PAGES * PAGE,
        libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP,
    );
    t.put("moved", new.as_ref().map(drop));
    let new = new?;
    t.put("at the new place", (new.get(0), new.get(PAGE)));
    t.put("at the old one", (map.get(0), map.get(PAGE)));
    drop(new);
    t.counts("kept", d, &file)
}

fn advised_by_pidfd(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = mapped(d)?;
    map.bytes(0, PAGES * PAGE);
    // SAFETY: takes no pointer.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, std::process::id(), 0) };
    let pidfd = Errno::check(pidfd)?;
    for (label, advice) in [
        ("cold", libc::MADV_COLD),
        ("out", libc::MADV_PAGEOUT),
        ("will be needed", libc::MADV_WILLNEED),
        ("not needed", libc::MADV_DONTNEED),
        ("guard", GUARD),
        ("unguard", UNGUARD),
        ("remove", libc::MADV_REMOVE),
        ("unknown", 999),
    ] {
        let ranges = [(0, 2), (4, 2)].map(|(page, pages)| libc::iovec {
            iov_base: map.start().wrapping_byte_add(page * PAGE),
            iov_len: pages * PAGE,
        });
        // SAFETY: the ranges are pages of the mapping.
        let done = unsafe {
            libc::syscall(
                libc::SYS_process_madvise,
                pidfd,
                ranges.as_ptr(),
                ranges.len(),
                advice,
                0,
            )
        };
        t.put(label, Errno::check(done));
    }
    t.put("seen", map.bytes(0, PAGES * PAGE));
    // SAFETY: the descriptor is this function's own.
    unsafe { libc::close(pidfd as i32) };
    t.counts("advised", d, &file)
}

/// A buffer that is registered with io_uring keeps its pages, whatever becomes of the file.
fn pinned(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = mapped(d)?;
    let mut parameters = [0u32; 30];
    // SAFETY: there is room for the parameters.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) };
    let ring = Errno::check(ring).context("io_uring_setup")?;
    let register = |map: &Map, pages: usize| {
        let buffer = libc::iovec {
            iov_base: map.start(),
            iov_len: pages * PAGE,
        };
        // SAFETY: one buffer, which is mapped for as long as the ring is there.
        let done =
            unsafe { libc::syscall(libc::SYS_io_uring_register, ring, 0, &raw const buffer, 1) };
        Errno::check(done)
    };
    let unregister = || {
        // SAFETY: takes no pointer.
        let done = unsafe { libc::syscall(libc::SYS_io_uring_register, ring, 1, 0, 0) };
        Errno::check(done)
    };
    t.put("register", register(&map, 4));
    file.pwrite(b"written", 0)?;
    t.put("seen", map.bytes(0, 10));
    t.put("out", advise(&map, 0, 4, libc::MADV_PAGEOUT));
    t.put("remove", advise(&map, 1, 1, libc::MADV_REMOVE));
    t.counts("with a hole", d, &file)?;
    file.truncate(2 * PAGE as u64)?;
    t.counts("cut", d, &file)?;
    file.truncate((PAGES * PAGE) as u64)?;
    t.put("grown", map.bytes(0, 4 * PAGE));
    t.put("unregister", unregister());
    let reading = Map::read_only(&file, PAGES * PAGE, 0)?;
    t.put("read-only", register(&reading, 1));
    let longer = Map::shared(&file, 2 * PAGES * PAGE, 0)?;
    t.put("beyond the end", register(&longer, PAGES + 1));
    t.counts("in the end", d, &file)?;
    // SAFETY: the descriptor is this function's own.
    unsafe { libc::close(ring as i32) };
    Ok(())
}

/// A page with a memory error stays in the file: who looks at it gets an error, and never other contents.
fn with_memory_errors(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = mapped(d)?;
    map.bytes(0, PAGES * PAGE);
    expecting(memory_errors::EXPECTED, || -> Done {
        t.forked("poison", |t| {
            t.put("done", advise(&map, 2, 1, memory_errors::HARD))
        });
        t.put("read", file.pread(10, 2 * PAGE as u64));
        t.put(
            "read up to it",
            file.pread(PAGES * PAGE, 0).map(|data| data.0.len()),
        );
        t.put("write", file.pwrite(b"w", 2 * PAGE as u64));
        t.put(
            "write of the whole page",
            file.pwrite(&[1; PAGE], 2 * PAGE as u64),
        );
        t.forked("load", |t| t.put("value", map.get(2 * PAGE)));
        t.forked("store", |_| map.set(2 * PAGE, 1));
        t.put("beside", (map.get(PAGE), map.get(3 * PAGE)));
        let (_read, write) = rustix::pipe::pipe()?;
        let mut at = 2 * PAGE as u64;
        let sent = rustix::fs::sendfile(&write, &file, Some(&mut at), PAGE).map_err(Errno::from);
        t.put("sendfile", sent);
        let populate = advise(&map, 2, 1, libc::MADV_POPULATE_READ);
        t.put("populate", populate);
        t.put(
            "preallocate",
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, 4 * PAGE as u64)
                .map_err(Errno::from),
        );
        t.counts("poisoned", d, &file)?;
        t.put("cut in the middle", file.truncate(2 * PAGE as u64 + 100));
        t.put("read", file.pread(10, 2 * PAGE as u64));
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let punched = rustix::fs::fallocate(&file, punch, 2 * PAGE as u64, PAGE as u64);
        t.put("punch", punched.map_err(Errno::from));
        t.counts("punched", d, &file)?;
        t.put("read", file.pread(10, 2 * PAGE as u64));
        t.put("write", file.pwrite(b"w", 2 * PAGE as u64));
        t.counts("written", d, &file)
    })
}

fn memory_errors_in_holes(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    expecting(memory_errors::EXPECTED, || -> Done {
        // The fault makes the page, which has an error then.
        t.forked("poison", |t| {
            t.put("done", advise(&map, 1, 1, memory_errors::HARD))
        });
        t.put("read", file.pread(10, PAGE as u64));
        t.counts("poisoned", d, &file)?;
        drop(map);
        t.put("cut", file.truncate(0));
        t.counts("cut", d, &file)
    })
}

/// An error in a page beside one that is in use, so that a large folio of both cannot be split at the time: all others are
/// written as ever.
fn memory_error_beside_a_page_in_use(t: &mut Trace, d: &Dir) -> Done {
    const PAGES: usize = 16;
    const MORE: usize = 48;
    let file = d.file("f", &pattern(1, PAGES * PAGE))?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    let pipe = rustix::pipe::pipe()?;
    let mut used = 3 * PAGE as u64;
    let sent = rustix::fs::sendfile(&pipe.1, &file, Some(&mut used), PAGE).map_err(Errno::from);
    t.put("in use", sent);
    expecting(memory_errors::EXPECTED, || -> Done {
        // What the kernel says of it is about the folio.
        forked(|| advise(&map, 5, 1, memory_errors::HARD).unwrap_or_default());
        let write = |t: &mut Trace, label: &str| {
            for page in 0..PAGES {
                let written = file.pwrite(&[2; PAGE], (page * PAGE) as u64);
                t.put(format!("write to page {page} {label}"), written);
            }
            let all = file.pwrite(&[3; PAGES * PAGE], 100);
            t.put(format!("write {label}"), all);
            t.put(format!("what is there {label}"), file.pread(5 * PAGE, 0));
            let behind = file.pwrite(&[4; MORE * PAGE], 6 * PAGE as u64 + 100);
            t.put(format!("write from behind it and on {label}"), behind);
        };
        write(t, "in use");
        drop(pipe);
        write(t, "in use no more");
        for page in 0..PAGES + MORE {
            let read = file.pread(PAGE, (page * PAGE) as u64);
            t.put(format!("read of page {page}"), read);
        }
        t.counts("in the end", d, &file)?;
        drop(map);
        file.truncate(0)?;
        memory_errors::take_back()
    })
}
