//! What is stored beyond the end of a file on a mount without huge=, by a mapping of a folio that is in use and so cannot
//! be split. A store to tmpfs ends with SIGBUS; whatever comes of it here, a file that grows does not get it.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use io_uring::opcode;
use io_uring::squeue::Flags;
use io_uring::types::Fd as Raw;
use rustix::fs::FallocateFlags;
use stage::pipe::InPipe;

use super::fitting::append_pages;
use super::huge::{compact, fallocate, punch, HUGE};
use crate::harness::meanwhile::meanwhile;
use crate::harness::prelude::*;
use crate::harness::process;
use crate::harness::uffd::{self, Uffd};
use crate::harness::uring::Ring;

cases! {
    own => of_another_policy, by_another_policy, cut_in_use_by_another_policy;
    "size=32m" => held_and_mapped, in_a_pipe, cut_in_use, by_a_pin, preallocated, preallocated_at_large,
        beside_one_that_grows;
}

/// A file has grown to so many pages by small calls, and has more behind its last one.
const GROWN: usize = 65;

/// One that is written by a call has so many.
const WRITTEN: usize = 64;

/// It is cut to so many, in the middle of a folio.
const CUT: usize = 20;

/// What makes a file larger.
const GROWTHS: [&str; 4] = ["truncate", "write", "append", "fallocate"];

/// Stores to these pages of a file, in one task, the last of which may be beyond its end.
fn store(file: &Fd, pages: [usize; 3]) -> anyhow::Result<process::End> {
    let map = Map::shared(file, 256 * PAGE, 0)?;
    Ok(process::forked(|| {
        for page in pages {
            map.set(page * PAGE + 200, 9);
        }
    }))
}

/// Stores to its last page and then beyond its end.
fn store_beyond(file: &Fd) -> anyhow::Result<process::End> {
    store(file, [GROWN - 1, GROWN, GROWN + 3])
}

/// Makes a file of `before` pages one of a byte more than `pages` or of as many.
fn grow(t: &mut Trace, file: &Fd, how: &str, before: usize, pages: usize) {
    let size = (pages * PAGE) as u64;
    match how {
        "write" => t.put(how, file.pwrite(b"x", size)),
        "append" => {
            t.put(how, file.pwrite(&[7; 100], (before * PAGE) as u64));
            t.put(how, file.truncate(size));
        }
        "fallocate" => {
            let none = FallocateFlags::empty();
            t.put(how, fallocate(file, none, 0, pages * PAGE).is_ok());
        }
        _ => t.put(how, file.truncate(size)),
    }
}

/// A folio that another task reads, where it grows.
fn held_and_mapped(t: &mut Trace, d: &Dir) -> Done {
    for how in GROWTHS {
        let file = append_pages(d, GROWN)?;
        let buffer = Map::anonymous(PAGE)?;
        let mut handler = Uffd::new(0)?;
        handler.register(&buffer, 0, 1, uffd::MISSING)?;
        let address = buffer.start() as usize;
        let read = || {
            let last = ((GROWN - 1) * PAGE) as i64;
            // SAFETY: there is room for a page.
            unsafe { libc::pread(file.as_fd().as_raw_fd(), address as *mut _, PAGE, last) }
        };
        let mut steps = Some(|t: &mut Trace| -> Done {
            // What comes of the stores differs, as is said above.
            store_beyond(&file)?;
            grow(t, &file, how, GROWN, GROWN + 7);
            Ok(())
        });
        let read = std::thread::scope(|scope| -> anyhow::Result<isize> {
            let reader = scope.spawn(read);
            while !reader.is_finished() {
                // The same fault may be heard of twice.
                if handler.event(&buffer, 20).is_some() {
                    let done = steps.take().map_or(Ok(()), |steps| steps(t));
                    // Fails where the page is there by now.
                    let _ = handler.zero(&buffer, 0, 1);
                    done?;
                }
            }
            Ok(reader.join().expect("a read does not panic"))
        })?;
        t.put(format!("{how}: read"), read);
        t.put(format!("{how}: contents"), file.all()?);
        drop(file);
        d.unlink("f")?;
    }
    Ok(())
}

