//! Runs the same steps on tmpfs and on a second type of file system and compares what they show.
//!
//! The second type is `rtmpfs`, or what the environment variable RTMPFS_TYPE names; RTMPFS_ORACLE names one to take
//! the place of tmpfs.

mod cases;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use differential::harness;
use harness::place::Place;
use harness::run;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Cases compare figures of the whole machine and fork.
    arguments.test_threads = Some(1);
    let kind = std::env::var("RTMPFS_TYPE").unwrap_or_else(|_| run::SUBJECT.to_owned());
    let place = match Place::new("differential-", &kind, arguments.list) {
        Ok(place) => place,
        Err(e) => {
            eprintln!("differential: {e:#}");
            return ExitCode::from(2);
        }
    };
    let path = place.path().to_owned();
    let trials = cases::all().map(|(subject, case)| {
        let (kind, path) = (kind.clone(), path.clone());
        Trial::ignorable_test(format!("{subject}::{}", case.name), move || {
            run::run(subject, case, &kind, &path)
        })
    });
    let failed = libtest_mimic::run(&arguments, trials.collect()).has_failed();
    drop(place);
    ExitCode::from(u8::from(failed) * 101)
}
