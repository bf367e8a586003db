//! Requests through io_uring, done at once and by a worker.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use io_uring::opcode;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{Fd as Raw, Fixed, FsyncFlags, OpenHow};

use super::huge::HUGE;
use crate::harness::bytes::{READS, WRITES};
use crate::harness::prelude::*;
use crate::harness::process::{on_one_processor, pipe};
use crate::harness::sys::link_of;
use crate::harness::uring::{Ring, WAYS};

cases! {
    "" => reads_and_writes, vectors, fixed_buffers, fixed_files, current_position, flags_of_rw, direct, many_at_once,
        chains, polled, by_a_thread, buffers_of_the_file, buffers_in_holes, buffers_in_free_memory, bad_buffers,
        preallocation, synced, advised, spliced, names, opened, attributes, not_for_files;
    "huge=always" => buffers_in_a_large_hole;
    "size=16k" => without_space;
}

const SIZE: usize = 4 * PAGE;

fn raw(file: &Fd) -> Raw {
    Raw(file.0.as_raw_fd())
}

fn at(d: &Dir) -> Raw {
    Raw(d.as_fd().as_raw_fd())
}

fn name(name: &str) -> CString {
    CString::new(name).expect("a name without NUL")
}

/// Runs a request whose pointers live in the calling function, which waits.
fn run(ring: &mut Ring, entry: Entry, flags: Flags) -> Res<u32> {
    // SAFETY: the cases keep what they point to until their request is done, which is when this returns.
    unsafe { ring.run(entry, flags) }
}

fn write(ring: &mut Ring, file: &Fd, data: &[u8], at: u64, flags: Flags) -> Res<u32> {
    let entry = opcode::Write::new(raw(file), data.as_ptr(), data.len() as u32).offset(at);
    run(ring, entry.build(), flags)
}

fn read(ring: &mut Ring, file: &Fd, len: usize, at: u64, flags: Flags) -> Res<Bytes> {
    let mut data = vec![0; len];
    let entry = opcode::Read::new(raw(file), data.as_mut_ptr(), len as u32).offset(at);
    let got = run(ring, entry.build(), flags)?;
    data.truncate(got as usize);
    Ok(Bytes(data))
}

fn reads_and_writes(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    for (way, flags) in WAYS {
        let file = d.create(format!("{way}f"))?;
        for (at, len) in WRITES {
            let data = pattern(at as u32, len);
            t.effects(
                format!("{way}write {len} at {at}"),
                d,
                &[&format!("{way}f")],
                || write(&mut ring, &file, &data, at as u64, flags),
            )?;
        }
        for (at, len) in READS {
            t.put(
                format!("{way}read {len} at {at}"),
                read(&mut ring, &file, len, at as u64, flags),
            );
        }
        for at in [1 << 62, i64::MAX as u64, i64::MAX as u64 - 4] {
            t.put(
                format!("{way}write at {at}"),
                write(&mut ring, &file, b"12345", at, flags),
            );
            t.put(
                format!("{way}read at {at}"),
                read(&mut ring, &file, 5, at, flags),
            );
            file.truncate(9 * PAGE as u64)?;
        }
        t.put("all", file.all()?);
        t.counts(way, d, &file)?;
        let reading = d.read_only(format!("{way}f"))?;
        t.put(
            "for reading only",
            write(&mut ring, &reading, b"x", 0, flags),
        );
        let writing = d.openat(format!("{way}f"), OFlags::WRONLY, 0)?;
        t.put("for writing only", read(&mut ring, &writing, 1, 0, flags));
        let appending = d.openat(format!("{way}f"), OFlags::WRONLY | OFlags::APPEND, 0)?;
        t.put("appended", write(&mut ring, &appending, b"end", 0, flags));
        t.put("size", file.size()?);
        let dir = Fd(d.sub(".")?.into());
        t.put("of a directory", read(&mut ring, &dir, 1, 0, flags));
    }
    Ok(())
}

