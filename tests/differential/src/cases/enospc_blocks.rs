//! Out of blocks, in each operation that takes one.

use rustix::io::ReadWriteFlags;

use crate::harness::prelude::*;

cases! {
    "size=40k" => write_up_to_the_limit, one_large_write, small_writes, overwrite_when_full, holes_when_full,
        append_when_full, given_back, two_files, truncate_when_full, read_of_holes_when_full,
        vectors_when_full, times_when_refused, unlinked_files_count;
    "nr_blocks=1" => one_block;
    "size=0" => unlimited;
    "size=10000" => odd_size;
}

/// Blocks of the mounts of this module.
const BLOCKS: usize = 10;

fn write_up_to_the_limit(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    for i in 0..BLOCKS + 2 {
        t.put(format!("page {i}"), file.write(&pattern(i as u32, PAGE)));
        t.put("space", d.space()?);
    }
    t.put("meta", file.meta()?);
    t.put("contents", file.all()?);
    Ok(())
}

/// A write that runs out returns what it has written, and fails only when that is nothing.
fn one_large_write(t: &mut Trace, d: &Dir) -> Done {
    for (at, len) in [
        (0, 20 * PAGE),
        (100, 20 * PAGE),
        (PAGE, 9 * PAGE + 1),
        (0, 10 * PAGE),
        (0, 10 * PAGE + 1),
        (0, 1 << 20),
    ] {
        let file = d.create("f")?;
        t.put(
            format!("{len} at {at}"),
            file.pwrite(&pattern(1, len), at as u64),
        );
        t.put("meta", file.meta()?);
        t.put(
            "again",
            file.pwrite(&pattern(1, len), (at + 100 * PAGE) as u64),
        );
        t.put("meta", file.meta()?);
        t.put("contents", file.all()?);
        d.unlink("f")?;
        drop(file);
        t.put("space", d.space()?);
    }
    Ok(())
}

fn small_writes(t: &mut Trace, d: &Dir) -> Done {
    let mut results = Vec::new();
    for i in 0..BLOCKS + 3 {
        let file = d.create(format!("f{i}"))?;
        results.push((file.write(b"x"), file.blocks()?));
    }
    t.put("one byte in each of many files", results);
    t.put("space", d.space()?);
    t.put("names", d.names()?);
    Ok(())
}

fn fill(d: &Dir) -> Res<Fd> {
    let file = d.create("filler")?;
    let written = file.write(&pattern(7, BLOCKS * PAGE))?;
    assert_eq!(written, BLOCKS * PAGE);
    Ok(file)
}

fn overwrite_when_full(t: &mut Trace, d: &Dir) -> Done {
    let file = fill(d)?;
    t.put("in place", file.pwrite(&pattern(8, 3 * PAGE), 100));
    t.put(
        "across the end",
        file.pwrite(&pattern(9, 2 * PAGE), (9 * PAGE) as u64),
    );
    t.put("meta", file.meta()?);
    t.put("contents", file.all()?);
    Ok(())
}

fn holes_when_full(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("sparse")?;
    file.pwrite(b"x", (5 * PAGE) as u64)?;
    file.pwrite(b"x", (20 * PAGE) as u64)?;
    let filler = d.create("filler")?;
    t.put("the rest", filler.write(&pattern(1, 20 * PAGE)));
    t.put("before", file.pwrite(b"y", (4 * PAGE) as u64));
    t.put("in it", file.pwrite(b"y", (5 * PAGE + 10) as u64));
    t.put(
        "across",
        file.pwrite(&pattern(1, 3 * PAGE), (5 * PAGE) as u64),
    );
    t.put("meta", file.meta()?);
    t.put("extents", file.extents()?);
    t.put("contents", file.all()?);
    Ok(())
}

fn append_when_full(t: &mut Trace, d: &Dir) -> Done {
    let file = fill(d)?;
    t.put("append", file.pwritev2(b"x", 0, ReadWriteFlags::APPEND));
    file.truncate((9 * PAGE + 100) as u64)?;
    t.put(
        "in the last page",
        file.pwritev2(&pattern(1, 1000), 0, ReadWriteFlags::APPEND),
    );
    t.put(
        "past it",
        file.pwritev2(&pattern(1, 10_000), 0, ReadWriteFlags::APPEND),
    );
    t.put("meta", file.meta()?);
    Ok(())
}

