// SPDX-License-Identifier: GPL-2.0

//! rtmpfs: an alternative tmpfs.
//!
//! The house has six floors, and each uses only those below it:
//!
//! - [`tmpfs`]: the file system, without `unsafe`;
//! - [`shmem`]: shared memory as the rest of the C MM sees it;
//! - [`vfs`]: safe Rust over the C VFS;
//! - [`mm`]: safe Rust over the C MM;
//! - [`units`]: what a file is measured in;
//! - [`bindings`]: the C interfaces that the `kernel` crate lacks.
//!
//! Pages for readers:
//!
//! - [`guide::shmem_c`]: where each function of `mm/shmem.c` is here;
//! - [`guide::locks`]: all locks, and the order in which they are taken.

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
