//! The files of the module that need nothing of the kernel: the tests at their foot, which KUnit runs as well,
//! and properties of them that take crates to test. The very same files are compiled here, so that what is
//! tested is what runs.

#![cfg(test)]

mod array;
mod bindings;
#[path = "../../../src/vfs/bits.rs"]
mod bits;
#[path = "../../../src/vfs/cookies.rs"]
mod cookies;
#[path = "../../../src/vfs/handle.rs"]
mod handle;
mod mm;
#[path = "../../../src/tmpfs/pure/mod.rs"]
mod pure;
#[path = "../../../src/units.rs"]
mod units;

mod of_alignment;
mod of_cookies;
mod of_fitting;
mod of_folio_orders;
mod of_handle;
mod of_inode_limit;
mod of_inode_numbers;
mod of_limits;
mod of_option_number;
mod of_range;
mod of_units;
