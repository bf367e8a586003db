//! The mount that files without a mount are on: it is the kernel's, and users reach no more of it than these files.

use std::os::fd::{AsFd, AsRawFd};

use rustix::mount as api;
use rustix::mount::{
    FsPickFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};

use super::anonymous::file_of;
use super::drivers::ioctl;
use super::fanotify::{fanotify, FAN_MARK_FILESYSTEM, FAN_MARK_MOUNT, FAN_REPORT_FID, FILE_EVENTS};
use crate::harness::handle::Handle;
use crate::harness::idmap::set_attributes;
use crate::harness::memfd::{self, CLOEXEC, EXEC};
use crate::harness::prelude::*;
use crate::harness::quota;
use crate::harness::sysv;

cases! {
    shared => picked, copied, mounted_elsewhere, mounted_on, changed, entered, watched, asked, by_handle;
}

/// Runs the steps on a file of each kind.
fn each_kind(mut steps: impl FnMut(&str, &Fd) -> Done) -> Done {
    sysv::own_namespace()?;
    let file = memfd::create("file", CLOEXEC | EXEC)?;
    file.truncate(PAGE as u64)?;
    let segment = sysv::new(PAGE)?;
    steps("memfd", &file)?;
    steps("segment", &file_of(&segment.attach(0)?)?)?;
    steps("anonymous", &file_of(&Map::common(PAGE)?)?)
}

fn errno<T>(result: rustix::io::Result<T>) -> Res<()> {
    Ok(result.map(drop)?)
}

/// A context that would reconfigure it.
fn picked(t: &mut Trace, _: &Fs) -> Done {
    each_kind(|name, file| {
        let flags = FsPickFlags::FSPICK_CLOEXEC;
        let by_path = api::fspick(rustix::fs::CWD, file.path(), flags);
        t.put(format!("{name} by its path"), errno(by_path));
        let by_itself = api::fspick(file, "", flags | FsPickFlags::FSPICK_EMPTY_PATH);
        t.put(name, errno(by_itself));
        Ok(())
    })
}

/// Mounts of their own that have the file for a root.
fn copied(t: &mut Trace, fs: &Fs) -> Done {
    // In another namespace of mounts, of which it is the root.
    const NAMESPACE: OpenTreeFlags = OpenTreeFlags::from_bits_retain(2);
    let target = fs.point("target");
    each_kind(|name, file| {
        let none = OpenTreeFlags::empty();
        for flags in [
            none,
            OpenTreeFlags::OPEN_TREE_CLONE,
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_RECURSIVE,
            NAMESPACE,
            NAMESPACE | OpenTreeFlags::AT_RECURSIVE,
        ] {
            let flags = flags | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            let label = format!("{name}, {:#x}", flags.bits());
            let by_path = api::open_tree(rustix::fs::CWD, file.path(), flags);
            t.put(format!("{label} by its path"), errno(by_path));
            let tree = api::open_tree(file, "", flags | OpenTreeFlags::AT_EMPTY_PATH);
            let Ok(tree) = tree else {
                t.put(label, errno(tree));
                continue;
            };
            let moved = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            let moved = api::move_mount(&tree, "", rustix::fs::CWD, &target, moved);
            t.put(label, errno(moved));
        }
        Ok(())
    })
}

fn mounted_elsewhere(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    mount.dir()?.create("file")?;
    let (folder, target) = (fs.point("target"), mount.path.join("file"));
    each_kind(|name, file| {
        for target in [&folder, &target] {
            let label = format!("{name}, folder {}", target.is_dir());
            let path = file.path();
            t.put(&label, errno(api::mount_bind(&path, target)));
            t.put(&label, errno(api::mount_bind_recursive(&path, target)));
            t.put(&label, errno(api::mount_move(&path, target)));
            for flags in [
                MoveMountFlags::empty(),
                MoveMountFlags::MOVE_MOUNT_F_SYMLINKS,
                MoveMountFlags::MOVE_MOUNT_F_SYMLINKS | MoveMountFlags::MOVE_MOUNT_SET_GROUP,
                MoveMountFlags::MOVE_MOUNT_F_SYMLINKS | MoveMountFlags::MOVE_MOUNT_BENEATH,
            ] {
                let moved = api::move_mount(rustix::fs::CWD, &path, rustix::fs::CWD, target, flags);
                t.put(&label, errno(moved));
            }
        }
        Ok(())
    })?;
    mount.unmount()?;
    Ok(())
}

