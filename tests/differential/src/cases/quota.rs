//! Quota of users and groups: options, counting, limits, quotactl(2).

use std::collections::BTreeMap;
use std::sync::Barrier;

use rustix::fs::FallocateFlags;

use super::mount_options::attempts;
use crate::harness::idmap::with_map;
use crate::harness::kmsg::Kmsg;
use crate::harness::prelude::*;
use crate::harness::process::{in_user_namespace, program};
use crate::harness::quota::{self, command, field, Info, Kind, Quota};

cases! {
    own => switches, hard_limit_values, hard_limits_without_quota, remounts, remounts_by_context, messages, namespaces,
        owner_of_the_root, unmounted_in_use, one_kind_only, programs, idmapped;
    "quota" => bytes_of_a_file, inodes_of_all_types, names_are_no_inodes, chown_moves, chown_of_a_group_at_its_limit,
        unlinked_but_open, commands, commands_of_a_user, limits_by_command, ids, soft_limits, usage_by_command,
        enforcement, beyond_the_range, fallocate_at_the_limit, faults_at_the_limit, symlinks_at_the_limit,
        whiteouts, rename_over, lowered_below_use, everything_at_once;
    "quota,size=64k" => both_limits;
    "size=1m" => without_quota;
    "usrquota,usrquota_block_hardlimit=8k" => limits_that_come_back;
    "usrquota,usrquota_block_hardlimit=32k,usrquota_inode_hardlimit=4" => limits_of_users;
    "grpquota,grpquota_block_hardlimit=32k,grpquota_inode_hardlimit=4" => limits_of_groups;
    "quota,usrquota_block_hardlimit=1m,usrquota_inode_hardlimit=100,grpquota_block_hardlimit=2m" => limits_kept_and_forgotten;
}

const USER: u32 = 1000;
const GROUP: u32 = 2000;
const OTHER: u32 = 3000;

fn as_user<T>(op: impl FnOnce() -> T) -> T {
    User::run(USER, GROUP, op)
}

/// What is counted for root and for the others of this module.
fn usage(t: &mut Trace, label: &str, d: &Dir) {
    for (kind, ids) in [
        (Kind::User, [0, USER, OTHER]),
        (Kind::Group, [0, GROUP, OTHER]),
    ] {
        for id in ids {
            t.put(format!("{label}: {kind:?} {id}"), quota::get(d, kind, id));
        }
    }
}

fn switches(t: &mut Trace, fs: &Fs) -> Done {
    attempts(
        t,
        fs,
        &[
            "quota",
            "usrquota",
            "grpquota",
            "noquota",
            "usrquota,grpquota",
            "grpquota,usrquota",
            "quota,usrquota",
            "quota=1",
            "usrquota=",
            "grpquota=yes",
            "prjquota",
            "usrjquota=x",
            "jqfmt=vfsv1",
            "quota,size=1m,inode32,noswap",
        ],
    )
}

fn hard_limit_values(t: &mut Trace, fs: &Fs) -> Done {
    for name in [
        "usrquota_block_hardlimit",
        "usrquota_inode_hardlimit",
        "grpquota_block_hardlimit",
        "grpquota_inode_hardlimit",
    ] {
        for value in [
            "=1",
            "=4097",
            "=1k",
            "=3M",
            "=0x10",
            "=010",
            "=7e",
            "=9223372036854775807",
            "=9223372036854775808",
            "=8e",
            "=18446744073709551615",
            "=0",
            "=",
            "",
            "=x",
            "=1x",
            "=10%",
            "=-1",
            "=k",
        ] {
            let option = format!("{name}{value}");
            let shown = fs
                .mount(&format!("quota,{option}"))
                .map(|mount| mount.options());
            t.text(&option, format!("{shown:?}"));
            let context = fs.context()?;
            t.put(format!("fsconfig {option}"), context.option(&option));
            t.put("log", context.log());
        }
    }
    let all = "grpquota_inode_hardlimit=4,grpquota_block_hardlimit=3m,usrquota_inode_hardlimit=2,\
        usrquota_block_hardlimit=1m,quota,nr_inodes=100,size=5m";
    let mount = fs.mount(all)?;
    t.text("all", mount.options());
    t.text("all", mount.mountinfo());
    mount.unmount()?;
    Ok(())
}

