//! read and write in all their forms.

use nix::sys::signal::{self, SigHandler, Signal};
use rustix::io::ReadWriteFlags;

use crate::harness::prelude::*;
use crate::harness::process::limit_file_size;

cases! {
    "" => alignments, reads_around_the_end, overwrite, append, append_flag, positions, vectors,
        flags_of_rw, direct, huge_offsets, size_limit, size_limit_by_signal, zero_length, bad_buffers_read,
        bad_buffers_write, bad_buffer_vectors, own_mapping_as_buffer, directory_and_modes, set_id_bits_go,
        effects_on_metadata, read_updates_access_time, advice, truncating_open, odd_arguments;
}

/// Ends and middles of pages.
const OFFSETS: &[usize] = &[
    0, 1, 7, 511, 2048, 4095, 4096, 4097, 8191, 8192, 12_287, 16_384,
];
const LENGTHS: &[usize] = &[1, 2, 100, 4095, 4096, 4097, 8192, 12_289];

/// Every write is checked against a copy in memory, and what the file takes is recorded.
fn alignments(t: &mut Trace, d: &Dir) -> Done {
    for &at in OFFSETS {
        let mut blocks = Vec::new();
        for &len in LENGTHS {
            let file = d.create("f")?;
            let data = pattern((at * 31 + len) as u32, len);
            let mut model = vec![0; at];
            model.extend(&data);
            ensure!(
                file.pwrite(&data, at as u64)? == len,
                "short write of {len} at {at}"
            );
            ensure!(
                file.all()? == Bytes(model.clone()),
                "wrong data: {len} at {at}"
            );
            for &from in OFFSETS {
                for &count in LENGTHS {
                    let end = model.len().min(from + count);
                    let want = model.get(from..end).unwrap_or_default();
                    let got = file.pread(count, from as u64)?;
                    ensure!(
                        got.0 == want,
                        "wrong read of {count} at {from}, file of {len} at {at}"
                    );
                }
            }
            blocks.push(file.blocks()?);
            d.unlink("f")?;
        }
        t.put(format!("blocks, written at {at}"), blocks);
    }
    t.put("space", d.space()?);
    Ok(())
}

fn reads_around_the_end(t: &mut Trace, d: &Dir) -> Done {
    for size in [0, 1, 4095, 4096, 4097, 10_000] {
        let file = d.file(&format!("f{size}"), &pattern(size as u32, size))?;
        for at in [0, size.saturating_sub(1), size, size + 1, size + 5000] {
            for len in [1, 4096, 20_000] {
                t.put(format!("{size}: {len} at {at}"), file.pread(len, at as u64));
            }
        }
        file.seek(SeekFrom::Start(0))?;
        let first = file.read(7000).map(|b| b.0.len());
        let second = file.read(7000).map(|b| b.0.len());
        t.put(
            format!("{size}: in a row"),
            (first, second, file.read(1), file.seek(SeekFrom::Current(0))),
        );
    }
    Ok(())
}

fn overwrite(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 5 * PAGE))?;
    let mut model = pattern(1, 5 * PAGE);
    for (i, &at) in OFFSETS.iter().enumerate() {
        let data = pattern(100 + i as u32, 3000);
        file.pwrite(&data, at as u64)?;
        model[at..at + 3000].copy_from_slice(&data);
        ensure!(file.all()?.0 == model, "wrong data after a write at {at}");
    }
    t.put("meta", file.meta()?);
    t.put("contents", file.all()?);
    t.put("other descriptor", d.contents("f")?);
    Ok(())
}

fn append(t: &mut Trace, d: &Dir) -> Done {
    let file = d.openat("f", OFlags::CREATE | OFlags::RDWR | OFlags::APPEND, 0o644)?;
    t.put("write", file.write(b"one"));
    file.seek(SeekFrom::Start(0))?;
    t.put("write elsewhere", file.write(b"two"));
    t.put("position", file.seek(SeekFrom::Current(0)));
    t.put("pwrite appends too", file.pwrite(b"three", 0));
    t.put("contents", file.all()?);
    file.truncate(5000)?;
    t.put("after truncate", file.write(b"end"));
    t.put("meta", file.meta()?);
    let other = d.read_write("f")?;
    other.pwrite(b"x", 9000)?;
    t.put("behind another writer", file.write(b"y"));
    t.put("size", file.size()?);
    Ok(())
}

