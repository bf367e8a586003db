//! Several threads on the same names and the same ranges.
//!
//! What happens in between is not the same twice, so invariants are checked and what must be there at the
//! end is compared.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use rustix::io::ReadWriteFlags;
use stage::group::Group;
use stage::machine::{self, Setting};

use crate::harness::kmsg::expecting;
use crate::harness::meanwhile::meanwhile;
use crate::harness::prelude::*;
use crate::harness::process::{on_processor, Child, End};
use crate::harness::sys::cached_pages;

cases! {
    "" => creates_in_one_directory, same_name, renames_back_and_forth, exchanges, directory_moves,
        listing_under_change, appends, writes_of_one_range, readers_see_whole_pages, truncate_and_write,
        truncate_and_map, truncate_and_read, unlink_while_used, links_of_one_file, faults_of_one_page,
        tmpfiles_and_links;
    "nr_blocks=64" => blocks_at_the_limit, faults_at_the_limit;
    "nr_inodes=33" => inodes_at_the_limit;
    own => mounts_and_unmounts, remounts_under_load, large_folios_at_the_limit, last_block_of_two,
        last_blocks_of_large_folios, last_block_of_a_quota, last_page_of_a_group, last_page_to_commit;
}

const THREADS: u32 = 4;
/// Rounds of each thread: bounded by count and not by time, so that a run is as long as the machine is slow.
const ROUNDS: u32 = 40;

/// Runs `body` with the number of the thread in all threads at once, and gives back what they return.
fn together<T: Send>(threads: u32, body: impl Fn(u32) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(threads as usize);
    std::thread::scope(|scope| {
        let run = |i| {
            start.wait();
            body(i)
        };
        let handles: Vec<_> = (0..threads).map(|i| scope.spawn(move || run(i))).collect();
        handles
            .into_iter()
            .map(|h| h.join().expect("a thread panicked"))
            .collect()
    })
}

fn creates_in_one_directory(t: &mut Trace, d: &Dir) -> Done {
    let made = together(THREADS, |i| {
        for n in 0..ROUNDS {
            d.create(format!("f{i}-{n}"))?;
            d.mkdir(format!("d{i}-{n}"))?;
            d.symlink("x", format!("l{i}-{n}"))?;
            if n % 2 == 0 {
                d.unlink(format!("f{i}-{n}"))?;
                d.rmdir(format!("d{i}-{n}"))?;
            }
        }
        Ok::<(), Errno>(())
    });
    t.put("threads", made);
    t.each("names", d.names()?);
    t.put("root", d.meta(".")?);
    t.put("space", d.space()?);
    let list = d.list()?;
    let numbers: std::collections::BTreeSet<u64> = list.iter().map(|e| e.ino).collect();
    let offsets: std::collections::BTreeSet<u64> = list.iter().map(|e| e.next).collect();
    // The root is its own parent.
    t.put(
        "inode numbers",
        (list.len() - numbers.len(), list.len() - offsets.len()),
    );
    Ok(())
}

/// Of all that make the same name one succeeds, of all that remove it one does.
fn same_name(t: &mut Trace, d: &Dir) -> Done {
    let (made, removed) = (AtomicU32::new(0), AtomicU32::new(0));
    let barrier = Barrier::new(THREADS as usize);
    let other: Vec<Vec<Errno>> = together(THREADS, |i| {
        let mut errors = Vec::new();
        let mut count = |counter: &AtomicU32, result: Res<()>, expected: i32| match result {
            Ok(()) => drop(counter.fetch_add(1, Ordering::Relaxed)),
            Err(Errno(e)) if e == expected => {}
            Err(e) => errors.push(e),
        };
        for n in 0..ROUNDS {
            barrier.wait();
            let name = format!("n{n}");
            let make = match i {
                0 => d.create(&name).map(drop),
                1 => d.fifo(&name),
                2 => d.symlink("x", &name),
                _ => d.mknod(&name, FileType::Socket, 0o600, (0, 0)),
            };
            count(&made, make, libc::EEXIST);
            barrier.wait();
            count(&removed, d.unlink(&name), libc::ENOENT);
        }
        errors
    });
    t.put("made", made.into_inner());
    t.put("removed", removed.into_inner());
    t.put("other errors", other);
    t.put("root", d.meta(".")?);
    t.put("space", d.space()?);
    Ok(())
}

