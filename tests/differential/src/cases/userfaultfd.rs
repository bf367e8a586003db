//! Faults that a monitor handles: missing, minor and write-protect modes, and what counts of it.

use rustix::mm::{Advice, MapFlags, ProtFlags};

use crate::harness::kmsg::expecting;
use crate::harness::prelude::*;
use crate::harness::uffd::{self, Event, Uffd, MINOR, MISSING, WP};

cases! {
    "" => registrations, missing_pages, private_mappings, copies_refused, undone_copies, sources_that_fault,
        zero_pages, minor_pages, continues_refused, preallocated_pages, both_modes, poisoned_pages, protected_pages,
        protected_asynchronously, protection_stays, moves_refused, removed_ranges, moved_and_unmapped_mappings,
        signals_instead, two_files_in_one_monitor, faults_of_the_kernel, unregistered, filled_by_another_mapping;
    "size=16k" => no_block;
}

const PAGES: usize = 8;
const MADV_GUARD_INSTALL: i32 = 102;

fn page(seed: u8) -> Vec<u8> {
    vec![seed; PAGE]
}

/// An empty file of that many pages, mapped, and what has to be the same afterwards.
fn holes(d: &Dir) -> anyhow::Result<(Fd, Map)> {
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    Ok((file, map))
}

fn registrations(t: &mut Trace, d: &Dir) -> Done {
    let (file, shared) = holes(d)?;
    let private = Map::private(&file, PAGES * PAGE, 0)?;
    let read_only = Map::read_only(&file, PAGES * PAGE, 0)?;
    let reading = d.read_only("f")?;
    let of_reading = Map::read_only(&reading, PAGES * PAGE, 0)?;
    let maps = [
        ("shared", &shared),
        ("private", &private),
        ("read-only", &read_only),
        ("of a read-only file", &of_reading),
    ];
    for (label, map) in maps {
        for mode in 0..16 {
            let uffd = Uffd::new(0)?;
            t.put(
                format!("{label}, mode {mode:#x}"),
                uffd.register(map, 0, PAGES, mode),
            );
        }
    }
    let uffd = Uffd::new(0)?;
    t.put("first", uffd.register(&shared, 1, 2, MISSING));
    t.put("again", uffd.register(&shared, 1, 2, MISSING | WP));
    let other = Uffd::new(0)?;
    t.put("another's", other.register(&shared, 0, PAGES, MISSING));
    t.put("unregister", uffd.unregister(&shared, 0, PAGES));
    t.put("free again", other.register(&shared, 0, PAGES, MISSING));
    Ok(())
}

fn missing_pages(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    file.pwrite(&page(b'w'), PAGE as u64)?;
    let mut uffd = Uffd::new(0)?;
    t.put("register", uffd.register(&map, 0, PAGES, MISSING));
    let copy = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page: at, .. } = event {
            t.put("copy", uffd.copy(&map, at as usize, &page(b'a' + at as u8)));
        }
    };
    uffd.serve(t, "load of a hole", &map, || map.get(10), copy);
    uffd.serve(t, "load of a page", &map, || map.get(PAGE), copy);
    let store = || map.set(2 * PAGE + 5, b'!');
    uffd.serve(t, "store to a hole", &map, store, copy);
    let all = || map.bytes(0, PAGES * PAGE);
    uffd.serve(t, "all", &map, all, copy);
    t.put("file", file.all()?);
    t.counts("full", d, &file)?;
    file.truncate(PAGE as u64)?;
    file.truncate((PAGES * PAGE) as u64)?;
    uffd.serve(t, "cut and grown", &map, || map.get(3 * PAGE), copy);
    t.counts("cut and grown", d, &file)?;
    drop((map, file));
    d.unlink("f")?;
    t.put("nothing left", d.space()?.free == d.space()?.blocks);
    Ok(())
}

