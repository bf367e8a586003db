// SPDX-License-Identifier: GPL-2.0
//! Lets the first, the second, ... memory allocation of each file system operation fail, until it needs no
//! more of them. Each time either the operation succeeds all the same, or it fails with ENOMEM or ENOSPC, leaves
//! everything as it was, and succeeds when it is tried again.
//!
//! Usage: faultinject TYPE FOLDER [OPERATION...]. Prints TAP. FOLDER holds the mount while it runs.

mod operations;
mod state;

use anyhow::{bail, ensure, Context, Result};
use nix::mount::MsFlags;
use operations::{Operation, Place};
use stage::inject::{self, Countdown};
use stage::machine::{wait, LATE};
use stage::mount::Mount;
use stage::skip::Skip;
use stage::switch::Switch;
use stage::tap::{self, Tap};
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// No operation here needs nearly as many allocations; one that goes on needing more will do so for ever.
const MOST_ALLOCATIONS: u32 = 2000;

/// An operation that every allocation failed of, one by one.
struct Walked {
    failures: u32,
    survived: u32,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [fstype, folder, wanted @ ..] = arguments.as_slice() else {
        eprintln!("usage: faultinject TYPE FOLDER [OPERATION...]");
        return ExitCode::from(2);
    };
    if !inject::available() {
        return tap::skip_all("this kernel has no fault injection (CONFIG_FAULT_INJECTION)");
    }
    tap::status(run(fstype, Path::new(folder), wanted))
}

fn run(fstype: &str, folder: &Path, wanted: &[String]) -> Result<bool> {
    inject::prepare()?;
    keep_the_heap()?;
    end_on_sigbus()?;
    let place = Place {
        fstype: fstype.to_owned(),
        mount: folder.join("mount"),
        outside: folder.join("outside"),
    };
    std::fs::create_dir(&place.mount)?;
    std::fs::create_dir(&place.outside)?;
    let mount = Mount::new(
        "suite",
        place.mount.clone(),
        fstype,
        MsFlags::empty(),
        "size=64m,mode=755",
    )
    .with_context(|| format!("mount -t {fstype}"))?;
    let operations = operations::all();
    for name in wanted {
        ensure!(
            operations.iter().any(|o| o.name == name),
            "there is no operation '{name}'"
        );
    }
    let chosen = operations
        .iter()
        .filter(|o| wanted.is_empty() || wanted.iter().any(|name| name == o.name));
    let (mut tap, mut injected) = (Tap::new(), 0);
    for operation in chosen {
        match walk(&place, operation) {
            Ok(Walked { failures, survived }) => {
                injected += failures;
                tap.ok(operation.name);
                tap::note(&format!(
                    "{failures} allocations failed one by one; {survived} of them without harm"
                ));
            }
            Err(error) => {
                injected += u32::from(!error.is::<Skip>());
                tap.result(operation.name, Err(error));
            }
        }
    }
    operations::wipe(&place)?;
    mount
        .unmount()
        .context("the mount is still in use at the end")?;
    std::fs::remove_dir(&place.mount)?;
    std::fs::remove_dir(&place.outside)?;
    ensure!(
        injected > 0,
        "not one allocation failed in any operation: nothing was injected"
    );
    Ok(tap.done())
}

/// Lets large buffers be mappings of their own, which free() takes away. By itself the C library enlarges the heap for
/// them once the first has been freed, and gives that back later, which shows in what the machine has committed.
fn keep_the_heap() -> Result<()> {
    // SAFETY: no pointer is passed.
    let is_set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 64 << 10) };
    ensure!(is_set == 1, "mallopt");
    Ok(())
}

/// A fault that finds no memory is to be retried; SIGBUS here means that it was taken for a lost page.
fn end_on_sigbus() -> Result<()> {
    extern "C" fn report(_: libc::c_int) {
        const TEXT: &[u8] = b"Bail out! SIGBUS from a page fault that found no memory\n";
        // SAFETY: both calls are allowed in a signal handler.
        unsafe {
            libc::write(1, TEXT.as_ptr().cast(), TEXT.len());
            libc::_exit(3);
        }
    }
    // SAFETY: the handler does only what a signal handler may.
    unsafe {
        nix::sys::signal::signal(
            nix::sys::signal::Signal::SIGBUS,
            nix::sys::signal::SigHandler::Handler(report),
        )?
    };
    Ok(())
}

