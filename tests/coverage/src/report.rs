// SPDX-License-Identifier: GPL-2.0

//! What was reached, by file and in sum, and what was not.

use crate::excuses::{self, Excuse};
use crate::functions::{around, functions};
use crate::lines::{without_tests, Files, Lines};
use anyhow::{bail, Context, Result};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
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

    fn write(self, to: &mut String, name: &str) -> fmt::Result {
        writeln!(
            to,
            "{name:<32} {:>6} {:>8} {:>7} {:>8}",
            self.lines,
            self.reached,
            percent(self.permille()),
            self.excused
        )
    }
}

fn percent(permille: u64) -> String {
    format!("{}.{}", permille / 10, permille % 10)
}

/// What is said of lines that no test reaches and no excuse is for.
const NO_REASON: &str = "no reason given";

/// `report TOP EXCUSES LCOV...`: prints a table, a list and results. A goal that is not reached fails, and so does an
/// excuse that is none any more.
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
    let source = |path: &str| fs::read_to_string(Path::new(top).join(path));
    let (page, is_good) = page(&files, &excuses, source)?;
    print!("{page}");
    Ok(ExitCode::from(u8::from(!is_good)))
}

/// What is to be read, and whether all goals are reached and all excuses are true.
fn page(
    files: &Files,
    excuses: &[Excuse],
    source: impl Fn(&str) -> std::io::Result<String>,
) -> Result<(String, bool)> {
    let mut complaints: Vec<String> = excuses
        .iter()
        .filter(|excuse| !files.0.contains_key(&excuse.path))
        .map(|excuse| format!("{}: there is no such file", excuse.path))
        .collect();
    let mut sums = [Sum::default(); GOALS.len()];
    let (mut missed, mut without_reason, mut with_reason) = (Vec::new(), 0, 0);
    let mut page = format!(
        "{:<32} {:>6} {:>8} {:>7} {:>8}\n",
        "file", "lines", "reached", "%", "excused"
    );
    for (path, lines) in &files.0 {
        let source = source(path).with_context(|| path.clone())?;
        let lines = &without_tests(&source, lines);
        let functions = functions(&source).with_context(|| path.clone())?;
        let mut excused = BTreeMap::new();
        for excuse in excuses.iter().filter(|excuse| excuse.path == *path) {
            match excuse.lines(&source, &functions, lines) {
                Ok(found) => {
                    excused.extend(found.into_iter().map(|line| (line, excuse.reason.as_str())));
                }
                Err(error) => complaints.push(error.to_string()),
            }
        }
        let sum = Sum {
            lines: (lines.len() - excused.len()) as u64,
            reached: lines.values().filter(|&&count| count > 0).count() as u64,
            excused: excused.len() as u64,
        };
        sum.write(&mut page, path)?;
        for ((part, _), total) in GOALS.iter().zip(&mut sums) {
            if Path::new(path).starts_with(part) {
                total.add(sum);
            }
        }
        with_reason += sum.excused;
        without_reason += sum.lines - sum.reached;
        for (first, last) in ranges(lines, |line| {
            let function = around(&functions, line).map(|of| of.first);
            (function, excused.get(&line))
        }) {
            let name = around(&functions, first).map_or("", |function| &function.name);
            let text = source.lines().nth(first - 1).unwrap_or_default().trim();
            let reason = excused.get(&first).unwrap_or(&NO_REASON);
            missed.push(format!("{path}:{first}-{last}: {name}: {text}: {reason}"));
        }
    }
    writeln!(page)?;
    for ((part, _), sum) in GOALS.iter().zip(sums) {
        sum.write(&mut page, part)?;
    }
    if !missed.is_empty() {
        writeln!(page, "\nnot reached:\n{}", missed.join("\n"))?;
    }
    let mut results = Results::default();
    for ((part, goal), sum) in GOALS.iter().zip(sums) {
        let name = format!("tests reach {goal} % of the lines of {part}");
        let is_reached = sum.lines > 0 && sum.permille() >= goal * 10;
        let below = (!is_reached).then(|| format!("{} %", percent(sum.permille())));
        results.add(&name, below.as_slice());
    }
    results.add("what is excused is there and not reached", &complaints);
    write!(
        page,
        "\n{}1..{}\n\n{} lines are not reached: {with_reason} with a reason, {without_reason} with {NO_REASON}\n",
        results.lines,
        results.count,
        with_reason + without_reason
    )?;
    Ok((page, !results.has_failed))
}

