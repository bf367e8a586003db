// SPDX-License-Identifier: GPL-2.0

//! The floors of the module, and the rooms of the file system: each uses only what is on its own or below, and but for
//! the types of the VFS, which are as tied to each other in C, nothing that uses it.
//! Raw bindings are not for the file system, and what is pure needs nothing but quantities. The sample is over
//! mm and vfs alone.
//!
//! What a path names is looked for where it is, through imports and re-exports.

use crate::finding::Finding;
use crate::tree::{is_test, File, SAMPLE};
use proc_macro2::{Span, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use syn::visit::{self, Visit};
use syn::{Item, UseTree};

/// From the lowest.
pub const FLOORS: [&str; 6] = ["bindings", "units", "mm", "vfs", "shmem", "tmpfs"];

/// Those of the uppermost floor, from the lowest.
const ROOMS: [&str; 5] = ["pure", "state", "data", "namespace", "control"];

/// What the sample may use.
const UNDER_THE_SAMPLE: [&str; 3] = ["units", "mm", "vfs"];

/// Those on which no module uses one that uses it, be it by others.
const WITHOUT_CIRCLES: [&str; 3] = ["mm", "shmem", "tmpfs"];

/// Stands before a path that leads out of the crate.
const OUTSIDE: &str = "::";

/// Names, from the root of the crate on or as they are written.
type Path = Vec<String>;

/// What the names in a module stand for.
#[derive(Default)]
struct Module {
    items: BTreeSet<String>,
    imports: BTreeMap<String, Path>,
    glob: Option<Path>,
}

type Modules = BTreeMap<Path, Module>;

/// The module of the sample, in a crate of its own.
fn sample() -> Path {
    vec!["ramfs".to_owned()]
}

fn module_of(file: &File) -> Path {
    if file.path == SAMPLE {
        return sample();
    }
    let path = file.path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut names: Path = path.split('/').map(str::to_owned).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib")) {
        names.pop();
    }
    names
}

/// The module that has what `path` names in `module`.
fn home(path: &[String], module: &Path, modules: &Modules, depth: usize) -> Path {
    let (mut at, mut rest) = (module.clone(), path);
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            _ => break,
        }
        rest = others;
    }
    let is_relative = rest.len() == path.len();
    for (done, name) in rest.iter().enumerate() {
        let Some(names) = modules.get(&at) else { break };
        let below = [at.as_slice(), std::slice::from_ref(name)].concat();
        let is_first = is_relative && done == 0;
        if modules.contains_key(&below) {
            at = below;
        } else if names.items.contains(name) || depth > 16 {
            break;
        } else if let Some(import) = names.imports.get(name) {
            let whole = [import, &rest[done + 1..]].concat();
            return home(&whole, &at, modules, depth + 1);
        } else if is_first {
            return [&[OUTSIDE.to_owned()], path].concat();
        } else if let Some(glob) = &names.glob {
            return home(&[glob, &rest[done..]].concat(), &at, modules, depth + 1);
        } else {
            break;
        }
    }
    at
}

fn rank(order: &[&str], path: &Path, at: usize) -> Option<usize> {
    let name = path.get(at)?;
    order.iter().position(|known| known == name)
}

/// Whether `from` may use what is in `to`.
fn may_use(from: &Path, to: &Path) -> bool {
    let is_pure = from.len() > 1 && from[..2] == ["tmpfs", "pure"];
    if to.first().is_some_and(|name| name == OUTSIDE) {
        return !is_pure || to[1] != "kernel";
    }
    if *from == sample() {
        return from == to || rank(&UNDER_THE_SAMPLE, to, 0).is_some();
    }
    let Some(floor) = rank(&FLOORS, from, 0) else {
        return true;
    };
    match rank(&FLOORS, to, 0) {
        // The root is above all.
        None => false,
        Some(target) if target < floor && FLOORS[floor] == "tmpfs" => {
            FLOORS[target] != "bindings" && (!is_pure || *to == ["units"])
        }
        Some(target) if target != floor => target < floor,
        Some(_) => match (rank(&ROOMS, from, 1), rank(&ROOMS, to, 1)) {
            (Some(room), Some(target)) => target <= room,
            _ => true,
        },
    }
}

/// What a file writes, outside of its tests.
struct Reader {
    module: Path,
    /// The paths that it writes, and the module of each.
    found: Vec<(Path, Path, Span)>,
    modules: Modules,
}

impl Reader {
    fn of(file: &File) -> Self {
        let mut reader = Self {
            module: module_of(file),
            found: Vec::new(),
            modules: Modules::new(),
        };
        reader.names();
        reader.visit_file(&file.syntax);
        reader
    }

