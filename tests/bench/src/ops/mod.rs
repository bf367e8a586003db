// SPDX-License-Identifier: GPL-2.0
//! The operations that are measured. Each prepares what it needs on an empty mount and then times
//! nothing but itself; none knows which file system it runs on.

mod io;
mod mapping;
mod mounting;
mod names;
mod shared;
mod small;
mod space;
mod swap;

use anyhow::{bail, Context, Result};
use regex::Regex;
use rustix::io::Errno;

use crate::place::Place;
use crate::timer::{Sample, Timer};

pub const PAGE: usize = 4096;

type Body = Box<dyn Fn(&Place, &Timer) -> rustix::io::Result<Sample>>;

pub struct Operation {
    pub name: String,
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
            unit,
            body: Box::new(body),
        }
    }

    pub fn run(&self, place: &Place, timer: &Timer) -> rustix::io::Result<Sample> {
        (self.body)(place, timer)
    }
}

fn all() -> Vec<Operation> {
    let mut operations = io::operations();
    operations.extend(mapping::operations());
    operations.extend(space::operations());
    operations.extend(names::operations());
    operations.extend(small::operations());
    operations.extend(mounting::operations());
    operations.extend(swap::operations());
    operations.extend(shared::operations());
    operations
}

/// The error number of an error of the standard library.
fn errno(error: std::io::Error) -> Errno {
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
}
