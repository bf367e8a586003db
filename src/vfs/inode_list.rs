// SPDX-License-Identifier: GPL-2.0

//! A list of inodes that does not hold them: an inode leaves it when it is evicted, and that waits
//! for a task that is just looking at it or writing a page of it out. From when its eviction begins, no walk of
//! the list comes to it any more, and it is put in no list.
//!
//! Each page that goes to swap pins its inode, so that a pin is an atomic counter of the inode's own; the
//! lock of the list is for those who change or walk it.
//!
//! Lock order: the lock of the list, then `i_lock` of an inode.

use super::pins::Pins;
use super::{FileSystem, Inode};
use crate::bindings;
use crate::mm::task;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Full, Relaxed, Release};
use kernel::sync::barrier::smp_mb;
use kernel::sync::{new_condvar, new_spinlock, CondVar, SpinLock};

/// What a list is for. An inode has a place in one list of each kind.
///
/// # Safety
///
/// [`ListKind::link`] must return the same place each time, which is in no list of another kind.
pub(crate) unsafe trait ListKind<T: FileSystem> {
    /// Whether a walk begins with the inode that was added last.
    const LAST_FIRST: bool;

    /// An inode's place in lists of this kind.
    ///
    /// # Safety
    ///
    /// The inode must be no directory.
    unsafe fn link(inode: &Inode<T>) -> &Link<T>;
}

/// Inodes of a superblock that [`FileSystem::free_cached`] is to look at.
pub(crate) struct Cached;

// SAFETY: The place is for this kind alone.
unsafe impl<T: FileSystem> ListKind<T> for Cached {
    const LAST_FIRST: bool = true;

    #[inline]
    unsafe fn link(inode: &Inode<T>) -> &Link<T> {
        // SAFETY: By the caller's promise.
        unsafe { inode.cached_link() }
    }
}

/// An inode's place in a list.
///
/// # Invariants
///
/// `neighbours` is read and written under the lock of the list only; they are inodes in the list,
/// which are live for as long as they are in it. `state` changes under that lock; it is
/// [`LISTED`] or [`LEAVING`] where the inode is in the list.
pub(crate) struct Link<T: FileSystem> {
    /// Under the lock of the list.
    neighbours: UnsafeCell<Neighbours<T>>,
    /// Written under the lock of the list, read without.
    state: Atomic<u32>,
    /// Of the tasks that look at the inode without the lock.
    pins: Pins,
}

/// Not in the list.
const OUTSIDE: u32 = 0;
/// In the list.
const LISTED: u32 = 1;
/// In the list, and about to be taken out unless a task pins it.
const LEAVING: u32 = 2;

/// Those before and behind an inode in a list.
struct Neighbours<T: FileSystem> {
    prev: Option<NonNull<Inode<T>>>,
    next: Option<NonNull<Inode<T>>>,
}

// SAFETY: What is in it may be reached from any task, and is so under the lock of the list.
unsafe impl<T: FileSystem> Send for Link<T> {}
// SAFETY: What is in it may be reached from any task, and is so under the lock of the list.
unsafe impl<T: FileSystem> Sync for Link<T> {}

impl<T: FileSystem> Link<T> {
    /// The place of an inode that is in no list.
    pub(crate) const fn new() -> Self {
        Self {
            neighbours: UnsafeCell::new(Neighbours {
                prev: None,
                next: None,
            }),
            state: Atomic::new(OUTSIDE),
            pins: Pins::new(),
        }
    }

    /// What keeps the inode from being evicted, in lists of the kind.
    pub(crate) fn pins(&self) -> &Pins {
        &self.pins
    }
}

struct Head<T: FileSystem, K: ListKind<T>> {
    first: Option<NonNull<Inode<T>>>,
    last: Option<NonNull<Inode<T>>>,
    /// Where the next walk in turn begins: an inode in the list.
    turn: Option<NonNull<Inode<T>>>,
    len: usize,
    _kind: PhantomData<fn() -> K>,
}

// SAFETY: The inodes of a list may be reached from any task.
unsafe impl<T: FileSystem, K: ListKind<T>> Send for Head<T, K> {}

/// A list of inodes of file system `T`.
///
/// # Invariants
///
/// An inode that is put in this list is no directory, and is put in no other of its kind, and [`InodeList::remove`] is
/// called when it is evicted, which is before the list goes.
#[pin_data]
pub(crate) struct InodeList<T: FileSystem, K: ListKind<T>> {
    /// Under this lock, with the links of the inodes that are in the list.
    #[pin]
    head: SpinLock<Head<T, K>>,
    /// How many wait for an inode to be pinned no more.
    waiting: Atomic<u32>,
    #[pin]
    unpinned: CondVar,
}

