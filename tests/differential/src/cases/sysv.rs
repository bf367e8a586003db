//! Shared memory of System V: shmget(2), shmat(2), shmdt(2), shmctl(2).

use nix::sys::resource::{setrlimit, Resource};
use stage::machine::Setting;

use crate::harness::kmsg::expecting;
use crate::harness::map::ProtFlags;
use crate::harness::maps;
use crate::harness::memfd::Sealed;
use crate::harness::numa::{self, Nodes};
use crate::harness::prelude::*;
use crate::harness::process::program;
use crate::harness::smaps;
use crate::harness::sysv::{self, Segment, CREATE, PRIVATE};

cases! {
    shared => life, keys, sizes, removed_while_attached, removed_by_another, names, attached_to_read,
        attached_to_execute, attached_in_place, attached_over_another, detached_in_parts, moved, children, executed,
        permissions, locked, locked_by_users, figures, namespaces, without_users, policies, huge_pages, of_its_file,
        listed;
}

const PAGES: usize = 8;
const LEN: usize = PAGES * PAGE;
const USER: u32 = 1000;

fn own() -> Done {
    Ok(sysv::own_namespace()?)
}

fn life(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::new(LEN - 5)?;
    t.put("born", (&segment, segment.status()?));
    let map = segment.attach(0)?;
    t.put("attached", segment.status()?);
    t.put("zeros", map.bytes(0, LEN));
    map.fill(3, 2 * PAGE, b'x');
    let other = segment.attach(0)?;
    t.put("twice", (segment.status()?, other.bytes(0, LEN)));
    t.put("detach", sysv::detach(map.start().addr()));
    std::mem::forget(map);
    t.put("again", sysv::detach(other.start().addr() + PAGE));
    t.put("once", segment.status()?);
    drop(other);
    t.put("not at all", segment.status()?);
    t.put("contents stay", segment.attach(0)?.bytes(0, LEN));
    t.put("line", sysv::line(segment.id)?);
    t.put("remove", segment.remove());
    t.put(
        "gone",
        (
            segment.status(),
            segment.attach(0).map(drop),
            segment.remove(),
        ),
    );
    Ok(())
}

fn keys(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    const KEY: i32 = 0x1234_abcd;
    t.put("none", sysv::get(KEY, LEN, 0o600));
    let first = sysv::get(KEY, LEN, CREATE | libc::IPC_EXCL)?;
    t.put("made", first.status()?);
    t.put(
        "exclusive",
        sysv::get(KEY, LEN, CREATE | libc::IPC_EXCL).map(drop),
    );
    for len in [0, 1, LEN, LEN + 1] {
        let again = sysv::get(KEY, len, 0o600).map(|again| {
            let id = again.id;
            // The segment is the first one's.
            std::mem::forget(again);
            id == first.id
        });
        t.put(format!("with {len} bytes"), again);
    }
    t.put("in maps", maps::line(&first.attach(0)?)?);
    let kept = first.attach(0)?;
    first.remove()?;
    t.put(
        "its key when removed",
        (first.status()?, sysv::get(KEY, LEN, 0o600)),
    );
    let second = sysv::get(KEY, PAGE, CREATE)?;
    t.put(
        "another by its key",
        (second.id == first.id, second.status()?.size),
    );
    t.put("the first", kept.bytes(0, 8));
    Ok(())
}

fn sizes(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    for len in [0, 1, PAGE, PAGE + 1, usize::MAX, usize::MAX - PAGE, 1 << 62] {
        let segment = sysv::new(len);
        t.put(format!("{len} bytes"), segment.as_ref().map(|s| s.status()));
        let Ok(segment) = segment else { continue };
        t.put("attached", segment.attach(0).map(|map| map.length()));
        expecting("segfault at|Bus error", || {
            t.forked("the last byte of its pages", |t| {
                let map = segment.attach(0).expect("shmat");
                t.put("value", map.get(map.length() - 1));
            });
        });
    }
    for (name, value) in [("shmmax", "8192"), ("shmall", "4"), ("shmmni", "2")] {
        let _set = Setting::new(&format!("/proc/sys/kernel/{name}"), value)?;
        let some: Vec<_> = [PAGE, 2 * PAGE, 2 * PAGE + 1, 4 * PAGE]
            .into_iter()
            .map(sysv::new)
            .collect();
        t.put(name, some);
    }
    Ok(())
}

