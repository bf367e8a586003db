//! File handles: which files have them, how long they hold.

use crate::harness::handle::Handle;
use crate::harness::prelude::*;
use crate::harness::sys::link_of;

cases! {
    "" => each_kind, found_again, layout, too_little_room, flags_of_encoding, stale, open_and_unlinked,
        damaged, directories, moved_and_linked, privileges, many, at_once;
    own => survives_drop_of_caches, other_mounts, small_inode_numbers, stays_when_hidden;
}

const HANDLE_FID: i32 = 0x200;
const HANDLE_CONNECTABLE: i32 = 2;
const HANDLE_MNT_ID_UNIQUE: i32 = 1;

fn make_all(d: &Dir) -> Res<Vec<&'static str>> {
    d.file("file", b"text")?;
    d.mkdir("dir")?;
    d.fifo("fifo")?;
    d.symlink("target", "short")?;
    d.symlink("long/".repeat(200), "long")?;
    d.mknod("null", FileType::CharacterDevice, 0o600, (1, 3))?;
    Ok(vec![".", "file", "dir", "fifo", "short", "long", "null"])
}

fn each_kind(t: &mut Trace, d: &Dir) -> Done {
    for name in make_all(d)? {
        let handle = Handle::of(d, name);
        let shape = handle.as_ref().map(|h| (h.bytes, h.kind));
        t.put(name, shape);
        let handle = handle?;
        t.put("path", handle.open(d, OFlags::PATH).and_then(|f| f.meta()));
        t.put("again", Handle::of(d, name)? == handle);
        t.put(
            "read",
            handle.open(d, OFlags::RDONLY | OFlags::NONBLOCK).map(drop),
        );
        t.put(
            "write",
            handle.open(d, OFlags::RDWR | OFlags::NONBLOCK).map(drop),
        );
    }
    Ok(())
}

fn found_again(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", b"text")?;
    let handle = Handle::of(d, "f")?;
    let file = handle.open(d, OFlags::RDWR)?;
    t.put("contents", file.all());
    t.put("write", file.pwrite(b"more", 4));
    t.put("by name", d.contents("f"));
    t.put("same file", Handle::of(d, "f")? == handle);
    d.create("g")?;
    t.put("another file", Handle::of(d, "g")? == handle);
    let link = std::fs::read_link(link_of(&file));
    let name = link
        .ok()
        .and_then(|l| Some(l.file_name()?.to_string_lossy().into_owned()));
    t.put("name", name);
    Ok(())
}

/// Generation, then the two halves of the inode number.
fn layout(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    d.create("g")?;
    let (f, g) = (Handle::of(d, "f")?.words(), Handle::of(d, "g")?.words());
    let ino = d.ino("f")?;
    t.put("words", f.len());
    t.put("number", (f[1] == ino as u32, f[2] == (ino >> 32) as u32));
    t.put("generations differ", f[0] != g[0]);
    t.put("root", Handle::of(d, ".")?.words()[1]);
    Ok(())
}

fn too_little_room(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    for bytes in [0, 1, 4, 8, 11, 12, 13, 16, 128, 129, u32::MAX] {
        let mut handle = Handle::new(bytes);
        let done = handle.fill(d, "f", 0);
        t.put(bytes, (done, handle.bytes, handle.kind));
    }
    Ok(())
}

fn flags_of_encoding(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", b"x")?;
    d.mkdir("dir")?;
    for name in ["f", "dir"] {
        for flags in [
            HANDLE_FID,
            HANDLE_CONNECTABLE,
            HANDLE_MNT_ID_UNIQUE,
            HANDLE_FID | HANDLE_CONNECTABLE,
            0x4000,
        ] {
            let mut handle = Handle::new(128);
            let done = handle.fill(d, name, flags);
            let opened = handle.open(d, OFlags::PATH).map(drop);
            t.put(
                format!("{name} {flags:#x}"),
                (done, handle.bytes, handle.kind, opened),
            );
        }
    }
    Ok(())
}

fn stale(t: &mut Trace, d: &Dir) -> Done {
    for name in make_all(d)?.into_iter().skip(1) {
        let handle = Handle::of(d, name)?;
        d.unlink(name).or_else(|_| d.rmdir(name))?;
        t.put(name, handle.open(d, OFlags::PATH).map(drop));
        d.create(name)?;
        t.put(
            "with a new file of the name",
            handle.open(d, OFlags::PATH).map(drop),
        );
    }
    Ok(())
}

