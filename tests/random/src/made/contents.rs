//! Descriptors, and what is in files.

use differential::calls::{Call, FDS, PIPES};

use super::Maker;

const OPEN: &[i32] = &[
    libc::O_CREAT,
    libc::O_CREAT,
    libc::O_CREAT,
    libc::O_EXCL,
    libc::O_TRUNC,
    libc::O_APPEND,
    libc::O_NOFOLLOW,
    libc::O_NOATIME,
    libc::O_SYNC,
    libc::O_DSYNC,
    libc::O_DIRECT,
    libc::O_DIRECTORY,
    libc::O_PATH,
];

const RWF: &[i32] = &[1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80];

const MOST_BY_RING: usize = 1 << 20;

const ALL_OF_A_PIPE: usize = 70_000;

const KEEP_SIZE: i32 = libc::FALLOC_FL_KEEP_SIZE;
const MODES: &[i32] = &[
    0,
    KEEP_SIZE,
    KEEP_SIZE | libc::FALLOC_FL_PUNCH_HOLE,
    KEEP_SIZE | libc::FALLOC_FL_PUNCH_HOLE,
    libc::FALLOC_FL_ZERO_RANGE,
    KEEP_SIZE | libc::FALLOC_FL_ZERO_RANGE,
    libc::FALLOC_FL_PUNCH_HOLE,
    libc::FALLOC_FL_COLLAPSE_RANGE,
    libc::FALLOC_FL_INSERT_RANGE,
    libc::FALLOC_FL_UNSHARE_RANGE,
    0x80, // write zeroes
    0x100,
    -1,
];

/// Block size, bytes to read, version (get and set), UUID, name in sysfs, label, trim, and one that nobody knows.
const IOCTLS: &[u32] = &[
    0x2,
    0x541b,
    0x8008_7601,
    0x4008_7602,
    0x8011_1500,
    0x8081_1501,
    0x8100_9431,
    0xc018_5879,
    0x1234_5678,
];

impl Maker {
    pub fn descriptors(&mut self) -> Call {
        let (fd, of) = (self.rng.below(FDS), self.fd());
        let access = self.rng.of(&[
            libc::O_RDWR,
            libc::O_RDWR,
            libc::O_RDONLY,
            libc::O_WRONLY,
            3,
        ]);
        let r = &mut self.rng;
        match r.below(20) {
            0..9 => Call::Open {
                fd,
                path: r.path(),
                flags: access | r.bits(OPEN),
                mode: r.mode(),
            },
            9 | 10 => {
                let path = r.of(&[".", "d1", "a", "d1/d3", ""]);
                Call::Open {
                    fd,
                    path,
                    flags: access | libc::O_TMPFILE | r.bits(OPEN),
                    mode: r.mode(),
                }
            }
            11 => Call::Open {
                fd,
                path: r.of(&[".", "d1", "d2", "d1/d3"]),
                flags: libc::O_DIRECTORY,
                mode: 0,
            },
            12 => Call::OpenAt {
                fd,
                dir: of,
                path: r.of(&["a", "b", "."]),
                flags: access | r.bits(OPEN),
            },
            13 | 14 => Call::Reopen {
                fd,
                of,
                flags: access | r.bits(OPEN),
            },
            15 => Call::Dup { fd, of },
            16 => Call::SetStatus {
                fd: of,
                flags: r.bits(&[libc::O_APPEND, libc::O_DIRECT, libc::O_NOATIME]),
            },
            17 => Call::Seals {
                fd: of,
                add: if r.one_in(2) {
                    None
                } else {
                    Some(r.bits(&[1, 2, 4, 8, 16, 32]))
                },
            },
            18 => Call::Ioctl {
                fd: of,
                number: r.of(IOCTLS),
            },
            _ => Call::Close { fd: of },
        }
    }

    pub fn contents(&mut self) -> Call {
        let (fd, map) = (self.fd(), self.map_number());
        let r = &mut self.rng;
        match r.below(14) {
            12 | 13 => {
                let write = r.one_in(2).then(|| r.byte());
                Call::Uring {
                    fd,
                    // No more than there is memory for, at any length.
                    len: r.amount().min(MOST_BY_RING) as u32,
                    at: r.offset(),
                    write,
                    flags: if r.one_in(4) { r.bits(RWF) } else { 0 },
                    aside: r.one_in(2),
                }
            }
            0 => Call::Read {
                fd,
                len: r.amount(),
            },
            1 | 2 => Call::Write {
                fd,
                len: r.amount(),
                byte: r.byte(),
            },
            3 | 4 => Call::Preadv {
                fd,
                len: r.amount(),
                at: r.offset(),
                flags: if r.one_in(4) { r.bits(RWF) } else { 0 },
            },
            5..9 => {
                let flags = if r.one_in(4) { r.bits(RWF) } else { 0 };
                let len = r.amount();
                let at = if r.one_in(3) {
                    self.written_to
                } else {
                    r.offset()
                };
                self.written_to = at.saturating_add_unsigned(len as u64);
                Call::Pwritev {
                    fd,
                    len,
                    at,
                    byte: r.byte(),
                    flags,
                }
            }
            9 => Call::PreadMap {
                fd,
                map,
                from: r.near(),
                len: r.near(),
                at: r.offset(),
            },
            10 if !self.fits => Call::PwriteMap {
                fd,
                map,
                from: r.near(),
                len: r.near(),
                at: r.offset(),
            },
            _ => Call::Seek {
                fd,
                to: r.offset(),
                whence: r.of(&[0, 1, 2, 3, 4, 3, 4, 5, -1]),
            },
        }
    }

