// SPDX-License-Identifier: GPL-2.0
//! A device that is switched off while reclaim looks for room on it.
//!
//! What is free on the device lies in single slots, so that each allocation looks through its clusters for a
//! long time; a part of them falls into the moment in which swapoff takes the device from them.

use super::{joined, Case, Scene};
use crate::device::Swap;
use crate::map::Map;
use crate::pages;
use anyhow::{ensure, Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The file that fills the device, and that of each task whose pages go out; in pages.
const FILLING: u64 = 8192;
const BESIDE: u64 = 512;
const TASKS: u64 = 2;
const ROUNDS: u64 = 6;
/// A swapoff that goes on takes some seconds here.
const LIMIT: Duration = Duration::from_secs(120);

pub fn cases() -> Vec<Case> {
    vec![Case {
        name: "swapoff beside reclaim on a device whose free slots lie apart",
        run: beside,
    }]
}

fn beside(scene: &mut Scene) -> Result<()> {
    let mount = scene.mount("size=64m")?;
    let filling = pages::create(&mount.file("filling"))?;
    pages::write(&filling, 1, 0, FILLING, 1)?;
    let done = AtomicBool::new(false);
    let switched = std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let path = mount.file(&format!("beside{task}"));
                let done = &done;
                scope.spawn(move || push_out_until(&path, 2 + task, done))
            })
            .collect();
        let switched = (0..ROUNDS).try_for_each(|round| switch(&filling, round));
        done.store(true, Ordering::Relaxed);
        tasks.into_iter().try_for_each(|task| joined(task)?)?;
        switched
    });
    switched?;
    pages::verify(&filling, 1, 0, FILLING, |_| 1)?;
    drop(filling);
    mount.unmount()
}

/// On, filled but for single slots, and off.
fn switch(filling: &std::fs::File, round: u64) -> Result<()> {
    let mut swap = Swap::part_of_disk(1, 40)?;
    let mapping = Map::first(filling, FILLING as usize)?;
    mapping
        .advise_all(libc::MADV_PAGEOUT)
        .context("MADV_PAGEOUT")?;
    for index in (0..FILLING).step_by(7) {
        // Written to, it needs its slot no more.
        pages::write(filling, 1, index, index + 1, 1)?;
    }
    std::thread::sleep(Duration::from_millis(20 * round));
    let begin = Instant::now();
    swap.off().context("swapoff")?;
    ensure!(
        begin.elapsed() < LIMIT,
        "swapoff took {:.1} s",
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Writes to a file and pushes it out, again and again.
fn push_out_until(path: &std::path::Path, id: u64, done: &AtomicBool) -> Result<()> {
    let file = pages::create(path)?;
    pages::write(&file, id, 0, BESIDE, 1)?;
    let mut mapping = Map::first(&file, BESIDE as usize)?;
    let mut version = 1;
    while !done.load(Ordering::Relaxed) {
        version += 1;
        for at in 0..BESIDE {
            pages::fill(mapping.page_mut(at as usize), id, at, version);
        }
        mapping
            .advise_all(libc::MADV_PAGEOUT)
            .context("MADV_PAGEOUT")?;
    }
    pages::verify(&file, id, 0, BESIDE, |_| version)
}
