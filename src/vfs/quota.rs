// SPDX-License-Identifier: GPL-2.0

//! Disk quota: how much the files of a user or of a group may take.
//!
//! The kernel's quota core counts, compares with the limits and answers quotactl(2). It keeps a record for
//! each user and group that is in use at the moment. Where the limits are while it is not is
//! the file system's business, which implements [`QuotaOperations`].
//!
//! An inode counts against its owners from [`NewInode::charge_quota`] until it is evicted, its bytes
//! through a [`SpaceCharge`] until [`InodeCore::uncharge_space`].
//!
//! Lock order: `s_umount`, `i_rwsem`, the lock of a record (`dq_lock`), then on the one hand whatever
//! [`QuotaOperations`] takes, on the other `dq_dqb_lock`. Bytes change under `i_lock`, and
//! `dq_dqb_lock` inside of it; nothing else is taken there.
//!
//! C headers: `include/linux/quota.h`, `include/linux/quotaops.h`.

use super::attr::SetAttr;
use super::{BareSuperBlock, FileSystem, Inode, InodeCore, NewInode, SuperBlock};
use crate::bindings;
use crate::units::Len;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::from_result;
use kernel::prelude::*;
use kernel::sync::barrier::{smp_mb, Full};
use kernel::types::Opaque;
use kernel::ThisModule;

/// The records that an inode counts in, one for each kind of quota that the kernel knows; null
/// where it does not count.
pub(super) type Records = [*mut bindings::dquot; bindings::MAXQUOTAS as usize];

/// What an inode starts with.
const NO_RECORDS: Records = [core::ptr::null_mut(); bindings::MAXQUOTAS as usize];

/// The records of a new inode, where the superblock has quota: it has them from before its first inode on, or never.
/// May sleep; fails with `ENOMEM`.
#[inline]
pub(super) fn new_records<T: FileSystem>(
    sb: &SuperBlock<T>,
) -> Result<Option<KBox<UnsafeCell<Records>>>> {
    // SAFETY: The superblock is live, and the field changes in [`BareSuperBlock::enable_quota`] only, before it has an inode.
    if unsafe { (*sb.as_ptr()).s_quota_types } == 0 {
        return Ok(None);
    }
    let records = KBox::new(UnsafeCell::new(NO_RECORDS), GFP_KERNEL_ACCOUNT)?;
    Ok(Some(records))
}

/// Whose files are counted together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuotaKind {
    /// Those of a user.
    User,
    /// Those of a group.
    Group,
}

impl QuotaKind {
    fn as_raw(self) -> bindings::quota_type {
        match self {
            Self::User => bindings::quota_type_USRQUOTA,
            Self::Group => bindings::quota_type_GRPQUOTA,
        }
    }

    fn as_int(self) -> c_int {
        match self {
            Self::User => bindings::int(bindings::quota_type_USRQUOTA),
            Self::Group => bindings::int(bindings::quota_type_GRPQUOTA),
        }
    }

    fn from_raw(raw: bindings::quota_type) -> Result<Self> {
        match raw {
            bindings::quota_type_USRQUOTA => Ok(Self::User),
            bindings::quota_type_GRPQUOTA => Ok(Self::Group),
            _ => Err(EINVAL),
        }
    }

    /// The number of the kind, for messages.
    pub(crate) fn number(self) -> u32 {
        self.as_raw()
    }
}

/// What a user or a group may have; 0 is no limit.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QuotaLimits {
    /// Bytes, at most.
    pub(crate) hard_bytes: Len,
    /// Bytes, beyond the grace time.
    pub(crate) soft_bytes: Len,
    /// Inodes, at most.
    pub(crate) hard_inodes: u64,
    /// Inodes, beyond the grace time.
    pub(crate) soft_inodes: u64,
}

/// What a user or a group may have, and has.
pub(crate) struct QuotaRecord {
    /// What it may have.
    pub(crate) limits: QuotaLimits,
    /// The bytes that it has.
    pub(crate) bytes: Len,
    /// The inodes that it has.
    pub(crate) inodes: u64,
}

/// A file system that keeps the limits of users and groups by itself, in no file.
///
/// Ids are those of the initial user namespace. All functions may sleep; memory that they allocate is
/// taken without calling into any file system.
pub(crate) trait QuotaOperations: FileSystem {
    /// The number by which the quota core finds the format; no other format may have it.
    const FORMAT: u32;
    /// The number that quotactl(2) gives as that of the format.
    const SHOWN_FORMAT: u32;
    /// For how long a soft limit may be exceeded, in seconds.
    const GRACE: u32;

