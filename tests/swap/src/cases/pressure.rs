// SPDX-License-Identifier: GPL-2.0
//! More data than memory: a small cgroup, and a machine that runs short of memory as a whole.

use super::{Case, Scene};
use crate::device::Swap;
use crate::group::Group;
use crate::machine::{self, meminfo, sized, vmstat, Setting};
use crate::map::Map;
use crate::pages::{self, PAGE};
use anyhow::{ensure, Result};
use std::os::unix::fs::FileExt;

const MIB: u64 = 1 << 20;

/// The file and the group it is in, in MiB.
const FILE: (u64, u64) = (512, 48);
const GROUP: (u64, u64) = (64, 12);
/// For the whole machine, and what is left free there; the kernel keeps some more for itself, which it hands out
/// under pressure.
const GLOBAL_FILE: u64 = 224;
const GLOBAL_FREE: (u64, u64) = (56, 40);

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "a file several times the size of its cgroup",
            run: group,
        },
        Case {
            name: "pages that were all in use a moment ago",
            run: all_in_use,
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
    let mut mapping = Map::first(&file, pages as usize)?;
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
    group.comes_to("shmem", 0)?;
    group.remove()
}

/// All pages of a cgroup come into use faster than its statistics follow, which say that none is.
fn all_in_use(scene: &mut Scene) -> Result<()> {
    const PAGES: u64 = 8 * MIB / PAGE as u64;
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m,huge=never")?;
    let file = pages::create(&mount.file("file"))?;
    // The memory that writing and reading take is to belong to no group.
    let mut chunk = vec![0; 16 * PAGE];
    pages::write(&file, 1, 0, PAGES, 1)?;
    file.set_len(0)?;
    let group = Group::enter(&[])?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    group.leave()?;

    // This brings the statistics up to date, and reading once more makes a page one that is in use.
    group.stat("inactive_anon")?;
    for _ in 0..2 {
        for at in (0..PAGES * PAGE as u64).step_by(chunk.len()) {
            file.read_exact_at(&mut chunk, at)?;
        }
    }
    let mut out = 0;
    // EAGAIN: what goes out is still being written. Later, the statistics are right again.
    for _ in 0..3 {
        let _ = group.set("memory.reclaim", "4M swappiness=max");
        out = group.value("memory.swap.current")?;
        if out >= 3 * MIB {
            break;
        }
    }
    ensure!(out >= 3 * MIB, "{out} bytes of 4 MiB went out");
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;

    drop(file);
    mount.unmount()?;
    crate::device::nothing_in_use()?;
    group.remove()
}

/// Memory that nobody else can have, and no reclaim touches.
struct Taken {
    _pool: Setting,
    _locked: Vec<Map>,
}

/// Leaves about `free` KiB of memory to everybody. The rest goes to the pool of huge pages, whose size the OOM killer
/// does not count as anybody's, and what is too fragmented for those to pages that are locked.
fn short_of_memory(free: u64) -> Result<Taken> {
    std::fs::write("/proc/sys/vm/drop_caches", "3")?;
    std::fs::write("/proc/sys/vm/compact_memory", "1")?;
    let surplus = || -> Result<u64> { Ok(meminfo("MemAvailable")?.saturating_sub(free)) };
    let huge = surplus()? / meminfo("Hugepagesize")?;
    let pool = Setting::new("/proc/sys/vm/nr_hugepages", &huge.to_string())?;
    let mut locked = Vec::new();
    // What is taken makes others give back some of theirs, too.
    for _ in 0..8 {
        let pages = Map::anonymous(surplus()? as usize * 1024 + PAGE)?;
        pages.lock(true)?;
        locked.push(pages);
        if surplus()? < free / 4 {
            break;
        }
    }
    let surplus = surplus()?;
    ensure!(
        surplus < free / 4,
        "{surplus} KiB are available beside the {free} that were to be"
    );
    Ok(Taken {
        _pool: pool,
        _locked: locked,
    })
}

fn machine(scene: &mut Scene) -> Result<()> {
    let pages = GLOBAL_FILE * MIB / PAGE as u64;
    let mut swap = Swap::disk(1)?;
    let mount = scene.mount("size=600m")?;
    let file = pages::create(&mount.file("file"))?;
    let (out, back) = (vmstat("pswpout")?, vmstat("pswpin")?);
    {
        let _taken = short_of_memory(sized(GLOBAL_FREE.0, GLOBAL_FREE.1) * 1024)?;
        let (out, kswapd) = (vmstat("pswpout")?, vmstat("pgsteal_kswapd")?);
        let before = machine::read("/proc/meminfo")?;
        pages::write(&file, 2, 0, pages, 1)?;
        let went = vmstat("pswpout")? - out;
        ensure!(
            went >= pages / 4,
            "{went} pages went out, of a file of {pages} that is much larger than what was free:\n{before}\nand then:\n{}",
            machine::read("/proc/meminfo")?
        );
        ensure!(
            vmstat("pgsteal_kswapd")? > kswapd,
            "kswapd had no part in it"
        );
        pages::verify(&file, 2, 0, pages, |_| 1)?;
    }
    scene.space("pressed", &mount, &file)?;
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
