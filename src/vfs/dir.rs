// SPDX-License-Identifier: GPL-2.0

//! Directory operations.
//!
//! Names live in the dcache, see [`super::dir_index`]; a name that is not there does not exist,
//! so that lookup is `simple_lookup()`. C header: `include/linux/fs.h`; the rules for locks are in
//! `Documentation/filesystems/directory-locking.rst`.

use super::{
    attr, AttrOperations, Dentry, DeviceId, Exclusive, FileSystem, IdMap, Inode, InodeRef, Mode,
    Negative, NewInode, Positive, Shared,
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::error::{from_result, to_result};
use kernel::prelude::*;

/// The directories of a rename, both locked for writing.
pub(crate) enum RenameDirs<'a, 'b, T: FileSystem> {
    /// The name stays in its directory.
    Same(&'a mut Exclusive<'b, T>),
    /// The name goes from one directory to another.
    Different {
        /// The directory that it leaves.
        old: &'a mut Exclusive<'b, T>,
        /// The directory that it goes to.
        new: &'a mut Exclusive<'b, T>,
    },
}

impl<'b, T: FileSystem> RenameDirs<'_, 'b, T> {
    /// The directory that the name leaves.
    pub(crate) fn source(&mut self) -> &mut Exclusive<'b, T> {
        match self {
            Self::Same(dir) | Self::Different { old: dir, .. } => dir,
        }
    }

    /// The directory that the name goes to.
    pub(crate) fn target(&mut self) -> &mut Exclusive<'b, T> {
        match self {
            Self::Same(dir) | Self::Different { new: dir, .. } => dir,
        }
    }

    /// Sets the times of both directories and of the files behind both names, as
    /// `simple_rename_timestamp()`, and counts a change of the directories.
    pub(crate) fn touch(&mut self, dentry: &Positive<'_, T>, new_dentry: &Dentry<T>) {
        let (old, new) = (self.source().as_ptr(), self.target().as_ptr());
        // SAFETY: The directories are live and locked, the dentries live; ctime of the files needs
        // no lock.
        unsafe {
            bindings::simple_rename_timestamp(old, dentry.as_ptr(), new, new_dentry.as_ptr());
            bindings::inode_inc_iversion(old);
            bindings::inode_inc_iversion(new);
        }
    }
}

/// A file that loses a name: the name, and the file locked by the VFS.
pub(crate) struct Victim<'a, T: FileSystem> {
    /// The name.
    pub(crate) dentry: Positive<'a, T>,
    /// The file.
    pub(crate) inode: Exclusive<'a, T>,
}

impl<T: FileSystem> Victim<'_, T> {
    /// # Safety
    ///
    /// `dentry` must have an inode that it keeps for the life of the result, and whose `i_rwsem`
    /// the current task holds for writing.
    unsafe fn from_raw(dentry: *mut bindings::dentry) -> Self {
        // SAFETY: By the caller's promise.
        unsafe {
            Self {
                dentry: Positive::from_raw(dentry),
                inode: Exclusive::new(Inode::from_raw((*dentry).d_inode)),
            }
        }
    }
}

/// What rename does with a name that is in its way.
pub(crate) enum RenameTarget<'a, T: FileSystem> {
    /// Nothing is there.
    Free,
    /// A file that loses the name.
    Replace(Victim<'a, T>),
}

/// The operations of a file system's directories.
///
/// All may sleep. The VFS holds `i_rwsem` of the directories as the arguments show, has checked
/// permissions, and promises that negative names stay so.
pub(crate) trait DirectoryOperations: FileSystem {
    /// Makes a file of any type but a symbolic link: create, mkdir, mknod.
    fn make(
        dir: &mut Exclusive<'_, Self>,
        idmap: &IdMap,
        dentry: Negative<'_, Self>,
        mode: Mode,
        device: DeviceId,
    ) -> Result;

    /// Makes a symbolic link to `target`.
    fn symlink(
        dir: &mut Exclusive<'_, Self>,
        idmap: &IdMap,
        dentry: Negative<'_, Self>,
        target: &CStr,
    ) -> Result;

    /// Makes a file without a name, for `O_TMPFILE`. No lock is held.
    fn make_unnamed(dir: &Inode<Self>, idmap: &IdMap, mode: Mode) -> Result<NewInode<Self>>;

    /// Gives a file another name.
    fn link(
        dir: &mut Exclusive<'_, Self>,
        source: LinkSource<'_, Self>,
        dentry: Negative<'_, Self>,
    ) -> Result;

    /// Takes a name from a file that is not a directory.
    fn unlink(dir: &mut Exclusive<'_, Self>, victim: Victim<'_, Self>) -> Result;