fn removed_while_attached(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::new(LEN)?;
    let map = segment.attach(0)?;
    map.fill(0, LEN, 7);
    t.put("remove", segment.remove());
    t.put("to be gone", segment.status()?);
    t.put("mode", segment.status()?.mode & sysv::DEST != 0);
    t.put("in maps", maps::line(&map)?);
    let other = segment.attach(0)?;
    t.put(
        "attached once more",
        (segment.status()?, other.bytes(0, LEN)),
    );
    drop(map);
    t.put("with one left", segment.status()?);
    other.set(1, 8);
    t.put("contents", other.bytes(0, LEN));
    drop(other);
    t.put("gone", segment.status());
    t.put("figures", sysv::info()?);
    Ok(())
}

fn removed_by_another(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::new(LEN)?;
    let map = segment.attach(0)?;
    t.forked("child", |t| {
        map.set(9, 9);
        t.put("remove", segment.remove());
        t.put("status", segment.status());
    });
    t.put("status", segment.status()?);
    t.put("contents", map.bytes(0, 16));
    drop(map);
    t.put("gone", segment.status());
    Ok(())
}

const SMAPS: &[&str] = &[
    "Size",
    "Rss",
    "Shared_Dirty",
    "Private_Dirty",
    "Anonymous",
    "Swap",
    "Locked",
    "VmFlags",
];

fn names(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    for key in [PRIVATE, 1, 0x7fff_ffff, -1, 0x00ab_0000] {
        let segment = sysv::get(key, LEN, CREATE)?;
        let map = segment.attach(0)?;
        map.set(0, 1);
        let line = maps::line(&map)?;
        t.put(format!("{key:#x}"), &line);
        t.put("its inode is its number", line.number == segment.id as u64);
        t.put("new", line.is_of_new_files()?);
        t.each("smaps", smaps::some(&map, SMAPS)?);
        t.put("line", sysv::line(segment.id)?);
    }
    Ok(())
}

fn attached_to_read(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::new(LEN)?;
    segment.attach(0)?.set(0, 5);
    let map = segment.attach(libc::SHM_RDONLY)?;
    t.put("line", maps::line(&map)?);
    t.put("load", (map.get(0), map.get(5 * PAGE)));
    expecting("segfault at", || t.forked("store", |_| map.set(0, 6)));
    t.put("to write", map.protect(ProtFlags::READ | ProtFlags::WRITE));
    t.put("contents", map.bytes(0, 8));
    Ok(())
}

fn attached_to_execute(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::new(PAGE)?;
    let map = segment.attach(libc::SHM_EXEC)?;
    t.put("line", maps::line(&map)?);
    t.put("protect", map.protect(ProtFlags::READ | ProtFlags::EXEC));
    let plain = segment.attach(0)?;
    t.put(
        "without it",
        plain.protect(ProtFlags::READ | ProtFlags::EXEC),
    );
    Ok(())
}

/// shmat(2) at an address, in which nothing is the case's own unless it says so.
fn attach_at(id: i32, address: usize, flags: i32) -> Res<usize> {
    // SAFETY: the address is free, or a mapping that the case gives up.
    let start = unsafe { libc::shmat(id, std::ptr::without_provenance(address), flags) };
    Errno::check(start as i64).map(|start| start as usize)
}

fn attached_in_place(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::new(LEN)?;
    let room = Map::anonymous(4 * LEN)?;
    let start = room.start() as usize;
    drop(room);
    for (name, offset, flags) in [
        ("aligned", 0, 0),
        ("not aligned", 100, 0),
        ("rounded", 100, libc::SHM_RND),
        ("in the next page", PAGE, 0),
        ("where something is", 0, 0),
    ] {
        let begin = (name == "where something is").then(|| attach_at(segment.id, start, 0));
        let at = attach_at(segment.id, start + offset, flags);
        t.put(
            name,
            (
                begin.map(|b| b.is_ok()),
                at.map(|at| at as i64 - start as i64),
            ),
        );
        for at in [begin.and_then(Result::ok), at.ok()].into_iter().flatten() {
            sysv::detach(at)?;
        }
    }
    t.put(
        "nowhere, in place of another",
        attach_at(segment.id, 0, libc::SHM_REMAP),
    );
    t.put(
        "in the first page",
        attach_at(segment.id, 100, libc::SHM_RND | libc::SHM_REMAP),
    );
    t.put("beyond all", attach_at(segment.id, 1 << 62, 0));
    t.put("no such segment", attach_at(-1, 0, 0));
    t.put("status", segment.status()?);
    Ok(())
}

