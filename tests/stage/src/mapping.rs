// SPDX-License-Identifier: GPL-2.0
//! A mapping of a test file, or of memory alone.

use anyhow::{bail, Result};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use crate::pages::PAGE;

pub struct Mapping {
    start: *mut u8,
    len: usize,
}

// SAFETY: the memory stays mapped until the mapping is dropped; who writes where is the users' agreement.
unsafe impl Send for Mapping {}

impl Mapping {
    pub fn shared(file: &File, pages: usize) -> Result<Self> {
        Self::new(file.as_raw_fd(), 0, pages, libc::MAP_SHARED)
    }

    /// `pages` pages from page `from` on, that are copied when they are written to.
    pub fn private(file: &File, from: u64, pages: usize) -> Result<Self> {
        Self::new(file.as_raw_fd(), from, pages, libc::MAP_PRIVATE)
    }

    pub fn anonymous(pages: usize) -> Result<Self> {
        Self::new(-1, 0, pages, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS)
    }

    fn new(file: RawFd, from: u64, pages: usize, flags: i32) -> Result<Self> {
        let len = pages * PAGE;
        let (prot, offset) = (
            libc::PROT_READ | libc::PROT_WRITE,
            (from * PAGE as u64) as i64,
        );
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, prot, flags, file, offset) };
        if start == libc::MAP_FAILED {
            bail!("mmap: {}", io::Error::last_os_error());
        }
        Ok(Self {
            start: start.cast(),
            len,
        })
    }

    pub fn pages(&self) -> usize {
        self.len / PAGE
    }

    pub fn page(&self, at: usize) -> &[u8] {
        assert!(at < self.pages());
        // SAFETY: within the mapping; the tests do not write to a page that is being looked at.
        unsafe { std::slice::from_raw_parts(self.start.add(at * PAGE), PAGE) }
    }

    pub fn page_mut(&mut self, at: usize) -> &mut [u8] {
        assert!(at < self.pages());
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at * PAGE), PAGE) }
    }

    pub fn advise(&self, advice: i32) -> io::Result<()> {
        // SAFETY: no advice used here changes the contents.
        match unsafe { libc::madvise(self.start.cast(), self.len, advice) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub fn lock(&self, locked: bool) -> Result<()> {
        // SAFETY: has no effect on the contents.
        let done = unsafe {
            match locked {
                true => libc::mlock(self.start.cast(), self.len),
                false => libc::munlock(self.start.cast(), self.len),
            }
        };
        if done != 0 {
            bail!("mlock: {}", io::Error::last_os_error());
        }
        Ok(())
    }

    /// Which pages are in memory, mincore(2).
    pub fn resident(&self) -> Result<Vec<bool>> {
        let mut core = vec![0u8; self.pages()];
        // SAFETY: there is a byte for each page.
        if unsafe { libc::mincore(self.start.cast(), self.len, core.as_mut_ptr()) } != 0 {
            bail!("mincore: {}", io::Error::last_os_error());
        }
        Ok(core.iter().map(|c| c & 1 != 0).collect())
    }

    /// A figure of this mapping in /proc/self/smaps, in KiB.
    pub fn smaps(&self, name: &str) -> Result<u64> {
        let smaps = std::fs::read_to_string("/proc/self/smaps")?;
        let head = format!(
            "{:x}-{:x} ",
            self.start as usize,
            self.start as usize + self.len
        );
        let figure = smaps
            .lines()
            .skip_while(|line| !line.starts_with(&head))
            .find_map(|line| {
                line.strip_prefix(name)?
                    .strip_prefix(':')?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            });
        match figure {
            Some(figure) => Ok(figure),
            None => bail!("/proc/self/smaps has no {name} of {head}"),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: whoever borrowed from the mapping is done.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}
