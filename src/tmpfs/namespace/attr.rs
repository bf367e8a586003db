// SPDX-License-Identifier: GPL-2.0

//! Attributes, and the size among them.
//!
//! Lock order: `i_rwsem`, then what truncation takes inside the MM: `i_mmap_rwsem`, folio locks.

#[cfg(CONFIG_TMPFS_XATTR)]
use super::flags;
use crate::mm::Pos;
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
use crate::tmpfs::data::orders;
use crate::tmpfs::data::page_accounting;
use crate::tmpfs::data::truncate::Cut;
use crate::tmpfs::state::Tmpfs;
use crate::vfs::attr::{AttrOperations, AttrRequest, IdMap, Stat};
#[cfg(CONFIG_TMPFS_XATTR)]
use crate::vfs::{fileattr::FileFlags, Dentry};
use crate::vfs::{Exclusive, FileType, Inode};
use kernel::prelude::*;

impl AttrOperations for Tmpfs {
    fn update_blocks(inode: &Inode<Self>) {
        if inode.file_type() == FileType::Regular {
            page_accounting::update(inode);
        }
    }

    fn stat(inode: &Inode<Self>, stat: &mut Stat<'_>) {
        stat.set_btime(inode.data().btime());
        stat.know_flags();
        #[cfg(CONFIG_TMPFS_XATTR)]
        stat.set_flags(inode.data().flags());
        #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
        if let Some(size) = orders::block_size(inode) {
            stat.set_block_size(size);
        }
    }

    fn set_attributes(
        inode: &mut Exclusive<'_, Self>,
        idmap: &IdMap,
        request: AttrRequest<'_>,
    ) -> Result {
        let mut modified = false;
        let mut changed = true;
        if let Some(size) = request
            .size()
            .filter(|_| inode.file_type() == FileType::Regular)
        {
            // What frees pages counts as a modification, even where the size stays as it is.
            modified = size != inode.size() || page_accounting::has_pages(inode);
            changed = modified;
            resize(inode, size)?;
        }

        #[cfg(CONFIG_TMPFS_QUOTA)]
        if inode.sb().data().quota.is_some() {
            request.transfer_quota(idmap, inode)?;
        }
        request.copy_to(idmap, inode)?;
        if modified {
            inode.touch();
        } else if changed {
            inode.set_changed();
        }
        Ok(())
    }

    #[cfg(CONFIG_TMPFS_XATTR)]
    fn flags(inode: &Inode<Self>) -> FileFlags {
        inode.data().flags()
    }

    #[cfg(CONFIG_TMPFS_XATTR)]
    fn set_flags(
        inode: &mut Exclusive<'_, Self>,
        dentry: &Dentry<Self>,
        flags: FileFlags,
    ) -> Result {
        flags::set(inode, dentry, flags)
    }
}

/// Sets the size of a regular file; what is beyond it is gone for good when it grows again.
///
/// Fails with `ENOMEM` and, when the task is killed, with `EINTR`; then nothing has changed.
fn resize(inode: &mut Exclusive<'_, Tmpfs>, size: Pos) -> Result {
    let old = inode.size();
    if size > old {
        inode.set_size(size);
        return Ok(());
    }
    #[cfg_attr(not(CONFIG_SWAP), expect(unused_mut))]
    let mut cut = Cut::new(size, None);
    #[cfg(CONFIG_SWAP)]
    cut.prepare(inode)?;
    if size != old {
        inode.set_size(size);
    }

    // User mappings go first, so that none is left of the folios that are removed; and once more,
    // since a private copy may have been made in between by a fault that found the folio still
    // there.
    let hole = size.page_end().start_or_max();
    let unmap = |inode: &Inode<Tmpfs>| {
        if old > hole {
            inode.mapping().unmap_from(hole);
        }
    };
    unmap(inode);
    if page_accounting::has_pages(inode) {
        cut.free(inode);
    }
    unmap(inode);
    Ok(())
}
