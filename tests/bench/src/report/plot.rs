// SPDX-License-Identifier: GPL-2.0
//! The data behind the plot: for each operation what the others take of what the baseline takes.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::summary::Summary;

/// Writes tab-separated columns with a heading; a missing figure is `NaN`, which gnuplot leaves
/// out.
pub fn write(summary: &Summary, path: &Path) -> Result<()> {
    let others: Vec<_> = (0..summary.columns.len())
        .filter(|&column| column != summary.baseline)
        .collect();
    let mut text = String::from("operation");
    for &column in &others {
        write!(text, "\t{}", summary.columns[column])?;
    }
    text.push('\n');
    for row in &summary.rows {
        text.push_str(&row.name);
        for &column in &others {
            match summary.ratio(row, column) {
                Some(ratio) => write!(text, "\t{ratio:.4}")?,
                None => text.push_str("\tNaN"),
            }
        }
        text.push('\n');
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
