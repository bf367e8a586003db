//! Mappings.

use differential::calls::Call;
use differential::harness::sys::PAGE;

use super::values::HUGE;
use super::Maker;

const PROTECTIONS: &[i32] = &[3, 3, 3, 1, 1, 2, 0, 5, 7, 8, 0x0100_0000];

const MAP_FLAGS: &[i32] = &[
    libc::MAP_POPULATE,
    libc::MAP_NORESERVE,
    libc::MAP_LOCKED,
    libc::MAP_SYNC,
    libc::MAP_NONBLOCK,
    libc::MAP_HUGETLB,
    8,
];

/// All that madvise(2) knows, but what breaks memory for good.
const ADVICE: &[i32] = &[
    4, 21, 9, 23, 22, 14, 20, 8, 15, 0, 1, 2, 3, 10, 11, 12, 13, 16, 17, 18, 19, 24, 102, 103, 77,
    -1,
];

/// What makes large folios, and what installs something for each page.
const COLLAPSE: i32 = 25;
const GUARD: i32 = 102;

/// What works on pages that are mapped and on no others.
const ON_MAPPED: &[i32] = &[libc::MADV_PAGEOUT, libc::MADV_COLD];

/// What takes back that a mapping is used at random.
const IN_ORDER: &[i32] = &[libc::MADV_NORMAL, libc::MADV_SEQUENTIAL];

/// How many pages of a file have folios of their own when they are first touched.
const SINGLE: usize = 16;

impl Maker {
    /// Of a mapping; the largest go nowhere.
    pub fn map_length(&mut self) -> usize {
        let r = &mut self.rng;
        if self.fits {
            return (1 + r.below(SINGLE)) * PAGE;
        }
        let len = match r.below(12) {
            0..8 => (1 + r.below(16)) * PAGE,
            8..11 => r.of(&[HUGE, 2 * HUGE, HUGE + PAGE as i64, 1 << 20]) as usize,
            _ => r.of(&[0, 1, 100, 1 << 30, 1 << 41, 1 << 46, usize::MAX, 1 << 63]),
        };
        if r.limited {
            len
        } else {
            len.min(2 * HUGE as usize)
        }
    }

    fn part(&mut self) -> (usize, usize) {
        let r = &mut self.rng;
        let from = match r.below(12) {
            0..5 => 0,
            5..10 => r.below(16) * PAGE,
            10 => HUGE as usize,
            _ => r.below(1 << 16),
        };
        (from, self.map_length())
    }

    /// How long a mapping may become from there on, where only the first pages of a file are to be mapped.
    fn left_of_single(&self, map: usize, from: usize) -> usize {
        let before = self.first_page[map].saturating_add(from.div_ceil(PAGE));
        SINGLE.saturating_sub(before) * PAGE
    }

    pub fn maps(&mut self) -> Call {
        let (fd, map, len) = (self.fd(), self.map_number(), self.map_length());
        let (from, part) = self.part();
        let single = self.left_of_single(map, from);
        let r = &mut self.rng;
        match r.below(18) {
            0..6 => {
                let at = match r.below(5) {
                    0 if !self.fits => r.offset(),
                    1 => r.below(8) as i64 * PAGE as i64,
                    _ => 0,
                };
                let len = match self.fits {
                    true => len.min(SINGLE * PAGE - at as usize),
                    false => len,
                };
                let kind = r.of(&[
                    libc::MAP_SHARED,
                    libc::MAP_SHARED,
                    libc::MAP_PRIVATE,
                    libc::MAP_SHARED_VALIDATE,
                    0,
                ]);
                let flags = kind | if r.one_in(3) { r.bits(MAP_FLAGS) } else { 0 };
                // What unknown bits mean is for another test: one says that the place may be chosen by itself.
                Call::Map {
                    map: r.early(&[0, 1, 2, 3]),
                    fd,
                    at,
                    len,
                    prot: r.of(PROTECTIONS),
                    flags: flags & 0x7_ffff & !libc::MAP_GROWSDOWN & !libc::MAP_ANONYMOUS,
                }
            }
            6 => Call::Unmap {
                map,
                from,
                len: part,
            },
            7 => Call::Protect {
                map,
                from,
                len: part,
                prot: r.of(PROTECTIONS),
            },
            8 => Call::Msync {
                map,
                from,
                len: part,
                flags: r.of(&[1, 2, 4, 5, 6, 0, 8]),
            },
            9 => Call::Lock {
                map,
                from,
                len: part,
                flags: r.of(&[None, Some(0), Some(1), Some(2)]),
            },
            10 => Call::Unlock {
                map,
                from,
                len: part,
            },
            11 | 12 => Call::Mincore {
                map,
                from,
                len: part,
            },
            13 | 14 => {
                let flags = r.of(&[0, 1, 1, 1, 5, 4, 8]);
                let new_len = match self.fits {
                    true => len.min(single),
                    false => len,
                };
                Call::Remap {
                    map,
                    from,
                    len: part,
                    new_len,
                    flags,
                    to: r.below(4),
                }
            }
            // What of a folio is moved, and which of its pages are mapped, is a known difference elsewhere.
            15 | 16 if self.roughly || !self.fits && !r.large && self.at_random => {
                Call::MovePages {
                    map,
                    from,
                    pages: 1 + r.below(SINGLE),
                    node: r.of(&[None, Some(0), Some(1), Some(1), Some(2)]),
                    flags: r.of(&[0, 2, 2, 2, 4, 8]),
                }
            }
            _ => Call::Bind {
                map,
                from,
                len: part,
                mode: r.of(&[0, 1, 2, 3, 4, 99]),
                nodes: r.of(&[0, 1, 1, 2]),
                // MPOL_MF_STRICT tells which pages are mapped.
                flags: if self.at_random && !self.fits && !self.roughly {
                    r.of(&[0, 1, 2, 3, 8])
                } else {
                    r.of(&[0, 2, 2, 8])
                },
            },
        }
    }

    /// The call, and that the mapping which it makes is used at random, where all are.
    pub fn said_at_random(&self, call: Call) -> impl Iterator<Item = Call> {
        let said = match call {
            Call::Map { map, .. } | Call::MapCommon { map, .. } | Call::Shmat { map, .. }
                if self.at_random =>
            {
                Some(Call::Advise {
                    map,
                    from: 0,
                    len: usize::MAX,
                    advice: libc::MADV_RANDOM,
                })
            }
            _ => None,
        };
        [Some(call), said].into_iter().flatten()
    }

    pub fn touches(&mut self) -> Call {
        let map = self.map_number();
        let (from, _) = self.part();
        let r = &mut self.rng;
        let pages = r.of(&[1, 1, 2, 3, 8, 20, 513]);
        Call::Touch {
            map,
            from,
            pages,
            write: if r.one_in(2) { None } else { Some(r.byte()) },
        }
    }

    pub fn advice(&mut self) -> Call {
        let map = self.map_number();
        let (from, len) = self.part();
        let from = if self.rng.one_in(4) {
            from
        } else {
            from & !(PAGE - 1)
        };
        let mut advice = self.rng.early(ADVICE);
        if self.rng.one_in(8) {
            advice = COLLAPSE;
        }
        let spared: &[i32] = match (self.roughly, self.at_random) {
            (true, _) => &[],
            (false, true) => IN_ORDER,
            (false, false) => ON_MAPPED,
        };
        if spared.contains(&advice) {
            advice = libc::MADV_DONTNEED;
        }
        Call::Advise {
            map,
            from,
            len: if advice == GUARD {
                len.min(4 * HUGE as usize)
            } else {
                len
            },
            advice,
        }
    }
}
