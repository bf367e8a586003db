// SPDX-License-Identifier: GPL-2.0
//! What users see of pages in swap, and files that change while theirs are there.

use super::{Case, Scene};
use crate::device::Swap;
use crate::group::Group;
use crate::machine::{meminfo, vmstat};
use crate::map::Map;
use crate::mounted::Mounted;
use crate::pages::{self, PAGE};
use crate::skip;
use anyhow::{ensure, Result};
use rustix::fs::{seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

const PAGES: u64 = 1024;
/// Pages that may be on their way when the others are in swap.
const SLACK: u64 = 64;

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "counters, while pages are in swap and afterwards",
            run: counters,
        },
        Case {
            name: "SEEK_DATA and SEEK_HOLE see pages in swap as data",
            run: seek_data,
        },
        Case {
            name: "truncation of a file in swap, to pages and within them",
            run: truncation,
        },
        Case {
            name: "writes and copies over pages in swap",
            run: writes,
        },
        Case {
            name: "pages in swap count against the quota of the owner, whoever that becomes",
            run: quota,
        },
    ]
}

fn counters(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let before = meminfo("Shmem")?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    let full = meminfo("Shmem")? - before;
    ensure!(
        full >= (PAGES - SLACK) * 4,
        "/proc/meminfo Shmem grows by {full} KiB"
    );
    scene.space("in memory", &mount, &file)?;
    group.comes_to("shmem", PAGES * PAGE as u64)?;

    let mapping = Map::first(&file, PAGES as usize)?;
    let (out, back) = (vmstat("pswpout")?, vmstat("pswpin")?);
    group.push_out()?;
    let went = vmstat("pswpout")? - out;
    ensure!(
        went >= PAGES - SLACK,
        "pswpout says {went} of {PAGES} pages"
    );
    let swapped = mapping.smaps("Swap")? / 4;
    let left = PAGES - swapped;
    group.comes_to("shmem", left * PAGE as u64)?;
    scene.space("in swap", &mount, &file)?;
    ensure!(
        group.value("memory.swap.current")? / PAGE as u64 >= swapped,
        "memory.swap.current is too small"
    );
    ensure!(
        mapping.smaps("Rss")? <= left * 4,
        "smaps has Rss: {} KiB",
        mapping.smaps("Rss")?
    );
    let core = mapping
        .resident()?
        .iter()
        .filter(|in_core| **in_core)
        .count() as u64;
    ensure!(
        core <= left + SLACK,
        "mincore says that {core} pages are in memory, and {left} are"
    );
    let now = meminfo("Shmem")?.saturating_sub(before);
    ensure!(
        now <= (left + SLACK) * 4,
        "/proc/meminfo Shmem is still {now} KiB up"
    );

    for index in 0..PAGES {
        pages::check(mapping.page(index as usize), 1, index, 1)?;
    }
    ensure!(
        vmstat("pswpin")? - back >= (PAGES - SLACK) / 2,
        "pswpin says {} pages",
        vmstat("pswpin")? - back
    );
    scene.space("back", &mount, &file)?;
    ensure!(
        mapping.smaps("Swap")? == 0,
        "smaps has Swap: {} KiB, all in memory",
        mapping.smaps("Swap")?
    );
    ensure!(
        mapping.resident()?.iter().all(|in_core| *in_core),
        "mincore misses pages that were just read"
    );
    group.comes_to("shmem", PAGES * PAGE as u64)?;
    drop((mapping, file));
    mount.unmount()?;
    group.remove()
}

fn seek_data(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    let ranges = [(16, 400), (500, 501), (600, 1000)];
    for (from, to) in ranges {
        pages::write(&file, 1, from, to, 1)?;
    }
    file.set_len(2000 * PAGE as u64)?;
    group.push_out()?;
    let mut at = 0;
    loop {
        let data = seek(&file, SeekFrom::Data(at));
        scene.fact(&format!("data from {at}"), data);
        let Ok(data) = data else { break };
        let hole = seek(&file, SeekFrom::Hole(data))?;
        scene.fact(&format!("hole from {data}"), hole);
        at = hole;
    }
    scene.space("with holes", &mount, &file)?;
    for (from, to) in ranges {
        pages::verify(&file, 1, from, to, |_| 1)?;
    }
    drop(file);
    mount.unmount()?;
    group.remove()
}

