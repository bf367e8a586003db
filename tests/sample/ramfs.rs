// SPDX-License-Identifier: GPL-2.0

//! A ram file system: what the kernel's ramfs is, in safe Rust over [`crate::vfs`] and [`crate::mm`] alone.
//!
//! A file system is a type, here [`Ramfs`], and what it does are the traits that the type implements, in the order
//! in which this file has them:
//!
//! 1. [`FileSystem`]: how it is called, mounted, and shown; which data of its own a superblock and an inode have;
//!    how an inode begins and ends.
//! 2. [`DirectoryOperations`]: consent to a change of names. Names themselves are the layer's business.
//! 3. [`AttrOperations`]: what stat(2) shows, and what chmod(2), chown(2) and truncate(2) set.
//! 4. [`FileOperations`]: the contents of regular files.
//!
//! None of these functions is handed a pointer, nor a lock to take: an [`Inode`] is what any task may look at, and
//! an [`Exclusive`] is the proof that its `i_rwsem` is held for writing, which is what changes need.

#![forbid(unsafe_code)]

use crate::mm::{Folio, Mapping, Slot, MAX_FILE_SIZE};
use crate::units::{Ino, PageIndex, PageRange, Pos};
use crate::vfs::attr::{AttrOperations, SetAttr, Stat};
use crate::vfs::dir::{RenameTarget, Victim};
use crate::vfs::file::Seek;
use crate::vfs::file_system::StatFs;
use crate::vfs::pipe::PipeWriter;
use crate::vfs::ram::{self, Ram};
use crate::vfs::{
    DirectoryOperations, Exclusive, File, FileKind, FileOperations, FileSystem, FileType, IdMap,
    Inode, InodeGuard, LinkTarget, Mode, MountContext, Negative, NewInode, NewSuperBlock, Origin,
    ParameterKind, ParameterTable, ParameterValue, Positive, RenameDirs, SuperBlock,
};
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::sync::atomic::{Atomic, Relaxed};

/// The file system. There is no value of it: its state is in superblocks and inodes.
pub(crate) enum Ramfs {}

/// What a superblock has besides what all have.
pub(crate) struct SuperData {
    mode: Mode,
    next_ino: Atomic<u64>,
}

/// The permissions of the root directory, unless the mount says otherwise.
const DEFAULT_MODE: Mode = Mode::from_raw(0o755);

/// The mount options; each is known by its index.
static PARAMETERS: ParameterTable = ParameterTable::new().with(c"mode", ParameterKind::Octal);

impl FileSystem for Ramfs {
    const NAME: &'static CStr = c"rtramfs";
    const INODE_CACHE_NAME: &'static CStr = c"rtramfs_inode_cache";
    // RAMFS_MAGIC
    const MAGIC: u32 = 0x8584_58f6;
    const MAX_BYTES: Pos = MAX_FILE_SIZE;
    const PARAMETERS: &'static ParameterTable = &PARAMETERS;

    // Pages never leave memory; a file system whose pages go to swap has more to say here.
    type Memory = Ram;
    type MountOptions = Mode;
    type SuperData = SuperData;
    type InodeData = ();

    // A mount: options with their defaults, each option that is given, and then the superblock and its root.

    fn new_options() -> Result<Mode> {
        Ok(DEFAULT_MODE)
    }

    fn parse_parameter(
        mode: &mut Mode,
        _cx: &MountContext,
        _index: usize,
        value: ParameterValue<'_>,
    ) -> Result {
        // There is one option only, and its kind is that of all its values.
        if let ParameterValue::Number(number) = value {
            *mode = Mode::from_raw(u16::try_from(number & 0o7777)?);
        }
        Ok(())
    }

