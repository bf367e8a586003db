//! O_TMPFILE: files without a name.

use crate::harness::prelude::*;

cases! {
    "" => nameless, given_a_name, named_twice, exclusive, in_subdirectory, modes_and_owner, errors,
        linked_then_unlinked;
    "nr_inodes=4,nr_blocks=4" => limits;
}

fn nameless(t: &mut Trace, d: &Dir) -> Done {
    let before = d.space()?;
    let mut made = None;
    t.effects("open", d, &["."], || made = d.tmpfile().ok());
    let file = made.context("tmpfile")?;
    t.put("meta", file.meta()?);
    t.put("names", d.names()?);
    t.put("write", file.write(&pattern(1, 3 * PAGE)));
    t.put("contents", file.all()?);
    t.put("meta", file.meta()?);
    t.put(
        "used",
        (
            before.free - d.space()?.free,
            before.free_files - d.space()?.free_files,
        ),
    );
    drop(file);
    t.put("given back", d.space()? == before);
    Ok(())
}

fn given_a_name(t: &mut Trace, d: &Dir) -> Done {
    let file = d.tmpfile()?;
    file.write(b"data")?;
    let space = d.space()?;
    t.effects("link", d, &[".", "name"], || d.link_fd(&file, "name"))?;
    t.put("no further inode", d.space()? == space);
    t.put("contents", d.contents("name")?);
    t.put("listed", d.names()?);
    drop(file);
    t.put("stays", d.meta("name")?);
    d.unlink("name")?;
    t.put("space", d.space()?);
    Ok(())
}

fn named_twice(t: &mut Trace, d: &Dir) -> Done {
    let file = d.tmpfile()?;
    let start = d.space()?.free_files;
    for name in ["a", "b", "c"] {
        t.effects(format!("link {name}"), d, &[".", name], || {
            d.link_fd(&file, name)
        })?;
        t.put("inodes", start - d.space()?.free_files);
    }
    t.put("taken", d.link_fd(&file, "a"));
    for name in ["a", "b", "c"] {
        d.unlink(name)?;
        t.put("inodes", start as i64 - d.space()?.free_files as i64);
    }
    t.put("after the last name", d.link_fd(&file, "again"));
    t.put("meta", file.meta()?);
    drop(file);
    t.put("space", d.space()?);
    Ok(())
}

fn exclusive(t: &mut Trace, d: &Dir) -> Done {
    let file = d.openat(".", OFlags::TMPFILE | OFlags::RDWR | OFlags::EXCL, 0o600)?;
    t.put("write", file.write(b"x"));
    t.put("link", d.link_fd(&file, "name"));
    t.put("names", d.names()?);
    Ok(())
}

fn in_subdirectory(t: &mut Trace, d: &Dir) -> Done {
    let dir = d.make("dir")?;
    let file = dir.tmpfile()?;
    t.put("meta", dir.meta(".")?);
    t.put("rmdir while it is open", d.rmdir("dir"));
    t.put("link into the root", d.link_fd(&file, "name"));
    t.put("meta", d.meta("name")?);
    Ok(())
}

fn modes_and_owner(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir_mode("shared", 0o2777)?;
    d.chown("shared", Some(10), Some(20))?;
    d.chmod("shared", 0o2777)?;
    let shared = d.sub("shared")?;
    let user = User::become_user(1000, 1001, &[]);
    for mode in [0, 0o600, 0o7777, 0o2755] {
        let file = shared.openat(".", OFlags::TMPFILE | OFlags::RDWR, mode);
        t.put(format!("mode {mode:o}"), file.and_then(|f| f.meta()));
    }
    drop(user);
    Ok(())
}

fn errors(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    let open = |name, flags| d.openat(name, flags, 0o600).map(drop);
    t.put("on a file", open("file", OFlags::TMPFILE | OFlags::RDWR));
    t.put("on none", open("none", OFlags::TMPFILE | OFlags::RDWR));
    t.put("read-only", open(".", OFlags::TMPFILE));
    t.put(
        "with create",
        open(".", OFlags::TMPFILE | OFlags::RDWR | OFlags::CREATE),
    );
    t.put("write-only", open(".", OFlags::TMPFILE | OFlags::WRONLY));
    t.put(
        "direct",
        open(".", OFlags::TMPFILE | OFlags::RDWR | OFlags::DIRECT),
    );
    let gone = d.make("gone")?;
    d.rmdir("gone")?;
    t.put("in a removed directory", gone.tmpfile().map(drop));
    Ok(())
}

fn linked_then_unlinked(t: &mut Trace, d: &Dir) -> Done {
    let file = d.tmpfile()?;
    file.write(&pattern(3, PAGE))?;
    d.link_fd(&file, "a")?;
    d.rename("a", "b")?;
    d.link("b", "c")?;
    t.put("count", file.meta()?.nlink);
    d.unlink("b")?;
    drop(file);
    t.put("contents", d.contents("c")?);
    t.put("space", d.space()?);
    d.unlink("c")?;
    t.put("space", d.space()?);
    Ok(())
}

fn limits(t: &mut Trace, d: &Dir) -> Done {
    let mut files = Vec::new();
    for i in 0..5 {
        match d.tmpfile() {
            Ok(file) => files.push(file),
            Err(e) => t.put(format!("tmpfile {i}"), e),
        }
        t.put("space", d.space()?);
    }
    t.put("link when full", d.link_fd(&files[0], "a"));
    t.put("link again when full", d.link_fd(&files[0], "b"));
    t.put("create when full", d.create("c").map(drop));
    t.put("write", files[0].write(&pattern(1, 8 * PAGE)));
    t.put("space", d.space()?);
    files.clear();
    t.put("space", d.space()?);
    Ok(())
}
