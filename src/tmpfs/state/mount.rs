// SPDX-License-Identifier: GPL-2.0

//! What a mount holds: its limits, and what its options say.

use super::quota::{self, Quota, QuotaOptions};
use super::Tmpfs;
use crate::mm::counter::{PerCpuCounter, PerCpuCounters};
use crate::mm::mempolicy::{MountPolicy, Policy};
use crate::shmem::huge as shmem;
use crate::tmpfs::pure::huge_policy::HugePolicy;
use crate::tmpfs::pure::inode_limit::{InodeLimit, InodeSpace, LimitedInodes};
use crate::tmpfs::pure::inode_numbers;
use crate::tmpfs::pure::limits::{Counter, Limit, Limited};
use crate::units::{Ino, PageCount};
use crate::vfs::ids::{Kgid, Kuid};
use crate::vfs::inode::next_anonymous_number;
use crate::vfs::{Mode, SuperBlock};
use kernel::cpu::CpuId;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed, Release};
use pin_init::init_array_from_fn;

/// The counter of the blocks of a mount.
pub(in crate::tmpfs) type SpaceCounter<'a> = PerCpuCounter<'a, 1>;

/// That of its inodes.
pub(in crate::tmpfs) type InodeCounter<'a> = PerCpuCounter<'a, { InodeSpace::INODE_BYTES }>;

impl<const UNIT: i32> Counter for PerCpuCounter<'_, UNIT> {
    fn add(&self, amount: i64) {
        PerCpuCounter::add(*self, amount)
    }

    fn add_limited(&self, limit: i64, amount: i64) -> bool {
        PerCpuCounter::add_limited(*self, limit, amount)
    }

    fn is_at_most(&self, limit: i64) -> bool {
        PerCpuCounter::is_at_most(*self, limit)
    }

    fn sum(&self) -> i64 {
        PerCpuCounter::sum(*self)
    }
}

/// What each new inode changes, apart from what all CPUs read for each page: in no cache line of others, which are of 64
/// bytes on most machines.
#[repr(align(64))]
struct OwnLine<T>(T);

/// How many processors have inode numbers of their own. Each is a cache line of every mount.
const SHARES: usize = 8;

/// No inode numbers: some have to be taken first.
const NO_NUMBER: u64 = 0;

/// No number of a policy for large folios: that of the system.
const AS_SYSTEM_SAYS: u32 = u32::MAX;

/// The file system's part of a superblock.
#[pin_data]
pub(crate) struct SuperInfo {
    /// How many blocks there are, and how many bytes of inodes.
    #[pin]
    counters: PerCpuCounters<2>,
    /// How many blocks there may be. Written with `s_umount` held.
    blocks: Limit,
    /// How many inodes there may be. Written with `s_umount` held.
    inodes: InodeLimit,
    /// Quota, where the mount has any.
    quota: Option<Pin<KBox<Quota>>>,
    /// Whether the kernel has mounted it for itself.
    is_internal: bool,
    /// The next inode number that no processor has taken. Under no lock.
    next_ino: OwnLine<Atomic<u64>>,
    /// The next of the inode numbers that a processor has taken for the files that it makes, or [`NO_NUMBER`]. Under no
    /// lock: a task may have moved to another one, and more processors than these have theirs in common.
    own_inos: [OwnLine<Atomic<u64>>; SHARES],
    /// Whether inode numbers may have 64 bits. Written with `s_umount` held, read without.
    wide_inos: Atomic<bool>,
    /// The memory policy that new files start with; with a lock of its own.
    #[pin]
    pub(in crate::tmpfs) policy: MountPolicy,
    /// The number of the policy for large folios, or [`AS_SYSTEM_SAYS`]. Written with `s_umount` held, read without.
    huge: Atomic<u32>,
    /// Whether an option said so. Written with `s_umount` held, read without.
    huge_is_given: Atomic<bool>,
    /// Whether a file may have pages beyond its end that were made for its growth. Under no lock.
    has_beyond_eof: Atomic<bool>,
    /// Whether those pages were found to be kept. Under no lock.
    kept_beyond_eof: Atomic<bool>,
    /// Whether the pages of this mount stay in memory.
    without_swap: bool,
    /// The mode of the root directory at the time of the mount.
    pub(in crate::tmpfs) mode: Mode,
    /// Its owner.
    pub(in crate::tmpfs) uid: Kuid,
    /// Its group.
    pub(in crate::tmpfs) gid: Kgid,
}

