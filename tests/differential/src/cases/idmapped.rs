//! Idmapped mounts.

use crate::harness::handle::Handle;
use crate::harness::idmap::{map, with_map};
use crate::harness::prelude::*;
use crate::harness::xattr::{ACCESS, DEFAULT};

cases! {
    own => owners_are_mapped, operations, every_operation, sticky_directories, through_the_map_and_back, handles,
        programs, permissions;
}

fn owners(t: &mut Trace, name: &str, plain: &Dir, mapped: &Dir) {
    let owner = |d: &Dir| {
        d.meta(name)
            .map(|m| format!("{:o} {}:{}", m.mode, m.uid, m.gid))
    };
    t.put(name, (owner(plain), owner(mapped)));
}

fn owners_are_mapped(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, "", |t, plain, mapped| {
        for (name, id) in [
            ("root", 0),
            ("user", 1000),
            ("last", 9999),
            ("outside", 10_000),
        ] {
            plain.create(name)?;
            plain.chown(name, Some(id), Some(id))?;
            owners(t, name, plain, mapped);
        }
        for id in [10_000, 11_000, 19_999, 20_000, 0] {
            t.put(
                format!("chown to {id}"),
                mapped.chown("root", Some(id), Some(id)),
            );
            owners(t, "root", plain, mapped);
        }
        t.put(
            "chown from outside",
            mapped.chown("outside", Some(10_000), None),
        );
        owners(t, "outside", plain, mapped);
        Ok(())
    })
}

fn operations(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, "", |t, plain, mapped| {
        t.put("create as root", mapped.create("x").map(drop));
        let user = User::become_user(10_005, 10_006, &[]);
        t.put(
            "create",
            mapped.create("file").and_then(|f| f.write(b"data")),
        );
        t.put("mkdir", mapped.mkdir("dir"));
        t.put("fifo", mapped.fifo("fifo"));
        t.put("symlink", mapped.symlink("x", "link"));
        t.put("link", mapped.link("file", "hard"));
        t.put("rename", mapped.rename("fifo", "pipe"));
        t.put(
            "exchange",
            mapped.rename_flags("file", "dir", RenameFlags::EXCHANGE),
        );
        t.put(
            "whiteout",
            mapped.rename_flags("hard", "moved", RenameFlags::WHITEOUT),
        );
        let file = mapped.tmpfile();
        t.put("tmpfile", file.as_ref().map(drop));
        t.put("its owner", file?.meta().map(|m| (m.uid, m.gid)));
        t.put("chmod", mapped.chmod("pipe", 0o600));
        drop(user);
        for name in plain.names()? {
            owners(t, &name, plain, mapped);
        }
        Ok(())
    })
}

fn permissions(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, "", |t, plain, mapped| {
        plain.file("f", b"data")?;
        plain.chown("f", Some(5), Some(6))?;
        plain.chmod("f", 0o640)?;
        for (uid, gid) in [(5, 1), (1, 6), (10_005, 1), (1, 10_006), (1, 1)] {
            let look = |d: &Dir| {
                (
                    d.read_only("f").map(drop),
                    d.read_write("f").map(drop),
                    d.chmod("f", 0o640),
                )
            };
            t.put(
                format!("{uid}:{gid}"),
                User::run(uid, gid, || (look(plain), look(mapped))),
            );
        }
        plain.mkdir("shared")?;
        plain.chown("shared", None, Some(6))?;
        plain.chmod("shared", 0o2777)?;
        t.put(
            "setgid",
            User::run(10_005, 10_007, || mapped.mkdir("shared/d")),
        );
        owners(t, "shared/d", plain, mapped);
        Ok(())
    })
}

/// Whoever does it: the mapped user, the one that the files belong to without the map, root.
const WHO: [(u32, u32); 3] = [(10_005, 10_006), (5, 6), (0, 0)];