fn vectors(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    for (way, flags) in WAYS {
        let file = d.create(format!("{way}f"))?;
        let parts = [
            pattern(1, 3),
            pattern(2, PAGE),
            pattern(3, 0),
            pattern(4, 2 * PAGE - 1),
        ];
        let slices: Vec<libc::iovec> = parts
            .iter()
            .map(|p| libc::iovec {
                iov_base: p.as_ptr().cast_mut().cast(),
                iov_len: p.len(),
            })
            .collect();
        let entry = opcode::Writev::new(raw(&file), slices.as_ptr(), slices.len() as u32);
        t.put(
            format!("{way}write"),
            run(&mut ring, entry.offset(11).build(), flags),
        );
        let mut places = [vec![1; PAGE], vec![2; 7], vec![3; SIZE]];
        let slices: Vec<libc::iovec> = places
            .iter_mut()
            .map(|p| libc::iovec {
                iov_base: p.as_mut_ptr().cast(),
                iov_len: p.len(),
            })
            .collect();
        let entry = opcode::Readv::new(raw(&file), slices.as_ptr(), slices.len() as u32);
        t.put(
            format!("{way}read"),
            run(&mut ring, entry.offset(5).build(), flags),
        );
        t.put("got", places.map(Bytes));
        let none = opcode::Readv::new(raw(&file), std::ptr::null(), 0);
        t.put("no vectors", run(&mut ring, none.build(), flags));
        t.put("all", file.all()?);
    }
    Ok(())
}

/// Registers one buffer for as long as the ring is there.
fn register(ring: &Ring, buffer: &mut [u8]) -> Res<()> {
    let part = [libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    }];
    // SAFETY: the cases drop the ring before what they have registered.
    let done = unsafe { ring.submitter().register_buffers(&part) };
    done.map_err(|e| Errno(e.raw_os_error().unwrap_or(0)))
}

fn fixed_buffers(t: &mut Trace, d: &Dir) -> Done {
    let mut buffer = pattern(5, SIZE);
    let mut ring = Ring::new(4)?;
    t.put("register", register(&ring, &mut buffer));
    for (way, flags) in WAYS {
        let file = d.create(format!("{way}f"))?;
        buffer.copy_from_slice(&pattern(5, SIZE));
        let (start, len) = (buffer.as_mut_ptr(), SIZE as u32 - 100);
        // SAFETY: inside the buffer.
        let inside = unsafe { start.add(100) };
        let entry = opcode::WriteFixed::new(raw(&file), inside, len, 0).offset(77);
        t.put(format!("{way}write"), run(&mut ring, entry.build(), flags));
        let entry = opcode::ReadFixed::new(raw(&file), start, len, 0).offset(50);
        t.put(format!("{way}read"), run(&mut ring, entry.build(), flags));
        t.put("got", Bytes(buffer.clone()));
        let entry = opcode::ReadFixed::new(raw(&file), inside, SIZE as u32, 0);
        t.put("over its end", run(&mut ring, entry.build(), flags));
        let entry = opcode::ReadFixed::new(raw(&file), start, 1, 1);
        t.put("no such buffer", run(&mut ring, entry.build(), flags));
        let parts = [(0, 10), (PAGE, PAGE)].map(|(at, iov_len)| libc::iovec {
            iov_base: start.wrapping_add(at).cast(),
            iov_len,
        });
        let entry = opcode::WritevFixed::new(raw(&file), parts.as_ptr(), 2, 0).offset(3);
        t.put(
            format!("{way}write of vectors"),
            run(&mut ring, entry.build(), flags),
        );
        let entry = opcode::ReadvFixed::new(raw(&file), parts.as_ptr(), 2, 0).offset(1);
        t.put(
            format!("{way}read of vectors"),
            run(&mut ring, entry.build(), flags),
        );
        t.put("got", Bytes(buffer.clone()));
        t.counts(way, d, &file)?;
        t.put("all", file.all()?);
    }
    drop(ring);
    Ok(())
}

/// Files that the ring holds: they work when nobody else has them open, and when their names are gone.
fn fixed_files(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    let file = d.create("f")?;
    let done = ring.submitter().register_files(&[file.0.as_raw_fd(), -1]);
    t.put("register", done.map_err(|e| e.kind()));
    drop(file);
    d.unlink("f")?;
    for (way, flags) in WAYS {
        let data = pattern(2, SIZE);
        let entry = opcode::Write::new(Fixed(0), data.as_ptr(), SIZE as u32).offset(10);
        t.put(format!("{way}write"), run(&mut ring, entry.build(), flags));
        let mut back = vec![0; SIZE];
        let entry = opcode::Read::new(Fixed(0), back.as_mut_ptr(), SIZE as u32).offset(10);
        t.put(format!("{way}read"), run(&mut ring, entry.build(), flags));
        t.put("the same", back == data);
        let entry = opcode::Ftruncate::new(Fixed(0), 0);
        t.put(format!("{way}cut"), run(&mut ring, entry.build(), flags));
        let entry = opcode::Read::new(Fixed(1), back.as_mut_ptr(), 1);
        t.put("no file", run(&mut ring, entry.build(), flags));
    }
    t.put("names", d.names()?);
    let used = d.space()?.files - d.space()?.free_files;
    let close = opcode::Close::new(Fixed(0));
    t.put("close", run(&mut ring, close.build(), Flags::empty()));
    drop(ring);
    // The kernel lets go of a ring's files in its own time.
    stage::machine::wait(stage::machine::LATE, || {
        Ok(d.space()?.files - d.space()?.free_files < used)
    })?;
    t.put(
        "inodes that went",
        used - (d.space()?.files - d.space()?.free_files),
    );
    Ok(())
}

