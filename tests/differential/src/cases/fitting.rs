//! A mount without huge=, whose folios are as large as what they are for: a file has the pages that it would have of
//! single ones, wherever that can be seen.

use std::os::fd::AsRawFd;

use nix::sys::resource::{getrusage, UsageWho};
use rustix::fs::FallocateFlags;
use stage::memory_errors;
use stage::pipe::InPipe;

use super::huge::{compact, fallocate, prepare, punch, HUGE};
use crate::harness::kmsg::expecting;
use crate::harness::prelude::*;
use crate::harness::process::forked;
use crate::harness::quota::{self, field, Kind, Quota};
use crate::harness::sys::cached_pages;

cases! {
    own => large_at_all, few_faults, remounted, in_advance_and_remounted, of_two_policies, of_two_policies_in_use;
    "size=32m" => by_one_call, by_small_calls, two_that_grow, in_advance, in_advance_at_large, punched, cut,
        from_a_source_with_an_end, from_a_source_that_is_not_there, from_a_source_that_ends_in_a_page, from_nowhere, end_moved_on,
        preallocated_beyond_the_end, source_ends_in_preallocated, at_the_largest_position, mapped_by_chance;
    "usrquota" => grown_with_quota;
    "size=1m" => to_the_last_block, grown_to_the_last_block, beside_one_that_grows;
    "nr_blocks=128" => mapped_beside_the_last_block;
}

/// How many folios of this size, in KiB, files without a disk were given so far.
fn allocated(size: u64) -> anyhow::Result<u64> {
    stage::machine::folios(size, "shmem_alloc")
}

/// All that the other cases say is true of a mount of single pages as well.
fn large_at_all(t: &mut Trace, fs: &Fs) -> Done {
    prepare()?;
    let expect = |what: &str, size, options: &str, body: &dyn Fn(&Dir) -> Done| -> Done {
        for (options, large) in [(options, fs.is_subject()), ("huge=never", false)] {
            let mount = fs.mount(options)?;
            let before = allocated(size)?;
            body(&mount.dir()?)?;
            let got = allocated(size)? - before;
            ensure!((got > 0) == large, "{what}, {options}: {got} of {size} KiB");
            mount.unmount()?;
        }
        Ok(())
    };
    let data = pattern(1, HUGE);
    let map = |d: &Dir, pages: usize| -> Done {
        let file = d.create("m")?;
        file.truncate((pages * PAGE) as u64)?;
        Map::first(&file, pages)?.touch(pages);
        Ok(())
    };
    expect("one call", 2048, "", &|d| {
        d.file("f", &data).map(drop).map_err(Into::into)
    })?;
    expect("16 KiB", 16, "", &|d| {
        d.file("f", &data[..16 << 10]).map(drop).map_err(Into::into)
    })?;
    expect("small calls", 64, "", &|d| {
        let file = d.create("f")?;
        for part in data.chunks(PAGE) {
            ensure!(file.write(part)? == PAGE, "short write");
        }
        Ok(())
    })?;
    for size in [64, 1024, 2048] {
        expect("preallocated", size, "", &|d| {
            let file = d.create("f")?;
            let bytes = (size as usize) << 10;
            Ok(fallocate(&file, FallocateFlags::empty(), 0, bytes)?)
        })?;
    }
    // None that a PMD maps as a whole where the file ends before.
    let mount = fs.mount("")?;
    let before = allocated(2048)?;
    let file = mount.dir()?.create("f")?;
    fallocate(&file, FallocateFlags::KEEP_SIZE, 0, 2 * HUGE)?;
    let got = allocated(2048)? - before;
    ensure!(got == 0, "preallocated beyond the end: {got} of 2 MiB");
    drop(file);
    mount.unmount()?;
    expect("faults in a row", 128, "", &|d| map(d, 256))?;
    // In the folio with the error pages are written one by one, while it is in use.
    expect("behind a page with a memory error", 512, "", &|d| {
        let file = d.file("f", &data[..16 * PAGE])?;
        let pipe = rustix::pipe::pipe()?;
        let used = rustix::fs::sendfile(&pipe.1, &file, Some(&mut 0), PAGE)?;
        ensure!(used == PAGE, "{used} bytes are in the pipe");
        let map = Map::first(&file, 16)?;
        expecting(memory_errors::EXPECTED, || -> Done {
            forked(|| {
                map.advise(5 * PAGE, PAGE, memory_errors::HARD)
                    .unwrap_or_default()
            });
            let written = file.pwrite(&data[..260 * PAGE], 6 * PAGE as u64)?;
            ensure!(written == 260 * PAGE, "{written} bytes are written");
            Ok(())
        })
    })?;
    memory_errors::take_back()?;
    // The 33rd page comes with the three behind it: before it there are folios of two pages.
    for (options, pages) in [
        ("", if fs.is_subject() { 36 } else { 33 }),
        ("huge=never", 33),
    ] {
        let mount = fs.mount(options)?;
        let file = mount.dir()?.create("f")?;
        fallocate(&file, FallocateFlags::empty(), 0, 64 * PAGE)?;
        Map::first(&file, 64)?.touch(33);
        let end = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(0))?;
        ensure!(
            end == (pages * PAGE) as u64,
            "faults in a row of what is preallocated, {options}: data up to byte {end}"
        );
        drop(file);
        mount.unmount()?;
    }
    t.put("done", true);
    Ok(())
}

