// SPDX-License-Identifier: GPL-2.0

//! Attributes: what stat(2) shows, and what chmod(2), chown(2) and truncate(2) set.
//!
//! Lock order: `i_rwsem`, then what truncation takes.

use crate::shmem::seals::Seals;
use crate::tmpfs::data::beyond_eof;
use crate::tmpfs::data::orders;
use crate::tmpfs::data::page_accounting;
use crate::tmpfs::data::truncate;
use crate::tmpfs::state::{config, quota, Tmpfs};
use crate::vfs::attr::{AttrOperations, SetAttr, Stat};
use crate::vfs::fileattr::FlagTable;
use crate::vfs::{FileType, Inode};
use kernel::prelude::*;

impl AttrOperations for Tmpfs {
    const FLAGS: FlagTable<Self> = if config::XATTR {
        FlagTable::new()
    } else {
        FlagTable::NONE
    };

    #[inline(always)]
    fn update_blocks(inode: &Inode<Self>) {
        if inode.file_type() == FileType::Regular {
            beyond_eof::trim(inode);
            page_accounting::update(inode);
        }
    }

    #[inline(always)]
    fn stat(inode: &Inode<Self>, stat: &mut Stat<'_>) {
        stat.set_btime(inode.data().btime());
        stat.know_flags();
        stat.set_flags(inode.data().flags());
        if let Some(size) = orders::block_size(inode) {
            stat.set_block_size(size);
        }
    }

    fn set_attributes(mut request: SetAttr<'_, Self>) -> Result {
        let mut modified = false;
        let mut changed = true;
        let (size, mode) = (request.size(), request.mode());
        let mut inode = request.inode();
        if mode.is_some_and(|mode| !mode.is_as_executable_as(inode.mode()))
            && inode.seals().intersects(Seals::EXEC)
        {
            return Err(EPERM);
        }
        if let Some(size) = size.filter(|_| inode.file_type() == FileType::Regular) {
            // What frees pages counts as a modification, even where the size stays as it is.
            modified = size != inode.size() || page_accounting::has_pages(&inode);
            changed = modified;
            truncate::resize(&mut inode, size)?;
        }

        quota::transfer(&mut request)?;
        let mut inode = request.commit()?;
        if modified {
            inode.touch();
        } else if changed {
            inode.set_changed();
        }
        Ok(())
    }
}
