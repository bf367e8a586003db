//! What files without a mount count against the limit of overcommitment: /proc/sys/vm/overcommit_memory,
//! Committed_AS.

use std::os::fd::AsRawFd;

use stage::machine::Setting;

use super::anonymous::file_of;
use crate::harness::map::{MapFlags, ProtFlags};
use crate::harness::memfd::{self, CLOEXEC, EXEC};
use crate::harness::meminfo::Growth;
use crate::harness::prelude::*;
use crate::harness::sysv;

cases! {
    shared => of_memfd, of_segments, of_segments_without_reserve, of_anonymous, of_anonymous_without_reserve,
        of_zero, of_private_mappings, resized, grown, refused, in_parts, children, ended_processes, too_much, at_the_limit;
}

const MIB: usize = 1 << 20;
const LEN: usize = 16 * MIB;
const BOTH: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// Runs the steps under each of the policies, with what is committed by them so far.
fn each(t: &mut Trace, steps: impl Fn(&mut Trace, &str, &Growth) -> Done) -> Done {
    for policy in ["0", "1", "2"] {
        let _set = Setting::new("/proc/sys/vm/overcommit_memory", policy)?;
        let committed = Growth::of("Committed_AS")?;
        steps(t, &format!("policy {policy}"), &committed)?;
        t.put(format!("policy {policy}: in the end"), committed.mib()?);
    }
    Ok(())
}

fn of_memfd(t: &mut Trace, _: &Fs) -> Done {
    each(t, |t, policy, committed| {
        let mut put = |what: &str| -> Done {
            t.put(format!("{policy}: {what}"), committed.mib()?);
            Ok(())
        };
        let file = memfd::create("file", CLOEXEC | EXEC)?;
        put("made")?;
        file.truncate(LEN as u64)?;
        put("given a size")?;
        let map = Map::shared(&file, LEN, 0)?;
        put("mapped")?;
        map.advise(0, 4 * MIB, libc::MADV_POPULATE_WRITE)?;
        put("touched")?;
        file.pwrite(&vec![1; 4 * MIB], 4 * MIB as u64)?;
        put("written")?;
        rustix::fs::fallocate(
            &file,
            rustix::fs::FallocateFlags::empty(),
            8 * MIB as u64,
            2 * MIB as u64,
        )?;
        put("allocated")?;
        map.advise(0, 2 * MIB, libc::MADV_REMOVE)?;
        put("punched")?;
        file.truncate(3 * MIB as u64)?;
        put("cut")?;
        drop(file);
        put("closed")?;
        drop(map);
        put("unmapped")
    })
}

/// All of a segment's pages count, or none before they are there.
fn segment(t: &mut Trace, flags: i32) -> Done {
    sysv::own_namespace()?;
    each(t, |t, policy, committed| {
        let mut put = |what: &str| -> Done {
            t.put(format!("{policy}: {what}"), committed.mib()?);
            Ok(())
        };
        let segment = sysv::get(sysv::PRIVATE, LEN, sysv::CREATE | flags)?;
        put("made")?;
        let map = segment.attach(0)?;
        let other = segment.attach(0)?;
        put("attached twice")?;
        map.advise(0, 4 * MIB, libc::MADV_POPULATE_WRITE)?;
        put("touched")?;
        map.advise(0, 2 * MIB, libc::MADV_REMOVE)?;
        put("punched")?;
        drop(other);
        segment.remove()?;
        put("removed")?;
        drop(map);
        put("detached")
    })
}

fn of_segments(t: &mut Trace, _: &Fs) -> Done {
    segment(t, 0)
}

fn of_segments_without_reserve(t: &mut Trace, _: &Fs) -> Done {
    segment(t, libc::SHM_NORESERVE)
}

fn anonymous(t: &mut Trace, flags: MapFlags) -> Done {
    each(t, |t, policy, committed| {
        let mut put = |what: &str| -> Done {
            t.put(format!("{policy}: {what}"), committed.mib()?);
            Ok(())
        };
        let map = Map::memory(LEN, BOTH, MapFlags::SHARED | flags)?;
        put("mapped")?;
        map.advise(0, 4 * MIB, libc::MADV_POPULATE_WRITE)?;
        put("touched")?;
        map.advise(0, 2 * MIB, libc::MADV_REMOVE)?;
        put("punched")?;
        let file = file_of(&map)?;
        drop(map);
        put("unmapped, and open")?;
        drop(file);
        put("closed")
    })
}