    /// The record of `id` comes into use: returns its limits, which are remembered until
    /// [`QuotaOperations::release`].
    fn acquire(sb: &SuperBlock<Self>, kind: QuotaKind, id: u32) -> Result<QuotaLimits>;

    /// The last user of the record of `id` is gone: no inode has it any more, and no system call asks for it.
    fn release(sb: &SuperBlock<Self>, kind: QuotaKind, id: u32, record: QuotaRecord);

    /// The first id, from `id` on, that is in use or remembered.
    fn next_id(sb: &SuperBlock<Self>, kind: QuotaKind, id: u32) -> Option<u32>;
}

/// The quota format of a file system.
pub(crate) struct QuotaFormatTable<T> {
    /// The number that finds it, that which is shown, and what it does.
    format: Option<(c_int, c_int, &'static bindings::quota_format_ops)>,
    _fs: PhantomData<T>,
}

impl<T> QuotaFormatTable<T> {
    /// There is none.
    pub(crate) const NONE: Self = Self {
        format: None,
        _fs: PhantomData,
    };
}

/// The last number of a format that `include/uapi/linux/quota.h` has.
const LAST_OF_KERNEL: u32 = 5;

impl<T: QuotaOperations> QuotaFormatTable<T> {
    /// That of [`QuotaOperations`].
    pub(crate) const fn new() -> Self {
        const { assert!(T::FORMAT > LAST_OF_KERNEL, "another file system's format") };
        Self {
            format: Some((
                bindings::int(T::FORMAT),
                bindings::int(T::SHOWN_FORMAT),
                &Tables::<T>::FORMAT_OPERATIONS,
            )),
            _fs: PhantomData,
        }
    }
}

/// The registered quota format of a file system, where it has one; dropping it unregisters the format.
///
/// The quota core looks a format up by a number which no other one may have, and tells programs the
/// number of the format that it found. Hence there are two of them here: it finds the first and
/// is then given the second.
///
/// # Invariants
///
/// `found` is registered from the end of initialisation until drop, where it has operations. Both are
/// immutable and pinned.
#[pin_data(PinnedDrop)]
pub(super) struct QuotaFormat {
    #[pin]
    found: Opaque<bindings::quota_format_type>,
    #[pin]
    shown: Opaque<bindings::quota_format_type>,
    is_registered: bool,
}

impl QuotaFormat {
    /// Registers the format of module `module`. It is a part of the registration of the file system type, and
    /// like that stays until the module goes: a superblock that uses it holds the module.
    pub(super) fn new<T>(
        table: &QuotaFormatTable<T>,
        module: &'static ThisModule,
    ) -> impl PinInit<Self> {
        let (found, shown, operations) = match table.format {
            Some((found, shown, operations)) => (found, shown, core::ptr::from_ref(operations)),
            None => (0, 0, core::ptr::null()),
        };
        let format = move |id: c_int| {
            Opaque::new(bindings::quota_format_type {
                qf_fmt_id: id,
                qf_ops: operations,
                qf_owner: module.as_ptr().cast(),
                qf_next: core::ptr::null_mut(),
            })
        };
        pin_init!(Self {
            found: format(found),
            shown: format(shown),
            is_registered: !operations.is_null(),
        })
        .pin_chain(|this| {
            if this.is_registered {
                // SAFETY: The format is complete and pinned, and stays until drop unregisters it.
                unsafe { bindings::register_quota_format(this.found.get()) };
            }
            Ok(())
        })
    }
}

#[pinned_drop]
impl PinnedDrop for QuotaFormat {
    fn drop(self: Pin<&mut Self>) {
        if self.is_registered {
            // SAFETY: By the type invariants.
            unsafe { bindings::unregister_quota_format(self.found.get()) };
        }
    }
}

struct Tables<T>(PhantomData<T>);

impl<T: QuotaOperations> Tables<T> {
    const FORMAT_OPERATIONS: bindings::quota_format_ops = bindings::quota_format_ops {
        check_quota_file: Some(check_quota_file::<T>),
        read_file_info: Some(read_file_info::<T>),
        // The other operations are absent. The quota core calls none of them, since it does so from the
        // `dquot_operations` that are not in the table below.
        ..pin_init::zeroed()
    };

