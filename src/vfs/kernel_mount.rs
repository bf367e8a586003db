// SPDX-License-Identifier: GPL-2.0

//! Mounts of the kernel's own, which are nowhere in the tree of any task, and files without a name on them.
//!
//! A [`KernelMount`] is made and dropped like any value. Where tasks are to find it, it is in a [`PublishedMount`].
//! A task that does is within a section of SRCU, and who takes the mount out of its place waits for those sections: so it
//! is never such a task that unmounts, which may have locks that umount takes. The mount is there for as long as files on
//! it are open.
//!
//! C headers: `include/linux/mount.h`, `include/linux/file.h`.

use super::{FileSystem, FileType, NewInode, SuperBlock};
use crate::bindings;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::error::from_err_ptr;
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Full, Release};
use kernel::sync::srcu::{self, new_srcu, Srcu};

/// A mount for the kernel itself (`struct vfsmount`), unmounted when this is dropped, which may sleep.
///
/// # Invariants
///
/// Owns what `kern_mount()` has returned, of a file system type of `T`.
pub(crate) struct KernelMount<T: FileSystem>(NonNull<bindings::vfsmount>, PhantomData<T>);

// SAFETY: Any task may unmount it.
unsafe impl<T: FileSystem> Send for KernelMount<T> {}
// SAFETY: A shared mount offers nothing.
unsafe impl<T: FileSystem> Sync for KernelMount<T> {}

impl<T: FileSystem> KernelMount<T> {
    /// # Safety
    ///
    /// The type invariants must hold.
    pub(super) unsafe fn new(mount: NonNull<bindings::vfsmount>) -> Self {
        // INVARIANT: By the caller's promise.
        Self(mount, PhantomData)
    }
}

impl<T: FileSystem> Drop for KernelMount<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. Leaves the mount to the files on it.
        unsafe { bindings::kern_unmount(self.0.as_ptr()) }
    }
}

/// A place for a mount, where tasks find it.
///
/// # Invariants
///
/// `mount` is null, or what a [`KernelMount`] owned, which this owns now. It is unmounted after it was taken out only, and
/// all sections of `users` that had begun by then have ended.
///
/// # Examples
///
/// ```
/// use crate::vfs::FileSystem;
/// use crate::vfs::kernel_mount::{KernelMount, MountRef, PublishedMount};
///
/// // A task that has found the old one may go on using it until it drops what it has got: that is waited for.
/// fn exchange<T: FileSystem>(
///     place: &PublishedMount<T>,
///     new: KernelMount<T>,
/// ) -> Option<MountRef<'_, T>> {
///     drop(place.take());
///     place.publish(new);
///     place.get()
/// }
/// ```
pub(crate) struct PublishedMount<T: FileSystem> {
    mount: Atomic<*mut c_void>,
    /// The tasks that have found it.
    users: Pin<KBox<Srcu>>,
    _fs: PhantomData<KernelMount<T>>,
}

impl<T: FileSystem> PublishedMount<T> {
    /// An empty place. May sleep; fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            mount: Atomic::new(core::ptr::null_mut()),
            users: KBox::pin_init(new_srcu!("kernel_mount"), GFP_KERNEL)?,
            _fs: PhantomData,
        })
    }

    /// Whether there is no mount; a snapshot.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.mount.load(Acquire).is_null()
    }

    /// Lets tasks find `mount`, unless there is one; then it is unmounted. May sleep.
    pub(crate) fn publish(&self, mount: KernelMount<T>) {
        let raw = mount.0.as_ptr().cast();
        let old = self.mount.cmpxchg(core::ptr::null_mut(), raw, Release);
        if old.is_ok() {
            // INVARIANT: The place owns it now.
            core::mem::forget(mount);
        }
    }

    /// Lets no more tasks find a mount, and waits for those that have. May sleep; the current task must not be one.
    pub(crate) fn take(&self) -> Option<KernelMount<T>> {
        let mount = NonNull::new(self.mount.xchg(core::ptr::null_mut(), Full).cast())?;
        self.users.synchronize();
        // SAFETY: By the type invariants the place has owned it.
        Some(unsafe { KernelMount::new(mount) })
    }

    /// The mount, if there is one. Does not sleep.
    #[inline]
    pub(crate) fn get(&self) -> Option<MountRef<'_, T>> {
        let in_use = self.users.read_lock();
        let mount = NonNull::new(self.mount.load(Acquire).cast())?;
        // INVARIANT: By the type invariants the mount was not taken out before this section has begun, and is unmounted
        // after that ends.
        Some(MountRef {
            mount,
            _in_use: in_use,
            _fs: PhantomData,
        })
    }
}

impl<T: FileSystem> Drop for PublishedMount<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// A mount for the kernel itself that is in use by the current task: it is not unmounted before this is dropped.
///
/// # Invariants
///
/// The mount is one of a superblock of `T`, and not unmounted before the section of `_in_use` ends.
pub(crate) struct MountRef<'a, T: FileSystem> {
    mount: NonNull<bindings::vfsmount>,
    _in_use: srcu::Guard<'a>,
    _fs: PhantomData<T>,
}

impl<T: FileSystem> Deref for MountRef<'_, T> {
    type Target = SuperBlock<T>;

    /// The superblock that is mounted.
    #[inline]
    fn deref(&self) -> &SuperBlock<T> {
        // SAFETY: By the type invariants; a mount holds its superblock, which does not change.
        unsafe { SuperBlock::from_raw((*self.mount.as_ptr()).mnt_sb) }
    }
}

impl<T: FileSystem> MountRef<'_, T> {
    /// Opens `inode`, to read and to write, as a file that had the name `name` and has none any more. With `is_private`
    /// security modules do not look at it. May sleep.
    ///
    /// Fails with `ENOMEM` and with `ENFILE`, and with `EINVAL` for what is no regular file of this superblock; then the
    /// inode goes.
    pub(crate) fn open_unlinked(
        &self,
        inode: NewInode<'_, T>,
        name: &CStr,
        is_private: bool,
    ) -> Result<UnlinkedFile> {
        if inode.file_type() != FileType::Regular {
            return Err(EINVAL);
        }
        let raw = inode.as_ptr();
        // SAFETY: The inode is new: nothing else uses it.
        unsafe {
            if is_private {
                (*raw).i_flags |= bindings::S_PRIVATE;
            }
            bindings::clear_nlink(raw);
        }
        let inode = inode.into_ref().of(self)?;
        // SAFETY: Mount and inode are live and of one superblock; the operations are the inode's. The file holds the
        // mount, and has the reference to the inode where there is a file.
        let file = unsafe {
            from_err_ptr(bindings::alloc_file_pseudo(
                inode.as_ptr(),
                self.mount.as_ptr(),
                name.as_char_ptr(),
                bindings::int(bindings::O_RDWR),
                (*raw).__bindgen_anon_3.i_fop,
            ))
        }?;
        let _ = inode.into_raw();
        // INVARIANT: Just made.
        // SAFETY: It is no error, and hence not null.
        Ok(UnlinkedFile(unsafe { NonNull::new_unchecked(file) }))
    }
}

/// An open file without a name.
///
/// # Invariants
///
/// Owns a reference to the file.
pub(crate) struct UnlinkedFile(NonNull<bindings::file>);

impl UnlinkedFile {
    /// The pointer, with the reference that it holds.
    pub(crate) fn into_raw(self) -> *mut bindings::file {
        ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for UnlinkedFile {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::fput(self.0.as_ptr()) }
    }
}
