// SPDX-License-Identifier: GPL-2.0

//! Which types are guards, and which functions hand one out: those whose value does something when
//! it is dropped, by an implementation of Drop in the module or by a guard in it.

use crate::tree::File;
use std::collections::HashSet;
use syn::visit::{self, Visit};

/// Those of the kernel crate.
const OF_THE_KERNEL: [&str; 4] = ["ARef", "Arc", "Guard", "ScopeGuard"];

/// A type or a function, as it is called in a file.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    pub path: &'a str,
    pub name: &'a str,
}

/// A type of the module.
struct Structure {
    path: String,
    name: String,
    /// The types that its fields own.
    fields: Vec<String>,
    guard: bool,
}

pub struct Guards {
    structures: Vec<Structure>,
    /// By their own name, and by that of the type they belong to where they have one.
    functions: HashSet<(Option<String>, String)>,
    methods: HashSet<String>,
}

impl Guards {
    pub fn find(files: &[File]) -> Self {
        let mut structures = Vec::new();
        for file in files {
            let mut types = Types::default();
            types.visit_file(&file.syntax);
            structures.extend(types.fields.into_iter().map(|(name, fields)| Structure {
                path: file.path.clone(),
                guard: types.dropped.contains(&name),
                name,
                fields,
            }));
        }
        let mut guards = Self {
            structures,
            functions: HashSet::new(),
            methods: HashSet::new(),
        };
        // What has a guard is one. Ends, because each round but the last makes one of finitely
        // many structures a guard.
        loop {
            let new: Vec<usize> = guards
                .structures
                .iter()
                .enumerate()
                .filter(|(_, of)| {
                    !of.guard
                        && of.fields.iter().any(|name| {
                            guards.is_type(Name {
                                path: &of.path,
                                name,
                            })
                        })
                })
                .map(|(at, _)| at)
                .collect();
            if new.is_empty() {
                break;
            }
            new.into_iter()
                .for_each(|at| guards.structures[at].guard = true);
        }
        for file in files {
            let mut functions = Functions {
                guards: &mut guards,
                path: &file.path,
                owner: None,
            };
            functions.visit_file(&file.syntax);
        }
        guards
    }

    /// Whether a name means a guard where it is used: that of the file if it has one, and any other
    /// of the module or of the kernel crate if not.
    pub fn is_type(&self, of: Name<'_>) -> bool {
        let mut here = self
            .structures
            .iter()
            .filter(|other| other.name == of.name && other.path == of.path)
            .peekable();
        if here.peek().is_some() {
            return here.any(|structure| structure.guard);
        }
        OF_THE_KERNEL.contains(&of.name)
            || self
                .structures
                .iter()
                .any(|structure| structure.guard && structure.name == of.name)
    }

    /// Whether a call of `owner::name`, or of a free function, returns one.
    pub fn is_function(&self, owner: Option<&str>, name: &str) -> bool {
        // Any function of a foreign guard, since their signatures are not looked at.
        owner.is_some_and(|owner| OF_THE_KERNEL.contains(&owner))
            || self
                .functions
                .contains(&(owner.map(str::to_owned), name.to_owned()))
    }

    /// Whether some type has a method of this name that returns one.
    pub fn is_method(&self, name: &str) -> bool {
        self.methods.contains(name)
    }
}

/// The last name of a path's type.
pub fn last_name(path: &syn::Path) -> Option<String> {
    path.segments
        .last()
        .map(|segment| segment.ident.to_string())
}

/// The name of what an impl is for.
pub fn name_of(ty: &syn::Type) -> Option<String> {
    match ty {
        syn::Type::Path(path) => last_name(&path.path),
        _ => None,
    }
}

#[derive(Default)]
struct Types {
    dropped: Vec<String>,
    /// For each type, those that its fields own.
    fields: Vec<(String, Vec<String>)>,
}

impl Visit<'_> for Types {
    fn visit_item_impl(&mut self, item: &syn::ItemImpl) {
        if let Some((_, path, _)) = &item.trait_ {
            if last_name(path).is_some_and(|name| name == "Drop" || name == "PinnedDrop") {
                self.dropped.extend(name_of(&item.self_ty));
            }
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_struct(&mut self, item: &syn::ItemStruct) {
        let mut owned = Owned::default();
        item.fields
            .iter()
            .for_each(|field| owned.visit_type(&field.ty));
        self.fields.push((item.ident.to_string(), owned.names));
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &syn::ItemEnum) {
        let mut owned = Owned::default();
        let fields = item.variants.iter().flat_map(|variant| &variant.fields);
        fields.for_each(|field| owned.visit_type(&field.ty));
        self.fields.push((item.ident.to_string(), owned.names));
        visit::visit_item_enum(self, item);
    }
}

/// All names of types in a type, but for what is only referred to.
#[derive(Default)]
struct Owned {
    names: Vec<String>,
}

impl Visit<'_> for Owned {
    fn visit_type(&mut self, item: &syn::Type) {
        if !matches!(
            item,
            syn::Type::Reference(_) | syn::Type::Ptr(_) | syn::Type::BareFn(_)
        ) {
            visit::visit_type(self, item);
        }
    }

    fn visit_type_path(&mut self, item: &syn::TypePath) {
        let name = last_name(&item.path);
        // What they are of is not owned.
        if name
            .as_deref()
            .is_some_and(|name| ["PhantomData", "NonNull", "ManuallyDrop"].contains(&name))
        {
            return;
        }
        self.names.extend(name);
        visit::visit_type_path(self, item);
    }
}

struct Functions<'a> {
    guards: &'a mut Guards,
    path: &'a str,
    owner: Option<String>,
}

impl Functions<'_> {
    fn look_at(&mut self, signature: &syn::Signature) {
        let syn::ReturnType::Type(_, returned) = &signature.output else {
            return;
        };
        let mut owned = Owned::default();
        owned.visit_type(returned);
        let is_guard = |name: &String| {
            let name = match (name.as_str(), &self.owner) {
                ("Self", Some(owner)) => owner,
                _ => name,
            };
            self.guards.is_type(Name {
                path: self.path,
                name,
            })
        };
        if owned.names.iter().any(is_guard) {
            let name = signature.ident.to_string();
            if signature.receiver().is_some() {
                self.guards.methods.insert(name.clone());
            }
            self.guards.functions.insert((self.owner.clone(), name));
        }
    }
}

impl Visit<'_> for Functions<'_> {
    fn visit_item_impl(&mut self, item: &syn::ItemImpl) {
        let outer = std::mem::replace(&mut self.owner, name_of(&item.self_ty));
        visit::visit_item_impl(self, item);
        self.owner = outer;
    }

    fn visit_item_fn(&mut self, item: &syn::ItemFn) {
        let outer = self.owner.take();
        self.look_at(&item.sig);
        visit::visit_item_fn(self, item);
        self.owner = outer;
    }

    fn visit_impl_item_fn(&mut self, item: &syn::ImplItemFn) {
        self.look_at(&item.sig);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &syn::TraitItemFn) {
        self.look_at(&item.sig);
        visit::visit_trait_item_fn(self, item);
    }
}
