// SPDX-License-Identifier: GPL-2.0
//! Compares what two processors have to agree on, from what the profiler plugin saw: the atomic instructions of the
//! kernel, and its stores to cache lines that both processors store to again and again. Memory that goes from one to
//! the other once, as a slab does whose objects one has made and both take, is not among them.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{bail, ensure, Context, Result};
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::beside::{Ran, KNOWN_ATOMICS, KNOWN_SHARED};
use crate::symbols::{self, Symbols};

#[derive(clap::Args)]
pub struct Arguments {
    /// What the plugin saw
    #[arg(long, value_name = "FILE")]
    seen: PathBuf,
    /// /proc/kallsyms of the machine, as root saw it
    #[arg(long, value_name = "FILE")]
    kallsyms: PathBuf,
    /// What was run
    #[arg(long, value_name = "FILE")]
    run: PathBuf,
    /// Show the functions, too
    #[arg(long)]
    functions: bool,
}

/// A line is shared that each processor stores to in so many of the 64 parts of its time: a counter of 1,000 operations
/// that is changed in batches of 32 is one.
const ENOUGH_SECTIONS: u64 = 16;

/// What may be more by chance, beside two hundredths: where the two meet, and what interrupts do.
const CHANCE: f64 = 0.1;

/// By function.
type Counts<'a> = HashMap<&'a str, u64>;

/// What was seen of one operation on one file system.
#[derive(Default)]
struct Seen<'a> {
    atomics: Counts<'a>,
    /// By cache line, and by processor.
    lines: HashMap<u64, [Stores<'a>; 2]>,
}

/// Of one processor to a line.
#[derive(Default)]
struct Stores<'a> {
    sections: u64,
    counts: Counts<'a>,
}

impl<'a> Seen<'a> {
    /// The stores to each line that both processors share, by function.
    fn shared(&self) -> impl Iterator<Item = Counts<'a>> + '_ {
        let is_shared =
            |line: &&[Stores<'a>; 2]| line.iter().all(|stores| stores.sections >= ENOUGH_SECTIONS);
        self.lines
            .values()
            .filter(is_shared)
            .map(|line| sum(line.iter().map(|stores| &stores.counts)))
    }

    /// Those to all of these lines.
    fn stores(&self) -> Counts<'a> {
        sum(&self.shared().collect::<Vec<_>>())
    }

