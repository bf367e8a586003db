// SPDX-License-Identifier: GPL-2.0

//! Figures of a file system: something of each inode, added up when user space reads it. There is a file for each in
//! `/sys/fs/TYPE`, for all superblocks of the type, and in `/sys/fs/TYPE/MAJOR:MINOR`, for the one with that device
//! number. They cost nothing until they are read, and so much then that only the administrator may read them.
//!
//! The files of a superblock are there from before its first inode until before the eviction of its inodes at umount,
//! which waits for the tasks that read them. What is still open by then fails with `ENODEV`.
//!
//! Lock order: a file of the type, then `s_umount` of a superblock, then a file of that superblock, where a task has
//! "locked" a file while it reads or removes it.
//!
//! C headers: `include/linux/sysfs.h`, `include/linux/fs.h`.

use super::folder::{Folder, Listed};
use super::inode::InodeCore;
use super::{FileSystem, Registration, SuperBlock};
use crate::bindings;
use core::ptr::NonNull;
use kernel::error::from_result;
use kernel::fmt::Write;
use kernel::prelude::*;
use kernel::str::NullTerminatedFormatter;
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

/// Whose inodes are added up.
enum Whose<T: FileSystem> {
    /// Those of all superblocks.
    Type(NonNull<Registration<T>>),
    /// Those of one.
    SuperBlock(NonNull<SuperBlock<T>>),
}

impl<T: FileSystem> Clone for Whose<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: FileSystem> Copy for Whose<T> {}

/// What lockdep knows the files of one kind by: attributes that come and go have no place of their own to be known by.
#[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
struct LockClass(Opaque<bindings::lock_class_key>);

// SAFETY: Lockdep's, which any task may use.
#[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
unsafe impl Sync for LockClass {}

#[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
static OF_TYPES: LockClass = LockClass(Opaque::zeroed());
#[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
static OF_SUPERBLOCKS: LockClass = LockClass(Opaque::zeroed());

impl<T: FileSystem> Whose<T> {
    #[cfg(CONFIG_DEBUG_LOCK_ALLOC)]
    fn set_lock_class(self, attribute: &mut bindings::attribute) {
        attribute.key = match self {
            Self::Type(_) => OF_TYPES.0.get(),
            Self::SuperBlock(_) => OF_SUPERBLOCKS.0.get(),
        };
    }

    #[cfg(not(CONFIG_DEBUG_LOCK_ALLOC))]
    fn set_lock_class(self, _attribute: &mut bindings::attribute) {}
}

/// A file by which user space reads a figure.
///
/// # Invariants
///
/// For as long as the file is in sysfs, this is where it was then, what `whose` points to is live, and if it is a
/// superblock, the eviction of its inodes has not begun.
struct File<T: FileSystem> {
    attribute: Opaque<bindings::kobj_attribute>,
    of: fn(&InodeCore<T>) -> u64,
    whose: Whose<T>,
}

