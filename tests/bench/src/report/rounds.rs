// SPDX-License-Identifier: GPL-2.0
//! Compares times that are no better than their machine: only file systems that were measured one right after the
//! other are held against each other, and what is told is the ratio, with its spread over the rounds.

use std::path::PathBuf;

use anyhow::{ensure, Result};
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use super::statistics::{geometric_mean, maximum, median, minimum};
use crate::results::{Measured, Outcome, Run};

#[derive(clap::Args)]
pub struct Arguments {
    /// What was measured on, for the notes
    #[arg(long)]
    machine: String,
    /// Figures that `measure` wrote; the first file system is what the others are compared with
    run: PathBuf,
}

/// What one file system takes of what another takes, over all rounds.
struct Ratio {
    median: f64,
    lowest: f64,
    highest: f64,
}

impl Ratio {
    /// None where one of them does not have the operation.
    fn new(outcome: &Outcome, baseline: &Outcome) -> Result<Option<Self>> {
        let (Outcome::Times(times), Outcome::Times(baseline)) = (outcome, baseline) else {
            return Ok(None);
        };
        ensure!(
            times.len() == baseline.len() && !times.is_empty(),
            "{} rounds against {}",
            times.len(),
            baseline.len()
        );
        let rounds: Vec<_> = times
            .iter()
            .zip(baseline)
            .map(|(time, baseline)| time / baseline)
            .collect();
        ensure!(
            rounds.iter().all(|ratio| ratio.is_finite()),
            "a region that took no time"
        );
        Ok(Some(Self {
            median: median(&rounds),
            lowest: minimum(&rounds),
            highest: maximum(&rounds),
        }))
    }

    /// More in every round, so that chance is not the reason.
    fn is_above(&self) -> bool {
        self.lowest > 1.0
    }

    fn cells(&self) -> [String; 3] {
        let mark = if self.is_above() { " !" } else { "" };
        [
            format!("{:.3}{mark}", self.median),
            format!("{:.3}", self.lowest),
            format!("{:.3}", self.highest),
        ]
    }
}

/// One ratio for each file system but the first.
fn ratios(operation: &Measured) -> Result<Vec<Option<Ratio>>> {
    let Some((baseline, others)) = operation.outcomes.split_first() else {
        return Ok(Vec::new());
    };
    others
        .iter()
        .map(|outcome| Ratio::new(outcome, baseline))
        .collect()
}

pub fn run(arguments: &Arguments) -> Result<()> {
    println!(
        "{}",
        render(&Run::load(&arguments.run)?, &arguments.machine)?
    );
    Ok(())
}