/// Without quota they are taken and forgotten.
fn hard_limits_without_quota(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("usrquota_block_hardlimit=4k,grpquota_inode_hardlimit=1")?;
    t.text("shown", mount.options());
    let d = mount.dir()?;
    d.chmod(".", 0o777)?;
    t.put("get", quota::get(&d, Kind::User, USER));
    t.put(
        "write",
        as_user(|| d.create("f")?.write(&pattern(1, 3 * PAGE))),
    );
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn remounts(t: &mut Trace, fs: &Fs) -> Done {
    for options in [
        "",
        "usrquota",
        "quota,usrquota_block_hardlimit=1m,grpquota_inode_hardlimit=7",
    ] {
        let mount = fs.mount(options)?;
        for change in [
            "",
            "quota",
            "usrquota",
            "grpquota",
            "noquota",
            "usrquota_block_hardlimit=1m",
            "usrquota_block_hardlimit=1024k",
            "usrquota_block_hardlimit=2m",
            "usrquota_block_hardlimit=0",
            "grpquota_block_hardlimit=1m",
            "usrquota_inode_hardlimit=7",
            "grpquota_inode_hardlimit=7",
            "grpquota_inode_hardlimit=8",
            "size=2m,grpquota_inode_hardlimit=8",
            "size=3m,quota",
        ] {
            t.put(
                format!("{options}: remount {change}"),
                mount.remount(change),
            );
            t.text("shown", mount.options());
        }
        mount.unmount()?;
    }
    Ok(())
}

fn remounts_by_context(t: &mut Trace, fs: &Fs) -> Done {
    for options in ["size=1m", "grpquota,usrquota_inode_hardlimit=5"] {
        let mount = fs.mount(options)?;
        for change in [
            "quota",
            "usrquota",
            "usrquota_inode_hardlimit=5",
            "usrquota_inode_hardlimit=6",
            "size=8k",
        ] {
            let context = mount.pick()?;
            t.put(format!("{options}: set {change}"), context.option(change));
            t.put("reconfigure", context.reconfigure());
            t.put("log", context.log());
            t.text("shown", mount.options());
        }
        mount.unmount()?;
    }
    Ok(())
}

fn messages(t: &mut Trace, fs: &Fs) -> Done {
    let Ok(mut log) = Kmsg::start() else {
        skip!("/dev/kmsg cannot be read")
    };
    for options in [
        "quota=1",
        "usrquota_block_hardlimit=x",
        "usrquota_block_hardlimit=8e",
        "grpquota_block_hardlimit=8e",
        "usrquota_inode_hardlimit=8e",
        "grpquota_inode_hardlimit=8e",
    ] {
        t.put(options, fs.mount(options).map(drop));
        t.put("log", log.of(&fs.kind));
    }
    let mount = fs.mount("")?;
    for options in ["quota", "usrquota_block_hardlimit=1m"] {
        t.put(format!("remount {options}"), mount.remount(options));
        t.put("log", log.of(&fs.kind));
    }
    mount.unmount()?;
    Ok(())
}

fn namespaces(t: &mut Trace, fs: &Fs) -> Done {
    let steps = |t: &mut Trace| {
        for option in [
            "quota",
            "usrquota",
            "grpquota",
            "usrquota_block_hardlimit=1m",
        ] {
            let mount = fs.mount(option);
            t.text(option, format!("{:?}", mount.map(|mount| mount.options())));
            let context = fs.context()?;
            t.put("fsconfig", context.option(option));
            t.put("log", context.log());
        }
        Ok::<(), anyhow::Error>(())
    };
    let end = in_user_namespace("0 100000 65536", || steps(t).expect("steps"));
    t.put("namespace", end);

    // What root of a namespace may ask about a mount of the host's.
    let mount = fs.mount("quota")?;
    let d = mount.dir()?;
    d.chown(".", Some(100_000), Some(100_005))?;
    let end = in_user_namespace("0 100000 65536", || {
        for id in [0, 5, 65_535, 65_536] {
            t.put(format!("user {id}"), quota::get(&d, Kind::User, id));
            t.put(format!("group {id}"), quota::get(&d, Kind::Group, id));
        }
        t.put("next", quota::next(&d, Kind::User, 0));
        t.put("set", quota::limit(&d, Kind::User, 0, 1, 1));
    });
    t.put("namespace", end);
    drop(d);
    mount.unmount()?;
    Ok(())
}

/// The root counts against who mounts, not against whom it is given to.
fn owner_of_the_root(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("quota,uid=1000,gid=2000")?;
    let d = mount.dir()?;
    usage(t, "mounted", &d);
    d.chown(".", Some(OTHER), None)?;
    usage(t, "given away", &d);
    d.chown(".", Some(0), Some(0))?;
    usage(t, "taken back", &d);
    drop(d);
    mount.unmount()?;
    Ok(())
}

/// Everything goes at once, with files open until the last moment and limits that were set.
fn unmounted_in_use(t: &mut Trace, fs: &Fs) -> Done {
    for round in 0..3 {
        let mount = fs.mount("quota")?;
        let d = mount.dir()?;
        for id in 0..10 {
            let name = format!("f{id}");
            d.file(&name, &pattern(id, 3 * PAGE))?;
            d.chown(&name, Some(id), Some(id))?;
            quota::limit(&d, Kind::User, 100 + id, 5, 5)?;
        }
        t.each(round, quota::all(&d, Kind::User)?);
        drop(d);
        t.put("unmount", mount.unmount());
    }
    Ok(())
}

fn one_kind_only(t: &mut Trace, fs: &Fs) -> Done {
    for options in ["usrquota", "grpquota"] {
        let mount = fs.mount(options)?;
        let d = mount.dir()?;
        d.file("f", b"x")?;
        usage(t, options, &d);
        t.put("set", quota::limit(&d, Kind::User, USER, 8, 8));
        t.put("set", quota::limit(&d, Kind::Group, GROUP, 8, 8));
        for kind in [Kind::User, Kind::Group] {
            t.put("next", quota::next(&d, kind, 0));
            let mut format = 0u32;
            let done = quota::raw(&d, command::GET_FORMAT, kind as u32, 0, &mut format);
            t.put("format", (done, format));
        }
        t.put("chown", d.chown("f", Some(USER), Some(GROUP)));
        usage(t, options, &d);
        drop(d);
        mount.unmount()?;
    }
    Ok(())
}

/// The programs of the package quota, as far as they know the type.
fn programs(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("quota")?;
    let path = mount.path.to_str().context("path")?.to_owned();
    for (name, arguments) in [
        ("repquota", &["-u", "-n", "-v"][..]),
        ("setquota", &["-u", "1000", "100", "200", "10", "20"]),
        ("quotaon", &["-p"]),
    ] {
        let arguments = [arguments, &[path.as_str()]].concat();
        let Some((success, text)) = program(name, &arguments) else {
            skip!("{name} is not installed")
        };
        t.text(format!("{name}: {success}"), text.replace(&path, "MOUNT"));
    }
    mount.unmount()?;
    Ok(())
}

/// Who writes through an idmapped mount is charged under the id that the file has without the map.
fn idmapped(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, "quota", |t, plain, mapped| {
        plain.chmod(".", 0o777)?;
        let mut show = |label: &str, done: Res<()>| {
            t.put(label, done);
            for (kind, ids) in [
                (Kind::User, [0, 5, 7, 10_005]),
                (Kind::Group, [0, 6, 8, 10_006]),
            ] {
                for id in ids {
                    let seen = (quota::get(plain, kind, id), quota::get(mapped, kind, id));
                    t.put(format!("{label}: {kind:?} {id}"), seen);
                }
            }
        };
        let by = |op: &dyn Fn() -> Res<()>| User::run(10_005, 10_006, op);
        let write = |name: &str, len: usize| {
            mapped
                .read_write(name)
                .and_then(|f| f.pwrite(&vec![1; len], 0))
                .map(drop)
        };
        show("create", by(&|| mapped.create("f").map(drop)));
        show("write", by(&|| write("f", 3 * PAGE)));
        show("mkdir", by(&|| mapped.mkdir("d")));
        show(
            "unnamed",
            by(&|| mapped.tmpfile().and_then(|f| mapped.link_fd(&f, "g"))),
        );
        show("chown", mapped.chown("f", Some(10_007), Some(10_008)));
        show("chown back", plain.chown("f", Some(5), Some(6)));
        show("by root", mapped.create("root").map(drop));
        show("limit", quota::limit(mapped, Kind::User, 5, 16, 4));
        show("write up to it", by(&|| write("g", 2 * PAGE)));
        show(
            "and over it",
            by(&|| {
                mapped
                    .read_write("g")
                    .and_then(|f| f.pwrite(&[1; PAGE], PAGE as u64))
                    .map(drop)
            }),
        );
        show("another inode", by(&|| mapped.create("h").map(drop)));
        show("and one too many", by(&|| mapped.create("i").map(drop)));
        show(
            "limit of the id that it has through the map",
            quota::limit(plain, Kind::User, 10_005, 4, 1),
        );
        show("unlink", by(&|| mapped.unlink("f")));
        show("write again", by(&|| write("g", 3 * PAGE)));
        Ok(())
    })
}

