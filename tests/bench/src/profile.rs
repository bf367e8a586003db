// SPDX-License-Identifier: GPL-2.0
//! Tells which functions took the instructions of a timed region, from what the profiler plugin
//! counted and the symbols of the machine that ran.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::results::Run;
use crate::symbols::{self, Symbols};

#[derive(clap::Args)]
pub struct Arguments {
    /// What the plugin counted
    #[arg(long, value_name = "FILE")]
    counts: PathBuf,
    /// /proc/kallsyms of the machine, as root saw it
    #[arg(long, value_name = "FILE")]
    kallsyms: PathBuf,
    /// Figures of the same run; it must be of one operation on one file system
    #[arg(long, value_name = "FILE")]
    run: PathBuf,
    /// Leave out functions below this share, in per cent
    #[arg(long, default_value_t = 0.3, value_name = "PERCENT")]
    least: f64,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let run = Run::load(&arguments.run)?;
    let ([operation], [column]) = (&run.operations[..], &run.columns[..]) else {
        bail!(
            "{} holds more than one operation on one file system",
            arguments.run.display()
        );
    };
    let symbols = Symbols::load(&arguments.kallsyms)?;
    let counts = Counts::load(&arguments.counts)?;
    let units = (counts.regions * operation.units) as f64;
    if units == 0.0 {
        bail!("{} holds no timed region", arguments.counts.display());
    }

    let mut functions: HashMap<&str, Function> = HashMap::new();
    for block in &counts.blocks {
        let (name, start) = symbols.find(block.address);
        let function = functions.entry(name).or_default();
        function.instructions += block.instructions * block.executions;
        if start {
            function.calls += block.executions;
        }
    }
    let total: u64 = functions
        .values()
        .map(|function| function.instructions)
        .sum();
    let mut functions: Vec<_> = functions.into_iter().collect();
    functions.sort_by_key(|(_, function)| std::cmp::Reverse(function.instructions));

    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    table.set_header([
        format!("instructions per {}", operation.unit),
        "share".into(),
        "calls".into(),
        "function".into(),
    ]);
    for (name, function) in functions {
        let share = 100.0 * function.instructions as f64 / total as f64;
        if share < arguments.least {
            break;
        }
        table.add_row([
            format!("{:.1}", function.instructions as f64 / units),
            format!("{share:.1} %"),
            format!("{:.2}", function.calls as f64 / units),
            format!("{:#}", rustc_demangle::demangle(name)),
        ]);
    }
    for column in table.column_iter_mut().take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!(
        "{} on {column}: {:.1} instructions per {}",
        operation.name,
        total as f64 / units,
        operation.unit
    );
    println!("{table}");
    Ok(())
}

#[derive(Default)]
struct Function {
    instructions: u64,
    /// How often its first instruction was reached.
    calls: u64,
}

struct Block {
    address: u64,
    instructions: u64,
    executions: u64,
}

struct Counts {
    regions: u64,
    blocks: Vec<Block>,
}

impl Counts {
    fn load(path: &Path) -> Result<Self> {
        let text = symbols::read(path)?;
        let mut lines = text.lines();
        let regions = lines
            .next()
            .and_then(|line| line.strip_prefix("regions ")?.parse().ok())
            .with_context(|| format!("{} does not start with 'regions'", path.display()))?;
        let blocks = lines
            .map(|line| {
                Self::block(line).with_context(|| format!("{}: bad line '{line}'", path.display()))
            })
            .collect::<Result<_>>()?;
        Ok(Self { regions, blocks })
    }

    fn block(line: &str) -> Option<Block> {
        let mut words = line.split(' ');
        Some(Block {
            address: u64::from_str_radix(words.next()?, 16).ok()?,
            instructions: words.next()?.parse().ok()?,
            executions: words.next()?.parse().ok()?,
        })
    }
}
