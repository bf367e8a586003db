//! What the quantities need of the kernel.

/// That of x86-64.
pub(crate) const PAGE_SHIFT: u32 = 12;
