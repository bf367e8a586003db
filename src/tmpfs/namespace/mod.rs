// SPDX-License-Identifier: GPL-2.0

//! Names, attributes, and the inodes that have them: from the making of an inode to its eviction.

mod attr;
mod dir;
mod flags;
pub(super) mod lifecycle;
mod symlink;
pub(super) mod xattr;
