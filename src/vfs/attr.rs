// SPDX-License-Identifier: GPL-2.0

//! Attributes: stat(2), and chmod, chown, truncate, utimes.
//!
//! C headers: `include/linux/fs.h`, `include/linux/stat.h`.

use super::acl;
use super::fileattr::{FileFlags, FlagTable};
use super::{Exclusive, FileSystem, IdMap, Inode, Mode};
use crate::bindings;
use crate::units::{Len, PageCount, Pos};
use core::marker::PhantomData;
use kernel::error::from_result;
use kernel::prelude::*;

/// The flags of files that statx(2) reports, which has the same numbers for them.
const IN_STAT: FileFlags = FileFlags::from_raw(
    bindings::STATX_ATTR_IMMUTABLE | bindings::STATX_ATTR_APPEND | bindings::STATX_ATTR_NODUMP,
);

const _: () = assert!(
    bindings::STATX_ATTR_IMMUTABLE == FileFlags::IMMUTABLE.as_raw()
        && bindings::STATX_ATTR_APPEND == FileFlags::APPEND.as_raw()
        && bindings::STATX_ATTR_NODUMP == FileFlags::NODUMP.as_raw()
);

/// Flags that are in [`IN_STAT`], as statx(2) reports them.
#[inline(always)]
fn attributes_of(flags: FileFlags) -> u64 {
    u64::from(flags.as_raw())
}

/// What stat(2) is about to report (`struct kstat`).
pub(crate) struct Stat<'a> {
    stat: &'a mut bindings::kstat,
    request_mask: u32,
}

impl Stat<'_> {
    /// Sets the time of creation to what `btime` says, in seconds and nanoseconds, where it is asked for.
    pub(crate) fn set_btime(&mut self, btime: impl FnOnce() -> (i64, u32)) {
        if self.request_mask & bindings::STATX_BTIME == 0 {
            return;
        }
        let (seconds, nanoseconds) = btime();
        self.stat.result_mask |= bindings::STATX_BTIME;
        self.stat.btime.tv_sec = seconds;
        // There are fewer in a second than fit.
        self.stat.btime.tv_nsec = c_long::try_from(nanoseconds).unwrap_or(0);
    }

    /// Sets the number of blocks to that of so many pages, for a file system that does not count its blocks as they come and go.
    #[allow(dead_code, reason = "for what is used by some file systems only")]
    pub(crate) fn set_pages(&mut self, pages: PageCount) {
        self.stat.blocks = pages.bytes().sectors();
    }

    /// Sets the size that I/O is best done in.
    pub(crate) fn set_block_size(&mut self, size: Len) {
        self.stat.blksize = size.to_uint();
    }

    /// Reports those flags of the file that statx(2) knows.
    pub(crate) fn set_flags(&mut self, flags: FileFlags) {
        self.stat.attributes |= attributes_of(flags.within(IN_STAT));
    }

    /// Says that the file system knows the flags that statx(2) reports, set or not.
    pub(crate) fn know_flags(&mut self) {
        self.stat.attributes_mask |= attributes_of(IN_STAT);
    }
}

/// A change of the attributes of a file (`struct iattr`) that the VFS has checked, and all that it needs.
///
/// # Invariants
///
/// `dentry` is live, and a name of the file that `inode` is; `idmap` is that of the mount by which the
/// change is asked for.
///
/// # Examples
///
/// ```
/// use crate::vfs::FileSystem;
/// use crate::vfs::attr::SetAttr;
/// use kernel::prelude::*;
///
/// // All that may fail comes first; what is not committed has not happened.
/// fn set_attributes<T: FileSystem>(request: SetAttr<'_, T>) -> Result {
///     if request.size().is_some() {
///         return Err(EINVAL);
///     }
///     let mut file = request.commit()?;
///     file.touch();
///     Ok(())
/// }
/// ```
pub(crate) struct SetAttr<'a, T: FileSystem> {
    inode: Exclusive<'a, T>,
    pub(super) idmap: &'a IdMap,
    dentry: *mut bindings::dentry,
    pub(super) attr: &'a bindings::iattr,
}

