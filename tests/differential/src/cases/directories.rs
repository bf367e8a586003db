//! mkdir, rmdir, create, unlink: results, link counts, sizes, times.

use crate::harness::prelude::*;

cases! {
    "" => fresh_root, mkdir_rmdir, create_unlink, rmdir_errors, open_flags, name_limits, deep_tree,
        removed_directory, missing_parents, many_entries, unlinked_while_open;
    "mode=700" => root_mode;
}

fn fresh_root(t: &mut Trace, d: &Dir) -> Done {
    t.put("root", d.meta(".")?);
    t.put("times", d.times(".")?);
    t.put("first inode number", d.ino(".")?);
    t.put("names", d.names()?);
    Ok(())
}

fn root_mode(t: &mut Trace, d: &Dir) -> Done {
    t.put("root", d.meta(".")?);
    Ok(())
}

fn mkdir_rmdir(t: &mut Trace, d: &Dir) -> Done {
    t.effects("mkdir", d, &[".", "a"], || d.mkdir("a"))
        .context("mkdir")?;
    t.effects("mkdir in it", d, &[".", "a", "a/b"], || {
        d.mkdir_mode("a/b", 0o1777)
    })?;
    t.effects("mkdir again", d, &[".", "a"], || d.mkdir("a"))
        .unwrap_err();
    t.effects(
        "rmdir of one that is not empty",
        d,
        &[".", "a", "a/b"],
        || d.rmdir("a"),
    )
    .unwrap_err();
    t.effects("rmdir of the inner", d, &[".", "a", "a/b"], || {
        d.rmdir("a/b")
    })?;
    t.effects("rmdir", d, &[".", "a"], || d.rmdir("a"))?;
    Ok(())
}

fn create_unlink(t: &mut Trace, d: &Dir) -> Done {
    t.effects("create", d, &[".", "f"], || d.create("f").map(drop))?;
    t.effects("create again", d, &[".", "f"], || d.create("f").map(drop))
        .unwrap_err();
    let open = OFlags::CREATE | OFlags::WRONLY;
    t.effects("open what is there", d, &[".", "f"], || {
        d.openat("f", open, 0).map(drop)
    })?;
    t.effects("create, mode 0", d, &[".", "g"], || {
        d.openat("g", open, 0).map(drop)
    })?;
    t.effects("create, all bits", d, &[".", "h"], || {
        d.openat("h", open, 0o7777).map(drop)
    })?;
    for name in ["f", "g", "h"] {
        t.effects("unlink", d, &[".", name], || d.unlink(name))?;
    }
    t.effects("unlink again", d, &[".", "f"], || d.unlink("f"))
        .unwrap_err();
    Ok(())
}

fn rmdir_errors(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    d.mkdir("dir")?;
    d.symlink("dir", "link")?;
    t.put("rmdir file", d.rmdir("file"));
    t.put("unlink dir", d.unlink("dir"));
    t.put("rmdir symlink", d.rmdir("link"));
    t.put("rmdir symlink/", d.rmdir("link/"));
    t.put("rmdir .", d.rmdir("dir/."));
    t.put("rmdir ..", d.rmdir("dir/.."));
    t.put("rmdir missing", d.rmdir("none"));
    t.put("unlink missing", d.unlink("none"));
    t.put("unlink file/", d.unlink("file/"));
    t.put("mkdir over file", d.mkdir("file"));
    t.put("mkdir over symlink", d.mkdir("link"));
    t.put("mkdir of empty name", d.mkdir(""));
    t.put("mkdir /", d.mkdir("new/"));
    t.put("names", d.names()?);
    Ok(())
}

fn open_flags(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    d.mkdir("dir")?;
    d.symlink("file", "link")?;
    d.symlink("missing", "dangling")?;
    let flags = [
        ("RDONLY", OFlags::RDONLY),
        ("WRONLY", OFlags::WRONLY),
        ("DIRECTORY", OFlags::DIRECTORY),
        ("NOFOLLOW", OFlags::NOFOLLOW),
        ("PATH|NOFOLLOW", OFlags::PATH | OFlags::NOFOLLOW),
        ("CREATE|EXCL", OFlags::CREATE | OFlags::EXCL),
        ("CREATE|DIRECTORY", OFlags::CREATE | OFlags::DIRECTORY),
        ("TRUNC|WRONLY", OFlags::TRUNC | OFlags::WRONLY),
        ("DIRECT", OFlags::DIRECT),
        ("NOATIME", OFlags::NOATIME),
        ("TMPFILE|RDWR", OFlags::TMPFILE | OFlags::RDWR),
        ("TMPFILE|RDONLY", OFlags::TMPFILE),
    ];
    for name in ["file", "dir", "link", "dangling", "none", "file/x", "file/"] {
        for (what, flags) in flags {
            t.put(
                format!("open {name} {what}"),
                d.openat(name, flags, 0o600).map(drop),
            );
            t.put("names", d.names()?);
            let _ = d.unlink("none");
            let _ = d.unlink("missing");
        }
    }
    Ok(())
}

