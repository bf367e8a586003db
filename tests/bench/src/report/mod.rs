// SPDX-License-Identifier: GPL-2.0
//! Compares the file systems from the raw figures of one or more runs; or, in `rounds`, round by round of one.

mod plot;
pub mod rounds;
mod statistics;
mod summary;
mod table;

use std::path::PathBuf;

use anyhow::{bail, Result};

use crate::results::Run;
use summary::Summary;

#[derive(clap::Args)]
pub struct Arguments {
    /// The file system that the others are compared with
    #[arg(long, value_name = "TYPE", default_value = "tmpfs")]
    baseline: String,
    /// The file system that must hold up against it
    #[arg(long, value_name = "TYPE", default_value = "rtmpfs")]
    subject: String,
    /// Fail if the subject takes more than this many times what the baseline takes, anywhere
    #[arg(long, value_name = "RATIO")]
    max_ratio: Option<f64>,
    /// What the figures count, for the heading ("instructions", "ns")
    #[arg(long, default_value = "ns")]
    counted: String,
    /// Write the plot's data to this file, for plot.gp
    #[arg(long, value_name = "FILE")]
    plot_data: Option<PathBuf>,
    /// Figures that `measure` wrote, one file for each run
    #[arg(required = true)]
    runs: Vec<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let runs = arguments
        .runs
        .iter()
        .map(|path| Run::load(path))
        .collect::<Result<Vec<_>>>()?;
    let summary = Summary::new(&runs, &arguments.baseline, &arguments.subject)?;
    println!("{}", table::render(&summary, &arguments.counted));
    if let Some(path) = &arguments.plot_data {
        plot::write(&summary, path)?;
    }
    match arguments.max_ratio {
        Some(limit) => check(&summary, limit),
        None => Ok(()),
    }
}

fn check(summary: &Summary, limit: f64) -> Result<()> {
    let (Some(subject), baseline) = (summary.subject, &summary.columns[summary.baseline]) else {
        bail!("nothing was measured that could be held against a ratio of {limit}");
    };
    let over: Vec<_> = summary
        .ratios()
        .filter(|(_, ratio)| *ratio > limit)
        .map(|(name, ratio)| format!("{name} ({ratio:.3})"))
        .collect();
    if over.is_empty() {
        return Ok(());
    }
    bail!(
        "{} takes more than {limit} times what {baseline} takes: {}",
        summary.columns[subject],
        over.join(", ")
    )
}
