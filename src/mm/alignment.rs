// SPDX-License-Identifier: GPL-2.0

//! Addresses for mappings that large folios fit in.
//!
//! Nothing here needs the kernel: user space tests this very file.

use crate::units::{Len, Order, PageIndex};

/// How a mapping of a file is to be placed so that a folio of some order can be mapped as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// How much room to ask for, in bytes.
    pub(crate) room: usize,
    phase: usize,
    mask: usize,
}

/// The placement of a mapping of `len` bytes from page `offset` of the file on that was given `addr`,
/// for a folio of `order`. `None` where that will do, where no such folio would fit, or where the room
/// for it would exceed `max` bytes.
pub(crate) fn placement(
    addr: usize,
    len: usize,
    offset: PageIndex,
    order: Order,
    max: usize,
) -> Option<Placement> {
    let unit = order.bytes().to_usize();
    let mask = order.bytes().saturating_sub(Len::new(1)).to_usize();
    let phase = offset.offset_in(order).bytes().to_usize();
    let fits = len >= unit && (phase == 0 || phase.saturating_add(len) >= unit.saturating_mul(2));
    if !fits || addr & mask == phase {
        return None;
    }
    let room = len.checked_add(order.bytes().saturating_sub(Len::PAGE).to_usize())?;
    if room > max {
        return None;
    }
    Some(Placement { room, phase, mask })
}

impl Placement {
    /// The address in the room at `start`.
    pub(crate) fn within(&self, start: usize) -> usize {
        let offset = start & self.mask;
        let moved = self.phase.wrapping_sub(offset) & self.mask;
        start.wrapping_add(moved)
    }
}

#[cfg(any(test, CONFIG_KUNIT))]
#[cfg_attr(CONFIG_KUNIT, kernel::prelude::kunit_tests(mm_alignment))]
mod tests {
    use super::*;

    const PAGE: usize = Len::PAGE.to_usize();
    const TWO: usize = 2 * PAGE;
    const THREE: usize = 3 * PAGE;
    const ORDER: Order = Order::from_uint(1);

    fn place(addr: usize, len: usize, max: usize) -> Option<Placement> {
        placement(addr, len, PageIndex::ZERO, ORDER, max)
    }

    #[test]
    fn a_mapping_gets_in_phase() {
        assert_eq!(
            place(PAGE, TWO, 1 << 40).map(|place| (place.room, place.within(PAGE))),
            Some((THREE, TWO))
        );
        assert_eq!(place(TWO, TWO, 1 << 40), None);
    }

    #[test]
    fn what_has_no_room_stays() {
        const MOST: usize = usize::MAX - PAGE + 1;
        assert_eq!(place(PAGE, TWO, TWO), None);
        assert_eq!(place(PAGE, MOST, usize::MAX), None);
    }
}
