// SPDX-License-Identifier: GPL-2.0
//! Large folios that go to swap and come back, as a whole and in parts.

use super::{Case, Scene};
use crate::device::{self, Swap};
use crate::group::Group;
use crate::machine::{self, vmstat};
use crate::map::Map;
use crate::mounted::Mounted;
use crate::pages::{self, PAGE};
use crate::skip;
use anyhow::{ensure, Context, Result};
use rustix::fs::{fallocate, seek, FallocateFlags, SeekFrom};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Pages of a folio that a PMD maps.
const HUGE: u64 = 512;
const PAGES: u64 = 3 * HUGE;

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "large folios, on a disk",
            run: on_disk,
        },
        Case {
            name: "large folios, on zram",
            run: on_zram,
        },
        Case {
            name: "large folios, cut and punched while they are in swap",
            run: cut,
        },
        Case {
            name: "large folios in memory, punched while others are in swap",
            run: punched_in_memory,
        },
        Case {
            name: "large folios, cut and punched while others move them",
            run: cut_meanwhile,
        },
        Case {
            name: "large folios, beyond the end of the file",
            run: beyond,
        },
        Case {
            name: "large folios, swapoff",
            run: off,
        },
    ]
}

/// A mount whose files have large folios.
fn mount(scene: &Scene, options: &str) -> Result<Mounted> {
    skip::without("TRANSPARENT_HUGEPAGE")?;
    scene.mount(&format!("{options},huge=always"))
}

/// A file of large folios that are all in swap.
fn in_swap(mount: &Mounted, group: &Group, name: &str, id: u64) -> Result<File> {
    machine::write("/proc/sys/vm/compact_memory", "1")?;
    let before = vmstat("thp_file_alloc")?;
    let file = pages::create(&mount.file(name))?;
    pages::write(&file, id, 0, PAGES, 1)?;
    let huge = vmstat("thp_file_alloc")? - before;
    ensure!(huge == PAGES / HUGE, "{huge} folios were made");
    let out = vmstat("thp_swpout")?;
    group.push_out()?;
    let whole = vmstat("thp_swpout")? - out;
    ensure!(whole > 0, "no folio went to swap as a whole");
    Ok(file)
}

fn round(scene: &mut Scene) -> Result<()> {
    let mount = mount(scene, "size=32m")?;
    let group = Group::enter(&[])?;
    let file = in_swap(&mount, &group, "file", 1)?;
    scene.space("in swap", &mount, &file)?;
    // One page of each, in the middle.
    for index in [HUGE / 2 + 3, HUGE, PAGES - 1] {
        pages::verify(&file, 1, index, index + 1, |_| 1)?;
    }
    scene.space("some are back", &mount, &file)?;
    pages::write(&file, 1, 77, 79, 2)?;
    let now = |index| if (77..79).contains(&index) { 2 } else { 1 };
    pages::verify(&file, 1, 0, PAGES, now)?;
    group.push_out()?;
    // By faults.
    let mapping = Map::first(&file, PAGES as usize)?;
    for index in (0..PAGES).rev() {
        pages::check(mapping.page(index as usize), 1, index, now(index))?;
    }
    scene.space("all are back", &mount, &file)?;
    drop(mapping);
    group.push_out()?;
    drop(file);
    std::fs::remove_file(mount.file("file"))?;
    scene.fact("blocks in the end", mount.used()?);
    device::nothing_in_use()?;
    mount.unmount()?;
    group.remove()
}

fn on_disk(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    round(scene)
}

fn on_zram(scene: &mut Scene) -> Result<()> {
    super::devices::on_zram(|_| round(scene))
}

/// All bytes of the file, up to `size`, but those for which `is_hole`, which are zeros.
fn check(file: &File, size: u64, is_hole: impl Fn(u64) -> bool) -> Result<()> {
    let page = PAGE as u64;
    let mut found = vec![0; PAGE];
    let mut wanted = vec![0; PAGE];
    for index in 0..size.div_ceil(page) {
        let len = (size - index * page).min(page) as usize;
        file.read_exact_at(&mut found[..len], index * page)?;
        pages::fill(&mut wanted, 1, index, 1);
        for (at, byte) in wanted.iter_mut().enumerate() {
            if is_hole(index * page + at as u64) {
                *byte = 0;
            }
        }
        ensure!(
            found[..len] == wanted[..len],
            "page {index} has other contents"
        );
    }
    Ok(())
}

