// SPDX-License-Identifier: GPL-2.0

//! The folders in sysfs that have the figures of one superblock each, see [`mod@super::figures`].
//!
//! Sysfs makes and removes a folder with a lock held that any task may keep for long: it reads a folder there into memory
//! that is not at hand. Neither mount nor umount may wait for that, with `s_umount` or without: the umounts of a whole
//! machine may have to pass one worker of the kernel's. So they only say what is to be there, and work items see to it, one
//! folder after another. mount(2) waits until its own is there, but not for long. What umount leaves is only taken away
//! later: the next mount most often gets the number that has just become free, and finds its folder there.
//!
//! Lock order: `figure_folders` is below `s_umount`. Neither is memory allocated nor sysfs asked with it held.
//!
//! C headers: `include/linux/sysfs.h`, `include/linux/workqueue.h`.

use super::figures::Files;
use super::folder::Folder;
use super::{DeviceId, FileSystem, Registration};
use crate::bindings;
use core::ptr::NonNull;
use kernel::fmt::Write;
use kernel::prelude::*;
use kernel::rbtree::{RBTree, RBTreeNode};
use kernel::str::NullTerminatedFormatter;
use kernel::sync::{new_condvar, new_mutex, Arc, CondVar, CondVarTimeoutResult, Mutex};
use kernel::time::{msecs_to_jiffies, Instant, Monotonic};
use kernel::workqueue::{new_delayed_work, new_work, DelayedWork, Queue, Work, WorkItem};
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
    /// None also where there was no memory for one.
    folder: Option<SuperFolder<T>>,
}

/// All entries, a number in one of these at most.
struct Entries<T: FileSystem> {
    /// A superblock has the number, and its folder is there.
    settled: RBTree<DeviceId, Entry<T>>,
    /// The folder is there, for the next superblock that gets the number.
    left: RBTree<DeviceId, Entry<T>>,
    /// A folder is to be made. The work item for that takes entries out, and no task else.
    coming: RBTree<DeviceId, Entry<T>>,
    /// The folder is being taken away. The work item for that takes entries out, and no task else.
    going: RBTree<DeviceId, Entry<T>>,
    /// Whether the work item for that is queued or at work, and sees to all that are left.
    is_clearing: bool,
}

impl<T: FileSystem> Entries<T> {
    /// The entry of a number whose folder is not yet what it is to be.
    fn unsettled(&mut self, device: DeviceId) -> Option<&mut Entry<T>> {
        self.coming
            .get_mut(&device)
            .or_else(|| self.going.get_mut(&device))
    }
}

/// # Invariants
///
/// While a work item is at work, the types and the folder of the registration are initialised.
#[pin_data]
struct Shared<T: FileSystem> {
    registration: NonNull<Registration<T>>,
    #[pin]
    entries: Mutex<Entries<T>>,
    /// An entry is settled, or not wanted any more.
    #[pin]
    settled: CondVar,
    #[pin]
    making: Work<Self, MAKE>,
    #[pin]
    clearing: DelayedWork<Self, CLEAR>,
}

/// The work items, by what they do. They are two: a folder goes only when the tasks that read its files are done, which no
/// mount waits for.
const MAKE: u64 = 0;
const CLEAR: u64 = 1;

// SAFETY: Nothing in it is tied to a task; what a registration has may be used by any.
unsafe impl<T: FileSystem> Send for Shared<T> {}
// SAFETY: What changes in it does so with the mutex held.
unsafe impl<T: FileSystem> Sync for Shared<T> {}

impl_has_work! {
    impl{T: FileSystem} HasWork<Self, MAKE> for Shared<T> { self.making }
}

impl_has_delayed_work! {
    impl{T: FileSystem} HasDelayedWork<Self, CLEAR> for Shared<T> { self.clearing }
}

impl<T: FileSystem> WorkItem<MAKE> for Shared<T> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.make();
    }
}

impl<T: FileSystem> WorkItem<CLEAR> for Shared<T> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.clear();
    }
}

/// Where the work items wait for their turn: for those that take long, on any processor.
fn queue() -> &'static Queue {
    // SAFETY: The kernel has it from its start to its end.
    unsafe { Queue::from_raw(bindings::system_dfl_long_wq.cast()) }
}

impl<T: FileSystem> Shared<T> {
    /// Has the folders made that are coming; also if some are being made just now.
    fn begin_to_make(self: &Arc<Self>) {
        // Where it is queued already, the reference comes back.
        drop(queue().enqueue::<_, MAKE>(self.clone()));
    }

    /// Has the folders taken away that are left, after a while.
    fn begin_to_clear(self: &Arc<Self>, entries: &mut Entries<T>) {
        if !core::mem::replace(&mut entries.is_clearing, true) {
            let delay = msecs_to_jiffies(LONGEST_LEFT);
            // Where it has just come to its end, it is not queued any more.
            drop(queue().enqueue_delayed::<_, CLEAR>(self.clone(), delay));
        }
    }

