// SPDX-License-Identifier: GPL-2.0
//! Pages with memory errors, as the kernel is told of them by madvise(2): hard ones, of which it takes the page away with
//! what it has, and soft ones, of which it brings that to another page.

use anyhow::{Context, Result};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Of MADV_HWPOISON.
pub const HARD: i32 = 100;
/// Of MADV_SOFT_OFFLINE.
pub const SOFT: i32 = 101;

/// What the kernel says of them, an ERE for those who read its log.
pub const EXPECTED: &str = "[Mm]emory failure|MCE: Killing|[Ss]oft.offlin|[Hh]wpoison|Unpoison";

/// Of /proc/kpageflags.
const HAS_ERROR: u64 = 1 << 19;

/// Takes back all errors in pages that are in use no more. A page of a folio that could not be split when the error came
/// goes back to the other free ones with it, and the kernel gives it to the next one who asks.
pub fn take_back() -> Result<()> {
    let path = Path::new("/sys/kernel/debug/hwpoison/unpoison-pfn");
    let mut flags = fs::File::open("/proc/kpageflags").context("kpageflags")?;
    let mut frame = 0_u64;
    let mut words = vec![0; 1 << 19];
    loop {
        let got = flags.read(&mut words).context("kpageflags")?;
        if got == 0 {
            return Ok(());
        }
        for word in words[..got].chunks_exact(8) {
            if u64::from_ne_bytes(word.try_into().expect("8 bytes")) & HAS_ERROR != 0 {
                match fs::write(path, frame.to_string()) {
                    Err(e) if e.kind() != ErrorKind::ResourceBusy => {
                        return Err(e).with_context(|| format!("{}: {frame}", path.display()))
                    }
                    _ => {}
                }
            }
            frame += 1;
        }
    }
}