fn bytes_of_a_file(t: &mut Trace, d: &Dir) -> Done {
    usage(t, "empty", d);
    let file = d.create("f")?;
    d.chown("f", Some(USER), Some(GROUP))?;
    usage(t, "made", d);
    file.write(b"x")?;
    usage(t, "a byte", d);
    file.pwrite(&pattern(1, 5 * PAGE), 10)?;
    usage(t, "pages", d);
    file.pwrite(b"y", 100 * PAGE as u64)?;
    usage(t, "sparse", d);
    file.truncate(3 * PAGE as u64 + 1)?;
    usage(t, "cut", d);
    let size = PAGE as u64;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 8 * size, 4 * size)?;
    usage(t, "allocated", d);
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&file, punch, size, 2 * size)?;
    usage(t, "punched", d);
    let map = Map::shared(&file, PAGE, 2 * size)?;
    map.set(5, 1);
    usage(t, "faulted", d);
    drop(map);
    t.put("file", file.meta()?);
    d.unlink("f")?;
    usage(t, "unlinked", d);
    drop(file);
    usage(t, "closed", d);
    Ok(())
}

fn inodes_of_all_types(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    as_user(|| {
        d.create("f")?;
        d.mkdir("d")?;
        d.symlink("x", "short")?;
        d.symlink("y".repeat(200), "long")?;
        d.fifo("p")?;
        d.mknod("s", FileType::Socket, 0o600, (0, 0))
    })?;
    let unnamed = as_user(|| d.tmpfile())?;
    usage(t, "made", d);
    drop(unnamed);
    for name in ["f", "short", "long", "p", "s"] {
        d.unlink(name)?;
        usage(t, &format!("without {name}"), d);
    }
    // The set-group-id bit gives the group of the directory.
    d.chown("d", None, Some(OTHER))?;
    d.chmod("d", 0o2777)?;
    as_user(|| d.sub("d")?.file("f", b"x"))?;
    usage(t, "set-group-id", d);
    d.unlink("d/f")?;
    d.rmdir("d")?;
    usage(t, "empty", d);
    Ok(())
}

