// SPDX-License-Identifier: GPL-2.0

//! Pages for readers: what no single file can tell. Only the documentation has them.

pub(crate) mod locks;
pub(crate) mod shmem_c;
