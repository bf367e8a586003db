//! The floor of memory management, as far as it needs nothing of the kernel.

#[path = "../../../src/mm/alignment.rs"]
pub(crate) mod alignment;
