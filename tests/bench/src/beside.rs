// SPDX-License-Identifier: GPL-2.0
//! Runs each operation on two processors at once, so that the profiler plugin sees what the two write both.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{anyhow, Context, Result};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::measure::Wanted;
use crate::place::Place;
use crate::timer;
use crate::workers::{self, pin_to};

/// Those that the plugin looks at. The one before them has the tasks of the kernel.
const PROCESSORS: [usize; 2] = [1, 2];

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    /// Write what was run, in order, to this file
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
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
    let operations = arguments.wanted.parallel()?;
    let scratch = tempfile::tempdir().context("cannot make a directory for the mount point")?;
    let mut all = vec![known()?];
    for operation in &operations {
        for column in &arguments.wanted.columns {
            let place = Place::new(column, scratch.path())?;
            let sample = workers::run(
                operation,
                column,
                place.mount_point(),
                PROCESSORS.into_iter(),
            )?;
            let units = sample.map_or(0, |sample| sample.units);
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
        let beside = scope.spawn(|| count(PROCESSORS[0], &one));
        let second = scope.spawn(|| count(PROCESSORS[1], &other));
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
        units: UNITS * PROCESSORS.len() as u64,
    })
}
