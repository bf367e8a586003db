// SPDX-License-Identifier: GPL-2.0
//! Pages that fallocate(2) has got and nobody has written yet, and what happens where there is no memory for them.

use super::{Case, Scene};
use crate::device::{self, Swap};
use crate::group::Group;
use crate::machine::{self, meminfo, vmstat, Setting};
use crate::pages::{self, PAGE};
use crate::skip;
use anyhow::{ensure, Context, Result};
use rustix::fs::{fallocate, seek, FallocateFlags, SeekFrom};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

const MIB: u64 = 1 << 20;
const PAGES: u64 = 1024;

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "pages that were never written go to swap as zeros",
            run: go_out,
        },
        Case {
            name: "large folios that were never written go to swap as zeros",
            run: go_out_large,
        },
        Case {
            name: "large folios that are being filled go to swap with what they have",
            run: go_out_begun,
        },
        Case {
            name: "reclaim while pages are being allocated",
            run: reclaimed_meanwhile,
        },
        Case {
            name: "a large folio that its cgroup has no room for",
            run: no_room_for_large,
        },
        Case {
            name: "more pages than may be committed",
            run: no_commitment,
        },
    ]
}

/// Where data begins and ends, for lseek(2), from the start of the file.
fn map(file: &File) -> Vec<rustix::io::Result<u64>> {
    vec![
        seek(file, SeekFrom::Data(0)),
        seek(file, SeekFrom::Hole(0)),
        seek(file, SeekFrom::Data(PAGES * PAGE as u64 / 2)),
    ]
}

fn check_zeros(file: &File, from: u64, to: u64) -> Result<()> {
    let mut page = vec![0; PAGE];
    for index in from..to {
        file.read_exact_at(&mut page, index * PAGE as u64)?;
        ensure!(
            page.iter().all(|&byte| byte == 0),
            "page {index} was never written and is not zeros"
        );
    }
    Ok(())
}

fn round(scene: &mut Scene, options: &str) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = scene.mount(&format!("size=64m{options}"))?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    fallocate(&file, FallocateFlags::empty(), 0, PAGES * PAGE as u64)?;
    scene.space("allocated", &mount, &file)?;
    scene.fact("allocated: data", map(&file));

    group.push_out()?;
    let swapped = group.value("memory.swap.current")? / PAGE as u64;
    ensure!(
        swapped >= PAGES - 64,
        "{swapped} pages are in swap, of {PAGES}"
    );
    scene.space("in swap", &mount, &file)?;
    check_zeros(&file, 0, PAGES)?;

    // Some of them are written, and all go out once more.
    pages::write(&file, 1, PAGES / 4, PAGES / 2, 1)?;
    group.push_out()?;
    check_zeros(&file, 0, PAGES / 4)?;
    pages::verify(&file, 1, PAGES / 4, PAGES / 2, |_| 1)?;
    check_zeros(&file, PAGES / 2, PAGES)?;
    scene.space("back", &mount, &file)?;

    file.set_len(PAGE as u64)?;
    scene.space("cut", &mount, &file)?;
    drop(file);
    std::fs::remove_file(mount.file("file"))?;
    scene.fact("blocks in the end", mount.used()?);
    device::nothing_in_use()?;
    mount.unmount()?;
    group.remove()
}

fn go_out(scene: &mut Scene) -> Result<()> {
    round(scene, "")
}

fn go_out_large(scene: &mut Scene) -> Result<()> {
    skip::without("TRANSPARENT_HUGEPAGE")?;
    machine::write("/proc/sys/vm/compact_memory", "1")?;
    round(scene, ",huge=always")
}

/// Writes that follow each other in what was allocated come to a page in a large folio, all of which goes out.
fn go_out_begun(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    for begun in [1, 5, 100, 700, PAGES - 30] {
        fallocate(&file, FallocateFlags::empty(), 0, PAGES * PAGE as u64)?;
        pages::write(&file, 1, 0, begun, 1)?;
        group.push_out()?;
        scene.space("in swap", &mount, &file)?;
        pages::verify(&file, 1, 0, begun, |_| 1)?;
        check_zeros(&file, begun, PAGES)?;

        // On, where it had come to.
        pages::write(&file, 1, begun, begun + 20, 1)?;
        group.push_out()?;
        pages::verify(&file, 1, 0, begun + 20, |_| 1)?;
        check_zeros(&file, begun + 20, PAGES)?;
        scene.space("back", &mount, &file)?;
        file.set_len(0)?;
    }
    drop(file);
    mount.unmount()?;
    device::nothing_in_use()?;
    group.remove()
}