fn append_flag(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", b"start")?;
    t.put(
        "RWF_APPEND",
        file.pwritev2(b"end", 0, ReadWriteFlags::APPEND),
    );
    t.put(
        "at the position",
        file.pwritev2(b"!", u64::MAX, ReadWriteFlags::APPEND),
    );
    t.put("position", file.seek(SeekFrom::Current(0)));
    let appending = d.openat("f", OFlags::WRONLY | OFlags::APPEND, 0)?;
    let no_append = ReadWriteFlags::from_bits_retain(0x20);
    t.put("RWF_NOAPPEND", appending.pwritev2(b"S", 0, no_append));
    t.put(
        "both",
        appending.pwritev2(b"S", 0, no_append | ReadWriteFlags::APPEND),
    );
    t.put("contents", file.all()?);
    Ok(())
}

fn positions(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    t.put("write", file.write(b"0123456789"));
    for (offset, whence) in [
        (0, libc::SEEK_CUR),
        (3, libc::SEEK_SET),
        (2, libc::SEEK_CUR),
        (-1, libc::SEEK_CUR),
        (-100, libc::SEEK_CUR),
        (-1, libc::SEEK_SET),
        (0, libc::SEEK_END),
        (-3, libc::SEEK_END),
        (100, libc::SEEK_END),
        (i64::MAX, libc::SEEK_SET),
        (1, libc::SEEK_CUR),
        (0, libc::SEEK_CUR),
        (i64::MAX - 1, libc::SEEK_SET),
        (i64::MAX, libc::SEEK_END),
        (0, 5),
        (0, -1),
        (0, 99),
    ] {
        t.put(
            format!("lseek {offset} {whence}"),
            file.lseek(offset, whence),
        );
    }
    file.seek(SeekFrom::Start(20))?;
    t.put("read past the end", file.read(5));
    t.put("write past the end", file.write(b"x"));
    t.put("position", file.seek(SeekFrom::Current(0)));
    t.put("contents", file.all()?);
    Ok(())
}

fn vectors(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    let parts: Vec<Vec<u8>> = [1, 0, 5000, 4096, 3, 0, 9000]
        .iter()
        .map(|&n| pattern(n as u32, n))
        .collect();
    let slices: Vec<_> = parts.iter().map(|p| std::io::IoSlice::new(p)).collect();
    t.put(
        "writev",
        rustix::io::writev(&file, &slices).map_err(Errno::from),
    );
    ensure!(file.all()?.0 == parts.concat(), "wrong data");
    t.put(
        "pwritev",
        rustix::io::pwritev(&file, &slices, 1234).map_err(Errno::from),
    );
    t.put("contents", file.all()?);
    let mut buffers = [vec![0; 10], vec![], vec![0; 7000], vec![0; 30_000]];
    let mut slices: Vec<_> = buffers
        .iter_mut()
        .map(|b| std::io::IoSliceMut::new(b))
        .collect();
    t.put(
        "preadv",
        rustix::io::preadv(&file, &mut slices, 100).map_err(Errno::from),
    );
    t.put("into buffers", Bytes(buffers.concat()));
    t.put(
        "no vectors",
        rustix::io::writev(&file, &[]).map_err(Errno::from),
    );
    t.put("meta", file.meta()?);
    Ok(())
}