    const RECORD_OPERATIONS: bindings::dquot_operations = bindings::dquot_operations {
        alloc_dquot: Some(bindings::dquot_alloc),
        destroy_dquot: Some(bindings::dquot_destroy),
        acquire_dquot: Some(acquire::<T>),
        release_dquot: Some(release::<T>),
        mark_dirty: Some(mark_dirty),
        write_info: Some(write_info),
        get_next_id: Some(next_id::<T>),
        // The other operations are absent.
        ..pin_init::zeroed()
    };
}

impl<T: QuotaOperations> BareSuperBlock<'_, T> {
    /// Switches a kind of quota on: limits hold, and what inodes take is counted, from the first one on. It
    /// stays on until the superblock goes. May sleep.
    ///
    /// Fails with `ESRCH` without a registered format, with `EBUSY` where it is on already, and with
    /// `EINVAL` outside of the initial user namespace.
    pub(crate) fn enable_quota(&self, kind: QuotaKind) -> Result {
        const {
            assert!(
                T::QUOTA_FORMAT.format.is_some(),
                "the file system has no quota format"
            )
        };
        let sb = self.as_ptr();
        // SAFETY: No other task can reach the superblock, whose `s_umount` the VFS holds for writing
        // while it is filled, and whose private data is there; it has no inode, which would have no records. The tables are
        // for superblocks of `T`.
        bindings::to_result(unsafe {
            (*sb).dq_op = &Tables::<T>::RECORD_OPERATIONS;
            (*sb).s_qcop = &raw const bindings::dquot_quotactl_sysfile_ops;
            (*sb).s_quota_types = bindings::QTYPE_MASK_USR | bindings::QTYPE_MASK_GRP;
            (*sb).s_dquot.flags |= bindings::DQUOT_QUOTA_SYS_FILE | bindings::DQUOT_NOLIST_DIRTY;
            bindings::dquot_load_quota_sb(
                sb,
                kind.as_int(),
                bindings::int(T::FORMAT),
                bindings::DQUOT_USAGE_ENABLED | bindings::DQUOT_LIMITS_ENABLED,
            )
        })
    }
}

/// Switches all quota of a superblock off.
///
/// # Safety
///
/// `s_umount` must be held for writing, and no inode of the superblock may be left.
pub(super) unsafe fn disable(sb: *mut bindings::super_block) {
    // SAFETY: By the caller's promise.
    unsafe { bindings::dquot_quota_off(sb, -1) };
}

impl<T: FileSystem> NewInode<'_, T> {
    /// Counts the inode against its owners. May sleep.
    ///
    /// Fails with `EDQUOT` where the limits forbid it, and with `ENOMEM`.
    pub(crate) fn charge_quota(&mut self) -> Result {
        let inode = self.as_ptr();
        // SAFETY: By the type invariants nothing else uses the inode, so that its records, where it
        // cannot have them, can be dropped at once.
        unsafe {
            bindings::to_result(bindings::dquot_initialize(inode))?;
            bindings::to_result(bindings::dquot_alloc_inode(inode))
                .inspect_err(|_| bindings::dquot_drop(inode))
        }
    }
}

/// The last user of an inode is gone: it counts no more.
///
/// # Safety
///
/// The inode must be on its way out, so that the caller is its last user.
pub(super) unsafe fn evict<T: FileSystem>(inode: &Inode<T>) {
    // SAFETY: The records, where there are any, are there as long as the inode, which has no other user.
    let Some(records) = (unsafe { inode.records().as_ref() }) else {
        return;
    };
    if records.iter().any(|record| !record.is_null()) {
        // SAFETY: By the caller's promise.
        unsafe {
            bindings::dquot_free_inode(inode.as_ptr());
            bindings::dquot_drop(inode.as_ptr());
        }
    }
}

/// Bytes of an inode that are in its `i_blocks` and count against its owners; dropping it takes
/// them back.
///
/// # Examples
///
/// ```
/// use crate::mm::Mapping;
/// use crate::units::Len;
/// use crate::vfs::{FileSystem, Inode};
/// use kernel::prelude::*;
///
/// fn add_page<T: FileSystem>(
///     inode: &Inode<T>,
///     add: impl FnOnce(&Mapping) -> Result,
/// ) -> Result {
///     let charge = inode.charge_space(Len::PAGE)?;
///     // Where this fails the bytes are given back.
///     add(inode.mapping())?;
///     charge.commit();
///     Ok(())
/// }
/// ```
#[must_use]
pub(crate) struct SpaceCharge<'a, T: FileSystem> {
    inode: &'a InodeCore<T>,
    bytes: Len,
}

