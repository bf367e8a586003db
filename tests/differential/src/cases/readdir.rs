//! Listing directories: order, offsets, and what holds while they change.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::prelude::*;

cases! {
    "" => kinds, order, order_after_changes, order_after_rename, offsets, small_buffers,
        seek_to_each, seek_and_rewind, odd_seeks, delete_while_listing, delete_all_behind, delete_the_rest,
        create_while_listing, rename_while_listing, rename_over_while_listing, exchange_while_listing,
        positions_after_rename, stable_after_changes, two_readers, large,
        two_names_of_one_open, duplicated_descriptor, end_is_the_end, access_time, errors;
}

/// So that a directory takes several calls.
const BUFFER: usize = 256;
const ENTRIES: usize = 64;
const LARGE: usize = 2000;

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|e| e.name.as_str()).collect()
}

fn fill(d: &Dir, count: usize) -> Res<()> {
    (0..count).try_for_each(|i| d.create(format!("f{i:04}")).map(drop))
}

fn kinds(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    d.mkdir("dir")?;
    d.symlink("x", "link")?;
    d.fifo("fifo")?;
    d.mknod("socket", FileType::Socket, 0o600, (0, 0))?;
    d.mknod("char", FileType::CharacterDevice, 0o600, (1, 3))?;
    d.mknod("block", FileType::BlockDevice, 0o600, (7, 0))?;
    for entry in d.list()? {
        let same = entry.name == ".." || d.ino(&entry.name)? == entry.ino;
        t.put(&entry.name, (entry.kind, same));
    }
    d.mkdir("dir/inner")?;
    let dots = d.sub("dir/inner")?.list()?;
    t.put(
        "dots",
        dots.iter().map(|e| (&e.name, e.kind)).collect::<Vec<_>>(),
    );
    t.put(". is itself", dots[0].ino == d.ino("dir/inner")?);
    t.put(".. is above", dots[1].ino == d.ino("dir")?);
    Ok(())
}

fn order(t: &mut Trace, d: &Dir) -> Done {
    t.put("empty", names(&d.list()?));
    for name in ["c", "a", "z", "b", "longer-name", "0"] {
        d.create(name)?;
    }
    t.put("order", names(&d.list()?));
    Ok(())
}

fn order_after_changes(t: &mut Trace, d: &Dir) -> Done {
    fill(d, 6)?;
    d.unlink("f0001")?;
    d.create("f0001")?;
    d.unlink("f0005")?;
    d.create("new")?;
    t.put("made anew", names(&d.list()?));
    d.link("f0000", "linked")?;
    d.unlink("f0000")?;
    t.put("linked", names(&d.list()?));
    Ok(())
}

fn order_after_rename(t: &mut Trace, d: &Dir) -> Done {
    fill(d, 6)?;
    d.mkdir("p")?;
    d.rename("f0001", "r1")?;
    t.put("renamed", names(&d.list()?));
    d.rename("f0002", "f0004")?;
    t.put("renamed over", names(&d.list()?));
    d.rename_flags("f0000", "f0005", RenameFlags::EXCHANGE)?;
    t.put("exchanged", names(&d.list()?));
    d.rename("f0003", "p/f0003")?;
    d.rename("p/f0003", "f0003")?;
    t.put("moved away and back", names(&d.list()?));
    Ok(())
}

fn offsets(t: &mut Trace, d: &Dir) -> Done {
    fill(d, 10)?;
    let list = d.list()?;
    t.put(
        "distinct",
        list.iter().map(|e| e.next).collect::<BTreeSet<_>>().len() == list.len(),
    );
    // So that 32-bit programs can tell them, and seek to them.
    t.put("all", list.iter().map(|e| e.next).collect::<Vec<_>>());
    d.unlink("f0004")?;
    d.create("f0004")?;
    t.put(
        "with a gap",
        d.list()?.iter().map(|e| e.next).collect::<Vec<_>>(),
    );
    d.unlink("f0004")?;
    let list = d.list()?;
    t.put(
        "the dots",
        list[..2].iter().map(|e| e.next).collect::<Vec<_>>(),
    );
    t.put("same when listed again", d.list()? == list);
    t.put(
        "position at the end",
        d.seek(SeekFrom::Current(0))? == list[list.len() - 1].next,
    );
    Ok(())
}

