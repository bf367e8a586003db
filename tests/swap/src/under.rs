// SPDX-License-Identifier: GPL-2.0
//! A program in a cgroup that is too small for it.

use crate::device::{self, Swap};
use crate::group::Group;
use crate::machine::vmstat;
use anyhow::{Context, Result};
use std::process::Command;

#[derive(clap::Args)]
pub struct Arguments {
    /// The group's memory, as memory.max takes it
    #[arg(long)]
    memory: String,
    /// The pages that have to go out, or the run is a failure
    #[arg(long, default_value_t = 1)]
    at_least: u64,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Whether the program ends well and pages of it were in swap.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let swap = Swap::disk(1)?;
    let group = Group::enter(&[("memory.max", &arguments.memory)])?;
    let (out, back) = (vmstat("pswpout")?, vmstat("pswpin")?);
    let [program, rest @ ..] = arguments.command.as_slice() else {
        unreachable!("clap wants a program");
    };
    let status = Command::new(program)
        .args(rest)
        .status()
        .with_context(|| program.clone())?;
    let (out, back) = (vmstat("pswpout")? - out, vmstat("pswpin")? - back);
    stage::tap::note(&format!(
        "in {}: {out} pages went out and {back} came back; it ends with {status}",
        arguments.memory
    ));
    let enough = out >= arguments.at_least && back > 0;
    if !enough {
        stage::tap::note(&format!(
            "there was no pressure: at least {} pages have to go out",
            arguments.at_least
        ));
    }
    group.remove()?;
    device::nothing_in_use()?;
    drop(swap);
    Ok(status.success() && enough)
}
