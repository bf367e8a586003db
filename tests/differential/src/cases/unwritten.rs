//! What fallocate(2) allocated and nobody wrote: its memory is that of whoever had it before, and no way into the kernel
//! may show it.

use rustix::fs::FallocateFlags;

use super::drivers::{buffer, device};
use super::huge::{compact, fallocate, HUGE};
use crate::harness::memfd::{self, Sealed, ALLOW_SEALING, CLOEXEC, EXEC, SHRINK};
use crate::harness::prelude::*;

cases! {
    "size=64m" => collapsed;
    "size=64m,huge=always" => collapsed_at_large;
    shared => in_a_buffer;
}

const LEN: usize = 2 * HUGE;

/// What is in memory that is free.
const BEFORE: u8 = 0xa5;

/// Leaves something in free memory, also of large folios.
pub(super) fn use_memory() -> Done {
    let map = Map::anonymous(96 << 20)?;
    // Without large folios pages do.
    let _ = map.advise_all(libc::MADV_HUGEPAGE);
    map.fill(0, 96 << 20, BEFORE);
    drop(map);
    compact()
}

/// Fails where anything shows but zeros and what was stored.
fn check(map: &Map, stored: &[(usize, u8)]) -> Done {
    for &(at, byte) in stored {
        ensure!(map.get(at) == byte, "byte {at} is not what was stored");
    }
    let is_wrong = |at: &usize| map.get(*at) != 0 && stored.iter().all(|(s, _)| s != at);
    let wrong = (0..LEN).filter(is_wrong).count();
    ensure!(wrong == 0, "{wrong} bytes are of no file");
    Ok(())
}

/// MADV_COLLAPSE maps a folio of the size of a PMD that is there already.
fn collapsed(t: &mut Trace, d: &Dir) -> Done {
    for how in ["nothing", "read", "a byte written", "a byte stored"] {
        use_memory()?;
        let file = d.create("f")?;
        fallocate(&file, FallocateFlags::empty(), 0, LEN)?;
        let map = Map::aligned(&file, LEN, HUGE)?;
        let mut stored = Vec::new();
        match how {
            "read" => ensure!(map.get(0) == 0, "a byte of no file"),
            "a byte written" => {
                file.pwrite(b"x", 7 * PAGE as u64)?;
                stored.push((7 * PAGE, b'x'));
            }
            "a byte stored" => {
                map.set(HUGE - 1, 7);
                stored.push((HUGE - 1, 7));
            }
            _ => {}
        }
        t.put(how, map.advise_all(libc::MADV_COLLAPSE).is_ok());
        check(&map, &stored).context(how)?;
        t.counts(how, d, &file)?;
        drop((map, file));
        d.unlink("f")?;
    }
    Ok(())
}

/// The same where fallocate(2) makes such a folio on tmpfs, too.
fn collapsed_at_large(t: &mut Trace, d: &Dir) -> Done {
    collapsed(t, d)
}

/// A device that takes the pages of a memfd as they are.
fn in_a_buffer(t: &mut Trace, _: &Fs) -> Done {
    let device = device("/dev/udmabuf")?;
    for written in [None, Some(0), Some(HUGE + 5 * PAGE), Some(LEN - 1)] {
        use_memory()?;
        let file = memfd::create("buffer", CLOEXEC | ALLOW_SEALING | EXEC)?;
        fallocate(&file, FallocateFlags::empty(), 0, LEN)?;
        let mut stored = Vec::new();
        if let Some(at) = written {
            file.pwrite(b"x", at as u64)?;
            stored.push((at, b'x'));
        }
        file.seal(SHRINK)?;
        let buffer = buffer(&device, &file, 0, LEN as u64)?;
        let map = Map::shared(&buffer, LEN, 0)?;
        check(&map, &stored).with_context(|| format!("{written:?}"))?;
        // It is one memory.
        map.set(9 * PAGE, 9);
        t.put(format!("{written:?}"), file.pread(2, 9 * PAGE as u64));
    }
    Ok(())
}