    pub fn space(&mut self) -> Call {
        let fd = self.fd();
        let r = &mut self.rng;
        match r.below(16) {
            0 => Call::Truncate {
                path: r.path(),
                len: r.offset(),
            },
            1..4 => Call::Ftruncate {
                fd,
                len: r.offset(),
            },
            4..11 => Call::Fallocate {
                fd,
                mode: r.early(MODES),
                at: r.offset(),
                len: r.span(),
            },
            11 | 12 => Call::Seek {
                fd,
                to: r.offset(),
                whence: r.of(&[libc::SEEK_DATA, libc::SEEK_HOLE]),
            },
            13 => Call::Fsync {
                fd,
                data: r.one_in(2),
            },
            14 => match r.below(3) {
                0 => Call::SyncRange {
                    fd,
                    at: r.offset(),
                    len: r.span(),
                    flags: r.bits(&[1, 2, 4]) as u32,
                },
                1 => Call::Fadvise {
                    fd,
                    at: r.offset(),
                    len: r.span(),
                    advice: r.of(&[0, 1, 2, 3, 4, 5, 6, -1]),
                },
                _ => Call::Readahead {
                    fd,
                    at: r.offset(),
                    len: r.amount(),
                },
            },
            _ => Call::Cachestat {
                fd,
                at: r.offset() as u64,
                len: r.span() as u64,
            },
        }
    }

    /// What takes pages out of the pipe again that a call has put there: a page that somebody holds is in a folio that
    /// cannot be split, and what its size is, and so what a truncation leaves of it, is a known difference.
    pub fn let_go(&mut self, call: Call) -> Vec<Call> {
        let (Call::SpliceIn { pipe, .. } | Call::Vmsplice { pipe, .. }) = call else {
            return Vec::new();
        };
        if !self.roughly {
            return Vec::new();
        }
        let mut calls = Vec::new();
        if self.rng.one_in(3) {
            calls.push(Call::Tee {
                from: pipe,
                to: (pipe + 1) % PIPES,
                len: self.rng.near(),
                flags: 0,
            });
        }
        if self.rng.one_in(2) {
            calls.push(Call::SpliceOut {
                pipe,
                fd: self.fd(),
                at: self.rng.maybe_offset(),
                len: self.rng.near(),
                flags: 0,
            });
        }
        calls.extend((0..PIPES).map(|pipe| Call::PipeRead {
            pipe,
            len: ALL_OF_A_PIPE,
        }));
        calls
    }

    pub fn copies(&mut self) -> Call {
        let (from, to, map) = (self.fd(), self.fd(), self.map_number());
        let r = &mut self.rng;
        let pipe = r.below(PIPES);
        // A splice of pages moves nothing; an unknown flag is an error.
        let flags = r.bits(&[1, 2, 4, 8]) as u32;
        match r.below(13) {
            0..3 => {
                let flags = u32::from(r.one_in(20));
                Call::CopyRange {
                    from,
                    at: r.maybe_offset(),
                    to,
                    to_at: r.maybe_offset(),
                    len: r.span() as usize,
                    flags,
                }
            }
            3 | 4 => Call::Sendfile {
                from,
                at: r.maybe_offset(),
                to,
                len: r.span() as usize,
            },
            5 => Call::Clone {
                from,
                at: r.offset(),
                to,
                to_at: r.offset(),
                len: r.span(),
            },
            6 | 7 if !self.fits => Call::SpliceIn {
                fd: from,
                at: r.maybe_offset(),
                pipe,
                len: r.span() as usize,
                flags,
            },
            8 | 9 => Call::SpliceOut {
                pipe,
                fd: to,
                at: r.maybe_offset(),
                len: r.span() as usize,
                flags,
            },
            10 => Call::Tee {
                from: pipe,
                to: r.below(PIPES),
                len: r.span() as usize,
                flags,
            },
            11 if !self.fits => Call::Vmsplice {
                map,
                from: r.near(),
                len: r.near(),
                pipe,
                flags,
            },
            _ if r.one_in(3) => Call::PipeWrite {
                pipe,
                len: r.below(10_000),
                byte: r.byte(),
            },
            _ => Call::PipeRead {
                pipe,
                len: r.below(ALL_OF_A_PIPE),
            },
        }
    }
}
