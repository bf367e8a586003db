// SPDX-License-Identifier: GPL-2.0

//! What a mount and an inode hold.

pub(super) mod inode;
pub(super) mod mount;
pub(super) mod page_counts;
#[cfg(CONFIG_TMPFS_QUOTA)]
pub(super) mod quota;
