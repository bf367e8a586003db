// SPDX-License-Identifier: GPL-2.0

//! Rules of the module's code that no compiler knows. Called by `run`:
//!
//!     lint TOP [RULE...]
//!
//! Without a rule, all of them.
//!
//! It sees the source as it is written: no types of expressions, nothing that a macro makes, and of
//! a macro's arguments only what are expressions. A name that means two things means both.

mod bindings;
mod casts;
mod config;
mod eager;
mod finding;
mod floors;
mod guards;
mod guide;
mod loops;
mod manual;
mod safe;
mod shifts;
mod tree;
mod words;

use anyhow::{bail, Result};
use finding::Finding;
use std::env;
use std::path::Path;
use std::process::ExitCode;
use tree::File;

type Rule = fn(&[File]) -> Vec<Finding>;

/// What a rule is called, and what a finding of it means.
const RULES: [(&str, &str, Rule); 11] = [
    (
        "bindings",
        "the bindings hold more than is used, or without order",
        bindings::check,
    ),
    (
        "casts",
        "casts that lose a sign or bits, or sums that overflow, are not denied",
        casts::check,
    ),
    (
        "config",
        "too many places ask the kernel's configuration",
        config::check,
    ),
    (
        "floors",
        "what is below uses what is above, or what uses it",
        floors::check,
    ),
    (
        "guards",
        "a guard is made before what it guards is true",
        eager::check,
    ),
    (
        "guide",
        "a page for readers names what is not there",
        guide::check,
    ),
    ("loops", "no comment says why the loop ends", loops::check),
    (
        "manual",
        "the manual is not what the source is",
        manual::check,
    ),
    ("safe", "unsafe code in the file system", safe::check),
    (
        "shifts",
        "a shift outside the files of the types",
        shifts::check,
    ),
    ("words", "a comment that names nothing", words::check),
];

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((top, names)) = arguments.split_first() else {
        bail!("usage: lint TOP [RULE...]");
    };
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    if names.is_empty() {
        names = RULES.map(|(rule, ..)| rule).to_vec();
    }
    let files = tree::read(Path::new(top))?;
    // Rules read what is no Rust by its name from there.
    env::set_current_dir(top)?;
    let mut found = 0;
    for name in names {
        let Some((_, meaning, check)) = RULES.iter().find(|(rule, ..)| *rule == name) else {
            bail!(
                "'{name}' is not a rule; there are: {}",
                RULES.map(|(rule, ..)| rule).join(" ")
            );
        };
        for finding in check(&files) {
            println!(
                "{}:{}: {meaning}: {}",
                finding.path, finding.line, finding.text
            );
            found += 1;
        }
    }
    Ok(ExitCode::from(u8::from(found > 0)))
}