/// A copy into a private mapping is memory of the process, and not of the file.
fn private_mappings(t: &mut Trace, d: &Dir) -> Done {
    let (file, _) = holes(d)?;
    let map = Map::private(&file, PAGES * PAGE, 0)?;
    let mut uffd = Uffd::new(0)?;
    t.put("register", uffd.register(&map, 0, PAGES, MISSING));
    let copy = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page: at, .. } = event {
            t.put("copy", uffd.copy(&map, at as usize, &page(b'p')));
        }
    };
    uffd.serve(t, "load", &map, || map.get(0), copy);
    uffd.serve(t, "store", &map, || map.set(PAGE, 1), copy);
    t.put("zero", uffd.zero(&map, 2, 1));
    t.put("of it", map.get(2 * PAGE));
    t.counts("private", d, &file)?;
    t.put("file", file.all()?);
    Ok(())
}

fn copies_refused(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    let longer = Map::shared(&file, 2 * PAGES * PAGE, 0)?;
    let uffd = Uffd::new(0)?;
    let data = page(b'c');
    t.put("not registered", uffd.copy(&map, 0, &data));
    uffd.register(&map, 0, PAGES, MISSING)?;
    uffd.register(&longer, 0, 2 * PAGES, MISSING)?;
    t.put("first", uffd.copy(&map, 0, &data));
    t.put("again", uffd.copy(&map, 0, &data));
    t.put("in another mapping", uffd.copy(&longer, 0, &data));
    t.put("half a page", uffd.copy(&map, 1, &data[..PAGE / 2]));
    t.put("nothing", uffd.copy(&map, 1, &[]));
    t.put("beyond the end", uffd.copy(&longer, PAGES, &data));
    let three = [page(1), page(2), page(3)].concat();
    file.pwrite(b"x", 4 * PAGE as u64)?;
    t.put("until a page that is there", uffd.copy(&map, 2, &three));
    t.put("until the end", uffd.copy(&longer, PAGES - 2, &three));
    let mode = |mode| uffd.copy_from(&map, 1, data.as_ptr() as u64, PAGE, mode);
    t.put("protected without registration", mode(uffd::COPY_WP));
    t.put("unknown mode", mode(8));
    t.put("not to be woken", mode(uffd::DONT_WAKE));
    t.put("out of the mapping", uffd.copy(&map, PAGES, &data));
    t.put("file", file.all()?);
    t.counts("refused", d, &file)
}

/// A copy that finds its place in the page table taken is taken back from the file.
fn undone_copies(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    let uffd = Uffd::new(0)?;
    uffd.register(&map, 0, PAGES, MISSING)?;
    t.put("poison", uffd.poison(&map, 0, 1));
    t.put("copy onto poison", uffd.copy(&map, 0, &page(b'u')));
    t.counts("onto poison", d, &file)?;
    // SAFETY: pages of the mapping that are not in memory.
    let done = unsafe {
        let start = map.start().wrapping_byte_add(2 * PAGE);
        libc::madvise(start, 2 * PAGE, MADV_GUARD_INSTALL)
    };
    t.put("guard", Errno::check(done.into()));
    for _ in 0..50 {
        let done = uffd.copy(&map, 2, &page(b'u')).0;
        ensure!(done == Err(Errno(libc::EEXIST)), "{done:?} onto a guard");
    }
    t.put("copy", uffd.copy(&map, 2, &page(b'u')));
    t.put("zero", uffd.zero(&map, 3, 1));
    t.counts("undone", d, &file)?;
    t.put("file", file.all()?);
    t.put("write", file.pwrite(&page(b'w'), 2 * PAGE as u64));
    t.counts("written", d, &file)
}

/// The source is not in memory, or not there at all.
fn sources_that_fault(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    let source = d.file("source", &pattern(3, 4 * PAGE))?;
    let source = Map::private(&source, 6 * PAGE, 0)?;
    let uffd = Uffd::new(0)?;
    uffd.register(&map, 0, PAGES, MISSING)?;
    let copy = |page, from: usize| {
        let address = source.start() as u64 + (from * PAGE) as u64;
        uffd.copy_from(&map, page, address, PAGE, 0)
    };
    t.put("not mapped yet", copy(1, 0));
    t.put("beyond the end of its file", copy(2, 5));
    t.put("no address", uffd.copy_from(&map, 3, 0, PAGE, 0));
    let two = source.start() as u64 + 3 * PAGE as u64;
    t.put("half of it", uffd.copy_from(&map, 4, two, 2 * PAGE, 0));
    t.put("seen", map.bytes(PAGE, 10));
    t.counts("sources", d, &file)?;
    t.put("file", file.all()?);
    Ok(())
}

