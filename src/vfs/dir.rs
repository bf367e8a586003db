// SPDX-License-Identifier: GPL-2.0

//! Directory operations.
//!
//! Names live in the dcache, see [`super::dir_index`]; a name that is not there does not exist,
//! so that lookup is `simple_lookup()`. The operations here change them: they reserve what that needs,
//! ask the file system, and then it happens.
//!
//! C header: `include/linux/fs.h`; the rules for locks are in
//! `Documentation/filesystems/directory-locking.rst`.

use super::dir_index::Names;
use super::{
    attr, AttrOperations, Dentry, DeviceId, Exclusive, FileKind, FileSystem, IdMap, Inode, Mode,
    Negative, NewInode, Positive, Shared,
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::error::from_result;
use kernel::prelude::*;

/// The directories of a rename, both locked for writing.
///
/// # Examples
///
/// ```
/// use crate::vfs::{FileSystem, FileType, Positive, RenameDirs};
///
/// // The `..` of a directory counts as a link to its parent. Where the parent stays, one call takes back the other.
/// fn move_parent<T: FileSystem>(dirs: &mut RenameDirs<'_, '_, T>, moved: &Positive<'_, T>) {
///     if moved.inode().file_type() == FileType::Directory {
///         dirs.source().drop_nlink();
///         dirs.target().inc_nlink();
///     }
/// }
/// ```
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
        // SAFETY: The directories are live and locked, the dentries live, and the first has a file, as the second need not;
        // ctime of the files needs no lock.
        unsafe {
            bindings::simple_rename_timestamp(old, dentry.as_ptr(), new, new_dentry.as_ptr());
            bindings::inode_inc_iversion(old);
            bindings::inode_inc_iversion(new);
        }
    }
}

/// A file that loses a name: the name, and the file locked by the VFS.
///
/// # Examples
///
/// ```
/// use crate::vfs::dir::Victim;
/// use crate::vfs::{Exclusive, FileSystem};
/// use kernel::prelude::*;
///
/// // The name itself goes once this has returned `Ok`, and only then.
/// fn unlink<T: FileSystem>(dir: &mut Exclusive<'_, T>, victim: &mut Victim<'_, T>) -> Result {
///     victim.inode.drop_nlink();
///     dir.touch_with(&mut victim.inode);
///     Ok(())
/// }
/// ```
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

/// The name that a rename gives.
pub(crate) enum RenameTarget<'a, T: FileSystem> {
    /// No file has it.
    Free(Negative<'a, T>),
    /// A file loses it; where that is a directory, it is empty.
    Replace(Victim<'a, T>),
}

impl<T: FileSystem> RenameTarget<'_, T> {
    /// # Safety
    ///
    /// `dentry` must be a live name in a directory whose `i_rwsem` the current task holds for writing,
    /// and where it has a file, as for [`Victim::from_raw`].
    unsafe fn from_raw(dentry: *mut bindings::dentry) -> Self {
        // SAFETY: By the caller's promise.
        unsafe {
            if (*dentry).d_inode.is_null() {
                Self::Free(Negative::from_raw(dentry))
            } else {
                Self::Replace(Victim::from_raw(dentry))
            }
        }
    }

    /// The name.
    pub(crate) fn dentry(&self) -> &Dentry<T> {
        match self {
            Self::Free(name) => name,
            Self::Replace(victim) => &victim.dentry,
        }
    }
}

