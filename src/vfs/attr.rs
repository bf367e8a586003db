// SPDX-License-Identifier: GPL-2.0

//! Attributes: stat(2), and chmod, chown, truncate, utimes.
//!
//! C headers: `include/linux/fs.h`, `include/linux/stat.h`.

use super::acl;
use super::fileattr::{FileFlags, FlagTable};
use super::{Exclusive, FileSystem, IdMap, Inode};
use crate::bindings;
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::mm::Len;
use crate::mm::Pos;
use core::marker::PhantomData;
use kernel::error::{from_result, to_result};
use kernel::prelude::*;

/// What stat(2) is about to report (`struct kstat`).
pub(crate) struct Stat<'a> {
    stat: &'a mut bindings::kstat,
    request_mask: u32,
}

impl Stat<'_> {
    /// Sets the time of creation, in seconds and nanoseconds, where it is asked for.
    pub(crate) fn set_btime(&mut self, (seconds, nanoseconds): (i64, u32)) {
        if self.request_mask & bindings::STATX_BTIME == 0 {
            return;
        }
        self.stat.result_mask |= bindings::STATX_BTIME;
        self.stat.btime.tv_sec = seconds;
        // There are fewer in a second than fit.
        self.stat.btime.tv_nsec = c_long::try_from(nanoseconds).unwrap_or(0);
    }

    /// Sets the size that I/O is best done in.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    pub(crate) fn set_block_size(&mut self, size: Len) {
        self.stat.blksize = size.to_uint();
    }

    /// Reports those flags of the file that statx(2) knows.
    pub(crate) fn set_flags(&mut self, flags: FileFlags) {
        for (flag, attribute) in [
            (FileFlags::IMMUTABLE, bindings::STATX_ATTR_IMMUTABLE),
            (FileFlags::APPEND, bindings::STATX_ATTR_APPEND),
            (FileFlags::NODUMP, bindings::STATX_ATTR_NODUMP),
        ] {
            if flags.contains(flag) {
                self.stat.attributes |= u64::from(attribute);
            }
        }
    }

    /// Says that the file system knows the flags that statx(2) reports, set or not.
    pub(crate) fn know_flags(&mut self) {
        self.stat.attributes_mask |= u64::from(
            bindings::STATX_ATTR_APPEND
                | bindings::STATX_ATTR_IMMUTABLE
                | bindings::STATX_ATTR_NODUMP,
        );
    }
}

/// A change of attributes (`struct iattr`) that the VFS has checked.
///
/// # Invariants
///
/// The VFS holds `i_rwsem` of the file, which is that of `dentry`, for writing while the value
/// exists.
pub(crate) struct AttrRequest<'a> {
    pub(super) attr: &'a bindings::iattr,
    dentry: *mut bindings::dentry,
}

impl AttrRequest<'_> {
    /// The new size, where the size is to change.
    pub(crate) fn size(&self) -> Option<Pos> {
        (self.attr.ia_valid & bindings::ATTR_SIZE != 0).then(|| Pos::from_loff(self.attr.ia_size))
    }

    /// Copies owner, group, mode and times to the inode, as `setattr_copy()`, and brings its ACL in
    /// line with a new mode. May sleep.
    ///
    /// Fails with `ENOMEM`.
    pub(crate) fn copy_to<T: FileSystem>(
        &self,
        idmap: &IdMap,
        inode: &mut Exclusive<'_, T>,
    ) -> Result {
        // SAFETY: The inode is live and locked.
        unsafe { bindings::setattr_copy(idmap.as_ptr(), inode.as_ptr(), self.attr) };
        if T::POSIX_ACL && self.attr.ia_valid & bindings::ATTR_MODE != 0 {
            // SAFETY: By the type invariants the dentry has a file, and that is locked.
            unsafe { acl::chmod(idmap, self.dentry, inode.mode())? };
        }
        Ok(())
    }
}

/// Attributes of all files of a file system.
pub(crate) trait AttrOperations: FileSystem {
    /// The operations on the flags of files.
    const FLAGS: FlagTable<Self> = FlagTable::NONE;

    /// Adds to what `generic_fillattr()` has filled in. `i_rwsem` is not held.
    fn stat(inode: &Inode<Self>, stat: &mut Stat<'_>) {
        let _ = (inode, stat);
    }

    /// Brings the count of blocks that stat(2) reports up to date. `i_rwsem` is not held.
    fn update_blocks(inode: &Inode<Self>) {
        let _ = inode;
    }

    /// Changes attributes; `setattr_prepare()` has allowed it. May sleep.
    fn set_attributes(
        inode: &mut Exclusive<'_, Self>,
        idmap: &IdMap,
        request: AttrRequest<'_>,
    ) -> Result;
}

/// The tables of inodes other than directories.
pub(super) struct Tables<T>(PhantomData<T>);

impl<T: AttrOperations> Tables<T> {
    pub(super) const INODE_OPERATIONS: bindings::inode_operations = bindings::inode_operations {
        getattr: Some(getattr::<T>),
        setattr: Some(setattr::<T>),
        listxattr: T::XATTRS.list(),
        set_acl: if T::POSIX_ACL { acl::SET_ACL } else { None },
        // The other operations are absent.
        ..pin_init::zeroed()
    };

    /// Those of a regular file; directories have these among others.
    pub(super) const FILE_OPERATIONS: bindings::inode_operations = bindings::inode_operations {
        fileattr_get: T::FLAGS.get(),
        fileattr_set: T::FLAGS.set(),
        ..Self::INODE_OPERATIONS
    };

    pub(super) const SYMLINK_OPERATIONS: bindings::inode_operations = bindings::inode_operations {
        get_link: Some(bindings::simple_get_link),
        set_acl: None,
        ..Self::INODE_OPERATIONS
    };
}

/// # Safety
///
/// For calls through the table of `inode_operations` that it is in, only.
unsafe extern "C" fn getattr<T: AttrOperations>(
    idmap: *mut bindings::mnt_idmap,
    path: *const bindings::path,
    stat: *mut bindings::kstat,
    request_mask: u32,
    _flags: c_uint,
) -> c_int {
    // SAFETY: The VFS passes a live path of this file system, with a file, and a buffer.
    let (inode, stat) = unsafe { (Inode::<T>::from_raw((*(*path).dentry).d_inode), &mut *stat) };
    T::update_blocks(inode);
    // SAFETY: As above.
    unsafe { bindings::generic_fillattr(idmap, request_mask, inode.as_ptr(), stat) };
    T::stat(inode, &mut Stat { stat, request_mask });
    0
}

/// # Safety
///
/// For calls through the table of `inode_operations` that it is in, only.
unsafe extern "C" fn setattr<T: AttrOperations>(
    idmap: *mut bindings::mnt_idmap,
    dentry: *mut bindings::dentry,
    attr: *mut bindings::iattr,
) -> c_int {
    from_result(|| {
        // SAFETY: The VFS passes a live dentry with a file whose lock it holds.
        let mut inode = unsafe {
            to_result(bindings::setattr_prepare(idmap, dentry, attr))?;
            Exclusive::<T>::new(Inode::from_raw((*dentry).d_inode))
        };
        // SAFETY: The VFS passes the idmap of the mount, and a request.
        let (idmap, attr) = unsafe { (IdMap::from_raw(idmap), &*attr) };
        // INVARIANT: As above.
        let request = AttrRequest { attr, dentry };
        T::set_attributes(&mut inode, idmap, request)?;
        Ok(0)
    })
}
