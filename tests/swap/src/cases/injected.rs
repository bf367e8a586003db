// SPDX-License-Identifier: GPL-2.0
//! Every memory allocation on the ways to swap and back fails once.

use super::{Case, Scene};
use crate::device::{self, Swap, Zram};
use crate::group::Group;
use crate::inject::{self, Countdown};
use crate::machine;
use crate::map::Map;
use crate::pages::{self, PAGE};
use crate::skip::Skip;
use anyhow::{bail, ensure, Context, Result};
use rustix::fs::{fallocate, FallocateFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const PAGES: u64 = 64;
/// One that goes on needing more allocations will do so for ever.
const MOST: u32 = 400;
/// So many of the first allocations fail one by one, and of the others one in `STRIDE`.
const EACH: u32 = 16;
const STRIDE: u32 = 13;

/// Where the pages are, and in what pieces.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Small,
    /// In one folio, which comes back page by page.
    Large,
    /// The same, which comes back whole.
    LargeOnZram,
}

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "each allocation of a read from swap fails",
            run: |scene| read(scene, How::Small),
        },
        Case {
            name: "each allocation of a read from swap fails, large folios",
            run: |scene| read(scene, How::Large),
        },
        Case {
            name: "each allocation of a read from swap fails, large folios on zram",
            run: |scene| read(scene, How::LargeOnZram),
        },
        Case {
            name: "each allocation of a write over pages in swap fails",
            run: |scene| write(scene, How::Small),
        },
        Case {
            name: "each allocation of a write over pages in swap fails, large folios",
            run: |scene| write(scene, How::Large),
        },
        Case {
            name: "each allocation of a truncation within a page in swap fails",
            run: |scene| truncate(scene, How::Small),
        },
        Case {
            name: "each allocation of a truncation within a page in swap fails, large folios",
            run: |scene| truncate(scene, How::Large),
        },
        Case {
            name:
                "each allocation of a truncation within a page in swap fails, large folios on zram",
            run: |scene| truncate(scene, How::LargeOnZram),
        },
        Case {
            name: "each allocation of a hole within pages in swap fails, large folios on zram",
            run: |scene| punch(scene, How::LargeOnZram),
        },
        Case {
            name: "allocations of MADV_PAGEOUT fail",
            run: |scene| pageout(scene, How::Small),
        },
        Case {
            name: "allocations of MADV_PAGEOUT fail, large folios",
            run: |scene| pageout(scene, How::Large),
        },
        Case {
            name: "allocations of swapoff fail",
            run: |scene| swapoff(scene, How::Small),
        },
        Case {
            name: "allocations of swapoff fail, large folios",
            run: |scene| swapoff(scene, How::Large),
        },
    ]
}

/// How many folios of the size of the file have gone to swap as a whole.
fn large_went_out() -> Result<u64> {
    machine::folios(256, "swpout")
}

struct Held {
    swap: Swap,
    file: File,
    mapping: Map,
    page: Vec<u8>,
}

/// Lets allocation 1, 2, ... of `act` fail, with the file in swap before each. Whatever it returns, the
/// file must be as before, or as `changed` makes it where it succeeds.
fn walk(
    scene: &mut Scene,
    how: How,
    errors: &[i32],
    act: fn(&mut Held) -> io::Result<()>,
    verify: fn(&Held, bool) -> Result<()>,
) -> Result<()> {
    if !inject::available() {
        return Err(
            Skip("this kernel has no fault injection (CONFIG_FAULT_INJECTION)".into()).into(),
        );
    }
    inject::prepare()?;
    let zram = match how {
        How::LargeOnZram if !device::has_zram() => {
            return Err(Skip("this kernel has no zram0 (CONFIG_ZRAM)".into()).into());
        }
        How::LargeOnZram => Some(Zram::new()?),
        How::Small | How::Large => None,
    };
    let mount = match how {
        How::Small => scene.mount("size=64m")?,
        How::Large | How::LargeOnZram => scene.mount("size=64m,huge=within_size")?,
    };
    let whole = large_went_out()?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    let mapping = Map::first(&file, PAGES as usize)?;
    let mut held = Held {
        swap: match &zram {
            Some(zram) => zram.swap()?,
            None => Swap::disk(1)?,
        },
        file,
        mapping,
        page: vec![0; PAGE],
    };
    let countdown = Countdown::of_this_thread()?;
    let (mut failed, mut survived, mut quiet) = (0, 0, 0);
    let mut nth = 0;
    while nth < MOST {
        // Swapping pages one by one repeats itself, which is worth samples only.
        nth += if nth < EACH { 1 } else { STRIDE };
        held.file.set_len(PAGES * PAGE as u64)?;
        pages::write(&held.file, 1, 0, PAGES, 1)?;
        group.reclaim()?;
        let used = mount.used()?;
        countdown.arm(nth)?;
        let result = act(&mut held);
        let injected = countdown.disarm()?;
        let done = match &result {
            Ok(()) => true,
            Err(error) if injected && errors.contains(&error.raw_os_error().unwrap_or(0)) => false,
            Err(error) => bail!("with allocation {nth} failing (injected: {injected}): {error}"),
        };
        failed += u32::from(injected && !done);
        survived += u32::from(injected && done);
        if !done {
            ensure!(
                mount.used()? == used,
                "with allocation {nth} failing, {used} blocks become {}",
                mount.used()?
            );
        }
        verify(&held, done)
            .with_context(|| format!("with allocation {nth} failing (done: {done})"))?;
        if device::in_use()?.is_empty() {
            held.swap = Swap::disk(1)?;
        }
        // Once may be luck: how many a way to swap needs depends on what is cached.
        quiet = if injected { 0 } else { quiet + 1 };
        if quiet == 2 {
            scene.note(&format!(
                "{failed} allocations failed with an error, {survived} without harm"
            ));
            ensure!(failed + survived > 0, "nothing was injected");
            let whole = large_went_out()? > whole;
            ensure!(
                whole == (how != How::Small),
                "large folios go out as a whole: {whole}"
            );
            drop(held);
            mount.unmount()?;
            device::nothing_in_use()?;
            return group.remove();
        }
    }
    bail!("more than {MOST} allocations, and no end")
}

