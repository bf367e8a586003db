// SPDX-License-Identifier: GPL-2.0

//! Inodes that are new: made whole, and not in use yet.
//!
//! There is a constructor for each kind of file. It gives the inode all that files of the kind need, and
//! the file system's data, before anything can find the inode. What it returns is no [`Inode`] yet, and
//! can have neither pages nor a place on lists; it becomes one when the operation that asked for it returns
//! it, and a name or an open file refers to it.
//!
//! A new inode is bound to the operation in which it is made, which keeps the superblock. One that is
//! forgotten there, and not dropped, is a leak that the VFS complains of at umount ("Busy inodes after
//! unmount"), but nothing refers to it any more. So no reference to the superblock is needed for the time
//! until it is in use, which would be an atomic operation more for each file that is made.
//!
//! C header: `include/linux/fs.h`.

use super::file_system::Memory;
use super::inode::{self, InodeCore, InodeRef};
use super::{attr, dir, export, file};
use super::{
    AttrOperations, DirectoryOperations, FileOperations, FileSystem, FileType, IdMap, Inode, Kgid,
    Kuid, Mode, Negative, NewSuperBlock, Special, SuperBlock,
};
use crate::bindings;
use crate::units::{Ino, Pos};
use core::marker::PhantomData;
use core::ops::Deref;
use kernel::prelude::*;

/// Where a new file belongs: to which superblock, and to whom.
pub(crate) struct Origin<'a, T: FileSystem> {
    sb: &'a SuperBlock<T>,
    parent: Option<&'a Inode<T>>,
    idmap: &'a IdMap,
}

impl<'a, T: FileSystem> Origin<'a, T> {
    /// That of a file in `parent`, made through a mount with `idmap`.
    pub(crate) fn child_of(parent: &'a Inode<T>, idmap: &'a IdMap) -> Self {
        Self {
            sb: parent.sb(),
            parent: Some(parent),
            idmap,
        }
    }

    /// That of the root directory of a superblock that is being filled.
    pub(crate) fn root_of(sb: &'a NewSuperBlock<'_, T>) -> Self {
        Self {
            sb,
            parent: None,
            idmap: IdMap::nop(),
        }
    }

    /// That of a regular file in `sb` that never has a name. Its owner is the current task.
    pub(crate) fn unlinked_in(sb: &'a SuperBlock<T>) -> Self {
        Self {
            sb,
            parent: None,
            idmap: IdMap::nop(),
        }
    }

    /// The superblock.
    pub(crate) fn sb(&self) -> &'a SuperBlock<T> {
        self.sb
    }
}

/// The target of a symbolic link, in memory of its own.
///
/// # Invariants
///
/// `bytes` ends with its only null byte, after `len` others.
pub(crate) struct LinkTarget {
    bytes: KVec<u8>,
    len: c_int,
}

impl LinkTarget {
    /// Copies a target. May sleep. Fails with `ENOMEM`, and with `ENAMETOOLONG` beyond what a link can be.
    pub(crate) fn new(target: &CStr) -> Result<Self> {
        let len = c_int::try_from(target.to_bytes().len()).map_err(|_| ENAMETOOLONG)?;
        let target = target.to_bytes_with_nul();
        let mut bytes = KVec::with_capacity(target.len(), GFP_KERNEL_ACCOUNT)?;
        bytes.extend_from_slice(target, GFP_KERNEL_ACCOUNT)?;
        // INVARIANT: A `CStr` ends with its only null byte.
        Ok(Self { bytes, len })
    }
}

/// A new inode, which no dentry and no file refers to yet.
///
/// Dropping it evicts it. `'a` is within the operation in which it is made.
///
/// # Invariants
///
/// Nothing else uses the inode, but to walk the superblock's list of all inodes; it has no pages. The
/// superblock lives for `'a`.
///
/// # Examples
///
/// ```
/// use crate::units::Ino;
/// use crate::vfs::new_inode::Origin;
/// use crate::vfs::{AttrOperations, FileOperations, IdMap, Inode, Mode, Negative, NewInode};
/// use kernel::prelude::*;
///
/// // What it returns is for the operation to return; where that fails the inode goes again.
/// fn new_file<'a, T>(
///     dir: &'a Inode<T>,
///     name: &Negative<'_, T>,
///     idmap: &'a IdMap,
///     mode: Mode,
///     data: impl PinInit<T::InodeData>,
/// ) -> Result<NewInode<'a, T>>
/// where
///     T: FileOperations + AttrOperations,
/// {
///     let origin = Origin::child_of(dir, idmap);
///     let mut file = NewInode::regular(origin, Ino::new(7), mode, data).ok_or(ENOMEM)?;
///     file.init_security(dir, Some(name))?;
///     Ok(file)
/// }
/// ```
pub(crate) struct NewInode<'a, T: FileSystem> {
    inode: InodeRef<T>,
    _sb: PhantomData<UsedOnDrop<'a, T>>,
}

