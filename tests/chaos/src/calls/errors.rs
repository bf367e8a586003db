// SPDX-License-Identifier: GPL-2.0
//! Memory errors in pages of the mappings.

use super::maps::with;
use crate::call::check;
use crate::worker::Worker;
use rustix::io::{Errno, Result};
use stage::memory_errors::{HARD, SOFT};
use stage::pages::PAGE;

/// One call of so many does something.
const RARE: u32 = 5;

/// Tells the kernel of an error in a page of some mapping.
fn advise(
    worker: &mut Worker<'_>,
    tell: impl FnOnce(*mut libc::c_void) -> Result<()>,
) -> Result<()> {
    if !worker.config.errors || !worker.one_in(RARE) {
        return Err(Errno::OPNOTSUPP);
    }
    with(worker, |worker, map| {
        let page = worker.rng.usize(0..map.area.pages());
        tell(map.area.address(page))
    })
}

/// It is a child that is told and dies of it: the page may be any that this process shares with others.
pub fn hard(worker: &mut Worker<'_>) -> Result<()> {
    advise(worker, |page| {
        crate::process::child(|| {
            // SAFETY: the page is lost, which all who look at it expect.
            unsafe {
                libc::signal(libc::SIGBUS, libc::SIG_DFL);
                libc::madvise(page, PAGE, HARD)
            }
        })
        .map(drop)
    })
}

/// Changes no contents.
pub fn soft(worker: &mut Worker<'_>) -> Result<()> {
    advise(worker, |page| {
        // SAFETY: the page has what it had.
        match check(unsafe { libc::madvise(page, PAGE, SOFT) }) {
            // The zero page is the kernel's own. It is read in place of a page that did not come.
            Err(Errno::NOTRECOVERABLE) => Ok(()),
            done => done.map(drop),
        }
    })
}
