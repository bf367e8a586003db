// SPDX-License-Identifier: GPL-2.0
//! System calls that no crate has a safe wrapper of.

use rustix::io::{Errno, Result};

pub fn last() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// What a C function returned: -1 means look at errno.
pub fn check(value: impl Into<i64>) -> Result<i64> {
    match value.into() {
        -1 => Err(last()),
        value => Ok(value),
    }
}