fn names_are_no_inodes(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", b"x")?;
    for i in 0..5 {
        d.link("f", format!("l{i}"))?;
    }
    usage(t, "linked", d);
    d.rename("l0", "l1")?;
    d.rename_flags("f", "l2", RenameFlags::EXCHANGE)?;
    d.unlink("f")?;
    usage(t, "renamed", d);
    Ok(())
}

fn chown_moves(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", &pattern(1, 3 * PAGE))?;
    d.mkdir("d")?;
    d.symlink("z".repeat(300), "l")?;
    for name in ["f", "d", "l"] {
        for (uid, gid) in [
            (Some(USER), None),
            (None, Some(GROUP)),
            (Some(OTHER), Some(OTHER)),
            (Some(OTHER), Some(OTHER)),
            (None, None),
            (Some(0), Some(0)),
        ] {
            t.effects("chown", d, &[name], || d.chown(name, uid, gid))?;
            usage(t, &format!("{name} to {uid:?} {gid:?}"), d);
        }
    }
    Ok(())
}

/// Who may give a file to a group of his, but has no right to exceed its limits.
fn chown_of_a_group_at_its_limit(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    let user = User::become_user(USER, GROUP, &[OTHER]);
    d.file("f", &pattern(1, 3 * PAGE))?;
    drop(user);
    for (kib, inodes) in [(8, 0), (11, 5), (0, 1), (12, 2), (12, 1)] {
        quota::limit(d, Kind::Group, OTHER, kib, inodes)?;
        let user = User::become_user(USER, GROUP, &[OTHER]);
        let to = (None, Some(OTHER));
        t.effects(format!("{kib} KiB, {inodes}"), d, &["f"], || {
            d.chown("f", to.0, to.1)
        })
        .ok();
        drop(user);
        usage(t, "then", d);
        d.chown("f", Some(USER), Some(GROUP))?;
        d.create("g").ok();
        d.chown("g", None, Some(OTHER))?;
        usage(t, "and", d);
    }
    // root may.
    quota::limit(d, Kind::User, OTHER, 4, 1)?;
    t.put("by root", d.chown("f", Some(OTHER), Some(OTHER)));
    usage(t, "by root", d);
    Ok(())
}

fn unlinked_but_open(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 3 * PAGE))?;
    d.unlink("f")?;
    usage(t, "unlinked", d);
    rustix::fs::fchown(
        &file,
        Some(rustix::fs::Uid::from_raw(USER)),
        Some(rustix::fs::Gid::from_raw(GROUP)),
    )?;
    file.write(&pattern(1, PAGE))?;
    usage(t, "given away", d);
    drop(file);
    usage(t, "closed", d);
    let file = d.tmpfile()?;
    file.write(&pattern(1, PAGE))?;
    usage(t, "without a name", d);
    d.link_fd(&file, "g")?;
    usage(t, "with one", d);
    Ok(())
}

/// All commands, of all kinds of quota that the kernel knows and one more.
fn all_commands(t: &mut Trace, d: &Dir) {
    for kind in 0..4 {
        for (name, command) in [
            ("sync", command::SYNC),
            ("on", command::ON),
            ("get format", command::GET_FORMAT),
            ("get info", command::GET_INFO),
            ("set info", command::SET_INFO),
            ("get", command::GET),
            ("set", command::SET),
            ("get next", command::GET_NEXT),
            ("xfs state", command::X_GET_STATE),
            ("xfs on", command::X_ON),
            ("xfs off", command::X_OFF),
            ("unknown", 0x80_0777),
            ("old", 0x100),
        ] {
            let mut data = [0u64; 64];
            let done = quota::raw(d, command, kind, 0, &mut data);
            t.put(format!("{name} {kind}"), (done, &data[..12]));
        }
    }
}

