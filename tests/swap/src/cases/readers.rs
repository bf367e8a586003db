// SPDX-License-Identifier: GPL-2.0
//! Pages are read from swap for a fault: it says who pays where the group that they belonged to is gone, and how hard to try
//! for a large folio.

use super::devices::on_zram;
use super::{Case, Scene};
use crate::device::{self, Swap};
use crate::group::Group;
use crate::inject::{self, Countdown};
use crate::machine::{self, Setting};
use crate::map::Map;
use crate::pages::{self, PAGE};
use crate::skip::{self, Skip};
use anyhow::{bail, ensure, Context, Result};
use nix::sys::resource::{getrusage, UsageWho};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{fork, ForkResult, Pid};

/// So many that what processors count in batches is little of it.
const PAGES: usize = 512;

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "pages of a group that is gone are charged to the owner of the mapping",
            run: of_a_group_that_is_gone,
        },
        Case {
            name: "the advice of the mapping says how hard to try for a large folio",
            run: as_advised,
        },
        Case {
            name: "a fault that finds no memory for a page in swap is no major one",
            run: major,
        },
    ]
}

fn can_inject() -> Result<()> {
    if !inject::available() {
        return Err(
            Skip("this kernel has no fault injection (CONFIG_FAULT_INJECTION)".into()).into(),
        );
    }
    Ok(())
}

/// A child with the mappings of this process, which does nothing until it is dropped.
struct Idle(Pid);