/// Of a store what is around its page is mapped, too, whatever the folios are that calls of different sizes have made.
fn few_faults(t: &mut Trace, fs: &Fs) -> Done {
    let data = pattern(1, 1 << 20);
    let pages = data.len() / PAGE;
    let dir = fs.mount("")?;
    for bytes in [PAGE, 2 * PAGE, 5 * PAGE, 16 * PAGE, data.len()] {
        let file = dir.dir()?.create(format!("{bytes}"))?;
        for part in data.chunks(bytes) {
            ensure!(file.write(part)? == part.len(), "short write");
        }
        let map = Map::shared(&file, data.len(), 0)?;
        let faults = || getrusage(UsageWho::RUSAGE_THREAD).map(|usage| usage.minor_page_faults());
        let before = faults()?;
        for page in 0..pages {
            map.set(page * PAGE, 7);
        }
        let got = (faults()? - before) as usize;
        // tmpfs has one for each page. Some are the stack's, and the mapping may begin anywhere.
        let limit = if fs.is_subject() {
            pages / 16 + 16
        } else {
            2 * pages
        };
        ensure!(
            got <= limit,
            "in pieces of {bytes} bytes: {got} faults for {pages} pages"
        );
    }
    dir.unmount()?;
    t.put("done", true);
    Ok(())
}

/// Calls of sizes and at places that fit no folio.
fn by_one_call(t: &mut Trace, d: &Dir) -> Done {
    for (n, (at, len)) in [
        (0, 1),
        (0, PAGE + 1),
        (PAGE - 1, 2),
        (PAGE, 7 * PAGE),
        (3 * PAGE + 5, 64 << 10),
        (HUGE - 1, HUGE + 2),
        (HUGE, 3 * HUGE),
        (HUGE - 3 * PAGE, 6 * PAGE + 100),
    ]
    .into_iter()
    .enumerate()
    {
        let file = d.create("f")?;
        t.put("write", file.pwrite(&pattern(n as u32, len), at as u64));
        t.counts(format!("{len} at {at}"), d, &file)?;
        t.put(
            "before",
            file.pread(at.min(PAGE), at.saturating_sub(PAGE) as u64),
        );
        t.put("contents", file.pread(len + PAGE, at as u64));
        // The hole before it, in one call that meets it.
        t.put("fill", file.pwrite(&pattern(9, at + 1), 0));
        t.counts("filled", d, &file)?;
        drop(file);
        d.unlink("f")?;
    }
    Ok(())
}

/// What is made for a file that grows does not count where a remount sets limits, and does not outlive the policy.
fn remounted(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=32m")?;
    let d = mount.dir()?;
    for option in ["nr_blocks=200", "nr_blocks=8192", "huge=never"] {
        let file = append_pages(&d, 200)?;
        t.put(option, mount.remount(option));
        t.put("pages", cached_pages(file.0.as_raw_fd(), 0, 0));
        drop(file);
        d.unlink("f")?;
    }
    Ok(())
}

/// A file that grew to so many pages by as many writes, and is open.
pub fn append_pages(d: &Dir, pages: usize) -> anyhow::Result<Fd> {
    let file = d.create("f")?;
    for part in pattern(4, pages * PAGE).chunks(PAGE) {
        ensure!(file.write(part)? == PAGE, "short write");
    }
    Ok(file)
}