fn every_operation(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, "", |t, plain, mapped| {
        for (uid, gid) in WHO {
            plain.mkdir("dir")?;
            plain.chmod("dir", 0o777)?;
            let there = mapped.sub("dir")?;
            plain.file("dir/theirs", b"text")?;
            plain.chown("dir/theirs", Some(5), Some(6))?;
            let user = User::become_user(uid, gid, &[10_007]);
            let mut step = |label: &str, done: Res<()>| t.put(format!("{uid}: {label}"), done);
            step("create", there.file("file", b"data").map(drop));
            step("mkdir", there.mkdir("sub"));
            step("fifo", there.fifo("fifo"));
            step(
                "socket",
                there.mknod("socket", FileType::Socket, 0o600, (0, 0)),
            );
            step(
                "device",
                there.mknod("null", FileType::CharacterDevice, 0o600, (1, 3)),
            );
            step(
                "whiteout",
                there.mknod("white", FileType::CharacterDevice, 0o600, (0, 0)),
            );
            step("symlink", there.symlink("file", "link"));
            step("link", there.link("file", "hard"));
            step("link of theirs", there.link("theirs", "mine"));
            step("rename", there.rename("hard", "moved"));
            step("rename over", there.rename("moved", "file"));
            step(
                "no replace",
                there.rename_flags("file", "fifo", RenameFlags::NOREPLACE),
            );
            step(
                "exchange",
                there.rename_flags("file", "sub", RenameFlags::EXCHANGE),
            );
            step(
                "exchange back",
                there.rename_flags("file", "sub", RenameFlags::EXCHANGE),
            );
            step(
                "rename and whiteout",
                there.rename_flags("file", "kept", RenameFlags::WHITEOUT),
            );
            step(
                "unnamed",
                there.tmpfile().and_then(|f| there.link_fd(&f, "named")),
            );
            step("unnamed for ever", {
                let flags = OFlags::TMPFILE | OFlags::EXCL | OFlags::RDWR;
                let file = there.openat(".", flags, 0o600);
                file.and_then(|f| there.link_fd(&f, "never"))
            });
            step(
                "write",
                there
                    .read_write("kept")
                    .and_then(|f| f.pwrite(b"x", 0))
                    .map(drop),
            );
            step("cut", there.truncate("kept", 2));
            step("chmod", there.chmod("kept", 0o2750));
            step("to another group", there.chown("kept", None, Some(10_007)));
            step("to a group outside", there.chown("kept", None, Some(7)));
            step("to another user", there.chown("kept", Some(10_009), None));
            for (name, now) in [("now", true), ("then", false)] {
                let time = |nanoseconds| rustix::fs::Timespec {
                    tv_sec: 5,
                    tv_nsec: if now {
                        rustix::fs::UTIME_NOW
                    } else {
                        nanoseconds
                    },
                };
                let times = rustix::fs::Timestamps {
                    last_access: time(1),
                    last_modification: time(2),
                };
                let none = rustix::fs::AtFlags::empty();
                let done = rustix::fs::utimensat(&there, "theirs", &times, none);
                step(&format!("times, {name}"), done.map_err(Errno::from));
            }
            for name in ["user.a", "trusted.a", "security.a"] {
                step(name, there.set_xattr("kept", name, b"1", 0));
                step("removed", there.remove_xattr("kept", name));
            }
            let acl = "u::rwx u:10010:rwx g::r-x g:20:rw- m::rwx o::---";
            let inside = "u::rwx u:10010:rwx g::r-x g:10020:rw- m::rwx o::---";
            step("list of others", there.set_acl("kept", ACCESS, acl));
            step("list", there.set_acl("kept", ACCESS, inside));
            step("default list", there.set_acl("sub", DEFAULT, inside));
            step("inherited", there.file("sub/file", b"x").map(drop));
            step("rmdir", there.rmdir("sub"));
            step("unlink of theirs", there.unlink("theirs"));
            step("unlink", there.unlink("fifo"));
            drop(user);
            for name in plain.sub("dir")?.names()? {
                let path = format!("dir/{name}");
                owners(t, &path, plain, mapped);
                t.put(&name, (plain.acl(&path, ACCESS), mapped.acl(&path, ACCESS)));
            }
            let _ = mapped.unlink("dir/sub/file");
            let removed = plain.sub("dir")?.names()?.into_iter().all(|name| {
                let path = format!("dir/{name}");
                plain.unlink(&path).or_else(|_| plain.rmdir(&path)).is_ok()
            });
            t.put("removed", (removed, plain.rmdir("dir")));
        }
        Ok(())
    })
}

