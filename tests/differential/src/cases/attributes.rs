//! chmod, chown, utimens, statx.

use rustix::fs::{AtFlags, StatxFlags, Timespec, Timestamps};

use crate::harness::prelude::*;
use crate::harness::process::on_one_processor;

cases! {
    "" => statx_fields, modes, owners, set_times, time_range, birth_time, multigrain,
        change_counter, kinds_of_files, lock_state, access_calls;
    "mode=755,uid=7,gid=8" => root_attributes;
    own => mount_flags_on_times, timestamps_of_a_root, inode_numbers;
}

fn statx_fields(t: &mut Trace, d: &Dir) -> Done {
    d.file("file", b"x")?;
    d.mkdir("dir")?;
    d.symlink("x", "link")?;
    d.fifo("fifo")?;
    for name in ["file", "dir", "link", "fifo", ""] {
        for mask in [
            StatxFlags::empty(),
            StatxFlags::BASIC_STATS,
            StatxFlags::BTIME,
            StatxFlags::SIZE,
            StatxFlags::from_bits_retain(0x7fff_ffff),
        ] {
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
            let s = rustix::fs::statx(d, name, flags, mask).map_err(Errno::from)?;
            let text = format!(
                "filled {:#x} attributes {:#x} of {:#x} direct {}/{} offset {} subvolume {}",
                s.stx_mask & !0x1000,
                s.stx_attributes.bits(),
                s.stx_attributes_mask.bits(),
                s.stx_dio_mem_align,
                s.stx_dio_offset_align,
                s.stx_dio_read_offset_align,
                s.stx_subvol,
            );
            t.text(format!("'{name}' {mask:?}"), text);
        }
    }
    for flags in [AtFlags::STATX_FORCE_SYNC, AtFlags::STATX_DONT_SYNC] {
        let s = rustix::fs::statx(d, "file", flags, StatxFlags::BASIC_STATS).map_err(Errno::from);
        t.put(format!("{flags:?}"), s.map(|s| s.stx_size));
    }
    Ok(())
}

fn root_attributes(t: &mut Trace, d: &Dir) -> Done {
    t.put("root", d.meta(".")?);
    t.effects("chmod", d, &["."], || d.chmod(".", 0o711))?;
    t.effects("chown", d, &["."], || d.chown(".", Some(1), Some(2)))?;
    Ok(())
}

fn modes(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.mkdir("dir")?;
    for name in ["f", "dir"] {
        for mode in [0, 0o644, 0o7777, 0o4755, 0o2755, 0o1777, 0o170_000, 0o644] {
            t.effects(format!("chmod {name} {mode:o}"), d, &[name], || {
                d.chmod(name, mode)
            })
            .ok();
        }
    }
    t.effects("the same mode", d, &["f"], || d.chmod("f", 0o644))?;
    let user = User::become_user(1000, 1000, &[]);
    t.put("by a stranger", d.chmod("f", 0o777));
    drop(user);
    d.chown("f", Some(1000), Some(5))?;
    let user = User::become_user(1000, 1000, &[]);
    t.effects(
        "setgid by an owner who is not of the group",
        d,
        &["f"],
        || d.chmod("f", 0o2755),
    )
    .ok();
    drop(user);
    let user = User::become_user(1000, 1000, &[5]);
    t.effects("setgid by an owner of the group", d, &["f"], || {
        d.chmod("f", 0o2755)
    })
    .ok();
    drop(user);
    Ok(())
}

fn owners(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.mkdir("dir")?;
    d.symlink("f", "l")?;
    for name in ["f", "dir", "l"] {
        for owner in [
            (Some(1), Some(2)),
            (Some(3), None),
            (None, Some(4)),
            (None, None),
            (Some(0), Some(0)),
        ] {
            t.effects(format!("chown {name} {owner:?}"), d, &[name], || {
                d.chown(name, owner.0, owner.1)
            })
            .ok();
        }
    }
    for mode in [0o6755, 0o2644] {
        d.chmod("f", mode)?;
        t.effects(format!("chown of {mode:o}"), d, &["f"], || {
            d.chown("f", Some(1000), Some(1000))
        })?;
    }
    let user = User::become_user(1000, 1000, &[20]);
    t.put("give away", d.chown("f", Some(1001), None));
    t.put("to a group of one's own", d.chown("f", None, Some(20)));
    t.put("to another group", d.chown("f", None, Some(21)));
    t.put("to oneself", d.chown("f", Some(1000), Some(1000)));
    drop(user);
    t.put("end", d.meta("f")?);
    Ok(())
}

fn times(a: (i64, i64), m: (i64, i64)) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: a.0,
            tv_nsec: a.1,
        },
        last_modification: Timespec {
            tv_sec: m.0,
            tv_nsec: m.1,
        },
    }
}

const NOW: i64 = 0x3fff_ffff;
const OMIT: i64 = 0x3fff_fffe;

