// SPDX-License-Identifier: GPL-2.0

//! A registration of the file system type that can be dropped while there are mounts.
// error: call to unsafe function `fs_type::Registration::<T>::new` is unsafe

use crate::tmpfs::Tmpfs;
use crate::vfs::{Registration, Settings};
use kernel::prelude::*;

pub(crate) fn register(module: &'static ThisModule) -> impl PinInit<Registration<Tmpfs>, Error> {
    Registration::new(module, Settings::default())
}