fn open_and_unlinked(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", b"text")?;
    let handle = Handle::of(d, "f")?;
    d.unlink("f")?;
    t.put(
        "while open",
        handle.open(d, OFlags::RDWR).and_then(|f| f.all()),
    );
    let other = handle.open(d, OFlags::RDONLY)?;
    drop(file);
    t.put(
        "while open by handle",
        handle.open(d, OFlags::RDONLY).and_then(|f| f.all()),
    );
    drop(other);
    t.put("when closed", handle.open(d, OFlags::RDONLY).map(drop));

    let unnamed = d.tmpfile()?;
    let mut handle = Handle::new(128);
    t.put(
        "without a name",
        handle.fill(&unnamed, "", libc::AT_EMPTY_PATH),
    );
    t.put(
        "open",
        handle.open(d, OFlags::RDONLY).and_then(|f| f.meta()),
    );
    d.link_fd(&unnamed, "named")?;
    t.put("same", Handle::of(d, "named")? == handle);
    drop(unnamed);
    t.put(
        "named",
        handle.open(d, OFlags::RDONLY).and_then(|f| f.meta()),
    );

    let sub = d.make("dir")?;
    let handle = Handle::of(d, "dir")?;
    d.rmdir("dir")?;
    t.put(
        "removed directory",
        handle.open(d, OFlags::RDONLY).and_then(|f| f.meta()),
    );
    drop(sub);
    t.put("and closed", handle.open(d, OFlags::RDONLY).map(drop));
    Ok(())
}

fn damaged(t: &mut Trace, d: &Dir) -> Done {
    d.create("f")?;
    let good = Handle::of(d, "f")?;
    for at in 0..3 {
        let mut handle = good;
        handle.set_word(at, good.words()[at].wrapping_add(1));
        t.put(format!("word {at}"), handle.open(d, OFlags::PATH).map(drop));
    }
    for bytes in [0, 4, 8, 11, 12, 13, 16, 128, 129] {
        let handle = Handle { bytes, ..good };
        t.put(
            format!("{bytes} bytes"),
            handle.open(d, OFlags::PATH).map(drop),
        );
    }
    for kind in [-1, 0, 1, 2, 3, 0x81, 255, 256, 0x10001] {
        let handle = Handle { kind, ..good };
        t.put(
            format!("type {kind}"),
            handle.open(d, OFlags::PATH).map(drop),
        );
    }
    Ok(())
}

fn directories(t: &mut Trace, d: &Dir) -> Done {
    let mut sub = d.make("a")?;
    for name in ["b", "c", "d"] {
        sub = sub.make(name)?;
    }
    sub.file("f", b"x")?;
    let (dir, file) = (Handle::of(&sub, ".")?, Handle::of(&sub, "f")?);
    drop(sub);
    let found = dir.open(d, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let path = std::fs::read_link(link_of(&found))?;
    t.put("path", path.iter().rev().take(4).collect::<Vec<_>>());
    t.put("file", file.open(d, OFlags::RDONLY).and_then(|f| f.all()));
    t.put(
        "as a directory",
        file.open(d, OFlags::RDONLY | OFlags::DIRECTORY).map(drop),
    );
    t.put("directory to write", dir.open(d, OFlags::RDWR).map(drop));
    Ok(())
}

fn moved_and_linked(t: &mut Trace, d: &Dir) -> Done {
    let sub = d.make("dir")?;
    d.file("f", b"text")?;
    let handle = Handle::of(d, "f")?;
    d.link_to("f", &sub, "g")?;
    d.rename_to("f", &sub, "h")?;
    t.put(
        "moved",
        handle.open(d, OFlags::RDONLY).and_then(|f| f.meta()),
    );
    t.put(
        "same",
        (
            Handle::of(&sub, "g")? == handle,
            Handle::of(&sub, "h")? == handle,
        ),
    );
    sub.unlink("h")?;
    t.put(
        "one name less",
        handle.open(d, OFlags::RDONLY).and_then(|f| f.meta()),
    );
    sub.unlink("g")?;
    t.put("none", handle.open(d, OFlags::RDONLY).map(drop));
    Ok(())
}

fn privileges(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", b"x")?;
    d.chmod("f", 0o600)?;
    let handle = Handle::of(d, "f")?;
    let user = User::run(1000, 1000, || {
        let own = Handle::of(d, "f").map(|h| h == handle);
        (
            own,
            handle.open(d, OFlags::PATH).map(drop),
            handle.open(d, OFlags::RDONLY).map(drop),
        )
    });
    t.put("as a user", user);
    Ok(())
}

fn many(t: &mut Trace, d: &Dir) -> Done {
    const FILES: usize = 500;
    let mut handles = Vec::new();
    for i in 0..FILES {
        d.file(&format!("f{i}"), &[i as u8])?;
        handles.push(Handle::of(d, format!("f{i}"))?);
    }
    let mut right = 0;
    for (i, handle) in handles.iter().enumerate() {
        if i % 3 == 0 {
            d.unlink(format!("f{i}"))?;
            right += usize::from(handle.open(d, OFlags::RDONLY).err() == Some(Errno(libc::ESTALE)));
        } else {
            right += usize::from(handle.open(d, OFlags::RDONLY)?.all()?.0 == [i as u8]);
        }
    }
    t.put("right", right);
    Ok(())
}

/// The first handle of a file, asked for by several tasks: all must get the same.
fn at_once(t: &mut Trace, d: &Dir) -> Done {
    const ROUNDS: usize = 50;
    for i in 0..ROUNDS {
        d.create(format!("f{i}"))?;
    }
    let ask = || -> Res<Vec<Handle>> {
        (0..ROUNDS)
            .map(|i| Handle::of(d, format!("f{i}")))
            .collect()
    };
    let asked: Vec<Res<Vec<Handle>>> = std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        tasks
            .into_iter()
            .map(|task| task.join().expect("no panic"))
            .collect()
    });
    let first = ask()?;
    let same = asked
        .into_iter()
        .collect::<Res<Vec<_>>>()?
        .iter()
        .all(|a| *a == first);
    t.put("all the same", same);
    t.put(
        "found",
        first.iter().all(|h| h.open(d, OFlags::PATH).is_ok()),
    );
    Ok(())
}

