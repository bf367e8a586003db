// SPDX-License-Identifier: GPL-2.0

//! Shared memory: what the rest of mm/ asks a file system whose pages go to swap.
//!
//! A file system is one by [`backend::SharedMemory`]; its folios go to swap as [`outgoing`] says, and
//! [`mod@fault`] and [`userfault`] serve its mappings. Here, and not in [`crate::mm`], is what needs more
//! of the patched kernel than exports and declarations. Uses [`crate::vfs`] and [`crate::mm`], and knows
//! nothing of the file system above it.

mod around;
pub(crate) mod backend;
pub(crate) mod fault;
mod hooks;
#[cfg_attr(not(CONFIG_TRANSPARENT_HUGEPAGE), path = "huge_stub.rs")]
pub(crate) mod huge;
mod inode;
pub(crate) mod outgoing;
#[cfg(CONFIG_NUMA)]
mod policy;
mod registration;
pub(crate) mod seals;
pub(crate) mod switches;
#[cfg_attr(not(CONFIG_USERFAULTFD), path = "userfault_stub.rs")]
pub(crate) mod userfault;
mod writeout;

use crate::bindings;

/// `f_type` of statfs(2), by which programs know a temporary file system.
pub(crate) const TMPFS_MAGIC: u32 = bindings::TMPFS_MAGIC;

/// The number of the format of quota in memory, as programs know it.
pub(crate) const QFMT_SHMEM: u32 = bindings::QFMT_SHMEM;
