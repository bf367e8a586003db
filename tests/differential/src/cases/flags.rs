//! The flags of chattr(1): which there are, what they do, what new files have of them.

use rustix::fs::{AtFlags, StatxFlags};

use crate::harness::fileattr::{
    flags, fsxattr, set_flags, set_fsxattr, Fsxattr, APPEND, CASEFOLD, IMMUTABLE, NOATIME, NODUMP,
};
use crate::harness::prelude::*;

cases! {
    "" => each_flag, all_flags_at_once, extended_interface, special_files, told_by_statx, immutable_file,
        immutable_directory, append_only_file, append_only_directory, no_access_times, inheritance, change_of_times,
        privileges, open_files;
    own => read_only_mount;
}

/// A file or a directory for reading, whatever its flags.
fn open(d: &Dir, name: &str) -> Res<Fd> {
    d.openat(name, OFlags::RDONLY | OFlags::NONBLOCK, 0)
}

fn show(t: &mut Trace, label: &str, d: &Dir, name: &str) -> Done {
    let file = open(d, name)?;
    let (mask, at) = (StatxFlags::BASIC_STATS, AtFlags::EMPTY_PATH);
    let s = rustix::fs::statx(&file, "", at, mask).map_err(Errno::from)?;
    let text = format!(
        "flags {:x?} extended {:x?} statx {:#x} of {:#x}",
        flags(&file),
        fsxattr(&file).map(|x| x.xflags),
        s.stx_attributes.bits(),
        s.stx_attributes_mask.bits()
    );
    t.text(format!("{label} [{name}]"), text);
    Ok(())
}

fn set(t: &mut Trace, d: &Dir, name: &str, value: u32) -> Done {
    let file = open(d, name)?;
    let label = format!("set {value:#x}");
    t.put(&label, set_flags(&file, value));
    show(t, &label, d, name)
}

fn each_flag(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    d.mkdir("dir")?;
    for name in ["file", "dir"] {
        show(t, "new", d, name)?;
        for bit in 0..32 {
            set(t, d, name, 1 << bit)?;
            set(t, d, name, 0)?;
        }
    }
    Ok(())
}

fn all_flags_at_once(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    d.mkdir("dir")?;
    for name in ["file", "dir", "."] {
        for value in [
            IMMUTABLE | APPEND | NODUMP | NOATIME,
            NODUMP | NOATIME,
            NODUMP | 1,
            APPEND,
            u32::MAX,
            IMMUTABLE,
            0,
        ] {
            set(t, d, name, value)?;
        }
    }
    Ok(())
}

fn extended_interface(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("file")?;
    t.put("new", fsxattr(&file));
    for bit in 0..32 {
        let attributes = Fsxattr {
            xflags: 1 << bit,
            ..Fsxattr::default()
        };
        let done = set_fsxattr(&file, attributes);
        t.put(format!("bit {bit}"), (done, fsxattr(&file), flags(&file)));
        t.put("back", set_fsxattr(&file, Fsxattr::default()));
    }
    let base = Fsxattr::default();
    for (label, attributes) in [
        (
            "extent size",
            Fsxattr {
                extsize: PAGE as u32,
                ..base
            },
        ),
        ("project", Fsxattr { projid: 7, ..base }),
        (
            "cow extent size",
            Fsxattr {
                cowextsize: PAGE as u32,
                ..base
            },
        ),
        (
            "extents",
            Fsxattr {
                nextents: 7,
                ..base
            },
        ),
    ] {
        t.put(label, (set_fsxattr(&file, attributes), fsxattr(&file)));
    }
    Ok(())
}

fn special_files(t: &mut Trace, d: &Dir) -> Done {
    d.fifo("fifo")?;
    d.mknod("null", FileType::CharacterDevice, 0o600, (1, 3))?;
    for name in ["fifo", "null"] {
        let file = open(d, name)?;
        t.put(
            name,
            (flags(&file), set_flags(&file, NODUMP), fsxattr(&file)),
        );
    }
    d.symlink("nowhere", "link")?;
    let link = d.openat("link", OFlags::PATH | OFlags::NOFOLLOW, 0)?;
    t.put("link", (flags(&link), set_flags(&link, NODUMP)));
    let file = d.tmpfile()?;
    t.put("without a name", (set_flags(&file, NODUMP), flags(&file)));
    Ok(())
}