fn small_buffers(t: &mut Trace, d: &Dir) -> Done {
    fill(d, ENTRIES)?;
    let whole = d.list()?;
    for buffer in [24, 32, 40, 64, 100, BUFFER, 1000] {
        d.seek(SeekFrom::Start(0))?;
        t.put(
            format!("{buffer} bytes"),
            d.list_on(buffer).map(|l| l == whole),
        );
    }
    d.seek(SeekFrom::Start(0))?;
    t.put("entries of a call", d.list_once(BUFFER)?.len());
    Ok(())
}

/// Any offset that was given out leads to the same rest.
fn seek_to_each(t: &mut Trace, d: &Dir) -> Done {
    fill(d, ENTRIES)?;
    let whole = d.list()?;
    let mut wrong = Vec::new();
    for (i, entry) in whole.iter().enumerate() {
        d.seek(SeekFrom::Start(entry.next))?;
        if d.list_on(BUFFER)? != whole[i + 1..] {
            wrong.push(entry.name.clone());
        }
    }
    t.put("seeks that go wrong", wrong);
    Ok(())
}

fn seek_and_rewind(t: &mut Trace, d: &Dir) -> Done {
    fill(d, ENTRIES)?;
    let some = d.list_once(BUFFER)?;
    let place = d.seek(SeekFrom::Current(0))?;
    t.put("telldir", place == some[some.len() - 1].next);
    let rest = d.list_on(BUFFER)?;
    d.seek(SeekFrom::Start(place))?;
    t.put("seekdir", d.list_on(BUFFER)? == rest);
    d.create("later")?;
    t.put("rewinddir sees what is new", d.list()?.len());
    d.unlink("f0000")?;
    t.put(
        "and not what is gone",
        d.list()?.iter().any(|e| e.name == "f0000"),
    );
    Ok(())
}

/// Offsets that were never given out lead somewhere, but the listing ends and repeats nothing.
fn odd_seeks(t: &mut Trace, d: &Dir) -> Done {
    fill(d, 5)?;
    for at in [
        0,
        1,
        2,
        3,
        1 << 20,
        i32::MAX as u64,
        1 << 40,
        i64::MAX as u64 - 1,
        i64::MAX as u64,
    ] {
        t.put(
            format!("seek {at}"),
            d.seek(SeekFrom::Start(at)).map(|now| now == at),
        );
        let list = d.list_on(4096)?;
        let distinct = list.iter().map(|e| &e.name).collect::<BTreeSet<_>>().len();
        t.put(format!("repeated, from {at}"), list.len() - distinct);
        if at <= 2 {
            t.put(format!("list from {at}"), names(&list));
        }
    }
    t.put("seek end", d.seek(SeekFrom::End(0)).map(drop));
    t.put("seek data", d.seek(SeekFrom::Data(0)).map(drop));
    d.seek(SeekFrom::Start(0))?;
    t.put("seek back", d.seek(SeekFrom::Current(-1)));
    t.put("seek on", d.seek(SeekFrom::Current(2)));
    t.put("list", names(&d.list_on(4096)?));
    Ok(())
}

/// All that a reader has not seen yet goes.
fn delete_the_rest(t: &mut Trace, d: &Dir) -> Done {
    // Two entries of 24 bytes, then such of 32.
    const ALL_BUT_ONE: usize = 2 * 24 + 9 * 32;
    fill(d, 10)?;
    d.seek(SeekFrom::Start(0))?;
    t.put("seen", names(&d.list_once(ALL_BUT_ONE)?));
    d.unlink("f0000")?;
    t.put("on", names(&d.list_once(4096)?));
    Ok(())
}

/// Each entry that stays is returned exactly once, whatever goes away between the calls.
fn delete_while_listing(t: &mut Trace, d: &Dir) -> Done {
    fill(d, ENTRIES)?;
    d.seek(SeekFrom::Start(0))?;
    let mut seen = BTreeMap::new();
    let mut step = 0;
    loop {
        let some = d.list_once(BUFFER)?;
        if some.is_empty() {
            break;
        }
        for entry in &some {
            *seen.entry(entry.name.clone()).or_insert(0) += 1;
        }
        // What was just returned, what comes next, and something far ahead.
        let last = &some[some.len() - 1].name;
        let number: usize = last.trim_start_matches(['f', '.']).parse().unwrap_or(0);
        for gone in [
            number,
            number + 1,
            number.wrapping_sub(1),
            ENTRIES - 1 - step,
        ] {
            let _ = d.unlink(format!("f{gone:04}"));
        }
        step += 1;
    }
    check_survivors(t, d, &seen)
}

