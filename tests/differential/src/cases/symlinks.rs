//! Symbolic links of all lengths.

use crate::harness::prelude::*;

cases! {
    "" => lengths, metadata, followed, loops, buffers, errors, unlinked, relative;
    "nr_blocks=2" => long_ones_without_space;
}

/// Around the ends of what fits in the inode (128) and what a path may have (4096 with its end).
const LENGTHS: &[usize] = &[
    1, 2, 59, 60, 63, 64, 126, 127, 128, 129, 255, 256, 1023, 4000, 4094, 4095, 4096, 5000,
];

fn lengths(t: &mut Trace, d: &Dir) -> Done {
    for &len in LENGTHS {
        let target: String = (0..len)
            .map(|i| char::from(b'a' + (i % 26) as u8))
            .collect();
        t.put(format!("symlink {len}"), d.symlink(&*target, "l"));
        if d.meta("l").is_ok() {
            t.put("target is right", d.readlink("l")? == target);
            t.put("meta", d.meta("l")?);
            t.put("space", d.space()?);
            d.unlink("l")?;
        }
    }
    t.put("symlink to nothing", d.symlink("", "l"));
    t.put("space", d.space()?);
    t.put("root", d.meta(".")?);
    Ok(())
}

fn metadata(t: &mut Trace, d: &Dir) -> Done {
    t.effects("short", d, &[".", "s"], || d.symlink("target", "s"))?;
    t.effects("long", d, &[".", "l"], || d.symlink("t".repeat(2000), "l"))?;
    t.effects("readlink", d, &[".", "s"], || d.readlink("s"))?;
    t.effects("readlink, long", d, &[".", "l"], || {
        d.readlink("l").map(|l| l.len())
    })?;
    t.effects("chown", d, &["s", "l"], || d.chown("s", Some(1), Some(2)))?;
    t.effects("chown", d, &["s", "l"], || d.chown("l", Some(1), Some(2)))?;
    t.effects("chmod", d, &["s"], || {
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::chmodat(d, "s", mode, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Errno::from)
    })
    .ok();
    t.effects("utimens", d, &["s"], || {
        let times = rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec {
                tv_sec: 5,
                tv_nsec: 6,
            },
            last_modification: rustix::fs::Timespec {
                tv_sec: 7,
                tv_nsec: 8,
            },
        };
        rustix::fs::utimensat(d, "s", &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Errno::from)
    })?;
    t.effects("unlink", d, &[".", "s"], || d.unlink("s"))?;
    t.effects("unlink", d, &[".", "l"], || d.unlink("l"))?;
    t.put("space", d.space()?);
    Ok(())
}

fn followed(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("dir")?;
    d.file("dir/file", b"found")?;
    d.symlink("dir", "short")?;
    let long = format!("{}dir", "./".repeat(500));
    d.symlink(&*long, "long")?;
    d.symlink("dir/new", "creates")?;
    for name in ["short", "long"] {
        t.effects(format!("through {name}"), d, &[name], || {
            d.contents(&format!("{name}/file"))
        })?;
        t.put("list", d.sub(name)?.names()?);
        t.put("create", d.create(format!("{name}/{name}")).map(drop));
    }
    t.put(
        "create through",
        d.openat("creates", OFlags::CREATE | OFlags::WRONLY, 0o600)
            .map(drop),
    );
    t.put("list", d.sub("dir")?.names()?);
    Ok(())
}

fn loops(t: &mut Trace, d: &Dir) -> Done {
    d.symlink("self", "self")?;
    d.symlink("b", "a")?;
    d.symlink("a", "b")?;
    d.create("end")?;
    d.symlink("end", "c0")?;
    for i in 1..=41 {
        d.symlink(format!("c{}", i - 1), format!("c{i}"))?;
    }
    for name in ["self", "a", "self/x", "c38", "c39", "c40", "c41"] {
        t.put(name, d.read_only(name).map(drop));
    }
    Ok(())
}

fn buffers(t: &mut Trace, d: &Dir) -> Done {
    d.symlink("0123456789", "s")?;
    d.symlink("x".repeat(300), "l")?;
    for name in ["s", "l"] {
        for size in [1, 9, 10, 11, 299, 300, 301] {
            let mut buffer = vec![std::mem::MaybeUninit::uninit(); size];
            let read = rustix::fs::readlinkat_raw(d, name, &mut buffer[..])
                .map(|(text, _)| Bytes(text.to_vec()))
                .map_err(Errno::from);
            t.put(format!("{name} into {size}"), read);
        }
    }
    Ok(())
}

fn errors(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    d.mkdir("dir")?;
    d.symlink("x", "link")?;
    t.put("over file", d.symlink("x", "file"));
    t.put("over dir", d.symlink("x", "dir"));
    t.put("over link", d.symlink("x", "link"));
    t.put("with slash", d.symlink("x", "new/"));
    t.put("readlink of a file", d.readlink("file"));
    t.put("readlink of a dir", d.readlink("dir"));
    t.put("readlink of none", d.readlink("none"));
    t.put(
        "open NOFOLLOW",
        d.openat("link", OFlags::NOFOLLOW, 0).map(drop),
    );
    t.put(
        "create NOFOLLOW",
        d.openat("link", OFlags::NOFOLLOW | OFlags::CREATE, 0o600)
            .map(drop),
    );
    t.put("truncate through a dangling one", d.truncate("link", 0));
    t.put("names", d.names()?);
    Ok(())
}

fn unlinked(t: &mut Trace, d: &Dir) -> Done {
    for (name, len) in [("short", 10), ("long", 3000)] {
        d.symlink("y".repeat(len), name)?;
        let path = d.openat(name, OFlags::PATH | OFlags::NOFOLLOW, 0)?;
        d.unlink(name)?;
        let target = rustix::fs::readlinkat(&path, "", Vec::new()).map_err(Errno::from);
        t.put(
            format!("{name}: target"),
            target.map(|l| l.as_bytes().len()),
        );
        t.put(format!("{name}: meta"), path.meta()?);
    }
    Ok(())
}

fn relative(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("a")?;
    d.file("f", b"at the top")?;
    d.symlink("../f", "a/l")?;
    t.put("before", d.contents("a/l"));
    d.mkdir("b")?;
    d.rename("a/l", "l")?;
    t.put("moved up", d.contents("l"));
    d.rename("l", "b/l")?;
    t.put("moved down", d.contents("b/l"));
    Ok(())
}

fn long_ones_without_space(t: &mut Trace, d: &Dir) -> Done {
    for i in 0..4 {
        t.put(
            format!("long {i}"),
            d.symlink("z".repeat(500), format!("l{i}")),
        );
        t.put("space", d.space()?);
    }
    t.put("short", d.symlink("z", "s"));
    t.put("names", d.names()?);
    t.put("directory", d.meta(".")?);
    Ok(())
}
