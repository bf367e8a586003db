// SPDX-License-Identifier: GPL-2.0
//! Runs one operation on several processors at once, by a process on each, on one mount, in a directory and on files
//! of its own.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::thread::{sched_setaffinity, CpuSet};

use crate::gate;
use crate::ops::{Operation, Selection};
use crate::place::{Column, Place};
use crate::timer::{self, Sample, Timer};

/// The line of a worker whose file system does not have the operation.
const UNSUPPORTED: &str = "unsupported";

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    #[arg(long)]
    column: Column,
    #[arg(long)]
    directory: PathBuf,
    #[arg(long)]
    processor: usize,
}

/// Puts this task on a processor.
pub fn pin_to(processor: usize) -> rustix::io::Result<()> {
    let mut processors = CpuSet::new();
    processors.set(processor);
    sched_setaffinity(None, &processors)
}

/// Runs an operation on each of these processors. They begin together; the sample is the units of all, and the longest
/// region. None where the file system does not have the operation.
pub fn run(
    operation: &Operation,
    column: &Column,
    mount_point: &Path,
    processors: impl Iterator<Item = usize>,
) -> Result<Option<Sample>> {
    all(operation, column, mount_point, processors)
        .with_context(|| format!("{} on {}", operation.name, column.label))
}

fn all(
    operation: &Operation,
    column: &Column,
    mount_point: &Path,
    processors: impl Iterator<Item = usize>,
) -> Result<Option<Sample>> {
    let (start, held) = pipe_with(PipeFlags::CLOEXEC)?;
    let mut workers = processors
        .map(|processor| Worker::start(operation, column, mount_point, processor, &start))
        .collect::<Result<Vec<_>>>()?;
    drop(start);
    let first = each(&mut workers, Worker::line)?;
    drop(held);
    let mut first = first.into_iter();
    let samples = each(&mut workers, |worker| match first.next() {
        Some(line) if line != gate::READY => parse(&line),
        _ => parse(&worker.line()?),
    })?;
    workers.into_iter().try_for_each(Worker::finish)?;
    together(&samples)
}

fn each<T>(workers: &mut [Worker], ask: impl FnMut(&mut Worker) -> Result<T>) -> Result<Vec<T>> {
    workers.iter_mut().map(ask).collect()
}

struct Worker {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(
        operation: &Operation,
        column: &Column,
        mount_point: &Path,
        processor: usize,
        start: &OwnedFd,
    ) -> Result<Self> {
        let directory = mount_point.join(processor.to_string());
        std::fs::create_dir(&directory)?;
        let mut child = Command::new("/proc/self/exe")
            .args(["worker", "--exact", &operation.name])
            .args(["--column", &column.label])
            .arg("--directory")
            .arg(directory)
            .args(["--processor", &processor.to_string()])
            .stdin(start.try_clone()?)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("the output is a pipe")?;
        let output = BufReader::new(output);
        Ok(Self { child, output })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("a worker says nothing: {}", self.child.wait()?);
        }
        Ok(line.trim_end().to_owned())
    }

    /// Lets it go on, and waits for its end.
    fn finish(mut self) -> Result<()> {
        drop(self.output);
        let status = self.child.wait()?;
        ensure!(status.success(), "a worker fails: {status}");
        Ok(())
    }
}

fn parse(line: &str) -> Result<Option<Sample>> {
    if line == UNSUPPORTED {
        return Ok(None);
    }
    line.parse().map(Some)
}

fn together(samples: &[Option<Sample>]) -> Result<Option<Sample>> {
    let all: Vec<_> = samples.iter().flatten().collect();
    let Some(ns) = all.iter().map(|sample| sample.ns).max() else {
        return Ok(None);
    };
    ensure!(
        all.len() == samples.len(),
        "{} of {} workers have the operation",
        all.len(),
        samples.len()
    );
    let units = all.iter().map(|sample| sample.units).sum();
    Ok(Some(Sample { units, ns }))
}

pub fn work(arguments: &Arguments) -> Result<()> {
    pin_to(arguments.processor)?;
    let operations = arguments.selection.operations()?;
    let [operation] = &operations[..] else {
        bail!("one operation at a time");
    };
    let place = Place::within(&arguments.column, &arguments.directory)?;
    let timer = Timer::with_others(Duration::from_millis(timer::SETTLE));
    if operation.run(&place, &timer)?.is_none() {
        gate::say(UNSUPPORTED)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up_and_the_longest_region_counts() {
        let samples = ["100 7", "100 9", "50 8"].map(|line| parse(line).unwrap());
        let sample = together(&samples).unwrap().unwrap();
        assert_eq!((sample.units, sample.ns), (250, 9));
    }

    #[test]
    fn all_workers_have_an_operation_or_none() {
        let none = || parse(UNSUPPORTED).unwrap();
        assert!(together(&[none(), none()]).unwrap().is_none());
        assert!(together(&[none(), parse("100 7").unwrap()]).is_err());
    }

    #[test]
    fn other_lines_are_errors() {
        for line in ["", "100", "100 ", "100 7 1", "100 -7", "0 7"] {
            assert!(parse(line).is_err(), "'{line}'");
        }
    }
}
