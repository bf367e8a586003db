// SPDX-License-Identifier: GPL-2.0

//! File handles: name_to_handle_at(2), and NFS.
//!
//! An inode gets its generation and its place in the hash table of inodes, where a handle is looked
//! up, with its first handle: most never have one. Where EVM is built in, which signs the generation with
//! the rest of a new inode, it has that from the beginning. C header: `include/linux/exportfs.h`.
//!
//! Lock order: the lock of [`Exports`], then that of the hash table, then `i_lock`.

use super::handle::Handle;
use super::{FileSystem, Inode, SuperBlock};
use crate::bindings;
use core::marker::PhantomData;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_spinlock, SpinLock};

/// How many words a handle takes, for C.
const WORDS: c_int = bindings::int(bindings::uint(Handle::WORDS));

/// What the handles of a superblock share.
#[pin_data]
pub(super) struct Exports {
    /// Held while an inode is hashed, since that must happen once.
    #[pin]
    hashing: SpinLock<()>,
}

impl Exports {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            hashing <- new_spinlock!((), "export_hashing"),
        })
    }
}

/// A generation for an inode that has none. Does not sleep.
pub(super) fn new_generation() -> u32 {
    // SAFETY: Looks at nothing of the caller's.
    unsafe { bindings::get_random_u32() }.max(1)
}

impl<T: FileSystem> Inode<T> {
    /// The generation; 0 as long as the inode has none.
    fn generation(&self) -> &Atomic<u32> {
        // SAFETY: The inode is live, and its generation changes through this alone.
        unsafe { Atomic::from_ptr(&raw mut (*self.as_ptr()).i_generation) }
    }

    fn is_hashed(&self) -> bool {
        // SAFETY: The inode is live. The VFS looks at this without a lock in the same way.
        unsafe { !bindings::inode_unhashed(self.as_ptr()) }
    }

    /// The handle of the inode, by which it is found from now on. Does not sleep.
    fn handle(&self) -> Handle {
        let handle = |generation| Handle {
            ino: self.number(),
            generation,
        };
        let generation = self.generation().load(Relaxed);
        if generation != 0 && self.is_hashed() {
            return handle(generation);
        }

        let _hashing = self.sb().exports().hashing.lock();
        if !self.is_hashed() {
            let generation = match generation {
                0 => new_generation(),
                signed => signed,
            };
            self.generation().store(generation, Relaxed);
            // SAFETY: The inode is live and not hashed, which only this function changes, under
            // the lock; eviction takes it out.
            unsafe { bindings::__insert_inode_hash(self.as_ptr(), handle(generation).hash()) };
        }
        handle(self.generation().load(Relaxed))
    }
}

pub(super) struct Tables<T>(PhantomData<T>);

impl<T: FileSystem> Tables<T> {
    pub(super) const OPERATIONS: bindings::export_operations = bindings::export_operations {
        encode_fh: Some(encode_fh::<T>),
        fh_to_dentry: Some(fh_to_dentry::<T>),
        get_parent: Some(get_parent),
        // The other operations are absent.
        ..pin_init::zeroed()
    };
}

/// `export_operations::encode_fh`.
///
/// # Safety
///
/// `inode` must be a live one of `T`, and `words` have room for as many as `len` says, which no other task uses.
unsafe extern "C" fn encode_fh<T: FileSystem>(
    inode: *mut bindings::inode,
    words: *mut u32,
    len: *mut c_int,
    _parent: *mut bindings::inode,
) -> c_int {
    // SAFETY: By the caller's promise.
    let room = unsafe { core::mem::replace(&mut *len, WORDS) };
    if room < WORDS {
        return bindings::int(bindings::fid_type_FILEID_INVALID);
    }
    // SAFETY: By the caller's promise.
    let handle = unsafe { Inode::<T>::from_raw(inode) }.handle();
    // SAFETY: There is room for the words, as was just seen.
    unsafe {
        words
            .cast::<[u32; Handle::WORDS]>()
            .write_unaligned(handle.to_words())
    };
    bindings::int(bindings::fid_type_FILEID_INO32_GEN)
}

/// Whether an inode is that of the handle that `data` points to.
///
/// # Safety
///
/// `inode` must be valid, and `data` point to a [`Handle`].
unsafe extern "C" fn is_of_handle(inode: *mut bindings::inode, data: *mut c_void) -> c_int {
    // SAFETY: By the caller's promise; inodes are hashed when both fields are set for good.
    unsafe {
        let handle = &*data.cast::<Handle>();
        c_int::from(
            (*inode).i_ino == handle.ino.to_u64() && (*inode).i_generation == handle.generation,
        )
    }
}

/// `export_operations::fh_to_dentry`.
///
/// # Safety
///
/// `sb` must be a live superblock of `T`, and `fid` have `len` words.
unsafe extern "C" fn fh_to_dentry<T: FileSystem>(
    sb: *mut bindings::super_block,
    fid: *mut bindings::fid,
    len: c_int,
    _type: c_int,
) -> *mut bindings::dentry {
    let len = usize::try_from(len).unwrap_or(0);
    // SAFETY: By the caller's promise.
    let words = unsafe { core::slice::from_raw_parts(fid.cast::<u32>(), len) };
    let Some(mut handle) = Handle::from_words(words) else {
        return core::ptr::null_mut();
    };

    // SAFETY: By the caller's promise; `is_of_handle()` may look at the inodes of the superblock, and what is found
    // is live until `iput()`.
    unsafe {
        let sb = SuperBlock::<T>::from_raw(sb);
        let inode = bindings::ilookup5(
            sb.as_ptr(),
            handle.hash(),
            Some(is_of_handle),
            (&raw mut handle).cast(),
        );
        if inode.is_null() {
            return core::ptr::null_mut();
        }
        // A task that holds the inode has a dentry of it: a name that can be looked up is better than
        // that of an open file that has lost its own.
        let mut dentry = bindings::d_find_alias(inode);
        if dentry.is_null() {
            dentry = bindings::d_find_any_alias(inode);
        }
        bindings::iput(inode);
        dentry
    }
}

/// `export_operations::get_parent`: directories are never found without their parents, so that there is no need to ask
/// for those.
///
/// # Safety
///
/// Nothing is asked: it looks at nothing.
unsafe extern "C" fn get_parent(_child: *mut bindings::dentry) -> *mut bindings::dentry {
    ESTALE.to_ptr()
}