fn renames_back_and_forth(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("a")?;
    d.mkdir("b")?;
    for i in 0..THREADS {
        d.file(&format!("a/f{i}"), &[i as u8; 10])?;
    }
    d.file("a/target", b"t")?;
    let done = together(THREADS, |i| {
        let (here, there) = (format!("a/f{i}"), format!("b/f{i}"));
        let mut missing = 0;
        for n in 0..ROUNDS {
            d.rename(&here, &there)?;
            missing += u32::from(d.meta(&there).is_err());
            d.rename(&there, &here)?;
            if n % 4 == 0 {
                // Over a name that all fight for; a hard link keeps the file.
                d.link(&here, format!("b/over{i}"))?;
                d.rename(format!("b/over{i}"), "a/target")?;
                // Both names may have been of the same file, where nobody else has had a turn since:
                // then rename did nothing, and this one is still there.
                match d.unlink(format!("b/over{i}")) {
                    Ok(()) | Err(Errno(libc::ENOENT)) => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok::<u32, Errno>(missing)
    });
    t.put("missing", done);
    t.put("names", (d.sub("a")?.names()?, d.sub("b")?.names()?));
    t.put("sizes", (d.meta("a")?, d.meta("b")?));
    let links: Result<u32, _> = (0..THREADS)
        .map(|i| d.meta(&format!("a/f{i}")).map(|m| m.nlink))
        .sum();
    t.put("all links", links?);
    t.put("space", d.space()?);
    Ok(())
}

fn exchanges(t: &mut Trace, d: &Dir) -> Done {
    const NAMES: u32 = 6;
    for i in 0..NAMES {
        d.file(&format!("n{i}"), &[b'0' + i as u8])?;
    }
    let done = together(THREADS, |i| {
        for n in 0..ROUNDS {
            let (a, b) = ((n + i) % NAMES, (n * (i + 1) + 1) % NAMES);
            if a != b {
                d.rename_flags(&format!("n{a}"), &format!("n{b}"), RenameFlags::EXCHANGE)?;
            }
        }
        Ok::<(), Errno>(())
    });
    t.put("threads", done);
    let mut contents = (0..NAMES)
        .map(|i| d.contents(&format!("n{i}")).map(|c| c.0))
        .collect::<Res<Vec<_>>>()?;
    contents.sort();
    t.put("contents", Bytes(contents.concat()));
    t.put("root", d.meta(".")?);
    Ok(())
}

fn directory_moves(t: &mut Trace, d: &Dir) -> Done {
    for name in ["a", "b", "c", "a/x", "b/y"] {
        d.mkdir(name)?;
    }
    together(THREADS, |i| {
        let places = ["a", "b", "c"];
        for n in 0..ROUNDS {
            let (from, to) = (places[(n % 3) as usize], places[((n + i) % 3) as usize]);
            for name in ["x", "y"] {
                let _ = d.rename(format!("{from}/{name}"), format!("{to}/{name}"));
            }
            let _ = d.rename(from, format!("{to}/x/{from}"));
            let _ = d.rename(format!("{to}/x/{from}"), from);
        }
    });
    // Wherever they are, there are five, and each directory has a link from each in it.
    let mut found = BTreeMap::new();
    let mut wrong = 0;
    let mut paths = vec![".".to_owned()];
    while let Some(path) = paths.pop() {
        let names = d.sub(&*path)?.names()?;
        let meta = d.meta(&path)?;
        wrong += u32::from(
            meta.nlink as usize != names.len() + 2 || meta.size as usize != 40 + 20 * names.len(),
        );
        for name in names {
            *found.entry(name.clone()).or_insert(0) += 1;
            paths.push(format!("{path}/{name}"));
        }
    }
    t.put("directories", found);
    t.put("wrong counts or sizes", wrong);
    t.put("space", d.space()?);
    Ok(())
}

/// Entries that are there all the time are in each listing, once.
fn listing_under_change(t: &mut Trace, d: &Dir) -> Done {
    const STAY: usize = 40;
    let churn = |round: u32| -> Res<()> {
        for n in 0..10 {
            d.create(format!("come{round}-{n}"))?;
            d.rename(format!("come{round}-{n}"), format!("go{round}-{n}"))?;
        }
        (0..10).try_for_each(|n| d.unlink(format!("go{round}-{n}")))
    };
    for i in 0..STAY {
        d.create(format!("stay{i:02}"))?;
        churn(i as u32)?;
    }
    let round = AtomicU32::new(1000);
    let side = || churn(round.fetch_add(1, Ordering::Relaxed)).expect("churn");
    let wrong = meanwhile(side, || {
        together(2, |i| {
            let own = d.sub(".").expect("open");
            let mut wrong = 0;
            for _ in 0..ROUNDS {
                own.seek(SeekFrom::Start(0)).expect("rewind");
                let list = own.list_on(200 + 300 * i as usize).expect("list");
                let stay = list.iter().filter(|e| e.name.starts_with("stay")).count();
                let mut names: Vec<_> = list
                    .iter()
                    .map(|e| &e.name)
                    .filter(|n| n.starts_with("stay"))
                    .collect();
                names.sort();
                names.dedup();
                wrong += usize::from(stay != STAY || names.len() != STAY);
            }
            wrong
        })
    });
    t.put("wrong listings", wrong);
    t.each("names", d.names()?);
    t.put("root", d.meta(".")?);
    Ok(())
}

fn appends(t: &mut Trace, d: &Dir) -> Done {
    const RECORD: usize = 100;
    let file = d.create("log")?;
    let done = together(THREADS, |i| {
        for n in 0..ROUNDS {
            let record = [b'a' + i as u8; RECORD];
            let written = if n % 2 == 0 {
                file.pwritev2(&record, 0, ReadWriteFlags::APPEND)?
            } else {
                d.openat("log", OFlags::WRONLY | OFlags::APPEND, 0)?
                    .write(&record)?
            };
            assert_eq!(written, RECORD);
        }
        Ok::<(), Errno>(())
    });
    t.put("threads", done);
    t.put("size", file.meta()?);
    let data = file.all()?.0;
    let torn = data
        .chunks(RECORD)
        .filter(|r| r.iter().any(|b| b != &r[0]))
        .count();
    t.put("torn records", torn);
    let mut counts = BTreeMap::new();
    data.chunks(RECORD)
        .for_each(|r| *counts.entry(r[0] as char).or_insert(0) += 1);
    t.put("records", counts);
    Ok(())
}

fn writes_of_one_range(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    let len = 3 * PAGE + 100;
    together(THREADS, |i| {
        for _ in 0..ROUNDS {
            assert_eq!(file.pwrite(&vec![b'a' + i as u8; len], 50), Ok(len));
        }
    });
    let data = file.all()?.0;
    // Writes of a file exclude each other, so that the last one is there as a whole.
    t.put("one of them", data[50..].iter().all(|b| *b == data[50]));
    t.put("before", Bytes(data[..50].to_vec()));
    t.put("meta", file.meta()?);
    Ok(())
}

/// A page that is written for the first time shows zeros or data and never what was in memory before.
fn readers_see_whole_pages(t: &mut Trace, d: &Dir) -> Done {
    const PAGES: u32 = 64;
    let mut bad = 0;
    for round in 0..8 {
        let file = d.create(format!("f{round}"))?;
        file.truncate(u64::from(PAGES) * PAGE as u64)?;
        let written = AtomicU32::new(0);
        let counts = together(2, |i| {
            if i == 0 {
                for page in 0..PAGES {
                    file.pwrite(&[b'w'; PAGE], u64::from(page) * PAGE as u64)
                        .expect("write");
                    written.store(page + 1, Ordering::Release);
                }
                return 0;
            }
            let mut bad = 0;
            while written.load(Ordering::Acquire) < PAGES {
                let done = written.load(Ordering::Acquire) as usize;
                let data = file.pread(PAGES as usize * PAGE, 0).expect("read").0;
                bad += data[..done * PAGE].iter().filter(|b| **b != b'w').count();
                bad += data.iter().filter(|b| !matches!(**b, 0 | b'w')).count();
            }
            bad
        });
        bad += counts[1];
        d.unlink(format!("f{round}"))?;
    }
    t.put("bad bytes", bad);
    t.put("space", d.space()?);
    Ok(())
}

fn truncate_and_write(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    together(THREADS, |i| {
        for n in 0..ROUNDS {
            if i % 2 == 0 {
                file.pwrite(&[b'x'; 2 * PAGE], u64::from(n % 8) * PAGE as u64)
                    .expect("write");
            } else {
                file.truncate(u64::from(n % 7) * 3000).expect("truncate");
            }
        }
    });
    let data = file.all()?.0;
    t.put(
        "only data and zeros",
        data.iter().all(|b| matches!(*b, 0 | b'x')),
    );
    let pages: u64 = file
        .extents()?
        .iter()
        .map(|(a, b)| b.div_ceil(PAGE as u64) - a / PAGE as u64)
        .sum();
    t.put("blocks are what is there", file.blocks()? == pages * 8);
    let space = d.space()?;
    t.put(
        "and what the mount counts",
        space.blocks - space.free == pages,
    );
    file.truncate(0)?;
    t.put("cut", (file.meta()?, d.space()?));
    Ok(())
}

/// A child maps and touches while the file is cut: it gets data, zeros or SIGBUS.
fn truncate_and_map(t: &mut Trace, d: &Dir) -> Done {
    const PAGES: usize = 16;
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    let stop = Map::shared(&d.file("stop", &[0])?, PAGE, 0)?;
    let mut child = Child::new(|| {
        let mut good = true;
        while stop.get(0) == 0 {
            for page in 0..4 {
                good &= matches!(map.get(page * PAGE + 7), 0 | b'm' | b'w');
                map.set(page * PAGE + 7, b'm');
            }
        }
        assert!(good, "neither data nor zeros");
    })?;
    for n in 0..ROUNDS as usize {
        // Never below what the child touches.
        file.truncate(((4 + n % 12) * PAGE + n) as u64)?;
        file.pwrite(&[b'w'; 100], ((n % 4) * PAGE) as u64)?;
    }
    stop.set(0, 1);
    t.put("child", child.wait()? == End::Exit(0));
    drop(map);
    // Under it as well, until the child is hit.
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    let mut child = Child::new(|| loop {
        (0..PAGES).for_each(|page| map.set(page * PAGE, 1));
    })?;
    let end = loop {
        file.truncate(0)?;
        if let Some(end) = child.ended()? {
            break end;
        }
    };
    ensure!(
        matches!(end, End::Signal(_)),
        "the child ended with {end:?}"
    );
    t.put("hit by", end);
    drop(map);
    t.put("nothing is left", file.meta()?);
    t.put("space", d.space()?);
    Ok(())
}

fn truncate_and_read(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    let size = 12 * PAGE;
    let side = || {
        file.truncate(100).expect("truncate");
        file.pwrite(&vec![b'd'; size], 0).expect("write");
    };
    let bad = meanwhile(side, || {
        together(2, |_| {
            let mut bad = 0;
            for _ in 0..ROUNDS {
                let data = file.pread(2 * size, 0).expect("read").0;
                // A read may meet the file while it grows; zeros are of pages that are not written yet.
                bad += data.iter().filter(|b| !matches!(**b, 0 | b'd')).count();
                bad += usize::from(data.len() > size);
            }
            bad
        })
    });
    t.put("bad bytes", bad);
    Ok(())
}

fn unlink_while_used(t: &mut Trace, d: &Dir) -> Done {
    let bad = together(THREADS, |i| {
        let mut bad = 0;
        for n in 0..ROUNDS {
            let name = format!("f{}", n % 3);
            if i == 0 {
                let _ = d.unlink(&name);
                continue;
            }
            let Ok(file) = d.openat(&*name, OFlags::CREATE | OFlags::RDWR, 0o600) else {
                continue;
            };
            let at = u64::from(i) * 10_000;
            let data = pattern(n + 1000 * i, 5000);
            bad += usize::from(file.pwrite(&data, at) != Ok(5000));
            // Nobody else writes this range of any file.
            bad += usize::from(file.pread(5000, at).map(|b| b.0) != Ok(data));
        }
        bad
    });
    t.put("bad", bad);
    for i in 0..3 {
        let _ = d.unlink(format!("f{i}"));
    }
    t.put("space", d.space()?);
    t.put("root", d.meta(".")?);
    Ok(())
}

fn links_of_one_file(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    let done = together(THREADS, |i| {
        for n in 0..ROUNDS {
            d.link("f", format!("l{i}-{n}"))?;
            if n % 2 == 1 {
                d.unlink(format!("l{i}-{n}"))?;
                d.rename(format!("l{i}-{}", n - 1), format!("r{i}-{n}"))?;
            }
        }
        Ok::<(), Errno>(())
    });
    t.put("threads", done);
    t.put("file", d.meta("f")?);
    t.put("root", d.meta(".")?);
    t.put("space", d.space()?);
    Ok(())
}

/// The first touches of a page by many threads make one page.
fn faults_of_one_page(t: &mut Trace, d: &Dir) -> Done {
    const PAGES: usize = 48;
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    let barrier = Barrier::new(THREADS as usize);
    together(THREADS, |i| {
        for page in 0..PAGES {
            barrier.wait();
            match i {
                // By a fault, a write, and a read of what is a hole or not.
                0 | 1 => map.set(page * PAGE + i as usize, b'0' + i as u8),
                2 => drop(file.pwrite(b"2", (page * PAGE + 2) as u64).expect("write")),
                _ => drop(file.pread(PAGE, (page * PAGE) as u64).expect("read")),
            }
        }
    });
    t.put("meta", file.meta()?);
    let wrong = (0..PAGES)
        .filter(|&p| map.bytes(p * PAGE, 4).0 != b"012\0")
        .count();
    t.put("lost stores", wrong);
    let space = d.space()?;
    t.put("blocks", space.blocks - space.free);
    Ok(())
}

fn tmpfiles_and_links(t: &mut Trace, d: &Dir) -> Done {
    let named: Vec<Res<u32>> = together(THREADS, |i| {
        let mut named = 0;
        for n in 0..ROUNDS {
            let file = d.tmpfile()?;
            file.write(&[i as u8])?;
            // All threads want these names.
            named += u32::from(d.link_fd(&file, &format!("t{n}")).is_ok());
        }
        Ok(named)
    });
    let named: Res<Vec<u32>> = named.into_iter().collect();
    t.put("named", named?.iter().sum::<u32>());
    t.put("space", d.space()?);
    t.put("root", d.meta(".")?);
    Ok(())
}

/// The limit is never exceeded and always reached.
fn blocks_at_the_limit(t: &mut Trace, d: &Dir) -> Done {
    let written = together(THREADS, |i| {
        let file = d.create(format!("f{i}")).expect("create");
        let mut written = 0;
        while let Ok(n) = file.write(&[b'x'; 3 * PAGE]) {
            written += n;
        }
        written
    });
    t.put("pages", written.iter().sum::<usize>() / PAGE);
    t.put("space", d.space()?);
    together(THREADS, |i| {
        let file = d.read_write(format!("f{i}")).expect("open");
        for n in 0..ROUNDS {
            file.truncate(u64::from(n % 3) * PAGE as u64)
                .expect("truncate");
            let _ = file.pwrite(&[b'y'; 8 * PAGE], u64::from(n % 40) * PAGE as u64);
        }
    });
    let mut blocks = 0;
    for i in 0..THREADS {
        let file = d.read_write(format!("f{i}"))?;
        blocks += file.blocks()? / 8;
    }
    let space = d.space()?;
    t.put(
        "counted twice or not at all",
        space.blocks - space.free - blocks,
    );
    (0..THREADS).try_for_each(|i| d.truncate(&format!("f{i}"), 0))?;
    t.put("given back", d.space()?);
    Ok(())
}

fn faults_at_the_limit(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((100 * PAGE) as u64)?;
    let map = Map::shared(&file, 100 * PAGE, 0)?;
    let touch = || (0..100).for_each(|page| map.set(page * PAGE, 1));
    for mut child in [Child::new(touch)?, Child::new(touch)?] {
        t.put("child", child.wait()?);
    }
    t.put("space", d.space()?);
    t.put("blocks", file.blocks()?);
    drop(map);
    file.truncate(0)?;
    t.put("given back", d.space()?);
    Ok(())
}

fn inodes_at_the_limit(t: &mut Trace, d: &Dir) -> Done {
    let made: Vec<u32> = together(THREADS, |i| {
        (0..ROUNDS)
            .filter(|n| d.create(format!("f{i}-{n}")).is_ok())
            .count() as u32
    });
    t.put("made", made.iter().sum::<u32>());
    t.put("space", d.space()?);
    together(THREADS, |i| {
        for n in 0..ROUNDS {
            let _ = d.unlink(format!("f{i}-{n}"));
            let _ = d.mkdir(format!("d{i}-{n}"));
            let _ = d.tmpfile();
            let _ = d.link("none", format!("l{i}-{n}"));
            let _ = d.rmdir(format!("d{i}-{n}"));
        }
    });
    for name in d.names()? {
        if d.unlink(&name).is_err() {
            d.rmdir(&name)?;
        }
    }
    t.put("given back", d.space()?);
    Ok(())
}

fn mounts_and_unmounts(t: &mut Trace, fs: &Fs) -> Done {
    let done = together(2, |i| {
        for n in 0..10 {
            let mount = fs.mount_at(&format!("m{i}"), "size=1m", nix::mount::MsFlags::empty())?;
            mount.dir()?.file("f", &pattern(n, 3 * PAGE))?;
            mount.unmount()?;
        }
        Ok::<(), Errno>(())
    });
    t.put("threads", done);
    Ok(())
}

fn remounts_under_load(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("nr_blocks=100,nr_inodes=100")?;
    let d = mount.dir()?;
    let n = AtomicU32::new(0);
    let side = || {
        let n = n.fetch_add(1, Ordering::Relaxed);
        let _ = mount.remount(&format!(
            "nr_blocks={},nr_inodes={}",
            20 + n % 200,
            10 + n % 100
        ));
    };
    meanwhile(side, || {
        together(2, |i| {
            for n in 0..ROUNDS {
                let name = format!("f{i}-{}", n % 10);
                if let Ok(file) = d.openat(&*name, OFlags::CREATE | OFlags::RDWR, 0o600) {
                    let _ = file.pwrite(&[1; 5 * PAGE], u64::from(n % 4) * PAGE as u64);
                }
                if n % 3 == 0 {
                    let _ = d.unlink(&name);
                }
            }
        })
    });
    for name in d.names()? {
        d.unlink(&name)?;
    }
    t.put("last limits", mount.remount("nr_blocks=77,nr_inodes=33"));
    t.put("space", d.space()?);
    drop(d);
    mount.unmount()?;
    Ok(())
}

/// Writers that run out of blocks look for large folios that have more than their files need, which
/// may be those that others are just writing or cutting.
fn large_folios_at_the_limit(t: &mut Trace, fs: &Fs) -> Done {
    const FILES: u32 = 3;
    const MOST: u32 = 3 << 20;
    const CUTS: u32 = 100;
    super::huge::compact()?;
    let mount = fs.mount("size=8m,huge=always")?;
    let d = mount.dir()?;
    let files: Vec<Fd> = (0..FILES)
        .map(|n| d.create(format!("f{n}")))
        .collect::<Result<_, _>>()?;
    let data = vec![7; MOST as usize];
    let odd = together(2, |i| {
        let mut seed = i + 1;
        let mut draw = |below: u32| {
            seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            (seed >> 8) % below
        };
        let mut odd = Vec::new();
        for _ in 0..CUTS {
            let file = &files[draw(FILES) as usize];
            let len = draw(MOST) as usize;
            match file.pwrite(&data[..len], u64::from(draw(MOST))) {
                Ok(_) | Err(Errno(libc::ENOSPC)) => {}
                Err(e) => odd.push(e),
            }
            odd.extend(file.truncate(u64::from(draw(MOST))).err());
        }
        odd
    });
    t.put("errors but ENOSPC", odd);
    for file in &files {
        let contents = file.all()?;
        t.put(
            "only data and zeros",
            contents.0.iter().all(|b| matches!(*b, 0 | 7)),
        );
        file.truncate(0)?;
    }
    t.put("space", d.space()?);
    drop((files, d));
    mount.unmount()?;
    Ok(())
}

/// Runs `body` with the number of the thread in two threads, as much at once as can be and each on a processor of its own,
/// `rounds` times, each time after `prepare`; adds up what they return.
fn at_once(rounds: u32, prepare: impl Fn() + Sync, body: impl Fn(u32) -> u32 + Sync) -> u32 {
    /// Which of the two is behind, and by how much, is much the same for all of a run, and may be just beside the moment
    /// that matters: hence one of them waits for so long more, by turns.
    const DELAYS: u32 = 16;
    const LOOPS: u32 = 25;
    let barrier = Barrier::new(2);
    let begun = AtomicU32::new(0);
    let counts = together(2, |i| {
        // Where there is another processor.
        let _ = on_processor(i as usize);
        let mut count = 0;
        for round in 1..=rounds {
            if barrier.wait().is_leader() {
                prepare();
            }
            barrier.wait();
            // The thread that is woken first waits for the other one.
            begun.fetch_add(1, Ordering::AcqRel);
            while begun.load(Ordering::Acquire) < 2 * round {
                std::hint::spin_loop();
            }
            if i == round % 2 {
                for _ in 0..round / 2 % DELAYS * LOOPS {
                    std::hint::spin_loop();
                }
            }
            count += body(i);
        }
        count
    });
    counts.iter().sum()
}

/// Two touch what there is room for once: pages `pages` of one file of `size` bytes. That is always had by both.
fn last_room(
    fs: &Fs,
    options: &str,
    size: usize,
    pages: [usize; 2],
    rounds: u32,
) -> anyhow::Result<u32> {
    let mount = fs.mount(options)?;
    let d = mount.dir()?;
    let file = d.create("f")?;
    d.chown("f", Some(1000), None)?;
    file.truncate(size as u64)?;
    let map = Map::shared(&file, size, 0)?;
    // Root is above quota.
    let refused = User::run(1000, 1000, || {
        let prepare = || {
            file.truncate(0).expect("the file is cut");
            file.truncate(size as u64).expect("the file is extended");
        };
        at_once(rounds, prepare, |i| {
            let at = pages[i as usize] * PAGE;
            u32::from(map.advise(at, PAGE, libc::MADV_POPULATE_WRITE).is_err())
        })
    });
    drop((map, file, d));
    mount.unmount()?;
    Ok(refused)
}

fn last_block_of_two(t: &mut Trace, fs: &Fs) -> Done {
    t.put("refused", last_room(fs, "nr_blocks=1", PAGE, [0, 0], 1200)?);
    Ok(())
}

fn last_block_of_a_quota(t: &mut Trace, fs: &Fs) -> Done {
    let options = "usrquota,usrquota_block_hardlimit=4k";
    t.put("refused", last_room(fs, options, PAGE, [0, 0], 400)?);
    Ok(())
}

fn last_blocks_of_large_folios(t: &mut Trace, fs: &Fs) -> Done {
    const HUGE: usize = 2 << 20;
    t.put(
        "refused",
        last_room(fs, "size=2m,huge=always", HUGE, [0, 256], 150)?,
    );
    Ok(())
}

/// Two touch a page that their memory cgroup has room for once, one by write(2) and one by a fault: the one that is not
/// charged for it finds the page of the other.
fn last_page_of_a_group(t: &mut Trace, fs: &Fs) -> Done {
    /// So often the two have to have met, which is seen of charges that failed.
    const MEETINGS: u64 = 3;
    const ROUNDS: u32 = 50;
    /// Each failed charge is told at length in the kernel log, which takes its time.
    const LIMIT: Duration = Duration::from_secs(90);
    let _short = Setting::new("/proc/sys/vm/oom_dump_tasks", "0")?;
    let group = Group::enter(&[])?;
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let (file, rest) = (d.create("f")?, d.create("rest")?);
    file.truncate(PAGE as u64)?;
    let map = Map::first(&file, 2)?;
    // There is nothing to be killed, and a fault of the program itself would wait for room for ever.
    std::fs::write("/proc/self/oom_score_adj", "-1000").context("oom_score_adj")?;
    stage::machine::keep_in_memory()?;
    map.lock(false)?;
    let fill = || -> Done {
        group.set("memory.max", "max")?;
        rest.truncate(0)?;
        let room = group.value("memory.current")? + (256 << 10);
        group.set("memory.max", &room.to_string())?;
        for at in (0..).step_by(PAGE) {
            match rest.pwrite(&[1], at) {
                Ok(_) => {}
                Err(Errno(libc::ENOMEM)) => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    };
    let (mut refused, mut tries, mut meetings) = (0, 0, 0);
    expecting("invoked oom-killer|[Oo]ut of memory", || -> Done {
        let begin = Instant::now();
        while meetings < MEETINGS && begin.elapsed() < LIMIT {
            let is_full = AtomicBool::new(false);
            let prepare = || {
                if !is_full.swap(true, Ordering::Relaxed) {
                    file.pwrite(&[1], 0).expect("there is room yet");
                    fill().expect("the group is filled");
                }
                file.truncate(0).expect("the file is cut");
                file.truncate(PAGE as u64).expect("the file is extended");
            };
            refused += at_once(ROUNDS, prepare, |i| {
                let done = match i {
                    0 => file.pwrite(&[2], 7).map(drop),
                    _ => map.advise(0, PAGE, libc::MADV_POPULATE_WRITE),
                };
                // The other one may be slower than a charge is given up.
                let is_there = || cached_pages(file.0.as_raw_fd(), 0, PAGE as u64) != Ok(0);
                let wrong = done.is_err() && is_there();
                // A page that waits to be put on a list would stay charged when it is cut off: advice about no page at all
                // sees to those that wait on this processor.
                map.advise(PAGE, PAGE, libc::MADV_COLD).expect("madvise");
                wrong.into()
            });
            group.set("memory.max", "max")?;
            tries += 1;
            // The group was filled until a charge failed.
            meetings = group.event("oom")? - tries;
        }
        Ok(())
    })?;
    if meetings == 0 {
        skip_by_chance!("the two threads have never met");
    }
    t.put("refused a page that is there", refused);
    // The last write may have been refused.
    file.pwrite(&[2], 7)?;
    t.put("page", file.pread(10, 0)?);
    drop((map, file, rest, d));
    mount.unmount()?;
    group.remove()
}

/// Two processors that have counted by themselves all but one page of what they may, of what is committed. The next page
/// makes each of them tell the machine, which has room for one of the two.
struct AlmostCommitted {
    /// Pages that a processor counts before it tells.
    batch: u64,
    held: Mutex<Vec<Map>>,
    policy: Setting,
    _reserves: [Setting; 2],
    limit: Setting,
    // The limit takes it back, and so it comes back last.
    _ratio: Setting,
}

impl AlmostCommitted {
    fn new() -> anyhow::Result<Self> {
        let present = machine::read("/sys/devices/system/cpu/present")?;
        let last = present.trim().split('-').next_back().unwrap_or("0");
        let processors = last.parse::<u64>()? + 1;
        if processors < 2 {
            skip!("there is one processor");
        }
        // As the kernel has it.
        let batch = machine::meminfo("MemTotal")? / 4 / processors / 256;
        let setting = |name: &str, value: &str| {
            Setting::new(&format!("/proc/sys/vm/overcommit_{name}"), value)
        };
        let reserve = |of: &str| Setting::new(&format!("/proc/sys/vm/{of}_reserve_kbytes"), "0");
        let ratio = setting("ratio", "0")?;
        let much = machine::meminfo("Committed_AS")? + (1 << 20);
        Ok(Self {
            batch: batch.max(2 * processors).max(32),
            held: Mutex::new(Vec::with_capacity(2)),
            limit: setting("kbytes", &much.to_string())?,
            policy: setting("memory", "2")?,
            _reserves: [reserve("admin")?, reserve("user")?],
            _ratio: ratio,
        })
    }

    /// Takes all of it back; all processors tell what they have counted.
    fn release(&self) -> Done {
        self.held.lock().expect("no thread panics").clear();
        self.policy.set("2")
    }

    /// Comes to that once more.
    fn again(&self) -> Done {
        self.release()?;
        let now = machine::meminfo("Committed_AS")?;
        self.limit
            .set(&(now + self.batch * 4 * 3 / 2).to_string())?;
        self.release()?;
        let mut held = self.held.lock().expect("no thread panics");
        let here = nix::sched::sched_getcpu()?;
        for processor in [0, 1] {
            on_processor(processor)?;
            held.push(Map::anonymous((self.batch as usize - 1) * PAGE)?);
        }
        Ok(on_processor(here)?)
    }
}

/// Two touch a page that may be committed once.
fn last_page_to_commit(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let file = d.create("f")?;
    let size = 2 * PAGE as u64;
    let map = Map::shared(&file, size as usize, 0)?;
    let committed = AlmostCommitted::new()?;
    let prepare = || {
        file.truncate(0).expect("the file is cut");
        file.truncate(size).expect("the file is extended");
        committed.again().expect("almost all is committed");
    };
    let touch = |page| map.advise(page * PAGE, PAGE, libc::MADV_POPULATE_WRITE);
    prepare();
    let two = [0, 1].map(|n| on_processor(n).map_err(Errno::from).and_then(|()| touch(n)));
    committed.release()?;
    let refused = at_once(300, prepare, |_| touch(0).is_err().into());
    drop(committed);
    t.put("two pages, one after the other", two);
    t.put("refused", refused);
    t.put("space", d.space()?.free);
    drop((map, file, d));
    mount.unmount()?;
    Ok(())
}