impl<T: FileSystem> SpaceCharge<'_, T> {
    /// The bytes are used: they count until [`InodeCore::uncharge_space`].
    pub(crate) fn commit(self) {
        core::mem::forget(self);
    }
}

impl<T: FileSystem> Drop for SpaceCharge<'_, T> {
    fn drop(&mut self) {
        self.inode.uncharge_space(self.bytes);
    }
}

impl<T: FileSystem> InodeCore<T> {
    /// Adds `bytes`, a multiple of the block size, to `i_blocks`, and counts them against the owners
    /// of the inode. May sleep. Takes `i_lock`.
    ///
    /// Fails with `EDQUOT` where the limits forbid it.
    pub(crate) fn charge_space(&self, bytes: Len) -> Result<SpaceCharge<'_, T>> {
        // SAFETY: The inode is live, and the function takes its own locks.
        bindings::to_result(unsafe {
            bindings::__dquot_alloc_space(
                self.as_ptr(),
                bytes.to_loff(),
                bindings::int(bindings::DQUOT_SPACE_WARN),
            )
        })?;
        Ok(SpaceCharge { inode: self, bytes })
    }

    /// Takes `bytes` that were charged from `i_blocks`, and from what the owners of the inode have.
    /// Takes `i_lock`; does not wait for memory.
    pub(crate) fn uncharge_space(&self, bytes: Len) {
        // SAFETY: The inode is live, and the function takes its own locks.
        unsafe { bindings::__dquot_free_space(self.as_ptr(), bytes.to_loff(), 0) }
    }
}

impl<T: FileSystem> SetAttr<'_, T> {
    /// Counts the inode, and its bytes, against the owners that it is about to get. May sleep.
    ///
    /// Fails with `EDQUOT` where their limits forbid it, and with `ENOMEM`; then all is as before.
    pub(crate) fn transfer_quota(&mut self) -> Result {
        // The C functions only read the request.
        let request = core::ptr::from_ref(self.attr).cast_mut();
        let (idmap, inode) = (self.idmap.as_ptr(), self.inode().as_ptr());
        // SAFETY: The inode is live and locked, and idmap and request are those of the change.
        unsafe {
            if bindings::i_uid_needs_update(idmap, request, inode)
                || bindings::i_gid_needs_update(idmap, request, inode)
            {
                bindings::to_result(bindings::dquot_transfer(idmap, inode, request))?;
            }
        }
        Ok(())
    }
}

/// The record is complete.
const ACTIVE: c_long = bindings::long(bindings::DQ_ACTIVE_B);

/// The record has no limits.
const FAKE: c_long = bindings::long(bindings::DQ_FAKE_B);

/// A record of the quota core's, and its lock.
///
/// # Invariants
///
/// The current task holds `dq_lock` of the record, which is live and belongs to a superblock of
/// `T`; `flags` are what ends the scope in which it allocates without calling into file systems.
struct LockedRecord<T: QuotaOperations> {
    record: NonNull<bindings::dquot>,
    flags: c_uint,
    _fs: PhantomData<T>,
}

impl<T: QuotaOperations> LockedRecord<T> {
    /// Locks a record. May sleep.
    ///
    /// # Safety
    ///
    /// `record` must be live, for as long as the result, and belong to a superblock of `T`.
    unsafe fn lock(record: *mut bindings::dquot) -> Self {
        // INVARIANT: The lock is taken, and the scope begun.
        // SAFETY: By the caller's promise, so that it is not null either.
        unsafe {
            bindings::mutex_lock(&raw mut (*record).dq_lock);
            Self {
                record: NonNull::new_unchecked(record),
                flags: bindings::memalloc_nofs_save(),
                _fs: PhantomData,
            }
        }
    }

    fn sb(&self) -> &SuperBlock<T> {
        // SAFETY: By the type invariants; a record goes before its superblock.
        unsafe { SuperBlock::from_raw((*self.record.as_ptr()).dq_sb) }
    }

    fn kind(&self) -> Result<QuotaKind> {
        // SAFETY: By the type invariants; it does not change.
        QuotaKind::from_raw(unsafe { (*self.record.as_ptr()).dq_id.type_ })
    }

