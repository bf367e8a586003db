//! Out of inodes, in each operation that takes one.

use crate::harness::prelude::*;

cases! {
    "nr_inodes=5" => creates, every_operation, given_back, rename_when_full, whiteout_when_full,
        failed_ones_take_nothing, open_of_what_is_there;
    "nr_inodes=1" => root_alone;
    "nr_inodes=2" => one_file;
    "nr_inodes=0" => unlimited;
}

fn creates(t: &mut Trace, d: &Dir) -> Done {
    for i in 0..7 {
        t.put(format!("create {i}"), d.create(format!("f{i}")).map(drop));
        t.put("space", d.space()?);
    }
    t.put("names", d.names()?);
    t.put("root", d.meta(".")?);
    Ok(())
}

fn fill(d: &Dir) -> Res<()> {
    (0..4).try_for_each(|i| d.create(format!("f{i}")).map(drop))
}

fn every_operation(t: &mut Trace, d: &Dir) -> Done {
    fill(d)?;
    t.effects("create", d, &[".", "x"], || d.create("x").map(drop))
        .ok();
    t.effects("mkdir", d, &[".", "x"], || d.mkdir("x")).ok();
    t.effects("fifo", d, &[".", "x"], || d.fifo("x")).ok();
    t.effects("device", d, &[".", "x"], || {
        d.mknod("x", FileType::CharacterDevice, 0o600, (1, 3))
    })
    .ok();
    t.effects("symlink", d, &[".", "x"], || d.symlink("t", "x"))
        .ok();
    t.effects("long symlink", d, &[".", "x"], || {
        d.symlink("t".repeat(500), "x")
    })
    .ok();
    t.effects("link", d, &[".", "x", "f0"], || d.link("f0", "x"))
        .ok();
    t.effects("tmpfile", d, &["."], || d.tmpfile().map(drop))
        .ok();
    t.put(
        "write still works",
        d.read_write("f0")?.write(&pattern(1, PAGE)),
    );
    t.put("names", d.names()?);
    t.put("space", d.space()?);
    Ok(())
}

fn given_back(t: &mut Trace, d: &Dir) -> Done {
    fill(d)?;
    let held = d.read_write("f0")?;
    d.unlink("f0")?;
    t.put("unlinked, open", (d.space()?, d.create("x").map(drop)));
    drop(held);
    t.put("closed", (d.space()?, d.create("x").map(drop)));
    d.unlink("f1")?;
    d.mkdir("dir")?;
    t.put("mkdir", d.space()?);
    let held = d.sub("dir")?;
    d.rmdir("dir")?;
    t.put("rmdir, open", d.space()?);
    drop(held);
    t.put("closed", d.space()?);
    d.link("f2", "l")?;
    t.put("link", (d.space()?, d.link("f2", "m")));
    d.unlink("f2")?;
    t.put("one of two names gone", d.space()?);
    d.unlink("l")?;
    t.put("both gone", d.space()?);
    Ok(())
}

fn rename_when_full(t: &mut Trace, d: &Dir) -> Done {
    fill(d)?;
    t.put("rename", d.rename("f0", "x"));
    t.put("rename over", d.rename("x", "f1"));
    t.put("space", d.space()?);
    t.put("create", d.create("y").map(drop));
    t.put("exchange", d.rename_flags("y", "f1", RenameFlags::EXCHANGE));
    t.put("space", d.space()?);
    Ok(())
}

/// A whiteout is an inode more; a rename that gets none changes nothing.
fn whiteout_when_full(t: &mut Trace, d: &Dir) -> Done {
    fill(d)?;
    let op = |old, new| d.rename_flags(old, new, RenameFlags::WHITEOUT);
    t.effects("to a new name", d, &[".", "f0", "x"], || op("f0", "x"))
        .ok();
    t.effects("over a file", d, &[".", "f0", "f1"], || op("f0", "f1"))
        .ok();
    let order: Vec<String> = d.list()?.into_iter().map(|e| e.name).collect();
    t.put("order", order);
    d.unlink("f3")?;
    t.effects("with one left", d, &[".", "f0", "x"], || op("f0", "x"))
        .ok();
    t.put("names", d.names()?);
    t.put("space", d.space()?);
    Ok(())
}

fn failed_ones_take_nothing(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    let before = d.space()?;
    for _ in 0..10 {
        let _ = d.create("f");
        let _ = d.mkdir("f");
        let _ = d.symlink("x", "f");
        let _ = d.symlink("x".repeat(4096), "g");
        let _ = d.link("f", "f");
        let _ = d.mkdir("none/x");
        let _ = d.create("n".repeat(256));
        let _ = d.rename_flags("f", "f", RenameFlags::WHITEOUT | RenameFlags::EXCHANGE);
    }
    t.put("space", d.space()? == before);
    t.put("space", before);
    Ok(())
}

fn open_of_what_is_there(t: &mut Trace, d: &Dir) -> Done {
    fill(d)?;
    let open = |name| {
        d.openat(name, OFlags::CREATE | OFlags::RDWR, 0o600)
            .map(drop)
    };
    t.put("there", open("f0"));
    t.put("not there", open("x"));
    t.put("not there, once more", open("x"));
    Ok(())
}

fn root_alone(t: &mut Trace, d: &Dir) -> Done {
    t.put("space", d.space()?);
    t.put("create", d.create("f").map(drop));
    t.put("tmpfile", d.tmpfile().map(drop));
    Ok(())
}

fn one_file(t: &mut Trace, d: &Dir) -> Done {
    t.put("create", d.create("f").map(drop));
    t.put("link", d.link("f", "g"));
    t.put("space", d.space()?);
    t.put("unlink", d.unlink("f"));
    t.put("mkdir", d.mkdir("d"));
    t.put("in it", d.create("d/f").map(drop));
    t.put("space", d.space()?);
    Ok(())
}

fn unlimited(t: &mut Trace, d: &Dir) -> Done {
    t.put("space", d.space()?);
    for i in 0..100 {
        d.create(format!("f{i}"))?;
        d.link(format!("f{i}"), format!("l{i}"))?;
    }
    t.put("space", d.space()?);
    Ok(())
}
