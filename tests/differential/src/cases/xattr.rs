//! Extended attributes: namespaces, sizes, what they take of the limit of inodes, who may do what.

use std::sync::atomic::{AtomicU32, Ordering};

use nix::mount::MsFlags;

use super::user_namespaces::inside;
use crate::harness::idmap::with_map;
use crate::harness::meanwhile::meanwhile;
use crate::harness::prelude::*;
use crate::harness::sys::link_of;
use crate::harness::xattr::{file_capability, CREATE, LARGEST, REPLACE};

cases! {
    "" => namespaces, names, flags, values, empty_values, effects, listing, list_sizes, long_list, many,
        removed_and_again, through_links_and_moves, open_files, unlinked_files, permissions, sticky_directory,
        trusted_is_for_root, file_capabilities, on_the_root_directory, several_threads, several_files_at_once;
    "nr_inodes=6" => limit, limit_of_each_namespace, given_back, limit_and_names, remount_with_attributes;
    "nr_inodes=3" => exactly_the_limit, replacing_needs_both, failures_take_nothing;
    "nr_inodes=0" => without_limit;
    "nr_inodes=2" => limit_lifted;
    own => read_only, user_namespace, idmapped, memory_comes_back;
}

/// One file of each type, by its name.
const TYPES: [&str; 7] = ["file", "dir", "link", "fifo", "socket", "char", "block"];

fn one_of_each(d: &Dir) -> Done {
    d.create("file")?;
    d.mkdir("dir")?;
    d.symlink("file", "link")?;
    d.fifo("fifo")?;
    d.mknod("socket", FileType::Socket, 0o644, (0, 0))?;
    d.mknod("char", FileType::CharacterDevice, 0o644, (1, 3))?;
    d.mknod("block", FileType::BlockDevice, 0o644, (7, 0))?;
    Ok(())
}

fn namespaces(t: &mut Trace, d: &Dir) -> Done {
    one_of_each(d)?;
    for file in TYPES {
        for name in [
            "user.a",
            "trusted.a",
            "security.a",
            "security.capability",
            "security.selinux",
            "system.a",
            "system.posix_acl_access",
            "system.posix_acl_default",
            "other.a",
        ] {
            let label = format!("{file} {name}");
            t.put(format!("{label} missing"), d.xattr(file, name));
            t.put(
                format!("{label} remove missing"),
                d.remove_xattr(file, name),
            );
            t.put(format!("{label} set"), d.set_xattr(file, name, b"value", 0));
            t.put(format!("{label} get"), d.xattr(file, name));
        }
        t.put(format!("{file} list"), d.xattrs(file));
        for name in ["user.a", "trusted.a", "security.a", "system.a"] {
            t.put(format!("{file} {name} remove"), d.remove_xattr(file, name));
        }
        t.put(format!("{file} list"), d.xattrs(file));
    }
    Ok(())
}

fn names(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    let longest = format!("user.{}", "n".repeat(250));
    let longer = format!("user.{}", "n".repeat(251));
    for name in [
        "",
        "user",
        "user.",
        "USER.a",
        "userx.a",
        "trusted",
        "trusted.",
        "security.",
        "security",
        "a",
        ".",
        "user..",
        "user.a.b",
        "user.\u{e4}\u{4e00}",
        "user.a b\n",
        &longest,
        &longer,
        "os2.a",
        "mac.a",
    ] {
        let set = d.set_xattr("f", name, b"x", 0);
        t.put(name, (set, d.xattr("f", name)));
    }
    t.put("list", d.xattrs("f"));
    t.put("by another case", d.xattr("f", "user.A.b"));
    t.put("by a prefix", d.xattr("f", "user.a."));
    t.put("of nothing", d.set_xattr("none", "user.a", b"x", 0));
    t.put("of nothing", d.xattrs("none"));
    Ok(())
}

