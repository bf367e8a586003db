// SPDX-License-Identifier: GPL-2.0

//! An entry in swap that is read though the page cache may have it no more.
// error: struct `SwapDevice` is private

use crate::mm::swap::{SwapDevice, SwapEntry};

pub(crate) fn device(entry: SwapEntry) {
    let _ = SwapDevice::of(entry);
}