fn flags_of_rw(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 2 * PAGE))?;
    for bit in 0..12 {
        let flags = ReadWriteFlags::from_bits_retain(1 << bit);
        t.put(
            format!("write, flag {bit}"),
            file.pwritev2(b"data", 100, flags),
        );
        t.put(
            format!("extending write, flag {bit}"),
            file.pwritev2(b"data", 3 * PAGE as u64, flags),
        );
        t.put(format!("size, flag {bit}"), file.size()?);
        file.truncate(2 * PAGE as u64)?;
        t.put(
            format!("read, flag {bit}"),
            file.preadv2(100, 50, flags).map(|b| b.0.len()),
        );
        t.put(format!("read of a hole, flag {bit}"), {
            file.truncate(4 * PAGE as u64)?;
            let got = file.preadv2(100, 3 * PAGE as u64, flags);
            file.truncate(2 * PAGE as u64)?;
            got
        });
    }
    for offset in [u64::MAX - 1, 1 << 63] {
        t.put(
            format!("at {offset:#x}"),
            file.preadv2(1, offset, ReadWriteFlags::empty()),
        );
    }
    t.put("end", file.meta()?);
    Ok(())
}

/// Direct I/O is taken and is like any other, without rules of alignment.
fn direct(t: &mut Trace, d: &Dir) -> Done {
    let file = d.openat("f", OFlags::CREATE | OFlags::RDWR | OFlags::DIRECT, 0o644);
    t.put("open", &file);
    let file = file?;
    t.put("write", file.pwrite(&pattern(1, 3 * PAGE), 0));
    t.put("unaligned write", file.pwrite(b"abc", 4095));
    t.put("unaligned read", file.pread(10, 4091));
    t.put(
        "over the end",
        file.pread(2 * PAGE, 2 * PAGE as u64 + 1).map(|b| b.0.len()),
    );
    t.put("contents", file.all()?);
    t.put(
        "switch off",
        rustix::fs::fcntl_setfl(&file, OFlags::empty()).map_err(Errno::from),
    );
    t.put(
        "switch on",
        rustix::fs::fcntl_setfl(&file, OFlags::DIRECT).map_err(Errno::from),
    );
    t.put("meta", file.meta()?);
    Ok(())
}

fn huge_offsets(t: &mut Trace, d: &Dir) -> Done {
    const MAX: u64 = i64::MAX as u64;
    let file = d.create("f")?;
    for at in [
        1 << 32,
        1 << 40,
        MAX - 2 * PAGE as u64,
        MAX - 1,
        MAX,
        MAX + 1,
        u64::MAX,
    ] {
        t.put(format!("write at {at:#x}"), file.pwrite(b"0123456789", at));
        t.put(format!("size after {at:#x}"), file.meta()?);
        t.put(format!("read at {at:#x}"), file.pread(20, at));
        t.put(format!("truncate to {at:#x}"), file.truncate(at));
        t.put(format!("size after {at:#x}"), file.meta()?);
        t.put(
            format!("read of the end {at:#x}"),
            file.pread(5, at.wrapping_sub(5)),
        );
        file.truncate(0)?;
    }
    drop(file);
    d.unlink("f")?;
    last_pages(t, d)?;
    t.put("space", d.space()?);
    Ok(())
}

/// What is in the last pages of the largest file is cut at each place, and must stay away.
pub fn last_pages(t: &mut Trace, d: &Dir) -> Done {
    const MAX: u64 = i64::MAX as u64;
    const SIZE: u64 = PAGE as u64;
    let start = MAX - 3 * SIZE;
    let data = pattern(9, 3 * PAGE);
    for from_end in [
        0,
        1,
        2,
        15,
        4094,
        4095,
        4096,
        4097,
        2 * SIZE,
        3 * SIZE - 1,
        3 * SIZE,
        600 * SIZE,
    ] {
        let at = MAX - from_end;
        let look = |t: &mut Trace, file: &Fd, what: &str| -> Done {
            t.put(format!("{what} at {at:#x}"), file.meta()?);
            t.put("extents", file.extents());
            t.put("contents", file.pread(3 * PAGE, start));
            t.put("before them", file.pread(PAGE, start - SIZE));
            Ok(())
        };
        let file = d.create("last")?;
        t.put("the last byte alone", file.pwrite(b"x", MAX - 1));
        t.put("truncate", file.truncate(at));
        look(t, &file, "cut")?;
        t.put("grow", file.truncate(MAX));
        look(t, &file, "grown")?;

        t.put("the last pages", file.pwrite(&data, start));
        t.put("truncate", file.truncate(at));
        look(t, &file, "pages cut")?;
        t.put("grow", file.truncate(MAX));
        look(t, &file, "pages grown")?;

        for len in [1, 8, SIZE, 3 * SIZE] {
            t.put("written again", file.pwrite(&data, start));
            let punched = super::huge::punch(&file, at as usize, len as usize);
            t.put(format!("punch {len}"), punched);
            look(t, &file, "punched")?;
        }
        drop(file);
        d.unlink("last")?;
    }
    Ok(())
}

