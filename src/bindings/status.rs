// SPDX-License-Identifier: GPL-2.0

//! What C functions return where they can fail.

use kernel::error;
use kernel::ffi::c_int;
use kernel::prelude::*;

/// A status as a result, like `to_result()` of the kernel crate, which is only called where something failed.
#[inline(always)]
pub(crate) fn to_result(status: c_int) -> Result {
    if status >= 0 {
        return Ok(());
    }
    error::to_result(status)
}
