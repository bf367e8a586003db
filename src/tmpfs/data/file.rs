// SPDX-License-Identifier: GPL-2.0

//! The operations of regular files, each of which has its own file.

use super::fallocate;
use super::orders;
use super::read;
use super::write;
use crate::mm::{Len, Order, Pos};
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::vfs::file::Seek;
use crate::vfs::pipe::PipeWriter;
use crate::vfs::{Exclusive, File, FileOperations, InodeGuard, Kiocb};
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;

impl FileOperations for Tmpfs {
    #[inline]
    fn read(kiocb: &mut Kiocb<'_, Self>, to: &mut IovIterDest<'_>) -> Result<Len> {
        read::read(kiocb, to)
    }

    #[inline]
    fn write(kiocb: &mut Kiocb<'_, Self>, from: &mut IovIterSource<'_>) -> Result<Len> {
        write::write(kiocb, from)
    }

    fn seek(inode: &mut InodeGuard<'_, Self>, offset: Pos, what: Seek) -> Result<Pos> {
        let inode = inode.exclusive().inode();
        inode
            .mapping()
            .seek(offset, inode.size(), what == Seek::Data)
    }

    fn allocate(inode: &mut Exclusive<'_, Self>, start: Pos, end: Pos, keep_size: bool) -> Result {
        fallocate::allocate(inode, start, end, keep_size)
    }

    fn punch(inode: &mut Exclusive<'_, Self>, start: Pos, end: Pos) -> Result {
        fallocate::punch_hole(inode, start, end)
    }

    fn mapping_alignment(inode: &TmpfsInode) -> Option<Order> {
        orders::mapping_alignment(inode)
    }

    fn splice_read(
        file: &File<Self>,
        pos: Pos,
        pipe: &mut PipeWriter<'_>,
        len: Len,
    ) -> Result<Len> {
        read::splice(file, pos, pipe, len)
    }
}
