//! Files that grow while other tasks use what is at their end, or want the blocks that are there.

use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::FallocateFlags;

use super::huge::fallocate;
use super::splice::Pipe;
use crate::harness::meanwhile::meanwhile;
use crate::harness::prelude::*;

cases! {
    own => stores, blocks, last_block, kept, own_blocks, hole;
}

/// A file of so many pages grows by the page.
const BEGIN: usize = 256;
/// It gets a folio of so many for that where folios are large, of which others are to see one.
const ROOM: usize = 32;

const ROUNDS: u8 = 100;

/// Uses the page that the file grows by first, and asks how many blocks there are.
fn look_at_last(file: &Fd) {
    let _ = file.pread(PAGE, (BEGIN * PAGE) as u64);
    let _ = file.meta();
}

/// What is stored to a mapping once the file has grown stays, whatever other tasks do with the folio of its old end: one
/// uses it, so that it is mapped as a whole, and one gives back what of it is beyond the end.
fn stores(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=16m")?;
    let d = mount.dir()?;
    let file = d.file("f", &pattern(1, BEGIN * PAGE))?;
    let look = || look_at_last(&file);
    let rounds = || -> Res<usize> {
        let mut lost = 0;
        for round in 1..=ROUNDS {
            file.truncate((BEGIN * PAGE) as u64)?;
            file.pwrite(&[round; PAGE], (BEGIN * PAGE) as u64)?;
            let map = Map::shared(&file, (BEGIN + ROOM) * PAGE, 0)?;
            let far = (BEGIN + ROOM / 2 + usize::from(round) % 16) * PAGE;
            thread::scope(|scope| {
                scope.spawn(|| map.get(BEGIN * PAGE));
                file.truncate(((BEGIN + ROOM) * PAGE) as u64)
            })?;
            map.set(far, round);
            thread::yield_now();
            lost += usize::from(file.pread(1, far as u64)?.0 != [round]);
        }
        Ok(lost)
    };
    let lost = meanwhile(look, || meanwhile(look, rounds))?;
    t.put("lost", lost);
    drop((file, d));
    mount.unmount()?;
    Ok(())
}

/// A task gets the block that there is, though the one that a file grew by last has more than it shows, and is just being
/// written.
fn blocks(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount(&format!("nr_blocks={}", BEGIN + ROOM))?;
    let d = mount.dir()?;
    let grows = d.file("f", &pattern(1, BEGIN * PAGE))?;
    let other = d.create("g")?;
    let grow = || {
        for page in BEGIN..BEGIN + ROOM / 2 {
            grows
                .pwrite(&[1; PAGE], (page * PAGE) as u64)
                .expect("there is room for it");
        }
        grows.truncate((BEGIN * PAGE) as u64).expect("truncate");
    };
    let refused = meanwhile(grow, || {
        (0..10 * u32::from(ROUNDS))
            .filter(|_| {
                let refused = other.pwrite(b"x", 0).is_err();
                other.truncate(0).expect("truncate");
                refused
            })
            .count()
    });
    t.put("refused", refused);
    drop((grows, other, d));
    mount.unmount()?;
    Ok(())
}

/// A task gets the last block, though the mount got full after another file had grown, whose last page is written all the
/// time.
fn last_block(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount(&format!("nr_blocks={}", 2 * BEGIN))?;
    let d = mount.dir()?;
    let grows = d.file("f", &pattern(1, BEGIN * PAGE))?;
    let (other, rest) = (d.create("g")?, d.create("h")?);
    let last = (BEGIN * PAGE) as u64;
    let mut refused = 0;
    for _ in 0..2 * ROUNDS {
        rest.truncate(0)?;
        other.truncate(0)?;
        grows.truncate(last)?;
        grows.pwrite(&[1; PAGE], last)?;
        // All but what the file may have by now.
        fallocate(&rest, FallocateFlags::empty(), 0, (BEGIN - ROOM) * PAGE)?;
        let write = || {
            grows.pwrite(&[2; PAGE], last).expect("it is there");
        };
        meanwhile(write, || {
            for _ in 0..16 {
                thread::yield_now();
            }
            refused += usize::from(other.pwrite(b"x", 0).is_err());
        });
    }
    t.put("refused", refused);
    drop((grows, other, rest, d));
    mount.unmount()?;
    Ok(())
}

/// A task is told soon that a mount is full, each time, though a file has more than it shows, and a pipe keeps that. Where
/// the pipe alone would not, it may with a task that uses the page just then.
fn kept(t: &mut Trace, fs: &Fs) -> Done {
    for (mode, rounds) in [("", ROUNDS), (",huge=always", 1)] {
        let mount = fs.mount(&format!("nr_blocks={}{mode}", 2 * BEGIN))?;
        let d = mount.dir()?;
        let grows = d.file("f", &pattern(1, BEGIN * PAGE))?;
        let (other, rest) = (d.create("g")?, d.create("h")?);
        let last = (BEGIN * PAGE) as u64;
        let mut longest = Duration::ZERO;
        for _ in 0..rounds {
            rest.truncate(0)?;
            grows.truncate(last)?;
            let pipe = Pipe::new()?;
            meanwhile(
                || look_at_last(&grows),
                || {
                    grows.pwrite(&[1; PAGE], last)?;
                    pipe.fill(&grows, last, PAGE)
                },
            )?;
            let mut at = 0;
            while let Ok(len) = rest.pwrite(&[1; PAGE], at) {
                at += len as u64;
            }
            let start = Instant::now();
            let refused = (0..20).filter(|_| other.pwrite(b"x", 0).is_err()).count();
            ensure!(refused == 20, "{mode} refused {refused} times");
            longest = longest.max(start.elapsed());
        }
        t.put(format!("{mode} soon"), longest < Duration::from_secs(2));
        drop((grows, other, rest, d));
        mount.unmount()?;
    }
    Ok(())
}

/// What a file has grown by is a hole, though other tasks use the page before.
fn hole(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=16m")?;
    let d = mount.dir()?;
    let file = d.file("f", &pattern(1, BEGIN * PAGE))?;
    let last = (BEGIN * PAGE) as u64;
    let more = meanwhile(
        || look_at_last(&file),
        || -> Res<usize> {
            let mut more = 0;
            for _ in 0..5 * u32::from(ROUNDS) {
                file.truncate(last)?;
                file.pwrite(&[1; PAGE], last)?;
                file.truncate(((BEGIN + ROOM) * PAGE) as u64)?;
                // What the other task has just given back is counted a moment later.
                let mut looks = 0;
                while file.blocks()? != ((BEGIN + 1) * PAGE / 512) as u64 && looks < 100 {
                    thread::sleep(Duration::from_millis(1));
                    looks += 1;
                }
                more += usize::from(looks == 100);
            }
            Ok(more)
        },
    )?;
    t.put("times with more than that", more);
    drop((file, d));
    mount.unmount()?;
    Ok(())
}

/// A write behind the end of a file that has all blocks gets those that it has beyond the end.
fn own_blocks(t: &mut Trace, fs: &Fs) -> Done {
    stage::skip::without("TRANSPARENT_HUGEPAGE")?;
    for options in ["size=2m", "size=2m,huge=always", "size=2m,huge=within_size"] {
        let mount = fs.mount(options)?;
        let d = mount.dir()?;
        let file = d.file("f", b"x")?;
        t.put(options, file.pwrite(b"y", 4 << 20));
        t.put(
            "fallocate",
            fallocate(&file, FallocateFlags::empty(), 8 << 20, PAGE),
        );
        drop((file, d));
        mount.unmount()?;
    }
    Ok(())
}
