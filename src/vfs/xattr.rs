// SPDX-License-Identifier: GPL-2.0

//! Extended attributes that a file system keeps in memory.
//!
//! The attributes of an inode are on a list in the inode; a hash table of the superblock, which is
//! made with the first of them, finds one by inode and name. Readers are under RCU and take no
//! lock. Writers hold `i_rwsem` of the inode, and inside of it the table locks a bucket.
//!
//! C headers: `include/linux/xattr.h`, `include/uapi/linux/xattr.h`.

use super::{Exclusive, FileSystem, Inode, InodeCore, SuperBlock};
use crate::bindings;
use core::ffi::CStr as CoreCStr;
use core::marker::PhantomData;
use core::ptr::{addr_of_mut, NonNull};
use kernel::error::{from_err_ptr, from_result};
use kernel::prelude::*;
use kernel::types::Opaque;

/// What finds the attributes of all inodes of a superblock (`struct simple_xattr_cache`).
///
/// # Invariants
///
/// Only inodes of the one superblock that this belongs to have attributes in it.
pub(super) struct Cache(Opaque<bindings::simple_xattr_cache>);

// SAFETY: The C functions lock where they must.
unsafe impl Send for Cache {}
// SAFETY: The C functions lock where they must.
unsafe impl Sync for Cache {}

impl Cache {
    /// A cache without a table.
    pub(super) fn new() -> Self {
        Self(Opaque::new(bindings::simple_xattr_cache {
            ht: core::ptr::null_mut(),
        }))
    }

    fn as_ptr(&self) -> *mut bindings::simple_xattr_cache {
        self.0.get()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: The superblock goes after its inodes, whose eviction frees their attributes.
        // May sleep.
        unsafe { bindings::simple_xattr_cache_cleanup(self.as_ptr()) }
    }
}

/// The list of an inode's attributes, which are in the [`Cache`] of its superblock as well.
pub(super) type List = Opaque<bindings::list_head>;

/// Initialises the list of a new inode.
///
/// # Safety
///
/// `list` must be valid for writes, unknown to others, and stay where it is.
pub(super) unsafe fn init_list(list: *mut List) {
    let head = Opaque::cast_into(list);
    // SAFETY: By the caller's promise.
    unsafe {
        addr_of_mut!((*head).next).write(head);
        addr_of_mut!((*head).prev).write(head);
    }
}

/// The full name of an attribute, with its prefix. Its length is counted by who needs it.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a>(*const c_char, PhantomData<&'a CStr>);

/// `XATTR_CREATE` and `XATTR_REPLACE`: whether the attribute must be new, or there already.
#[derive(Clone, Copy)]
pub(crate) struct SetFlags(c_int);

/// The memory, in bytes, that an attribute with a value of `size` bytes is taken to need.
pub(crate) fn space(name: Name<'_>, size: usize) -> usize {
    // SAFETY: By the lifetime of the name.
    unsafe { bindings::simple_xattr_space(name.0, size) }
}

/// An attribute that no inode has yet.
///
/// # Invariants
///
/// Owns the attribute, which has a name.
struct NewXattr(NonNull<bindings::simple_xattr>);

impl NewXattr {
    /// An attribute `security.suffix`. May sleep; fails with `ENOMEM`.
    fn security(suffix: &CStr, value: &[u8]) -> Result<Self> {
        let (prefix, suffix) = (PREFIX_SECURITY.to_bytes(), suffix.to_bytes_with_nul());
        let mut name = KVec::with_capacity(
            prefix.len().saturating_add(suffix.len()),
            GFP_KERNEL_ACCOUNT,
        )?;
        name.extend_from_slice(prefix, GFP_KERNEL_ACCOUNT)?;
        name.extend_from_slice(suffix, GFP_KERNEL_ACCOUNT)?;
        // SAFETY: The value is valid for reads of its length.
        let xattr = from_err_ptr(unsafe {
            bindings::simple_xattr_alloc(value.as_ptr().cast(), value.len())
        })?;
        let xattr = NonNull::new(xattr).ok_or(ENOMEM)?;
        // SAFETY: The attribute is new, and takes over a terminated string that `kfree()` may free.
        unsafe { (*xattr.as_ptr()).name = name.into_raw_parts().0.cast() };
        // INVARIANT: The name was just set.
        Ok(Self(xattr))
    }