/// What is dropped uses the superblock, so that the compiler lets nothing that has this outlive it: a reference alone may
/// be gone by then.
struct UsedOnDrop<'a, T: FileSystem>(PhantomData<&'a SuperBlock<T>>);

impl<T: FileSystem> Drop for UsedOnDrop<'_, T> {
    fn drop(&mut self) {}
}

impl<'a, T: FileSystem> NewInode<'a, T> {
    /// Makes a regular file with number `ino`, the permissions of `mode` and the file system's `data`.
    /// Its owners are those that `inode_init_owner()` says.
    ///
    /// May sleep. Returns `None` without memory.
    pub(crate) fn regular(
        origin: Origin<'a, T>,
        ino: Ino,
        mode: Mode,
        data: impl PinInit<T::InodeData>,
    ) -> Option<Self>
    where
        T: FileOperations + AttrOperations,
    {
        let operations = &attr::Tables::<T>::FILE_OPERATIONS;
        let this = Self::unlisted(origin, ino, mode.regular(), operations, data)?;
        // SAFETY: By the type invariants nothing else uses the inode.
        unsafe {
            (*this.as_ptr()).__bindgen_anon_3.i_fop = &file::Tables::<T>::FILE_OPERATIONS;
            (*(*this.as_ptr()).i_mapping).a_ops = this.sb().memory().a_ops();
            // There is no attribute that the first write would have to look for, and the VFS takes this back where
            // one comes that matters.
            bindings::inode_has_no_xattr(this.as_ptr());
        }
        // SAFETY: The inode is new, and the operations of its mapping were just set.
        unsafe { this.sb().memory().init_mapping(this.inode.mapping()) };
        Some(this.listed())
    }

    /// Makes a directory of `size`, as [`NewInode::regular`] makes a file. It has the link that `.` is.
    pub(crate) fn directory(
        origin: Origin<'a, T>,
        ino: Ino,
        mode: Mode,
        size: Pos,
        data: impl PinInit<T::InodeData>,
    ) -> Option<Self>
    where
        T: DirectoryOperations + AttrOperations,
    {
        let operations = &dir::Tables::<T>::INODE_OPERATIONS;
        let this = Self::unlisted(origin, ino, mode.directory(), operations, data)?;
        let inode = this.as_ptr();
        // SAFETY: By the type invariants nothing else uses the inode, nor its lock.
        unsafe {
            (*inode).__bindgen_anon_3.i_fop = &dir::Tables::<T>::FILE_OPERATIONS;
            bindings::inc_nlink(inode);
            bindings::i_size_write(inode, size.to_loff());
            bindings::lockdep_annotate_inode_mutex_key(inode);
        }
        Some(this.listed())
    }

    /// Makes a symbolic link to `target`, as [`NewInode::regular`] makes a file. Its size is the target's.
    pub(crate) fn symlink(
        origin: Origin<'a, T>,
        ino: Ino,
        target: LinkTarget,
        data: impl PinInit<T::InodeData>,
    ) -> Option<Self>
    where
        T: AttrOperations,
    {
        let operations = &attr::Tables::<T>::SYMLINK_OPERATIONS;
        let this = Self::unlisted(origin, ino, Mode::SYMLINK, operations, data)?;
        let inode = this.as_ptr();
        let len = target.len;
        let bytes = target.bytes.into_raw_parts().0;
        // SAFETY: By the type invariants nothing else uses the inode. By those of the target the string is
        // terminated and as long; `free_inode()` frees it after a grace period, so that path walks may
        // read it without a lock.
        unsafe {
            bindings::inode_set_cached_link(inode, bytes.cast(), len);
            bindings::i_size_write(inode, i64::from(len));
        }
        Some(this.listed())
    }

