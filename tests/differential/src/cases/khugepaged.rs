//! khugepaged makes large folios of the small ones of a mapping, behind the back of whoever uses them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::FallocateFlags;
use rustix::mm::Advice;
use stage::device::Swap;
use stage::group::Group;
use stage::machine::vmstat;

use super::huge::{compact, look, punch, HUGE};
use crate::harness::khugepaged::{self, collapsed};
use crate::harness::owned::{set, write, Own};
use crate::harness::prelude::*;
use crate::harness::smaps;

cases! {
    own => by_mount_and_advice, used_afterwards, beyond_the_end, holes, preallocated, in_swap, in_swap_by_sixteen, no_block,
        over_quota, charged_to_the_group, races;
}

const PAGES: usize = HUGE / PAGE;

/// A file of single pages on a mount which may have larger ones from then on.
struct Small {
    mount: Mount,
    file: Fd,
    map: Map,
    data: Vec<u8>,
}

impl Small {
    /// `size` bytes, with holes where `is_there` says no.
    fn new(
        fs: &Fs,
        options: &str,
        mode: &str,
        size: usize,
        is_there: impl Fn(usize) -> bool,
    ) -> anyhow::Result<Small> {
        compact()?;
        let mount = fs.mount(&format!("{options},huge=never"))?;
        let file = mount.dir()?.create("f")?;
        file.truncate(size as u64)?;
        let mut data = pattern(1, size);
        for (n, page) in data.chunks_mut(PAGE).enumerate() {
            if is_there(n) {
                ensure!(
                    file.pwrite(page, (n * PAGE) as u64)? == page.len(),
                    "short write"
                );
            } else {
                page.fill(0);
            }
        }
        mount.remount(&format!("huge={mode}"))?;
        let map = Map::aligned(&file, size.next_multiple_of(HUGE), HUGE)?;
        Ok(Small {
            mount,
            file,
            map,
            data,
        })
    }

    /// Lets khugepaged run and records what came of it; that has to be `wanted` large folios.
    fn collapse(&self, t: &mut Trace, label: &str, wanted: usize) -> Done {
        self.look(t, &format!("{label}, before"))?;
        let before = collapsed()?;
        let wanted_kb = format!("{} kB", wanted * HUGE / 1024);
        khugepaged::run_until(|| Ok(wanted > 0 && self.mapped()? == wanted_kb))?;
        let found = self.mapped()?;
        ensure!(
            found == wanted_kb,
            "{label}: {found} are mapped by PMD, not {wanted_kb}"
        );
        let made = collapsed()? - before;
        ensure!(
            made >= wanted as u64,
            "{label}: khugepaged has made {made} folios"
        );
        t.text(
            format!("{label}: FilePmdMapped"),
            smaps::one(&self.map, "FilePmdMapped")?,
        );
        t.text(format!("{label}: Rss"), smaps::one(&self.map, "Rss")?);
        self.look(t, label)
    }

    /// What is mapped by PMD once it has been looked at.
    fn mapped(&self) -> anyhow::Result<String> {
        (0..self.data.len()).step_by(HUGE).for_each(|at| {
            self.map.get(at);
        });
        smaps::one(&self.map, "ShmemPmdMapped")
    }

    fn look(&self, t: &mut Trace, label: &str) -> Done {
        look(t, label, &self.mount, &self.file, &self.data)
    }

    /// The end of it, after which no block is in use.
    fn done(self, t: &mut Trace, label: &str) -> Done {
        drop((self.map, self.file));
        let d = self.mount.dir()?;
        d.unlink("f")?;
        t.put(format!("{label}: space in the end"), d.space()?);
        drop(d);
        Ok(self.mount.unmount()?)
    }
}

fn by_mount_and_advice(t: &mut Trace, fs: &Fs) -> Done {
    const YES: Option<Advice> = Some(Advice::LinuxHugepage);
    const NO: Option<Advice> = Some(Advice::LinuxNoHugepage);
    for (mode, advice, wanted) in [
        ("never", None, 0),
        ("never", YES, 0),
        ("always", None, 2),
        ("always", NO, 0),
        ("within_size", None, 2),
        ("advise", None, 0),
        ("advise", YES, 2),
    ] {
        let label = format!("{mode} {advice:?}");
        let small = Small::new(fs, "size=16m", mode, 2 * HUGE, |_| true)?;
        if let Some(advice) = advice {
            // SAFETY: the contents stay what they are.
            unsafe { rustix::mm::madvise(small.map.start(), 2 * HUGE, advice)? };
        }
        small.collapse(t, &label, wanted)?;
        small.done(t, &label)?;
    }
    Ok(())
}

fn used_afterwards(t: &mut Trace, fs: &Fs) -> Done {
    let mut small = Small::new(fs, "size=16m", "always", 2 * HUGE, |n| n % 3 != 1)?;
    small.collapse(t, "collapsed", 2)?;
    small.map.set(PAGE + 5, 77);
    small.data[PAGE + 5] = 77;
    small.look(t, "written to a hole")?;
    punch(&small.file, 7 * PAGE, 3 * PAGE)?;
    small.data[7 * PAGE..10 * PAGE].fill(0);
    small.look(t, "punched")?;
    small.collapse(t, "collapsed again", 2)?;
    small.file.truncate((HUGE + HUGE / 2) as u64)?;
    small.data.truncate(HUGE + HUGE / 2);
    small.look(t, "cut")?;
    small.done(t, "cut")
}