fn commands(t: &mut Trace, d: &Dir) -> Done {
    all_commands(t, d);
    for kind in [Kind::User, Kind::Group] {
        for (block_grace, inode_grace, flags, valid) in [
            (100, 200, 0, 1),
            (100, 200, 0, 2),
            (7, 8, 0, 3),
            (1, 1, 1, 4),
            (1, 1, 2, 4),
            (1, 1, 0, 8),
        ] {
            let mut info = Info {
                block_grace,
                inode_grace,
                flags,
                valid,
            };
            let done = quota::raw(d, command::SET_INFO, kind as u32, 0, &mut info);
            t.put(format!("set info {info:?}"), done);
            let done = quota::raw(d, command::GET_INFO, kind as u32, 0, &mut info);
            t.put("get info", (done, info));
        }
    }
    // The other call wants a block device.
    let path = std::ffi::CString::new("/")?;
    // SAFETY: the string is terminated, and the command writes nothing.
    let done =
        unsafe { libc::syscall(libc::SYS_quotactl, command::SYNC << 8, path.as_ptr(), 0, 0) };
    t.put("quotactl(2)", Errno::check(done));
    Ok(())
}

fn commands_of_a_user(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    let user = User::become_user(USER, GROUP, &[OTHER]);
    all_commands(t, d);
    for (kind, id) in [
        (Kind::User, USER),
        (Kind::User, 0),
        (Kind::Group, GROUP),
        (Kind::Group, OTHER),
        (Kind::Group, 0),
    ] {
        t.put(format!("get {kind:?} {id}"), quota::get(d, kind, id));
        t.put(format!("next {kind:?} {id}"), quota::next(d, kind, id));
        t.put("set", quota::limit(d, kind, id, 1, 1));
    }
    drop(user);
    Ok(())
}

fn without_quota(t: &mut Trace, d: &Dir) -> Done {
    all_commands(t, d);
    usage(t, "none", d);
    Ok(())
}

fn limits_by_command(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    quota::limit(d, Kind::User, USER, 12, 3)?;
    quota::limit(d, Kind::Group, GROUP, 20, 4)?;
    fill(t, d);
    // More, and then none.
    quota::limit(d, Kind::User, USER, 0, 0)?;
    fill(t, d);
    quota::limit(d, Kind::Group, GROUP, 0, 0)?;
    fill(t, d);
    Ok(())
}

/// What a user can make and write, which then goes.
fn fill(t: &mut Trace, d: &Dir) {
    let mut made = Vec::new();
    for i in 0..6 {
        let name = format!("f{i}");
        let file = as_user(|| d.create(&name));
        let written = file.map(|file| (file.write(&pattern(i, 2 * PAGE + 1)), file.blocks()));
        t.put(&name, written);
        made.push(name);
    }
    usage(t, "filled", d);
    t.put("root may", d.file("r", &pattern(1, PAGE)).map(drop));
    t.put("names", d.names());
    for name in made.iter().map(String::as_str).chain(["r"]) {
        d.unlink(name).ok();
    }
    usage(t, "emptied", d);
}

fn limits_of_users(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    fill(t, d);
    at_the_limit_of_inodes(t, d)
}

fn limits_of_groups(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    fill(t, d);
    at_the_limit_of_inodes(t, d)
}

fn at_the_limit_of_inodes(t: &mut Trace, d: &Dir) -> Done {
    for i in 0..4 {
        as_user(|| d.create(format!("f{i}")))?;
    }
    let space = d.space()?;
    as_user(|| {
        t.effects("create", d, &["."], || d.create("g").map(drop))
            .ok();
        t.put("mkdir", d.mkdir("g"));
        t.put("short symlink", d.symlink("x", "g"));
        t.put("long symlink", d.symlink("y".repeat(500), "g"));
        t.put("fifo", d.fifo("g"));
        t.put("socket", d.mknod("g", FileType::Socket, 0o600, (0, 0)));
        t.put("unnamed", d.tmpfile().map(drop));
        t.put("link", d.link("f0", "l"));
        t.put("rename", d.rename("f1", "f2"));
        t.put("create", d.create("g").map(drop));
        t.put("and again", d.create("h").map(drop));
    });
    t.put("names", d.names()?);
    t.put("taken", space.free_files - d.space()?.free_files);
    usage(t, "end", d);
    Ok(())
}

fn both_limits(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    quota::limit(d, Kind::User, USER, 40, 0)?;
    let file = as_user(|| d.create("f"))?;
    t.put(
        "quota first",
        as_user(|| file.write(&pattern(1, 100 * PAGE))),
    );
    t.put("more", as_user(|| file.write(b"x")));
    t.put("space", d.space()?);
    d.file("r", &pattern(1, 6 * PAGE))?;
    t.put("both", as_user(|| file.write(b"x")));
    file.truncate(PAGE as u64)?;
    d.read_write("r")?.pwrite(&pattern(1, 15 * PAGE), 0)?;
    t.put(
        "space first",
        as_user(|| file.pwrite(&pattern(1, 2 * PAGE), PAGE as u64)),
    );
    usage(t, "end", d);
    Ok(())
}

