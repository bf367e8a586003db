// SPDX-License-Identifier: GPL-2.0
//! What the pages of the test files hold: their file, their index, a version, and a body that follows from
//! these, so that a page of another place or time, a torn one and one of zeros are all noticed. Every eighth word
//! tells the version; the others are the same in all versions, so that a page that is being written is known, too.

use anyhow::{bail, Context, Result};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

pub const PAGE: usize = 4096;
const WORDS: usize = PAGE / 8;
/// The body repeats after so many words: compressed swap is to have something to compress.
const PERIOD: usize = 64;
/// Pages moved by one system call.
const CHUNK: usize = 16;

fn tells_version(at: usize) -> bool {
    at % 8 == 2
}

fn word(file: u64, index: u64, version: u64, at: usize) -> u64 {
    let version = if tells_version(at) { version } else { 0 };
    match at % PERIOD {
        0 => file,
        1 => index,
        2 => version,
        n => ((file << 48) ^ (index << 16) ^ version)
            .wrapping_add(n as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15),
    }
}

pub fn fill(page: &mut [u8], file: u64, index: u64, version: u64) {
    debug_assert_eq!(page.len(), PAGE);
    for at in 0..WORDS {
        page[at * 8..at * 8 + 8].copy_from_slice(&word(file, index, version, at).to_ne_bytes());
    }
}

/// Whether the page is that of `file`, `index` and `version`, from its first to its last byte. Allocates
/// nothing, for the children of a process with threads.
pub fn is(page: &[u8], file: u64, index: u64, version: u64) -> bool {
    (0..WORDS).all(|at| page[at * 8..at * 8 + 8] == word(file, index, version, at).to_ne_bytes())
}

pub fn check(page: &[u8], file: u64, index: u64, version: u64) -> Result<()> {
    if is(page, file, index, version) {
        return Ok(());
    }
    let held =
        |at: usize| u64::from_ne_bytes(page[at * 8..at * 8 + 8].try_into().expect("8 bytes"));
    let wrong = (0..WORDS).find(|at| held(*at) != word(file, index, version, *at));
    bail!(
        "page {index} of file {file} should have version {version}, but it is of file {:#x}, index {:#x}, version \
         {:#x}; the first wrong word is {wrong:?}",
        held(0),
        held(1),
        held(2)
    )
}

/// The first byte of `data`, found at byte `position` of the file, that neither this file has there in any version
/// nor a hole. For pages that others write and cut off meanwhile, of which no more can be known.
pub fn first_foreign(data: &[u8], position: u64, file: u64) -> Option<usize> {
    let mut at = 0;
    while at < data.len() {
        let place = position + at as u64;
        let (index, within) = (place / PAGE as u64, place as usize % PAGE);
        let (n, skip) = (within / 8, within % 8);
        let count = (8 - skip).min(data.len() - at);
        let wanted = &word(file, index, 0, n).to_ne_bytes()[skip..skip + count];
        let found = &data[at..at + count];
        if !tells_version(n) && found != wanted {
            let wrong = (0..count).find(|n| found[*n] != 0 && found[*n] != wanted[*n]);
            if let Some(wrong) = wrong {
                return Some(at + wrong);
            }
        }
        at += count;
    }
    None
}

pub fn create(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .with_context(|| path.display().to_string())
}

/// What pages `from..to` have.
pub fn content(file: u64, from: u64, to: u64, version: u64) -> Vec<u8> {
    let mut data = vec![0; (to - from) as usize * PAGE];
    for (page, index) in data.chunks_mut(PAGE).zip(from..) {
        fill(page, file, index, version);
    }
    data
}

/// Writes pages `from..to`.
pub fn write(file: &File, id: u64, from: u64, to: u64, version: u64) -> Result<()> {
    for at in (from..to).step_by(CHUNK) {
        let end = to.min(at + CHUNK as u64);
        file.write_all_at(&content(id, at, end, version), at * PAGE as u64)
            .with_context(|| format!("writing page {at} of file {id}"))?;
    }
    Ok(())
}

/// Reads pages `from..to`, each of which must have the version that `version` tells for it.
pub fn verify(
    file: &File,
    id: u64,
    from: u64,
    to: u64,
    version: impl Fn(u64) -> u64,
) -> Result<()> {
    let mut buffer = vec![0; CHUNK * PAGE];
    let mut at = from;
    while at < to {
        let count = (to - at).min(CHUNK as u64) as usize;
        file.read_exact_at(&mut buffer[..count * PAGE], at * PAGE as u64)
            .with_context(|| format!("reading page {at} of file {id}"))?;
        for n in 0..count {
            let index = at + n as u64;
            check(&buffer[n * PAGE..(n + 1) * PAGE], id, index, version(index))?;
        }
        at += count as u64;
    }
    Ok(())
}
