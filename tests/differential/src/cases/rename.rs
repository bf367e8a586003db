//! rename in all its forms.

use crate::harness::prelude::*;

cases! {
    "" => plain, over_file, same_file, directories, over_directories, across_directories, errors,
        noreplace, exchange, exchange_kinds, whiteout, whiteout_over, bad_flags, open_files_follow,
        loops, sticky, cross_mount_point;
}

fn plain(t: &mut Trace, d: &Dir) -> Done {
    d.file("a", b"contents")?;
    let ino = d.ino("a")?;
    t.effects("rename", d, &[".", "a", "b"], || d.rename("a", "b"))?;
    t.put("same inode", d.ino("b")? == ino);
    t.put("contents", d.contents("b")?);
    t.effects("rename back", d, &[".", "a", "b"], || d.rename("b", "a"))?;
    t.effects("rename of none", d, &["."], || d.rename("none", "c"))
        .unwrap_err();
    t.put("names", d.names()?);
    Ok(())
}

fn over_file(t: &mut Trace, d: &Dir) -> Done {
    d.file("a", b"new")?;
    let old = d.file("b", b"old")?;
    let before = d.space()?;
    t.effects("rename over", d, &[".", "a", "b"], || d.rename("a", "b"))?;
    t.put("contents", d.contents("b")?);
    t.put("the old one lives", old.all()?);
    t.put("its metadata", old.meta()?);
    drop(old);
    t.put(
        "space given back",
        (before.free_files + 1, before.free + 1) == {
            let now = d.space()?;
            (now.free_files, now.free)
        },
    );
    d.symlink("x", "l")?;
    d.fifo("p")?;
    t.effects("symlink over file", d, &[".", "l", "b"], || {
        d.rename("l", "b")
    })?;
    t.effects("fifo over symlink", d, &[".", "p", "b"], || {
        d.rename("p", "b")
    })?;
    Ok(())
}

fn same_file(t: &mut Trace, d: &Dir) -> Done {
    d.create("a")?;
    d.link("a", "b")?;
    t.effects("onto itself", d, &[".", "a"], || d.rename("a", "a"))?;
    t.effects("onto another name of it", d, &[".", "a", "b"], || {
        d.rename("a", "b")
    })?;
    t.effects("exchange of the names", d, &[".", "a", "b"], || {
        d.rename_flags("a", "b", RenameFlags::EXCHANGE)
    })?;
    d.mkdir("dir")?;
    t.effects("directory onto itself", d, &[".", "dir"], || {
        d.rename("dir", "dir")
    })?;
    t.put(
        "noreplace onto itself",
        d.rename_flags("a", "a", RenameFlags::NOREPLACE),
    );
    t.put(
        "exchange with itself",
        d.rename_flags("a", "a", RenameFlags::EXCHANGE),
    );
    t.put("names", d.names()?);
    t.put("space", d.space()?);
    Ok(())
}

fn directories(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("a")?;
    d.mkdir("a/inner")?;
    d.create("a/file")?;
    t.effects("rename", d, &[".", "a", "b"], || d.rename("a", "b"))?;
    t.put("inside", d.sub("b")?.names()?);
    t.put(".. of it", d.ino("b/..")? == d.ino(".")?);
    d.mkdir("parent")?;
    t.effects("move", d, &[".", "parent", "b", "parent/b"], || {
        d.rename("b", "parent/b")
    })?;
    t.put(".. of it", d.ino("parent/b/..")? == d.ino("parent")?);
    t.effects("move back", d, &[".", "parent", "parent/b", "c"], || {
        d.rename("parent/b", "c")
    })?;
    Ok(())
}

fn over_directories(t: &mut Trace, d: &Dir) -> Done {
    for name in ["a", "empty", "full", "p", "p/a", "p/empty"] {
        d.mkdir(name)?;
    }
    d.create("full/f")?;
    d.create("file")?;
    t.effects("over one that is full", d, &[".", "a", "full"], || {
        d.rename("a", "full")
    })
    .unwrap_err();
    t.effects("dir over file", d, &[".", "a", "file"], || {
        d.rename("a", "file")
    })
    .unwrap_err();
    t.effects("file over dir", d, &[".", "a", "file"], || {
        d.rename("file", "a")
    })
    .unwrap_err();
    let old = d.sub("empty")?;
    t.effects("over an empty one", d, &[".", "a", "empty"], || {
        d.rename("a", "empty")
    })?;
    t.put("what was there", old.meta("."));
    t.put("create in it", old.create("x").map(drop));
    t.effects(
        "over an empty one elsewhere",
        d,
        &[".", "p", "empty", "p/empty"],
        || d.rename("empty", "p/empty"),
    )?;
    t.effects("full over empty", d, &[".", "p", "full", "p/a"], || {
        d.rename("full", "p/a")
    })?;
    t.put(
        "names",
        (d.names()?, d.sub("p")?.names()?, d.sub("p/a")?.names()?),
    );
    t.put("space", d.space()?);
    Ok(())
}