fn ids(t: &mut Trace, d: &Dir) -> Done {
    t.each("at first", quota::all(d, Kind::User)?);
    for id in [5, 7, 100_000, u32::MAX - 1] {
        let name = format!("f{id}");
        d.file(&name, b"x")?;
        d.chown(&name, Some(id), Some(id))?;
    }
    quota::limit(d, Kind::User, 6, 100, 0)?;
    quota::limit(d, Kind::Group, 70, 0, 100)?;
    for kind in [Kind::User, Kind::Group] {
        t.each("ids", quota::all(d, kind)?);
        for id in [0, 1, 5, 6, 8, 71, 100_001, u32::MAX - 1, u32::MAX] {
            t.put(format!("{kind:?} from {id}"), quota::next(d, kind, id));
            t.put(format!("{kind:?} {id}"), quota::get(d, kind, id));
        }
    }
    for id in [5, 7, 100_000, u32::MAX - 1] {
        d.unlink(format!("f{id}"))?;
    }
    quota::limit(d, Kind::User, 6, 0, 0)?;
    for kind in [Kind::User, Kind::Group] {
        t.each("at last", quota::all(d, kind)?);
    }
    Ok(())
}

fn soft_limits(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    let limits = Quota {
        soft_blocks: 8,
        hard_blocks: 16,
        soft_inodes: 2,
        hard_inodes: 4,
        valid: field::LIMITS,
        ..Quota::default()
    };
    t.put("set", quota::set(d, Kind::User, USER, limits));
    let file = as_user(|| d.create("f"))?;
    for i in 0..6 {
        t.put(i, as_user(|| file.write(&pattern(i, PAGE))));
        t.put("quota", quota::get(d, Kind::User, USER));
    }
    for i in 0..5 {
        t.put(i, as_user(|| d.create(format!("g{i}")).map(drop)));
        t.put("quota", quota::get(d, Kind::User, USER));
    }
    // A grace time that is over makes the soft limit a hard one.
    let past = Quota {
        block_time: 1,
        valid: field::BLOCK_TIME,
        ..Quota::default()
    };
    file.truncate(3 * PAGE as u64)?;
    t.put("time over", quota::set(d, Kind::User, USER, past));
    t.put("write", as_user(|| file.pwrite(b"x", 10 * PAGE as u64)));
    file.truncate(PAGE as u64)?;
    t.put("below", quota::get(d, Kind::User, USER));
    t.put("write", as_user(|| file.pwrite(b"x", 10 * PAGE as u64)));
    Ok(())
}

/// The counts themselves can be set, for what it is worth.
fn usage_by_command(t: &mut Trace, d: &Dir) -> Done {
    let counts = Quota {
        bytes: 1 << 20,
        inodes: 50,
        valid: field::SPACE | field::INODES,
        ..Quota::default()
    };
    t.put("set", quota::set(d, Kind::User, USER, counts));
    d.file("f", b"x")?;
    d.chown("f", Some(USER), None)?;
    t.put("with a file", quota::get(d, Kind::User, USER));
    d.unlink("f")?;
    t.put("without", quota::get(d, Kind::User, USER));
    t.put(
        "back",
        quota::set(
            d,
            Kind::User,
            USER,
            Quota {
                bytes: 0,
                inodes: 0,
                ..counts
            },
        ),
    );
    t.put("at last", quota::get(d, Kind::User, USER));
    Ok(())
}

/// Limits can be switched off and on; counting cannot.
fn enforcement(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    quota::limit(d, Kind::User, USER, 8, 2)?;
    let kind = Kind::User as u32;
    let mut none = 0u32;
    for (name, command) in [
        ("off", command::OFF),
        ("off again", command::OFF),
        ("on", command::ON),
        ("on again", command::ON),
    ] {
        t.put(name, quota::raw(d, command, kind, 0, &mut none));
        fill(t, d);
    }
    t.put("format", {
        let done = quota::raw(d, command::GET_FORMAT, kind, 0, &mut none);
        (done, none)
    });
    Ok(())
}

fn beyond_the_range(t: &mut Trace, d: &Dir) -> Done {
    for limit in [1 << 53, (1 << 53) - 1, 1 << 63, u64::MAX, i64::MAX as u64] {
        t.put(
            format!("KiB {limit}"),
            quota::limit(d, Kind::User, USER, limit, 0),
        );
        t.put("get", quota::get(d, Kind::User, USER));
        t.put(
            format!("inodes {limit}"),
            quota::limit(d, Kind::User, USER, 0, limit),
        );
        t.put("get", quota::get(d, Kind::User, USER));
    }
    for valid in [0, 32, 64, u32::MAX] {
        let quota = Quota {
            valid,
            ..Quota::default()
        };
        t.put(
            format!("fields {valid:#x}"),
            quota::set(d, Kind::User, USER, quota),
        );
    }
    t.put("an id that is none", quota::get(d, Kind::User, u32::MAX));
    Ok(())
}