fn truncation(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 7, 0, PAGES, 1)?;
    let cuts = [(700, 1000), (699, 4095), (512, 0), (64, 1), (3, 2048)];
    for (index, within) in cuts {
        group.push_out()?;
        let when = format!("cut to page {index} and {within} bytes");
        file.set_len(index * PAGE as u64 + within as u64)?;
        scene.space(&when, &mount, &file)?;
        file.set_len((index + 20) * PAGE as u64)?;
        scene.space(&format!("{when}, and longer again"), &mount, &file)?;
        let mut page = vec![0; PAGE];
        let mut wanted = vec![0; PAGE];
        pages::fill(&mut wanted, 7, index, 1);
        wanted[within..].fill(0);
        file.read_exact_at(&mut page, index * PAGE as u64)?;
        ensure!(
            page == wanted,
            "{when}: page {index} is not what it was up to there, and zeros behind"
        );
        for beyond in index + 1..index + 20 {
            file.read_exact_at(&mut page, beyond * PAGE as u64)?;
            ensure!(
                page.iter().all(|byte| *byte == 0),
                "{when}: page {beyond} comes back from behind the end"
            );
        }
        pages::verify(&file, 7, 0, index, |_| 1)?;
    }
    group.push_out()?;
    file.set_len(0)?;
    scene.space("cut to nothing", &mount, &file)?;
    crate::device::nothing_in_use()?;
    drop(file);
    mount.unmount()?;
    group.remove()
}

fn writes(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    let copy = pages::create(&mount.file("copy"))?;
    pages::write(&file, 7, 0, PAGES, 1)?;
    for version in 2..5 {
        group.push_out()?;
        // Whole pages in one part, a part of each page in another, nothing in the rest.
        pages::write(&file, 7, 0, PAGES / 4, version)?;
        let mut page = vec![0; PAGE];
        for index in PAGES / 4..PAGES / 2 {
            pages::fill(&mut page, 7, index, version);
            file.write_all_at(&page[..100], index * PAGE as u64)?;
        }
        group.push_out()?;
        for index in PAGES / 4..PAGES / 2 {
            pages::fill(&mut page, 7, index, version);
            file.write_all_at(&page[100..], index * PAGE as u64 + 100)?;
        }
        group.push_out()?;
        let now = |index| if index < PAGES / 2 { version } else { 1 };
        let (mut from, mut to) = (0, 0);
        while from < PAGES * PAGE as u64 {
            let moved =
                rustix::fs::copy_file_range(&file, Some(&mut from), &copy, Some(&mut to), 1 << 20)?;
            ensure!(moved > 0, "copy_file_range ends at {from}");
        }
        pages::verify(&copy, 7, 0, PAGES, now)?;
        pages::verify(&file, 7, 0, PAGES, now)?;
        scene.space(&format!("version {version}"), &mount, &file)?;
    }
    drop((file, copy));
    mount.unmount()?;
    group.remove()
}

/// The bytes that count for a user.
fn counted(mount: &Mounted, user: u32) -> Result<u64> {
    const GET: u32 = 0x80_0007 << 8;
    let root = std::fs::File::open(mount.path())?;
    // `struct if_dqblk`: the third field is the space in bytes.
    let mut quota = [0u64; 9];
    // SAFETY: the structure is as large as the kernel's.
    let done = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            root.as_raw_fd(),
            GET,
            user,
            quota.as_mut_ptr(),
        )
    };
    if done != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(quota[2])
}

fn quota(scene: &mut Scene) -> Result<()> {
    skip::without("TMPFS_QUOTA")?;
    const USER: u32 = 1000;
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m,quota")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    let expect = |scene: &mut Scene, when: &str, root: u64, user: u64| -> Result<()> {
        let now = (counted(&mount, 0)?, counted(&mount, USER)?);
        let expected = (root * PAGE as u64, user * PAGE as u64);
        ensure!(now == expected, "{when}: {now:?}, not {expected:?}");
        scene.space(when, &mount, &file)
    };
    pages::write(&file, 1, 0, PAGES, 1)?;
    expect(scene, "in memory", PAGES, 0)?;
    group.push_out()?;
    expect(scene, "in swap", PAGES, 0)?;
    std::os::unix::fs::fchown(&file, Some(USER), None)?;
    expect(scene, "given away", 0, PAGES)?;
    pages::verify(&file, 1, 0, PAGES / 2, |_| 1)?;
    expect(scene, "half of it back", 0, PAGES)?;
    group.push_out()?;
    file.set_len(PAGES / 4 * PAGE as u64)?;
    expect(scene, "cut in swap", 0, PAGES / 4)?;
    file.set_len(0)?;
    expect(scene, "cut to nothing", 0, 0)?;
    drop(file);
    mount.unmount()?;
    crate::device::nothing_in_use()?;
    group.remove()
}