fn survives_drop_of_caches(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let sub = d.make("dir")?;
    sub.file("f", b"text")?;
    let handles = [Handle::of(&d, "dir")?, Handle::of(&sub, "f")?];
    drop(sub);
    std::fs::write("/proc/sys/vm/drop_caches", "2").context("drop_caches")?;
    for handle in &handles {
        t.put(
            "found",
            handle.open(&d, OFlags::RDONLY).and_then(|f| f.meta()),
        );
    }
    t.put(
        "contents",
        handles[1].open(&d, OFlags::RDONLY).and_then(|f| f.all()),
    );
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn other_mounts(t: &mut Trace, fs: &Fs) -> Done {
    let (one, two) = (
        fs.mount_at("one", "", nix::mount::MsFlags::empty())?,
        fs.mount_at("two", "", nix::mount::MsFlags::empty())?,
    );
    let (d, e) = (one.dir()?, two.dir()?);
    d.create("f")?;
    e.create("f")?;
    let (f, g) = (Handle::of(&d, "f")?, Handle::of(&e, "f")?);
    t.put("same number", (d.ino("f")? == e.ino("f")?, f == g));
    t.put(
        "in the other mount",
        (
            f.open(&e, OFlags::PATH).map(drop),
            g.open(&d, OFlags::PATH).map(drop),
        ),
    );
    let root = Handle::of(&d, ".")?;
    t.put(
        "root in the other mount",
        root.open(&e, OFlags::PATH).map(drop),
    );
    drop((d, e));
    one.unmount()?;
    two.unmount()?;
    Ok(())
}

fn small_inode_numbers(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("inode32")?;
    let d = mount.dir()?;
    d.create("f")?;
    let handle = Handle::of(&d, "f")?;
    t.put("high word", (handle.bytes, handle.words()[2]));
    t.put("found", handle.open(&d, OFlags::RDONLY).map(drop));
    drop(d);
    mount.unmount()?;
    Ok(())
}

/// A handle is of the file system, whatever a mount shows of it.
fn stays_when_hidden(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    d.make("dir")?.file("f", b"text")?;
    d.file("g", b"other")?;
    let handle = Handle::of(&d, "g")?;
    let bind = fs.point("bind");
    let from = mount.path.join("dir");
    nix::mount::mount(
        Some(&from),
        &bind,
        None::<&str>,
        nix::mount::MsFlags::MS_BIND,
        None::<&str>,
    )?;
    let inside = Dir::open(&bind)?;
    t.put(
        "by a mount of another folder",
        handle.open(&inside, OFlags::RDONLY).and_then(|f| f.all()),
    );
    drop((d, inside));
    nix::mount::umount2(&bind, nix::mount::MntFlags::empty())?;
    mount.unmount()?;
    Ok(())
}
