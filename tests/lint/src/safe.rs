// SPDX-License-Identifier: GPL-2.0

//! No `unsafe` in src/tmpfs nor in the sample, and the attribute that makes the compiler say so stays.

use crate::finding::Finding;
use crate::tree::{File, SAMPLE};
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};

const PLACE: &str = "src/tmpfs/";

struct Finder<'a> {
    file: &'a File,
    found: Vec<Finding>,
}

impl Finder<'_> {
    fn report(&mut self, span: Span) {
        self.found.push(Finding::new(self.file, span));
    }

    /// The word wherever it stands in the arguments of a macro.
    fn look_through(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(word) if word == "unsafe" => self.report(word.span()),
                TokenTree::Group(group) => self.look_through(group.stream()),
                _ => {}
            }
        }
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    // The one token that all kinds of unsafe code have.
    fn visit_macro(&mut self, item: &'a syn::Macro) {
        self.look_through(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_expr_unsafe(&mut self, item: &'a syn::ExprUnsafe) {
        self.report(item.unsafe_token.span);
        visit::visit_expr_unsafe(self, item);
    }

    fn visit_signature(&mut self, item: &'a syn::Signature) {
        if let Some(token) = item.unsafety {
            self.report(token.span);
        }
        visit::visit_signature(self, item);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        if let Some(token) = item.unsafety {
            self.report(token.span);
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        if let Some(token) = item.unsafety {
            self.report(token.span);
        }
        visit::visit_item_trait(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'a syn::ItemForeignMod) {
        self.report(item.abi.extern_token.span);
        visit::visit_item_foreign_mod(self, item);
    }
}

fn forbids(file: &File) -> bool {
    file.syntax.attrs.iter().any(|attribute| {
        attribute.path().is_ident("forbid")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("unsafe_code"))
    })
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    let is_safe = |file: &&File| file.path.starts_with(PLACE) || file.path == SAMPLE;
    for file in files.iter().filter(is_safe) {
        if [&format!("{PLACE}mod.rs"), SAMPLE].contains(&file.path.as_str()) && !forbids(file) {
            found.push(Finding::new(file, Span::call_site()));
        }
        let mut finder = Finder {
            file,
            found: Vec::new(),
        };
        finder.visit_file(&file.syntax);
        found.append(&mut finder.found);
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
    fn every_kind() {
        let source = "unsafe fn f() {}\nunsafe impl T for U {}\nunsafe trait V {}\nfn g() {\n    unsafe { h() };\n    \
                      m!(a, { unsafe { h() } });\n}\n";
        assert_eq!(lines("src/tmpfs/a.rs", source), [1, 2, 3, 5, 6]);
        assert!(lines("src/mm/a.rs", source).is_empty());
    }

    #[test]
    fn the_attribute() {
        assert_eq!(lines("src/tmpfs/mod.rs", "mod a;\n").len(), 1);
        assert_eq!(lines(SAMPLE, "mod a;\n").len(), 1);
        assert!(lines("src/tmpfs/mod.rs", "#![forbid(unsafe_code)]\nmod a;\n").is_empty());
    }
}
