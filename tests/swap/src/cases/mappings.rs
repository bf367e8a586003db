// SPDX-License-Identifier: GPL-2.0
//! Mapped pages: asked out by their process, and private copies across fork.

use super::{joined, Case, Scene};
use crate::device::Swap;
use crate::group::Group;
use crate::machine::{self, vmstat};
use crate::map::Map;
use crate::pages::{self, PAGE};
use anyhow::{ensure, Result};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult};

const PAGES: u64 = 1024;

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "MADV_PAGEOUT",
            run: pageout,
        },
        Case {
            name: "private copies across fork, of pages in swap",
            run: private,
        },
        Case {
            name: "many readers fault one file in at once",
            run: together,
        },
    ]
}

fn pageout(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    let mut mapping = Map::first(&file, PAGES as usize)?;
    let out = vmstat("pswpout")?;
    for version in 1..4 {
        // What was touched on another processor may wait in a batch of that, which this one does not see to. All pages are
        // touched in each round: one that is not mapped is not asked out.
        let mut swapped = 0;
        machine::wait(machine::LATE, || {
            for index in 0..PAGES {
                pages::check(mapping.page(index as usize), 1, index, version)?;
            }
            mapping.advise_all(libc::MADV_PAGEOUT)?;
            swapped = mapping.smaps("Swap")? / 4;
            Ok(swapped >= PAGES - 64)
        })?;
        ensure!(
            swapped >= PAGES - 64,
            "MADV_PAGEOUT leaves {} pages in memory",
            PAGES - swapped
        );
        scene.space("paged out", &mount, &file)?;
        for index in 0..PAGES {
            pages::fill(mapping.page_mut(index as usize), 1, index, version + 1);
        }
    }
    ensure!(
        vmstat("pswpout")? - out >= 3 * (PAGES - 64),
        "too few pages went out"
    );
    pages::verify(&file, 1, 0, PAGES, |_| 4)?;
    scene.space("back", &mount, &file)?;
    drop((mapping, file));
    mount.unmount()
}

const COPY: u64 = 1 << 20;

/// The copies are the process's own, of every second page; the others are still the file's.
fn holds(mapping: &Map, version: u64) -> bool {
    (0..mapping.pages()).all(|at| match at % 2 {
        0 => pages::is(mapping.page(at), 1, at as u64, 1),
        _ => pages::is(mapping.page(at), COPY, at as u64, version),
    })
}

fn copy(mapping: &mut Map, version: u64) {
    for at in (1..mapping.pages()).step_by(2) {
        pages::fill(mapping.page_mut(at), COPY, at as u64, version);
    }
}

fn private(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    group.push_out()?;
    let mut mapping = Map::private(&file, PAGES as usize * PAGE, 0)?;
    copy(&mut mapping, 1);
    group.reclaim()?;
    // SAFETY: there is one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let good = holds(&mapping, 1);
            copy(&mut mapping, 2);
            let reclaimed = group.reclaim().is_ok();
            let code = i32::from(!(good && reclaimed && holds(&mapping, 2)));
            // SAFETY: ends the child here, with nothing dropped twice.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => {
            let ended = waitpid(child, None)?;
            ensure!(
                ended == WaitStatus::Exited(child, 0),
                "the child saw other data than its own: {ended:?}"
            );
        }
    }
    group.reclaim()?;
    ensure!(holds(&mapping, 1), "the parent's copies have changed");
    drop(mapping);
    group.push_out()?;
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    scene.space("afterwards", &mount, &file)?;
    drop(file);
    mount.unmount()?;
    crate::device::nothing_in_use()?;
    group.remove()
}

fn together(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    for _ in 0..3 {
        group.push_out()?;
        std::thread::scope(|scope| -> Result<()> {
            let readers: Vec<_> = (0..4)
                .map(|reader| {
                    let file = &file;
                    scope.spawn(move || -> Result<()> {
                        if reader % 2 == 0 {
                            return pages::verify(file, 1, 0, PAGES, |_| 1);
                        }
                        let mapping = Map::first(file, PAGES as usize)?;
                        (0..PAGES).try_for_each(|index| {
                            pages::check(mapping.page(index as usize), 1, index, 1)
                        })
                    })
                })
                .collect();
            readers.into_iter().try_for_each(|reader| joined(reader)?)
        })?;
        scene.space("read by four", &mount, &file)?;
        group.comes_to("shmem", PAGES * PAGE as u64)?;
    }
    drop(file);
    mount.unmount()?;
    crate::device::nothing_in_use()?;
    group.remove()
}
