// SPDX-License-Identifier: GPL-2.0
//! The comparison as a Markdown table.

use std::fmt::Write;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use super::statistics::{geometric_mean, median};
use super::summary::{Cell, Row, Summary};

/// Ratios above these are marked, with one and with two signs.
const WORSE: f64 = 1.00;
const MUCH_WORSE: f64 = 1.10;

pub fn render(summary: &Summary, counted: &str) -> String {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    table.set_header(heading(summary));
    for row in &summary.rows {
        table.add_row(line(summary, row));
    }
    if let Some(subject) = summary.subject {
        for group in summary.groups() {
            let of_group = |row: &&Row| row.group == group;
            table.add_row(mean_line(summary, subject, group, of_group));
        }
        table.add_row(mean_line(summary, subject, "all", |_| true));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n\n{}", notes(summary, counted))
}

/// The columns that the subject is compared with: the baseline, and the best of the baseline's
/// modes where more than one was measured.
fn heading(summary: &Summary) -> Vec<String> {
    let mut heading = vec!["operation".to_owned(), "per".to_owned()];
    heading.extend(summary.columns.iter().cloned());
    if let Some(subject) = summary.subject {
        let (subject, baseline) = (
            &summary.columns[subject],
            &summary.columns[summary.baseline],
        );
        heading.push(format!("{subject}/{baseline}"));
        if summary.baseline_modes().len() > 1 {
            heading.push(format!("{subject}/best {baseline}"));
        }
    }
    heading
}

fn line(summary: &Summary, row: &Row) -> Vec<String> {
    let mut line = vec![row.name.clone(), row.unit.clone()];
    line.extend(row.cells.iter().map(|cell| match cell.value() {
        Some(value) => format!("{value:.0}"),
        None => "-".to_owned(),
    }));
    if let Some(subject) = summary.subject {
        line.push(marked(summary.ratio(row, subject)));
        if summary.baseline_modes().len() > 1 {
            line.push(marked(ratio_to_best(summary, row, subject)));
        }
    }
    line
}

fn ratio_to_best(summary: &Summary, row: &Row, subject: usize) -> Option<f64> {
    let best = summary
        .baseline_modes()
        .into_iter()
        .filter_map(|column| row.cells[column].value())
        .min_by(f64::total_cmp)?;
    Some(row.cells[subject].value()? / best)
}

fn marked(ratio: Option<f64>) -> String {
    match ratio {
        None => "-".to_owned(),
        Some(ratio) if ratio > MUCH_WORSE => format!("{ratio:.3} !!"),
        Some(ratio) if ratio > WORSE => format!("{ratio:.3} !"),
        Some(ratio) => format!("{ratio:.3}"),
    }
}

fn mean_line(
    summary: &Summary,
    subject: usize,
    label: &str,
    is_meant: impl Fn(&&Row) -> bool,
) -> Vec<String> {
    let rows: Vec<_> = summary.rows.iter().filter(is_meant).collect();
    let mean = |ratio: &dyn Fn(&Row) -> Option<f64>| {
        let ratios: Vec<_> = rows.iter().filter_map(|row| ratio(row)).collect();
        marked(geometric_mean(&ratios))
    };
    let mut line = vec![format!("geometric mean, {label}")];
    line.resize(2 + summary.columns.len(), String::new());
    line.push(mean(&|row| summary.ratio(row, subject)));
    if summary.baseline_modes().len() > 1 {
        line.push(mean(&|row| ratio_to_best(summary, row, subject)));
    }
    line
}

fn notes(summary: &Summary, counted: &str) -> String {
    let mut text = format!(
        "{counted} per unit, median of {} run(s) of the best repetition of each; Linux {}\n",
        summary.runs, summary.kernel
    );
    if counted == "instructions" {
        text.push_str(
            "instructions are not time: an atomic operation or a cache miss counts one, and one \
             processor knows no contention\n",
        );
    }
    let result = write_verdict(&mut text, summary)
        .and_then(|()| write_spread(&mut text, summary))
        .and_then(|()| write_missing(&mut text, summary));
    result.expect("writing to a string cannot fail");
    text
}

fn write_verdict(text: &mut String, summary: &Summary) -> std::fmt::Result {
    if summary.subject.is_none() {
        return Ok(());
    }
    let above = |limit: f64| summary.ratios().filter(|(_, ratio)| *ratio > limit).count();
    let total = summary.ratios().count();
    writeln!(
        text,
        "of {total} operations {} above {WORSE:.2} (!), {} of them above {MUCH_WORSE:.2} (!!)",
        above(WORSE),
        above(MUCH_WORSE)
    )
}

fn write_spread(text: &mut String, summary: &Summary) -> std::fmt::Result {
    if summary.runs < 2 {
        return Ok(());
    }
    let mut all = Vec::new();
    let mut worst = (0.0, "none".to_owned());
    for row in &summary.rows {
        for (cell, column) in row.cells.iter().zip(&summary.columns) {
            let Cell::Figure { spread, .. } = cell else {
                continue;
            };
            all.push(*spread);
            if *spread > worst.0 {
                worst = (*spread, format!("{} on {column}", row.name));
            }
        }
    }
    if all.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "spread over the runs: median {:.2} %, at most {:.2} % ({})",
        100.0 * median(&all),
        100.0 * worst.0,
        worst.1
    )
}

fn write_missing(text: &mut String, summary: &Summary) -> std::fmt::Result {
    for row in &summary.rows {
        for (cell, column) in row.cells.iter().zip(&summary.columns) {
            if let Cell::Unsupported(error) = cell {
                writeln!(text, "-: {} on {column}: {error}", row.name)?;
            }
        }
    }
    Ok(())
}
