// SPDX-License-Identifier: GPL-2.0

//! Names, and the inodes that have them.

pub(super) mod attr;
pub(super) mod dir;
#[cfg(CONFIG_TMPFS_XATTR)]
pub(super) mod flags;
pub(super) mod lifecycle;
pub(super) mod symlink;
#[cfg(CONFIG_TMPFS_XATTR)]
pub(super) mod xattr;
