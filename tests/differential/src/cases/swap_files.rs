//! A file is no place to swap to.

use std::path::Path;

use crate::harness::prelude::*;
use crate::harness::process::program;

cases! {
    own => refused;
}

const SIZE: u64 = 1 << 20;

fn swapon(path: &Path) -> Res<()> {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).expect("a plain path");
    // SAFETY: the path lives through the call.
    let done = unsafe { libc::swapon(path.as_ptr(), 0) };
    Errno::check(done.into()).map(drop)
}

fn swapoff(path: &Path) -> Res<()> {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).expect("a plain path");
    // SAFETY: as above.
    let done = unsafe { libc::swapoff(path.as_ptr()) };
    Errno::check(done.into()).map(drop)
}

fn refused(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let swaps = std::fs::read_to_string("/proc/swaps")?;
    d.create("empty")?;
    d.create("holes")?.truncate(SIZE)?;
    d.file("written", &vec![0; SIZE as usize])?;
    let preallocated = d.create("preallocated")?;
    rustix::fs::fallocate(&preallocated, rustix::fs::FallocateFlags::empty(), 0, SIZE)?;
    d.file("garbage", &pattern(1, SIZE as usize))?;
    d.mkdir("directory")?;
    d.fifo("fifo")?;
    d.symlink("written", "link")?;
    for name in ["holes", "written", "preallocated"] {
        d.chmod(name, 0o600)?;
        let path = mount.path.join(name);
        match program("mkswap", &[path.to_str().context("a plain path")?]) {
            None => skip!("mkswap is not installed"),
            Some((done, text)) => ensure!(done, "mkswap: {text}"),
        }
        let signature = d.read_only(name)?.pread(10, PAGE as u64 - 10)?;
        ensure!(signature.0 == b"SWAPSPACE2", "mkswap left {signature:?}");
    }
    for name in [
        "empty",
        "holes",
        "written",
        "preallocated",
        "garbage",
        "directory",
        "fifo",
        "link",
        "missing",
    ] {
        let path = mount.path.join(name);
        t.put(format!("swapon {name}"), swapon(&path));
        t.put(format!("swapoff {name}"), swapoff(&path));
    }
    t.put(
        "swaps as before",
        std::fs::read_to_string("/proc/swaps")? == swaps,
    );
    // Nothing of the attempt is left: a swap file could be neither written, cut nor removed.
    for name in ["holes", "written", "preallocated"] {
        let file = d.read_write(name)?;
        t.put(format!("write {name}"), file.pwrite(b"x", 0));
        t.put("cut", file.truncate(10));
        t.put("unlink", d.unlink(name));
        t.counts(name, &d, &file)?;
    }
    drop(preallocated);
    drop(d);
    mount.unmount()?;
    Ok(())
}
