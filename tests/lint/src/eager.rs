// SPDX-License-Identifier: GPL-2.0

//! A guard that is made whatever the answer is, and dropped where the answer is no: a drop that
//! undoes what was never done. Found are
//!
//! - arguments of a function that takes its answer ready-made, such as `then_some`;
//! - what `filter` is asked of;
//! - tuples that are taken apart at once, such as `match (locked, Guard(folio))`,
//!
//! with a guard in them that is made there, or that was made before under a name.

use crate::finding::Finding;
use crate::guards::{last_name, name_of, Guards, Name};
use crate::tree::{self, File};
use proc_macro2::Span;
use std::collections::HashSet;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Functions of bool, Option and Result that drop an argument where the answer is another.
const EAGER: [&str; 9] = [
    "and",
    "get_or_insert",
    "map_or",
    "ok_or",
    "or",
    "then_some",
    "unwrap_or",
    "xor",
    "zip",
];

/// Whether an expression makes a guard, outside of closures.
struct Makes<'a> {
    guards: &'a Guards,
    path: &'a str,
    owner: Option<&'a str>,
    named: &'a HashSet<String>,
    /// Whether what a function returns counts; it has its own condition behind it.
    calls: bool,
    found: bool,
}

impl Makes<'_> {
    fn is_guard(&self, name: &str) -> bool {
        let name = match (name, self.owner) {
            ("Self", Some(owner)) => owner,
            _ => name,
        };
        self.guards.is_type(Name {
            path: self.path,
            name,
        })
    }
}

impl<'a> Visit<'a> for Makes<'_> {
    fn visit_expr_closure(&mut self, _: &'a syn::ExprClosure) {}

    fn visit_expr_struct(&mut self, item: &'a syn::ExprStruct) {
        self.found |= last_name(&item.path).is_some_and(|name| self.is_guard(&name));
        visit::visit_expr_struct(self, item);
    }

    fn visit_expr_call(&mut self, item: &'a syn::ExprCall) {
        if let syn::Expr::Path(path) = &*item.func {
            let names: Vec<String> = path
                .path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
            self.found |= match names.as_slice() {
                [name] if self.is_guard(name) => true,
                [name] => self.calls && self.guards.is_function(None, name),
                [.., owner, name] if self.calls => {
                    let owner = match (owner.as_str(), self.owner) {
                        ("Self", Some(real)) => real,
                        (other, _) => other,
                    };
                    // The path of a type, or that of a module.
                    self.is_guard(name)
                        || self.guards.is_function(Some(owner), name)
                        || (owner.starts_with(char::is_lowercase)
                            && self.guards.is_function(None, name))
                }
                [.., name] => self.is_guard(name),
                [] => false,
            };
        }
        visit::visit_expr_call(self, item);
    }

    fn visit_expr_method_call(&mut self, item: &'a syn::ExprMethodCall) {
        self.found |= self.calls && self.guards.is_method(&item.method.to_string());
        visit::visit_expr_method_call(self, item);
    }

    fn visit_expr_reference(&mut self, item: &'a syn::ExprReference) {
        // A name that is lent stays where it is.
        if !matches!(*item.expr, syn::Expr::Path(_)) {
            visit::visit_expr_reference(self, item);
        }
    }

    fn visit_expr_path(&mut self, item: &'a syn::ExprPath) {
        self.found |= item
            .path
            .get_ident()
            .is_some_and(|name| self.named.contains(&name.to_string()));
    }

    fn visit_expr_field(&mut self, _: &'a syn::ExprField) {}
}

struct Finder<'a> {
    file: &'a File,
    guards: &'a Guards,
    owner: Option<String>,
    /// Names of guards that the function made by itself.
    named: HashSet<String>,
    found: Vec<Finding>,
}

