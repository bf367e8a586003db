// SPDX-License-Identifier: GPL-2.0

//! Names: making, linking, renaming and removing them.
//!
//! The VFS holds the locks, and [`crate::vfs::dir_index`] keeps the order of a directory. What
//! remains here is the accounting: link counts, sizes, times, and the place that each name takes
//! under the limit of inodes.

use super::lifecycle;
use super::symlink;
use crate::tmpfs::pure::inode_limit::InodeSpace;
use crate::tmpfs::state::inode::DIR_ENTRY_SIZE;
use crate::tmpfs::state::Tmpfs;
use crate::vfs::dir::{LinkSource, RenameTarget, Victim};
use crate::vfs::{
    Dentry, DeviceId, DirectoryOperations, Exclusive, FileType, IdMap, Inode, Mode, Negative,
    NewInode, Positive, RenameDirs,
};
use kernel::prelude::*;

impl DirectoryOperations for Tmpfs {
    fn make(
        dir: &mut Exclusive<'_, Self>,
        idmap: &IdMap,
        dentry: Negative<'_, Self>,
        mode: Mode,
        device: DeviceId,
    ) -> Result {
        #[cfg(CONFIG_UNICODE)]
        if !dir.allows_name(&dentry) {
            return Err(EINVAL);
        }
        let mut inode = lifecycle::new(dir, idmap, mode, device)?;
        #[cfg(CONFIG_TMPFS_POSIX_ACL)]
        inode.init_acls(dir)?;
        inode.init_security(dir, Some(&dentry))?;
        add(dir, dentry, inode)?;
        if mode.file_type() == FileType::Directory {
            dir.inc_nlink();
        }
        Ok(())
    }

    fn symlink(
        dir: &mut Exclusive<'_, Self>,
        idmap: &IdMap,
        dentry: Negative<'_, Self>,
        target: &CStr,
    ) -> Result {
        let inode = symlink::new(dir, idmap, &dentry, target)?;
        add(dir, dentry, inode)
    }

    fn make_unnamed(dir: &Inode<Self>, idmap: &IdMap, mode: Mode) -> Result<NewInode<Self>> {
        let mut inode = lifecycle::new(dir, idmap, mode, DeviceId::NONE)?;
        inode.init_security(dir, None)?;
        #[cfg(CONFIG_TMPFS_POSIX_ACL)]
        inode.init_acls(dir)?;
        Ok(inode)
    }

    fn link(
        dir: &mut Exclusive<'_, Self>,
        mut source: LinkSource<'_, Self>,
        dentry: Negative<'_, Self>,
    ) -> Result {
        // A file that was made without a name has its place already.
        let reservation = match source.exclusive().nlink() {
            0 => None,
            _ => {
                let inodes = &dir.inode().sb().data().inodes;
                Some(inodes.reserve(InodeSpace::INODE).ok_or(ENOSPC)?)
            }
        };
        dir.add_link(dentry, &source)?;
        if let Some(reservation) = reservation {
            reservation.commit();
        }
        let mut inode = source.exclusive();
        inode.inc_nlink();
        dir.set_size(dir.size().saturating_add(DIR_ENTRY_SIZE));
        dir.touch_with(&mut inode);
        Ok(())
    }

    fn unlink(dir: &mut Exclusive<'_, Self>, victim: Victim<'_, Self>) -> Result {
        unlink(dir, victim);
        Ok(())
    }

    fn rmdir(dir: &mut Exclusive<'_, Self>, mut victim: Victim<'_, Self>) -> Result {
        if !victim.dentry.is_empty() {
            return Err(ENOTEMPTY);
        }
        // Its own `.`, and its `..` in the parent.
        victim.inode.drop_nlink();
        dir.drop_nlink();
        unlink(dir, victim);
        Ok(())
    }

    fn rename(
        mut dirs: RenameDirs<'_, '_, Self>,
        idmap: &IdMap,
        dentry: Positive<'_, Self>,
        new_dentry: &Dentry<Self>,
        target: RenameTarget<'_, Self>,
        whiteout: bool,
    ) -> Result {
        if !new_dentry.is_empty() {
            return Err(ENOTEMPTY);
        }
        let reserved = match target {
            RenameTarget::Free => Some(dirs.reserve()?),
            RenameTarget::Replace(_) => None,
        };
        if whiteout {
            dirs.source().whiteout(&dentry, |dir, dentry| {
                Self::make(dir, idmap, dentry, Mode::WHITEOUT, DeviceId::NONE)
            })?;
        }

        let is_dir = dentry.inode().file_type() == FileType::Directory;
        if let Some(reserved) = reserved {
            dirs.move_child(reserved, &dentry);
            if is_dir {
                dirs.source().drop_nlink();
                dirs.target().inc_nlink();
            }
        }
        if let RenameTarget::Replace(mut victim) = target {
            if is_dir {
                // The victim's `.`; its `..` becomes that of the directory that replaces it.
                victim.inode.drop_nlink();
                dirs.source().drop_nlink();
            }
            lose_name(dirs.target(), &mut victim);
            dirs.replace_child(&dentry, &victim.dentry);
        }

        let source = dirs.source();
        source.set_size(source.size().saturating_sub(DIR_ENTRY_SIZE));
        let target = dirs.target();
        target.set_size(target.size().saturating_add(DIR_ENTRY_SIZE));
        dirs.touch(&dentry, new_dentry);
        Ok(())
    }

    fn exchange(
        mut dirs: RenameDirs<'_, '_, Self>,
        dentry: Positive<'_, Self>,
        other: Positive<'_, Self>,
    ) -> Result {
        dirs.exchange_children(&dentry, &other);
        if let RenameDirs::Different { old, new } = &mut dirs {
            let is_dir =
                |dentry: &Positive<'_, Self>| dentry.inode().file_type() == FileType::Directory;
            match (is_dir(&dentry), is_dir(&other)) {
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
        dirs.touch(&dentry, &other);
        Ok(())
    }
}

/// Gives a new file its name.
fn add(
    dir: &mut Exclusive<'_, Tmpfs>,
    dentry: Negative<'_, Tmpfs>,
    inode: NewInode<Tmpfs>,
) -> Result {
    dir.add_child(dentry, inode)?;
    dir.set_size(dir.size().saturating_add(DIR_ENTRY_SIZE));
    dir.touch();
    Ok(())
}

/// Takes a name from a file, or the only name from an empty directory.
fn unlink(dir: &mut Exclusive<'_, Tmpfs>, mut victim: Victim<'_, Tmpfs>) {
    lose_name(dir, &mut victim);
    dir.remove_child(&victim.dentry);
}

/// Accounts for the name that a file in `dir` loses.
fn lose_name(dir: &mut Exclusive<'_, Tmpfs>, victim: &mut Victim<'_, Tmpfs>) {
    if victim.inode.nlink() > 1 && victim.inode.file_type() != FileType::Directory {
        dir.inode().sb().data().inodes.release(InodeSpace::INODE);
    }
    dir.set_size(dir.size().saturating_sub(DIR_ENTRY_SIZE));
    dir.touch_with(&mut victim.inode);
    victim.inode.drop_nlink();
}