fn intact(held: &Held, _done: bool) -> Result<()> {
    pages::verify(&held.file, 1, 0, PAGES, |_| 1)
}

fn read(scene: &mut Scene, how: How) -> Result<()> {
    walk(
        scene,
        how,
        &[libc::ENOMEM],
        |held| held.file.read_exact_at(&mut held.page, 20 * PAGE as u64),
        intact,
    )
}

fn write(scene: &mut Scene, how: How) -> Result<()> {
    walk(
        scene,
        how,
        &[libc::ENOMEM, libc::ENOSPC],
        |held| {
            pages::fill(&mut held.page, 1, 20, 2);
            held.file.write_all_at(&held.page[..2000], 20 * PAGE as u64)
        },
        |held, done| {
            let mut wanted = vec![0; PAGE];
            let mut page = vec![0; PAGE];
            pages::fill(&mut wanted, 1, 20, 1);
            if done {
                wanted[..2000].copy_from_slice(&held.page[..2000]);
            }
            held.file.read_exact_at(&mut page, 20 * PAGE as u64)?;
            ensure!(
                page == wanted,
                "the page is neither as before nor as written"
            );
            pages::verify(&held.file, 1, 0, 20, |_| 1)?;
            pages::verify(&held.file, 1, 21, PAGES, |_| 1)
        },
    )
}

fn truncate(scene: &mut Scene, how: How) -> Result<()> {
    if how == How::LargeOnZram && scene.kind == "tmpfs" {
        // What cannot be brought back for want of memory is not zeroed there, and comes to light when the file grows.
        return Ok(());
    }
    walk(
        scene,
        how,
        &[libc::ENOMEM],
        |held| held.file.set_len(20 * PAGE as u64 + 1000),
        |held, done| {
            if !done {
                return intact(held, done);
            }
            pages::verify(&held.file, 1, 0, 20, |_| 1)?;
            held.file.set_len(21 * PAGE as u64)?;
            let mut page = vec![0; PAGE];
            held.file.read_exact_at(&mut page, 20 * PAGE as u64)?;
            let mut wanted = vec![0; PAGE];
            pages::fill(&mut wanted, 1, 20, 1);
            wanted[1000..].fill(0);
            ensure!(
                page == wanted,
                "the page of the new end is not what it was up to there, and zeros behind"
            );
            Ok(())
        },
    )
}

fn punch(scene: &mut Scene, how: How) -> Result<()> {
    if scene.kind == "tmpfs" {
        // As above.
        return Ok(());
    }
    const START: usize = 20 * PAGE + 1000;
    const END: usize = 22 * PAGE + 10;
    walk(
        scene,
        how,
        &[libc::ENOMEM],
        |held| {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let len = (END - START) as u64;
            Ok(fallocate(&held.file, flags, START as u64, len)?)
        },
        |held, done| {
            let mut wanted = vec![0; 3 * PAGE];
            for (n, page) in wanted.chunks_mut(PAGE).enumerate() {
                pages::fill(page, 1, 20 + n as u64, 1);
            }
            if done {
                wanted[START - 20 * PAGE..END - 20 * PAGE].fill(0);
            }
            let mut found = vec![0; 3 * PAGE];
            held.file.read_exact_at(&mut found, 20 * PAGE as u64)?;
            ensure!(found == wanted, "the hole is not as far as it should be");
            pages::verify(&held.file, 1, 0, 20, |_| 1)?;
            pages::verify(&held.file, 1, 23, PAGES, |_| 1)
        },
    )
}

fn pageout(scene: &mut Scene, how: How) -> Result<()> {
    walk(
        scene,
        how,
        &[libc::ENOMEM],
        |held| {
            // Mapped by this process alone, which is asked for.
            for at in 0..PAGES as usize {
                std::hint::black_box(held.mapping.page(at)[0]);
            }
            Ok(held.mapping.advise_all(libc::MADV_PAGEOUT)?)
        },
        intact,
    )
}

fn swapoff(scene: &mut Scene, how: How) -> Result<()> {
    walk(scene, how, &[libc::ENOMEM], |held| held.swap.off(), intact)
}
