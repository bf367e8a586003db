//! After unmount everything is as it was.

use nix::mount::{MntFlags, MsFlags};

use crate::harness::prelude::*;

cases! {
    own => device_number_comes_back, lazy_unmount, busy, files_of_all_kinds, failed_mounts, bind_mounts,
        unmount_with_pages, space_after_failures, mapped_at_lazy_unmount, namespaces_that_go;
}

/// Tries for what others that mount at the same time may disturb.
const TRIES: u32 = 5;

fn device(mount: &Mount) -> anyhow::Result<u64> {
    Ok(rustix::fs::fstat(mount.dir()?)?.st_dev)
}

/// The kernel hands out the lowest free number; a superblock that is not freed keeps its own.
fn comes_back(fs: &Fs, steps: impl Fn(&Mount) -> Done) -> anyhow::Result<bool> {
    for _ in 0..TRIES {
        let mount = fs.mount("")?;
        let first = device(&mount)?;
        steps(&mount)?;
        mount.unmount_flags(MntFlags::MNT_DETACH)?;
        let again = fs.mount("")?;
        let second = device(&again)?;
        again.unmount()?;
        if first == second {
            return Ok(true);
        }
    }
    Ok(false)
}

fn device_number_comes_back(t: &mut Trace, fs: &Fs) -> Done {
    t.put("empty", comes_back(fs, |_| Ok(()))?);
    t.put(
        "with files",
        comes_back(fs, |mount| {
            let d = mount.dir()?;
            d.file("f", &pattern(1, 5 * PAGE))?;
            d.mkdir("d")?;
            d.symlink("x".repeat(500), "d/l")?;
            Ok(())
        })?,
    );
    t.put(
        "with tmpfiles",
        comes_back(fs, |mount| {
            drop(mount.dir()?.tmpfile()?);
            Ok(())
        })?,
    );
    t.put(
        "after failures",
        comes_back(fs, |mount| {
            let d = mount.dir()?;
            d.create("f")?;
            let _ = d.mkdir("f");
            let _ = d.rename("none", "g");
            let _ = d.rmdir("f");
            let _ = mount.remount("size=x");
            Ok(())
        })?,
    );
    t.put(
        "after a look by all the ways",
        comes_back(fs, |mount| {
            let d = mount.dir()?;
            let file = d.file("f", &pattern(1, 5 * PAGE))?;
            d.list()?;
            d.mkdir("dir")?;
            d.sub("dir")?.list_once(24)?;
            Map::shared(&file, 5 * PAGE, 0)?.set(0, 1);
            let (read, write) = rustix::pipe::pipe()?;
            rustix::fs::sendfile(&write, &file, Some(&mut 0), PAGE)?;
            drop(read);
            Ok(())
        })?,
    );
    Ok(())
}

fn lazy_unmount(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=1m")?;
    let d = mount.dir()?;
    let file = d.file("f", &pattern(1, 2 * PAGE))?;
    mount.unmount_flags(MntFlags::MNT_DETACH)?;
    t.put("contents", file.all()?);
    t.put("write", file.pwrite(b"still here", 0));
    t.put("create", d.create("g").map(drop));
    t.put("rename", d.rename("f", "h"));
    t.put("names", d.names()?);
    t.put("space", d.space()?);
    drop(d);
    t.put("contents", file.pread(20, 0)?);
    Ok(())
}

fn busy(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let again = |mount: &Mount| nix::mount::umount(&mount.path).map_err(Errno::from);
    t.put("open directory", again(&mount));
    let file = d.file("f", b"x")?;
    drop(d);
    t.put("open file", again(&mount));
    let map = Map::shared(&file, PAGE, 0)?;
    drop(file);
    t.put("mapping", again(&mount));
    drop(map);
    let d = mount.dir()?;
    let file = d.read_only("f")?;
    d.unlink("f")?;
    drop(d);
    t.put("unlinked file", again(&mount));
    drop(file);
    t.put("nothing", mount.unmount());
    Ok(())
}

