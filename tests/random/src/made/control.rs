//! Locks, the mount, and the memory of the machine.

use differential::calls::{Call, HANDLES};
use differential::harness::quota::command;

use super::Maker;

const REMOUNTS: &[&str] = &[
    "size=1m",
    "size=8m",
    "size=64k",
    "size=0",
    "nr_blocks=100",
    "nr_inodes=10",
    "nr_inodes=500",
    "nr_inodes=0",
    "huge=never",
    "huge=always",
    "huge=within_size",
    "huge=advise",
    "inode32",
    "inode64",
    "mpol=default",
    "mpol=bind:0",
    "mpol=interleave:0",
    "noswap",
    "quota",
    "usrquota",
    "usrquota_block_hardlimit=2m",
    "casefold",
    "strict_encoding",
    "mode=700",
    "uid=7",
    "nope",
    "",
    "size=x",
    "size=1m,nr_inodes=50",
];

const COMMANDS: &[u32] = &[
    command::SYNC,
    command::ON,
    command::OFF,
    command::GET_FORMAT,
    command::GET_INFO,
    command::X_GET_STATE,
    command::X_OFF,
    0x80_000a,
    0,
];

impl Maker {
    pub fn locks(&mut self) -> Call {
        let fd = self.fd();
        let r = &mut self.rng;
        if r.one_in(2) {
            return Call::Flock {
                fd,
                operation: r.of(&[libc::LOCK_SH, libc::LOCK_EX, libc::LOCK_UN, 0, 32]),
            };
        }
        let command = r.of(&[
            libc::F_SETLK,
            libc::F_OFD_SETLK,
            libc::F_GETLK,
            libc::F_OFD_GETLK,
        ]);
        let kind = r.of(&[libc::F_RDLCK, libc::F_WRLCK, libc::F_UNLCK, 7]);
        Call::Setlk {
            fd,
            command,
            kind,
            whence: r.of(&[0, 0, 1, 2, 9]),
            start: r.offset(),
            len: r.span(),
        }
    }

    pub fn control(&mut self) -> Call {
        let fd = self.fd();
        let r = &mut self.rng;
        let group = r.one_in(2);
        let handle = r.below(HANDLES);
        match r.below(20) {
            0..2 => Call::Handle {
                handle,
                path: r.path(),
                flags: r.bits(&[libc::AT_SYMLINK_FOLLOW, libc::AT_EMPTY_PATH, 0x200, 1]),
            },
            2..4 => Call::OpenHandle {
                fd,
                handle,
                flags: r.of(&[0, 2, libc::O_PATH, libc::O_DIRECTORY, 2 | libc::O_TRUNC]),
            },
            4..7 => {
                let none = usize::from(self.hard);
                let kib = r.of(&[0, 4, 100, 2000, 10_000, u64::MAX >> 10, u64::MAX][none..]);
                let inodes = r.of(&[0, 1, 5, 100, u64::MAX][none..]);
                Call::QuotaSet {
                    group,
                    id: r.id(),
                    kib,
                    soft_kib: r.of(&[0, 0, 50]),
                    inodes,
                }
            }
            7 => Call::QuotaGet { group, id: r.id() },
            8 => Call::QuotaNext { group, id: r.id() },
            9 => Call::QuotaCommand {
                group,
                command: r.of(COMMANDS),
            },
            10..14 => Call::Remount {
                options: self.remount(),
            },
            14..17 => Call::Become {
                user: r.of(&[0, 1000, 1001]),
            },
            17 => Call::Umask {
                mask: r.of(&[0, 0o22, 0o777]),
            },
            18 => Call::FileSizeLimit {
                bytes: r.of(&[None, None, Some(100_000), Some(4096)]),
            },
            _ => Call::Become { user: 0 },
        }
    }

    /// Never a mount without limits, where the rest of the sequence does not care for that.
    fn remount(&mut self) -> &'static str {
        loop {
            let options = self.rng.of(REMOUNTS);
            let refused = options == "size=0" && self.rng.limited
                || options.contains("hardlimit") && !self.hard;
            if !refused {
                return options;
            }
        }
    }

    pub fn memory(&mut self) -> Call {
        // These take long, and make what follows vague.
        let can_go = self.at_random || self.roughly;
        match self.rng.below(18) {
            0 if self.swap => Call::SwapOn,
            1 if self.swap => Call::SwapOff,
            // All that there is: how many pages a smaller number takes is not the file system's business, and shows.
            0..3 if can_go => Call::Reclaim { bytes: 64 << 20 },
            3 if can_go => Call::DropCaches {
                what: self.rng.of(&[1, 2, 3]),
            },
            4..6 => Call::Check,
            _ => self.touches(),
        }
    }
}
