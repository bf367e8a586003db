// SPDX-License-Identifier: GPL-2.0

//! What src/bindings takes from C is used, and in order: the allowlist of bindgen, the helpers, the typed
//! constants.

use crate::finding::Finding;
use crate::tree::File;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::fs;

/// From the top of the checkout.
const ALLOWLIST: &str = "src/bindings/allowlist";
const HELPERS: &str = "src/bindings/helpers.c";
const HEADER: &str = "src/bindings/bindings.h";

fn add_words(tokens: TokenStream, words: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) => drop(words.insert(word.to_string())),
            TokenTree::Group(group) => add_words(group.stream(), words),
            _ => {}
        }
    }
}

/// All names that the code uses, whatever they mean; no comments, and no pages, which only speak of them.
fn words(files: &[File]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for file in files.iter().filter(|file| !file.is_page()) {
        if let Ok(tokens) = file.source.parse() {
            add_words(tokens, &mut words);
        }
    }
    words
}

/// What a line names: in which list, and the name.
type Named<'a> = Option<(&'a str, &'a str)>;
type Reader = fn(&str) -> Named<'_>;

/// A line of the allowlist. Prefixes stand for what the other files here name.
fn allowed(line: &str) -> Named<'_> {
    let (kind, name) = line.strip_prefix("--allowlist-")?.split_once(" '")?;
    let name = name.strip_suffix('\'')?;
    (!["rtmpfs_helper_.*", "RUST_CONST_.*"].contains(&name)).then_some((kind, name))
}

/// A line with the name of a helper that is defined.
fn helper(line: &str) -> Named<'_> {
    if line.starts_with(['\t', ' ']) {
        return None;
    }
    let (_, name) = line.split_once("rtmpfs_helper_")?;
    Some(("helper", name.split_once('(')?.0))
}

/// A line of the header that makes a typed constant.
fn constant(line: &str) -> Named<'_> {
    let (_, name) = line.strip_prefix("RTMPFS_CONST(")?.split_once(", ")?;
    Some(("constant", name.strip_suffix(");")?))
}

/// An enumeration is used by its values, whose names begin with its own.
fn is_used((kind, name): (&str, &str), words: &BTreeSet<String>) -> bool {
    let prefix = format!("{name}_");
    let mut longer = words.range(prefix.clone()..);
    words.contains(name)
        || (kind == "type" && longer.next().is_some_and(|word| word.starts_with(&prefix)))
}

fn look_through(
    path: &str,
    text: &str,
    named: Reader,
    sorted: bool,
    words: &BTreeSet<String>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut last = None;
    for (at, line) in text.lines().enumerate() {
        let Some((kind, name)) = named(line) else {
            continue;
        };
        let mut report = |text| {
            found.push(Finding {
                path: path.to_owned(),
                line: at + 1,
                text,
            });
        };
        if !is_used((kind, name), words) {
            report(format!("{name} is not used"));
        }
        if let Some((_, before)) = last.filter(|(before, _)| sorted && *before == kind) {
            if before >= name {
                report(format!("{name} does not come after {before}"));
            }
        }
        last = Some((kind, name));
    }
    found
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let words = words(files);
    let lists: [(&str, Reader, bool); 3] = [
        (ALLOWLIST, allowed, true),
        (HELPERS, helper, true),
        // In groups by what they depend on.
        (HEADER, constant, false),
    ];
    lists
        .iter()
        .flat_map(|(path, named, sorted)| match fs::read_to_string(path) {
            Ok(text) => look_through(path, &text, *named, *sorted, &words),
            Err(e) => vec![Finding {
                path: (*path).to_owned(),
                line: 1,
                text: e.to_string(),
            }],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, named: Reader) -> Vec<usize> {
        let code = "fn f() { m!(used, a); t_one(b); } // unused\n";
        let words = words(&[File::new("src/mm/a.rs", code).unwrap()]);
        let found = look_through("list", text, named, true, &words);
        found.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn the_allowlist() {
        let text = "# Types.\n--allowlist-type 't'\n--allowlist-type 'unused'\n\n--allowlist-function 'a'\n\
                    --allowlist-function 'used'\n--allowlist-function 'b'\n--allowlist-function 'rtmpfs_helper_.*'\n\
                    --allowlist-var '(a|b)'\n";
        assert_eq!(lines(text, allowed), [3, 7, 9]);
    }

    #[test]
    fn helpers() {
        let text =
            "__rtmpfs_helper\nvoid rtmpfs_helper_b(void)\n{\n\tb();\n}\n\n__rtmpfs_helper\nint *\n\
                    rtmpfs_helper_a(int i)\n{\n\treturn a(i);\n}\nint rtmpfs_helper_c(void)\n";
        assert_eq!(lines(text, helper), [9, 13]);
    }

    #[test]
    fn constants() {
        assert_eq!(
            lines("RTMPFS_CONST(int, a);\nRTMPFS_CONST(int, c);\n", constant),
            [2]
        );
    }
}
