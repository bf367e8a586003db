//! Clean pages of holes that were read through a mapping: the kernel drops them without telling, and they must not
//! count twice when they come again.

use rustix::mm::ProtFlags;
use stage::device::Swap;

use super::huge::{compact, HUGE};
use crate::harness::meminfo::Growth;
use crate::harness::prelude::*;
use crate::harness::quota::{self, Kind};

cases! {
    own => by_advice, by_request, in_quota, in_commitments, before_others_go_to_swap, not_what_was_stored,
        not_what_was_stored_in_large_folios;
}

const SIZE: usize = 8 << 20;
const ROUNDS: usize = 4;

fn page_out(map: &Map) -> Done {
    Ok(map.advise(0, SIZE, libc::MADV_PAGEOUT)?)
}

/// A sparse file, all pages of which are read and dropped again and again. Nobody may ask for its blocks: that puts
/// them right.
fn read_and_drop(d: &Dir, name: &str, drop_all: impl Fn(Map) -> Done) -> anyhow::Result<Fd> {
    let file = d.create(name)?;
    file.truncate(SIZE as u64)?;
    for _ in 0..ROUNDS {
        let map = Map::shared(&file, SIZE, 0)?;
        map.touch(SIZE / PAGE);
        drop_all(map)?;
    }
    Ok(file)
}

fn by_advice_of(map: Map) -> Done {
    page_out(&map)
}

fn used(d: &Dir) -> anyhow::Result<u64> {
    let space = d.space()?;
    Ok(space.blocks - space.free)
}

/// What is left is enough for another file.
fn leaves_room(t: &mut Trace, fs: &Fs, drop_all: impl Fn(Map) -> Done) -> Done {
    let mount = fs.mount("size=32m")?;
    let d = mount.dir()?;
    let file = read_and_drop(&d, "f", drop_all)?;
    t.put("used", used(&d)? <= (SIZE / PAGE) as u64);
    let other = d.create("other")?;
    t.put("another file", other.pwrite(&vec![1; 2 * SIZE], 0));
    // Some may have been on their way to the lists of another processor.
    t.put(
        "hardly any is left",
        file.blocks()? < (SIZE / 512 / 8) as u64,
    );
    Ok(())
}

fn by_advice(t: &mut Trace, fs: &Fs) -> Done {
    leaves_room(t, fs, by_advice_of)
}

fn by_request(t: &mut Trace, fs: &Fs) -> Done {
    leaves_room(t, fs, |map| {
        // What is mapped stays.
        drop(map);
        std::fs::write("/proc/sys/vm/drop_caches", "1").context("drop_caches")
    })
}

fn in_quota(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("usrquota")?;
    let d = mount.dir()?;
    let file = read_and_drop(&d, "f", by_advice_of)?;
    let owner = quota::get(&d, Kind::User, 0)?;
    t.put("bytes", owner.bytes <= SIZE as u64);
    drop(file);
    Ok(())
}

fn in_commitments(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=64m")?;
    let d = mount.dir()?;
    let growth = Growth::of("Committed_AS")?;
    let file = read_and_drop(&d, "f", by_advice_of)?;
    // Others may have some as well.
    t.put("about one file", growth.mib()? < 2 * (SIZE >> 20) as i64);
    drop(file);
    Ok(())
}

/// Pages that go to swap are counted, and with them what was dropped before.
fn before_others_go_to_swap(t: &mut Trace, fs: &Fs) -> Done {
    let mut swap = Swap::disk(1)?;
    let mount = fs.mount("size=64m")?;
    let d = mount.dir()?;
    let file = d.create("f")?;
    file.truncate(2 * SIZE as u64)?;
    let read = Map::shared(&file, SIZE, 0)?;
    read.touch(SIZE / PAGE);
    let written = Map::shared(&file, SIZE, SIZE as u64)?;
    written.fill(0, SIZE, 1);
    t.put("all", used(&d)?);
    page_out(&read)?;
    page_out(&written)?;
    // Of those that were read some may be where the advice does not find them.
    t.put("read", used(&d)? < (SIZE + SIZE / 8) as u64 / PAGE as u64);
    t.put("in swap", swap.used()? > 0);
    drop((read, written, file, d));
    mount.unmount()?;
    swap.off()?;
    Ok(())
}

/// A store through the page table to a large folio that was only read before: when one entry for all of the folio takes
/// the place of the table, what was stored must not be forgotten with it.
fn stored_and_collapsed(t: &mut Trace, fs: &Fs, options: &str, is_loaded: bool) -> Done {
    const HALF: usize = HUGE / 2;
    const AT: usize = HUGE + HALF + 5 * PAGE;
    compact()?;
    let mount = fs.mount(options)?;
    let d = mount.dir()?;
    let file = d.create("f")?;
    file.truncate(2 * HUGE as u64)?;
    let map = Map::aligned(&file, 2 * HUGE, HUGE)?;
    map.touch(2 * HUGE / PAGE);
    map.protect_part(HUGE, HALF, ProtFlags::READ)?;
    if is_loaded {
        map.get(AT);
    }
    map.set(AT, 1);
    map.protect_part(HUGE, HALF, ProtFlags::READ | ProtFlags::WRITE)?;
    let collapsed = map.advise(HUGE, HUGE, libc::MADV_COLLAPSE);
    t.put(format!("{options} collapsed"), collapsed.is_ok());
    map.advise(HUGE, HUGE, libc::MADV_PAGEOUT)?;
    let (stored, data) = (map.get(AT), file.pread(1, AT as u64)?);
    ensure!(
        (stored, data.0.as_slice()) == (1, &[1][..]),
        "{options}, loaded before {is_loaded}: what was stored is lost"
    );
    drop((map, file, d));
    mount.unmount()?;
    Ok(())
}

fn not_what_was_stored(t: &mut Trace, fs: &Fs) -> Done {
    stored_and_collapsed(t, fs, "", false)?;
    stored_and_collapsed(t, fs, "", true)
}

fn not_what_was_stored_in_large_folios(t: &mut Trace, fs: &Fs) -> Done {
    for options in ["huge=always", "huge=within_size"] {
        stored_and_collapsed(t, fs, options, false)?;
        stored_and_collapsed(t, fs, options, true)?;
    }
    Ok(())
}
