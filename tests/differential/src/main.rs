//! Runs the same steps on tmpfs and on a second type of file system and compares what they show.
//!
//! The second type is `rtmpfs`, or what the environment variable RTMPFS_TYPE names; RTMPFS_ORACLE names one to take
//! the place of tmpfs.

mod cases;

use std::process::ExitCode;

use clap::Parser;
use stage::tap::{self, Tap};

use differential::harness;
use harness::case::Body;
use harness::place::Place;
use harness::run;

#[derive(Parser)]
#[command(about)]
struct Arguments {
    /// Print the names of the cases and run none
    #[arg(long)]
    list: bool,
    /// The filter is the whole name of a case
    #[arg(long)]
    exact: bool,
    /// No cases with this in their name; may be given several times
    #[arg(long, value_name = "PART")]
    skip: Vec<String>,
    /// No cases that turn a switch of the module, for a file system that has none
    #[arg(long)]
    no_switches: bool,
    /// Only cases with this in their name
    #[arg(default_value = "")]
    filter: String,
}

fn main() -> ExitCode {
    tap::status(run_all(&Arguments::parse()))
}

/// All that are asked for, one after another: they compare figures of the whole machine and fork.
fn run_all(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut tap = Tap::of(&arguments.filter);
    let all =
        cases::all().map(|(subject, case)| (subject, format!("{subject}::{}", case.name), case));
    if arguments.list {
        all.filter(|(_, name, _)| tap.wants(name))
            .for_each(|(_, name, _)| println!("{name}"));
        return Ok(true);
    }
    let kind = stage::mounted::type_under_test();
    let place = Place::new("differential-", &kind)?;
    for (subject, name, case) in all {
        let is_skipped = arguments.skip.iter().any(|part| name.contains(part))
            || (arguments.no_switches && matches!(case.body, Body::Switched(..)));
        if tap.wants(&name) && !is_skipped && (!arguments.exact || name == arguments.filter) {
            tap.result(&name, run::run(subject, case, &kind, place.path()));
        }
    }
    Ok(tap.done())
}
