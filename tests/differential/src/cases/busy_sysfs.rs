//! A task reads a folder of sysfs into memory that is not at hand, and for that time has a lock of sysfs's. What has nothing
//! to do with sysfs does not wait for it.

use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::mount::MsFlags;
use stage::machine::wait;

use crate::harness::prelude::*;
use crate::harness::uffd::{Event, Uffd, MISSING};

cases! {
    own => mounts_and_sync;
}

/// What `.` and `..` take of the buffer of getdents64(2): they come before the lock.
const DOTS: usize = 48;

/// As many seconds as one has patience for a mount, and for sync(2) in a machine that has nothing to write.
const LONG: u64 = stage::machine::LATE;

/// Mounts come and go, and all are asked to write.
fn mounts_and_sync(t: &mut Trace, fs: &Fs) -> Done {
    let mount = |name| fs.mount_at(name, "", MsFlags::empty());
    let there = mount("m0")?;
    let other = mount("m1")?;
    let folder = std::fs::File::open("/sys/fs")?;
    let map = Map::anonymous(2 * PAGE)?;
    map.set(0, 1);
    let mut uffd = Uffd::new(0)?;
    uffd.register(&map, 1, 1, MISSING)?;
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let buffer = map.start().wrapping_byte_add(PAGE - DOTS);
            // SAFETY: the buffer is in the mapping, which nothing else uses.
            let done =
                unsafe { libc::syscall(libc::SYS_getdents64, folder.as_raw_fd(), buffer, PAGE) };
            Errno::check(done).map(|bytes| bytes as usize > DOTS)
        });
        let event = uffd.event(&map, 10_000);
        let is_held = matches!(event, Some(Event::Fault { page: 1, .. }));
        let comes = scope.spawn(|| mount("m2"));
        let goes = scope.spawn(|| there.unmount());
        // Both have time to come as far as they do.
        std::thread::sleep(Duration::from_millis(500));
        let sync = scope.spawn(|| {
            rustix::fs::sync();
            other.dir().map(drop)
        });
        let are_over = || [comes.is_finished(), goes.is_finished(), sync.is_finished()];
        wait(LONG, || Ok(!are_over().contains(&false)))?;
        t.put("mount, umount and sync end", are_over());
        // Whatever waits goes on before anything here may fail.
        let answered = uffd.zero(&map, 1, 1);
        ensure!(is_held, "the kernel has not written to page 1");
        t.put("answered", answered);
        t.put("read", reader.join().expect("it does not panic"));
        t.put("sync", sync.join().expect("it does not panic"));
        t.put("mount", comes.join().expect("it does not panic")?.unmount());
        t.put("umount", goes.join().expect("it does not panic"));
        Ok(())
    })
}