/// One that is in a pipe already cannot be split when the mapping comes.
fn in_a_pipe(t: &mut Trace, d: &Dir) -> Done {
    let file = append_pages(d, GROWN)?;
    let pipe = InPipe::page(&file, GROWN - 1)?;
    t.put("stored", store_beyond(&file)?);
    t.counts("stored", d, &file)?;
    t.put("truncate", file.truncate(((GROWN + 7) * PAGE) as u64));
    t.counts("grown", d, &file)?;
    t.put("contents", file.all()?);
    drop(pipe);
    Ok(())
}

/// One that is cut while it is in use stays as it is.
fn cut_in_use(t: &mut Trace, d: &Dir) -> Done {
    for how in GROWTHS {
        for (name, less, stays) in [("a page", 0, true), ("bytes", 5, true), ("free", 0, false)] {
            let file = d.file("f", &pattern(1, WRITTEN * PAGE))?;
            let pipe = InPipe::page(&file, 0)?;
            let size = CUT * PAGE - less;
            t.put(format!("{how}: to {name}"), file.truncate(size as u64));
            store(&file, [0, CUT - 1, CUT + 10])?;
            let pipe = Some(pipe).filter(|_| stays);
            if !stays {
                // Another task meets the folio when it is free.
                store(&file, [1, 2, 3])?;
                t.counts("free", d, &file)?;
            }
            grow(t, &file, how, CUT, WRITTEN);
            t.put("contents", file.all()?);
            // It goes on, and back.
            file.truncate((CUT + 5) as u64 * PAGE as u64)?;
            store(&file, [0, CUT, CUT + 10])?;
            file.truncate((WRITTEN * PAGE) as u64)?;
            t.put("once more", file.all()?);
            drop((file, pipe));
            d.unlink("f")?;
        }
    }
    Ok(())
}

/// What is stored by a pin of pages that were cut off.
fn by_a_pin(t: &mut Trace, d: &Dir) -> Done {
    let source = d.file("source", &pattern(3, PAGE))?;
    for how in GROWTHS {
        let file = d.file("f", &pattern(1, WRITTEN * PAGE))?;
        let map = Map::shared(&file, WRITTEN * PAGE, 0)?;
        map.touch(WRITTEN);
        let mut ring = Ring::new(4)?;
        let start = map.start().cast::<u8>().wrapping_add((CUT + 8) * PAGE);
        let part = [libc::iovec {
            iov_base: start.cast(),
            iov_len: PAGE,
        }];
        // SAFETY: the memory is there for as long as the ring.
        let registered = unsafe { ring.submitter().register_buffers(&part) };
        t.put("register", registered.is_ok());
        t.put("cut", file.truncate((CUT * PAGE) as u64));
        let mut read = |t: &mut Trace| {
            let fd = Raw(source.0.as_raw_fd());
            let entry = opcode::ReadFixed::new(fd, start, PAGE as u32, 0);
            // SAFETY: the pages are registered.
            t.put("read", unsafe { ring.run(entry.build(), Flags::empty()) });
        };
        read(t);
        grow(t, &file, how, CUT, CUT + 4);
        t.put("contents", file.all()?);
        read(t);
        grow(t, &file, how, CUT + 4, WRITTEN);
        t.put("contents", file.all()?);
        drop((ring, map, file));
        d.unlink("f")?;
    }
    Ok(())
}

/// Allocates more pages than a file has, which are all valid, and puts the last page of the file in a pipe.
fn preallocate(file: &Fd) -> anyhow::Result<InPipe> {
    let allocate = || fallocate(file, FallocateFlags::KEEP_SIZE, 0, WRITTEN * PAGE);
    allocate()?;
    file.truncate((CUT * PAGE) as u64)?;
    // What is there by then is valid afterwards.
    allocate()?;
    InPipe::page(file, CUT - 1)
}

