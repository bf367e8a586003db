// SPDX-License-Identifier: GPL-2.0

//! The file `unreached`: what of the module needs no test, and why.

use crate::functions::{around, Function};
use crate::lines::Lines;
use anyhow::{bail, Context, Result};

/// What an excuse is for.
#[derive(Debug, PartialEq)]
enum What {
    /// All lines of the functions of this name.
    Function(String),
    /// Where a line has this text, the unreached lines around it in the same function.
    Line(String),
}

/// One line of the file.
#[derive(Debug)]
pub struct Excuse {
    pub path: String,
    what: What,
    pub reason: String,
}

impl Excuse {
    /// Three columns with a tab between: the path, `fn NAME` or `line TEXT`, the reason.
    fn parse(line: &str) -> Result<Self> {
        let mut columns = line.split('\t');
        let (Some(path), Some(what), Some(reason), None) = (
            columns.next(),
            columns.next(),
            columns.next(),
            columns.next(),
        ) else {
            bail!("not three columns with a tab between");
        };
        if reason.trim().is_empty() {
            bail!("no reason");
        }
        let what = match what.split_once(' ') {
            Some(("fn", name)) => What::Function(name.to_owned()),
            Some(("line", text)) => What::Line(text.to_owned()),
            _ => bail!("'{what}' is neither fn NAME nor line TEXT"),
        };
        Ok(Self {
            path: path.to_owned(),
            what,
            reason: reason.trim().to_owned(),
        })
    }

    /// The unreached lines that it is for; an error, if there are none.
    pub fn lines(&self, source: &str, functions: &[Function], lines: &Lines) -> Result<Vec<usize>> {
        let mut known = false;
        let mut excused = Vec::new();
        match &self.what {
            What::Function(name) => {
                for function in functions.iter().filter(|function| function.name == *name) {
                    known = true;
                    let range = lines.range(function.first..=function.last);
                    excused.extend(
                        range
                            .filter(|(_, &count)| count == 0)
                            .map(|(&number, _)| number),
                    );
                }
            }
            What::Line(text) => {
                for (index, _) in source
                    .lines()
                    .enumerate()
                    .filter(|(_, line)| line.contains(text))
                {
                    known = true;
                    let number = index + 1;
                    let (first, last) = around(functions, number)
                        .map_or((number, number), |function| (function.first, function.last));
                    if lines.get(&number) == Some(&0) {
                        excused.extend(unreached(lines.range(number..=last)));
                        excused.extend(unreached(lines.range(first..number).rev()));
                    }
                }
            }
        }
        match (known, excused.is_empty()) {
            (false, _) => bail!("{}: there is no {}", self.path, self.what),
            (true, true) => bail!("{}: {} is reached", self.path, self.what),
            (true, false) => Ok(excused),
        }
    }
}

/// The lines from the first of `range` on that were not reached, up to one that was.
fn unreached<'a>(range: impl Iterator<Item = (&'a usize, &'a u64)>) -> Vec<usize> {
    range
        .take_while(|(_, &count)| count == 0)
        .map(|(&number, _)| number)
        .collect()
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Function(name) => write!(f, "fn {name}"),
            Self::Line(text) => write!(f, "line '{text}'"),
        }
    }
}

/// The excuses of the file; lines that are empty or begin with a # are for the reader.
pub fn parse(text: &str) -> Result<Vec<Excuse>> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(index, line)| Excuse::parse(line).with_context(|| format!("line {}", index + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::functions;
    use std::fs;
    use std::path::Path;

    const SOURCE: &str = "fn f() {\n    if x {\n        fail();\n        log();\n    }\n    if y {\n        log();\n    \
                          }\n}\nfn g() {\n    0\n}\n";

    fn excused(excuse: &str, lines: &[(usize, u64)]) -> Result<Vec<usize>> {
        let excuses = parse(excuse)?;
        let lines = lines.iter().copied().collect();
        excuses[0].lines(SOURCE, &functions(SOURCE)?, &lines)
    }

    const SEEN: [(usize, u64); 10] = [
        (1, 1),
        (2, 1),
        (3, 0),
        (4, 0),
        (6, 1),
        (7, 0),
        (9, 1),
        (10, 0),
        (11, 0),
        (12, 0),
    ];

    #[test]
    fn a_function() {
        assert_eq!(excused("a\tfn g\twhy", &SEEN).unwrap(), [10, 11, 12]);
        assert_eq!(excused("a\tfn f\twhy", &SEEN).unwrap(), [3, 4, 7]);
    }

    #[test]
    fn a_line_and_what_is_around_it() {
        assert_eq!(excused("a\tline fail();\twhy", &SEEN).unwrap(), [3, 4]);
        let mut found = excused("a\tline log();\twhy", &SEEN).unwrap();
        found.sort_unstable();
        assert_eq!(found, [3, 4, 7]);
    }

    #[test]
    fn what_is_reached_or_not_there_is_no_excuse() {
        assert!(excused("a\tfn h\twhy", &SEEN).is_err());
        assert!(excused("a\tline if x\twhy", &SEEN).is_err());
        assert!(excused("a\tfn g\twhy", &[(10, 1), (11, 1)]).is_err());
    }

    #[test]
    fn the_module_has_what_they_name() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let text = fs::read_to_string(top.join("tests/coverage/unreached")).unwrap();
        for excuse in parse(&text).unwrap() {
            let source = fs::read_to_string(top.join(&excuse.path)).expect(&excuse.path);
            // As if nothing were reached.
            let lines = (1..).zip(source.lines()).map(|(number, _)| (number, 0));
            let functions = functions(&source).unwrap();
            excuse.lines(&source, &functions, &lines.collect()).unwrap();
        }
    }

    #[test]
    fn each_has_a_reason() {
        assert!(parse("a\tfn g\t \n").is_err());
        assert!(parse("a\tfn g\n").is_err());
        assert!(parse("a\tstruct g\twhy\n").is_err());
        assert!(parse("# a\n\n").unwrap().is_empty());
    }
}
