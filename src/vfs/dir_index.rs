// SPDX-License-Identifier: GPL-2.0

//! The entries of a directory whose dentries are all there is of it.
//!
//! The files of such a file system live in the dcache: a dentry with a file is pinned there
//! (`DCACHE_PERSISTENT`) until it is unlinked. The index gives the dentries an order that readdir
//! can follow from call to call; see [`super::cookies`]. `i_rwsem` of the directory protects it, so it
//! needs no lock of its own.
//!
//! Readdir goes from the newest entry to the oldest, as on tmpfs: names made meanwhile do not
//! appear, so that it ends.
//!
//! Index and dcache change together, in the operations of [`super::dir`] and nowhere else: what an
//! operation needs is reserved before the file system is asked, and once that has consented, nothing
//! fails any more.

use super::cookies::{Array, Cookie, Entries, NoRoom, Place, Run, Vacancy};
use super::{Dentry, FileSystem, Inode, InodeRef, Negative, Positive, Shared};
use crate::bindings;
use crate::mm::task;
use core::ptr::NonNull;
use kernel::alloc::flags::{GFP_NOWAIT, __GFP_NOWARN};
use kernel::alloc::{AllocError, Allocator, Flags, Vec};
use kernel::prelude::*;

/// The position after the last entry: the last one that a 32-bit program can tell.
const POS_END: i64 = i32::MAX as i64;
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
// SAFETY: An entry is an address; looking behind it is up to the holder of the directory's lock.
unsafe impl<T: FileSystem> Sync for Entry<T> {}

/// Flags of allocations that only serve to free a larger piece of memory: no reclaim, and no complaint.
fn flags_of_shrinking() -> Flags {
    let account = GFP_KERNEL_ACCOUNT & !GFP_KERNEL;
    GFP_NOWAIT | __GFP_NOWARN | account
}

impl<V, A: Allocator> Array<V> for Vec<V, A> {
    type Error = AllocError;

    fn new() -> Self {
        Vec::new()
    }

    fn capacity(&self) -> usize {
        Vec::capacity(self)
    }

    fn reserve(&mut self, additional: usize) -> Result<(), AllocError> {
        Vec::reserve(self, additional, GFP_KERNEL_ACCOUNT)
    }

    fn shrink(&mut self, capacity: usize) {
        let capacity = capacity.max(self.len());
        if capacity >= Vec::capacity(self) {
            return;
        }
        let Ok(mut smaller) = Vec::with_capacity(capacity, flags_of_shrinking()) else {
            return;
        };
        for value in core::mem::take(self) {
            let pushed = smaller.push_within_capacity(value);
            debug_assert!(pushed.is_ok(), "room for all was allocated");
        }
        *self = smaller;
    }

    fn push(&mut self, value: V) -> bool {
        self.push_within_capacity(value).is_ok()
    }

    fn insert(&mut self, at: usize, value: V) -> bool {
        self.insert_within_capacity(at, value).is_ok()
    }

    fn remove(&mut self, at: usize) {
        let removed = Vec::remove(self, at);
        debug_assert!(removed.is_ok(), "the element is there");
    }

    fn truncate(&mut self, len: usize) {
        Vec::truncate(self, len)
    }

    fn pause() {
        task::cond_resched();
    }
}

type Slots<T> = KVec<Option<Entry<T>>>;
type Runs<T> = KVVec<Run<Slots<T>>>;

impl From<NoRoom<AllocError>> for Error {
    fn from(e: NoRoom<AllocError>) -> Self {
        match e {
            NoRoom::Cookies => ENOSPC,
            NoRoom::Memory(e) => e.into(),
        }
    }
}

impl<T: FileSystem> Dentry<T> {
    /// The cookie in the directory that has the dentry in its index; looking at it takes that one's lock.
    fn cookie(&self) -> Cookie {
        // SAFETY: The dentry is live, and `d_fsdata` belongs to the index of its directory, whose
        // lock is held.
        Cookie::from_number(unsafe { (*self.as_ptr()).d_fsdata }.addr())
    }

    fn set_cookie(&self, cookie: Cookie) {
        // SAFETY: The dentry is live, and `d_fsdata` belongs to the index of its directory, whose
        // lock is held.
        unsafe { (*self.as_ptr()).d_fsdata = core::ptr::without_provenance_mut(cookie.number()) };
    }

    /// The dentry is in no index any more.
    fn clear_cookie(&self) {
        // SAFETY: The dentry is live, and `d_fsdata` belongs to the index of its directory, whose
        // lock is held.
        unsafe { (*self.as_ptr()).d_fsdata = core::ptr::null_mut() };
    }
}

/// The entries of one directory, in the order of their cookies.
pub(super) struct DirIndex<T: FileSystem>(Entries<Entry<T>, Slots<T>, Runs<T>>);

impl<T: FileSystem> DirIndex<T> {
    /// An empty index.
    pub(super) fn new() -> Self {
        Self(Entries::starting_at(Cookie::FIRST))
    }