    /// Makes the folders that are coming. Without memory there is none. May sleep, for as long as any task reads in sysfs.
    fn make(self: &Arc<Self>) {
        let mut entries = self.entries.lock();
        // Ends: each round takes an entry out. Mounts alone put some in, and `clear()` for them.
        while let Some(at) = entries.coming.cursor_front_mut() {
            let (&device, entry) = at.current();
            if !entry.is_wanted {
                drop(at.remove_current().1);
                continue;
            }
            drop(entries);
            // SAFETY: By the type invariants.
            let folder = unsafe { SuperFolder::new(self.registration, device) };
            if let Err(e) = &folder {
                let (major, minor) = (device.major(), device.minor());
                pr_warn!("no figures of {major}:{minor}: {e:?}\n");
            }
            entries = self.entries.lock();
            let Some(mut at) = entries.coming.find_mut(&device) else {
                continue;
            };
            let entry = at.get_mut();
            entry.folder = folder.ok();
            let is_wanted = entry.is_wanted;
            let node = at.remove_node();
            if is_wanted {
                entries.settled.insert(node);
            } else {
                entries.left.insert(node);
                self.begin_to_clear(&mut entries);
            }
            self.settled.notify_all();
        }
    }

    /// Takes away the folders that are left, those that were left just now, too. May sleep, for as long as any task reads
    /// in sysfs, or one of their files.
    fn clear(self: &Arc<Self>) {
        let mut entries = self.entries.lock();
        // Ends: each round takes an entry out. Umounts alone leave more.
        while let Some(mut at) = entries.left.cursor_front_mut() {
            let (&device, entry) = at.current_mut();
            let folder = entry.folder.take();
            let node = at.remove_current().1;
            entries.going.insert(node);
            drop(entries);
            drop(folder);
            entries = self.entries.lock();
            let Some(at) = entries.going.find_mut(&device) else {
                continue;
            };
            let is_wanted = at.get().is_wanted;
            let node = at.remove_node();
            if is_wanted {
                entries.coming.insert(node);
                self.begin_to_make();
            }
        }
        entries.is_clearing = false;
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
        // INVARIANT: By the caller's promise, and drop waits for the work items.
        let shared = pin_init!(Shared {
            registration,
            entries <- new_mutex!(Entries {
                settled: RBTree::new(),
                left: RBTree::new(),
                coming: RBTree::new(),
                going: RBTree::new(),
                is_clearing: false,
            }, "figure_folders"),
            settled <- new_condvar!("figure_folders_settled"),
            making <- new_work!("figure_folders_making"),
            clearing <- new_delayed_work!("figure_folders_clearing"),
        });
        Ok(Self(Arc::pin_init(shared, GFP_KERNEL)?))
    }

    /// A superblock has got this number, and is to have a folder. Returns whether that is still to come. May sleep; fails
    /// with `ENOMEM`.
    pub(super) fn want(&self, device: DeviceId) -> Result<bool> {
        if T::FIGURES.is_empty() {
            return Ok(false);
        }
        let mut entries = self.0.entries.lock();
        if let Some(mut at) = entries.left.find_mut(&device) {
            let entry = at.get_mut();
            entry.is_wanted = true;
            let is_there = entry.folder.is_some();
            let node = at.remove_node();
            if is_there {
                entries.settled.insert(node);
                return Ok(false);
            }
            entries.coming.insert(node);
        } else if let Some(entry) = entries.unsettled(device) {
            entry.is_wanted = true;
        } else {
            // Umounts take the lock, which are what reclaim may be waiting for.
            drop(entries);
            let entry = Entry {
                is_wanted: true,
                folder: None,
            };
            let node = RBTreeNode::new(device, entry, GFP_KERNEL)?;
            // There is no entry yet: the number is the caller's.
            self.0.entries.lock().coming.insert(node);
        }
        self.0.begin_to_make();
        Ok(true)
    }

    /// It is to have none any more; there may be one for a while. May sleep, but not for long.
    pub(super) fn forget(&self, device: DeviceId) {
        let mut entries = self.0.entries.lock();
        if let Some(mut at) = entries.settled.find_mut(&device) {
            at.get_mut().is_wanted = false;
            let node = at.remove_node();
            entries.left.insert(node);
            self.0.begin_to_clear(&mut entries);
        } else if let Some(entry) = entries.unsettled(device) {
            entry.is_wanted = false;
            self.0.settled.notify_all();
        }
    }

    /// Waits until the folder of a superblock is there, or could not be made; no longer than a second, nor when the task
    /// gets a signal. May sleep.
    pub(super) fn wait(&self, device: DeviceId) {
        let mut entries = self.0.entries.lock();
        let mut begin = None;
        // Ends: there is less left with time.
        while entries.unsettled(device).is_some_and(|at| at.is_wanted) {
            let begin: &Instant<Monotonic> = begin.get_or_insert_with(Instant::now);
            let passed = u32::try_from(begin.elapsed().as_millis()).unwrap_or(u32::MAX);
            let left = msecs_to_jiffies(LONGEST_WAIT.saturating_sub(passed));
            let woken = self
                .0
                .settled
                .wait_interruptible_timeout(&mut entries, left);
            if !matches!(woken, CondVarTimeoutResult::Woken { .. }) {
                return;
            }
        }
    }
}

impl<T: FileSystem> Drop for FigureFolders<T> {
    fn drop(&mut self) {
        // SAFETY: The work item is initialised. No task queues it any more, nor does the other one, since no superblock is
        // left; after this it is not at work, and no folder comes.
        unsafe { bindings::flush_work(Work::raw_get(&raw const self.0.making).cast()) };
        // CAST: The one is a transparent wrapper of the other.
        let clearing = (&raw const self.0.clearing).cast_mut().cast();
        // SAFETY: Likewise; after this it is not at work, and no folder is left.
        unsafe { bindings::flush_delayed_work(clearing) };
    }
}