fn current_position(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    for (way, flags) in WAYS {
        let file = d.create(format!("{way}f"))?;
        for _ in 0..2 {
            t.put(
                format!("{way}write"),
                write(&mut ring, &file, b"12345", u64::MAX, flags),
            );
        }
        t.put("position", file.seek(SeekFrom::Current(0)));
        file.seek(SeekFrom::Start(3))?;
        t.put(
            format!("{way}read"),
            read(&mut ring, &file, 4, u64::MAX, flags),
        );
        t.put("position", file.seek(SeekFrom::Current(0)));
        t.put(
            format!("{way}read at a place"),
            read(&mut ring, &file, 4, 0, flags),
        );
        t.put("position", file.seek(SeekFrom::Current(0)));
    }
    Ok(())
}

/// Each flag of preadv2(2) and pwritev2(2), and one that is none.
fn flags_of_rw(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    for open in [OFlags::empty(), OFlags::DIRECT, OFlags::NONBLOCK] {
        let file = d.openat("f", OFlags::CREATE | OFlags::RDWR | open, 0o644)?;
        for (way, flags) in WAYS {
            for bit in 0..11 {
                let rw_flags = 1 << bit;
                let label = format!("{way}{open:?} flag {bit}");
                file.truncate(0)?;
                file.pwrite(&pattern(1, PAGE), 0)?;
                let data = pattern(9, PAGE);
                for place in [0, 2 * PAGE as u64] {
                    let entry = opcode::Write::new(raw(&file), data.as_ptr(), PAGE as u32);
                    let entry = entry.offset(place).rw_flags(rw_flags);
                    t.put(
                        format!("{label} write at {place}"),
                        run(&mut ring, entry.build(), flags),
                    );
                }
                t.put("size", file.size()?);
                let mut back = vec![0; SIZE];
                for place in [0, PAGE as u64] {
                    let entry = opcode::Read::new(raw(&file), back.as_mut_ptr(), SIZE as u32);
                    let entry = entry.offset(place).rw_flags(rw_flags);
                    t.put(
                        format!("{label} read at {place}"),
                        run(&mut ring, entry.build(), flags),
                    );
                }
                t.put("read", Bytes(back));
            }
        }
    }
    Ok(())
}

fn direct(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    let file = d.openat("f", OFlags::CREATE | OFlags::RDWR | OFlags::DIRECT, 0o644)?;
    for (way, flags) in WAYS {
        for (at, len) in [(0, PAGE), (512, 512), (1, 3), (PAGE + 1, 2 * PAGE)] {
            let data = pattern(at as u32, len);
            t.put(
                format!("{way}write {len} at {at}"),
                write(&mut ring, &file, &data, at as u64, flags),
            );
            t.put(
                format!("{way}read {len} at {at}"),
                read(&mut ring, &file, len, at as u64, flags),
            );
        }
        t.counts(way, d, &file)?;
        file.truncate(0)?;
    }
    Ok(())
}

fn many_at_once(t: &mut Trace, d: &Dir) -> Done {
    const COUNT: usize = 64;
    let mut ring = Ring::new(COUNT as u32)?;
    let file = d.create("f")?;
    let data: Vec<Vec<u8>> = (0..COUNT).map(|i| pattern(i as u32, PAGE + 1)).collect();
    for (way, flags) in WAYS {
        // Neighbours overlap by a byte, which any of the two may have written.
        let writes: Vec<Entry> = data
            .iter()
            .enumerate()
            .map(|(i, data)| {
                opcode::Write::new(raw(&file), data.as_ptr(), data.len() as u32)
                    .offset((i * PAGE) as u64)
                    .build()
                    .flags(flags)
            })
            .collect();
        // SAFETY: the data lives on.
        let done = unsafe { ring.run_all(writes) }?;
        t.put(
            format!("{way}written"),
            done.iter().all(|r| *r == Ok(PAGE as u32 + 1)),
        );
        let mut back = vec![vec![0; PAGE]; COUNT];
        let reads: Vec<Entry> = back
            .iter_mut()
            .enumerate()
            .map(|(i, data)| {
                opcode::Read::new(raw(&file), data.as_mut_ptr(), PAGE as u32)
                    .offset((i * PAGE) as u64)
                    .build()
                    .flags(flags)
            })
            .collect();
        // SAFETY: as above.
        let done = unsafe { ring.run_all(reads) }?;
        t.put(
            format!("{way}read"),
            done.iter().all(|r| *r == Ok(PAGE as u32)),
        );
        let same = |(back, data): (&Vec<u8>, &Vec<u8>)| back[1..] == data[1..PAGE];
        t.put(
            "the same",
            back.iter().zip(&data).filter(|p| same(*p)).count(),
        );
        t.counts(way, d, &file)?;
        file.truncate(0)?;
    }
    Ok(())
}

