//! A FUSE file system that passes its file on to one of the type under test.

use crate::harness::bytes::{READS, WRITES};
use crate::harness::fuse::{Passthrough, NAME};
use crate::harness::prelude::*;
use crate::harness::process::pipe;

cases! {
    own => reads_and_writes, mapped, spliced, truncated, opened_in_many_ways, without_space, unlinked, in_large_folios;
}

const SIZE: usize = 4 * PAGE;

/// Runs steps with the file behind the server, and with the directory in which the server shows it.
fn with(fs: &Fs, options: &str, steps: impl FnOnce(&Dir, &Fd, &Dir) -> Done) -> Done {
    let mut mount = fs.mount(options)?;
    let d = mount.dir()?;
    let backing = d.create("backing")?;
    let server = Passthrough::on(fs, &backing)?;
    let done = steps(&d, &backing, &server.dir);
    server.end()?;
    done?;
    drop((backing, d));
    // The thread of the server puts its files after it was joined.
    mount.unmount_when_free()
}

fn reads_and_writes(t: &mut Trace, fs: &Fs) -> Done {
    with(fs, "", |d, backing, shown| {
        let file = shown.read_write(NAME)?;
        for (at, len) in WRITES {
            let data = pattern(at as u32, len);
            t.put(
                format!("write {len} at {at}"),
                file.pwrite(&data, at as u64),
            );
            t.put("size", (file.size()?, backing.size()?));
        }
        for (at, len) in READS {
            t.put(format!("read {len} at {at}"), file.pread(len, at as u64));
        }
        t.put("behind", backing.all()?);
        t.put("write behind", backing.pwrite(b"behind", 3));
        t.put("seen", file.pread(12, 0)?);
        t.put("sync", rustix::fs::fsync(&file).map_err(Errno::from));
        t.put("extents", (backing.extents()?, file.extents()));
        t.counts("in the end", d, backing)
    })
}

fn mapped(t: &mut Trace, fs: &Fs) -> Done {
    with(fs, "", |d, backing, shown| {
        backing.pwrite(&pattern(1, SIZE), 0)?;
        backing.truncate(2 * SIZE as u64)?;
        let file = shown.read_write(NAME)?;
        let shared = Map::shared(&file, 2 * SIZE, 0)?;
        let private = Map::private(&file, 2 * SIZE, 0)?;
        t.put("seen", (shared.bytes(0, SIZE), private.bytes(0, SIZE)));
        shared.set(PAGE, b's');
        private.set(2 * PAGE, b'p');
        t.put(
            "stored",
            (
                backing.pread(1, PAGE as u64)?,
                backing.pread(1, 2 * PAGE as u64)?,
            ),
        );
        shared.set(SIZE + PAGE, b'h');
        t.counts("in a hole", d, backing)?;
        t.put("resident", shared.resident()?);
        t.put("sync", shared.sync());
        t.put("write", file.pwrite(b"written", 0));
        t.put("seen", (shared.bytes(0, 8), private.bytes(0, 8)));
        t.put("out", shared.advise(0, 2 * SIZE, libc::MADV_PAGEOUT));
        t.put("remove", shared.advise(0, PAGE, libc::MADV_REMOVE));
        t.put("then", (shared.get(0), backing.pread(1, 0)?));
        backing.truncate(PAGE as u64)?;
        t.forked("load beyond the end", |t| t.put("value", shared.get(PAGE)));
        drop(file);
        t.put("closed", shared.get(1));
        t.counts("in the end", d, backing)
    })
}

fn spliced(t: &mut Trace, fs: &Fs) -> Done {
    with(fs, "", |d, backing, shown| {
        use rustix::pipe::{splice, SpliceFlags};
        backing.pwrite(&pattern(1, SIZE), 0)?;
        let file = shown.read_write(NAME)?;
        for (at, len) in [(0, 2 * PAGE), (10, 100), (SIZE - 5, 10)] {
            let (from, to) = pipe();
            let mut offset = at as u64;
            let done = splice(
                &file,
                Some(&mut offset),
                &to,
                None,
                len,
                SpliceFlags::empty(),
            );
            t.put(format!("from {at}"), (done.map_err(Errno::from), offset));
            let mut offset = (SIZE + 2 * at) as u64;
            let done = splice(
                &from,
                None,
                &file,
                Some(&mut offset),
                len,
                SpliceFlags::empty(),
            );
            t.put("to", (done.map_err(Errno::from), offset));
        }
        let copy = d.create("copy")?;
        let mut offset = 5;
        let sent = rustix::fs::sendfile(&copy, &file, Some(&mut offset), SIZE);
        t.put("sendfile", sent.map_err(Errno::from));
        t.put("copy", copy.all()?);
        t.put("behind", backing.all()?);
        t.counts("in the end", d, backing)
    })
}

