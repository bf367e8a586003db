//! Who may do what: modes, sticky directories, set-group-id directories.

use crate::harness::prelude::*;

cases! {
    "" => files, directories, sticky_directory, setgid_directory, creation_masks, search_only, owner_override,
        protected_in_sticky, user_root_only;
    "mode=700" => closed_root;
    own => nosuid_noexec;
}

fn files(t: &mut Trace, d: &Dir) -> Done {
    for mode in [0, 0o400, 0o200, 0o600, 0o040, 0o020, 0o004, 0o002, 0o666] {
        d.file("f", b"data")?;
        d.chmod("f", mode)?;
        d.chown("f", Some(10), Some(20))?;
        for (uid, gid) in [(10, 10), (11, 20), (12, 12)] {
            let results = User::run(uid, gid, || {
                (
                    d.read_only("f").map(drop),
                    d.openat("f", OFlags::WRONLY, 0).map(drop),
                    d.openat("f", OFlags::RDONLY | OFlags::TRUNC, 0).map(drop),
                    d.openat("f", OFlags::RDONLY | OFlags::NOATIME, 0).map(drop),
                )
            });
            t.put(format!("{mode:o} by {uid}:{gid}"), results);
        }
        d.unlink("f")?;
    }
    Ok(())
}

fn directories(t: &mut Trace, d: &Dir) -> Done {
    for mode in [0, 0o100, 0o200, 0o300, 0o400, 0o500, 0o700, 0o070, 0o007] {
        d.mkdir("dir")?;
        d.create("dir/f")?;
        d.create("g")?;
        d.chown("g", Some(10), None)?;
        d.chmod("dir", mode)?;
        d.chown("dir", Some(10), Some(20))?;
        for (uid, gid) in [(10, 10), (12, 12)] {
            let results = User::run(uid, gid, || {
                [
                    d.sub("dir").and_then(|dir| dir.names()).map(drop),
                    d.meta("dir/f").map(drop),
                    d.create("dir/new").map(drop),
                    d.unlink("dir/new"),
                    d.mkdir("dir/new"),
                    d.rmdir("dir/new"),
                    d.symlink("x", "dir/new"),
                    d.rename("dir/new", "dir/other"),
                    d.unlink("dir/other"),
                    d.link("g", "dir/linked"),
                    d.unlink("dir/linked"),
                    d.openat("dir", OFlags::TMPFILE | OFlags::RDWR, 0o600)
                        .map(drop),
                    d.chmod("dir", mode),
                ]
            });
            t.put(format!("{mode:o} by {uid}:{gid}"), results);
        }
        d.unlink("dir/f")?;
        d.unlink("g")?;
        d.rmdir("dir")?;
    }
    Ok(())
}

fn sticky_directory(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir_mode("s", 0o1777)?;
    d.chown("s", Some(30), None)?;
    d.chmod("s", 0o1777)?;
    let s = d.sub("s")?;
    for uid in [10, 20, 30] {
        User::run(uid, uid, || {
            s.create(format!("f{uid}"))?;
            s.mkdir(format!("d{uid}"))
        })?;
    }
    for uid in [20, 30] {
        let results = User::run(uid, uid, || {
            [
                s.unlink("f10"),
                s.rmdir("d10"),
                s.rename("f20", "g"),
                s.rename("g", "f20"),
                s.rename("f10", "x"),
                s.rename_to("f20", d, "moved"),
                d.rename_to("moved", &s, "f20"),
            ]
        });
        t.put(format!("by {uid}"), results);
        t.put("names", s.names()?);
    }
    Ok(())
}

fn setgid_directory(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("g")?;
    d.chown("g", Some(10), Some(50))?;
    d.chmod("g", 0o2777)?;
    let g = d.sub("g")?;
    for (uid, gid, groups) in [(0, 0, vec![]), (10, 10, vec![]), (10, 10, vec![50])] {
        let user = User::become_user(uid, gid, &groups);
        for mode in [0o644, 0o755, 0o2755, 0o2644, 0o6777] {
            let name = format!("{uid}-{}-{mode:o}", groups.len());
            g.openat(format!("f{name}"), OFlags::CREATE | OFlags::RDWR, mode)?;
            g.mkdir_mode(format!("d{name}"), mode)?;
            g.mknod(format!("p{name}"), FileType::Fifo, mode, (0, 0))?;
        }
        g.symlink("x", format!("l{uid}-{}", groups.len()))?;
        drop(user);
    }
    for name in g.names()? {
        let meta = g.meta(&name)?;
        t.put(&name, format!("{:o} {}:{}", meta.mode, meta.uid, meta.gid));
    }
    Ok(())
}