/// What was allocated beyond the end stays allocated, and is zeros.
fn preallocated(t: &mut Trace, d: &Dir) -> Done {
    for how in GROWTHS {
        for meanwhile in ["nothing", "a fault", "a hole", "in use"] {
            let file = d.create("f")?;
            let pipe = preallocate(&file)?;
            store(&file, [CUT - 1, CUT, CUT + 5])?;
            let pipe = Some(pipe).filter(|_| meanwhile == "in use");
            match meanwhile {
                // Either splits the folio.
                "a fault" => drop(store(&file, [CUT - 2; 3])?),
                "a hole" => t.put("punch", punch(&file, (CUT + 8) * PAGE, PAGE)),
                _ => {}
            }
            t.counts(format!("{how}, {meanwhile}"), d, &file)?;
            grow(t, &file, how, CUT, CUT + 12);
            t.counts("grown", d, &file)?;
            t.put("contents", file.all()?);
            drop((file, pipe));
            d.unlink("f")?;
        }
    }
    Ok(())
}

/// The same of as much as a PMD maps, in use by nobody, where a mapping could have all of it by one entry.
fn preallocated_at_large(t: &mut Trace, d: &Dir) -> Done {
    for how in GROWTHS {
        for page in [CUT, 150, 300, HUGE / PAGE - 1] {
            compact()?;
            let file = d.create("f")?;
            let allocate = || fallocate(&file, FallocateFlags::KEEP_SIZE, 0, HUGE);
            allocate()?;
            file.truncate((CUT * PAGE) as u64)?;
            // All that is there is valid afterwards.
            allocate()?;
            let map = Map::aligned(&file, HUGE, HUGE)?;
            let end = process::forked(|| {
                map.set(5, 1);
                map.set(page * PAGE, 9);
            });
            t.put(format!("{how}, {page}"), end);
            drop(map);
            grow(t, &file, how, CUT, page + 12);
            t.counts("grown", d, &file)?;
            t.put("contents", file.all()?);
            drop(file);
            d.unlink("f")?;
        }
    }
    Ok(())
}

/// A folio in use outlives the policy that made it.
fn of_another_policy(t: &mut Trace, fs: &Fs) -> Done {
    for how in GROWTHS {
        let mount = fs.mount("size=32m")?;
        let d = mount.dir()?;
        let file = d.create("f")?;
        let pipe = preallocate(&file)?;
        t.put("remount", mount.remount("huge=never"));
        store(&file, [CUT - 1, CUT, CUT + 5])?;
        grow(t, &file, how, CUT, CUT + 12);
        t.put("contents", file.all()?);
        drop((pipe, file, d));
        mount.unmount()?;
    }
    Ok(())
}

/// What the new policy makes of such a file stays as that has it.
fn by_another_policy(t: &mut Trace, fs: &Fs) -> Done {
    compact()?;
    for is_mapped in [false, true] {
        let mount = fs.mount("size=8m")?;
        let d = mount.dir()?;
        let file = d.file("f", &pattern(1, WRITTEN * PAGE))?;
        let map = is_mapped.then(|| Map::first(&file, WRITTEN)).transpose()?;
        t.put("remount", mount.remount("huge=always"));
        t.put("empty", file.truncate(0));
        t.put("write", file.pwrite(&pattern(2, PAGE), 0));
        t.put("grow", file.pwrite(&pattern(3, 4 * PAGE), PAGE as u64));
        t.counts("grown", &d, &file)?;
        drop((map, file, d));
        mount.unmount()?;
    }
    Ok(())
}

/// A folio of such a mount that is cut while it is in use shows what is stored behind the end, as all of it is mapped.
fn cut_in_use_by_another_policy(t: &mut Trace, fs: &Fs) -> Done {
    compact()?;
    for policy in ["huge=within_size", "huge=always"] {
        let mount = fs.mount(&format!("size=16m,{policy}"))?;
        let d = mount.dir()?;
        for (pages, cut) in [(8, 6), (16, 3), (HUGE / PAGE, CUT)] {
            for how in GROWTHS {
                let file = d.file("f", &pattern(1, pages * PAGE))?;
                let pipe = InPipe::page(&file, 0)?;
                t.put("cut", file.truncate((cut * PAGE) as u64));
                // Of the size by which mappings of either file system are aligned.
                let map = Map::shared(&file, HUGE, 0)?;
                t.put(
                    format!("{policy}: {how}: stored"),
                    process::forked(|| {
                        for page in [0, cut - 1, cut, pages - 1] {
                            map.set(page * PAGE + 200, 9);
                        }
                    }),
                );
                t.counts("stored", &d, &file)?;
                grow(t, &file, how, cut, pages);
                t.counts("grown", &d, &file)?;
                t.put("contents", file.all()?);
                drop((file, pipe, map));
                d.unlink("f")?;
            }
        }
        drop(d);
        mount.unmount()?;
    }
    Ok(())
}