fn size_limit(t: &mut Trace, d: &Dir) -> Done {
    // SAFETY: no handler, the signal is merely not delivered.
    unsafe { signal::signal(Signal::SIGXFSZ, SigHandler::SigIgn) }?;
    let file = d.create("f")?;
    limit_file_size(Some(10_000))?;
    t.put("below", file.pwrite(&[1; 5000], 0));
    t.put("across", file.pwrite(&[2; 8000], 5000));
    t.put("at", file.pwrite(&[3; 1], 10_000));
    t.put("above", file.pwrite(&[4; 1], 20_000));
    t.put("truncate to it", file.truncate(10_000));
    t.put("truncate above", file.truncate(10_001));
    t.put("append", file.pwritev2(&[5; 10], 0, ReadWriteFlags::APPEND));
    t.put("smaller", file.truncate(9_999));
    t.put("one more", file.pwrite(&[6; 10], 9_999));
    limit_file_size(None)?;
    t.put("without limit", file.pwrite(&[7; 10], 20_000));
    t.put("meta", file.meta()?);
    t.put("contents", file.all()?);
    Ok(())
}

fn size_limit_by_signal(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    for (what, len, at) in [("across", 200, 900), ("above", 1, 1000)] {
        t.forked(what, |t| {
            limit_file_size(Some(1000)).expect("setrlimit");
            t.put(what, file.pwrite(&vec![1; len], at));
        });
    }
    t.forked("truncate", |t| {
        limit_file_size(Some(1000)).expect("setrlimit");
        t.put("truncate", file.truncate(1001));
    });
    t.put("meta", file.meta()?);
    Ok(())
}

fn zero_length(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", b"x")?;
    t.effects("write of nothing", d, &["f"], || file.pwrite(&[], 0))?;
    t.effects("far away", d, &["f"], || file.pwrite(&[], 100_000))?;
    t.effects("read of nothing", d, &["f"], || file.pread(0, 0))?;
    t.put("at no offset", file.pwrite(&[], u64::MAX));
    t.put("meta", file.meta()?);
    Ok(())
}

/// A mapping whose second half cannot be touched.
fn half_bad() -> Res<Half> {
    use rustix::mm::{mmap_anonymous, mprotect, MapFlags, MprotectFlags, ProtFlags};
    let (len, prot) = (2 * PAGE, ProtFlags::READ | ProtFlags::WRITE);
    // SAFETY: a new mapping, of which the second page is made inaccessible.
    unsafe {
        let start = mmap_anonymous(std::ptr::null_mut(), len, prot, MapFlags::PRIVATE)?;
        mprotect(
            start.cast::<u8>().add(PAGE).cast(),
            PAGE,
            MprotectFlags::empty(),
        )?;
        Ok(Half(start.cast()))
    }
}

struct Half(*mut u8);

impl Half {
    /// A buffer of which `good` bytes may be touched.
    fn buffer(&self, good: usize) -> *mut libc::c_void {
        // SAFETY: inside the mapping.
        unsafe { self.0.add(PAGE - good).cast() }
    }