fn truncated(t: &mut Trace, fs: &Fs) -> Done {
    with(fs, "", |d, backing, shown| {
        backing.pwrite(&pattern(1, SIZE), 0)?;
        let file = shown.read_write(NAME)?;
        for len in [PAGE + 5, 0, 3 * PAGE] {
            t.put(format!("to {len}"), file.truncate(len as u64));
            t.put("size", (file.size()?, backing.size()?));
            t.put("write", file.pwrite(b"x", len as u64 + 10));
            t.put("read", file.all()?);
            t.counts("then", d, backing)?;
        }
        t.put("preallocate", {
            let none = rustix::fs::FallocateFlags::empty();
            rustix::fs::fallocate(&file, none, 0, SIZE as u64).map_err(Errno::from)
        });
        t.put("cut behind", backing.truncate(1));
        t.put("read", file.pread(10, 0));
        t.put("size", file.size()?);
        Ok(())
    })
}

fn opened_in_many_ways(t: &mut Trace, fs: &Fs) -> Done {
    with(fs, "", |_, backing, shown| {
        backing.pwrite(&pattern(1, PAGE), 0)?;
        for flags in [
            OFlags::RDONLY,
            OFlags::WRONLY,
            OFlags::RDWR | OFlags::APPEND,
            OFlags::RDWR | OFlags::DIRECT,
            OFlags::RDWR | OFlags::SYNC,
            OFlags::RDWR | OFlags::NONBLOCK,
            OFlags::WRONLY | OFlags::TRUNC,
        ] {
            let file = shown.openat(NAME, flags, 0)?;
            t.put(format!("{flags:?} write"), file.pwrite(b"data", 100));
            t.put("read", file.pread(8, 98));
            for bit in 0..9 {
                let one = rustix::io::ReadWriteFlags::from_bits_retain(1 << bit);
                t.put(
                    format!("flag {bit}"),
                    (file.pwritev2(b"flag", 0, one), file.preadv2(4, 0, one)),
                );
            }
            t.put("size", backing.size()?);
        }
        Ok(())
    })
}

fn without_space(t: &mut Trace, fs: &Fs) -> Done {
    with(fs, "size=16k", |d, backing, shown| {
        let file = shown.read_write(NAME)?;
        t.put("write", file.pwrite(&pattern(1, 2 * SIZE), 100));
        t.put("size", (file.size()?, backing.size()?));
        t.put("again", file.pwrite(b"x", 2 * SIZE as u64));
        t.put("over", file.pwrite(b"x", 0));
        backing.truncate(2 * SIZE as u64)?;
        let map = Map::shared(&file, 2 * SIZE, 0)?;
        map.set(0, b'm');
        t.forked("store where there is no block", |_| map.set(SIZE + PAGE, 1));
        t.counts("full", d, backing)
    })
}

fn unlinked(t: &mut Trace, fs: &Fs) -> Done {
    with(fs, "", |d, backing, shown| {
        backing.pwrite(&pattern(1, PAGE), 0)?;
        let file = shown.read_write(NAME)?;
        t.put("unlink", d.unlink("backing"));
        t.put("write", file.pwrite(b"after", 0));
        t.put("read", file.pread(10, 0));
        t.put("open", shown.read_only(NAME).and_then(|f| f.pread(5, 0)));
        t.counts("unlinked", d, backing)
    })
}

fn in_large_folios(t: &mut Trace, fs: &Fs) -> Done {
    with(fs, "huge=always", |_, backing, shown| {
        const LEN: usize = 4 << 20;
        let file = shown.read_write(NAME)?;
        t.put("write", file.pwrite(&pattern(1, LEN), 0));
        let map = Map::shared(&file, LEN, 0)?;
        (0..LEN).step_by(PAGE).for_each(|at| map.set(at, b'm'));
        let mut expected = pattern(1, LEN);
        expected
            .iter_mut()
            .step_by(PAGE)
            .for_each(|byte| *byte = b'm');
        t.put("behind", backing.all()?.0 == expected);
        t.put("cut", file.truncate(PAGE as u64 + 1));
        t.put("left", backing.all()?.0 == expected[..PAGE + 1]);
        Ok(())
    })
}
