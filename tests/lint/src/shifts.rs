// SPDX-License-Identifier: GPL-2.0

//! Shifts are for the files of the types that have them: elsewhere no compiler and no lint of clippy has a word for one
//! that loses bits, nor, where the release kernel runs, for one by more bits than there are. Found are the operators, and
//! the functions of numbers that do the same.
//!
//! A constant may have `1 << N` and `N >> M`, since the compiler evaluates both: it refuses to shift by as many bits as
//! the type has, so that the one keeps its only bit, and the other is a division. `N << M` may lose bits there, too.

use crate::finding::Finding;
use crate::tree::{self, File, SAMPLE};
use proc_macro2::{Spacing, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::BinOp;

/// Quantities, and sets of bits.
const TYPES: [&str; 2] = ["src/units.rs", "src/vfs/bits.rs"];

/// Whether a function is one of numbers that shifts.
fn is_shift(name: &syn::Ident) -> bool {
    let name = name.to_string();
    let last = name.rsplit('_').next().unwrap_or(&name);
    matches!(last, "shl" | "shr")
}

struct Finder<'a> {
    file: &'a File,
    /// Whether the compiler evaluates what is looked at.
    is_constant: bool,
    found: Vec<Finding>,
}

impl Finder<'_> {
    fn report(&mut self, span: Span) {
        self.found.push(Finding::new(self.file, span));
    }

    fn within(&mut self, is_constant: bool, look: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.is_constant, is_constant);
        look(self);
        self.is_constant = outer;
    }

    /// What is no expression, where two of the signs may end two lists of types: a shift has a number beside it, or is
    /// an assignment.
    fn look_through(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let sign = |at: usize| match tokens.get(at) {
            Some(TokenTree::Punct(mark)) => Some((mark.as_char(), mark.spacing())),
            _ => None,
        };
        let is_number = |at: usize| matches!(tokens.get(at), Some(TokenTree::Literal(_)));
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.look_through(group.stream()),
                TokenTree::Ident(name) if is_shift(name) => self.report(name.span()),
                TokenTree::Punct(first) if matches!(first.as_char(), '<' | '>') => {
                    let is_double =
                        sign(at + 1).is_some_and(|(second, _)| second == first.as_char());
                    let is_assigned = matches!(sign(at + 1), Some((_, Spacing::Joint)))
                        && matches!(sign(at + 2), Some(('=', _)));
                    let before = at.checked_sub(1).is_some_and(is_number);
                    if first.spacing() == Spacing::Joint
                        && is_double
                        && (is_assigned || before || is_number(at + 2))
                    {
                        self.report(first.span());
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !tree::is_test(item) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_expr_binary(&mut self, item: &'a syn::ExprBinary) {
        let is_one = matches!(&*item.left, syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(number), .. })
            if number.base10_parse::<u64>().is_ok_and(|number| number == 1));
        match item.op {
            BinOp::Shl(_) if self.is_constant && is_one => {}
            BinOp::Shr(_) if self.is_constant => {}
            BinOp::Shl(sign) => self.report(sign.spans[0]),
            BinOp::Shr(sign) => self.report(sign.spans[0]),
            BinOp::ShlAssign(sign) => self.report(sign.spans[0]),
            BinOp::ShrAssign(sign) => self.report(sign.spans[0]),
            _ => {}
        }
        visit::visit_expr_binary(self, item);
    }

    fn visit_expr_method_call(&mut self, item: &'a syn::ExprMethodCall) {
        if is_shift(&item.method) {
            self.report(item.method.span());
        }
        visit::visit_expr_method_call(self, item);
    }

    fn visit_expr_path(&mut self, item: &'a syn::ExprPath) {
        if let Some(last) = item
            .path
            .segments
            .last()
            .filter(|name| is_shift(&name.ident))
        {
            self.report(last.ident.span());
        }
        visit::visit_expr_path(self, item);
    }

    fn visit_macro(&mut self, item: &'a syn::Macro) {
        let Some(arguments) = tree::arguments(item) else {
            return self.look_through(item.tokens.clone());
        };
        for argument in &arguments {
            // They live on in no tree that could be lent to a visitor for its whole life.
            let mut inner = Finder {
                file: self.file,
                is_constant: self.is_constant,
                found: Vec::new(),
            };
            inner.visit_expr(argument);
            self.found.append(&mut inner.found);
        }
    }

    // A function may be called when the module runs, a constant one too.
    fn visit_item(&mut self, item: &'a syn::Item) {
        let is_constant = matches!(item, syn::Item::Const(_) | syn::Item::Static(_));
        self.within(is_constant, |finder| visit::visit_item(finder, item));
    }

    fn visit_impl_item_const(&mut self, item: &'a syn::ImplItemConst) {
        self.within(true, |finder| visit::visit_impl_item_const(finder, item));
    }

    fn visit_trait_item_const(&mut self, item: &'a syn::TraitItemConst) {
        self.within(true, |finder| visit::visit_trait_item_const(finder, item));
    }

    fn visit_expr_const(&mut self, item: &'a syn::ExprConst) {
        self.within(true, |finder| visit::visit_expr_const(finder, item));
    }

    fn visit_expr_closure(&mut self, item: &'a syn::ExprClosure) {
        self.within(false, |finder| visit::visit_expr_closure(finder, item));
    }
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    let is_code = |path: &str| path.starts_with("src/") || path == SAMPLE;
    for file in files.iter().filter(|file| is_code(&file.path)) {
        if TYPES.contains(&file.path.as_str()) {
            continue;
        }
        let mut finder = Finder {
            file,
            is_constant: false,
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

    fn lines_of(path: &str, source: &str) -> Vec<usize> {
        finding::lines(check, path, source)
    }

    fn lines(source: &str) -> Vec<usize> {
        lines_of("src/vfs/a.rs", source)
    }

    /// Whether an expression in a function is found.
    fn found(expression: &str) -> bool {
        !lines(&format!("const fn f() {{\n    {expression}\n}}\n")).is_empty()
    }

    #[test]
    fn the_lines_that_once_were() {
        for expression in [
            "let above = u64::MAX << bit;",
            "self.covered & (1 << bit) != 0",
            "self.covered |= 1 << bit;",
            "run.covered & !(u64::MAX << bit << 1)",
            "run.covered >> bit != 0",
            "number.checked_mul(1 << shift)",
            "let page = 1u64 << page_shift;",
            "((self.0 & S_IFMT) >> 12) as u32",
            "(address >> PAGE_SHIFT) % bindings::PTRS_PER_PTE",
        ] {
            assert!(found(expression), "{expression}");
        }
    }

    #[test]
    fn every_kind() {
        for expression in [
            "a <<= 1;",
            "a >>= b;",
            "a.wrapping_shl(b)",
            "a.checked_shr(b)",
            "u64::wrapping_shl(a, b)",
            "a.map_or(0, u32::overflowing_shr)",
            "core::ops::Shl::shl(a, b)",
            "assert!(a == 1 << b)",
            "let a = || m!(b >> 1);",
            "m! { let a = 1 << b; }",
            "m! { a <<= b; }",
            "m! { a => b.wrapping_shl(c) }",
        ] {
            assert!(found(expression), "{expression}");
        }
        assert_eq!(
            lines("macro_rules! m {\n    ($a:expr) => {\n        $a << 3\n    };\n}\n"),
            [3]
        );
    }

    #[test]
    fn what_is_none() {
        for expression in [
            "let a: Vec<Vec<u8>> = b;",
            "let a = <<T as U>::V as W>::X;",
            "m! { a: Option<KBox<T>> = b }",
            "m! { a: <<T as U>::V as W>::X, b: 1 }",
            "a.wrapping_add(b)",
            "a <= b",
            "push_shelf(a)",
        ] {
            assert!(!found(expression), "{expression}");
        }
    }

    #[test]
    fn constants() {
        for good in [
            "const A: u64 = 1 << 12;",
            "const A: u64 = (1 << B) - 1;",
            "static A: i32 = i32::MAX >> B.ilog2() >> 1;",
            "impl A {\n    const B: u32 = if C { 1 } else { 1u32 << D };\n}",
            "trait A {\n    const B: u32 = 1 << 3;\n}",
            "fn f() {\n    const { assert!(A < 1 << 3) }\n}",
        ] {
            assert!(lines(good).is_empty(), "{good}");
        }
        for bad in [
            "const A: u64 = u64::MAX << 12;",
            "const A: u64 = 2 << B;",
            "const A: fn(u32) -> u32 = |b| 1 << b;",
            "const A: () = { const fn f(b: u32) -> u32 { 1 << b } };",
            "const A: u64 = B.wrapping_shl(C);",
        ] {
            assert_eq!(lines(bad), [1], "{bad}");
        }
    }

    #[test]
    fn where_they_may_be() {
        let source = "fn f(a: u64, b: u32) -> u64 {\n    a << b\n}\n";
        for path in TYPES {
            assert!(lines_of(path, source).is_empty());
        }
        assert!(lines_of("tests/suites/answers/misbehaviour.rs", source).is_empty());
        assert_eq!(lines_of(SAMPLE, source), [2]);
        let tests = "#[cfg(any(test, CONFIG_KUNIT))]\nmod tests {\n    fn f(a: u32) -> u32 {\n        1 << a\n    }\n}\n";
        assert!(lines(tests).is_empty());
    }
}
