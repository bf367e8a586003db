// SPDX-License-Identifier: GPL-2.0

//! The pages of a file that are in swap, in a kernel without `CONFIG_SWAP`: there are none.

use super::mempolicy::Placement;
use super::swap::{Amount, LockedSwapFolio, Reader, SwapDeviceId, SwapEntry, SwapFolio};
use super::{GfpFlags, LockedFolio, Mapping, Slot};
use crate::units::{Order, PageIndex};
use core::convert::Infallible;
use core::marker::PhantomData;
use kernel::prelude::*;

/// A page of a file that was found in swap: a type without values.
pub(crate) struct SwappedPage<'a>(Infallible, PhantomData<&'a Mapping>);

impl SwappedPage<'_> {
    /// How many pages the slot had, as an order.
    pub(crate) fn slot_order(&self) -> Order {
        match self.0 {}
    }

    /// Whether the slot is still what it was.
    pub(crate) fn is_there(&self) -> bool {
        match self.0 {}
    }

    /// Finds the folio of the page in the swap cache, or reads it into memory.
    pub(crate) fn find_or_read<'a>(
        &self,
        _amount: Amount,
        _place: impl Fn(Order) -> Placement<'a>,
        _reader: Reader<'_>,
        _major: &mut bool,
    ) -> Result<SwapFolio> {
        match self.0 {}
    }

    /// Splits the slot until that of the page is of an order.
    pub(crate) fn split_slot(&self, _order: Order) -> Result {
        match self.0 {}
    }

    /// Moves a folio with the page from the swap cache back into the place of its entries.
    pub(crate) fn insert<'a>(
        &self,
        _folio: LockedSwapFolio,
        _place: impl Fn(Order) -> Placement<'a>,
    ) -> Result<LockedFolio> {
        match self.0 {}
    }

    /// Takes a folio with the page out of the swap cache.
    pub(crate) fn discard(&self, _folio: LockedSwapFolio) {
        match self.0 {}
    }

    /// Marks the pages of a folio that could not be read back as poisoned.
    pub(crate) fn poison(&self, _folio: LockedSwapFolio) -> Result {
        match self.0 {}
    }
}

impl Mapping {
    /// Page `index`, which was seen to be in swap in a slot with `slot`.
    pub(crate) fn swapped_page(
        &self,
        _index: PageIndex,
        slot: SwapEntry,
        _flags: GfpFlags,
    ) -> Result<SwappedPage<'_>> {
        match slot.0 {}
    }

    /// The order of the folio at page `index`; `None` where there is nothing. A snapshot.
    pub(crate) fn slot_order(&self, index: PageIndex) -> Option<Order> {
        match self.get(index) {
            Slot::Folio(folio) => Some(folio.order()),
            _ => None,
        }
    }

    /// The first page from an index on that is in swap on `device`.
    pub(crate) fn find_on_device(
        &self,
        device: SwapDeviceId,
        _from: PageIndex,
    ) -> Option<(PageIndex, SwapEntry)> {
        match device.0 {}
    }
}
