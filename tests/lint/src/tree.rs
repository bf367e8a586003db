// SPDX-License-Identifier: GPL-2.0

//! The module's source files, and the pages of its documentation.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use syn::parse::Parser;
use syn::punctuated::Punctuated;

pub struct File {
    /// From the top of the checkout.
    pub path: String,
    pub source: String,
    pub syntax: syn::File,
}

impl File {
    pub fn new(path: &str, source: &str) -> Result<Self> {
        let file = Self {
            path: path.to_owned(),
            source: source.to_owned(),
            syntax: syn::parse_file("")?,
        };
        if file.is_page() {
            return Ok(file);
        }
        let syntax = syn::parse_file(source).with_context(|| path.to_owned())?;
        Ok(Self { syntax, ..file })
    }

    /// Whether it is text for readers, and no code.
    pub fn is_page(&self) -> bool {
        self.path.starts_with(PAGES)
    }
}

/// What the front page of the documentation is made of.
const PAGES: &str = "src/guide/";

/// The file system of the sample, which has the floors below it in common with the module.
pub const SAMPLE: &str = "tests/sample/ramfs.rs";

/// What a copy of the module does wrong on purpose, as a part of its file system.
const MISBEHAVIOUR: &str = "tests/suites/answers/misbehaviour.rs";

/// The roots of the module and of the sample, which are of the same floors.
pub const ROOTS: [&str; 2] = ["rust_tmpfs.rs", "tests/sample/rust_ramfs.rs"];

/// All Rust below `src` of a checkout, and the pages there, in the order of names; and what is compiled with it elsewhere.
pub fn read(top: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for path in [SAMPLE, MISBEHAVIOUR].into_iter().chain(ROOTS) {
        files.push(File::new(path, &fs::read_to_string(top.join(path))?)?);
    }
    read_folder(top, &top.join("src"), &mut files)?;
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

fn read_folder(top: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path
            .strip_prefix(top)?
            .to_str()
            .context("a name that is not UTF-8")?;
        if path.is_dir() {
            read_folder(top, &path, files)?;
        } else if name.ends_with(".rs") && !name.ends_with("_generated.rs")
            || name.starts_with(PAGES)
        {
            files.push(File::new(name, &fs::read_to_string(&path)?)?);
        }
    }
    Ok(())
}

/// Whether a module is one of tests.
pub fn is_test(item: &syn::ItemMod) -> bool {
    item.attrs.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition.contains("test") || condition.contains("CONFIG_KUNIT")
        }
        _ => false,
    })
}

/// The arguments of a macro, where they are expressions.
pub fn arguments(item: &syn::Macro) -> Option<Punctuated<syn::Expr, syn::Token![,]>> {
    let parser = Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
    parser.parse2(item.tokens.clone()).ok()
}