    fn new_super<'a>(
        mode: &'a mut Mode,
        _cx: &'a MountContext,
    ) -> impl PinInit<SuperData, Error> + 'a {
        Ok(SuperData {
            mode: *mode,
            next_ino: Atomic::new(Ino::FIRST.to_u64()),
        })
    }

    fn new_root<'a>(sb: &'a NewSuperBlock<'_, Self>) -> Result<NewInode<'a, Self>> {
        let (origin, mode) = (Origin::root_of(sb), sb.data().mode);
        NewInode::directory(origin, next_ino(sb), mode, Pos::ZERO, ()).ok_or(ENOMEM)
    }

    fn reconfigure(_sb: &SuperBlock<Self>, _mode: &mut Mode, _cx: &MountContext) -> Result {
        Ok(())
    }

    fn stat_fs(_sb: &SuperBlock<Self>) -> StatFs {
        StatFs::default()
    }

    fn show_options(sb: &SuperBlock<Self>, seq: &SeqFile) {
        let mode = sb.data().mode;
        if mode != DEFAULT_MODE {
            seq_print!(seq, ",mode={:o}", mode.as_raw());
        }
    }

    // The end of an inode, which comes when it has neither a name nor a user.

    fn evict(inode: &mut Exclusive<'_, Self>) {
        if inode.file_type() == FileType::Regular {
            truncate(inode.mapping(), Pos::ZERO);
        }
    }
}

/// The number for a new inode.
fn next_ino(sb: &SuperBlock<Ramfs>) -> Ino {
    Ino::new(sb.data().next_ino.fetch_add(1, Relaxed))
}

/// The layer has reserved what the change of names needs, and makes it once the function here has returned `Ok`;
/// what remains to be done is to count links and to set times. A new inode that is returned gets the name. It is
/// made whole, by a constructor for its kind that takes the file system's data, of which there is none here.
impl DirectoryOperations for Ramfs {
    fn make<'a>(
        dir: &mut Exclusive<'a, Self>,
        idmap: &'a IdMap,
        name: &Negative<'_, Self>,
        kind: FileKind,
        mode: Mode,
    ) -> Result<NewInode<'a, Self>> {
        let (origin, ino) = (Origin::child_of(dir.inode(), idmap), next_ino(dir.sb()));
        let inode = match kind {
            FileKind::Regular => NewInode::regular(origin, ino, mode, ()),
            FileKind::Directory => NewInode::directory(origin, ino, mode, Pos::ZERO, ()),
            FileKind::Special(special) => NewInode::special(origin, ino, mode, special, ()),
        };
        let mut inode = inode.ok_or(ENOSPC)?;
        inode.init_security(dir, Some(name))?;
        if matches!(kind, FileKind::Directory) {
            dir.inc_nlink();
        }
        dir.touch();
        Ok(inode)
    }

    fn symlink<'a>(
        dir: &mut Exclusive<'a, Self>,
        idmap: &'a IdMap,
        name: &Negative<'_, Self>,
        target: &CStr,
    ) -> Result<NewInode<'a, Self>> {
        let (origin, ino) = (Origin::child_of(dir.inode(), idmap), next_ino(dir.sb()));
        let target = LinkTarget::new(target)?;
        let mut inode = NewInode::symlink(origin, ino, target, ()).ok_or(ENOSPC)?;
        inode.init_security(dir, Some(name))?;
        dir.touch();
        Ok(inode)
    }

    fn make_unnamed<'a>(
        dir: &'a Inode<Self>,
        idmap: &'a IdMap,
        mode: Mode,
    ) -> Result<NewInode<'a, Self>> {
        let (origin, ino) = (Origin::child_of(dir, idmap), next_ino(dir.sb()));
        let mut inode = NewInode::regular(origin, ino, mode, ()).ok_or(ENOSPC)?;
        inode.init_security(dir, None)?;
        Ok(inode)
    }

    fn link(
        dir: &mut Exclusive<'_, Self>,
        file: &mut Exclusive<'_, Self>,
        _name: &Negative<'_, Self>,
    ) -> Result {
        file.inc_nlink();
        dir.touch_with(file);
        Ok(())
    }

    fn unlink(dir: &mut Exclusive<'_, Self>, victim: &mut Victim<'_, Self>) -> Result {
        victim.inode.drop_nlink();
        dir.touch_with(&mut victim.inode);
        Ok(())
    }

    fn rmdir(dir: &mut Exclusive<'_, Self>, victim: &mut Victim<'_, Self>) -> Result {
        // Its own `.`, and its `..` in the parent.
        victim.inode.drop_nlink();
        dir.drop_nlink();
        Self::unlink(dir, victim)
    }

    fn rename(
        mut dirs: RenameDirs<'_, '_, Self>,
        moved: &Positive<'_, Self>,
        target: &mut RenameTarget<'_, Self>,
    ) -> Result {
        // The `..` of a directory leaves one directory, and comes to another.
        if moved.inode().file_type() == FileType::Directory {
            dirs.source().drop_nlink();
            dirs.target().inc_nlink();
        }
        match target {
            RenameTarget::Replace(victim) if is_directory(&victim.dentry) => {
                Self::rmdir(dirs.target(), victim)?;
            }
            RenameTarget::Replace(victim) => Self::unlink(dirs.target(), victim)?,
            RenameTarget::Free(_) => {}
        }
        dirs.touch(moved, target.dentry());
        Ok(())
    }

    fn exchange(
        mut dirs: RenameDirs<'_, '_, Self>,
        one: &Positive<'_, Self>,
        other: &Positive<'_, Self>,
    ) -> Result {
        if is_directory(one) {
            dirs.target().inc_nlink();
            dirs.source().drop_nlink();
        }
        if is_directory(other) {
            dirs.source().inc_nlink();
            dirs.target().drop_nlink();
        }
        dirs.touch(one, other);
        Ok(())
    }
}

