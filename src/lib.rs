// SPDX-License-Identifier: GPL-2.0

// The modules of the crate, whose root is rust_tmpfs.rs, and what is registered with the kernel.

mod bindings;
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
mod units;
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

vfs::module_file_system! {
    type: tmpfs::Tmpfs,
    settings: vfs::Settings {
        mountable: module_parameters::mountable.value(),
        memory: shmem::switches::Served {
            files: module_parameters::shared.value(),
            mounts: module_parameters::tmpfs.value(),
        },
    },
    version: "0.1.0",
    name: "rtmpfs",
    authors: ["The rtmpfs developers"],
    description: "tmpfs in Rust: files in memory and swap",
    license: "GPL v2",
    alias: ["fs-rtmpfs"],
    params: {
        mountable: bool {
            default: true,
            description: "Whether users may mount the file system",
        },
        shared: bool {
            default: false,
            description: "Whether memfd, System V and anonymous shared memory are rtmpfs's from the beginning",
        },
        tmpfs: bool {
            default: false,
            description: "Whether mounts of type tmpfs are rtmpfs's from the beginning",
        },
    },
}

#[cfg(CONFIG_KUNIT)]
#[kernel::prelude::kunit_tests(rtmpfs_module)]
mod tests {
    use kernel::prelude::*;

    #[test]
    fn a_module_is_registered_once() {
        let this = kernel::module::this_module::<crate::Module>();
        let module = <crate::Module as kernel::InPlaceModule>::init(this);
        assert_eq!(KBox::pin_init(module, GFP_KERNEL).err(), Some(EBUSY));
    }
}