    /// Removes a directory, or fails with `ENOTEMPTY`.
    fn rmdir(dir: &mut Exclusive<'_, Self>, victim: Victim<'_, Self>) -> Result;

    /// Moves a name; the new name's file, if any, loses it, and with `whiteout` a whiteout takes
    /// the old name.
    fn rename(
        dirs: RenameDirs<'_, '_, Self>,
        idmap: &IdMap,
        dentry: Positive<'_, Self>,
        new_dentry: &Dentry<Self>,
        target: RenameTarget<'_, Self>,
        whiteout: bool,
    ) -> Result;

    /// Exchanges two names.
    fn exchange(
        dirs: RenameDirs<'_, '_, Self>,
        dentry: Positive<'_, Self>,
        other: Positive<'_, Self>,
    ) -> Result;
}

impl<T: FileSystem> Exclusive<'_, T> {
    /// Makes a whiteout over a name in this directory that is about to move away: allocates a
    /// second dentry of the same name and lets `make` give it a file.
    pub(crate) fn whiteout(
        &mut self,
        dentry: &Positive<'_, T>,
        make: impl FnOnce(&mut Self, Negative<'_, T>) -> Result,
    ) -> Result {
        // SAFETY: The dentry is live, and the locks of a rename keep its name and parent.
        let whiteout = unsafe { bindings::d_alloc((*dentry.as_ptr()).d_parent, dentry.qstr()) };
        if whiteout.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: The dentry is new, so it is negative and unknown to others.
        let result = make(self, unsafe { Negative::from_raw(whiteout) });
        // SAFETY: Gives back the reference of `d_alloc()`.
        unsafe { bindings::dput(whiteout) };
        result
    }
}

/// The tables of a file system's directories.
pub(super) struct Tables<T>(PhantomData<T>);

impl<T: DirectoryOperations + AttrOperations> Tables<T> {
    pub(super) const INODE_OPERATIONS: bindings::inode_operations = bindings::inode_operations {
        lookup: Some(bindings::simple_lookup),
        create: Some(create::<T>),
        mkdir: Some(mkdir::<T>),
        mknod: Some(mknod::<T>),
        symlink: Some(symlink::<T>),
        tmpfile: Some(tmpfile::<T>),
        link: Some(link::<T>),
        unlink: Some(unlink::<T>),
        rmdir: Some(rmdir::<T>),
        rename: Some(rename::<T>),
        ..attr::Tables::<T>::FILE_OPERATIONS
    };

    pub(super) const FILE_OPERATIONS: bindings::file_operations = bindings::file_operations {
        llseek: Some(llseek),
        read: Some(bindings::generic_read_dir),
        iterate_shared: Some(iterate_shared::<T>),
        fsync: Some(bindings::noop_fsync),
        setlease: Some(bindings::generic_setlease),
        // SAFETY: All-zero bytes are valid: the other operations are absent.
        ..unsafe { core::mem::zeroed() }
    };
}

/// A file that is to get another name.
///
/// # Invariants
///
/// The file is not a directory, the current task holds its `i_rwsem`, and somebody else a reference to
/// it.
pub(crate) struct LinkSource<'a, T: FileSystem>(&'a Inode<T>);

impl<T: FileSystem> LinkSource<'_, T> {
    /// What the holder of the lock may do.
    pub(crate) fn exclusive(&mut self) -> Exclusive<'_, T> {
        // SAFETY: By the type invariants the lock is held; the value is borrowed for as long.
        unsafe { Exclusive::new(self.0) }
    }

    /// Another reference.
    pub(super) fn to_ref(&self) -> InodeRef<T> {
        // SAFETY: By the type invariants.
        unsafe { self.0.to_ref() }
    }
}

/// The directory and the name of an operation, as the VFS passes them.
///
/// # Safety
///
/// `dir` must be a live directory of `T` whose `i_rwsem` the current task holds for writing, and
/// `dentry` a name in it without a file, for the life of the results.
unsafe fn new_name<'a, T: FileSystem>(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
) -> (Exclusive<'a, T>, Negative<'a, T>) {
    // SAFETY: By the caller's promise.
    unsafe {
        (
            Exclusive::new(Inode::from_raw(dir)),
            Negative::from_raw(dentry),
        )
    }
}

/// The directory and the name that an operation takes away, as the VFS passes them.
///
/// # Safety
///
/// `dir` must be a live directory of `T` and `dentry` a name in it, and the current task must hold
/// the locks of `dir` and of the file behind `dentry` for writing, for the life of the results.
unsafe fn old_name<'a, T: FileSystem>(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
) -> (Exclusive<'a, T>, Victim<'a, T>) {
    // SAFETY: By the caller's promise.
    unsafe {
        (
            Exclusive::new(Inode::from_raw(dir)),
            Victim::from_raw(dentry),
        )
    }
}