fn of_anonymous(t: &mut Trace, _: &Fs) -> Done {
    anonymous(t, MapFlags::empty())
}

fn of_anonymous_without_reserve(t: &mut Trace, _: &Fs) -> Done {
    anonymous(t, MapFlags::NORESERVE)
}

fn of_zero(t: &mut Trace, _: &Fs) -> Done {
    let zero = rustix::fs::open("/dev/zero", OFlags::RDWR, Mode::empty())?;
    each(t, |t, policy, committed| {
        for (name, flags) in [
            ("plain", MapFlags::SHARED),
            ("without reserve", MapFlags::SHARED | MapFlags::NORESERVE),
        ] {
            let map = Map::new(&zero, LEN, 0, BOTH, flags)?;
            t.put(format!("{policy}: {name}"), committed.mib()?);
            drop(map);
            t.put(format!("{policy}: {name}, unmapped"), committed.mib()?);
            let map = Map::new(&zero, LEN, 0, ProtFlags::READ, flags)?;
            t.put(format!("{policy}: {name}, to read"), committed.mib()?);
            drop(map);
        }
        Ok(())
    })
}

fn of_private_mappings(t: &mut Trace, _: &Fs) -> Done {
    each(t, |t, policy, committed| {
        let file = memfd::create("file", CLOEXEC | EXEC)?;
        file.truncate(LEN as u64)?;
        let map = Map::private(&file, LEN, 0)?;
        t.put(format!("{policy}: private"), committed.mib()?);
        map.fill(0, MIB, 1);
        t.put(
            format!("{policy}: copied"),
            (committed.mib()?, file.blocks()?),
        );
        drop(map);
        t.put(format!("{policy}: unmapped"), committed.mib()?);
        Ok(())
    })
}

/// A file all of which counts is counted anew when it gets another size.
fn resized(t: &mut Trace, _: &Fs) -> Done {
    each(t, |t, policy, committed| {
        for (name, flags) in [
            ("plain", MapFlags::empty()),
            ("without reserve", MapFlags::NORESERVE),
        ] {
            let map = Map::memory(LEN, BOTH, MapFlags::SHARED | flags)?;
            map.fill(0, 2 * MIB, 1);
            let file = file_of(&map)?;
            for mib in [32, 8, 1, 0, 20, 1 << 40, 20] {
                let done = file.truncate(mib << 20);
                t.put(
                    format!("{policy}: {name}: {mib} MiB"),
                    (done, committed.mib()?, file.size()?),
                );
            }
            drop((map, file));
            t.put(format!("{policy}: {name}: gone"), committed.mib()?);
        }
        Ok(())
    })
}

/// So it is where it grows by what is written to it, or allocated: its end gives back what it has then.
fn grown(t: &mut Trace, _: &Fs) -> Done {
    let none = rustix::fs::FallocateFlags::empty();
    let keep = rustix::fs::FallocateFlags::KEEP_SIZE;
    // Made once: the heap would keep some of it.
    let data = vec![1; 4 * MIB];
    each(t, |t, policy, committed| {
        for (name, flags) in [
            ("plain", MapFlags::empty()),
            ("without reserve", MapFlags::NORESERVE),
        ] {
            let map = Map::memory(LEN, BOTH, MapFlags::SHARED | flags)?;
            let file = file_of(&map)?;
            drop(map);
            let mut put = |what: &str, done: Res<usize>| -> Done {
                let text = format!("{policy}: {name}: {what}");
                t.put(text, (done, committed.mib()?, file.size()?));
                Ok(())
            };
            let mib = |n: u64| n << 20;
            let allocate = |flags, at, len| {
                rustix::fs::fallocate(&file, flags, at, len).map_err(Errno::from)?;
                Ok(0)
            };
            put("written within", file.pwrite(&[1; 4096], mib(1)))?;
            put("written", file.pwrite(&data, mib(14)))?;
            put("written far behind", file.pwrite(&[1], mib(64)))?;
            put("allocated", allocate(none, mib(80), mib(2)))?;
            put("allocated beyond", allocate(keep, mib(90), mib(2)))?;
            put("written in part", then_fault(&file, &data[..MIB], mib(82)))?;
            put("not written", then_fault(&file, &[], mib(100)))?;
            put("a byte too far", file.pwrite(&[1], 1 << 50))?;
            put("allocated too far", allocate(none, 1 << 51, 1))?;
            put("the last byte", file.pwrite(&[1], i64::MAX as u64 - 1))?;
            put("cut", file.truncate(mib(3)).map(|()| 0))?;
            put("written anew", file.pwrite(&data, mib(0)))?;
            drop(file);
            t.put(format!("{policy}: {name}: gone"), committed.mib()?);
        }
        Ok(())
    })
}