/// A longer file, the first pages of which a mapping has stored to in order.
fn touch_pages(d: &Dir, pages: usize) -> anyhow::Result<Fd> {
    let file = d.create("f")?;
    file.truncate((4 * pages * PAGE) as u64)?;
    let map = Map::first(&file, 4 * pages)?;
    (0..pages).for_each(|page| map.set(page * PAGE, 1));
    Ok(file)
}

/// Quota counts what the file has, and begins no grace for more.
fn grown_with_quota(t: &mut Trace, d: &Dir) -> Done {
    type Grow = fn(&Dir, usize) -> anyhow::Result<Fd>;
    let ways: [(&str, Grow); 2] = [("written", append_pages), ("touched", touch_pages)];
    for (pages, limit) in [(100, 100), (100, 104), (130, 128), (16, 17), (17, 17)] {
        for (way, grow) in ways {
            let soft = Quota {
                soft_blocks: (limit * PAGE / 1024) as u64,
                valid: field::BLOCK_LIMITS,
                ..Quota::default()
            };
            quota::set(d, Kind::User, 0, soft)?;
            let file = grow(d, pages)?;
            let got = quota::get(d, Kind::User, 0)?;
            t.put(format!("{pages} pages of {limit}, {way}"), got);
            drop(file);
            d.unlink("f")?;
        }
    }
    Ok(())
}

/// What is made for a file that grows is not to be seen: neither in the file nor in what the mount has free.
fn by_small_calls(t: &mut Trace, d: &Dir) -> Done {
    let data = pattern(3, HUGE + 300_000);
    for step in [100, PAGE, 3 * PAGE, 15 * PAGE + 1, 64 << 10, 100_001] {
        let file = d.create("f")?;
        for (n, part) in data.chunks(step).enumerate() {
            ensure!(file.write(part)? == part.len(), "short write");
            if n % 61 == 17 {
                t.put(format!("{step}, {n}"), file.meta()?);
            }
            if n % 67 == 31 {
                t.put(format!("{step}, {n}"), d.space()?);
            }
        }
        t.counts(format!("{step}: open"), d, &file)?;
        ensure!(file.all()?.0 == data, "other contents");
        drop(file);
        t.put(format!("{step}: closed"), d.space()?);
        // It goes on to grow where it has ended.
        let file = d.read_write("f")?;
        file.seek(SeekFrom::End(0))?;
        for part in data.chunks(step).take(100) {
            ensure!(file.write(part)? == part.len(), "short write");
        }
        drop(file);
        t.put(format!("{step}: grown"), (d.meta("f")?, d.space()?));
        // The end is moved beyond what was made for it, and back.
        let file = d.read_write("f")?;
        file.seek(SeekFrom::End(0))?;
        ensure!(file.write(&data[..PAGE])? == PAGE, "short write");
        let size = file.size()?;
        t.put("up", file.truncate(size + 100 * PAGE as u64));
        t.counts("up", d, &file)?;
        t.put("tail", file.pread(8 * PAGE, size));
        t.put("down", file.truncate(size - 5));
        t.counts("down", d, &file)?;
        drop(file);
        d.unlink("f")?;
        t.put("space", d.space()?);
    }
    Ok(())
}

/// One is closed by a task while another goes on writing.
fn two_that_grow(t: &mut Trace, d: &Dir) -> Done {
    let data = pattern(4, 64 * PAGE);
    let (a, b) = (d.create("f")?, d.read_write("f")?);
    for part in data.chunks(PAGE) {
        ensure!(a.write(part)? == PAGE, "short write");
    }
    b.seek(SeekFrom::End(0))?;
    ensure!(b.write(&data[..3 * PAGE])? == 3 * PAGE, "short write");
    drop(a);
    t.counts("one", d, &b)?;
    ensure!(b.write(&data[..40 * PAGE])? == 40 * PAGE, "short write");
    drop(b);
    t.put("none", (d.meta("f")?, d.space()?));
    t.put("contents", d.contents("f")?);
    Ok(())
}