fn check_survivors(t: &mut Trace, d: &Dir, seen: &BTreeMap<String, i32>) -> Done {
    let left: Vec<String> = d.names()?;
    let lost: Vec<&String> = left.iter().filter(|n| !seen.contains_key(*n)).collect();
    let twice: Vec<&String> = seen
        .iter()
        .filter(|(_, &n)| n > 1)
        .map(|(name, _)| name)
        .collect();
    t.put("left", left.len());
    t.put("never returned", lost);
    t.put("returned twice", twice);
    Ok(())
}

/// As rm -r does it.
fn delete_all_behind(t: &mut Trace, d: &Dir) -> Done {
    fill(d, ENTRIES)?;
    d.seek(SeekFrom::Start(0))?;
    let mut removed = 0;
    loop {
        let some = d.list_once(BUFFER)?;
        if some.is_empty() {
            break;
        }
        for entry in some.iter().filter(|e| !e.name.starts_with('.')) {
            d.unlink(&entry.name)?;
            removed += 1;
        }
    }
    t.put("removed", removed);
    t.put("left", d.names()?);
    Ok(())
}

fn create_while_listing(t: &mut Trace, d: &Dir) -> Done {
    fill(d, ENTRIES)?;
    d.seek(SeekFrom::Start(0))?;
    let mut seen = BTreeMap::new();
    let mut made = 0;
    loop {
        let some = d.list_once(BUFFER)?;
        if some.is_empty() {
            break;
        }
        for entry in some {
            *seen.entry(entry.name).or_insert(0) += 1;
        }
        // A listing must end although there is always something new.
        if made < 10 * ENTRIES {
            for _ in 0..20 {
                d.create(format!("new{made}"))?;
                made += 1;
            }
        }
    }
    t.put("made", made);
    t.put(
        "old ones seen",
        (0..ENTRIES)
            .filter(|i| seen.contains_key(&format!("f{i:04}")))
            .count(),
    );
    t.put("returned twice", seen.values().filter(|&&n| n > 1).count());
    Ok(())
}

fn rename_while_listing(t: &mut Trace, d: &Dir) -> Done {
    fill(d, ENTRIES)?;
    d.mkdir("away")?;
    d.seek(SeekFrom::Start(0))?;
    let mut seen = BTreeMap::new();
    let mut call = 0;
    loop {
        let some = d.list_once(BUFFER)?;
        if some.is_empty() || call > 4 * ENTRIES {
            break;
        }
        for entry in &some {
            *seen.entry(entry.name.clone()).or_insert(0) += 1;
        }
        if call < 5 {
            // Ahead of the reader, so that none of these has been returned.
            let (from, to) = (ENTRIES - 1 - 2 * call, ENTRIES - 2 - 2 * call);
            d.rename(format!("f{from:04}"), format!("away/f{from:04}"))?;
            d.rename(format!("f{to:04}"), format!("r{to:04}"))?;
        }
        call += 1;
    }
    t.put("ended", call <= 4 * ENTRIES);
    let untouched = (0..ENTRIES - 10).map(|i| format!("f{i:04}"));
    t.put(
        "untouched ones",
        untouched.filter(|n| seen.get(n) == Some(&1)).count(),
    );
    t.put(
        "moved away, yet seen",
        (0..5)
            .filter(|i| seen.contains_key(&format!("f{:04}", ENTRIES - 1 - 2 * i)) && *i > 0)
            .count(),
    );
    t.put(
        "renamed ones",
        seen.keys().filter(|n| n.starts_with('r')).count(),
    );
    Ok(())
}

/// Pairs of files on all sides of a listing that goes on at f0004.
const PAIRS: &[(usize, usize)] = &[
    (8, 6),
    (6, 8),
    (8, 2),
    (2, 8),
    (3, 1),
    (1, 3),
    (8, 4),
    (4, 8),
    (4, 2),
    (2, 4),
    (5, 4),
    (4, 5),
    (5, 2),
    (2, 5),
    (9, 0),
    (0, 9),
];

/// Whether each name of a directory with ten files is returned just once where the change comes after those from 9
/// down to 5 were returned.
fn returned_once(d: &Dir, change: impl FnOnce(&Dir) -> Res<()>) -> Res<bool> {
    let dir = d.make("dir")?;
    fill(&dir, 10)?;
    dir.seek(SeekFrom::Start(0))?;
    // Two names of 24 bytes and five of 32.
    let mut list = dir.list_once(2 * 24 + 5 * 32)?;
    assert_eq!(list.last().map(|e| e.name.as_str()), Some("f0005"));
    change(&dir)?;
    list.extend(dir.list_on(BUFFER)?);
    let mut once = true;
    for name in dir.names()? {
        once &= list.iter().filter(|e| e.name == name).count() == 1;
        dir.unlink(name)?;
    }
    d.rmdir("dir")?;
    Ok(once)
}

