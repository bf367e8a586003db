// SPDX-License-Identifier: GPL-2.0
//! Pages of rtmpfs go to swap and come back: tests that do the same steps on tmpfs and rtmpfs, as TAP, a torture,
//! and a way to run any program with less memory than it needs.

mod cases;
mod torture;
mod under;

use anyhow::{ensure, Result};
use cases::{Case, Scene};
use clap::{Parser, Subcommand};
use skip::Skip;
use stage::mounted::type_under_test;
use stage::tap::{self, Tap};
use stage::{device, group, inject, machine, map, mounted, pages, skip};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run the tests on tmpfs and on the type under test (RTMPFS_TYPE, rtmpfs unless set)
    Test {
        /// Only those with this in their name
        #[arg(default_value = "")]
        filter: String,
    },
    /// Everything at once, data always checked
    Torture(torture::Arguments),
    /// Run a program in a small cgroup
    Under(under::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().action {
        Action::Test { filter } => Ok(test(&filter)),
        Action::Torture(arguments) => torture::run(&arguments),
        Action::Under(arguments) => under::run(&arguments),
    };
    tap::status(done)
}

fn test(filter: &str) -> bool {
    let mut tap = Tap::of(filter);
    for case in cases::all() {
        if !tap.wants(case.name) {
            continue;
        }
        let begin = Instant::now();
        tap.result(case.name, compare(&case));
        tap::note(&format!("{:.1} s", begin.elapsed().as_secs_f64()));
    }
    tap.done()
}

fn compare(case: &Case) -> Result<()> {
    let wanted = on_type(case, "tmpfs")?;
    let found = on_type(case, &type_under_test())?;
    let differing: Vec<String> = wanted
        .iter()
        .zip(&found)
        .filter(|(wanted, found)| wanted != found)
        .map(|((name, wanted), (other, found))| {
            format!("{name}: {wanted} on tmpfs; {other}: {found}")
        })
        .collect();
    ensure!(
        differing.is_empty(),
        "differs from tmpfs:\n{}",
        differing.join("\n")
    );
    ensure!(
        wanted.len() == found.len(),
        "{} facts on tmpfs, {} here",
        wanted.len(),
        found.len()
    );
    Ok(())
}

fn on_type(case: &Case, kind: &str) -> Result<Vec<(String, String)>> {
    let mut scene = Scene {
        kind: kind.to_owned(),
        facts: Vec::new(),
    };
    let before = machine::meminfo("Shmem")?;
    let ended = (case.run)(&mut scene).map_err(|error| match error.downcast_ref::<Skip>() {
        Some(_) => error,
        None => error.context(format!("on {kind}")),
    });
    ended?;
    let devices = device::in_use()?;
    ensure!(
        devices.is_empty(),
        "on {kind}: swap is still on: {devices:?}"
    );
    // Gathered from the processors in batches.
    const SLACK: u64 = 1024;
    ensure!(
        machine::wait(machine::LATE, || Ok(
            machine::meminfo("Shmem")? <= before + SLACK
        ))?,
        "on {kind}: /proc/meminfo Shmem was {before} KiB and is {} KiB",
        machine::meminfo("Shmem")?
    );
    Ok(scene.facts)
}
