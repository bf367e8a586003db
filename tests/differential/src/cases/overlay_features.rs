//! What overlayfs does where it is asked to: metadata without data, an index, handles, and files that are open meanwhile.

use rustix::fs::FallocateFlags;

use crate::harness::fileattr::{self, APPEND, IMMUTABLE};
use crate::harness::handle::Handle;
use crate::harness::overlay::Overlay;
use crate::harness::prelude::*;

cases! {
    own => metadata_alone, hard_links, handles, large_files, without_space_for_a_copy, open_while_copied,
        volatile, mounted_again, files_of_the_upper_layer, protected_files, on_both_layers, inode_numbers, space;
}

const MIB: usize = 1 << 20;

fn fill(d: &Dir) -> Done {
    d.file("file", &pattern(1, 5 * PAGE))?;
    d.file("other", b"other")?;
    d.mkdir("dir")?;
    d.file("dir/a", b"a")?;
    d.link("other", "dir/linked")?;
    Ok(())
}

/// What a file has on the upper layer.
fn above(t: &mut Trace, label: &str, o: &Overlay, name: &str) -> Done {
    let Ok(file) = o.upper.read_only(name) else {
        t.put(label, "not above");
        return Ok(());
    };
    let meta = file.meta()?;
    t.put(
        label,
        (
            meta.size,
            meta.blocks,
            meta.nlink,
            file.extents()?,
            file.xattrs()?,
        ),
    );
    Ok(())
}

fn metadata_alone(t: &mut Trace, fs: &Fs) -> Done {
    for options in [
        ",metacopy=on,redirect_dir=on",
        ",metacopy=on,redirect_dir=on,index=on",
    ] {
        let o = Overlay::new(fs, options, fill)?;
        let d = &o.merged;
        t.put("chmod", d.chmod("file", 0o600));
        above(t, "after chmod", &o, "file")?;
        t.put("mark", o.upper.xattr("file", "trusted.overlay.metacopy"));
        t.put("contents", d.contents("file")?);
        t.put("rename", d.rename("file", "moved"));
        t.put(
            "redirect",
            o.upper.xattr("moved", "trusted.overlay.redirect"),
        );
        t.put("link", d.link("moved", "dir/again"));
        t.put("contents", d.contents("dir/again")?);
        above(t, "renamed", &o, "moved")?;
        t.put("attribute", d.set_xattr("moved", "user.a", b"1", 0));
        t.put("write", d.read_write("moved")?.pwrite(b"data", PAGE as u64));
        above(t, "written", &o, "moved")?;
        t.put("contents", (d.contents("moved")?, d.contents("dir/again")?));
        t.put("cut", d.truncate("dir/a", 0));
        above(t, "cut", &o, "dir/a")?;
        t.put("chown", d.chown("other", Some(5), Some(6)));
        t.put(
            "truncating open",
            d.openat("other", OFlags::WRONLY | OFlags::TRUNC, 0),
        );
        above(t, "truncating open", &o, "other")?;
        o.show(t)?;
        o.end(t)?;
    }
    Ok(())
}

/// The names in the index are handles: their number is what can be compared.
fn index(t: &mut Trace, label: &str, o: &Overlay) -> Done {
    let work = o.work()?;
    let index = work.sub("index")?;
    let mut kinds: Vec<_> = index
        .list()?
        .into_iter()
        .filter(|e| e.name != "." && e.name != "..")
        .map(|e| (e.name.len(), format!("{:?}", e.kind)))
        .collect();
    kinds.sort();
    t.put(format!("{label}: index"), kinds);
    t.put(
        format!("{label}: work"),
        (work.names()?, work.sub("work")?.names()?),
    );
    Ok(())
}

fn hard_links(t: &mut Trace, fs: &Fs) -> Done {
    for options in [",index=off", ",index=on"] {
        let o = Overlay::new(fs, options, fill)?;
        let d = &o.merged;
        t.put("write", d.read_write("other")?.pwrite(b"new", 0));
        t.put("both", (d.contents("other")?, d.contents("dir/linked")?));
        t.put(
            "links",
            (d.meta("other")?.nlink, d.meta("dir/linked")?.nlink),
        );
        t.put("the same", d.ino("other")? == d.ino("dir/linked")?);
        t.put("link", d.link("other", "third"));
        t.put("write", d.read_write("dir/linked")?.pwrite(b"again", 0));
        t.put(
            "all",
            (
                d.contents("other")?,
                d.contents("dir/linked")?,
                d.contents("third")?,
            ),
        );
        t.put("unlink", d.unlink("other"));
        t.put(
            "links",
            (d.meta("third")?.nlink, d.meta("dir/linked")?.nlink),
        );
        t.put("rename", d.rename("third", "dir/third"));
        t.put("unlink", (d.unlink("dir/third"), d.unlink("dir/linked")));
        if options.ends_with("on") {
            index(t, "in the end", &o)?;
        }
        o.show(t)?;
        o.end(t)?;
    }
    Ok(())
}