    /// The memory that it is taken to need, in bytes; see [`space`].
    fn space(&self) -> usize {
        // SAFETY: By the type invariants.
        unsafe {
            let xattr = self.0.as_ptr();
            bindings::simple_xattr_space((*xattr).name, (*xattr).size)
        }
    }
}

impl Drop for NewXattr {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; no reader has seen it.
        unsafe { bindings::simple_xattr_free(self.0.as_ptr()) }
    }
}

impl<T: FileSystem> Exclusive<'_, T> {
    /// Sets an attribute, or removes it where there is no value; returns the size of the value that
    /// it had. May sleep.
    ///
    /// Fails with `EEXIST` or `ENODATA` where `flags` forbid it, and with `ENOMEM`.
    pub(crate) fn set_xattr(
        &mut self,
        name: Name<'_>,
        value: Option<&[u8]>,
        flags: SetFlags,
    ) -> Result<Option<usize>> {
        let (value, size) = value.map_or((core::ptr::null(), 0), |v| (v.as_ptr(), v.len()));
        // SAFETY: The list is that of a live inode of the cache's superblock, and `i_rwsem`
        // serialises its writers; name and value are valid for the call.
        let old = from_err_ptr(unsafe {
            bindings::simple_xattr_set(
                self.sb().xattrs().as_ptr(),
                self.xattr_list(),
                name.0,
                value.cast(),
                size,
                flags.0,
            )
        })?;
        if old.is_null() {
            return Ok(None);
        }
        // SAFETY: The attribute was taken out, so that it is this function's to free; lockless
        // readers may see it until a grace period has passed.
        unsafe {
            let size = (*old).size;
            bindings::simple_xattr_free_rcu(old);
            Ok(Some(size))
        }
    }
}

/// Gives a new inode an attribute, of a name that it does not have yet. May sleep.
///
/// Fails with `ENOMEM`.
///
/// # Safety
///
/// Nothing else may use the attributes of the inode.
unsafe fn add<T: FileSystem>(inode: &InodeCore<T>, xattr: NewXattr) -> Result {
    // SAFETY: The list is that of a live inode of the cache's superblock, and by the caller's promise
    // there is no other writer; the attribute is unknown to others.
    let ret = unsafe {
        bindings::simple_xattr_add(
            inode.sb().xattrs().as_ptr(),
            inode.xattr_list(),
            xattr.0.as_ptr(),
        )
    };
    bindings::to_result(ret).map_err(|_| ENOMEM)?;
    // The list owns it now.
    core::mem::forget(xattr);
    Ok(())
}

/// Frees all attributes of an inode, and tells the file system of the memory that they were taken to
/// need.
///
/// # Safety
///
/// The inode must be on its way out, so that no system call looks at them.
pub(super) unsafe fn free<T: FileSystem>(inode: &Inode<T>) {
    let list = inode.xattr_list();
    // SAFETY: The list is initialised, and by the caller's promise no other task uses it.
    if core::ptr::eq(unsafe { (*list).next }, list) {
        return;
    }
    let mut freed = 0;
    // SAFETY: The list is initialised, and by the caller's promise no other task uses it; the attributes are in
    // the table of the superblock.
    unsafe { bindings::simple_xattrs_free(inode.sb().xattrs().as_ptr(), list, &mut freed) };
    T::xattrs_freed(inode.sb(), freed);
}

/// What a file system has to say about changes of the attributes of its inodes.
///
/// # Examples
///
/// ```
/// use crate::vfs::xattr::{Name, SetFlags};
/// use crate::vfs::{Exclusive, FileSystem};
/// use kernel::prelude::*;
///
/// // As `set_xattr()` of one that takes values of a page at most.
/// fn set_small<T: FileSystem>(
///     inode: &mut Exclusive<'_, T>,
///     name: Name<'_>,
///     value: Option<&[u8]>,
///     flags: SetFlags,
/// ) -> Result {
///     if value.is_some_and(|value| value.len() > crate::units::PAGE_SIZE) {
///         return Err(E2BIG);
///     }
///     inode.set_xattr(name, value, flags).map(drop)
/// }
/// ```
pub(crate) trait XattrOperations: FileSystem {
    /// Sets an attribute with [`Exclusive::set_xattr`], or removes it where there is no value. The
    /// VFS has checked permissions. May sleep.
    fn set_xattr(
        inode: &mut Exclusive<'_, Self>,
        name: Name<'_>,
        value: Option<&[u8]>,
        flags: SetFlags,
    ) -> Result;