/// Linked requests: one that fails or falls short ends the chain.
fn chains(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(8)?;
    let file = d.create("f")?;
    let data = pattern(1, PAGE);
    let mut back = vec![0; 2 * PAGE];
    for (way, flags) in WAYS {
        for (label, len) in [("whole", PAGE), ("short", 2 * PAGE)] {
            file.truncate(0)?;
            back.fill(0);
            let linked = flags | Flags::IO_LINK;
            let entries = [
                opcode::Write::new(raw(&file), data.as_ptr(), PAGE as u32)
                    .build()
                    .flags(linked),
                opcode::Fsync::new(raw(&file)).build().flags(linked),
                opcode::Read::new(raw(&file), back.as_mut_ptr(), len as u32)
                    .build()
                    .flags(linked),
                opcode::Ftruncate::new(raw(&file), 10).build().flags(flags),
            ];
            // SAFETY: both buffers live on.
            let done = unsafe { ring.run_all(entries) };
            t.put(format!("{way}{label}"), done);
            t.put("read", Bytes(back.clone()));
            t.put("size", file.size()?);
        }
    }
    Ok(())
}

/// A ring that is polled takes only files that can be polled for completion.
fn polled(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::with(4, |b| b.setup_iopoll())?;
    for open in [OFlags::empty(), OFlags::DIRECT] {
        let file = d.openat("f", OFlags::CREATE | OFlags::RDWR | open, 0o644)?;
        for (way, flags) in WAYS {
            let data = pattern(1, PAGE);
            t.put(
                format!("{open:?} {way}write"),
                write(&mut ring, &file, &data, 0, flags),
            );
            t.put(
                format!("{open:?} {way}read"),
                read(&mut ring, &file, PAGE, 0, flags),
            );
            let entry = opcode::Fsync::new(raw(&file)).build();
            t.put(format!("{open:?} {way}fsync"), run(&mut ring, entry, flags));
        }
        t.counts("polled", d, &file)?;
    }
    Ok(())
}

/// A thread of the kernel's takes the requests.
fn by_a_thread(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::with(4, |b| b.setup_sqpoll(100))?;
    let file = d.create("f")?;
    for (way, flags) in WAYS {
        t.put(
            format!("{way}write"),
            write(&mut ring, &file, &pattern(1, SIZE), 5, flags),
        );
        t.put(format!("{way}read"), read(&mut ring, &file, SIZE, 9, flags));
        t.counts(way, d, &file)?;
    }
    Ok(())
}

/// The registered buffer is a mapping of a file: of another one, and of the one that is read and written.
fn buffers_of_the_file(t: &mut Trace, d: &Dir) -> Done {
    for other in [true, false] {
        let mut ring = Ring::new(4)?;
        let buffer = d.file(if other { "buffer" } else { "both" }, &pattern(1, SIZE))?;
        let map = Map::shared(&buffer, SIZE, 0)?;
        let file = match other {
            true => d.file("f", &pattern(2, SIZE))?,
            false => d.read_write("both")?,
        };
        // SAFETY: handed to the kernel alone.
        let memory = unsafe { map.raw(0, SIZE) };
        t.put("register", register(&ring, memory));
        for (way, flags) in WAYS {
            let start = memory.as_mut_ptr();
            let entry = opcode::ReadFixed::new(raw(&file), start, PAGE as u32 + 5, 0).offset(100);
            t.put(
                format!("{other} {way}read"),
                run(&mut ring, entry.build(), flags),
            );
            // SAFETY: inside the mapping.
            let inside = unsafe { start.add(2 * PAGE) };
            let entry = opcode::WriteFixed::new(raw(&file), inside, PAGE as u32 + 9, 0).offset(7);
            t.put(
                format!("{other} {way}write"),
                run(&mut ring, entry.build(), flags),
            );
            t.put("buffer", buffer.all()?);
            t.put("file", file.all()?);
        }
        t.put("cut the buffer", buffer.truncate(0));
        let entry = opcode::WriteFixed::new(raw(&file), memory.as_mut_ptr(), 100, 0);
        t.put("write", run(&mut ring, entry.build(), Flags::empty()));
        t.put("file", file.all()?);
        drop(ring);
        drop(map);
    }
    Ok(())
}

