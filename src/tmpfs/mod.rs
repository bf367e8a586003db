// SPDX-License-Identifier: GPL-2.0

//! The file system.
//!
//! All of it is safe Rust over [`crate::shmem`], [`crate::vfs`] and [`crate::mm`], in five rooms. Each uses those
//! before it, and none after it; no two files use each other.
//!
//! - [`pure`], what needs nothing of the kernel: [`pure::limits`], what a mount may have, and reservations;
//!   [`pure::inode_limit`], inodes and what counts as such; [`pure::inode_numbers`]; [`pure::range`], ranges of a
//!   file in bytes and in pages; [`pure::huge_policy`] (`huge=`), [`pure::folio_orders`], which sizes a folio may
//!   have, and [`pure::fitting`], which it has with `huge=fit`; [`pure::option_number`], numbers and sizes in mount
//!   options.
//! - [`state`], what is held: [`state::mount`] in a superblock (`struct shmem_sb_info`), [`state::inode`] in an
//!   inode (`struct shmem_inode_info`), with its [`state::page_counts`] and the [`state::activity`] of
//!   fallocate(2); [`state::quota`], the limits of users and groups; [`state::config`], what the kernel's
//!   configuration says of tmpfs itself.
//! - [`data`], the contents of files: [`data::lookup`] finds or makes a folio (`shmem_get_folio_gfp()`) for `read`,
//!   `splice`, `write`, `fault` and [`data::userfault`]; [`data::purpose`], what it is wanted for (`enum
//!   sgp_type`); [`data::page_accounting`], what pages count against, and `i_blocks`, and [`data::whole_size`],
//!   files that count by their size instead; [`data::orders`], which sizes a new folio may have here and now,
//!   `fitting`, the part of `huge=fit` in that, and `policy_change`, folios of that where the mount has another
//!   policy by now; [`data::beyond_eof`], giving back what a folio has past the end of its file; `shown`, noting
//!   what may be stored there, and `hiding`, zeroing it before the file grows; [`data::swap`], going to swap and
//!   coming back; [`data::truncate`] (`shmem_undo_range()`); [`data::fallocate`], allocating in advance, and
//!   punching holes; `file`, the operations of regular files.
//! - [`namespace`], names and inodes: `dir`, making, linking, renaming and removing; `symlink`;
//!   [`namespace::lifecycle`], how an inode is made and evicted; `attr`, stat, chmod, chown and truncate; `flags`,
//!   those of chattr; [`namespace::xattr`], extended attributes.
//! - [`control`]: `options`, the table of mount options, with `name_options` for those about names; `file_system`,
//!   the face to the VFS; `shared_memory`, the face to reclaim, swapoff and the rest of mm/.

#![forbid(unsafe_code)]

mod control;
mod data;
mod namespace;
pub(crate) mod pure;
mod state;

pub(crate) use state::Tmpfs;