impl<T: FileSystem, K: ListKind<T>> Head<T, K> {
    const fn new() -> Self {
        Self {
            first: None,
            last: None,
            turn: None,
            len: 0,
            _kind: PhantomData,
        }
    }

    /// # Safety
    ///
    /// `inode` must be live and no directory; the result must be dropped before another is made.
    unsafe fn neighbours(&mut self, inode: NonNull<Inode<T>>) -> &mut Neighbours<T> {
        // SAFETY: By the caller's promise; the lock of the list, which `self` is behind, protects
        // the neighbours.
        unsafe { &mut *K::link(inode.as_ref()).neighbours.get() }
    }

    /// Where a walk begins.
    fn start(&self) -> Option<NonNull<Inode<T>>> {
        if K::LAST_FIRST {
            self.last
        } else {
            self.first
        }
    }

    /// Where a walk goes on.
    ///
    /// # Safety
    ///
    /// `inode` must be in the list.
    unsafe fn after(&mut self, inode: NonNull<Inode<T>>) -> Option<NonNull<Inode<T>>> {
        // SAFETY: By the caller's promise it is live and no directory.
        let neighbours = unsafe { self.neighbours(inode) };
        if K::LAST_FIRST {
            neighbours.prev
        } else {
            neighbours.next
        }
    }

    /// Adds an inode at the end, if it is not in the list.
    ///
    /// # Safety
    ///
    /// `inode` must be live and no directory, and [`InodeList::remove`] be called before it is not.
    unsafe fn insert(&mut self, inode: NonNull<Inode<T>>) {
        // SAFETY: All inodes in the list are live, and `inode` is.
        unsafe {
            let link = K::link(inode.as_ref());
            if link.state.cmpxchg(OUTSIDE, LISTED, Relaxed).is_err() {
                return;
            }
            let last = self.last.replace(inode);
            *self.neighbours(inode) = Neighbours {
                prev: last,
                next: None,
            };
            match last {
                Some(last) => self.neighbours(last).next = Some(inode),
                None => self.first = Some(inode),
            }
            {
                // There are not as many inodes as this can count.
                self.len = self.len.wrapping_add(1);
            }
        }
    }

    /// Takes an inode out, if it is in the list.
    ///
    /// # Safety
    ///
    /// `inode` must be live, no directory, and in no other list of the kind.
    unsafe fn remove(&mut self, inode: NonNull<Inode<T>>) {
        // SAFETY: All inodes in the list are live, and `inode` is one of them or in no list.
        unsafe {
            let link = K::link(inode.as_ref());
            if link.state.load(Relaxed) == OUTSIDE {
                return;
            }
            if self.turn == Some(inode) {
                self.turn = self.after(inode);
            }
            let neighbours = self.neighbours(inode);
            let (prev, next) = (neighbours.prev.take(), neighbours.next.take());
            match prev {
                Some(prev) => self.neighbours(prev).next = next,
                None => self.first = next,
            }
            match next {
                Some(next) => self.neighbours(next).prev = prev,
                None => self.last = prev,
            }
            {
                // It was counted when it came in.
                self.len = self.len.wrapping_sub(1);
            }
            // Last of all: the inode may go as soon as that is seen, see `InodeList::remove()`.
            link.state.store(OUTSIDE, Release);
        }
    }
}

/// What the VFS sets in the state of an inode before it evicts it.
const EVICTED: u32 =
    bindings::inode_state_flags_enum_I_FREEING | bindings::inode_state_flags_enum_I_WILL_FREE;

/// Calls `f` where the eviction of an inode has not begun, and keeps it from beginning meanwhile. Takes `i_lock`: an
/// eviction that begins later sees what `f` has done. `f` must not sleep.
fn unless_evicted<T: FileSystem>(inode: &Inode<T>, f: impl FnOnce()) -> bool {
    inode.with_i_lock(|inode| {
        // SAFETY: The inode is live, and its lock held.
        let stays = unsafe { bindings::inode_state_read(inode) } & EVICTED == 0;
        if stays {
            f();
        }
        stays
    })
}