    /// Gives all memory back; the entries are of no use any more. May sleep.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps room for one more entry. May sleep.
    ///
    /// Fails with `ENOMEM`, and with `ENOSPC` when all cookies of the directory are in use.
    #[inline(always)]
    fn reserve(&mut self) -> Result<Room<'_, T>> {
        Ok(Room(self.0.reserve()?))
    }

    /// Where a dentry is, and its cookie, if it is here.
    #[inline(always)]
    fn find(&self, dentry: &Dentry<T>) -> Option<(Place, Cookie)> {
        let cookie = dentry.cookie();
        let (place, entry) = self.0.find(cookie)?;
        if !core::ptr::eq(entry.0.as_ptr(), dentry) {
            return None;
        }
        Some((place, cookie))
    }

    /// Takes a dentry out; false where it is not here. May sleep.
    fn remove(&mut self, dentry: &Dentry<T>) -> bool {
        let Some((place, _)) = self.find(dentry) else {
            return false;
        };
        self.0.remove(place);
        dentry.clear_cookie();
        true
    }

    /// Puts a dentry in the place of another, which then is in no index.
    fn replace(&mut self, place: (Place, Cookie), dentry: &Dentry<T>) {
        let (place, cookie) = place;
        // INVARIANT: The callers pin the dentry and set its file; the cookie follows.
        self.0.replace(place, Entry(NonNull::from(dentry)));
        dentry.set_cookie(cookie);
    }

    /// Lists the entries from `ctx->pos` on. The caller holds the lock of the directory.
    fn iterate(&self, ctx: &mut bindings::dir_context) {
        let from = match ctx.pos {
            POS_END => return,
            POS_NEWEST => Cookie::LAST,
            pos => Cookie::from_position(pos),
        };
        let all = self.0.all_down_from(from, |cookie, entry| {
            ctx.pos = cookie.position();
            let dentry = entry.0.as_ptr().cast::<bindings::dentry>();
            // SAFETY: The lock of the directory is held, so the entries are pinned and have a
            // file, and neither name nor file changes.
            unsafe {
                let inode = (*dentry).d_inode;
                let name = &(*dentry).__bindgen_anon_1.d_name;
                bindings::dir_emit(
                    ctx,
                    name.name.cast(),
                    bindings::name_len(name.__bindgen_anon_1.__bindgen_anon_1.len),
                    (*inode).i_ino,
                    super::Mode::from_raw((*inode).i_mode).dirent_type(),
                )
            }
        });
        if all {
            ctx.pos = POS_END;
        }
    }
}

/// Room for one more name in a directory, which nothing else can take.
pub(super) struct Room<'a, T: FileSystem>(Vacancy<'a, Entry<T>, Slots<T>, Runs<T>>);

impl<T: FileSystem> Room<'_, T> {
    /// Appends a dentry.
    #[inline(always)]
    fn fill(self, dentry: &Dentry<T>) {
        // INVARIANT: The callers pin the dentry and set its file; the cookie follows.
        let cookie = self.0.fill(Entry(NonNull::from(dentry)));
        dentry.set_cookie(cookie);
    }

    /// Moves a name of another directory to the newest end of this one. May sleep.
    ///
    /// # Safety
    ///
    /// The VFS must move the dentry into this directory before it gives up the locks of both.
    pub(super) unsafe fn move_from(self, old: &mut Names<'_, T>, moved: &Positive<'_, T>) {
        if old.index.remove(moved) {
            self.fill(moved);
        }
    }
}

/// The names of a directory, for an operation of the VFS that changes them. The file system does not
/// get to see it.
///
/// # Invariants
///
/// The current task holds `i_rwsem` of `dir`, whose index this is, for writing for `'a`.
pub(super) struct Names<'a, T: FileSystem> {
    dir: &'a Inode<T>,
    index: &'a mut DirIndex<T>,
}

impl<'a, T: FileSystem> Names<'a, T> {
    /// # Safety
    ///
    /// For `'a`, the current task must hold `i_rwsem` of `dir`, a directory, for writing, and this must be the only
    /// value of the type for `dir`.
    pub(super) unsafe fn of(dir: &'a Inode<T>) -> Self {
        // SAFETY: By the caller's promise it is a directory, and nothing else looks at the index: only this type, the holder
        // of the lock for reading, and the eviction of the inode do.
        let index = unsafe { &mut (*dir.locked_state()).index };
        Self { dir, index }
    }

