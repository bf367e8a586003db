//! POSIX access control lists: what is accepted, who may do what, what is inherited, what chmod does.

use std::sync::atomic::{AtomicU32, Ordering};

use super::user_namespaces::inside;
use crate::harness::idmap::with_map;
use crate::harness::meanwhile::meanwhile;
use crate::harness::prelude::*;
use crate::harness::xattr::{Acl, ACCESS, CREATE, DEFAULT, REPLACE};

cases! {
    "" => set_and_get, types_of_files, invalid_ones, equal_to_a_mode, effects, chmod_sets_the_mask,
        chown_and_truncate, access, masked_access, directories, inherited, inherited_by_each_type,
        inherited_down_a_tree, umask, umask_of_the_default, unnamed, whiteouts, symlinks, removal, who_may_change,
        setgid_goes, listing, renamed, changed_by_several_threads, sticky_and_default;
    "nr_inodes=4" => limits;
    own => read_only, user_namespace, idmapped, idmapped_inheritance;
}

const FULL: &str = "u::rwx u:10:rwx g::r-x g:20:rw- m::rwx o::r--";

fn shown(t: &mut Trace, label: &str, d: &Dir, name: &str) {
    t.put(
        label,
        (d.meta(name), d.acl(name, ACCESS), d.acl(name, DEFAULT)),
    );
}

fn set_and_get(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.mkdir("d")?;
    for name in ["f", "d"] {
        shown(t, "none", d, name);
        for text in [
            "u::rw- g::r-- o::r--",
            "u::rwx u:10:r-- g::r-- m::r-- o::---",
            FULL,
            "u::--- g::--- g:0:rwx g:20:r-x m::--- o::rwx",
            "u::rwx u:0:rwx u:10:r-- u:11:-w- u:4294967294:--x g::r-- m::rwx o::r--",
            "u::r-- g::rw- o::-wx",
        ] {
            for which in [ACCESS, DEFAULT] {
                t.put(
                    format!("{name} {which} {text}"),
                    d.set_acl(name, which, text),
                );
                shown(t, "shown", d, name);
            }
        }
    }
    Ok(())
}

fn types_of_files(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    d.mkdir("dir")?;
    d.symlink("file", "link")?;
    d.fifo("fifo")?;
    d.mknod("socket", FileType::Socket, 0o644, (0, 0))?;
    d.mknod("char", FileType::CharacterDevice, 0o644, (1, 3))?;
    for name in d.names()? {
        for which in [ACCESS, DEFAULT] {
            t.put(format!("{name} {which}"), d.set_acl(&name, which, FULL));
            t.put("list", d.xattrs(&name));
            t.put("chmod", d.chmod(&name, 0o640));
            shown(t, "shown", d, &name);
            t.put("remove", d.remove_xattr(&name, which));
            shown(t, "removed", d, &name);
        }
    }
    Ok(())
}

fn invalid_ones(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.mkdir("d")?;
    for text in [
        "",
        "u::rwx",
        "u::rwx g::rwx",
        "g::rwx o::rwx",
        "u::rwx u:1:r-- g::rwx o::rwx",
        "u::rwx g::rwx g:1:r-- o::rwx",
        "u::rwx u::rwx g::rwx o::rwx",
        "u::rwx g::rwx m::rwx m::rwx o::rwx",
        "g::rwx u::rwx o::rwx",
        "u::rwx u:2:r-- u:1:r-- g::rwx m::rwx o::rwx",
        "u::rwx u:1:r-- u:1:r-- g::rwx m::rwx o::rwx",
        "u::rwx? g::rwx o::rwx",
        "u::rwx u:4294967295:r-- g::rwx m::rwx o::rwx",
        "u::rwx g::rwx m::r-- o::rwx",
    ] {
        for (name, which) in [("f", ACCESS), ("f", DEFAULT), ("d", DEFAULT)] {
            t.put(
                format!("{name} {which} {text}"),
                d.set_acl(name, which, text),
            );
            shown(t, "shown", d, name);
        }
    }
    let good = Acl::parse(FULL).bytes();
    for (label, bytes) in [
        ("nothing", &b""[..]),
        ("half a header", &good[..2]),
        ("a header", &good[..4]),
        ("half an entry", &good[..8]),
        ("an entry too few", &good[..good.len() - 8]),
        ("another version", &[&[3, 0, 0, 0], &good[4..]].concat()),
        (
            "an unknown tag",
            &[&good[..4], &[64, 0], &good[6..]].concat(),
        ),
    ] {
        t.put(label, d.set_xattr("f", ACCESS, bytes, 0));
        shown(t, "shown", d, "f");
    }
    for flags in [CREATE, REPLACE, CREATE | REPLACE] {
        t.put(
            format!("flags {flags}"),
            d.set_xattr("f", ACCESS, &good, flags),
        );
        shown(t, "shown", d, "f");
    }
    for size in [0, 1, 4, good.len() - 1, good.len(), 1000] {
        t.put(format!("buffer of {size}"), d.xattr_in("f", ACCESS, size));
    }
    t.put(
        "another name",
        d.set_xattr("f", "system.posix_acl_other", &good, 0),
    );
    Ok(())
}

