// SPDX-License-Identifier: GPL-2.0

//! The folders in sysfs that have the figures of one superblock each, see [`mod@super::figures`].
//!
//! Sysfs makes and removes a folder with a lock held that any task may keep for long: it reads a folder there into memory
//! that is not at hand. Neither mount nor umount may wait for that, with `s_umount` or without: the umounts of a whole
//! machine may have to pass one worker of the kernel's. So they only say what is to be there, and a work item sees to it,
//! one folder after another. mount(2) waits until its own is there, but not for long. What umount leaves is only seen to
//! later: the next mount most often gets the number that has just become free, and finds its folder there.
//!
//! Lock order: `figure_folders` is below `s_umount`; memory is allocated with it held. It is not held while sysfs is asked.
//!
//! C headers: `include/linux/sysfs.h`, `include/linux/workqueue.h`.

use super::figures::Files;
use super::folder::Folder;
use super::{DeviceId, FileSystem, Registration};
use crate::bindings;
use core::ptr::NonNull;
use kernel::fmt::Write;
use kernel::prelude::*;
use kernel::rbtree::RBTree;
use kernel::str::NullTerminatedFormatter;
use kernel::sync::{new_condvar, new_mutex, Arc, CondVar, CondVarTimeoutResult, Mutex};
use kernel::time::msecs_to_jiffies;
use kernel::workqueue::{self, new_delayed_work, new_work, DelayedWork, Work, WorkItem};
use kernel::{impl_has_delayed_work, impl_has_work};

/// How long mount(2) waits for a folder, in milliseconds.
const LONGEST_WAIT: u32 = 1000;

/// How long a folder is left for the next superblock with its number, at most, in milliseconds.
const LONGEST_LEFT: u32 = 1000;

/// The folder of a superblock, with the files of its figures.
struct SuperFolder<T: FileSystem> {
    // Dropped before what the tasks that read the files look at: they go with it.
    _folder: Folder,
    _files: Files<T>,
}

impl<T: FileSystem> SuperFolder<T> {
    /// Makes a folder in that of the registration. May sleep; fails with `ENOMEM`.
    ///
    /// # Safety
    ///
    /// The types and the folder of `registration` must be initialised, and stay until the result has been dropped.
    unsafe fn new(registration: NonNull<Registration<T>>, device: DeviceId) -> Result<Self> {
        // Four digits of the major number, seven of the minor one.
        let mut buffer = [0; 16];
        let mut text = NullTerminatedFormatter::new(&mut buffer).ok_or(ENOMEM)?;
        write!(text, "{}:{}", device.major(), device.minor())?;
        let name = CStr::from_bytes_until_nul(&buffer).map_err(|_| ENAMETOOLONG)?;

        // SAFETY: By the caller's promise the types stay until the files are out of sysfs.
        let files = unsafe { Files::new(registration, Some(device))? };
        // SAFETY: By the caller's promise.
        let folder = unsafe { Registration::folder_of(registration).folder(name)? };
        for attribute in files.attributes() {
            // SAFETY: The attribute is complete, and dropped later than the folder.
            unsafe { folder.list(attribute)? };
        }
        Ok(Self {
            _folder: folder,
            _files: files,
        })
    }
}

/// What there is for a device number. It may belong to another superblock as soon as the one that had it is shut down; then
/// the folder, whose files look for the superblock with the number, is that of the other one.
struct Entry<T: FileSystem> {
    /// Whether a superblock has the number.
    is_wanted: bool,
    /// Whether the work item has tried to make a folder for it.
    is_tried: bool,
    folder: Option<SuperFolder<T>>,
}

impl<T: FileSystem> Entry<T> {
    /// The superblock goes; for another one a folder is tried anew.
    fn unwant(&mut self) {
        self.is_wanted = false;
        self.is_tried = false;
    }
}

struct Entries<T: FileSystem> {
    /// What is as it is to be.
    settled: RBTree<DeviceId, Entry<T>>,
    /// What no superblock has the number of any more, for the next one that gets it.
    left: RBTree<DeviceId, Entry<T>>,
    /// What the work item is to see to. It alone takes something out.
    changed: RBTree<DeviceId, Entry<T>>,
}

