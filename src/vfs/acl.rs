// SPDX-License-Identifier: GPL-2.0

//! POSIX access control lists that live in the inodes alone.
//!
//! The VFS checks them, and turns them into extended attributes and back; what is left to a file
//! system is to inherit them and to keep them in line with the mode.
//!
//! C header: `include/linux/posix_acl.h`.

use super::{FileSystem, Inode, NewInode};
use crate::bindings;
use kernel::error::to_result;
use kernel::prelude::*;

impl<T: FileSystem> NewInode<T> {
    /// Gives a new inode the ACLs that it inherits from `dir`, and takes from its mode what they
    /// forbid; what the umask forbids where there is none to inherit. Not for symbolic links, which
    /// have none. May sleep.
    ///
    /// Fails with `ENOMEM`.
    pub(crate) fn init_acls(&mut self, dir: &Inode<T>) -> Result {
        let raw = self.as_ptr();
        let (mut default, mut access) = (core::ptr::null_mut(), core::ptr::null_mut());
        // SAFETY: Both inodes are live, and nobody else uses the mode of a new one.
        to_result(unsafe {
            bindings::posix_acl_create(
                dir.as_ptr(),
                &raw mut (*raw).i_mode,
                &mut default,
                &mut access,
            )
        })?;
        for (kind, acl) in [
            (bindings::int(bindings::ACL_TYPE_DEFAULT), default),
            (bindings::int(bindings::ACL_TYPE_ACCESS), access),
        ] {
            if !acl.is_null() {
                // SAFETY: The inode is live and takes a reference of its own; that of
                // `posix_acl_create()` is given back.
                unsafe {
                    bindings::set_cached_acl(raw, kind, acl);
                    bindings::posix_acl_release(acl);
                }
            }
        }
        Ok(())
    }
}