    fn line(&mut self, line: u64, processor: &str) -> Option<&mut Stores<'a>> {
        let line = self.lines.entry(line).or_default();
        line.get_mut(processor.parse::<usize>().ok()?)
    }

    fn atomics(&self) -> Counts<'a> {
        self.atomics.clone()
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let symbols = Symbols::load(&arguments.kallsyms)?;
    let text = symbols::read(&arguments.seen)?;
    let seen = load(&text, &symbols)?;
    let ran: Vec<Ran> = serde_json::from_str(&symbols::read(&arguments.run)?)
        .with_context(|| format!("{} does not say what was run", arguments.run.display()))?;
    ensure!(
        ran.len() == seen.len(),
        "{} things were run, and {} seen",
        ran.len(),
        seen.len()
    );
    let ([known, ran @ ..], [seen_known, seen @ ..]) = (&ran[..], &seen[..]) else {
        bail!("nothing was run");
    };
    check(known, seen_known)?;
    let mut columns: Vec<&str> = Vec::new();
    let mut operations: Vec<&str> = Vec::new();
    for one in ran {
        if !columns.contains(&&*one.column) {
            columns.push(&one.column);
        }
        if operations.last() != Some(&&*one.operation) {
            operations.push(&one.operation);
        }
    }
    let find = |operation: &str, column: &str| {
        let is_it = |one: &Ran| one.operation == operation && one.column == column;
        let at = ran.iter().position(is_it)?;
        (ran[at].units > 0).then_some((&ran[at], &seen[at]))
    };
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    let mut heading = vec!["operation".to_owned()];
    for what in ["atomics", "shared stores"] {
        heading.extend(columns.iter().map(|column| format!("{what}, {column}")));
    }
    table.set_header(heading);
    for operation in &operations {
        let mut row = vec![(*operation).to_owned()];
        for of in [Seen::atomics, Seen::stores] {
            let mut first = None;
            for column in &columns {
                let Some((ran, seen)) = find(operation, column) else {
                    row.push("-".to_owned());
                    continue;
                };
                let figure = total(&of(seen)) as f64 / ran.units as f64;
                let is_above = first.is_some_and(|first| figure > first * 1.02 + CHANCE);
                row.push(format!("{figure:.2}{}", if is_above { " !" } else { "" }));
                first.get_or_insert(figure);
            }
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    if arguments.functions {
        for operation in &operations {
            for column in &columns {
                if let Some((ran, seen)) = find(operation, column) {
                    show(ran, seen);
                }
            }
        }
    }
    Ok(())
}

/// Whether what is known beforehand was seen, and nothing else in user space.
fn check(ran: &Ran, seen: &Seen<'_>) -> Result<()> {
    for (what, counts, each) in [
        ("atomic instructions", seen.atomics(), KNOWN_ATOMICS),
        ("stores to a shared line", seen.stores(), KNOWN_SHARED),
    ] {
        let found = counts.get(symbols::USER_SPACE).copied().unwrap_or(0);
        let expected = each * ran.units;
        ensure!(
            found == expected,
            "the count is wrong: of {expected} {what} {found} were seen"
        );
    }
    Ok(())
}

fn sum<'a, 'b>(all: impl IntoIterator<Item = &'b Counts<'a>>) -> Counts<'a>
where
    'a: 'b,
{
    let mut counts = Counts::default();
    for (name, count) in all.into_iter().flatten() {
        *counts.entry(*name).or_default() += count;
    }
    counts
}

fn total(counts: &Counts<'_>) -> u64 {
    counts.values().sum()
}

/// The atomic instructions of an operation by function, and its shared lines with the functions that store to each, for
/// each of its units.
fn show(ran: &Ran, seen: &Seen<'_>) {
    let heading = |what| {
        println!(
            "\n{} on {}: {what} per {}",
            ran.operation, ran.column, ran.unit
        )
    };
    heading("atomics");
    for (name, count) in descending(&seen.atomics) {
        row(ran, count, &name);
    }
    heading("stores to each shared line");
    let mut lines: Vec<_> = seen.shared().collect();
    lines.sort_by_key(|counts| std::cmp::Reverse(total(counts)));
    for counts in lines {
        let names: Vec<_> = descending(&counts).map(|(name, _)| name).collect();
        row(ran, total(&counts), &names.join(", "));
    }
}

/// Functions and their counts, the most first.
fn descending(counts: &Counts<'_>) -> impl Iterator<Item = (String, u64)> {
    let mut counts: Vec<_> = counts
        .iter()
        .map(|(name, count)| (format!("{:#}", rustc_demangle::demangle(name)), *count))
        .collect();
    counts.sort_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
    counts.into_iter()
}

/// A row, unless it is next to nothing.
fn row(ran: &Ran, count: u64, text: &str) {
    let figure = count as f64 / ran.units as f64;
    if figure >= 0.01 {
        println!("{figure:10.2} {text}");
    }
}

fn load<'a>(text: &str, symbols: &'a Symbols) -> Result<Vec<Seen<'a>>> {
    let (mut all, mut seen) = (Vec::new(), Seen::default());
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let address = |word: &str| u64::from_str_radix(word, 16).ok();
        let parsed = (|| match words[..] {
            ["next"] => {
                all.push(std::mem::take(&mut seen));
                Some(())
            }
            ["atomic", instruction, executions] => {
                let name = symbols.find(address(instruction)?).0;
                *seen.atomics.entry(name).or_default() += executions.parse::<u64>().ok()?;
                Some(())
            }
            ["store", line, processor, instruction, executions] => {
                let name = symbols.find(address(instruction)?).0;
                let stores = seen.line(address(line)?, processor)?;
                *stores.counts.entry(name).or_default() += executions.parse::<u64>().ok()?;
                Some(())
            }
            ["sections", line, processor, number] => {
                seen.line(address(line)?, processor)?.sections = number.parse().ok()?;
                Some(())
            }
            _ => None,
        })();
        parsed.with_context(|| format!("bad line '{line}'"))?;
    }
    Ok(all)
}
