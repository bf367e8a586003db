// SPDX-License-Identifier: GPL-2.0
//! The raw figures of one run, as they are kept in a file.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Run {
    /// The kernel that was measured, as `uname -rv` says it.
    pub kernel: String,
    /// File systems in the order in which they were asked for.
    pub columns: Vec<String>,
    /// Operations in the order in which they ran.
    pub operations: Vec<Measured>,
}

#[derive(Serialize, Deserialize)]
pub struct Measured {
    pub name: String,
    pub group: String,
    pub unit: String,
    /// How many of them one repetition does.
    pub units: u64,
    /// One per column of the run, in the same order.
    pub outcomes: Vec<Outcome>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nanoseconds per unit, one for each repetition.
    Times(Vec<f64>),
    /// The file system does not have the operation; the error it gave.
    Unsupported(String),
}

impl Run {
    pub fn load(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        serde_json::from_reader(BufReader::new(file))
            .with_context(|| format!("{} does not hold the figures of a run", path.display()))
    }

    pub fn save(&self, path: &Path) -> Result<()> {
        let store = || -> Result<()> {
            let mut file = BufWriter::new(File::create(path)?);
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.flush()?;
            Ok(())
        };
        store().with_context(|| format!("cannot write {}", path.display()))
    }
}