    fn id(&self) -> u32 {
        // SAFETY: By the type invariants; it does not change.
        unsafe {
            bindings::from_kqid(
                &raw mut bindings::init_user_ns,
                (*self.record.as_ptr()).dq_id,
            )
        }
    }

    fn flag(&self, flag: c_long) -> bool {
        // SAFETY: By the type invariants; the flags are changed atomically.
        unsafe { bindings::test_bit(flag, &raw const (*self.record.as_ptr()).dq_flags) }
    }

    fn set_flag(&self, flag: c_long, value: bool) {
        // SAFETY: By the type invariants; the flags are changed atomically.
        unsafe {
            let flags = &raw mut (*self.record.as_ptr()).dq_flags;
            if value {
                bindings::set_bit(flag, flags)
            } else {
                bindings::clear_bit(flag, flags)
            }
        }
    }

    /// Whether the record is in use again.
    fn is_busy(&self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::dquot_is_busy(self.record.as_ptr()) }
    }

    /// Calls `change` with what is counted and its limits.
    fn with_counts<R>(&mut self, change: impl FnOnce(&mut bindings::mem_dqblk) -> R) -> R {
        let record = self.record.as_ptr();
        // SAFETY: By the type invariants; the lock that is taken protects the field.
        unsafe {
            bindings::spin_lock(&raw mut (*record).dq_dqb_lock);
            let result = change(&mut (*record).dq_dqb);
            bindings::spin_unlock(&raw mut (*record).dq_dqb_lock);
            result
        }
    }

    fn read(&mut self) -> QuotaRecord {
        // The quota core lets none of them become negative.
        let amount = |value: i64| u64::try_from(value).unwrap_or(0);
        let bytes = |value: i64| Len::from_u64(amount(value));
        self.with_counts(|counts| QuotaRecord {
            limits: QuotaLimits {
                hard_bytes: bytes(counts.dqb_bhardlimit),
                soft_bytes: bytes(counts.dqb_bsoftlimit),
                hard_inodes: amount(counts.dqb_ihardlimit),
                soft_inodes: amount(counts.dqb_isoftlimit),
            },
            bytes: bytes(counts.dqb_curspace),
            inodes: amount(counts.dqb_curinodes),
        })
    }

    fn set_limits(&mut self, limits: QuotaLimits) {
        let amount = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.with_counts(|counts| {
            counts.dqb_bhardlimit = limits.hard_bytes.to_loff();
            counts.dqb_bsoftlimit = limits.soft_bytes.to_loff();
            counts.dqb_ihardlimit = amount(limits.hard_inodes);
            counts.dqb_isoftlimit = amount(limits.soft_inodes);
        });
        // Without limits there is nothing to compare with.
        self.set_flag(FAKE, limits == QuotaLimits::default());
    }
}

impl<T: QuotaOperations> Drop for LockedRecord<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe {
            bindings::memalloc_nofs_restore(self.flags);
            bindings::mutex_unlock(&raw mut (*self.record.as_ptr()).dq_lock);
        }
    }
}

/// `quota_format_ops::check_quota_file`: whether a superblock can have quota of this format. The
/// format may be named for any file system.
///
/// # Safety
///
/// `sb` must be a live superblock, of any file system type.
unsafe extern "C" fn check_quota_file<T: QuotaOperations>(
    sb: *mut bindings::super_block,
    _kind: c_int,
) -> c_int {
    // A name would not tell: another file system may have that of the kernel's own mounts of `T`.
    let ours: unsafe extern "C" fn(*mut bindings::super_block) = super::superblock::kill_sb::<T>;
    // SAFETY: By the caller's promise; a superblock holds its type, which does not change.
    let theirs = unsafe { (*(*sb).s_type).kill_sb };
    c_int::from(theirs.is_some_and(|theirs| core::ptr::fn_addr_eq(theirs, ours)))
}