impl Idle {
    fn new() -> Result<Self> {
        // SAFETY: the child waits for its end.
        match unsafe { fork() }? {
            ForkResult::Child => loop {
                // SAFETY: waits for a signal, of which one comes that ends the child.
                unsafe { libc::pause() };
            },
            ForkResult::Parent { child } => Ok(Self(child)),
        }
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

/// Reads a mapping that another process has at the same address, whose faults these are.
fn read_of(process: Pid, map: &Map) -> Result<Vec<u8>> {
    let mut data = vec![0; map.length()];
    let to = libc::iovec {
        iov_base: data.as_mut_ptr().cast(),
        iov_len: data.len(),
    };
    let from = libc::iovec {
        iov_base: map.start(),
        iov_len: data.len(),
    };
    // SAFETY: `to` is the buffer, which nothing else uses; the kernel checks the addresses of the other process.
    let read = unsafe {
        libc::process_vm_readv(process.as_raw(), &raw const to, 1, &raw const from, 1, 0)
    };
    ensure!(
        read == data.len() as isize,
        "{read} bytes of the other process: {}",
        std::io::Error::last_os_error()
    );
    Ok(data)
}

fn of_a_group_that_is_gone(scene: &mut Scene) -> Result<()> {
    // What a device that takes its time reads beside the page that is wanted is no fault's.
    on_zram(|_| {
        let mount = scene.mount("size=32m,huge=never")?;
        let group = Group::enter(&[])?;
        let file = pages::create(&mount.file("file"))?;
        pages::write(&file, 1, 0, PAGES as u64, 1)?;
        group.push_out_all(&file, PAGES)?;
        group.remove()?;

        // This process is in no group any more, and the other one in a new one.
        let map = Map::first(&file, PAGES)?;
        let group = Group::new(&[])?;
        let child = Idle::new()?;
        group.set("cgroup.procs", &child.0.to_string())?;
        let data = read_of(child.0, &map)?;
        for (page, index) in data.chunks_exact(PAGE).zip(0..) {
            pages::check(page, 1, index, 1)?;
        }
        group.comes_to("shmem", (PAGES * PAGE) as u64)?;
        drop((child, map, file));
        mount.unmount()?;
        device::nothing_in_use()?;
        group.remove()
    })
}

/// Allocations of large folios fail where they do not try hard, until it is dropped.
struct NoEffortless(#[expect(dead_code, reason = "goes with it")] Vec<Setting>);

impl NoEffortless {
    const ALL: [(&str, &str); 7] = [
        ("verbose", "0"),
        ("task-filter", "Y"),
        ("interval", "1"),
        ("times", "-1"),
        // What may reclaim memory does not fail.
        ("ignore-gfp-wait", "Y"),
        ("min-order", "1"),
        ("probability", "100"),
    ];

    fn new() -> Result<Self> {
        inject::prepare()?;
        let setting = |(name, value): (&str, &str)| {
            Setting::new(&format!("/sys/kernel/debug/fail_page_alloc/{name}"), value)
        };
        Ok(Self(
            Self::ALL.into_iter().map(setting).collect::<Result<_>>()?,
        ))
    }
}

/// Runs `act` with failures on demand for this thread.
fn failing<T>(act: impl FnOnce() -> Result<T>) -> Result<T> {
    const SWITCH: &str = "/proc/thread-self/make-it-fail";
    let settings = NoEffortless::new()?;
    machine::write(SWITCH, "1")?;
    let result = act();
    machine::write(SWITCH, "0")?;
    drop(settings);
    result
}

fn as_advised(scene: &mut Scene) -> Result<()> {
    skip::without("TRANSPARENT_HUGEPAGE")?;
    can_inject()?;
    let _effort = Setting::new("/sys/kernel/mm/transparent_hugepage/defrag", "madvise")?;
    on_zram(|_| {
        let mount = scene.mount("size=32m,huge=always")?;
        let group = Group::enter(&[])?;
        for (name, advice) in [
            ("no advice", libc::MADV_NORMAL),
            ("MADV_HUGEPAGE", libc::MADV_HUGEPAGE),
        ] {
            machine::write("/proc/sys/vm/compact_memory", "1")?;
            let out = machine::vmstat("thp_swpout")?;
            let file = pages::create(&mount.file("file"))?;
            pages::write(&file, 1, 0, PAGES as u64, 1)?;
            group.push_out_all(&file, PAGES)?;
            ensure!(
                machine::vmstat("thp_swpout")? > out,
                "the folio did not go to swap as a whole"
            );
            let map = Map::aligned(&file, PAGES * PAGE, PAGES * PAGE)?;
            map.advise_all(advice)?;
            machine::write("/proc/sys/vm/compact_memory", "1")?;
            failing(|| pages::check(map.page(7), 1, 7, 1).context(name))?;
            let back = map.resident()?.iter().filter(|&&is| is).count();
            scene.note(&format!("{name}: {back} pages are back"));
            scene.fact(&format!("{name}: all is back"), back == PAGES);
            ensure!(
                (back == PAGES) == (advice == libc::MADV_HUGEPAGE),
                "{name}: {back} pages are back"
            );
            drop((map, file));
            std::fs::remove_file(mount.file("file"))?;
        }
        mount.unmount()?;
        device::nothing_in_use()?;
        group.remove()
    })
}

/// Major faults that the kernel has counted, but for those of this process that came to their end: its own memory may be in
/// swap, too.
fn majors_without_end() -> Result<u64> {
    let own = getrusage(UsageWho::RUSAGE_SELF)?.major_page_faults();
    Ok(machine::vmstat("pgmajfault")?.saturating_sub(own.try_into()?))
}

fn major(scene: &mut Scene) -> Result<()> {
    const AT: usize = 20;
    const FEW: usize = 64;
    const MOST: u32 = 100;
    can_inject()?;
    inject::prepare()?;
    // What is read ahead needs memory, too, and need not find any.
    let _single = Setting::new("/proc/sys/vm/page-cluster", "0")?;
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=32m,huge=never")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, FEW as u64, 1)?;
    let map = Map::first(&file, FEW)?;
    // The page table is to be there.
    map.touch(FEW);
    let countdown = Countdown::of_this_thread()?;
    let (mut failed, mut counted, mut quiet) = (0, 0, 0);
    for nth in 1..=MOST {
        group.push_out_all(&file, FEW)?;
        let before = majors_without_end()?;
        countdown.arm(nth)?;
        let done = map.advise(AT * PAGE, PAGE, libc::MADV_POPULATE_READ);
        let injected = countdown.disarm()?;
        let now = majors_without_end()?;
        match done {
            Ok(()) => {}
            Err(error) if injected && error.0 == libc::ENOMEM => {
                failed += 1;
                counted += u64::from(now > before);
            }
            Err(error) => bail!("with allocation {nth} failing (injected: {injected}): {error:?}"),
        }
        pages::check(map.page(AT), 1, AT as u64, 1)?;
        quiet = if injected { 0 } else { quiet + 1 };
        if quiet == 2 {
            break;
        }
    }
    scene.note(&format!(
        "{failed} faults found no memory, {counted} counted"
    ));
    ensure!(quiet == 2, "more than {MOST} allocations, and no end");
    ensure!(failed > 0, "no fault has failed");
    ensure!(
        counted == 0,
        "{counted} of {failed} faults that found no memory count as major"
    );
    drop((map, file));
    mount.unmount()?;
    device::nothing_in_use()?;
    group.remove()
}
