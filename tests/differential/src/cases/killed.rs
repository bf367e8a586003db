//! Tasks that wait for a hole that is being punched, and are killed: tmpfs lets them wait for its end.

use std::os::fd::AsRawFd;
use std::time::Duration;

use rustix::fs::FallocateFlags;
use stage::machine::{wait, LATE};

use super::huge::{fallocate, punch};
use crate::harness::prelude::*;
use crate::harness::process::{on_processor, only_when_idle, Child};
use crate::harness::sys::cached_pages;

cases! {
    own => fault_beside_a_punch, write_beside_a_punch;
}

fn fault_beside_a_punch(t: &mut Trace, fs: &Fs) -> Done {
    killed(t, fs, |map, _| {
        map.get(0);
    })
}

/// The source of the write is in the hole.
fn write_beside_a_punch(t: &mut Trace, fs: &Fs) -> Done {
    killed(t, fs, |map, other| {
        // SAFETY: the kernel reads it.
        let _ = other.write(unsafe { map.raw(0, PAGE) });
    })
}

/// Kills a child that does `touch` in the midst of a punch, which takes long: another child, which always wants the same
/// processor, leaves the puncher a few milliseconds of it in a second.
fn killed(t: &mut Trace, fs: &Fs, touch: impl Fn(&Map, &Fd)) -> Done {
    const FEWEST: usize = 16 << 10;
    const MOST: usize = 256 << 10;
    let mount = fs.mount("size=0,huge=never")?;
    let d = mount.dir()?;
    let (file, other) = (d.create("f")?, d.create("other")?);
    let is_cached = |page: usize| -> anyhow::Result<bool> {
        let (at, len) = ((page * PAGE) as u64, PAGE as u64);
        Ok(cached_pages(file.0.as_raw_fd(), at, len)? > 0)
    };
    let mut pages = FEWEST;
    let ends = loop {
        ensure!(
            pages <= MOST,
            "no task that waits for a punch and is killed dies before the punch is over"
        );
        let size = pages * PAGE;
        fallocate(&file, FallocateFlags::empty(), 0, size)?;
        let map = Map::first(&file, 1)?;
        let busy = Child::new(|| {
            on_processor(0).expect("sched_setaffinity");
            loop {
                std::hint::spin_loop();
            }
        })?;
        let mut puncher = Child::new(|| {
            on_processor(0).expect("sched_setaffinity");
            only_when_idle().expect("sched_setscheduler");
            punch(&file, 0, size).expect("punch");
        })?;
        while is_cached(0)? {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut victim = Child::new(|| touch(&map, &other))?;
        let is_over = || anyhow::Ok(!is_cached(pages - 1)?);
        wait(LATE, || Ok(victim.sleeps()? || is_over()?))?;
        let waits = victim.sleeps()?;
        victim.kill()?;
        // A task of tmpfs lives until the punch is over, which does not come on meanwhile.
        if fs.is_subject() {
            wait(LATE, || Ok(victim.ended()?.is_some() || is_over()?))?;
        }
        let dies_first = victim.ended()?.is_some() && !is_over()?;
        drop(busy);
        let ends = (victim.wait()?, puncher.wait()?);
        if waits && (dies_first || !fs.is_subject()) {
            break ends;
        }
        // The punch may have been over too early.
        pages *= 2;
    };
    t.put("victim and puncher", ends);
    t.put("blocks", file.blocks()?);
    t.put("other", other.meta()?);
    drop((file, other, d));
    mount.unmount()?;
    Ok(())
}
