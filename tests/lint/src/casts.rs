// SPDX-License-Identifier: GPL-2.0

//! Casts that lose a sign or bits, and operators that may overflow, are for the file of the quantities. clippy finds them;
//! here is what makes it look everywhere else: each root denies its lints, and nothing below allows them again but that
//! file, and the bindings, which bindgen writes.

use crate::finding::Finding;
use crate::tree::{File, ROOTS};
use proc_macro2::{Span, TokenStream, TokenTree};

const LINTS: [&str; 4] = [
    "arithmetic_side_effects",
    "cast_possible_truncation",
    "cast_possible_wrap",
    "cast_sign_loss",
];

/// Groups of clippy's that have some of them.
const GROUPS: [&str; 2] = ["pedantic", "restriction"];

/// Files that may allow them, each for itself and what is below.
const MAY_ALLOW: [&str; 2] = ["src/bindings/mod.rs", "src/units.rs"];

/// Attributes that take a lint's level down.
const WEAKER: [&str; 3] = ["allow", "expect", "warn"];

/// The lints of clippy in the list of an attribute.
fn lints(list: TokenStream) -> Vec<(String, Span)> {
    let tokens: Vec<TokenTree> = list.into_iter().collect();
    tokens
        .windows(4)
        .filter_map(|four| match four {
            [TokenTree::Ident(tool), TokenTree::Punct(_), TokenTree::Punct(_), TokenTree::Ident(lint)]
                if tool == "clippy" =>
            {
                Some((lint.to_string(), lint.span()))
            }
            _ => None,
        })
        .collect()
}

/// Attributes wherever they stand, those that depend on something and in the arguments of macros too.
fn look_through(file: &File, tokens: TokenStream, found: &mut Vec<Finding>) {
    let mut is_weaker = false;
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            if is_weaker {
                let weakened = lints(group.stream()).into_iter().filter(|(lint, _)| {
                    LINTS.contains(&lint.as_str()) || GROUPS.contains(&lint.as_str())
                });
                found.extend(weakened.map(|(_, span)| Finding::new(file, span)));
            }
            look_through(file, group.stream(), found);
        }
        is_weaker =
            matches!(&token, TokenTree::Ident(word) if WEAKER.iter().any(|weaker| word == weaker));
    }
}

/// Whether a root denies all of them.
fn denies(file: &File) -> bool {
    let attributes = file.syntax.attrs.iter();
    let denied: Vec<String> = attributes
        .filter(|attribute| {
            attribute.path().is_ident("deny") || attribute.path().is_ident("forbid")
        })
        .filter_map(|attribute| attribute.meta.require_list().ok())
        .flat_map(|list| lints(list.tokens.clone()))
        .map(|(lint, _)| lint)
        .collect();
    LINTS
        .iter()
        .all(|lint| denied.iter().any(|denied| denied == lint))
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !file.is_page()) {
        if ROOTS.contains(&file.path.as_str()) && !denies(file) {
            found.push(Finding::at(file, 1));
        }
        if MAY_ALLOW.contains(&file.path.as_str()) {
            continue;
        }
        if let Ok(tokens) = file.source.parse() {
            look_through(file, tokens, &mut found);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding;

    fn lines(path: &str, source: &str) -> Vec<usize> {
        finding::lines(check, path, source)
    }

    #[test]
    fn what_is_allowed_again() {
        let source = "#![allow(clippy::cast_sign_loss)]\n#[expect(dead_code, clippy::cast_possible_wrap)]\nfn f() {}\n\
                      fn g(a: i32) -> u32 {\n    #[allow(clippy::pedantic)]\n    let b = a as u32;\n    b\n}\n\
                      #[cfg_attr(CONFIG_A, allow(clippy::arithmetic_side_effects))]\nmod a;\nm! {\n    \
                      #[warn(clippy::cast_possible_truncation)]\n    a\n}\n";
        assert_eq!(lines("src/mm/a.rs", source), [1, 2, 5, 9, 12]);
        for path in MAY_ALLOW {
            assert!(lines(path, source).is_empty());
        }
        let others = "#![allow(dead_code, clippy::mut_from_ref)]\n#[deny(clippy::cast_sign_loss)]\nfn f() {}\n";
        assert!(lines("src/mm/a.rs", others).is_empty());
    }

    #[test]
    fn what_a_root_denies() {
        let all = LINTS.map(|lint| format!("clippy::{lint}")).join(", ");
        for root in ROOTS {
            assert!(lines(root, &format!("#![deny({all})]\nmod a;\n")).is_empty());
            assert_eq!(
                lines(root, "#![deny(clippy::cast_sign_loss)]\nmod a;\n"),
                [1]
            );
            assert_eq!(lines(root, "mod a;\n"), [1]);
        }
        assert!(lines("src/mm/a.rs", "mod a;\n").is_empty());
    }
}