/// Of what is allocated in advance only that is data which was written.
fn in_advance(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    let allocate = |flags, at: usize, len: usize| {
        rustix::fs::fallocate(&file, flags, at as u64, len as u64).map_err(|e| e.raw_os_error())
    };
    t.put("allocate", allocate(FallocateFlags::empty(), 5, 100 * PAGE));
    t.counts("allocated", d, &file)?;
    for (at, len) in [
        (0, 1),
        (17 * PAGE + 5, 100),
        (32 * PAGE, 16 * PAGE),
        (63 * PAGE, 3 * PAGE),
    ] {
        t.put(
            format!("{len} at {at}"),
            file.pwrite(&pattern(1, len), at as u64),
        );
        t.counts("written", d, &file)?;
    }
    let map = Map::first(&file, 101)?;
    map.set(70 * PAGE + 3, 7);
    t.put("read", map.get(80 * PAGE));
    t.counts("mapped", d, &file)?;
    t.put(
        "once more",
        allocate(FallocateFlags::empty(), 84 * PAGE, 3 * PAGE),
    );
    t.counts("once more", d, &file)?;
    t.put(
        "beyond the end",
        allocate(FallocateFlags::KEEP_SIZE, 0, 300 * PAGE),
    );
    t.counts("beyond the end", d, &file)?;
    t.put("punch", punch(&file, 90 * PAGE, 100 * PAGE));
    t.counts("punched", d, &file)?;
    t.put(
        "too much",
        allocate(FallocateFlags::empty(), 0, 16384 * PAGE),
    );
    t.counts("too much", d, &file)?;
    t.put("contents", file.all()?);
    Ok(())
}

type Use = fn(&Fd, usize, usize) -> Res<()>;

/// The ways in which parts of what was allocated in advance are used.
const USES: [(&str, Use); 6] = [
    ("write", |file, at, len| {
        file.pwrite(&pattern(3, len), at as u64).map(drop)
    }),
    ("fault", |file, at, len| {
        let map = Map::first(file, AT_LARGE / PAGE)?;
        map.advise_all(libc::MADV_RANDOM)?;
        (at..at + len).step_by(PAGE).for_each(|at| map.set(at, 9));
        Ok(())
    }),
    ("populate", |file, at, len| {
        let at = at / PAGE * PAGE;
        let len = len.next_multiple_of(PAGE);
        let map = Map::shared(file, len, at as u64)?;
        map.advise_all(libc::MADV_RANDOM)?;
        map.advise(0, len, libc::MADV_POPULATE_WRITE)
    }),
    ("allocate", |file, at, len| {
        fallocate(file, FallocateFlags::empty(), at, len)
    }),
    ("punch", punch),
    ("cut", |file, at, _| file.truncate(at as u64)),
];

/// So much that the largest folios are among what is allocated in advance.
const AT_LARGE: usize = 4 * HUGE + 7 * PAGE;

/// Allocates a file in advance and, after what comes in between, uses parts of each size in this way.
fn use_parts(
    t: &mut Trace,
    d: &Dir,
    (name, use_part): (&str, Use),
    between: impl FnOnce(&mut Trace),
) -> Done {
    let file = d.create("f")?;
    t.put(
        "allocate",
        fallocate(&file, FallocateFlags::empty(), 0, AT_LARGE),
    );
    between(t);
    t.counts("allocated", d, &file)?;
    for (at, len) in [
        (3 * HUGE, HUGE),
        (2 * HUGE + HUGE / 2, HUGE / 2),
        (2 * HUGE - PAGE, 2 * PAGE),
        (HUGE + (64 << 10), 64 << 10),
        (HUGE + (32 << 10), 16 << 10),
        (HUGE / 2 + 3 * PAGE + 5, 10),
        (7 * PAGE, 2 * HUGE),
    ] {
        t.put(format!("{name} {len} at {at}"), use_part(&file, at, len));
        t.counts(format!("{name} {len} at {at}"), d, &file)?;
    }
    t.put("contents", file.all()?);
    drop(file);
    d.unlink("f")?;
    Ok(())
}

/// The same of the largest folios that are allocated in advance.
fn in_advance_at_large(t: &mut Trace, d: &Dir) -> Done {
    for of in USES {
        use_parts(t, d, of, |_| {})?;
    }
    Ok(())
}

/// And where the mount has another policy by the time that they are used.
fn in_advance_and_remounted(t: &mut Trace, fs: &Fs) -> Done {
    compact()?;
    for policy in ["huge=never", "huge=always"] {
        for of in USES {
            let mount = fs.mount("size=32m")?;
            use_parts(t, &mount.dir()?, of, |t| {
                t.put(policy, mount.remount(policy));
            })?;
            mount.unmount()?;
        }
    }
    Ok(())
}

/// Where such a file has folios of the default policy.
const FIRST: usize = HUGE / 2;

