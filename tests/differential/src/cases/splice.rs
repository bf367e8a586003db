//! splice, sendfile, copy_file_range, tee.

use std::os::fd::OwnedFd;

use rustix::fs::{copy_file_range, sendfile};
use rustix::pipe::{splice, tee, SpliceFlags};

use crate::harness::meanwhile::meanwhile;
use crate::harness::prelude::*;

cases! {
    "" => to_a_pipe, from_a_pipe, of_holes, pipe_sees_the_page, around_the_end, sendfile_between_files,
        sendfile_offsets, copy_ranges, copy_overlaps, spliced_then_truncated, errors, access_time,
        vmsplice_into_file, through_sockets, of_a_file_that_is_cut;
    "size=40k" => when_full;
}

pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipe {
    pub(super) fn new() -> Res<Pipe> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK)?;
        rustix::pipe::fcntl_setpipe_size(&write, 64 * PAGE)?;
        Ok(Pipe { read, write })
    }

    pub(super) fn fill(&self, file: &Fd, at: u64, len: usize) -> Res<usize> {
        let mut at = at;
        Ok(splice(
            file,
            Some(&mut at),
            &self.write,
            None,
            len,
            SpliceFlags::empty(),
        )?)
    }

    fn drain_to(&self, file: &Fd, at: u64, len: usize) -> Res<usize> {
        let mut at = at;
        Ok(splice(
            &self.read,
            None,
            file,
            Some(&mut at),
            len,
            SpliceFlags::empty(),
        )?)
    }

    /// Whether whoever polls it is told to read.
    fn is_readable(&self) -> bool {
        use std::os::fd::AsRawFd;
        let mut poll = libc::pollfd {
            fd: self.read.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one descriptor.
        unsafe { libc::poll(&mut poll, 1, 0) > 0 }
    }

    /// All that is in the pipe.
    fn contents(&self) -> Bytes {
        let mut all = Vec::new();
        let mut buffer = vec![0; 64 * PAGE];
        while let Ok(n @ 1..) = rustix::io::read(&self.read, &mut buffer) {
            all.extend_from_slice(&buffer[..n]);
        }
        Bytes(all)
    }
}

fn to_a_pipe(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 10 * PAGE + 77))?;
    let pipe = Pipe::new()?;
    for (at, len) in [
        (0, PAGE),
        (0, 1),
        (100, 5000),
        (0, 20 * PAGE),
        (PAGE as u64 - 1, 2),
        (41_000, 100),
    ] {
        t.put(format!("splice {len} at {at}"), pipe.fill(&file, at, len));
        t.put("contents", pipe.contents());
    }
    file.seek(SeekFrom::Start(50))?;
    let moved =
        splice(&file, None, &pipe.write, None, 60, SpliceFlags::empty()).map_err(Errno::from);
    t.put("at the position", (moved, file.seek(SeekFrom::Current(0))));
    t.put("contents", pipe.contents());
    Ok(())
}

fn from_a_pipe(t: &mut Trace, d: &Dir) -> Done {
    let pipe = Pipe::new()?;
    let file = d.create("f")?;
    let source = d.file("source", &pattern(2, 8 * PAGE))?;
    for (at, len) in [(0, PAGE), (100, 5000), (5 * PAGE as u64, 2 * PAGE), (1, 1)] {
        rustix::io::write(&pipe.write, &pattern(at as u32, len)).map_err(Errno::from)?;
        t.put(
            format!("written {len} to {at}"),
            pipe.drain_to(&file, at, len),
        );
        pipe.fill(&source, 0, len)?;
        t.put(
            format!("spliced {len} to {at}"),
            pipe.drain_to(&file, at + 50, len),
        );
        t.put("file", (file.all()?, file.blocks()?));
    }
    rustix::io::write(&pipe.write, b"abc").map_err(Errno::from)?;
    t.put("more than there is", pipe.drain_to(&file, 0, 100));
    t.put("empty pipe", pipe.drain_to(&file, 0, 100));
    let append = d.openat("f", OFlags::WRONLY | OFlags::APPEND, 0)?;
    rustix::io::write(&pipe.write, b"abc").map_err(Errno::from)?;
    let moved =
        splice(&pipe.read, None, &append, None, 3, SpliceFlags::empty()).map_err(Errno::from);
    t.put("to one that appends", (moved, file.size()?));
    Ok(())
}