/// What [`create`], [`mkdir`] and [`mknod`] have in common.
///
/// # Safety
///
/// As for [`new_name`]; `idmap` is that of the mount.
unsafe fn make<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    mode: Mode,
    device: DeviceId,
) -> Result {
    // SAFETY: By the safety requirements.
    let ((mut dir, dentry), idmap) =
        unsafe { (new_name::<T>(dir, dentry), IdMap::from_raw(idmap)) };
    T::make(&mut dir, idmap, dentry, mode, device)
}

/// # Safety
///
/// For calls through the table of `inode_operations` or `file_operations` that it is in, only.
unsafe extern "C" fn create<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    mode: bindings::umode_t,
) -> c_int {
    from_result(|| {
        let mode = Mode::from_raw(mode).regular();
        // SAFETY: The VFS holds the lock of `dir` and passes a name without a file.
        unsafe { make::<T>(idmap, dir, dentry, mode, DeviceId::NONE)? };
        Ok(0)
    })
}

/// # Safety
///
/// For calls through the table of `inode_operations` or `file_operations` that it is in, only.
unsafe extern "C" fn mkdir<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    mode: bindings::umode_t,
) -> *mut bindings::dentry {
    let mode = Mode::from_raw(mode).directory();
    // SAFETY: The VFS holds the lock of `dir` and passes a name without a file.
    match unsafe { make::<T>(idmap, dir, dentry, mode, DeviceId::NONE) } {
        Ok(()) => core::ptr::null_mut(),
        Err(e) => e.to_ptr(),
    }
}

/// # Safety
///
/// For calls through the table of `inode_operations` or `file_operations` that it is in, only.
unsafe extern "C" fn mknod<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    mode: bindings::umode_t,
    device: bindings::dev_t,
) -> c_int {
    from_result(|| {
        let (mode, device) = (Mode::from_raw(mode), DeviceId::from_raw(device));
        // SAFETY: The VFS holds the lock of `dir` and passes a name without a file.
        unsafe { make::<T>(idmap, dir, dentry, mode, device)? };
        Ok(0)
    })
}

/// # Safety
///
/// For calls through the table of `inode_operations` or `file_operations` that it is in, only.
unsafe extern "C" fn symlink<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    target: *const c_char,
) -> c_int {
    from_result(|| {
        // SAFETY: The VFS holds the lock of `dir` and passes a name without a file, and a string.
        let ((mut dir, dentry), idmap, target) = unsafe {
            (
                new_name::<T>(dir, dentry),
                IdMap::from_raw(idmap),
                CStr::from_char_ptr(target),
            )
        };
        T::symlink(&mut dir, idmap, dentry, target)?;
        Ok(0)
    })
}

/// # Safety
///
/// For calls through the table of `inode_operations` or `file_operations` that it is in, only.
unsafe extern "C" fn tmpfile<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    file: *mut bindings::file,
    mode: bindings::umode_t,
) -> c_int {
    from_result(|| {
        // SAFETY: The VFS passes a live directory and the idmap of its mount.
        let (dir, idmap) = unsafe { (Inode::<T>::from_raw(dir), IdMap::from_raw(idmap)) };
        let inode = T::make_unnamed(dir, idmap, Mode::from_raw(mode))?.of(dir.sb())?;
        // SAFETY: The VFS passes a file with a dentry of its own, which takes over the reference.
        unsafe {
            bindings::d_tmpfile(file, inode.into_raw());
            to_result(bindings::finish_open_simple(file, 0))?;
        }
        Ok(0)
    })
}

/// # Safety
///
/// For calls through the table of `inode_operations` or `file_operations` that it is in, only.
unsafe extern "C" fn link<T: DirectoryOperations>(
    old_dentry: *mut bindings::dentry,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
) -> c_int {
    from_result(|| {
        // SAFETY: The VFS holds the locks of `dir` and of the file behind `old_dentry`, which is
        // not a directory and so not `dir`, and passes a name without a file.
        // INVARIANT: As above; the dentry holds its file.
        let ((mut dir, dentry), source) = unsafe {
            (
                new_name::<T>(dir, dentry),
                LinkSource(Inode::from_raw((*old_dentry).d_inode)),
            )
        };
        T::link(&mut dir, source, dentry)?;
        Ok(0)
    })
}

