// SPDX-License-Identifier: GPL-2.0
//! Times the same operations on several file systems and compares them.
//!
//! `measure` runs where the file systems are (normally in the virtual machine) and writes raw
//! figures; `report` puts any number of such runs together into a table, a plot and a verdict.

mod beside;
mod gate;
mod idle;
mod measure;
mod ops;
mod place;
mod profile;
mod report;
mod results;
mod shared;
mod symbols;
mod timer;
mod workers;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

#[derive(Parser)]
#[command(about = "Benchmark tmpfs, rtmpfs and ramfs side by side")]
enum Command {
    /// Name the operations, one on a line
    List {
        #[command(flatten)]
        selection: ops::Selection,
        /// Only those that several processors can do at once
        #[arg(long)]
        parallel: bool,
        /// Only those of this machine, which may be none
        #[arg(long, conflicts_with = "parallel")]
        machine: Option<ops::Machine>,
    },
    /// Run the operations here and write the raw figures as JSON
    Measure(measure::Arguments),
    /// Compare the file systems from the figures of one or more runs
    Report(report::Arguments),
    /// Compare the file systems round by round, from the figures of one run
    Rounds(report::rounds::Arguments),
    /// Show which functions took the instructions that the profiler plugin counted
    Profile(profile::Arguments),
    /// Run each operation on two processors at once, for the profiler plugin to look at
    Beside(beside::Arguments),
    /// Run one operation on one of several processors, for the command that has started it
    Worker(workers::Arguments),
    /// Compare what the plugin saw of two processors
    Shared(shared::Arguments),
}

fn main() -> ExitCode {
    match run(&Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::List {
            selection,
            parallel,
            machine,
        } => {
            let operations = match (parallel, machine) {
                (true, _) => selection.parallel()?,
                (false, Some(machine)) => selection.of_machine(*machine)?,
                (false, None) => selection.operations()?,
            };
            for operation in operations {
                println!("{}", operation.name);
            }
            Ok(())
        }
        Command::Measure(arguments) => measure::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Rounds(arguments) => report::rounds::run(arguments),
        Command::Profile(arguments) => profile::run(arguments),
        Command::Beside(arguments) => beside::run(arguments),
        Command::Worker(arguments) => workers::work(arguments),
        Command::Shared(arguments) => shared::run(arguments),
    }
}