fn walk(place: &Place, operation: &Operation) -> Result<Walked> {
    let countdown = Countdown::of_this_thread()?;
    if operation.optional && unsupported(place, operation)? {
        return Err(Skip(format!("EOPNOTSUPP on {}", place.fstype)).into());
    }
    operations::wipe(place)?;
    operations::set_huge(place, operation.huge)?;
    let switch = Switch::SharedMemory;
    let _served = match operation.without_mount && place.fstype != "tmpfs" {
        true if !Path::new(switch.path()).exists() => {
            return Err(Skip(format!("{} has no such switch", place.fstype)).into());
        }
        true => Some(switch.turn(true)?),
        false => None,
    };
    let committed = stage::machine::meminfo("Committed_AS")?;
    let everything = || -> Result<Vec<String>> {
        let mut lines = state::of(&place.mount)?;
        lines.push(state::without_mount(committed)?);
        Ok(lines)
    };
    let empty = everything()?;
    let mut survived = 0;
    for nth in 1..=MOST_ALLOCATIONS {
        let during = || format!("with allocation {nth} failing");
        operations::populate(place)?;
        let mut held = (operation.prepare)(place).context("preparing")?;
        let before = whole_state(place, committed)?;

        countdown.arm(nth)?;
        let result = (operation.act)(&mut held);
        let injected = countdown.disarm()?;

        match result {
            Ok(()) if injected => survived += 1,
            Ok(()) => {}
            Err(error) if injected => {
                ensure_out_of_memory(&error).with_context(during)?;
                let changed = inject::changes(&before, &whole_state(place, committed)?);
                if !changed.is_empty() {
                    bail!(
                        "{}: {error}, but not all is as it was\n{}",
                        during(),
                        changed.join("\n")
                    );
                }
                (operation.act)(&mut held)
                    .with_context(|| format!("tried again after {error} {}", during()))?;
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("nothing failed within {nth} allocations, but"))
            }
        }
        (operation.verify)(place, held).with_context(during)?;
        operations::wipe(place)?;
        let mut left = Vec::new();
        // Some figures are those of the whole machine, in which other tasks have something for a moment.
        let is_empty = wait(LATE, || {
            left = inject::changes(&empty, &everything()?);
            Ok(left.is_empty())
        })?;
        if !is_empty {
            bail!(
                "{}: with all deleted again, something is left\n{}",
                during(),
                left.join("\n")
            );
        }
        if !injected {
            return Ok(Walked {
                failures: nth - 1,
                survived,
            });
        }
    }
    bail!("more than {MOST_ALLOCATIONS} allocations, and no end")
}

/// Whether the type does not know the operation at all.
fn unsupported(place: &Place, operation: &Operation) -> Result<bool> {
    operations::wipe(place)?;
    operations::populate(place)?;
    let mut held = (operation.prepare)(place).context("preparing")?;
    let result = (operation.act)(&mut held);
    drop(held);
    operations::wipe(place)?;
    Ok(matches!(result, Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP)))
}

fn whole_state(place: &Place, committed: u64) -> Result<Vec<String>> {
    let mut lines = state::of(&place.mount)?;
    lines.push(state::without_mount(committed)?);
    if operations::is_mounted(place)? {
        lines.extend(
            state::of(&place.outside)?
                .into_iter()
                .map(|line| format!("outside: {line}")),
        );
    } else {
        lines.push("outside: nothing is mounted".to_owned());
    }
    Ok(lines)
}

fn ensure_out_of_memory(error: &io::Error) -> Result<()> {
    ensure!(
        error.raw_os_error().is_some_and(inject::is_out_of_memory),
        "it fails with {error}, not with ENOMEM or ENOSPC"
    );
    Ok(())
}
