//! Mounts by who is root in a user namespace only.

use crate::harness::prelude::*;
use crate::harness::process::in_user_namespace;

cases! {
    own => root_of_a_namespace, ids_outside_the_map, device_nodes, limits_in_a_namespace, inherited_limits,
        options_in_a_namespace,
        seen_from_outside, unprivileged_without_a_namespace;
}

const MAP: &str = "0 100000 65536";

/// Runs the steps in a namespace and records how they end.
pub fn inside(t: &mut Trace, steps: impl FnOnce(&mut Trace) -> Done) {
    let end = in_user_namespace(MAP, || steps(t).expect("steps in a user namespace"));
    t.put("namespace", end);
}

fn root_of_a_namespace(t: &mut Trace, fs: &Fs) -> Done {
    inside(t, |t| {
        let mount = fs.mount("size=1m,nr_inodes=20")?;
        let d = mount.dir()?;
        t.text("shown", mount.options());
        t.put("root", d.meta(".")?);
        t.put("space", d.space()?);
        d.file("f", b"data")?;
        d.mkdir("d")?;
        t.put("file", d.meta("f")?);
        t.put(
            "chown to one in the map",
            d.chown("f", Some(1000), Some(1000)),
        );
        t.put("chown to one that is not", d.chown("f", Some(70_000), None));
        t.put("meta", d.meta("f")?);
        t.put("rename", d.rename("f", "g"));
        t.put("remount", mount.remount("size=2m"));
        t.text("shown", mount.options());
        drop(d);
        t.put("unmount", mount.unmount());
        Ok(())
    });
    Ok(())
}

fn ids_outside_the_map(t: &mut Trace, fs: &Fs) -> Done {
    inside(t, |t| {
        for option in [
            "uid=0",
            "uid=65535",
            "uid=65536",
            "uid=100000",
            "gid=5",
            "gid=70000",
            "uid=5,gid=6",
        ] {
            match fs.mount(option) {
                Ok(mount) => {
                    t.text(option, mount.options());
                    t.put("root", mount.dir()?.meta(".")?);
                    mount.unmount()?;
                }
                Err(e) => t.put(option, e),
            }
            if !option.contains(',') {
                let context = fs.context()?;
                t.put("context", context.option(option));
                t.put("log", context.log());
            }
        }
        Ok(())
    });
    Ok(())
}

fn device_nodes(t: &mut Trace, fs: &Fs) -> Done {
    inside(t, |t| {
        let mount = fs.mount("")?;
        let d = mount.dir()?;
        t.put(
            "char",
            d.mknod("c", FileType::CharacterDevice, 0o600, (1, 3)),
        );
        t.put("block", d.mknod("b", FileType::BlockDevice, 0o600, (7, 0)));
        t.put(
            "whiteout",
            d.mknod("w", FileType::CharacterDevice, 0o600, (0, 0)),
        );
        t.put("whiteout by rename", {
            d.create("f")?;
            d.rename_flags("f", "g", RenameFlags::WHITEOUT)
        });
        t.put("fifo", d.fifo("p"));
        t.put("socket", d.mknod("s", FileType::Socket, 0o600, (0, 0)));
        t.put("names", d.names()?);
        t.text(
            "shown",
            mount.mountinfo().split(" - ").next().unwrap_or_default(),
        );
        drop(d);
        mount.unmount()?;
        Ok(())
    });
    Ok(())
}

fn limits_in_a_namespace(t: &mut Trace, fs: &Fs) -> Done {
    inside(t, |t| {
        let mount = fs.mount("nr_blocks=3,nr_inodes=4")?;
        let d = mount.dir()?;
        let file = d.create("f")?;
        t.put("write", file.write(&pattern(1, 5 * PAGE)));
        for i in 0..4 {
            t.put(format!("create {i}"), d.create(format!("g{i}")).map(drop));
        }
        t.put("space", d.space()?);
        drop((file, d));
        mount.unmount()?;
        Ok(())
    });
    Ok(())
}

/// Ids are shown as the host has them, whoever looks.
fn options_in_a_namespace(t: &mut Trace, fs: &Fs) -> Done {
    inside(t, |t| {
        for options in [
            "size=1m,nr_inodes=20,mode=700,uid=5,gid=6,inode32",
            "gid=0,uid=0",
            "uid=65535",
            "noswap",
        ] {
            match fs.mount(options) {
                Ok(mount) => {
                    t.text(options, mount.options());
                    t.text(options, mount.mountinfo());
                    t.put("remount", mount.remount("size=2m,uid=7,mode=711"));
                    t.text("remounted", mount.options());
                    mount.unmount()?;
                }
                Err(e) => t.put(options, e),
            }
            let context = fs.context()?;
            for option in options.split(',') {
                t.put(option, context.option(option));
            }
            t.put("log", context.log());
        }
        Ok(())
    });
    Ok(())
}

fn inherited_limits(t: &mut Trace, fs: &Fs) -> Done {
    inside(t, |t| {
        let mount = fs.mount("")?;
        t.text("defaults", mount.options());
        t.put("space", mount.dir()?.space()?);
        for option in ["size=0", "nr_inodes=0", "size=200%"] {
            t.put(option, fs.mount(option).map(drop));
        }
        mount.unmount()?;
        Ok(())
    });
    Ok(())
}

/// A mount of the host's is used in a namespace: owners outside of the map are nobody's.
fn seen_from_outside(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    d.file("root's", b"x")?;
    d.file("theirs", b"x")?;
    d.chown("theirs", Some(100_000), Some(100_000))?;
    d.chmod("root's", 0o600)?;
    inside(t, |t| {
        for name in ["root's", "theirs"] {
            t.put(name, d.meta(name)?);
            t.put("read", d.contents(name));
            t.put("chmod", d.chmod(name, 0o644));
        }
        t.put("create", d.create("new").map(drop));
        t.put("remount", mount.remount("size=1m"));
        Ok(())
    });
    t.put("new one from outside", d.meta("new"));
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn unprivileged_without_a_namespace(t: &mut Trace, fs: &Fs) -> Done {
    t.put("mount", User::run(1000, 1000, || fs.mount("").map(drop)));
    t.put("context", User::run(1000, 1000, || fs.context().map(drop)));
    Ok(())
}