/// Reclaim does not get pages of a call that is still at work, which could not undo it then. Where it asks for more
/// than the call has got, the call fails, with nothing left of it.
fn reclaimed_meanwhile(scene: &mut Scene) -> Result<()> {
    let count = machine::sized(20, 6);
    let size = machine::sized(96, 24) * MIB;
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=200m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, 4, 1)?;
    let over = AtomicBool::new(false);
    let (mut whole, mut undone) = (0, 0);
    std::thread::scope(|scope| {
        let reclaim = scope.spawn(|| {
            while !over.load(Relaxed) {
                // Less than that is no failure.
                let _ = group.set("memory.reclaim", "8M swappiness=200");
            }
        });
        let rounds = (0..count).try_for_each(|round| -> Result<()> {
            let blocks = match fallocate(&file, FallocateFlags::empty(), 0, size) {
                Ok(()) => {
                    whole += 1;
                    size
                }
                Err(rustix::io::Errno::NOMEM) => {
                    undone += 1;
                    4 * PAGE as u64
                }
                Err(error) => return Err(error).context("fallocate"),
            };
            let found = file.metadata()?.blocks() * 512;
            ensure!(
                found == blocks,
                "{found} bytes after round {round}, and {blocks} were got"
            );
            file.set_len(4 * PAGE as u64)?;
            Ok(())
        });
        over.store(true, Relaxed);
        reclaim.join().expect("the thread that reclaims");
        rounds
    })?;
    scene.note(&format!("{whole} rounds got all, {undone} nothing"));
    pages::verify(&file, 1, 0, 4, |_| 1)?;
    scene.space("in the end", &mount, &file)?;
    drop(file);
    mount.unmount()?;
    device::nothing_in_use()?;
    group.remove()
}

/// The write takes smaller folios then, and counts what it did not get.
fn no_room_for_large(scene: &mut Scene) -> Result<()> {
    skip::without("TRANSPARENT_HUGEPAGE")?;
    machine::write("/proc/sys/vm/compact_memory", "1")?;
    let mount = scene.mount("size=64m,huge=always")?;
    let group = Group::enter(&[("memory.max", "1536K")])?;
    let counted = || -> Result<[u64; 3]> {
        Ok([
            vmstat("thp_file_alloc")?,
            vmstat("thp_file_fallback")?,
            vmstat("thp_file_fallback_charge")?,
        ])
    };
    let before = counted()?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, 1, 1)?;
    let after = counted()?;
    let differences: Vec<u64> = after
        .iter()
        .zip(before)
        .map(|(now, then)| now - then)
        .collect();
    scene.fact("made, not made, and not charged", differences);
    scene.fact("OOM", group.event("oom")?);
    pages::verify(&file, 1, 0, 1, |_| 1)?;
    drop(file);
    mount.unmount()?;
    group.remove()
}

/// Under strict accounting, each page of a file has to be committed.
fn no_commitment(scene: &mut Scene) -> Result<()> {
    // KiB by which the kernel's check may miss what the processors have not yet added up.
    const SLACK: u64 = 32 * 1024;
    let mount = scene.mount("size=0")?;
    let file = pages::create(&mount.file("file"))?;
    let committed = meminfo("Committed_AS")?;
    let percent = meminfo("MemTotal")? / 100;
    // A few percent more than there is, for the programs that run beside.
    let ratio = (committed + 16 * 1024).div_ceil(percent) + 2;
    let strict = (
        Setting::new("/proc/sys/vm/overcommit_ratio", &ratio.to_string())?,
        Setting::new("/proc/sys/vm/overcommit_memory", "2")?,
    );
    let chunk = vec![1; 16 * PAGE];
    let mut position = 0;
    let error = loop {
        match file.write_at(&chunk, position) {
            Ok(written) => position += written as u64,
            Err(error) => break error,
        }
        // Not less than what was there to be committed: other programs may give back all that they have meanwhile.
        let [sum, limit] = [meminfo("Committed_AS")?, meminfo("CommitLimit")?];
        ensure!(
            sum.max(position / 1024) <= limit + SLACK,
            "{sum} KiB are committed after {position} bytes, and {limit} may be"
        );
    };
    scene.fact("written beyond what may be committed", error.kind());
    scene.fact(
        "allocated beyond it",
        fallocate(&file, FallocateFlags::KEEP_SIZE, position, 64 * MIB),
    );
    let blocks = file.metadata()?.blocks() * 512;
    ensure!(
        blocks == position,
        "{blocks} bytes of blocks, of {position} that were written"
    );
    let full = meminfo("Committed_AS")?;
    file.set_len(0)?;
    let cut = meminfo("Committed_AS")?;
    ensure!(
        cut + position / 1024 <= full + SLACK,
        "{full} KiB are committed with {position} bytes in the file, and {cut} without"
    );
    file.write_all_at(&chunk, 0)?;
    drop(strict);
    scene.space("in the end", &mount, &file)?;
    drop(file);
    mount.unmount()?;
    // Programs that look at what is new may be there for a moment.
    let mut left = 0;
    let is_back = machine::wait(machine::LATE, || {
        left = meminfo("Committed_AS")?;
        Ok(left < committed + 8 * 1024)
    })?;
    ensure!(
        is_back,
        "{left} KiB are committed in the end, and {committed} were before"
    );
    Ok(())
}