impl<T: FileSystem> Entries<T> {
    /// Whether there is a superblock whose folder the work item has not seen to yet.
    fn is_coming(&self, device: DeviceId) -> bool {
        self.changed
            .get(&device)
            .is_some_and(|entry| entry.is_wanted)
    }
}

/// # Invariants
///
/// While the work item is at work, the types and the folder of the registration are initialised.
#[pin_data]
struct Shared<T: FileSystem> {
    registration: NonNull<Registration<T>>,
    #[pin]
    entries: Mutex<Entries<T>>,
    /// An entry is not to be seen to any more.
    #[pin]
    settled: CondVar,
    #[pin]
    work: Work<Self, SETTLE>,
    #[pin]
    clearing: DelayedWork<Self, CLEAR>,
}

/// The work items, by what they do.
const SETTLE: u64 = 0;
const CLEAR: u64 = 1;

// SAFETY: Nothing in it is tied to a task; what a registration has may be used by any.
unsafe impl<T: FileSystem> Send for Shared<T> {}
// SAFETY: What changes in it does so with the mutex held.
unsafe impl<T: FileSystem> Sync for Shared<T> {}

impl_has_work! {
    impl{T: FileSystem} HasWork<Self, SETTLE> for Shared<T> { self.work }
}

impl_has_delayed_work! {
    impl{T: FileSystem} HasDelayedWork<Self, CLEAR> for Shared<T> { self.clearing }
}

impl<T: FileSystem> WorkItem<SETTLE> for Shared<T> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.settle();
    }
}

impl<T: FileSystem> WorkItem<CLEAR> for Shared<T> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.clear();
        begin(this);
    }
}

/// Has the work item look at what was changed; also if it is at work just now.
fn begin<T: FileSystem>(shared: Arc<Shared<T>>) {
    // Where it is queued already, the reference comes back.
    drop(workqueue::system_long().enqueue::<_, SETTLE>(shared));
}

impl<T: FileSystem> Shared<T> {
    /// The folders that were left are to go, those that were left just now, too. May sleep.
    fn clear(&self) {
        let mut entries = self.entries.lock();
        let Entries { left, changed, .. } = &mut *entries;
        while let Some(at) = left.cursor_front_mut() {
            changed.insert(at.remove_current().1);
        }
    }

    /// Makes the folders that are wanted, and takes away the others. Without memory there is no folder. May sleep, for as
    /// long as any task reads there.
    fn settle(&self) {
        let mut entries = self.entries.lock();
        // Each round brings an entry a step further, of three at most; mounts and umounts alone make more of them.
        while let Some(device) = entries.changed.cursor_front().map(|at| *at.current().0) {
            let Some(entry) = entries.changed.get_mut(&device) else {
                return;
            };
            match entry.folder.take() {
                None if entry.is_wanted && !entry.is_tried => {
                    entry.is_tried = true;
                    drop(entries);
                    // SAFETY: By the type invariants; when the registration is dropped, no entry is wanted.
                    let folder = unsafe { SuperFolder::new(self.registration, device) };
                    if let Err(e) = &folder {
                        let (major, minor) = (device.major(), device.minor());
                        pr_warn!("no figures of {major}:{minor}: {e:?}\n");
                    }
                    entries = self.entries.lock();
                    if let Some(entry) = entries.changed.get_mut(&device) {
                        entry.folder = folder.ok();
                    }
                }
                folder if entry.is_wanted => {
                    entry.folder = folder;
                    if let Some(node) = entries.changed.remove_node(&device) {
                        entries.settled.insert(node);
                    }
                    self.settled.notify_all();
                }
                None => {
                    entries.changed.remove(&device);
                    self.settled.notify_all();
                }
                folder => {
                    drop(entries);
                    drop(folder);
                    entries = self.entries.lock();
                }
            }
        }
    }
}