fn flags(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    for prefix in ["user", "trusted", "security"] {
        let name = &format!("{prefix}.a");
        let mut step = |label: &str, result: Res<()>| {
            let found = d.xattr("f", name);
            t.put(format!("{name} {label}"), (result, found));
        };
        step("replace none", d.set_xattr("f", name, b"1", REPLACE));
        step("both, none", d.set_xattr("f", name, b"2", CREATE | REPLACE));
        step("create", d.set_xattr("f", name, b"3", CREATE));
        step("create again", d.set_xattr("f", name, b"4", CREATE));
        step("both", d.set_xattr("f", name, b"5", CREATE | REPLACE));
        step("replace", d.set_xattr("f", name, b"66", REPLACE));
        step("neither", d.set_xattr("f", name, b"777", 0));
        step("unknown", d.set_xattr("f", name, b"8", 4));
        step("remove", d.remove_xattr("f", name));
        step("remove again", d.remove_xattr("f", name));
        step("neither, none", d.set_xattr("f", name, b"9", 0));
    }
    Ok(())
}

fn values(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    for size in [
        1,
        2,
        100,
        4055,
        4096,
        10_000,
        LARGEST - 1,
        LARGEST,
        LARGEST + 1,
    ] {
        let value = pattern(size as u32, size);
        t.put(format!("{size}"), d.set_xattr("f", "user.a", &value, 0));
        let found = d.xattr("f", "user.a")?;
        t.put(format!("{size} is whole"), found.0 == value);
        for buffer in [0, 1, size - 1, size, size + 1] {
            let got = d.xattr_in("f", "user.a", buffer);
            t.put(format!("{size} in a buffer of {buffer}"), got);
        }
    }
    Ok(())
}

fn empty_values(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    t.put("set", d.set_xattr("f", "user.a", b"", 0));
    t.put("get", d.xattr("f", "user.a"));
    t.put("size", d.xattr_in("f", "user.a", 0));
    t.put("list", d.xattrs("f"));
    t.put("replace", d.set_xattr("f", "user.a", b"x", REPLACE));
    t.put("back", d.set_xattr("f", "user.a", b"", REPLACE));
    t.put("all", d.all_xattrs("f"));
    Ok(())
}

/// Times, and what stat says of blocks and sizes.
fn effects(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.mkdir("d")?;
    for file in ["f", "d"] {
        for name in ["user.a", "trusted.a", "security.a"] {
            let paths = &[file, "."];
            t.effects(format!("set {name}"), d, paths, || {
                d.set_xattr(file, name, b"1", 0)
            })?;
            t.effects(format!("replace {name}"), d, paths, || {
                d.set_xattr(file, name, &[1; 5000], 0)
            })?;
            let _ = t.effects(format!("fail {name}"), d, paths, || {
                d.set_xattr(file, name, b"1", CREATE)
            });
            t.effects(format!("get {name}"), d, paths, || {
                d.xattr_in(file, name, 0)
            })?;
            t.effects("list", d, paths, || d.xattrs(file))?;
            t.effects(format!("remove {name}"), d, paths, || {
                d.remove_xattr(file, name)
            })?;
            let _ = t.effects(format!("fail {name}"), d, paths, || {
                d.remove_xattr(file, name)
            });
        }
    }
    Ok(())
}

/// The order is that in which they were set; what is replaced keeps its place.
fn listing(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    t.put("none", d.xattrs("f"));
    for name in ["user.z", "security.m", "user.a", "trusted.k", "user.q"] {
        d.set_xattr("f", name, b"1", 0)?;
    }
    t.put("set", d.xattrs("f"));
    d.set_xattr("f", "user.a", b"2", 0)?;
    t.put("replaced", d.xattrs("f"));
    d.remove_xattr("f", "security.m")?;
    t.put("removed", d.xattrs("f"));
    d.set_xattr("f", "security.m", b"3", 0)?;
    t.put("set again", d.xattrs("f"));
    t.put("for others", User::run(1000, 1000, || d.xattrs("f")));
    Ok(())
}

fn list_sizes(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    t.put("none", (d.xattrs_in("f", 0), d.xattrs_in("f", 10)));
    d.set_xattr("f", "user.abc", b"", 0)?;
    d.set_xattr("f", "trusted.d", b"", 0)?;
    for size in [0, 1, 8, 9, 10, 18, 19, 20, 100] {
        t.put(size, d.xattrs_in("f", size));
        t.put(
            format!("{size} for others"),
            User::run(1000, 1000, || d.xattrs_in("f", size)),
        );
    }
    Ok(())
}