fn zero_pages(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    let mut uffd = Uffd::new(0)?;
    uffd.register(&map, 0, PAGES, MISSING)?;
    let zero = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page, .. } = event {
            t.put("zero", uffd.zero(&map, page as usize, 1));
        }
    };
    uffd.serve(t, "load", &map, || map.get(0), zero);
    uffd.serve(t, "store", &map, || map.set(PAGE, 1), zero);
    t.counts("one by one", d, &file)?;
    t.put("two", uffd.zero(&map, 4, 2));
    t.put("again", uffd.zero(&map, 4, 1));
    t.put("too many", uffd.zero(&map, 6, 20));
    t.counts("several", d, &file)?;
    t.put("file", file.all()?);
    Ok(())
}

fn minor_pages(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    file.pwrite(&pattern(1, 4 * PAGE), 0)?;
    let mut uffd = Uffd::new(0)?;
    t.put("register", uffd.register(&map, 0, PAGES, MINOR));
    let resume = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page, .. } = event {
            let written = file.pwrite(b"changed", page as u64 * PAGE as u64);
            t.put("changed", written);
            t.put("continue", uffd.resume(&map, page as usize, 1, 0));
        }
    };
    uffd.serve(t, "load", &map, || map.bytes(0, 10), resume);
    let store = || map.set(PAGE, b'!');
    uffd.serve(t, "store", &map, store, resume);
    uffd.serve(t, "load of a hole", &map, || map.get(5 * PAGE), resume);
    uffd.serve(t, "store to a hole", &map, || map.set(6 * PAGE, 1), resume);
    t.put("ahead of the fault", uffd.resume(&map, 2, 2, 0));
    uffd.serve(t, "mapped", &map, || map.bytes(2 * PAGE, 10), resume);
    t.put("file", file.all()?);
    t.counts("minor", d, &file)
}

fn continues_refused(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    let longer = Map::shared(&file, 2 * PAGES * PAGE, 0)?;
    file.pwrite(&pattern(1, 2 * PAGE), 0)?;
    let uffd = Uffd::new(0)?;
    uffd.register(&map, 0, PAGES, MINOR)?;
    uffd.register(&longer, 0, 2 * PAGES, MINOR)?;
    t.put("hole", uffd.resume(&map, 4, 1, 0));
    t.put("until a hole", uffd.resume(&map, 0, 4, 0));
    t.put("again", uffd.resume(&map, 0, 1, 0));
    t.put("beyond the end", uffd.resume(&longer, PAGES, 1, 0));
    rustix::fs::fallocate(
        &file,
        rustix::fs::FallocateFlags::KEEP_SIZE,
        (PAGES * PAGE) as u64,
        PAGE as u64,
    )?;
    t.put("preallocated there", uffd.resume(&longer, PAGES, 1, 0));
    t.put("unknown mode", uffd.resume(&map, 0, 1, 64));
    let missing = Uffd::new(0)?;
    let other = Map::shared(&file, PAGES * PAGE, 0)?;
    missing.register(&other, 0, PAGES, MISSING)?;
    t.put("in missing mode", missing.resume(&other, 0, 1, 0));
    t.put("copy in minor mode", uffd.copy(&map, 5, &page(b'c')));
    t.put("zero in minor mode", uffd.zero(&map, 6, 1));
    t.counts("refused", d, &file)
}

fn preallocated_pages(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    rustix::fs::fallocate(
        &file,
        rustix::fs::FallocateFlags::empty(),
        0,
        4 * PAGE as u64,
    )?;
    let uffd = Uffd::new(0)?;
    uffd.register(&map, 0, PAGES, MINOR)?;
    t.put("continue", uffd.resume(&map, 0, 2, 0));
    t.put("zeros", map.bytes(0, 2 * PAGE));
    let other = Map::shared(&file, PAGES * PAGE, 0)?;
    let mut missing = Uffd::new(0)?;
    missing.register(&other, 0, PAGES, MISSING)?;
    t.put("copy onto it", missing.copy(&other, 2, &page(b'c')));
    let nothing = |_: &mut Trace, _: &Uffd, _: Event| {};
    missing.serve(t, "not missing", &other, || other.get(3 * PAGE), nothing);
    t.counts("preallocated", d, &file)
}

