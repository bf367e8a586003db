// SPDX-License-Identifier: GPL-2.0
//! What the test programs share: devices, cgroups that pages are pushed out of, mounts, pages that tell where they
//! belong, settings of the machine, faults on demand, system calls that no crate has.

pub mod bytes;
pub mod device;
pub mod errno;
pub mod fileattr;
pub mod group;
pub mod inject;
pub mod machine;
pub mod map;
pub mod memory_errors;
pub mod mount;
pub mod mounted;
pub mod pages;
pub mod pipe;
pub mod quota;
pub mod skip;
pub mod switch;
pub mod tap;
pub mod uring;