/// `quota_format_ops::read_file_info`.
///
/// # Safety
///
/// `sb` must be a live superblock, and the format of its quota of `kind` be the `found` of a [`QuotaFormat`] of `T`,
/// whose module is held; no other task may use that quota during the call.
unsafe extern "C" fn read_file_info<T: QuotaOperations>(
    sb: *mut bindings::super_block,
    kind: c_int,
) -> c_int {
    let Some(kind) = usize::try_from(kind)
        .ok()
        .filter(|&kind| kind < NO_RECORDS.len())
    else {
        return EINVAL.to_errno();
    };
    // SAFETY: By the caller's promise; there is one for each kind, and no other task uses that of this one.
    let info = unsafe {
        let infos = &raw mut (*sb).s_dquot.info;
        &mut *infos.cast::<bindings::mem_dqinfo>().add(kind)
    };
    // SAFETY: By the caller's promise.
    let format: *const QuotaFormat =
        unsafe { kernel::container_of!(Opaque::cast_from(info.dqi_format), QuotaFormat, found) };
    // The owner of the format that takes its place is the same.
    // SAFETY: By the caller's promise the format is live; no reference is made.
    info.dqi_format = Opaque::cast_into(unsafe { &raw const (*format).shown });
    info.dqi_max_spc_limit = i64::MAX;
    info.dqi_max_ino_limit = i64::MAX;
    info.dqi_bgrace = T::GRACE;
    info.dqi_igrace = T::GRACE;
    info.dqi_flags = 0;
    0
}

/// `dquot_operations::acquire_dquot`.
///
/// # Safety
///
/// `record` must be a live one of a superblock of `T`, whose `dq_lock` the caller does not hold.
unsafe extern "C" fn acquire<T: QuotaOperations>(record: *mut bindings::dquot) -> c_int {
    from_result(|| {
        // SAFETY: By the caller's promise.
        let mut record = unsafe { LockedRecord::<T>::lock(record) };
        // Where another task was faster, limits may have been set already.
        if !record.flag(ACTIVE) {
            let limits = T::acquire(record.sb(), record.kind()?, record.id())?;
            record.set_limits(limits);
            // A task that sees the flag sees the limits.
            smp_mb(Full);
            record.set_flag(ACTIVE, true);
        }
        Ok(0)
    })
}

/// `dquot_operations::release_dquot`.
///
/// # Safety
///
/// `record` must be a live one of a superblock of `T`, whose `dq_lock` the caller does not hold.
unsafe extern "C" fn release<T: QuotaOperations>(record: *mut bindings::dquot) -> c_int {
    from_result(|| {
        // SAFETY: By the caller's promise.
        let mut record = unsafe { LockedRecord::<T>::lock(record) };
        if !record.is_busy() {
            let counts = record.read();
            T::release(record.sb(), record.kind()?, record.id(), counts);
            record.set_flag(ACTIVE, false);
        }
        Ok(0)
    })
}

/// `dquot_operations::mark_dirty`: there is nothing to write.
///
/// # Safety
///
/// Nothing is asked: it does nothing.
unsafe extern "C" fn mark_dirty(_record: *mut bindings::dquot) -> c_int {
    0
}

/// `dquot_operations::write_info`: there is nothing to write to.
///
/// # Safety
///
/// Nothing is asked: it does nothing.
unsafe extern "C" fn write_info(_sb: *mut bindings::super_block, _kind: c_int) -> c_int {
    0
}

/// `dquot_operations::get_next_id`.
///
/// # Safety
///
/// `sb` must be a live superblock of `T`, and `id` valid, and used by this function alone during the call.
unsafe extern "C" fn next_id<T: QuotaOperations>(
    sb: *mut bindings::super_block,
    id: *mut bindings::kqid,
) -> c_int {
    from_result(|| {
        // SAFETY: By the caller's promise.
        let asked = unsafe { *id };
        let kind = QuotaKind::from_raw(asked.type_)?;
        // SAFETY: By the caller's promise.
        if !unsafe { bindings::sb_has_quota_active(sb, kind.as_int()) } {
            return Err(ESRCH);
        }
        let ns = &raw mut bindings::init_user_ns;
        // SAFETY: The namespace is never freed.
        let asked = unsafe { bindings::from_kqid(ns, asked) };
        // SAFETY: By the caller's promise.
        let sb = unsafe { SuperBlock::from_raw(sb) };
        let next = T::next_id(sb, kind, asked).ok_or(ENOENT)?;
        // SAFETY: The namespace is never freed.
        let next = unsafe { bindings::make_kqid(ns, kind.as_raw(), next) };
        // SAFETY: By the caller's promise.
        unsafe { *id = next };
        Ok(0)
    })
}

/// `super_operations::get_dquots`.
///
/// # Safety
///
/// `inode` must be a live one of a superblock of `T`.
pub(super) unsafe extern "C" fn get_records<T: FileSystem>(
    inode: *mut bindings::inode,
) -> *mut *mut bindings::dquot {
    // SAFETY: By the caller's promise.
    unsafe { InodeCore::<T>::from_raw(inode) }.records().cast()
}
