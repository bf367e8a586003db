// SPDX-License-Identifier: GPL-2.0

//! rtmpfs: an alternative tmpfs.
//!
//! # The floors
//!
//! ![The floors of the module, and what they stand on](floors.svg)
//!
//! Each uses only those below it, and so do the rooms of the uppermost:
//!
//! - [`tmpfs`]: the file system, without `unsafe`:
//!   - `control`: mount options, the faces to the VFS and to the rest of mm/;
//!   - `namespace`: names, attributes, how an inode is made and evicted;
//!   - `data`: finding and making folios, read, write, fault, swap, truncate, fallocate;
//!   - `state`: what a mount and an inode hold;
//!   - `pure`: what needs nothing of the kernel;
//! - [`shmem`]: shared memory as the rest of the C MM sees it;
//! - [`vfs`]: safe Rust over the C VFS;
//! - [`mm`]: safe Rust over the C MM;
//! - [`units`]: what a file is measured in;
//! - [`bindings`]: the C interfaces that the `kernel` crate lacks.

#![cfg_attr(doc, doc = include_str!("src/guide/locks.md"))]
#![cfg_attr(doc, doc = include_str!("src/guide/shmem_c.md"))]
// A number that a user chooses must neither overflow nor lose its sign: the types of `units` see to
// that, and say how they are used.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

// Kbuild wants the root here; the modules of a file that is included are beside that.
include!("src/lib.rs");
