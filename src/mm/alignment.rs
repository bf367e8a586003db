// SPDX-License-Identifier: GPL-2.0

//! Addresses for mappings that large folios fit in.
//!
//! Nothing here needs the kernel: user space tests this very file.

/// How a mapping of `len` bytes from byte `offset` of a file on is to be placed so that a folio of
/// `unit` bytes, a power of two, can be mapped as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// How much room to ask for, in bytes.
    pub(crate) room: usize,
    phase: usize,
    unit: usize,
}

/// The placement of a mapping that was given `addr`. `None` where that will do, where no unit would
/// fit, or where the room for it would exceed `max` bytes.
pub(crate) fn placement(
    addr: usize,
    len: usize,
    offset: u64,
    unit: usize,
    page: usize,
    max: usize,
) -> Option<Placement> {
    let phase = (offset & (unit as u64 - 1)) as usize;
    let fits = len >= unit && (phase == 0 || phase.saturating_add(len) >= 2 * unit);
    if !fits || addr & (unit - 1) == phase {
        return None;
    }
    let room = len.checked_add(unit - page)?;
    (room <= max).then_some(Placement { room, phase, unit })
}

impl Placement {
    /// The address in the room at `start`.
    pub(crate) fn within(&self, start: usize) -> usize {
        let offset = start & (self.unit - 1);
        let moved = self.phase.wrapping_sub(offset) & (self.unit - 1);
        start.wrapping_add(moved)
    }
}
