// SPDX-License-Identifier: GPL-2.0

//! A comment, or a page, names what it speaks of: the task, the caller, reclaim, the VFS. Pronouns for persons
//! that it leaves in the dark stand for none of them. And a comment that says why an `unsafe` block is sound, or
//! that an invariant holds, says so by itself: a pointer to another one goes wrong when that moves.

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

/// How a comment begins that points to another one.
const POINTERS: [&str; 5] = ["as above", "as before", "as in ", "as said ", "see "];

/// What a line of code says to readers.
fn comment(line: &str) -> &str {
    line.split_once("//").map_or("", |(_, comment)| comment)
}

fn is_vague(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| PRONOUNS.contains(&word.to_lowercase().as_str()))
}

/// Whether a comment only says where a reason is.
fn is_pointer(comment: &str) -> bool {
    ["SAFETY:", "INVARIANT:"].iter().any(|mark| {
        comment
            .trim_start()
            .strip_prefix(mark)
            .is_some_and(|reason| {
                let reason = reason.trim_start().to_lowercase();
                POINTERS.iter().any(|pointer| reason.starts_with(pointer))
            })
    })
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files {
        for (line, text) in (1..).zip(file.source.lines()) {
            let text = if file.is_page() { text } else { comment(text) };
            if is_vague(text) || is_pointer(text) {
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
    fn in_pages() {
        let files = [
            File::new("src/guide/a.md", "The lock that whoever reads takes.\n").unwrap(),
            File::new("src/a.rs", "use whoever as a;\n").unwrap(),
        ];
        let found = check(&files);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "src/guide/a.md");
    }

    #[test]
    fn pointers() {
        for line in [
            "    // SAFETY: As above.",
            "// SAFETY: as above; no reference is made.",
            "// SAFETY: As in `read()`; it is locked.",
            "// INVARIANT: As said above.",
            "// SAFETY: See `read()`.",
        ] {
            assert!(is_pointer(comment(line)), "{line}");
        }
        for line in [
            "// SAFETY: As many pages as it has are locked.",
            "// SAFETY: As was just said, the mount is live.",
            "// A copy, as above.",
            "// SAFETY: It is a part of this value.",
        ] {
            assert!(!is_pointer(comment(line)), "{line}");
        }
    }

    #[test]
    fn in_comments_only() {
        for line in [
            "/// Nobody else uses it.",
            "f(); // It is nobody's now.",
            "//! For whoever asks.",
        ] {
            assert!(is_vague(comment(line)), "{line}");
        }
        for line in [
            "let nobody = 65534;",
            "// The uid of `nobody_in`.",
            "/// No task uses it.",
        ] {
            assert!(!is_vague(comment(line)), "{line}");
        }
    }
}