/// More names than listxattr(2) can hand out.
fn long_list(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    let name = |i| format!("user.{i:03}{}", "n".repeat(247));
    for i in 0..257 {
        d.set_xattr("f", &name(i), b"", 0)?;
        if i > 253 {
            let (asked, got) = (d.xattrs_in("f", 0), d.xattrs_in("f", LARGEST));
            t.put(i, (asked, got, d.xattrs_in("f", LARGEST + 1000)));
        }
    }
    t.put("get", d.xattr("f", &name(256)));
    d.remove_xattr("f", &name(0))?;
    t.put("one less", d.xattrs("f").map(|names| names.len()));
    Ok(())
}

fn many(t: &mut Trace, d: &Dir) -> Done {
    const FILES: u32 = 20;
    const EACH: u32 = 40;
    for file in 0..FILES {
        d.create(format!("f{file}"))?;
        for i in 0..EACH {
            d.set_xattr(
                &format!("f{file}"),
                &format!("user.{i}"),
                &pattern(file * EACH + i, 17),
                0,
            )?;
        }
    }
    let mut wrong = 0;
    for file in 0..FILES {
        let name = format!("f{file}");
        if file % 3 == 0 {
            d.unlink(name)?;
            continue;
        }
        for i in (0..EACH).step_by(2) {
            d.remove_xattr(&name, &format!("user.{i}"))?;
        }
        for i in 0..EACH {
            let want = (i % 2 == 1).then(|| pattern(file * EACH + i, 17));
            let found = d.xattr(&name, &format!("user.{i}")).ok().map(|b| b.0);
            wrong += u32::from(want != found);
        }
        t.put(format!("{name} list"), d.xattrs(&name)?.len());
    }
    t.put("wrong", wrong);
    Ok(())
}

fn removed_and_again(t: &mut Trace, d: &Dir) -> Done {
    let before = d.space()?;
    // A new inode may be where an old one was.
    for round in 0..50 {
        d.create("f")?;
        if round % 2 == 0 {
            d.set_xattr("f", "user.a", b"old", 0)?;
            d.set_xattr("f", "trusted.b", &[7; 300], 0)?;
        } else {
            t.put(
                "a new file has none",
                (d.xattrs("f"), d.xattr("f", "user.a")),
            );
        }
        d.unlink("f")?;
    }
    t.put("space", before == d.space()?);
    Ok(())
}

fn through_links_and_moves(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.set_xattr("f", "user.a", b"1", 0)?;
    d.link("f", "g")?;
    d.set_xattr("g", "user.b", b"2", 0)?;
    t.put("linked", d.all_xattrs("f"));
    d.mkdir("dir")?;
    d.rename("g", "dir/h")?;
    d.unlink("f")?;
    t.put("moved", d.all_xattrs("dir/h"));
    d.create("x")?;
    d.set_xattr("x", "user.x", b"3", 0)?;
    d.rename("dir/h", "x")?;
    t.put("replaced", d.all_xattrs("x"));
    d.create("y")?;
    d.rename_flags("x", "y", RenameFlags::EXCHANGE)?;
    t.put("exchanged", (d.all_xattrs("x"), d.all_xattrs("y")));
    d.rename_flags("y", "z", RenameFlags::WHITEOUT)?;
    t.put("whiteout", (d.all_xattrs("y"), d.all_xattrs("z")));
    Ok(())
}

fn open_files(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", b"data")?;
    for (label, file) in [
        ("read only", d.read_only("f")?),
        ("read and write", d.read_write("f")?),
        ("path", d.openat("f", OFlags::PATH, 0)?),
        ("unnamed", d.tmpfile()?),
    ] {
        t.put(format!("{label} set"), file.set_xattr("user.a", b"1", 0));
        t.put(format!("{label} get"), file.xattr("user.a"));
        t.put(format!("{label} list"), file.xattrs());
        t.put(format!("{label} remove"), file.remove_xattr("user.a"));
    }
    let unnamed = d.tmpfile()?;
    unnamed.set_xattr("user.kept", b"1", 0)?;
    d.link_fd(&unnamed, "named")?;
    t.put("named", d.all_xattrs("named"));
    Ok(())
}