/// What a mode can say is no ACL.
fn equal_to_a_mode(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    for text in ["u::rwx g::r-x o::---", FULL, "u::r-- g::--- o::-w-"] {
        t.put(text, d.set_acl("f", ACCESS, text));
        shown(t, "shown", d, "f");
        t.put("list", d.xattrs("f"));
    }
    Ok(())
}

fn effects(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.mkdir("d")?;
    let access = |text| d.set_acl("f", ACCESS, text);
    let default = |text| d.set_acl("d", DEFAULT, text);
    t.effects("set", d, &["f", "."], || access(FULL))?;
    t.effects("the same", d, &["f", "."], || access(FULL))?;
    t.effects("chmod", d, &["f", "."], || d.chmod("f", 0o600))?;
    t.effects("a mode", d, &["f", "."], || access("u::rw- g::r-- o::r--"))?;
    t.effects("chmod", d, &["f", "."], || d.chmod("f", 0o640))?;
    t.effects("remove", d, &["f", "."], || d.remove_xattr("f", ACCESS))?;
    let _ = t.effects("wrong", d, &["f", "."], || access("u::rwx"));
    t.effects("default", d, &["d", "."], || default(FULL))?;
    t.effects("get", d, &["d", "."], || d.acl("d", DEFAULT))?;
    t.effects("create", d, &["d", "d/f"], || d.create("d/f").map(drop))?;
    t.effects("remove", d, &["d", "."], || d.remove_xattr("d", DEFAULT))?;
    Ok(())
}

fn chmod_sets_the_mask(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.mkdir("d")?;
    d.set_acl("d", DEFAULT, FULL)?;
    for name in ["f", "d"] {
        d.set_acl(name, ACCESS, FULL)?;
        for mode in [0o000, 0o777, 0o640, 0o4751, 0o7070, 0o1604] {
            t.put(format!("{name} {mode:o}"), d.chmod(name, mode));
            shown(t, "shown", d, name);
        }
        d.set_acl(name, ACCESS, "u::rwx g::rwx m::r-- o::---")?;
        t.put("a mask alone", d.chmod(name, 0o750));
        shown(t, "shown", d, name);
    }
    Ok(())
}

fn chown_and_truncate(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", b"data")?;
    d.set_acl("f", ACCESS, FULL)?;
    d.chmod("f", 0o6775)?;
    d.chown("f", Some(10), Some(20))?;
    shown(t, "chown", d, "f");
    d.truncate("f", 0)?;
    shown(t, "truncate", d, "f");
    d.chmod("f", 0o6775)?;
    let written = User::run(10, 10, || d.read_write("f")?.write(b"x"));
    t.put("write", written);
    shown(t, "written", d, "f");
    Ok(())
}

/// What each of some users may do with a file.
fn tried(t: &mut Trace, d: &Dir, name: &str) {
    for (uid, gids) in [
        (5, &[6][..]),
        (10, &[1]),
        (11, &[1]),
        (12, &[20]),
        (12, &[1, 20]),
        (12, &[6]),
        (13, &[1]),
    ] {
        let user = User::become_user(uid, gids[0], gids);
        let open = |flags| d.openat(name, flags, 0).map(drop);
        let results = (
            open(OFlags::RDONLY),
            open(OFlags::WRONLY),
            open(OFlags::RDWR),
        );
        drop(user);
        t.put(format!("{name} by {uid}:{gids:?}"), results);
    }
}

