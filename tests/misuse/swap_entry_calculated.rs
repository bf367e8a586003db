// SPDX-License-Identifier: GPL-2.0

//! An entry in swap that no page cache has: the header of a device, or a page that is bad.
// error: method `add` is private
// error: method `aligned_to` is private

use crate::mm::swap::{SwapEntry, MAX_ORDER};
use crate::units::PageCount;

pub(crate) fn entries(entry: SwapEntry) -> (SwapEntry, SwapEntry) {
    (entry.add(PageCount::ONE), entry.aligned_to(MAX_ORDER))
}