/// The operations of a file system's directories.
///
/// All may sleep. The VFS holds `i_rwsem` of the directories as the arguments show, has checked
/// permissions, and promises that negative names stay so.
///
/// To return `Ok` is to consent: the file system has done its accounting (link counts, sizes, times,
/// limits), and what was asked for happens to names and dentries afterwards. The memory for that has
/// been reserved, so it does not fail, except with `EINVAL` where a returned inode is one of another
/// superblock. An operation that returns an error must leave everything as it was, and nothing happens.
pub(crate) trait DirectoryOperations: FileSystem {
    /// Makes a file, which gets the name: create, mkdir, mknod. `mode` is its permissions.
    fn make<'a>(
        dir: &mut Exclusive<'a, Self>,
        idmap: &'a IdMap,
        name: &Negative<'_, Self>,
        kind: FileKind,
        mode: Mode,
    ) -> Result<NewInode<'a, Self>>;

    /// Makes a symbolic link to `target`, which gets the name.
    fn symlink<'a>(
        dir: &mut Exclusive<'a, Self>,
        idmap: &'a IdMap,
        name: &Negative<'_, Self>,
        target: &CStr,
    ) -> Result<NewInode<'a, Self>>;

    /// Makes a regular file without a name, for `O_TMPFILE`. No lock is held.
    fn make_unnamed<'a>(
        dir: &'a Inode<Self>,
        idmap: &'a IdMap,
        mode: Mode,
    ) -> Result<NewInode<'a, Self>>;

    /// Gives a file, which is not a directory, another name.
    fn link(
        dir: &mut Exclusive<'_, Self>,
        file: &mut Exclusive<'_, Self>,
        name: &Negative<'_, Self>,
    ) -> Result;

    /// Takes a name from a file that is not a directory.
    fn unlink(dir: &mut Exclusive<'_, Self>, victim: &mut Victim<'_, Self>) -> Result;

    /// Removes an empty directory.
    fn rmdir(dir: &mut Exclusive<'_, Self>, victim: &mut Victim<'_, Self>) -> Result;

    /// Moves a name; the file that has the new name, if any, loses it.
    fn rename(
        dirs: RenameDirs<'_, '_, Self>,
        moved: &Positive<'_, Self>,
        target: &mut RenameTarget<'_, Self>,
    ) -> Result;

    /// As `rename`, and makes a whiteout, which gets the old name: `name` is a second dentry of it.
    fn rename_with_whiteout<'a>(
        dirs: RenameDirs<'_, 'a, Self>,
        idmap: &'a IdMap,
        moved: &Positive<'_, Self>,
        target: &mut RenameTarget<'_, Self>,
        name: &Negative<'_, Self>,
    ) -> Result<NewInode<'a, Self>> {
        let _ = (dirs, idmap, moved, target, name);
        Err(EINVAL)
    }

    /// Exchanges two names.
    fn exchange(
        dirs: RenameDirs<'_, '_, Self>,
        one: &Positive<'_, Self>,
        other: &Positive<'_, Self>,
    ) -> Result;
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
        // The other operations are absent.
        ..pin_init::zeroed()
    };
}

/// A directory that an operation changes: what the file system may do with it, and what this layer
/// does once that has consented.
struct Directory<'a, T: FileSystem> {
    inode: Exclusive<'a, T>,
    names: Names<'a, T>,
}

impl<'a, T: FileSystem> Directory<'a, T> {
    /// # Safety
    ///
    /// `dir` must be a live directory of `T` whose `i_rwsem` the current task holds for writing for the
    /// life of the result, and this must be the only one for it.
    unsafe fn from_raw(dir: *mut bindings::inode) -> Self {
        // SAFETY: By the caller's promise.
        unsafe {
            let dir = Inode::from_raw(dir);
            Self {
                inode: Exclusive::new(dir),
                names: Names::of(dir),
            }
        }
    }

    /// Gives a name the file that `make` makes.
    fn add(
        mut self,
        name: Negative<'_, T>,
        make: impl FnOnce(&mut Exclusive<'a, T>, &Negative<'_, T>) -> Result<NewInode<'a, T>>,
    ) -> Result {
        let new = self.names.reserve(name)?;
        let inode = make(&mut self.inode, new.name())?;
        new.commit(inode.into_ref())
    }
}

