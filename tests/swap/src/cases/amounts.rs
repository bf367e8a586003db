// SPDX-License-Identifier: GPL-2.0
//! How much of a large folio comes back from swap at once: what a call asks for, and more for faults only where they come
//! one after another.

use super::{Case, Scene};
use crate::device::{self, Swap};
use crate::group::Group;
use crate::machine::{self, folios};
use crate::map::Map;
use crate::mounted::Mounted;
use crate::pages::{self, PAGE};
use crate::skip;
use anyhow::{ensure, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Pages of a folio that a PMD maps.
const HUGE: u64 = 512;
const PAGES: u64 = 2 * HUGE;
/// Pages that may come with a single one.
const FEW: u64 = 16;

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "what comes back is what is asked for, on a disk",
            run: |scene| {
                let _swap = Swap::disk(1)?;
                come_back(scene)
            },
        },
        Case {
            name: "what comes back is what is asked for, on zram",
            run: |scene| super::devices::on_zram(|_| come_back(scene)),
        },
        Case {
            name: "swapoff brings a large folio back as one",
            run: by_swapoff,
        },
    ]
}

/// A new file of the largest folios that its mount makes, all in swap.
fn in_swap(mount: &Mounted, group: &Group) -> Result<File> {
    let file = pages::create(&mount.file("file"))?;
    file.write_all_at(&pages::content(1, 0, PAGES, 1), 0)?;
    group.push_out_all(&file, PAGES as usize)?;
    Ok(file)
}

fn come_back(scene: &mut Scene) -> Result<()> {
    skip::without("TRANSPARENT_HUGEPAGE")?;
    let is_large = scene.kind == "rtmpfs";
    let mount = scene.mount("size=32m")?;
    let group = Group::enter(&[])?;
    machine::write("/proc/sys/vm/compact_memory", "1")?;

    // Alone, or as many as are read: no more than few beside them, at both ends. All in one folio where they fit one.
    for (from, count, fits) in [
        (0, 1, false),
        (HUGE, 1, false),
        (HUGE + 3, 7, false),
        (HUGE, 256, true),
        (7, HUGE, false),
    ] {
        let file = in_swap(&mount, &group)?;
        let before = folios(1024, "swpin")?;
        let mut data = vec![0; count as usize * PAGE];
        file.read_exact_at(&mut data, from * PAGE as u64)?;
        for (page, index) in data.chunks(PAGE).zip(from..) {
            pages::check(page, 1, index, 1)?;
        }
        let back = in_memory(&file)?;
        ensure!(
            (count..count + 2 * FEW).contains(&back),
            "{back} pages are back for {count} from {from}"
        );
        let large = folios(1024, "swpin")? - before;
        ensure!(
            (large > 0) == (is_large && fits),
            "{large} folios of 1 MiB for {count} pages from {from}"
        );
    }

    // A fault says nothing of others: not at the start of a folio either, whose neighbour is in swap.
    for index in [0, HUGE, HUGE + 5] {
        let file = in_swap(&mount, &group)?;
        let mapping = Map::first(&file, PAGES as usize)?;
        pages::check(mapping.page(index as usize), 1, index, 1)?;
        let back = in_memory(&file)?;
        ensure!(
            (1..2 * FEW).contains(&back),
            "{back} pages are back for a fault of page {index}"
        );
    }
    let file = in_swap(&mount, &group)?;
    let mapping = Map::first(&file, PAGES as usize)?;
    let before = folios(256, "swpin")?;
    for index in 0..PAGES {
        pages::check(mapping.page(index as usize), 1, index, 1)?;
    }
    let large = folios(256, "swpin")? - before;
    ensure!(
        (large > 0) == is_large,
        "{large} folios of 256 KiB for faults in a row"
    );
    drop((mapping, file));
    mount.unmount()?;
    device::nothing_in_use()?;
    group.remove()
}

fn by_swapoff(scene: &mut Scene) -> Result<()> {
    skip::without("TRANSPARENT_HUGEPAGE")?;
    let mut swap = Swap::disk(1)?;
    let mount = scene.mount("size=32m")?;
    let group = Group::enter(&[])?;
    machine::write("/proc/sys/vm/compact_memory", "1")?;
    let file = in_swap(&mount, &group)?;
    let before = folios(2048, "swpin")?;
    swap.off()?;
    let large = folios(2048, "swpin")? - before;
    let back = in_memory(&file)?;
    ensure!(back == PAGES, "{back} pages are back");
    ensure!(
        large
            == if scene.kind == "rtmpfs" {
                PAGES / HUGE
            } else {
                0
            },
        "{large} folios of 2 MiB"
    );
    let mapping = Map::first(&file, PAGES as usize)?;
    for index in 0..PAGES {
        pages::check(mapping.page(index as usize), 1, index, 1)?;
    }
    drop((mapping, file));
    mount.unmount()?;
    group.remove()
}

fn in_memory(file: &File) -> Result<u64> {
    let resident = Map::first(file, PAGES as usize)?.resident()?;
    Ok(resident.into_iter().filter(|&page| page).count() as u64)
}