    fn names(&mut self) -> &mut Module {
        self.modules.entry(self.module.clone()).or_default()
    }

    fn write(&mut self, path: Path, span: Span) {
        // A name alone is an import's, or `crate` in a visibility.
        if path.len() > 1 {
            self.found.push((self.module.clone(), path, span));
        }
    }

    /// The paths of a `use`.
    fn import(&mut self, tree: &UseTree, mut path: Path) {
        let (name, alias) = match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                return self.import(&tree.tree, path);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, path.clone());
                }
                return;
            }
            UseTree::Glob(tree) => {
                self.names().glob = Some(path.clone());
                return self.write(path, tree.star_token.spans[0]);
            }
            UseTree::Name(tree) => (&tree.ident, &tree.ident),
            UseTree::Rename(tree) => (&tree.ident, &tree.rename),
        };
        if name != "self" {
            path.push(name.to_string());
        }
        let alias = match (alias == "self", path.last()) {
            (true, Some(last)) => last.clone(),
            _ => alias.to_string(),
        };
        self.names().imports.insert(alias, path.clone());
        self.write(path, name.span());
    }

    /// Paths in the arguments of a macro.
    fn look_through(&mut self, tokens: TokenStream) {
        let mut path = Path::new();
        let mut begin = Span::call_site();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.write(take(&mut path), begin);
                        begin = name.span();
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                token => {
                    self.write(take(&mut path), begin);
                    colons = 0;
                    if let TokenTree::Group(group) = token {
                        self.look_through(group.stream());
                    }
                }
            }
        }
        self.write(path, begin);
    }
}

