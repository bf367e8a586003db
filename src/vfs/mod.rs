// SPDX-License-Identifier: GPL-2.0

//! Safe Rust over the C VFS.
//!
//! A file system is a type that implements [`FileSystem`] and the operation traits beside it
//! ([`DirectoryOperations`], [`FileOperations`], ...). The C tables of function pointers are built
//! from those traits at compile time. Superblocks, inodes and dentries stay the kernel's: this
//! layer says who owns them and when a field of theirs may be looked at. It uses [`crate::mm`], and
//! knows nothing of the floors above it: what operates page caches and mappings is a type of
//! [`file_system::Memory`].
//!
//! What the VFS protects by `i_rwsem` is reached through [`Exclusive`] and [`Shared`], which exist
//! only where that lock is held.

pub(crate) mod acl;
mod all_inodes;
pub(crate) mod attr;
mod bits;
#[cfg_attr(not(CONFIG_UNICODE), path = "casefold_stub.rs")]
pub(crate) mod casefold;
pub(crate) mod context;
pub(crate) mod control;
pub(crate) mod cookies;
mod delayed_iput;
pub(crate) mod dentry;
pub(crate) mod dir;
pub(crate) mod dir_index;
mod eviction;
mod export;
pub(crate) mod features;
mod figure_folders;
pub(crate) mod figures;
pub(crate) mod file;
pub(crate) mod file_system;
pub(crate) mod fileattr;
mod folder;
mod fs_type;
pub(crate) mod handle;
pub(crate) mod ids;
pub(crate) mod inode;
pub(crate) mod inode_list;
pub(crate) mod internal_type;
pub(crate) mod kernel_mount;
pub(crate) mod lock;
mod mmap;
pub(crate) mod mode;
pub(crate) mod new_inode;
pub(crate) mod parameter;
pub(crate) mod pins;
pub(crate) mod pipe;
#[allow(dead_code, reason = "not all file systems show what they do")]
pub(crate) mod published;
#[cfg(CONFIG_QUOTA)]
pub(crate) mod quota;
#[allow(
    dead_code,
    reason = "a file system whose pages go to swap has no use for it"
)]
pub(crate) mod ram;
pub(crate) mod superblock;
pub(crate) mod switch;
mod workqueue;
pub(crate) mod xattr;

pub(crate) use attr::AttrOperations;
pub(crate) use context::MountContext;
pub(crate) use dentry::{Dentry, Negative, Positive};
pub(crate) use dir::{DirectoryOperations, RenameDirs};
pub(crate) use file::{File, FileOperations};
pub(crate) use file_system::FileSystem;
pub(crate) use fs_type::{module_file_system, Registration, Settings};
pub(crate) use ids::{IdMap, Kgid, Kuid};
pub(crate) use inode::{Inode, InodeCore, InodeRef};
pub(crate) use lock::{Exclusive, InodeGuard, Shared};
pub(crate) use mode::{DeviceId, FileKind, FileType, Mode, Special};
pub(crate) use new_inode::{LinkTarget, NewInode, Origin};
pub(crate) use parameter::{ParameterKind, ParameterTable, ParameterValue};
pub(crate) use superblock::{BareSuperBlock, NewSuperBlock, SuperBlock};
