// SPDX-License-Identifier: GPL-2.0

//! User mappings of files, and their page faults.
//!
//! C headers: `include/linux/mm.h`, `include/linux/mm_types.h`.

use crate::bindings;
use crate::mm::huge::{Effort, VmaAdvice};
use crate::mm::swap::{self, Reader};
use crate::mm::{LockedFolio, Mapping, MemoryOwner};
use crate::units::{Len, PageIndex, PageRange};
use crate::vfs::{FileSystem, Inode};
use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::prelude::*;

/// A page fault in a mapping of a file (`struct vm_fault`).
///
/// # Invariants
///
/// The fault is in progress: `mmap_lock` or the lock of the VMA is held, and the VMA maps a file
/// of `T`. The current task alone uses `vmf` meanwhile.
pub(crate) struct Fault<'a, T: FileSystem> {
    vmf: NonNull<bindings::vm_fault>,
    pub(super) remarks: &'a Remarks,
    _fs: PhantomData<(&'a mut bindings::vm_fault, T)>,
}

/// What the MM is told beside the result.
#[derive(Default)]
pub(super) struct Remarks {
    /// `VM_FAULT_MAJOR`; `VM_FAULT_RETRY` alone, which says that the mapping is no longer locked.
    told: Cell<bindings::vm_fault_t>,
    /// The page is mapped.
    pub(super) is_mapped: Cell<bool>,
    /// Why the fault is left to user space; 0 where it is not.
    #[cfg(CONFIG_USERFAULTFD)]
    pub(super) user_reason: Cell<c_ulong>,
}