    fn fill(&self, byte: u8) {
        // SAFETY: the first page.
        unsafe { self.0.write_bytes(byte, PAGE) }
    }

    fn bytes(&self) -> Bytes {
        // SAFETY: the first page.
        Bytes(unsafe { std::slice::from_raw_parts(self.0, PAGE) }.to_vec())
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // SAFETY: nothing refers to the mapping.
        let _ = unsafe { rustix::mm::munmap(self.0.cast(), 2 * PAGE) };
    }
}

fn raw_pread(file: &Fd, buffer: *mut libc::c_void, len: usize, at: i64) -> Res<i64> {
    use std::os::fd::AsRawFd;
    // SAFETY: the kernel checks the buffer, which is the point.
    Errno::check(unsafe { libc::pread(file.0.as_raw_fd(), buffer, len, at) } as _)
}

pub(super) fn raw_pwrite(file: &Fd, buffer: *const libc::c_void, len: usize, at: i64) -> Res<i64> {
    use std::os::fd::AsRawFd;
    // SAFETY: as above.
    Errno::check(unsafe { libc::pwrite(file.0.as_raw_fd(), buffer, len, at) } as _)
}

fn bad_buffers_read(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 4 * PAGE))?;
    let hole = d.create("hole")?;
    hole.truncate(4 * PAGE as u64)?;
    let half = half_bad()?;
    for good in [0, 1, 100, PAGE - 1, PAGE] {
        for (at, len) in [
            (0, 2 * PAGE),
            (0, PAGE),
            (4000, 200),
            (4 * PAGE - 10, 100),
            (4 * PAGE, 100),
        ] {
            for (name, file) in [("data", &file), ("hole", &hole)] {
                half.fill(0xee);
                let read = raw_pread(file, half.buffer(good), len, at as i64);
                t.put(format!("{name}: {len} at {at}, {good} good"), read);
                t.put("buffer", half.bytes());
            }
        }
    }
    t.put("null", raw_pread(&file, std::ptr::null_mut(), 10, 0));
    t.put(
        "kernel address",
        raw_pread(&file, usize::MAX as *mut _, 10, 0),
    );
    Ok(())
}

fn bad_buffers_write(t: &mut Trace, d: &Dir) -> Done {
    let half = half_bad()?;
    half.fill(b'w');
    for good in [0, 1, 100, PAGE - 1, PAGE] {
        for (at, len) in [
            (0, 2 * PAGE),
            (0, PAGE),
            (4000, 5000),
            (100, 50),
            (2 * PAGE, PAGE),
        ] {
            let label = format!("{len} at {at}, {good} good");
            let file = d.file("old", &pattern(1, PAGE + 50))?;
            t.put(&label, raw_pwrite(&file, half.buffer(good), len, at as i64));
            t.put("old file", (file.all()?, file.meta()?));
            d.unlink("old")?;
            // In a new page nothing that was in memory before must be seen.
            let file = d.create("new")?;
            t.put(&label, raw_pwrite(&file, half.buffer(good), len, at as i64));
            t.put("new file", (file.size()?, file.blocks()?));
            file.truncate(3 * PAGE as u64)?;
            t.put("new file", file.all()?);
            d.unlink("new")?;
        }
    }
    t.put("space", d.space()?);
    Ok(())
}

fn bad_buffer_vectors(t: &mut Trace, d: &Dir) -> Done {
    use std::os::fd::AsRawFd;
    let half = half_bad()?;
    half.fill(b'v');
    let good = vec![b'g'; 3000];
    let part = |base: *const libc::c_void, len| libc::iovec {
        iov_base: base.cast_mut(),
        iov_len: len,
    };
    let file = d.create("f")?;
    let vectors = [
        part(good.as_ptr().cast(), 3000),
        part(half.buffer(2000), 4000),
        part(good.as_ptr().cast(), 3000),
    ];
    // SAFETY: the kernel checks the buffers.
    let written = unsafe { libc::writev(file.0.as_raw_fd(), vectors.as_ptr(), 3) };
    t.put("writev", Errno::check(written as _));
    t.put("contents", file.all()?);
    t.put("meta", file.meta()?);
    Ok(())
}

