// SPDX-License-Identifier: GPL-2.0

//! Pages of khugepaged's that the file system is to count in the page cache, and may forget to.
// error: this function takes 2 arguments but 3 arguments were supplied

use crate::shmem::backend::SharedMemory;
use crate::tmpfs::Tmpfs;
use crate::units::PageCount;
use crate::vfs::Inode;

pub(crate) fn charge(inode: &Inode<Tmpfs>) {
    let _ = Tmpfs::charge(inode, PageCount::ONE, || {});
}