fn access(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.chown("f", Some(5), Some(6))?;
    for text in [
        "u::rw- u:10:rw- g::--- g:20:r-- m::rw- o::---",
        "u::--- u:10:--- u:11:-w- g::r-- g:20:-w- m::rw- o::rw-",
        "u::r-- u:10:r-- g::--- g:20:--- m::rwx o::rw-",
        "u::rw- g::r-- g:20:rw- m::rw- o::---",
        "u::rw- u:5:--- g::rw- g:6:r-- m::rw- o::---",
    ] {
        t.put(text, d.set_acl("f", ACCESS, text));
        tried(t, d, "f");
    }
    Ok(())
}

fn masked_access(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.chown("f", Some(5), Some(6))?;
    d.set_acl("f", ACCESS, "u::rw- u:10:rw- g::rw- g:20:rw- m::rw- o::---")?;
    for mode in [0o660, 0o640, 0o620, 0o600] {
        d.chmod("f", mode)?;
        t.put("mode", format!("{mode:o}"));
        tried(t, d, "f");
    }
    Ok(())
}

fn directories(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("d")?;
    d.create("d/f")?;
    d.chown("d", Some(5), Some(6))?;
    for text in [
        "u::rwx u:10:rwx g::--- g:20:r-x m::rwx o::---",
        "u::rwx u:10:--x g::--- g:20:r-- m::rwx o::---",
        "u::rwx u:10:rwx g::--- g:20:rwx m::r-x o::---",
    ] {
        t.put(text, d.set_acl("d", ACCESS, text));
        for (uid, gid) in [(5, 1), (10, 1), (11, 20), (12, 12)] {
            let results = User::run(uid, gid, || {
                (
                    d.sub("d").and_then(|dir| dir.names()),
                    d.meta("d/f").map(drop),
                    d.create("d/new").map(drop),
                    d.unlink("d/new"),
                )
            });
            t.put(format!("by {uid}:{gid}"), results);
        }
    }
    Ok(())
}

fn inherited(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("d")?;
    for text in [
        FULL,
        "u::rwx g::r-x o::---",
        "u::rwx u:10:rwx g::--- m::r-- o::r--",
        "u::--- u:10:rwx g::rwx m::--- o::---",
        "u::r-- g::rwx g:20:rwx m::rwx o::rwx",
    ] {
        t.put(text, d.set_acl("d", DEFAULT, text));
        for mode in [0o000, 0o600, 0o644, 0o666, 0o777, 0o751] {
            let made = d.openat("d/f", OFlags::CREATE | OFlags::EXCL | OFlags::RDWR, mode);
            t.put(format!("create {mode:o}"), made.map(drop));
            shown(t, "file", d, "d/f");
            t.put(format!("mkdir {mode:o}"), d.mkdir_mode("d/d", mode));
            shown(t, "directory", d, "d/d");
            d.unlink("d/f")?;
            d.rmdir("d/d")?;
        }
    }
    Ok(())
}

fn inherited_by_each_type(t: &mut Trace, d: &Dir) -> Done {
    d.set_acl(".", DEFAULT, FULL)?;
    for (name, kind) in [
        ("file", FileType::RegularFile),
        ("fifo", FileType::Fifo),
        ("socket", FileType::Socket),
        ("char", FileType::CharacterDevice),
        ("block", FileType::BlockDevice),
    ] {
        t.put(name, d.mknod(name, kind, 0o646, (1, 3)));
    }
    t.put("link", d.symlink("x", "link"));
    t.put("long link", d.symlink("x".repeat(500), "long"));
    t.put("mkdir", d.mkdir_mode("dir", 0o3705));
    for name in d.names()? {
        shown(t, &name, d, &name);
        t.put("list", d.xattrs(&name));
    }
    Ok(())
}

