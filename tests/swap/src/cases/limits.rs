// SPDX-License-Identifier: GPL-2.0
//! Pages that do not go out: no swap, no more swap, none for the cgroup, none for the mount, locked in memory.

use super::{Case, Scene};
use crate::device::Swap;
use crate::group::Group;
use crate::machine::{vmstat, wait, LATE};
use crate::map::Map;
use crate::pages::{self, PAGE};
use anyhow::{ensure, Result};
use rustix::mount as api;

const PAGES: u64 = 1024;

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "no swap at all",
            run: no_swap,
        },
        Case {
            name: "swap is full",
            run: swap_full,
        },
        Case {
            name: "memory.swap.max is honoured",
            run: swap_max,
        },
        Case {
            name: "noswap keeps pages in memory",
            run: noswap,
        },
        Case {
            name: "noswap and remount",
            run: noswap_remount,
        },
        Case {
            name: "mlock keeps mapped pages in memory",
            run: mlock,
        },
        Case {
            name: "the cgroup of swapped pages goes away",
            run: cgroup_goes,
        },
    ]
}

/// Asks for the file's pages to go out, and checks the data and what happened: `expected` gets the
/// pages of the group that are in swap, the program's own among them, and those of the file that are
/// in memory.
fn squeeze(
    scene: &mut Scene,
    options: &str,
    settings: &[(&str, &str)],
    expected: impl Fn(u64, u64) -> bool,
) -> Result<()> {
    let mount = scene.mount(&format!("size=64m{options}"))?;
    let group = Group::enter(settings)?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    group.reclaim()?;
    let (mut now, mut left) = (0, 0);
    // What a processor has counted last is in the figures of the group after two seconds at most.
    let all = wait(LATE, || {
        now = group.value("memory.swap.current")? / PAGE as u64;
        left = group.stat("shmem")? / PAGE as u64;
        Ok(left + now >= PAGES)
    })?;
    ensure!(
        all,
        "{left} pages are in memory and {now} in swap, of {PAGES}"
    );
    ensure!(
        expected(now, left),
        "{now} pages are in swap and {left} in memory, of {PAGES}"
    );
    scene.space("squeezed", &mount, &file)?;
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    pages::write(&file, 1, 0, PAGES, 2)?;
    group.reclaim()?;
    pages::verify(&file, 1, 0, PAGES, |_| 2)?;
    file.set_len(0)?;
    scene.space("cut to nothing", &mount, &file)?;
    drop(file);
    mount.unmount()?;
    crate::device::nothing_in_use()?;
    group.remove()
}

fn no_swap(scene: &mut Scene) -> Result<()> {
    let out = vmstat("pswpout")?;
    squeeze(scene, "", &[], |swapped, _| swapped == 0)?;
    ensure!(vmstat("pswpout")? == out, "pages went out without a device");
    Ok(())
}

fn swap_full(scene: &mut Scene) -> Result<()> {
    let small = 2 * (1 << 20) / PAGE as u64;
    let _swap = Swap::part_of_disk(2, 2)?;
    squeeze(scene, "", &[], |swapped, _| {
        (small - 64..=small).contains(&swapped)
    })
}

fn swap_max(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    squeeze(scene, "", &[("memory.swap.max", "1M")], |swapped, _| {
        (256 - 64..=256).contains(&swapped)
    })?;
    squeeze(scene, "", &[("memory.swap.max", "0")], |swapped, _| {
        swapped == 0
    })
}

fn noswap(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    squeeze(scene, ",noswap", &[], |_, in_memory| in_memory == PAGES)
}

fn noswap_remount(scene: &mut Scene) -> Result<()> {
    let shown = |path: &std::path::Path| -> Result<bool> {
        let mounts = crate::machine::read("/proc/self/mounts")?;
        let line = mounts
            .lines()
            .find(|line| line.split(' ').nth(1) == path.to_str());
        Ok(line.is_some_and(|line| {
            line.split(' ')
                .nth(3)
                .is_some_and(|o| o.split(',').any(|o| o == "noswap"))
        }))
    };
    for first in ["size=1m", "size=1m,noswap"] {
        let mount = scene.mount(first)?;
        scene.fact(&format!("{first}: shown"), shown(mount.path())?);
        for again in ["noswap", "size=2m", "size=2m,noswap"] {
            scene.fact(
                &format!("{first}, remounted with {again}"),
                mount.remount(again),
            );
            scene.fact(
                &format!("{first}, remounted with {again}: shown"),
                shown(mount.path())?,
            );
        }
        let context = api::fspick(
            rustix::fs::CWD,
            mount.path(),
            api::FsPickFlags::FSPICK_CLOEXEC,
        )?;
        scene.fact(
            &format!("{first}: set"),
            api::fsconfig_set_flag(rustix::fd::AsFd::as_fd(&context), "noswap"),
        );
        scene.fact(
            &format!("{first}: reconfigure"),
            api::fsconfig_reconfigure(rustix::fd::AsFd::as_fd(&context)),
        );
        let mut message = [0; 256];
        let length = rustix::io::read(&context, &mut message);
        let said = length.map(|n| String::from_utf8_lossy(&message[..n]).into_owned());
        scene.fact(&format!("{first}: what it says"), said);
        drop(context);
        mount.unmount()?;
    }
    Ok(())
}

fn mlock(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    let half = Map::first(&file, PAGES as usize / 2)?;
    half.lock(true)?;
    group.reclaim()?;
    let core = half.resident()?.iter().filter(|in_core| **in_core).count();
    scene.fact("locked pages in memory", core);
    ensure!(
        core == half.pages(),
        "{core} of {} locked pages are in memory",
        half.pages()
    );
    let swapped = group.value("memory.swap.current")? / PAGE as u64;
    ensure!(
        swapped >= PAGES / 2 - 64,
        "of the pages that are not locked {swapped} are in swap"
    );
    half.lock(false)?;
    group.push_out()?;
    // Locking brings them back.
    half.lock(true)?;
    ensure!(
        half.resident()?.iter().all(|in_core| *in_core),
        "mlock leaves pages in swap"
    );
    half.lock(false)?;
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    scene.space("unlocked", &mount, &file)?;
    drop((half, file));
    mount.unmount()?;
    group.remove()
}

fn cgroup_goes(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    group.push_out()?;
    let back = vmstat("pswpin")?;
    group.remove()?;
    scene.space("without its cgroup", &mount, &file)?;
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    ensure!(
        vmstat("pswpin")? - back >= PAGES / 2,
        "too few pages came back"
    );
    drop(file);
    mount.unmount()?;
    crate::device::nothing_in_use()
}
