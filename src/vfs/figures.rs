// SPDX-License-Identifier: GPL-2.0

//! Figures of a file system: something of each inode, added up when user space reads it. There is a file for each in
//! `/sys/fs/TYPE`, for all superblocks of the type, and in `/sys/fs/TYPE/MAJOR:MINOR`, for the one with that device
//! number. They cost nothing until they are read, and so much then that only the administrator may read them.
//!
//! The folders come and go beside mount and umount, see [`mod@super::figure_folders`]. The files know no superblock, but
//! look for the one with their number.
//!
//! Lock order: a file, then `s_umount`, where a task has "locked" a file while it reads or removes it.
//!
//! C headers: `include/linux/sysfs.h`, `include/linux/fs.h`.

use super::folder::{Folder, Listed};
use super::inode::InodeCore;
use super::{DeviceId, FileSystem, Registration, SuperBlock};
use crate::bindings;
use core::ptr::NonNull;
use kernel::error::from_result;
use kernel::prelude::*;
use kernel::types::Opaque;

/// A figure of a file system.
///
/// # Examples
///
/// ```
/// use crate::vfs::FileSystem;
/// use crate::vfs::figures::Figure;
///
/// const fn figures<T: FileSystem>() -> [Figure<T>; 2] {
///     [
///         Figure::new(c"inodes", |_| 1),
///         Figure::new(c"resident", |inode| inode.cached_pages().to_u64()),
///     ]
/// }
/// ```
pub(crate) struct Figure<T: FileSystem> {
    name: &'static CStr,
    of: fn(&InodeCore<T>) -> u64,
}

impl<T: FileSystem> Figure<T> {
    /// The sum of what `of` says of each inode, in the file `name`. It is called with a spinlock held, and for inodes
    /// that are new or on their way out, too.
    pub(crate) const fn new(name: &'static CStr, of: fn(&InodeCore<T>) -> u64) -> Self {
        Self { name, of }
    }
}

/// What lockdep knows the files by: attributes that come and go have no place of their own to be known by.
#[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
struct LockClass(Opaque<bindings::lock_class_key>);

#[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
// SAFETY: Lockdep's, which any task may use.
unsafe impl Sync for LockClass {}

#[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
static FILES: LockClass = LockClass(Opaque::zeroed());

/// A file by which user space reads a figure.
///
/// # Invariants
///
/// For as long as the file is in sysfs, this is where it was then, and the types of the registration are initialised.
struct File<T: FileSystem> {
    attribute: Opaque<bindings::kobj_attribute>,
    of: fn(&InodeCore<T>) -> u64,
    registration: NonNull<Registration<T>>,
    /// The superblock whose inodes are added up; those of all, where there is no number.
    device: Option<DeviceId>,
}

// SAFETY: Any task may remove the file.
unsafe impl<T: FileSystem> Send for File<T> {}

impl<T: FileSystem> File<T> {
    /// One that is not in sysfs yet.
    fn new(
        figure: &'static Figure<T>,
        registration: NonNull<Registration<T>>,
        device: Option<DeviceId>,
    ) -> Self {
        let mut attribute: bindings::kobj_attribute = pin_init::zeroed();
        attribute.attr.name = figure.name.as_char_ptr();
        // A task that reads in a loop takes locks that others want to mount and umount.
        attribute.attr.mode = 0o400;
        #[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
        {
            attribute.attr.key = FILES.0.get();
        }
        attribute.__bindgen_anon_1.show = Some(show::<T>);
        Self {
            attribute: Opaque::new(attribute),
            of: figure.of,
            registration,
            device,
        }
    }

    /// What sysfs knows it by.
    fn attribute(&self) -> *const bindings::attribute {
        // SAFETY: Computes an address inside the attribute.
        unsafe { &raw const (*self.attribute.get()).attr }
    }

    /// The file that sysfs calls.
    ///
    /// # Safety
    ///
    /// `attribute` must be that of a `File<T>`, which stays for `'a`.
    unsafe fn of<'a>(attribute: *mut bindings::kobj_attribute) -> &'a Self {
        // SAFETY: By the caller's promise.
        unsafe { &*kernel::container_of!(Opaque::cast_from(attribute), Self, attribute) }
    }