/// A name that is there all the time is returned just once, whatever file takes it over; tmpfs is known to miss it or to
/// begin anew.
fn taken_over(t: &mut Trace, d: &Dir, flags: RenameFlags) -> Done {
    let name = |n: usize| format!("f{n:04}");
    let mut wrong = Vec::new();
    for (one, other) in PAIRS {
        let change = |dir: &Dir| dir.rename_flags(&name(*one), &name(*other), flags);
        if !returned_once(d, change)? {
            wrong.push(format!("{one} to {other}"));
        }
    }
    let dir = d.make("from")?;
    for other in [8, 5, 4, 2, 0] {
        dir.create("f")?;
        let change = |dir: &Dir| dir.rename_flags("../from/f", &name(other), flags);
        if !returned_once(d, change)? {
            wrong.push(format!("another to {other}"));
        }
        let left = dir.names()?;
        t.put("left", &left);
        left.iter().try_for_each(|name| dir.unlink(name))?;
    }
    t.put("not just once", wrong);
    Ok(())
}

fn rename_over_while_listing(t: &mut Trace, d: &Dir) -> Done {
    taken_over(t, d, RenameFlags::empty())
}

fn exchange_while_listing(t: &mut Trace, d: &Dir) -> Done {
    taken_over(t, d, RenameFlags::EXCHANGE)
}

/// The offset that leads to a name is that of the entry before it.
fn offset_of(d: &Dir, name: &str) -> Res<Option<u64>> {
    for entry in d.list()? {
        d.seek(SeekFrom::Start(entry.next))?;
        let next = d.list_once(32)?;
        if next.first().is_some_and(|e| e.name == name) {
            return Ok(Some(entry.next));
        }
    }
    Ok(None)
}

/// A name keeps its offset, whatever file takes it over.
fn positions_after_rename(t: &mut Trace, d: &Dir) -> Done {
    let other = d.make("other")?;
    fill(&other, 6)?;
    let dir = d.make("dir")?;
    fill(&dir, 10)?;
    let before = offset_of(&dir, "f0006")?;
    let same = |label: &str, t: &mut Trace, dir: &Dir| -> Done {
        let now = offset_of(dir, "f0006")?;
        t.put(label, (now == before, now.is_some()));
        Ok(())
    };
    dir.rename("f0003", "f0006")?;
    same("an older one over it", t, &dir)?;
    dir.rename("f0008", "f0006")?;
    same("a newer one over it", t, &dir)?;
    d.rename("other/f0001", "dir/f0006")?;
    same("another directory's over it", t, &dir)?;
    dir.rename_flags("f0001", "f0006", RenameFlags::EXCHANGE)?;
    same("exchanged", t, &dir)?;
    d.rename_flags("other/f0002", "dir/f0006", RenameFlags::EXCHANGE)?;
    same("exchanged with another directory's", t, &dir)?;
    dir.rename_flags("f0007", "f0006", RenameFlags::WHITEOUT)?;
    same("with a whiteout in its place", t, &dir)?;
    t.put("all", dir.names()?.len());
    t.put("the other directory", other.names()?);
    for name in dir.names()? {
        dir.unlink(name)?;
    }
    t.put("empty", names(&dir.list()?));
    Ok(())
}

/// The offset of an entry is its own for as long as it is there.
fn stable_after_changes(t: &mut Trace, d: &Dir) -> Done {
    // tmpfs begins anew when the first entry ever made is gone where a listing goes on from it.
    d.create("first")?;
    fill(d, ENTRIES)?;
    let before = d.list()?;
    let even = |name: &str| {
        name.trim_start_matches('f')
            .parse::<usize>()
            .is_ok_and(|n| n % 2 == 0)
    };
    for entry in before.iter().filter(|e| even(&e.name)) {
        d.unlink(&entry.name)?;
    }
    for i in 0..ENTRIES {
        d.create(format!("g{i:04}"))?;
    }
    // An offset leads to the old entries that are left behind it, be its own entry there or not.
    let mut wrong = Vec::new();
    for (i, entry) in before.iter().enumerate().skip(2) {
        d.seek(SeekFrom::Start(entry.next))?;
        let rest = d.list_on(BUFFER)?;
        let rest: Vec<&str> = names(&rest)
            .into_iter()
            .filter(|n| !n.starts_with('g'))
            .collect();
        let want: Vec<&str> = names(&before[i + 1..])
            .into_iter()
            .filter(|n| !even(n))
            .collect();
        if rest != want {
            wrong.push(entry.name.clone());
        }
    }
    t.put("wrong", wrong);
    Ok(())
}