fn of_holes(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate(20 * PAGE as u64)?;
    file.pwrite(b"data", 3 * PAGE as u64 + 10)?;
    let before = d.space()?;
    let pipe = Pipe::new()?;
    t.put("splice", pipe.fill(&file, 0, 5 * PAGE));
    t.put("contents", pipe.contents());
    t.put(
        "of a hole",
        pipe.fill(&file, 10 * PAGE as u64 + 5, 3 * PAGE),
    );
    t.put("contents", pipe.contents());
    t.put("takes nothing", d.space()? == before);
    pipe.fill(&file, 10 * PAGE as u64, 3 * PAGE)?;
    let copy = d.create("copy")?;
    t.put("hole to a file", pipe.drain_to(&copy, 0, 3 * PAGE));
    t.put("copy", (copy.all()?, copy.blocks()?));
    Ok(())
}

/// The pipe holds the page itself, so that a later write to the file is seen by who reads the pipe.
fn pipe_sees_the_page(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &[b'o'; 2 * PAGE])?;
    let pipe = Pipe::new()?;
    pipe.fill(&file, 0, PAGE)?;
    file.pwrite(b"new", 0)?;
    t.put("written after", pipe.contents());
    file.truncate(0)?;
    file.truncate(2 * PAGE as u64)?;
    pipe.fill(&file, 0, PAGE)?;
    file.pwrite(b"new", 0)?;
    t.put("hole, written after", pipe.contents());
    // Written by way of the pipe the page must not be the file's.
    let out = d.create("out")?;
    pipe.fill(&file, 0, PAGE)?;
    pipe.drain_to(&out, 0, PAGE)?;
    out.pwrite(b"changed", 0)?;
    t.put("source stays", file.pread(10, 0)?);
    Ok(())
}

fn around_the_end(t: &mut Trace, d: &Dir) -> Done {
    let pipe = Pipe::new()?;
    for size in [0usize, 1, 4096, 5000] {
        let file = d.file("f", &pattern(size as u32, size))?;
        for at in [0, size.saturating_sub(1), size, size + 10_000] {
            t.put(
                format!("{size}: at {at}"),
                pipe.fill(&file, at as u64, 3 * PAGE),
            );
            t.put("contents", pipe.contents());
        }
        d.unlink("f")?;
    }
    Ok(())
}

fn sendfile_between_files(t: &mut Trace, d: &Dir) -> Done {
    let source = d.file("source", &pattern(1, 30 * PAGE + 123))?;
    let target = d.create("target")?;
    source.seek(SeekFrom::Start(0))?;
    t.put(
        "all",
        sendfile(&target, &source, None, 1 << 20).map_err(Errno::from),
    );
    ensure!(target.all()? == source.all()?, "the copy differs");
    t.put(
        "positions",
        (
            source.seek(SeekFrom::Current(0)),
            target.seek(SeekFrom::Current(0)),
        ),
    );
    t.put("target", target.meta()?);
    let pipe = Pipe::new()?;
    let mut at = 1000;
    t.put(
        "to a pipe",
        sendfile(&pipe.write, &source, Some(&mut at), 10_000).map_err(Errno::from),
    );
    t.put("offset", at);
    t.put("contents", pipe.contents());
    Ok(())
}

fn sendfile_offsets(t: &mut Trace, d: &Dir) -> Done {
    let source = d.file("source", &pattern(1, 3 * PAGE))?;
    let target = d.create("target")?;
    for (at, len) in [
        (0, 0),
        (0, 1),
        (4095, 2),
        (10_000, 10_000),
        (20_000, 5),
        (u64::MAX, 1),
    ] {
        let mut offset = at;
        let sent = sendfile(&target, &source, Some(&mut offset), len).map_err(Errno::from);
        t.put(format!("{len} at {at}"), (sent, offset));
    }
    t.put("target", target.all()?);
    t.put("position of the source", source.seek(SeekFrom::Current(0)));
    Ok(())
}

