//! Files without a mount: memfd_create(2) and seals, shared memory of System V, shared anonymous memory, children.

use differential::calls::{Call, MAPS, SEGMENTS};
use differential::harness::memfd::{ALLOW_SEALING, CLOEXEC, EXEC, NOEXEC_SEAL, SEALS};
use differential::harness::sysv;

use super::Maker;

const MEMFDS: &[u32] = &[
    ALLOW_SEALING | EXEC,
    CLOEXEC | ALLOW_SEALING,
    ALLOW_SEALING | NOEXEC_SEAL,
    ALLOW_SEALING,
    NOEXEC_SEAL,
    EXEC,
    0,
    EXEC | NOEXEC_SEAL,
    0x40,
];

const PROTECTIONS: &[i32] = &[3, 3, 3, 3, 1, 2, 0, 5, 7];

const MAP_FLAGS: &[i32] = &[
    libc::MAP_NORESERVE,
    libc::MAP_NORESERVE,
    libc::MAP_POPULATE,
    libc::MAP_LOCKED,
    libc::MAP_NONBLOCK,
    libc::MAP_SYNC,
];

/// Longer than there can be, and what no multiple of a page is; the last of them is sparse without a commitment.
const LENGTHS: &[usize] = &[0, 1, 5000, 1 << 63, usize::MAX, 1 << 62, 1 << 39];

const SHM_EXEC: i32 = 0o100_000;

impl Maker {
    /// Of memory without a file. What is populated must not be as long as what is sparse.
    fn common_length(&mut self, sparse: bool) -> usize {
        if self.rng.one_in(8) {
            let most = LENGTHS.len() - usize::from(!sparse);
            return self.rng.of(&LENGTHS[..most]);
        }
        self.map_length()
    }

    pub fn without_mount(&mut self) -> Call {
        let (fd, of_map) = (self.any_fd(), self.map_number());
        let map = self.rng.early(&[0, 1, 2, 3]) % MAPS;
        match self.rng.below(9) {
            0..4 => Call::Memfd {
                fd,
                flags: self.rng.early(MEMFDS),
            },
            4..=6 => {
                let flags = if self.rng.one_in(2) {
                    self.rng.bits(MAP_FLAGS)
                } else {
                    0
                };
                let flags = flags & (MAP_FLAGS.iter().fold(0, |all, flag| all | flag));
                let kind = self.rng.of(&[
                    libc::MAP_SHARED,
                    libc::MAP_SHARED,
                    libc::MAP_SHARED,
                    libc::MAP_SHARED_VALIDATE,
                    libc::MAP_PRIVATE,
                ]);
                let sparse = flags & (libc::MAP_POPULATE | libc::MAP_LOCKED) == 0
                    && flags & libc::MAP_NORESERVE != 0;
                Call::MapCommon {
                    map,
                    len: self.common_length(sparse),
                    prot: self.rng.of(PROTECTIONS),
                    flags: kind | flags,
                    zero: self.rng.one_in(4),
                }
            }
            8 if self.opens_mapped => Call::OpenMapped {
                fd,
                map: of_map,
                flags: self
                    .rng
                    .of(&[2, 2, 0, 1, 2 | libc::O_TRUNC, 2 | libc::O_APPEND]),
            },
            _ => self.seals(),
        }
    }

    fn any_fd(&mut self) -> usize {
        self.rng.early(&[0, 1, 3, 4, 5])
    }

    /// A descriptor that there may be seals of, mostly.
    fn sealable(&mut self) -> usize {
        match self.memfds {
            0 => self.fd(),
            memfds => {
                let fd = self.any_fd();
                // The first from there on; there is one.
                (fd..fd + 6)
                    .map(|fd| fd % 6)
                    .find(|fd| memfds & (1 << fd) != 0)
                    .unwrap_or(fd)
            }
        }
    }

    /// Seals, and what they forbid.
    pub fn seals(&mut self) -> Call {
        let fd = self.sealable();
        let map = self.map_number();
        let len = self.map_length();
        let r = &mut self.rng;
        match r.below(12) {
            0..3 => Call::Seals {
                fd,
                add: Some(r.of(&SEALS) as i32),
            },
            3 => Call::Seals {
                fd,
                add: Some(r.bits(&[1, 2, 4, 8, 16, 32])),
            },
            4 => Call::Seals { fd, add: None },
            5 => Call::Ftruncate { fd, len: r.span() },
            6 => Call::Pwritev {
                fd,
                len: r.amount(),
                at: r.offset(),
                byte: r.byte(),
                flags: 0,
            },
            7 => Call::Fallocate {
                fd,
                mode: r.of(&[0, 1, 3, 3]),
                at: r.offset(),
                len: r.span(),
            },
            8 => Call::Map {
                map,
                fd,
                at: 0,
                len,
                prot: r.of(&[3, 3, 1, 5]),
                flags: r.of(&[libc::MAP_SHARED, libc::MAP_SHARED, libc::MAP_PRIVATE]),
            },
            9 => Call::Protect {
                map,
                from: 0,
                len,
                prot: r.of(&[3, 1, 7]),
            },
            10 => Call::SpliceOut {
                pipe: r.below(2),
                fd,
                at: Some(r.offset()),
                len: r.amount(),
                flags: 2,
            },
            _ => Call::Fchmod { fd, mode: r.mode() },
        }
    }

    pub fn segments(&mut self) -> Call {
        let segment = self.rng.below(SEGMENTS);
        let segment = match self.segments & (1 << segment) {
            0 => 0,
            _ => segment,
        };
        let (of_map, map) = (self.map_number(), self.rng.early(&[0, 1, 2, 3]));
        match self.rng.below(16) {
            0..4 => {
                let reserve = self.rng.one_in(4);
                let flags = self
                    .rng
                    .of(&[0o1666, 0o1600, 0o1666, 0o3666, 0o666, 0o1444, 0]);
                Call::Shmget {
                    segment: self.rng.below(SEGMENTS),
                    key: self.rng.of(&[0, 0, 0, 1, 2]),
                    len: self.common_length(reserve),
                    flags: if reserve {
                        flags | libc::SHM_NORESERVE
                    } else {
                        flags
                    },
                }
            }
            4..9 => Call::Shmat {
                segment,
                map,
                flags: self.rng.early(&[
                    0,
                    libc::SHM_RDONLY,
                    libc::SHM_REMAP,
                    SHM_EXEC,
                    libc::SHM_RND,
                    libc::SHM_RDONLY | SHM_EXEC,
                ]),
            },
            9 => Call::Shmdt {
                map: of_map,
                from: self.rng.early(&[0, 0, 4096, 8192, 1]),
            },
            10..14 => Call::Shmctl {
                segment,
                command: self.rng.of(&[
                    libc::IPC_RMID,
                    libc::IPC_STAT,
                    match self.opens_mapped {
                        true => libc::IPC_STAT,
                        false => libc::SHM_LOCK,
                    },
                    libc::SHM_UNLOCK,
                    libc::IPC_STAT,
                    sysv::STAT_ANY,
                    77,
                ]),
            },
            14 => Call::ShmSet {
                segment,
                mode: self.rng.of(&[0o600, 0o666, 0, 0o7777]),
                uid: self.rng.id(),
            },
            _ => Call::ShmInfo,
        }
    }

    pub fn children(&mut self) -> Call {
        let Call::Touch {
            map,
            from,
            pages,
            write,
        } = self.touches()
        else {
            unreachable!("it touches");
        };
        Call::Child {
            map,
            from,
            pages,
            write,
        }
    }
}