fn across_directories(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("p")?;
    d.mkdir("q")?;
    d.file("p/a", b"a")?;
    d.file("q/b", b"b")?;
    t.effects("move", d, &["p", "q", "p/a", "q/a"], || {
        d.rename("p/a", "q/a")
    })?;
    t.effects("move over", d, &["p", "q", "q/a", "q/b"], || {
        d.rename("q/a", "q/b")
    })?;
    t.effects("move back", d, &["p", "q", "q/b", "p/b"], || {
        d.rename("q/b", "p/b")
    })?;
    t.put("contents", d.contents("p/b")?);
    t.put("rmdir q", d.rmdir("q"));
    t.put("rmdir p", d.rmdir("p"));
    Ok(())
}

fn errors(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    d.mkdir("dir")?;
    for (old, new) in [
        ("none", "x"),
        ("none", "file"),
        ("file", "dir"),
        ("dir", "file"),
        ("file", "none/x"),
        ("file", "file/x"),
        ("file/x", "y"),
        (".", "x"),
        ("..", "x"),
        ("dir/.", "x"),
        ("file", "."),
        ("file", ".."),
        ("dir", "dir/x"),
        ("dir", "dir/x/y"),
        ("", "x"),
        ("file", ""),
        ("file/", "x"),
        ("file", "x/"),
        ("dir/", "new/"),
        ("new", "dir/"),
    ] {
        t.put(format!("{old} -> {new}"), d.rename(old, new));
    }
    t.put("names", d.names()?);
    Ok(())
}

fn noreplace(t: &mut Trace, d: &Dir) -> Done {
    let op = |old, new| d.rename_flags(old, new, RenameFlags::NOREPLACE);
    d.create("a")?;
    d.create("b")?;
    d.mkdir("dir")?;
    t.effects("onto what is there", d, &[".", "a", "b"], || op("a", "b"))
        .unwrap_err();
    t.effects("dir onto file", d, &[".", "dir", "b"], || op("dir", "b"))
        .unwrap_err();
    t.effects("onto a free name", d, &[".", "a", "c"], || op("a", "c"))?;
    t.effects("dir", d, &[".", "dir", "e"], || op("dir", "e"))?;
    t.put("none", op("none", "z"));
    Ok(())
}

fn exchange(t: &mut Trace, d: &Dir) -> Done {
    let op = |old, new| d.rename_flags(old, new, RenameFlags::EXCHANGE);
    d.file("a", b"a")?;
    d.file("b", b"b")?;
    d.mkdir("p")?;
    d.file("p/c", b"c")?;
    t.effects("exchange", d, &[".", "a", "b"], || op("a", "b"))?;
    t.put("contents", (d.contents("a")?, d.contents("b")?));
    t.effects("across directories", d, &[".", "p", "a", "p/c"], || {
        op("a", "p/c")
    })?;
    t.put("contents", (d.contents("a")?, d.contents("p/c")?));
    t.put("with none", op("a", "none"));
    t.put("none with", op("none", "a"));
    t.put("with what is above", op("p", "p/c"));
    t.put("what is above", op("p/c", "p"));
    t.put("names", d.names()?);
    t.put("space", d.space()?);
    Ok(())
}

fn exchange_kinds(t: &mut Trace, d: &Dir) -> Done {
    let op = |old, new| d.rename_flags(old, new, RenameFlags::EXCHANGE);
    d.mkdir("p")?;
    d.mkdir("q")?;
    d.mkdir("p/dir")?;
    d.create("p/dir/inside")?;
    d.create("q/file")?;
    d.mkdir("q/dir")?;
    d.symlink("x", "q/link")?;
    t.effects("dir and file", d, &["p", "q", "p/dir", "q/file"], || {
        op("p/dir", "q/file")
    })?;
    t.effects("and back", d, &["p", "q", "p/dir", "q/file"], || {
        op("p/dir", "q/file")
    })?;
    t.effects("dir and dir", d, &["p", "q", "p/dir", "q/dir"], || {
        op("p/dir", "q/dir")
    })?;
    t.effects("dir and symlink", d, &["p", "q", "p/dir", "q/link"], || {
        op("p/dir", "q/link")
    })?;
    t.effects("in one directory", d, &["q", "q/file", "q/link"], || {
        op("q/file", "q/link")
    })?;
    t.put("names", (d.sub("p")?.names()?, d.sub("q")?.names()?));
    t.put(".. of a moved one", d.ino("q/dir/..")? == d.ino("q")?);
    t.put("nlink", (d.meta("p")?.nlink, d.meta("q")?.nlink));
    Ok(())
}

