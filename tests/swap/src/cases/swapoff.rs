// SPDX-License-Identifier: GPL-2.0
//! A device that is switched off while it holds pages.

use super::damage::Disk;
use super::{Case, Scene};
use crate::device::{self, Swap};
use crate::group::Group;
use crate::machine::{vmstat, Expected};
use crate::map::Map;
use crate::mounted::Mounted;
use crate::pages::{self, PAGE};
use anyhow::{bail, ensure, Context, Result};
use nix::sys::signal::{sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use std::io;
use std::time::Duration;

const PAGES: u64 = 2048;

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "swapoff brings every page back",
            run: brings_back,
        },
        Case {
            name: "swapoff to another device",
            run: moves,
        },
        Case {
            name: "swapoff without memory fails with ENOMEM and loses nothing",
            run: no_memory,
        },
        Case {
            name: "swapoff is interrupted by a signal and loses nothing",
            run: interrupted,
        },
        Case {
            name: "umount while swapoff runs",
            run: umount,
        },
        Case {
            name: "files deleted and truncated while swapoff runs",
            run: deleted,
        },
        Case {
            name: "reads, writes and faults while swapoff runs",
            run: used,
        },
    ]
}

/// Switches off in another thread, while `meanwhile` runs here.
fn during_swapoff(
    swap: &mut Swap,
    delay: Duration,
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let path = swap.path().to_owned();
    let off = std::thread::spawn(move || device::off(&path));
    std::thread::sleep(delay);
    let done = meanwhile();
    match off.join() {
        Ok(result) => result.context("swapoff")?,
        Err(_) => bail!("the thread panicked"),
    }
    swap.is_off();
    done
}

fn brings_back(scene: &mut Scene) -> Result<()> {
    let mut swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    // A file without a name and a hole in another.
    let unnamed = pages::create(&mount.file("unnamed"))?;
    std::fs::remove_file(mount.file("unnamed"))?;
    pages::write(&unnamed, 2, 100, 200, 1)?;
    group.push_out()?;
    let back = vmstat("pswpin")?;
    swap.off().context("swapoff")?;
    ensure!(
        vmstat("pswpin")? - back >= PAGES - 64,
        "too few pages came back"
    );
    group.comes_to("shmem", (PAGES + 100) * PAGE as u64)?;
    ensure!(
        group.value("memory.swap.current")? == 0,
        "memory.swap.current is {}",
        group.value("memory.swap.current")?
    );
    let mapping = Map::first(&file, PAGES as usize)?;
    ensure!(
        mapping.resident()?.iter().all(|in_core| *in_core),
        "some pages are not in memory"
    );
    scene.space("back", &mount, &file)?;
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    pages::verify(&unnamed, 2, 100, 200, |_| 1)?;
    drop((mapping, file, unnamed));
    mount.unmount()?;
    group.remove()
}

fn moves(scene: &mut Scene) -> Result<()> {
    let mut first = Swap::new(&device::disk(1)?, None, Some(20))?;
    // In memory: what swapoff brings in waits for what goes out to it, and a host that is slow with that would have the
    // group without memory.
    let disk = Disk::new()?;
    let second = Swap::new(disk.device(), None, Some(10))?;
    let mount = scene.mount("size=64m")?;
    // Too little memory for all that comes back: what does not fit goes to the other device.
    let group = Group::enter(&[("memory.max", "6M")])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    ensure!(
        first.used()? > 0 && second.used()? == 0,
        "the first device is not the one in use"
    );
    first.off().context("swapoff")?;
    ensure!(second.used()? > 0, "nothing went to the second device");
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    scene.space("on the other device", &mount, &file)?;
    drop(file);
    mount.unmount()?;
    device::nothing_in_use()?;
    group.remove()
}

fn no_memory(scene: &mut Scene) -> Result<()> {
    let mut swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    group.push_out()?;
    group.leave()?;
    group.set("memory.max", "2M")?;
    {
        // There is nobody in the group to be killed for it.
        let _expected = Expected::new("invoked oom-killer|Out of memory|oom-kill|out of memory")?;
        let failed = swap.off().map_err(|error| error.kind());
        scene.fact("swapoff", failed);
    }
    group.set("memory.max", "max")?;
    scene.space("after the failure", &mount, &file)?;
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    let _ = swap.off();
    ensure!(
        device::in_use()?.is_empty(),
        "swapoff fails with memory for everybody"
    );
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    scene.space("switched off", &mount, &file)?;
    drop(file);
    mount.unmount()?;
    group.remove()
}

extern "C" fn nothing(_: libc::c_int) {}

/// A signal every so often, while it lives.
struct Alarm;