impl<'a, T: FileSystem> SetAttr<'a, T> {
    /// The file.
    pub(crate) fn inode(&mut self) -> Exclusive<'_, T> {
        self.inode.reborrow()
    }

    /// The new size, where the size is to change.
    pub(crate) fn size(&self) -> Option<Pos> {
        (self.attr.ia_valid & bindings::ATTR_SIZE != 0).then(|| Pos::from_loff(self.attr.ia_size))
    }

    /// The new mode, where the mode is to change.
    pub(crate) fn mode(&self) -> Option<Mode> {
        (self.attr.ia_valid & bindings::ATTR_MODE != 0).then(|| Mode::from_raw(self.attr.ia_mode))
    }

    /// Changes owner, group, mode and times of the file, as `setattr_copy()`, and brings its ACL in
    /// line with a new mode. Returns the file. May sleep.
    ///
    /// Fails with `ENOMEM`, where the file keeps the ACL that it had.
    pub(crate) fn commit(self) -> Result<Exclusive<'a, T>> {
        // SAFETY: The inode is live and locked, and the request is one for it.
        unsafe { bindings::setattr_copy(self.idmap.as_ptr(), self.inode.as_ptr(), self.attr) };
        if T::POSIX_ACL && self.attr.ia_valid & bindings::ATTR_MODE != 0 {
            // SAFETY: By the type invariants the dentry is live, and its file is locked.
            unsafe { acl::chmod(self.idmap, self.dentry, self.inode.mode())? };
        }
        Ok(self.inode)
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

    /// Changes attributes, the size by itself and the others by [`SetAttr::commit`];
    /// `setattr_prepare()` has allowed it. May sleep.
    fn set_attributes(request: SetAttr<'_, Self>) -> Result;
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

/// `inode_operations::getattr`.
///
/// # Safety
///
/// `path` must be that of a live dentry of `T` that has a file and keeps it during the call, `idmap` that
/// of its mount, and `stat` valid for reads and writes, by this function alone.
unsafe extern "C" fn getattr<T: AttrOperations>(
    idmap: *mut bindings::mnt_idmap,
    path: *const bindings::path,
    stat: *mut bindings::kstat,
    request_mask: u32,
    _flags: c_uint,
) -> c_int {
    // SAFETY: By the safety requirements the file of the dentry is a live inode of `T`.
    let inode = unsafe { Inode::<T>::from_raw((*(*path).dentry).d_inode) };
    // SAFETY: By the safety requirements.
    let stat = unsafe { &mut *stat };
    T::update_blocks(inode);
    // SAFETY: The inode is live, and by the safety requirements so is the idmap.
    unsafe { bindings::generic_fillattr(idmap, request_mask, inode.as_ptr(), stat) };
    T::stat(inode, &mut Stat { stat, request_mask });
    0
}

/// `inode_operations::setattr`.
///
/// # Safety
///
/// `dentry` must be a live dentry of `T` that has a file, whose `i_rwsem` the current task holds for
/// writing and which no [`Exclusive`] is for; `idmap` that of the mount, and `attr` a request that nothing
/// else uses. All must stay so during the call.
unsafe extern "C" fn setattr<T: AttrOperations>(
    idmap: *mut bindings::mnt_idmap,
    dentry: *mut bindings::dentry,
    attr: *mut bindings::iattr,
) -> c_int {
    from_result(|| {
        // SAFETY: By the safety requirements the dentry is live, with a file that is locked.
        bindings::to_result(unsafe { bindings::setattr_prepare(idmap, dentry, attr) })?;
        // SAFETY: By the safety requirements the file of the dentry is a live inode of `T`.
        let inode = unsafe { Inode::<T>::from_raw((*dentry).d_inode) };
        // INVARIANT: The inode is that of the dentry, and the idmap that of the mount.
        T::set_attributes(SetAttr {
            // SAFETY: By the safety requirements the current task holds its lock, and this is the only
            // proof of it.
            inode: unsafe { Exclusive::new(inode) },
            // SAFETY: By the safety requirements.
            idmap: unsafe { IdMap::from_raw(idmap) },
            dentry,
            // SAFETY: By the safety requirements; `setattr_prepare()` was the last to change it.
            attr: unsafe { &*attr },
        })?;
        Ok(0)
    })
}
