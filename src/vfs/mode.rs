// SPDX-License-Identifier: GPL-2.0

//! File modes and device numbers.

/// `umode_t`: the type of a file and its permission bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode(u16);

/// The type of a file, `S_IFMT` of its mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a socket or a device node.
    Special,
}

const S_IFMT: u16 = 0o170000;
const S_IFDIR: u16 = 0o040000;
const S_IFREG: u16 = 0o100000;
const S_IFLNK: u16 = 0o120000;
const S_IFCHR: u16 = 0o020000;

impl Mode {
    /// The mode of a whiteout: a character device (0, 0) without permissions.
    pub(crate) const WHITEOUT: Self = Self(S_IFCHR);

    /// The mode of every symbolic link.
    pub(crate) const SYMLINK: Self = Self(S_IFLNK | 0o777);

    /// Takes a mode as the VFS hands it out.
    pub(crate) const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }

    /// The mode as the VFS takes it.
    pub(crate) const fn as_raw(self) -> u16 {
        self.0
    }

    /// The same permissions on a directory.
    pub(crate) const fn directory(self) -> Self {
        Self((self.0 & !S_IFMT) | S_IFDIR)
    }

    /// The same permissions on a regular file.
    pub(crate) const fn regular(self) -> Self {
        Self((self.0 & !S_IFMT) | S_IFREG)
    }

    /// What kind of file this is.
    pub(crate) const fn file_type(self) -> FileType {
        match self.0 & S_IFMT {
            S_IFREG => FileType::Regular,
            S_IFDIR => FileType::Directory,
            S_IFLNK => FileType::Symlink,
            _ => FileType::Special,
        }
    }

    /// The `DT_*` value that getdents reports, as `fs_umode_to_dtype()`.
    pub(crate) const fn dirent_type(self) -> u32 {
        ((self.0 & S_IFMT) >> 12) as u32
    }
}

/// `dev_t`: the device that a special file stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceId(u32);

impl DeviceId {
    /// No device; also the device of a whiteout.
    pub(crate) const NONE: Self = Self(0);

    /// Takes a device number as the VFS hands it out.
    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The device number as the VFS takes it.
    pub(crate) const fn as_raw(self) -> u32 {
        self.0
    }
}
