//! truncate: up, down, in the middle of pages, under mappings.

use crate::harness::prelude::*;
use crate::harness::sys::link_of;

cases! {
    "" => sizes, down_and_up, metadata, errors, of_open_unlinked, random_walk, permissions,
        partial_page_is_zeroed, down_under_a_writer_mapping;
    "size=64k" => up_takes_nothing;
}

fn sizes(t: &mut Trace, d: &Dir) -> Done {
    for size in [0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 20_000] {
        let file = d.file("f", &pattern(9, 3 * PAGE + 5))?;
        t.put(format!("truncate to {size}"), file.truncate(size));
        t.put("meta", file.meta()?);
        t.put("contents", file.all()?);
        t.put("extents", file.extents()?);
        file.truncate(30_000)?;
        t.put("grown", file.all()?);
        d.unlink("f")?;
    }
    t.put("space", d.space()?);
    Ok(())
}

fn down_and_up(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 10 * PAGE))?;
    for size in [35_000, 40_000, 100, 50_000, 4096, 4097, 0, 1] {
        file.truncate(size)?;
        t.put(format!("{size}"), (file.all()?, file.blocks()?));
    }
    Ok(())
}

fn metadata(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 3 * PAGE))?;
    t.effects("down", d, &["f"], || file.truncate(5000))?;
    t.effects("same size", d, &["f"], || file.truncate(5000))?;
    t.effects("up", d, &["f"], || file.truncate(50_000))?;
    t.effects("by name", d, &["f"], || d.truncate("f", 100))?;
    let path = format!("{}/f", link_of(d));
    let by_path = |len| nix::unistd::truncate(path.as_str(), len).map_err(Errno::from);
    t.effects("truncate(2) same size", d, &["f"], || by_path(100))?;
    t.effects("truncate(2) down", d, &["f"], || by_path(10))?;
    t.effects("to 0", d, &["f"], || file.truncate(0))?;
    t.effects("0 again", d, &["f"], || file.truncate(0))?;
    t.effects("negative", d, &["f"], || by_path(-1)).ok();
    Ok(())
}

fn errors(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("dir")?;
    d.fifo("fifo")?;
    d.symlink("none", "dangling")?;
    let base = link_of(d);
    for name in ["dir", "fifo", "dangling", "none", "dir/x", ""] {
        let path = format!("{base}/{name}");
        t.put(
            name,
            nix::unistd::truncate(path.as_str(), 5).map_err(Errno::from),
        );
    }
    let read_only = d.file("f", b"x").and_then(|_| d.read_only("f"))?;
    t.put("read-only descriptor", read_only.truncate(0));
    t.put(
        "directory descriptor",
        d.openat(".", OFlags::RDONLY, 0)?.truncate(0),
    );
    Ok(())
}

fn of_open_unlinked(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 4 * PAGE))?;
    d.unlink("f")?;
    t.put("down", file.truncate(10));
    t.put("meta", file.meta()?);
    t.put("up", file.truncate(100_000));
    t.put("contents", file.all()?);
    t.put("space", d.space()?);
    Ok(())
}

const STEPS: u32 = 200;

/// Writes and truncates against a model in memory.
fn random_walk(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    let map = Map::shared(&file, 16 * PAGE, 0)?;
    let mut model: Vec<u8> = Vec::new();
    let mut state = 12_345u32;
    let mut next = |bound: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % bound
    };
    for step in 0..STEPS {
        let at = next(14 * PAGE as u32) as usize;
        match next(3) {
            0 => {
                file.truncate(at as u64)?;
                model.resize(at, 0);
            }
            1 => {
                let data = pattern(step, 1 + next(2 * PAGE as u32) as usize);
                file.pwrite(&data, at as u64)?;
                model.resize(model.len().max(at + data.len()), 0);
                model[at..at + data.len()].copy_from_slice(&data);
            }
            _ => {
                if at < model.len() {
                    map.set(at, step as u8);
                    model[at] = step as u8;
                }
            }
        }
        ensure!(
            file.all()?.0 == model,
            "the file is not what it should be after step {step}"
        );
        if step % 20 == 0 {
            t.put(
                format!("step {step}"),
                (file.size()?, file.blocks()?, file.extents()?),
            );
        }
    }
    t.put("end", file.meta()?);
    Ok(())
}

fn permissions(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", b"data")?;
    d.chmod("f", 0o644)?;
    let user = User::become_user(1000, 1000, &[]);
    t.put("by name", d.truncate("f", 0));
    t.put("by descriptor", file.truncate(2));
    drop(user);
    t.put("meta", file.meta()?);
    Ok(())
}

fn partial_page_is_zeroed(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 2 * PAGE))?;
    let map = Map::shared(&file, 2 * PAGE, 0)?;
    for size in [PAGE + 1, PAGE, 100, 1] {
        file.truncate(size as u64)?;
        t.put(
            format!("mapped, {size}"),
            map.bytes(0, size.div_ceil(PAGE) * PAGE),
        );
        file.truncate(2 * PAGE as u64)?;
        t.put(format!("read, {size}"), file.all()?);
    }
    Ok(())
}

fn down_under_a_writer_mapping(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 4 * PAGE))?;
    let map = Map::shared(&file, 4 * PAGE, 0)?;
    map.fill(0, 4 * PAGE, b'm');
    file.truncate((PAGE / 2) as u64)?;
    map.fill(0, PAGE, b'n');
    file.truncate(PAGE as u64)?;
    t.put("contents", file.all()?);
    t.put("meta", file.meta()?);
    Ok(())
}

fn up_takes_nothing(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    for shift in [10, 16, 20, 40, 62] {
        t.put(format!("1 << {shift}"), file.truncate(1 << shift));
        t.put("space", d.space()?);
    }
    t.put("meta", file.meta()?);
    Ok(())
}