fn cut(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = mount(scene, "size=32m")?;
    let group = Group::enter(&[])?;
    let page = PAGE as u64;
    for (start, end) in [
        (100, HUGE * page + 100),
        (5 * page + 1, 6 * page + 2),
        (HUGE * page - 1, HUGE * page + 1),
        (0, HUGE * page),
    ] {
        let file = in_swap(&mount, &group, "file", 1)?;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, flags, start, end - start)?;
        let when = format!("hole from {start} to {end}");
        scene.space(&when, &mount, &file)?;
        check(&file, PAGES * page, |at| (start..end).contains(&at))?;
        drop(file);
        std::fs::remove_file(mount.file("file"))?;
        scene.fact(&format!("{when}: blocks in the end"), mount.used()?);
    }
    for size in [HUGE * page + 100, 2 * HUGE * page, 3 * page + 1] {
        let file = in_swap(&mount, &group, "file", 1)?;
        file.set_len(size)?;
        scene.space(&format!("cut to {size}"), &mount, &file)?;
        file.set_len(PAGES * page)?;
        check(&file, PAGES * page, |at| at >= size)?;
        drop(file);
        std::fs::remove_file(mount.file("file"))?;
        scene.fact(&format!("cut to {size}: blocks in the end"), mount.used()?);
    }
    // In the middle of a folio, where a page begins.
    for index in [HUGE / 2, HUGE + 1] {
        let file = in_swap(&mount, &group, "file", 1)?;
        file.set_len(index * page)?;
        let used = mount.used()?;
        ensure!(used == index, "{used} pages after a cut to {index}");
        file.set_len(PAGES * page)?;
        check(&file, PAGES * page, |at| at >= index * page)?;
        drop(file);
        std::fs::remove_file(mount.file("file"))?;
    }
    device::nothing_in_use()?;
    mount.unmount()?;
    group.remove()
}

/// Holes that begin and end where pages do, in a folio in memory: its pieces are of several sizes.
fn punched_in_memory(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = mount(scene, "size=32m")?;
    let group = Group::enter(&[])?;
    let page = PAGE as u64;
    let size = (PAGES + HUGE) * page;
    for (from, count) in [(2, 1), (64, 8), (256, 100), (510, 2), (8, 500)] {
        let file = in_swap(&mount, &group, "file", 1)?;
        pages::write(&file, 1, PAGES, PAGES + HUGE, 1)?;
        let start = (PAGES + from) * page;
        let end = start + count * page;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, flags, start, end - start)?;
        let when = format!("{count} pages from {from} of a folio");
        scene.space(&when, &mount, &file)?;
        let hole = seek(&file, SeekFrom::Hole(0));
        scene.fact(&format!("{when}: hole"), hole);
        scene.fact(&format!("{when}: data"), seek(&file, SeekFrom::Data(start)));
        check(&file, size, |at| (start..end).contains(&at))?;
        drop(file);
        std::fs::remove_file(mount.file("file"))?;
        scene.fact(&format!("{when}: blocks in the end"), mount.used()?);
    }
    device::nothing_in_use()?;
    mount.unmount()?;
    group.remove()
}