/// Reads `file` into a buffer of the ring's in memory, which is no buffer any more in the end; what came there stays.
fn read_into_buffer(t: &mut Trace, file: &Fd, data: &[u8], map: &Map, at: usize) -> Done {
    let mut ring = Ring::new(4)?;
    // SAFETY: handed to the kernel alone.
    let memory = unsafe { map.raw(at, SIZE) };
    t.put("register", register(&ring, memory));
    let entry = opcode::ReadFixed::new(raw(file), memory.as_mut_ptr(), SIZE as u32, 0);
    t.put("read", run(&mut ring, entry.build(), Flags::empty()));
    ring.submitter().unregister_buffers()?;
    drop(ring);
    for _ in 0..10 {
        map.advise_all(libc::MADV_PAGEOUT)?;
        map.advise(at, SIZE, libc::MADV_PAGEOUT)?;
        std::thread::sleep(Duration::from_millis(20));
    }
    ensure!(
        map.bytes(at, SIZE).0 == data,
        "what was read into the buffer is lost"
    );
    Ok(())
}

/// Buffers in `pages` pages that no task has written, and that some have read.
fn in_holes(t: &mut Trace, d: &Dir, pages: usize) -> Done {
    const AT: usize = 100 * PAGE;
    on_one_processor()?;
    let data = pattern(3, SIZE);
    let file = d.file("f", &data)?;
    for is_loaded in [false, true] {
        let holes = d.create(format!("holes {is_loaded}"))?;
        holes.truncate((pages * PAGE) as u64)?;
        let map = Map::aligned(&holes, pages * PAGE, pages * PAGE)?;
        // A run of loads, the last of which may bring the pages of the buffer, too.
        for page in (0..=16).chain([18, 20, 24, 32, 64]) {
            map.get(page * PAGE);
        }
        if is_loaded {
            map.bytes(AT, SIZE);
        }
        read_into_buffer(t, &file, &data, &map, AT).context(format!("loaded: {is_loaded}"))?;
    }
    Ok(())
}

fn buffers_in_holes(t: &mut Trace, d: &Dir) -> Done {
    in_holes(t, d, 256)
}

/// One entry of a page table may map them all.
fn buffers_in_a_large_hole(t: &mut Trace, d: &Dir) -> Done {
    in_holes(t, d, HUGE / PAGE)
}

/// Memory that the kernel may drop until it is written again.
fn buffers_in_free_memory(t: &mut Trace, d: &Dir) -> Done {
    on_one_processor()?;
    let data = pattern(3, SIZE);
    let file = d.file("f", &data)?;
    let map = Map::anonymous(SIZE)?;
    map.fill(0, SIZE, 1);
    map.advise_all(libc::MADV_FREE)?;
    read_into_buffer(t, &file, &data, &map, 0)
}

fn bad_buffers(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    let file = d.file("f", &pattern(1, SIZE))?;
    let map = Map::shared(&d.create("empty")?, PAGE, 0)?;
    for (way, flags) in WAYS {
        for (label, address) in [
            ("no address", std::ptr::null_mut::<u8>()),
            ("beyond the end of a file", map.start().cast()),
        ] {
            let entry = opcode::Read::new(raw(&file), address, 100).build();
            t.put(
                format!("{way}read to {label}"),
                run(&mut ring, entry, flags),
            );
            let entry = opcode::Write::new(raw(&file), address, 100).build();
            t.put(
                format!("{way}write from {label}"),
                run(&mut ring, entry, flags),
            );
        }
        t.put("file", file.all()?);
    }
    Ok(())
}

