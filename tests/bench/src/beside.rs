// SPDX-License-Identifier: GPL-2.0
//! Runs each operation on two processors at once, on one mount, in a directory and on files of their own, so that the
//! profiler plugin sees what the two write both. Operations that are about the whole machine or a mount as such have
//! no place here.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{anyhow, ensure, Context, Result};
use rustix::io::Errno;
use rustix::thread::CpuSet;
use serde::{Deserialize, Serialize};

use crate::measure::Wanted;
use crate::ops::{Operation, Selection};
use crate::place::{Column, Place};
use crate::timer::{self, Timer};

/// Groups of operations that change what there is one of: mounts, swap, whose shared memory is.
const ALONE: [&str; 3] = ["mounts", "swap", "shared memory"];

/// Those that the plugin looks at. The one before them has the tasks of the kernel.
const PROCESSORS: usize = 2;
const FIRST_PROCESSOR: usize = 1;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    /// Write what was run, in order, to this file
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(clap::Args)]
pub struct Worker {
    #[command(flatten)]
    selection: Selection,
    #[arg(long)]
    column: Column,
    #[arg(long)]
    directory: PathBuf,
    #[arg(long)]
    processor: usize,
}

/// What was run between two marks.
#[derive(Serialize, Deserialize)]
pub struct Ran {
    pub operation: String,
    pub unit: String,
    pub column: String,
    /// Units of both processors together; none where the file system does not have the operation.
    pub units: u64,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let operations = arguments.wanted.operations()?;
    let scratch = tempfile::tempdir().context("cannot make a directory for the mount point")?;
    let mut all = vec![known()?];
    for operation in operations.iter().filter(|o| !ALONE.contains(&o.group)) {
        for column in &arguments.wanted.columns {
            let place = Place::new(column, scratch.path())?;
            let units = both(operation, column, place.mount_point())?;
            place.close()?;
            timer::mark_next();
            eprintln!("{} on {}: {units}", operation.name, column.label);
            all.push(Ran {
                operation: operation.name.clone(),
                unit: operation.unit.to_owned(),
                column: column.label.clone(),
                units,
            });
        }
    }
    ensure!(all.len() > 1, "no such operation can run beside itself");
    let text = serde_json::to_string_pretty(&all)?;
    std::fs::write(&arguments.output, text)
        .with_context(|| format!("cannot write {}", arguments.output.display()))
}

/// Atomic instructions of each unit of [`known`], and those of them that are to a shared line.
pub const KNOWN_ATOMICS: u64 = 3;
pub const KNOWN_SHARED: u64 = 2;

/// Does what is known beforehand, so that who counts can tell that the count is right: each processor adds to a line of
/// its own, and adds to and exchanges what is in a common one.
fn known() -> Result<Ran> {
    const UNITS: u64 = 1000;
    #[repr(align(64))]
    struct Line(AtomicU64);
    let [common, one, other] = [(); 3].map(|()| Line(AtomicU64::new(0)));
    let count = |processor: usize, own: &Line| {
        pin_to(processor)?;
        timer::mark_known();
        for unit in 0..UNITS {
            own.0.fetch_add(unit, Relaxed);
            common.0.fetch_add(unit, Relaxed);
            common.0.swap(unit, Relaxed);
        }
        timer::mark_end();
        Ok::<_, Errno>(())
    };
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| count(0, &one));
        let second = scope.spawn(|| count(1, &other));
        [beside, second].into_iter().try_for_each(|thread| {
            let joined = thread.join();
            Ok::<_, anyhow::Error>(joined.map_err(|_| anyhow!("a thread panicked"))??)
        })
    })?;
    timer::mark_next();
    Ok(Ran {
        operation: "what is known".to_owned(),
        unit: "pass".to_owned(),
        column: "none".to_owned(),
        units: UNITS * PROCESSORS as u64,
    })
}

/// Puts this task on one of the processors that the plugin looks at.
fn pin_to(processor: usize) -> rustix::io::Result<()> {
    let mut processors = CpuSet::new();
    processors.set(FIRST_PROCESSOR + processor);
    rustix::thread::sched_setaffinity(None, &processors)
}

/// Runs an operation on each processor; says how many units both did.
fn both(operation: &Operation, column: &Column, mount_point: &Path) -> Result<u64> {
    let start = |processor: usize| {
        let directory = mount_point.join(processor.to_string());
        std::fs::create_dir(&directory)?;
        Command::new("/proc/self/exe")
            .args(["worker", "--exact", &operation.name])
            .args(["--column", &column.label])
            .arg("--directory")
            .arg(directory)
            .args(["--processor", &processor.to_string()])
            .stdout(Stdio::piped())
            .spawn()
    };
    let workers = (0..PROCESSORS)
        .map(start)
        .collect::<std::io::Result<Vec<_>>>()?;
    let mut units = 0;
    for mut worker in workers {
        let mut said = String::new();
        if let Some(output) = &mut worker.stdout {
            output.read_to_string(&mut said)?;
        }
        let status = worker.wait()?;
        ensure!(
            status.success(),
            "{} on {}: {status}",
            operation.name,
            column.label
        );
        units += said
            .trim()
            .parse::<u64>()
            .context("a worker says how many units it did")?;
    }
    Ok(units)
}

pub fn work(arguments: &Worker) -> Result<()> {
    pin_to(arguments.processor)?;
    let operations = arguments.selection.operations()?;
    let [operation] = &operations[..] else {
        anyhow::bail!("one operation at a time");
    };
    let place = Place::within(&arguments.column, &arguments.directory)?;
    let units = match operation.run(&place, &Timer::new(Duration::from_millis(timer::SETTLE))) {
        Ok(sample) => sample.units,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error.into()),
    };
    println!("{units}");
    Ok(())
}