fn set_times(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.mkdir("dir")?;
    for name in ["f", "dir", "."] {
        for (a, m) in [
            ((5, 6), (7, 8)),
            ((0, NOW), (0, NOW)),
            ((0, OMIT), (9, 0)),
            ((9, 0), (0, OMIT)),
            ((0, OMIT), (0, OMIT)),
            ((0, NOW), (1, 1)),
            ((1, 1_000_000_000), (0, 0)),
            ((1, -1), (0, 0)),
        ] {
            let set = || {
                rustix::fs::utimensat(d, name, &times(a, m), AtFlags::empty()).map_err(Errno::from)
            };
            t.effects(format!("{name} {a:?} {m:?}"), d, &[name], set)
                .ok();
        }
    }
    let user = User::become_user(1000, 1000, &[]);
    let set =
        |a, m| rustix::fs::utimensat(d, "f", &times(a, m), AtFlags::empty()).map_err(Errno::from);
    t.put("by a stranger, now", set((0, NOW), (0, NOW)));
    t.put("by a stranger", set((1, 1), (1, 1)));
    drop(user);
    d.chmod("f", 0o666)?;
    let user = User::become_user(1000, 1000, &[]);
    t.put("by who may write, now", set((0, NOW), (0, NOW)));
    t.put("by who may write", set((1, 1), (1, 1)));
    drop(user);
    Ok(())
}

fn time_range(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    for sec in [
        0,
        -1,
        i64::from(i32::MAX),
        i64::from(i32::MAX) + 1,
        i64::from(i32::MIN) - 1,
        1 << 34,
        1 << 40,
        i64::MAX,
        i64::MIN,
    ] {
        let set = times((sec, 1), (sec, 999_999_999));
        t.put(
            format!("set {sec}"),
            rustix::fs::utimensat(d, "f", &set, AtFlags::empty()).map_err(Errno::from),
        );
        let now = d.times("f")?;
        t.put("is", (now.get('a'), now.get('m')));
    }
    Ok(())
}

fn birth_time(t: &mut Trace, d: &Dir) -> Done {
    let birth = |name| d.times(name).map(|times| times.get('b'));
    crate::harness::meta::tick();
    d.create("a")?;
    crate::harness::meta::tick();
    d.create("b")?;
    t.put("later is later", Relation::of(birth("a")?, birth("b")?));
    t.put("not before the directory", birth(".")? <= birth("a")?);
    let first = birth("a")?;
    crate::harness::meta::tick();
    d.read_write("a")?.write(b"x")?;
    d.chmod("a", 0o600)?;
    d.rename("a", "c")?;
    d.link("c", "d")?;
    t.put("stays", birth("d")? == first);
    let file = d.tmpfile()?;
    d.link_fd(&file, "e")?;
    t.put("of a tmpfile", Relation::of(birth("b")?, birth("e")?));
    Ok(())
}

/// Two changes with a look between them are told apart, however close they are.
fn multigrain(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    for (what, op) in [
        (
            "write",
            &(|| file.pwrite(b"x", 0).map(drop)) as &dyn Fn() -> Res<()>,
        ),
        ("chmod", &|| d.chmod("f", 0o600)),
        ("truncate", &|| file.truncate(file.size()? + 1)),
    ] {
        let mut same = 0;
        for _ in 0..20 {
            let before = d.times("f")?.get('c');
            op()?;
            same += i32::from(d.times("f")?.get('c') == before);
        }
        t.put(format!("{what}: changes that are not seen"), same);
    }
    let mut same = 0;
    for i in 0..20 {
        let before = d.times(".")?.get('m');
        d.mkdir(format!("d{i}"))?;
        same += i32::from(d.times(".")?.get('m') == before);
    }
    t.put("mkdir: changes that are not seen", same);
    Ok(())
}

fn inode_numbers(t: &mut Trace, fs: &Fs) -> Done {
    on_one_processor()?;
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let root = d.ino(".")?;
    for name in ["a", "b", "c"] {
        d.create(name)?;
    }
    t.put(
        "in a row",
        (d.ino("a")? - root, d.ino("b")? - root, d.ino("c")? - root),
    );
    d.unlink("b")?;
    d.create("d")?;
    t.put("not used again", d.ino("d")? > d.ino("c")?);
    d.mkdir("dir")?;
    d.symlink("x", "l")?;
    t.put("all kinds", (d.ino("dir")? - root, d.ino("l")? - root));
    t.put(
        "as others see it",
        rustix::fs::statat(&d, "a", AtFlags::empty()).map(|s| s.st_ino) == Ok(d.ino("a")?),
    );
    drop(d);
    mount.unmount()?;
    Ok(())
}

/// The change cookie, where the kernel hands it out.
fn change_counter(t: &mut Trace, d: &Dir) -> Done {
    const CHANGE_COOKIE: u32 = 0x4000_0000;
    d.create("f")?;
    let flags = StatxFlags::from_bits_retain(CHANGE_COOKIE);
    let s = rustix::fs::statx(d, "f", AtFlags::empty(), flags).map_err(Errno::from)?;
    t.put("given to user space", s.stx_mask & CHANGE_COOKIE != 0);
    Ok(())
}