fn preallocation(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    for (way, flags) in WAYS {
        let file = d.file(&format!("{way}f"), &pattern(1, SIZE))?;
        for (label, mode, at, len) in [
            ("preallocate", 0, 3 * PAGE, 5 * PAGE),
            ("keep size", libc::FALLOC_FL_KEEP_SIZE, 8 * PAGE, PAGE),
            ("punch, size not kept", libc::FALLOC_FL_PUNCH_HOLE, 0, PAGE),
            (
                "punch",
                libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE,
                100,
                PAGE,
            ),
            (
                "punch pages",
                libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE,
                PAGE,
                2 * PAGE,
            ),
            ("zero", libc::FALLOC_FL_ZERO_RANGE, 0, PAGE),
            ("collapse", libc::FALLOC_FL_COLLAPSE_RANGE, 0, PAGE),
            ("insert", libc::FALLOC_FL_INSERT_RANGE, 0, PAGE),
            ("unshare", libc::FALLOC_FL_UNSHARE_RANGE, 0, PAGE),
            ("nothing", 0, 0, 0),
        ] {
            let entry = opcode::Fallocate::new(raw(&file), len as u64)
                .offset(at as u64)
                .mode(mode);
            t.put(
                format!("{way}{label}"),
                run(&mut ring, entry.build(), flags),
            );
            t.counts(label, d, &file)?;
        }
        for len in [0, 5000, 1 << 40, u64::MAX] {
            let entry = opcode::Ftruncate::new(raw(&file), len);
            t.put(
                format!("{way}truncate to {len}"),
                run(&mut ring, entry.build(), flags),
            );
            t.counts("cut", d, &file)?;
        }
        let reading = d.read_only(format!("{way}f"))?;
        let entry = opcode::Ftruncate::new(raw(&reading), 0);
        t.put("for reading only", run(&mut ring, entry.build(), flags));
        d.unlink(format!("{way}f"))?;
    }
    Ok(())
}

fn synced(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    let file = d.file("f", &pattern(1, SIZE))?;
    let dir = Fd(d.sub(".")?.into());
    for (way, flags) in WAYS {
        for (label, file) in [("file", &file), ("directory", &dir)] {
            for sync in [FsyncFlags::empty(), FsyncFlags::DATASYNC] {
                let entry = opcode::Fsync::new(raw(file)).flags(sync).offset(5).len(10);
                t.put(
                    format!("{way}{label} {sync:?}"),
                    run(&mut ring, entry.build(), flags),
                );
            }
            let entry = opcode::SyncFileRange::new(raw(file), 100).flags(7);
            t.put(
                format!("{way}{label} range"),
                run(&mut ring, entry.build(), flags),
            );
        }
    }
    Ok(())
}

fn advised(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    let file = d.file("f", &pattern(1, SIZE))?;
    let map = Map::shared(&file, SIZE, 0)?;
    map.bytes(0, SIZE);
    for (way, flags) in WAYS {
        for advice in 0..7 {
            let entry = opcode::Fadvise::new(raw(&file), SIZE as i64, advice);
            t.put(
                format!("{way}advice {advice}"),
                run(&mut ring, entry.build(), flags),
            );
        }
        for advice in [
            libc::MADV_DONTNEED,
            libc::MADV_COLD,
            libc::MADV_PAGEOUT,
            libc::MADV_POPULATE_WRITE,
            libc::MADV_REMOVE,
            libc::MADV_FREE,
        ] {
            let entry = opcode::Madvise::new(map.start(), 2 * PAGE as i64, advice);
            t.put(
                format!("{way}advice of memory {advice}"),
                run(&mut ring, entry.build(), flags),
            );
            t.counts("then", d, &file)?;
        }
        t.put("seen", map.bytes(0, SIZE));
    }
    Ok(())
}

fn spliced(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    let file = d.file("f", &pattern(1, SIZE))?;
    file.truncate(2 * SIZE as u64)?;
    for (way, flags) in WAYS {
        let (from, to) = pipe();
        let (from, to) = (Raw(from.as_raw_fd()), [Fd(from.into()), Fd(to.into())]);
        let copy = d.create(format!("{way}copy"))?;
        for (at, len) in [
            (0, 2 * PAGE),
            (10, 100),
            (SIZE - 5, 10),
            (SIZE, PAGE),
            (2 * SIZE, 1),
        ] {
            let entry = opcode::Splice::new(raw(&file), at as i64, raw(&to[1]), -1, len as u32);
            let filled = run(&mut ring, entry.build(), flags);
            t.put(format!("{way}splice {len} from {at}"), filled);
            let entry = opcode::Splice::new(from, -1, raw(&copy), at as i64, len as u32);
            // An empty pipe would wait.
            if filled.is_ok_and(|n| n > 0) {
                t.put(
                    format!("{way}to {at}"),
                    run(&mut ring, entry.build(), flags),
                );
            }
        }
        let entry = opcode::Tee::new(raw(&file), raw(&to[1]), 10);
        t.put(format!("{way}tee"), run(&mut ring, entry.build(), flags));
        let entry = opcode::Splice::new(raw(&file), 0, raw(&copy), 0, 10);
        t.put(
            format!("{way}without a pipe"),
            run(&mut ring, entry.build(), flags),
        );
        t.put("copy", copy.all()?);
        t.counts("copy", d, &copy)?;
    }
    Ok(())
}

