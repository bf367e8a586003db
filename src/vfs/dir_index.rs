// SPDX-License-Identifier: GPL-2.0

//! The entries of a directory whose dentries are all there is of it.
//!
//! The files of such a file system live in the dcache: a dentry with a file is pinned there
//! (`DCACHE_PERSISTENT`) until it is unlinked. The index gives the dentries an order that readdir
//! can follow from call to call; see [`cookies`]. `i_rwsem` of the directory protects it, so it
//! needs no lock of its own.
//!
//! Readdir goes from the newest entry to the oldest, as on tmpfs: names made meanwhile do not
//! appear, so that it ends.

use super::cookies::{self, Slot};
use super::dir::LinkSource;
use super::{
    Dentry, Exclusive, FileSystem, InodeRef, Negative, NewInode, Positive, RenameDirs, Shared,
};
use crate::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// The position after the last entry.
const POS_END: i64 = i64::MAX;
/// The position of the newest entry; before it come `.` and `..`.
const POS_NEWEST: i64 = 2;

/// A dentry in an index.
///
/// # Invariants
///
/// The dentry has a file and is pinned for as long as it is in the index and its directory is
/// alive. Its `d_fsdata` is its cookie.
struct Entry<T: FileSystem>(NonNull<Dentry<T>>);

impl<T: FileSystem> Clone for Entry<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: FileSystem> Copy for Entry<T> {}

// SAFETY: An entry is an address; looking behind it is up to the holder of the directory's lock.
unsafe impl<T: FileSystem> Send for Entry<T> {}
// SAFETY: As above.
unsafe impl<T: FileSystem> Sync for Entry<T> {}

/// The entries of one directory, in the order of their cookies.
///
/// # Invariants
///
/// `live` is the number of slots with an entry; all cookies are below `next`.
pub(super) struct DirIndex<T: FileSystem> {
    slots: KVVec<Slot<Entry<T>>>,
    live: usize,
    next: u64,
}

impl<T: FileSystem> DirIndex<T> {
    /// An empty index.
    pub(super) const fn new() -> Self {
        Self {
            slots: KVVec::new(),
            live: 0,
            next: cookies::FIRST_COOKIE,
        }
    }

    /// Makes sure that one more entry fits. May sleep.
    ///
    /// Fails with `ENOMEM`, and with `ENOSPC` when the directory has used up its cookies.
    fn reserve(&mut self) -> Result {
        if self.next >= isize::MAX as u64 {
            return Err(ENOSPC);
        }
        self.slots.reserve(1, GFP_KERNEL_ACCOUNT)?;
        Ok(())
    }

    /// Appends a dentry; [`DirIndex::reserve`] must have made room, or it is not listed.
    fn append(&mut self, dentry: &Dentry<T>) {
        let slot = Slot {
            cookie: self.next,
            // INVARIANT: The callers pin the dentry and set its file; the cookie follows.
            entry: Some(Entry(NonNull::from(dentry))),
        };
        if self.slots.push_within_capacity(slot).is_err() {
            debug_assert!(false, "no room was reserved");
            return;
        }
        // SAFETY: The dentry is live, and its `d_fsdata` belongs to the index of the directory
        // whose lock is held.
        unsafe {
            (*dentry.as_ptr()).d_fsdata = core::ptr::without_provenance_mut(self.next as usize)
        };
        self.next += 1;
        self.live += 1;
    }

    /// Where a dentry is, if it is here.
    fn find(&self, dentry: &Dentry<T>) -> Option<usize> {
        // SAFETY: As in `append()`.
        let cookie = unsafe { (*dentry.as_ptr()).d_fsdata }.addr() as u64;
        let at = cookies::find(&self.slots, cookie)?;
        let entry = self.slots[at].entry?;
        core::ptr::eq(entry.0.as_ptr(), dentry).then_some(at)
    }

    /// Takes a dentry out; false where it is not here.
    fn remove(&mut self, dentry: &Dentry<T>) -> bool {
        let Some(at) = self.find(dentry) else {
            return false;
        };
        self.slots[at].entry = None;
        self.live -= 1;
        // SAFETY: As in `append()`.
        unsafe { (*dentry.as_ptr()).d_fsdata = core::ptr::null_mut() };

        if self.live == 0 {
            // Give back the memory of a directory that was large, keep that of a small one.
            if self.slots.len() > 64 {
                self.slots = KVVec::new();
            } else {
                self.slots.clear();
            }
        } else if at + 1 == self.slots.len() {
            self.slots.truncate(at);
        } else if cookies::is_sparse(self.slots.len(), self.live) {
            let live = cookies::squeeze(&mut self.slots);
            self.slots.truncate(live);
        }
        true
    }

    /// Lists the entries from `ctx->pos` on. The caller holds the lock of the directory.
    fn iterate(&self, ctx: &mut bindings::dir_context) {
        if ctx.pos == POS_END {
            return;
        }
        let mut len = match ctx.pos {
            POS_NEWEST => self.slots.len(),
            pos => cookies::up_to(&self.slots, pos as u64),
        };
        while let Some((at, cookie, entry)) = cookies::last_entry(&self.slots, len) {
            ctx.pos = cookie as i64;
            let dentry = entry.0.as_ptr().cast::<bindings::dentry>();
            // SAFETY: The lock of the directory is held, so the entries are pinned and have a
            // file, and neither name nor file changes.
            let more = unsafe {
                let inode = (*dentry).d_inode;
                let name = &(*dentry).__bindgen_anon_1.d_name;
                bindings::dir_emit(
                    ctx,
                    name.name.cast(),
                    name.__bindgen_anon_1.__bindgen_anon_1.len as i32,
                    (*inode).i_ino,
                    super::Mode::from_raw((*inode).i_mode).dirent_type(),
                )
            };
            if !more {
                return;
            }
            len = at;
        }
        ctx.pos = POS_END;
    }
}