/// The buffer is a mapping of the very file, and of the very page, that is read or written.
fn own_mapping_as_buffer(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 4 * PAGE))?;
    for private in [false, true] {
        let len = 4 * PAGE;
        let map = if private {
            Map::private(&file, len, 0)
        } else {
            Map::shared(&file, len, 0)
        }?;
        for (from, to, len) in [
            (0, 0, PAGE),
            (0, PAGE, PAGE),
            (100, 200, 5000),
            (PAGE, 5 * PAGE, PAGE),
        ] {
            // SAFETY: handed to the kernel alone.
            let buffer = unsafe { map.raw(from, len) };
            t.put(
                format!("write {len} from {from} to {to}"),
                file.pwrite(buffer, to as u64),
            );
            t.put("contents", file.all()?);
            // SAFETY: as above.
            let buffer = unsafe { map.raw(from, len) };
            let read = rustix::io::pread(&file, buffer, to as u64).map_err(Errno::from);
            t.put(format!("read {len} into {from} from {to}"), read);
            t.put("contents", file.all()?);
        }
        // A hole of the file as the source: the fault allocates the page that is copied.
        file.truncate(0)?;
        file.truncate(4 * PAGE as u64)?;
        // SAFETY: as above.
        let buffer = unsafe { map.raw(0, 2 * PAGE) };
        t.put("write from its own hole", file.pwrite(buffer, PAGE as u64));
        t.put("meta", file.meta()?);
    }
    Ok(())
}

fn directory_and_modes(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", b"x")?;
    let (read, write) = (d.read_only("f")?, d.openat("f", OFlags::WRONLY, 0)?);
    t.put("write to read-only", read.write(b"y"));
    t.put("read of write-only", write.read(1));
    t.put("truncate of read-only", read.truncate(0));
    let path = d.openat("f", OFlags::PATH, 0)?;
    t.put(
        "O_PATH",
        (
            path.read(1),
            path.write(b"x"),
            path.truncate(0),
            path.seek(SeekFrom::Start(0)),
        ),
    );
    Ok(())
}

fn set_id_bits_go(t: &mut Trace, d: &Dir) -> Done {
    for mode in [0o6777, 0o6755, 0o2644, 0o2755, 0o4755, 0o1777] {
        let file = d.file("f", b"x")?;
        d.chmod("f", mode)?;
        t.effects(format!("{mode:o} written by root"), d, &["f"], || {
            file.write(b"y")
        })?;
        d.chown("f", Some(1000), Some(1000))?;
        d.chmod("f", mode)?;
        let user = User::become_user(2000, 2000, &[]);
        t.effects(format!("{mode:o} written by another"), d, &["f"], || {
            file.write(b"z")
        })?;
        drop(user);
        d.chmod("f", mode)?;
        let user = User::become_user(2000, 2000, &[]);
        t.effects(format!("{mode:o} truncated by another"), d, &["f"], || {
            file.truncate(0)
        })?;
        drop(user);
        d.unlink("f")?;
    }
    Ok(())
}

fn effects_on_metadata(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    t.effects("write", d, &["f"], || file.pwrite(&[1; 100], 0))?;
    t.effects("overwrite", d, &["f"], || file.pwrite(&[1; 100], 0))?;
    t.effects("extend in the page", d, &["f"], || {
        file.pwrite(&[1; 100], 200)
    })?;
    t.effects("extend by a page", d, &["f"], || {
        file.pwrite(&[1; 100], 5000)
    })?;
    t.effects("leave a hole", d, &["f"], || file.pwrite(&[1; 100], 50_000))?;
    t.effects("read", d, &["f"], || file.pread(100, 0).map(drop))?;
    t.effects("read of the hole", d, &["f"], || {
        file.pread(100, 20_000).map(drop)
    })?;
    t.effects("write that fails", d, &["f"], || {
        raw_pwrite(&file, std::ptr::null(), 10, 0)
    })
    .ok();
    t.effects("write at no place", d, &["f"], || {
        file.pwrite(b"x", i64::MAX as u64)
    })
    .ok();
    Ok(())
}

