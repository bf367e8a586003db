// SPDX-License-Identifier: GPL-2.0

//! The address space of a page fault, to be charged when the fault is over and the process may be gone.
// error: lifetime may not live long enough

use crate::mm::MemoryOwner;
use crate::shmem::fault::Fault;
use crate::tmpfs::Tmpfs;

pub(crate) fn remember(fault: &Fault<'_, Tmpfs>) -> MemoryOwner<'static> {
    fault.memory_owner()
}
