//! A sequence on both sides.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::path::Path;

use differential::calls::{replay, FAILED, LACKED, ROUGHLY};
use differential::harness::run::{self, observe, Outcome};
use stage::switch::Switch;

use crate::made::Sequence;

pub struct Sides<'a> {
    /// The type that must be as [`run::oracle`] is.
    pub kind: &'a str,
    /// Where to mount.
    pub base: &'a Path,
    /// The type serves files without a mount, too, when it is told to.
    pub switched: bool,
    /// Of sequences that neither side could play to its end: how many, and why the last one.
    pub cut_short: RefCell<(usize, String)>,
    /// Sequences that were compared up to a call that lacked room on one side.
    pub short_of_room: Cell<usize>,
    /// Calls in which an allocation failed, and those of them that failed of it.
    pub lacked: Cell<usize>,
    pub failed: Cell<usize>,
}

/// The first line in which two records are not the same, and the one before.
pub struct Difference {
    before: String,
    oracle: String,
    subject: String,
}

impl Sides<'_> {
    /// The first difference between the two; fails where the oracle itself hangs.
    pub fn difference(&self, sequence: &Sequence) -> anyhow::Result<Option<Difference>> {
        let play = |kind, on| -> anyhow::Result<Outcome> {
            // It is turned for the whole machine, and so for as long as the sequence runs.
            let _turned = match self.switched {
                true => Some(run::turned(Switch::SharedMemory, on)?),
                false => None,
            };
            Ok(observe(kind, self.base, |trace, fs| {
                replay(trace, fs, &sequence.options, &sequence.calls)
            }))
        };
        let oracle = play(run::oracle(), false)?;
        if oracle.hangs {
            let last = oracle.lines.last().map_or("the start", String::as_str);
            anyhow::bail!("{} hangs after {last}", run::oracle());
        }
        if let Some(reason) = oracle.failures.first() {
            let mut cut_short = self.cut_short.borrow_mut();
            *cut_short = (cut_short.0 + 1, reason.clone());
        }
        let subject = play(self.kind, true)?;
        let failed = subject.notes.iter().filter(|note| *note == FAILED);
        self.failed.set(self.failed.get() + failed.count());
        self.lacked.set(self.lacked.get() + subject.notes.len());
        let (mut oracle, mut subject) = (lines(oracle), lines(subject));
        run::show_as_oracle(&oracle, &mut subject);
        let first = |oracle: &[String], subject: &[String]| {
            oracle.iter().zip(subject).position(|(a, b)| a != b)
        };
        let mut at = first(&oracle, &subject);
        let is_short = |at: usize| {
            let is_rough = oracle[..at].iter().any(|line| line.starts_with(ROUGHLY));
            is_rough && sequence.may_lack_room() && takes_room(&oracle[at])
        };
        if at.is_some_and(is_short) {
            // From there on the two have not the same in them.
            self.short_of_room.set(self.short_of_room.get() + 1);
            oracle.drain(..the_end(&oracle));
            subject.drain(..the_end(&subject));
            at = first(&oracle, &subject);
        }
        let at = match at {
            None if oracle.len() == subject.len() => return Ok(None),
            None => oracle.len().min(subject.len()),
            Some(at) => at,
        };
        let line = |of: &[String], at| of.get(at).map_or("nothing more".to_owned(), Clone::clone);
        Ok(Some(Difference {
            before: at
                .checked_sub(1)
                .map_or_else(String::new, |at| line(&oracle, at)),
            oracle: line(&oracle, at),
            subject: line(&subject, at),
        }))
    }
}

impl Difference {
    /// Whether it is at the same place, and the oracle did the same there: then what differs each time is the subject.
    pub fn has_place_of(&self, other: &Self) -> bool {
        self.before == other.before && self.oracle == other.oracle
    }

    /// Whether it is what a call did that failed; which allocation it was that failed is not the same each time.
    pub fn is_of_a_fault(&self) -> bool {
        self.subject.starts_with(LACKED)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "after  {}", self.before)?;
        writeln!(f, "oracle {}", self.oracle)?;
        writeln!(f, "other  {}", self.subject)
    }
}

/// Calls that may lack room.
const TAKE_ROOM: &[&str] = &[
    "Write",
    "Pwritev",
    "PwriteMap",
    "PreadMap",
    "Uring",
    "Fallocate",
    "CopyRange",
    "Sendfile",
    "SpliceOut",
    "Vmsplice",
    "Symlink",
    "Touch",
    "Child",
    "Advise",
    "Lock",
    "Remount",
];

/// Whether that is what a call said that may lack room.
fn takes_room(line: &str) -> bool {
    let call = line.split(|c: char| !c.is_ascii_alphanumeric()).next();
    call.is_some_and(|call| TAKE_ROOM.contains(&call))
}

/// Where a record tells of what is left when all is gone.
fn the_end(lines: &[String]) -> usize {
    let end = lines.iter().position(|line| line.starts_with("umount"));
    end.unwrap_or(lines.len())
}

fn lines(outcome: Outcome) -> Vec<String> {
    let mut lines = outcome.lines;
    lines.extend(
        outcome
            .failures
            .into_iter()
            .map(|text| format!("failed: {text}")),
    );
    lines.extend(outcome.skip.map(|text| format!("skipped: {text}")));
    lines
}
