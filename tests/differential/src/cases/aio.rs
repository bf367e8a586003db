//! Requests through io_submit(2).

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::harness::aio::{code, request, Context as Aio};
use crate::harness::bytes::{READS, WRITES};
use crate::harness::prelude::*;

cases! {
    "" => reads_and_writes, vectors, flags_of_rw, direct, several, synced_and_polled, refused, with_an_event_counter;
    "size=16k" => without_space;
}

const SIZE: usize = 4 * PAGE;

fn read(aio: &Aio, file: &Fd, len: usize, at: i64) -> Res<Bytes> {
    let mut data = vec![0; len];
    let start = data.as_mut_ptr() as u64;
    // SAFETY: the buffer lives until the request is done.
    let got = unsafe { aio.one(request(file, code::PREAD, start, len as u64, at)) }?;
    data.truncate(got as usize);
    Ok(Bytes(data))
}

fn write(aio: &Aio, file: &Fd, data: &[u8], at: i64) -> Res<i64> {
    let start = data.as_ptr() as u64;
    // SAFETY: as above.
    unsafe { aio.one(request(file, code::PWRITE, start, data.len() as u64, at)) }
}

fn bare(aio: &Aio, file: &Fd, code: u16) -> Res<i64> {
    // SAFETY: points to nothing.
    unsafe { aio.one(request(file, code, 0, 0, 0)) }
}

fn reads_and_writes(t: &mut Trace, d: &Dir) -> Done {
    let aio = Aio::new(8)?;
    let file = d.create("f")?;
    for (at, len) in WRITES {
        let data = pattern(at as u32, len);
        t.effects(format!("write {len} at {at}"), d, &["f"], || {
            write(&aio, &file, &data, at as i64)
        })?;
    }
    for (at, len) in READS {
        t.put(
            format!("read {len} at {at}"),
            read(&aio, &file, len, at as i64),
        );
    }
    for at in [-1, i64::MIN, i64::MAX, i64::MAX - 4] {
        t.put(format!("write at {at}"), write(&aio, &file, b"12345", at));
        t.put(format!("read at {at}"), read(&aio, &file, 5, at));
        file.truncate(9 * PAGE as u64)?;
    }
    t.put("all", file.all()?);
    t.counts("in the end", d, &file)?;
    t.put("for reading only", write(&aio, &d.read_only("f")?, b"x", 0));
    let appending = d.openat("f", OFlags::WRONLY | OFlags::APPEND, 0)?;
    t.put("for writing only", read(&aio, &appending, 1, 0));
    t.put("appended", write(&aio, &appending, b"end", 0));
    t.put("size", file.size()?);
    Ok(())
}

fn vectors(t: &mut Trace, d: &Dir) -> Done {
    let aio = Aio::new(8)?;
    let file = d.create("f")?;
    let parts = [
        pattern(1, 3),
        pattern(2, PAGE),
        pattern(3, 0),
        pattern(4, 2 * PAGE - 1),
    ];
    let slices = parts.each_ref().map(|p| std::io::IoSlice::new(p));
    let (start, len) = (slices.as_ptr() as u64, slices.len() as u64);
    // SAFETY: the vectors and what they point to live until the request is done.
    t.put("write", unsafe {
        aio.one(request(&file, code::PWRITEV, start, len, 11))
    });
    let mut places = [vec![1; PAGE], vec![2; 7], vec![3; SIZE]];
    let slices = places.each_mut().map(|p| std::io::IoSliceMut::new(p));
    let (start, len) = (slices.as_ptr() as u64, slices.len() as u64);
    // SAFETY: as above.
    t.put("read", unsafe {
        aio.one(request(&file, code::PREADV, start, len, 5))
    });
    t.put("got", places.map(Bytes));
    t.put("all", file.all()?);
    Ok(())
}

fn flags_of_rw(t: &mut Trace, d: &Dir) -> Done {
    let aio = Aio::new(8)?;
    for open in [OFlags::empty(), OFlags::DIRECT] {
        let file = d.openat("f", OFlags::CREATE | OFlags::RDWR | open, 0o644)?;
        for bit in 0..11 {
            file.truncate(0)?;
            file.pwrite(&pattern(1, PAGE), 0)?;
            let mut data = pattern(9, SIZE);
            let start = data.as_mut_ptr() as u64;
            for (label, code, at) in [
                ("write", code::PWRITE, 0),
                ("write beyond", code::PWRITE, 2 * PAGE as i64),
                ("read", code::PREAD, 0),
                ("read beyond", code::PREAD, PAGE as i64),
            ] {
                let mut request = request(&file, code, start, PAGE as u64, at);
                request.aio_rw_flags = 1 << bit;
                // SAFETY: the buffer lives until the request is done.
                let done = unsafe { aio.one(request) };
                t.put(format!("{open:?} flag {bit} {label}"), done);
            }
            t.put("size", file.size()?);
            t.put("data", Bytes(data));
        }
    }
    Ok(())
}

fn direct(t: &mut Trace, d: &Dir) -> Done {
    let aio = Aio::new(8)?;
    let file = d.openat("f", OFlags::CREATE | OFlags::RDWR | OFlags::DIRECT, 0o644)?;
    for (at, len) in [(0, PAGE), (512, 512), (1, 3), (PAGE + 1, 2 * PAGE)] {
        let data = pattern(at as u32, len);
        t.put(
            format!("write {len} at {at}"),
            write(&aio, &file, &data, at as i64),
        );
        t.put(
            format!("read {len} at {at}"),
            read(&aio, &file, len, at as i64),
        );
    }
    t.counts("in the end", d, &file)
}

