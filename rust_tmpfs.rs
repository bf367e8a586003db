// SPDX-License-Identifier: GPL-2.0

//! rtmpfs: an alternative tmpfs.
//!
//! The house has four rooms, and dependencies point one way:
//!
//! - [`tmpfs`]: the file system, without `unsafe`;
//! - [`vfs`] and [`mm`]: safe Rust over the C VFS and MM, which know nothing of it;
//! - [`bindings`]: the C interfaces that the `kernel` crate lacks.

// A number that a user chooses must neither overflow nor lose its sign: the types of `mm::units` see
// to that, and say how they are used.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

use kernel::prelude::*;

#[path = "src/bindings/mod.rs"]
mod bindings;
#[cfg(CONFIG_KUNIT)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that goes wrong may stop"
)]
#[path = "src/kunit.rs"]
mod kunit;
#[path = "src/mm/mod.rs"]
mod mm;
#[path = "src/tmpfs/mod.rs"]
mod tmpfs;
#[path = "src/vfs/mod.rs"]
mod vfs;

module! {
    type: Module,
    name: "rtmpfs",
    authors: ["The rtmpfs developers"],
    description: "tmpfs in Rust: files in memory and swap",
    license: "GPL v2",
    alias: ["fs-rtmpfs"],
}

/// The module: what is registered for as long as it is loaded.
#[pin_data]
struct Module {
    #[pin]
    fs_type: vfs::Registration<tmpfs::Tmpfs>,
    #[cfg(CONFIG_TMPFS_QUOTA)]
    #[pin]
    quota_format: vfs::quota::QuotaFormat<tmpfs::Tmpfs>,
}

impl kernel::InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // Before the first mount can ask for it.
            #[cfg(CONFIG_TMPFS_QUOTA)]
            quota_format <- vfs::quota::QuotaFormat::new(module),
            fs_type <- vfs::Registration::new(module),
        })
    }
}
