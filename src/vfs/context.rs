// SPDX-License-Identifier: GPL-2.0

//! Mounts and reconfigurations under construction.
//!
//! C headers: `include/linux/fs_context.h`, `Documentation/filesystems/mount_api.rst`.

use super::ids::{Kgid, Kuid};
use super::{superblock, DeviceId, FileSystem, Registration, SuperBlock};
use crate::bindings;
use core::marker::PhantomData;
use kernel::error::from_result;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::types::{ForeignOwnable, Opaque};

/// A mount or a reconfiguration under construction (`struct fs_context`).
///
/// # Invariants
///
/// The context is live, and its users are serialised by its `uapi_mutex`.
#[repr(transparent)]
pub(crate) struct MountContext(Opaque<bindings::fs_context>);

impl MountContext {
    /// # Safety
    ///
    /// `fc` must be what the VFS passed to one of its callbacks, for the time of that call.
    pub(super) unsafe fn from_raw<'a>(fc: *mut bindings::fs_context) -> &'a Self {
        // SAFETY: The type is transparent, and the caller promises validity.
        unsafe { &*fc.cast() }
    }

    /// Whether the file system's user namespace has a mapping for a user.
    pub(crate) fn maps_uid(&self, uid: Kuid) -> bool {
        // SAFETY: A live context holds its user namespace.
        unsafe { bindings::kuid_has_mapping((*self.0.get()).user_ns, uid.as_raw()) }
    }

    /// Whether the file system's user namespace has a mapping for a group.
    pub(crate) fn maps_gid(&self, gid: Kgid) -> bool {
        // SAFETY: A live context holds its user namespace.
        unsafe { bindings::kgid_has_mapping((*self.0.get()).user_ns, gid.as_raw()) }
    }

    /// Whether the mount is in the initial user namespace.
    pub(crate) fn is_in_init_ns(&self) -> bool {
        // SAFETY: The context is live.
        unsafe { core::ptr::eq((*self.0.get()).user_ns, &raw const bindings::init_user_ns) }
    }

    /// Whether the mount is in the initial user namespace and the current task may administrate
    /// the system.
    pub(crate) fn is_privileged(&self) -> bool {
        // SAFETY: Looks at the current task only.
        self.is_in_init_ns() && unsafe { bindings::capable(bindings::int(bindings::CAP_SYS_ADMIN)) }
    }

    /// Whether the kernel mounts it for itself.
    pub(crate) fn is_internal(&self) -> bool {
        // SAFETY: The context is live.
        unsafe { (*self.0.get()).sb_flags & bindings::SB_KERNMOUNT != 0 }
    }

    /// Writes an error to the mount log (fsconfig's, or dmesg) and returns `EINVAL`, as
    /// `invalfc()`.
    ///
    /// # Examples
    ///
    /// ```
    /// use crate::vfs::MountContext;
    /// use kernel::prelude::*;
    ///
    /// fn check_size(cx: &MountContext, pages: u64) -> Result {
    ///     if pages == 0 {
    ///         return Err(cx.invalid(fmt!("a size of no page")));
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub(crate) fn invalid(&self, message: kernel::fmt::Arguments<'_>) -> Error {
        // Without memory for the message the error code has to do.
        if let Ok(text) = CString::try_from_fmt(message) {
            // SAFETY: The log of a live context is valid, and the format takes one string.
            unsafe {
                let log = &(*self.0.get()).log;
                bindings::logfc(
                    log.log,
                    log.prefix,
                    b'e',
                    c"%s".as_char_ptr(),
                    text.as_char_ptr(),
                );
            }
        }
        EINVAL
    }
}

struct Tables<T>(PhantomData<T>);

impl<T: FileSystem> Tables<T> {
    const OPERATIONS: bindings::fs_context_operations = bindings::fs_context_operations {
        free: Some(free::<T>),
        dup: None,
        parse_param: Some(parse_param::<T>),
        parse_monolithic: Some(parse_monolithic::<T>),
        get_tree: Some(get_tree::<T>),
        reconfigure: Some(reconfigure::<T>),
    };
}

