//! Pages that several threads use at once, each its own, so that what they hold is known at any time.

use std::sync::atomic::{AtomicBool, Ordering};

use super::map::Map;
use super::sys::{Fd, PAGE};

/// What a page holds at its begin and at its end.
fn stamp(page: usize, version: u64) -> [u8; 8] {
    (((page as u64) << 32) | version).to_ne_bytes()
}

/// Writes a page by write(2).
pub fn write(file: &Fd, page: usize, version: u64) -> u64 {
    let data = stamp(page, version).repeat(PAGE / 8);
    assert_eq!(file.pwrite(&data, (page * PAGE) as u64), Ok(PAGE));
    version
}

/// Writes a page by stores.
pub fn set(map: &Map, page: usize, version: u64) -> u64 {
    for (n, byte) in stamp(page, version).into_iter().enumerate() {
        map.set(page * PAGE + n, byte);
        map.set((page + 1) * PAGE - 8 + n, byte);
    }
    version
}

/// Pages of one thread, each with the version that it wrote last; 0 is zeros.
pub struct Own<'a> {
    file: &'a Fd,
    pub pages: Vec<(usize, u64)>,
    random: u64,
    /// How many changes there were.
    pub turn: u64,
}

impl Own<'_> {
    pub fn new(file: &Fd, pages: impl Iterator<Item = usize>) -> Own<'_> {
        let pages: Vec<_> = pages.map(|page| (page, 0)).collect();
        let random = pages[0].0 as u64;
        Own {
            file,
            pages,
            random,
            turn: 0,
        }
    }

    fn check(&self, at: usize) {
        let (page, version) = self.pages[at];
        let found = self
            .file
            .pread(PAGE, (page * PAGE) as u64)
            .expect("a page is read");
        let wanted = if version == 0 {
            [0; 8]
        } else {
            stamp(page, version)
        };
        assert_eq!(
            found.0[..8],
            wanted,
            "begin of page {page}, version {version}"
        );
        assert_eq!(
            found.0[PAGE - 8..],
            wanted,
            "end of page {page}, version {version}"
        );
    }

    pub fn check_all(&self) {
        (0..self.pages.len()).for_each(|at| self.check(at));
    }

    /// Until it is to stop: looks at one of the pages, and changes it.
    pub fn work(&mut self, stop: &AtomicBool, change: impl Fn(&Fd, usize, u64) -> u64) {
        while !stop.load(Ordering::Relaxed) {
            self.random = self
                .random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let at = (self.random >> 33) as usize % self.pages.len();
            self.check(at);
            self.turn += 1;
            self.pages[at].1 = change(self.file, self.pages[at].0, self.turn);
        }
    }
}
