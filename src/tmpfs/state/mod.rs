// SPDX-License-Identifier: GPL-2.0

//! What a mount and an inode hold, with the rules that keep each of them right by itself. Nothing here looks for
//! a folio, reserves a page or makes an inode.

pub(super) mod activity;
pub(super) mod config;
pub(super) mod inode;
pub(super) mod mount;
pub(super) mod page_counts;
#[cfg_attr(not(CONFIG_TMPFS_QUOTA), path = "quota_stub.rs")]
pub(super) mod quota;

/// The file system type `rtmpfs`; each room gives it what the traits of the VFS and the MM ask for.
pub(crate) struct Tmpfs;