impl<T: FileSystem> Exclusive<'_, T> {
    fn index(&mut self) -> &mut DirIndex<T> {
        // SAFETY: By the type invariants nobody else looks at the protected state, and `&mut self`
        // makes this the only reference made from this value.
        unsafe { &mut (*self.inode().locked_state()).index }
    }

    /// Whether a dentry is a name in this directory.
    fn is_parent_of(&self, dentry: &Dentry<T>) -> bool {
        // SAFETY: The dentry is live; the lock of its directory, which must be this one for the
        // answer to be yes, keeps it from being moved.
        unsafe { (*(*dentry.as_ptr()).d_parent).d_inode == self.inode().as_ptr() }
    }

    /// Gives a name in this directory its file: the dentry is pinned, appears in lookups and
    /// at the newest end of readdir.
    ///
    /// May sleep. Fails with `ENOMEM` and then drops the inode.
    pub(crate) fn add_child(&mut self, dentry: Negative<'_, T>, inode: NewInode<T>) -> Result {
        self.add(dentry, inode.into_ref())
    }

    /// Gives a name in this directory a file that has one already (hard link); counts no link.
    ///
    /// May sleep. Fails with `ENOMEM`.
    pub(crate) fn add_link(
        &mut self,
        dentry: Negative<'_, T>,
        source: &LinkSource<'_, T>,
    ) -> Result {
        self.add(dentry, source.to_ref())
    }

    fn add(&mut self, dentry: Negative<'_, T>, inode: InodeRef<T>) -> Result {
        if !self.is_parent_of(&dentry) {
            return Err(EINVAL);
        }
        self.index().reserve()?;
        // SAFETY: The dentry is negative and live, and takes over the reference to the inode. It
        // is pinned by this, as the invariants of `Entry` demand.
        unsafe { bindings::d_make_persistent(dentry.as_ptr(), inode.into_raw()) };
        self.index().append(&dentry);
        Ok(())
    }

    /// Takes a name from the directory: out of readdir, and no longer pinned. The VFS unhashes it.
    pub(crate) fn remove_child(&mut self, dentry: &Positive<'_, T>) {
        if self.index().remove(dentry) {
            // SAFETY: Entries of the index are pinned, and this one has just left it; the caller of
            // the operation holds a reference still.
            unsafe { bindings::d_make_discardable(dentry.as_ptr()) };
        }
        // A name without a file would answer for all its spellings.
        #[cfg(CONFIG_UNICODE)]
        if self.folds_case() {
            // SAFETY: The caller of the operation holds a reference, and nobody is left that would
            // look the name up here.
            unsafe { bindings::d_invalidate(dentry.as_ptr()) };
        }
    }
}

impl<T: FileSystem> Shared<'_, T> {
    /// Lists the entries from `ctx->pos` on, which is above that of `..`.
    pub(super) fn iterate(&self, ctx: &mut bindings::dir_context) {
        // SAFETY: By the type invariants of `Shared` nobody changes the index.
        let index = unsafe { &(*self.locked_state()).index };
        index.iterate(ctx)
    }
}

/// A rename that has all it needs and cannot fail any more.
pub(crate) struct RenameReservation(());

impl<T: FileSystem> RenameDirs<'_, '_, T> {
    /// Makes sure that moving a name into the new directory will not fail. May sleep; `ENOMEM`.
    pub(crate) fn reserve(&mut self) -> Result<RenameReservation> {
        if let Self::Different { new, .. } = self {
            new.index().reserve()?;
        }
        Ok(RenameReservation(()))
    }

    /// Moves a name to the new directory, or leaves it in its place where there is only one: the
    /// VFS gives the dentry its new name and parent afterwards (`d_move()`).
    pub(crate) fn move_child(&mut self, _reserved: RenameReservation, dentry: &Positive<'_, T>) {
        if let Self::Different { old, new } = self {
            if old.index().remove(dentry) {
                new.index().append(dentry);
            }
        }
    }

    /// Exchanges two names; the VFS does the same with the dentries afterwards (`d_exchange()`).
    pub(crate) fn exchange_children(&mut self, one: &Positive<'_, T>, other: &Positive<'_, T>) {
        if let Self::Different { old, new } = self {
            // Each takes the other's place, so no memory is needed.
            let (one_at, other_at) = (old.index().find(one), new.index().find(other));
            let (Some(one_at), Some(other_at)) = (one_at, other_at) else {
                return;
            };
            let (old, new) = (old.index(), new.index());
            core::mem::swap(&mut old.slots[one_at].entry, &mut new.slots[other_at].entry);
            // SAFETY: As in `DirIndex::append()`; both directories are locked.
            unsafe {
                core::mem::swap(
                    &mut (*one.as_ptr()).d_fsdata,
                    &mut (*other.as_ptr()).d_fsdata,
                )
            };
        }
    }
}
