// SPDX-License-Identifier: GPL-2.0
//! Pages with memory errors, as the kernel is told of them: hard ones, of which it takes the page away with what it has,
//! and soft ones, of which it brings that to another page.
//!
//! What they cost the machine stays lost until it is started anew.

use super::maps::with;
use crate::call::check;
use crate::worker::Worker;
use rustix::io::{Errno, Result};
use stage::pages::PAGE;

/// What the kernel says of them, an ERE for those who read its log.
pub const EXPECTED: &str = "[Mm]emory failure|MCE: Killing|[Ss]oft.offlin|[Hh]wpoison";

/// Of MADV_HWPOISON.
const HARD: i32 = 100;
/// Of MADV_SOFT_OFFLINE.
const SOFT: i32 = 101;

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