fn unlinked_files(t: &mut Trace, d: &Dir) -> Done {
    let before = d.space()?;
    let file = d.create("f")?;
    file.set_xattr("user.a", &[1; 2000], 0)?;
    d.unlink("f")?;
    t.put("still there", file.xattr("user.a"));
    t.put("another", file.set_xattr("user.b", b"2", 0));
    t.put("list", file.xattrs());
    t.put("space", before == d.space()?);
    drop(file);
    t.put("space", before == d.space()?);
    Ok(())
}

fn permissions(t: &mut Trace, d: &Dir) -> Done {
    one_of_each(d)?;
    for file in TYPES {
        d.chown(file, Some(10), Some(20))?;
        for mode in [0o000, 0o400, 0o600, 0o660, 0o644, 0o666] {
            if file != "link" {
                d.chmod(file, mode)?;
            }
            let _ = d.set_xattr(file, "user.there", b"1", 0);
            for (uid, gid) in [(10, 10), (11, 20), (12, 12)] {
                let results = User::run(uid, gid, || {
                    (
                        d.set_xattr(file, "user.a", b"1", 0),
                        d.xattr(file, "user.there"),
                        d.xattrs(file),
                        d.remove_xattr(file, "user.a"),
                        d.set_xattr(file, "security.a", b"1", 0),
                        d.remove_xattr(file, "security.a"),
                    )
                });
                t.put(format!("{file} {mode:o} by {uid}:{gid}"), results);
            }
        }
    }
    Ok(())
}

fn sticky_directory(t: &mut Trace, d: &Dir) -> Done {
    d.mkdir("s")?;
    d.chown("s", Some(10), Some(20))?;
    for mode in [0o777, 0o1777] {
        d.chmod("s", mode)?;
        for uid in [10, 11] {
            let results = User::run(uid, 20, || {
                let set = d.set_xattr("s", "user.a", b"1", 0);
                (set, d.xattr("s", "user.a"), d.remove_xattr("s", "user.a"))
            });
            t.put(format!("{mode:o} by {uid}"), results);
        }
    }
    Ok(())
}

fn trusted_is_for_root(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.chown("f", Some(10), Some(10))?;
    d.set_xattr("f", "trusted.a", b"1", 0)?;
    let results = User::run(10, 10, || {
        (
            d.set_xattr("f", "trusted.b", b"1", 0),
            d.xattr("f", "trusted.a"),
            d.xattr("f", "trusted.none"),
            d.remove_xattr("f", "trusted.a"),
            d.xattrs("f"),
        )
    });
    t.put("the owner", results);
    t.put("root", d.all_xattrs("f"));
    Ok(())
}

/// cap_net_raw+ep.
const CAPABILITY: [u8; 20] = file_capability(1 << 13, 0, true);

/// Whoever changes a file takes its capabilities away, each time anew.
fn file_capabilities(t: &mut Trace, d: &Dir) -> Done {
    let name = "security.capability";
    let file = d.file("f", b"data")?;
    for wrong in [&b""[..], b"x", &[0; 20], &CAPABILITY[..19]] {
        let set = d.set_xattr("f", name, wrong, 0);
        t.put(format!("one of {} bytes", wrong.len()), set);
    }
    type Step<'a> = (&'a str, &'a dyn Fn() -> Res<()>);
    let steps: [Step<'_>; 8] = [
        ("nothing", &|| Ok(())),
        ("read", &|| file.pread(4, 0).map(drop)),
        ("write", &|| file.pwrite(b"new", 0).map(drop)),
        ("write of nothing", &|| file.pwrite(b"", 0).map(drop)),
        ("truncate", &|| file.truncate(2)),
        ("chown", &|| d.chown("f", Some(10), None)),
        ("chmod", &|| d.chmod("f", 0o755)),
        ("rename", &|| d.rename("f", "f")),
    ];
    for round in 0..2 {
        for (label, step) in steps {
            d.set_xattr("f", name, &CAPABILITY, 0)?;
            step()?;
            t.put(format!("{round} {label}"), d.xattr("f", name));
        }
    }
    let file = d.tmpfile()?;
    t.put("unnamed", file.set_xattr(name, &CAPABILITY, 0));
    t.put(
        "as an other",
        User::run(10, 10, || d.set_xattr("f", name, &CAPABILITY, 0)),
    );
    Ok(())
}