/// Calls `f` with a second, new dentry of a name that is about to move away. May sleep; fails with
/// `ENOMEM`, and as `f` does.
fn with_second_dentry<T: FileSystem>(
    moved: &Positive<'_, T>,
    f: impl FnOnce(Negative<'_, T>) -> Result,
) -> Result {
    // SAFETY: The dentry is live, and by the invariants of `Positive` keeps its name and its parent.
    let second = unsafe { bindings::d_alloc((*moved.as_ptr()).d_parent, moved.qstr()) };
    if second.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: The dentry is new, so it is negative and unknown to others.
    let result = f(unsafe { Negative::from_raw(second) });
    // SAFETY: Gives back the reference of `d_alloc()`.
    unsafe { bindings::dput(second) };
    result
}

/// What [`create`], [`mkdir`] and [`mknod`] have in common.
///
/// # Safety
///
/// `dir` must be a live directory of `T` whose `i_rwsem` the current task holds for writing and which no
/// [`Exclusive`] is for, `dentry` a live name in it without a file, and `idmap` that of the mount. All must
/// stay so during the call.
unsafe fn make<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    kind: FileKind,
    mode: bindings::umode_t,
) -> Result {
    // SAFETY: By the safety requirements.
    let dir = unsafe { Directory::<T>::from_raw(dir) };
    // SAFETY: By the safety requirements; the lock of the directory keeps the name as it is.
    let name = unsafe { Negative::from_raw(dentry) };
    // SAFETY: By the safety requirements.
    let idmap = unsafe { IdMap::from_raw(idmap) };
    let mode = Mode::from_raw(mode);
    dir.add(name, |dir, name| T::make(dir, idmap, name, kind, mode))
}

/// `inode_operations::create`.
///
/// # Safety
///
/// `idmap`, `dir` and `dentry` must be as [`make`] demands.
unsafe extern "C" fn create<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    mode: bindings::umode_t,
) -> c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        unsafe { make::<T>(idmap, dir, dentry, FileKind::Regular, mode)? };
        Ok(0)
    })
}

/// `inode_operations::mkdir`.
///
/// # Safety
///
/// `idmap`, `dir` and `dentry` must be as [`make`] demands.
unsafe extern "C" fn mkdir<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    mode: bindings::umode_t,
) -> *mut bindings::dentry {
    // SAFETY: By the safety requirements.
    match unsafe { make::<T>(idmap, dir, dentry, FileKind::Directory, mode) } {
        Ok(()) => core::ptr::null_mut(),
        Err(e) => e.to_ptr(),
    }
}

/// `inode_operations::mknod`.
///
/// # Safety
///
/// `idmap`, `dir` and `dentry` must be as [`make`] demands.
unsafe extern "C" fn mknod<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    mode: bindings::umode_t,
    device: bindings::dev_t,
) -> c_int {
    from_result(|| {
        let device = DeviceId::from_raw(device);
        let kind = FileKind::of_node(Mode::from_raw(mode), device).ok_or(EINVAL)?;
        // SAFETY: By the safety requirements.
        unsafe { make::<T>(idmap, dir, dentry, kind, mode)? };
        Ok(0)
    })
}

/// `inode_operations::symlink`.
///
/// # Safety
///
/// `idmap`, `dir` and `dentry` must be as [`make`] demands, and `target` a string that stays as it is during
/// the call.
unsafe extern "C" fn symlink<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    target: *const c_char,
) -> c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        let dir = unsafe { Directory::<T>::from_raw(dir) };
        // SAFETY: By the safety requirements; the lock of the directory keeps the name as it is.
        let name = unsafe { Negative::from_raw(dentry) };
        // SAFETY: By the safety requirements.
        let (idmap, target) = unsafe { (IdMap::from_raw(idmap), CStr::from_char_ptr(target)) };
        dir.add(name, |dir, name| T::symlink(dir, idmap, name, target))?;
        Ok(0)
    })
}

/// `inode_operations::tmpfile`.
///
/// # Safety
///
/// `dir` must be a live directory of `T`, `idmap` that of the mount, and `file` one that is being opened,
/// with a dentry of its own that has no file. All must stay so during the call.
unsafe extern "C" fn tmpfile<T: DirectoryOperations>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    file: *mut bindings::file,
    mode: bindings::umode_t,
) -> c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        let (dir, idmap) = unsafe { (Inode::<T>::from_raw(dir), IdMap::from_raw(idmap)) };
        let inode = T::make_unnamed(dir, idmap, Mode::from_raw(mode))?;
        let inode = inode.into_ref().of(dir.sb())?;
        // SAFETY: By the safety requirements; the dentry of the file takes over the reference.
        unsafe { bindings::d_tmpfile(file, inode.into_raw()) };
        // SAFETY: By the safety requirements, and the dentry of the file has an inode now.
        bindings::to_result(unsafe { bindings::finish_open_simple(file, 0) })?;
        Ok(0)
    })
}