    /// Makes a special file, as [`NewInode::regular`] makes a regular one.
    pub(crate) fn special(
        origin: Origin<'a, T>,
        ino: Ino,
        mode: Mode,
        kind: Special,
        data: impl PinInit<T::InodeData>,
    ) -> Option<Self>
    where
        T: AttrOperations,
    {
        let operations = &attr::Tables::<T>::INODE_OPERATIONS;
        let mode = kind.mode(mode);
        let this = Self::unlisted(origin, ino, mode, operations, data)?;
        // SAFETY: By the type invariants nothing else uses the inode, and the mode is that of a special file.
        unsafe {
            bindings::init_special_inode(this.as_ptr(), mode.as_raw(), kind.device().as_raw());
        }
        Some(this.listed())
    }

    /// What the constructors have in common. They make the inode what its type needs, and then list it.
    fn unlisted(
        origin: Origin<'a, T>,
        ino: Ino,
        mode: Mode,
        operations: &'static bindings::inode_operations,
        data: impl PinInit<T::InodeData>,
    ) -> Option<Self> {
        let Origin { sb, parent, idmap } = origin;
        let is_directory = mode.file_type() == FileType::Directory;
        // SAFETY: The mode is set below, before anything can fail.
        let inode = unsafe { inode::make(sb, is_directory, data)? };
        // INVARIANT: The inode was just made, and `'a` is the life of a reference to the superblock.
        let this = Self {
            inode,
            _sb: PhantomData,
        };
        let inode = this.as_ptr();
        let parent = parent.map_or(core::ptr::null_mut(), |dir| dir.as_ptr());
        // SAFETY: By the type invariants nothing else uses the inode; parent and idmap are live.
        unsafe {
            (*inode).i_ino = ino.to_u64();
            if cfg!(CONFIG_EVM) {
                (*inode).i_generation = export::new_generation();
            }
            (*inode).i_op = operations;
            bindings::inode_init_owner(idmap.as_ptr(), inode, parent, mode.as_raw());
            bindings::simple_inode_init_ts(inode);
            // What it inherits comes later, and there is nowhere else to look for any.
            bindings::cache_no_acl(inode);
        }
        Some(this)
    }

    /// The inode is whole: puts it on the superblock's list of all inodes.
    fn listed(self) -> Self {
        // SAFETY: The inode is initialised, and on no list.
        unsafe { bindings::inode_sb_list_add(self.as_ptr()) };
        self
    }

    /// The pages that the file will have are to stay in memory, as `mapping_set_unevictable()`.
    pub(crate) fn set_unevictable(&mut self) {
        self.inode.mapping().set_unevictable();
    }

    /// Sets the size of a regular file.
    pub(crate) fn set_size(&mut self, size: Pos) {
        // SAFETY: By the type invariants nothing else uses the inode.
        unsafe { bindings::i_size_write(self.as_ptr(), size.to_loff()) }
    }

    /// Lets the security modules initialise the inode, as `security_inode_init_security()`.
    ///
    /// `name` is the name it will have in `dir`, where it gets one. May sleep.
    pub(crate) fn init_security(
        &mut self,
        dir: &Inode<T>,
        name: Option<&Negative<'_, T>>,
    ) -> Result {
        let name = name.map_or(core::ptr::null(), |dentry| dentry.qstr());
        // Without attributes, labels are in memory only, with the security modules.
        let store = T::XATTRS.init();
        // SAFETY: Both inodes are live, and the callback gets this one, which by the type invariants nothing
        // else uses.
        let ret = unsafe {
            bindings::security_inode_init_security(
                self.as_ptr(),
                dir.as_ptr(),
                name,
                store,
                core::ptr::null_mut(),
            )
        };
        match bindings::to_result(ret) {
            Err(EOPNOTSUPP) => Ok(()),
            result => result,
        }
    }

    /// Overrides owner and group, for the root directory of a mount.
    pub(crate) fn set_owner(&mut self, uid: Kuid, gid: Kgid) {
        // SAFETY: By the type invariants nothing else uses the inode.
        unsafe {
            (*self.as_ptr()).i_uid = uid.as_raw();
            (*self.as_ptr()).i_gid = gid.as_raw();
        }
    }

    /// The reference, for a dentry or a file to own.
    pub(super) fn into_ref(self) -> InodeRef<T> {
        self.inode
    }
}

impl<T: FileSystem> Deref for NewInode<'_, T> {
    type Target = InodeCore<T>;

    fn deref(&self) -> &InodeCore<T> {
        &self.inode
    }
}