/// # Safety
///
/// For calls through the table of `inode_operations` or `file_operations` that it is in, only.
unsafe extern "C" fn unlink<T: DirectoryOperations>(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
) -> c_int {
    from_result(|| {
        // SAFETY: The VFS holds the locks of `dir` and of the file behind `dentry`.
        let (mut dir, victim) = unsafe { old_name::<T>(dir, dentry) };
        T::unlink(&mut dir, victim)?;
        Ok(0)
    })
}

/// # Safety
///
/// For calls through the table of `inode_operations` or `file_operations` that it is in, only.
unsafe extern "C" fn rmdir<T: DirectoryOperations>(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
) -> c_int {
    from_result(|| {
        // SAFETY: The VFS holds the locks of `dir` and of the directory behind `dentry`.
        let (mut dir, victim) = unsafe { old_name::<T>(dir, dentry) };
        T::rmdir(&mut dir, victim)?;
        Ok(0)
    })
}

/// # Safety
///
/// For calls through the table of `inode_operations` or `file_operations` that it is in, only.
unsafe extern "C" fn rename<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    old_dir: *mut bindings::inode,
    old_dentry: *mut bindings::dentry,
    new_dir: *mut bindings::inode,
    new_dentry: *mut bindings::dentry,
    flags: c_uint,
) -> c_int {
    from_result(|| {
        const KNOWN: u32 =
            bindings::RENAME_NOREPLACE | bindings::RENAME_EXCHANGE | bindings::RENAME_WHITEOUT;
        if flags & !KNOWN != 0 {
            return Err(EINVAL);
        }

        // SAFETY: The VFS holds the locks of both directories, which are one guard where they are
        // the same, and keeps the dentries as they are.
        let (mut old, mut new, dentry, idmap) = unsafe {
            (
                Exclusive::<T>::new(Inode::from_raw(old_dir)),
                (old_dir != new_dir).then(|| Exclusive::<T>::new(Inode::from_raw(new_dir))),
                Positive::from_raw(old_dentry),
                IdMap::from_raw(idmap),
            )
        };
        let dirs = match &mut new {
            None => RenameDirs::Same(&mut old),
            Some(new) => RenameDirs::Different { old: &mut old, new },
        };

        if flags & bindings::RENAME_EXCHANGE != 0 {
            // SAFETY: The VFS passes a live dentry, with a file where names are exchanged.
            let other = unsafe { Positive::from_raw(new_dentry) };
            T::exchange(dirs, dentry, other)?;
            return Ok(0);
        }

        // SAFETY: As above. The VFS holds the lock of the file that is replaced, which is neither
        // of the directories.
        let target = unsafe {
            if (*new_dentry).d_inode.is_null() {
                RenameTarget::Free
            } else {
                RenameTarget::Replace(Victim::from_raw(new_dentry))
            }
        };
        // SAFETY: As above.
        let new_dentry = unsafe { Dentry::from_raw(new_dentry) };
        let whiteout = flags & bindings::RENAME_WHITEOUT != 0;
        T::rename(dirs, idmap, dentry, new_dentry, target, whiteout)?;
        Ok(0)
    })
}

/// # Safety
///
/// For calls through the table of `inode_operations` or `file_operations` that it is in, only.
unsafe extern "C" fn iterate_shared<T: DirectoryOperations>(
    file: *mut bindings::file,
    ctx: *mut bindings::dir_context,
) -> c_int {
    // SAFETY: The VFS passes an open directory of this file system, whose lock it holds for
    // reading, and a context.
    unsafe {
        if bindings::dir_emit_dots(file, ctx) {
            Shared::<T>::new(Inode::from_raw(bindings::file_inode(file))).iterate(&mut *ctx);
        }
    }
    0
}

/// `llseek` of a directory: positions are cookies, so there is no seeking from the end.
///
/// # Safety
///
/// For calls through the table of `inode_operations` or `file_operations` that it is in, only.
unsafe extern "C" fn llseek(
    file: *mut bindings::file,
    offset: bindings::loff_t,
    whence: c_int,
) -> bindings::loff_t {
    from_result(|| {
        const SET: c_int = bindings::int(bindings::SEEK_SET);
        const CUR: c_int = bindings::int(bindings::SEEK_CUR);
        let base = match whence {
            SET => 0,
            // SAFETY: The VFS passes an open file, and serialises users of its position.
            CUR => unsafe { (*file).f_pos },
            _ => return Err(EINVAL),
        };
        let offset = base.checked_add(offset).filter(|&o| o >= 0).ok_or(EINVAL)?;
        // SAFETY: As above.
        Ok(unsafe { bindings::vfs_setpos(file, offset, isize::MAX as i64) })
    })
}