/// The file ends within what a large folio would have.
fn beyond_the_end(t: &mut Trace, fs: &Fs) -> Done {
    for mode in ["always", "within_size"] {
        let mut small = Small::new(fs, "size=16m", mode, HUGE + 5 * PAGE, |_| true)?;
        small.look(t, &format!("{mode} before"))?;
        let before = collapsed()?;
        khugepaged::run_until(|| Ok(false))?;
        ensure!(collapsed()? > before, "{mode}: khugepaged has made nothing");
        t.text(format!("{mode}: PMD"), small.mapped()?);
        small.look(t, mode)?;
        small.file.truncate(2 * HUGE as u64)?;
        small.data.resize(2 * HUGE, 0);
        small.look(t, &format!("{mode} longer"))?;
        small.file.truncate(3 * PAGE as u64)?;
        small.data.truncate(3 * PAGE);
        small.look(t, &format!("{mode} cut"))?;
        small.done(t, mode)?;
    }
    Ok(())
}

fn holes(t: &mut Trace, fs: &Fs) -> Done {
    let third: fn(usize) -> bool = |n| n % 3 != 1;
    for (name, is_there, most, wanted) in [
        ("one missing", (|n| n != 100) as fn(usize) -> bool, 0, 0),
        ("one missing", |n| n != 100, 1, 1),
        ("every third missing", third, PAGES as u64 / 3, 0),
        ("every third missing", third, PAGES as u64 / 3 + 1, 1),
        ("all but one missing", |n| n == 7, PAGES as u64 - 1, 1),
    ] {
        let _setting = khugepaged::set("max_ptes_none", most)?;
        let label = format!("{name}, of {most} allowed");
        let small = Small::new(fs, "size=16m", "always", HUGE, is_there)?;
        small.collapse(t, &label, wanted)?;
        small.done(t, &label)?;
    }
    Ok(())
}

/// Pages that were preallocated and never written are no holes.
fn preallocated(t: &mut Trace, fs: &Fs) -> Done {
    let _setting = khugepaged::set("max_ptes_none", 0)?;
    let small = Small::new(fs, "size=16m", "never", HUGE, |n| n % 5 == 0)?;
    rustix::fs::fallocate(&small.file, FallocateFlags::empty(), 0, HUGE as u64)?;
    small.mount.remount("huge=always")?;
    small.collapse(t, "preallocated", 1)?;
    small.done(t, "preallocated")
}

/// Pushes the file out and brings back all pages but the first `left`; khugepaged is allowed to bring back `most`.
fn swapped(t: &mut Trace, small: &Small, group: &Group, left: usize, most: u64) -> Done {
    let label = format!("{left} in swap, of {most} allowed");
    let _setting = khugepaged::set("max_ptes_swap", most)?;
    group.push_out_all(&small.file, PAGES)?;
    for n in left..PAGES {
        small.file.pread(PAGE, (n * PAGE) as u64)?;
    }
    let before = collapsed()?;
    let wanted = left as u64 <= most;
    khugepaged::run_until(|| Ok(wanted && collapsed()? > before))?;
    // Only now a look, which brings back the rest.
    let found = small.mapped()?;
    let wanted = format!("{} kB", usize::from(wanted) * HUGE / 1024);
    ensure!(
        found == wanted,
        "{label}: {found} are mapped by PMD, not {wanted}"
    );
    small.look(t, &label)
}

fn in_swap(t: &mut Trace, fs: &Fs) -> Done {
    for (left, most) in [(40, 10), (40, 0), (40, 64), (PAGES, 511), (1, 1)] {
        let mut swap = Swap::disk(1)?;
        let group = Group::enter(&[])?;
        let small = Small::new(fs, "size=16m", "always", HUGE, |_| true)?;
        swapped(t, &small, &group, left, most)?;
        small.done(t, &format!("{left} {most}"))?;
        group.remove()?;
        swap.off()?;
    }
    Ok(())
}

/// The same where folios of sixteen pages went out, as one entry each.
fn in_swap_by_sixteen(t: &mut Trace, fs: &Fs) -> Done {
    const SIZE: usize = 16 * PAGE;
    for (left, most) in [(32, 31), (32, 32)] {
        let mut swap = Swap::disk(1)?;
        let group = Group::enter(&[])?;
        let mut small = Small::new(fs, "size=16m", "always", HUGE, |_| false)?;
        small.data = pattern(1, HUGE);
        for (n, part) in small.data.chunks(SIZE).enumerate() {
            ensure!(
                small.file.pwrite(part, (n * SIZE) as u64)? == SIZE,
                "short write"
            );
        }
        small.look(t, "written")?;
        swapped(t, &small, &group, left, most)?;
        small.done(t, &format!("{left} {most}"))?;
        group.remove()?;
        swap.off()?;
    }
    Ok(())
}