impl Alarm {
    fn every(time: Duration) -> Result<Self> {
        let action = SigAction::new(
            SigHandler::Handler(nothing),
            SaFlags::empty(),
            SigSet::empty(),
        );
        // SAFETY: the handler does nothing.
        unsafe { sigaction(Signal::SIGALRM, &action)? };
        set_timer(time)?;
        Ok(Self)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        set_timer(Duration::ZERO).expect("a timer can be stopped");
    }
}

fn set_timer(time: Duration) -> io::Result<()> {
    let time = libc::timeval {
        tv_sec: 0,
        tv_usec: i64::from(time.subsec_micros()),
    };
    let timer = libc::itimerval {
        it_interval: time,
        it_value: time,
    };
    // SAFETY: a valid timer.
    match unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn interrupted(scene: &mut Scene) -> Result<()> {
    let mut swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    group.push_out()?;
    let mut result = Ok(());
    for micros in [10_000, 3_000, 1_000, 300] {
        result = {
            let _alarm = Alarm::every(Duration::from_micros(micros))?;
            swap.off()
        };
        if result.is_err() || scene.kind == "tmpfs" {
            break;
        }
        // It was over before the first signal.
        swap = Swap::disk(1)?;
        group.push_out()?;
    }
    match result {
        Err(error) => ensure!(
            error.kind() == io::ErrorKind::Interrupted,
            "swapoff: {error}"
        ),
        // tmpfs looks for signals only when it is through with all files.
        Ok(()) if scene.kind == "tmpfs" => {
            swap = Swap::disk(1)?;
        }
        Ok(()) => bail!("no signal interrupts swapoff"),
    }
    ensure!(
        device::in_use()?.len() == 1,
        "the device is gone all the same"
    );
    scene.space("interrupted", &mount, &file)?;
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    group.push_out()?;
    swap.off().context("swapoff without a signal")?;
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    scene.space("switched off", &mount, &file)?;
    drop(file);
    mount.unmount()?;
    group.remove()
}

fn umount(scene: &mut Scene) -> Result<()> {
    for delay in [0, 3, 12, 40] {
        let mut swap = Swap::disk(1)?;
        let group = Group::enter(&[])?;
        let mounts: Vec<Mounted> = (0..4)
            .map(|_| scene.mount("size=64m"))
            .collect::<Result<_>>()?;
        for mount in &mounts {
            for name in ["a", "b"] {
                pages::write(&pages::create(&mount.file(name))?, 1, 0, PAGES / 8, 1)?;
            }
        }
        group.push_out()?;
        during_swapoff(&mut swap, Duration::from_millis(delay), || {
            mounts.into_iter().rev().try_for_each(Mounted::unmount)
        })?;
        group.comes_to("shmem", 0)?;
        group.remove()?;
    }
    Ok(())
}

fn deleted(scene: &mut Scene) -> Result<()> {
    const FILES: u64 = 32;
    for delay in [0, 5, 30] {
        let mut swap = Swap::disk(1)?;
        let mount = scene.mount("size=64m")?;
        let group = Group::enter(&[])?;
        let path = |id: u64| mount.file(&format!("file{id}"));
        for id in 0..FILES {
            pages::write(&pages::create(&path(id))?, id, 0, PAGES / FILES, 1)?;
        }
        group.push_out()?;
        during_swapoff(&mut swap, Duration::from_millis(delay), || {
            for id in 0..FILES {
                match id % 3 {
                    0 => std::fs::remove_file(path(id))?,
                    1 => std::fs::OpenOptions::new()
                        .write(true)
                        .open(path(id))?
                        .set_len(10 * PAGE as u64)?,
                    _ => {}
                }
            }
            Ok(())
        })?;
        for id in (0..FILES).filter(|id| id % 3 != 0) {
            let pages = if id % 3 == 1 { 10 } else { PAGES / FILES };
            let file = std::fs::File::open(path(id))?;
            pages::verify(&file, id, 0, pages, |_| 1)?;
            scene.space(&format!("file {id}"), &mount, &file)?;
        }
        mount.unmount()?;
        group.comes_to("shmem", 0)?;
        group.remove()?;
    }
    Ok(())
}

fn used(scene: &mut Scene) -> Result<()> {
    let mut swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    group.push_out()?;
    during_swapoff(&mut swap, Duration::ZERO, || {
        // From the end, where swapoff comes last.
        for index in (0..PAGES).rev().step_by(2) {
            pages::write(&file, 1, index, index + 1, 2)?;
        }
        let mapping = Map::first(&file, PAGES as usize)?;
        for index in 0..PAGES {
            pages::check(mapping.page(index as usize), 1, index, 1 + index % 2)?;
        }
        Ok(())
    })?;
    pages::verify(&file, 1, 0, PAGES, |index| 1 + index % 2)?;
    scene.space("afterwards", &mount, &file)?;
    drop(file);
    mount.unmount()?;
    group.remove()
}