fn names(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    for (way, flags) in WAYS {
        let dir = d.make(&format!("{way}dir"))?;
        let mut step = |label: &str, paths: &[&str], entry: Entry| {
            let label = format!("{way}{label}");
            t.effects(label, &dir, paths, || run(&mut ring, entry, flags))
                .map(drop)
        };
        let [a, b, c, file, link] = ["a", "b", "c", "file", "link"].map(name);
        let at = at(&dir);
        let make = |name: &CString| opcode::MkDirAt::new(at, name.as_ptr()).mode(0o751).build();
        step("mkdir", &[".", "a"], make(&a))?;
        let _ = step("mkdir again", &[".", "a"], make(&a));
        let entry = opcode::SymlinkAt::new(at, a.as_ptr(), link.as_ptr()).build();
        step("symlink", &[".", "link"], entry)?;
        dir.file("file", b"text")?;
        let entry = opcode::LinkAt::new(at, file.as_ptr(), at, b.as_ptr()).build();
        step("link", &[".", "b", "file"], entry)?;
        let entry = opcode::LinkAt::new(at, a.as_ptr(), at, c.as_ptr()).build();
        let _ = step("link of a directory", &[".", "c"], entry);
        for (label, flag) in [
            ("rename over", libc::RENAME_NOREPLACE),
            ("exchange", libc::RENAME_EXCHANGE),
            ("whiteout", libc::RENAME_WHITEOUT),
            ("unknown", 8),
        ] {
            let entry = opcode::RenameAt::new(at, b.as_ptr(), at, link.as_ptr()).flags(flag);
            let _ = step(label, &[".", "b", "link"], entry.build());
        }
        let entry = opcode::RenameAt::new(at, link.as_ptr(), at, c.as_ptr());
        let _ = step("rename", &[".", "link", "c"], entry.build());
        let remove = |name: &CString, flags| {
            opcode::UnlinkAt::new(at, name.as_ptr())
                .flags(flags)
                .build()
        };
        let _ = step("unlink of a directory", &[".", "a"], remove(&a, 0));
        let _ = step(
            "rmdir of a file",
            &[".", "c"],
            remove(&c, libc::AT_REMOVEDIR),
        );
        step("rmdir", &[".", "a"], remove(&a, libc::AT_REMOVEDIR))?;
        step("unlink", &[".", "c"], remove(&c, 0))?;
        let _ = step("unlink again", &[".", "c"], remove(&c, 0));
        t.put("left", dir.names()?);
    }
    Ok(())
}

fn opened(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    d.symlink("..", "up")?;
    d.fifo("fifo")?;
    for (way, flags) in WAYS {
        let taken = |done: Res<u32>| {
            done.map(|fd| {
                // SAFETY: the kernel has just given it out.
                Fd(unsafe { OwnedFd::from_raw_fd(fd as i32) })
            })
        };
        for (path, open) in [
            ("new", OFlags::CREATE | OFlags::EXCL | OFlags::RDWR),
            ("new", OFlags::CREATE | OFlags::EXCL | OFlags::RDWR),
            ("new", OFlags::RDONLY | OFlags::DIRECTORY),
            ("new", OFlags::RDWR | OFlags::TRUNC),
            ("missing", OFlags::RDONLY),
            ("up", OFlags::RDONLY | OFlags::NOFOLLOW),
            ("fifo", OFlags::WRONLY | OFlags::NONBLOCK),
            (".", OFlags::TMPFILE | OFlags::RDWR),
            (".", OFlags::RDWR),
        ] {
            let path_name = name(path);
            let entry = opcode::OpenAt::new(at(d), path_name.as_ptr())
                .flags((open | OFlags::CLOEXEC).bits() as i32)
                .mode(0o640);
            let file = taken(run(&mut ring, entry.build(), flags));
            t.put(
                format!("{way}open {path} {open:?}"),
                file.and_then(|f| f.meta()),
            );
            for resolve in [libc::RESOLVE_BENEATH, libc::RESOLVE_CACHED, 0] {
                let how = OpenHow::new()
                    .flags((open & !OFlags::EXCL | OFlags::CLOEXEC).bits().into())
                    .mode(if open.intersects(OFlags::CREATE | OFlags::TMPFILE) {
                        0o604
                    } else {
                        0
                    })
                    .resolve(resolve);
                let entry = opcode::OpenAt2::new(at(d), path_name.as_ptr(), &how);
                let file = taken(run(&mut ring, entry.build(), flags));
                t.put(
                    format!("{way}open2 {path} {open:?} {resolve}"),
                    file.and_then(|f| f.meta()),
                );
            }
        }
        d.unlink("new")?;
    }
    Ok(())
}