fn both_modes(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    file.pwrite(&page(b'w'), 0)?;
    let mut uffd = Uffd::new(0)?;
    uffd.register(&map, 0, PAGES, MISSING | MINOR)?;
    let answer = |t: &mut Trace, uffd: &Uffd, event: Event| match event {
        Event::Fault {
            reason: "minor",
            page,
            ..
        } => t.put("continue", uffd.resume(&map, page as usize, 1, 0)),
        Event::Fault { page: at, .. } => {
            t.put("copy", uffd.copy(&map, at as usize, &page(b'c')));
        }
        Event::Other(..) => {}
    };
    uffd.serve(t, "all", &map, || map.bytes(0, PAGES * PAGE), answer);
    // Out of the page table, and still in the file.
    // SAFETY: a shared mapping, of which nothing is lost.
    unsafe { rustix::mm::madvise(map.start(), PAGES * PAGE, Advice::LinuxDontNeed)? };
    uffd.serve(t, "again", &map, || map.bytes(0, PAGES * PAGE), answer);
    file.pwrite(&page(b'W'), 0)?;
    t.counts("both", d, &file)
}

fn poisoned_pages(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    file.pwrite(&page(b'w'), PAGE as u64)?;
    let uffd = Uffd::new(0)?;
    uffd.register(&map, 0, PAGES, MISSING | MINOR)?;
    t.put("hole", uffd.poison(&map, 0, 1));
    t.put("page", uffd.poison(&map, 1, 1));
    t.put("again", uffd.poison(&map, 0, 1));
    expecting(
        "MCE: Killing|hardware memory corruption|Memory failure",
        || {
            t.forked("load of the hole", |t| t.put("value", map.get(0)));
            t.forked("store to the page", |_| map.set(PAGE, 1));
        },
    );
    t.put("as a buffer", {
        // SAFETY: handed to the kernel alone.
        let buffer = unsafe { map.raw(PAGE, 10) };
        rustix::io::pread(&file, &mut *buffer, 0).map_err(Errno::from)
    });
    t.put("file", file.all()?);
    t.counts("poisoned", d, &file)
}

fn protected_pages(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    file.pwrite(&pattern(1, 2 * PAGE), 0)?;
    let mut uffd = Uffd::new(uffd::FEATURE_FLAG_WP)?;
    t.put("register", uffd.register(&map, 0, PAGES, WP));
    t.put("present", map.get(0));
    t.put("protect", uffd.write_protect(&map, 0, 4, uffd::PROTECT));
    let allow = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page, .. } = event {
            t.put("allow", uffd.write_protect(&map, page as usize, 1, 0));
        }
    };
    uffd.serve(t, "load", &map, || map.bytes(0, 10), allow);
    uffd.serve(t, "store", &map, || map.set(0, b'!'), allow);
    uffd.serve(t, "store again", &map, || map.set(1, b'!'), allow);
    let store = || map.set(PAGE, b'!');
    uffd.serve(t, "store to one never mapped", &map, store, allow);
    uffd.serve(t, "load of a hole", &map, || map.get(2 * PAGE), allow);
    let store = || map.set(2 * PAGE, b'!');
    uffd.serve(t, "store to what was a hole", &map, store, allow);
    let store = || map.set(3 * PAGE, b'!');
    uffd.serve(t, "store to a hole", &map, store, allow);
    uffd.serve(t, "not protected", &map, || map.set(4 * PAGE, 1), allow);
    t.put("write", file.pwrite(b"not seen", 10));
    t.put("file", file.all()?);
    t.counts("protected", d, &file)?;

    let both = Map::shared(&file, PAGES * PAGE, 0)?;
    let mut uffd = Uffd::new(uffd::FEATURE_FLAG_WP)?;
    uffd.register(&both, 0, PAGES, WP | MISSING)?;
    let data = page(b'c');
    let copy = uffd.copy_from(&both, 6, data.as_ptr() as u64, PAGE, uffd::COPY_WP);
    t.put("copied and protected", copy);
    let allow = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page, .. } = event {
            t.put("allow", uffd.write_protect(&both, page as usize, 1, 0));
        }
    };
    let store = || both.set(6 * PAGE, b'!');
    uffd.serve(t, "store to the copy", &both, store, allow);
    t.put("seen", both.bytes(6 * PAGE, 10));
    Ok(())
}

