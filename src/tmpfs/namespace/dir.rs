// SPDX-License-Identifier: GPL-2.0

//! Names: making, linking, renaming and removing them.
//!
//! The VFS holds the locks, and [`crate::vfs::dir`] changes the names themselves once the functions
//! here have consented. What remains here is the accounting: link counts, sizes, times, and the place
//! that each name takes under the limit of inodes.

use super::lifecycle::{self, Kind};
use super::symlink;
use crate::tmpfs::pure::inode_limit::InodeSpace;
use crate::tmpfs::state::inode::DIR_ENTRY_SIZE;
use crate::tmpfs::state::Tmpfs;
use crate::vfs::dir::{RenameTarget, Victim};
use crate::vfs::{
    DirectoryOperations, Exclusive, FileKind, FileType, IdMap, Inode, Mode, Negative, NewInode,
    Positive, RenameDirs, Special,
};
use kernel::prelude::*;

impl DirectoryOperations for Tmpfs {
    fn make<'a>(
        dir: &mut Exclusive<'a, Self>,
        idmap: &'a IdMap,
        name: &Negative<'_, Self>,
        kind: FileKind,
        mode: Mode,
    ) -> Result<NewInode<'a, Self>> {
        if !dir.allows_name(name) {
            return Err(EINVAL);
        }
        let mut inode = lifecycle::new(dir.inode(), idmap, kind.into(), mode)?;
        inode.init_acls(dir)?;
        inode.init_security(dir, Some(name))?;
        gain_name(dir);
        if kind == FileKind::Directory {
            dir.inc_nlink();
        }
        Ok(inode)
    }

    fn symlink<'a>(
        dir: &mut Exclusive<'a, Self>,
        idmap: &'a IdMap,
        name: &Negative<'_, Self>,
        target: &CStr,
    ) -> Result<NewInode<'a, Self>> {
        let inode = symlink::new(dir, idmap, name, target)?;
        gain_name(dir);
        Ok(inode)
    }

    fn make_unnamed<'a>(
        dir: &'a Inode<Self>,
        idmap: &'a IdMap,
        mode: Mode,
    ) -> Result<NewInode<'a, Self>> {
        let mut inode = lifecycle::new(dir, idmap, Kind::Regular, mode)?;
        inode.init_security(dir, None)?;
        inode.init_acls(dir)?;
        Ok(inode)
    }

    fn link(
        dir: &mut Exclusive<'_, Self>,
        file: &mut Exclusive<'_, Self>,
        _name: &Negative<'_, Self>,
    ) -> Result {
        // A file that was made without a name has its place already.
        if file.nlink() != 0 {
            let inodes = dir.inode().sb().data().inodes();
            inodes.reserve(InodeSpace::INODE).ok_or(ENOSPC)?.commit();
        }
        file.inc_nlink();
        dir.set_size(dir.size().saturating_add(DIR_ENTRY_SIZE));
        dir.touch_with(file);
        Ok(())
    }

    fn unlink(dir: &mut Exclusive<'_, Self>, victim: &mut Victim<'_, Self>) -> Result {
        lose_name(dir, victim);
        Ok(())
    }

    fn rmdir(dir: &mut Exclusive<'_, Self>, victim: &mut Victim<'_, Self>) -> Result {
        // Its own `.`, and its `..` in the parent.
        victim.inode.drop_nlink();
        dir.drop_nlink();
        lose_name(dir, victim);
        Ok(())
    }

    fn rename(
        dirs: RenameDirs<'_, '_, Self>,
        moved: &Positive<'_, Self>,
        target: &mut RenameTarget<'_, Self>,
    ) -> Result {
        rename(dirs, moved, target);
        Ok(())
    }

    fn rename_with_whiteout<'a>(
        mut dirs: RenameDirs<'_, 'a, Self>,
        idmap: &'a IdMap,
        moved: &Positive<'_, Self>,
        target: &mut RenameTarget<'_, Self>,
        name: &Negative<'_, Self>,
    ) -> Result<NewInode<'a, Self>> {
        let kind = FileKind::Special(Special::WHITEOUT);
        let whiteout = Self::make(dirs.source(), idmap, name, kind, Mode::NO_PERMISSIONS)?;
        rename(dirs, moved, target);
        Ok(whiteout)
    }

    fn exchange(
        mut dirs: RenameDirs<'_, '_, Self>,
        one: &Positive<'_, Self>,
        other: &Positive<'_, Self>,
    ) -> Result {
        if let RenameDirs::Different { old, new } = &mut dirs {
            let is_dir =
                |dentry: &Positive<'_, Self>| dentry.inode().file_type() == FileType::Directory;
            match (is_dir(one), is_dir(other)) {
                (true, false) => {
                    old.drop_nlink();
                    new.inc_nlink();
                }
                (false, true) => {
                    new.drop_nlink();
                    old.inc_nlink();
                }
                _ => {}
            }
        }
        dirs.touch(one, other);
        Ok(())
    }
}

/// Accounts for the name that a new file in `dir` gets.
fn gain_name(dir: &mut Exclusive<'_, Tmpfs>) {
    dir.set_size(dir.size().saturating_add(DIR_ENTRY_SIZE));
    dir.touch();
}

/// Accounts for a name that moves.
fn rename(
    mut dirs: RenameDirs<'_, '_, Tmpfs>,
    moved: &Positive<'_, Tmpfs>,
    target: &mut RenameTarget<'_, Tmpfs>,
) {
    let is_dir = moved.inode().file_type() == FileType::Directory;
    match target {
        RenameTarget::Free(_) => {
            if is_dir {
                dirs.source().drop_nlink();
                dirs.target().inc_nlink();
            }
        }
        RenameTarget::Replace(victim) => {
            if is_dir {
                // The victim's `.`; its `..` becomes that of the directory that replaces it.
                victim.inode.drop_nlink();
                dirs.source().drop_nlink();
            }
            lose_name(dirs.target(), victim);
        }
    }

    let source = dirs.source();
    source.set_size(source.size().saturating_sub(DIR_ENTRY_SIZE));
    let new = dirs.target();
    new.set_size(new.size().saturating_add(DIR_ENTRY_SIZE));
    dirs.touch(moved, target.dentry());
}

/// Accounts for the name that a file in `dir` loses.
fn lose_name(dir: &mut Exclusive<'_, Tmpfs>, victim: &mut Victim<'_, Tmpfs>) {
    if victim.inode.nlink() > 1 && victim.inode.file_type() != FileType::Directory {
        dir.inode().sb().data().inodes().release(InodeSpace::INODE);
    }
    dir.set_size(dir.size().saturating_sub(DIR_ENTRY_SIZE));
    dir.touch_with(&mut victim.inode);
    victim.inode.drop_nlink();
}
