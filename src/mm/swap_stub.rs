// SPDX-License-Identifier: GPL-2.0

//! Swap in a kernel without `CONFIG_SWAP`: no page is ever there.
//!
//! What comes from a page in swap is of types that have no values, so that the compiler leaves out the code for
//! it.

use crate::bindings;
use crate::units::{Order, PageCount};
use core::convert::Infallible;
use core::marker::PhantomData;

/// Whether the kernel has swap.
pub(crate) const IS_BUILT_IN: bool = false;

/// The largest folio that is read in at once.
pub(crate) const MAX_ORDER: Order = Order::ZERO;

/// Where a page is in swap: nowhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SwapEntry(pub(super) Infallible);

/// That pages in swap could not be read back: there are none.
pub(crate) struct Lost(Infallible);

/// The number of a swap device: there is none.
#[derive(Clone, Copy)]
pub(crate) struct SwapDeviceId(pub(super) Infallible);

/// Whether there is any swap at all.
#[inline(always)]
pub(crate) const fn is_there_swap() -> bool {
    false
}

/// For whom pages are read from swap.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(PhantomData<&'a bindings::vm_fault>);

impl Reader<'_> {
    /// The current task.
    pub(crate) const CURRENT: Self = Self(PhantomData);

    /// A fault.
    ///
    /// # Safety
    ///
    /// None: the fault is not looked at.
    pub(crate) unsafe fn from_fault(_fault: *mut bindings::vm_fault) -> Self {
        Self(PhantomData)
    }
}

/// How much is read at once.
#[derive(Clone, Copy)]
pub(crate) enum Amount {
    /// At most a folio of this order.
    UpTo(Order),
    /// At most a folio of this order, all of which is likely to be used.
    Wanted(Order),
    /// The page alone.
    Page,
}

/// A folio of the swap cache.
pub(crate) struct SwapFolio(Infallible);

impl SwapFolio {
    /// The order.
    pub(crate) fn order(&self) -> Order {
        match self.0 {}
    }

    /// Waits for its lock.
    pub(crate) fn lock(self) -> LockedSwapFolio {
        match self.0 {}
    }
}

/// The same, locked.
pub(crate) struct LockedSwapFolio(pub(super) Infallible);

impl LockedSwapFolio {
    /// How many pages it has.
    pub(crate) fn nr_pages(&self) -> PageCount {
        match self.0 {}
    }

    /// Whether the contents could be read.
    pub(crate) fn is_uptodate(&self) -> bool {
        match self.0 {}
    }

    /// Whether any page has a memory error.
    pub(crate) fn contains_poison(&self) -> bool {
        match self.0 {}
    }
}
