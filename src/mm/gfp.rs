// SPDX-License-Identifier: GPL-2.0

//! The flags of an allocation (`gfp_t`): where the memory may be, and how hard to try.
//!
//! C header: `include/linux/gfp_types.h`; `Documentation/core-api/memory-allocation.rst`.

use crate::bindings;

/// The flags by which the folios of a file are allocated.
///
/// # Invariants
///
/// A task that may sleep may allocate a folio of a page cache with them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct GfpFlags(bindings::gfp_t);

impl GfpFlags {
    /// How hard to try.
    const EFFORT: bindings::gfp_t = bindings::GFP_KERNEL
        | bindings::__GFP_NOWARN
        | bindings::__GFP_RETRY_MAYFAIL
        | bindings::__GFP_NORETRY
        | bindings::__GFP_NOMEMALLOC;

    /// The flags that a C caller says.
    ///
    /// # Safety
    ///
    /// The type invariants must hold.
    #[inline]
    pub(crate) unsafe fn from_raw(flags: bindings::gfp_t) -> Self {
        // INVARIANT: By the caller's promise.
        Self(flags)
    }

    /// The flags.
    #[inline]
    pub(super) fn as_raw(self) -> bindings::gfp_t {
        self.0
    }

    /// The same where neither cpuset nor memory policy limits the nodes more than they must.
    #[cfg(CONFIG_SWAP)]
    pub(super) fn on_any_node(self) -> Self {
        // INVARIANT: Fewer flags that limit.
        Self(self.0 & !(bindings::__GFP_HARDWALL | bindings::__GFP_THISNODE))
    }

    /// The flags for allocations on behalf of a folio: how hard to try, not where the memory is.
    #[inline]
    pub(super) fn effort(self) -> bindings::gfp_t {
        self.0 & Self::EFFORT
    }
}
