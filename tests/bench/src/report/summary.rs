// SPDX-License-Identifier: GPL-2.0
//! One figure for each operation on each file system, out of all runs.

use anyhow::{bail, Result};

use super::statistics::{median, minimum, spread};
use crate::results::{Outcome, Run};

pub struct Summary {
    pub kernel: String,
    /// Of each operation.
    pub runs: usize,
    pub columns: Vec<String>,
    /// The column that the others are compared with.
    pub baseline: usize,
    /// The column that must hold up; `None` where it was not measured.
    pub subject: Option<usize>,
    pub rows: Vec<Row>,
}

pub struct Row {
    pub name: String,
    pub group: String,
    pub unit: String,
    pub cells: Vec<Cell>,
}

pub enum Cell {
    Figure {
        /// The median over the runs of the best repetition of each.
        value: f64,
        spread: f64,
    },
    Unsupported(String),
}

impl Cell {
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Figure { value, .. } => Some(*value),
            Self::Unsupported(_) => None,
        }
    }
}

impl Summary {
    pub fn new(runs: &[Run], baseline: &str, subject: &str) -> Result<Self> {
        let Some(first) = runs.first() else {
            bail!("no runs to compare")
        };
        let kinds = kinds(runs)?;
        let column = |label: &str| first.columns.iter().position(|column| column == label);
        let Some(baseline) = column(baseline) else {
            bail!(
                "'{baseline}' was not measured, only {}",
                first.columns.join(", ")
            );
        };
        let rows = kinds
            .iter()
            .flat_map(|runs| (0..runs[0].operations.len()).map(|index| row(runs, index)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            kernel: first.kernel.clone(),
            runs: kinds[0].len(),
            columns: first.columns.clone(),
            baseline,
            subject: column(subject),
            rows,
        })
    }

    /// What `column` takes of what the baseline takes.
    pub fn ratio(&self, row: &Row, column: usize) -> Option<f64> {
        Some(row.cells[column].value()? / row.cells[self.baseline].value()?)
    }

    /// The operations that both subject and baseline have, with their ratio.
    pub fn ratios(&self) -> impl Iterator<Item = (&str, f64)> {
        self.rows
            .iter()
            .filter_map(|row| Some((row.name.as_str(), self.ratio(row, self.subject?)?)))
    }

    /// The groups of the operations, in their order.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<_> = self.rows.iter().map(|row| row.group.as_str()).collect();
        groups.dedup();
        groups
    }

    /// The columns that show the baseline's type, with whatever mount options.
    pub fn baseline_modes(&self) -> Vec<usize> {
        let fstype = |label: &str| label.split(',').next().map(str::to_owned);
        let wanted = fstype(&self.columns[self.baseline]);
        (0..self.columns.len())
            .filter(|&index| fstype(&self.columns[index]) == wanted)
            .collect()
    }
}

/// The runs of each machine, as many of each, in the order of its first: a machine has operations of its own.
///
/// Fails unless all measured the same file systems on the same kernel.
fn kinds(runs: &[Run]) -> Result<Vec<Vec<&Run>>> {
    let mut kinds: Vec<Vec<&Run>> = Vec::new();
    for run in runs {
        same(&runs[0], run)?;
        let names: Vec<_> = names(run).collect();
        match kinds
            .iter_mut()
            .find(|kind| names.iter().any(|name| has(kind[0], name)))
        {
            None => kinds.push(vec![run]),
            Some(kind) if names.iter().copied().eq(self::names(kind[0])) => kind.push(run),
            Some(_) => bail!("the runs measured different operations"),
        }
    }
    if kinds.iter().any(|kind| kind.len() != kinds[0].len()) {
        bail!("some operations were measured in more runs than others");
    }
    Ok(kinds)
}

fn names(run: &Run) -> impl Iterator<Item = &str> {
    run.operations
        .iter()
        .map(|operation| operation.name.as_str())
}

fn has(run: &Run, name: &str) -> bool {
    names(run).any(|other| other == name)
}

fn same(first: &Run, other: &Run) -> Result<()> {
    if first.kernel != other.kernel {
        bail!(
            "runs of different kernels: '{}' and '{}'",
            first.kernel,
            other.kernel
        );
    }
    if first.columns != other.columns {
        bail!("the runs measured different file systems");
    }
    Ok(())
}

fn row(runs: &[&Run], index: usize) -> Result<Row> {
    let model = &runs[0].operations[index];
    let cells = (0..runs[0].columns.len())
        .map(|column| {
            let outcomes: Vec<_> = runs
                .iter()
                .map(|run| &run.operations[index].outcomes[column])
                .collect();
            cell(&outcomes)
                .ok_or_else(|| anyhow::anyhow!("{}: works in some runs only", model.name))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Row {
        name: model.name.clone(),
        group: model.group.clone(),
        unit: model.unit.clone(),
        cells,
    })
}

fn cell(outcomes: &[&Outcome]) -> Option<Cell> {
    if let Outcome::Unsupported(error) = outcomes[0] {
        let all = outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Unsupported(_)));
        return all.then(|| Cell::Unsupported(error.clone()));
    }
    let best = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Times(times) if !times.is_empty() => Some(minimum(times)),
            _ => None,
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Cell::Figure {
        value: median(&best),
        spread: spread(&best),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Measured;

    fn run(operations: &[&str]) -> Run {
        let operations = operations.iter().map(|name| Measured {
            name: (*name).to_owned(),
            group: "group".to_owned(),
            unit: "call".to_owned(),
            units: 1,
            outcomes: vec![Outcome::Times(vec![2.0, 1.0])],
        });
        Run {
            kernel: "kernel".to_owned(),
            columns: vec!["tmpfs".to_owned()],
            operations: operations.collect(),
        }
    }

    fn rows(runs: &[Run]) -> Result<Vec<String>> {
        let summary = Summary::new(runs, "tmpfs", "rtmpfs")?;
        Ok(summary.rows.into_iter().map(|row| row.name).collect())
    }

    #[test]
    fn each_machine_has_its_rows() {
        let runs = [run(&["a", "b"]), run(&["c"]), run(&["a", "b"]), run(&["c"])];
        assert_eq!(rows(&runs).unwrap(), ["a", "b", "c"]);
        assert_eq!(Summary::new(&runs, "tmpfs", "rtmpfs").unwrap().runs, 2);
    }

    #[test]
    fn machines_that_do_not_go_together_are_errors() {
        assert!(rows(&[run(&["a", "b"]), run(&["a"])]).is_err());
        assert!(rows(&[run(&["a", "b"]), run(&["b", "c"])]).is_err());
        assert!(rows(&[run(&["a"]), run(&["a"]), run(&["b"])]).is_err());
    }
}