/// A failed fallocate(2) leaves nothing behind, in quota either.
fn fallocate_at_the_limit(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    quota::limit(d, Kind::User, USER, 40, 0)?;
    let file = as_user(|| d.create("f"))?;
    as_user(|| file.pwrite(&pattern(1, PAGE), 5 * PAGE as u64))?;
    for (keep, pages) in [(false, 20), (true, 20), (false, 10), (false, 9), (true, 11)] {
        let flags = if keep {
            FallocateFlags::KEEP_SIZE
        } else {
            FallocateFlags::empty()
        };
        let len = pages * PAGE as u64;
        let done = as_user(|| rustix::fs::fallocate(&file, flags, 0, len).map_err(Errno::from));
        t.put(format!("{keep} {pages}"), done);
        t.put("file", file.meta()?);
        usage(t, "then", d);
    }
    t.put("contents", file.all()?);
    Ok(())
}

fn faults_at_the_limit(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    quota::limit(d, Kind::User, USER, 8, 0)?;
    let file = as_user(|| d.create("f"))?;
    file.truncate(4 * PAGE as u64)?;
    t.forked("faults", |t| {
        let _user = User::become_user(USER, GROUP, &[]);
        let map = Map::shared(&file, 4 * PAGE, 0).expect("map");
        for page in 0..4 {
            map.set(page * PAGE, 1);
            t.put("touched", page);
        }
    });
    t.put("file", file.meta()?);
    usage(t, "then", d);
    Ok(())
}

fn symlinks_at_the_limit(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    quota::limit(d, Kind::User, USER, 8, 0)?;
    for i in 0..3 {
        let link = format!("l{i}");
        t.put(&link, as_user(|| d.symlink("z".repeat(400), &link)));
        t.put("meta", d.meta(&link));
        usage(t, &link, d);
    }
    t.put("short", as_user(|| d.symlink("z", "short")));
    d.unlink("l0")?;
    t.put("again", as_user(|| d.symlink("z".repeat(400), "l2")));
    usage(t, "end", d);
    Ok(())
}

/// A whiteout is an inode of who renames.
fn whiteouts(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", b"x")?;
    d.chown("f", Some(USER), Some(GROUP))?;
    usage(t, "before", d);
    t.put("rename", d.rename_flags("f", "g", RenameFlags::WHITEOUT));
    usage(t, "after", d);
    d.unlink("f")?;
    d.unlink("g")?;
    usage(t, "end", d);
    Ok(())
}

fn rename_over(t: &mut Trace, d: &Dir) -> Done {
    d.file("mine", &pattern(1, 2 * PAGE))?;
    d.file("theirs", &pattern(1, 3 * PAGE))?;
    d.chown("theirs", Some(USER), Some(GROUP))?;
    usage(t, "before", d);
    d.rename("mine", "theirs")?;
    usage(t, "after", d);
    Ok(())
}

/// Nothing is taken from who has more than he may; he gets no more.
fn lowered_below_use(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    let file = as_user(|| d.file("f", &pattern(1, 6 * PAGE)))?;
    as_user(|| d.create("g"))?;
    t.put("lower", quota::limit(d, Kind::User, USER, 12, 1));
    usage(t, "lowered", d);
    as_user(|| {
        t.put("overwrite", file.pwrite(&pattern(2, 6 * PAGE), 0));
        t.put("append", file.pwrite(b"x", 6 * PAGE as u64));
        t.put("create", d.create("h").map(drop));
        t.put("unlink", d.unlink("g"));
        t.put("create", d.create("h").map(drop));
        t.put("cut", file.truncate(2 * PAGE as u64));
        t.put("write", file.pwrite(&pattern(3, 6 * PAGE), 0));
    });
    usage(t, "end", d);
    Ok(())
}

/// Limits from the options are those of each id that has none of its own, and come back when it is
/// forgotten.
fn limits_kept_and_forgotten(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    usage(t, "defaults", d);
    quota::limit(d, Kind::User, USER, 50, 60)?;
    quota::limit(d, Kind::Group, GROUP, 70, 80)?;
    t.each("set", quota::all(d, Kind::User)?);
    let file = as_user(|| d.create("f"))?;
    t.put("beyond", as_user(|| file.write(&pattern(1, 20 * PAGE))));
    drop(file);
    d.unlink("f")?;
    for kind in [Kind::User, Kind::Group] {
        t.each("kept", quota::all(d, kind)?);
    }
    usage(t, "kept", d);
    quota::limit(d, Kind::User, USER, 1024, 100)?;
    quota::limit(d, Kind::Group, GROUP, 0, 0)?;
    for kind in [Kind::User, Kind::Group] {
        t.each("like all others", quota::all(d, kind)?);
    }
    usage(t, "like all others", d);
    Ok(())
}

