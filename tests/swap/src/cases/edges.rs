// SPDX-License-Identifier: GPL-2.0
//! A page that a range has in part is brought back before the range is truncated, while the call can fail, and stays: where
//! it had to come back once more and could not, what is to be zeroed would come to light again.

use super::devices::on_zram;
use super::{joined, Case, Scene};
use crate::device;
use crate::group::Group;
use crate::inject::{self, Countdown};
use crate::machine::vmstat;
use crate::map::Map;
use crate::pages::{self, PAGE};
use crate::skip::Skip;
use anyhow::{ensure, Context, Result};
use rustix::fs::fstat;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

pub fn cases() -> Vec<Case> {
    vec![Case {
        name: "the page at the end of a truncation stays in memory until it is zeroed",
        run: truncate,
    }]
}

/// So many that it takes its time to truncate them: reclaim is to have the page at the end meanwhile.
const PAGES: u64 = 1024;
const EDGE: u64 = 20;
const SIZE: u64 = EDGE * PAGE as u64 + 1000;
/// Each allocation of the call fails in so many rounds, of so many allocations at most: how many there are before the page
/// would have to come back is not the same each time.
const TIMES: u32 = 3;
const MOST: u32 = 100;

fn truncate(scene: &mut Scene) -> Result<()> {
    if !inject::available() {
        return Err(
            Skip("this kernel has no fault injection (CONFIG_FAULT_INJECTION)".into()).into(),
        );
    }
    if scene.kind == "tmpfs" {
        // It brings the page back when it comes to it, and does without where it cannot.
        return Ok(());
    }
    inject::prepare()?;
    // What is written to it is there at once, and the memory free.
    on_zram(|_| body(scene))
}

fn body(scene: &mut Scene) -> Result<()> {
    let mount = scene.mount("size=32m,huge=never")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    let map = Map::first(&file, PAGES as usize)?;
    let countdown = Countdown::of_this_thread()?;
    let in_time = AtomicU32::new(0);
    let (mut failed, mut refused, mut quiet) = (0, 0, 0);
    let before = vmstat("pswpout")?;
    for nth in (1..=MOST).flat_map(|nth| [nth; TIMES as usize]) {
        file.set_len(PAGES * PAGE as u64)?;
        pages::write(&file, 1, EDGE, PAGES, 1)?;
        map.advise_all(libc::MADV_POPULATE_READ)?;
        let done = AtomicBool::new(false);
        let (cut, injected) = std::thread::scope(|scope| -> Result<_> {
            let reclaim = scope.spawn(|| -> Result<()> {
                // The new size is set when the page is held, and before anything is taken out. Ends with the call.
                while fstat(&file)?.st_size != SIZE as i64 && !done.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                map.advise(EDGE as usize * PAGE, PAGE, libc::MADV_PAGEOUT)?;
                if !done.load(Ordering::Acquire) {
                    in_time.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
            let armed = countdown.arm(nth);
            let cut = file.set_len(SIZE);
            let injected = countdown.disarm();
            done.store(true, Ordering::Release);
            joined(reclaim)??;
            armed?;
            Ok((cut, injected?))
        })?;
        failed += u32::from(injected);
        quiet = if injected { 0 } else { quiet + 1 };
        if quiet == 2 * TIMES {
            break;
        }
        match cut {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {
                refused += 1;
                continue;
            }
            Err(error) => return Err(error).context("truncation"),
        }
        file.set_len((EDGE + 1) * PAGE as u64)?;
        let (mut wanted, mut found) = (vec![0; PAGE], vec![0; PAGE]);
        pages::fill(&mut wanted, 1, EDGE, 1);
        wanted[1000..].fill(0);
        file.read_exact_at(&mut found, EDGE * PAGE as u64)?;
        ensure!(
            found == wanted,
            "with allocation {nth} failing, the page of the new end is not what it was up to there, and zeros behind"
        );
    }
    let in_time = in_time.into_inner();
    scene.note(&format!(
        "reclaim was in time {in_time} times, {failed} allocations failed, {refused} calls; {} pages went out",
        vmstat("pswpout")? - before
    ));
    ensure!(
        quiet == 2 * TIMES,
        "more than {MOST} allocations, and no end"
    );
    ensure!(
        in_time > failed / 2,
        "reclaim was there {in_time} of {failed} times while the file was truncated"
    );
    pages::verify(&file, 1, 0, EDGE, |_| 1)?;
    drop((map, file));
    mount.unmount()?;
    device::nothing_in_use()?;
    group.remove()
}
