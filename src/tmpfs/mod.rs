// SPDX-License-Identifier: GPL-2.0

//! The file system.
//!
//! All of it is safe Rust over [`crate::vfs`] and [`crate::mm`]. Where to look:
//!
//! - a mount: [`options`] (the table of mount options), [`superblock`];
//! - names: [`dir`], [`symlink`]; inodes: [`inode`], [`numbers`];
//! - contents: [`lookup`] finds or makes a folio for all of [`file`], [`mmap`] and [`splice`];
//! - [`attr`]: stat, chmod, truncate;
//! - what is used and what may be: [`space`] over [`limits`].
//!
//! [`limits`], [`numbers`], [`range`] and [`size`] need nothing of the kernel.

#![forbid(unsafe_code)]

mod attr;
mod dir;
mod file;
mod inode;
mod limits;
mod lookup;
mod mmap;
mod numbers;
mod options;
mod range;
mod size;
mod space;
mod splice;
mod superblock;
mod symlink;

pub(crate) use superblock::Tmpfs;
