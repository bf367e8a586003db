// SPDX-License-Identifier: GPL-2.0

//! How often each line was reached, as llvm-cov writes it for lcov.

use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// Line numbers from 1, and how often each was reached. Lines without code are not in it.
pub type Lines = BTreeMap<usize, u64>;

/// Of the files below `top` that are the module's own, by their path from there.
#[derive(Default)]
pub struct Files(pub BTreeMap<String, Lines>);

impl Files {
    /// Adds what one build of the module reached. Builds for several kernels differ in which lines
    /// have code, and each line counts that has some in one of them.
    pub fn add(&mut self, top: &str, lcov: &str) -> Result<()> {
        let mut current = None;
        for line in lcov.lines() {
            if let Some(path) = line.strip_prefix("SF:") {
                current = own(top, path).map(|path| self.0.entry(path).or_default());
            } else if let (Some(data), Some(lines)) = (line.strip_prefix("DA:"), current.as_mut()) {
                let (number, count) = data.split_once(',').with_context(|| line.to_owned())?;
                let count: u64 = count.parse().with_context(|| line.to_owned())?;
                let sum = lines.entry(number.parse()?).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        Ok(())
    }
}

/// A path of the module's own code from `top`: not what was generated.
fn own(top: &str, path: &str) -> Option<String> {
    let path = path.strip_prefix(top)?.trim_start_matches('/');
    let module = path == "rust_tmpfs.rs" || (path.starts_with("src/") && path.ends_with(".rs"));
    module.then(|| path.to_owned())
}

/// The line that begins the unit tests at the foot of a file.
const TESTS: &str = "#[cfg(any(test, CONFIG_KUNIT))]";

/// Those of `lines` that are before the unit tests of `source`.
pub fn without_tests(source: &str, lines: &Lines) -> Lines {
    let code = source.lines().take_while(|line| *line != TESTS).count();
    lines
        .range(..=code)
        .map(|(line, count)| (*line, *count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "SF:/top/src/mm/a.rs\nFN:1,f\nDA:1,2\nDA:2,0\nend_of_record\nSF:/elsewhere/src/mm/a.rs\nDA:9,9\nend_of_record\n";
    const OTHER: &str =
        "SF:/top/src/mm/a.rs\nDA:2,0\nDA:3,5\nDA:1,18446744073709551615\nend_of_record\n";

    #[test]
    fn builds_add_up_by_line() {
        let mut files = Files::default();
        files.add("/top", ONE).unwrap();
        files.add("/top", OTHER).unwrap();
        let expected = Lines::from([(1, u64::MAX), (2, 0), (3, 5)]);
        assert_eq!(
            files.0,
            BTreeMap::from([("src/mm/a.rs".to_owned(), expected)])
        );
    }

    #[test]
    fn unit_tests_do_not_count() {
        let lines = Lines::from([(1, 1), (2, 0), (4, 1)]);
        let source = format!("fn f() {{}}\nfn g() {{}}\n{TESTS}\nmod tests {{}}\n");
        assert_eq!(
            without_tests(&source, &lines),
            Lines::from([(1, 1), (2, 0)])
        );
        assert_eq!(without_tests("fn f() {}\n", &lines).len(), 1);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Files::default()
            .add("/top", "SF:/top/src/a.rs\nDA:1;2\n")
            .is_err());
    }
}