/// `file_system_type::init_fs_context`.
///
/// # Safety
///
/// `fc` must be a live context of a file system type of `T`, which no other task knows yet.
pub(super) unsafe extern "C" fn init_fs_context<T: FileSystem>(
    fc: *mut bindings::fs_context,
) -> c_int {
    from_result(|| {
        // SAFETY: By the caller's promise.
        unsafe { init::<T>(fc)? };
        Ok(0)
    })
}

/// Gives a context the operations and the options of `T`. May sleep. Fails with `ENOMEM`; then it has none.
///
/// # Safety
///
/// `fc` must be a live context without operations, which no other task knows yet. It must be of a type of `T` when they
/// are called.
pub(super) unsafe fn init<T: FileSystem>(fc: *mut bindings::fs_context) -> Result {
    let state = State::<T> {
        options: T::new_options()?,
        awaited: None,
    };
    let state = KBox::new(state, GFP_KERNEL)?;
    // SAFETY: By the caller's promise the context is this function's alone.
    unsafe {
        (*fc).fs_private = state.into_foreign();
        (*fc).ops = &Tables::<T>::OPERATIONS;
        // All changes of a file count one up, which NFS clients see.
        (*fc).sb_flags |= bindings::SB_I_VERSION;
        if (*fc).sb_flags & bindings::SB_KERNMOUNT != 0 {
            // What the kernel mounts for itself is not within reach of users.
            (*fc).sb_flags |= bindings::SB_NOUSER;
        }
    }
    Ok(())
}

/// What a context has of this layer's.
struct State<T: FileSystem> {
    options: T::MountOptions,
    /// The superblock that it has made, if any whose folder of figures is still to come.
    awaited: Option<DeviceId>,
}

/// What `init_fs_context` has stored.
///
/// # Safety
///
/// `fc` must be a live context with the operations of `T`, whose `uapi_mutex` is held, or which no other task uses,
/// for `'a`; there must be no other result of this function meanwhile.
unsafe fn state<'a, T: FileSystem>(fc: *mut bindings::fs_context) -> &'a mut State<T> {
    // SAFETY: By the caller's promise.
    let state = unsafe { (*fc).fs_private };
    // SAFETY: What has these operations has got a box from `init_fs_context`, which `free` alone takes back; by the
    // caller's promise this is the only reference to it.
    unsafe { KBox::<State<T>>::borrow_mut(state) }
}

/// `fs_context_operations::free`. It comes before mount(2) or fsmount(2) returns, with no superblock locked.
///
/// # Safety
///
/// `fc` must be a live context with the operations of `T`, which is used no more.
unsafe extern "C" fn free<T: FileSystem>(fc: *mut bindings::fs_context) {
    // SAFETY: By the caller's promise.
    let state = unsafe { (*fc).fs_private };
    // SAFETY: It is null, or the box that `init_fs_context` has stored, which by the caller's promise is used no more.
    let state = unsafe { KBox::<State<T>>::try_from_foreign(state) };
    if let Some(device) = state.and_then(|state| state.awaited) {
        // SAFETY: By the caller's promise; what has the operations of `T` is of a registered type of `T`, whose module
        // it holds.
        let registration = unsafe { Registration::<T>::from_fs_type((*fc).fs_type) };
        registration.figure_folders().wait(device);
    }
}

/// `fs_context_operations::parse_param`.
///
/// # Safety
///
/// `fc` must be a live context with the operations of `T`, whose `uapi_mutex` is held or which no other task uses, and
/// `param` a parameter, both for the time of the call.
unsafe extern "C" fn parse_param<T: FileSystem>(
    fc: *mut bindings::fs_context,
    param: *mut bindings::fs_parameter,
) -> c_int {
    from_result(|| {
        // SAFETY: By the caller's promise.
        let (index, value) = unsafe { T::PARAMETERS.parse(fc, param)? };
        // SAFETY: By the caller's promise.
        let cx = unsafe { MountContext::from_raw(fc) };
        // SAFETY: By the caller's promise.
        let options = unsafe { &mut state::<T>(fc).options };
        T::parse_parameter(options, cx, index, value)?;
        Ok(0)
    })
}