fn copy_ranges(t: &mut Trace, d: &Dir) -> Done {
    let source = d.file("source", &pattern(1, 5 * PAGE))?;
    source.truncate(8 * PAGE as u64)?;
    let target = d.create("target")?;
    for (from, to, len) in [
        (0, 0, PAGE),
        (100, 5000, 7000),
        (4 * PAGE, 0, 3 * PAGE),
        (7 * PAGE, 100, 5 * PAGE),
        (9 * PAGE, 0, 10),
        (0, 1 << 30, 10),
        (0, 0, 0),
    ] {
        let (mut a, mut b) = (from as u64, to as u64);
        let copied =
            copy_file_range(&source, Some(&mut a), &target, Some(&mut b), len).map_err(Errno::from);
        t.put(format!("{len} from {from} to {to}"), (copied, a, b));
        t.put(
            "target",
            (
                target.size()?,
                target.blocks()?,
                target.pread(10 * PAGE, 0)?,
            ),
        );
    }
    Ok(())
}

fn copy_overlaps(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 4 * PAGE))?;
    for (from, to, len) in [
        (0, 2 * PAGE, PAGE),
        (0, 100, 1000),
        (1000, 0, 1000),
        (1000, 500, 1000),
        (0, 0, 10),
        (0, 4 * PAGE, 4 * PAGE),
    ] {
        let (mut a, mut b) = (from as u64, to as u64);
        let copied =
            copy_file_range(&file, Some(&mut a), &file, Some(&mut b), len).map_err(Errno::from);
        t.put(format!("{len} from {from} to {to}"), copied);
    }
    t.put("contents", file.all()?);
    let read_only = d.read_only("f")?;
    t.put(
        "to a read-only",
        copy_file_range(&file, None, &read_only, None, 10).map_err(Errno::from),
    );
    let append = d.openat("f", OFlags::WRONLY | OFlags::APPEND, 0)?;
    t.put(
        "to one that appends",
        copy_file_range(&file, None, &append, None, 10).map_err(Errno::from),
    );
    t.put(
        "to a directory",
        copy_file_range(&file, None, d, None, 10).map_err(Errno::from),
    );
    Ok(())
}

fn spliced_then_truncated(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 4 * PAGE))?;
    let before = d.space()?;
    let pipe = Pipe::new()?;
    pipe.fill(&file, 0, 4 * PAGE)?;
    file.truncate(0)?;
    t.put("blocks are given back", d.space()?.free - before.free);
    t.put("the pipe has its pages", pipe.contents().0.len());
    t.put("meta", file.meta()?);
    Ok(())
}

fn errors(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, PAGE))?;
    let pipe = Pipe::new()?;
    let none = SpliceFlags::empty();
    t.put(
        "file to file",
        splice(&file, None, &file, None, 10, none).map_err(Errno::from),
    );
    t.put("at a negative offset", pipe.fill(&file, u64::MAX, 10));
    t.put("nothing", pipe.fill(&file, 0, 0));
    let read_only = d.read_only("f")?;
    rustix::io::write(&pipe.write, b"abc").map_err(Errno::from)?;
    t.put("to a read-only", pipe.drain_to(&read_only, 0, 3));
    let write_only = d.openat("f", OFlags::WRONLY, 0)?;
    t.put("of a write-only", pipe.fill(&write_only, 0, 3));
    t.put(
        "of a directory",
        splice(d, None, &pipe.write, None, 10, none).map_err(Errno::from),
    );
    t.put(
        "past the largest offset",
        pipe.drain_to(&file, i64::MAX as u64, 3),
    );
    Ok(())
}