fn two_readers(t: &mut Trace, d: &Dir) -> Done {
    fill(d, ENTRIES)?;
    let (a, b) = (d.sub(".")?, d.sub(".")?);
    let mut seen = (Vec::new(), Vec::new());
    loop {
        let (x, y) = (a.list_once(BUFFER)?, b.list_once(2 * BUFFER)?);
        if x.is_empty() && y.is_empty() {
            break;
        }
        seen.0.extend(x);
        seen.1.extend(y);
    }
    t.put("same", seen.0 == seen.1);
    t.put("entries", seen.0.len());
    Ok(())
}

fn large(t: &mut Trace, d: &Dir) -> Done {
    fill(d, LARGE)?;
    let list = d.list()?;
    t.put("entries", list.len());
    t.put(
        "in order",
        names(&list[2..]).windows(2).filter(|w| w[0] < w[1]).count(),
    );
    t.put(
        "in reverse",
        names(&list[2..]).windows(2).filter(|w| w[0] > w[1]).count(),
    );
    t.put(
        "all",
        list.iter().map(|e| &e.name).collect::<BTreeSet<_>>().len(),
    );
    t.put("size", d.meta(".")?.size);
    for i in (0..LARGE).filter(|i| i % 3 != 0) {
        d.unlink(format!("f{i:04}"))?;
    }
    t.put("a third", d.list()?.len());
    for i in (0..LARGE).filter(|i| i % 3 == 1) {
        d.create(format!("f{i:04}"))?;
    }
    let list = d.list()?;
    t.put(
        "two thirds",
        (
            list.len(),
            list.iter().map(|e| e.next).collect::<BTreeSet<_>>().len(),
        ),
    );
    t.put("last", names(&list).last());
    Ok(())
}

fn two_names_of_one_open(t: &mut Trace, d: &Dir) -> Done {
    let dir = d.make("dir")?;
    fill(&dir, 10)?;
    dir.list_once(64)?;
    d.rename("dir", "other")?;
    t.put("goes on", names(&dir.list_on(4096)?));
    t.put("the new name", d.sub("other")?.list()?.len());
    Ok(())
}

fn duplicated_descriptor(t: &mut Trace, d: &Dir) -> Done {
    fill(d, 20)?;
    let copy = rustix::io::dup(d).map_err(Errno::from)?;
    let first = d.list_once(BUFFER)?.len();
    let place = rustix::fs::seek(&copy, SeekFrom::Current(0)).map_err(Errno::from)?;
    t.put("shares its place", place == d.seek(SeekFrom::Current(0))?);
    t.put("rest", first + d.list_on(BUFFER)?.len());
    Ok(())
}

/// What comes after the end was seen is seen by the next pass only.
fn end_is_the_end(t: &mut Trace, d: &Dir) -> Done {
    fill(d, 3)?;
    t.put("all", d.list()?.len());
    d.create("late")?;
    t.put("at the end", names(&d.list_on(4096)?));
    t.put("again", names(&d.list_on(4096)?));
    t.put("from the start", names(&d.list()?));
    Ok(())
}

fn access_time(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("dir")?;
    d.create("dir/f")?;
    let dir = d.sub("dir")?;
    t.effects("list", d, &["dir"], || dir.list().map(|l| l.len()))?;
    t.effects("list again", d, &["dir"], || dir.list().map(|l| l.len()))?;
    Ok(())
}

fn errors(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    let file = d.read_only("file")?;
    let mut space = [std::mem::MaybeUninit::uninit(); 256];
    let listed = rustix::fs::RawDir::new(&file, &mut space)
        .next()
        .map(|e| e.map(drop).map_err(Errno::from));
    t.put("of a file", listed);
    t.put("buffer too small", d.list_once(16).map(|l| l.len()));
    t.put("read of a directory", {
        let mut byte = [0];
        rustix::io::read(d, &mut byte).map_err(Errno::from)
    });
    t.put(
        "fsync of a directory",
        rustix::fs::fsync(d).map_err(Errno::from),
    );
    t.put(
        "open for writing",
        d.openat(".", OFlags::WRONLY, 0).map(drop),
    );
    Ok(())
}