/// An inode that is there until this goes, though its eviction may have begun.
///
/// # Invariants
///
/// Owns one of the pins of the inode, which is no directory, and in the list or being evicted.
pub(crate) struct PinnedInode<'a, T: FileSystem, K: ListKind<T>> {
    list: &'a InodeList<T, K>,
    inode: NonNull<Inode<T>>,
}

impl<T: FileSystem, K: ListKind<T>> Deref for PinnedInode<'_, T, K> {
    type Target = Inode<T>;

    fn deref(&self) -> &Inode<T> {
        // SAFETY: By the type invariants the inode is live.
        unsafe { self.inode.as_ref() }
    }
}

impl<T: FileSystem, K: ListKind<T>> Drop for PinnedInode<'_, T, K> {
    fn drop(&mut self) {
        // From here on only the list is looked at.
        // SAFETY: By the type invariants.
        unsafe { unpin::<T, K>(self.inode) };
        if self.list.waiting.load(Relaxed) > 0 {
            self.list.wake();
        }
    }
}

/// Takes a pin back: the inode may go at once.
///
/// # Safety
///
/// The caller must own a pin of the inode, which is no directory.
unsafe fn unpin<T: FileSystem, K: ListKind<T>>(inode: NonNull<Inode<T>>) {
    // SAFETY: By the caller's promise the inode is live, and no directory.
    let is_last = unsafe { K::link(inode.as_ref()) }.pins.unpin();
    if is_last {
        // SAFETY: The last reference to the inode was left to the pin.
        unsafe { inode.as_ref().sb().delayed_iputs().add(inode) };
    }
}