fn creation_masks(t: &mut Trace, d: &Dir) -> Done {
    use rustix::process::umask;
    for mask in [0, 0o022, 0o077, 0o777] {
        umask(Mode::from_raw_mode(mask));
        d.openat("f", OFlags::CREATE | OFlags::RDWR, 0o7777)?;
        d.mkdir_mode("d", 0o7777)?;
        d.mknod("p", FileType::Fifo, 0o7777, (0, 0))?;
        d.symlink("x", "l")?;
        let tmp = d.openat(".", OFlags::TMPFILE | OFlags::RDWR, 0o7777)?;
        let modes: Result<Vec<_>, _> = ["f", "d", "p", "l"]
            .iter()
            .map(|n| d.meta(n).map(|m| format!("{:o}", m.mode)))
            .collect();
        t.put(
            format!("umask {mask:o}"),
            (modes?, format!("{:o}", tmp.meta()?.mode)),
        );
        d.unlink("f")?;
        d.rmdir("d")?;
        d.unlink("p")?;
        d.unlink("l")?;
    }
    Ok(())
}

fn search_only(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("a")?;
    d.mkdir("a/b")?;
    d.file("a/b/f", b"x")?;
    d.chmod("a", 0o711)?;
    d.chmod("a/b", 0o755)?;
    let look = || {
        (
            d.sub("a").map(drop),
            d.sub("a/b").map(drop),
            d.contents("a/b/f"),
        )
    };
    t.put("searchable", User::run(10, 10, look));
    d.chmod("a", 0o744)?;
    t.put("readable only", User::run(10, 10, look));
    t.put(
        "names are seen",
        User::run(10, 10, || d.sub("a").and_then(|a| a.names())),
    );
    // An open directory needs no way to it.
    let inner = d.sub("a/b")?;
    d.chmod("a", 0)?;
    t.put("by descriptor", User::run(10, 10, || inner.contents("f")));
    Ok(())
}

fn owner_override(t: &mut Trace, d: &Dir) -> Done {
    let file = User::run(10, 10, || d.openat("f", OFlags::CREATE | OFlags::RDWR, 0))?;
    t.put(
        "who made it may write",
        User::run(10, 10, || file.write(b"x")),
    );
    t.put(
        "but not open it again",
        User::run(10, 10, || d.read_write("f").map(drop)),
    );
    t.put("root may", d.read_write("f").map(drop));
    t.put("meta", d.meta("f")?);
    Ok(())
}

/// fs.protected_* rules are the VFS's and look at owner and mode of directory and file.
fn protected_in_sticky(t: &mut Trace, d: &Dir) -> Done {
    for name in [
        "protected_regular",
        "protected_fifos",
        "protected_symlinks",
        "protected_hardlinks",
    ] {
        let value = std::fs::read_to_string(format!("/proc/sys/fs/{name}")).unwrap_or_default();
        t.put(name, value.trim());
    }
    d.file("f", b"x")?;
    d.chmod("f", 0o666)?;
    d.chown("f", Some(10), None)?;
    d.symlink("f", "l")?;
    d.chown("l", Some(10), None)?;
    let create = OFlags::CREATE | OFlags::RDWR;
    t.put(
        "create what is another's",
        User::run(20, 20, || d.openat("f", create, 0o600).map(drop)),
    );
    t.put(
        "follow another's link",
        User::run(20, 20, || d.contents("l")),
    );
    t.put(
        "link another's file",
        User::run(20, 20, || d.link("f", "mine")),
    );
    Ok(())
}

fn user_root_only(t: &mut Trace, d: &Dir) -> Done {
    t.put(
        "root is open to all",
        User::run(10, 10, || d.create("f").map(drop)),
    );
    t.put("meta", d.meta("f")?);
    t.put(
        "chmod of the root",
        User::run(10, 10, || d.chmod(".", 0o777)),
    );
    Ok(())
}

fn closed_root(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", b"x")?;
    d.chmod("f", 0o666)?;
    t.put("read", User::run(10, 10, || d.contents("f")));
    t.put("create", User::run(10, 10, || d.create("g").map(drop)));
    t.put("list", User::run(10, 10, || d.sub(".").map(drop)));
    Ok(())
}

fn nosuid_noexec(t: &mut Trace, fs: &Fs) -> Done {
    use nix::mount::MsFlags;
    for (name, flags) in [("plain", MsFlags::empty()), ("noexec", MsFlags::MS_NOEXEC)] {
        let mount = fs.mount_at("m", "", flags)?;
        let dir = mount.dir()?;
        dir.file("script", b"#!/bin/sh\nexit 3\n")?;
        let script = mount.path.join("script");
        let run = || {
            std::process::Command::new(&script)
                .status()
                .map(|s| s.code())
                .map_err(|e| e.kind())
        };
        t.put(format!("{name}: not executable"), run());
        dir.chmod("script", 0o755)?;
        t.put(format!("{name}: executable"), run());
        let file = dir.read_write("script")?;
        t.put(format!("{name}: busy"), run());
        drop(file);
        drop(dir);
        mount.unmount()?;
    }
    Ok(())
}
