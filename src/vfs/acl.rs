// SPDX-License-Identifier: GPL-2.0

//! POSIX access control lists that live in the inodes alone.
//!
//! The VFS checks them, and turns them into extended attributes and back; what is left to a file
//! system is to inherit them and to keep them in line with the mode.
//!
//! C header: `include/linux/posix_acl.h`.

use super::{FileSystem, IdMap, Inode, Mode, NewInode};
use crate::bindings;
use kernel::prelude::*;

/// The flag of a superblock whose inodes have ACLs.
pub(super) const SB_FLAG: c_ulong = if cfg!(CONFIG_FS_POSIX_ACL) {
    bindings::SB_POSIXACL
} else {
    0
};

/// `inode_operations::set_acl`.
type SetAcl = unsafe extern "C" fn(
    *mut bindings::mnt_idmap,
    *mut bindings::dentry,
    *mut bindings::posix_acl,
    c_int,
) -> c_int;

/// The function by which the VFS sets an ACL.
#[cfg(CONFIG_FS_POSIX_ACL)]
pub(super) const SET_ACL: Option<SetAcl> = Some(bindings::simple_set_acl);

/// The VFS knows of no ACLs.
#[cfg(not(CONFIG_FS_POSIX_ACL))]
pub(super) const SET_ACL: Option<SetAcl> = None;

/// Brings the ACL of a file in line with its new mode. May sleep; fails with `ENOMEM`.
///
/// # Safety
///
/// `dentry` must be live and have a file, whose `i_rwsem` the current task holds for writing.
#[cfg(CONFIG_FS_POSIX_ACL)]
pub(super) unsafe fn chmod(idmap: &IdMap, dentry: *mut bindings::dentry, mode: Mode) -> Result {
    // SAFETY: By the caller's promise.
    bindings::to_result(unsafe { bindings::posix_acl_chmod(idmap.as_ptr(), dentry, mode.as_raw()) })
}

/// There are no ACLs.
///
/// # Safety
///
/// None: looks at nothing.
#[cfg(not(CONFIG_FS_POSIX_ACL))]
pub(super) unsafe fn chmod(_idmap: &IdMap, _dentry: *mut bindings::dentry, _mode: Mode) -> Result {
    Ok(())
}

/// Whether it is known that the files in `dir` inherit no ACL, as it is of most directories: `posix_acl_create()` comes to
/// the same by three calls. A snapshot where `i_rwsem` is not held.
#[cfg(CONFIG_FS_POSIX_ACL)]
fn is_without_default<T: FileSystem>(dir: &Inode<T>) -> bool {
    // SAFETY: The inode is live, and the pointer is only looked at. Where the ACL is not known, it is not null.
    unsafe { core::ptr::read_volatile(&raw const (*dir.as_ptr()).i_default_acl) }.is_null()
}

impl<T: FileSystem> NewInode<'_, T> {
    /// Gives a new inode the ACLs that it inherits from `dir`, and takes from its mode what they
    /// forbid; what the umask forbids where there is none to inherit. Not for symbolic links, which
    /// have none. May sleep.
    ///
    /// Fails with `ENOMEM`.
    #[cfg(CONFIG_FS_POSIX_ACL)]
    pub(crate) fn init_acls(&mut self, dir: &Inode<T>) -> Result {
        let raw = self.as_ptr();
        if T::POSIX_ACL && is_without_default(dir) {
            // SAFETY: By the type invariants nothing else uses the mode; a task has a umask.
            unsafe { (*raw).i_mode &= !bindings::current_umask() };
            return Ok(());
        }
        let (mut default, mut access) = (core::ptr::null_mut(), core::ptr::null_mut());
        // SAFETY: Both inodes are live, and by the type invariants nothing else uses the mode of this one.
        bindings::to_result(unsafe {
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

    /// There are no ACLs.
    #[cfg(not(CONFIG_FS_POSIX_ACL))]
    pub(crate) fn init_acls(&mut self, _dir: &Inode<T>) -> Result {
        Ok(())
    }
}
