//! Where pages are counted: /proc/meminfo, memory control groups, smaps.

use rustix::process::{setrlimit, Resource, Rlimit};
use stage::group::Group;
use stage::machine;

use super::huge::{compact, HUGE};
use crate::harness::kmsg::expecting;
use crate::harness::meminfo::Growth;
use crate::harness::prelude::*;
use crate::harness::smaps;
use crate::harness::zram::on_zram;

cases! {
    "" => shmem_of_the_machine, smaps_of_a_mapping, resident_set;
    own => shmem_of_a_group, group_at_its_limit, files_that_grow_in_a_group, files_that_grow_before_others, charged_to_who_touches, nothing_left_after_unmount,
        source_that_does_not_fit;
}

const MIB: usize = 1 << 20;
/// Large against what a CPU may keep to itself (64 pages, and as many of the group's).
const AMOUNT: usize = 8 * MIB;

fn shmem_of_the_machine(t: &mut Trace, d: &Dir) -> Done {
    let shmem = Growth::of("Shmem")?;
    let now = || shmem.mib();
    let file = d.file("f", &vec![1; AMOUNT])?;
    t.put("written", now()?);
    file.truncate((AMOUNT / 2) as u64)?;
    t.put("cut", now()?);
    let map = Map::shared(&file, AMOUNT / 2, 0)?;
    let mapped = Growth::of("Mapped")?;
    (0..AMOUNT / 2).step_by(PAGE).for_each(|at| map.set(at, 2));
    t.put("mapped", mapped.mib()?);
    drop(map);
    file.truncate(1 << 40)?;
    t.put("holes", now()?);
    file.pread(AMOUNT, (AMOUNT / 2) as u64)?;
    t.put("holes read", now()?);
    drop(file);
    d.unlink("f")?;
    t.put("gone", now()?);
    Ok(())
}

const SMAPS: &[&str] = &[
    "Size",
    "Rss",
    "Shared_Clean",
    "Shared_Dirty",
    "Private_Clean",
    "Private_Dirty",
    "Anonymous",
    "Swap",
    "ShmemPmdMapped",
    "FilePmdMapped",
    "Locked",
];

fn smaps_of_a_mapping(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, 16 * PAGE))?;
    file.truncate(64 * PAGE as u64)?;
    let shared = Map::shared(&file, 64 * PAGE, 0)?;
    let private = Map::private(&file, 64 * PAGE, 0)?;
    t.each("untouched", smaps::some(&shared, SMAPS)?);
    (0..32).for_each(|page| shared.set(page * PAGE, 1));
    (0..8).for_each(|page| private.set(page * PAGE, 1));
    t.each("shared", smaps::some(&shared, SMAPS)?);
    t.each("private", smaps::some(&private, SMAPS)?);
    Ok(())
}

/// Whole MiB, since the pages of the program itself may be of such a file system too.
fn rss_shmem_mib() -> anyhow::Result<i64> {
    let kib = machine::status("RssShmem")? as i64;
    Ok((kib + 512) >> 10)
}

fn resident_set(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &vec![1; AMOUNT])?;
    let map = Map::shared(&file, AMOUNT, 0)?;
    let start = rss_shmem_mib()?;
    (0..AMOUNT).step_by(PAGE).for_each(|at| map.set(at, 2));
    t.put("touched", rss_shmem_mib()? - start);
    file.truncate((AMOUNT / 2) as u64)?;
    t.put("cut", rss_shmem_mib()? - start);
    drop(map);
    t.put("unmapped", rss_shmem_mib()? - start);
    Ok(())
}

fn shmem_of_a_group(t: &mut Trace, fs: &Fs) -> Done {
    let group = Group::enter(&[])?;
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let figures = || group.stats_mib(["shmem", "file", "file_mapped", "file_dirty"]);
    t.put("start", figures()?);
    let file = d.file("f", &vec![1; AMOUNT])?;
    t.put("written", figures()?);
    let map = Map::shared(&file, AMOUNT, 0)?;
    (0..AMOUNT).step_by(PAGE).for_each(|at| map.set(at, 2));
    t.put("mapped", figures()?);
    drop(map);
    file.truncate((AMOUNT / 4) as u64)?;
    t.put("cut", figures()?);
    d.symlink("x".repeat(3000), "long")?;
    drop(file);
    d.unlink("f")?;
    t.put("gone", figures()?);
    drop(d);
    mount.unmount()?;
    Ok(())
}

/// Without swap a group at its limit cannot take more; the write is killed or fails as on tmpfs.
fn group_at_its_limit(t: &mut Trace, fs: &Fs) -> Done {
    if std::fs::read_to_string("/proc/swaps")?.lines().count() > 1 {
        skip!("there is swap, so that the limit is not the end");
    }
    let group = Group::enter(&[])?;
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let file = d.create("f")?;
    group.set("memory.max", &AMOUNT.to_string())?;
    group.set("memory.oom.group", "0")?;
    expecting("invoked oom-killer|oom-kill:|[Oo]ut of memory", || {
        t.forked("write of more than may be", |_| {
            // The out-of-memory killer is to end this child and not the runner, which is of the group too.
            std::fs::write("/proc/self/oom_score_adj", "1000").expect("oom_score_adj");
            let chunk = vec![1; MIB];
            for i in 0..2 * AMOUNT / MIB {
                let _ = file.pwrite(&chunk, (i * MIB) as u64);
            }
        });
    });
    t.put(
        "not all of it",
        (file.blocks()? as usize) * 512 < 2 * AMOUNT,
    );
    group.set("memory.max", "max")?;
    t.put(
        "blocks are the mount's",
        file.blocks()? * 512 / PAGE as u64 == {
            let space = d.space()?;
            space.blocks - space.free
        },
    );
    t.put("and go on", file.pwrite(&[1; PAGE], 2 * AMOUNT as u64));
    drop((file, d));
    mount.unmount()?;
    Ok(())
}