/// The folders of all superblocks of a type, by their device numbers.
pub(super) struct FigureFolders<T: FileSystem>(Arc<Shared<T>>);

impl<T: FileSystem> FigureFolders<T> {
    /// None yet. Fails with `ENOMEM`.
    ///
    /// # Safety
    ///
    /// The types and the folder of `registration` must be initialised, and stay until the result has been dropped. When it
    /// is, there must be no superblock of the type.
    pub(super) unsafe fn new(registration: NonNull<Registration<T>>) -> Result<Self> {
        // INVARIANT: By the caller's promise, and drop waits for the work item.
        let shared = pin_init!(Shared {
            registration,
            entries <- new_mutex!(Entries {
                settled: RBTree::new(),
                left: RBTree::new(),
                changed: RBTree::new(),
            }, "figure_folders"),
            settled <- new_condvar!("figure_folders_settled"),
            work <- new_work!("figure_folders_work"),
            clearing <- new_delayed_work!("figure_folders_clearing"),
        });
        Ok(Self(Arc::pin_init(shared, GFP_KERNEL)?))
    }

    /// A superblock has got this number, and is to have a folder. May sleep; fails with `ENOMEM`.
    pub(super) fn want(&self, device: DeviceId) -> Result {
        if T::FIGURES.is_empty() {
            return Ok(());
        }
        let mut entries = self.0.entries.lock();
        if let Some(mut at) = entries.left.find_mut(&device) {
            let entry = at.get_mut();
            entry.is_wanted = true;
            let is_there = entry.folder.is_some();
            let node = at.remove_node();
            if is_there {
                entries.settled.insert(node);
                return Ok(());
            }
            entries.changed.insert(node);
        } else if let Some(entry) = entries.changed.get_mut(&device) {
            entry.is_wanted = true;
        } else {
            let entry = Entry {
                is_wanted: true,
                is_tried: false,
                folder: None,
            };
            entries
                .changed
                .try_create_and_insert(device, entry, GFP_KERNEL)?;
        }
        drop(entries);
        begin(self.0.clone());
        Ok(())
    }

    /// It is to have none any more; there may be one for a while. May sleep.
    pub(super) fn forget(&self, device: DeviceId) {
        let mut entries = self.0.entries.lock();
        if let Some(mut at) = entries.settled.find_mut(&device) {
            at.get_mut().unwant();
            let node = at.remove_node();
            entries.left.insert(node);
            drop(entries);
            // Where it waits already, the reference comes back.
            let delay = msecs_to_jiffies(LONGEST_LEFT);
            drop(workqueue::system_long().enqueue_delayed(self.0.clone(), delay));
        } else if let Some(entry) = entries.changed.get_mut(&device) {
            entry.unwant();
            drop(entries);
            begin(self.0.clone());
        }
    }

    /// Waits until the folder of a superblock is there, or could not be made; no longer than a second, nor when the task
    /// gets a signal. May sleep.
    pub(super) fn wait(&self, device: DeviceId) {
        let mut left = msecs_to_jiffies(LONGEST_WAIT);
        let mut entries = self.0.entries.lock();
        // Ends: there is less left each time.
        while entries.is_coming(device) {
            match self
                .0
                .settled
                .wait_interruptible_timeout(&mut entries, left)
            {
                CondVarTimeoutResult::Woken { jiffies } => left = jiffies,
                _ => return,
            }
        }
    }
}

impl<T: FileSystem> Drop for FigureFolders<T> {
    fn drop(&mut self) {
        // CAST: The one is a transparent wrapper of the other.
        let clearing = (&raw const self.0.clearing).cast_mut().cast();
        // SAFETY: The work item is initialised. No task queues it any more, since no superblock is left; after this it is
        // not at work, and no folder is left for another one.
        unsafe { bindings::flush_delayed_work(clearing) };
        // SAFETY: Likewise, nor does the other work item queue it; after this it is not at work, and no folder is left.
        unsafe { bindings::flush_work(Work::raw_get(&raw const self.0.work).cast()) };
    }
}
