//! Changing the limits of a mount that is in use.

use nix::mount::MsFlags;

use crate::harness::prelude::*;

cases! {
    own => grow_and_shrink, below_usage, inodes_below_usage, retroactive_limits, unlimited_from_limited,
        what_stays, read_only, contexts, number_widths, limits_hold_after, bad_options_change_nothing;
}

fn show(t: &mut Trace, label: &str, mount: &Mount) -> Done {
    t.text(format!("{label}: shown"), mount.options());
    t.put(format!("{label}: space"), mount.dir()?.space()?);
    Ok(())
}

fn remount(t: &mut Trace, mount: &Mount, options: &str) -> Done {
    t.put(format!("remount {options}"), mount.remount(options));
    show(t, options, mount)
}

fn grow_and_shrink(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=1m,nr_inodes=100")?;
    show(t, "start", &mount)?;
    for options in [
        "size=2m",
        "size=64k",
        "nr_inodes=1k",
        "nr_inodes=5",
        "nr_blocks=9",
        "size=3m,nr_inodes=30",
        "size=50%",
        "",
    ] {
        remount(t, &mount, options)?;
    }
    mount.unmount()?;
    Ok(())
}

fn below_usage(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=1m")?;
    let dir = mount.dir()?;
    dir.file("f", &pattern(1, 10 * PAGE))?;
    for blocks in [11, 10, 9, 1, 0] {
        remount(t, &mount, &format!("nr_blocks={blocks}"))?;
    }
    remount(t, &mount, "size=40960")?;
    remount(t, &mount, "size=36864")?;
    dir.truncate("f", 4 * PAGE as u64)?;
    remount(t, &mount, "nr_blocks=4")?;
    t.put("contents", dir.contents("f")?);
    drop(dir);
    mount.unmount()?;
    Ok(())
}

fn inodes_below_usage(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("nr_inodes=100")?;
    let dir = mount.dir()?;
    for i in 0..5 {
        dir.create(format!("f{i}"))?;
    }
    dir.link("f0", "l0")?;
    for inodes in [8, 7, 6, 5, 1] {
        remount(t, &mount, &format!("nr_inodes={inodes}"))?;
    }
    t.put("one more", dir.create("more").map(drop));
    dir.unlink("l0")?;
    dir.unlink("f1")?;
    remount(t, &mount, "nr_inodes=5")?;
    t.put("one more", dir.create("more").map(drop));
    drop(dir);
    mount.unmount()?;
    Ok(())
}

fn retroactive_limits(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=0,nr_inodes=0")?;
    show(t, "unlimited", &mount)?;
    for options in [
        "size=1m",
        "nr_blocks=5",
        "nr_inodes=10",
        "size=0",
        "nr_inodes=0",
        "nr_blocks=0",
    ] {
        remount(t, &mount, options)?;
    }
    mount.unmount()?;
    Ok(())
}

fn unlimited_from_limited(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=8k,nr_inodes=3")?;
    let dir = mount.dir()?;
    dir.file("f", &pattern(1, 2 * PAGE))?;
    dir.create("g")?;
    t.put("full", dir.create("h").map(drop));
    remount(t, &mount, "size=0")?;
    t.put(
        "write",
        dir.read_write("f")?
            .pwrite(&pattern(2, PAGE), 2 * PAGE as u64),
    );
    remount(t, &mount, "nr_inodes=0")?;
    t.put("create", dir.create("h").map(drop));
    show(t, "after", &mount)?;
    remount(t, &mount, "size=1m")?;
    remount(t, &mount, "nr_inodes=100")?;
    dir.unlink("f")?;
    dir.unlink("h")?;
    show(t, "emptied", &mount)?;
    drop(dir);
    mount.unmount()?;
    Ok(())
}

