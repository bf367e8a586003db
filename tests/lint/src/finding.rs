// SPDX-License-Identifier: GPL-2.0

use crate::tree::File;
use proc_macro2::Span;

/// A place that breaks a rule.
#[derive(Debug)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    /// The line as it is in the file.
    pub text: String,
}

impl Finding {
    pub fn new(file: &File, span: Span) -> Self {
        Self::at(file, span.start().line)
    }

    /// One at a line, which are counted from 1.
    pub fn at(file: &File, line: usize) -> Self {
        let text = file.source.lines().nth(line - 1).unwrap_or_default();
        Self {
            path: file.path.clone(),
            line,
            text: text.trim().to_owned(),
        }
    }
}

/// The lines that a rule finds in a file with this source.
#[cfg(test)]
pub fn lines(check: fn(&[File]) -> Vec<Finding>, path: &str, source: &str) -> Vec<usize> {
    let files = [File::new(path, source).unwrap()];
    check(&files).iter().map(|finding| finding.line).collect()
}
