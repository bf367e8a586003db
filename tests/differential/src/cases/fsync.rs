//! fsync and its kin, which have nothing to do and succeed.

use crate::harness::prelude::*;

cases! {
    "" => all_of_them, ranges, metadata;
}

fn all_of_them(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 5 * PAGE))?;
    let read_only = d.read_only("f")?;
    t.put("fsync", rustix::fs::fsync(&file).map_err(Errno::from));
    t.put(
        "fdatasync",
        rustix::fs::fdatasync(&file).map_err(Errno::from),
    );
    t.put(
        "fsync, read-only",
        rustix::fs::fsync(&read_only).map_err(Errno::from),
    );
    t.put(
        "fsync, directory",
        rustix::fs::fsync(d).map_err(Errno::from),
    );
    t.put("syncfs", rustix::fs::syncfs(d).map_err(Errno::from));
    for (name, flags) in [("O_SYNC", OFlags::SYNC), ("O_DSYNC", OFlags::DSYNC)] {
        let file = d.openat("f", OFlags::RDWR | flags, 0)?;
        t.put(name, file.pwrite(b"x", 0));
    }
    d.fifo("p")?;
    let fifo = d.openat("p", OFlags::RDWR | OFlags::NONBLOCK, 0)?;
    t.put("fsync, fifo", rustix::fs::fsync(&fifo).map_err(Errno::from));
    Ok(())
}

fn ranges(t: &mut Trace, d: &Dir) -> Done {
    use std::os::fd::AsRawFd;
    let file = d.file("f", &pattern(1, 5 * PAGE))?;
    for flags in 0..8 {
        // SAFETY: no memory is involved.
        let done = unsafe { libc::sync_file_range(file.0.as_raw_fd(), 0, 2 * PAGE as i64, flags) };
        t.put(
            format!("sync_file_range {flags}"),
            Errno::check(done.into()),
        );
    }
    // SAFETY: as above.
    let done = unsafe { libc::sync_file_range(file.0.as_raw_fd(), -1, 10, 2) };
    t.put("negative", Errno::check(done.into()));
    Ok(())
}

fn metadata(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", b"data")?;
    t.effects("fsync", d, &["f", "."], || {
        rustix::fs::fsync(&file).map_err(Errno::from)
    })?;
    Ok(())
}