/// mode, uid and gid are those of the first mount for ever.
fn what_stays(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("mode=711,uid=3,gid=4")?;
    for options in ["mode=755", "uid=9", "gid=9", "mode=x", "uid=x"] {
        remount(t, &mount, options)?;
        t.put("root", mount.dir()?.meta(".")?);
    }
    mount.dir()?.chmod(".", 0o700)?;
    t.text("after chmod", mount.options());
    mount.unmount()?;
    Ok(())
}

fn read_only(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=1m")?;
    let dir = mount.dir()?;
    let file = dir.file("f", b"x")?;
    t.put(
        "ro with a writer",
        mount.remount_flags("", MsFlags::MS_RDONLY),
    );
    drop(file);
    t.put("ro", mount.remount_flags("", MsFlags::MS_RDONLY));
    t.text("shown", mount.options());
    t.put("create", dir.create("g").map(drop));
    t.put("write", dir.read_write("f").map(drop));
    t.put("unlink", dir.unlink("f"));
    t.put("truncate", dir.truncate("f", 0));
    t.put("chmod", dir.chmod("f", 0o600));
    t.put("read", dir.contents("f"));
    t.put("times", dir.times("f").map(|_| ()));
    t.put(
        "resize while read-only",
        mount.remount_flags("size=2m", MsFlags::MS_RDONLY),
    );
    t.put("rw", mount.remount(""));
    t.put("create", dir.create("g").map(drop));
    show(t, "end", &mount)?;
    drop(dir);
    mount.unmount()?;
    Ok(())
}

fn contexts(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=1m,nr_inodes=10")?;
    mount.dir()?.file("f", &pattern(1, 4 * PAGE))?;
    for option in [
        "size=8k",
        "size=32k",
        "nr_inodes=1",
        "nr_inodes=2",
        "mode=700",
        "size=x",
        "foo",
        "inode32",
        "inode64",
    ] {
        let context = mount.pick()?;
        t.put(format!("set {option}"), context.option(option));
        t.put(format!("reconfigure {option}"), context.reconfigure());
        t.put(format!("log {option}"), context.log());
        show(t, option, &mount)?;
    }
    let context = mount.pick()?;
    context.option("size=64k")?;
    context.option("nr_inodes=1")?;
    t.put("one of two is refused", context.reconfigure());
    show(t, "after that", &mount)?;
    drop(context);
    mount.unmount()?;
    // Limits that were not there cannot come.
    let mount = fs.mount("size=0,nr_inodes=0")?;
    for option in ["size=1m", "nr_inodes=5"] {
        let context = mount.pick()?;
        t.put(format!("set {option}"), context.option(option));
        t.put(format!("reconfigure {option}"), context.reconfigure());
        t.put(format!("log {option}"), context.log());
    }
    mount.unmount()?;
    Ok(())
}

fn number_widths(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("inode64")?;
    for options in ["inode32", "inode64", "inode32,inode64", "size=1m"] {
        remount(t, &mount, options)?;
    }
    mount.unmount()?;
    Ok(())
}

fn limits_hold_after(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=16k,nr_inodes=4")?;
    let dir = mount.dir()?;
    let file = dir.create("f")?;
    t.put("fill", file.pwrite(&pattern(1, 8 * PAGE), 0));
    remount(t, &mount, "size=24k")?;
    t.put("fill more", file.pwrite(&pattern(1, 8 * PAGE), 0));
    t.put("file", file.meta()?);
    remount(t, &mount, "nr_inodes=3")?;
    t.put(
        "create",
        [dir.create("a").map(drop), dir.create("b").map(drop)],
    );
    show(t, "end", &mount)?;
    drop((file, dir));
    mount.unmount()?;
    Ok(())
}

fn bad_options_change_nothing(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=1m,nr_inodes=10")?;
    for options in [
        "size=2m,foo",
        "foo,size=2m",
        "size=2m,nr_inodes=x",
        "size=x",
        "nr_inodes=",
        "mode=9,size=2m",
        "size=2m,inode32=1",
    ] {
        remount(t, &mount, options)?;
    }
    mount.unmount()?;
    Ok(())
}
