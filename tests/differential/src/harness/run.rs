//! Runs a case on both types, each in a child process of its own, and compares the traces.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure, Context};
use nix::mount::MntFlags;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use stage::machine::Setting;
use stage::skip;
use stage::switch::Switch;

use super::case::{Body, Case, Done, Skip, BY_CHANCE};
use super::fs::{Fs, Mounted};
use super::known::{Known, Lacking, KNOWN, LACKING, SHOWN_HERE};
use super::trace::{self, Trace};

/// The type that is always right: tmpfs, or what the environment variable RTMPFS_ORACLE names.
pub fn oracle() -> &'static str {
    static NAME: LazyLock<String> =
        LazyLock::new(|| std::env::var("RTMPFS_ORACLE").unwrap_or_else(|_| "tmpfs".to_owned()));
    &NAME
}

/// The type that the table of known differences is about.
pub const SUBJECT: &str = "rtmpfs";

/// A case that takes longer than this hangs, even under emulation with a debug kernel.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// What came of steps on one type.
#[derive(Default)]
pub struct Outcome {
    pub lines: Vec<String>,
    /// What is not compared.
    pub notes: Vec<String>,
    pub failures: Vec<String>,
    pub skip: Option<String>,
    /// It was ended, having taken [`TIME_LIMIT`].
    pub hangs: bool,
}

/// The verdict on a case; an error fails it, or skips it if it is a [`Skip`].
pub fn run(subject: &str, case: Case, kind: &str, base: &Path) -> Done {
    let right = oracle();
    let oracle = run_on(case, right, base);
    if std::env::var_os("DIFFERENTIAL_TRACE").is_some() {
        eprintln!("--- {} on {right}\n{}", case.name, oracle.lines.join("\n"));
    }
    let lacks = skip::lacking();
    if !oracle.failures.is_empty() && !lacks.is_empty() {
        return refused(&oracle, &run_on(case, kind, base), kind, &lacks);
    }
    check(&oracle, right)?;
    if let Some(reason) = oracle.skip {
        return Err(Skip(reason).into());
    }
    let mut other = run_on(case, kind, base);
    let mut text = String::new();
    if let Err(e) = check(&other, kind) {
        text.push_str(&format!("{e}\n"));
    }
    let by_chance = |why: &&String| text.is_empty() && why.starts_with(BY_CHANCE);
    if let Some(reason) = other.skip.as_ref().filter(by_chance) {
        return Err(Skip(format!("on {kind}: {reason}")).into());
    }
    if let Some(reason) = &other.skip {
        text.push_str(&format!("skipped on {kind} alone: {reason}\n"));
    }
    if kind == SUBJECT {
        show_as_oracle(&oracle.lines, &mut other.lines);
        for known in KNOWN.iter().filter(|k| k.case == (subject, case.name)) {
            text.push_str(&allow(known, &oracle.lines, &mut other.lines));
        }
    }
    let odd = oracle.lines != other.lines;
    match lacking(subject, case).filter(|_| kind == SUBJECT) {
        Some(known) if odd && text.is_empty() => return Err(Skip(known.reason.to_owned()).into()),
        Some(known) if !odd => text.push_str(&gone(known.reason, known.option)),
        _ if odd => text.push_str(&difference(&oracle.lines, &other.lines, kind)),
        _ => {}
    }
    ensure!(text.is_empty(), text);
    Ok(())
}

/// Whether this kernel lacks what the case needs to be compared.
fn lacking(subject: &str, case: Case) -> Option<&'static Lacking> {
    LACKING.iter().find(|known| {
        let (of, cases) = known.cases;
        of == subject && cases.contains(&case.name) && skip::lacks(known.option)
    })
}

/// A kernel that lacks an option may refuse, with good reason, what a case takes for granted. Then it
/// must do so in the same way, after the same steps.
fn refused(right: &Outcome, other: &Outcome, kind: &str, lacks: &str) -> Done {
    let oracle = oracle();
    let said = |outcome: &Outcome, kind| outcome.failures.join("; ").replace(kind, "TYPE");
    let (theirs, mine) = (said(right, oracle), said(other, kind));
    if theirs != mine || right.skip != other.skip || right.lines != other.lines {
        let lines = difference(&right.lines, &other.lines, kind);
        return Err(anyhow!("on {oracle}: {theirs}\non {kind}: {mine}\n{lines}"));
    }
    let reason = format!("{oracle} refuses too, in a kernel without {lacks}: {theirs}");
    Err(Skip(reason).into())
}

/// Takes an option that only the subject shows for equal.
pub fn show_as_oracle(oracle: &[String], other: &mut [String]) {
    for (line, other) in oracle.iter().zip(other) {
        let without = |at: usize| [&other[..at], &other[at + SHOWN_HERE.len()..]].concat();
        if other
            .match_indices(SHOWN_HERE)
            .any(|(at, _)| without(at) == *line)
        {
            other.clone_from(line);
        }
    }
}

/// Takes a known difference for equal; says so where it is not there any more.
fn allow(known: &Known, oracle: &[String], other: &mut [String]) -> String {
    let pairs = oracle.iter().zip(other.iter_mut());
    for (line, other) in pairs {
        if line == known.oracle && other == known.subject {
            other.clone_from(line);
            return String::new();
        }
    }
    gone(known.reason, known.subject)
}

fn gone(reason: &str, what: &str) -> String {
    format!("the known difference ({reason}) is gone: take it out of the table: {what}\n")
}