fn render(run: &Run, machine: &str) -> Result<String> {
    ensure!(
        run.columns.len() > 1 && !run.operations.is_empty(),
        "nothing was measured that could be compared"
    );
    let names: Vec<_> = run.columns[1..]
        .iter()
        .map(|column| format!("{column}/{}", run.columns[0]))
        .collect();
    let rows = run
        .operations
        .iter()
        .map(ratios)
        .collect::<Result<Vec<_>>>()?;
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    let mut heading = vec!["operation".to_owned()];
    for name in &names {
        heading.extend([name.clone(), "lowest".to_owned(), "highest".to_owned()]);
    }
    table.set_header(heading);
    for (operation, ratios) in run.operations.iter().zip(&rows) {
        let mut row = vec![operation.name.clone()];
        for ratio in ratios {
            let none = || ["-"; 3].map(str::to_owned);
            row.extend(ratio.as_ref().map_or_else(none, Ratio::cells));
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!(
        "{table}\n\ntime per unit as a ratio, the median, lowest and highest of {} rounds; {machine}; Linux {}\n",
        rounds(run),
        run.kernel
    );
    for (index, name) in names.iter().enumerate() {
        let of: Vec<_> = rows.iter().filter_map(|row| row[index].as_ref()).collect();
        let medians: Vec<_> = of.iter().map(|ratio| ratio.median).collect();
        if let Some(mean) = geometric_mean(&medians) {
            let above = of.iter().filter(|ratio| ratio.is_above()).count();
            text.push_str(&format!(
                "{name}: geometric mean {mean:.3}; of {} operations {above} above 1 in every round (!), where chance \
                 alone makes {:.1}\n",
                of.len(),
                by_chance(of.len(), rounds(run))
            ));
        }
    }
    Ok(text)
}

/// How many of these operations are above 1 in every round if the file systems do not differ at all.
fn by_chance(operations: usize, rounds: usize) -> f64 {
    operations as f64 * 0.5_f64.powf(rounds as f64)
}

fn rounds(run: &Run) -> usize {
    let outcomes = run.operations.iter().flat_map(|one| &one.outcomes);
    let number = |outcome: &Outcome| match outcome {
        Outcome::Times(times) => times.len(),
        Outcome::Unsupported(_) => 0,
    };
    outcomes.map(number).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(times: &[f64]) -> Outcome {
        Outcome::Times(times.to_vec())
    }

    fn ratio(subject: &[f64], baseline: &[f64]) -> Ratio {
        Ratio::new(&times(subject), &times(baseline))
            .unwrap()
            .unwrap()
    }

    #[test]
    fn rounds_are_compared_one_by_one() {
        // The machine becomes slower all the time; the medians of both would make 1.
        let ratio = ratio(&[5.0, 10.0, 60.0], &[10.0, 40.0, 100.0]);
        assert_eq!(
            (ratio.median, ratio.lowest, ratio.highest),
            (0.5, 0.25, 0.6)
        );
    }

    #[test]
    fn above_is_what_every_round_says() {
        assert!(ratio(&[11.0, 30.0], &[10.0, 10.0]).is_above());
        assert!(!ratio(&[30.0, 30.0, 10.0], &[10.0, 10.0, 10.0]).is_above());
        assert!(!ratio(&[30.0, 30.0, 9.0], &[10.0, 10.0, 10.0]).is_above());
    }

    #[test]
    fn what_cannot_be_compared() {
        let unsupported = Outcome::Unsupported(String::new());
        for (subject, baseline) in [
            (&times(&[1.0]), &unsupported),
            (&unsupported, &times(&[1.0])),
        ] {
            assert!(Ratio::new(subject, baseline).unwrap().is_none());
        }
        for (subject, baseline) in [
            (vec![], vec![]),
            (vec![1.0], vec![1.0, 2.0]),
            (vec![1.0], vec![0.0]),
        ] {
            assert!(Ratio::new(&times(&subject), &times(&baseline)).is_err());
        }
    }

    #[test]
    fn table_of_two_others() {
        let operation = |name: &str, outcomes| Measured {
            name: name.to_owned(),
            group: String::new(),
            unit: String::new(),
            units: 1,
            outcomes,
        };
        let run = Run {
            kernel: "7.3".to_owned(),
            columns: ["one", "two", "three"].map(str::to_owned).to_vec(),
            operations: vec![
                operation(
                    "all",
                    vec![times(&[1.0, 1.0]), times(&[0.5, 0.25]), times(&[2.0, 4.0])],
                ),
                operation(
                    "some",
                    vec![
                        times(&[1.0, 1.0]),
                        times(&[1.5, 1.5]),
                        Outcome::Unsupported(String::new()),
                    ],
                ),
            ],
        };
        let text = render(&run, "a machine").unwrap();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| line.starts_with("| "))
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        let expected = [
            [
                "all", "0.375", "0.250", "0.500", "3.000 !", "2.000", "4.000",
            ],
            ["some", "1.500 !", "1.500", "1.500", "-", "-", "-"],
        ];
        assert_eq!(rows.len(), 1 + expected.len());
        for (row, expected) in rows[1..].iter().zip(expected) {
            assert_eq!(row[1..8], expected);
        }
        assert!(text.contains("highest of 2 rounds; a machine; Linux 7.3\n"));
        assert!(text.contains(
            "two/one: geometric mean 0.750; of 2 operations 1 above 1 in every round (!), where chance alone makes 0.5\n"
        ));
        assert!(text.contains(
            "three/one: geometric mean 3.000; of 1 operations 1 above 1 in every round (!), where chance alone makes 0.2\n"
        ));
    }
}
