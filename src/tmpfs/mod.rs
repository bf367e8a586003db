// SPDX-License-Identifier: GPL-2.0

//! The file system.
//!
//! All of it is safe Rust over [`crate::vfs`] and [`crate::mm`]. Where to look:
//!
//! - a mount: [`options`] (the table of mount options), [`superblock`];
//! - names: [`dir`], [`symlink`], [`casefold`]; inodes: [`inode`], [`numbers`];
//! - contents: [`lookup`] finds or makes a folio for all of [`mod@file`], [`mmap`] and [`splice`];
//!   [`userfault`]: pages that user space brings in;
//! - [`orders`]: which sizes a folio may have, as [`huge`] decides; [`unused`]: giving back what it
//!   has too much of;
//! - [`swap`]: going to swap and coming back; [`truncate`]: freeing a range;
//! - [`fallocate`]: allocating in advance, and punching holes;
//! - [`attr`]: stat, chmod, and the size of a file; [`flags`]: those of chattr; [`xattr`]: extended
//!   attributes;
//! - what is used and what may be: [`space`] and [`inode_space`] over [`limits`]; by whom: [`quota`].
//!
//! [`huge`], [`huge_policy`], [`inode_space`], [`limits`], [`numbers`], [`range`] and [`size`] need
//! nothing of the kernel.

#![forbid(unsafe_code)]

mod control;
mod data;
mod namespace;
pub(crate) mod pure;
mod state;

pub(crate) use state::Tmpfs;
