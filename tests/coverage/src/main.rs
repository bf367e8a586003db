// SPDX-License-Identifier: GPL-2.0

//! Which lines of the module were reached. Called by scripts:
//!
//! - `coverage save`, in the guest: the counters of the loaded module become a raw profile;
//! - `rmmod ...`, in the guest, by a link of that name: the same, and then the real one;
//! - `coverage report ...`, on the host: what all profiles together say.

mod excuses;
mod functions;
mod lines;
mod profile;
mod report;

use anyhow::{bail, Context, Result};
use std::env;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const RMMOD: &str = "/usr/sbin/rmmod";

fn variable(name: &str) -> Result<PathBuf> {
    env::var_os(name)
        .map(PathBuf::from)
        .with_context(|| format!("{name} is not set"))
}

fn save() -> Result<()> {
    profile::save(&variable("RTMPFS_MODULE")?, &variable("RTMPFS_PROFILES")?)
}

/// The counters go with the module, and are saved before. What it counts while it goes is lost.
fn rmmod(arguments: &[String]) -> Result<ExitCode> {
    if arguments.iter().any(|argument| argument == "rtmpfs") {
        // Another task may take the module away meanwhile, and saves them as well.
        if let Err(error) = save() {
            if Path::new(profile::LOADED).exists() {
                return Err(error);
            }
        }
    }
    Err(Command::new(RMMOD).args(arguments).exec()).context(RMMOD)
}

fn main() -> Result<ExitCode> {
    let mut arguments = env::args();
    let program = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    if program.ends_with("rmmod") {
        return rmmod(&arguments);
    }
    match arguments.split_first() {
        Some((command, [])) if command == "save" => save().map(|()| ExitCode::SUCCESS),
        Some((command, rest)) if command == "report" => report::report(rest),
        _ => bail!("usage: coverage save | coverage report TOP EXCUSES LCOV..."),
    }
}
