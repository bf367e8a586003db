// SPDX-License-Identifier: GPL-2.0

// The modules of the crate, whose root is rust_tmpfs.rs, and what is registered with the kernel.

use kernel::prelude::*;

mod bindings;
#[cfg(doc)]
mod guide;
#[cfg(CONFIG_KUNIT)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "a test that goes wrong may stop"
)]
mod kunit;
// The floors below the file system have the same items in every configuration, and not all of them are used in
// each.
#[cfg_attr(
    not(all(
        CONFIG_NUMA,
        CONFIG_SWAP,
        CONFIG_TRANSPARENT_HUGEPAGE,
        CONFIG_USERFAULTFD,
    )),
    allow(dead_code)
)]
mod mm;
#[cfg_attr(
    not(all(
        CONFIG_NUMA,
        CONFIG_SWAP,
        CONFIG_TMPFS_QUOTA,
        CONFIG_TRANSPARENT_HUGEPAGE,
        CONFIG_USERFAULTFD,
    )),
    allow(dead_code)
)]
mod shmem;
// Nor is all of the file system where mm/ lacks hooks that it answers.
#[cfg_attr(
    not(all(CONFIG_SWAP, CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_USERFAULTFD)),
    allow(dead_code)
)]
mod tmpfs;
#[cfg_attr(
    not(all(
        CONFIG_SWAP,
        CONFIG_TMPFS_QUOTA,
        CONFIG_TRANSPARENT_HUGEPAGE,
        CONFIG_UNICODE,
    )),
    allow(dead_code)
)]
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