/// A file has folios of the default policy, and then gets some of the same sizes by another one: what is written into one
/// of these makes data of all of it, and only of these.
fn of_two_policies(t: &mut Trace, fs: &Fs) -> Done {
    let none = FallocateFlags::empty();
    compact()?;
    let mount = fs.mount("size=16m")?;
    let d = mount.dir()?;
    let file = d.create("f")?;
    t.put("first", fallocate(&file, none, FIRST, 64 * PAGE));
    t.put("data", file.pwrite(&pattern(1, 20 * PAGE), FIRST as u64));
    by_second_policy(t, &mount, &d, &file)?;
    drop((file, d));
    mount.unmount()?;
    Ok(())
}

/// The same where a folio of the default policy, which reaches beyond the end of the file, is in use at that time.
fn of_two_policies_in_use(t: &mut Trace, fs: &Fs) -> Done {
    compact()?;
    let mount = fs.mount("size=16m")?;
    let d = mount.dir()?;
    let file = d.create("f")?;
    for again in [false, true] {
        let first = fallocate(&file, FallocateFlags::KEEP_SIZE, FIRST, 64 * PAGE);
        t.put(format!("first, again {again}"), first);
    }
    t.put("size", file.truncate((FIRST + 4 * PAGE) as u64));
    let _pipe = InPipe::page(&file, FIRST / PAGE)?;
    by_second_policy(t, &mount, &d, &file)?;
    drop((file, d));
    mount.unmount()?;
    Ok(())
}

fn by_second_policy(t: &mut Trace, mount: &Mount, d: &Dir, file: &Fd) -> Done {
    t.put("remount", mount.remount("huge=always"));
    let second = fallocate(file, FallocateFlags::empty(), 5 * PAGE, 2 * HUGE);
    t.put("second", second);
    t.counts("both", d, file)?;
    for at in [0, 7, 40, 100, 255, 256 + 30, 256 + 63, 256 + 64, 400, 600] {
        t.put(at, file.pwrite(&[9; 10], (at * PAGE) as u64));
        t.counts(at, d, file)?;
        t.put("extents", file.extents());
    }
    t.put("contents", file.all()?);
    Ok(())
}

fn punched(t: &mut Trace, d: &Dir) -> Done {
    let data = pattern(5, HUGE + 35 * PAGE);
    for (at, len) in [
        (0, PAGE),
        (PAGE, PAGE),
        (HUGE - PAGE, 2 * PAGE),
        (100, 200),
        (PAGE - 1, PAGE + 2),
        (1, HUGE + PAGE),
        (7 * PAGE, 10 * HUGE),
    ] {
        let file = d.file("f", &data)?;
        t.put(format!("{len} at {at}"), punch(&file, at, len));
        t.counts("punched", d, &file)?;
        // Odd pages, one by one.
        for page in (1..40).step_by(2) {
            punch(&file, page * PAGE, PAGE)?;
        }
        t.counts("every other", d, &file)?;
        t.put("contents", file.all()?);
        ensure!(file.pwrite(&data, 0)? == data.len(), "short write");
        t.counts("filled again", d, &file)?;
        drop(file);
        d.unlink("f")?;
    }
    Ok(())
}

fn cut(t: &mut Trace, d: &Dir) -> Done {
    let data = pattern(6, 2 * HUGE);
    let file = d.file("f", &data)?;
    for size in [
        2 * HUGE - 1,
        2 * HUGE - PAGE,
        HUGE + 17 * PAGE + 3,
        HUGE,
        5 * PAGE,
        1,
        0,
    ] {
        t.put(format!("to {size}"), file.truncate(size as u64));
        t.counts("cut", d, &file)?;
        t.put("longer", file.truncate((size + 3 * PAGE) as u64));
        t.put(
            "tail",
            file.pread(4 * PAGE, size.saturating_sub(PAGE) as u64),
        );
        t.counts("longer", d, &file)?;
    }
    Ok(())
}