/// So many files grow side by side, to so many bytes.
const GROWING: usize = 64;
const GROWN: usize = MIB + PAGE;
/// What the group has beside: tables of pages, inodes, and what processors keep to themselves.
const BESIDE: usize = 2 * MIB;
/// More than reclaim looks at in one go.
const OF_OTHERS: usize = 1100;
const GROWN_OF_OTHERS: usize = 164 << 10;

/// A file that has grown by the page.
fn grown(d: &Dir, name: &str, len: usize) -> Res<Fd> {
    let file = d.create(name)?;
    for at in (0..len).step_by(PAGE) {
        file.pwrite(&[1; PAGE], at as u64)?;
    }
    Ok(file)
}

/// Reclaim comes to all files that grow, though many are closed that have grown since, and have nothing more than
/// others.
fn files_that_grow_before_others(t: &mut Trace, fs: &Fs) -> Done {
    let shmem = Growth::of("Shmem")?;
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let files = (0..400)
        .map(|i| grown(&d, &format!("f{i}"), GROWN_OF_OTHERS))
        .collect::<Res<Vec<_>>>()?;
    for i in 0..2 * OF_OTHERS {
        grown(&d, &format!("o{i}"), GROWN_OF_OTHERS)?.truncate(0)?;
    }
    std::fs::write("/proc/sys/vm/drop_caches", "2")?;
    t.put("Shmem", shmem.mib()?);
    drop((files, d));
    mount.unmount()?;
    Ok(())
}

/// A group without swap has room for what its files have, though each is made larger in many calls and stays open, and
/// so are files of others.
fn files_that_grow_in_a_group(t: &mut Trace, fs: &Fs) -> Done {
    let group = Group::new(&[])?;
    if group.path().join("memory.swap.max").exists() {
        group.set("memory.swap.max", "0")?;
    }
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    t.forked("files grow", |_| {
        let limit = Rlimit {
            current: Some(4096),
            maximum: Some(4096),
        };
        setrlimit(Resource::Nofile, limit).expect("setrlimit");
        std::fs::write("/proc/self/oom_score_adj", "1000").expect("oom_score_adj");
        let grown = |name: String, len: usize| grown(&d, &name, len).expect("a file that grows");
        group.add_self().expect("cgroup.procs");
        let before = group.value("memory.current").expect("memory.current");
        let max = before as usize + GROWING * GROWN + BESIDE;
        group
            .set("memory.max", &max.to_string())
            .expect("memory.max");
        // Close to the limit with what single pages take, and above it with an eighth more.
        let near = GROWING * 7 / 8;
        let mut files: Vec<_> = (0..near).map(|i| grown(format!("f{i}"), GROWN)).collect();
        group.leave().expect("cgroup.procs");
        files.extend((0..OF_OTHERS).map(|i| grown(format!("o{i}"), GROWN_OF_OTHERS)));
        group.add_self().expect("cgroup.procs");
        files.extend((near..GROWING).map(|i| grown(format!("f{i}"), GROWN)));
        drop(files);
    });
    t.put("killed for want of memory", group.event("oom_kill")?);
    group.remove()?;
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn charged_to_who_touches(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let file = d.file("f", &vec![1; AMOUNT])?;
    let group = Group::enter(&[])?;
    t.put("of before", group.stats_mib(["shmem"])?);
    file.pwrite(&vec![2; AMOUNT], 0)?;
    t.put("overwritten", group.stats_mib(["shmem"])?);
    file.pwrite(&vec![3; AMOUNT], AMOUNT as u64)?;
    t.put("new", group.stats_mib(["shmem"])?);
    file.truncate(0)?;
    t.put("given back", group.stats_mib(["shmem"])?);
    drop((file, d));
    mount.unmount()?;
    Ok(())
}

fn nothing_left_after_unmount(t: &mut Trace, fs: &Fs) -> Done {
    let group = Group::enter(&[])?;
    let shmem = Growth::of("Shmem")?;
    for _ in 0..3 {
        let mount = fs.mount("")?;
        let d = mount.dir()?;
        d.file("f", &vec![1; AMOUNT])?;
        d.symlink("x".repeat(3000), "l")?;
        drop(d);
        mount.unmount()?;
    }
    t.put("Shmem", shmem.mib()?);
    t.put("of the group", group.stats_mib(["shmem"])?);
    Ok(())
}

/// A write to a large folio, from memory in swap of which less fits in the group than the folio has.
fn source_that_does_not_fit(t: &mut Trace, fs: &Fs) -> Done {
    compact()?;
    // On a disk all of the group could wait to be written, and the child would be killed for want of memory.
    on_zram(|| write_from_swap(t, fs))
}

fn write_from_swap(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=16m,huge=always")?;
    let d = mount.dir()?;
    let file = d.file("f", &vec![1; HUGE])?;
    t.put("blocks", file.blocks()?);
    let group = Group::enter(&[])?;
    t.forked("write", |t| {
        // SAFETY: ends the child where the write does not.
        unsafe { libc::alarm(60) };
        let source = pattern(2, HUGE);
        group.set("memory.max", "1m").expect("memory.max");
        t.put("written", file.pwrite(&source, 0));
        group.set("memory.max", "max").expect("memory.max");
        t.put("as it was", file.all().is_ok_and(|data| data.0 == source));
    });
    group.remove()?;
    drop((file, d));
    mount.unmount()?;
    Ok(())
}
