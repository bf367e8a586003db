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

/// What a special file is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice(DeviceId),
    /// A block device.
    BlockDevice(DeviceId),
}

/// What a new file is to be; symbolic links are made in a way of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A FIFO, a socket or a device node.
    Special(Special),
}

const S_IFMT: u16 = 0o170000;
const S_IFDIR: u16 = 0o040000;
const S_IFREG: u16 = 0o100000;
const S_IFLNK: u16 = 0o120000;
const S_IFCHR: u16 = 0o020000;
const S_IFBLK: u16 = 0o060000;
const S_IFIFO: u16 = 0o010000;
const S_IFSOCK: u16 = 0o140000;
const S_IXUGO: u16 = 0o111;

/// How many minor numbers a major one has, a power of two (`MINORBITS`).
const MINORS: u32 = 1 << 20;

/// The lowest of the bits of `S_IFMT`, as `S_DT_SHIFT`.
const S_IFMT_UNIT: u16 = 1 << 12;

impl FileKind {
    /// What mknod(2) asks for, if that is a file that it can make.
    pub(super) const fn of_node(mode: Mode, device: DeviceId) -> Option<Self> {
        Some(match mode.0 & S_IFMT {
            S_IFREG => Self::Regular,
            S_IFCHR => Self::Special(Special::CharDevice(device)),
            S_IFBLK => Self::Special(Special::BlockDevice(device)),
            S_IFIFO => Self::Special(Special::Fifo),
            S_IFSOCK => Self::Special(Special::Socket),
            _ => return None,
        })
    }
}

impl Special {
    /// What stands for a name that is not there, in a layer of overlayfs: a character device (0, 0).
    pub(crate) const WHITEOUT: Self = Self::CharDevice(DeviceId::NONE);

    /// The same permissions on such a file.
    pub(super) const fn mode(self, permissions: Mode) -> Mode {
        let kind = match self {
            Self::Fifo => S_IFIFO,
            Self::Socket => S_IFSOCK,
            Self::CharDevice(_) => S_IFCHR,
            Self::BlockDevice(_) => S_IFBLK,
        };
        Mode((permissions.0 & !S_IFMT) | kind)
    }

    /// The device that it stands for, if any.
    pub(super) const fn device(self) -> DeviceId {
        match self {
            Self::CharDevice(device) | Self::BlockDevice(device) => device,
            Self::Fifo | Self::Socket => DeviceId::NONE,
        }
    }
}

impl Mode {
    /// Nothing is permitted, as of a whiteout.
    pub(crate) const NO_PERMISSIONS: Self = Self(0);

    /// The mode of every symbolic link.
    pub(super) const SYMLINK: Self = Self(S_IFLNK | 0o777);

    /// Takes a mode as the VFS hands it out.
    pub(crate) const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }

    /// The mode as the VFS takes it.
    pub(crate) const fn as_raw(self) -> u16 {
        self.0
    }

    /// The same permissions on a directory.
    pub(super) const fn directory(self) -> Self {
        Self((self.0 & !S_IFMT) | S_IFDIR)
    }

    /// The same permissions on a regular file.
    pub(super) const fn regular(self) -> Self {
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

    /// Whether the same users may execute a file with `other`.
    pub(crate) const fn is_as_executable_as(self, other: Self) -> bool {
        (self.0 ^ other.0) & S_IXUGO == 0
    }

    /// The `DT_*` value that getdents reports, as `fs_umode_to_dtype()`.
    pub(crate) const fn dirent_type(self) -> u32 {
        ((self.0 & S_IFMT) / S_IFMT_UNIT) as u32
    }
}

/// `dev_t`: the device that a special file stands for, or that a superblock has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeviceId(u32);

impl DeviceId {
    /// No device; also the device of a whiteout.
    const NONE: Self = Self(0);

    /// Takes a device number as the VFS hands it out.
    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The device number as the VFS takes it.
    pub(crate) const fn as_raw(self) -> u32 {
        self.0
    }

    /// The major number, as `MAJOR()`.
    pub(super) const fn major(self) -> u32 {
        self.0 / MINORS
    }

    /// The minor number, as `MINOR()`.
    pub(crate) const fn minor(self) -> u32 {
        self.0 % MINORS
    }
}
