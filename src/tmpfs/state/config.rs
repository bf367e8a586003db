// SPDX-License-Identifier: GPL-2.0

//! What the options of the kernel's configuration say that are tmpfs's own. Those of the VFS and the MM are the
//! business of the floors below, which have the same items in every configuration.

/// Whether files have extended attributes, and the flags of chattr(1).
pub(in crate::tmpfs) const XATTR: bool = cfg!(CONFIG_TMPFS_XATTR);

/// Whether files have POSIX ACLs.
pub(in crate::tmpfs) const POSIX_ACL: bool = cfg!(CONFIG_TMPFS_POSIX_ACL);

/// Whether inode numbers have 64 bits unless a mount option says otherwise.
pub(in crate::tmpfs) const INODE64: bool = cfg!(CONFIG_TMPFS_INODE64);
