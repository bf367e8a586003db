// SPDX-License-Identifier: GPL-2.0
//! Where pages go: a file, two devices, a compressed cache in front of a device, compressed memory.

use super::{Case, Scene};
use crate::device::{self, disk, Swap};
use crate::group::Group;
use crate::machine::{vmstat, Setting};
use crate::pages::{self, PAGE};
use crate::skip::Skip;
use anyhow::{ensure, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const PAGES: u64 = 2048;

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "a swap file",
            run: file,
        },
        Case {
            name: "two devices, the one with the higher priority first",
            run: priorities,
        },
        Case {
            name: "zswap",
            run: zswap,
        },
        Case {
            name: "zswap writes its pages to the device when it is full",
            run: zswap_writeback,
        },
        Case {
            name: "zram",
            run: zram,
        },
    ]
}

/// A file goes out, comes back unharmed and is deleted; `check` looks at it while it is out.
fn round(
    scene: &mut Scene,
    check: impl FnOnce(&Group) -> Result<()>,
    settings: &[(&str, &str)],
) -> Result<()> {
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(settings)?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    group.push_out()?;
    check(&group)?;
    scene.space("in swap", &mount, &file)?;
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    group.push_out()?;
    pages::write(&file, 1, 0, PAGES, 2)?;
    group.push_out()?;
    pages::verify(&file, 1, 0, PAGES, |_| 2)?;
    drop(file);
    mount.unmount()?;
    device::nothing_in_use()?;
    group.remove()
}

fn file(scene: &mut Scene) -> Result<()> {
    // On the disk with a file system, whose folder the environment names; not on a file system in memory.
    let folder = std::env::var("RTMPFS_SCRATCH").map(PathBuf::from);
    let Ok(folder) = folder else {
        return Err(Skip("RTMPFS_SCRATCH names no folder on a disk for a swap file".into()).into());
    };
    let path = folder.join("swapfile");
    std::fs::write(&path, vec![0; 24 << 20])?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
    std::fs::File::open(&path)?.sync_all()?;
    let result = (|| {
        let mut swap = Swap::new(&path, None, None)?;
        let out = vmstat("pswpout")?;
        round(
            scene,
            |_| {
                let used = swap.used()? / 4;
                ensure!(used >= PAGES - 64, "{used} pages are in the file");
                Ok(())
            },
            &[],
        )?;
        ensure!(vmstat("pswpout")? - out >= PAGES, "too few pages went out");
        Ok(swap.off()?)
    })();
    std::fs::remove_file(&path)?;
    result
}

fn priorities(scene: &mut Scene) -> Result<()> {
    // Half of the pages fit on the first.
    let first = Swap::new(&disk(2)?, Some((PAGES * PAGE as u64 / 2) >> 20), Some(20))?;
    let second = Swap::new(&disk(1)?, None, Some(10))?;
    round(
        scene,
        |_| {
            let (first, second) = (first.used()? / 4, second.used()? / 4);
            ensure!(
                first >= PAGES / 2 - 128,
                "the first device has only {first} pages"
            );
            ensure!(
                second >= PAGES - PAGES / 2 - 128,
                "the second device has only {second} pages"
            );
            Ok(())
        },
        &[],
    )
}

fn zswap_on() -> Result<Setting> {
    const ENABLED: &str = "/sys/module/zswap/parameters/enabled";
    if !Path::new(ENABLED).exists() {
        return Err(Skip("this kernel has no zswap (CONFIG_ZSWAP)".into()).into());
    }
    Setting::new(ENABLED, "Y")
}

fn zswap(scene: &mut Scene) -> Result<()> {
    let _zswap = zswap_on()?;
    let _swap = Swap::disk(1)?;
    let (out, back) = (vmstat("zswpout")?, vmstat("zswpin")?);
    round(
        scene,
        |group| {
            let went = vmstat("zswpout")? - out;
            ensure!(went >= PAGES - 64, "zswap took {went} pages");
            let (inside, size) = (group.stat("zswapped")?, group.stat("zswap")?);
            ensure!(
                inside / PAGE as u64 >= PAGES - 64,
                "memory.stat zswapped is {inside}"
            );
            ensure!(size < inside, "{inside} bytes take {size} compressed");
            Ok(())
        },
        &[],
    )?;
    let came = vmstat("zswpin")? - back;
    ensure!(came >= PAGES - 64, "{came} pages came back from zswap");
    Ok(())
}

fn zswap_writeback(scene: &mut Scene) -> Result<()> {
    let _zswap = zswap_on()?;
    let swap = Swap::disk(1)?;
    let (written, back) = (vmstat("zswpwb")?, vmstat("pswpin")?);
    round(
        scene,
        |_| {
            ensure!(
                swap.used()? / 4 >= PAGES - 64,
                "{} KiB of the device are in use",
                swap.used()?
            );
            Ok(())
        },
        &[("memory.zswap.max", "256K")],
    )?;
    let written = vmstat("zswpwb")? - written;
    ensure!(written > 0, "zswap has written nothing to the device");
    ensure!(
        vmstat("pswpin")? > back,
        "nothing came back from the device"
    );
    Ok(())
}

fn zram(scene: &mut Scene) -> Result<()> {
    on_zram(|swap| {
        round(
            scene,
            |_| {
                let used = swap.used()? / 4;
                ensure!(used >= PAGES - 64, "{used} pages are in zram");
                Ok(())
            },
            &[],
        )
    })
}

/// Runs with zram as the only swap, if the machine has that.
pub(super) fn on_zram(run: impl FnOnce(&Swap) -> Result<()>) -> Result<()> {
    if !device::has_zram() {
        return Err(Skip("this kernel has no zram0 (CONFIG_ZRAM)".into()).into());
    }
    device::on_zram(run)
}
