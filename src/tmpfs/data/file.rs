// SPDX-License-Identifier: GPL-2.0

//! The operations of regular files, each of which has its own file.

use super::beyond_eof;
use super::fallocate;
use super::filling;
use super::orders;
use super::read;
use super::splice;
use super::write;
use crate::tmpfs::state::inode::TmpfsInode;
use crate::tmpfs::state::Tmpfs;
use crate::units::{Order, Pos};
use crate::vfs::file::Seek;
use crate::vfs::pipe::PipeWriter;
use crate::vfs::{Exclusive, File, FileOperations, InodeGuard};
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;

impl FileOperations for Tmpfs {
    #[inline]
    fn read(file: &File<Self>, pos: Pos, to: &mut IovIterDest<'_>) -> Result {
        read::read(file, pos, to)
    }

    #[inline]
    fn write(
        _file: &File<Self>,
        inode: &mut Exclusive<'_, Self>,
        pos: Pos,
        from: &mut IovIterSource<'_>,
    ) -> Result {
        write::write(inode, pos, from)
    }

    fn seek(inode: &mut InodeGuard<'_, Self>, offset: Pos, what: Seek) -> Result<Pos> {
        let inode = inode.exclusive().inode();
        filling::settle(inode);
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

    fn map(inode: &TmpfsInode) {
        filling::show(inode);
    }

    fn release(file: &File<Self>) {
        if file.is_last_writer() {
            beyond_eof::trim(file.inode());
        }
    }

    fn splice_read(file: &File<Self>, pos: Pos, pipe: &mut PipeWriter<'_>) -> Result {
        splice::splice(file, pos, pipe)
    }
}
