//! The record of what a case saw. Two runs of a case on two file systems must give the same lines.

use std::fmt::{Debug, Display};
use std::io::Write;
use std::os::fd::OwnedFd;

use super::case::Done;
use super::meta::{self, Snapshot};
use super::process;
use super::sys::{Dir, Fd};

pub struct Trace {
    out: Out,
    kind: String,
}

enum Out {
    /// Lines go to the runner as they are made, so that those before a crash are not lost, and so that a
    /// forked child adds to the record of its parent.
    Runner(std::fs::File),
    /// For a case that compares them itself.
    Kept(Vec<String>),
}

/// First byte of a line on its way to the runner.
pub const LINE: char = 'T';
pub const NOTE: char = 'N';
pub const FAILURE: char = 'F';
pub const SKIP: char = 'S';
pub const END: char = 'E';

impl Trace {
    pub fn new(out: OwnedFd, kind: &str) -> Trace {
        Trace {
            out: Out::Runner(out.into()),
            kind: kind.to_owned(),
        }
    }

    /// The lines of a record that is not for the runner.
    pub fn aside(&self, record: impl FnOnce(&mut Trace) -> Done) -> anyhow::Result<Vec<String>> {
        let mut aside = Trace {
            out: Out::Kept(Vec::new()),
            kind: self.kind.clone(),
        };
        record(&mut aside)?;
        match aside.out {
            Out::Kept(lines) => Ok(lines),
            Out::Runner(_) => unreachable!("it is kept"),
        }
    }

    fn send(&mut self, tag: char, text: &str) {
        let text = text.replace('\n', "\\n");
        match &mut self.out {
            Out::Runner(out) => out
                .write_all(format!("{tag}{text}\n").as_bytes())
                .expect("the runner reads the trace"),
            Out::Kept(lines) => lines.push(text),
        }
    }

    pub fn put(&mut self, label: impl Display, value: impl Debug) {
        self.text(label, format!("{value:?}"));
    }

    /// Text of the kernel's, in which the name of the type is replaced.
    pub fn text(&mut self, label: impl Display, text: impl Display) {
        let text = replace_word(&text.to_string(), &self.kind, "TYPE");
        self.send(LINE, &format!("{label}: {text}"));
    }

    /// One line for each item, so that a difference between long lists is a short one.
    pub fn each<T: Debug>(&mut self, label: impl Display, items: impl IntoIterator<Item = T>) {
        let items: Vec<String> = items.into_iter().map(|item| format!("{item:?}")).collect();
        self.text(&label, format!("{} of these", items.len()));
        items.iter().for_each(|item| self.text(&label, item));
    }

    /// Runs `op` with the clock past the last time stamps and records its result and what it changed in the
    /// metadata of `paths`.
    pub fn effects<T: Debug>(
        &mut self,
        label: impl Display,
        dir: &Dir,
        paths: &[&str],
        op: impl FnOnce() -> T,
    ) -> T {
        let start = meta::tick();
        let before: Vec<Snapshot> = paths.iter().map(|p| Snapshot::of(dir, p)).collect();
        let value = op();
        self.put(&label, &value);
        for (path, before) in paths.iter().zip(&before) {
            let change = before.change(&Snapshot::of(dir, path), start);
            self.text(format!("{label} [{path}]"), change);
        }
        value
    }

    /// Records what counts of a file: its metadata, the blocks in use of its mount, its extents.
    pub fn counts(&mut self, label: impl Display, dir: &Dir, file: &Fd) -> Done {
        let space = dir.space()?;
        self.put(
            format!("{label}: counts"),
            (file.meta()?, space.blocks - space.free, file.extents()?),
        );
        Ok(())
    }

    /// Runs `body` in a child process and records how that ended.
    pub fn forked(&mut self, label: impl Display, body: impl FnOnce(&mut Trace)) {
        let end = process::forked(|| body(self));
        self.put(label, end);
    }

    /// What the runner is told and does not compare.
    pub fn note(&mut self, text: &str) {
        self.send(NOTE, text);
    }

    pub(super) fn failure(&mut self, text: &str) {
        self.send(FAILURE, text);
    }

    pub(super) fn skip(&mut self, text: &str) {
        self.send(SKIP, text);
    }

    pub(super) fn end(&mut self) {
        self.send(END, "");
    }
}

/// `rtmpfs` must not be found in `xrtmpfs`, nor `tmpfs` in `rtmpfs`.
fn replace_word(text: &str, word: &str, with: &str) -> String {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (head, tail) = (&rest[..at], &rest[at + word.len()..]);
        let last = head.chars().next_back().or(out.chars().next_back());
        out.push_str(head);
        let whole = !inside(last) && !inside(tail.chars().next());
        out.push_str(if whole { with } else { word });
        rest = tail;
    }
    out.push_str(rest);
    out
}
