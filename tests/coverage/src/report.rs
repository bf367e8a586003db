// SPDX-License-Identifier: GPL-2.0

//! What was reached, by file and in sum, and what was not.

use crate::excuses;
use crate::functions::{around, functions};
use crate::lines::{without_tests, Files, Lines};
use anyhow::{bail, Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// The parts of the module, and how many percent of their lines are to be reached.
const GOALS: [(&str, u64); 4] = [
    ("src/tmpfs", 95),
    ("src/mm", 90),
    ("src/vfs", 90),
    ("src/shmem", 90),
];

#[derive(Clone, Copy, Default)]
struct Sum {
    lines: u64,
    reached: u64,
    excused: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.reached += other.reached;
        self.excused += other.excused;
    }

    /// In tenths of a percent, and never more than there is.
    fn permille(self) -> u64 {
        (self.reached * 1000)
            .checked_div(self.lines)
            .unwrap_or(1000)
    }

    fn print(self, name: &str, goal: &str) {
        let permille = self.permille();
        println!(
            "{name:<32} {:>6} {:>8} {:>5}.{} {:>8}{goal}",
            self.lines,
            self.reached,
            permille / 10,
            permille % 10,
            self.excused
        );
    }
}

/// `report TOP EXCUSES LCOV...`: prints a table and a list. Excuses that are none any more are an
/// error.
pub fn report(arguments: &[String]) -> Result<ExitCode> {
    let [top, file_of_excuses, builds @ ..] = arguments else {
        bail!("usage: coverage report TOP EXCUSES LCOV...");
    };
    let mut files = Files::default();
    for path in builds {
        let text = fs::read_to_string(path).with_context(|| path.clone())?;
        files.add(top, &text).with_context(|| path.clone())?;
    }
    if files.0.is_empty() {
        bail!("no line of the module is in {}", builds.join(", "));
    }
    let text = fs::read_to_string(file_of_excuses).with_context(|| file_of_excuses.clone())?;
    let excuses = excuses::parse(&text).with_context(|| file_of_excuses.clone())?;

    let mut complaints: Vec<String> = excuses
        .iter()
        .filter(|excuse| !files.0.contains_key(&excuse.path))
        .map(|excuse| format!("{}: there is no such file", excuse.path))
        .collect();
    let mut sums = [Sum::default(); GOALS.len()];
    let mut missed = Vec::new();
    println!(
        "{:<32} {:>6} {:>8} {:>7} {:>8}",
        "file", "lines", "reached", "%", "excused"
    );
    for (path, lines) in &files.0 {
        let source = fs::read_to_string(Path::new(top).join(path)).with_context(|| path.clone())?;
        let lines = &without_tests(&source, lines);
        let functions = functions(&source).with_context(|| path.clone())?;
        let mut excused = BTreeSet::new();
        for excuse in excuses.iter().filter(|excuse| excuse.path == *path) {
            match excuse.lines(&source, &functions, lines) {
                Ok(found) => excused.extend(found),
                Err(error) => complaints.push(error.to_string()),
            }
        }
        let sum = Sum {
            lines: (lines.len() - excused.len()) as u64,
            reached: lines.values().filter(|&&count| count > 0).count() as u64,
            excused: excused.len() as u64,
        };
        sum.print(path, "");
        for ((part, _), total) in GOALS.iter().zip(&mut sums) {
            if Path::new(path).starts_with(part) {
                total.add(sum);
            }
        }
        for (first, last) in ranges(lines, &excused, |line| {
            around(&functions, line).map(|of| of.first)
        }) {
            let name = around(&functions, first).map_or("", |function| &function.name);
            let text = source.lines().nth(first - 1).unwrap_or_default().trim();
            missed.push(format!("{path}:{first}-{last}: {name}: {text}"));
        }
    }
    println!();
    for ((part, goal), sum) in GOALS.iter().zip(sums) {
        let verdict = if sum.permille() < goal * 10 {
            "below"
        } else {
            "reached"
        };
        sum.print(part, &format!("   the goal of {goal} % is {verdict}"));
    }
    if !missed.is_empty() {
        println!("\nnot reached:");
        missed.iter().for_each(|line| println!("{line}"));
    }
    for complaint in &complaints {
        eprintln!("{file_of_excuses}: {complaint}");
    }
    Ok(ExitCode::from(u8::from(!complaints.is_empty())))
}

/// Runs of lines of one function that were neither reached nor are excused; lines without code do
/// not end one. `function` says which one a line is in.
fn ranges(
    lines: &Lines,
    excused: &BTreeSet<usize>,
    function: impl Fn(usize) -> Option<usize>,
) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    // Of the run that the next line may continue.
    let mut open = None;
    for (&number, &count) in lines {
        if count > 0 || excused.contains(&number) {
            open = None;
            continue;
        }
        let here = Some(function(number));
        match found.last_mut() {
            Some((_, last)) if open == here => *last = number,
            _ => found.push((number, number)),
        }
        open = here;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_unreached_lines() {
        let lines = Lines::from([
            (1, 0),
            (2, 5),
            (3, 0),
            (5, 0),
            (6, 0),
            (7, 0),
            (8, 1),
            (9, 0),
        ]);
        let all = |_| None;
        let none = BTreeSet::new();
        let six = BTreeSet::from([6]);
        assert_eq!(ranges(&lines, &six, all), [(1, 1), (3, 5), (7, 7), (9, 9)]);
        let quarters = |line| Some(line / 4);
        assert_eq!(
            ranges(&lines, &none, quarters),
            [(1, 1), (3, 3), (5, 7), (9, 9)]
        );
        assert!(ranges(&Lines::from([(1, 1)]), &none, all).is_empty());
    }

    #[test]
    fn percents_are_rounded_down() {
        let sum = |reached, lines| Sum {
            lines,
            reached,
            excused: 0,
        };
        assert_eq!(sum(1999, 2000).permille(), 999);
        assert_eq!(sum(0, 0).permille(), 1000);
    }
}
