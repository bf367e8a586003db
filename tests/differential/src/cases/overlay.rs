//! overlayfs with the type under test as its upper and work directory.
//!
//! What is below is on tmpfs in either case, so that all differences are those of the upper one.

use crate::harness::overlay::Overlay;
use crate::harness::prelude::*;
use crate::harness::xattr::{ACCESS, DEFAULT};

cases! {
    own => merged, whiteouts_and_opaque_directories, copied_up, renames, unnamed_files, attributes,
        user_attributes_alone, without_space;
}

const FULL: &str = "u::rwx u:10:rwx g::r-x g:20:rw- m::rwx o::r--";

fn fill(d: &Dir) -> Done {
    d.file("file", &pattern(1, 5000))?;
    d.file("other", b"other")?;
    d.mkdir("dir")?;
    d.file("dir/a", b"a")?;
    d.file("dir/b", b"b")?;
    d.mkdir("dir/sub")?;
    d.file("dir/sub/c", b"c")?;
    d.symlink("file", "link")?;
    d.fifo("fifo")?;
    Ok(())
}

fn merged(t: &mut Trace, fs: &Fs) -> Done {
    let o = Overlay::new(fs, "", fill)?;
    o.show(t)?;
    let d = &o.merged;
    d.file("new", b"new")?;
    d.mkdir("made")?;
    d.file("dir/new", b"n")?;
    d.symlink("x", "made/link")?;
    d.fifo("made/fifo")?;
    t.put("contents", (d.contents("file")?, d.contents("dir/new")?));
    o.show(t)?;
    o.end(t)
}

fn whiteouts_and_opaque_directories(t: &mut Trace, fs: &Fs) -> Done {
    let o = Overlay::new(fs, "", fill)?;
    let d = &o.merged;
    t.put("unlink", d.unlink("file"));
    t.put("unlink in a directory", d.unlink("dir/a"));
    t.put("gone", d.contents("file"));
    t.put("not empty", d.rmdir("dir"));
    d.unlink("dir/b")?;
    d.unlink("dir/sub/c")?;
    t.put("rmdir", d.rmdir("dir/sub"));
    t.put("rmdir", d.rmdir("dir"));
    t.put("mkdir", d.mkdir("dir"));
    t.put("empty", d.sub("dir")?.names());
    t.put("create over a whiteout", d.file("file", b"again").map(drop));
    o.show(t)?;
    t.put("opaque", o.upper.xattr("dir", "trusted.overlay.opaque"));
    o.end(t)
}

fn copied_up(t: &mut Trace, fs: &Fs) -> Done {
    let o = Overlay::new(fs, ",metacopy=off", |d| {
        fill(d)?;
        d.set_xattr("file", "user.kept", b"1", 0)?;
        d.set_acl("file", ACCESS, FULL)?;
        d.set_acl("dir", DEFAULT, FULL)?;
        Ok(())
    })?;
    let d = &o.merged;
    let file = d.read_write("file")?;
    file.pwrite(b"changed", 4096)?;
    let mut expected = pattern(1, 5000);
    expected[4096..4103].copy_from_slice(b"changed");
    t.put("contents", d.contents("file")?.0 == expected);
    t.put("in the upper one", o.upper.contents("file")?.0 == expected);
    t.put(
        "kept",
        (
            o.upper.xattr("file", "user.kept"),
            o.upper.acl("file", ACCESS),
        ),
    );
    d.chmod("other", 0o600)?;
    d.truncate("dir/a", 100)?;
    d.create("dir/inherits")?;
    t.put(
        "inherited",
        (d.acl("dir/inherits", ACCESS), o.upper.acl("dir", DEFAULT)),
    );
    d.chown("link", Some(10), None)?;
    drop(file);
    o.show(t)?;
    o.end(t)
}

