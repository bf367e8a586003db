// SPDX-License-Identifier: GPL-2.0

//! References to inodes that reclaim drops, and that go later.
//!
//! No inode or name of ours is in an LRU list, but a name of a file system on top, overlayfs say, may be the last to hold
//! an inode, and goes when memory is reclaimed. Eviction waits for the tasks that have pinned the inode. One of them may
//! need memory: it may be the very task that reclaims it. So reclaim for an allocation evicts no inode that is pinned. It
//! leaves the reference to the last pin, and a work item drops it then, with no lock held.
//!
//! C headers: `include/linux/fs.h`, `include/linux/workqueue.h`.

use super::file_system::Memory;
use super::pins::Pins;
use super::workqueue::OwnQueue;
use super::{FileSystem, FileType, Inode, SuperBlock};
use crate::bindings;
use crate::mm::task;
use core::ptr::NonNull;
use kernel::impl_has_work;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full};
use kernel::sync::{new_condvar, new_spinlock, Arc, CondVar, SpinLock};
use kernel::workqueue::{new_work, Work, WorkItem};

/// How many references to inodes of a superblock go later.
pub(super) struct Delayed(Atomic<u32>);

/// None does any more: the superblock is shut down. There are not as many inodes.
const CLOSED: u32 = 1 << 31;

impl Delayed {
    pub(super) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Counts one more; false where the superblock is shut down.
    fn begin(&self) -> bool {
        self.0.fetch_add(1, Full) & CLOSED == 0
    }

    /// One has gone.
    fn end(&self) {
        self.0.fetch_sub(1, Full);
    }

    /// Lets none begin any more, where none is left; returns whether that is so.
    fn close(&self) -> bool {
        self.0.cmpxchg(0, CLOSED, Full).is_ok()
    }
}

/// The inodes whose references the work item drops: the first one, and by `i_lru` the others, which the VFS uses only
/// where there is no reference.
///
/// # Invariants
///
/// Owns a reference to each inode, which the superblock has counted.
struct Waiting<T: FileSystem>(Option<NonNull<Inode<T>>>);

// SAFETY: A reference to an inode may be dropped by any task.
unsafe impl<T: FileSystem> Send for Waiting<T> {}

/// Where the VFS keeps the place of an inode in an LRU list.
///
/// # Safety
///
/// The inode must be live.
unsafe fn place<T: FileSystem>(inode: NonNull<Inode<T>>) -> *mut bindings::list_head {
    // SAFETY: By the caller's promise; no reference is made to what it has.
    unsafe { &raw mut (*inode.as_ref().as_ptr()).i_lru }
}

impl<T: FileSystem> Waiting<T> {
    /// # Safety
    ///
    /// The caller must own a reference to the inode, which the superblock has counted, and gives it away.
    unsafe fn push(&mut self, inode: NonNull<Inode<T>>) {
        let next = self.0.replace(inode).map_or(core::ptr::null_mut(), |next| {
            // SAFETY: By the type invariants.
            unsafe { place(next) }
        });
        // SAFETY: By the caller's promise the inode has a reference, so that the VFS leaves the field alone.
        unsafe { (*place(inode)).next = next };
    }

    /// One of them, with its reference.
    fn pop(&mut self) -> Option<NonNull<Inode<T>>> {
        let inode = self.0?;
        // SAFETY: By the type invariants.
        let place = unsafe { place(inode) };
        // SAFETY: By the type invariants the inode has a reference, so that the VFS leaves the field alone.
        let next = unsafe { core::mem::replace(&mut (*place).next, place) };
        self.0 = NonNull::new(next).map(|next| {
            // SAFETY: It is the field of the next inode.
            unsafe {
                NonNull::new_unchecked(kernel::container_of!(next.as_ptr(), bindings::inode, i_lru))
            }
            .cast()
        });
        Some(inode)
    }
}

/// What the work item needs.
#[pin_data]
struct Shared<T: FileSystem> {
    #[pin]
    waiting: SpinLock<Waiting<T>>,
    /// A reference has gone.
    #[pin]
    dropped: CondVar,
    #[pin]
    work: Work<Self>,
}

impl_has_work! {
    impl{T: FileSystem} HasWork<Self> for Shared<T> { self.work }
}

impl<T: FileSystem> WorkItem for Shared<T> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        // Ends: each round drops one, and only reclaim adds some.
        loop {
            let Some(inode) = this.waiting.lock().pop() else {
                return;
            };
            // SAFETY: The reference is this function's now.
            let inode = unsafe { inode.as_ref() }.as_ptr();
            // SAFETY: The inode is live. The superblock waits for what it has counted, see `close()`.
            let sb = unsafe { SuperBlock::<T>::from_raw((*inode).i_sb) };
            // SAFETY: The reference is this function's, and the inode used no more.
            unsafe { bindings::iput(inode) };
            let waiting = this.waiting.lock();
            // The superblock may go as soon as the lock has been released.
            sb.delayed().end();
            this.dropped.notify_all();
            drop(waiting);
            task::cond_resched();
        }
    }
}

