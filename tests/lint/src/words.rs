// SPDX-License-Identifier: GPL-2.0

//! A comment names what it speaks of: the task, the caller, reclaim, the VFS. Pronouns for persons
//! that it leaves in the dark stand for none of them.

use crate::finding::Finding;
use crate::tree::File;

const PRONOUNS: [&str; 10] = [
    "anybody",
    "anyone",
    "everybody",
    "everyone",
    "nobody",
    "somebody",
    "someone",
    "whoever",
    "whomever",
    "whosoever",
];

fn is_vague(line: &str) -> bool {
    let Some((_, comment)) = line.split_once("//") else {
        return false;
    };
    comment
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| PRONOUNS.contains(&word.to_lowercase().as_str()))
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files {
        for (line, text) in (1..).zip(file.source.lines()) {
            if is_vague(text) {
                found.push(Finding::at(file, line));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_comments_only() {
        for line in [
            "/// Nobody else uses it.",
            "f(); // It is nobody's now.",
            "//! For whoever asks.",
        ] {
            assert!(is_vague(line), "{line}");
        }
        for line in [
            "let nobody = 65534;",
            "// The uid of `nobody_in`.",
            "/// No task uses it.",
        ] {
            assert!(!is_vague(line), "{line}");
        }
    }
}
