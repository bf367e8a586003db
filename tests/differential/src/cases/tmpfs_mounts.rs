//! Mounts of type tmpfs that the module serves, under that name.

use nix::mount::MsFlags;
use stage::switch::{self, Switch};

use crate::harness::prelude::*;
use crate::harness::sys::Space;

cases! {
    mounts => shown, contents, options, remounts, by_context, with_other_types, side_by_side, in_user_namespaces, switched;
}

/// The line of a mount in /proc/self/mountinfo, from its root on and without the numbers.
fn shown_as(mount: &Mount) -> anyhow::Result<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo")?;
    let path = mount.path.display().to_string();
    let line = text
        .lines()
        .find(|line| line.split(' ').nth(4) == Some(&path));
    let words = line.context("no such mount")?.split(' ').skip(3);
    Ok(words.collect::<Vec<_>>().join(" ").replace(&path, "MOUNT"))
}

fn shown(t: &mut Trace, fs: &Fs) -> Done {
    for options in [
        "",
        "size=5m,mode=700",
        "nr_inodes=100,huge=never",
        "inode32",
    ] {
        let mount = fs.mount(options)?;
        t.text(options, shown_as(&mount)?);
        let space = rustix::fs::fstatfs(&mount.dir()?)?;
        t.put("space", (space.f_type, space.f_bsize, Space::of(&space)));
        t.put("root", mount.dir()?.meta(".")?);
        mount.unmount()?;
    }
    Ok(())
}

fn contents(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=1m")?;
    let d = mount.dir()?;
    let file = d.file("f", &pattern(1, 3 * PAGE))?;
    d.mkdir("d")?;
    d.symlink("f", "l")?;
    t.put("file", (file.meta()?, file.all()?));
    t.put("names", d.names()?);
    t.put("too much", file.pwrite(&vec![1; 2 << 20], 0));
    t.put("space", d.space()?);
    let map = Map::shared(&file, PAGE, 0)?;
    map.set(0, 7);
    t.put("mapped", (map.bytes(0, 4), file.pread(4, 0)));
    drop((map, file, d));
    mount.unmount()?;
    Ok(())
}

fn options(t: &mut Trace, fs: &Fs) -> Done {
    for options in [
        "size=10%",
        "size=0",
        "size=abc",
        "nr_blocks=10",
        "nr_inodes=0",
        "mode=1777",
        "uid=5,gid=6",
        "uid=-1",
        "huge=always",
        "huge=within_size",
        "huge=bad",
        "mpol=interleave",
        "mpol=bad",
        "noswap",
        "inode64",
        "usrquota",
        "casefold",
        "unknown",
        "size=1m,size=2m",
    ] {
        match fs.mount(options) {
            Ok(mount) => {
                t.text(options, shown_as(&mount)?);
                mount.unmount()?;
            }
            Err(e) => t.put(options, e),
        }
    }
    Ok(())
}

fn remounts(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=4m")?;
    mount.dir()?.file("f", &[1; 1 << 20])?;
    for options in [
        "size=2m",
        "size=8k",
        "nr_inodes=50",
        "inode32",
        "huge=never",
        "noswap",
        "mode=700",
        "unknown",
    ] {
        t.put(options, mount.remount(options));
        t.text("then", shown_as(&mount)?);
    }
    t.put("read-only", mount.remount_flags("", MsFlags::MS_RDONLY));
    t.put("write", mount.dir()?.create("g").map(drop));
    mount.unmount()?;
    Ok(())
}

fn by_context(t: &mut Trace, fs: &Fs) -> Done {
    let context = fs.context()?;
    for option in [
        "size=3m",
        "mode=711",
        "nr_inodes=9",
        "unknown=1",
        "source=where",
    ] {
        t.put(option, context.option(option));
    }
    t.put("log", context.log());
    context.create()?;
    let mount = fs.attach("a", context.mount()?)?;
    t.text("mounted", shown_as(&mount)?);
    let again = mount.pick()?;
    t.put("size", again.option("size=5m"));
    t.put("reconfigure", again.reconfigure());
    t.put(
        "unlimited",
        (again.option("nr_inodes=0"), again.reconfigure()),
    );
    t.put("log", again.log());
    t.text("then", shown_as(&mount)?);
    drop(again);
    mount.unmount()?;
    Ok(())
}

/// The type that the module has by name is there as before, and others are nobody's affair.
fn with_other_types(t: &mut Trace, fs: &Fs) -> Done {
    let named = Fs::new("ramfs", &fs.point("others"));
    let mount = named.mount("")?;
    t.text("ramfs", shown_as(&mount)?);
    mount.unmount()?;
    t.put(
        "subtype",
        Fs::new("tmpfs.x", &fs.point("others")).mount("").map(drop),
    );
    let device = std::fs::read_to_string("/proc/filesystems")?;
    t.put(
        "listed",
        device
            .lines()
            .filter(|line| line.split_whitespace().last() == Some("tmpfs"))
            .count(),
    );
    Ok(())
}

fn side_by_side(t: &mut Trace, fs: &Fs) -> Done {
    let one = fs.mount_at("one", "size=1m", MsFlags::empty())?;
    let other = fs.mount_at("other", "size=2m", MsFlags::empty())?;
    one.dir()?.file("f", b"one")?;
    other.dir()?.file("f", b"other")?;
    t.put(
        "renamed",
        rustix::fs::renameat(one.dir()?, "f", other.dir()?, "g").map_err(Errno::from),
    );
    t.put(
        "contents",
        (one.dir()?.contents("f")?, other.dir()?.contents("f")?),
    );
    t.text("one", shown_as(&one)?);
    t.text("other", shown_as(&other)?);
    one.unmount()?;
    other.unmount()?;
    Ok(())
}

/// What a container does.
fn in_user_namespaces(t: &mut Trace, fs: &Fs) -> Done {
    let end = crate::harness::process::in_user_namespace("0 100000 1000", || {
        let mount = fs.mount("size=1m,uid=5").expect("mount");
        t.text("mounted", shown_as(&mount).expect("mountinfo"));
        t.put("root", mount.dir().and_then(|d| d.meta(".")));
        t.put("noswap", mount.remount("noswap"));
        t.put("size", mount.remount("size=2m"));
        let refused = fs.mount_at("b", "noswap", MsFlags::empty());
        t.put("without swap", refused.map(drop));
        mount.unmount().expect("unmount");
    });
    t.put("end", end);
    Ok(())
}

/// A mount stays what it is when the switch is turned, and so it is remounted.
fn switched(t: &mut Trace, fs: &Fs) -> Done {
    let early = fs.mount_at("early", "size=1m", MsFlags::empty())?;
    let file = early.dir()?.file("f", b"early")?;
    {
        let _off = Switch::Mounts.turn(false)?;
        t.put("not in force", Switch::Mounts.is_in_force()?);
        let uses = switch::uses()?;
        let late = fs.mount_at("late", "size=2m", MsFlags::empty())?;
        t.put("of tmpfs", switch::uses()? == uses);
        t.put("remount", early.remount("size=3m"));
        t.text("early", shown_as(&early)?);
        t.put("contents", (file.all()?, file.pwrite(b"late", 0)));
        late.unmount()?;
    }
    t.put("contents", file.all()?);
    drop(file);
    early.unmount()?;
    Ok(())
}