fn inherited_down_a_tree(t: &mut Trace, d: &Dir) -> Done {
    d.set_acl(".", DEFAULT, FULL)?;
    d.mkdir("a")?;
    d.mkdir("a/b")?;
    d.set_acl("a/b", DEFAULT, "u::rwx g::r-- o::---")?;
    d.mkdir("a/b/c")?;
    d.create("a/b/c/f")?;
    d.remove_xattr("a", DEFAULT)?;
    d.mkdir("a/x")?;
    d.create("a/x/f")?;
    for name in [".", "a", "a/b", "a/b/c", "a/b/c/f", "a/x", "a/x/f"] {
        shown(t, name, d, name);
    }
    // What was inherited is a copy.
    d.set_acl(".", DEFAULT, "u::rwx g::rwx o::rwx")?;
    d.chmod("a/b/c", 0o700)?;
    for name in ["a/b", "a/b/c", "a/b/c/f"] {
        shown(t, name, d, name);
    }
    Ok(())
}

fn with_umask<T>(mask: u32, steps: impl FnOnce() -> T) -> T {
    let mask = nix::sys::stat::Mode::from_bits_truncate(mask);
    let before = nix::sys::stat::umask(mask);
    let done = steps();
    nix::sys::stat::umask(before);
    done
}

fn made_with_umask(t: &mut Trace, d: &Dir) -> Done {
    for mask in [0o000, 0o022, 0o077, 0o777, 0o124] {
        with_umask(mask, || -> Done {
            d.openat("f", OFlags::CREATE | OFlags::RDWR, 0o7777)?;
            d.mkdir_mode("d", 0o7777)?;
            d.mknod("p", FileType::Fifo, 0o777, (0, 0))?;
            d.symlink("x", "l")?;
            t.put(
                "unnamed",
                d.openat(".", OFlags::TMPFILE | OFlags::RDWR, 0o777)?.meta(),
            );
            Ok(())
        })?;
        for name in ["f", "d", "p", "l"] {
            shown(t, &format!("{mask:o} {name}"), d, name);
        }
        d.unlink("f")?;
        d.rmdir("d")?;
        d.unlink("p")?;
        d.unlink("l")?;
    }
    Ok(())
}

fn umask(t: &mut Trace, d: &Dir) -> Done {
    made_with_umask(t, d)
}

/// With a default ACL there is no umask.
fn umask_of_the_default(t: &mut Trace, d: &Dir) -> Done {
    d.set_acl(".", DEFAULT, "u::rwx g::rwx g:20:r-- m::rwx o::rwx")?;
    made_with_umask(t, d)?;
    d.set_acl(".", DEFAULT, "u::rwx g::rwx o::rwx")?;
    made_with_umask(t, d)
}

fn unnamed(t: &mut Trace, d: &Dir) -> Done {
    d.set_acl(".", DEFAULT, FULL)?;
    let file = d.openat(".", OFlags::TMPFILE | OFlags::RDWR, 0o660)?;
    t.put(
        "unnamed",
        (file.meta(), file.acl(ACCESS), file.acl(DEFAULT)),
    );
    t.put("list", file.xattrs());
    d.link_fd(&file, "named")?;
    shown(t, "named", d, "named");
    Ok(())
}

fn whiteouts(t: &mut Trace, d: &Dir) -> Done {
    d.set_acl(".", DEFAULT, FULL)?;
    d.create("f")?;
    d.rename_flags("f", "g", RenameFlags::WHITEOUT)?;
    for name in ["f", "g"] {
        shown(t, name, d, name);
        t.put("list", d.xattrs(name));
    }
    Ok(())
}

fn symlinks(t: &mut Trace, d: &Dir) -> Done {
    d.symlink("f", "l")?;
    t.put("get", d.acl("l", ACCESS));
    t.put("set", d.set_acl("l", ACCESS, FULL));
    t.put("set a default", d.set_acl("l", DEFAULT, FULL));
    t.put("remove", d.remove_xattr("l", ACCESS));
    t.put("list", d.xattrs("l"));
    t.put("chown", d.chown("l", Some(10), None));
    t.put("meta", d.meta("l"));
    Ok(())
}