fn files_of_all_kinds(t: &mut Trace, fs: &Fs) -> Done {
    t.put(
        "given back",
        comes_back(fs, |mount| {
            let d = mount.dir()?;
            d.fifo("p")?;
            d.mknod("c", FileType::CharacterDevice, 0o600, (1, 3))?;
            d.mknod("s", FileType::Socket, 0o600, (0, 0))?;
            d.symlink("short", "l")?;
            d.create("f")?;
            d.link("f", "g")?;
            d.rename_flags("g", "h", RenameFlags::WHITEOUT)?;
            let gone = d.make("gone")?;
            d.rmdir("gone")?;
            drop(gone);
            let fifo = d.openat("p", OFlags::RDWR | OFlags::NONBLOCK, 0)?;
            fifo.write(b"left in it")?;
            Ok(())
        })?,
    );
    Ok(())
}

fn failed_mounts(t: &mut Trace, fs: &Fs) -> Done {
    let mut results = Vec::new();
    for options in ["size=x", "foo", "uid=x", "size=1m,foo"] {
        results.push(fs.mount(options).map(drop));
    }
    t.put("results", results);
    let context = fs.context()?;
    context.option("size=1m")?;
    context.create()?;
    drop(context);
    t.put("and then", comes_back(fs, |_| Ok(()))?);
    Ok(())
}

fn bind_mounts(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    d.mkdir("dir")?;
    d.file("dir/f", b"x")?;
    drop(d);
    let point = fs.point("bind");
    nix::mount::mount(
        Some(&mount.path.join("dir")),
        &point,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )?;
    t.put("through the bind mount", Dir::open(&point)?.contents("f")?);
    mount.unmount()?;
    t.put(
        "after unmount of the first",
        Dir::open(&point)?.contents("f")?,
    );
    t.put("create", Dir::open(&point)?.create("g").map(drop));
    nix::mount::umount(&point)?;
    Ok(())
}

fn unmount_with_pages(t: &mut Trace, fs: &Fs) -> Done {
    t.put(
        "given back",
        comes_back(fs, |mount| {
            let file = mount.dir()?.create("f")?;
            file.truncate(1 << 40)?;
            for shift in 12..40 {
                file.pwrite(b"x", 1 << shift)?;
            }
            let map = Map::shared(&file, 64 * PAGE, 0)?;
            (0..64).for_each(|page| map.set(page * PAGE, 1));
            Ok(())
        })?,
    );
    Ok(())
}

fn space_after_failures(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("nr_blocks=8,nr_inodes=8")?;
    let d = mount.dir()?;
    let before = d.space()?;
    for i in 0..20 {
        if let Ok(file) = d.create(format!("f{i}")) {
            let _ = file.write(&pattern(i, 3 * PAGE));
        }
        let _ = d.symlink("x".repeat(2000), format!("l{i}"));
        let _ = d.mkdir(format!("d{i}"));
    }
    for name in d.names()? {
        if d.unlink(&name).is_err() {
            d.rmdir(&name)?;
        }
    }
    t.put("as before", d.space()? == before);
    t.put("root", d.meta(".")?);
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn mapped_at_lazy_unmount(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let file = mount.dir()?.file("f", &pattern(1, 2 * PAGE))?;
    let map = Map::shared(&file, 4 * PAGE, 0)?;
    drop(file);
    mount.unmount_flags(MntFlags::MNT_DETACH)?;
    t.put("load", map.bytes(0, PAGE));
    map.set(PAGE, 7);
    t.put("store", map.get(PAGE));
    t.forked("beyond", |t| t.put("value", map.get(3 * PAGE)));
    drop(map);
    t.put("and then", comes_back(fs, |_| Ok(()))?);
    Ok(())
}

/// A mount goes with the last process of its namespace.
fn namespaces_that_go(t: &mut Trace, fs: &Fs) -> Done {
    t.forked("process", |t| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("unshare");
        let mount = fs.mount("").expect("mount");
        mount
            .dir()
            .and_then(|d| d.file("f", &pattern(1, PAGE)))
            .expect("file");
        t.text("shown", mount.options());
        std::mem::forget(mount);
    });
    t.put("and then", comes_back(fs, |_| Ok(()))?);
    Ok(())
}