fn whiteout(t: &mut Trace, d: &Dir) -> Done {
    let op = |old, new| d.rename_flags(old, new, RenameFlags::WHITEOUT);
    d.file("a", b"a")?;
    d.mkdir("dir")?;
    d.mkdir("p")?;
    t.effects("file", d, &[".", "a", "b"], || op("a", "b"))?;
    t.put(
        "kind",
        d.list()?.iter().find(|e| e.name == "a").map(|e| e.kind),
    );
    t.effects("dir", d, &[".", "dir", "p", "p/dir"], || op("dir", "p/dir"))?;
    t.put("open of a whiteout", d.read_only("a").map(drop));
    t.put("names", d.names()?);
    t.put("space", d.space()?);
    t.put("remove", (d.unlink("a"), d.unlink("dir")));
    t.put("space", d.space()?);
    Ok(())
}

fn whiteout_over(t: &mut Trace, d: &Dir) -> Done {
    let op = |old, new| d.rename_flags(old, new, RenameFlags::WHITEOUT);
    d.create("a")?;
    d.create("b")?;
    d.mkdir("p")?;
    t.effects("over a file", d, &[".", "a", "b"], || op("a", "b"))?;
    t.effects("elsewhere", d, &[".", "p", "b", "p/b"], || op("b", "p/b"))?;
    t.effects("of a whiteout", d, &[".", "a", "c"], || op("a", "c"))?;
    let both = RenameFlags::WHITEOUT | RenameFlags::NOREPLACE;
    t.effects("with noreplace, taken", d, &[".", "c", "b"], || {
        d.rename_flags("c", "b", both)
    })
    .unwrap_err();
    t.effects("with noreplace, free", d, &[".", "c", "d"], || {
        d.rename_flags("c", "d", both)
    })?;
    t.put("none", op("none", "x"));
    t.put("names", d.names()?);
    t.put("space", d.space()?);
    Ok(())
}

fn bad_flags(t: &mut Trace, d: &Dir) -> Done {
    d.create("a")?;
    d.create("b")?;
    for bits in [3, 6, 7, 8, 16, 0x8000_0000, u32::MAX] {
        let flags = RenameFlags::from_bits_retain(bits);
        t.put(format!("flags {bits:#x}"), d.rename_flags("a", "b", flags));
    }
    t.put("names", d.names()?);
    Ok(())
}

fn open_files_follow(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("a", b"1")?;
    let dir = d.make("dir")?;
    d.rename("a", "dir/b")?;
    d.rename("dir", "other")?;
    t.put("write", file.pwrite(b"2", 1));
    t.put("contents", d.contents("other/b")?);
    t.put("create in the moved one", dir.create("new").map(drop));
    t.put("names", d.sub("other")?.names()?);
    Ok(())
}

fn loops(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("a")?;
    d.mkdir("a/b")?;
    d.mkdir("a/b/c")?;
    for (old, new) in [
        ("a", "a/b/c/d"),
        ("a", "a/b/c"),
        ("a/b/c", "a"),
        ("a/b", "a"),
        ("a/b/c", "a/b"),
    ] {
        t.put(format!("{old} -> {new}"), d.rename(old, new));
        t.put("exchange", d.rename_flags(old, new, RenameFlags::EXCHANGE));
    }
    Ok(())
}

fn sticky(t: &mut Trace, d: &Dir) -> Done {
    d.create("mine")?;
    d.chown("mine", Some(1000), Some(1000))?;
    d.create("theirs")?;
    d.chown("theirs", Some(2000), Some(2000))?;
    let user = User::become_user(1000, 1000, &[]);
    t.put("mine", d.rename("mine", "mine2"));
    t.put("theirs", d.rename("theirs", "x"));
    t.put("over theirs", d.rename("mine2", "theirs"));
    t.put(
        "exchange",
        d.rename_flags("mine2", "theirs", RenameFlags::EXCHANGE),
    );
    t.put("unlink theirs", d.unlink("theirs"));
    t.put(
        "whiteout",
        d.rename_flags("mine2", "mine3", RenameFlags::WHITEOUT),
    );
    drop(user);
    t.put("names", d.names()?);
    Ok(())
}

fn cross_mount_point(t: &mut Trace, d: &Dir) -> Done {
    let outside = tempfile::tempdir()?;
    let other = Dir::open(outside.path())?;
    d.create("a")?;
    t.put("rename", d.rename_to("a", &other, "a"));
    t.put("link", d.link_to("a", &other, "a"));
    Ok(())
}
