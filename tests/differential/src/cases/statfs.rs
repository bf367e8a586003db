//! statfs(2) and what of it changes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::meanwhile::meanwhile;
use crate::harness::prelude::*;
use crate::harness::process;

cases! {
    "" => fields, of_what_is_inside;
    "nr_blocks=100,nr_inodes=50" => figures_follow;
    own => ids_differ, flags, unlimited, of_many_that_shrank;
}

/// All fields but the id.
fn all(d: &Dir) -> Res<String> {
    let s = rustix::fs::fstatfs(d)?;
    Ok(format!(
        "type {:#x} bsize {} frsize {} blocks {} free {} avail {} files {} ffree {} namelen {} flags {:#x}",
        s.f_type, s.f_bsize, s.f_frsize, s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, s.f_namelen,
        s.f_flags
    ))
}

fn fields(t: &mut Trace, d: &Dir) -> Done {
    t.put("statfs", all(d)?);
    let v = rustix::fs::fstatvfs(d).map_err(Errno::from)?;
    t.put(
        "statvfs",
        (v.f_bsize, v.f_frsize, v.f_blocks, v.f_files, v.f_namemax),
    );
    Ok(())
}

fn of_what_is_inside(t: &mut Trace, d: &Dir) -> Done {
    d.file("f", &pattern(1, PAGE))?;
    d.mkdir("dir")?;
    d.fifo("p")?;
    let root = all(d)?;
    for name in ["f", "dir"] {
        let file = d.read_only(name)?;
        let s = rustix::fs::fstatfs(&file).map_err(Errno::from)?;
        t.put(name, (s.f_blocks, s.f_bfree, s.f_files, s.f_ffree));
    }
    t.put("root", root == all(&d.sub("dir")?)?);
    Ok(())
}

fn figures_follow(t: &mut Trace, d: &Dir) -> Done {
    t.put("start", all(d)?);
    let file = d.file("f", &pattern(1, 7 * PAGE))?;
    t.put("7 pages", all(d)?);
    file.pwrite(b"x", (50 * PAGE) as u64)?;
    t.put("one far away", all(d)?);
    file.truncate((3 * PAGE + 1) as u64)?;
    t.put("cut", all(d)?);
    for i in 0..10 {
        d.mkdir(format!("d{i}"))?;
    }
    t.put("10 directories", all(d)?);
    d.link("f", "g")?;
    t.put("a link", all(d)?);
    d.symlink("x", "s")?;
    t.put("a short symlink", all(d)?);
    drop(file);
    d.unlink("f")?;
    d.unlink("g")?;
    t.put("unlinked", all(d)?);
    Ok(())
}

fn fsid(d: &Dir) -> Res<(u32, u32)> {
    let s = rustix::fs::fstatfs(d)?;
    // SAFETY: two words without padding.
    Ok(unsafe { std::mem::transmute::<rustix::fs::Fsid, (u32, u32)>(s.f_fsid) })
}

fn ids_differ(t: &mut Trace, fs: &Fs) -> Done {
    use nix::mount::MsFlags;
    let (a, b) = (
        fs.mount_at("a", "", MsFlags::empty())?,
        fs.mount_at("b", "", MsFlags::empty())?,
    );
    let (x, y) = (fsid(&a.dir()?)?, fsid(&b.dir()?)?);
    t.put("two mounts", x != y);
    t.put("set", x != (0, 0));
    t.put("stays", x == fsid(&a.dir()?)?);
    t.put("of what is inside", {
        let d = a.dir()?;
        d.mkdir("d")?;
        fsid(&d.sub("d")?)? == x
    });
    a.unmount()?;
    b.unmount()?;
    Ok(())
}

fn flags(t: &mut Trace, fs: &Fs) -> Done {
    use nix::mount::MsFlags;
    for flags in [
        MsFlags::MS_RDONLY,
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        MsFlags::MS_NOATIME,
    ] {
        let mount = fs.mount_at("m", "size=1m", flags)?;
        t.put(format!("{flags:?}"), all(&mount.dir()?)?);
        mount.unmount()?;
    }
    Ok(())
}

fn unlimited(t: &mut Trace, fs: &Fs) -> Done {
    for options in ["size=0", "nr_inodes=0", "size=0,nr_inodes=0"] {
        let mount = fs.mount(options)?;
        let d = mount.dir()?;
        d.file("f", &pattern(1, 3 * PAGE))?;
        t.put(options, all(&d)?);
        drop(d);
        mount.unmount()?;
    }
    Ok(())
}

/// Appends to a file that is cut to nothing while it is open: it may have had a folio beyond its end.
fn shrank(d: &Dir, name: &str, data: &[u8]) -> Res<()> {
    let file = d.create(name)?;
    file.pwrite(data, 0)?;
    file.pwrite(&data[..PAGE], data.len() as u64)?;
    file.truncate(0)
}

/// What the urgent task has waited before it has slept once.
const NEVER: u64 = 0;

/// Whether statfs(2) takes a while, and a task that wants its processor waits for most of that.
fn is_in_the_way(d: &Dir) -> Res<bool> {
    // In microseconds.
    let waited = AtomicU64::new(NEVER);
    let urgent = || {
        if waited.load(Ordering::Relaxed) == NEVER {
            process::at_once().expect("root may do that");
        }
        let begin = Instant::now();
        thread::sleep(Duration::from_micros(100));
        waited.fetch_max(begin.elapsed().as_micros() as u64, Ordering::Relaxed);
    };
    meanwhile(urgent, || {
        while waited.load(Ordering::Relaxed) == NEVER {
            thread::yield_now();
        }
        let begin = Instant::now();
        waited.store(1, Ordering::Relaxed);
        d.space()?;
        let took = begin.elapsed();
        let waited = Duration::from_micros(waited.load(Ordering::Relaxed));
        Ok(took > Duration::from_millis(1) && waited > took / 2)
    })
}

/// A call that has to look at many files keeps neither its processor nor their lock from others.
fn of_many_that_shrank(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=64m,nr_inodes=0")?;
    let d = mount.dir()?;
    let data = pattern(1, 16 * PAGE);
    process::on_one_processor()?;
    // The machine may keep the processor for itself, but not each time.
    let mut always = true;
    for round in 0..5 {
        for number in 0..stage::machine::sized(10_000, 2000) {
            shrank(&d, &format!("f{round}-{number}"), &data)?;
        }
        always &= is_in_the_way(&d)?;
    }
    t.put("in the way of another task", always);
    drop(d);
    mount.unmount()?;
    Ok(())
}