    /// Keeps room for a name that comes from another directory, at the newest end. May sleep.
    ///
    /// Fails with `ENOMEM`, and with `ENOSPC` when all cookies of the directory are in use.
    pub(super) fn reserve_move(&mut self) -> Result<Room<'_, T>> {
        self.index.reserve()
    }

    /// Keeps room for a name in this directory that is about to get a file. May sleep.
    ///
    /// Fails with `EINVAL` where it is a name in another directory, with `ENOMEM`, and with `ENOSPC`
    /// when all cookies of the directory are in use.
    #[inline(always)]
    pub(super) fn reserve<'r>(&'r mut self, name: Negative<'r, T>) -> Result<NewName<'r, T>> {
        if !self.is_parent_of(&name) {
            return Err(EINVAL);
        }
        // INVARIANT: Just checked; the index is that of the directory.
        Ok(NewName {
            dir: self.dir,
            room: self.index.reserve()?,
            name,
        })
    }

    /// Whether a dentry is a name in this directory.
    fn is_parent_of(&self, dentry: &Dentry<T>) -> bool {
        // SAFETY: The dentry is live; the lock of its directory, which must be this one for the
        // answer to be yes, keeps it from being moved.
        unsafe { (*(*dentry.as_ptr()).d_parent).d_inode == self.dir.as_ptr() }
    }

    /// Takes a name from the directory, if it is one of it: out of readdir, and no longer pinned. The
    /// VFS unhashes it. May sleep.
    pub(super) fn remove(&mut self, name: &Positive<'_, T>) {
        if self.index.remove(name) {
            // SAFETY: The dentry was in the index until now.
            unsafe { unpin(name) };
            self.forget_spellings(name);
        }
    }

    /// Moves a name of this directory to the place of `victim`, a name in `new`, or in this directory
    /// where there is only one; the victim is no longer pinned. So a reader of that directory meets the
    /// name once. Needs no memory; may sleep.
    ///
    /// # Safety
    ///
    /// The VFS must move the dentry to the victim's name and directory before it gives up the locks.
    pub(super) unsafe fn replace(
        &mut self,
        mut new: Option<&mut Self>,
        moved: &Positive<'_, T>,
        victim: &Positive<'_, T>,
    ) {
        let Some((place, _)) = self.index.find(moved) else {
            return;
        };
        let target = new.as_deref_mut().unwrap_or(&mut *self);
        let victims = target.index.find(victim);
        let was_there = victims.is_some();
        if let Some(victims) = victims {
            target.index.replace(victims, moved);
            victim.clear_cookie();
            // SAFETY: The victim was in the index until now.
            unsafe { unpin(victim) };
        }
        self.index.0.remove(place);
        if was_there {
            new.unwrap_or(&mut *self).forget_spellings(victim);
        }
    }

    /// Exchanges a name of this directory and one of `new`, or of this directory where there is only
    /// one; each takes the other's place. Needs no memory.
    ///
    /// # Safety
    ///
    /// The VFS must exchange names and directories of the dentries before it gives up the locks.
    pub(super) unsafe fn exchange(
        &mut self,
        mut new: Option<&mut Self>,
        one: &Positive<'_, T>,
        other: &Positive<'_, T>,
    ) {
        let place = self.index.find(one);
        let others = new.as_deref_mut().unwrap_or(&mut *self).index.find(other);
        if let (Some(place), Some(others)) = (place, others) {
            self.index.replace(place, other);
            new.unwrap_or(&mut *self).index.replace(others, one);
        }
    }

    /// A name without a file would answer for all its spellings.
    fn forget_spellings(&self, _name: &Positive<'_, T>) {
        #[cfg(CONFIG_UNICODE)]
        if self.dir.folds_case() {
            // SAFETY: The caller of the operation holds a reference, and the lock of the directory keeps
            // others from looking the name up here.
            unsafe { bindings::d_invalidate(_name.as_ptr()) };
        }
    }
}

/// Gives back the reference that an index had to a dentry.
///
/// # Safety
///
/// The dentry must have been in an index, and be so no longer.
unsafe fn unpin<T: FileSystem>(dentry: &Positive<'_, T>) {
    // SAFETY: By the invariants of `Entry` it was pinned; the caller of the operation holds a
    // reference still.
    unsafe { bindings::d_make_discardable(dentry.as_ptr()) };
}

/// A name that is about to get a file, and the room for it in the index of its directory.
///
/// # Invariants
///
/// `name` is a name in `dir`, and `room` is in the index of that.
pub(super) struct NewName<'a, T: FileSystem> {
    dir: &'a Inode<T>,
    room: Room<'a, T>,
    name: Negative<'a, T>,
}

impl<'a, T: FileSystem> NewName<'a, T> {
    /// The name.
    pub(super) fn name(&self) -> &Negative<'a, T> {
        &self.name
    }

    /// Gives the name a file: the dentry is pinned, appears in lookups and at the newest end of readdir.
    /// Counts no link.
    ///
    /// Fails with `EINVAL` only, where the file is one of another superblock; then drops it.
    #[inline(always)]
    pub(super) fn commit(self, inode: InodeRef<T>) -> Result {
        let inode = inode.of(self.dir.sb())?;
        self.room.fill(&self.name);
        // SAFETY: The dentry is negative and live, and takes over the reference to the inode. It
        // is pinned by this, as the invariants of `Entry` demand; the lock of the directory has kept
        // readers from looking at it since.
        unsafe { bindings::d_make_persistent(self.name.as_ptr(), inode.into_raw()) };
        Ok(())
    }
}

impl<T: FileSystem> Shared<'_, T> {
    /// Lists the entries from `ctx->pos` on, which is above that of `..`.
    ///
    /// # Safety
    ///
    /// The inode must be a directory.
    pub(super) unsafe fn iterate(&self, ctx: &mut bindings::dir_context) {
        // SAFETY: It is a directory, and by the type invariants of `Shared` no task changes the index.
        let index = unsafe { &(*self.locked_state()).index };
        index.iterate(ctx)
    }
}