fn on_the_root_directory(t: &mut Trace, d: &Dir) -> Done {
    t.put("none", d.xattrs("."));
    t.put("set", d.set_xattr(".", "user.a", b"1", 0));
    t.put("get", d.xattr(".", "user.a"));
    t.put(
        "trusted",
        d.set_xattr(".", "trusted.overlay.opaque", b"y", 0),
    );
    t.put("all", d.all_xattrs("."));
    Ok(())
}

/// Readers see a whole old or a whole new value, or none.
fn several_threads(t: &mut Trace, d: &Dir) -> Done {
    const ROUNDS: u32 = 200;
    d.create("f")?;
    let value = |i: u32| vec![i as u8; 1 + (i as usize * 37) % 900];
    let (wrong, lists) = (AtomicU32::new(0), AtomicU32::new(0));
    let look = || {
        match d.xattr("f", "user.a") {
            Ok(found) if (0..256).any(|i| value(i) == found.0) => {}
            Err(Errno(libc::ENODATA)) => {}
            _ => drop(wrong.fetch_add(1, Ordering::Relaxed)),
        }
        match d.xattrs("f") {
            Ok(names) if names.iter().all(|n| n == "user.a" || n == "user.b") => {}
            _ => drop(lists.fetch_add(1, Ordering::Relaxed)),
        }
    };
    meanwhile(look, || -> Done {
        for i in 0..ROUNDS {
            d.set_xattr("f", "user.a", &value(i % 256), 0)?;
            if i % 5 == 0 {
                d.set_xattr("f", "user.b", b"x", 0)?;
                d.remove_xattr("f", "user.a")?;
                d.remove_xattr("f", "user.b")?;
            }
        }
        Ok(())
    })?;
    t.put("wrong values", wrong);
    t.put("wrong lists", lists);
    t.put("list", d.xattrs("f"));
    Ok(())
}

fn several_files_at_once(t: &mut Trace, d: &Dir) -> Done {
    let before = d.space()?;
    let wrong: Vec<u32> = std::thread::scope(|scope| {
        let work = |thread: u32| -> Res<u32> {
            let mut wrong = 0;
            for round in 0..30 {
                let name = format!("f{thread}");
                d.create(&name)?;
                for i in 0..5 {
                    let value = pattern(thread * 1000 + round * 10 + i, 50);
                    let key = format!("user.{i}");
                    d.set_xattr(&name, &key, &value, CREATE)?;
                    wrong += u32::from(d.xattr(&name, &key)?.0 != value);
                }
                d.unlink(&name)?;
            }
            Ok(wrong)
        };
        let threads: Vec<_> = (0..3).map(|i| scope.spawn(move || work(i))).collect();
        threads
            .into_iter()
            .map(|t| t.join().expect("a thread"))
            .collect::<Res<_>>()
    })?;
    t.put("wrong", wrong);
    t.put("space", before == d.space()?);
    Ok(())
}

