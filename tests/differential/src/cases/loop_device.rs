//! A loop device on a file, with ext4 on it.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::mount::MsFlags;

use crate::harness::prelude::*;
use crate::harness::process::program;

cases! {
    own => ext4_on_a_file, data_through_the_device;
}

const SIZE: u64 = 16 << 20;
const SET_FD: libc::c_ulong = 0x4c00;
const CLR_FD: libc::c_ulong = 0x4c01;
const GET_FREE: libc::c_ulong = 0x4c82;

/// A loop device that is let go when dropped.
struct Loop {
    device: File,
    path: String,
}

impl Loop {
    /// The reason why there is none, otherwise.
    fn on(file: &Fd) -> Result<Loop, String> {
        let control =
            File::open("/dev/loop-control").map_err(|e| format!("/dev/loop-control: {e}"))?;
        // SAFETY: no memory is involved.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), GET_FREE as _) };
        let number = Errno::check(number.into()).map_err(|e| format!("no loop device: {e}"))?;
        let path = format!("/dev/loop{number}");
        let device = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| format!("{path}: {e}"))?;
        // SAFETY: as above.
        let done = unsafe { libc::ioctl(device.as_raw_fd(), SET_FD as _, file.0.as_raw_fd()) };
        Errno::check(done.into()).map_err(|e| format!("{path}: {e}"))?;
        // A device that is open for writing cannot be mounted.
        let device = File::open(&path).map_err(|e| format!("{path}: {e}"))?;
        Ok(Loop { device, path })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // SAFETY: no memory is involved.
        unsafe { libc::ioctl(self.device.as_raw_fd(), CLR_FD as _) };
    }
}

/// Waits for what the kernel still holds of a loop device that was let go.
fn unmount(mount: Mount) -> Done {
    const TRIES: u32 = 100;
    for _ in 0..TRIES {
        match nix::mount::umount(&mount.path) {
            Err(nix::errno::Errno::EBUSY) => {
                std::thread::sleep(std::time::Duration::from_millis(20))
            }
            done => {
                drop(mount);
                return Ok(done?);
            }
        }
    }
    anyhow::bail!("the loop device keeps the mount busy")
}

fn ext4_on_a_file(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=64m")?;
    let d = mount.dir()?;
    let image = d.create("image")?;
    image.truncate(SIZE)?;
    let path = mount.path.join("image");
    let path = path.to_str().context("path")?;
    match program(
        "mkfs.ext4",
        &[
            "-q",
            "-F",
            "-U",
            "00000000-0000-4000-8000-000000000000",
            path,
        ],
    ) {
        None => skip!("mkfs.ext4 is not installed"),
        Some((done, text)) => ensure!(done, "mkfs.ext4: {text}"),
    }
    t.put("sparse", image.blocks()? * 512 < SIZE);
    let device = match Loop::on(&image) {
        Ok(device) => device,
        Err(reason) => skip!("{reason}"),
    };
    let inner = fs.point("ext4");
    nix::mount::mount(
        Some(device.path.as_str()),
        &inner,
        Some("ext4"),
        MsFlags::empty(),
        None::<&str>,
    )
    .context("mount of ext4")?;
    {
        let e = Dir::open(&inner)?;
        for i in 0..50u32 {
            e.file(&format!("f{i}"), &pattern(i, 1000 + 777 * i as usize))?;
        }
        let dir = e.make("dir")?;
        dir.file("large", &pattern(99, 2 << 20))?;
        for i in (0..50).step_by(3) {
            e.unlink(format!("f{i}"))?;
        }
        rustix::fs::syncfs(&e)?;
    }
    nix::mount::umount(&inner)?;
    nix::mount::mount(
        Some(device.path.as_str()),
        &inner,
        Some("ext4"),
        MsFlags::MS_RDONLY,
        None::<&str>,
    )?;
    {
        let e = Dir::open(&inner)?;
        let mut wrong = 0;
        for i in (0..50u32).filter(|i| i % 3 != 0) {
            wrong +=
                u32::from(e.contents(&format!("f{i}"))?.0 != pattern(i, 1000 + 777 * i as usize));
        }
        t.put("wrong files", wrong);
        t.put("large", e.contents("dir/large")?.0 == pattern(99, 2 << 20));
        t.each("names", e.names()?);
    }
    nix::mount::umount(&inner)?;
    drop(device);
    if let Some((clean, text)) = program("e2fsck", &["-fn", path]) {
        t.put("e2fsck finds it clean", clean);
        ensure!(clean, "e2fsck: {text}");
    }
    drop(image);
    d.unlink("image")?;
    drop(d);
    unmount(mount)
}

fn data_through_the_device(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=64m")?;
    let d = mount.dir()?;
    let image = d.file("image", &pattern(1, 1 << 20))?;
    let device = match Loop::on(&image) {
        Ok(device) => device,
        Err(reason) => skip!("{reason}"),
    };
    let disk = Fd(OwnedFd::from(
        File::options().read(true).write(true).open(&device.path)?,
    ));
    let expected = pattern(1, 1 << 20);
    t.put(
        "read through the device",
        disk.pread(1 << 20, 0)?.0 == expected,
    );
    t.put("write through the device", disk.pwrite(&[7; 8192], 16_384));
    t.put("sync", rustix::fs::fsync(&disk).map_err(Errno::from));
    t.put("the file", image.pread(8192, 16_384)?);
    drop((disk, device, image));
    d.unlink("image")?;
    drop(d);
    unmount(mount)
}