fn protected_asynchronously(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    let mut uffd = Uffd::new(uffd::FEATURE_FLAG_WP | uffd::FEATURE_WP_ASYNC)?;
    t.put("register", uffd.register(&map, 0, PAGES, WP));
    t.put("protect", uffd.write_protect(&map, 0, PAGES, uffd::PROTECT));
    let nothing = |_: &mut Trace, _: &Uffd, _: Event| {};
    for at in [0, 3] {
        uffd.serve(t, "store", &map, || map.set(at * PAGE, 1), nothing);
    }
    uffd.serve(t, "load", &map, || map.get(5 * PAGE), nothing);
    t.put("protected pages", marks(&map)?);
    t.counts("asynchronously", d, &file)
}

/// Which pages of a mapping are write-protected by a monitor, as /proc/self/pagemap has it.
fn marks(map: &Map) -> anyhow::Result<Vec<bool>> {
    let words = map.pagemap()?;
    Ok(words.into_iter().map(|w| w & (1 << 57) != 0).collect())
}

/// What is protected remains so when it leaves the page table.
fn protection_stays(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    file.pwrite(&pattern(1, PAGES * PAGE), 0)?;
    let mut uffd = Uffd::new(uffd::FEATURE_FLAG_WP)?;
    uffd.register(&map, 0, PAGES, WP)?;
    t.put("all", map.bytes(0, PAGES * PAGE));
    t.put("protect", uffd.write_protect(&map, 2, 4, uffd::PROTECT));
    t.put("marks", marks(&map)?);
    // SAFETY: a shared mapping, of which nothing is lost.
    let advise = |advice| unsafe {
        rustix::mm::madvise(map.start(), PAGES * PAGE, advice).map_err(Errno::from)
    };
    for (label, advice) in [
        ("cold", Advice::LinuxCold),
        ("out", Advice::LinuxPageOut),
        ("not needed", Advice::LinuxDontNeed),
    ] {
        t.put(label, advise(advice));
        t.put("marks", marks(&map)?);
    }
    let allow = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page, .. } = event {
            t.put("allow", uffd.write_protect(&map, page as usize, 1, 0));
        }
    };
    uffd.serve(t, "store", &map, || map.set(3 * PAGE, b'!'), allow);
    file.truncate(4 * PAGE as u64)?;
    t.put("marks after truncation", marks(&map)?);
    file.truncate((PAGES * PAGE) as u64)?;
    uffd.serve(t, "new page", &map, || map.set(5 * PAGE, 1), allow);
    t.put("marks in the end", marks(&map)?);
    Ok(())
}

fn moves_refused(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    let other = Map::shared(&d.file("g", &pattern(1, PAGES * PAGE))?, PAGES * PAGE, 0)?;
    let uffd = Uffd::new(uffd::FEATURE_MOVE)?;
    t.put("register", uffd.register(&map, 0, PAGES, MISSING));
    t.put("move", uffd.move_from(&map, 0, &other, 1));
    let private = Map::private(&file, PAGES * PAGE, 0)?;
    t.put("register", uffd.register(&private, 0, PAGES, MISSING));
    t.put("into private", uffd.move_from(&private, 0, &other, 1));
    t.counts("moves", d, &file)
}

fn removed_ranges(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    file.pwrite(&pattern(1, PAGES * PAGE), 0)?;
    let mut uffd = Uffd::new(uffd::FEATURE_EVENT_REMOVE)?;
    uffd.register(&map, 0, PAGES, MISSING)?;
    let copy = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page: at, .. } = event {
            t.put("copy", uffd.copy(&map, at as usize, &page(b'c')));
        }
    };
    let start = map.start() as usize;
    // SAFETY: pages of the mapping.
    let advise = |at: usize, pages: usize, advice| unsafe {
        let at = std::ptr::with_exposed_provenance_mut(start + at * PAGE);
        rustix::mm::madvise(at, pages * PAGE, advice).map_err(Errno::from)
    };
    uffd.serve(
        t,
        "remove",
        &map,
        || advise(1, 2, Advice::LinuxRemove),
        copy,
    );
    uffd.serve(
        t,
        "drop",
        &map,
        || advise(4, 2, Advice::LinuxDontNeed),
        copy,
    );
    t.counts("removed", d, &file)?;
    uffd.serve(t, "all", &map, || map.bytes(0, PAGES * PAGE), copy);
    t.counts("all", d, &file)
}

