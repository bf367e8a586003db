//! Random sequences of system calls, each played on tmpfs and on rtmpfs (or what RTMPFS_TYPE names), which must say the
//! same. A sequence that differs is shortened and printed as a case for tests/differential.
//!
//! Where the kernel can inject faults, allocations fail in some of the calls on rtmpfs: those that fail of it must have
//! changed nothing, and are made once more.
//!
//! Each side plays a sequence by itself, in a process and a memory cgroup of its own, so that what one of them does to
//! the memory of the machine is no business of the other.

mod made;
mod shrink;
mod sides;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context};
use clap::Parser;
use differential::calls::Call;
use differential::harness::place::Place;
use differential::harness::run::SUBJECT;

use sides::Sides;
use stage::group::Group;
use stage::inject;
use stage::machine;
use stage::switch::Switch;
use stage::tap::{self, note, Tap};

#[derive(Parser)]
#[command(about)]
struct Arguments {
    /// How long to go on beginning new sequences
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// What the random choices begin with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first sequence
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Play no more sequences than this
    #[arg(long)]
    count: Option<u64>,
    /// Stop after so many differences
    #[arg(long, default_value_t = 10)]
    differences: usize,
    /// Write each call to the kernel log before it is made, for a machine that does not survive
    #[arg(long)]
    log_calls: bool,
    /// Print the sequences and play none
    #[arg(long)]
    print: bool,
}

/// How often a sequence is played again before its difference counts.
const AGAIN: usize = 2;

fn main() -> ExitCode {
    tap::status(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let end = arguments
        .count
        .map_or(u64::MAX, |count| arguments.first.saturating_add(count));
    let kind = stage::mounted::type_under_test();
    let faults = kind == SUBJECT && inject::available();
    if arguments.print {
        for number in arguments.first..end {
            print!(
                "{}",
                shrink::as_case(&made::sequence(arguments.seed, number, faults), number)
            );
        }
        return Ok(true);
    }
    let place = Place::new("random-", &kind)?;
    // That a task dies of a signal is nothing to log.
    let _quiet = machine::Setting::new("/proc/sys/debug/exception-trace", "0")?;
    let group = if stage::skip::lacks("MEMCG") {
        None
    } else {
        Some(Group::enter(&[])?)
    };
    if arguments.log_calls {
        std::env::set_var(differential::calls::LOG, "1");
    }
    let switched = kind == SUBJECT && std::path::Path::new(Switch::SharedMemory.path()).exists();
    let sides = Sides {
        kind: &kind,
        base: place.path(),
        switched,
        cut_short: RefCell::default(),
        short_of_room: Cell::default(),
        lacked: Cell::default(),
        failed: Cell::default(),
    };
    // The kernel says once of each boot that a program says nothing of execution.
    let mut provoked = vec!["memfd_create\\(\\)"];
    if faults {
        provoked.extend([inject::EXPECTED, inject::EXPECTED_OF_SWAP]);
    }
    let _expected = machine::Expected::new(&provoked.join("|"))?;
    note(match switched {
        true => {
            "shared memory without a mount is tmpfs's on one side, and the module's on the other"
        }
        false => {
            "shared memory without a mount is the same on both sides: the module has no switch"
        }
    });
    let deadline = Instant::now() + Duration::from_secs(arguments.seconds);
    let (mut calls, mut sequences, mut unsteady, mut drawn) = (0, 0, 0, 0);
    let mut tap = Tap::new();
    note(&format!(
        "seed {}, from sequence {} on",
        arguments.seed, arguments.first
    ));
    for number in arguments.first..end {
        if Instant::now() >= deadline || tap.failed() >= arguments.differences {
            break;
        }
        // The log of a machine that stops tells how far it came.
        let name = format!("sequence {number} of seed {}", arguments.seed);
        log(&format!("random: {name}"));
        let sequence = made::sequence(arguments.seed, number, faults);
        sequences += 1;
        let is_fault = |call: &&Call| matches!(call, Call::Fault { .. });
        let of_faults = sequence.calls.iter().filter(is_fault).count();
        drawn += of_faults;
        calls += sequence.calls.len() - of_faults;
        let play = || sides.difference(&sequence).with_context(|| name.clone());
        let Some(first) = play()? else {
            continue;
        };
        let mut is_steady = true;
        let again = if first.is_of_a_fault() { 0 } else { AGAIN };
        for _ in 0..again {
            // What the oracle does has to be the same; the other side may have other bytes each time.
            is_steady &= play()?.is_some_and(|next| next.has_place_of(&first));
        }
        if !is_steady {
            unsteady += 1;
            note(&format!("{name} differs, but not each time: {first}"));
            continue;
        }
        let (shortest, difference) = shrink::shrink(&sides, sequence, first);
        tap.fail(&format!("{name} differs"), &difference.to_string());
        note(&shrink::as_case(&shortest, number));
    }
    let ended = format!(
        "{calls} calls in {sequences} sequences of seed {} came to their end, {} of them with differences",
        arguments.seed,
        tap.failed()
    );
    match sequences {
        0 => tap.fail(&ended, "there was no time for one"),
        _ => tap.ok(&ended),
    }
    note(&format!("{unsteady} sequences differed once and not again"));
    note(&format!(
        "{} sequences are compared up to where one side lacks room",
        sides.short_of_room.get()
    ));
    if faults {
        tap.result(
            "calls fail of allocations that fail",
            some_failed(drawn, &sides),
        );
    }
    let (cut_short, reason) = sides.cut_short.take();
    if cut_short > 0 {
        note(&format!(
            "{cut_short} times tmpfs could not play a sequence to its end: {reason}"
        ));
    }
    if let Some(group) = &group {
        tap.result(
            "no page of a file is charged to the memory cgroup when all is unmounted",
            nothing_charged(group),
        );
    }
    Ok(tap.done())
}

/// Where many calls were to lack memory, some did and failed of it.
fn some_failed(drawn: usize, sides: &Sides) -> anyhow::Result<()> {
    const MANY: usize = 100;
    let (lacked, failed) = (sides.lacked.get(), sides.failed.get());
    note(&format!(
        "an allocation failed in {lacked} calls, of which {failed} failed"
    ));
    ensure!(
        drawn < MANY || failed > 0,
        "none of {drawn} calls failed that were to lack memory"
    );
    Ok(())
}

/// What a memory cgroup is charged for pages of files in memory and in swap comes to nothing.
fn nothing_charged(group: &Group) -> anyhow::Result<()> {
    // A kernel without swap has no such file.
    let swapped = || group.value("memory.swap.current").unwrap_or(0);
    let mut left = (0, 0);
    machine::wait(machine::LATE, || {
        left = (group.stat("shmem")?, swapped());
        Ok(left == (0, 0))
    })?;
    ensure!(
        left == (0, 0),
        "memory.stat shmem {}, memory.swap.current {}, in bytes",
        left.0,
        left.1
    );
    Ok(())
}

fn log(text: &str) {
    if let Ok(mut log) = std::fs::File::options().write(true).open("/dev/kmsg") {
        let _ = log.write_all(text.as_bytes());
    }
}
