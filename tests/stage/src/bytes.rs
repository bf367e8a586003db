//! File contents in a trace: run lengths while that is short, a digest otherwise.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::pages::PAGE;

/// More runs than this are shown as a digest.
const RUNS_SHOWN: usize = 12;

#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs: Vec<&[u8]> = self
            .0
            .chunk_by(|a, b| a == b)
            .take(RUNS_SHOWN + 1)
            .collect();
        if runs.len() > RUNS_SHOWN {
            let mut hasher = DefaultHasher::new();
            self.0.hash(&mut hasher);
            return write!(f, "{} bytes, digest {:016x}", self.0.len(), hasher.finish());
        }
        write!(f, "<")?;
        for (i, run) in runs.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            let byte = run[0];
            if byte.is_ascii_graphic() {
                write!(f, "{gap}'{}'*{}", byte as char, run.len())?;
            } else {
                write!(f, "{gap}{byte:#04x}*{}", run.len())?;
            }
        }
        write!(f, ">")
    }
}

/// Where to write a new file, and how much: whole pages, parts, over a boundary, beyond a hole, and nothing.
pub const WRITES: [(usize, usize); 5] = [
    (0, PAGE),
    (100, 7),
    (PAGE - 3, 10),
    (5 * PAGE + 1, 2 * PAGE),
    (0, 0),
];

/// Where to read it then: data, boundaries, the hole, over the end, and far beyond that.
pub const READS: [(usize, usize); 5] = [
    (0, 4 * PAGE),
    (4000, 200),
    (2 * PAGE + 5, 9),
    (7 * PAGE, PAGE),
    (1 << 30, 1),
];

/// Bytes that differ from page to page and within a page, so that data in the wrong place is seen.
pub fn pattern(seed: u32, len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|i| {
            let mut x = (i / 4 + 1).wrapping_mul(0x9e37_79b1) ^ seed.wrapping_mul(0x85eb_ca6b);
            x ^= x >> 15;
            (x >> (8 * (i % 4))) as u8
        })
        .collect()
}
