// SPDX-License-Identifier: GPL-2.0

//! Extended attributes: what each takes of the limit of inodes.
//!
//! Keeping and finding them is the VFS's work. An attribute that replaces another counts beside it
//! until that is gone.

use crate::tmpfs::pure::inode_limit::InodeSpace;
use crate::tmpfs::state::Tmpfs;
use crate::vfs::xattr::{self, Name, SetFlags, XattrOperations};
use crate::vfs::{Exclusive, SuperBlock};
use kernel::prelude::*;

impl XattrOperations for Tmpfs {
    #[inline]
    fn set_xattr(
        inode: &mut Exclusive<'_, Self>,
        name: Name<'_>,
        value: Option<&[u8]>,
        flags: SetFlags,
    ) -> Result {
        let inodes = inode.inode().sb().data().inodes();
        let space = |size| InodeSpace::from_bytes(xattr::space(name, size));
        let reservation = match value {
            Some(value) => Some(inodes.reserve(space(value.len())).ok_or(ENOSPC)?),
            None => None,
        };
        let old_size = inode.set_xattr(name, value, flags)?;
        if let Some(reservation) = reservation {
            reservation.commit();
        }
        if let Some(size) = old_size {
            inodes.release(space(size));
        }
        inode.set_changed();
        Ok(())
    }

    fn init_xattr(sb: &SuperBlock<Self>, bytes: usize) -> Result {
        let space = InodeSpace::from_bytes(bytes);
        sb.data().inodes().reserve(space).ok_or(ENOSPC)?.commit();
        Ok(())
    }
}

/// The attributes of an inode that goes away have gone: gives back the `bytes` bytes that they took of the
/// limit of inodes.
pub(in crate::tmpfs) fn release_space(sb: &SuperBlock<Tmpfs>, bytes: usize) {
    sb.data().inodes().release(InodeSpace::from_bytes(bytes));
}
