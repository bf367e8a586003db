//! Places for mappings.

use proptest::prelude::*;

use crate::mm::alignment::{self, Placement};
use crate::units::{Order, Pos};

const PAGE: usize = 4096;
const UNIT: usize = 512 * PAGE;
const MAX: usize = 1 << 47;

fn placement(addr: usize, len: usize, offset: u64, max: usize) -> Option<Placement> {
    let index = Pos::from_loff(offset as i64).page();
    alignment::placement(addr, len, index, Order::from_uint(9), max)
}

proptest! {
    /// Wherever the room is, the mapping is in it, and in phase with the file.
    #[test]
    fn the_place_is_in_the_room(
        addr in 0..1usize << 30,
        pages in 1..2000usize,
        offset in 0..2000u64,
        room in 0..1usize << 30,
    ) {
        let (len, offset) = (pages * PAGE, offset * PAGE as u64);
        let (addr, room) = (addr * PAGE, room * PAGE);
        let Some(place) = placement(addr, len, offset, MAX) else {
            return Ok(());
        };
        let start = place.within(room);
        prop_assert_eq!(start % UNIT, offset as usize % UNIT);
        prop_assert!(start >= room && start + len <= room + place.room);
    }

    /// There is a place for what has a unit in it and is not in phase already, and for nothing else.
    #[test]
    fn only_what_gains_moves(addr in 0..10_000usize, pages in 1..2000usize, offset in 0..2000u64) {
        let (len, offset, addr) = (pages * PAGE, offset * PAGE as u64, addr * PAGE);
        let first = offset.next_multiple_of(UNIT as u64);
        let has_unit = first + UNIT as u64 <= offset + len as u64;
        let in_phase = addr % UNIT == offset as usize % UNIT;
        let place = placement(addr, len, offset, MAX);
        prop_assert_eq!(place.is_some(), has_unit && !in_phase);
    }
}
