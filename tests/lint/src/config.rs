// SPDX-License-Identifier: GPL-2.0

//! How often the file system asks the kernel's configuration. The floors below have the same items in every
//! configuration, so that only modules and the table of mount options need to.

use crate::finding::Finding;
use crate::tree::File;
use proc_macro2::{TokenStream, TokenTree};

const PLACE: &str = "src/tmpfs/";

/// How many places may ask.
const LIMIT: usize = 25;

/// Whether an option of the kernel is named; what is for tests only is not one.
fn names_option(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word.to_string().starts_with("CONFIG_") && word != "CONFIG_KUNIT",
        TokenTree::Group(group) => names_option(group.stream()),
        _ => false,
    })
}

/// `cfg(...)`, `cfg_attr(...)` and `cfg!(...)`, wherever they stand; in the arguments of macros too.
fn look_through(file: &File, tokens: TokenStream, found: &mut Vec<Finding>) {
    let mut word = None;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == "cfg" || ident == "cfg_attr" => word = Some(ident),
            TokenTree::Punct(mark) if mark.as_char() == '!' => {}
            TokenTree::Group(group) => match word.take() {
                Some(word) if names_option(group.stream()) => {
                    found.push(Finding::new(file, word.span()));
                }
                _ => look_through(file, group.stream(), found),
            },
            _ => word = None,
        }
    }
}

/// All places, where there are too many.
pub fn check(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with(PLACE)) {
        if let Ok(tokens) = file.source.parse() {
            look_through(file, tokens, &mut found);
        }
    }
    if found.len() <= LIMIT {
        found.clear();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: &str = "#[cfg(CONFIG_A)]\nmod a;\n#[cfg_attr(not(CONFIG_B), path = \"c.rs\")]\nmod b;\n\
                         const C: bool = cfg!(CONFIG_C);\nf!(G {\n    #[cfg(any(CONFIG_D, test))]\n    d: 1,\n});\n";
    const OTHERS: &str =
        "// #[cfg(CONFIG_A)]\n#[cfg(any(test, CONFIG_KUNIT))]\nmod tests;\nconst A: &str = \"cfg(CONFIG_A)\";\n";

    fn lines(path: &str, source: &str) -> Vec<usize> {
        let file = File::new(path, source).unwrap();
        let mut found = Vec::new();
        look_through(&file, source.parse().unwrap(), &mut found);
        found.iter().map(|finding| finding.line).collect()
    }

    fn count(path: &str, source: &str) -> usize {
        check(&[File::new(path, source).unwrap()]).len()
    }

    #[test]
    fn every_kind() {
        assert_eq!(lines("src/tmpfs/a.rs", KINDS), [1, 3, 5, 7]);
        assert!(lines("src/tmpfs/a.rs", OTHERS).is_empty());
    }

    #[test]
    fn the_limit() {
        assert_eq!(
            count(
                "src/tmpfs/a.rs",
                &"#[cfg(CONFIG_A)]\nmod a;\n".repeat(LIMIT)
            ),
            0
        );
        let more = "#[cfg(CONFIG_A)]\nmod a;\n".repeat(LIMIT + 1);
        assert_eq!(count("src/tmpfs/a.rs", &more), LIMIT + 1);
        assert_eq!(count("src/mm/a.rs", &more), 0);
    }
}
