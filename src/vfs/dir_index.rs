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

use super::cookies::{Array, Cookie, Entries, NoRoom, Place, Run};
use super::dir::LinkSource;
use super::{
    Dentry, Exclusive, FileSystem, InodeRef, Negative, NewInode, Positive, RenameDirs, Shared,
};
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
// SAFETY: As above.
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
        // SAFETY: As in `cookie()`.
        unsafe { (*self.as_ptr()).d_fsdata = core::ptr::without_provenance_mut(cookie.number()) };
    }

    /// The dentry is in no index any more.
    fn clear_cookie(&self) {
        // SAFETY: As in `cookie()`.
        unsafe { (*self.as_ptr()).d_fsdata = core::ptr::null_mut() };
    }
}

/// The entries of one directory, in the order of their cookies.
pub(super) struct DirIndex<T: FileSystem>(Entries<Entry<T>, Slots<T>, KVVec<Run<Slots<T>>>>);

impl<T: FileSystem> DirIndex<T> {
    /// An empty index.
    pub(super) fn new() -> Self {
        Self(Entries::starting_at(Cookie::FIRST))
    }

    /// Gives all memory back; the entries are of no use any more. May sleep.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Makes sure that one more entry fits. May sleep.
    ///
    /// Fails with `ENOMEM`, and with `ENOSPC` when all cookies of the directory are in use.
    fn reserve(&mut self) -> Result {
        self.0.reserve()?;
        Ok(())
    }

    /// Appends a dentry, with memory that [`DirIndex::reserve`] made sure of; false without.
    fn append(&mut self, dentry: &Dentry<T>) -> bool {
        // INVARIANT: The callers pin the dentry and set its file; the cookie follows.
        let Ok(vacancy) = self.0.reserve() else {
            return false;
        };
        dentry.set_cookie(vacancy.fill(Entry(NonNull::from(dentry))));
        true
    }

    /// Appends a dentry. May sleep; fails as [`DirIndex::reserve`] does.
    fn add(&mut self, dentry: &Dentry<T>) -> Result {
        // INVARIANT: As above.
        let vacancy = self.0.reserve()?;
        dentry.set_cookie(vacancy.fill(Entry(NonNull::from(dentry))));
        Ok(())
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
        // INVARIANT: As in `append()`.
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
    /// May sleep. Fails with `ENOMEM`, and with `EINVAL` where the inode is one of another superblock;
    /// then drops it.
    pub(crate) fn add_child(&mut self, dentry: Negative<'_, T>, inode: NewInode<T>) -> Result {
        let inode = inode.of(self.sb())?;
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
        self.index().add(&dentry)?;
        // SAFETY: The dentry is negative and live, and takes over the reference to the inode. It
        // is pinned by this, as the invariants of `Entry` demand; nobody has looked at it since.
        unsafe { bindings::d_make_persistent(dentry.as_ptr(), inode.into_raw()) };
        Ok(())
    }

    /// Takes a name from the directory: out of readdir, and no longer pinned. The VFS unhashes it.
    /// May sleep.
    pub(crate) fn remove_child(&mut self, dentry: &Positive<'_, T>) {
        if self.index().remove(dentry) {
            // SAFETY: The dentry was in an index until now.
            unsafe { self.unpin(dentry) };
        }
        self.forget_spellings(dentry);
    }

    /// Gives back the reference that an index had to a dentry.
    ///
    /// # Safety
    ///
    /// The dentry must have been in an index, and be so no longer.
    unsafe fn unpin(&mut self, dentry: &Positive<'_, T>) {
        // SAFETY: By the invariants of `Entry` it was pinned; the caller of the operation holds a
        // reference still.
        unsafe { bindings::d_make_discardable(dentry.as_ptr()) };
    }

    /// A name without a file would answer for all its spellings.
    fn forget_spellings(&self, _dentry: &Positive<'_, T>) {
        #[cfg(CONFIG_UNICODE)]
        if self.folds_case() {
            // SAFETY: The caller of the operation holds a reference, and nobody is left that would
            // look the name up here.
            unsafe { bindings::d_invalidate(_dentry.as_ptr()) };
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

    /// Moves a name to the newest end of the new directory, or leaves it in its place where there
    /// is only one: the VFS gives the dentry its new name and parent afterwards (`d_move()`).
    pub(crate) fn move_child(&mut self, _reserved: RenameReservation, dentry: &Positive<'_, T>) {
        if let Self::Different { old, new } = self {
            if old.index().remove(dentry) {
                let appended = new.index().append(dentry);
                debug_assert!(appended, "no room was reserved");
            }
        }
    }

    /// Moves a name to the place of `victim`, a name in the new directory, which is no longer
    /// pinned: a reader of that directory meets the name once. The VFS gives the dentry its new
    /// name and parent afterwards (`d_move()`). Needs no memory; may sleep.
    pub(crate) fn replace_child(&mut self, dentry: &Positive<'_, T>, victim: &Positive<'_, T>) {
        let place = self.source().index().find(dentry);
        let victims = self.target().index().find(victim);
        if let Some((place, _)) = place {
            if let Some(victims) = victims {
                self.target().index().replace(victims, dentry);
                victim.clear_cookie();
                // SAFETY: The victim was in the index until now.
                unsafe { self.target().unpin(victim) };
            }
            self.source().index().0.remove(place);
        }
        self.target().forget_spellings(victim);
    }

    /// Exchanges two names, each of which takes the other's place; the VFS does the same with the
    /// dentries afterwards (`d_exchange()`).
    pub(crate) fn exchange_children(&mut self, one: &Positive<'_, T>, other: &Positive<'_, T>) {
        let place = self.source().index().find(one);
        let others = self.target().index().find(other);
        if let (Some(place), Some(others)) = (place, others) {
            self.source().index().replace(place, other);
            self.target().index().replace(others, one);
        }
    }
}