/// A write whose source ends in the middle of it leaves pages for what was there.
fn from_a_source_with_an_end(t: &mut Trace, d: &Dir) -> Done {
    // It has grown, and is open still.
    let source = d.create("source")?;
    for part in pattern(7, 37 * PAGE + 9).chunks(PAGE) {
        ensure!(source.write(part)? == part.len(), "short write");
    }
    // What is mapped beyond the end of the file is not there.
    let map = Map::read_only(&source, 200 * PAGE, 0)?;
    for (n, (from, at, len)) in [
        (0, 0, 200),
        (0, 5 * PAGE, 200),
        (36, 64 * PAGE + 7, 100),
        (38, 0, 64),
        (37, 16 * PAGE, 64),
    ]
    .into_iter()
    .enumerate()
    {
        let file = d.create("f")?;
        if n % 2 == 1 {
            ensure!(
                file.pwrite(&pattern(1, 20 * PAGE), 0)? == 20 * PAGE,
                "short write"
            );
        }
        // SAFETY: The kernel looks whether the memory is there.
        let bytes = unsafe {
            std::slice::from_raw_parts(map.start().cast::<u8>().add(from * PAGE), len * PAGE)
        };
        t.put(
            format!("{len} pages from {from} at {at}"),
            file.pwrite(bytes, at as u64),
        );
        t.counts("written", d, &file)?;
        t.put("contents", file.all()?);
        drop(file);
        d.unlink("f")?;
    }
    Ok(())
}

/// A source that has to be faulted in first.
fn from_a_source_that_is_not_there(t: &mut Trace, d: &Dir) -> Done {
    let data = pattern(8, HUGE);
    let source = d.file("source", &data)?;
    for at in [0, PAGE + 1, 16 * PAGE] {
        // None of it is mapped yet.
        let map = Map::read_only(&source, HUGE, 0)?;
        let file = d.create("f")?;
        // SAFETY: The mapping is as long, and the file behind it stays as it is.
        let bytes = unsafe { std::slice::from_raw_parts(map.start().cast::<u8>(), HUGE) };
        t.put(format!("at {at}"), file.pwrite(bytes, at as u64));
        t.counts("written", d, &file)?;
        ensure!(file.pread(HUGE, at as u64)?.0 == data, "other contents");
        drop(file);
        d.unlink("f")?;
        // A file from its own mapping.
        let map = Map::shared(&source, HUGE, 0)?;
        // SAFETY: As above; the bytes that are written are those that are there.
        let bytes = unsafe { std::slice::from_raw_parts(map.start().cast::<u8>(), HUGE) };
        t.put("onto itself", source.pwrite(bytes, 0));
    }
    Ok(())
}

/// After a write that can copy nothing, a file reaches to where it was to begin.
fn from_nowhere(t: &mut Trace, d: &Dir) -> Done {
    let size = 16 * PAGE;
    for (pages, at_first) in [("new", 0), ("allocated", HUGE)] {
        for (place, at) in [
            ("within", 100),
            ("at the end", size),
            ("behind", size + 1),
            ("far behind", HUGE - PAGE),
        ] {
            let file = d.file("f", &pattern(1, size))?;
            if at_first > 0 {
                fallocate(&file, FallocateFlags::KEEP_SIZE, 0, at_first)?;
            }
            // SAFETY: The kernel looks whether the memory is there.
            let done =
                unsafe { libc::pwrite(file.0.as_raw_fd(), std::ptr::null(), 100, at as i64) };
            let done = Errno::check(done as libc::c_long);
            t.put(format!("{pages}, {place}"), (done, file.size()?));
            d.unlink("f")?;
        }
    }
    Ok(())
}

/// Writes `len` bytes of a mapping from byte `from` on, of which some may not be there, to byte `at` of a file, and looks
/// at the file.
fn write_mapped(
    t: &mut Trace,
    d: &Dir,
    file: &Fd,
    at: usize,
    map: &Map,
    (from, len): (usize, usize),
) -> Done {
    // SAFETY: The kernel looks whether the memory is there.
    let bytes = unsafe { std::slice::from_raw_parts(map.start().cast::<u8>().add(from), len) };
    let written = file.pwrite(bytes, at as u64);
    // What cannot be read at all leaves a page on tmpfs.
    let is_some = written.is_ok();
    t.put(format!("{len} from {from} at {at}"), written);
    if is_some {
        t.counts("written", d, file)?;
    }
    t.put("contents", file.all()?);
    Ok(())
}