    /// The figure. May sleep; fails with `EINTR` when the task is being killed, and with `ENODEV` where the superblock is
    /// gone.
    ///
    /// # Safety
    ///
    /// The file must be there until this returns.
    unsafe fn read(&self) -> Result<u64> {
        let mut total = Total {
            of: self.of,
            device: self.device,
            sum: self.device.is_none().then_some(Ok(0)),
        };
        // SAFETY: By the type invariants.
        for fs_type in unsafe { Registration::types_of(self.registration) } {
            // SAFETY: The type is initialised, and its superblocks are of `T`.
            unsafe {
                bindings::iterate_supers_type(fs_type, Some(add::<T>), (&raw mut total).cast())
            };
        }
        total.sum.unwrap_or(Err(ENODEV))
    }
}

/// A sum over superblocks.
struct Total<T: FileSystem> {
    of: fn(&InodeCore<T>) -> u64,
    /// The one that counts, if not all do.
    device: Option<DeviceId>,
    /// None where none has counted.
    sum: Option<Result<u64>>,
}

/// Adds a superblock.
///
/// # Safety
///
/// `sb` must be a live superblock of `T` with `s_umount` held, and `total` a `Total<T>` that only this function uses.
unsafe extern "C" fn add<T: FileSystem>(sb: *mut bindings::super_block, total: *mut c_void) {
    // SAFETY: By the caller's promise.
    let total = unsafe { &mut *total.cast::<Total<T>>() };
    // SAFETY: By the caller's promise.
    let sb = unsafe { SuperBlock::<T>::from_raw(sb) };
    if total.device.is_some_and(|device| device != sb.device()) {
        return;
    }
    let sum = match total.sum {
        None => 0,
        Some(Ok(sum)) => sum,
        // The task is being killed.
        Some(Err(_)) => return,
    };
    // SAFETY: By the caller's promise; umount has `s_umount` for writing.
    let of_sb = unsafe { sb.sum_of_inodes(total.of) };
    total.sum = Some(of_sb.map(|of_sb| sum.saturating_add(of_sb)));
}

/// `kobj_attribute::show`.
///
/// # Safety
///
/// `attribute` must be that of a `File<T>`, which is there until the call returns, and `buffer` a page that sysfs has
/// for this call.
unsafe extern "C" fn show<T: FileSystem>(
    _object: *mut bindings::kobject,
    attribute: *mut bindings::kobj_attribute,
    buffer: *mut c_char,
) -> isize {
    from_result(|| {
        // SAFETY: By the caller's promise.
        let figure = unsafe { File::<T>::of(attribute).read()? };
        // SAFETY: By the caller's promise; the format takes one such number.
        Ok(unsafe { bindings::sysfs_emit(buffer, c"%llu\n".as_char_ptr(), figure) } as isize)
    })
}

/// The files of all figures of `T`, in one piece of memory which stays where it is, also when this moves.
pub(super) struct Files<T: FileSystem>(KVec<File<T>>);

impl<T: FileSystem> Files<T> {
    /// Files that are not in sysfs yet. May sleep; fails with `ENOMEM`.
    ///
    /// # Safety
    ///
    /// The types of `registration` must be initialised, and stay for as long as one of the files is in sysfs.
    pub(super) unsafe fn new(
        registration: NonNull<Registration<T>>,
        device: Option<DeviceId>,
    ) -> Result<Self> {
        let mut files = KVec::with_capacity(T::FIGURES.len(), GFP_KERNEL)?;
        for figure in T::FIGURES {
            // INVARIANT: By the caller's promise.
            files.push(File::new(figure, registration, device), GFP_KERNEL)?;
        }
        Ok(Self(files))
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = *const bindings::attribute> + '_ {
        self.0.iter().map(File::attribute)
    }
}

/// The figures of a file system type.
pub(super) struct TypeFigures<T: FileSystem> {
    // Dropped before what the tasks that read the files look at.
    _listed: KVec<Listed>,
    _files: Files<T>,
}

impl<T: FileSystem> TypeFigures<T> {
    /// Makes the files in `folder`. May sleep; fails with `ENOMEM`.
    ///
    /// # Safety
    ///
    /// The types of `registration` must be initialised. They and the folder must stay until the result has been
    /// dropped.
    pub(super) unsafe fn new(
        folder: &Folder,
        registration: NonNull<Registration<T>>,
    ) -> Result<Self> {
        // SAFETY: By the caller's promise the types stay until the files are out of sysfs.
        let files = unsafe { Files::new(registration, None)? };
        let mut listed = KVec::with_capacity(T::FIGURES.len(), GFP_KERNEL)?;
        for attribute in files.attributes() {
            // SAFETY: The attribute is complete, and dropped later; the folder stays by the caller's promise.
            let one = unsafe { Listed::new(folder.as_ptr(), attribute)? };
            listed.push(one, GFP_KERNEL)?;
        }
        Ok(Self {
            _listed: listed,
            _files: files,
        })
    }
}