fn mounted_on(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    mount.dir()?.create("file")?;
    let folder = fs.point("folder");
    each_kind(|name, file| {
        let path = file.path();
        for source in [&folder, &mount.path, &mount.path.join("file")] {
            let label = format!("{name}, folder {}", source.is_dir());
            t.put(&label, errno(api::mount_bind(source, &path)));
            t.put(&label, errno(api::mount_move(source, &path)));
            let tree = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            let tree = api::open_tree(rustix::fs::CWD, source, tree)?;
            for flags in [
                MoveMountFlags::empty(),
                MoveMountFlags::MOVE_MOUNT_BENEATH,
                MoveMountFlags::MOVE_MOUNT_SET_GROUP,
            ] {
                let flags = flags
                    | MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH
                    | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
                t.put(&label, errno(api::move_mount(&tree, "", file, "", flags)));
            }
        }
        let new = nix::mount::MsFlags::empty();
        let new = stage::mount::mount("source", path.as_ref(), &fs.kind, new, "");
        t.put(format!("{name}, a new mount"), new);
        let context = fs.context()?;
        context.create()?;
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        let new = api::move_mount(context.mount()?, "", file, "", flags);
        t.put(format!("{name}, a new mount by its context"), errno(new));
        Ok(())
    })?;
    mount.unmount()?;
    Ok(())
}

/// Its options and flags.
fn changed(t: &mut Trace, _: &Fs) -> Done {
    each_kind(|name, file| {
        let path = file.path();
        for options in ["", "size=1m", "huge=always", "nr_inodes=1"] {
            for flags in ["MS_NOSUID", "MS_RDONLY", "MS_BIND"] {
                let bits = nix::mount::MsFlags::from_name(flags).context("a flag")?;
                let done = stage::mount::remount(path.as_ref(), bits, options);
                t.put(format!("{name}, {options}, {flags}"), done);
            }
        }
        for flags in [
            MountPropagationFlags::SHARED,
            MountPropagationFlags::PRIVATE,
            MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
            MountPropagationFlags::UNBINDABLE,
        ] {
            t.put(
                format!("{name}, propagation {:#x}", flags.bits()),
                errno(api::mount_change(&path, flags)),
            );
        }
        for flags in [
            UnmountFlags::empty(),
            UnmountFlags::DETACH,
            UnmountFlags::EXPIRE,
        ] {
            t.put(
                format!("{name}, umount {:#x}", flags.bits()),
                errno(api::unmount(&path, flags)),
            );
        }
        // SAFETY: a plain struct of numbers, for which zeros are good.
        let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
        attributes.attr_set = libc::MOUNT_ATTR_RDONLY;
        for flags in [0, libc::AT_RECURSIVE] {
            let done = set_attributes(file, flags, &attributes);
            t.put(format!("{name}, attributes {flags:#x}"), done);
        }
        t.put("written", file.pwrite(b"text", 0));
        t.put("meta", file.meta()?);
        Ok(())
    })
}

/// As a folder, of which the root of the mount would be another one.
fn entered(t: &mut Trace, _: &Fs) -> Done {
    use rustix::process::{chdir, chroot, fchdir, pivot_root};
    each_kind(|name, file| {
        let path = file.path();
        t.put(format!("{name}, chroot"), errno(chroot(&path)));
        t.put(format!("{name}, chdir"), errno(chdir(&path)));
        t.put(format!("{name}, fchdir"), errno(fchdir(file)));
        t.put(
            format!("{name}, pivot_root"),
            errno(pivot_root(&path, &path)),
        );
        t.put(format!("{name}, put below"), errno(pivot_root("/", &path)));
        for below in ["/.", "/..", "/", "/name"] {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let opened = rustix::fs::open(format!("{path}{below}"), flags, Mode::empty());
            t.put(format!("{name}, open {below}"), errno(opened));
        }
        Ok(())
    })
}

/// All of it at once, and the file alone.
fn watched(t: &mut Trace, _: &Fs) -> Done {
    each_kind(|name, file| {
        for class in [0, FAN_REPORT_FID] {
            for mark in [0, FAN_MARK_MOUNT, FAN_MARK_FILESYSTEM] {
                let watch = fanotify(class, mark, FILE_EVENTS, file.path().as_ref());
                t.put(format!("{name}, {class:#x}, {mark:#x}"), watch.map(drop));
            }
        }
        let inotify = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC)?;
        let events = rustix::fs::inotify::WatchFlags::ALL_EVENTS;
        let watch = rustix::fs::inotify::add_watch(&inotify, file.path(), events);
        t.put(format!("{name}, inotify"), errno(watch));
        Ok(())
    })
}

