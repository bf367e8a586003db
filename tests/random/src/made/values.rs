//! Arguments, with a liking for edges.

use differential::harness::sys::PAGE;

/// Sizes at which something changes: of a page, a large folio, file sizes of 32 bits, what a mapping can have, the
/// largest file.
const EDGES: [i64; 9] = [
    0,
    PAGE as i64,
    HUGE,
    1 << 31,
    1 << 32,
    1 << 43,
    1 << 62,
    i64::MAX - PAGE as i64 + 1,
    i64::MAX,
];

pub const HUGE: i64 = 2 << 20;

/// Paths that calls are made on, the first of them more often.
const PATHS: &[&str] = &[
    "a", "b", "c", "d1", "d1/a", "d1/b", "d2", "d", "e", "f", "d1/d3", "d1/d3/c", "d2/a", "s",
    "s/a", "d1/s", "@255", "@256", "d1/@255", ".", "", "a/", "d1/", "d1/.", "d1/..", "a/x",
    "nope/x", "A", "B", "D1/A", "D1", "ä", "Ä", "\u{2126}", "\u{3c9}", "d1/@200",
];

/// Never out of the mount, nor in a circle that is longer than one link.
const TARGETS: &[&str] = &[
    "a", "d1", "d1/a", "s", ".", "nope", "@127", "@128", "@300", "@4095", "@4096", "", "d1/../a",
];

const KEYS: &[&str] = &[
    "user.a",
    "user.b",
    "user.c",
    "trusted.x",
    "trusted.overlay.opaque",
    "security.y",
    "security.capability",
    "user.",
    "user",
    "",
    "nope.z",
    "system.posix_acl_access",
    "system.posix_acl_default",
    "system.nfs4_acl",
];

const ACLS: &[&str] = &[
    "",
    "u::rwx g::r-x o::r--",
    "u::rw- g::r-- m::r-- o::---",
    "u::rwx u:1000:rwx g::r-x m::rwx o::---",
    "u::rwx u:1000:--- u:1001:rw- g::--- g:1000:r-x m::r-- o::--x",
    "u::rwx g::rwx",
    "u::rwx u:1000:rwx g::rwx o::rwx",
    "u::rw? g::r-- o::---",
];

pub struct Rng {
    pub source: fastrand::Rng,
    /// Without a limit of the mount nothing may be large in memory.
    pub limited: bool,
    /// There are large folios from the beginning.
    pub large: bool,
}

impl Rng {
    pub fn below(&mut self, n: usize) -> usize {
        self.source.usize(..n)
    }

    /// Once in so many times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Early ones more often.
    pub fn early<T: Copy>(&mut self, all: &[T]) -> T {
        let within = self.below(all.len()) + 1;
        all[self.below(within)]
    }

    pub fn byte(&mut self) -> u8 {
        self.source.u8(1..)
    }

    pub fn path(&mut self) -> &'static str {
        let within = if self.one_in(4) { PATHS.len() } else { 10 };
        self.early(&PATHS[..within])
    }

    pub fn target(&mut self) -> &'static str {
        self.early(TARGETS)
    }

    pub fn key(&mut self) -> &'static str {
        self.early(KEYS)
    }

    pub fn acl(&mut self) -> &'static str {
        self.of(ACLS)
    }

    fn beside(&mut self, value: i64) -> i64 {
        let by = self.of(&[0, 0, 0, 1, -1, PAGE as i64, -(PAGE as i64), 7]);
        value.saturating_add(by)
    }

    /// A position or a size.
    pub fn offset(&mut self) -> i64 {
        match self.below(20) {
            0..10 => {
                let page = self.below(20) * PAGE;
                self.beside(page as i64).max(0)
            }
            10..13 => self.source.i64(0..1 << 20),
            13..16 => {
                let at = self.source.i64(0..4) * HUGE;
                self.beside(at).max(0)
            }
            16..18 => self.source.i64(0..4 * HUGE),
            18 => {
                let edge = self.of(&EDGES);
                self.beside(edge)
            }
            _ => self.of(&[
                -1,
                i64::MIN,
                -(PAGE as i64),
                i64::MIN + 1,
                i64::MAX - 1,
                i64::MAX - 15,
            ]),
        }
    }

    /// How much of a file.
    pub fn span(&mut self) -> i64 {
        let len = match self.below(10) {
            0..6 => {
                let pages = self.below(12) * PAGE;
                self.beside(pages as i64).max(0)
            }
            6 => self.source.i64(0..300),
            7 => {
                let huge = self.of(&[HUGE, 2 * HUGE]);
                self.beside(huge)
            }
            8 => self.source.i64(0..HUGE),
            _ => self.offset(),
        };
        if self.limited {
            len
        } else {
            len.min(2 * HUGE)
        }
    }

    /// How much to copy from or to memory of the caller.
    pub fn amount(&mut self) -> usize {
        // From nowhere, a write leaves a folio behind the end that is as large as there is room for.
        let kinds = if self.large { 38 } else { 40 };
        match self.below(kinds) {
            0..32 => self.span().clamp(0, 64 << 10) as usize,
            32..38 => {
                let most = if self.one_in(8) { 1 << 20 } else { 100_000 };
                self.source.usize(..most)
            }
            38 => 1 << 31,
            _ => self.of(&[usize::MAX, i64::MAX as usize, 1 << 32]),
        }
    }

    /// Within, or not far behind, the mappings that there are.
    pub fn near(&mut self) -> usize {
        self.span().clamp(0, 2 * HUGE) as usize
    }

    /// A position, or where the descriptor stands.
    pub fn maybe_offset(&mut self) -> Option<i64> {
        if self.one_in(2) {
            None
        } else {
            Some(self.offset())
        }
    }

    /// Some of these bits, now and then one that nobody knows.
    pub fn bits(&mut self, known: &[i32]) -> i32 {
        let mut bits = 0;
        while self.one_in(2) {
            bits |= self.of(known);
        }
        if self.one_in(50) {
            bits |= 1 << self.below(31);
        }
        bits
    }

    pub fn mode(&mut self) -> u32 {
        let usual = self.of(&[0o644, 0o755, 0o600, 0o777, 0, 0o7777, 0o2755, 0o1777]);
        if self.one_in(10) {
            self.source.u32(..0o20000)
        } else {
            usual
        }
    }

    pub fn id(&mut self) -> u32 {
        self.early(&[1000, 0, 1001, 65534, u32::MAX, u32::MAX - 1])
    }
}
