//! Holes, SEEK_DATA and SEEK_HOLE, what takes blocks and what does not.

use crate::harness::prelude::*;

cases! {
    "" => seek_data_and_hole, reads_of_holes, far_apart, filled_from_both_sides, after_truncate,
        seek_arguments, partial_pages;
}

fn page(n: u64) -> u64 {
    n * PAGE as u64
}

fn seek_data_and_hole(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    t.put("empty", file.extents()?);
    for (at, len) in [
        (page(2) + 5, 10),
        (page(5), 2 * PAGE),
        (page(9) - 1, 2),
        (page(20), 1),
    ] {
        file.pwrite(&pattern(1, len), at)?;
        t.put(format!("after {len} at {at}"), file.extents()?);
    }
    file.truncate(page(30) + 17)?;
    t.put("with a hole at the end", file.extents()?);
    t.put("meta", file.meta()?);
    for at in [
        0,
        1,
        page(2),
        page(2) + 7,
        page(3) - 1,
        page(3),
        page(7),
        page(8),
        page(20),
        page(21),
        page(30),
        page(30) + 16,
        page(30) + 17,
        page(30) + 18,
        page(99),
    ] {
        let found = (file.seek(SeekFrom::Data(at)), file.seek(SeekFrom::Hole(at)));
        t.put(format!("from {at}"), found);
    }
    t.put("position", file.seek(SeekFrom::Current(0)));
    Ok(())
}

fn reads_of_holes(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate(page(100))?;
    let before = d.space()?;
    for (at, len) in [(0, 100), (4000, 200), (0, 100 * PAGE), (page(99), 2 * PAGE)] {
        t.put(format!("{len} at {at}"), file.pread(len, at)?);
    }
    t.put("takes nothing", d.space()? == before);
    t.put("meta", file.meta()?);
    t.put("extents", file.extents()?);
    file.pwrite(b"x", page(50))?;
    t.put("with one page", file.pread(3 * PAGE, page(49))?);
    t.put("blocks", file.blocks()?);
    Ok(())
}

fn far_apart(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    for shift in [20, 30, 35, 40, 50, 62] {
        file.pwrite(b"here", 1 << shift)?;
        t.put(format!("1 << {shift}"), (file.size()?, file.blocks()?));
    }
    t.put("extents", file.extents()?);
    for shift in [20, 30, 35, 40, 50, 62] {
        t.put(
            format!("data at 1 << {shift}"),
            file.pread(6, (1 << shift) - 1)?,
        );
    }
    file.truncate(1 << 40)?;
    t.put("cut", (file.extents()?, file.blocks()?));
    Ok(())
}

fn filled_from_both_sides(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    for i in (0..16).rev().step_by(2) {
        file.pwrite(&pattern(i as u32, PAGE), page(i))?;
    }
    t.put("every other page", (file.extents()?, file.blocks()?));
    for i in (0..16).step_by(2) {
        file.pwrite(&pattern(i as u32, PAGE), page(i))?;
    }
    t.put("all", (file.extents()?, file.blocks()?));
    t.put("contents", file.all()?);
    Ok(())
}

fn after_truncate(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 10 * PAGE))?;
    file.truncate(page(4) + 100)?;
    file.truncate(page(10))?;
    t.put("extents", file.extents()?);
    t.put("blocks", file.blocks()?);
    t.put("contents", file.all()?);
    file.pwrite(b"x", page(7))?;
    t.put("extents", file.extents()?);
    Ok(())
}

fn seek_arguments(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", b"data")?;
    for at in [-1, i64::MIN, 0, 3, 4, 5, i64::MAX] {
        t.put(format!("data {at}"), file.lseek(at, libc::SEEK_DATA));
        t.put(format!("hole {at}"), file.lseek(at, libc::SEEK_HOLE));
    }
    let empty = d.create("empty")?;
    t.put(
        "empty",
        (
            empty.lseek(0, libc::SEEK_DATA),
            empty.lseek(0, libc::SEEK_HOLE),
        ),
    );
    Ok(())
}

fn partial_pages(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.pwrite(b"a", 100)?;
    t.put("around a byte", file.all()?);
    file.pwrite(b"b", page(1) + 4000)?;
    t.put("and another", file.all()?);
    t.put("extents", file.extents()?);
    file.truncate(page(2))?;
    t.put("to the end of the page", file.all()?);
    Ok(())
}
