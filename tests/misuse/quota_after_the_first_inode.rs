// SPDX-License-Identifier: GPL-2.0

//! Quota is switched on where there may be an inode that has no records, and an inode is made before.
// error: no method named `enable_quota` found
// error: mismatched types

use crate::tmpfs::Tmpfs;
use crate::vfs::quota::QuotaKind;
use crate::vfs::{BareSuperBlock, NewSuperBlock, Origin};
use kernel::prelude::*;

pub(crate) fn late(sb: &NewSuperBlock<'_, Tmpfs>) -> Result {
    sb.enable_quota(QuotaKind::User)
}

pub(crate) fn early<'a>(sb: &'a BareSuperBlock<'_, Tmpfs>) -> Origin<'a, Tmpfs> {
    Origin::root_of(sb)
}