/// A thread that sends the file to swap, brings it back and makes it one folio again, all the time.
fn cut_meanwhile(scene: &mut Scene) -> Result<()> {
    const ROUNDS: u32 = 150;
    const MADV_COLLAPSE: i32 = 25;
    if scene.kind == "tmpfs" {
        // As in `cut()`: where the folio is in swap again by then, it never comes back from it.
        return Ok(());
    }
    let body = |scene: &mut Scene| {
        let mount = mount(scene, "size=32m")?;
        let page = PAGE as u64;
        let size = HUGE * page;
        machine::write("/proc/sys/vm/compact_memory", "1")?;
        let before = vmstat("pswpout")?;
        let empty = mount.used()?;
        let file = pages::create(&mount.file("file"))?;
        pages::write(&file, 1, 0, HUGE, 1)?;
        let mapping = Map::first(&file, HUGE as usize)?;
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let done = &done;
            scope.spawn(move || {
                let mut at = 0;
                while !done.load(Relaxed) {
                    // What is beyond the end of the file, or in a hole, is none of its business: no page is
                    // touched here, and errors are what is to be expected.
                    at += 1;
                    let _ = mapping.advise_all(libc::MADV_POPULATE_READ);
                    let _ = mapping.advise_all(if at % 3 == 0 {
                        MADV_COLLAPSE
                    } else {
                        libc::MADV_PAGEOUT
                    });
                }
            });
            let mut seed = 1u64;
            let mut draw = |below: u64| {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) % below
            };
            let mut cut = || -> Result<()> {
                for round in 0..ROUNDS {
                    // Half of the places are where a page begins.
                    let mut place = || {
                        let at = draw(size);
                        if draw(2) == 0 {
                            at & !(page - 1)
                        } else {
                            at
                        }
                    };
                    let (one, other) = (place(), place());
                    let (start, end) = (one.min(other), one.max(other).max(one.min(other) + 1));
                    if round % 2 == 0 {
                        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                        fallocate(&file, flags, start, end - start)?;
                        check(&file, size, |at| (start..end).contains(&at)).with_context(|| {
                            format!("round {round}: hole from {start} to {end}")
                        })?;
                    } else {
                        file.set_len(start)?;
                        file.set_len(size)?;
                        check(&file, size, |at| at >= start)
                            .with_context(|| format!("round {round}: cut to {start}"))?;
                    }
                    pages::write(&file, 1, 0, HUGE, 1)?;
                }
                Ok(())
            };
            let result = cut();
            done.store(true, Relaxed);
            result
        })?;
        ensure!(vmstat("pswpout")? > before, "nothing went to swap");
        drop(file);
        std::fs::remove_file(mount.file("file"))?;
        let used = mount.used()?;
        ensure!(
            used == empty,
            "{used} pages are in use with the file deleted"
        );
        mount.unmount()?;
        device::nothing_in_use()
    };
    super::devices::on_zram(|_| body(scene))
}

/// A folio that has pages beyond the end of the file gives them back before it goes.
fn beyond(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = mount(scene, "size=32m")?;
    let group = Group::enter(&[])?;
    machine::write("/proc/sys/vm/compact_memory", "1")?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, 70, 1)?;
    scene.space("in memory", &mount, &file)?;
    // What was never written is zeros wherever it is.
    let kept = pages::create(&mount.file("kept"))?;
    fallocate(&kept, FallocateFlags::KEEP_SIZE, 0, HUGE * PAGE as u64)?;
    pages::write(&kept, 2, 0, 3, 1)?;
    scene.space("kept, in memory", &mount, &kept)?;
    group.push_out()?;
    scene.space("in swap", &mount, &file)?;
    scene.space("kept, in swap", &mount, &kept)?;
    pages::verify(&file, 1, 0, 70, |_| 1)?;
    pages::verify(&kept, 2, 0, 3, |_| 1)?;
    kept.set_len(HUGE * PAGE as u64)?;
    let mut rest = vec![1; (HUGE as usize - 3) * PAGE];
    kept.read_exact_at(&mut rest, 3 * PAGE as u64)?;
    ensure!(
        rest.iter().all(|byte| *byte == 0),
        "what was never written is not zero"
    );
    scene.space("kept, in the end", &mount, &kept)?;
    drop((file, kept));
    mount.unmount()?;
    group.remove()
}

fn off(scene: &mut Scene) -> Result<()> {
    let mut swap = Swap::disk(1)?;
    let mount = mount(scene, "size=32m")?;
    let group = Group::enter(&[])?;
    let file = in_swap(&mount, &group, "file", 1)?;
    let other = in_swap(&mount, &group, "other", 2)?;
    // One of the folios has come back in part.
    pages::verify(&file, 1, 100, 101, |_| 1)?;
    swap.off()?;
    scene.space("back", &mount, &file)?;
    scene.space("other back", &mount, &other)?;
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    pages::verify(&other, 2, 0, PAGES, |_| 1)?;
    drop((file, other));
    mount.unmount()?;
    group.remove()
}