    /// A security module wants a new inode to have an attribute, which is taken to need `bytes` bytes: they
    /// count until [`FileSystem::xattrs_freed`] gives them back. May sleep. Where this fails, the inode does
    /// not get the attribute.
    fn init_xattr(sb: &SuperBlock<Self>, bytes: usize) -> Result;
}

const PREFIX_SECURITY: &CoreCStr = c"security.";
const PREFIX_TRUSTED: &CoreCStr = c"trusted.";
const PREFIX_USER: &CoreCStr = c"user.";

/// A function that stores what security modules give a new inode.
pub(super) type InitXattrs =
    unsafe extern "C" fn(*mut bindings::inode, *const bindings::xattr, *mut c_void) -> c_int;

/// A function that lists the names of the attributes of a file.
pub(super) type ListXattrs =
    unsafe extern "C" fn(*mut bindings::dentry, *mut c_char, usize) -> isize;

/// The operations on the attributes of file system `T`, for [`FileSystem::XATTRS`].
pub(crate) struct XattrTable<T> {
    handlers: Option<&'static [*const bindings::xattr_handler; 4]>,
    init: Option<InitXattrs>,
    list: Option<ListXattrs>,
    _fs: PhantomData<T>,
}

impl<T: XattrOperations> XattrTable<T> {
    const SECURITY: bindings::xattr_handler = Self::handler(PREFIX_SECURITY);
    const TRUSTED: bindings::xattr_handler = Self::handler(PREFIX_TRUSTED);
    const USER: bindings::xattr_handler = Self::handler(PREFIX_USER);

    const HANDLERS: &'static [*const bindings::xattr_handler; 4] = &[
        &Self::SECURITY,
        &Self::TRUSTED,
        &Self::USER,
        core::ptr::null(),
    ];

    const fn handler(prefix: &'static CoreCStr) -> bindings::xattr_handler {
        bindings::xattr_handler {
            name: core::ptr::null(),
            prefix: prefix.to_bytes_with_nul().as_ptr(),
            // The VFS does not look at it, the functions of this file do: see `full_name()`.
            flags: bindings::int(bindings::uint(prefix.count_bytes())),
            list: None,
            get: Some(get::<T>),
            set: Some(set::<T>),
        }
    }

    /// The operations that the file system's traits describe.
    pub(crate) const fn new() -> Self {
        Self {
            handlers: Some(Self::HANDLERS),
            init: Some(init::<T>),
            list: Some(list::<T>),
            _fs: PhantomData,
        }
    }
}

impl<T> XattrTable<T> {
    /// There are no attributes but those that security modules keep in memory of their own.
    pub(crate) const NONE: Self = Self {
        handlers: None,
        init: None,
        list: None,
        _fs: PhantomData,
    };

    /// The handlers, for `s_xattr`.
    pub(super) const fn handlers(&self) -> *const *const bindings::xattr_handler {
        match self.handlers {
            Some(handlers) => handlers.as_ptr(),
            None => core::ptr::null(),
        }
    }

    /// The function for `security_inode_init_security()`.
    pub(super) const fn init(&self) -> Option<InitXattrs> {
        self.init
    }

    /// The function for `listxattr`.
    pub(super) const fn list(&self) -> Option<ListXattrs> {
        self.list
    }
}

/// The full name of an attribute of which the VFS passes what follows the prefix.
///
/// # Safety
///
/// `handler` must be one of [`XattrTable::HANDLERS`], and `name` what follows its prefix in a full name.
unsafe fn full_name(handler: *const bindings::xattr_handler, name: *const c_char) -> *const c_char {
    // SAFETY: By the caller's promise.
    let prefix = unsafe { (*handler).flags };
    // SAFETY: By the caller's promise the prefix is before `name`; `flags` is its length, which is not
    // negative.
    unsafe { name.sub(usize::try_from(prefix).unwrap_or(0)) }
}

/// `xattr_handler::get`.
///
/// # Safety
///
/// `handler` must be one of [`XattrTable::HANDLERS`], `inode` a live inode of `T`, `name` what follows the
/// handler's prefix in the name of an attribute, a string, and `buffer` valid for writes of `size` bytes,
/// or null. All must stay so during the call.
unsafe extern "C" fn get<T: FileSystem>(
    handler: *const bindings::xattr_handler,
    _dentry: *mut bindings::dentry,
    inode: *mut bindings::inode,
    name: *const c_char,
    buffer: *mut c_void,
    size: usize,
) -> c_int {
    // SAFETY: By the safety requirements.
    let inode = unsafe { Inode::<T>::from_raw(inode) };
    // SAFETY: By the safety requirements.
    let name = unsafe { full_name(handler, name) };
    let (cache, list) = (inode.sb().xattrs().as_ptr(), inode.xattr_list());
    // SAFETY: The list is that of a live inode of the cache's superblock, and is read under RCU. By the
    // safety requirements the buffer has that size, or there is none.
    unsafe { bindings::simple_xattr_get(cache, list, name, buffer, size) }
}

