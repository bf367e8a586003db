//! A mount and a copy of it that is idmapped.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use anyhow::{ensure, Context};

use super::case::Done;
use super::errno::{Errno, Res};
use super::fs::{Fs, Mount, Mounted};
use super::process::pipe;
use super::sys::Dir;
use super::trace::Trace;

/// On disk 0..10000 is seen as 10000..20000.
const MAP: &str = "0 10000 10000";

/// A user namespace in which the map holds.
fn namespace() -> anyhow::Result<OwnedFd> {
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

/// mount_setattr(2) of an open mount.
pub fn set_attributes(tree: impl AsFd, flags: i32, attributes: &libc::mount_attr) -> Res<()> {
    // SAFETY: the path and the attributes live through the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | flags,
            attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::check(done).map(drop)
}

/// A copy of the mount that is idmapped.
pub fn map(mount: &Mount, fs: &Fs) -> anyhow::Result<Mount> {
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
    set_attributes(&tree, 0, &attributes).context("mount_setattr")?;
    Ok(fs.attach("mapped", tree.as_fd())?)
}

/// Runs the steps in a mount and in an idmapped copy of it.
pub fn with_map(
    t: &mut Trace,
    fs: &Fs,
    options: &str,
    steps: fn(&mut Trace, &Dir, &Dir) -> Done,
) -> Done {
    let mount = fs.mount(options)?;
    let mapped = map(&mount, fs)?;
    t.text("mountinfo", mapped.mountinfo());
    let (plain, dir) = (mount.dir()?, mapped.dir()?);
    steps(t, &plain, &dir)?;
    drop((plain, dir));
    mapped.unmount()?;
    mount.unmount()?;
    Ok(())
}