impl<'a> Visit<'a> for Reader {
    fn visit_item(&mut self, item: &'a Item) {
        let name = match item {
            Item::Const(item) => Some(&item.ident),
            Item::Enum(item) => Some(&item.ident),
            Item::Fn(item) => Some(&item.sig.ident),
            Item::Static(item) => Some(&item.ident),
            Item::Struct(item) => Some(&item.ident),
            Item::Trait(item) => Some(&item.ident),
            Item::Type(item) => Some(&item.ident),
            _ => None,
        };
        if let Some(name) = name {
            self.names().items.insert(name.to_string());
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if item.content.is_none() || is_test(item) {
            return;
        }
        self.module.push(item.ident.to_string());
        self.names();
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.import(&item.tree, Path::new());
    }

    /// `pub(crate)` uses nothing.
    fn visit_visibility(&mut self, _: &'a syn::Visibility) {}

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names = path.segments.iter().map(|part| part.ident.to_string());
        if let Some(first) = path.segments.first() {
            self.write(names.collect(), first.ident.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'a syn::Macro) {
        self.look_through(item.tokens.clone());
        visit::visit_macro(self, item);
    }
}

/// Which modules of its floor each one uses.
type Uses = BTreeMap<Path, BTreeSet<Path>>;

/// Whether a use of `to` in `from` may be a part of a circle: both are on one floor, for whose types that is not allowed,
/// and neither is in the other.
fn may_be_in_circle(from: &Path, to: &Path) -> bool {
    let is_within = |inner: &Path, outer: &Path| inner.starts_with(outer);
    from.first() == to.first()
        && rank(&WITHOUT_CIRCLES, from, 0).is_some()
        && !is_within(from, to)
        && !is_within(to, from)
}

/// Whether `from` uses `to`, be it by others.
fn leads(uses: &Uses, from: &Path, to: &Path) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        if module == to {
            return true;
        }
        let used = uses.get(module).into_iter().flatten();
        next.extend(used.filter(|module| seen.insert(module)));
    }
    false
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let mut readers: Vec<Reader> = files.iter().map(Reader::of).collect();
    let modules = readers
        .iter_mut()
        .flat_map(|reader| take(&mut reader.modules))
        .collect();
    let mut used = Vec::new();
    let mut uses = Uses::new();
    for (file, reader) in files.iter().zip(readers) {
        for (module, path, span) in reader.found {
            let home = home(&path, &module, &modules, 0);
            if may_be_in_circle(&module, &home) {
                uses.entry(module.clone()).or_default().insert(home.clone());
            }
            used.push((file, module, home, span));
        }
    }
    let mut found: Vec<Finding> = Vec::new();
    for (file, module, home, span) in used {
        let is_circle = || may_be_in_circle(&module, &home) && leads(&uses, &home, &module);
        if !may_use(&module, &home) || is_circle() {
            found.push(Finding::new(file, span));
        }
    }
    found.dedup_by(|a, b| a.path == b.path && a.line == b.line);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: [(&str, &str); 11] = [
        ("src/lib.rs", ""),
        ("src/bindings/mod.rs", ""),
        ("src/units.rs", "quantity! { Pos }"),
        ("src/mm/mod.rs", "pub(crate) use folio::*;\n"),
        ("src/mm/folio.rs", "pub(crate) struct Folio;\n"),
        ("src/vfs/mod.rs", ""),
        ("src/shmem/mod.rs", ""),
        ("src/tmpfs/mod.rs", "pub(crate) use state::Tmpfs;\n"),
        ("src/tmpfs/pure/mod.rs", ""),
        ("src/tmpfs/state/mod.rs", "pub(crate) struct Tmpfs;\n"),
        ("src/tmpfs/data/mod.rs", ""),
    ];

    /// The lines of a file that use what is above, in a tree with all floors.
    fn lines(path: &str, source: &str) -> Vec<usize> {
        let files: Vec<File> = TREE
            .iter()
            .chain([&(path, source)])
            .map(|(path, source)| File::new(path, source).unwrap())
            .collect();
        let found = check(&files);
        assert!(found.iter().all(|finding| finding.path == path));
        found.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn floors() {
        let source =
            "use crate::bindings;\nuse crate::units::Pos;\nuse crate::{mm::Folio, vfs::Inode};\n\
                      fn f() {\n    crate::shmem::g();\n    m!(super::super::tmpfs::X);\n}\n";
        assert_eq!(lines("src/mm/a.rs", source), [3, 5, 6]);
        assert_eq!(lines("src/vfs/a.rs", source), [5, 6]);
        assert_eq!(
            lines(
                "src/units.rs",
                "use crate::bindings::A;\nuse crate::mm::Folio;\n"
            ),
            [2]
        );
        assert_eq!(lines("src/tmpfs/a.rs", source), [1]);
        assert_eq!(lines("src/mm/b.rs", "use crate::Module;\n"), [1]);
        assert!(lines("src/lib.rs", "mod mm;\nuse tmpfs::Tmpfs;\n").is_empty());
    }

    #[test]
    fn what_is_under_the_sample() {
        let source = "use crate::mm::Folio;\nuse crate::{units::Pos, vfs::Inode};\nuse kernel::prelude::*;\n\
                      fn f() {\n    crate::bindings::g();\n    h::i();\n}\nfn g(_: crate::shmem::X) {}\n";
        assert_eq!(lines(SAMPLE, source), [5, 8]);
    }

    #[test]
    fn rooms() {
        let source =
            "use super::super::data::a;\nuse crate::tmpfs::state::b;\nfn f() {\n    a::g();\n}\n";
        assert_eq!(lines("src/tmpfs/state/a.rs", source), [1, 4]);
        assert!(lines("src/tmpfs/data/a.rs", source).is_empty());
    }

    #[test]
    fn what_is_pure() {
        let source = "use crate::units::Pos;\nuse kernel::prelude::*;\nuse crate::mm::Folio;\nuse core::fmt;\n\
                      use crate::vfs::Mode;\n#[cfg(test)]\nmod tests {\n    use kernel::a;\n}\n";
        assert_eq!(lines("src/tmpfs/pure/a.rs", source), [2, 3, 5]);
    }

    #[test]
    fn circles() {
        let use_folio = "use super::Folio;\nfn f(_: Folio) {}\n";
        assert!(lines("src/mm/slot.rs", use_folio).is_empty());
        let files: Vec<File> = [
            ("src/mm/mod.rs", "pub(crate) use folio::*;\n"),
            (
                "src/mm/folio.rs",
                "use super::mapping::Mapping;\npub(crate) struct Folio;\n",
            ),
            (
                "src/mm/mapping.rs",
                "use super::swap;\npub(crate) struct Mapping;\n",
            ),
            ("src/mm/swap.rs", "use super::Folio;\nuse super::wait;\n"),
            ("src/mm/wait.rs", ""),
            ("src/vfs/a.rs", "use super::b;\n"),
            ("src/vfs/b.rs", "use super::a;\n"),
        ]
        .iter()
        .map(|(path, source)| File::new(path, source).unwrap())
        .collect();
        let found = check(&files).into_iter();
        assert_eq!(
            found
                .map(|finding| (finding.path, finding.line))
                .collect::<Vec<_>>(),
            [
                ("src/mm/folio.rs".to_owned(), 1),
                ("src/mm/mapping.rs".to_owned(), 1),
                ("src/mm/swap.rs".to_owned(), 1)
            ]
        );
    }

    #[test]
    fn exported_again() {
        let source = "use crate::tmpfs::Tmpfs;\nuse crate::tmpfs;\nfn f(_: tmpfs::Tmpfs) {}\n";
        assert_eq!(lines("src/tmpfs/pure/a.rs", source), [1, 3]);
        assert!(lines("src/tmpfs/control/a.rs", source).is_empty());
    }
}