/// What the source has of a page is written, also where the file grows.
fn from_a_source_that_ends_in_a_page(t: &mut Trace, d: &Dir) -> Done {
    let source = d.file("source", &pattern(7, 8 * PAGE))?;
    let map = Map::read_only(&source, 64 * PAGE, 0)?;
    for (before, at, from, len) in [
        (16 * PAGE, 16 * PAGE, 8 * PAGE - 2048, PAGE),
        (16 * PAGE, 16 * PAGE, 8 * PAGE - 1, 3 * PAGE),
        (64 * PAGE, 64 * PAGE, 5 * PAGE - 7, 15 * PAGE),
        (64 * PAGE, 64 * PAGE, 5 * PAGE - 7, 30 * PAGE),
        (64 * PAGE, 64 * PAGE, 8 * PAGE, PAGE),
        (64 * PAGE, 65 * PAGE + 5, 7 * PAGE + 3, 9 * PAGE),
    ] {
        let file = d.file("f", &pattern(1, before))?;
        write_mapped(t, d, &file, at, &map, (from, len))?;
        drop(file);
        d.unlink("f")?;
    }
    Ok(())
}

/// What was made for a file that grows does not become part of it where its end moves past it.
fn end_moved_on(t: &mut Trace, d: &Dir) -> Done {
    let page = pattern(3, PAGE);
    for pages in [17, 33, 65, 129, 257] {
        for how in ["truncate", "write", "fallocate", "fallocate, over it"] {
            let file = d.create("f")?;
            for _ in 0..pages {
                ensure!(file.write(&page)? == PAGE, "short write");
            }
            let allocate = |at: usize, len: usize| {
                rustix::fs::fallocate(
                    &file,
                    FallocateFlags::empty(),
                    (at * PAGE) as u64,
                    (len * PAGE) as u64,
                )
            };
            match how {
                "truncate" => file.truncate(((pages + 200) * PAGE) as u64)?,
                "write" => {
                    let at = ((pages + 200) * PAGE + 9) as u64;
                    ensure!(file.pwrite(&page, at)? == PAGE, "short write");
                }
                "fallocate" => allocate(pages + 200, 3)?,
                _ => allocate(pages, 100)?,
            }
            t.counts(format!("{pages}, {how}"), d, &file)?;
            t.put("contents", file.all()?);
            drop(file);
            d.unlink("f")?;
        }
    }
    Ok(())
}

/// A mapping shows nothing beyond the end, though there are pages; and a file that grows into what was punched out of
/// them gets no more than it asks for.
fn preallocated_beyond_the_end(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    let allocate = || {
        rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, 64 * PAGE as u64)
            .map_err(|e| e.raw_os_error())
    };
    t.put("allocate", allocate());
    t.put("size", file.truncate(20 * PAGE as u64));
    // All that is there is valid afterwards.
    t.put("again", allocate());
    t.counts("allocated", d, &file)?;
    let map = Map::shared(&file, 64 * PAGE, 0)?;
    for page in [18, 19, 20, 30] {
        t.forked(format!("page {page}"), |t| {
            map.set(18 * PAGE, 1);
            map.set(page * PAGE, 2);
            t.put("there", map.get(page * PAGE));
        });
    }
    t.counts("mapped", d, &file)?;
    drop(map);
    t.put("punch", punch(&file, 20 * PAGE, 40 * PAGE));
    file.seek(SeekFrom::Start(20 * PAGE as u64))?;
    for n in 0..7 {
        t.put("write", file.write(&pattern(n, PAGE / 2 + 1)));
        t.counts("written", d, &file)?;
    }
    t.put("contents", file.all()?);
    Ok(())
}

/// What a write did not reach stays as it was allocated.
fn source_ends_in_preallocated(t: &mut Trace, d: &Dir) -> Done {
    let source = d.file("source", &pattern(7, 8 * PAGE))?;
    let map = Map::read_only(&source, 64 * PAGE, 0)?;
    for from in [8 * PAGE, 7 * PAGE, 5 * PAGE, 5 * PAGE + 9, 0] {
        let file = d.create("f")?;
        t.put(
            "allocate",
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, 48 * PAGE as u64).is_ok(),
        );
        write_mapped(t, d, &file, 16 * PAGE, &map, (from, 16 * PAGE))?;
        drop(file);
        d.unlink("f")?;
    }
    Ok(())
}