/// What is refused leaves nothing: the pages beyond the end are still some that were not asked for, and go where a large
/// folio is split.
fn refused(t: &mut Trace, _: &Fs) -> Done {
    const CONTROL: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    if !std::path::Path::new(CONTROL).exists() {
        skip!("this kernel has no huge pages (CONFIG_TRANSPARENT_HUGEPAGE)");
    }
    let _always = Setting::new(CONTROL, "always")?;
    let map = Map::common(PAGE)?;
    let file = file_of(&map)?;
    let none = rustix::fs::FallocateFlags::empty();
    let allocated = rustix::fs::fallocate(&file, none, 1 << 50, 1).map_err(Errno::from);
    t.put("too far", allocated);
    t.put("written", file.pwrite(&[1], 0));
    t.put("blocks", file.blocks()?);
    map.get(0);
    t.put("out", map.advise(0, PAGE, libc::MADV_PAGEOUT));
    t.put("blocks", (file.blocks()?, map.get(0)));
    Ok(())
}

/// Writes `data` at `at`, and after it as much of what is no memory of this task.
fn then_fault(file: &Fd, data: &[u8], at: u64) -> Res<usize> {
    let parts = [
        libc::iovec {
            iov_base: data.as_ptr().cast_mut().cast(),
            iov_len: data.len(),
        },
        libc::iovec {
            iov_base: std::ptr::without_provenance_mut(1),
            iov_len: 4 * MIB,
        },
    ];
    // SAFETY: the kernel finds the second one to be no memory.
    let done = unsafe { libc::pwritev(file.0.as_raw_fd(), parts.as_ptr(), 2, at as i64) };
    usize::try_from(done).map_err(|_| Errno::last())
}

fn in_parts(t: &mut Trace, _: &Fs) -> Done {
    each(t, |t, policy, committed| {
        let mut map = Map::common(LEN)?;
        // SAFETY: pages of the mapping, of which nothing is referred to.
        unsafe { rustix::mm::munmap(map.start().wrapping_byte_add(4 * MIB), 4 * MIB) }?;
        t.put(format!("{policy}: unmapped in part"), committed.mib()?);
        t.put(
            format!("{policy}: shrunk"),
            (map.remap(2 * MIB, 0), committed.mib()?),
        );
        let grown = map.remap(2 * LEN, libc::MREMAP_MAYMOVE);
        t.put(format!("{policy}: grown"), (grown, committed.mib()?));
        t.put(
            format!("{policy}: locked"),
            (map.protect(ProtFlags::READ), committed.mib()?),
        );
        Ok(())
    })
}

fn children(t: &mut Trace, _: &Fs) -> Done {
    each(t, |t, policy, committed| {
        let map = Map::common(LEN)?;
        t.forked(format!("{policy}: child"), |t| {
            t.put(
                format!("{policy}: there"),
                committed.mib().expect("meminfo"),
            );
            map.fill(0, MIB, 1);
            t.put(
                format!("{policy}: touched"),
                committed.mib().expect("meminfo"),
            );
        });
        t.put(format!("{policy}: child gone"), committed.mib()?);
        Ok(())
    })
}

