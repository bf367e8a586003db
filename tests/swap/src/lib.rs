// SPDX-License-Identifier: GPL-2.0
//! What a test of swap works with, for the tests of this crate and for those of others: devices, cgroups that pages
//! are pushed out of, mounts, pages that tell where they belong, settings of the machine.

pub mod device;
pub mod group;
#[path = "../../faultinject/src/inject.rs"]
pub mod inject;
pub mod machine;
pub mod mapping;
pub mod mounted;
pub mod pages;
pub mod skip;
