// SPDX-License-Identifier: GPL-2.0

//! What fallocate(2) is doing with a file, for reclaim and for faults to know.
//!
//! Lock order: that of [`mod@crate::vfs::published`].

use super::inode::TmpfsInode;
use super::Tmpfs;
use crate::mm::swap;
use crate::units::{PageCount, PageIndex, PageRange};
use crate::vfs::published::Publish;
use crate::vfs::Exclusive;
use kernel::sync::atomic::{Atomic, Relaxed};

impl Publish for Tmpfs {
    type Record = Activity;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Punching a hole into the pages.
    Punching,
    /// The pages were allocated so far.
    Allocating,
}

/// What fallocate(2) is doing with a file just now; `i_rwsem` lets it do one thing at a time. On the stack of the task
/// that does it, which alone changes all but `refused`.
pub(crate) struct Activity {
    kind: Kind,
    start: PageIndex,
    end: Atomic<u64>,
    /// How many of the pages that were allocated are new.
    new: Atomic<u64>,
    /// How often reclaim was refused to write one of them out.
    refused: Atomic<u64>,
}

impl Activity {
    const fn new(kind: Kind, pages: PageRange) -> Self {
        Self {
            kind,
            start: pages.start,
            end: Atomic::new(pages.end.to_u64()),
            new: Atomic::new(0),
            refused: Atomic::new(0),
        }
    }

    /// Punching a hole into `pages`.
    pub(in crate::tmpfs) const fn punching(pages: PageRange) -> Self {
        Self::new(Kind::Punching, pages)
    }

    /// Allocating pages from `start` on.
    pub(in crate::tmpfs) const fn allocating(start: PageIndex) -> Self {
        Self::new(Kind::Allocating, PageRange::new(start, start))
    }

    /// Does `f`, which this is, and tells reclaim and faults meanwhile. Takes `i_lock` before and after.
    pub(in crate::tmpfs) fn during<R>(
        &self,
        inode: &mut Exclusive<'_, Tmpfs>,
        f: impl FnOnce(&mut Exclusive<'_, Tmpfs>) -> R,
    ) -> R {
        // An allocation is of interest to reclaim only.
        if self.kind == Kind::Allocating && !swap::IS_BUILT_IN {
            return f(inode);
        }
        let result = inode.show(self, f);
        if self.kind == Kind::Punching {
            inode.data().punched.wake_all();
        }
        result
    }

    /// All pages before `end` are allocated, the last of which are `new`. Returns whether reclaim wants to write out
    /// more of what was allocated than that is.
    pub(in crate::tmpfs) fn allocated_up_to(&self, end: PageIndex, is_new: bool) -> bool {
        let mut new = self.new.load(Relaxed);
        if is_new {
            let done = PageIndex::new(self.end.load(Relaxed));
            new = new.saturating_add(done.distance_to(end).to_u64());
            self.new.store(new, Relaxed);
        }
        self.end.store(end.to_u64(), Relaxed);
        self.refused.load(Relaxed) > new
    }

    fn has(&self, kind: Kind, index: PageIndex) -> bool {
        let end = PageIndex::new(self.end.load(Relaxed));
        self.kind == kind && PageRange::new(self.start, end).contains(index)
    }

    /// Whether this has allocated the `pages` pages at page `index`; counts that reclaim wanted them.
    fn refuses(&self, index: PageIndex, pages: PageCount) -> bool {
        let refuses = self.has(Kind::Allocating, index);
        if refuses {
            // As often as pages are looked at: 64 bits last.
            self.refused.fetch_add(pages.to_u64(), Relaxed);
        }
        refuses
    }
}

/// Whether the folio of `pages` pages at page `index` was allocated by the fallocate(2) that is
/// still at work; counts that reclaim wanted it. Takes `i_lock` where there is one.
pub(in crate::tmpfs) fn refuse_to_write_out(
    inode: &TmpfsInode,
    index: PageIndex,
    pages: PageCount,
) -> bool {
    let refuses = inode.with_record(|activity| activity.refuses(index, pages));
    refuses.unwrap_or(false)
}

/// Whether a hole is just being punched into the page at `index`. Takes `i_lock` where fallocate(2) is at work.
pub(in crate::tmpfs) fn is_punching(inode: &TmpfsInode, index: PageIndex) -> bool {
    let punching = inode.with_record(|activity| activity.has(Kind::Punching, index));
    punching.unwrap_or(false)
}

/// Waits for the end of the punch into the page at `index` that is just at work, or until the task is
/// killed. May sleep. The next punch may be at work by then.
pub(in crate::tmpfs) fn wait_for_punch(inode: &TmpfsInode, index: PageIndex) {
    inode.data().punched.wait_once(|| is_punching(inode, index));
}
