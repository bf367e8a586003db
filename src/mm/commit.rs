// SPDX-License-Identifier: GPL-2.0

//! Commitment of virtual memory: `Committed_AS`, and the overcommit policy.
//!
//! C headers: `include/linux/mman.h`, `include/linux/security.h`,
//! `Documentation/mm/overcommit-accounting.rst`.

use crate::bindings;
use crate::units::PageCount;
use kernel::prelude::*;

/// Pages that are committed and not yet used; dropping it takes the commitment back.
///
/// # Examples
///
/// ```
/// use crate::mm::commit::Commitment;
/// use crate::units::PageCount;
/// use kernel::prelude::*;
///
/// fn make_page(allocate: impl FnOnce() -> Result) -> Result {
///     let commitment = Commitment::new(PageCount::new(1))?;
///     // Where this fails nothing stays committed.
///     allocate()?;
///     commitment.commit();
///     Ok(())
/// }
/// ```
pub(crate) struct Commitment {
    pages: PageCount,
}

impl Commitment {
    /// No pages, for what is committed already.
    pub(crate) const NONE: Self = Self {
        pages: PageCount::ZERO,
    };

    /// Commits `pages` pages to the current task's memory, or fails with `ENOMEM` where the
    /// overcommit policy forbids it. Does not sleep.
    #[inline]
    pub(crate) fn new(pages: PageCount) -> Result<Self> {
        // SAFETY: `current->mm` may be null, as for kernel threads.
        let refused = unsafe {
            bindings::security_vm_enough_memory_mm(bindings::current_mm(), pages.to_long())
        };
        if refused != 0 {
            return Err(ENOMEM);
        }
        Ok(Self { pages })
    }

    /// The pages are used: they stay committed until [`uncommit`].
    pub(crate) fn commit(self) {
        core::mem::forget(self);
    }
}

impl Drop for Commitment {
    fn drop(&mut self) {
        if !self.pages.is_zero() {
            uncommit(self.pages);
        }
    }
}

/// Takes back the commitment of pages that were used. Does not sleep.
pub(crate) fn uncommit(pages: PageCount) {
    // SAFETY: Changes a counter.
    unsafe { bindings::vm_acct_memory(pages.to_long().wrapping_neg()) }
}
