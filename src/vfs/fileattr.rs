// SPDX-License-Identifier: GPL-2.0

//! File flags: what chattr(1) sets and lsattr(1) shows.
//!
//! C headers: `include/linux/fileattr.h`, `include/uapi/linux/fs.h`.

use super::{Dentry, Exclusive, FileSystem, Inode, InodeCore, NewInode};
use crate::bindings;
use core::marker::PhantomData;
use core::ops::BitOr;
use kernel::error::from_result;
use kernel::prelude::*;

/// A set of flags of a file (`FS_*_FL`).
// Not by `impl_flags!`, of whose sets there are no constants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileFlags(u32);

impl FileFlags {
    /// None.
    pub(crate) const NONE: Self = Self(0);
    /// The file can be neither changed nor removed.
    pub(crate) const IMMUTABLE: Self = Self(bindings::FS_IMMUTABLE_FL);
    /// The file can only grow.
    pub(crate) const APPEND: Self = Self(bindings::FS_APPEND_FL);
    /// Backups shall leave the file out.
    pub(crate) const NODUMP: Self = Self(bindings::FS_NODUMP_FL);
    /// Reading does not change the access time.
    pub(crate) const NOATIME: Self = Self(bindings::FS_NOATIME_FL);
    /// Names in the directory are the same whatever their case.
    pub(crate) const CASEFOLD: Self = Self(bindings::FS_CASEFOLD_FL);

    /// Takes a set as the user gives it.
    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The set as the user sees it.
    pub(crate) const fn as_raw(self) -> u32 {
        self.0
    }

    /// Whether all flags of `other` are in this set.
    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of this set that are in `other` too.
    pub(crate) const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for FileFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl<T: FileSystem> Exclusive<'_, T> {
    /// Lets the VFS honour those flags that it enforces (`i_flags`), and no others.
    ///
    /// Only a directory on a mount with an encoding folds case, whatever `flags` says.
    pub(crate) fn enforce_flags(&mut self, flags: FileFlags) {
        // SAFETY: `i_rwsem` serialises changes of the flags.
        unsafe { enforce(self, flags) }
    }
}

impl<T: FileSystem> NewInode<'_, T> {
    /// Lets the VFS honour flags of a new file, as [`Exclusive::enforce_flags`].
    pub(crate) fn enforce_flags(&mut self, flags: FileFlags) {
        // SAFETY: By the type invariants nothing else uses the inode.
        unsafe { enforce(self, flags) }
    }
}

/// Lets the VFS honour those flags that it enforces.
///
/// # Safety
///
/// Nothing else may change the flags of the inode during the call.
unsafe fn enforce<T: FileSystem>(inode: &InodeCore<T>, flags: FileFlags) {
    let effects = [
        (FileFlags::IMMUTABLE, bindings::S_IMMUTABLE),
        (FileFlags::APPEND, bindings::S_APPEND),
        (FileFlags::NOATIME, bindings::S_NOATIME),
        #[cfg(CONFIG_UNICODE)]
        (FileFlags::CASEFOLD, bindings::S_CASEFOLD),
    ];
    let (mut set, mut mask) = (0, 0);
    for (flag, effect) in effects {
        mask |= effect;
        if flags.contains(flag) {
            set |= effect;
        }
    }
    #[cfg(CONFIG_UNICODE)]
    if !inode.could_fold_case() {
        set &= !bindings::S_CASEFOLD;
    }
    // SAFETY: The inode is live, and by the caller's promise nothing else changes its flags.
    unsafe { bindings::inode_set_flags(inode.as_ptr(), set, mask) }
}

/// The flags of the files of a file system.
pub(crate) trait FlagOperations: FileSystem {
    /// The flags of a directory or a regular file. `i_rwsem` is not held.
    fn flags(inode: &Inode<Self>) -> FileFlags;

    /// Replaces the flags of a directory or a regular file, of which `dentry` is a name; the VFS has
    /// checked that the task may do so. May sleep. Fails with `EOPNOTSUPP` where a flag is not
    /// supported.
    fn set_flags(
        inode: &mut Exclusive<'_, Self>,
        dentry: &Dentry<Self>,
        flags: FileFlags,
    ) -> Result;
}

type Get = unsafe extern "C" fn(*mut bindings::dentry, *mut bindings::file_kattr) -> c_int;
type Set = unsafe extern "C" fn(
    *mut bindings::mnt_idmap,
    *mut bindings::dentry,
    *mut bindings::file_kattr,
) -> c_int;

/// The operations on the flags of file system `T`, for [`super::AttrOperations::FLAGS`].
pub(crate) struct FlagTable<T> {
    get: Option<Get>,
    set: Option<Set>,
    _fs: PhantomData<T>,
}

impl<T> FlagTable<T> {
    /// There are no flags.
    pub(crate) const NONE: Self = Self {
        get: None,
        set: None,
        _fs: PhantomData,
    };

    /// The function for `fileattr_get`.
    pub(super) const fn get(&self) -> Option<Get> {
        self.get
    }

    /// The function for `fileattr_set`.
    pub(super) const fn set(&self) -> Option<Set> {
        self.set
    }
}

impl<T: FlagOperations> FlagTable<T> {
    /// The operations that the trait describes.
    pub(crate) const fn new() -> Self {
        Self {
            get: Some(fileattr_get::<T>),
            set: Some(fileattr_set::<T>),
            _fs: PhantomData,
        }
    }
}

/// `inode_operations::fileattr_get`.
///
/// # Safety
///
/// `dentry` must be a live dentry of `T` that has a file and keeps it during the call, and `attributes`
/// valid for reads and writes.
unsafe extern "C" fn fileattr_get<T: FlagOperations>(
    dentry: *mut bindings::dentry,
    attributes: *mut bindings::file_kattr,
) -> c_int {
    // SAFETY: By the safety requirements the file of the dentry is a live inode of `T`.
    let flags = T::flags(unsafe { Inode::from_raw((*dentry).d_inode) });
    // SAFETY: By the safety requirements.
    unsafe { bindings::fileattr_fill_flags(attributes, flags.as_raw()) };
    0
}

/// `inode_operations::fileattr_set`.
///
/// # Safety
///
/// `dentry` must be a live dentry of `T` that has a file, whose `i_rwsem` the current task holds for
/// writing and which no [`Exclusive`] is for, and `attributes` a request. Both must stay so during the
/// call.
unsafe extern "C" fn fileattr_set<T: FlagOperations>(
    _idmap: *mut bindings::mnt_idmap,
    dentry: *mut bindings::dentry,
    attributes: *mut bindings::file_kattr,
) -> c_int {
    from_result(|| {
        // What goes beyond flags needs a file system that keeps it.
        // SAFETY: By the safety requirements.
        if unsafe { bindings::fileattr_has_fsx(attributes) } {
            return Err(EOPNOTSUPP);
        }
        // SAFETY: By the safety requirements.
        let flags = FileFlags::from_raw(unsafe { (*attributes).flags });
        // SAFETY: By the safety requirements the file of the dentry is a live inode of `T`.
        let inode = unsafe { Inode::<T>::from_raw((*dentry).d_inode) };
        // SAFETY: By the safety requirements the current task holds its lock, and this is the only proof
        // of it.
        let mut inode = unsafe { Exclusive::new(inode) };
        // SAFETY: By the safety requirements.
        let dentry = unsafe { Dentry::from_raw(dentry) };
        T::set_flags(&mut inode, dentry, flags)?;
        Ok(0)
    })
}
