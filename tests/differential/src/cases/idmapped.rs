//! Idmapped mounts.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::harness::prelude::*;
use crate::harness::process::pipe;

cases! {
    own => owners_are_mapped, operations, permissions;
}

/// On disk 0..10000 is seen as 10000..20000.
const MAP: &str = "0 10000 10000";

/// A user namespace in which the map holds.
fn namespace() -> Outcome<OwnedFd> {
    use std::io::{Read, Write};
    let (mut ready, mut told) = pipe();
    let (mut wait, mut end) = pipe();
    // SAFETY: the runner's child has one thread.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Child => {
            drop((ready, end));
            let made = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).is_ok();
            let _ = told.write_all(&[u8::from(made)]);
            let _ = wait.read(&mut [0]);
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) }
        }
        nix::unistd::ForkResult::Parent { child } => {
            drop((told, wait));
            let mut made = [0];
            ready.read_exact(&mut made)?;
            ensure!(made == [1], "unshare of the user namespace");
            for file in ["uid_map", "gid_map"] {
                std::fs::write(format!("/proc/{child}/{file}"), MAP)?;
            }
            let fd = std::fs::File::open(format!("/proc/{child}/ns/user"))?;
            end.write_all(b"e")?;
            nix::sys::wait::waitpid(child, None)?;
            Ok(fd.into())
        }
    }
}

type Outcome<T> = anyhow::Result<T>;

/// A copy of the mount that is idmapped.
fn map(mount: &Mount, fs: &Fs) -> Outcome<Mount> {
    use rustix::mount::{open_tree, OpenTreeFlags};
    let tree = open_tree(
        rustix::fs::CWD,
        &mount.path,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )?;
    let namespace = namespace()?;
    // SAFETY: a plain struct of numbers, for which zeros are good.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = libc::MOUNT_ATTR_IDMAP;
    attributes.userns_fd = namespace.as_raw_fd() as u64;
    // SAFETY: the path and the attributes live through the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::check(done).context("mount_setattr")?;
    Ok(fs.attach("mapped", tree.as_fd())?)
}

/// Runs the steps in a mount and in an idmapped copy of it.
pub fn with_map(t: &mut Trace, fs: &Fs, steps: fn(&mut Trace, &Dir, &Dir) -> Done) -> Done {
    let mount = fs.mount("")?;
    let mapped = map(&mount, fs)?;
    t.text("mountinfo", mapped.mountinfo());
    let (plain, dir) = (mount.dir()?, mapped.dir()?);
    steps(t, &plain, &dir)?;
    drop((plain, dir));
    mapped.unmount()?;
    mount.unmount()?;
    Ok(())
}

fn owners(t: &mut Trace, name: &str, plain: &Dir, mapped: &Dir) {
    let owner = |d: &Dir| {
        d.meta(name)
            .map(|m| format!("{:o} {}:{}", m.mode, m.uid, m.gid))
    };
    t.put(name, (owner(plain), owner(mapped)));
}

fn owners_are_mapped(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, |t, plain, mapped| {
        for (name, id) in [
            ("root", 0),
            ("user", 1000),
            ("last", 9999),
            ("outside", 10_000),
        ] {
            plain.create(name)?;
            plain.chown(name, Some(id), Some(id))?;
            owners(t, name, plain, mapped);
        }
        for id in [10_000, 11_000, 19_999, 20_000, 0] {
            t.put(
                format!("chown to {id}"),
                mapped.chown("root", Some(id), Some(id)),
            );
            owners(t, "root", plain, mapped);
        }
        t.put(
            "chown from outside",
            mapped.chown("outside", Some(10_000), None),
        );
        owners(t, "outside", plain, mapped);
        Ok(())
    })
}

fn operations(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, |t, plain, mapped| {
        t.put("create as root", mapped.create("x").map(drop));
        let user = User::become_user(10_005, 10_006, &[]);
        t.put(
            "create",
            mapped.create("file").and_then(|f| f.write(b"data")),
        );
        t.put("mkdir", mapped.mkdir("dir"));
        t.put("fifo", mapped.fifo("fifo"));
        t.put("symlink", mapped.symlink("x", "link"));
        t.put("link", mapped.link("file", "hard"));
        t.put("rename", mapped.rename("fifo", "pipe"));
        t.put(
            "exchange",
            mapped.rename_flags("file", "dir", RenameFlags::EXCHANGE),
        );
        t.put(
            "whiteout",
            mapped.rename_flags("hard", "moved", RenameFlags::WHITEOUT),
        );
        let file = mapped.tmpfile();
        t.put("tmpfile", file.as_ref().map(drop));
        t.put("its owner", file?.meta().map(|m| (m.uid, m.gid)));
        t.put("chmod", mapped.chmod("pipe", 0o600));
        drop(user);
        for name in plain.names()? {
            owners(t, &name, plain, mapped);
        }
        Ok(())
    })
}

fn permissions(t: &mut Trace, fs: &Fs) -> Done {
    with_map(t, fs, |t, plain, mapped| {
        plain.file("f", b"data")?;
        plain.chown("f", Some(5), Some(6))?;
        plain.chmod("f", 0o640)?;
        for (uid, gid) in [(5, 1), (1, 6), (10_005, 1), (1, 10_006), (1, 1)] {
            let look = |d: &Dir| {
                (
                    d.read_only("f").map(drop),
                    d.read_write("f").map(drop),
                    d.chmod("f", 0o640),
                )
            };
            t.put(
                format!("{uid}:{gid}"),
                User::run(uid, gid, || (look(plain), look(mapped))),
            );
        }
        plain.mkdir("shared")?;
        plain.chown("shared", None, Some(6))?;
        plain.chmod("shared", 0o2777)?;
        t.put(
            "setgid",
            User::run(10_005, 10_007, || mapped.mkdir("shared/d")),
        );
        owners(t, "shared/d", plain, mapped);
        Ok(())
    })
}