fn access_time(t: &mut Trace, d: &Dir) -> Done {
    let (file, pipe) = (d.file("f", &pattern(1, PAGE))?, Pipe::new()?);
    t.effects("splice", d, &["f"], || pipe.fill(&file, 0, 10))?;
    t.effects("splice in", d, &["f"], || pipe.drain_to(&file, 0, 10))?;
    let target = d.create("target")?;
    let (mut a, mut b) = (0, 0);
    t.effects("copy", d, &["f", "target"], || {
        copy_file_range(&file, Some(&mut a), &target, Some(&mut b), 100).map_err(Errno::from)
    })?;
    Ok(())
}

fn vmsplice_into_file(t: &mut Trace, d: &Dir) -> Done {
    use std::os::fd::AsRawFd;
    let (file, pipe, other) = (d.create("f")?, Pipe::new()?, Pipe::new()?);
    let data = pattern(3, 2 * PAGE);
    let part = libc::iovec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    };
    // SAFETY: the data outlives what is done with the pipe.
    let gift = unsafe { libc::vmsplice(pipe.write.as_raw_fd(), &part, 1, 0) };
    t.put("vmsplice", Errno::check(gift as _));
    t.put(
        "tee",
        tee(&pipe.read, &other.write, 2 * PAGE, SpliceFlags::empty()).map_err(Errno::from),
    );
    t.put("to the file", pipe.drain_to(&file, 10, 2 * PAGE));
    t.put("the copy", other.drain_to(&file, 3 * PAGE as u64, 2 * PAGE));
    t.put("contents", file.all()?);
    Ok(())
}

fn through_sockets(t: &mut Trace, d: &Dir) -> Done {
    use std::io::Read;
    let file = d.file("f", &pattern(1, 5 * PAGE))?;
    let (a, mut b) = std::os::unix::net::UnixStream::pair()?;
    let mut at = 100;
    t.put(
        "sendfile",
        sendfile(&a, &file, Some(&mut at), 3 * PAGE).map_err(Errno::from),
    );
    drop(a);
    let mut received = Vec::new();
    b.read_to_end(&mut received)?;
    t.put("received", Bytes(received));
    Ok(())
}

fn when_full(t: &mut Trace, d: &Dir) -> Done {
    let source = d.file("source", &pattern(1, 6 * PAGE))?;
    let target = d.create("target")?;
    let mut at = 0;
    t.put(
        "sendfile",
        sendfile(&target, &source, Some(&mut at), 6 * PAGE).map_err(Errno::from),
    );
    t.put("offset", at);
    t.put(
        "again",
        sendfile(&target, &source, Some(&mut at), 6 * PAGE).map_err(Errno::from),
    );
    t.put("target", target.meta()?);
    target.truncate(0)?;
    let pipe = Pipe::new()?;
    pipe.fill(&source, 0, 6 * PAGE)?;
    t.put("splice", pipe.drain_to(&target, 0, 6 * PAGE));
    t.put(
        "splice the rest",
        pipe.drain_to(&target, 4 * PAGE as u64, 6 * PAGE),
    );
    t.put("left in the pipe", pipe.contents().0.len());
    target.truncate(0)?;
    let (mut a, mut b) = (0, 0);
    let copied = copy_file_range(&source, Some(&mut a), &target, Some(&mut b), 6 * PAGE);
    t.put("copy", (copied.map_err(Errno::from), a, b));
    t.put("target", (target.meta()?, target.all()?));
    t.put("space", d.space()?);
    Ok(())
}

/// Where nothing is given there is nothing to be read.
fn of_a_file_that_is_cut(t: &mut Trace, d: &Dir) -> Done {
    const ROUNDS: usize = 20_000;
    let file = d.create("f")?;
    let pipe = Pipe::new()?;
    let cut = || {
        file.truncate(0).expect("the file is cut");
        file.truncate(PAGE as u64).expect("the file is extended");
    };
    let wrong = meanwhile(cut, || {
        let mut wrong = 0;
        for _ in 0..ROUNDS {
            let given = pipe.fill(&file, 0, PAGE)?;
            wrong += usize::from(pipe.is_readable() != (given > 0));
            if pipe.contents().0.len() != given {
                return Err(Errno(libc::EIO));
            }
        }
        Ok::<usize, Errno>(wrong)
    });
    t.put("readable without data, or data and not readable", wrong);
    Ok(())
}