/// Handles of the overlay, which hold over copying up and mounting anew.
fn handles(t: &mut Trace, fs: &Fs) -> Done {
    let mut o = Overlay::new(fs, ",index=on,nfs_export=on", fill)?;
    let names = ["file", "dir", "dir/a", "new"];
    o.merged.file("new", b"new")?;
    let mut known = Vec::new();
    for name in names {
        known.push(Handle::of(&o.merged, name)?);
    }
    let look = |t: &mut Trace, label: &str, o: &Overlay| {
        for (name, handle) in names.iter().zip(&known) {
            let opened = handle.open(&o.merged, OFlags::RDONLY);
            t.put(
                format!("{label}: {name}"),
                opened.and_then(|f| f.meta()).map(|m| (m.mode, m.nlink)),
            );
        }
    };
    look(t, "at first", &o);
    o.merged.read_write("file")?.pwrite(b"up", 0)?;
    o.merged.chmod("dir", 0o700)?;
    look(t, "copied up", &o);
    t.put(
        "the same handle",
        Handle::of(&o.merged, "file")? == known[0],
    );
    o.merged.rename("file", "moved")?;
    o.merged.unlink("dir/a")?;
    look(t, "moved", &o);
    index(t, "moved", &o)?;
    t.put("again", o.again());
    look(t, "again", &o);
    o.show(t)?;
    o.end(t)
}

fn large(d: &Dir) -> Done {
    let file = d.create("large")?;
    file.pwrite(&pattern(1, MIB), 0)?;
    file.pwrite(&pattern(2, MIB), 3 * MIB as u64)?;
    file.truncate(5 * MIB as u64)?;
    d.create("hole")?.truncate(1 << 30)?;
    d.file("dense", &pattern(3, 2 * MIB))?;
    Ok(())
}

/// A copy has the data and the holes.
fn large_files(t: &mut Trace, fs: &Fs) -> Done {
    for mount_options in ["", "huge=always"] {
        let o = Overlay::limited(fs, mount_options, "", large)?;
        for name in ["large", "hole", "dense"] {
            let before = o.lower.read_only(name)?;
            t.put(name, o.merged.read_write(name)?.pwrite(b"up", 10));
            let after = o.upper.read_only(name)?;
            t.put("size", after.size()?);
            if mount_options.is_empty() {
                t.put("blocks", after.blocks()?);
                t.put("extents", after.extents()?);
            }
            let len = before.size()?.min(5 * MIB as u64) as usize;
            let mut expected = before.pread(len, 0)?;
            expected.0[10..12].copy_from_slice(b"up");
            t.put("the same", after.pread(len, 0)? == expected);
        }
        t.put("work", o.work()?.sub("work")?.names()?);
        o.end(t)?;
    }
    Ok(())
}

fn without_space_for_a_copy(t: &mut Trace, fs: &Fs) -> Done {
    let o = Overlay::limited(fs, "size=1m", "", large)?;
    let free = o.upper.space()?.free;
    for name in ["dense", "large", "hole"] {
        t.put(name, o.merged.read_write(name).map(drop));
        above(t, name, &o, name)?;
    }
    t.put("used", free - o.upper.space()?.free);
    t.put("work", o.work()?.sub("work")?.names()?);
    let file = o.merged.file("new", &pattern(1, PAGE))?;
    t.put("fill", file.pwrite(&vec![1; 2 * MIB], PAGE as u64));
    t.put("none left", o.merged.space()?.free);
    t.put(
        "set an attribute",
        o.merged.set_xattr("new", "user.a", &[1; 1000], 0),
    );
    t.put("chmod of a file below", o.merged.chmod("dense", 0o600));
    t.put("unlink of a file below", o.merged.unlink("dense"));
    t.put("map", {
        let map = Map::shared(&file, MIB, 0)?;
        map.set(0, b'm');
        file.pread(2, 0)?
    });
    drop(file);
    o.show(t)?;
    o.end(t)
}