/// What a mount starts with.
pub(in crate::tmpfs) struct NewMount {
    /// Whether the kernel mounts it for itself.
    pub(in crate::tmpfs) is_internal: bool,
    /// The limit of blocks; 0 is none.
    pub(in crate::tmpfs) blocks: PageCount,
    /// The limit of inodes; 0 is none.
    pub(in crate::tmpfs) inodes: u64,
    /// Whether inode numbers may have 64 bits.
    pub(in crate::tmpfs) wide_inos: bool,
    /// Quota of users and groups.
    pub(in crate::tmpfs) quota: QuotaOptions,
    /// The memory policy that new files start with; none is the default one.
    pub(in crate::tmpfs) policy: Option<Policy>,
    /// Where there are to be large folios; none is where the system says at the time.
    pub(in crate::tmpfs) huge: Option<HugePolicy>,
    /// Whether an option said so.
    pub(in crate::tmpfs) huge_is_given: bool,
    /// Whether pages stay in memory.
    pub(in crate::tmpfs) without_swap: bool,
    /// The mode of the root directory.
    pub(in crate::tmpfs) mode: Mode,
    /// The owner of the root directory.
    pub(in crate::tmpfs) uid: Kuid,
    /// The group of the root directory.
    pub(in crate::tmpfs) gid: Kgid,
}

