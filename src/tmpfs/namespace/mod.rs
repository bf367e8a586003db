// SPDX-License-Identifier: GPL-2.0

//! Names, and the inodes that have them.

mod attr;
mod dir;
#[cfg(CONFIG_TMPFS_XATTR)]
mod flags;
pub(super) mod lifecycle;
mod symlink;
#[cfg(CONFIG_TMPFS_XATTR)]
pub(super) mod xattr;