/// The references of all superblocks of a type that go later, one after another.
pub(super) struct DelayedIputs<T: FileSystem> {
    shared: Arc<Shared<T>>,
    queue: OwnQueue,
}

impl<T: FileSystem> DelayedIputs<T> {
    /// None yet. Fails with `ENOMEM`.
    ///
    /// # Safety
    ///
    /// When the result is dropped, there must be no superblock of the type, and no task in [`DelayedIputs::add`].
    pub(super) unsafe fn new() -> Result<Self> {
        let shared = pin_init!(Shared {
            waiting <- new_spinlock!(Waiting(None), "delayed_iputs"),
            dropped <- new_condvar!("delayed_iputs_dropped"),
            work <- new_work!("delayed_iputs_work"),
        });
        Ok(Self {
            shared: Arc::pin_init(shared, GFP_KERNEL)?,
            queue: OwnQueue::new(T::NAME)?,
        })
    }

    /// Drops a reference later, and soon. Does not sleep.
    ///
    /// # Safety
    ///
    /// The caller must own the reference, which [`drop_inode`] has left.
    pub(super) unsafe fn add(&self, inode: NonNull<Inode<T>>) {
        // SAFETY: By the caller's promise.
        unsafe { self.shared.waiting.lock().push(inode) };
        // Where it is queued already, the reference to the work item comes back.
        drop(self.queue.enqueue(self.shared.clone()));
    }

    /// Waits until those of a superblock that is shut down have gone. May sleep.
    pub(super) fn close(&self, of_super: &Delayed) {
        let mut waiting = self.shared.waiting.lock();
        // Ends: what is counted is with the work item, or with a pin, and what is not mounted any more gets no more.
        while !of_super.close() {
            self.shared.dropped.wait(&mut waiting);
        }
    }
}

impl<T: FileSystem> Inode<T> {
    /// Whether reclaim has dropped the last reference, so that the inode is about to go; a snapshot. It may be found
    /// again, by a file handle.
    pub(crate) fn is_left_to_pin(&self) -> bool {
        // SAFETY: It is no directory where it comes to that.
        self.file_type() != FileType::Directory && unsafe { pins(self) }.any(Pins::is_left)
    }
}

/// All pins of an inode, those first that may last.
///
/// # Safety
///
/// The inode must be no directory.
unsafe fn pins<T: FileSystem>(inode: &Inode<T>) -> impl Iterator<Item = &Pins> + Clone {
    // SAFETY: By the caller's promise.
    let (memory, cached) = unsafe { (T::Memory::pins(inode), inode.cached_link().pins()) };
    [memory, Some(cached)].into_iter().flatten()
}

/// `super_operations::drop_inode`: an inode without a reference is evicted at once, as by `inode_just_drop()`, unless it is
/// pinned, and the task in reclaim.
///
/// # Safety
///
/// `inode` must be a live inode of a live superblock of `T`, with `i_lock` held and no reference left.
pub(super) unsafe extern "C" fn drop_inode<T: FileSystem>(inode: *mut bindings::inode) -> c_int {
    // SAFETY: By the caller's promise.
    c_int::from(!task::is_reclaiming() || !unsafe { leave::<T>(inode) })
}

/// Leaves the last reference to the last pin of the inode; false where there is none.
///
/// # Safety
///
/// That of [`drop_inode`].
#[cold]
unsafe fn leave<T: FileSystem>(inode: *mut bindings::inode) -> bool {
    // SAFETY: By the caller's promise.
    let this = unsafe { Inode::<T>::from_raw(inode) };
    // What does not go here stays only where the VFS may keep what is in no use.
    // SAFETY: By the caller's promise.
    let may_stay = unsafe {
        bindings::inode_state_read(inode) & bindings::inode_state_flags_enum_I_DONTCACHE == 0
            && (&raw const (*(*inode).i_sb).s_flags).read_volatile() & bindings::SB_ACTIVE != 0
    };
    if !may_stay || this.file_type() == FileType::Directory {
        return false;
    }
    // SAFETY: It is no directory.
    let mut pins = unsafe { pins(this) };
    if pins.clone().all(Pins::are_none) || !this.sb().delayed().begin() {
        return false;
    }
    // SAFETY: By the caller's promise the lock is held.
    unsafe { bindings::__iget(inode) };
    if !pins.any(Pins::leave) {
        // SAFETY: The reference was just taken, and counted.
        unsafe { this.sb().delayed_iputs().add(NonNull::from(this)) };
    }
    true
}
