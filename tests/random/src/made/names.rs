//! Names and attributes.

use differential::calls::{Call, MARKS};
use differential::harness::fileattr;

use super::Maker;

const KINDS: &[u32] = &[
    libc::S_IFREG,
    libc::S_IFIFO,
    libc::S_IFSOCK,
    libc::S_IFCHR,
    libc::S_IFBLK,
    0,
    libc::S_IFDIR,
    libc::S_IFLNK,
    0o170000,
];

/// The null device, none, and one that nobody has. Nothing of the kind can be opened on the mount.
const DEVICES: &[u64] = &[0x103, 0, 0xffff_ffff, 1 << 40];

const AT: &[i32] = &[
    libc::AT_SYMLINK_NOFOLLOW,
    libc::AT_SYMLINK_NOFOLLOW,
    libc::AT_EMPTY_PATH,
];

const FLAGS: &[u32] = &[
    fileattr::IMMUTABLE,
    fileattr::APPEND,
    fileattr::NODUMP,
    fileattr::NOATIME,
    fileattr::CASEFOLD,
    0,
    0x1,
    0x8,
    0x80000,
];

const NANOSECONDS: &[i64] = &[
    0,
    1,
    999_999_999,
    1_000_000_000,
    libc::UTIME_NOW,
    libc::UTIME_OMIT,
    -1,
];

impl Maker {
    pub fn names(&mut self) -> Call {
        let fd = self.fd();
        let r = &mut self.rng;
        match r.below(20) {
            0..3 => Call::Mkdir {
                path: r.path(),
                mode: r.mode(),
            },
            3 | 4 => Call::Mknod {
                path: r.path(),
                mode: r.early(KINDS) | r.mode(),
                dev: r.of(DEVICES),
            },
            5 | 6 => Call::Symlink {
                target: r.target(),
                path: r.path(),
            },
            7 => Call::Readlink {
                path: r.path(),
                size: r.of(&[0, 1, 10, 4096, 5000]),
            },
            8 | 9 => Call::Link {
                from: r.path(),
                to: r.path(),
                flags: r.bits(&[libc::AT_SYMLINK_FOLLOW, libc::AT_EMPTY_PATH]),
            },
            10 => Call::LinkFd { fd, to: r.path() },
            11..14 => {
                let flags = if r.one_in(20) {
                    r.bits(&[1, 2])
                } else {
                    r.of(&[0, 0, libc::AT_REMOVEDIR])
                };
                Call::Unlink {
                    path: r.path(),
                    flags,
                }
            }
            _ => {
                let flags = if r.one_in(2) {
                    0
                } else {
                    r.bits(&[1, 2, 4]) as u32
                };
                Call::Rename {
                    from: r.path(),
                    to: r.path(),
                    flags,
                }
            }
        }
    }

    pub fn listing(&mut self) -> Call {
        let fd = self.fd();
        let r = &mut self.rng;
        let mark = r.below(MARKS);
        match r.below(10) {
            0 => Call::Open {
                fd,
                path: r.of(&[".", "d1", "d2", "d1/d3"]),
                flags: libc::O_DIRECTORY,
                mode: 0,
            },
            1..5 => Call::List {
                fd,
                size: r.of(&[24, 48, 100, 300, 4096, 32768, 1, 0]),
            },
            5 => Call::Mark { fd, mark },
            6 => Call::Return { fd, mark },
            7 => Call::Seek {
                fd,
                to: r.of(&[0, 0, 1, 2, 3, -1, i64::MAX, 1 << 31, 1 << 32]),
                whence: r.of(&[0, 0, 0, 1, 2]),
            },
            8 => Call::Open {
                fd: 5,
                path: r.path(),
                flags: libc::O_CREAT,
                mode: 0o600,
            },
            _ => Call::Unlink {
                path: r.path(),
                flags: 0,
            },
        }
    }

    pub fn attributes(&mut self) -> Call {
        let fd = self.fd();
        let r = &mut self.rng;
        let flags = if r.one_in(3) { r.bits(AT) } else { 0 };
        match r.below(18) {
            0 => Call::Stat {
                path: r.path(),
                flags,
                mask: r.of(&[0xfff, 0x7ff, 0, 0xffff_ffff, 0x3fff]),
            },
            1 => Call::Access {
                path: r.path(),
                mode: r.of(&[0, 1, 2, 4, 7, 8, -1]),
                flags: r.of(&[0, 0, 0x100, 0x200, 1]),
            },
            2 => Call::Statfs { path: r.path() },
            3 | 4 => Call::Chmod {
                path: r.path(),
                mode: r.mode(),
                flags,
            },
            5 => Call::Fchmod { fd, mode: r.mode() },
            6..9 => Call::Chown {
                path: r.path(),
                uid: r.id(),
                gid: r.id(),
                flags,
            },
            9 => Call::Fchown {
                fd,
                uid: r.id(),
                gid: r.id(),
            },
            10 | 11 => {
                let mut time = || {
                    (
                        r.of(&[0, 1, -1, 1 << 31, 1 << 33, i64::MAX, i64::MIN, 12345]),
                        r.early(NANOSECONDS),
                    )
                };
                let times = [time(), time()];
                Call::Utimens {
                    path: r.path(),
                    times,
                    flags,
                }
            }
            12 | 13 => Call::SetFlags {
                fd,
                flags: r.early(FLAGS),
            },
            14 => Call::GetFlags { fd },
            15 => Call::SetFsxattr {
                fd,
                xflags: r.of(&[0, 8, 0x10, 0x40, 0x80, 0x8000_0000, 1]),
                projid: u32::from(r.one_in(5)),
            },
            _ => Call::Watch {
                path: r.of(&["a", "d1", ".", "d1/a", "b"]),
            },
        }
    }

    pub fn xattrs(&mut self) -> Call {
        let fd = self.fd();
        let r = &mut self.rng;
        let len = r.early(&[1, 10, 0, 100, 1000, 4000, 20_000, 65_535, 65_536, 65_537]);
        let flags = if r.one_in(3) { r.of(&[1, 2, 3, 4]) } else { 0 };
        match r.below(14) {
            0..5 => Call::SetXattr {
                path: r.path(),
                name: r.key(),
                len,
                byte: r.byte(),
                flags,
            },
            5 => Call::FsetXattr {
                fd,
                name: r.key(),
                len,
                byte: r.byte(),
                flags,
            },
            6 | 7 => Call::GetXattr {
                path: r.path(),
                name: r.key(),
                size: r.of(&[0, 1, 100, 65_536, 100_000]),
            },
            8 => Call::ListXattr {
                path: r.path(),
                size: r.of(&[0, 5, 100, 65_536]),
            },
            9 | 10 => Call::RemoveXattr {
                path: r.path(),
                name: r.key(),
            },
            _ => Call::SetAcl {
                path: r.path(),
                default: r.one_in(2),
                acl: r.acl(),
            },
        }
    }
}