const FREEZE: u64 = 0xc004_5877;
const THAW: u64 = 0xc004_5878;
const TRIM: u64 = 0xc018_5879;
const UUID: u64 = 0x8011_1500;
const NAME_IN_SYSFS: u64 = 0x8081_1501;
const GET_LABEL: u64 = 0x8100_9431;
const SET_LABEL: u64 = 0x4100_9432;

/// What goes to the superblock by way of an open file.
fn asked(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    is_described(&mount.dir()?).context("a mount of users")?;
    mount.unmount()?;
    each_kind(|name, file| {
        for (label, number) in [
            ("freeze", FREEZE),
            ("thaw", THAW),
            ("trim", TRIM),
            ("uuid", UUID),
            ("name in sysfs", NAME_IN_SYSFS),
            ("label", GET_LABEL),
            ("set the label", SET_LABEL),
        ] {
            let mut value = [0_u8; 256];
            let done = ioctl(&file.0, number, &mut value);
            t.put(format!("{name}, {label}"), (done, value[0]));
        }
        for command in [
            quota::command::SYNC,
            quota::command::ON,
            quota::command::OFF,
            quota::command::GET_FORMAT,
            quota::command::GET_INFO,
            quota::command::GET,
            quota::command::GET_NEXT,
        ] {
            for kind in [0, 1] {
                let done = quota::raw(file, command, kind, 0, &mut [0_u64; 16]);
                t.put(format!("{name}, quota {command:#x} of {kind}"), done);
            }
        }
        t.put(format!("{name}, sync"), errno(rustix::fs::syncfs(file)));
        let space = rustix::fs::fstatvfs(file)?;
        t.put("flags", (space.f_flag, space.f_namemax));
        t.put(name, is_described(&file.0));
        Ok(())
    })
}

/// Whether statmount(2) says something of the mount that an open file is on.
fn is_described(file: &impl AsFd) -> Res<()> {
    const STATMOUNT: libc::c_long = 457;
    const BY_DESCRIPTOR: u32 = 1;
    // Figures and options, the place and the source.
    const WANTED: u64 = 0x3bf;
    let number = file.as_fd().as_raw_fd() as u64;
    // The kernel's struct mnt_id_req: its size and the descriptor, the mount's id, what is wanted, a namespace's id.
    let request = [32 | (number << 32), 0, WANTED, 0];
    let mut said = [0_u64; 1024];
    // SAFETY: the request lives through the call, and there is as much room as it is told.
    let done = unsafe {
        libc::syscall(
            STATMOUNT,
            &raw const request,
            &raw mut said,
            size_of_val(&said),
            BY_DESCRIPTOR,
        )
    };
    Errno::check(done).map(drop)
}

/// A handle leads back to the file, and to nothing else of the mount.
fn by_handle(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let elsewhere = mount.dir()?;
    each_kind(|name, file| {
        file.pwrite(name.as_bytes(), 0)?;
        for flags in [0, 0x200] {
            let mut handle = Handle::new(128);
            let filled = handle.fill(file, "", libc::AT_EMPTY_PATH | flags);
            t.put(
                format!("{name}, {flags:#x}"),
                (filled, handle.bytes, handle.kind),
            );
            if filled.is_err() {
                continue;
            }
            t.put(
                "here",
                handle
                    .open(file, OFlags::RDWR)
                    .and_then(|file| file.pread(16, 0)),
            );
            t.put("elsewhere", handle.open(&elsewhere, OFlags::RDWR).map(drop));
            User::run(1000, 1000, || {
                t.put("by a user", handle.open(file, OFlags::RDONLY).map(drop));
            });
            for at in 0..handle.words().len() {
                let mut wrong = handle;
                wrong.set_word(at, handle.words()[at] ^ 1);
                t.put(
                    format!("word {at} is another"),
                    wrong.open(file, OFlags::RDONLY).map(drop),
                );
            }
        }
        Ok(())
    })?;
    drop(elsewhere);
    mount.unmount()?;
    Ok(())
}