fn given_back(t: &mut Trace, d: &Dir) -> Done {
    let file = fill(d)?;
    for size in [9 * PAGE, 5 * PAGE + 1, 0] {
        file.truncate(size as u64)?;
        t.put(format!("cut to {size}"), d.space()?);
        let other = d.create("other")?;
        t.put("another file gets", other.write(&pattern(1, 20 * PAGE)));
        t.put("space", d.space()?);
        d.unlink("other")?;
    }
    let other = d.file("b", &pattern(1, 3 * PAGE))?;
    d.rename("b", "filler")?;
    t.put("renamed over", d.space()?);
    drop(file);
    t.put("closed", d.space()?);
    drop(other);
    d.unlink("filler")?;
    t.put("empty", d.space()?);
    Ok(())
}

fn two_files(t: &mut Trace, d: &Dir) -> Done {
    let (a, b) = (d.create("a")?, d.create("b")?);
    for i in 0..8 {
        t.put(
            format!("round {i}"),
            (a.write(&pattern(i, PAGE)), b.write(&pattern(i, PAGE))),
        );
    }
    t.put("blocks", (a.blocks()?, b.blocks()?));
    t.put("contents", (a.all()?, b.all()?));
    Ok(())
}

fn truncate_when_full(t: &mut Trace, d: &Dir) -> Done {
    let file = fill(d)?;
    t.put("up", file.truncate((100 * PAGE) as u64));
    // Needs no block: the page that is cut is there.
    t.put("into a page", file.truncate((5 * PAGE + 7) as u64));
    t.put("create", d.create("f").map(drop));
    let sparse = d.create("sparse")?;
    sparse.truncate((10 * PAGE) as u64)?;
    let filler = d.create("more")?;
    t.put("fill", filler.write(&pattern(1, 20 * PAGE)));
    t.put(
        "cut in a hole when full",
        sparse.truncate((3 * PAGE + 5) as u64),
    );
    t.put("meta", sparse.meta()?);
    Ok(())
}

fn read_of_holes_when_full(t: &mut Trace, d: &Dir) -> Done {
    fill(d)?;
    let file = d.create("sparse")?;
    file.truncate((20 * PAGE) as u64)?;
    t.put("read", file.pread(20 * PAGE, 0));
    t.put("meta", file.meta()?);
    Ok(())
}

fn vectors_when_full(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    let part = pattern(1, 3 * PAGE + 100);
    let slices = [std::io::IoSlice::new(&part); 5];
    t.put(
        "writev",
        rustix::io::writev(&file, &slices).map_err(Errno::from),
    );
    t.put("meta", file.meta()?);
    t.put("position", file.seek(SeekFrom::Current(0)));
    Ok(())
}

fn times_when_refused(t: &mut Trace, d: &Dir) -> Done {
    fill(d)?;
    let file = d.create("f")?;
    t.effects("refused write", d, &["f"], || file.write(b"x"))
        .ok();
    t.effects("refused far away", d, &["f"], || file.pwrite(b"x", 1 << 30))
        .ok();
    t.effects("refused long symlink", d, &["."], || {
        d.symlink("z".repeat(1000), "l")
    })
    .ok();
    Ok(())
}

fn unlinked_files_count(t: &mut Trace, d: &Dir) -> Done {
    let file = fill(d)?;
    d.unlink("filler")?;
    let other = d.create("f")?;
    t.put("while open", other.write(b"x"));
    let map = Map::shared(&file, PAGE, 0)?;
    map.set(0, 1);
    drop(file);
    t.put("while mapped", other.write(b"x"));
    drop(map);
    t.put("when gone", other.write(b"x"));
    t.put("space", d.space()?);
    Ok(())
}

fn one_block(t: &mut Trace, d: &Dir) -> Done {
    t.put("space", d.space()?);
    let file = d.create("f")?;
    t.put("write", file.write(&pattern(1, PAGE + 1)));
    t.put("write", file.write(b"x"));
    t.put("another", d.create("g")?.write(b"x"));
    t.put("directory", d.mkdir("d"));
    t.put("symlink", d.symlink("x", "l"));
    t.put("space", d.space()?);
    Ok(())
}

fn unlimited(t: &mut Trace, d: &Dir) -> Done {
    t.put("space", d.space()?);
    let file = d.create("f")?;
    t.put("write", file.write(&pattern(1, 50 * PAGE)));
    t.put("space", d.space()?);
    t.put("meta", file.meta()?);
    Ok(())
}

fn odd_size(t: &mut Trace, d: &Dir) -> Done {
    t.put("space", d.space()?);
    t.put("write", d.create("f")?.write(&pattern(1, 5 * PAGE)));
    t.put("space", d.space()?);
    Ok(())
}
