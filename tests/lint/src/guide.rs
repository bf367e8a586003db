// SPDX-License-Identifier: GPL-2.0

//! What the pages for readers (src/guide) name is there: a path in back quotes that begins with a floor leads to
//! a file and to what that file defines, and the table of mm/shmem.c has exactly the functions that the kernel's
//! file has. The latter is looked at where the environment names the kernel's source (`KERNEL_SOURCE`).

use crate::finding::Finding;
use crate::floors::FLOORS;
use crate::tree::File;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};
use syn::visit::{self, Visit};
use syn::Ident;

const TABLE: &str = "src/guide/shmem_c.md";
const C_FILE: &str = "mm/shmem.c";

/// Functions, types, constants, fields and variants, whatever they are in.
#[derive(Default)]
struct Definitions(BTreeSet<String>);

impl Definitions {
    fn of(file: &File) -> Self {
        let mut found = Self::default();
        found.visit_file(&file.syntax);
        found
    }

    fn add(&mut self, name: &Ident) {
        self.0.insert(name.to_string());
    }
}

impl<'a> Visit<'a> for Definitions {
    fn visit_signature(&mut self, item: &'a syn::Signature) {
        self.add(&item.ident);
        visit::visit_signature(self, item);
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.add(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.add(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        self.add(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_const(&mut self, item: &'a syn::ItemConst) {
        self.add(&item.ident);
        visit::visit_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'a syn::ItemStatic) {
        self.add(&item.ident);
        visit::visit_item_static(self, item);
    }

    fn visit_item_type(&mut self, item: &'a syn::ItemType) {
        self.add(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_variant(&mut self, item: &'a syn::Variant) {
        self.add(&item.ident);
        visit::visit_variant(self, item);
    }

    fn visit_field(&mut self, item: &'a syn::Field) {
        if let Some(name) = &item.ident {
            self.add(name);
        }
        visit::visit_field(self, item);
    }
}

/// What stands between back quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether `path` leads to a file of the module, and to what that defines.
fn exists(path: &str, files: &BTreeMap<&str, Definitions>) -> bool {
    let names: Vec<&str> = path.split("::").collect();
    // The longest part that is a file.
    (1..=names.len()).rev().any(|count| {
        let (module, items) = names.split_at(count);
        let stem = format!("src/{}", module.join("/"));
        [format!("{stem}.rs"), format!("{stem}/mod.rs")]
            .iter()
            .filter_map(|name| files.get(name.as_str()))
            .any(|known| items.iter().all(|item| known.0.contains(*item)))
    })
}

/// The functions that a file in the kernel's style defines: their body begins with a line of its own, or is in
/// the line of the name where it is empty.
fn functions_of_c(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut head = String::new();
    for line in source.lines() {
        if line == "{" || line.ends_with(") { }") {
            if line != "{" {
                head.push_str(line);
            }
            found.extend(name_of_function(&head));
            head.clear();
        } else if line.is_empty() || line.starts_with(['#', '}', '/', ' ']) || line.ends_with(';') {
            head.clear();
        } else {
            head.push_str(line);
            head.push(' ');
        }
    }
    found
}

/// The word before the first parenthesis.
fn name_of_function(head: &str) -> Option<String> {
    let (before, _) = head.split_once('(')?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = before.rsplit(|c| !is_part(c)).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// The lines of a page, with their numbers.
fn text_of(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.source
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
}

fn wrong_paths(file: &File, files: &BTreeMap<&str, Definitions>) -> Vec<Finding> {
    let is_path = |word: &str| {
        word.split_once("::")
            .is_some_and(|(floor, _)| FLOORS.contains(&floor))
    };
    text_of(file)
        .flat_map(|(line, text)| quoted(text).map(move |word| (line, word)))
        .filter(|(_, word)| word.contains("::") && !(is_path(word) && exists(word, files)))
        .map(|(line, word)| Finding {
            path: file.path.clone(),
            line,
            text: format!("no '{word}' is defined"),
        })
        .collect()
}

/// The difference between the first column of the table and the functions of the C file.
fn wrong_functions(table: &File, c: &str) -> Vec<Finding> {
    let mut listed = BTreeMap::new();
    for (line, text) in text_of(table) {
        if let Some(row) = text.strip_prefix("| `") {
            let (column, _) = row.split_once('|').unwrap_or((row, ""));
            let column = format!("`{column}");
            for name in quoted(&column).filter_map(|word| word.strip_suffix("()")) {
                listed.insert(name.to_owned(), line);
            }
        }
    }
    let defined = functions_of_c(c);
    let finding = |line, text| Finding {
        path: table.path.clone(),
        line,
        text,
    };
    let gone = listed
        .iter()
        .filter(|(name, _)| !defined.contains(*name))
        .map(|(name, line)| finding(*line, format!("{C_FILE} has no function {name}()")));
    let missing = defined
        .iter()
        .filter(|name| !listed.contains_key(*name))
        .map(|name| finding(1, format!("{name}() of {C_FILE} is not in the table")));
    gone.chain(missing).collect()
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let definitions: BTreeMap<&str, Definitions> = files
        .iter()
        .map(|file| (file.path.as_str(), Definitions::of(file)))
        .collect();
    let c = env::var_os("KERNEL_SOURCE")
        .and_then(|source| fs::read_to_string(Path::new(&source).join(C_FILE)).ok());
    let mut found = Vec::new();
    for page in files.iter().filter(|file| file.is_page()) {
        found.append(&mut wrong_paths(page, &definitions));
        if let (TABLE, Some(c)) = (page.path.as_str(), &c) {
            found.append(&mut wrong_functions(page, c));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(found: &[Finding]) -> Vec<String> {
        found.iter().map(|finding| finding.text.clone()).collect()
    }

    #[test]
    fn paths() {
        let page =
            "`mm::a::S::f`, `mm::a`, `mm`, `plain` and `f()`\n`mm::a::g`, `nm::a::f`, `mm::b`\n";
        let files = [
            File::new("src/mm/mod.rs", "mod a;\n").unwrap(),
            File::new("src/mm/a.rs", "struct S;\nimpl S { fn f() {} }\n").unwrap(),
            File::new("src/guide/a.md", page).unwrap(),
        ];
        assert_eq!(
            texts(&check(&files)),
            [
                "no 'mm::a::g' is defined",
                "no 'nm::a::f' is defined",
                "no 'mm::b' is defined"
            ]
        );
    }

    #[test]
    fn functions() {
        let c = "static const struct s x = {\n\t.f = f,\n};\n\nstatic int a(int i,\n\t\tint j)\n{\n\tif (i)\n\t\treturn g(j);\n}\n\
                 int b(void);\n#ifdef C\nstruct q *\nc(void)\n{\n}\n#endif\nvoid d(void) { }\n";
        assert_eq!(
            functions_of_c(c).into_iter().collect::<Vec<_>>(),
            ["a", "c", "d"]
        );
        let table = "| `mm/shmem.c` | here |\n| `a()`, `e()` | `f()` |\n| `c()` | not here |\n";
        let table = File::new(TABLE, table).unwrap();
        assert_eq!(
            texts(&wrong_functions(&table, c)),
            [
                "mm/shmem.c has no function e()",
                "d() of mm/shmem.c is not in the table"
            ]
        );
    }
}
