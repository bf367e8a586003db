// SPDX-License-Identifier: GPL-2.0
//! Many tasks do random system calls, without order, on small mounts of a machine that is short of everything. Nothing
//! may hang, no page may hold what is not its own, and nothing may stay.
//!
//! Prints TAP, a test for each round. The same seed draws the same rounds.

mod board;
mod call;
mod calls;
mod conductor;
mod config;
mod faults;
mod ledger;
mod machine;
mod memory;
mod own;
mod process;
mod quiet;
mod rights;
mod stall;
mod watchdog;
mod worker;

use anyhow::{ensure, Context, Result};
use board::{now, Board};
use clap::Parser;
use conductor::Drawn;
use config::{Config, Machine, Swapping};
use fastrand::Rng;
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use stage::tap::{self, Tap};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Random system calls of many tasks on small mounts")]
struct Arguments {
    /// How long
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// What the random choices begin with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The file system type
    #[arg(long = "type", default_value_t = stage::mounted::type_under_test())]
    kind: String,
    /// This round only, again and again
    #[arg(long)]
    round: Option<u64>,
    /// Instead of rounds a call that does not come back, which may take so many seconds
    #[arg(long, hide = true)]
    stall: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tap::status(match arguments.stall {
        Some(late) => stall::run(late),
        None => run(&arguments),
    })
}

/// A run of so many seconds has rounds in which pages have to go to swap.
const LONG: u64 = 120;

/// How a round ended.
enum End {
    Ended,
    Stuck,
    Died(WaitStatus),
}

fn run(arguments: &Arguments) -> Result<bool> {
    let mut tap = Tap::new();
    tap.result(
        "a call that does not come back is named with its kernel stack, and fails the run",
        stall::check(),
    );
    // Nothing of this process may go to swap, which it could have to wait for.
    stage::machine::keep_in_memory()?;
    let limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: no core dumps, for all children.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &limit) };
    let board = Board::new()?;
    let machine = Machine::look();
    tap::note(&format!(
        "{} s on {}, seed {}",
        arguments.seconds, arguments.kind, arguments.seed
    ));
    let begin = now();
    let mut calls = 0;
    let (out, back) = (swapped("pswpout"), swapped("pswpin"));
    let mut has_swap = false;
    for number in 0.. {
        let (chosen, repeated) = match arguments.round {
            Some(round) => (round, number),
            None => (number, 0),
        };
        let seed = Rng::with_seed(arguments.seed ^ (chosen << 32)).u64(..);
        let drawn = Drawn {
            config: Config::draw(&mut Rng::with_seed(seed), &machine),
            arguments,
            number: chosen,
            // The same round does something else each time.
            seed: seed ^ repeated,
        };
        let config = &drawn.config;
        // One round there is, however short the time.
        if number > 0 && now() - begin + config.seconds * 1000 > arguments.seconds * 1000 {
            break;
        }
        board.clear();
        tap::note(&format!("round {chosen}: {config}"));
        let end = watch(board, stage::machine::LATE, || {
            conductor::run(board, &drawn)
        })?;
        tap::note(&format!("{} calls", board.calls() - calls));
        calls = board.calls();
        has_swap |= config.swapping != Swapping::Off;
        let name = format!("round {chosen} of seed {}: {config}", arguments.seed);
        judge(&mut tap, board, &name, &end).inspect_err(|_| summary(board))?;
    }
    summary(board);
    tap::note(&format!("{calls} calls in {} s", (now() - begin) / 1000));
    if has_swap {
        let (out, back) = (swapped("pswpout") - out, swapped("pswpin") - back);
        let what = format!("pages go to swap and come back: {out} and {back}");
        match out > 0 && back > 0 {
            true => tap.ok(&what),
            // A busy machine does little in the few rounds that there are.
            false if arguments.seconds < LONG => {
                tap.skip(&what, &format!("not sure in less than {LONG} s"));
            }
            false => tap.fail(&what, ""),
        }
    }
    Ok(tap.done())
}

/// Starts a round, which is what `conduct` does, and looks at it until it ends or does not come on: a call may take
/// `late` seconds.
fn watch(board: &Board, late: u64, conduct: impl FnOnce()) -> Result<End> {
    let conductor = process::start(conduct)?;
    loop {
        std::thread::sleep(Duration::from_millis(100));
        match waitpid(conductor, Some(WaitPidFlag::WNOHANG)).context("waitpid")? {
            WaitStatus::StillAlive => {}
            WaitStatus::Exited(_, 0) => return Ok(End::Ended),
            status => return Ok(End::Died(status)),
        }
        let stuck = watchdog::stuck(board, late);
        if !stuck.is_empty() {
            board.stop();
            watchdog::report(&stuck);
            // The others go with it, those that can.
            let _ = nix::sys::signal::kill(conductor, nix::sys::signal::Signal::SIGKILL);
            return Ok(End::Stuck);
        }
    }
}

/// The result of a round; an error where there can be no other after it.
fn judge(tap: &mut Tap, board: &Board, name: &str, end: &End) -> Result<()> {
    let mut findings = board.findings();
    match end {
        End::Ended => {}
        End::Stuck => findings.push("a task does not come on".to_owned()),
        End::Died(status) => findings.push(format!("the conductor ended: {status:?}")),
    }
    match findings.is_empty() {
        true => tap.ok(name),
        false => tap.fail(name, &findings.join("\n")),
    }
    ensure!(
        matches!(end, End::Ended),
        "the machine is not fit for another round"
    );
    Ok(())
}

/// A kernel without swap has no such figures.
fn swapped(name: &str) -> u64 {
    stage::machine::vmstat(name).unwrap_or(0)
}

/// What was done, and with which errors mostly.
fn summary(board: &Board) {
    let mut line = String::new();
    for call in 0..board::CALLS {
        let (good, errors) = board.counts(call);
        let all = good + errors.iter().map(|(_, count)| count).sum::<u64>();
        if all == 0 {
            continue;
        }
        let mut text = format!(" {}: {good} of {all}", calls::name(call));
        for (error, count) in errors.iter().take(3) {
            text.push_str(&format!(
                ", {:?} {count}",
                nix::errno::Errno::from_raw(*error)
            ));
        }
        text.push(';');
        if line.len() + text.len() > 115 {
            tap::note(line.trim_start());
            line.clear();
        }
        line.push_str(&text);
    }
    tap::note(line.trim_start());
    tap::note(&format!(
        "{} times a mapped page was not there",
        board.lost_pages()
    ));
}