fn moved_and_unmapped_mappings(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    let mut uffd = Uffd::new(uffd::FEATURE_EVENT_REMAP | uffd::FEATURE_EVENT_UNMAP)?;
    uffd.register(&map, 0, PAGES, MISSING)?;
    let place = Map::new(
        &file,
        PAGES * PAGE,
        0,
        ProtFlags::READ,
        MapFlags::SHARED | MapFlags::NORESERVE,
    )?;
    let (old, new) = (map.start() as usize, place.start() as usize);
    let nothing = |_: &mut Trace, _: &Uffd, _: Event| {};
    let remap = || {
        // SAFETY: both ranges are mappings of this case, and the half that moves is not used at its old place.
        let done = unsafe {
            libc::mremap(
                std::ptr::with_exposed_provenance_mut(old + PAGES / 2 * PAGE),
                PAGES / 2 * PAGE,
                PAGES / 2 * PAGE,
                libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
                std::ptr::with_exposed_provenance_mut::<libc::c_void>(new),
            )
        };
        done != libc::MAP_FAILED
    };
    uffd.serve(t, "move", &map, remap, nothing);
    let copy = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page: at, .. } = event {
            t.put("copy", uffd.copy(&place, at as usize, &page(b'c')));
        }
    };
    uffd.serve(t, "at the new place", &place, || place.get(PAGE), copy);
    let unmap = || {
        let at = std::ptr::with_exposed_provenance_mut(new);
        // SAFETY: what was moved there is not used any more.
        unsafe { libc::munmap(at, PAGE) }
    };
    uffd.serve(t, "unmap", &place, unmap, nothing);
    // Nobody would read of what else is unmapped.
    drop(uffd);
    t.counts("moved", d, &file)
}

fn signals_instead(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    file.pwrite(&page(b'w'), 0)?;
    let uffd = Uffd::new(uffd::FEATURE_SIGBUS)?;
    uffd.register(&map, 0, PAGES, MISSING)?;
    t.put("page", map.get(0));
    // SAFETY: handed to the kernel alone.
    let buffer = unsafe { map.raw(PAGE, 10) };
    let read = rustix::io::pread(&file, &mut *buffer, 0).map_err(Errno::from);
    t.put("hole as a buffer", read);
    t.put("hole as a source", file.pwrite(buffer, 0));
    t.counts("signals", d, &file)?;
    t.put("copy", uffd.copy(&map, 1, &page(b'c')));
    t.put("there", map.get(PAGE));
    Ok(())
}

fn two_files_in_one_monitor(t: &mut Trace, d: &Dir) -> Done {
    let (first, map) = holes(d)?;
    let second = d.create("g")?;
    second.truncate((PAGES * PAGE) as u64)?;
    let other = Map::shared(&second, PAGES * PAGE, 0)?;
    let mut uffd = Uffd::new(0)?;
    uffd.register(&map, 0, PAGES, MISSING)?;
    uffd.register(&other, 2, 2, MISSING)?;
    let copy = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page: at, .. } = event {
            t.put("copy", uffd.copy(&map, at as usize, &page(b'1')));
        }
    };
    uffd.serve(t, "first", &map, || map.get(0), copy);
    let copy = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page: at, .. } = event {
            t.put("copy", uffd.copy(&other, at as usize, &page(b'2')));
        }
    };
    uffd.serve(t, "second", &other, || other.get(2 * PAGE), copy);
    uffd.serve(t, "not registered", &other, || other.get(0), copy);
    t.put("the same page of the other", map.get(0));
    t.counts("first", d, &first)?;
    t.counts("second", d, &second)
}

