// SPDX-License-Identifier: GPL-2.0

//! The contents of files: finding, making, reading, writing, swapping out and truncating folios. Nothing here knows
//! of names or of mount options.

pub(super) mod beyond_eof;
pub(super) mod fallocate;
mod fault;
mod file;
mod filling;
mod fitting;
mod growing;
mod hiding;
pub(super) mod lookup;
pub(super) mod orders;
pub(super) mod page_accounting;
mod policy_change;
pub(super) mod purpose;
mod read;
mod shown;
mod splice;
pub(super) mod swap;
pub(super) mod truncate;
pub(super) mod userfault;
pub(super) mod whole_size;
mod write;