fn read_updates_access_time(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", b"data")?;
    t.effects("first read", d, &["f"], || file.pread(2, 0))?;
    t.effects("second read", d, &["f"], || file.pread(2, 0))?;
    t.effects("write", d, &["f"], || file.pwrite(b"x", 0))?;
    t.effects("read after the write", d, &["f"], || file.pread(2, 0))?;
    t.effects("read at the end", d, &["f"], || file.pread(2, 100))?;
    t.effects("write", d, &["f"], || file.pwrite(b"x", 0))?;
    let quiet = d.openat("f", OFlags::RDONLY | OFlags::NOATIME, 0)?;
    t.effects("NOATIME", d, &["f"], || quiet.pread(2, 0))?;
    t.effects("map and touch", d, &["f"], || {
        Map::shared(&file, PAGE, 0).map(|m| m.get(0))
    })?;
    Ok(())
}

fn advice(t: &mut Trace, d: &Dir) -> Done {
    use std::os::fd::AsRawFd;
    let file = d.file("f", &pattern(1, 8 * PAGE))?;
    for advice in 0..8 {
        // SAFETY: no memory is involved.
        let done = unsafe { libc::posix_fadvise(file.0.as_raw_fd(), 0, 0, advice) };
        t.put(
            format!("fadvise {advice}"),
            nix::errno::Errno::from_raw(done),
        );
        t.put("blocks", file.blocks()?);
    }
    // SAFETY: as above.
    t.put(
        "readahead",
        Errno::check(unsafe { libc::readahead(file.0.as_raw_fd(), 0, 100) } as _),
    );
    t.put("contents", file.all()?);
    Ok(())
}

fn truncating_open(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", &pattern(1, 3 * PAGE))?;
    let open = |flags| d.openat("f", flags, 0).map(drop);
    t.effects("O_TRUNC", d, &["f"], || {
        open(OFlags::WRONLY | OFlags::TRUNC)
    })?;
    t.effects("O_TRUNC of an empty one", d, &["f"], || {
        open(OFlags::WRONLY | OFlags::TRUNC)
    })?;
    d.read_write("f")?.write(b"x")?;
    t.effects("O_TRUNC read-only", d, &["f"], || {
        open(OFlags::RDONLY | OFlags::TRUNC)
    })?;
    t.effects("creat", d, &["f"], || {
        d.openat("f", OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC, 0o600)
            .map(drop)
    })?;
    Ok(())
}

fn odd_arguments(t: &mut Trace, d: &Dir) -> Done {
    use std::os::fd::AsRawFd;
    let file = d.file("f", &pattern(1, 100))?;
    let fd = file.0.as_raw_fd();
    let buffer = [0u8; 16];
    // SAFETY: lengths beyond the buffer are refused or end at the end of the file.
    unsafe {
        t.put(
            "write of SSIZE_MAX + 1",
            Errno::check(libc::write(fd, buffer.as_ptr().cast(), 1 << 63) as _),
        );
        t.put("ioctl", Errno::check(libc::ioctl(fd, 0x1234_5678) as _));
        let mut left: libc::c_int = 0;
        t.put(
            "FIONREAD",
            (
                Errno::check(libc::ioctl(fd, libc::FIONREAD, &mut left) as _),
                left,
            ),
        );
        t.put("FIBMAP", Errno::check(libc::ioctl(fd, 1, &mut left) as _));
        t.put(
            "FIGETBSZ",
            (Errno::check(libc::ioctl(fd, 2, &mut left) as _), left),
        );
    }
    t.put(
        "negative pread",
        raw_pread(&file, std::ptr::null_mut(), 1, -1),
    );
    Ok(())
}
