// SPDX-License-Identifier: GPL-2.0
//! More data than memory: a small cgroup, and a machine that runs short of memory as a whole.

use super::{Case, Scene, Skip};
use crate::device::Swap;
use crate::group::Group;
use crate::machine::{meminfo, sized, vmstat, Setting};
use crate::mapping::Mapping;
use crate::pages::{self, PAGE};
use anyhow::{ensure, Result};

const MIB: u64 = 1 << 20;

/// The file and the group it is in, in MiB.
const FILE: (u64, u64) = (256, 48);
const GROUP: (u64, u64) = (64, 12);
/// For the whole machine, which kswapd keeps so much of free that the file does not fit.
const GLOBAL_FILE: (u64, u64) = (64, 24);

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "a file four times the size of its cgroup",
            run: group,
        },
        Case {
            name: "pressure on the whole machine",
            run: machine,
        },
    ]
}

fn group(scene: &mut Scene) -> Result<()> {
    let (file_mib, group_mib) = (sized(FILE.0, FILE.1), sized(GROUP.0, GROUP.1));
    let pages = file_mib * MIB / PAGE as u64;
    let limit = group_mib * MIB / PAGE as u64;
    let swap = Swap::disk(1)?;
    let mount = scene.mount("size=600m")?;
    let group = Group::enter(&[("memory.max", &format!("{group_mib}M"))])?;
    let (out, back) = (vmstat("pswpout")?, vmstat("pswpin")?);

    let path = mount.file("file");
    let file = pages::create(&path)?;
    pages::write(&file, 1, 0, pages, 1)?;
    let written = vmstat("pswpout")? - out;
    ensure!(
        written >= pages - limit,
        "{written} pages went out, of {pages} where {limit} have room"
    );
    let current = group.value("memory.swap.current")? / PAGE as u64;
    ensure!(
        current >= pages - limit,
        "memory.swap.current is {current} pages, of {pages} where {limit} have room"
    );
    ensure!(
        group.stat("shmem")? <= group_mib * MIB,
        "memory.stat shmem is above memory.max"
    );
    ensure!(
        swap.used()? >= (pages - limit) * 4,
        "/proc/swaps has {} KiB in use",
        swap.used()?
    );
    scene.space("written", &mount, &file)?;

    pages::verify(&file, 1, 0, pages, |_| 1)?;
    let read = vmstat("pswpin")? - back;
    ensure!(
        read >= (pages - limit) / 2,
        "only {read} pages came back from swap"
    );
    scene.space("read", &mount, &file)?;

    // Through a mapping, so that faults bring pages back too, and some of them are changed.
    let mut mapping = Mapping::shared(&file, pages as usize)?;
    let touched = pages / 4;
    let again = |index: u64| {
        if index < touched && index % 3 == 0 {
            2
        } else {
            1
        }
    };
    for index in 0..touched {
        pages::check(mapping.page(index as usize), 1, index, 1)?;
        if again(index) == 2 {
            pages::fill(mapping.page_mut(index as usize), 1, index, 2);
        }
    }
    pages::verify(&file, 1, pages / 2, pages, again)?;
    pages::verify(&file, 1, 0, touched, again)?;
    scene.space("changed", &mount, &file)?;
    scene.note(&format!(
        "{} pages went out and {} came back",
        vmstat("pswpout")? - out,
        vmstat("pswpin")? - back
    ));

    drop(mapping);
    drop(file);
    std::fs::remove_file(&path)?;
    scene.fact("deleted: blocks in use", mount.used()?);
    mount.unmount()?;
    crate::device::nothing_in_use()?;
    let left = group.value("memory.swap.current")?;
    ensure!(
        left / 1024 <= crate::device::of_others()?,
        "memory.swap.current is {left} with the file deleted"
    );
    ensure!(
        group.stat("shmem")? == 0,
        "memory.stat shmem is not 0 with the file deleted"
    );
    group.remove()
}

fn machine(scene: &mut Scene) -> Result<()> {
    let mib = sized(GLOBAL_FILE.0, GLOBAL_FILE.1);
    let pages = mib * MIB / PAGE as u64;
    let mut swap = Swap::disk(1)?;
    let mount = scene.mount("size=600m")?;
    let file = pages::create(&mount.file("file"))?;
    let (out, back) = (vmstat("pswpout")?, vmstat("pswpin")?);
    let kswapd = vmstat("pgsteal_kswapd")?;
    pages::write(&file, 2, 0, pages, 1)?;
    // The page cache would go first, and there may be more of it than the pressure takes.
    std::fs::write("/proc/sys/vm/drop_caches", "1")?;
    {
        let _swappy = Setting::new("/proc/sys/vm/swappiness", "200")?;
        // The low watermark, below which kswapd is woken, is one and a quarter of this.
        let free = (meminfo("MemFree")? + mib * 1024 * 3 / 4) * 4 / 5;
        let _pressure = Setting::new("/proc/sys/vm/min_free_kbytes", &free.to_string())?;
        // Allocations wake kswapd.
        let wanted = pages / 4;
        let mut rounds = 0;
        while vmstat("pswpout")? - out < wanted && rounds < 200 {
            rounds += 1;
            let other = pages::create(&mount.file("other"))?;
            pages::write(&other, 3, 0, 64, 1)?;
            pages::verify(&other, 3, 0, 64, |_| 1)?;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let went = vmstat("pswpout")? - out;
        if went == 0 && scene.kind == "tmpfs" {
            // Then there is nothing to compare with.
            return Err(Skip("kswapd lets tmpfs alone on this machine".into()).into());
        }
        ensure!(
            went >= wanted,
            "{went} pages went out, after {rounds} rounds of pressure"
        );
        ensure!(
            vmstat("pgsteal_kswapd")? > kswapd,
            "kswapd had no part in it"
        );
    }
    std::fs::remove_file(mount.file("other"))?;
    scene.space("pressed", &mount, &file)?;
    pages::verify(&file, 2, 0, pages, |_| 1)?;
    ensure!(vmstat("pswpin")? > back, "no page came back from swap");
    scene.note(&format!(
        "{} pages went out and {} came back",
        vmstat("pswpout")? - out,
        vmstat("pswpin")? - back
    ));
    drop(file);
    mount.unmount()?;
    // Not empty: other tmpfs mounts and processes had their share of the pressure.
    Ok(swap.off()?)
}