fn told_by_statx(t: &mut Trace, d: &Dir) -> Done {
    d.create("file")?;
    d.mkdir("dir")?;
    d.fifo("fifo")?;
    d.symlink("x", "link")?;
    for name in ["file", "dir", "fifo", "link", "."] {
        for mask in [StatxFlags::empty(), StatxFlags::BASIC_STATS] {
            let s =
                rustix::fs::statx(d, name, AtFlags::SYMLINK_NOFOLLOW, mask).map_err(Errno::from)?;
            let known = s.stx_attributes_mask.bits();
            t.text(
                name,
                format!("{:#x} of {known:#x}", s.stx_attributes.bits()),
            );
        }
    }
    Ok(())
}

fn immutable_file(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", b"text")?;
    d.create("other")?;
    d.mkdir("dir")?;
    set(t, d, "f", IMMUTABLE)?;
    t.put("read", d.contents("f"));
    t.put("open to write", d.read_write("f").map(drop));
    t.put("write by an old descriptor", file.write(b"more"));
    t.put("ftruncate by an old descriptor", file.truncate(1));
    t.put("truncate", d.truncate("f", 0));
    t.put("chmod", d.chmod("f", 0o600));
    t.put("chown", d.chown("f", Some(1), None));
    t.put("link", d.link("f", "g"));
    t.put("rename", d.rename("f", "g"));
    t.put("rename over it", d.rename("other", "f"));
    t.put(
        "exchange",
        d.rename_flags("f", "dir", RenameFlags::EXCHANGE),
    );
    t.put("unlink", d.unlink("f"));
    t.put("fallocate", fallocate(&file, 0));
    let now = rustix::fs::Timestamps {
        last_access: rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: libc::UTIME_NOW,
        },
        last_modification: rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: libc::UTIME_NOW,
        },
    };
    t.put(
        "touch",
        rustix::fs::utimensat(d, "f", &now, AtFlags::empty()).map_err(Errno::from),
    );
    set(t, d, "f", 0)?;
    t.put("write", file.write(b"more"));
    t.put("contents", d.contents("f"));
    t.put("unlink", d.unlink("f"));
    Ok(())
}

fn fallocate(file: &Fd, mode: u32) -> Res<()> {
    let mode = rustix::fs::FallocateFlags::from_bits_retain(mode);
    Ok(rustix::fs::fallocate(file, mode, 0, PAGE as u64)?)
}

fn immutable_directory(t: &mut Trace, d: &Dir) -> Done {
    let sub = d.make("dir")?;
    sub.file("f", b"text")?;
    sub.mkdir("empty")?;
    set(t, d, "dir", IMMUTABLE)?;
    t.put("create", sub.create("g").map(drop));
    t.put("mkdir", sub.mkdir("g"));
    t.put("symlink", sub.symlink("x", "g"));
    t.put("fifo", sub.fifo("g"));
    t.put("tmpfile", sub.tmpfile().map(drop));
    t.put("link", sub.link("f", "g"));
    t.put("rename", sub.rename("f", "g"));
    t.put("rename away", sub.rename_to("f", d, "g"));
    t.put("unlink", sub.unlink("f"));
    t.put("rmdir of an entry", sub.rmdir("empty"));
    t.put("rmdir", d.rmdir("dir"));
    t.put("rename of it", d.rename("dir", "other"));
    t.put("chmod", d.chmod("dir", 0o700));
    t.put("write a file in it", sub.read_write("f")?.write(b"more"));
    t.put("names", sub.names());
    set(t, d, "dir", 0)?;
    t.put("create", sub.create("g").map(drop));
    Ok(())
}

fn append_only_file(t: &mut Trace, d: &Dir) -> Done {
    let old = d.file("f", b"text")?;
    set(t, d, "f", APPEND)?;
    t.put("open to write", d.read_write("f").map(drop));
    t.put(
        "open to truncate",
        d.openat("f", OFlags::WRONLY | OFlags::APPEND | OFlags::TRUNC, 0)
            .map(drop),
    );
    let file = d.openat("f", OFlags::RDWR | OFlags::APPEND, 0)?;
    t.put("append", file.write(b"more"));
    t.put("write in the middle", file.pwrite(b"X", 0));
    t.put("write by an old descriptor", old.pwrite(b"Y", 1));
    t.put("truncate", d.truncate("f", 0));
    t.put("ftruncate", file.truncate(1));
    t.put("allocate", fallocate(&file, 0));
    t.put("punch", fallocate(&file, 3));
    t.put(
        "fcntl without O_APPEND",
        rustix::fs::fcntl_setfl(&file, OFlags::empty()).map_err(Errno::from),
    );
    t.put("chmod", d.chmod("f", 0o600));
    t.put("link", d.link("f", "g"));
    t.put("rename", d.rename("f", "g"));
    t.put("unlink", d.unlink("f"));
    t.put("contents", d.contents("f"));
    set(t, d, "f", 0)?;
    t.put("unlink", d.unlink("f"));
    Ok(())
}

