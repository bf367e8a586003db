// SPDX-License-Identifier: GPL-2.0
//! Children.

use crate::call;
use anyhow::Context;
use nix::unistd::{fork, ForkResult, Pid};
use rustix::io::Result;

/// Runs in a child, which ends with it; 1 is its exit status if it panics. The caller's process may have no threads.
pub fn start(run: impl FnOnce()) -> anyhow::Result<Pid> {
    // SAFETY: no other thread holds a lock.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
            // SAFETY: nothing of the parent's is to be done here.
            unsafe { libc::_exit(i32::from(ended.is_err())) }
        }
    }
}

/// Runs in a child of this process, which may have threads: it may not allocate nor lock. Its exit status; none where
/// it was killed.
pub fn child(run: impl FnOnce() -> i32) -> Result<Option<i32>> {
    // SAFETY: as above.
    let process = call::check(unsafe { libc::fork() })? as i32;
    if process == 0 {
        // SAFETY: it dies with its parent, and ends here.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::_exit(run())
        }
    }
    let mut status = 0;
    // SAFETY: `status` is ours.
    call::check(unsafe { libc::waitpid(process, &mut status, 0) })?;
    Ok(libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)))
}

/// Sleeps for `ms`, in a child too.
pub fn pause(ms: u64) {
    std::thread::sleep(std::time::Duration::from_millis(ms));
}