fn attached_over_another(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let (one, other) = (sysv::new(LEN)?, sysv::new(LEN)?);
    let map = one.attach(0)?;
    map.fill(0, LEN, 1);
    let map = other.attach_onto(map, 0)?;
    t.put("one", one.status()?);
    t.put("other", (other.status()?, map.bytes(0, LEN)));
    let anonymous = Map::anonymous(LEN)?;
    anonymous.set(0, 1);
    let map = one.attach_onto(anonymous, libc::SHM_RDONLY)?;
    t.put("over memory", (map.bytes(0, 8), maps::line(&map)?));
    Ok(())
}

fn detached_in_parts(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::new(LEN)?;
    let map = segment.attach(0)?;
    map.fill(0, LEN, 3);
    // SAFETY: a page of the mapping, of which nothing is referred to.
    unsafe { rustix::mm::munmap(map.start().wrapping_byte_add(2 * PAGE), PAGE) }?;
    t.put("with a hole", segment.status()?);
    t.put("detach", sysv::detach(map.start().addr()));
    t.put("detached", segment.status()?);
    std::mem::forget(map);
    let map = segment.attach(0)?;
    map.advise(0, LEN, libc::MADV_DONTFORK)?;
    t.forked("not for children", |t| t.put("status", segment.status()));
    t.put("remove a page", map.advise(PAGE, PAGE, libc::MADV_REMOVE));
    t.put("contents", map.bytes(0, LEN));
    t.put("line", sysv::line(segment.id)?);
    Ok(())
}

fn moved(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::new(LEN)?;
    let mut map = segment.attach(0)?;
    map.fill(0, LEN, 4);
    t.put("larger", map.remap(2 * LEN, libc::MREMAP_MAYMOVE));
    t.put("status", segment.status()?);
    t.put("within", map.bytes(0, LEN));
    t.put("line", maps::line(&map)?);
    expecting("segfault at|Bus error", || {
        t.forked("beyond the end", |t| t.put("value", map.get(LEN)));
    });
    let second = map.part(0, 0, PAGE, libc::MREMAP_MAYMOVE);
    t.put(
        "twice",
        second.as_ref().map(|map| map.bytes(0, 8)).map_err(|e| *e),
    );
    t.put("status", segment.status()?);
    drop(second);
    t.put("smaller", map.remap(PAGE, 0));
    drop(map);
    t.put("status", segment.status()?);
    Ok(())
}

fn children(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::new(LEN)?;
    let map = segment.attach(0)?;
    map.set(0, 1);
    t.forked("child", |t| {
        t.put("sees", (map.get(0), segment.status()));
        map.set(1, 2);
        t.put("detach", sysv::detach(map.start().addr()));
        t.put("detached", segment.status());
    });
    t.put("seen", (map.bytes(0, 4), segment.status()?));
    expecting("segfault at", || {
        t.forked("died with it", |_| {
            map.set(2, 3);
            // SAFETY: a signal is what is wanted.
            unsafe { libc::abort() };
        });
    });
    t.put("seen", (map.bytes(0, 4), segment.status()?));
    Ok(())
}

/// What a process executes has not what was attached before.
fn executed(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::new(LEN)?;
    let map = segment.attach(0)?;
    let mut child = std::process::Command::new("/bin/sleep")
        .arg("1000")
        .spawn()?;
    // The spawn returns when the new program is there.
    t.put("status", segment.status()?.attached);
    child.kill()?;
    child.wait()?;
    t.put("status", segment.status()?.attached);
    drop(map);
    Ok(())
}

fn permissions(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::get(77, LEN, libc::IPC_CREAT | 0o640)?;
    let attempts = |t: &mut Trace, who: &str| {
        t.put(who, ("to read", segment.attach(libc::SHM_RDONLY).map(drop)));
        t.put(who, ("to write", segment.attach(0).map(drop)));
        t.put(who, ("status", segment.status().map(drop)));
        t.put(
            who,
            ("any status", sysv::status(0, sysv::STAT_ANY).map(drop)),
        );
        t.put(who, ("remove", segment.remove()));
        t.put(who, ("lock", segment.lock(true)));
        t.put(
            who,
            ("get", sysv::get(77, LEN, 0o600).map(std::mem::forget)),
        );
    };
    User::run(USER, 0, || attempts(t, "group"));
    User::run(USER, USER, || attempts(t, "other"));
    t.put("give", segment.set(0o600, USER));
    t.put("given", segment.status()?);
    User::run(USER, USER, || {
        t.put("owner", segment.attach(0).map(|map| map.set(0, 1)));
        t.put(
            "owner",
            (segment.set(0o400, USER), segment.attach(0).map(drop)),
        );
        t.put("owner", segment.remove());
    });
    t.put("status", segment.status());
    Ok(())
}