impl SuperInfo {
    /// The file system's part of a new superblock. May sleep; fails with `ENOMEM`.
    pub(in crate::tmpfs) fn new(mount: NewMount) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            counters <- PerCpuCounters::new(),
            blocks: Limit::new(mount.blocks.to_u64()),
            inodes: InodeLimit::new(mount.inodes),
            quota: Quota::new(&mount.quota)?,
            is_internal: mount.is_internal,
            next_ino: OwnLine(Atomic::new(Ino::FIRST.to_u64())),
            // The numbers alone, and not the rest of their lines.
            own_inos <- init_array_from_fn(|_| OwnLine(Atomic::new(NO_NUMBER))),
            wide_inos: Atomic::new(mount.wide_inos),
            policy <- MountPolicy::new(mount.policy),
            huge: Atomic::new(mount.huge.map_or(AS_SYSTEM_SAYS, HugePolicy::as_number)),
            huge_is_given: Atomic::new(mount.huge_is_given),
            has_beyond_eof: Atomic::new(false),
            kept_beyond_eof: Atomic::new(false),
            without_swap: mount.without_swap,
            mode: mount.mode,
            uid: mount.uid,
            gid: mount.gid,
        }? Error)
    }

    /// Blocks, which are pages. The limit is changed with `s_umount` held.
    #[inline(always)]
    pub(in crate::tmpfs) fn blocks(&self) -> Limited<'_, SpaceCounter<'_>> {
        self.blocks.of(self.counters.get::<0, 1>())
    }

    /// Inodes, and what counts as such: names and extended attributes take memory too. The limit is changed with
    /// `s_umount` held.
    #[inline(always)]
    pub(in crate::tmpfs) fn inodes(&self) -> LimitedInodes<'_, InodeCounter<'_>> {
        let counter = self.counters.get::<1, { InodeSpace::INODE_BYTES }>();
        self.inodes.of(counter)
    }

    /// How many blocks and inodes there may be, and how many of them are free, to be shown; 0 and 0 where there is no
    /// limit. Visits all CPUs.
    #[inline]
    pub(in crate::tmpfs) fn shown_limits(&self) -> ((u64, u64), (u64, u64)) {
        let [blocks, inodes] = self.counters.sums();
        (self.blocks().shown(blocks), self.inodes().shown(inodes))
    }

    /// The quota, where the mount has any.
    #[inline(always)]
    pub(in crate::tmpfs) fn quota(&self) -> Option<&Quota> {
        if quota::IS_BUILT_IN {
            self.quota.as_deref()
        } else {
            None
        }
    }

    /// The number for a new inode.
    #[inline]
    pub(in crate::tmpfs) fn next_ino(&self, sb: &SuperBlock<Tmpfs>) -> Ino {
        // All tasks make files there.
        if self.is_internal {
            return next_anonymous_number();
        }
        let processor = CpuId::current().as_u32() as usize;
        let own = &self.own_inos[processor % SHARES].0;
        let mut next = own.load(Relaxed);
        // Goes round only where another task has taken a number of this share.
        loop {
            let is_new = next == NO_NUMBER;
            let ino = if is_new {
                self.take_inos(sb)
            } else {
                Ino::new(next)
            };
            let after = inode_numbers::after(ino).map_or(NO_NUMBER, Ino::to_u64);
            match own.cmpxchg(next, after, Relaxed) {
                Err(current) if !is_new => next = current,
                // Where another task was faster the rest of the new block is lost.
                _ => return ino,
            }
        }
    }

    /// Takes the next block of inode numbers; returns its first.
    #[cold]
    fn take_inos(&self, sb: &SuperBlock<Tmpfs>) -> Ino {
        let wide = self.has_wide_inos();
        let next_ino = &self.next_ino.0;
        let mut next = next_ino.load(Relaxed);
        // Goes round only where another task has taken a block.
        loop {
            let block = inode_numbers::allocate(Ino::new(next), wide);
            match next_ino.cmpxchg(next, block.end.to_u64(), Relaxed) {
                Ok(_) => {
                    if block.wrapped {
                        pr_warn!(
                            "inode number overflow on device {}, consider using inode64 mount option\n",
                            sb.device().minor()
                        );
                    }
                    return block.first;
                }
                Err(current) => next = current,
            }
        }
    }

    /// Whether inode numbers may have 64 bits.
    pub(in crate::tmpfs) fn has_wide_inos(&self) -> bool {
        self.wide_inos.load(Relaxed)
    }

    /// Where there are to be large folios.
    pub(in crate::tmpfs) fn huge(&self) -> HugePolicy {
        match self.huge.load(Relaxed) {
            // What is no policy of a mount (`deny`, `force`) goes before any.
            AS_SYSTEM_SAYS => {
                u32::try_from(shmem::enabled()).map_or(HugePolicy::Never, HugePolicy::from_number)
            }
            number => HugePolicy::from_number(number),
        }
    }

    /// Whether an option of the mount has said where there are to be large folios.
    pub(in crate::tmpfs) fn huge_is_given(&self) -> bool {
        self.huge_is_given.load(Relaxed)
    }

    /// Sets where there are to be large folios from now on, for an option that says so.
    pub(in crate::tmpfs) fn set_huge(&self, policy: HugePolicy) {
        self.huge.store(policy.as_number(), Relaxed);
        self.huge_is_given.store(true, Relaxed);
    }

    /// Notes that a file may have pages beyond its end.
    pub(in crate::tmpfs) fn note_beyond_eof(&self) {
        // The file is listed before that.
        self.has_beyond_eof.store(true, Release);
    }

    /// Whether a file may have had such pages since the last call.
    #[inline]
    pub(in crate::tmpfs) fn take_beyond_eof(&self) -> bool {
        self.has_beyond_eof.load(Relaxed) && self.has_beyond_eof.xchg(false, Relaxed)
    }

    /// Notes whether what files have beyond their ends was found to be kept by other tasks, for all time as far as can be
    /// told.
    pub(in crate::tmpfs) fn set_kept_beyond_eof(&self, is: bool) {
        if self.is_kept_beyond_eof() != is {
            self.kept_beyond_eof.store(is, Relaxed);
        }
    }

    /// Whether a task has found that, and no file has come to such pages since; a snapshot.
    pub(in crate::tmpfs) fn is_kept_beyond_eof(&self) -> bool {
        self.kept_beyond_eof.load(Relaxed)
    }

    /// Whether the pages of this mount stay in memory.
    pub(in crate::tmpfs) fn is_without_swap(&self) -> bool {
        self.without_swap
    }

    /// Whether inode numbers could keep to 32 bits from now on.
    pub(in crate::tmpfs) fn could_narrow_inos(&self) -> bool {
        Ino::new(self.next_ino.0.load(Relaxed)).is_narrow()
    }

    /// Sets how many bits inode numbers may have.
    pub(in crate::tmpfs) fn set_wide_inos(&self, wide: bool) {
        self.wide_inos.store(wide, Relaxed);
    }
}
