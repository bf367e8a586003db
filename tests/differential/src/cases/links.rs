//! Hard links.

use crate::harness::prelude::*;

cases! {
    "" => counts, kinds, errors, through_symlinks, many, data_is_shared, of_unlinked;
    "nr_inodes=6" => count_as_inodes;
}

fn counts(t: &mut Trace, d: &Dir) -> Done {
    d.file("a", b"data")?;
    t.effects("link", d, &[".", "a", "b"], || d.link("a", "b"))?;
    t.put("same inode", d.ino("a")? == d.ino("b")?);
    d.mkdir("p")?;
    t.effects("link elsewhere", d, &[".", "p", "a", "p/c"], || {
        d.link("a", "p/c")
    })?;
    t.effects("unlink the first", d, &[".", "a", "b"], || d.unlink("a"))?;
    t.effects("unlink the second", d, &[".", "b", "p/c"], || d.unlink("b"))?;
    t.put("contents", d.contents("p/c")?);
    t.effects("unlink the last", d, &["p", "p/c"], || d.unlink("p/c"))?;
    t.put("space", d.space()?);
    Ok(())
}

fn kinds(t: &mut Trace, d: &Dir) -> Done {
    d.fifo("fifo")?;
    d.mknod("socket", FileType::Socket, 0o644, (0, 0))?;
    d.mknod("char", FileType::CharacterDevice, 0o644, (1, 3))?;
    d.symlink("target", "short")?;
    d.symlink("t".repeat(1000), "long")?;
    d.mkdir("dir")?;
    for name in ["fifo", "socket", "char", "short", "long", "dir"] {
        let new = format!("{name}-2");
        t.effects(format!("link {name}"), d, &[".", name, &new], || {
            d.link(name, &new)
        })
        .ok();
    }
    t.put("long", d.readlink("long-2").map(|l| l.len()));
    t.put("space", d.space()?);
    Ok(())
}

fn errors(t: &mut Trace, d: &Dir) -> Done {
    d.create("a")?;
    d.create("b")?;
    d.mkdir("dir")?;
    for (old, new) in [
        ("none", "x"),
        ("a", "b"),
        ("a", "a"),
        ("a", "dir"),
        ("dir", "x"),
        ("a", "none/x"),
        ("a", "b/x"),
        ("a", ""),
        ("", "x"),
        ("a", "x/"),
        ("a/", "x"),
        ("a", "."),
        (".", "x"),
    ] {
        t.effects(format!("{old} -> {new}"), d, &["a"], || d.link(old, new))
            .ok();
    }
    t.put("names", d.names()?);
    Ok(())
}

fn through_symlinks(t: &mut Trace, d: &Dir) -> Done {
    use rustix::fs::{linkat, AtFlags};
    d.create("a")?;
    d.symlink("a", "l")?;
    d.symlink("none", "dangling")?;
    t.put("of the link", d.link("l", "x"));
    t.put("kind", d.meta("x").map(|m| m.mode));
    let follow = |old, new| linkat(d, old, d, new, AtFlags::SYMLINK_FOLLOW).is_ok();
    t.put("of its target", follow("l", "y"));
    t.put("kind", d.meta("y").map(|m| m.mode));
    t.put("of no target", follow("dangling", "z"));
    t.put("onto a dangling link", d.link("a", "dangling"));
    Ok(())
}

const LINKS: usize = 300;

fn many(t: &mut Trace, d: &Dir) -> Done {
    d.create("a")?;
    for i in 0..LINKS {
        d.link("a", format!("l{i}"))
            .with_context(|| format!("link {i}"))?;
    }
    t.put("meta", d.meta("a")?);
    t.put("space", d.space()?);
    for i in 0..LINKS {
        d.unlink(format!("l{i}"))?;
    }
    t.put("meta", d.meta("a")?);
    t.put("space", d.space()?);
    Ok(())
}

fn data_is_shared(t: &mut Trace, d: &Dir) -> Done {
    let a = d.file("a", &pattern(1, 2 * PAGE))?;
    d.link("a", "b")?;
    let b = d.read_write("b")?;
    b.pwrite(b"through b", 100)?;
    t.put("a", a.all()?);
    a.truncate(50)?;
    t.put("b", b.all()?);
    t.put("chmod", d.chmod("a", 0o600));
    t.put("b", d.meta("b")?);
    Ok(())
}

fn of_unlinked(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("a", b"x")?;
    d.unlink("a")?;
    t.put("link", d.link_fd(&file, "b"));
    t.put("names", d.names()?);
    Ok(())
}

fn count_as_inodes(t: &mut Trace, d: &Dir) -> Done {
    d.create("a")?;
    for i in 0..6 {
        t.put(format!("link {i}"), d.link("a", format!("l{i}")));
        t.put("space", d.space()?);
    }
    t.put("meta", d.meta("a")?);
    t.put("directory", d.meta(".")?);
    t.put("unlink", d.unlink("l0"));
    t.put("create", d.create("b").map(drop));
    t.put("rename over", d.rename("b", "l1"));
    t.put("space", d.space()?);
    Ok(())
}
