// SPDX-License-Identifier: GPL-2.0
//! Mounting and unmounting, over the folder outside.

use super::*;
use std::os::unix::fs::MetadataExt;

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("mount", |p| mountable(p, c""), |h| mount(h, 0), mounted),
        Operation::new(
            "mount with options",
            |p| mountable(p, c"size=1m,nr_inodes=100,mode=0750"),
            |h| mount(h, 0),
            mounted,
        ),
        Operation::new(
            "mount by fsopen",
            |p| mountable(p, c""),
            fsmount,
            |_, held| {
                ensure!(held.second.is_some(), "no mount to hold");
                Ok(())
            },
        ),
        Operation::new(
            "remount",
            |p| busy(p, c"size=2m,nr_inodes=50"),
            |h| mount(h, libc::MS_REMOUNT),
            mounted,
        ),
        Operation::new(
            "mount with quota",
            |p| mountable(p, c"quota,usrquota_inode_hardlimit=100"),
            |h| mount(h, 0),
            mounted,
        ),
        Operation::new(
            "create with quota",
            with_quota,
            |h| create_in(h, 3),
            |place, _| {
                ensure!(
                    place.outside.join("new").exists(),
                    "no file after a success"
                );
                Ok(())
            },
        ),
        Operation::new(
            "chown with quota",
            with_quota,
            |h| chown(h, 4),
            |place, _| {
                let owner = fs::metadata(place.outside.join("file"))?.uid();
                ensure!(owner == 12, "owned by {owner} after a success");
                Ok(())
            },
        ),
        Operation::new(
            "umount",
            |p| busy(p, c""),
            umount,
            |place, _| {
                ensure!(!is_mounted(place)?, "still mounted after a success");
                Ok(())
            },
        ),
    ]
}

/// A mount over the folder outside has another device than the folder that it is in.
pub fn is_mounted(place: &Place) -> Result<bool> {
    let parent = place
        .outside
        .parent()
        .expect("the folder outside is inside another one");
    Ok(fs::metadata(&place.outside)?.dev() != fs::metadata(parent)?.dev())
}

fn mountable(place: &Place, options: &std::ffi::CStr) -> Result<Held> {
    let path = vec![
        c(&place.outside),
        CString::new(place.fstype.as_str())?,
        options.to_owned(),
    ];
    Ok(Held {
        path,
        ..Held::default()
    })
}

/// A mount with quota, a name in it that is free, and a file.
fn with_quota(place: &Place) -> Result<Held> {
    let mut held = mountable(place, c"quota,grpquota_block_hardlimit=1g")?;
    mount(&mut held, 0)?;
    drop(filled(&place.outside.join("file"), PAGE)?);
    held.path.push(c(&place.outside.join("new")));
    held.path.push(c(&place.outside.join("file")));
    Ok(held)
}

/// Makes a file of a group that has none yet, so that a record of it is needed.
fn create_in(held: &mut Held, path: usize) -> io::Result<()> {
    // SAFETY: changes who makes files, and makes one with a name that lives across the call.
    let fd = unsafe {
        libc::setfsgid(21);
        let fd = libc::open(
            held.path[path].as_ptr(),
            libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_CLOEXEC,
            0o600,
        );
        let error = io::Error::last_os_error();
        libc::setfsgid(0);
        if fd < 0 {
            return Err(error);
        }
        fd
    };
    // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
    held.file = Some(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) });
    Ok(())
}

fn chown(held: &mut Held, path: usize) -> io::Result<()> {
    // SAFETY: a NUL-terminated path that lives across the call.
    check(unsafe { libc::chown(held.path[path].as_ptr(), 12, 34) }.into())?;
    Ok(())
}

/// A mount with something in it: what umount has to free.
fn busy(place: &Place, options: &std::ffi::CStr) -> Result<Held> {
    stage::mount::mount(
        "suite",
        &place.outside,
        &place.fstype,
        MsFlags::empty(),
        "size=4m",
    )?;
    let inside = Place {
        mount: place.outside.clone(),
        outside: place.outside.clone(),
        fstype: place.fstype.clone(),
    };
    populate(&inside)?;
    mountable(place, options)
}

pub fn mounted(place: &Place, _: Held) -> Result<()> {
    ensure!(is_mounted(place)?, "not mounted after a success");
    drop(filled(&place.outside.join("after"), PAGE)?);
    Ok(())
}

pub fn mount(held: &mut Held, flags: libc::c_ulong) -> io::Result<()> {
    let (target, fstype, options) = (&held.path[0], &held.path[1], &held.path[2]);
    // SAFETY: NUL-terminated strings that live across the call.
    check(
        unsafe {
            libc::mount(
                fstype.as_ptr(),
                target.as_ptr(),
                fstype.as_ptr(),
                flags,
                options.as_ptr().cast(),
            )
        }
        .into(),
    )?;
    Ok(())
}

fn umount(held: &mut Held) -> io::Result<()> {
    // SAFETY: a NUL-terminated path that lives across the call.
    check(unsafe { libc::umount2(held.path[0].as_ptr(), 0) }.into())?;
    Ok(())
}

fn fsmount(held: &mut Held) -> io::Result<()> {
    const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
    let own = |fd: i64| -> File {
        // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
        unsafe { std::os::fd::FromRawFd::from_raw_fd(fd as RawFd) }
    };
    // SAFETY: a NUL-terminated name that lives across the call.
    let context = own(check(unsafe {
        libc::syscall(libc::SYS_fsopen, held.path[1].as_ptr(), 0)
    })?);
    let null = std::ptr::null::<libc::c_char>();
    // SAFETY: this command takes neither key nor value.
    check(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            null,
            null,
            0,
        )
    })?;
    // SAFETY: no memory is passed.
    held.second = Some(own(check(unsafe {
        libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 0, 0)
    })?));
    Ok(())
}
