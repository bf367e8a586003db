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
use crate::units::Pos;
use crate::vfs::attr::{AttrOperations, SetAttr, Stat};
use crate::vfs::fileattr::FlagTable;
use crate::vfs::{Exclusive, FileType, Inode};
use kernel::prelude::*;

impl AttrOperations for Tmpfs {
    const FLAGS: FlagTable<Self> = if config::XATTR {
        FlagTable::new()
    } else {
        FlagTable::NONE
    };

    #[inline(always)]
    fn update_blocks(inode: &Inode<Self>) {
        // Other files have neither, so that there is no need to ask.
        beyond_eof::trim(inode);
        page_accounting::update(inode);
    }

    #[inline(always)]
    fn stat(inode: &Inode<Self>, stat: &mut Stat<'_>) {
        stat.set_btime(|| inode.data().btime());
        stat.know_flags();
        stat.set_flags(inode.data().flags());
        if let Some(size) = orders::block_size(inode) {
            stat.set_block_size(size);
        }
    }

    #[inline]
    fn set_attributes(mut request: SetAttr<'_, Self>) -> Result {
        let (size, mode) = (request.size(), request.mode());
        let mut inode = request.inode();
        if inode.seals().intersects(Seals::EXEC)
            && mode.is_some_and(|mode| !mode.is_as_executable_as(inode.mode()))
        {
            return Err(EPERM);
        }
        let news = match size {
            Some(size) if inode.file_type() == FileType::Regular => resize(&mut inode, size)?,
            _ => News::Attributes,
        };

        quota::transfer(&mut request)?;
        let mut inode = request.commit()?;
        match news {
            News::Contents => inode.touch(),
            News::Attributes => inode.set_changed(),
            News::Nothing => {}
        }
        Ok(())
    }
}

/// What the times of a file tell of a change.
enum News {
    Nothing,
    Attributes,
    Contents,
}

/// Sets the size of a regular file. Not inlined: most changes are of other attributes, and need less.
#[inline(never)]
fn resize(inode: &mut Exclusive<'_, Tmpfs>, size: Pos) -> Result<News> {
    // What frees pages counts as a modification, even where the size stays as it is.
    let is_modified = size != inode.size() || page_accounting::has_pages(inode);
    truncate::resize(inode, size)?;
    Ok(if is_modified {
        News::Contents
    } else {
        News::Nothing
    })
}