/// `fs_context_operations::parse_monolithic`: parses the options of mount(2).
///
/// # Safety
///
/// `fc` must be a live context with the operations of `T`, which no other task uses, and `options` null or a terminated
/// string that may be changed.
unsafe extern "C" fn parse_monolithic<T: FileSystem>(
    fc: *mut bindings::fs_context,
    options: *mut c_void,
) -> c_int {
    // SAFETY: By the caller's promise; the parser passes on what is left of that string.
    unsafe { bindings::vfs_parse_monolithic_sep(fc, options, Some(next_option::<T>)) }
}

/// Takes the first option off a string of them, as `strsep()`: terminates it, and moves `rest` behind
/// it, to null at the end.
///
/// # Safety
///
/// `rest` must be valid, and point to null or to a string that this function may change and that no other
/// task uses.
unsafe extern "C" fn next_option<T: FileSystem>(rest: *mut *mut c_char) -> *mut c_char {
    // SAFETY: By the caller's promise.
    let first = unsafe { *rest };
    if first.is_null() {
        return first;
    }
    // SAFETY: By the caller's promise; it is not null.
    let text = unsafe { CStr::from_char_ptr(first) }.to_bytes();
    let ends_option = |at| match text.get(at..) {
        Some([b',', rest @ ..]) => T::begins_option(rest),
        _ => false,
    };
    let end = (0..text.len()).find(|&at| ends_option(at));
    // SAFETY: By the caller's promise; the end is inside of the string, and `text` is not used any more.
    unsafe {
        *rest = match end {
            Some(end) => {
                *first.add(end) = 0;
                first.add(end).add(1)
            }
            None => core::ptr::null_mut(),
        }
    };
    first
}

/// `fs_context_operations::get_tree`.
///
/// # Safety
///
/// `fc` must be a live context with the operations of `T`, which no other task uses, for a mount.
unsafe extern "C" fn get_tree<T: FileSystem>(fc: *mut bindings::fs_context) -> c_int {
    // SAFETY: By the caller's promise; what is passed on to `fill_super` is a new superblock of the context's type.
    unsafe { bindings::get_tree_nodev(fc, Some(fill_super::<T>)) }
}

/// Fills the superblock of [`get_tree`].
///
/// # Safety
///
/// `fc` must be a live context with the operations of `T`, which no other task uses, and `sb` a new superblock of its
/// file system type, which no other task can reach, with `s_umount` held for writing.
unsafe extern "C" fn fill_super<T: FileSystem>(
    sb: *mut bindings::super_block,
    fc: *mut bindings::fs_context,
) -> c_int {
    from_result(|| {
        // SAFETY: By the caller's promise.
        let cx = unsafe { MountContext::from_raw(fc) };
        // SAFETY: By the caller's promise.
        let state = unsafe { state::<T>(fc) };
        // SAFETY: By the caller's promise; what has the operations of `T` is of a registered type of `T`, whose
        // module it holds.
        let filled = unsafe { superblock::fill::<T>(sb, (*fc).fs_type, &mut state.options, cx) };
        state.awaited = filled?;
        Ok(0)
    })
}

/// `fs_context_operations::reconfigure`.
///
/// # Safety
///
/// `fc` must be a live context with the operations of `T`, whose `uapi_mutex` is held or which no other task uses, and
/// whose `root` is a dentry of a live superblock of `T`, with `s_umount` held for writing.
unsafe extern "C" fn reconfigure<T: FileSystem>(fc: *mut bindings::fs_context) -> c_int {
    from_result(|| {
        // SAFETY: By the caller's promise.
        let sb = unsafe { SuperBlock::<T>::from_raw((*(*fc).root).d_sb) };
        // SAFETY: By the caller's promise.
        let cx = unsafe { MountContext::from_raw(fc) };
        // SAFETY: By the caller's promise.
        let options = unsafe { &mut state::<T>(fc).options };
        T::reconfigure(sb, options, cx)?;
        Ok(0)
    })
}
