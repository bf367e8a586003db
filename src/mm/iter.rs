// SPDX-License-Identifier: GPL-2.0

//! What the contents of a file are copied to and from, where no folio takes part.
//!
//! C header: `include/linux/uio.h`.

use crate::bindings;
use crate::units::Len;
use kernel::iov::{IovIterDest, IovIterSource};

/// Copies `bytes` zeros; returns how many could be copied. May fault and sleep.
pub(crate) fn copy_zeros_to_iter(bytes: Len, to: &mut IovIterDest<'_>) -> Len {
    let iter: *mut bindings::iov_iter = to.as_raw().cast();
    // SAFETY: The iterator is valid, and the same structure in both sets of bindings.
    Len::new(unsafe {
        if bindings::user_backed_iter(iter) {
            // Copying to user space is better optimised than clearing it.
            let bytes = bytes.min(Len::PAGE).to_usize();
            bindings::copy_page_to_iter(bindings::zero_page(), 0, bytes, iter)
        } else {
            // A pipe must not be given the same page twice in a row.
            bindings::iov_iter_zero(bytes.to_usize(), iter)
        }
    })
}

/// Faults in user memory that is to be copied from; returns how many of `bytes` bytes could not be
/// faulted in. May sleep; no folio may be locked.
pub(crate) fn fault_in_source(from: &IovIterSource<'_>, bytes: Len) -> Len {
    let from = core::ptr::from_ref(from);
    // SAFETY: The iterator is valid, and only looked at. Its type is transparent, and the structure the same in both
    // sets of bindings.
    Len::new(unsafe { bindings::fault_in_iov_iter_readable(from.cast(), bytes.to_usize()) })
}