fn sticky_directories(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, "", |t, plain, mapped| {
        plain.mkdir("dir")?;
        plain.chmod("dir", 0o1777)?;
        for (label, owner) in [("theirs", 5), ("another's", 9), ("outside", 20_000)] {
            for (uid, gid) in WHO {
                plain.file("dir/f", b"x")?;
                plain.chown("dir/f", Some(owner), Some(owner))?;
                let user = User::become_user(uid, gid, &[]);
                let renamed = mapped.rename("dir/f", "dir/g");
                let removed = mapped.unlink("dir/g").or_else(|_| mapped.unlink("dir/f"));
                drop(user);
                t.put(format!("{label} by {uid}"), (renamed, removed));
                let _ = plain.unlink("dir/f");
                let _ = plain.unlink("dir/g");
            }
        }
        Ok(())
    })
}

/// What is open through one mount is used through the other.
fn through_the_map_and_back(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, "", |t, plain, mapped| {
        plain.chmod(".", 0o777)?;
        let file = User::run(10_005, 10_006, || mapped.create("f"))?;
        t.put("seen through the map", file.meta()?);
        t.put("seen without", plain.read_only("f")?.meta()?);
        let same = [plain.ino("f")?, mapped.ino("f")?];
        t.put("one inode", same[0] == same[1]);
        let set = |uid| {
            User::run(uid, 1, || {
                rustix::fs::fchmod(&file, Mode::from_raw_mode(0o600))
            })
        };
        for uid in [10_005, 5, 1] {
            t.put(format!("fchmod by {uid}"), set(uid).map_err(Errno::from));
        }
        let linked = User::run(10_005, 10_006, || {
            (plain.link_fd(&file, "g"), mapped.link_fd(&file, "h"))
        });
        t.put("link across", linked);
        t.put("rename across", plain.rename_to("f", mapped, "moved"));
        t.put("names", plain.names()?);
        let map = Map::shared(&file, PAGE, 0)?;
        file.truncate(PAGE as u64)?;
        map.set(0, b'm');
        t.put("stored", plain.read_only("f")?.pread(1, 0)?);
        Ok(())
    })
}

fn handles(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, "", |t, plain, mapped| {
        plain.file("f", b"text")?;
        plain.chown("f", Some(5), Some(6))?;
        let (of_plain, of_mapped) = (Handle::of(plain, "f")?, Handle::of(mapped, "f")?);
        t.put("one handle", of_plain == of_mapped);
        for (label, dir) in [("plain", plain), ("mapped", mapped)] {
            let file = of_plain.open(dir, OFlags::RDWR);
            t.put(label, file.and_then(|f| f.meta()));
        }
        Ok(())
    })
}

/// A program with the bits that set ids runs as who owns it through the map.
fn programs(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let mapped = map(&mount, fs)?;
    let (plain, dir) = (mount.dir()?, mapped.dir()?);
    super::programs::status_program(&plain, "program")?;
    for (uid, gid) in [(5, 6), (20_000, 20_000)] {
        plain.chown("program", Some(uid), Some(gid))?;
        for mode in [0o755, 0o4755, 0o2755] {
            plain.chmod("program", mode)?;
            for (label, mount) in [("plain", &mount), ("mapped", &mapped)] {
                let said = super::programs::status(mount, "program", false);
                t.put(format!("{label} {uid}:{gid} {mode:o}"), said);
            }
        }
    }
    let value = crate::harness::xattr::file_capability(1 << 13, 0, true);
    for (label, d) in [("plain", &plain), ("mapped", &dir)] {
        let set = d.set_xattr("program", "security.capability", &value, 0);
        t.put(format!("set {label}"), set);
        t.put(
            "by the plain mount",
            super::programs::status(&mount, "program", false),
        );
        t.put(
            "by the mapped one",
            super::programs::status(&mapped, "program", false),
        );
    }
    drop((plain, dir));
    mapped.unmount()?;
    mount.unmount()?;
    Ok(())
}