/// What a process leaves when it is killed is taken back.
fn ended_processes(t: &mut Trace, _: &Fs) -> Done {
    sysv::own_namespace()?;
    each(t, |t, policy, committed| {
        t.forked(format!("{policy}: killed"), |t| {
            let map = Map::common(LEN).expect("mmap");
            map.fill(0, MIB, 1);
            let segment = sysv::new(LEN).expect("shmget");
            let attached = segment.attach(0).expect("shmat");
            attached.fill(0, MIB, 1);
            segment.remove().expect("IPC_RMID");
            let file = memfd::create("file", EXEC).expect("memfd");
            file.pwrite(&vec![1; 4 * MIB], 0).expect("write");
            t.put(
                format!("{policy}: all of it"),
                committed.mib().expect("meminfo"),
            );
            // SAFETY: a signal is what is wanted.
            unsafe { libc::raise(libc::SIGKILL) };
        });
        // The last of it goes with work that is put off.
        let gone = stage::machine::wait(stage::machine::LATE, || Ok(committed.mib()? == 0))?;
        t.put(format!("{policy}: gone"), gone);
        Ok(())
    })
}

fn too_much(t: &mut Trace, _: &Fs) -> Done {
    const MUCH: usize = 1 << 42;
    sysv::own_namespace()?;
    each(t, |t, policy, committed| {
        let mut put = |what: &str, done: Res<()>| -> Done {
            t.put(format!("{policy}: {what}"), (done, committed.mib()?));
            Ok(())
        };
        put("anonymous", Map::common(MUCH).map(drop))?;
        let free = MapFlags::SHARED | MapFlags::NORESERVE;
        put(
            "anonymous, without reserve",
            Map::memory(MUCH, BOTH, free).map(drop),
        )?;
        put("segment", sysv::new(MUCH).map(drop))?;
        let flags = sysv::CREATE | libc::SHM_NORESERVE;
        put(
            "segment, without reserve",
            sysv::get(sysv::PRIVATE, MUCH, flags).map(drop),
        )?;
        let file = memfd::create("file", CLOEXEC | EXEC)?;
        put("memfd", file.truncate(MUCH as u64))?;
        put("memfd mapped", Map::shared(&file, MUCH, 0).map(drop))
    })
}

/// With a limit for the whole machine: what fails must leave nothing behind.
fn at_the_limit(t: &mut Trace, _: &Fs) -> Done {
    sysv::own_namespace()?;
    let now = stage::machine::meminfo("Committed_AS")?;
    // What root and users have in reserve for themselves is no part of it.
    let _root = Setting::new("/proc/sys/vm/admin_reserve_kbytes", "0")?;
    let _user = Setting::new("/proc/sys/vm/user_reserve_kbytes", "0")?;
    // Comes back last, since the limit takes it.
    let _ratio = Setting::new("/proc/sys/vm/overcommit_ratio", "0")?;
    let _limit = Setting::new(
        "/proc/sys/vm/overcommit_kbytes",
        &(now + (64 << 10)).to_string(),
    )?;
    let swap = stage::device::in_use()?;
    ensure!(swap.is_empty(), "there is swap");
    let _policy = Setting::new("/proc/sys/vm/overcommit_memory", "2")?;
    let committed = Growth::of("Committed_AS")?;
    let mut put = |what: &str, done: Res<()>| -> Done {
        t.put(what, (done, committed.mib()?));
        Ok(())
    };
    put("anonymous", Map::common(128 * MIB).map(drop))?;
    put("segment", sysv::new(128 * MIB).map(drop))?;
    let flags = sysv::CREATE | libc::SHM_NORESERVE;
    put(
        "segment, without reserve",
        sysv::get(sysv::PRIVATE, 128 * MIB, flags).map(drop),
    )?;
    let file = memfd::create("file", CLOEXEC | EXEC)?;
    put("memfd", file.truncate(128 * MIB as u64))?;
    let none = rustix::fs::FallocateFlags::empty();
    let allocated = rustix::fs::fallocate(&file, none, 0, 128 * MIB as u64);
    put("memfd allocated", allocated.map_err(Errno::from))?;
    put("memfd cut", file.truncate(0))?;
    let map = Map::common(32 * MIB)?;
    put("anonymous that fits", Ok(()))?;
    let its = file_of(&map)?;
    put("grown too far", its.truncate(128 * MIB as u64))?;
    put("grown", its.truncate(40 * MIB as u64))?;
    put("shrunk", its.truncate(8 * MIB as u64))?;
    let length = |done: Res<usize>| done.map(drop);
    put(
        "written too far",
        length(its.pwrite(&[1], 128 * MIB as u64)),
    )?;
    put("written", length(its.pwrite(&[1], 40 * MIB as u64)))?;
    drop((map, its));
    put("in the end", Ok(()))
}