fn renames(t: &mut Trace, fs: &Fs) -> Done {
    for options in [",redirect_dir=on", ",redirect_dir=off"] {
        let o = Overlay::new(fs, options, fill)?;
        let d = &o.merged;
        t.put("file", d.rename("file", "renamed"));
        t.put("back", d.rename("renamed", "file"));
        t.put("over", d.rename("other", "file"));
        t.put("to another directory", d.rename("file", "dir/file"));
        t.put("directory", d.rename("dir", "moved"));
        d.mkdir("new")?;
        t.put("new directory", d.rename("new", "newer"));
        d.create("x")?;
        t.put(
            "exchange",
            d.rename_flags("x", "newer", RenameFlags::EXCHANGE),
        );
        t.put("whiteout", d.rename_flags("x", "y", RenameFlags::WHITEOUT));
        t.put(
            "no replace",
            d.rename_flags("y", "newer", RenameFlags::NOREPLACE),
        );
        o.show(t)?;
        o.end(t)?;
    }
    Ok(())
}

fn unnamed_files(t: &mut Trace, fs: &Fs) -> Done {
    let o = Overlay::new(fs, "", fill)?;
    let d = &o.merged;
    let file = d.tmpfile()?;
    t.put("write", file.write(b"unnamed"));
    t.put("set", file.set_xattr("user.a", b"1", 0));
    t.put("link", d.link_fd(&file, "named"));
    t.put("contents", d.contents("named"));
    let gone = d.read_write("file")?;
    t.put("write", gone.pwrite(b"x", 0));
    d.unlink("file")?;
    t.put("unlinked", gone.pread(3, 0));
    drop((file, gone));
    o.show(t)?;
    o.end(t)
}

fn attributes(t: &mut Trace, fs: &Fs) -> Done {
    let o = Overlay::new(fs, "", fill)?;
    let d = &o.merged;
    for name in [
        "user.a",
        "trusted.a",
        "security.a",
        "trusted.overlay.opaque",
    ] {
        t.put(format!("{name} set"), d.set_xattr("dir", name, b"y", 0));
        t.put(format!("{name} get"), d.xattr("dir", name));
    }
    t.put("list", d.xattrs("dir"));
    t.put("acl", d.set_acl("dir", DEFAULT, FULL));
    t.put("remove", d.remove_xattr("dir", "user.a"));
    t.put("list", d.xattrs("dir"));
    o.show(t)?;
    o.end(t)
}

/// As in a container: what overlayfs notes goes into user.overlay.*.
fn user_attributes_alone(t: &mut Trace, fs: &Fs) -> Done {
    let o = Overlay::new(fs, ",userxattr", fill)?;
    let d = &o.merged;
    d.unlink("file")?;
    d.unlink("dir/a")?;
    d.unlink("dir/b")?;
    d.unlink("dir/sub/c")?;
    d.rmdir("dir/sub")?;
    d.rmdir("dir")?;
    d.mkdir("dir")?;
    d.create("dir/new")?;
    o.show(t)?;
    t.put("opaque", o.upper.xattr("dir", "user.overlay.opaque"));
    o.end(t)
}

/// Where the limit of inodes leaves nothing for the attributes that overlayfs needs.
fn without_space(t: &mut Trace, fs: &Fs) -> Done {
    let o = Overlay::limited(fs, "nr_inodes=12", "", fill)?;
    let d = &o.merged;
    d.unlink("other")?;
    for i in 0.. {
        let made = d.create(format!("f{i}")).map(drop);
        t.put(format!("create {i}"), made);
        if made.is_err() {
            break;
        }
    }
    t.put("space", o.upper.space()?);
    t.put("copy up", d.chmod("file", 0o600));
    t.put("set", d.set_xattr("f0", "user.a", &[0; 2000], 0));
    t.put("mkdir over a whiteout", d.mkdir("other"));
    t.put("unlink", d.unlink("dir/a"));
    d.unlink("f0")?;
    t.put("mkdir over a whiteout", d.mkdir("other"));
    t.put("space", o.upper.space()?);
    o.show(t)?;
    o.end(t)
}