/// An id is set free of limits and forgotten; then those of the options are its own again.
fn limits_that_come_back(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    // Keeps the record, which goes by itself a moment after it was changed.
    let kept = as_user(|| d.create("kept"))?;
    quota::limit(d, Kind::User, USER, 0, 0)?;
    t.put("free", quota::get(d, Kind::User, USER));
    drop(kept);
    d.unlink("kept")?;
    t.each("forgotten", quota::all(d, Kind::User)?);
    t.put("again", quota::get(d, Kind::User, USER));
    let file = as_user(|| d.create("f"))?;
    t.put("write", as_user(|| file.write(&pattern(1, 3 * PAGE))));
    Ok(())
}

const THREADS: u32 = 4;
const ROUNDS: u32 = 30;

/// Threads of different users write, cut, make and remove, at limits, while root gives their files to
/// others. At the end what is counted is what is there, and then nothing.
fn everything_at_once(t: &mut Trace, d: &Dir) -> Done {
    d.chmod(".", 0o777)?;
    let ids: Vec<u32> = (0..THREADS).map(|i| USER + i).collect();
    for &id in &ids {
        quota::limit(d, Kind::User, id, 64, 6)?;
        quota::limit(d, Kind::Group, id, 96, 9)?;
    }
    let start = Barrier::new(THREADS as usize + 1);
    let unexpected: Vec<Errno> = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for &id in &ids {
            let start = &start;
            threads.push(scope.spawn(move || {
                become_thread(id);
                start.wait();
                work(d, id)
            }));
        }
        threads.push(scope.spawn(|| {
            start.wait();
            for round in 0..ROUNDS * 2 {
                for (i, &id) in ids.iter().enumerate() {
                    let to = ids[(i + 1 + round as usize % 3) % ids.len()];
                    // Names come and go.
                    d.chown(&format!("a{id}"), Some(to), Some(to)).ok();
                    d.chown(&format!("b{id}"), Some(id), None).ok();
                }
            }
            Vec::new()
        }));
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<Errno>>| {
            thread.join().expect("a thread panicked")
        };
        threads.into_iter().flat_map(join).collect()
    });
    t.put("unexpected", unexpected);

    let (mut users, mut groups) = (BTreeMap::new(), BTreeMap::new());
    for name in d.names()?.into_iter().chain([".".to_owned()]) {
        let stat = rustix::fs::statat(d, &name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
        for (counts, id) in [(&mut users, stat.st_uid), (&mut groups, stat.st_gid)] {
            let (bytes, inodes) = counts.entry(id).or_insert((0, 0));
            *bytes += stat.st_blocks as u64 * 512;
            *inodes += 1u64;
        }
    }
    for (kind, counts) in [(Kind::User, &users), (Kind::Group, &groups)] {
        for &id in ids.iter().chain([&0]) {
            let quota = quota::get(d, kind, id)?;
            let there = counts.get(&id).copied().unwrap_or_default();
            ensure!(
                (quota.bytes, quota.inodes) == there,
                "{kind:?} {id}: {quota:?}, but there is {there:?}"
            );
        }
    }
    for name in d.names()? {
        d.unlink(name)?;
    }
    for kind in [Kind::User, Kind::Group] {
        t.each("at last", quota::all(d, kind)?);
    }
    Ok(())
}

/// Makes this thread, and no other, one of an ordinary user.
fn become_thread(id: u32) {
    // SAFETY: only the credentials of this thread change, which ends with them.
    let done = unsafe {
        libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>())
            | libc::syscall(libc::SYS_setresgid, id, id, id)
            | libc::syscall(libc::SYS_setresuid, id, id, id)
    };
    assert_eq!(done, 0, "change the user of a thread");
}

/// What one user does; returns errors that are not to be expected.
fn work(d: &Dir, id: u32) -> Vec<Errno> {
    let mut unexpected = Vec::new();
    let mut note = |result: Res<()>| match result {
        Ok(()) => {}
        // Limits; and files that others have taken, or have been given.
        Err(Errno(libc::EDQUOT | libc::EACCES | libc::EPERM | libc::ENOENT | libc::EEXIST)) => {}
        Err(e) => unexpected.push(e),
    };
    for round in 0..ROUNDS {
        let (a, b) = (format!("a{id}"), format!("b{id}"));
        let flags = OFlags::CREATE | OFlags::RDWR;
        let file = d.openat(&a, flags, 0o666);
        note(file.and_then(|file| {
            file.pwrite(
                &pattern(round, 9 * PAGE),
                u64::from(round % 7) * PAGE as u64,
            )?;
            file.truncate(u64::from(round % 5) * 3000)
        }));
        let file = d.openat(&b, flags, 0o600);
        note(file.and_then(|file| {
            let len = 12 * PAGE as u64;
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, len)?;
            file.pwrite(b"x", 20 * PAGE as u64).map(drop)
        }));
        note(d.symlink("z".repeat(200), format!("l{id}-{}", round % 8)));
        if round % 3 == 0 {
            note(d.unlink(&b));
            note(d.unlink(format!("l{id}-{}", round % 4)));
        }
        if round % 4 == 0 {
            note(d.unlink(&a));
        }
    }
    unexpected
}