/// Who has a file open or mapped for reading when it is copied up goes on with the old one.
fn open_while_copied(t: &mut Trace, fs: &Fs) -> Done {
    let o = Overlay::new(fs, "", fill)?;
    let d = &o.merged;
    let old = d.read_only("file")?;
    let map = Map::read_only(&old, PAGE, 0)?;
    t.put("before", (old.pread(4, 0)?, map.bytes(0, 4)));
    let new = d.read_write("file")?;
    new.pwrite(b"new!", 0)?;
    t.put("by the old descriptor", old.pread(4, 0)?);
    t.put("by the mapping", map.bytes(0, 4));
    t.put("by name", d.read_only("file")?.pread(4, 0)?);
    let shared = Map::shared(&new, 5 * PAGE, 0)?;
    shared.set(PAGE, b'm');
    t.put("stored", new.pread(2, PAGE as u64)?);
    t.put("above", o.upper.read_only("file")?.pread(2, PAGE as u64)?);
    t.put("sync", shared.sync());
    new.truncate(PAGE as u64)?;
    t.forked("load beyond the end", |t| {
        t.put("value", shared.get(2 * PAGE))
    });
    d.unlink("file")?;
    t.put(
        "unlinked",
        (new.pread(4, 0)?, shared.get(0), old.pread(4, 0)?),
    );
    drop((old, map, new, shared));
    o.show(t)?;
    o.end(t)
}

/// Nothing is synced, and a second mount is refused for it.
fn volatile(t: &mut Trace, fs: &Fs) -> Done {
    let mut o = Overlay::new(fs, ",volatile", fill)?;
    let file = o.merged.read_write("file")?;
    t.put("write", file.pwrite(b"x", 0));
    t.put("sync", rustix::fs::fsync(&file).map_err(Errno::from));
    t.put(
        "sync of all",
        rustix::fs::syncfs(&o.merged).map_err(Errno::from),
    );
    drop(file);
    t.put(
        "work",
        (o.work()?.names()?, o.work()?.sub("work")?.names()?),
    );
    t.put("again", o.again());
    let work = o.work()?.sub("work")?;
    t.put("left", work.sub("incompat")?.names()?);
    work.unlink("incompat/volatile/dirty")?;
    work.rmdir("incompat/volatile")?;
    work.rmdir("incompat")?;
    drop(work);
    // The mount of the first time is gone.
    let kind = Some("overlay");
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(kind, &o.point, Some("tmpfs"), flags, None::<&str>)?;
    o.merged = Dir::open(&o.point)?;
    t.put("cleaned", o.again());
    t.put("contents", o.merged.read_only("file")?.pread(2, 0)?);
    o.end(t)
}

fn mounted_again(t: &mut Trace, fs: &Fs) -> Done {
    for options in ["", ",index=on,redirect_dir=on,metacopy=on", ",userxattr"] {
        let mut o = Overlay::new(fs, options, fill)?;
        let d = &o.merged;
        d.unlink("file")?;
        d.read_write("other")?.pwrite(b"x", 0)?;
        let _ = d.rename("dir", "moved");
        d.mkdir("new")?;
        d.file("new/file", b"new")?;
        t.put("again", o.again());
        t.put("gone", o.merged.contents("file"));
        t.put("changed", o.merged.contents("other")?);
        t.put("made", o.merged.contents("new/file")?);
        o.show(t)?;
        o.end(t)?;
    }
    Ok(())
}

/// All that a file of the upper layer can do, through the overlay.
fn files_of_the_upper_layer(t: &mut Trace, fs: &Fs) -> Done {
    let o = Overlay::new(fs, "", fill)?;
    let d = &o.merged;
    let file = d.openat("new", OFlags::CREATE | OFlags::RDWR | OFlags::DIRECT, 0o644);
    t.put("direct", file.as_ref().map(drop));
    drop(file);
    let file = d.read_write("new")?;
    t.put("write", file.pwrite(&pattern(1, 4 * PAGE), 0));
    for (label, flags, at, len) in [
        ("preallocate", FallocateFlags::empty(), 6 * PAGE, PAGE),
        ("keep size", FallocateFlags::KEEP_SIZE, 10 * PAGE, PAGE),
        (
            "punch",
            FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            PAGE,
            2 * PAGE,
        ),
        ("zero", FallocateFlags::ZERO_RANGE, 0, PAGE),
    ] {
        let done = rustix::fs::fallocate(&file, flags, at as u64, len as u64);
        t.put(label, done.map_err(Errno::from));
        t.counts(label, d, &file)?;
    }
    let copy = d.create("copy")?;
    let mut from = 0;
    let sent = rustix::fs::sendfile(&copy, &file, Some(&mut from), 3 * PAGE);
    t.put("sendfile", sent.map_err(Errno::from));
    let (mut from, mut to) = (0, 4 * PAGE as u64);
    let copied = rustix::fs::copy_file_range(&file, Some(&mut from), &copy, Some(&mut to), PAGE);
    t.put("copy_file_range", copied.map_err(Errno::from));
    // From the lower layer to the upper one.
    let lower = d.read_only("file")?;
    let (mut from, mut to) = (0, 0);
    let copied =
        rustix::fs::copy_file_range(&lower, Some(&mut from), &copy, Some(&mut to), 5 * PAGE);
    t.put("copy from below", copied.map_err(Errno::from));
    t.put("copy", copy.all()?);
    t.put("sync", rustix::fs::fsync(&copy).map_err(Errno::from));
    let many = (0..50).map(|i| d.create(format!("dir/f{i}")).map(drop));
    t.put("many", many.filter(|r| r.is_ok()).count());
    t.put("listed", d.sub("dir")?.names()?.len());
    let unnamed = d.tmpfile()?;
    t.put(
        "unnamed",
        (unnamed.write(b"x"), d.link_fd(&unnamed, "dir/named")),
    );
    t.put(
        "attribute",
        d.set_xattr("dir/named", "user.large", &[7; 20_000], 0),
    );
    t.put("it is above", o.upper.xattr("dir/named", "user.large"));
    drop((file, copy, lower, unnamed));
    o.end(t)
}

