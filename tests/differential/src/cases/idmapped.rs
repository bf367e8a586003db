//! Idmapped mounts.

use crate::harness::idmap::with_map;
use crate::harness::prelude::*;

cases! {
    own => owners_are_mapped, operations, permissions;
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
