// SPDX-License-Identifier: GPL-2.0

// The modules of the crate, whose root is rust_tmpfs.rs, and what is registered with the kernel.

mod bindings;
#[cfg(doc)]
mod guide;
#[cfg(CONFIG_KUNIT)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that goes wrong may stop"
)]
mod kunit;
mod mm;
mod shmem;
mod tmpfs;
mod vfs;

vfs::module_file_system! {
    type: tmpfs::Tmpfs,
    name: "rtmpfs",
    authors: ["The rtmpfs developers"],
    description: "tmpfs in Rust: files in memory and swap",
    license: "GPL v2",
    alias: ["fs-rtmpfs"],
}