impl<T: FileSystem, K: ListKind<T>> InodeList<T, K> {
    /// An empty list.
    ///
    /// # Safety
    ///
    /// The type invariants must hold.
    pub(crate) unsafe fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            head <- new_spinlock!(Head::new(), "inode_list"),
            waiting: Atomic::new(0),
            unpinned <- new_condvar!("inode_list_unpinned"),
        })
    }

    /// Wakes those who wait for an inode to be pinned no more.
    #[cold]
    fn wake(&self) {
        // A task that has seen the pin holds the lock until it sleeps.
        let _head = self.head.lock();
        self.unpinned.notify_all();
    }

    /// How many inodes are in the list. Does not sleep.
    pub(crate) fn len(&self) -> usize {
        self.head.lock().len
    }

    /// Adds an inode at the end, if it is not in the list and not being evicted, and pins it: it cannot go as long
    /// as the result lives. Takes `i_lock`; does not sleep.
    ///
    /// # Safety
    ///
    /// The inode must be no directory, not be on its way out, or have pages still, and [`InodeList::remove`] must be
    /// called on this list when it goes.
    #[inline]
    pub(crate) unsafe fn pin(&self, inode: &Inode<T>) -> PinnedInode<'_, T, K> {
        // SAFETY: By the caller's promise.
        let link = unsafe { K::link(inode) };
        // The pin is there before the look at the list: see `for_each()`.
        link.pins.pin();
        // INVARIANT: Just pinned, and soon in the list.
        let pinned = PinnedInode {
            list: self,
            inode: NonNull::from(inode),
        };
        if link.state.load(Relaxed) != LISTED {
            self.list(&pinned);
        }
        pinned
    }

    /// Adds an inode at the end, if it is not in the list and not being evicted.
    #[cold]
    fn list(&self, pinned: &PinnedInode<'_, T, K>) {
        let mut head = self.head.lock();
        unless_evicted(pinned, || {
            // SAFETY: The inode is live, and by the type invariants it is taken out before it goes.
            unsafe { head.insert(pinned.inode) }
        });
    }

    /// Takes an inode that is being evicted out of the list, and waits for the tasks that have pinned it.
    /// Only a task that writes out one of its pages may pin it afterwards. May sleep.
    ///
    /// # Safety
    ///
    /// The eviction of the inode, no directory, must have begun, and it must have been put in no other list of the
    /// kind: it would be taken out of that without its lock.
    pub(crate) unsafe fn remove(&self, inode: &Inode<T>) {
        // SAFETY: By the caller's promise.
        let link = unsafe { K::link(inode) };
        // It is listed no more, and pinned by the list no more, as of when that began, see `unless_evicted()`: where
        // it is in neither it stays so.
        if link.pins.are_none() && link.state.load(Acquire) == OUTSIDE {
            return;
        }
        let mut head = self.head.lock();
        if !link.pins.are_none() {
            // Either this sees the last pin go, or the one who takes it back sees that.
            self.waiting.fetch_add(1, Full);
            // Eviction cannot fail. What has pinned it does one thing to this inode, and a signal that kills the task ends
            // that, too. It is another task: what evicts is no reclaim in that one, see `drop_inode()`.
            while !link.pins.are_none() {
                self.unpinned.wait(&mut head);
            }
            self.waiting.fetch_sub(1, Relaxed);
        }
        // SAFETY: The inode is live, and by the caller's promise in this list or in none.
        unsafe { head.remove(NonNull::from(inode)) };
    }

    /// Calls `f` for each inode, without the lock, in the order of its kind, until one fails; an inode that
    /// `stays_listed` refuses then is taken out of the list. Those whose eviction has begun are left out, and inodes that are
    /// added meanwhile may be missed. May sleep; `stays_listed` must not, and must not use the list.
    ///
    /// The pin of the inode keeps its eviction waiting, but for that by reclaim, which leaves it to the last pin: `f` may
    /// allocate memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use crate::units::PageCount;
    /// use crate::vfs::{FileSystem, SuperBlock};
    /// use core::cell::Cell;
    /// use kernel::prelude::*;
    ///
    /// fn cached_pages<T: FileSystem>(sb: &SuperBlock<T>) -> Result<PageCount> {
    ///     let pages = Cell::new(PageCount::ZERO);
    ///     sb.cached().for_each(
    ///         |inode| !inode.mapping().is_empty(),
    ///         |inode| {
    ///             pages.set(pages.get().saturating_add(inode.cached_pages()));
    ///             Ok(())
    ///         },
    ///     )?;
    ///     Ok(pages.get())
    /// }
    /// ```
    pub(crate) fn for_each(
        &self,
        stays_listed: impl Fn(&Inode<T>) -> bool,
        f: impl FnMut(&Inode<T>) -> Result,
    ) -> Result {
        self.walk(false, stays_listed, f)
    }

    /// [`InodeList::for_each`] that begins behind the inode for which `f` failed in the last such walk, and comes to those
    /// before at the end: walks of a part each come to all. May sleep.
    pub(crate) fn for_each_in_turn(
        &self,
        stays_listed: impl Fn(&Inode<T>) -> bool,
        f: impl FnMut(&Inode<T>) -> Result,
    ) -> Result {
        self.walk(true, stays_listed, f)
    }

    fn walk(
        &self,
        in_turn: bool,
        stays_listed: impl Fn(&Inode<T>) -> bool,
        mut f: impl FnMut(&Inode<T>) -> Result,
    ) -> Result {
        let mut head = self.head.lock();
        let mut next = head.turn.filter(|_| in_turn);
        // A walk that begins with the turn goes on at the start, once, where it comes to some a second time.
        let mut is_to_start = true;
        let mut result = Ok(());
        // Each turn is one inode further, and an inode keeps its place while it is pinned. Those that are added meanwhile
        // are at the end: a walk that begins there does not come to them. Any other does, and ends when it has caught up
        // with reclaim, which adds an inode for a page that it writes out: that takes longer than a turn. An error of `f`
        // ends each walk.
        while result.is_ok() {
            if next.is_none() && is_to_start {
                is_to_start = false;
                next = head.start();
            }
            let Some(inode) = next else {
                break;
            };
            // SAFETY: The inode is in the list, so it is live while the lock is held, and while it
            // is pinned. The pin goes with the lock held, so that the next one is live too.
            unsafe {
                let this = inode.as_ref();
                let link = K::link(this);
                let is_pinned = unless_evicted(this, || {
                    link.pins.pin();
                });
                if !is_pinned {
                    next = head.after(inode);
                    continue;
                }
                // A user's task can list as many inodes as there may be, with nothing left to do for any: each counts
                // for `f`, and others get at the lock after each.
                drop(head);
                result = f(this);
                task::cond_resched();
                head = self.head.lock();
                next = head.after(inode);
                if !stays_listed(this) {
                    // A task that pins it from here on waits for the lock to list it again. One that
                    // has done so before is seen here, beside this one; where it has let go of it again, what it
                    // did to the inode is.
                    link.state.store(LEAVING, Relaxed);
                    smp_mb(Full);
                    if !link.pins.are_one() || stays_listed(this) {
                        link.state.store(LISTED, Relaxed);
                    } else {
                        head.remove(inode);
                    }
                }
                unpin::<T, K>(inode);
                if self.waiting.load(Relaxed) > 0 {
                    self.unpinned.notify_all();
                }
            }
        }
        if in_turn {
            head.turn = next;
        }
        result
    }
}