impl Finder<'_> {
    fn makes(&self, expression: &syn::Expr, calls: bool) -> bool {
        let mut makes = Makes {
            guards: self.guards,
            path: &self.file.path,
            owner: self.owner.as_deref(),
            named: &self.named,
            calls,
            found: false,
        };
        makes.visit_expr(expression);
        makes.found
    }

    fn report(&mut self, span: Span) {
        self.found.push(Finding::new(self.file, span));
    }

    /// A tuple that does not outlive the statement.
    fn taken_apart(&mut self, expression: &syn::Expr) {
        if matches!(expression, syn::Expr::Tuple(_)) && self.makes(expression, false) {
            self.report(expression.span());
        }
    }

    fn in_function(&mut self, look: impl FnOnce(&mut Self)) {
        let outer = std::mem::take(&mut self.named);
        look(self);
        self.named = outer;
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        let outer = std::mem::replace(&mut self.owner, name_of(&item.self_ty));
        visit::visit_item_impl(self, item);
        self.owner = outer;
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.in_function(|finder| visit::visit_item_fn(finder, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.in_function(|finder| visit::visit_impl_item_fn(finder, item));
    }

    fn visit_local(&mut self, item: &'a syn::Local) {
        visit::visit_local(self, item);
        let Some(init) = &item.init else {
            return;
        };
        if matches!(item.pat, syn::Pat::Tuple(_)) || init.diverge.is_some() {
            self.taken_apart(&init.expr);
        }
        if let syn::Pat::Ident(name) = &item.pat {
            // Only what is nothing but a guard: a block may have asked before.
            let plain = matches!(*init.expr, syn::Expr::Call(_) | syn::Expr::Struct(_));
            if plain && self.makes(&init.expr, false) {
                self.named.insert(name.ident.to_string());
            } else {
                self.named.remove(&name.ident.to_string());
            }
        }
    }

    fn visit_expr_let(&mut self, item: &'a syn::ExprLet) {
        self.taken_apart(&item.expr);
        visit::visit_expr_let(self, item);
    }

    fn visit_expr_match(&mut self, item: &'a syn::ExprMatch) {
        self.taken_apart(&item.expr);
        visit::visit_expr_match(self, item);
    }

    fn visit_expr_method_call(&mut self, item: &'a syn::ExprMethodCall) {
        let method = item.method.to_string();
        let eager = EAGER.contains(&method.as_str())
            && item.args.iter().any(|argument| self.makes(argument, true));
        let filtered = method == "filter" && self.makes(&item.receiver, false);
        if eager || filtered {
            self.report(item.method.span());
        }
        visit::visit_expr_method_call(self, item);
    }

    fn visit_expr_call(&mut self, item: &'a syn::ExprCall) {
        if let syn::Expr::Path(path) = &*item.func {
            let eager = path.path.segments.len() > 1
                && last_name(&path.path).is_some_and(|name| EAGER.contains(&name.as_str()));
            if eager && item.args.iter().any(|argument| self.makes(argument, true)) {
                self.report(item.func.span());
            }
        }
        visit::visit_expr_call(self, item);
    }

    fn visit_macro(&mut self, item: &'a syn::Macro) {
        // They live on in no tree that could be lent to a visitor for its whole life.
        for argument in tree::arguments(item).iter().flatten() {
            let mut inner = Finder {
                file: self.file,
                guards: self.guards,
                owner: self.owner.clone(),
                named: self.named.clone(),
                found: Vec::new(),
            };
            inner.visit_expr(argument);
            self.found.append(&mut inner.found);
        }
    }
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let guards = Guards::find(files);
    let mut found = Vec::new();
    for file in files {
        let mut finder = Finder {
            file,
            guards: &guards,
            owner: None,
            named: HashSet::new(),
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

    /// A lock on a folio, as it once was.
    const LOCKED: &str = "
        pub(crate) struct LockedFolio(Folio);
        impl Drop for LockedFolio {
            fn drop(&mut self) { unlock(&self.0) }
        }
        impl LockedFolio {
            pub(crate) fn lock(folio: Folio) -> Self { lock(&folio); Self(folio) }
            fn by_name(map: &Map) -> Option<Self> { None }
        }
        struct Pair { folio: LockedFolio, index: u64 }
        enum Found { Page(Pair), Nothing }
        struct Plain { index: u64 }
        fn locked(folio: Folio) -> LockedFolio { LockedFolio::lock(folio) }
        impl Map {
            fn find(&self) -> Found { Found::Nothing }
            fn get_locked(&self) -> Result<LockedFolio> { Err(EINVAL) }
        }";

    /// Whether a function with this body, of the guard itself, is found.
    fn found(body: &str) -> bool {
        let source = format!(
            "impl LockedFolio {{\n    fn f(folio: Folio) -> Option<Self> {{\n{body}\n}}\n}}\n"
        );
        let files = [
            File::new("src/mm/folio.rs", LOCKED).unwrap(),
            File::new("src/mm/other.rs", &source).unwrap(),
        ];
        let found = check(&files);
        assert!(
            found
                .iter()
                .all(|finding| finding.path == "src/mm/other.rs"),
            "{found:?}"
        );
        !found.is_empty()
    }

    #[test]
    fn the_lock_that_unlocked_for_others() {
        // The lines of the fault that this rule is for.
        let body = "
            // SAFETY: The caller's reference keeps the folio.
            let locked = unsafe { bindings::folio_trylock(folio.as_ptr()) };
            locked.then_some(Self(folio))";
        assert!(found(body));
        assert!(!found("locked.then(|| Self(folio))"));
        assert!(!found("if locked { Some(Self(folio)) } else { None }"));
    }

    #[test]
    fn other_answers_that_are_ready_made() {
        for body in [
            "bool::then_some(locked, LockedFolio(folio))",
            "known.unwrap_or(locked(folio))",
            "known.unwrap_or(LockedFolio::lock(folio))",
            "known.unwrap_or(super::locked(folio))",
            "locked.then_some(map.get_locked()?)",
            "known.or(Some(Self(folio)))",
            "known.and(Some(Pair { folio: Self(folio), index }))",
            "known.map_or(Self::lock(folio), f)",
            "known.unwrap_or(map.find())",
            "locked.then_some(Some(ScopeGuard::new(f)))",
            "Some(Self(folio)).filter(|_| locked)",
            "let made = Self(folio);\nlocked.then_some(made)",
            "warn(x, locked.then_some(Self(folio)))",
            "warn!(\"\", locked.then_some(Self(folio)))",
        ] {
            assert!(found(body), "{body}");
        }
    }

    #[test]
    fn tuples_that_are_taken_apart() {
        assert!(found(
            "match (locked, Self(folio)) { (true, made) => Some(made), _ => None }"
        ));
        assert!(found(
            "let (true, made) = (locked, Self(folio)) else { return None };\nSome(made)"
        ));
        assert!(found(
            "if let (true, made) = (locked, Pair { folio, index }) { Some(made) } else { None }"
        ));
        assert!(!found(
            "let (folio, index) = (map.get_locked().ok()?, 0);\nSome(folio)"
        ));
    }

    #[test]
    fn another_type_of_the_name() {
        let plain = "struct LockedFolio(u64);\nfn f() {\n    a.then_some(LockedFolio(0));\n}\n";
        let files = [
            File::new("src/mm/folio.rs", LOCKED).unwrap(),
            File::new("src/mm/other.rs", plain).unwrap(),
        ];
        assert!(check(&files).is_empty());
    }

    #[test]
    fn what_is_made_when_it_is_wanted() {
        for body in [
            "known.unwrap_or_else(|| locked(folio))",
            "locked.then_some(Plain { index })",
            "known.ok_or(EINVAL).ok()",
            "Some((Self(folio), index))",
            "let held = Self::lock(folio);\nuse_it(&held).then_some(0);\nSome(held)",
            "let made = Self(folio);\nknown.unwrap_or(&made);\nSome(made)",
            "known.map_or(0, |folio| Self::lock(folio).len())",
        ] {
            assert!(!found(body), "{body}");
        }
    }
}