/// `inode_operations::link`.
///
/// # Safety
///
/// `dir` must be a live directory of `T`, `dentry` a live name in it without a file, and `old_dentry` a live
/// dentry of `T` with a file that is not a directory. The current task must hold `i_rwsem` of the directory
/// and of the file for writing, and no [`Exclusive`] may be for either. All must stay so during the call.
unsafe extern "C" fn link<T: DirectoryOperations>(
    old_dentry: *mut bindings::dentry,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
) -> c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        let mut dir = unsafe { Directory::<T>::from_raw(dir) };
        // SAFETY: By the safety requirements; the lock of the directory keeps the name as it is.
        let name = unsafe { Negative::from_raw(dentry) };
        // SAFETY: By the safety requirements the dentry has a file, of `T`.
        let file = unsafe { Inode::from_raw((*old_dentry).d_inode) };
        let new = dir.names.reserve(name)?;
        // SAFETY: By the safety requirements the file is locked; it is not a directory, and so not `dir`.
        let mut locked = unsafe { Exclusive::new(file) };
        T::link(&mut dir.inode, &mut locked, new.name())?;
        // SAFETY: The old name has a reference to the file.
        new.commit(unsafe { file.to_ref() })?;
        Ok(0)
    })
}

/// `inode_operations::unlink`.
///
/// # Safety
///
/// `dir` must be a live directory of `T`, and `dentry` a live name in it with a file that is not a
/// directory. The current task must hold `i_rwsem` of both for writing, and no [`Exclusive`] may be for
/// either. All must stay so during the call.
unsafe extern "C" fn unlink<T: DirectoryOperations>(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
) -> c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        let mut dir = unsafe { Directory::<T>::from_raw(dir) };
        // SAFETY: By the safety requirements.
        let mut victim = unsafe { Victim::from_raw(dentry) };
        T::unlink(&mut dir.inode, &mut victim)?;
        dir.names.remove(&victim.dentry);
        Ok(0)
    })
}

/// `inode_operations::rmdir`.
///
/// # Safety
///
/// `dir` must be a live directory of `T`, and `dentry` a live name in it with a file that is a directory. The
/// current task must hold `i_rwsem` of both for writing, and no [`Exclusive`] may be for either. All must stay
/// so during the call.
unsafe extern "C" fn rmdir<T: DirectoryOperations>(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
) -> c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        let mut dir = unsafe { Directory::<T>::from_raw(dir) };
        // SAFETY: By the safety requirements.
        let mut victim = unsafe { Victim::from_raw(dentry) };
        if !victim.dentry.is_empty() {
            return Err(ENOTEMPTY);
        }
        T::rmdir(&mut dir.inode, &mut victim)?;
        dir.names.remove(&victim.dentry);
        Ok(0)
    })
}