fn removal(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("d")?;
    for which in [ACCESS, DEFAULT] {
        t.put("none", d.remove_xattr("d", which));
        d.set_acl("d", which, FULL)?;
        t.put("one", d.remove_xattr("d", which));
        shown(t, "removed", d, "d");
        t.put("again", d.remove_xattr("d", which));
    }
    t.put(
        "an empty default",
        d.set_xattr("d", DEFAULT, &Acl::parse("").bytes(), 0),
    );
    Ok(())
}

fn who_may_change(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("d")?;
    d.chmod("d", 0o777)?;
    d.chown("d", Some(10), Some(20))?;
    for (uid, gid) in [(10, 1), (11, 20), (12, 12)] {
        for which in [ACCESS, DEFAULT] {
            let results = User::run(uid, gid, || {
                (
                    d.set_acl("d", which, FULL),
                    d.acl("d", which),
                    d.remove_xattr("d", which),
                    d.xattrs("d"),
                )
            });
            t.put(format!("{which} by {uid}:{gid}"), results);
        }
    }
    shown(t, "in the end", d, "d");
    Ok(())
}

/// An owner outside of the group loses the set-group-id bit, with an ACL as with chmod(1).
fn setgid_goes(t: &mut Trace, d: &Dir) -> Done {
    for (gid, label) in [(20, "in the group"), (21, "outside")] {
        d.create("f")?;
        d.chown("f", Some(10), Some(20))?;
        for text in [FULL, "u::rwx g::rwx o::rwx"] {
            d.chmod("f", 0o2775)?;
            t.put(label, User::run(10, gid, || d.set_acl("f", ACCESS, text)));
            shown(t, text, d, "f");
        }
        d.set_acl("f", ACCESS, FULL)?;
        t.put("chmod", User::run(10, gid, || d.chmod("f", 0o2750)));
        shown(t, "chmod", d, "f");
        d.unlink("f")?;
    }
    Ok(())
}

fn listing(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("d")?;
    d.set_xattr("d", "user.first", b"1", 0)?;
    d.set_acl("d", DEFAULT, FULL)?;
    t.put("a default", d.xattrs("d"));
    d.set_acl("d", ACCESS, FULL)?;
    t.put("both", d.xattrs("d"));
    for size in [0, 1, 24, 25, 48, 49, 50, 59, 60, 61] {
        t.put(format!("in a buffer of {size}"), d.xattrs_in("d", size));
    }
    d.remove_xattr("d", DEFAULT)?;
    t.put("one", d.xattrs("d"));
    Ok(())
}

fn renamed(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("d")?;
    d.set_acl("d", DEFAULT, FULL)?;
    d.create("f")?;
    d.rename("f", "d/f")?;
    shown(t, "moved in", d, "d/f");
    d.create("d/g")?;
    d.rename("d/g", "g")?;
    shown(t, "moved out", d, "g");
    d.link("g", "d/h")?;
    shown(t, "linked", d, "d/h");
    d.rename("d", "e")?;
    shown(t, "directory", d, "e");
    Ok(())
}

/// Each ACL that is seen is one that was set.
fn changed_by_several_threads(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    let texts = [FULL, "u::rw- u:11:r-- g::r-- m::r-- o::---"];
    let known = texts.map(Acl::parse);
    let wrong = AtomicU32::new(0);
    let look = || match d.acl("f", ACCESS) {
        Ok(acl) if known.contains(&acl) => {}
        Err(Errno(libc::ENODATA)) => {}
        _ => drop(wrong.fetch_add(1, Ordering::Relaxed)),
    };
    meanwhile(look, || -> Done {
        for i in 0..150 {
            d.set_acl("f", ACCESS, texts[i % 2])?;
            if i % 7 == 0 {
                d.remove_xattr("f", ACCESS)?;
            }
        }
        Ok(())
    })?;
    t.put("wrong", wrong);
    shown(t, "in the end", d, "f");
    Ok(())
}

fn sticky_and_default(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir_mode("d", 0o3777)?;
    d.chown("d", Some(10), Some(20))?;
    d.chmod("d", 0o3777)?;
    d.set_acl("d", DEFAULT, FULL)?;
    let made = User::run(11, 11, || {
        (d.create("d/f").map(drop), d.mkdir_mode("d/d", 0o2770))
    });
    t.put("made", made);
    for name in ["d", "d/f", "d/d"] {
        shown(t, name, d, name);
    }
    Ok(())
}

