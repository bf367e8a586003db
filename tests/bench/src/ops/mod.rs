// SPDX-License-Identifier: GPL-2.0
//! The operations that are measured. Each prepares what it needs on an empty mount and then times
//! nothing but itself; none knows which file system it runs on.

mod disk;
mod io;
mod mapping;
mod mounting;
mod names;
mod shared;
mod small;
mod space;
mod swap;

use anyhow::{bail, ensure, Context, Result};
use regex::Regex;
use rustix::io::Errno;

use crate::place::Place;
use crate::timer::{Sample, Timer};

pub const PAGE: usize = 4096;

type Body = Box<dyn Fn(&Place, &Timer) -> rustix::io::Result<Sample>>;

/// The machines that measure: an operation needs what one of them has.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Machine {
    /// Nothing in it comes from the host, and each run of it is the same to the instruction. Swap is in memory.
    Memory,
    /// Swap is on a disk, which answers at the host's time.
    Disk,
}

pub struct Operation {
    pub name: String,
    pub machine: Machine,
    /// What it is shown together with.
    pub group: &'static str,
    /// What one of its units is: "page", "call", "entry".
    pub unit: &'static str,
    body: Body,
}

impl Operation {
    fn new(
        name: impl Into<String>,
        unit: &'static str,
        body: impl Fn(&Place, &Timer) -> rustix::io::Result<Sample> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            machine: Machine::Memory,
            group: "",
            unit,
            body: Box::new(body),
        }
    }

    /// One of the machine with a disk.
    fn on_disk(
        name: &str,
        unit: &'static str,
        body: impl Fn(&Place, &Timer) -> rustix::io::Result<Sample> + 'static,
    ) -> Self {
        Self {
            machine: Machine::Disk,
            ..Self::new(name, unit, body)
        }
    }

    /// None where the file system does not have the operation.
    pub fn run(&self, place: &Place, timer: &Timer) -> rustix::io::Result<Option<Sample>> {
        match (self.body)(place, timer) {
            Err(Errno::OPNOTSUPP) => Ok(None),
            result => result.map(Some),
        }
    }
}

/// Groups of operations that change what there is one of: mounts, swap, whose shared memory is.
const ALONE: [&str; 4] = ["mounts", "swap", "shared memory", "swap on a disk"];

fn all() -> Vec<Operation> {
    let groups = [
        ("reading and writing", io::operations()),
        ("mapped", mapping::operations()),
        ("space", space::operations()),
        ("names", names::operations()),
        ("small files and calls", small::operations()),
        ("mounts", mounting::operations()),
        ("swap", swap::operations()),
        ("shared memory", shared::operations()),
        ("swap on a disk", disk::operations()),
    ];
    groups
        .into_iter()
        .flat_map(|(group, operations)| {
            operations
                .into_iter()
                .map(move |operation| Operation { group, ..operation })
        })
        .collect()
}

/// The error number of an error of the standard library.
pub fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// Which of the operations are wanted.
#[derive(clap::Args)]
pub struct Selection {
    /// Only operations whose name matches this regular expression
    #[arg(long, value_name = "REGEX", default_value = "")]
    ops: String,
    /// Only the operation with this very name
    #[arg(long, value_name = "NAME", conflicts_with = "ops")]
    exact: Option<String>,
}

impl Selection {
    pub fn operations(&self) -> Result<Vec<Operation>> {
        let wanted = Regex::new(&self.ops)
            .with_context(|| format!("'{}' is not a regular expression", self.ops))?;
        let mut operations = all();
        match &self.exact {
            Some(name) => operations.retain(|operation| operation.name == *name),
            None => operations.retain(|operation| wanted.is_match(&operation.name)),
        }
        if operations.is_empty() {
            bail!(
                "no operation matches '{}'; there are: {}",
                self.exact.as_ref().unwrap_or(&self.ops),
                all()
                    .iter()
                    .map(|operation| operation.name.as_str())
                    .collect::<Vec<_>>()
                    .join("; ")
            );
        }
        Ok(operations)
    }

    /// Those of a machine, which may be none.
    pub fn of_machine(&self, machine: Machine) -> Result<Vec<Operation>> {
        let mut operations = self.operations()?;
        operations.retain(|operation| operation.machine == machine);
        Ok(operations)
    }

    /// Those that several processors can do at once.
    pub fn parallel(&self) -> Result<Vec<Operation>> {
        let mut operations = self.operations()?;
        operations.retain(|operation| !ALONE.contains(&operation.group));
        ensure!(
            !operations.is_empty(),
            "several processors at once do none of the operations about {}",
            ALONE.join(", ")
        );
        Ok(operations)
    }
}
