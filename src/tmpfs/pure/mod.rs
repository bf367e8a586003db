// SPDX-License-Identifier: GPL-2.0

//! What needs nothing of the kernel but the types of quantities of [`mod@crate::mm`]: rules and arithmetic.
//! User space tests these very files.

#[cfg(any(CONFIG_TRANSPARENT_HUGEPAGE, test))]
pub(crate) mod folio_orders;
pub(crate) mod huge_policy;
pub(crate) mod inode_limit;
pub(crate) mod inode_numbers;
pub(crate) mod limits;
pub(crate) mod option_number;
pub(crate) mod range;