/// The kernel itself faults, on a buffer; write(2) to the file does not ask a monitor.
fn faults_of_the_kernel(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    let other = d.file("g", &pattern(2, 2 * PAGE))?;
    let mut uffd = Uffd::new(0)?;
    uffd.register(&map, 0, PAGES, MISSING)?;
    let copy = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page: at, .. } = event {
            t.put("copy", uffd.copy(&map, at as usize, &page(b'k')));
        }
    };
    let read = || {
        // SAFETY: handed to the kernel alone.
        let buffer = unsafe { map.raw(PAGE, 2 * PAGE) };
        rustix::io::pread(&other, &mut *buffer, 0).map_err(Errno::from)
    };
    uffd.serve(t, "read into it", &map, read, copy);
    let write = || {
        // SAFETY: as above.
        other.pwrite(unsafe { map.raw(4 * PAGE, PAGE) }, 0)
    };
    uffd.serve(t, "write from it", &map, write, copy);
    let own = || {
        // SAFETY: as above. The page that it writes is another one than it writes to.
        file.pwrite(unsafe { map.raw(5 * PAGE, PAGE) }, 6 * PAGE as u64)
    };
    uffd.serve(t, "write to the file from it", &map, own, copy);
    uffd.serve(t, "read of the file", &map, || file.all(), copy);
    t.counts("kernel", d, &file)
}

fn unregistered(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    let mut uffd = Uffd::new(0)?;
    uffd.register(&map, 0, PAGES, MISSING)?;
    // A fault that nobody answers goes on as any other once the range is free again.
    let free = |t: &mut Trace, uffd: &Uffd, _: Event| {
        t.put("unregister", uffd.unregister(&map, 0, PAGES));
        t.put("wake", uffd.wake(&map, 0, PAGES));
    };
    uffd.serve(t, "load", &map, || map.get(0), free);
    t.counts("unregistered", d, &file)?;
    uffd.register(&map, 0, PAGES, MISSING)?;
    drop(uffd);
    t.put("without a monitor", map.get(PAGE));
    t.counts("closed", d, &file)
}

fn no_block(t: &mut Trace, d: &Dir) -> Done {
    let (file, map) = holes(d)?;
    let uffd = Uffd::new(0)?;
    uffd.register(&map, 0, PAGES, MISSING)?;
    let data: Vec<u8> = (0..PAGES as u8).flat_map(page).collect();
    t.put("more than may be", uffd.copy(&map, 0, &data));
    t.counts("full", d, &file)?;
    t.put("copy", uffd.copy(&map, 5, &page(b'c')));
    t.put("copy onto a page", uffd.copy(&map, 1, &page(b'c')));
    t.put("zero", uffd.zero(&map, 6, 1));
    t.counts("refused", d, &file)?;
    file.truncate(PAGE as u64)?;
    file.truncate((PAGES * PAGE) as u64)?;
    t.put("and go on", uffd.copy(&map, 5, &page(b'c')));
    t.counts("gone on", d, &file)
}

/// The pages come by a mapping of which the monitor hears nothing, in order; the others stay what it is to hear of.
fn filled_by_another_mapping(t: &mut Trace, d: &Dir) -> Done {
    const LEN: usize = 256;
    let file = d.create("f")?;
    file.truncate((LEN * PAGE) as u64)?;
    let map = Map::first(&file, LEN)?;
    let other = Map::first(&file, LEN)?;
    let mut uffd = Uffd::new(0)?;
    t.put("register", uffd.register(&map, 0, LEN, MISSING));
    for page in 0..33 {
        other.set(page * PAGE, 1);
    }
    t.counts("filled", d, &file)?;
    let copy = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page: at, .. } = event {
            t.put("copy", uffd.copy(&map, at as usize, &page(b'f')));
        }
    };
    uffd.serve(t, "filled", &map, || map.get(32 * PAGE), copy);
    uffd.serve(t, "behind it", &map, || map.get(40 * PAGE), copy);
    t.put("copy", uffd.copy(&map, 50, &page(b'c')));
    for page in 64..160 {
        other.set(page * PAGE, 1);
    }
    t.put("copy behind more", uffd.copy(&map, 161, &page(b'c')));
    t.counts("copied", d, &file)?;
    // What was watched once is as it was.
    drop((map, uffd));
    for page in 160..256 {
        other.set(page * PAGE, 2);
    }
    t.counts("full", d, &file)
}
