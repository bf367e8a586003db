// SPDX-License-Identifier: GPL-2.0

//! Rules and arithmetic that need nothing of the kernel but the quantities of [`crate::units`].
//!
//! User space compiles this very room with those types, and tests it; what needs more belongs into another one.

pub(crate) mod fitting;
pub(crate) mod folio_orders;
pub(crate) mod huge_policy;
pub(crate) mod inode_limit;
pub(crate) mod inode_numbers;
pub(crate) mod limits;
pub(crate) mod option_number;
pub(crate) mod range;