fn name_limits(t: &mut Trace, d: &Dir) -> Done {
    let longest = "n".repeat(255);
    let too_long = "n".repeat(256);
    for name in [longest.as_str(), &too_long] {
        let len = name.len();
        t.put(format!("create {len}"), d.create(name).map(drop));
        t.put(format!("stat {len}"), d.meta(name));
        t.put(format!("unlink {len}"), d.unlink(name));
        t.put(format!("mkdir {len}"), d.mkdir(name));
        t.put(format!("rename {len}"), d.rename(name, "x"));
        t.put(format!("rename to {len}"), d.rename("x", name));
        t.put(format!("rmdir {len}"), d.rmdir(name));
        t.put(format!("symlink {len}"), d.symlink("x", name));
        t.put(format!("unlink {len}"), d.unlink(name));
    }
    for name in [
        "\n",
        " ",
        "\u{fe}\u{ff}",
        "é",
        "e\u{301}",
        "...",
        "-",
        "a\\b",
    ] {
        d.create(name).with_context(|| format!("create {name:?}"))?;
    }
    for byte in 1..=255u8 {
        if byte != b'/' && byte != b'.' {
            let name: &[u8] = &[b'x', byte];
            d.create(name)
                .with_context(|| format!("create x{byte:#x}"))?;
        }
    }
    t.each("odd names", d.names()?);
    t.put("root", d.meta(".")?);
    Ok(())
}

const DEPTH: usize = 200;

fn deep_tree(t: &mut Trace, d: &Dir) -> Done {
    let mut dir = d.make("d")?;
    for _ in 1..DEPTH {
        dir = dir.make("d")?;
    }
    t.put("deepest", dir.meta(".")?);
    drop(dir);
    let path = vec!["d"; DEPTH].join("/");
    t.put("through the path", d.meta(&path)?);
    let up = [path.clone(), vec![".."; DEPTH].join("/")].join("/");
    t.put("and back up", d.ino(&up)? == d.ino(".")?);
    for depth in (1..=DEPTH).rev() {
        d.rmdir(vec!["d"; depth].join("/"))
            .with_context(|| format!("rmdir at {depth}"))?;
    }
    t.put("root", d.meta(".")?);
    Ok(())
}

fn removed_directory(t: &mut Trace, d: &Dir) -> Done {
    let gone = d.make("gone")?;
    let inner = gone.make("inner")?;
    gone.rmdir("inner")?;
    d.rmdir("gone")?;
    for (name, dir) in [("gone", &gone), ("inner", &inner)] {
        t.put(format!("{name}: meta"), dir.meta("."));
        t.put(format!("{name}: create"), dir.create("f").map(drop));
        t.put(format!("{name}: mkdir"), dir.mkdir("f"));
        t.put(format!("{name}: symlink"), dir.symlink("x", "f"));
        t.put(format!("{name}: fifo"), dir.fifo("f"));
        t.put(format!("{name}: tmpfile"), dir.tmpfile().map(drop));
        t.put(format!("{name}: lookup"), dir.meta("f"));
        t.put(format!("{name}: .."), dir.meta("..").map(|m| m.nlink));
        let names = dir
            .list()
            .map(|l| l.into_iter().map(|e| e.name).collect::<Vec<_>>());
        t.put(format!("{name}: list"), names);
    }
    d.create("file")?;
    t.put("link into it", d.link_to("file", &gone, "f"));
    t.put("rename into it", d.rename_to("file", &gone, "f"));
    Ok(())
}

fn missing_parents(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    for parent in ["none", "file"] {
        let path = format!("{parent}/x");
        t.put(format!("create {path}"), d.create(&path).map(drop));
        t.put(format!("mkdir {path}"), d.mkdir(&path));
        t.put(format!("mknod {path}"), d.fifo(&path));
        t.put(format!("symlink {path}"), d.symlink("t", &path));
        t.put(format!("link {path}"), d.link("file", &path));
        t.put(format!("rename {path}"), d.rename("file", &path));
        t.put(format!("rename from {path}"), d.rename(&path, "y"));
        t.put(format!("unlink {path}"), d.unlink(&path));
        t.put(format!("rmdir {path}"), d.rmdir(&path));
        t.put(format!("readlink {path}"), d.readlink(&path));
        t.put(format!("stat {path}"), d.meta(&path));
    }
    Ok(())
}

const MANY: usize = 500;

fn many_entries(t: &mut Trace, d: &Dir) -> Done {
    for i in 0..MANY {
        match i % 5 {
            0 => d.mkdir(format!("d{i}")),
            1 => d.symlink("target", format!("l{i}")),
            2 => d.fifo(&format!("p{i}")),
            _ => d.create(format!("f{i}")).map(drop),
        }
        .with_context(|| format!("entry {i}"))?;
    }
    t.put("root", d.meta(".")?);
    t.each("names", d.names()?);
    t.put("space", d.space()?);
    for name in d.names()? {
        if name.starts_with('d') {
            d.rmdir(&name)?;
        } else {
            d.unlink(&name)?;
        }
    }
    t.put("emptied", d.meta(".")?);
    t.put("space", d.space()?);
    Ok(())
}

fn unlinked_while_open(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 3 * PAGE))?;
    let before = d.space()?;
    d.unlink("f")?;
    t.put("unlinked", file.meta()?);
    t.put("contents", file.all()?);
    t.put("still counted", d.space()? == before);
    t.put("write", file.pwrite(b"more", 5 * PAGE as u64));
    t.put("larger", file.meta()?);
    t.put("name is free", d.create("f").map(drop));
    drop(file);
    t.put("after the last close", d.space()?);
    Ok(())
}
