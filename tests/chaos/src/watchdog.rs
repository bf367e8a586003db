// SPDX-License-Identifier: GPL-2.0
//! Notices tasks that do not come on, and tells what they wait for. Waits for no task itself.

use crate::board::{now, Board, Slot};
use crate::calls;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What takes longer has come to a stop, in ms: a call that may take `late` seconds, or a step, which may wait for several
/// things that the kernel does late.
fn limit(doing: usize, late: u64) -> u64 {
    let times = if calls::is_step(doing) { 4 } else { 1 };
    times * late * 1000
}

/// The tasks that have done nothing new for too long, where a call may take `late` seconds.
pub fn stuck(board: &Board, late: u64) -> Vec<&Slot> {
    let is_stuck = |slot: &&Slot| slot.age() > limit(slot.doing(), late);
    board.slots().filter(is_stuck).collect()
}

/// Prints where they are, and has the kernel print all tasks that wait.
pub fn report(stuck: &[&Slot]) {
    for slot in stuck {
        let (process, task) = (slot.process(), slot.task());
        stage::tap::note(&format!(
            "STUCK: task {task} of process {process} is in '{}' for {} s",
            calls::name(slot.doing()),
            slot.age() / 1000
        ));
        let folder = format!("/proc/{process}/task/{task}");
        if std::path::Path::new(&folder).exists() {
            show(&folder);
        } else {
            // A thread that has ended waits for the others of its process.
            let threads = std::fs::read_dir(format!("/proc/{process}/task"));
            for thread in threads.into_iter().flatten().flatten() {
                show(&thread.path().to_string_lossy());
            }
        }
    }
    run("w", "echo w >/proc/sysrq-trigger");
    run("l", "echo l >/proc/sysrq-trigger");
}

/// Another process looks, which may wait as long as it likes.
fn show(folder: &str) {
    const LEFT_OUT: &str =
        "^(Cap|Spec|Cpus|Mems|Secc|NoNew|Groups|untag|x86_|Hugetlb|Core|THP|NS|Sh[dd]|Sig[QBIC])";
    stage::tap::note(&format!("{folder}:"));
    let script = format!("cd $0 && for f in status wchan syscall stack; do grep -sHvE '{LEFT_OUT}' $f; echo; done | sed 's/^/#   /'");
    run(folder, &script);
}

fn run(argument: &str, script: &str) {
    let child = Command::new("sh")
        .args(["-c", script, argument])
        .stdin(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        stage::tap::note("  no process can be made for it");
        return;
    };
    let end = now() + 5000;
    while now() < end {
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    stage::tap::note("  it does not say within 5 s");
    let _ = child.kill();
}
