// SPDX-License-Identifier: GPL-2.0
//! What the differential tests have of system calls without a wrapper.
#![allow(dead_code)]

#[path = "../../differential/src/harness/errno.rs"]
pub mod errno;
#[path = "../../differential/src/harness/fileattr.rs"]
pub mod fileattr;
#[path = "../../differential/src/harness/quota.rs"]
pub mod quota;