fn kinds_of_files(t: &mut Trace, d: &Dir) -> Done {
    d.symlink("x", "short")?;
    d.symlink("y".repeat(500), "long")?;
    d.fifo("fifo")?;
    d.mknod("char", FileType::CharacterDevice, 0o600, (1, 3))?;
    d.mkdir("dir")?;
    for name in ["short", "long", "fifo", "char", "dir"] {
        t.effects(format!("chown {name}"), d, &[name], || {
            d.chown(name, Some(5), Some(6))
        })?;
        let set = || {
            rustix::fs::utimensat(d, name, &times((5, 0), (6, 0)), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(Errno::from)
        };
        t.effects(format!("utimens {name}"), d, &[name], set)?;
    }
    Ok(())
}

fn lock_state(t: &mut Trace, d: &Dir) -> Done {
    use rustix::fs::{flock, FlockOperation};
    let (a, b) = (d.create("f")?, d.read_write("f")?);
    t.put(
        "exclusive",
        flock(&a, FlockOperation::NonBlockingLockExclusive).map_err(Errno::from),
    );
    t.put(
        "second",
        flock(&b, FlockOperation::NonBlockingLockShared).map_err(Errno::from),
    );
    t.put(
        "unlock",
        flock(&a, FlockOperation::Unlock).map_err(Errno::from),
    );
    t.put(
        "second again",
        flock(&b, FlockOperation::NonBlockingLockShared).map_err(Errno::from),
    );
    t.put(
        "record lock",
        rustix::fs::fcntl_lock(&a, FlockOperation::NonBlockingLockExclusive).map_err(Errno::from),
    );
    t.forked("record lock of another process", |t| {
        t.put(
            "taken",
            rustix::fs::fcntl_lock(&b, FlockOperation::NonBlockingLockExclusive)
                .map_err(Errno::from),
        );
    });
    use std::os::fd::AsRawFd;
    for (name, lease) in [
        ("read", libc::F_RDLCK),
        ("write", libc::F_WRLCK),
        ("none", libc::F_UNLCK),
    ] {
        // SAFETY: no memory is involved.
        let done = unsafe { libc::fcntl(a.0.as_raw_fd(), libc::F_SETLEASE, lease) };
        t.put(format!("lease {name}"), Errno::check(done.into()));
    }
    drop(b);
    // SAFETY: as above.
    let done = unsafe { libc::fcntl(a.0.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) };
    t.put("lease when alone", Errno::check(done.into()));
    Ok(())
}

fn access_calls(t: &mut Trace, d: &Dir) -> Done {
    use rustix::fs::{accessat, Access};
    d.create("f")?;
    d.chmod("f", 0o640)?;
    d.chown("f", Some(10), Some(20))?;
    for (uid, gid) in [(0, 0), (10, 1), (1, 20), (1, 1)] {
        let modes = [
            Access::EXISTS,
            Access::READ_OK,
            Access::WRITE_OK,
            Access::EXEC_OK,
        ];
        let results = User::run(uid, gid, || {
            modes.map(|mode| accessat(d, "f", mode, AtFlags::EACCESS).map_err(Errno::from))
        });
        t.put(format!("{uid}:{gid}"), results);
    }
    Ok(())
}

fn mount_flags_on_times(t: &mut Trace, fs: &Fs) -> Done {
    use nix::mount::MsFlags;
    for (name, flags) in [
        ("noatime", MsFlags::MS_NOATIME),
        ("strictatime", MsFlags::MS_STRICTATIME),
        ("nodiratime", MsFlags::MS_NODIRATIME),
        ("lazytime", MsFlags::MS_LAZYTIME),
    ] {
        let mount = fs.mount_at("m", "", flags)?;
        let d = mount.dir()?;
        let file = d.file("f", b"data")?;
        d.mkdir("dir")?;
        let dir = d.sub("dir")?;
        t.effects(format!("{name}: read"), &d, &["f"], || file.pread(1, 0))?;
        t.effects(format!("{name}: read again"), &d, &["f"], || {
            file.pread(1, 0)
        })?;
        t.effects(format!("{name}: list"), &d, &["dir"], || {
            dir.list().map(|l| l.len())
        })?;
        t.effects(format!("{name}: write"), &d, &["f"], || {
            file.pwrite(b"x", 0)
        })?;
        drop((file, dir, d));
        mount.unmount()?;
    }
    Ok(())
}

fn timestamps_of_a_root(t: &mut Trace, fs: &Fs) -> Done {
    let start = crate::harness::meta::tick();
    let mount = fs.mount("")?;
    let times = mount.dir()?.times(".")?;
    t.put("order", times);
    t.put("made now", times.get('b') >= start);
    mount.unmount()?;
    Ok(())
}
