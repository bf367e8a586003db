// SPDX-License-Identifier: GPL-2.0

//! A folio that is zeroed when it is locked, though it may have gone to swap before.
// error: no method named `zero` found for struct `Locked`

use crate::mm::Folio;
use kernel::sync::aref::ARef;

pub(crate) fn zero(folio: ARef<Folio>) {
    Folio::lock(folio).zero();
}
