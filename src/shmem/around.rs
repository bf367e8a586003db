// SPDX-License-Identifier: GPL-2.0

//! Faults of writers that map what is around their page, too, as those of readers do.
//!
//! What a writer meets is mostly there when it writes to a file once more; each of its pages would cost a fault.
//! Pages that are mapped so are writable and dirty, and the first write to them tells the file nothing: its times
//! change with the fault.
//!
//! What `do_fault_around()` in mm/memory.c does for readers.

use super::backend::SharedMemory;
use super::fault::{self, Fault};
use crate::bindings;
use crate::mm::Folio;
use crate::units::{Len, PageIndex, PAGE_SHIFT};

/// How many pages at once: as many as for readers, where `fault_around_bytes` was not changed.
const AROUND: usize = if PAGE_SHIFT < 16 {
    1 << (16 - PAGE_SHIFT)
} else {
    1
};

/// How many pages before that at `address` and after it are mapped with it: those of an aligned group that are in the
/// mapping, from `start` to before `end`, and in the same page table.
const fn window(address: usize, start: usize, end: usize) -> (usize, usize) {
    let slot = pages(address) % bindings::PTRS_PER_PTE;
    let before = least(slot % AROUND, pages(address.saturating_sub(start)));
    let behind = pages(end.saturating_sub(1).saturating_sub(address));
    let after = least(
        AROUND.saturating_sub(1).saturating_sub(before),
        bindings::PTRS_PER_PTE
            .saturating_sub(1)
            .saturating_sub(slot),
    );
    (before, least(after, behind))
}

/// How many whole pages there are in as many bytes of addresses.
const fn pages(bytes: usize) -> usize {
    Len::new(bytes).pages().to_ulong()
}

const fn least(one: usize, other: usize) -> usize {
    if one < other {
        one
    } else {
        other
    }
}

impl<T: SharedMemory> Fault<'_, T> {
    /// Whether it is a write that changes the file, in a mapping where pages may be mapped that were not asked for:
    /// user space neither handles its faults nor asks which pages were written, nor says that it goes about at random.
    #[inline(always)]
    pub(crate) fn may_map_around(&self) -> bool {
        let vmf = self.as_ptr();
        // SAFETY: By the type invariants the fault is in progress and the mapping locked, so that its flags are stable.
        let (write, flags) = unsafe {
            (
                (*vmf).flags & bindings::fault_flag_FAULT_FLAG_WRITE,
                (*self.vma()).__bindgen_anon_2.vm_flags,
            )
        };
        write != 0
            && flags & bindings::VM_SHARED != 0
            && flags & bindings::VM_SOFTDIRTY == bindings::VM_SOFTDIRTY
            && !self.is_at_random()
            && !self.is_watched_by_user()
    }

    /// Whether the MM maps as much of `folio`, which is there, as [`Fault::map_around`], with less work: it maps all of one
    /// that no task has mapped. Of one that is mapped in part it would map a single page, and of one with a memory error that
    /// page, too. `end` is the end of the file.
    pub(crate) fn is_for_mm(&self, folio: &Folio, end: PageIndex) -> bool {
        let order = folio.order();
        order.pages().to_ulong() >= AROUND
            && !folio.is_mapped()
            && !folio.contains_poison()
            && self.index().folio(order).end <= end
            && self.suitable_orders(order.bit()) != 0
    }

    /// Maps the page of a write, with those around it that the file has, where both are possible without waiting; the
    /// fault is over then, which the implementor says by an error. May sleep.
    pub(crate) fn map_around(&self) -> bool {
        if !self.may_map_around() {
            return false;
        }
        let (vmf, vma) = (self.as_ptr(), self.vma());
        // SAFETY: By the type invariants the mapping is locked.
        let (before, after) = unsafe {
            let address = (*vmf).__bindgen_anon_1.address;
            let [start, end] = [
                (*vma).__bindgen_anon_1.__bindgen_anon_1.vm_start,
                (*vma).__bindgen_anon_1.__bindgen_anon_1.vm_end,
            ];
            window(address, start, end)
        };
        if before == 0 && after == 0 {
            return false;
        }
        let index = self.index().to_pgoff();
        let (first, last) = (index.saturating_sub(before), index.saturating_add(after));
        // SAFETY: By the type invariants the fault is in progress and used by this task alone; its mapping is one of `T`,
        // with a page table that is there or was allocated in advance. The pages are in the mapping and in one page table.
        let result = unsafe { fault::map_pages::<T>(vmf, first, last) };
        if result & bindings::VM_FAULT_NOPAGE == 0 {
            return false;
        }
        // As `fault_dirty_shared_page()` does. Where it fails, the times are not to change.
        // SAFETY: A mapping holds its file.
        unsafe { bindings::file_update_time((*vma).vm_file) };
        self.remarks.is_mapped.set(true);
        true
    }
}

#[cfg(CONFIG_KUNIT)]
#[kernel::prelude::kunit_tests(shmem_around)]
mod tests {
    use super::*;

    const PAGE: usize = 1 << PAGE_SHIFT;
    const TABLE: usize = bindings::PTRS_PER_PTE << PAGE_SHIFT;

    #[test]
    fn the_group_is_aligned_and_in_the_mapping() {
        const START: usize = 4 * TABLE;
        const END: usize = START + TABLE;
        assert_eq!(window(START, START, END), (0, AROUND - 1));
        assert_eq!(window(START + PAGE, START, END), (1, AROUND - 2));
        assert_eq!(window(END - PAGE, START, END), (AROUND - 1, 0));
        assert_eq!(window(START, START, START + PAGE), (0, 0));
        assert_eq!(
            window(START + 2 * PAGE, START + PAGE, START + 4 * PAGE),
            (1, 1)
        );
        // What is in the table before does not count.
        assert_eq!(window(START, START - TABLE, END), (0, AROUND - 1));
    }
}