/// `inode_operations::rename`.
///
/// # Safety
///
/// `old_dir` and `new_dir` must be live directories of `T`, perhaps the same, of one superblock.
/// `old_dentry` must be a live name with a file in the one, and `new_dentry` another live name in the other.
/// That one must have a file where `flags` ask for an exchange; one that it has must be neither of the
/// directories. `idmap` must be that of the mount. The current task must hold `i_rwsem` of the directories,
/// and of a file that loses its name, for writing, and no [`Exclusive`] may be for any of them. All must stay
/// so during the call; after a success the caller moves or exchanges the dentries before it gives up the
/// locks.
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

        // SAFETY: By the safety requirements.
        let mut old = unsafe { Directory::<T>::from_raw(old_dir) };
        // SAFETY: By the safety requirements, and it is another directory.
        let mut new = (old_dir != new_dir).then(|| unsafe { Directory::<T>::from_raw(new_dir) });
        let (dirs, mut new_names) = match &mut new {
            None => (RenameDirs::Same(&mut old.inode), None),
            Some(new) => {
                let dirs = RenameDirs::Different {
                    old: &mut old.inode,
                    new: &mut new.inode,
                };
                (dirs, Some(&mut new.names))
            }
        };
        // SAFETY: By the safety requirements it has a file; the lock of its directory keeps it as it is.
        let moved = unsafe { Positive::from_raw(old_dentry) };

        if flags & bindings::RENAME_EXCHANGE != 0 {
            // SAFETY: By the safety requirements this one has a file, too; the lock of its directory keeps it
            // as it is.
            let other = unsafe { Positive::from_raw(new_dentry) };
            T::exchange(dirs, &moved, &other)?;
            // SAFETY: By the safety requirements the caller exchanges the dentries.
            unsafe { old.names.exchange(new_names, &moved, &other) };
            return Ok(0);
        }

        // SAFETY: By the safety requirements: a file that loses its name is locked, and none of the directories.
        let mut target = unsafe { RenameTarget::from_raw(new_dentry) };
        if let RenameTarget::Replace(victim) = &target {
            if !victim.dentry.is_empty() {
                return Err(ENOTEMPTY);
            }
        }
        let room = match (&target, &mut new_names) {
            (RenameTarget::Free(_), Some(names)) => Some(names.reserve_move()?),
            _ => None,
        };

        if flags & bindings::RENAME_WHITEOUT != 0 {
            // SAFETY: By the safety requirements.
            let idmap = unsafe { IdMap::from_raw(idmap) };
            with_second_dentry(&moved, |name| {
                let whiteout = old.names.reserve(name)?;
                let name = whiteout.name();
                let inode = T::rename_with_whiteout(dirs, idmap, &moved, &mut target, name)?;
                whiteout.commit(inode.into_ref())
            })?;
        } else {
            T::rename(dirs, &moved, &mut target)?;
        }

        match (room, &target) {
            (_, RenameTarget::Replace(victim)) => {
                // SAFETY: By the safety requirements the caller moves the dentry.
                unsafe { old.names.replace(new_names, &moved, &victim.dentry) };
            }
            (Some(room), RenameTarget::Free(_)) => {
                // SAFETY: By the safety requirements the caller moves the dentry.
                unsafe { room.move_from(&mut old.names, &moved) };
            }
            // The name keeps its place.
            (None, RenameTarget::Free(_)) => {}
        }
        Ok(0)
    })
}

/// `file_operations::iterate_shared`.
///
/// # Safety
///
/// `file` must be an open directory of `T`, whose `i_rwsem` the current task holds, at least for reading, with
/// no [`Exclusive`] for it. `ctx` must be a context that only this function uses. All must stay so during the
/// call.
unsafe extern "C" fn iterate_shared<T: DirectoryOperations>(
    file: *mut bindings::file,
    ctx: *mut bindings::dir_context,
) -> c_int {
    // SAFETY: By the safety requirements.
    if unsafe { bindings::dir_emit_dots(file, ctx) } {
        // SAFETY: By the safety requirements the file of an open one is a live inode of `T`.
        let dir = unsafe { Inode::<T>::from_raw(bindings::file_inode(file)) };
        // SAFETY: By the safety requirements it is locked.
        let dir = unsafe { Shared::new(dir) };
        // SAFETY: By the safety requirements; it is a directory.
        unsafe { dir.iterate(&mut *ctx) };
    }
    0
}

/// `llseek` of a directory: positions are cookies, so there is no seeking from the end.
///
/// # Safety
///
/// `file` must be an open file, whose position nothing else uses during the call.
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
            // SAFETY: By the safety requirements.
            CUR => unsafe { (*file).f_pos },
            _ => return Err(EINVAL),
        };
        let offset = base.checked_add(offset).filter(|&o| o >= 0).ok_or(EINVAL)?;
        // SAFETY: By the safety requirements.
        Ok(unsafe { bindings::vfs_setpos(file, offset, isize::MAX as i64) })
    })
}