impl<T: FileSystem> Fault<'_, T> {
    /// The page of the file, as an index.
    pub(crate) fn index(&self) -> PageIndex {
        // SAFETY: By the type invariants.
        PageIndex::from_pgoff(unsafe { (*self.as_ptr()).__bindgen_anon_1.pgoff })
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::vm_fault {
        self.vmf.as_ptr()
    }

    /// The file.
    pub(crate) fn inode(&self) -> &Inode<T> {
        // SAFETY: By the type invariants; a mapping holds its file, and that its inode.
        unsafe {
            let file = (*self.vma()).vm_file;
            Inode::from_raw((*(*file).f_mapping).host)
        }
    }

    /// The mapping.
    pub(super) fn vma(&self) -> *mut bindings::vm_area_struct {
        // SAFETY: By the type invariants.
        unsafe { (*self.as_ptr()).__bindgen_anon_1.vma }
    }

    /// The fault had to wait for a read from swap: counts it, the first time, and tells the MM.
    pub(crate) fn set_major(&self) {
        if !swap::IS_BUILT_IN || self.remarks.told.get() == bindings::VM_FAULT_MAJOR {
            return;
        }
        self.remarks.told.set(bindings::VM_FAULT_MAJOR);
        // SAFETY: By the type invariants.
        unsafe {
            bindings::count_vm_event(bindings::vm_event_item_PGMAJFAULT);
            bindings::count_memcg_event_mm((*self.vma()).vm_mm, bindings::vm_event_item_PGMAJFAULT);
        }
    }

    /// Waits, as `wait` does for this inode, with the lock of the mapping released where the MM allows
    /// that: the end of the fault, which is tried again. May sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use crate::shmem::fault::{Fault, Faulted};
    /// use crate::vfs::{FileSystem, Inode};
    ///
    /// fn beside_a_punch<T: FileSystem>(
    ///     fault: Fault<'_, T>,
    ///     is_over: impl FnOnce(&Inode<T>),
    /// ) -> Faulted {
    ///     fault.wait(is_over)
    /// }
    /// ```
    pub(crate) fn wait(self, wait: impl FnOnce(&Inode<T>)) -> Faulted {
        // SAFETY: By the type invariants; where the lock is released there is a reference to the
        // file, which keeps the inode until it is given back.
        unsafe {
            let inode = core::ptr::from_ref(self.inode());
            let file = self.unlock_mapping();
            wait(&*inode);
            if let Some(file) = file {
                self.remarks.told.set(bindings::VM_FAULT_RETRY);
                bindings::fput(file.as_ptr());
            }
        }
        Faulted::Again
    }

    /// Releases the lock of the mapping where the MM allows that: on the first attempt, and where the fault may
    /// wait. Returns a reference to the file then, as `maybe_unlock_mmap_for_io()`.
    ///
    /// # Safety
    ///
    /// Where it returns one, nothing of the fault or of its mapping is to be used any more.
    unsafe fn unlock_mapping(&self) -> Option<NonNull<bindings::file>> {
        let vmf = self.as_ptr();
        // SAFETY: By the type invariants; a mapping holds its file.
        unsafe {
            let flags = (*vmf).flags;
            if !bindings::fault_flag_allow_retry_first(flags)
                || flags & bindings::fault_flag_FAULT_FLAG_RETRY_NOWAIT != 0
            {
                return None;
            }
            let file = bindings::get_file((*self.vma()).vm_file);
            bindings::release_fault_lock(vmf);
            NonNull::new(file)
        }
    }

    /// What the mapping says about large folios.
    pub(crate) fn advice(&self) -> VmaAdvice {
        // SAFETY: By the type invariants.
        unsafe { VmaAdvice::of(self.vma(), false) }
    }

    /// Whether the mapping is used at random, as it has said (`MADV_RANDOM`).
    pub(crate) fn is_at_random(&self) -> bool {
        // SAFETY: By the type invariants the mapping is locked, so that its flags are stable.
        let flags = unsafe { (*self.vma()).__bindgen_anon_2.vm_flags };
        flags & bindings::VM_RAND_READ != 0
    }

    /// The pages of the file that the mapping shows.
    pub(crate) fn mapped(&self) -> PageRange {
        // SAFETY: By the type invariants the mapping is locked, so that its place is stable.
        let (start, bytes) = unsafe {
            let vma = self.vma();
            let place = (*vma).__bindgen_anon_1.__bindgen_anon_1;
            (
                PageIndex::from_pgoff((*vma).vm_pgoff),
                Len::new(place.vm_end.wrapping_sub(place.vm_start)),
            )
        };
        PageRange::new(start, start.saturating_add(bytes.pages()))
    }

    /// Those of a bitmap of orders whose folio with the page of the fault would fit in the mapping.
    pub(crate) fn suitable_orders(&self, orders: c_ulong) -> c_ulong {
        // SAFETY: By the type invariants.
        unsafe {
            let address = (*self.as_ptr()).__bindgen_anon_1.address;
            bindings::thp_vma_suitable_orders(self.vma(), address, orders)
        }
    }

    /// How hard an allocation of a large folio for the mapping is to try.
    pub(crate) fn effort(&self) -> Effort {
        // SAFETY: By the type invariants; a fault has a mapping.
        unsafe { Effort::of(NonNull::new_unchecked(self.vma())) }
    }

    /// Who reads pages from swap for this fault.
    pub(crate) fn reader(&self) -> Reader<'_> {
        // SAFETY: By the type invariants.
        unsafe { Reader::from_fault(self.as_ptr()) }
    }

    /// Whom memory for this fault is charged to: the owner of the address space.
    pub(crate) fn memory_owner(&self) -> MemoryOwner<'_> {
        // SAFETY: By the type invariants; the address space lives while it has a fault.
        unsafe { MemoryOwner::from_raw((*self.vma()).vm_mm) }
    }
}

/// How a fault ended.
pub(crate) enum Faulted {
    /// With this folio, up to date.
    Folio(LockedFolio),
    /// It is to be tried again, see [`Fault::wait`].
    Again,
}