fn append_only_directory(t: &mut Trace, d: &Dir) -> Done {
    let sub = d.make("dir")?;
    sub.create("f")?;
    set(t, d, "dir", APPEND)?;
    t.put("create", sub.create("g").map(drop));
    t.put("mkdir", sub.mkdir("h"));
    t.put("link", sub.link("f", "i"));
    t.put("tmpfile", sub.tmpfile().map(drop));
    t.put("unlink", sub.unlink("f"));
    t.put("rmdir", sub.rmdir("h"));
    t.put("rename", sub.rename("f", "j"));
    t.put("names", sub.names());
    show(t, "created there", &sub, "g")?;
    set(t, d, "dir", 0)?;
    Ok(())
}

fn no_access_times(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", b"text")?;
    d.mkdir("dir")?;
    for value in [0, NOATIME, 0] {
        set(t, d, "f", value)?;
        set(t, d, "dir", value)?;
        t.effects("write", d, &["f"], || d.read_write("f")?.write(b"x"))?;
        t.effects("read", d, &["f"], || d.contents("f"))?;
        t.effects("create", d, &["dir"], || d.create("dir/g").map(drop))?;
        t.effects("list", d, &["dir"], || d.sub("dir")?.names())?;
        d.unlink("dir/g")?;
    }
    Ok(())
}

fn inheritance(t: &mut Trace, d: &Dir) -> Done {
    for value in [
        0,
        IMMUTABLE,
        APPEND,
        NODUMP,
        NOATIME,
        NODUMP | NOATIME | APPEND,
    ] {
        let sub = d.make("dir")?;
        set(t, d, "dir", value)?;
        let made = [
            sub.create("file").map(drop),
            sub.mkdir("sub"),
            sub.fifo("fifo"),
            sub.symlink("x", "link"),
        ];
        t.put("made", made);
        for name in sub.names()? {
            if name != "link" {
                show(t, "made", &sub, &name)?;
            }
        }
        let unnamed = sub.tmpfile().and_then(flags);
        t.put("without a name", unnamed);
        t.put(
            "moved in",
            d.create("moved")
                .and_then(|_| d.rename_to("moved", &sub, "moved")),
        );
        if sub.names()?.contains(&"moved".to_owned()) {
            show(t, "moved in", &sub, "moved")?;
        } else {
            d.unlink("moved")?;
        }
        set(t, d, "dir", 0)?;
        for name in sub.names()? {
            sub.unlink(&name).or_else(|_| sub.rmdir(&name))?;
        }
        d.rmdir("dir")?;
    }
    Ok(())
}

fn change_of_times(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    for value in [NODUMP, NODUMP, 1, 0, CASEFOLD] {
        let label = format!("set {value:#x}");
        let set = || open(d, "f").and_then(|f| set_flags(f, value));
        t.effects(label, d, &[".", "f"], set).ok();
    }
    Ok(())
}

fn privileges(t: &mut Trace, d: &Dir) -> Done {
    for name in ["own", "foreign"] {
        d.create(name)?;
        d.chmod(name, 0o666)?;
    }
    d.chown("own", Some(1000), Some(1000))?;
    for name in ["own", "foreign"] {
        for value in [NODUMP, NOATIME, APPEND, IMMUTABLE, 0] {
            let done = User::run(1000, 1000, || {
                let file = open(d, name)?;
                set_flags(&file, value)?;
                flags(&file)
            });
            t.put(format!("{name} {value:#x}"), done);
        }
    }
    Ok(())
}

fn open_files(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, PAGE))?;
    let map = Map::shared(&file, PAGE, 0)?;
    set(t, d, "f", IMMUTABLE)?;
    map.set(0, 7);
    t.put(
        "through a mapping",
        (map.get(0), d.contents("f").map(|c| c.0[0])),
    );
    t.put("map anew", Map::shared(&file, PAGE, 0).map(drop));
    set(t, d, "f", 0)?;
    Ok(())
}

fn read_only_mount(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    d.create("f")?;
    mount.remount("ro")?;
    set(t, &d, "f", NODUMP)?;
    mount.remount("rw")?;
    set(t, &d, "f", NODUMP)?;
    drop(d);
    mount.unmount()?;
    Ok(())
}
