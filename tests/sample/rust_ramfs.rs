// SPDX-License-Identifier: GPL-2.0

//! A second file system over the floors of rtmpfs: [`ramfs`] is the one file that is not theirs.
//!
//! Read that from its top; here is only what makes a module of it. It is built by Kbuild's rules for rtmpfs with
//! `RTMPFS_ROOT=tests/sample/rust_ramfs`, and called rtmpfs as well (see Kbuild), so that only one of the two can be
//! loaded.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]
#![allow(
    dead_code,
    unused_imports,
    reason = "the floors have what any file system needs, and this one needs little"
)]

#[path = "../../src/bindings/mod.rs"]
mod bindings;
#[path = "../../src/mm/mod.rs"]
mod mm;
mod ramfs;
#[path = "../../src/units.rs"]
mod units;
#[path = "../../src/vfs/mod.rs"]
mod vfs;

vfs::module_file_system! {
    type: ramfs::Ramfs,
    name: "rtramfs",
    authors: ["The rtmpfs developers"],
    description: "ramfs in Rust, a sample of the floors of rtmpfs",
    license: "GPL v2",
    alias: ["fs-rtramfs"],
}
