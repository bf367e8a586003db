// SPDX-License-Identifier: GPL-2.0

//! Safe Rust over the C MM: folios, the page cache of a file and its pages in swap, where memory comes
//! from, and how it is accounted for.
//!
//! Knows no inode, and nothing of the floors above it.

#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
pub(crate) mod alignment;
pub(crate) mod commit;
pub(crate) mod counter;
pub(crate) mod folio;
mod gfp;
#[cfg_attr(not(CONFIG_TRANSPARENT_HUGEPAGE), path = "huge_stub.rs")]
pub(crate) mod huge;
pub(crate) mod iter;
pub(crate) mod mapping;
#[cfg_attr(not(CONFIG_MEMCG), path = "memcg_stub.rs")]
pub(crate) mod memcg;
pub(crate) mod mempolicy;
mod owner;
pub(crate) mod removal;
#[cfg(CONFIG_SWAP)]
mod replacement;
#[cfg_attr(not(CONFIG_SWAP), path = "swap_stub.rs")]
pub(crate) mod swap;
#[cfg_attr(not(CONFIG_SWAP), path = "swapped_stub.rs")]
mod swapped;
pub(crate) mod task;
pub(crate) mod wait;

pub(crate) use folio::{Folio, LockedFolio, NewFolio};
pub(crate) use gfp::GfpFlags;
pub(crate) use mapping::{Mapping, Slot};
pub(crate) use owner::MemoryOwner;
pub(crate) use swapped::SwappedPage;

use crate::bindings;
use crate::units::{PageCount, Pos};

/// The largest size of a file that the page cache can index (`MAX_LFS_FILESIZE`).
pub(crate) const MAX_FILE_SIZE: Pos = Pos::from_loff(bindings::MAX_LFS_FILESIZE);

/// The memory of the machine, as `totalram_pages()`.
pub(crate) fn total_ram_pages() -> PageCount {
    // SAFETY: Reads a counter.
    PageCount::from_ulong(unsafe { bindings::totalram_pages() })
}

/// The part of [`total_ram_pages`] that the kernel cannot address directly.
pub(crate) fn total_high_pages() -> PageCount {
    // SAFETY: Reads a counter.
    PageCount::from_ulong(unsafe { bindings::totalhigh_pages() })
}