/// `xattr_handler::set`.
///
/// # Safety
///
/// `handler` must be one of [`XattrTable::HANDLERS`], `inode` a live inode of `T` whose `i_rwsem` the current
/// task holds for writing, or that nothing else uses, and which no [`Exclusive`] is for. `name` must be what
/// follows the handler's prefix in the name of an attribute, a string, and `value` valid for reads of `size`
/// bytes, or null. All must stay so during the call.
unsafe extern "C" fn set<T: XattrOperations>(
    handler: *const bindings::xattr_handler,
    _idmap: *mut bindings::mnt_idmap,
    _dentry: *mut bindings::dentry,
    inode: *mut bindings::inode,
    name: *const c_char,
    value: *const c_void,
    size: usize,
    flags: c_int,
) -> c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        let inode = unsafe { Inode::<T>::from_raw(inode) };
        // SAFETY: By the safety requirements it is locked, and this is the only proof of it.
        let mut inode = unsafe { Exclusive::new(inode) };
        // SAFETY: By the safety requirements.
        let name = Name(unsafe { full_name(handler, name) }, PhantomData);
        let value = (!value.is_null()).then(|| {
            // SAFETY: By the safety requirements: it is not null.
            unsafe { core::slice::from_raw_parts(value.cast(), size) }
        });
        T::set_xattr(&mut inode, name, value, SetFlags(flags))?;
        Ok(0)
    })
}

/// `initxattrs` of `security_inode_init_security()`.
///
/// # Safety
///
/// `inode` must be a live inode of `T` whose attributes nothing else uses. `xattrs` must be an array that
/// ends with an entry without a name; the names of the others must be strings, and their values, where they
/// have any, of the sizes beside them. All must stay so during the call.
unsafe extern "C" fn init<T: XattrOperations>(
    inode: *mut bindings::inode,
    mut xattrs: *const bindings::xattr,
    _data: *mut c_void,
) -> c_int {
    from_result(|| {
        // SAFETY: By the safety requirements.
        let inode = unsafe { InodeCore::<T>::from_raw(inode) };
        // Ends at the entry without a name.
        loop {
            // SAFETY: By the safety requirements: the entry is not past the one without a name.
            let bindings::xattr {
                name,
                value,
                value_len,
            } = unsafe { *xattrs };
            if name.is_null() {
                return Ok(0);
            }
            // SAFETY: By the safety requirements.
            let name = unsafe { CStr::from_char_ptr(name) };
            let value = match NonNull::new(value) {
                // SAFETY: By the safety requirements.
                Some(value) => unsafe {
                    core::slice::from_raw_parts(value.cast().as_ptr(), value_len)
                },
                None => &[],
            };
            let xattr = NewXattr::security(name, value)?;
            let bytes = xattr.space();
            T::init_xattr(inode.sb(), bytes)?;
            // SAFETY: By the safety requirements.
            unsafe { add(inode, xattr) }.inspect_err(|_| T::xattrs_freed(inode.sb(), bytes))?;
            // SAFETY: By the safety requirements: this entry has a name, so that another one follows.
            xattrs = unsafe { xattrs.add(1) };
        }
    })
}

/// `inode_operations::listxattr`.
///
/// # Safety
///
/// `dentry` must be a live dentry of `T` that has a file and keeps it during the call, and `buffer` valid for
/// writes of `size` bytes, or null.
unsafe extern "C" fn list<T: FileSystem>(
    dentry: *mut bindings::dentry,
    buffer: *mut c_char,
    size: usize,
) -> isize {
    // SAFETY: By the safety requirements the file of the dentry is a live inode of `T`.
    let inode = unsafe { Inode::<T>::from_raw((*dentry).d_inode) };
    // SAFETY: The list is that of a live inode, and is read under RCU. By the safety requirements the buffer
    // has that size, or there is none.
    unsafe { bindings::simple_xattr_list(inode.as_ptr(), inode.xattr_list(), buffer, size) }
}