/// One task stores beyond the end, again and again, while others use the folio, map it, and let go of it, and one makes
/// the file larger. What was stored before it began to is not there when it has.
fn beside_one_that_grows(t: &mut Trace, d: &Dir) -> Done {
    let rounds = stage::machine::sized(150, 30);
    // By calls that fail where a task would be killed; each store has a number.
    let (file, source) = (d.create("f")?, d.create("source")?);
    let map = Map::shared(&file, WRITTEN * PAGE, 0)?;
    let start = map.start() as usize;
    let (epoch, stored) = (AtomicU64::new(1), AtomicU64::new(0));
    let (in_epoch, number) = (AtomicU64::new(0), AtomicU64::new(0));
    let put = |page: usize| {
        let to = (start + page * PAGE + 64) as *mut libc::c_void;
        // SAFETY: a page of the mapping, which stays.
        unsafe { libc::pread(source.0.as_raw_fd(), to, 8, 0) == 8 }
    };
    let store = || {
        let before = epoch.load(SeqCst);
        let number = number.fetch_add(1, SeqCst) + 1;
        let _ = source.pwrite(&number.to_le_bytes(), 0);
        let done = put(CUT + 1 + number as usize % 8);
        if done && before % 2 == 0 && epoch.load(SeqCst) == before {
            stored.fetch_max(number, SeqCst);
            in_epoch.store(before, SeqCst);
        }
    };
    let hold = || drop(InPipe::page(&file, CUT - 1));
    let map_again = || {
        let _ = map.advise_all(libc::MADV_DONTNEED);
        put(CUT - 1);
    };
    let trim = || drop(file.meta());
    let grow = || -> Done {
        for round in 0..rounds {
            // One folio, which is made anew.
            file.truncate(0)?;
            let zeros = [0; WRITTEN * PAGE];
            ensure!(file.pwrite(&zeros, 0)? == zeros.len(), "short write");
            let pipe = InPipe::page(&file, 0)?;
            file.truncate((CUT * PAGE) as u64)?;
            let pipe = Some(pipe).filter(|_| round % 2 == 0);
            let closed = epoch.fetch_add(1, SeqCst);
            // Until one has gone through, where that can be.
            for _ in 0..5 {
                std::thread::sleep(std::time::Duration::from_millis(1));
                if in_epoch.load(SeqCst) > closed {
                    break;
                }
            }
            epoch.fetch_add(1, SeqCst);
            let before = stored.load(SeqCst);
            match round % 3 {
                0 => file.truncate((WRITTEN * PAGE) as u64)?,
                1 => drop(file.pwrite(b"x", (WRITTEN * PAGE) as u64 - 1)?),
                _ => {
                    file.pwrite(&[0; 10], (CUT * PAGE) as u64)?;
                    file.truncate((WRITTEN * PAGE) as u64)?;
                }
            }
            for page in CUT..CUT + 10 {
                let read = || -> anyhow::Result<u64> {
                    let got = file.pread(8, (page * PAGE + 64) as u64)?.0;
                    Ok(u64::from_le_bytes(got.try_into().expect("8 bytes")))
                };
                // Beside a store it may be of both; what is there twice is not.
                let got = loop {
                    let (got, again) = (read()?, read()?);
                    if got == again {
                        break got;
                    }
                };
                ensure!(
                    got == 0 || got > before,
                    "round {round}: page {page} has {got}, when {before} had been stored"
                );
            }
            drop(pipe);
        }
        Ok(())
    };
    meanwhile(store, || {
        meanwhile(hold, || meanwhile(map_again, || meanwhile(trim, grow)))
    })?;
    t.put("size", file.size());
    Ok(())
}
