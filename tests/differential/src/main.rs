//! Runs the same steps on tmpfs and on a second type of file system and compares what they show.
//!
//! The second type is `rtmpfs`, or what the environment variable RTMPFS_TYPE names.

mod cases;
mod harness;

use std::process::ExitCode;

use anyhow::{bail, ensure, Context};
use libtest_mimic::{Arguments, Trial};
use nix::mount::MsFlags;
use nix::sched::{unshare, CloneFlags};

use harness::khugepaged::Asleep;
use harness::run;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Cases compare figures of the whole machine and fork.
    arguments.test_threads = Some(1);
    let kind = std::env::var("RTMPFS_TYPE").unwrap_or_else(|_| run::SUBJECT.to_owned());
    let (base, asleep) = match prepare(&kind, arguments.list) {
        Ok(prepared) => prepared,
        Err(e) => {
            eprintln!("differential: {e:#}");
            return ExitCode::from(2);
        }
    };
    let path = base.path().to_owned();
    let trials = cases::all().map(|(subject, case)| {
        let (kind, path) = (kind.clone(), path.clone());
        Trial::ignorable_test(format!("{subject}::{}", case.name), move || {
            run::run(subject, case, &kind, &path)
        })
    });
    let failed = libtest_mimic::run(&arguments, trials.collect()).has_failed();
    drop((base, asleep));
    ExitCode::from(u8::from(failed) * 101)
}

/// Mounts of this process are seen by nobody else and go with it.
fn prepare(kind: &str, list_only: bool) -> anyhow::Result<(tempfile::TempDir, Option<Asleep>)> {
    let base = tempfile::Builder::new()
        .prefix("differential-")
        .tempdir()
        .context("TMPDIR")?;
    if list_only {
        return Ok((base, None));
    }
    ensure!(nix::unistd::geteuid().is_root(), "must be root to mount");
    let known = std::fs::read_to_string("/proc/filesystems").context("/proc/filesystems")?;
    for wanted in [run::ORACLE, kind] {
        if !known
            .lines()
            .any(|l| l.split_whitespace().last() == Some(wanted))
        {
            bail!("file system type {wanted} is not registered (is its module loaded?)");
        }
    }
    unshare(CloneFlags::CLONE_NEWNS).context("new mount namespace")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    nix::mount::mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .context("make all mounts private")?;
    // mkdtemp's mode would keep the users of the permission cases out.
    std::fs::set_permissions(
        base.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?;
    Ok((base, Asleep::new()?))
}