/// As TAP.
#[derive(Default)]
struct Results {
    lines: String,
    count: usize,
    has_failed: bool,
}

impl Results {
    /// A test that fails where there are details.
    fn add(&mut self, name: &str, details: &[String]) {
        self.count += 1;
        self.has_failed |= !details.is_empty();
        let word = if details.is_empty() { "ok" } else { "not ok" };
        self.lines
            .push_str(&format!("{word} {} - {name}\n", self.count));
        for line in details {
            self.lines.push_str(&format!("#   {line}\n"));
        }
    }
}

/// Runs of unreached lines that have the same said of them; lines without code do not end one.
fn ranges<K: PartialEq>(lines: &Lines, said: impl Fn(usize) -> K) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    // Of the run that the next line may continue.
    let mut open = None;
    for (&number, &count) in lines {
        if count > 0 {
            open = None;
            continue;
        }
        let here = Some(said(number));
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
        let of_six = |line| line == 6;
        assert_eq!(
            ranges(&lines, of_six),
            [(1, 1), (3, 5), (6, 6), (7, 7), (9, 9)]
        );
        let quarters = |line| line / 4;
        assert_eq!(ranges(&lines, quarters), [(1, 1), (3, 3), (5, 7), (9, 9)]);
        assert!(ranges(&Lines::from([(1, 1)]), quarters).is_empty());
    }

    const SOURCE: &str = "fn f() {\n    g();\n    h();\n}\nfn i() {\n    j();\n}\n";

    /// The source of each file, with a line for all that are counted.
    fn source(_: &str) -> std::io::Result<String> {
        Ok(format!("{SOURCE}{}", "\n".repeat(93)))
    }

    /// What is said where each part has a file with 100 lines of which so many are not reached, the third and the
    /// sixth among them, and there are these excuses.
    fn page_of(missing: u64, excuses: &str) -> (String, bool) {
        let mut files = Files::default();
        for (part, _) in GOALS {
            let lines = (1..=100).map(|line| (line, u64::from(line != 3 && line != 6)));
            let mut lines: Lines = lines.collect();
            for line in (8..=100).rev().take(missing.saturating_sub(2) as usize) {
                lines.insert(line, 0);
            }
            files.0.insert(format!("{part}/a.rs"), lines);
        }
        page(&files, &excuses::parse(excuses).unwrap(), source).unwrap()
    }

    #[test]
    fn a_goal_that_is_not_reached_fails() {
        let (text, is_good) = page_of(5, "");
        assert!(is_good && !text.contains("not ok"), "{text}");
        assert!(
            text.contains("\nok 1 - tests reach 95 % of the lines of src/tmpfs\n"),
            "{text}"
        );
        assert!(text.contains("\n1..5\n"), "{text}");

        let (text, is_good) = page_of(6, "");
        assert!(!is_good);
        let failed = "\nnot ok 1 - tests reach 95 % of the lines of src/tmpfs\n#   94.0 %\nok 2 - ";
        assert!(text.contains(failed), "{text}");

        let (text, is_good) = page_of(11, "");
        assert!(!is_good);
        assert_eq!(text.matches("\nnot ok ").count(), GOALS.len(), "{text}");
    }

    #[test]
    fn a_part_without_lines_fails() {
        let files = Files(BTreeMap::from([(
            "src/tmpfs/a.rs".to_owned(),
            Lines::from([(1, 1)]),
        )]));
        let (text, is_good) = page(&files, &[], source).unwrap();
        assert!(!is_good);
        assert_eq!(text.matches("\nnot ok ").count(), GOALS.len() - 1, "{text}");
    }

    #[test]
    fn an_excuse_that_is_none_fails() {
        for excuse in ["src/mm/a.rs\tline g();\twhy\n", "src/mm/b.rs\tfn g\twhy\n"] {
            let (text, is_good) = page_of(2, excuse);
            assert!(!is_good);
            assert!(text.contains("\nnot ok 5 - "), "{text}");
        }
    }

    #[test]
    fn each_line_has_its_reason_or_none() {
        let (text, is_good) = page_of(2, "src/mm/a.rs\tfn i\tno disk breaks so\n");
        assert!(is_good);
        for line in [
            "src/mm/a.rs:3-3: f: h();: no reason given",
            "src/mm/a.rs:6-6: i: j();: no disk breaks so",
            "src/vfs/a.rs:6-6: i: j();: no reason given",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        let last = text.lines().last();
        assert_eq!(
            last,
            Some("8 lines are not reached: 1 with a reason, 7 with no reason given")
        );
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
