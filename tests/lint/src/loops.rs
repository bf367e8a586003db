// SPDX-License-Identifier: GPL-2.0

//! A loop that may look again says why it ends: every `loop`, and a `while` with a `continue` of
//! its own, or that waits. That a comment is there is checked, not what it says; but one that says why an `unsafe` block is
//! sound, or that an invariant holds, does not say why a loop ends.

use crate::finding::Finding;
use crate::tree::File;
use proc_macro2::Span;
use syn::visit::{self, Visit};

struct Finder<'a> {
    file: &'a File,
    found: Vec<Finding>,
    /// The first line of the statement that is looked at.
    statement: usize,
}

impl Finder<'_> {
    /// Whether a line is one of a comment that begins with a reason.
    fn is_reason(&self, number: usize) -> bool {
        let lines: Vec<&str> = self.file.source.lines().take(number).collect();
        let comment = lines
            .iter()
            .rev()
            .map(|line| line.trim_start())
            .take_while(|line| line.starts_with("//"));
        comment.last().is_some_and(|first| {
            !["// SAFETY:", "// INVARIANT:"]
                .iter()
                .any(|mark| first.starts_with(mark))
        })
    }

    fn look_at(&mut self, span: Span, body: &syn::Block) {
        let line = span.start().line;
        let inside = body.brace_token.span.open().end().line + 1;
        // Above the statement, where the loop is the value of one or has a label.
        if ![line.min(self.statement) - 1, line - 1, inside]
            .into_iter()
            .any(|number| self.is_reason(number))
        {
            self.found.push(Finding::new(self.file, span));
        }
    }
}

/// Whether a block goes to the next round of the loop that it is the body of, or waits.
struct LooksAgain<'a> {
    label: Option<&'a syn::Lifetime>,
    /// How many loops are around what is looked at, within that body.
    depth: usize,
    found: bool,
}

impl<'a> Visit<'a> for LooksAgain<'_> {
    fn visit_expr_continue(&mut self, item: &'a syn::ExprContinue) {
        self.found |= match &item.label {
            Some(label) => Some(label) == self.label,
            None => self.depth == 0,
        };
    }

    fn visit_ident(&mut self, item: &'a syn::Ident) {
        let name = item.to_string();
        self.found |= ["wait", "schedule", "fsleep"]
            .iter()
            .any(|begin| name.starts_with(begin));
    }

    fn visit_expr(&mut self, item: &'a syn::Expr) {
        let inner = matches!(
            item,
            syn::Expr::Loop(_) | syn::Expr::While(_) | syn::Expr::ForLoop(_)
        );
        self.depth += usize::from(inner);
        if !matches!(item, syn::Expr::Closure(_)) {
            visit::visit_expr(self, item);
        }
        self.depth -= usize::from(inner);
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_stmt(&mut self, item: &'a syn::Stmt) {
        use syn::spanned::Spanned;
        let outer = std::mem::replace(&mut self.statement, item.span().start().line);
        visit::visit_stmt(self, item);
        self.statement = outer;
    }

    fn visit_expr_loop(&mut self, item: &'a syn::ExprLoop) {
        self.look_at(item.loop_token.span, &item.body);
        visit::visit_expr_loop(self, item);
    }

    fn visit_expr_while(&mut self, item: &'a syn::ExprWhile) {
        let mut again = LooksAgain {
            label: item.label.as_ref().map(|label| &label.name),
            depth: 0,
            found: false,
        };
        again.visit_block(&item.body);
        if again.found {
            self.look_at(item.while_token.span, &item.body);
        }
        visit::visit_expr_while(self, item);
    }
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in files {
        let mut finder = Finder {
            file,
            found: Vec::new(),
            statement: usize::MAX,
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

    fn lines(body: &str) -> Vec<usize> {
        finding::lines(check, "src/a.rs", &format!("fn f() {{\n{body}\n}}\n"))
    }

    #[test]
    fn without_a_comment() {
        assert_eq!(lines("loop {\n    look();\n}"), [2]);
        assert_eq!(lines("let x = loop {\n    look();\n};"), [2]);
        assert_eq!(
            lines("while a {\n    if b {\n        continue;\n    }\n}"),
            [2]
        );
        assert_eq!(
            lines("'a: while b {\n    loop {\n        // Ends.\n        continue 'a;\n    }\n}"),
            [2]
        );
        assert_eq!(lines("// Why.\nf();\nloop {}"), [4]);
        assert_eq!(lines("while a {\n    b.wait(c);\n}"), [2]);
        assert_eq!(lines("while a {\n    schedule();\n}"), [2]);
    }

    #[test]
    fn with_one_of_something_else() {
        assert_eq!(
            lines("// SAFETY: Is live,\n// and stays.\nwhile unsafe { a } {\n    continue;\n}"),
            [4]
        );
        assert_eq!(
            lines("loop {\n    // INVARIANT: As before.\n    look();\n}"),
            [2]
        );
        assert!(lines("// Ends.\n// SAFETY: Is live.\nloop {}").is_empty());
        assert!(lines("loop {\n    // Ends.\n    // SAFETY: Is live.\n}").is_empty());
    }

    #[test]
    fn with_one() {
        assert!(lines("// Ends, because.\nloop {\n    look();\n}").is_empty());
        assert!(lines("loop {\n    // Ends, because.\n    look();\n}").is_empty());
        assert!(
            lines("// Ends, because.\nlet x =\n    loop {\n        look();\n    };").is_empty()
        );
    }

    #[test]
    fn those_that_only_go_on() {
        assert!(lines("while a {\n    f();\n}").is_empty());
        assert!(lines("while a {\n    for b in c {\n        continue;\n    }\n}").is_empty());
        assert!(lines("for b in c {\n    continue;\n}").is_empty());
    }
}
