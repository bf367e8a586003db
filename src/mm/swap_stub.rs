// SPDX-License-Identifier: GPL-2.0

//! Swap in a kernel without `CONFIG_SWAP`: no page is ever there.
//!
//! What comes from a page in swap is of types that have no values, so that the compiler leaves out the code for
//! it.

use super::mempolicy::Placement;
use super::{LockedFolio, Mapping, Order, PageCount, PageIndex, Slot};
use crate::bindings;
use core::convert::Infallible;
use core::marker::PhantomData;
use kernel::prelude::*;

/// Whether the kernel has swap.
pub(crate) const IS_BUILT_IN: bool = false;

/// The largest folio that is read in at once.
pub(crate) const MAX_ORDER: Order = Order::ZERO;

/// Where a page is in swap: nowhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SwapEntry(Infallible);

impl SwapEntry {
    /// The entry `pages` further on the same device.
    pub(crate) fn add(self, _pages: PageCount) -> Self {
        match self.0 {}
    }
}

/// That pages in swap could not be read back: there are none.
pub(crate) struct Lost(Infallible);

/// The number of a swap device: there is none.
#[derive(Clone, Copy)]
pub(crate) struct SwapDeviceId(Infallible);

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

/// A swap device that cannot go away.
pub(crate) struct SwapDevice(Infallible);

impl SwapDevice {
    /// The device of an entry.
    pub(crate) fn of(entry: SwapEntry) -> Option<Self> {
        match entry.0 {}
    }

    /// Finds the folio of an entry of this device, or reads it into memory.
    pub(crate) fn find_or_read<'a>(
        &self,
        _mapping: &Mapping,
        _entry: SwapEntry,
        _order: Order,
        _place: impl Fn(Order) -> Placement<'a>,
        _reader: Reader<'_>,
        _major: &mut bool,
    ) -> Result<SwapFolio> {
        match self.0 {}
    }
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
pub(crate) struct LockedSwapFolio(Infallible);

impl LockedSwapFolio {
    /// How many pages it has.
    pub(crate) fn nr_pages(&self) -> PageCount {
        match self.0 {}
    }

    /// Whether the contents could be read.
    pub(crate) fn is_uptodate(&self) -> bool {
        match self.0 {}
    }
}

impl Mapping {
    /// Moves a folio from the swap cache back into the place of its entries.
    pub(crate) fn insert_from_swap(
        &self,
        folio: LockedSwapFolio,
        _index: PageIndex,
        _entry: SwapEntry,
    ) -> Result<LockedFolio> {
        match folio.0 {}
    }

    /// Marks the pages of a folio that could not be read back as poisoned.
    pub(crate) fn poison(
        &self,
        folio: LockedSwapFolio,
        _index: PageIndex,
        _entry: SwapEntry,
    ) -> Result {
        match folio.0 {}
    }

    /// Whether page `index` is still in swap at `entry`.
    pub(crate) fn find_entry(&self, _index: PageIndex, entry: SwapEntry) -> Option<Order> {
        match entry.0 {}
    }

    /// Splits the slot of several pages that holds `entry`.
    pub(crate) fn split_entry(&self, _index: PageIndex, entry: SwapEntry) -> Result {
        match entry.0 {}
    }

    /// The order of the folio at page `index`; a snapshot.
    pub(crate) fn slot_order(&self, index: PageIndex) -> Order {
        match self.get(index) {
            Slot::Folio(folio) => folio.order(),
            _ => Order::ZERO,
        }
    }

    /// Fills `found` with pages that are in swap on `device`.
    pub(crate) fn find_on_device(
        &self,
        device: SwapDeviceId,
        _from: &mut PageIndex,
        _found: &mut [Option<(PageIndex, SwapEntry)>],
    ) -> usize {
        match device.0 {}
    }
}