/// ACLs count against nothing.
fn limits(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.mkdir("d")?;
    d.create("g")?;
    let before = d.space()?;
    t.put("access", d.set_acl("f", ACCESS, FULL));
    t.put("default", d.set_acl("d", DEFAULT, FULL));
    t.put("space", before == d.space()?);
    t.put("user", d.set_xattr("f", "user.a", b"", 0));
    t.put("create", d.create("d/f").map(drop));
    t.put("space", before == d.space()?);
    Ok(())
}

fn read_only(t: &mut Trace, fs: &Fs) -> Done {
    let prepare = |d: &Dir| {
        d.mkdir("d")?;
        Ok(d.set_acl("d", ACCESS, FULL)?)
    };
    fs.read_only(prepare, |mount, d| {
        t.put("set", d.set_acl("d", DEFAULT, FULL));
        t.put("remove", d.remove_xattr("d", ACCESS));
        t.put("chmod", d.chmod("d", 0o700));
        shown(t, "shown", d, "d");
        t.text("options", mount.options());
        Ok(())
    })
}

fn user_namespace(t: &mut Trace, fs: &Fs) -> Done {
    inside(t, |t| {
        let mount = fs.mount("")?;
        let d = mount.dir()?;
        d.mkdir("d")?;
        for text in [FULL, "u::rwx u:70000:rwx g::r-x m::rwx o::---"] {
            t.put(text, d.set_acl("d", ACCESS, text));
            t.put(text, d.set_acl("d", DEFAULT, text));
            shown(t, "shown", &d, "d");
        }
        d.create("d/f")?;
        shown(t, "inherited", &d, "d/f");
        drop(d);
        mount.unmount()?;
        Ok(())
    });
    Ok(())
}

const MAPPED: &str = "u::rwx u:10010:rwx g::r-x g:10020:rw- m::rwx o::r--";

fn idmapped(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, "", |t, plain, mapped| {
        plain.create("f")?;
        plain.chown("f", Some(5), Some(6))?;
        for (label, d, text) in [
            ("plain", plain, FULL),
            ("mapped", mapped, MAPPED),
            ("outside of the map", mapped, FULL),
        ] {
            t.put(label, d.set_acl("f", ACCESS, text));
            shown(t, "plain", plain, "f");
            shown(t, "mapped", mapped, "f");
        }
        plain.set_acl(
            "f",
            ACCESS,
            "u::rw- u:10:rw- u:20000:rw- g::--- g:20:r-- m::rw- o::---",
        )?;
        shown(t, "partly outside", mapped, "f");
        for (uid, gid) in [
            (10, 1),
            (10_010, 1),
            (12, 20),
            (12, 10_020),
            (10_005, 1),
            (1, 1),
        ] {
            let results = User::run(uid, gid, || {
                let open = |d: &Dir| (d.read_only("f").map(drop), d.read_write("f").map(drop));
                (open(plain), open(mapped))
            });
            t.put(format!("by {uid}:{gid}"), results);
        }
        for uid in [5, 10_005] {
            let results = User::run(uid, 1, || {
                let set = (
                    plain.set_acl("f", ACCESS, FULL),
                    mapped.set_acl("f", ACCESS, MAPPED),
                );
                (set, plain.chmod("f", 0o640), mapped.chmod("f", 0o660))
            });
            t.put(format!("change by {uid}"), results);
            shown(t, "plain", plain, "f");
        }
        Ok(())
    })
}

fn idmapped_inheritance(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, "", |t, plain, mapped| {
        plain.mkdir("d")?;
        plain.chmod("d", 0o777)?;
        t.put("set", mapped.set_acl("d", DEFAULT, MAPPED));
        let made = User::run(10_007, 10_008, || {
            (
                mapped.create("d/f").map(drop),
                mapped.mkdir("d/d"),
                mapped.chmod("d/d", 0o750),
            )
        });
        t.put("made", made);
        for name in ["d", "d/f", "d/d"] {
            shown(t, name, plain, name);
            shown(t, name, mapped, name);
        }
        Ok(())
    })
}