/// The holes that it fills count, and there is no room for them.
fn no_block(t: &mut Trace, fs: &Fs) -> Done {
    let small = Small::new(fs, "size=4m", "always", HUGE, |n| n < 300)?;
    let d = small.mount.dir()?;
    d.file("other", &vec![1; 600 * PAGE])?;
    // That one is in folios of many pages already, and not mapped.
    small.collapse(t, "no room", 0)?;
    t.put("other", d.meta("other").map(|_| ()));
    d.unlink("other")?;
    small.collapse(t, "room", 1)?;
    drop(d);
    small.done(t, "room")
}

fn over_quota(t: &mut Trace, fs: &Fs) -> Done {
    let small = Small::new(
        fs,
        "size=16m,usrquota,usrquota_block_hardlimit=1500k",
        "always",
        HUGE,
        |n| n < 300,
    )?;
    let d = small.mount.dir()?;
    d.chown("f", Some(1000), None)?;
    let refused = User::run(1000, 1000, || {
        small.file.pwrite(&[1; 100 * PAGE], (400 * PAGE) as u64)
    });
    t.put("as much as may be", refused.is_ok());
    punch(&small.file, 400 * PAGE, 100 * PAGE)?;
    small.look(t, "before")?;
    khugepaged::run_until(|| Ok(small.mapped()? != "0 kB"))?;
    t.text("PMD", small.mapped()?);
    small.look(t, "after")?;
    drop(d);
    small.done(t, "after")
}

fn charged_to_the_group(t: &mut Trace, fs: &Fs) -> Done {
    let small = Small::new(fs, "size=16m", "always", 2 * HUGE, |n| n % 2 == 0)?;
    let group = Group::enter(&[])?;
    let figures = || group.stats_mib(["shmem", "shmem_thp"]);
    t.put("before", figures()?);
    small.collapse(t, "collapsed", 2)?;
    t.put("collapsed", figures()?);
    small.file.truncate(0)?;
    t.put("gone", figures()?);
    group.remove()?;
    small.done(t, "gone")
}

/// Writers, mapped writers, those who punch and those who cut go on while folios are made of their pages.
fn races(t: &mut Trace, fs: &Fs) -> Done {
    let small = Small::new(fs, "size=16m", "always", 3 * HUGE, |_| false)?;
    let (file, map) = (&small.file, &small.map);
    let stop = AtomicBool::new(false);
    let class = |n: usize| Own::new(file, (0..2 * PAGES).filter(move |page| page % 3 == n));
    let mut all = [
        class(0),
        class(1),
        class(2),
        Own::new(file, 2 * PAGES..3 * PAGES),
    ];
    let (before, mapped_before) = (collapsed()?, vmstat("thp_file_mapped")?);
    // A look at the mapping would come too late: the next hole ends it.
    let is_mapped = || anyhow::Ok(vmstat("thp_file_mapped")? > mapped_before);
    std::thread::scope(|scope| -> Done {
        let [writer, mapper, puncher, cutter] = &mut all;
        let stop = &stop;
        scope.spawn(move || writer.work(stop, write));
        scope.spawn(move || {
            mapper.work(stop, |_, page, version| set(map, page, version));
        });
        scope.spawn(move || {
            puncher.work(stop, |file, page, version| {
                if version % 4 != 0 {
                    return write(file, page, version);
                }
                punch(file, page * PAGE, PAGE).expect("a hole is punched");
                0
            });
        });
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..50 {
                    let once = AtomicBool::new(false);
                    cutter.work(&once, |file, page, version| {
                        once.store(true, Ordering::Relaxed);
                        write(file, page, version)
                    });
                }
                // Cut in the midst of what may be a large folio.
                let end = cutter.pages[cutter.turn as usize % PAGES].0;
                file.truncate((end * PAGE) as u64).expect("the file is cut");
                file.truncate((3 * HUGE) as u64)
                    .expect("the file is extended");
                cutter
                    .pages
                    .iter_mut()
                    .filter(|(page, _)| *page >= end)
                    .for_each(|(_, version)| *version = 0);
            }
        });
        let work = khugepaged::awake(|| {
            let begin = Instant::now();
            let has_met = || anyhow::Ok(is_mapped()? && collapsed()? > before);
            // A busy machine takes longer to come to the first one.
            while begin.elapsed() < Duration::from_secs(2)
                || (begin.elapsed() < Duration::from_secs(90) && !has_met()?)
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        work
    })?;
    for own in &all {
        own.check_all();
        ensure!(own.turn > 0, "a thread did nothing");
    }
    ensure!(
        collapsed()? > before && is_mapped()?,
        "khugepaged has made nothing of it"
    );
    let used = small.mount.dir()?.space()?;
    let blocks = small.file.blocks()? * 512 / PAGE as u64;
    t.put(
        "the blocks are the file's",
        used.blocks - used.free == blocks,
    );
    small.done(t, "raced")
}