fn locked(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::new(LEN)?;
    let map = segment.attach(0)?;
    map.set(0, 1);
    t.put("lock", segment.lock(true));
    t.put(
        "locked",
        (
            segment.status()?,
            segment.status()?.mode & sysv::LOCKED != 0,
        ),
    );
    t.each("smaps", smaps::some(&map, SMAPS)?);
    map.fill(0, LEN, 2);
    t.put("again", segment.lock(true));
    t.put("unlock", segment.lock(false));
    t.put("again", segment.lock(false));
    t.put("unlocked", segment.status()?);
    t.put(
        "removed while locked",
        (segment.lock(true), segment.remove()),
    );
    drop(map);
    t.put("gone", segment.status());
    Ok(())
}

fn locked_by_users(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    for limit in [0, PAGE, LEN, 4 * LEN] {
        t.forked(format!("limit of {limit} bytes"), |t| {
            setrlimit(Resource::RLIMIT_MEMLOCK, limit as u64, limit as u64).expect("setrlimit");
            let _user = User::become_user(USER, USER, &[]);
            let segments = [sysv::new(LEN), sysv::new(LEN), sysv::new(PAGE)];
            for segment in segments.iter().flatten() {
                t.put("lock", segment.lock(true));
                t.put("mode", segment.status().map(|status| status.mode));
            }
            for segment in segments.iter().flatten() {
                t.put("unlock", segment.lock(false));
            }
            // What is locked when it is removed is no longer the user's.
            for segment in segments {
                t.put(
                    "lock and remove",
                    segment.map(|s| (s.lock(true), s.remove())),
                );
            }
        });
    }
    let ours = sysv::new(LEN)?;
    User::run(USER, USER, || {
        t.put("another's", (ours.lock(true), ours.lock(false)))
    });
    Ok(())
}

fn figures(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    t.put("none", sysv::info()?);
    let one = sysv::new(LEN)?;
    let other = sysv::new(2 * LEN + 1)?;
    t.put("untouched", sysv::info()?);
    let map = one.attach(0)?;
    map.fill(0, 3 * PAGE, 1);
    other.attach(0)?.set(LEN, 1);
    t.put("touched", sysv::info()?);
    for segment in [&one, &other] {
        t.put("line", sysv::line(segment.id)?);
    }
    t.put("by its place", sysv::status(1, sysv::STAT_BY_PLACE)?);
    map.advise(0, LEN, libc::MADV_REMOVE)?;
    t.put("punched", (sysv::info()?, sysv::line(one.id)?));
    other.remove()?;
    t.put("one of them", sysv::info()?);
    Ok(())
}

fn namespaces(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::get(5, LEN, CREATE)?;
    let map = segment.attach(0)?;
    map.set(0, 1);
    t.forked("another namespace", |t| {
        sysv::own_namespace().expect("unshare");
        t.put("not seen", (segment.status(), sysv::get(5, LEN, 0o600)));
        t.put("still attached", (map.get(0), sysv::info()));
        let inner = sysv::get(5, PAGE, CREATE).expect("shmget");
        let attached = inner.attach(0).expect("shmat");
        attached.set(0, 9);
        t.put("its own", (inner.status(), sysv::line(inner.id).ok()));
        // It is left to go with the namespace.
        std::mem::forget(inner);
    });
    t.put("here", (segment.status()?, map.bytes(0, 4)));
    Ok(())
}

/// A namespace in which segments do not outlive their users.
fn without_users(t: &mut Trace, _: &Fs) -> Done {
    const CONTROL: &str = "/proc/sys/kernel/shm_rmid_forced";
    own()?;
    let before = sysv::new(LEN)?;
    {
        let _set = Setting::new(CONTROL, "1")?;
        t.put("one that nobody ever had", before.status().map(drop));
        let segment = sysv::new(LEN)?;
        let map = segment.attach(0)?;
        map.set(0, 1);
        t.put("status", segment.status()?.attached);
        drop(map);
        t.put("after its last user", segment.status().map(drop));
        let (mut read, mut write) = crate::harness::process::pipe();
        t.forked("child", |_| {
            use std::io::Write;
            let segment = sysv::new(LEN).expect("shmget");
            write.write_all(&segment.id.to_ne_bytes()).expect("write");
            std::mem::forget(segment);
        });
        let mut id = [0; 4];
        std::io::Read::read_exact(&mut read, &mut id)?;
        let segment = Segment::of(i32::from_ne_bytes(id), LEN);
        t.put("after its maker", segment.status().map(drop));
    }
    let segment = sysv::new(LEN)?;
    drop(segment.attach(0)?);
    t.put("not forced", segment.status().map(drop));
    t.put("figures", sysv::info()?);
    Ok(())
}

