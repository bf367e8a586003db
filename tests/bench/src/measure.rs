// SPDX-License-Identifier: GPL-2.0
//! Runs the operations on each file system in turn.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, Context, Result};
use rustix::io::Errno;

use crate::ops::{Machine, Operation, Selection};
use crate::place::{Column, Place};
use crate::results::{Measured, Outcome, Run};
use crate::timer::{self, Timer};
use crate::workers;

/// Which operations, on which file systems.
#[derive(clap::Args)]
pub struct Wanted {
    #[command(flatten)]
    selection: Selection,
    /// A file system, TYPE or TYPE,MOUNT-OPTIONS; give it once for each column
    #[arg(long = "column", value_name = "TYPE", required = true)]
    pub columns: Vec<Column>,
}

impl Wanted {
    /// The operations of this machine, where the kernel has all the file systems.
    pub fn of_machine(&self, machine: Machine) -> Result<Vec<Operation>> {
        self.check()?;
        self.selection.of_machine(machine)
    }

    /// Those of them that several processors can do at once.
    pub fn parallel(&self) -> Result<Vec<Operation>> {
        self.check()?;
        self.selection.parallel()
    }

    fn check(&self) -> Result<()> {
        self.columns.iter().try_for_each(Column::check)
    }
}

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    /// How often each operation is run on each file system
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: u32,
    /// Rest before each timed region, in milliseconds
    #[arg(long, default_value_t = timer::SETTLE, value_name = "MS")]
    settle: u64,
    /// Run each on all processors of the machine at once; the file systems come in reverse order every other time
    #[arg(long, conflicts_with = "settle")]
    parallel: bool,
    /// Which machine this is; another one has other operations
    #[arg(long, value_enum, default_value_t = Machine::Memory)]
    machine: Machine,
    /// Write the figures to this file
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let operations = match arguments.parallel {
        true => arguments.wanted.parallel()?,
        false => arguments.wanted.of_machine(arguments.machine)?,
    };
    let scratch = tempfile::tempdir().context("cannot make a directory for the mount point")?;
    let timer = Timer::new(Duration::from_millis(arguments.settle));

    let mut measured = Vec::new();
    for operation in &operations {
        let (units, outcomes) = compare(operation, arguments, scratch.path(), &timer)?;
        eprintln!("{}: {}", operation.name, progress(&outcomes));
        measured.push(Measured {
            name: operation.name.clone(),
            group: operation.group.to_owned(),
            unit: operation.unit.to_owned(),
            units,
            outcomes,
        });
    }
    let system = rustix::system::uname();
    Run {
        kernel: format!(
            "{} {}",
            system.release().to_string_lossy(),
            system.version().to_string_lossy()
        ),
        columns: arguments
            .wanted
            .columns
            .iter()
            .map(|column| column.label.clone())
            .collect(),
        operations: measured,
    }
    .save(&arguments.output)
}

/// Runs one operation on all file systems; they take turns, so that whatever drifts in the
/// machine meets all of them. Also says how many units a repetition does.
fn compare(
    operation: &Operation,
    arguments: &Arguments,
    mount_point: &Path,
    timer: &Timer,
) -> Result<(u64, Vec<Outcome>)> {
    let mut outcomes: Vec<_> = arguments
        .wanted
        .columns
        .iter()
        .map(|_| Outcome::Times(Vec::new()))
        .collect();
    let mut units = 0;
    for repetition in 0..arguments.repetitions {
        let mut turns: Vec<_> = arguments.wanted.columns.iter().zip(&mut outcomes).collect();
        if arguments.parallel && repetition % 2 == 1 {
            turns.reverse();
        }
        for (column, outcome) in turns {
            let Outcome::Times(times) = outcome else {
                continue;
            };
            let place = Place::new(column, mount_point)?;
            let sample = match arguments.parallel {
                true => workers::run(operation, column, mount_point, 0..processors()?)?,
                false => operation
                    .run(&place, timer)
                    .with_context(|| format!("{} on {}", operation.name, column.label))?,
            };
            place.close()?;
            match sample {
                Some(sample) => {
                    units = sample.units;
                    times.push(sample.ns as f64 / sample.units as f64);
                }
                None if times.is_empty() => {
                    *outcome = Outcome::Unsupported(Errno::OPNOTSUPP.to_string());
                }
                None => bail!(
                    "{} on {}: works in some repetitions only",
                    operation.name,
                    column.label
                ),
            }
        }
    }
    Ok((units, outcomes))
}

fn processors() -> Result<usize> {
    let number = std::thread::available_parallelism().context("cannot count the processors");
    Ok(number?.get())
}

fn progress(outcomes: &[Outcome]) -> String {
    let best = |outcome: &Outcome| match outcome {
        Outcome::Times(times) => {
            format!("{:.0}", times.iter().copied().fold(f64::INFINITY, f64::min))
        }
        Outcome::Unsupported(_) => "-".to_owned(),
    };
    outcomes.iter().map(best).collect::<Vec<_>>().join(" / ")
}