/// Folios that end where positions do.
fn at_the_largest_position(t: &mut Trace, d: &Dir) -> Done {
    const LAST: u64 = i64::MAX as u64;
    let data = pattern(2, HUGE);
    for before in [
        HUGE as u64 - 1,
        HUGE as u64,
        17 * PAGE as u64,
        PAGE as u64,
        5,
        1,
        0,
    ] {
        let file = d.create("f")?;
        let at = LAST - before;
        t.put(format!("{before} before"), file.pwrite(&data, at));
        t.counts("written", d, &file)?;
        t.put("contents", file.pread(HUGE, at));
        t.put(
            "allocate",
            rustix::fs::fallocate(&file, FallocateFlags::empty(), at, before.max(1))
                .map_err(|e| e.raw_os_error()),
        );
        t.counts("allocated", d, &file)?;
        drop(file);
        d.unlink("f")?;
    }
    Ok(())
}

/// Pages that are touched here and there are all that there are.
fn mapped_by_chance(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate(4 * HUGE as u64)?;
    let map = Map::shared(&file, 4 * HUGE, 0)?;
    let pages = 4 * HUGE / PAGE;
    for n in 0..200 {
        let page = n * 7919 % pages;
        // None has a neighbour before it.
        if page % 3 == 0 {
            map.set(page * PAGE, 1);
        }
    }
    t.counts("touched", d, &file)?;
    // Nor do small files have more.
    let file = d.create("g")?;
    file.truncate(16 * PAGE as u64)?;
    Map::first(&file, 16)?.touch(11);
    t.counts("small", d, &file)?;
    // Nor does a mapping that is used at random, by what it says, be it from one end to the other.
    let file = d.create("h")?;
    file.truncate(HUGE as u64)?;
    let map = Map::shared(&file, HUGE, 0)?;
    map.advise_all(libc::MADV_RANDOM)?;
    for page in 0..HUGE / PAGE / 2 + 3 {
        map.set(page * PAGE, 1);
    }
    t.counts("at random", d, &file)
}

/// The last blocks are given as single pages would be.
fn to_the_last_block(t: &mut Trace, d: &Dir) -> Done {
    for (n, step) in [PAGE, 7 * PAGE, 60 << 10, 1 << 20, 3 << 20]
        .into_iter()
        .enumerate()
    {
        let file = d.create("f")?;
        let data = pattern(n as u32, step);
        // Ends: the mount is full.
        loop {
            match file.write(&data) {
                Ok(len) if len == step => {}
                end => {
                    t.put(format!("{step}: end"), end);
                    break;
                }
            }
        }
        t.counts("full", d, &file)?;
        t.put("more", file.write(b"x"));
        t.put("punch", punch(&file, 3 * PAGE, 5 * PAGE));
        let other = d.create("g")?;
        t.put("into what was freed", other.write(&data));
        t.counts("g", d, &other)?;
        t.put("f", file.meta()?);
        drop((file, other));
        d.unlink("f")?;
        d.unlink("g")?;
        t.put("space", d.space()?);
    }
    Ok(())
}

/// What a run of faults gets beside its pages is not all that there is.
fn mapped_beside_the_last_block(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate(128 * PAGE as u64)?;
    Map::first(&file, 128)?.touch(65);
    t.put("another file", d.create("g")?.pwrite(b"x", 0));
    Ok(())
}

/// What a file was given to grow goes to others that ask for it.
fn grown_to_the_last_block(t: &mut Trace, d: &Dir) -> Done {
    let files: Vec<Fd> = (0..4)
        .map(|n| d.create(n.to_string()))
        .collect::<Result<_, _>>()?;
    let page = pattern(2, PAGE);
    let mut written = [0; 4];
    // Ends: the mount is full.
    'full: loop {
        for (file, written) in files.iter().zip(&mut written) {
            match file.write(&page) {
                Ok(PAGE) => *written += 1,
                end => {
                    t.put("end", end);
                    break 'full;
                }
            }
        }
    }
    t.put("written", written);
    for file in &files {
        t.counts("full", d, file)?;
    }
    Ok(())
}

fn beside_one_that_grows(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    let page = pattern(2, PAGE);
    for _ in 0..130 {
        ensure!(file.write(&page)? == PAGE, "short write");
    }
    // All that is left but what the file has for its growth.
    let other = d.create("g")?;
    t.put("write", other.write(&pattern(3, 1 << 20)));
    t.counts("g", d, &other)?;
    t.counts("f", d, &file)?;
    t.put(
        "fallocate",
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, 131 * PAGE as u64).is_ok(),
    );
    t.put("mapped", {
        let map = Map::first(&file, 130)?;
        map.set(129 * PAGE + 1, 3);
        map.get(129 * PAGE)
    });
    t.put("contents", file.all()?);
    Ok(())
}
