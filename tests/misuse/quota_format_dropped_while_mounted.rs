// SPDX-License-Identifier: GPL-2.0

//! A format of quota that can be dropped while a mount has it.
// error: struct `QuotaFormat` is private

use crate::tmpfs::Tmpfs;
use crate::vfs::file_system::FileSystem;
use crate::vfs::quota::QuotaFormat;
use kernel::prelude::*;

pub(crate) fn register(module: &'static ThisModule) -> impl PinInit<QuotaFormat> {
    QuotaFormat::new(&Tmpfs::QUOTA_FORMAT, module)
}