/// Flags of chattr are kept as an attribute of overlayfs, and on the file where it has them.
fn protected_files(t: &mut Trace, fs: &Fs) -> Done {
    let o = Overlay::new(fs, "", fill)?;
    let d = &o.merged;
    d.file("new", b"new")?;
    for name in ["file", "new", "dir"] {
        for flags in [APPEND, IMMUTABLE, IMMUTABLE | APPEND, 0] {
            let file = d.read_only(name)?;
            t.put(
                format!("{name} {flags:#x}"),
                fileattr::set_flags(&file, flags),
            );
            t.put("of it", fileattr::flags(&file));
            if let Ok(file) = o.upper.read_only(name) {
                t.put("above", (fileattr::flags(&file), file.xattrs()?));
                t.put("noted", file.xattr("trusted.overlay.protattr"));
            }
            t.put("write", d.read_write(name).and_then(|f| f.pwrite(b"x", 0)));
            t.put("chmod", d.chmod(name, 0o755));
            t.put(
                "rename",
                d.rename(name, "x").and_then(|()| d.rename("x", name)),
            );
        }
    }
    o.show(t)?;
    o.end(t)
}

/// Both layers are of the type under test.
fn on_both_layers(t: &mut Trace, fs: &Fs) -> Done {
    for options in ["", ",index=on,nfs_export=on", ",xino=on,redirect_dir=on"] {
        let o = Overlay::over(fs, &fs.kind, "", options, fill)?;
        let d = &o.merged;
        t.put("write", d.read_write("file")?.pwrite(b"x", 1));
        t.put(
            "handle",
            Handle::of(d, "other").map(|h| h.open(d, OFlags::RDONLY)),
        );
        t.put("rename", d.rename("dir", "moved"));
        t.put("unlink", d.unlink("other"));
        t.put("whiteout", o.upper.meta("other").map(|m| (m.mode, m.rdev)));
        t.put("below", o.lower.contents("file")?);
        o.show(t)?;
        o.end(t)?;
    }
    Ok(())
}

/// Numbers must not change when a file is copied up.
fn inode_numbers(t: &mut Trace, fs: &Fs) -> Done {
    for options in [",xino=off", ",xino=on", ",xino=auto"] {
        for mount_options in ["inode64", "inode32"] {
            let o = Overlay::limited(fs, mount_options, options, fill)?;
            let d = &o.merged;
            let names = ["file", "dir", "dir/a", "other"];
            let before = names.map(|name| d.ino(name));
            d.chmod("file", 0o600)?;
            d.chmod("dir", 0o700)?;
            d.chmod("dir/a", 0o600)?;
            d.create("new")?;
            t.put(
                format!("{mount_options}{options} the same"),
                before == names.map(|name| d.ino(name)),
            );
            let listed = d
                .list()?
                .into_iter()
                .filter(|e| names.contains(&e.name.as_str()));
            let agree = listed.map(|e| (d.ino(&e.name) == Ok(e.ino), e.name));
            let mut agree: Vec<_> = agree.collect();
            agree.sort();
            t.put("as listed", agree);
            o.end(t)?;
        }
    }
    Ok(())
}

/// statfs of the overlay is that of the upper layer.
fn space(t: &mut Trace, fs: &Fs) -> Done {
    let o = Overlay::limited(fs, "size=1m,nr_inodes=50", "", fill)?;
    t.put("at first", (o.merged.space()?, o.upper.space()?));
    o.merged.read_write("file")?.pwrite(b"x", 0)?;
    o.merged.unlink("other")?;
    t.put("changed", (o.merged.space()?, o.upper.space()?));
    let stat = rustix::fs::fstatfs(&o.merged)?;
    t.put("type", (stat.f_type, stat.f_bsize, stat.f_namelen));
    o.end(t)
}
