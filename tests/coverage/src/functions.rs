// SPDX-License-Identifier: GPL-2.0

//! Where the functions of a source file are.

use anyhow::Result;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A function, from its name to its last brace.
pub struct Function {
    /// `name`, or `Type::name` in an impl or a trait.
    pub name: String,
    /// Line numbers from 1, both included.
    pub first: usize,
    pub last: usize,
}

#[derive(Default)]
struct Finder {
    owner: Option<String>,
    found: Vec<Function>,
}

impl Finder {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let name = match &self.owner {
            Some(owner) => format!("{owner}::{}", signature.ident),
            None => signature.ident.to_string(),
        };
        self.found.push(Function {
            name,
            first: signature.span().start().line,
            last: block.span().end().line,
        });
    }

    fn within(&mut self, owner: Option<String>, look: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.owner, owner);
        look(self);
        self.owner = outer;
    }
}

/// The last name of a type's path: `Folio` of `crate::mm::Folio<'_>`.
fn name_of(ty: &syn::Type) -> Option<String> {
    match ty {
        syn::Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        syn::Type::Reference(reference) => name_of(&reference.elem),
        _ => None,
    }
}

impl Visit<'_> for Finder {
    fn visit_item_fn(&mut self, item: &syn::ItemFn) {
        self.add(&item.sig, &item.block);
        self.within(None, |finder| visit::visit_item_fn(finder, item));
    }

    fn visit_item_impl(&mut self, item: &syn::ItemImpl) {
        self.within(name_of(&item.self_ty), |finder| {
            visit::visit_item_impl(finder, item);
        });
    }

    fn visit_item_trait(&mut self, item: &syn::ItemTrait) {
        self.within(Some(item.ident.to_string()), |finder| {
            visit::visit_item_trait(finder, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// All functions of `source`, one within another after it.
pub fn functions(source: &str) -> Result<Vec<Function>> {
    let mut finder = Finder::default();
    finder.visit_file(&syn::parse_file(source)?);
    Ok(finder.found)
}

/// The innermost function that a line is in.
pub fn around(functions: &[Function], line: usize) -> Option<&Function> {
    functions
        .iter()
        .filter(|function| (function.first..=function.last).contains(&line))
        .min_by_key(|function| function.last - function.first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "fn one() {\n    fn two() {}\n}\nimpl<'a> a::B<'a> {\n    /// Says.\n    #[inline]\n    fn \
                          three(\n        self,\n    ) {\n    }\n}\ntrait T {\n    fn four();\n    fn five() {}\n}\n";

    #[test]
    fn names_and_places() {
        let found = functions(SOURCE).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|f| (f.name.as_str(), f.first, f.last))
            .collect();
        assert_eq!(
            found,
            [
                ("one", 1, 3),
                ("two", 2, 2),
                ("B::three", 7, 10),
                ("T::five", 14, 14)
            ]
        );
    }

    #[test]
    fn the_innermost() {
        let found = functions(SOURCE).unwrap();
        assert_eq!(around(&found, 2).unwrap().name, "two");
        assert_eq!(around(&found, 3).unwrap().name, "one");
        assert!(around(&found, 4).is_none());
    }
}