fn is_directory(name: &Positive<'_, Ramfs>) -> bool {
    name.inode().file_type() == FileType::Directory
}

impl AttrOperations for Ramfs {
    // No blocks are counted: there are as many as there are pages.
    fn stat(inode: &Inode<Self>, stat: &mut Stat<'_>) {
        stat.set_pages(inode.mapping().nr_pages());
    }

    fn set_attributes(mut request: SetAttr<'_, Self>) -> Result {
        let size = request.size();
        let mut inode = request.inode();
        if let Some(size) = size {
            inode.set_size(size);
            truncate(inode.mapping(), size);
        }
        request.commit().map(drop)
    }
}

/// Reads, writes and faults are the page cache's own, through what [`Ram`] says of it.
impl FileOperations for Ramfs {
    fn read(file: &File<Self>, pos: Pos, to: &mut IovIterDest<'_>) -> Result {
        ram::read(file, pos, to)
    }

    fn write(
        file: &File<Self>,
        inode: &mut Exclusive<'_, Self>,
        pos: Pos,
        from: &mut IovIterSource<'_>,
    ) -> Result {
        ram::write(file, inode, pos, from)
    }

    fn splice_read(file: &File<Self>, pos: Pos, pipe: &mut PipeWriter<'_>) -> Result {
        ram::splice_read(file, pos, pipe)
    }

    // As in ramfs a hole is data: to look at it would fill it.
    fn seek(inode: &mut InodeGuard<'_, Self>, offset: Pos, what: Seek) -> Result<Pos> {
        let size = inode.exclusive().size();
        match what {
            _ if offset >= size => Err(ENXIO),
            Seek::Data => Ok(offset),
            Seek::Hole => Ok(size),
        }
    }
}

/// Takes the contents from byte `start` on out of the page cache and out of all mappings. The size is
/// `start` at most already, so that no fault brings them back.
fn truncate(mapping: &Mapping, start: Pos) {
    let gone = PageRange::new(start.page_end(), PageIndex::END);
    // Once so that no page is in use any more, and once more for the private copies made meanwhile.
    mapping.unmap_from(gone.start.start_or_max());
    mapping.remove(gone, || {
        cut(mapping, start);
        gone
    });
    mapping.unmap_from(gone.start.start_or_max());
}

/// Zeros the page that byte `start` is in from there on, which is not to be seen when the file grows again.
fn cut(mapping: &Mapping, start: Pos) {
    // Goes round only where the page has just moved to another folio, which waits for its lock.
    while let Slot::Folio(folio) = mapping.get(start.page()) {
        if let Some(mut folio) = Folio::lock(folio).belongs_to(mapping) {
            folio.cut_out(start, None);
            return;
        }
    }
}