impl<T: FileSystem> File<T> {
    /// One that is not in sysfs yet.
    fn new(figure: &'static Figure<T>, whose: Whose<T>) -> Self {
        let mut attribute: bindings::kobj_attribute = pin_init::zeroed();
        attribute.attr.name = figure.name.as_char_ptr();
        // A task that reads in a loop takes locks that others want to make and remove files.
        attribute.attr.mode = 0o400;
        whose.set_lock_class(&mut attribute.attr);
        attribute.__bindgen_anon_1.show = Some(show::<T>);
        Self {
            attribute: Opaque::new(attribute),
            of: figure.of,
            whose,
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

    /// The figure. May sleep; fails with `EINTR` when the task is being killed.
    ///
    /// # Safety
    ///
    /// The file must be there until this returns.
    unsafe fn read(&self) -> Result<u64> {
        match self.whose {
            Whose::SuperBlock(sb) => {
                // SAFETY: By the type invariants.
                unsafe { sb.as_ref().sum_of_inodes(self.of) }
            }
            Whose::Type(registration) => {
                let mut total = Total {
                    of: self.of,
                    sum: Ok(0),
                };
                // SAFETY: By the type invariants.
                for fs_type in unsafe { registration.as_ref() }.types() {
                    // SAFETY: The type is initialised, and its superblocks are of `T`.
                    unsafe {
                        bindings::iterate_supers_type(
                            fs_type,
                            Some(add::<T>),
                            (&raw mut total).cast(),
                        )
                    };
                }
                total.sum
            }
        }
    }
}

/// A sum over superblocks.
struct Total<T: FileSystem> {
    of: fn(&InodeCore<T>) -> u64,
    sum: Result<u64>,
}

/// Adds a superblock.
///
/// # Safety
///
/// `sb` must be a live superblock of `T` with `s_umount` held, and `total` a `Total<T>` that only this function uses.
unsafe extern "C" fn add<T: FileSystem>(sb: *mut bindings::super_block, total: *mut c_void) {
    // SAFETY: By the caller's promise.
    let total = unsafe { &mut *total.cast::<Total<T>>() };
    let Ok(sum) = total.sum else {
        // The task is being killed.
        return;
    };
    // SAFETY: By the caller's promise; umount has `s_umount` for writing.
    let of_sb = unsafe { SuperBlock::<T>::from_raw(sb).sum_of_inodes(total.of) };
    total.sum = of_sb.map(|of_sb| sum.saturating_add(of_sb));
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
struct Files<T: FileSystem>(KVec<File<T>>);

impl<T: FileSystem> Files<T> {
    /// Files that are not in sysfs yet. May sleep; fails with `ENOMEM`.
    fn new(whose: Whose<T>) -> Result<Self> {
        let mut files = KVec::with_capacity(T::FIGURES.len(), GFP_KERNEL)?;
        for figure in T::FIGURES {
            files.push(File::new(figure, whose), GFP_KERNEL)?;
        }
        Ok(Self(files))
    }

    fn attributes(&self) -> impl Iterator<Item = *const bindings::attribute> + '_ {
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
        // INVARIANT: By the caller's promise the types stay until the files are out of sysfs.
        let files = Files::new(Whose::Type(registration))?;
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

/// The figures of a superblock, and their folder.
pub(super) struct SuperFigures<T: FileSystem> {
    // Dropped before what the tasks that read the files look at: they go with it.
    _folder: Folder,
    _files: Files<T>,
}

impl<T: FileSystem> SuperFigures<T> {
    /// Makes the folder in `parent`, that of the type, and the files, where `T` has figures. May sleep; fails with
    /// `ENOMEM`.
    ///
    /// # Safety
    ///
    /// The result must be dropped before `parent` is, and before `generic_shutdown_super()` is called.
    pub(super) unsafe fn new(parent: &Folder, sb: &SuperBlock<T>) -> Result<Option<Self>> {
        if T::FIGURES.is_empty() {
            return Ok(None);
        }
        // Four digits of the major number, seven of the minor one.
        let mut buffer = [0; 16];
        let mut text = NullTerminatedFormatter::new(&mut buffer).ok_or(ENOMEM)?;
        write!(text, "{}:{}", sb.major(), sb.minor())?;
        let name = CStr::from_bytes_until_nul(&buffer).map_err(|_| ENAMETOOLONG)?;

        // INVARIANT: By the caller's promise the files are out of sysfs before the eviction.
        let files = Files::new(Whose::SuperBlock(NonNull::from(sb)))?;
        // SAFETY: By the caller's promise.
        let folder = unsafe { parent.folder(name)? };
        for attribute in files.attributes() {
            // SAFETY: The attribute is complete, and dropped later than the folder.
            unsafe { folder.list(attribute)? };
        }
        Ok(Some(Self {
            _folder: folder,
            _files: files,
        }))
    }
}
