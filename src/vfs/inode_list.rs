// SPDX-License-Identifier: GPL-2.0

//! A list of inodes that does not hold them: an inode leaves it when it is evicted, and that waits
//! for whoever is just looking at it or writing a page of it out.
//!
//! Lock order: the lock of the list is innermost.

use super::{FileSystem, Inode};
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::{new_condvar, new_spinlock, CondVar, SpinLock};

/// An inode's place in a list.
///
/// # Invariants
///
/// Read and written under the lock of the list only. `prev` and `next` are inodes in the list, which
/// are live for as long as they are in it.
pub(super) struct Link<T: FileSystem> {
    prev: Option<NonNull<Inode<T>>>,
    next: Option<NonNull<Inode<T>>>,
    listed: bool,
    /// How many are looking at the inode without the lock.
    pins: u32,
}

impl<T: FileSystem> Link<T> {
    /// The place of an inode that is in no list.
    pub(super) const fn new() -> Self {
        Self {
            prev: None,
            next: None,
            listed: false,
            pins: 0,
        }
    }
}

struct Head<T: FileSystem> {
    first: Option<NonNull<Inode<T>>>,
    /// How many wait for an inode to be pinned no more.
    waiting: u32,
}

// SAFETY: The inodes of a list may be reached from any task.
unsafe impl<T: FileSystem> Send for Head<T> {}

/// A list of inodes of file system `T`; each inode has a place in one list only.
#[pin_data]
pub(crate) struct InodeList<T: FileSystem> {
    #[pin]
    head: SpinLock<Head<T>>,
    #[pin]
    unpinned: CondVar,
}

impl<T: FileSystem> Head<T> {
    /// # Safety
    ///
    /// `inode` must be live; the result must be dropped before another is made.
    unsafe fn link(&mut self, inode: NonNull<Inode<T>>) -> &mut Link<T> {
        // SAFETY: By the caller's promise; the lock of the list, which `self` is behind, protects
        // the link.
        unsafe { &mut *inode.as_ref().list_link() }
    }

    /// Takes a pin of an inode back.
    ///
    /// # Safety
    ///
    /// `inode` must be pinned by the caller.
    unsafe fn unpin(&mut self, inode: NonNull<Inode<T>>, unpinned: &CondVar) {
        // SAFETY: A pinned inode is in the list, so it is live, until its lock is released.
        unsafe { self.link(inode).pins -= 1 };
        // Each page that is swapped out comes here, and hardly ever does anybody wait.
        if self.waiting > 0 {
            unpinned.notify_all();
        }
    }

    /// # Safety
    ///
    /// `inode` must be live and not in the list.
    unsafe fn insert(&mut self, inode: NonNull<Inode<T>>) {
        let first = self.first.replace(inode);
        // SAFETY: All inodes in the list are live, and `inode` is.
        unsafe {
            *self.link(inode) = Link {
                next: first,
                listed: true,
                ..Link::new()
            };
            if let Some(first) = first {
                self.link(first).prev = Some(inode);
            }
        }
    }

    /// # Safety
    ///
    /// `inode` must be in the list.
    unsafe fn remove(&mut self, inode: NonNull<Inode<T>>) {
        // SAFETY: All inodes in the list are live.
        unsafe {
            let link = self.link(inode);
            let (prev, next) = (link.prev.take(), link.next.take());
            link.listed = false;
            match prev {
                Some(prev) => self.link(prev).next = next,
                None => self.first = next,
            }
            if let Some(next) = next {
                self.link(next).prev = prev;
            }
        }
    }
}

/// An inode that cannot be evicted.
///
/// # Invariants
///
/// Owns one of the pins of the inode, which is in the list.
pub(crate) struct PinnedInode<'a, T: FileSystem> {
    list: &'a InodeList<T>,
    inode: NonNull<Inode<T>>,
}

impl<T: FileSystem> Deref for PinnedInode<'_, T> {
    type Target = Inode<T>;

    fn deref(&self) -> &Inode<T> {
        // SAFETY: By the type invariants the inode is live.
        unsafe { self.inode.as_ref() }
    }
}

impl<T: FileSystem> Drop for PinnedInode<'_, T> {
    fn drop(&mut self) {
        let mut head = self.list.head.lock();
        // SAFETY: By the type invariants, the pin is this one's.
        unsafe { head.unpin(self.inode, &self.list.unpinned) };
    }
}

impl<T: FileSystem> InodeList<T> {
    /// An empty list.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            head <- new_spinlock!(Head { first: None, waiting: 0 }, "inode_list"),
            unpinned <- new_condvar!("inode_list"),
        })
    }

    /// Adds an inode, if it is not in the list, and pins it: it cannot go as long as the result
    /// lives. Must not be called on an inode that [`InodeList::remove`] was called on. Does not
    /// sleep.
    pub(crate) fn pin(&self, inode: &Inode<T>) -> PinnedInode<'_, T> {
        let mut head = self.head.lock();
        let inode = NonNull::from(inode);
        // SAFETY: The inode is live, and `remove()` takes it out before it goes.
        unsafe {
            if !head.link(inode).listed {
                head.insert(inode);
            }
            head.link(inode).pins += 1;
        }
        // INVARIANT: Just pinned.
        PinnedInode { list: self, inode }
    }

    /// Takes an inode that is being evicted out of the list, and waits until nobody looks at it.
    /// May sleep.
    pub(crate) fn remove(&self, inode: &Inode<T>) {
        let mut head = self.head.lock();
        let inode = NonNull::from(inode);
        // SAFETY: The inode is live, and in the list where its link says so.
        unsafe {
            while head.link(inode).pins > 0 {
                head.waiting += 1;
                self.unpinned.wait(&mut head);
                head.waiting -= 1;
            }
            if head.link(inode).listed {
                head.remove(inode);
            }
        }
    }

    /// Calls `f` for each inode, without the lock, until one fails; an inode that `keep` refuses is
    /// taken out of the list. Inodes that are added meanwhile may be missed. May sleep.
    pub(crate) fn for_each(
        &self,
        keep: impl Fn(&Inode<T>) -> bool,
        mut f: impl FnMut(&Inode<T>) -> Result,
    ) -> Result {
        let mut head = self.head.lock();
        let mut next = head.first;
        let mut result = Ok(());
        while let Some(inode) = next.filter(|_| result.is_ok()) {
            // SAFETY: The inode is in the list, so it is live, and stays so while it is pinned.
            unsafe {
                if keep(inode.as_ref()) {
                    head.link(inode).pins += 1;
                    drop(head);
                    result = f(inode.as_ref());
                    head = self.head.lock();
                    head.unpin(inode, &self.unpinned);
                }
                next = head.link(inode).next;
                if !keep(inode.as_ref()) && head.link(inode).pins == 0 {
                    head.remove(inode);
                }
            }
        }
        result
    }
}
