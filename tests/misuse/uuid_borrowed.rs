// SPDX-License-Identifier: GPL-2.0

//! The identifier of a superblock by a unique reference, while other tasks read it in statfs(2).
// error: field `0` of struct `SuperBlock` is private
// error: method `as_ptr` is private

use crate::tmpfs::Tmpfs;
use crate::vfs::SuperBlock;

pub(crate) fn as_a_field(sb: &mut SuperBlock<Tmpfs>) {
    let _ = &mut sb.0.get_mut().s_uuid;
}

pub(crate) fn as_a_pointer(sb: &SuperBlock<Tmpfs>) {
    let _ = &mut (*sb.as_ptr()).s_uuid;
}