/// Page faults in mappings of a file system's files.
pub(crate) trait FaultOperations: FileSystem {
    /// Finds or makes the folio of a fault, up to date. May sleep.
    ///
    /// Errors become signals as `vmf_error()` says: `ENOMEM` is the OOM killer's, others are
    /// SIGBUS.
    fn fault(fault: Fault<'_, Self>) -> Result<Faulted>;

    /// Whether a read fault may map what is around its page as well: the MM maps whole folios, also where one reaches
    /// beyond the end of the file. Must not sleep.
    fn may_map_around(inode: &Inode<Self>) -> bool {
        let _ = inode;
        true
    }

    /// What is around a page has been mapped: what [`FaultOperations::may_map_around`] is about may have come meanwhile.
    /// Must not sleep.
    fn has_mapped_around(inode: &Inode<Self>) {
        let _ = inode;
    }
}

/// `vm_operations_struct::map_pages`.
///
/// # Safety
///
/// As for [`fault`]; the pages from `start` to `end` are in the mapping and in one page table, which is there or was
/// allocated in advance. RCU may be held.
pub(super) unsafe extern "C" fn map_pages<T: FaultOperations>(
    vmf: *mut bindings::vm_fault,
    start: c_ulong,
    end: c_ulong,
) -> bindings::vm_fault_t {
    // SAFETY: By the caller's promise; a mapping holds its file, and that its inode.
    let inode = unsafe {
        let file = (*(*vmf).__bindgen_anon_1.vma).vm_file;
        Inode::<T>::from_raw((*(*file).f_mapping).host)
    };
    if !T::may_map_around(inode) {
        return 0;
    }
    // SAFETY: By the caller's promise.
    let result = unsafe { bindings::filemap_map_pages(vmf, start, end) };
    T::has_mapped_around(inode);
    result
}

/// `vm_operations_struct::fault`.
///
/// # Safety
///
/// `vmf` must be a fault in progress in a mapping with the operations of `T`, whose lock or whose `mmap_lock` is held, and
/// be used by this function alone during the call.
pub(super) unsafe extern "C" fn fault<T: FaultOperations>(
    vmf: *mut bindings::vm_fault,
) -> bindings::vm_fault_t {
    let remarks = Remarks::default();
    // SAFETY: By the caller's promise; a mapping holds its file.
    let mapping = unsafe {
        let file = (*(*vmf).__bindgen_anon_1.vma).vm_file;
        Mapping::from_raw((*file).f_mapping)
    };
    // SAFETY: By the caller's promise.
    let index = unsafe { (*vmf).__bindgen_anon_1.pgoff };
    // INVARIANT: By the caller's promise.
    let fault = Fault::<T> {
        // SAFETY: A fault is somewhere.
        vmf: unsafe { NonNull::new_unchecked(vmf) },
        remarks: &remarks,
        _fs: PhantomData,
    };
    let result = T::fault(fault);
    let told = remarks.told.get();
    if told == bindings::VM_FAULT_RETRY {
        // Neither the mapping nor the fault may be looked at any more, whatever the result says.
        return told;
    }
    match result {
        Ok(Faulted::Again) => told | bindings::VM_FAULT_NOPAGE,
        // What is mapped here, and not a page of this file, would never be unmapped; what is not up to
        // date would show what was in memory before.
        Ok(Faulted::Folio(folio))
            if !folio.has_page(mapping, PageIndex::from_pgoff(index)) || !folio.is_uptodate() =>
        {
            // SAFETY: Translates a number.
            told | unsafe { bindings::vmf_error(EIO.to_errno()) }
        }
        // SAFETY: The fault is in progress still. The folio is live and locked; lock and reference go
        // to the MM.
        Ok(Faulted::Folio(folio)) => unsafe {
            (*vmf).page = bindings::folio_file_page(folio.into_raw(), index);
            told | bindings::VM_FAULT_LOCKED
        },
        Err(_) if remarks.is_mapped.get() => told | bindings::VM_FAULT_NOPAGE,
        #[cfg(CONFIG_USERFAULTFD)]
        // SAFETY: The fault is in progress still, and no folio is locked for it.
        Err(_) if remarks.user_reason.get() != 0 => unsafe {
            bindings::handle_userfault(vmf, remarks.user_reason.get())
        },
        // SAFETY: Translates a number.
        Err(e) => unsafe { told | bindings::vmf_error(e.to_errno()) },
    }
}