fn check(outcome: &Outcome, kind: &str) -> Done {
    ensure!(
        outcome.failures.is_empty(),
        "on {kind}: {}",
        outcome.failures.join("; ")
    );
    ensure!(
        outcome.skip.is_some() || !outcome.lines.is_empty(),
        "on {kind}: the case recorded nothing"
    );
    Ok(())
}

fn difference(right: &[String], other: &[String], kind: &str) -> String {
    let text = |lines: &[String]| {
        lines
            .iter()
            .flat_map(|line| [line.as_str(), "\n"])
            .collect::<String>()
    };
    similar::TextDiff::from_lines(&text(right), &text(other))
        .unified_diff()
        .context_radius(2)
        .header(oracle(), kind)
        .to_string()
}

fn run_on(case: Case, kind: &str, base: &Path) -> Outcome {
    let Body::Switched(switch, _) = case.body else {
        return observe(kind, base, |trace, fs| steps(case, trace, fs));
    };
    // It is turned for the whole machine, and so for as long as the steps run.
    match turned(switch, kind == SUBJECT) {
        Ok(_turned) => observe(oracle(), base, |trace, fs| steps(case, trace, fs)),
        Err(e) => Outcome {
            failures: vec![format!("{e:#}")],
            ..Outcome::default()
        },
    }
}

/// Turns a switch and sees to it that it does what it says.
pub fn turned(switch: Switch, on: bool) -> anyhow::Result<Setting> {
    let turned = switch.turn(on)?;
    let found = switch.is_in_force()?;
    ensure!(
        found == on,
        "{switch:?} is switched to {on}, and {found} by what is made"
    );
    Ok(turned)
}

/// Runs steps on one type in a child process. The caller has one thread.
pub fn observe(kind: &str, base: &Path, steps: impl FnOnce(&mut Trace, &Fs) -> Done) -> Outcome {
    let (read, write) = rustix::pipe::pipe().expect("pipe");
    // SAFETY: the runner has one thread.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            drop(read);
            child(steps, Trace::new(write, kind), &Fs::new(kind, base));
            // SAFETY: ends the child without running what belongs to the runner.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(write);
            let outcome = collect(child, read);
            detach_all(base);
            outcome
        }
    }
}

/// The life of the child: the steps, and a verdict on what they leave behind.
fn child(steps: impl FnOnce(&mut Trace, &Fs) -> Done, mut trace: Trace, fs: &Fs) {
    // A group of its own, so that a child that hangs goes with all that it started.
    let _ = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let none = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    none.expect("no core dumps");
    let place = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let seen = place.clone();
    std::panic::set_hook(Box::new(move |info| {
        *seen.lock().expect("a hook does not panic") = info.to_string();
    }));
    let steps = std::panic::AssertUnwindSafe(|| steps(&mut trace, fs));
    match std::panic::catch_unwind(steps) {
        Ok(Ok(())) => {}
        Ok(Err(e)) => match e.downcast_ref::<Skip>() {
            Some(skip) => trace.skip(&skip.0),
            None => trace.failure(&format!("{e:#}")),
        },
        Err(_) => {
            let text = place.lock().map(|t| t.clone()).unwrap_or_default();
            trace.failure(&text);
        }
    }
    trace.end();
}

fn steps(case: Case, trace: &mut Trace, fs: &Fs) -> Done {
    match case.body {
        Body::Own(body) | Body::Switched(_, body) => body(trace, fs),
        Body::Mounted(options, body) => {
            let mut mount = fs
                .mount(options)
                .map_err(|e| anyhow::anyhow!("mount -o '{options}': {e}"))?;
            let dir = mount.dir()?;
            body(trace, &dir)?;
            drop(dir);
            mount.unmount_when_free().context("unmount after the case")
        }
    }
}

fn collect(child: Pid, read: OwnedFd) -> Outcome {
    let mut outcome = Outcome::default();
    let deadline = Instant::now() + TIME_LIMIT;
    let mut text = Vec::new();
    let mut stream = std::fs::File::from(read);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = Timespec::try_from(left).expect("a short time");
        let ready = poll(&mut [PollFd::new(&stream, PollFlags::IN)], Some(&wait));
        if left.is_zero() || ready == Ok(0) {
            let _ = kill(Pid::from_raw(-child.as_raw()), Signal::SIGKILL);
            let _ = kill(child, Signal::SIGKILL);
            outcome.hangs = true;
            outcome
                .failures
                .push(format!("no end after {} s", TIME_LIMIT.as_secs()));
            break;
        }
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => text.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => panic!("read from the child: {e}"),
        }
    }
    match waitpid(child, None).expect("waitpid") {
        WaitStatus::Exited(_, 0) => {}
        status => outcome
            .failures
            .push(format!("the process of the case ended with {status:?}")),
    }
    let mut ended = false;
    for line in String::from_utf8_lossy(&text).lines() {
        let mut letters = line.chars();
        let tag = letters.next();
        let rest = letters.as_str().to_owned();
        match tag {
            Some(trace::LINE) => outcome.lines.push(rest),
            Some(trace::NOTE) => outcome.notes.push(rest),
            Some(trace::FAILURE) => outcome.failures.push(rest),
            Some(trace::SKIP) => outcome.skip = Some(rest),
            Some(trace::END) => ended = true,
            _ => outcome.failures.push(format!("what is this line? {line}")),
        }
    }
    if !ended && outcome.failures.is_empty() {
        outcome
            .failures
            .push("the case did not come to its end".to_owned());
    }
    outcome
}

/// A case that died leaves its mounts; the next one must not see them.
fn detach_all(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        while nix::mount::umount2(&entry.path(), MntFlags::MNT_DETACH).is_ok() {}
    }
}
