//! The floor of memory management, as far as it needs nothing of the kernel.

/// That of x86-64.
pub(crate) const PAGE_SHIFT: u32 = 12;

#[path = "../../../src/mm/alignment.rs"]
pub(crate) mod alignment;
#[path = "../../../src/mm/units.rs"]
mod units;

pub(crate) use units::*;
