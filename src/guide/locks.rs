// SPDX-License-Identifier: GPL-2.0

//! All locks: the order in which they are taken.
//!
//! Indented below a lock is what may be taken while it is held. Those of the module have the name that lockdep
//! shows, the others are the kernel's, whose own order is at the head of `mm/rmap.c` and `mm/filemap.c` and in
//! `Documentation/filesystems/directory-locking.rst`.
//!
//! ```text
//! sb->s_umount                  (mount, remount and umount, quotactl; the shrinker tries it)
//!   dquot->dq_lock              (quotactl; as below i_rwsem)
//!   rtmpfs_quota                (quotactl: the next id)
//!   inode_list                  (the shrinker walks)
//!   mount_policy                (remount)
//!   folio lock                  (umount evicts inodes, the shrinker splits folios; as below i_rwsem)
//! inode->i_rwsem                (directories: parent before child; not reading, not faulting)
//!   dquot->dq_lock              (a new inode, or one that changes its owner; memory without __GFP_FS below it)
//!     rtmpfs_quota
//!       inode_list              (the shrinker counts, in any task that allocates memory)
//!     dquot->dq_dqb_lock
//!   mount_policy                (a new inode)
//!   export_hashing              (fanotify and nfsd tell of a change; as below)
//!   mapping->i_mmap_rwsem       (unmapping a range before it is truncated)
//!   mm->mmap_lock               (the user's buffer of a write is faulted in; or the lock of the VMA)
//!     shared_policy->lock       (where a new page goes)
//!     inode->i_lock             (a fault asks for a punch)
//!     folio lock                (one at a time; more by trying only)
//!       mapping->i_mmap_rwsem   (a mapped folio is truncated or split)
//!         rtmpfs_page_counts    (a page is removed or counted meanwhile)
//!       inode_list              (a folio goes to swap, or reaches beyond the end of its file)
//!         inode->i_lock         (whether the inode is being evicted)
//!       rtmpfs_page_counts      (a page is added, goes to swap, comes back)
//!       inode->i_lock           (i_blocks; an allocated page, and reclaim that wants it)
//!         dquot->dq_dqb_lock    (bytes)
//!         mapping->i_pages      (interrupts off; also without i_lock)
//! sb->s_inode_list_lock         (a figure is read; the VFS lists a new inode)
//!   inode->i_lock
//! export_hashing                (a file handle is made)
//!   inode_hash_lock
//!     inode->i_lock
//! ```
//!
//! What is below the folio lock is taken without it, too: below `i_rwsem`, by eviction, by stat(2), by khugepaged.
//!
//! # The module's own
//!
//! | lock | is | protects | under it |
//! | --- | --- | --- | --- |
//! | `rtmpfs_page_counts` | `tmpfs::state::inode::InodeInfo::counting` | the counts of a file's pages | nothing |
//! | `rtmpfs_quota` | `tmpfs::state::quota::Quota::users`, `tmpfs::state::quota::Quota::groups` | the limits of each id; a mutex | memory is allocated, so `inode_list` |
//! | `inode_list` | `vfs::inode_list::InodeList::head` | the links of the inodes in a list | that of its wait queue, `inode_list_unpinned`, or `i_lock` |
//! | `export_hashing` | `vfs::export::Exports::hashing` | that an inode is hashed once | `inode_hash_lock`; for a random number `batched_entropy_u32.lock` |
//! | `mount_policy` | `mm::mempolicy::MountPolicy::policy` | the policy of a mount | nothing |
//!
//! All but `rtmpfs_quota` are spinlocks, and no two of those are ever held at once: each is taken and released within
//! one function, that of `inode_list` around its own walk only.
//!
//! # The kernel's
//!
//! Those of them that lockdep knows, which are all but the folio lock; a class has a number behind its name where
//! there are several, one for each file system type or place that initialises it.
//!
//! | lock | in lockdep |
//! | --- | --- |
//! | `sb->s_umount` | `&type->s_umount_key` |
//! | `inode->i_rwsem` | `&sb->s_type->i_mutex_key`, `&type->i_mutex_dir_key` |
//! | `dquot->dq_lock` | `&dquot->dq_lock` |
//! | `dquot->dq_dqb_lock` | `&dquot->dq_dqb_lock` |
//! | `mm->mmap_lock` | `&mm->mmap_lock`, `vm_lock` |
//! | `shared_policy->lock` | `&sp->lock` |
//! | `mapping->i_mmap_rwsem` | `&mapping->i_mmap_rwsem` |
//! | `sb->s_inode_list_lock` | `&s->s_inode_list_lock` |
//! | `inode->i_lock` | `&sb->s_type->i_lock_key` |
//! | `mapping->i_pages` | `&xa->xa_lock` |
//! | `inode_hash_lock` | `inode_hash_lock` |
//!
//! `tests/run/lockdep` compares what lockdep saw in the tests on the debug kernel with this page.
//!
//! # Why it holds
//!
//! - **Reclaim comes from below.** It calls `shmem::writeout::writeout` with a folio locked, in any task that
//!   allocates memory. What that takes (`inode_list`, `rtmpfs_page_counts`, `i_lock`,
//!   `dq_dqb_lock`, `i_pages`) is spinlocks, which no task holds while it allocates; it never waits for `i_rwsem`
//!   or `dq_lock`.
//! - **One folio lock at a time.** `tmpfs::data::lookup::find_or_make` waits for one with none held.
//!   `mm::removal::find_locked` and `tmpfs::data::beyond_eof::split_last`, which may run while another folio is
//!   locked or lock several, only try. Bringing a page back from swap locks the folio of the swap cache, with none of
//!   the file locked.
//! - **No fault with a folio locked.** `tmpfs::data::write::write_some` copies with faults off, and the buffer is
//!   faulted in when the folio is unlocked again; a read copies from a folio that it has no lock of.
//! - **Counts are changed first, given back after.** `tmpfs::data::page_accounting` takes `i_lock`, and asks the
//!   quota core, with `rtmpfs_page_counts` released.
//! - **A pinned inode is like a lock.** Eviction, once begun, is seen by `vfs::inode_list::InodeList::for_each`, which
//!   passes by; for those who were there before it waits in `vfs::inode_list::InodeList::remove` for the last pin. A
//!   task that has one waits for folio locks and memory. Eviction holds no folio lock, and reclaim evicts no inode
//!   of this file system: names are pinned, and inodes are in no LRU list.
//! - **A fault waits for a punch** (`tmpfs::data::fallocate::wait_for_punch`) with `mmap_lock` released where the
//!   MM can try again, once, and the puncher takes no `mmap_lock`.
//! - **Switches need no lock.** What is switched (`shmem::switches`) is one word. A mount of the kernel's own is found in a
//!   section of RCU, and `vfs::kernel_mount::PublishedMount` gives it out to be unmounted, which waits for a grace period, only after
//!   no task can find it any more. A file in sysfs is taken away, which waits for the tasks that write to it, with no lock held.
//! - **A figure of the type waits for umount, umount for a figure of its mount.** The tasks that read a file in sysfs are to
//!   lockdep the holders of a lock (`kn->active`), which who takes the file away takes. A file of the type is read with
//!   `s_umount` taken below it; one of a superblock (`vfs::figures`), which umount takes away with `s_umount` held, without.
//!   Two classes tell them apart. Both may drop the last reference to an inode, with no spinlock held, and evict it.
//! - **Quota allocates under `dq_lock`**, so `vfs::quota::LockedRecord` begins a scope without `__GFP_FS`: reclaim in
//!   that task writes out no folio of a file and frees nothing of a superblock. What it does all the same is to count
//!   what superblocks could free, without `s_umount` (`vfs::superblock::nr_cached_objects`).