/// Values of this size until none fits, with what is left each time.
fn fill(t: &mut Trace, d: &Dir, file: &str, prefix: &str, size: usize) -> Res<()> {
    for i in 0.. {
        let set = d.set_xattr(file, &format!("{prefix}.{i}"), &vec![1; size], 0);
        t.put(format!("{prefix}.{i} of {size}"), set);
        t.put("space", d.space()?);
        if set.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn limit(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    for size in [700, 100, 10, 0] {
        fill(t, d, "f", &format!("user.{size}"), size)?;
    }
    t.put("create", d.create("g").map(drop));
    t.put("mkdir", d.mkdir("g"));
    t.put("link", d.link("f", "g"));
    t.put("tmpfile", d.tmpfile().map(drop));
    t.put("rename", d.rename("f", "g"));
    t.put("list", d.xattrs("g"));
    t.put("remount to less", d.space()?);
    Ok(())
}

fn limit_of_each_namespace(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    d.mkdir("dir")?;
    d.symlink("file", "link")?;
    d.fifo("fifo")?;
    for (file, prefix) in [
        ("file", "user"),
        ("file", "trusted"),
        ("dir", "security"),
        ("link", "trusted"),
        ("fifo", "security"),
    ] {
        t.put(format!("space before {prefix}"), d.space()?);
        fill(t, d, file, prefix, 120)?;
        for name in d.xattrs(file)? {
            d.remove_xattr(file, &name)?;
        }
        t.put("space after it", d.space()?);
    }
    Ok(())
}

fn given_back(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    fill(t, d, "f", "user", 900)?;
    d.set_xattr("f", "user.0", b"", 0)?;
    t.put("replaced by a smaller one", d.space()?);
    d.remove_xattr("f", "user.1")?;
    t.put("removed", d.space()?);
    d.unlink("f")?;
    t.put("unlinked, open", d.space()?);
    drop(file);
    t.put("closed", d.space()?);
    d.mkdir("d")?;
    d.set_xattr("d", "trusted.x", &[0; 2000], 0)?;
    t.put("directory", d.space()?);
    d.rmdir("d")?;
    t.put("removed", d.space()?);
    let unnamed = d.tmpfile()?;
    unnamed.set_xattr("user.x", &[0; 2000], 0)?;
    t.put("unnamed", d.space()?);
    drop(unnamed);
    t.put("closed", d.space()?);
    Ok(())
}

/// Names of files are limited by what attributes have left.
fn limit_and_names(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.set_xattr("f", "user.a", &[0; 1], 0)?;
    for i in 0..6 {
        t.put(format!("link {i}"), d.link("f", format!("l{i}")));
        t.put("space", d.space()?);
    }
    d.remove_xattr("f", "user.a")?;
    t.put("space", d.space()?);
    t.put("link", d.link("f", "again"));
    t.put("whiteout", d.rename_flags("f", "g", RenameFlags::WHITEOUT));
    t.put("space", d.space()?);
    Ok(())
}

fn remount_with_attributes(t: &mut Trace, d: &Dir) -> Done {
    // The mount is found by the directory that is its root.
    let path = std::fs::read_link(link_of(d))?;
    let mut remount = |options: &str| {
        let flags = MsFlags::MS_REMOUNT;
        let done = nix::mount::mount(None::<&str>, &path, None::<&str>, flags, Some(options));
        t.put(options, done.map_err(Errno::from));
        t.put("space", d.space());
    };
    d.create("f")?;
    // With the root and its name two inodes, and half of one.
    d.set_xattr("f", "user.a", &[0; 500], 0)?;
    for options in ["nr_inodes=2", "nr_inodes=3", "nr_inodes=2", "nr_inodes=4"] {
        remount(options);
    }
    d.remove_xattr("f", "user.a")?;
    for options in ["nr_inodes=2", "nr_inodes=1", "nr_inodes=0", "nr_inodes=9"] {
        remount(options);
    }
    Ok(())
}

/// An attribute counts as 40 bytes, its name and its value; an inode as 1024.
fn exactly_the_limit(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    for size in [979, 978, 977] {
        t.put(size, d.set_xattr("f", "user.a", &vec![0; size], 0));
        t.put("space", d.space()?);
        let _ = d.remove_xattr("f", "user.a");
    }
    t.put("name", d.set_xattr("f", "user.ab", &[0; 978], 0));
    d.set_xattr("f", "user.a", &[0; 978 - 46], 0)?;
    t.put("the last one", d.set_xattr("f", "user.b", b"", 0));
    t.put("one more", d.set_xattr("f", "user.c", b"", 0));
    t.put("create", d.create("g").map(drop));
    d.remove_xattr("f", "user.b")?;
    t.put("create", d.create("g").map(drop));
    d.remove_xattr("f", "user.a")?;
    t.put("create", d.create("g").map(drop));
    t.put("set", d.set_xattr("g", "user.c", b"", 0));
    Ok(())
}

fn replacing_needs_both(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.set_xattr("f", "user.a", &[1; 500], 0)?;
    for size in [500, 433, 432, 400, 600, 546, 545] {
        t.put(size, d.set_xattr("f", "user.a", &vec![2; size], 0));
        t.put("value", d.xattr("f", "user.a"));
    }
    t.put("remove", d.remove_xattr("f", "user.a"));
    t.put("space", d.space()?);
    Ok(())
}

fn failures_take_nothing(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.set_xattr("f", "user.a", b"1", 0)?;
    for _ in 0..50 {
        let _ = d.set_xattr("f", "user.a", &[0; 200], CREATE);
        let _ = d.set_xattr("f", "user.none", &[0; 200], REPLACE);
        let _ = d.set_xattr("f", "user.b", &[0; 2000], 0);
        let _ = d.remove_xattr("f", "user.none");
    }
    t.put("all", d.all_xattrs("f"));
    t.put("the rest", d.set_xattr("f", "user.b", &[0; 931], 0));
    t.put("no more", d.set_xattr("f", "user.c", b"", 0));
    t.put("space", d.space()?);
    Ok(())
}

fn without_limit(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    for i in 0..20 {
        d.set_xattr("f", &format!("user.{i}"), &vec![0; LARGEST], 0)?;
    }
    t.put("space", d.space()?);
    d.set_xattr("f", "user.0", b"1", 0)?;
    d.remove_xattr("f", "user.1")?;
    d.unlink("f")?;
    t.put("space", d.space()?);
    Ok(())
}

fn limit_lifted(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    t.put("set", d.set_xattr("f", "user.a", b"1", 0));
    t.put("set on the root", d.set_xattr(".", "user.a", b"", 0));
    t.put("list", d.xattrs("f"));
    d.unlink("f")?;
    t.put("set on the root", d.set_xattr(".", "user.a", b"", 0));
    t.put("create", d.create("f").map(drop));
    t.put("space", d.space()?);
    Ok(())
}

fn read_only(t: &mut Trace, fs: &Fs) -> Done {
    let prepare = |d: &Dir| {
        d.create("f")?;
        Ok(d.set_xattr("f", "user.a", b"1", 0)?)
    };
    fs.read_only(prepare, |_, d| {
        t.put("set", d.set_xattr("f", "user.b", b"1", 0));
        t.put("replace", d.set_xattr("f", "user.a", b"1", REPLACE));
        t.put("remove", d.remove_xattr("f", "user.a"));
        t.put("all", d.all_xattrs("f"));
        Ok(())
    })
}

fn user_namespace(t: &mut Trace, fs: &Fs) -> Done {
    inside(t, |t| {
        let mount = fs.mount("nr_inodes=20")?;
        let d = mount.dir()?;
        d.create("f")?;
        for name in ["user.a", "trusted.a", "security.a", "security.capability"] {
            let value = if name.ends_with('a') {
                &b"value"[..]
            } else {
                &CAPABILITY
            };
            t.put(format!("{name} set"), d.set_xattr("f", name, value, 0));
            t.put(format!("{name} get"), d.xattr("f", name));
        }
        t.put("list", d.xattrs("f"));
        t.put("space", d.space()?);
        d.chown("f", Some(70), None)?;
        t.put("list", d.xattrs("f"));
        drop(d);
        mount.unmount()?;
        Ok(())
    });
    Ok(())
}

fn idmapped(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, "", |t, plain, mapped| {
        plain.create("f")?;
        plain.chown("f", Some(5), Some(6))?;
        for (label, d) in [("plain", plain), ("mapped", mapped)] {
            for uid in [5, 10_005] {
                let results = User::run(uid, 1, || {
                    (
                        d.set_xattr("f", "user.a", b"1", 0),
                        d.xattr("f", "user.a"),
                        d.remove_xattr("f", "user.a"),
                    )
                });
                t.put(format!("{label} by {uid}"), results);
            }
            t.put(
                format!("{label} capability"),
                d.set_xattr("f", "security.capability", &CAPABILITY, 0),
            );
            t.put("plain", plain.xattr("f", "security.capability"));
            t.put("mapped", mapped.xattr("f", "security.capability"));
            t.put("trusted", d.set_xattr("f", "trusted.a", b"1", 0));
            t.put("list", d.xattrs("f"));
        }
        Ok(())
    })
}

/// Attributes of files that are there at the time of unmounting go with them.
fn memory_comes_back(t: &mut Trace, fs: &Fs) -> Done {
    for _ in 0..3 {
        let mount = fs.mount("")?;
        let d = mount.dir()?;
        for i in 0..30 {
            let name = format!("f{i}");
            d.create(&name)?;
            for j in 0..10 {
                d.set_xattr(&name, &format!("user.{j}"), &[1; 400], 0)?;
            }
        }
        d.mkdir("dir")?;
        d.set_xattr("dir", "trusted.a", &[1; 30_000], 0)?;
        d.set_xattr(".", "trusted.a", b"", 0)?;
        drop(d);
        t.put("unmount", mount.unmount());
    }
    Ok(())
}
