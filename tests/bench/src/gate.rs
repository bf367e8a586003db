// SPDX-License-Identifier: GPL-2.0
//! What a worker tells its parent around a region, and waits for. All begin together; none goes on before all have
//! ended, as what it then removes would be time of the others.

use std::io::{stdin, stdout};

use rustix::event::{poll, PollFd, PollFlags};
use rustix::io::{read, write, Errno, Result};

use crate::timer::Sample;

/// The line of a worker that could begin.
pub const READY: &str = "ready";

/// Waits until the parent closes the other end of standard input, which is one pipe for all workers: one system call
/// that wakes them all, so that none of them keeps the parent from waking the next.
pub fn wait_for_start() -> Result<()> {
    say(READY)?;
    while read(stdin(), &mut [0; 64])? > 0 {}
    Ok(())
}

/// Tells the figures, and waits until the parent closes its end of standard output, having heard all workers.
pub fn wait_for_end(sample: &Sample) -> Result<()> {
    say(&sample.to_string())?;
    let stdout = stdout();
    // An error is what the end of a pipe without readers has, and needs no asking for.
    poll(&mut [PollFd::new(&stdout, PollFlags::empty())], None).map(drop)
}

/// A line, at once.
pub fn say(line: &str) -> Result<()> {
    let line = format!("{line}\n");
    // A pipe takes as little as this in one piece.
    match write(stdout(), line.as_bytes())? {
        written if written == line.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}