fn attributes(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    for (way, flags) in WAYS {
        let file_name = format!("{way}f");
        let file = d.file(&file_name, b"text")?;
        let path = name(&file_name);
        // SAFETY: a plain struct of numbers, for which zeros are good.
        let mut stat: libc::statx = unsafe { std::mem::zeroed() };
        let entry = opcode::Statx::new(at(d), path.as_ptr(), (&raw mut stat).cast())
            .mask(libc::STATX_BASIC_STATS | libc::STATX_BTIME);
        t.put(format!("{way}statx"), run(&mut ring, entry.build(), flags));
        t.put(
            "says",
            (
                stat.stx_mask,
                stat.stx_mode,
                stat.stx_size,
                stat.stx_blocks,
                stat.stx_nlink,
            ),
        );
        t.put("the same inode", stat.stx_ino == d.ino(&file_name)?);
        let full = format!("{}/{file_name}", link_of(d));
        let full = name(&full);
        for attribute in ["user.a", "trusted.b", "security.c", "system.d", "user.a"] {
            let key = name(attribute);
            let mut value = *b"value---";
            let start = value.as_mut_ptr().cast();
            let entry = opcode::FSetXattr::new(raw(&file), key.as_ptr(), start, 5);
            let entry = entry.flags(libc::XATTR_CREATE).build();
            t.put(
                format!("{way}set {attribute}"),
                run(&mut ring, entry, flags),
            );
            let entry = opcode::SetXattr::new(key.as_ptr(), start, full.as_ptr(), 7).build();
            t.put(
                format!("{way}set {attribute} by path"),
                run(&mut ring, entry, flags),
            );
            for len in [0, 3, 8] {
                let entry = opcode::FGetXattr::new(raw(&file), key.as_ptr(), start, len).build();
                t.put(
                    format!("{way}get {attribute} {len}"),
                    run(&mut ring, entry, flags),
                );
                let entry = opcode::GetXattr::new(key.as_ptr(), start, full.as_ptr(), len).build();
                t.put(
                    format!("{way}get {attribute} {len} by path"),
                    run(&mut ring, entry, flags),
                );
            }
            t.put("value", Bytes(value.to_vec()));
        }
        t.put("all", d.all_xattrs(&file_name)?);
    }
    Ok(())
}

/// What a file on disk or in memory does not have.
fn not_for_files(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    let file = d.file("f", &pattern(1, SIZE))?;
    for (way, flags) in WAYS {
        let entry = opcode::PollAdd::new(raw(&file), libc::POLLIN as u32).build();
        t.put(format!("{way}poll"), run(&mut ring, entry, flags));
        let entry = opcode::ReadMulti::new(raw(&file), 100, 0).build();
        t.put(format!("{way}multishot read"), run(&mut ring, entry, flags));
        let entry = opcode::UringCmd16::new(raw(&file), 0).build();
        t.put(format!("{way}command"), run(&mut ring, entry, flags));
    }
    Ok(())
}

fn without_space(t: &mut Trace, d: &Dir) -> Done {
    let mut ring = Ring::new(4)?;
    let room = d.space()?.free;
    for (way, flags) in WAYS {
        let file = d.create("f")?;
        t.put(
            format!("{way}write"),
            write(&mut ring, &file, &pattern(1, 2 * SIZE), 100, flags),
        );
        t.counts("full", d, &file)?;
        t.put(
            "again",
            write(&mut ring, &file, b"x", 2 * SIZE as u64, flags),
        );
        t.put("over", write(&mut ring, &file, b"over", 50, flags));
        let entry = opcode::Fallocate::new(raw(&file), PAGE as u64).offset(2 * SIZE as u64);
        t.put(
            format!("{way}preallocate"),
            run(&mut ring, entry.build(), flags),
        );
        let entry = opcode::Ftruncate::new(raw(&file), PAGE as u64);
        t.put(format!("{way}cut"), run(&mut ring, entry.build(), flags));
        let entry = opcode::Fallocate::new(raw(&file), 2 * SIZE as u64);
        t.put(
            format!("{way}preallocate too much"),
            run(&mut ring, entry.build(), flags),
        );
        t.counts("undone", d, &file)?;
        drop(file);
        d.unlink("f")?;
        // A worker may hold the file for a moment still.
        let is_empty = stage::machine::wait(stage::machine::LATE, || Ok(d.space()?.free == room))?;
        ensure!(is_empty, "{way}the file keeps its blocks");
    }
    Ok(())
}