/// One call with several requests, of which one is wrong: those before it are taken.
fn several(t: &mut Trace, d: &Dir) -> Done {
    let aio = Aio::new(8)?;
    let file = d.create("f")?;
    let data = pattern(1, SIZE);
    for wrong in [None, Some(0), Some(3)] {
        file.truncate(0)?;
        let mut requests: Vec<libc::iocb> = (0..6)
            .map(|i| {
                let start = data[i * PAGE / 2..].as_ptr() as u64;
                let at = (i * PAGE) as i64;
                request(&file, code::PWRITE, start, PAGE as u64, at)
            })
            .collect();
        if let Some(i) = wrong {
            requests[i].aio_lio_opcode = 99;
        }
        // SAFETY: the data lives on.
        t.put(format!("wrong {wrong:?}"), unsafe {
            aio.run(&mut requests)
        });
        t.counts("then", d, &file)?;
        t.put("all", file.all()?);
    }
    Ok(())
}

fn synced_and_polled(t: &mut Trace, d: &Dir) -> Done {
    let aio = Aio::new(8)?;
    let file = d.file("f", b"text")?;
    let dir = Fd(d.sub(".")?.into());
    for (label, file) in [("file", &file), ("directory", &dir)] {
        for (what, code) in [
            ("fsync", code::FSYNC),
            ("fdsync", code::FDSYNC),
            ("poll", code::POLL),
            ("nothing", code::NOOP),
            ("code 4", 4),
        ] {
            t.put(format!("{label} {what}"), bare(&aio, file, code));
        }
        // SAFETY: the events wanted are where the address would be.
        let poll = unsafe { aio.one(request(file, code::POLL, libc::POLLIN as u64, 0, 0)) };
        t.put(format!("{label} poll for reading"), poll);
    }
    Ok(())
}

fn refused(t: &mut Trace, d: &Dir) -> Done {
    let aio = Aio::new(8)?;
    let file = d.file("f", &pattern(1, SIZE))?;
    let mut data = vec![0; PAGE];
    let start = data.as_mut_ptr() as u64;
    for (label, address, len) in [
        ("no address", 0, 100),
        ("a length that is too large", start, u64::MAX),
        ("a negative length", start, 1 << 63),
    ] {
        for code in [code::PREAD, code::PWRITE] {
            // SAFETY: the kernel checks the range, which it does not take.
            let done = unsafe { aio.one(request(&file, code, address, len, 0)) };
            t.put(format!("{label} {code}"), done);
        }
    }
    let mut closed = request(&file, code::PREAD, start, 1, 0);
    closed.aio_fildes = u32::MAX;
    // SAFETY: the buffer lives until the request is done.
    t.put("no file", unsafe { aio.one(closed) });
    let mut priority = request(&file, code::PREAD, start, 1, 0);
    (priority.aio_flags, priority.aio_reqprio) = (2, (1 << 13) | 4);
    // SAFETY: as above.
    t.put("with a priority", unsafe { aio.one(priority) });
    priority.aio_reqprio = -1;
    // SAFETY: as above.
    t.put("with a wrong one", unsafe { aio.one(priority) });
    let path = d.openat("f", OFlags::PATH, 0)?;
    t.put("by a path", read(&aio, &path, 1, 0));
    t.put("of a directory", read(&aio, &Fd(d.sub(".")?.into()), 1, 0));
    t.put("file", file.all()?);
    Ok(())
}

fn with_an_event_counter(t: &mut Trace, d: &Dir) -> Done {
    let aio = Aio::new(8)?;
    let file = d.file("f", &pattern(1, SIZE))?;
    // SAFETY: takes no memory.
    let counter = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK) };
    Errno::check(counter.into())?;
    // SAFETY: the kernel has just given it out.
    let counter = Fd(unsafe { OwnedFd::from_raw_fd(counter) });
    let mut data = vec![0; PAGE];
    let requests = [0, 2 * PAGE as i64, SIZE as i64].map(|at| {
        let mut request = request(&file, code::PREAD, data.as_mut_ptr() as u64, 10, at);
        (request.aio_flags, request.aio_resfd) = (1, counter.0.as_raw_fd() as u32);
        request
    });
    // SAFETY: the buffer lives until the requests are done.
    t.put("reads", unsafe { aio.run(&mut requests.clone()) });
    t.put("counted", counter.read(8));
    t.put("read", Bytes(data));
    Ok(())
}

fn without_space(t: &mut Trace, d: &Dir) -> Done {
    let aio = Aio::new(8)?;
    let file = d.create("f")?;
    t.put("write", write(&aio, &file, &pattern(1, 2 * SIZE), 100));
    t.counts("full", d, &file)?;
    t.put("again", write(&aio, &file, b"x", 2 * SIZE as i64));
    t.put("over", write(&aio, &file, b"over", 50));
    file.truncate(PAGE as u64)?;
    t.put(
        "after a cut",
        write(&aio, &file, &pattern(2, PAGE), PAGE as i64),
    );
    t.counts("in the end", d, &file)
}
