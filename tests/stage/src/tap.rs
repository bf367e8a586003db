// SPDX-License-Identifier: GPL-2.0
//! Results as TAP, the Test Anything Protocol.

use crate::skip::Skip;
use anyhow::{Error, Result};
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints results as they come and the plan at the end, so that a program that dies early has none, which fails.
#[derive(Default)]
pub struct Tap {
    filter: String,
    count: usize,
    failed: usize,
}

impl Tap {
    pub fn new() -> Self {
        Self::default()
    }

    /// For tests with this in their name alone, which may be none.
    pub fn of(filter: &str) -> Self {
        Self {
            filter: filter.to_owned(),
            ..Self::default()
        }
    }

    /// Whether a test of this name is to run.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    /// The result of a test: an error fails it, unless the error is a [`Skip`].
    pub fn result(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => self.ok(name),
            Err(error) => match error.downcast_ref::<Skip>() {
                Some(Skip(reason)) => self.skip(name, reason),
                None => self.fail(name, &format!("{error:#}")),
            },
        }
    }

    pub fn ok(&mut self, name: &str) {
        self.line("ok", name, "");
    }

    /// A test that has no place here, and why.
    pub fn skip(&mut self, name: &str, reason: &str) {
        let reason: Vec<_> = reason.split_whitespace().collect();
        self.line("ok", name, &format!(" # SKIP {}", reason.join(" ")));
    }

    pub fn fail(&mut self, name: &str, reason: &str) {
        self.failed += 1;
        self.line("not ok", name, "");
        reason.lines().for_each(|line| say(&format!("#   {line}")));
    }

    fn line(&mut self, verdict: &str, name: &str, rest: &str) {
        self.count += 1;
        let name = name.replace('#', "\\#");
        say(&format!("{verdict} {} - {name}{rest}", self.count));
    }

    /// How many tests failed so far.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Prints the plan; whether all went well, and there were tests or a filter to leave them out.
    pub fn done(self) -> bool {
        say(&format!("1..{}", self.count));
        self.failed == 0 && (self.count > 0 || !self.filter.is_empty())
    }
}

/// What is no result, each line of it behind a `#`.
pub fn note(text: &str) {
    text.lines().for_each(|line| say(&format!("# {line}")));
}

/// All tests are skipped.
pub fn skip_all(reason: &str) -> ExitCode {
    say(&format!("1..0 # SKIP {reason}"));
    ExitCode::SUCCESS
}

/// The exit status of a program that was done with its tests, or could not go on.
pub fn status(done: Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => bail_out(&error),
    }
}

/// Ends the tests early.
fn bail_out(error: &Error) -> ExitCode {
    say(&format!("Bail out! {error:#}"));
    ExitCode::from(2)
}

/// A line that is seen at once; the machine may not live to see the next. A reader that is gone needs none.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
