//! tar with attributes and ACLs: what comes out is what went in.

use crate::harness::prelude::*;
use crate::harness::process::program;
use crate::harness::xattr::{ACCESS, DEFAULT};

cases! {
    own => tar_keeps_all;
}

const FULL: &str = "u::rwx u:10:rwx g::r-x g:20:rw- m::rwx o::r--";

fn fill(d: &Dir) -> Done {
    d.file("file", &pattern(1, 10_000))?;
    d.set_xattr("file", "user.a", b"value", 0)?;
    d.set_xattr("file", "user.binary", &pattern(2, 300), 0)?;
    d.set_xattr("file", "trusted.t", b"for root", 0)?;
    d.set_xattr("file", "security.s", b"label", 0)?;
    d.set_acl("file", ACCESS, FULL)?;
    d.mkdir_mode("dir", 0o2750)?;
    d.set_acl("dir", DEFAULT, FULL)?;
    d.set_acl("dir", ACCESS, "u::rwx u:11:--x g::r-x m::r-x o::---")?;
    d.set_xattr("dir", "user.d", b"", 0)?;
    d.create("dir/inherits")?;
    d.mkdir("dir/sub")?;
    d.symlink("../file", "dir/link")?;
    d.fifo("dir/fifo")?;
    d.set_xattr("dir/link", "trusted.l", b"on a link", 0)?;
    d.link("file", "dir/hard")?;
    d.file("sparse", b"")?.truncate(1 << 20)?;
    d.chown("sparse", Some(10), Some(20))?;
    Ok(())
}

fn all(d: &Dir, path: &str, found: &mut Vec<String>) -> Done {
    for name in d.names()? {
        let meta = d.meta(&name)?;
        let mut xattrs = d.all_xattrs(&name)?;
        xattrs.sort_by(|a, b| a.0.cmp(&b.0));
        let directory = meta.mode & 0o170000 == 0o040000;
        let size = if directory { 0 } else { meta.size };
        found.push(format!(
            "{path}{name} {:o} {}:{} {} {size} {xattrs:?}",
            meta.mode, meta.uid, meta.gid, meta.nlink
        ));
        if directory {
            all(&d.sub(&name)?, &format!("{path}{name}/"), found)?;
        }
    }
    Ok(())
}

fn tar_keeps_all(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let source = d.make("source")?;
    fill(&source)?;
    let copy = d.make("copy")?;
    let path = |name: &str| mount.path.join(name).display().to_string();
    let (archive, from, to) = (path("archive.tar"), path("source"), path("copy"));
    let keep = [
        "--xattrs",
        "--xattrs-include=*",
        "--acls",
        "--numeric-owner",
        "--sparse",
    ];
    for (direction, place) in [("-cf", &from), ("-xpf", &to)] {
        let mut arguments = keep.to_vec();
        arguments.extend([direction, &archive, "-C", place]);
        if direction == "-cf" {
            arguments.push(".");
        }
        match program("tar", &arguments) {
            None => skip!("tar is not installed"),
            Some((done, text)) => {
                t.text(direction, text.trim());
                ensure!(done, "tar {direction}: {text}");
            }
        }
    }
    let (mut before, mut after) = (Vec::new(), Vec::new());
    all(&source, "", &mut before)?;
    all(&copy, "", &mut after)?;
    t.put("the same", before == after);
    ensure!(before.len() == after.len(), "{before:?} and then {after:?}");
    t.each("source", before);
    t.each("copy", after);
    t.put("contents", copy.contents("file")?.0 == pattern(1, 10_000));
    drop((source, copy, d));
    mount.unmount()?;
    Ok(())
}