/// The policy of a segment is the segment's, and stays when nobody has it attached.
fn policies(t: &mut Trace, _: &Fs) -> Done {
    if numa::nodes_with_memory() < 2 {
        skip!("there is one node with memory");
    }
    own()?;
    let segment = sysv::new(LEN)?;
    let map = segment.attach(0)?;
    t.put("bind", map.bind(0, 4, numa::BIND, 2, 0));
    t.put("prefer", map.bind(4, 2, numa::PREFERRED, 1, 0));
    t.put("interleave", map.bind(6, 2, numa::INTERLEAVE, 3, 0));
    t.put(
        "policies",
        (0..PAGES).map(|page| map.policy(page)).collect::<Vec<_>>(),
    );
    let text = std::fs::read_to_string("/proc/self/numa_maps")?;
    let start = format!("{:x} ", map.start() as usize);
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    t.put("numa_maps", line);
    drop(map);
    let map = segment.attach(0)?;
    t.put(
        "later",
        (0..PAGES).map(|page| map.policy(page)).collect::<Vec<_>>(),
    );
    map.fill(0, 4 * PAGE, 1);
    t.put("nodes", map.nodes_touched(4));
    t.put("moved", map.bind(0, 4, numa::BIND, 1, numa::MOVE));
    t.put("nodes", map.nodes_touched(4));
    t.put("default", map.bind(0, PAGES, numa::DEFAULT, 0, 0));
    t.put(
        "policies",
        (0..PAGES).map(|page| map.policy(page)).collect::<Vec<_>>(),
    );
    Ok(())
}

/// They are hugetlbfs's, whatever the switch says.
fn huge_pages(t: &mut Trace, _: &Fs) -> Done {
    const HUGE: usize = super::huge::HUGE;
    const CONTROL: &str = "/proc/sys/vm/nr_hugepages";
    if !std::path::Path::new(CONTROL).exists() {
        skip!("this kernel has no hugetlbfs");
    }
    own()?;
    t.put(
        "without pages",
        sysv::get(PRIVATE, HUGE, CREATE | libc::SHM_HUGETLB),
    );
    super::huge::compact()?;
    let _set = Setting::new(CONTROL, "4")?;
    let segment = sysv::get(PRIVATE, HUGE, CREATE | libc::SHM_HUGETLB)?;
    let map = segment.attach(0)?;
    map.set(5, 1);
    let line = maps::line(&map)?;
    t.put(
        "line",
        (
            &line,
            line.is_of_new_files()?,
            line.number == segment.id as u64,
        ),
    );
    t.put("status", segment.status()?);
    t.put("page size", smaps::one(&map, "KernelPageSize")?);
    Ok(())
}

/// The file behind it, as /proc/self/map_files opens it.
fn of_its_file(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let segment = sysv::new(LEN)?;
    let map = segment.attach(0)?;
    map.fill(0, PAGE, 1);
    let file = super::anonymous::file_of(&map)?;
    t.put("link", file.link());
    t.put("meta", file.meta()?);
    t.put("seals", (file.seals(), file.seal(1)));
    t.put("new", file.is_of_new_files()?);
    t.put(
        "number",
        rustix::fs::fstat(&file)?.st_ino == segment.id as u64,
    );
    t.put("read", file.pread(8, PAGE as u64 - 4));
    t.put("write", file.pwrite(b"abc", 0));
    t.put("seen", map.bytes(0, 8));
    Ok(())
}

/// What ipcs(1) makes of it.
fn listed(t: &mut Trace, _: &Fs) -> Done {
    own()?;
    let some = sysv::new(3 * LEN + 1)?;
    let map = some.attach(0)?;
    let other = sysv::get(0x77, LEN, CREATE)?;
    let put = |t: &mut Trace, label: &str| {
        for flags in ["-mu", "-m", "-mb", "-mc"] {
            match program("ipcs", &[flags]) {
                None => skip!("ipcs is not installed"),
                Some((done, text)) => t.put(format!("{label}: {flags}: {done}"), text),
            }
        }
        Ok(())
    };
    put(t, "untouched")?;
    map.fill(0, 5 * PAGE, 1);
    other.attach(0)?.set(LEN - 1, 1);
    put(t, "touched")?;
    map.advise(PAGE, PAGE, libc::MADV_REMOVE)?;
    some.lock(true)?;
    other.remove()?;
    put(t, "punched and locked")?;
    some.remove()?;
    put(t, "removed")
}
