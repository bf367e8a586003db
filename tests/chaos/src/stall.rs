// SPDX-License-Identifier: GPL-2.0
//! A call that does not come back, for the watchdog to notice.

use crate::board::Board;
use crate::calls;
use anyhow::{ensure, Context, Result};
use stage::machine::Expected;
use stage::tap::Tap;
use std::process::{Command, Stdio};

/// What it is called, as if it were a worker's.
const CALL: &str = "pipe read";

/// How long it may take here, in seconds.
const LATE: u64 = 2;

/// After how many seconds it is clear that the watchdog does not notice.
const PATIENCE: u32 = 30;

/// What the kernel says of all tasks that wait, and of all processors, when it is asked.
const ANSWERS: &str = "sysrq: |NMI backtrace for cpu|task:.* state:";

/// A round that is nothing but such a call.
pub fn run(late: u64) -> Result<bool> {
    let board = Board::new()?;
    let mut tap = Tap::new();
    let end = crate::watch(board, late, || wait(board))?;
    crate::judge(&mut tap, board, "a call that does not come back", &end)?;
    Ok(tap.done())
}

/// Reads from a pipe that stays empty. Ends by a signal where the watchdog does not end it.
fn wait(board: &Board) {
    // SAFETY: no pointers.
    unsafe { libc::alarm(PATIENCE) };
    let slot = board.slot(0);
    slot.take_self();
    slot.does(calls::number(CALL));
    let (read, _write) = rustix::pipe::pipe().expect("a pipe");
    let done = rustix::io::read(&read, &mut [0; 1]);
    board.wrong(&format!("the read came back: {done:?}"));
    slot.leave();
}

/// Whether a run of this program with such a round fails, and names the task with its kernel stack.
pub fn check() -> Result<()> {
    let _expected = Expected::new(ANSWERS)?;
    let output = Command::new("/proc/self/exe")
        .args(["--stall", &LATE.to_string()])
        .stdin(Stdio::null())
        .output()
        .context("this program once more")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(!output.status.success(), "it was well with it:\n{text}");
    // A busy machine may look later.
    let named = format!(" is in '{CALL}' for ");
    for line in [
        &["# STUCK: task ", &named][..],
        &["stack:", "pipe_read+"],
        &["syscall:"],
        &["not ok 1 - a call that does not come back"],
        &["#   a task does not come on"],
    ] {
        let is_line = |said: &str| line.iter().all(|part| said.contains(part));
        ensure!(text.lines().any(is_line), "no {line:?} in\n{text}");
    }
    Ok(())
}
