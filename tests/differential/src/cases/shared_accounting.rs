//! Where the pages of files without a mount are counted, and their way to swap and back.

use stage::device::Swap;
use stage::group::Group;
use stage::machine::Setting;

use super::huge::{prepare, Counters, HUGE};
use crate::harness::memfd::{self, CLOEXEC, EXEC};
use crate::harness::meminfo::Growth;
use crate::harness::prelude::*;
use crate::harness::smaps;
use crate::harness::sysv::{self, Segment};

cases! {
    shared => of_the_machine, of_a_group, charged_to_who_touches, swapped, swapped_segments, locked_segments, swapped_off,
        in_large_folios, large_folios_of_memfd, in_folios_of_each_size, group_of_a_namespace;
}

const MIB: usize = 1 << 20;
/// Large against what a CPU may keep to itself.
const AMOUNT: usize = 8 * MIB;

/// One of each kind, mapped, of [`AMOUNT`] bytes.
struct Kinds {
    segment: Segment,
    maps: [(&'static str, Map); 3],
}

impl Kinds {
    fn new() -> anyhow::Result<Kinds> {
        sysv::own_namespace()?;
        let file = memfd::create("file", CLOEXEC | EXEC)?;
        file.truncate(AMOUNT as u64)?;
        let segment = sysv::new(AMOUNT)?;
        let maps = [
            ("memfd", Map::shared(&file, AMOUNT, 0)?),
            ("segment", segment.attach(0)?),
            ("anonymous", Map::common(AMOUNT)?),
        ];
        Ok(Kinds { segment, maps })
    }

    fn each(&self, mut op: impl FnMut(&'static str, &Map) -> Done) -> Done {
        self.maps.iter().try_for_each(|(name, map)| op(name, map))
    }

    fn write(&self) {
        for (seed, (_, map)) in self.maps.iter().enumerate() {
            for page in 0..AMOUNT / PAGE {
                map.set(page * PAGE + page % PAGE, (seed + page) as u8 | 1);
            }
        }
    }

    /// How many pages do not hold what was written.
    fn wrong(&self) -> usize {
        let pages = |(seed, (_, map)): (usize, &(&str, Map))| {
            (0..AMOUNT / PAGE)
                .filter(|page| map.get(page * PAGE + page % PAGE) != (seed + page) as u8 | 1)
                .count()
        };
        self.maps.iter().enumerate().map(pages).sum()
    }
}

fn of_the_machine(t: &mut Trace, _: &Fs) -> Done {
    let shmem = Growth::of("Shmem")?;
    let kinds = Kinds::new()?;
    kinds.each(|name, map| {
        map.fill(0, AMOUNT, 1);
        t.put(name, shmem.mib()?);
        map.advise(0, AMOUNT / 2, libc::MADV_REMOVE)?;
        t.put(format!("{name}, half of it"), shmem.mib()?);
        t.put("resident", smaps::one(map, "Rss")?);
        Ok(())
    })?;
    t.put("segments", sysv::info()?);
    drop(kinds);
    t.put("gone", shmem.mib()?);
    Ok(())
}

fn of_a_group(t: &mut Trace, _: &Fs) -> Done {
    let group = Group::enter(&[])?;
    let figures = || group.stats_mib(["shmem", "file", "file_mapped", "anon"]);
    let kinds = Kinds::new()?;
    t.put("start", figures()?[0]);
    kinds.each(|name, map| {
        map.fill(0, AMOUNT, 1);
        t.put(name, figures()?);
        Ok(())
    })?;
    drop(kinds);
    t.put("gone", figures()?[0]);
    group.remove()?;
    Ok(())
}

/// Not to the group of who made it.
fn charged_to_who_touches(t: &mut Trace, _: &Fs) -> Done {
    let kinds = Kinds::new()?;
    let group = Group::enter(&[])?;
    kinds.each(|name, map| {
        t.put(format!("{name}, untouched"), group.stats_mib(["shmem"])?);
        map.fill(0, AMOUNT, 1);
        t.put(name, group.stats_mib(["shmem"])?);
        Ok(())
    })?;
    group.leave()?;
    kinds.each(|name, map| {
        map.advise(0, AMOUNT, libc::MADV_REMOVE)?;
        t.put(
            format!("{name}, punched by another"),
            group.stats_mib(["shmem"])?,
        );
        Ok(())
    })?;
    group.remove()?;
    Ok(())
}

fn swapped(t: &mut Trace, _: &Fs) -> Done {
    let mut swap = Swap::disk(1)?;
    let group = Group::enter(&[])?;
    let kinds = Kinds::new()?;
    kinds.write();
    group.push_out()?;
    t.put("out", group.stats_mib(["shmem"])?);
    kinds.each(|name, map| {
        let gone = map.resident()?.iter().filter(|&&there| !there).count();
        t.put(name, gone + 64 > AMOUNT / PAGE);
        Ok(())
    })?;
    t.put("wrong", kinds.wrong());
    t.put("back", group.stats_mib(["shmem"])?);
    group.push_out()?;
    let used = swap.used()? >> 10;
    drop(kinds);
    t.put("slots given back", (used > 0, swap.used()? >> 10));
    group.remove()?;
    swap.off()?;
    Ok(())
}

/// In multiples of 256 pages: some pages are always on their way.
fn rounded(pages: u64) -> u64 {
    (pages + 128) >> 8
}

fn swapped_segments(t: &mut Trace, _: &Fs) -> Done {
    let mut swap = Swap::disk(1)?;
    let group = Group::enter(&[])?;
    let kinds = Kinds::new()?;
    kinds.write();
    let figures = || {
        sysv::info().map(|info| {
            (
                info.used_ids,
                info.total,
                rounded(info.resident),
                rounded(info.swapped),
            )
        })
    };
    t.put("there", figures()?);
    group.push_out()?;
    t.put("out", figures()?);
    t.put("segment", kinds.segment.status()?);
    t.put("wrong", kinds.wrong());
    t.put("back", figures()?);
    drop(kinds);
    group.remove()?;
    swap.off()?;
    Ok(())
}

/// What is locked stays in memory, and goes when it is unlocked.
fn locked_segments(t: &mut Trace, _: &Fs) -> Done {
    let mut swap = Swap::disk(1)?;
    let group = Group::enter(&[])?;
    sysv::own_namespace()?;
    let segment = sysv::new(AMOUNT)?;
    let map = segment.attach(0)?;
    map.fill(0, AMOUNT, 3);
    segment.lock(true)?;
    group.reclaim()?;
    t.put(
        "locked",
        (
            group.stats_mib(["shmem", "unevictable"])?,
            map.resident()?.iter().filter(|&&there| there).count(),
        ),
    );
    segment.lock(false)?;
    t.put("unlocked", group.stats_mib(["unevictable"])?);
    group.push_out()?;
    t.put("out", group.stats_mib(["shmem"])?);
    t.put("locked while it is out", segment.lock(true));
    t.put("contents", map.bytes(0, AMOUNT));
    segment.lock(false)?;
    drop(map);
    drop(segment);
    group.remove()?;
    swap.off()?;
    Ok(())
}

fn swapped_off(t: &mut Trace, _: &Fs) -> Done {
    let mut swap = Swap::disk(1)?;
    let group = Group::enter(&[])?;
    let kinds = Kinds::new()?;
    kinds.write();
    group.push_out()?;
    t.put("off", swap.off().is_ok());
    let resident = |map: &Map| {
        map.resident()
            .map(|pages| pages.iter().filter(|&&there| there).count())
    };
    kinds.each(|name, map| {
        t.put(name, resident(map)?);
        Ok(())
    })?;
    t.put("wrong", kinds.wrong());
    t.put("charged", group.stats_mib(["shmem"])?);
    drop(kinds);
    group.remove()?;
    Ok(())
}

const CONTROLS: &str = "/sys/kernel/mm/transparent_hugepage";

/// Runs the steps with each value of shmem_enabled.
fn each_policy(mut steps: impl FnMut(&str) -> Done) -> Done {
    prepare()?;
    for policy in ["never", "always", "within_size", "advise", "deny", "force"] {
        let _set = Setting::new(&format!("{CONTROLS}/shmem_enabled"), policy)?;
        steps(policy)?;
    }
    Ok(())
}

/// Runs the steps with each value of the control of a small size and of the largest.
fn each_policy_of_a_size(mut steps: impl FnMut(&str) -> Done) -> Done {
    for size in ["64kB", "2048kB"] {
        for policy in ["always", "inherit", "within_size", "advise", "never"] {
            let path = format!("{CONTROLS}/hugepages-{size}/shmem_enabled");
            let set = Setting::new(&path, policy);
            if policy == "inherit" && set.is_err() {
                // What is forced has the largest size alone.
                continue;
            }
            let _set = set?;
            steps(&format!("{size} {policy}"))?;
        }
    }
    Ok(())
}

fn in_large_folios(t: &mut Trace, _: &Fs) -> Done {
    sysv::own_namespace()?;
    each_policy(|policy| {
        for advice in [
            libc::MADV_NORMAL,
            libc::MADV_HUGEPAGE,
            libc::MADV_NOHUGEPAGE,
        ] {
            let segment = sysv::new(2 * HUGE)?;
            for (name, map) in [
                ("segment", segment.attach(0)?),
                ("anonymous", Map::common(2 * HUGE)?),
            ] {
                let label = format!("{policy}: {name}, advice {advice}");
                t.put(&label, map.advise(0, 2 * HUGE, advice));
                t.put(&label, map.start() as usize % HUGE == 0);
                map.set(0, 1);
                map.set(2 * HUGE - 1, 1);
                t.put(
                    &label,
                    (
                        smaps::one(&map, "Rss")?,
                        smaps::one(&map, "ShmemPmdMapped")?,
                    ),
                );
            }
        }
        Ok(())
    })
}

fn large_folios_of_memfd(t: &mut Trace, _: &Fs) -> Done {
    each_policy(|policy| {
        let shmem = Growth::of("ShmemHugePages")?;
        for len in [HUGE / 2, 2 * HUGE, 2 * HUGE + PAGE] {
            let file = memfd::create("file", CLOEXEC | EXEC)?;
            t.put(format!("{policy}: block size"), file.meta()?.blksize);
            t.put(
                format!("{policy}: {len} written"),
                file.pwrite(&pattern(1, len), 0),
            );
            t.put(format!("{policy}: huge"), (file.blocks()?, shmem.mib()?));
            file.truncate(0)?;
            file.truncate(len as u64)?;
            let none = rustix::fs::FallocateFlags::empty();
            rustix::fs::fallocate(&file, none, 0, len as u64)?;
            t.put(
                format!("{policy}: allocated"),
                (file.blocks()?, shmem.mib()?),
            );
        }
        t.put(format!("{policy}: gone"), shmem.mib()?);
        Ok(())
    })
}

/// With the control of one size beside shmem_enabled, which those ask that inherit it. Writes ask nothing else.
fn in_folios_of_each_size(t: &mut Trace, _: &Fs) -> Done {
    // The last folios reach beyond the end.
    const LEN: usize = HUGE + 21 * PAGE;
    prepare()?;
    sysv::own_namespace()?;
    // The emulated debug kernel takes minutes for all of them.
    let policies: &[&str] = match stage::machine::is_debug() {
        true => &["always", "force"],
        false => &["never", "always", "advise", "deny", "force"],
    };
    for policy in policies {
        let _set = Setting::new(&format!("{CONTROLS}/shmem_enabled"), policy)?;
        each_policy_of_a_size(|of_a_size| {
            let shmem = Growth::of("Shmem")?;
            for advice in [libc::MADV_NORMAL, libc::MADV_HUGEPAGE] {
                let file = memfd::create("file", CLOEXEC | EXEC)?;
                file.truncate(LEN as u64)?;
                let segment = sysv::new(LEN)?;
                for (name, map) in [
                    ("memfd", Map::aligned(&file, LEN, HUGE)?),
                    ("segment", segment.attach_onto(Map::place(LEN, HUGE)?, 0)?),
                    ("anonymous", Map::common_aligned(LEN, HUGE)?),
                ] {
                    let label = format!("{policy}, {of_a_size}: {name}, advice {advice}");
                    let counters = Counters::now()?;
                    map.advise(0, LEN, advice)?;
                    for at in [40 * PAGE, HUGE - 1, LEN - 1] {
                        map.set(at, 1);
                    }
                    t.put(&label, map.bytes(LEN - PAGE, PAGE));
                    let there = map.resident()?.iter().filter(|&&there| there).count();
                    t.put(format!("{label}: pages"), there);
                    let figures = smaps::some(&map, &["Rss", "ShmemPmdMapped", "THPeligible"])?;
                    t.put(format!("{label}: smaps"), figures);
                    counters.put(t, &label)?;
                }
                t.put(format!("{policy}, {of_a_size}: Shmem"), shmem.mib()?);
                t.put("blocks", file.blocks()?);
                t.put("segment", sysv::info()?);
            }
            let file = memfd::create("file", CLOEXEC | EXEC)?;
            let counters = Counters::now()?;
            file.pwrite(&pattern(1, LEN), 0)?;
            counters.put(t, &format!("{policy}, {of_a_size}: written"))?;
            drop(file);
            t.put("gone", shmem.mib()?);
            Ok(())
        })?;
    }
    Ok(())
}

/// Segments that go with their namespace give back what they had.
fn group_of_a_namespace(t: &mut Trace, _: &Fs) -> Done {
    let shmem = Growth::of("Shmem")?;
    let committed = Growth::of("Committed_AS")?;
    t.forked("namespace", |t| {
        sysv::own_namespace().expect("unshare");
        for _ in 0..4 {
            let segment = sysv::new(AMOUNT).expect("shmget");
            segment.attach(0).expect("shmat").fill(0, AMOUNT, 1);
            // It is left to go with the namespace.
            std::mem::forget(segment);
        }
        t.put("there", (shmem.mib().ok(), committed.mib().ok()));
    });
    let gone = stage::machine::wait(stage::machine::LATE, || {
        Ok(shmem.mib()? == 0 && committed.mib()? <= 0)
    })?;
    t.put("gone", gone);
    Ok(())
}
