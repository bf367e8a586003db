//! Large folios: the mount option, the controls of the system, and what a file looks like whose pages are
//! in few pieces.

use rustix::fs::FallocateFlags;
use rustix::mm::Advice;
use stage::group::Group;
use stage::machine::Setting;

use super::file_io::raw_pwrite;
use crate::harness::meminfo;
use crate::harness::prelude::*;
use crate::harness::smaps;

cases! {
    own => options, bad_options, remounts, written, appended, sparse, overwritten, preallocated,
        preallocation_undone, truncated, punched, punched_between_pages, extended, faulted, mapped_addresses,
        collapsed, advised, denied_and_forced, sizes_of_anonymous_memory, beyond_the_end, given_back_for_blocks,
        given_back_of_a_short_write, given_back_in_order, given_back_to_the_machine, counted_in_a_group,
        copied_on_write, removed_by_madvise, read_in_parts, spliced, small_files, block_sizes, last_pages,
        collapsed_beyond_the_end, collapsed_holes, collapsed_and_cut;
}

/// The size of what a PMD maps.
pub const HUGE: usize = 2 << 20;

const MODES: [&str; 4] = ["never", "always", "within_size", "advise"];

const THP: &str = "/sys/kernel/mm/transparent_hugepage";

/// Free blocks of memory that are large enough for a folio that a PMD maps, as /proc/buddyinfo has them.
fn free_blocks() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/buddyinfo")?;
    let large = text.lines().flat_map(|l| l.split_whitespace().skip(4 + 9));
    large.map(|n| n.parse::<u64>().context("buddyinfo")).sum()
}

/// Sees to it that whether there is a large folio is no matter of luck.
pub fn compact() -> Done {
    const ENOUGH: u64 = 100;
    if free_blocks()? < ENOUGH {
        std::fs::write("/proc/sys/vm/drop_caches", "1").context("drop_caches")?;
        std::fs::write("/proc/sys/vm/compact_memory", "1").context("compact_memory")?;
    }
    ensure!(free_blocks()? >= ENOUGH / 2, "memory is in pieces");
    Ok(())
}

/// Memory for large folios, on a kernel that has such.
pub fn prepare() -> Done {
    if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        skip!("this kernel has no large folios (CONFIG_TRANSPARENT_HUGEPAGE)");
    }
    compact()
}

/// A control of large folios, set back when dropped.
fn set_control(name: &str, value: &str) -> anyhow::Result<Setting> {
    Setting::new(&format!("{THP}/{name}"), value)
}

/// What the kernel has counted so far of large folios of files.
pub struct Counters(Vec<(String, u64)>);

impl Counters {
    pub fn now() -> anyhow::Result<Counters> {
        let mut all = Vec::new();
        let text = std::fs::read_to_string("/proc/vmstat")?;
        for line in text.lines() {
            let (name, value) = line.split_once(' ').context("vmstat")?;
            if name.starts_with("thp_file") {
                all.push((name.to_owned(), value.parse()?));
            }
        }
        for order in 1..10 {
            let size = 4 << order;
            for counter in ["shmem_alloc", "shmem_fallback", "shmem_fallback_charge"] {
                let path = format!("{THP}/hugepages-{size}kB/stats/{counter}");
                // Not all sizes have counters.
                if let Ok(value) = std::fs::read_to_string(&path) {
                    all.push((format!("{size}kB {counter}"), value.trim().parse()?));
                }
            }
        }
        Ok(Counters(all))
    }

    /// Records what has changed.
    pub fn put(&self, t: &mut Trace, label: &str) -> Done {
        let now = Counters::now()?;
        let changes = self.0.iter().zip(&now.0);
        let changes: Vec<String> = changes
            .filter(|(a, b)| a.1 != b.1)
            .map(|(a, b)| format!("{} +{}", a.0, b.1 - a.1))
            .collect();
        t.put(format!("{label}: counted"), changes);
        Ok(())
    }
}

/// What can be seen of a file's space, and its contents, which must be `expected`.
pub fn look(t: &mut Trace, label: &str, mount: &Mount, file: &Fd, expected: &[u8]) -> Done {
    t.put(format!("{label}: blocks"), file.blocks()?);
    t.put(format!("{label}: extents"), file.extents()?);
    t.put(format!("{label}: space"), mount.dir()?.space()?);
    let data = file.all()?;
    ensure!(
        data.0.len() == expected.len(),
        "{label}: {} bytes",
        data.0.len()
    );
    if data.0 != expected {
        let wrong = data.0.iter().zip(expected).position(|(a, b)| a != b);
        anyhow::bail!("{label}: wrong byte at {wrong:?}");
    }
    Ok(())
}

fn each_mode(
    t: &mut Trace,
    fs: &Fs,
    options: &str,
    body: impl Fn(&mut Trace, &str, &Mount, &Dir) -> Done,
) -> Done {
    compact()?;
    for mode in MODES {
        let mount = fs.mount(&format!("{options},huge={mode}"))?;
        let dir = mount.dir()?;
        let counters = Counters::now()?;
        body(t, mode, &mount, &dir)?;
        counters.put(t, mode)?;
        t.put(format!("{mode}: space at the end"), dir.space()?);
        drop(dir);
        mount.unmount()?;
    }
    Ok(())
}

pub fn fallocate(file: &Fd, flags: FallocateFlags, at: usize, len: usize) -> Res<()> {
    Ok(rustix::fs::fallocate(file, flags, at as u64, len as u64)?)
}

pub fn punch(file: &Fd, at: usize, len: usize) -> Res<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(file, flags, at, len)
}

fn options(t: &mut Trace, fs: &Fs) -> Done {
    if !std::path::Path::new(THP).exists() {
        // There is one word that says what is so anyway.
        for mode in MODES {
            match fs.mount(&format!("huge={mode}")) {
                Ok(mount) => t.text(mode, mount.options()),
                Err(e) => t.put(mode, e),
            }
        }
        return Ok(());
    }
    for mode in MODES {
        let options = format!("huge={mode}");
        let mount = fs.mount(&options)?;
        t.text(&options, mount.options());
        t.text(&options, mount.mountinfo());
        let shown = mount.options();
        let has_to = fs.is_subject() || mode != "never";
        ensure!(
            shown.contains(&options) == has_to,
            "{options} is shown as {shown}"
        );
        mount.unmount()?;
    }
    for options in [
        "",
        "huge=always,huge=never",
        "huge=never,huge=advise",
        "noswap,huge=within_size,size=1m,mode=700,uid=1,inode32",
    ] {
        let mount = fs.mount(options)?;
        t.text(options, mount.options());
        mount.unmount()?;
    }
    let context = fs.context()?;
    for option in ["huge=advise", "size=2m"] {
        t.put(format!("context {option}"), context.option(option));
    }
    t.put("create", context.create());
    let mount = fs.attach("m", context.mount()?)?;
    t.text("from a context", mount.options());
    mount.unmount()?;
    Ok(())
}

fn bad_options(t: &mut Trace, fs: &Fs) -> Done {
    for value in [
        "deny",
        "force",
        "",
        "Always",
        "always ",
        "1",
        "within-size",
        "neve",
        "nevers",
    ] {
        let mounted = fs.mount(&format!("huge={value}")).map(|_| ());
        t.put(format!("mount huge={value}"), mounted);
        let context = fs.context()?;
        t.put(format!("huge={value}"), context.set("huge", value));
        t.each(format!("huge={value}: log"), context.log());
    }
    t.put("mount huge", fs.mount("huge").map(|_| ()));
    let context = fs.context()?;
    t.put("huge", context.flag("huge"));
    t.each("huge: log", context.log());
    Ok(())
}

fn remounts(t: &mut Trace, fs: &Fs) -> Done {
    compact()?;
    let mount = fs.mount("size=16m")?;
    for (n, options) in [
        "huge=always",
        "size=20m",
        "huge=never",
        "huge=deny",
        "huge=within_size",
        "huge=advise",
    ]
    .into_iter()
    .enumerate()
    {
        t.put(options, mount.remount(options));
        t.text(format!("{options}: shown"), mount.options());
        let file = mount.dir()?.file(&n.to_string(), b"x")?;
        t.put(format!("{options}: blocks"), file.blocks()?);
    }
    let context = mount.pick()?;
    t.put("pick", context.option("huge=always"));
    t.put("reconfigure", context.reconfigure());
    t.text("picked: shown", mount.options());
    mount.unmount()?;
    Ok(())
}

/// One write call for all of it.
fn written(t: &mut Trace, fs: &Fs) -> Done {
    let sizes = [
        1,
        PAGE,
        2 * PAGE,
        5 * PAGE + 7,
        64 << 10,
        (300 << 10) + 1,
        HUGE,
        HUGE + 3 * PAGE + 5,
    ];
    each_mode(t, fs, "size=32m", |t, mode, mount, d| {
        for (n, size) in sizes.into_iter().enumerate() {
            let data = pattern(n as u32, size);
            let file = d.file(&n.to_string(), &data)?;
            look(t, &format!("{mode} {size}"), mount, &file, &data)?;
        }
        Ok(())
    })
}

/// Many writes that make the file longer, of sizes and at places that fit no folio.
fn appended(t: &mut Trace, fs: &Fs) -> Done {
    let data = pattern(7, HUGE + 100_000);
    each_mode(t, fs, "size=16m", |t, mode, mount, d| {
        for step in [PAGE, 3 * PAGE, 64 << 10, 100_001] {
            let file = d.create(step.to_string())?;
            for part in data.chunks(step) {
                ensure!(file.write(part)? == part.len(), "short write");
            }
            look(t, &format!("{mode} by {step}"), mount, &file, &data)?;
            drop(file);
            d.unlink(step.to_string())?;
        }
        Ok(())
    })
}

fn sparse(t: &mut Trace, fs: &Fs) -> Done {
    let places = [
        5 * HUGE + 12345,
        HUGE - 1,
        3 * HUGE,
        2 * HUGE + 9 * PAGE,
        10,
    ];
    each_mode(t, fs, "size=24m", |t, mode, mount, d| {
        let file = d.create("f")?;
        let mut expected = Vec::new();
        for (n, at) in places.into_iter().enumerate() {
            let data = pattern(n as u32, 100);
            ensure!(file.pwrite(&data, at as u64)? == 100, "short write");
            expected.resize(expected.len().max(at + 100), 0);
            expected[at..at + 100].copy_from_slice(&data);
            look(t, &format!("{mode} at {at}"), mount, &file, &expected)?;
        }
        Ok(())
    })
}

fn overwritten(t: &mut Trace, fs: &Fs) -> Done {
    let start = pattern(1, HUGE + 5 * PAGE);
    each_mode(t, fs, "size=16m", |t, mode, mount, d| {
        let mut data = start.clone();
        let file = d.file("f", &data)?;
        for (n, (at, len)) in [
            (100, 50),
            (PAGE - 1, 2),
            (HUGE - PAGE, 3 * PAGE),
            (3 * PAGE, 200_000),
        ]
        .into_iter()
        .enumerate()
        {
            let part = pattern(50 + n as u32, len);
            ensure!(file.pwrite(&part, at as u64)? == len, "short write");
            data[at..at + len].copy_from_slice(&part);
            look(t, &format!("{mode} {len} at {at}"), mount, &file, &data)?;
        }
        Ok(())
    })
}

fn preallocated(t: &mut Trace, fs: &Fs) -> Done {
    let keep = FallocateFlags::KEEP_SIZE;
    let plain = FallocateFlags::empty();
    each_mode(t, fs, "size=32m", |t, mode, mount, d| {
        for (n, (flags, at, len)) in [
            (plain, 0, HUGE),
            (plain, 0, 10 * PAGE),
            (keep, 0, HUGE),
            (keep, 3 * PAGE, HUGE),
            (plain, HUGE - PAGE, 2 * PAGE),
            (plain, 1, 1),
        ]
        .into_iter()
        .enumerate()
        {
            let name = n.to_string();
            let file = d.create(&name)?;
            let label = format!("{mode} {flags:?} {at} {len}");
            t.put(&label, fallocate(&file, flags, at, len));
            let mut expected = vec![0; file.size()? as usize];
            look(t, &label, mount, &file, &expected)?;
            // Again: what is there already is no matter for undoing now.
            t.put(format!("{label} again"), fallocate(&file, flags, at, len));
            expected.resize(expected.len().max(5000), 0);
            expected[4000..5000].copy_from_slice(&pattern(9, 1000));
            ensure!(
                file.pwrite(&expected[4000..5000], 4000)? == 1000,
                "short write"
            );
            look(t, &format!("{label} written"), mount, &file, &expected)?;
            // What was asked for stays.
            std::fs::write("/proc/sys/vm/drop_caches", "2")?;
            look(t, &format!("{label} shrunk"), mount, &file, &expected)?;
            drop(file);
            d.unlink(&name)?;
        }
        Ok(())
    })
}

fn preallocation_undone(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=7m", |t, mode, mount, d| {
        let other = d.create("other")?;
        t.put(
            "other",
            fallocate(&other, FallocateFlags::empty(), 0, HUGE + PAGE),
        );
        let data = pattern(3, PAGE);
        let file = d.file("f", &data)?;
        ensure!(file.pwrite(&data, HUGE as u64)? == PAGE, "short write");
        let mut expected = vec![0; HUGE + PAGE];
        expected[..PAGE].copy_from_slice(&data);
        expected[HUGE..].copy_from_slice(&data);
        look(t, &format!("{mode} before"), mount, &file, &expected)?;
        for flags in [FallocateFlags::empty(), FallocateFlags::KEEP_SIZE] {
            let result = fallocate(&file, flags, 0, 3 * HUGE);
            t.put(format!("{mode} too much {flags:?}"), result);
            t.put("size", file.size()?);
            look(t, &format!("{mode} undone"), mount, &file, &expected)?;
        }
        let result = fallocate(&file, FallocateFlags::empty(), 0, HUGE);
        t.put(format!("{mode} less"), result);
        look(t, &format!("{mode} less"), mount, &file, &expected)
    })
}

fn truncated(t: &mut Trace, fs: &Fs) -> Done {
    let data = pattern(4, HUGE + 35 * PAGE);
    each_mode(t, fs, "size=32m", |t, mode, mount, d| {
        for size in [HUGE + 1, HUGE, HUGE / 2, HUGE / 2 + 77, 5 * PAGE, 100, 0] {
            let file = d.file("f", &data)?;
            let mut expected = data[..size].to_vec();
            file.truncate(size as u64)?;
            look(t, &format!("{mode} to {size}"), mount, &file, &expected)?;
            // What was beyond is gone for good.
            file.truncate((size + HUGE / 2) as u64)?;
            expected.resize(size + HUGE / 2, 0);
            look(
                t,
                &format!("{mode} to {size} and longer"),
                mount,
                &file,
                &expected,
            )?;
            drop(file);
            d.unlink("f")?;
        }
        // Step by step, in one file.
        let file = d.file("f", &data)?;
        for size in (0..data.len())
            .step_by(HUGE / 4 + 1234)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            file.truncate(size as u64)?;
            look(
                t,
                &format!("{mode} down to {size}"),
                mount,
                &file,
                &data[..size],
            )?;
        }
        Ok(())
    })
}

/// Folios that end where no position is any more.
fn last_pages(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=32m", |t, mode, _, d| {
        t.put("mode", mode);
        super::file_io::last_pages(t, d)
    })
}

fn punched(t: &mut Trace, fs: &Fs) -> Done {
    let data = pattern(5, HUGE + 35 * PAGE);
    each_mode(t, fs, "size=32m", |t, mode, mount, d| {
        for (at, len) in [
            (0, PAGE),
            (0, HUGE),
            (PAGE, PAGE),
            (HUGE - PAGE, 2 * PAGE),
            (HUGE / 2, HUGE / 2 + 5 * PAGE),
            (100, 200),
            (PAGE - 1, PAGE + 2),
            (HUGE - 100, 200),
            (1, HUGE + PAGE),
            (PAGE, 10 * HUGE),
        ] {
            let file = d.file("f", &data)?;
            t.put(format!("{mode} {len} at {at}"), punch(&file, at, len));
            let mut expected = data.clone();
            let end = (at + len).min(expected.len());
            expected[at..end].fill(0);
            look(t, &format!("{mode} {len} at {at}"), mount, &file, &expected)?;
            drop(file);
            d.unlink("f")?;
        }
        // Every other page.
        let file = d.file("f", &data)?;
        let mut expected = data.clone();
        for page in (0..64).step_by(2) {
            punch(&file, page * PAGE, PAGE)?;
            expected[page * PAGE..(page + 1) * PAGE].fill(0);
        }
        look(
            t,
            &format!("{mode} every other page"),
            mount,
            &file,
            &expected,
        )?;
        // Filled again.
        ensure!(
            file.pwrite(&data[..64 * PAGE], 0)? == 64 * PAGE,
            "short write"
        );
        look(t, &format!("{mode} filled again"), mount, &file, &data)?;
        // While it is preallocated only.
        let empty = d.create("e")?;
        fallocate(&empty, FallocateFlags::empty(), 0, HUGE)?;
        t.put("punch what was never written", punch(&empty, 100, HUGE / 2));
        look(
            t,
            &format!("{mode} never written"),
            mount,
            &empty,
            &vec![0; HUGE],
        )
    })
}

/// Holes that begin and end where pages do leave nothing to be zeroed, and pieces of many sizes.
fn punched_between_pages(t: &mut Trace, fs: &Fs) -> Done {
    const HOLES: [(usize, usize); 9] = [
        (2, 1),
        (4, 3),
        (64, 8),
        (256, 1),
        (256, 100),
        (300, 150),
        (510, 3),
        (256, 512),
        (8, 1000),
    ];
    let data = pattern(5, 2 * HUGE);
    each_mode(t, fs, "size=32m", |t, mode, mount, d| {
        for (from, pages) in HOLES {
            let (at, len) = (from * PAGE, pages * PAGE);
            let label = format!("{mode}: {pages} pages from {from}");
            let mut expected = data.clone();
            expected[at..at + len].fill(0);
            let file = d.file("f", &data)?;
            t.put(&label, punch(&file, at, len));
            look(t, &label, mount, &file, &expected)?;
            t.put(format!("{label}: again"), punch(&file, at, len));
            look(t, &label, mount, &file, &expected)?;
            drop(file);
            d.unlink("f")?;
        }
        Ok(())
    })
}

/// The file grows first and is filled then.
fn extended(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=32m", |t, mode, mount, d| {
        let size = 2 * HUGE + 17 * PAGE;
        let file = d.create("f")?;
        file.truncate(size as u64)?;
        let mut expected = vec![0; size];
        for (n, at) in [0, HUGE + 5 * PAGE + 3, 2 * HUGE, size - 1]
            .into_iter()
            .enumerate()
        {
            let data = pattern(n as u32, 1);
            file.pwrite(&data, at as u64)?;
            expected[at] = data[0];
            look(t, &format!("{mode} at {at}"), mount, &file, &expected)?;
        }
        Ok(())
    })
}

fn put_smaps(t: &mut Trace, label: &str, map: &Map) -> Done {
    for name in [
        "Rss",
        "ShmemPmdMapped",
        "FilePmdMapped",
        "AnonHugePages",
        "THPeligible",
    ] {
        t.text(format!("{label}: {name}"), smaps::one(map, name)?);
    }
    Ok(())
}

fn faulted(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=32m", |t, mode, mount, d| {
        let size = 2 * HUGE + 3 * PAGE;
        let file = d.create("f")?;
        file.truncate(size as u64)?;
        let mut expected = vec![0; size];
        let map = Map::shared(&file, size, 0)?;
        put_smaps(t, &format!("{mode} untouched"), &map)?;
        for (n, at) in [HUGE + 7, 5, 2 * HUGE + PAGE, HUGE - 1]
            .into_iter()
            .enumerate()
        {
            map.set(at, n as u8 + 1);
            expected[at] = n as u8 + 1;
            let label = format!("{mode} at {at}");
            look(t, &label, mount, &file, &expected)?;
            put_smaps(t, &label, &map)?;
        }
        t.put(
            format!("{mode} resident"),
            map.resident()?.iter().filter(|r| **r).count(),
        );
        file.truncate((HUGE + HUGE / 2) as u64)?;
        expected.truncate(HUGE + HUGE / 2);
        look(t, &format!("{mode} cut"), mount, &file, &expected)?;
        put_smaps(t, &format!("{mode} cut"), &map)?;
        t.put(format!("{mode} read"), (map.get(5), map.get(HUGE + 7)));
        t.put("punch", punch(&file, PAGE, PAGE));
        t.put(
            format!("{mode} read after a punch"),
            (map.get(5), map.get(PAGE), map.get(HUGE - 1)),
        );
        put_smaps(t, &format!("{mode} punched"), &map)?;
        drop(map);

        // Read faults, and a mapping that begins in the middle.
        let file = d.file("g", &pattern(2, HUGE))?;
        let map = Map::read_only(&file, HUGE - 3 * PAGE, 3 * PAGE as u64)?;
        t.put(format!("{mode} bytes"), map.bytes(0, 64 << 10));
        put_smaps(t, &format!("{mode} in the middle"), &map)
    })
}

/// Whether addresses are such that a PMD can map the file.
fn mapped_addresses(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=32m", |t, mode, _, d| {
        let file = d.create("f")?;
        file.truncate(8 * HUGE as u64)?;
        for (len, offset) in [
            (HUGE, 0),
            (HUGE - PAGE, 0),
            (3 * HUGE + PAGE, 0),
            (HUGE, 5 * PAGE),
            (2 * HUGE, 5 * PAGE),
            (2 * HUGE - PAGE, 7 * HUGE / 4),
            (PAGE, 0),
        ] {
            // Something in between, so that addresses do not fit by chance.
            let spacer = Map::read_only(&file, PAGE, 0)?;
            let map = Map::read_only(&file, len, offset as u64)?;
            let fits = (map.start() as usize) % HUGE == offset % HUGE;
            t.put(
                format!("{mode} {len} from {offset}"),
                fits || mode == "never" || len < HUGE,
            );
            drop(spacer);
        }
        Ok(())
    })?;
    for control in ["deny", "force"] {
        let _control = set_control("shmem_enabled", control)?;
        for mode in ["always", "never"] {
            let mount = fs.mount(&format!("huge={mode}"))?;
            let file = mount.dir()?.create("f")?;
            file.truncate(8 * HUGE as u64)?;
            let spacer = Map::read_only(&file, PAGE, 0)?;
            let map = Map::read_only(&file, 2 * HUGE, 0)?;
            let fits = (map.start() as usize) % HUGE == 0;
            t.put(format!("{control} {mode}"), control == "deny" || fits);
            drop((spacer, map, file));
            mount.unmount()?;
        }
    }
    Ok(())
}

/// MADV_COLLAPSE (25), which rustix does not know.
fn collapse(map: &Map, len: usize) -> Res<()> {
    // SAFETY: the contents stay what they are.
    let done = unsafe { libc::madvise(map.start(), len, 25) };
    Errno::check(done.into()).map(|_| ())
}

fn collapsed(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=32m", |t, mode, mount, d| {
        let data = pattern(6, HUGE + 10 * PAGE);
        let file = d.create("f")?;
        // In pages, and with holes.
        for (n, page) in data.chunks(PAGE).enumerate().filter(|(n, _)| n % 3 != 1) {
            ensure!(
                file.pwrite(page, (n * PAGE) as u64)? == page.len(),
                "short write"
            );
        }
        let mut expected = data.clone();
        for page in expected.chunks_mut(PAGE).skip(1).step_by(3) {
            page.fill(0);
        }
        look(t, &format!("{mode} before"), mount, &file, &expected)?;
        // Aligned by hand, for those that do not align.
        let map = Map::shared(&file, HUGE, 0)?;
        if map.start() as usize % HUGE == 0 {
            t.put(format!("{mode} collapse"), collapse(&map, HUGE));
            look(t, &format!("{mode} collapsed"), mount, &file, &expected)?;
            put_smaps(t, &format!("{mode} collapsed"), &map)?;
            t.put(format!("{mode} read"), map.bytes(0, 6 * PAGE));
            map.set(PAGE + 5, 77);
            expected[PAGE + 5] = 77;
            look(t, &format!("{mode} written"), mount, &file, &expected)?;
            punch(&file, 7 * PAGE, 3 * PAGE)?;
            expected[7 * PAGE..10 * PAGE].fill(0);
            look(t, &format!("{mode} punched"), mount, &file, &expected)?;
        } else {
            ensure!(mode == "never", "{mode}: not aligned");
        }
        Ok(())
    })
}

/// MADV_HUGEPAGE and MADV_NOHUGEPAGE.
fn advised(t: &mut Trace, fs: &Fs) -> Done {
    for advice in [Advice::LinuxHugepage, Advice::LinuxNoHugepage] {
        each_mode(t, fs, "size=32m", |t, mode, mount, d| {
            let file = d.create("f")?;
            file.truncate(HUGE as u64 + 1)?;
            let mut expected = vec![0; HUGE + 1];
            let map = Map::shared(&file, HUGE + PAGE, 0)?;
            // SAFETY: the contents stay what they are.
            unsafe { rustix::mm::madvise(map.start(), HUGE + PAGE, advice)? };
            map.set(PAGE, 1);
            map.set(HUGE, 1);
            expected[PAGE] = 1;
            expected[HUGE] = 1;
            let aligned = map.start() as usize % HUGE == 0;
            if aligned || mode != "never" {
                look(t, &format!("{advice:?} {mode}"), mount, &file, &expected)?;
                put_smaps(t, &format!("{advice:?} {mode}"), &map)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn denied_and_forced(t: &mut Trace, fs: &Fs) -> Done {
    for control in ["deny", "force", "always", "within_size", "advise", "never"] {
        let _control = set_control("shmem_enabled", control)?;
        t.text("control", control);
        each_mode(t, fs, "size=32m", |t, mode, mount, d| {
            let label = format!("{control} {mode}");
            t.text(&label, mount.options());
            let data = pattern(1, 100_000);
            let file = d.file("f", &data)?;
            look(t, &label, mount, &file, &data)?;
            let file = d.file("g", b"x")?;
            look(t, &label, mount, &file, b"x")
        })?;
        // An option is taken whatever the system says.
        t.put(
            format!("{control}: huge=always"),
            fs.mount("huge=always")
                .map(|m| m.options().contains("huge=")),
        );
    }
    Ok(())
}

/// A file without a name is anonymous shared memory where it is mapped: the controls of each size count.
fn sizes_of_anonymous_memory(t: &mut Trace, fs: &Fs) -> Done {
    for (size, value) in [
        ("64kB", "always"),
        ("16kB", "within_size"),
        ("32kB", "advise"),
        ("2048kB", "always"),
        ("2048kB", "never"),
        ("128kB", "inherit"),
    ] {
        let _control = set_control(&format!("hugepages-{size}/shmem_enabled"), value)?;
        t.text("control", format!("{size} {value}"));
        each_mode(t, fs, "size=32m", |t, mode, mount, d| {
            let file = d.tmpfile()?;
            file.truncate(HUGE as u64 + 5 * PAGE as u64)?;
            let mut expected = vec![0; HUGE + 5 * PAGE];
            let map = Map::shared(&file, HUGE + 5 * PAGE, 0)?;
            let aligned = map.start() as usize % HUGE == 0;
            if !aligned {
                // Only what fits at this address by chance would differ.
                ensure!(mode == "never", "{mode}: not aligned");
                return Ok(());
            }
            map.set(40 * PAGE, 1);
            expected[40 * PAGE] = 1;
            map.set(HUGE + 4 * PAGE, 2);
            expected[HUGE + 4 * PAGE] = 2;
            look(
                t,
                &format!("{size} {value} {mode}"),
                mount,
                &file,
                &expected,
            )?;
            put_smaps(t, &format!("{size} {value} {mode}"), &map)
        })?;
    }
    Ok(())
}

/// What a large folio has beyond the end of the file belongs to it.
fn beyond_the_end(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=16m", |t, mode, mount, d| {
        let file = d.file("f", b"begin")?;
        let map = Map::shared(&file, 2 * PAGE, 0)?;
        // Beyond the end, in the last page: it must not come to light.
        map.set(1000, 99);
        file.truncate(2 * PAGE as u64)?;
        t.put(format!("{mode} longer"), (map.get(1000), map.get(PAGE + 5)));
        let mut expected = vec![0; 2 * PAGE];
        expected[..5].copy_from_slice(b"begin");
        expected[1000] = map.get(1000);
        look(t, mode, mount, &file, &expected)?;
        drop(map);
        t.forked(format!("{mode} beyond"), |_| {
            let small = d.file("s", b"x").expect("a file");
            let map = Map::shared(&small, 2 * PAGE, 0).expect("a mapping");
            map.set(PAGE, 1);
        });
        Ok(())
    })
}

/// Where blocks are short, folios give back what they have beyond the end of their file.
fn given_back_for_blocks(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=5m", |t, mode, mount, d| {
        let mut files = Vec::new();
        for n in 0..6 {
            let file = d.file(&n.to_string(), &pattern(n, 10_000))?;
            t.put(format!("{mode} {n}"), file.blocks()?);
            t.put("space", d.space()?);
            files.push(file);
        }
        for (n, file) in files.iter().enumerate() {
            look(
                t,
                &format!("{mode} {n} in the end"),
                mount,
                file,
                &pattern(n as u32, 10_000),
            )?;
        }
        Ok(())
    })
}

/// Of several files, the one whose folio was made last gives back first.
fn given_back_in_order(t: &mut Trace, fs: &Fs) -> Done {
    compact()?;
    let mount = fs.mount("size=6m,huge=always")?;
    let dir = mount.dir()?;
    let mut files = Vec::new();
    for n in 0..3 {
        files.push(dir.file(&n.to_string(), &pattern(n, 10_000))?);
    }
    let taker = dir.file("taker", b"")?;
    let data = pattern(9, HUGE / 2);
    for step in 0..6 {
        t.put(
            format!("{step} taken"),
            taker.pwrite(&data, step * data.len() as u64),
        );
        for (n, file) in files.iter().enumerate() {
            t.put(format!("{step} {n}"), file.blocks()?);
        }
    }
    Ok(())
}

fn given_back_to_the_machine(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=32m", |t, mode, mount, d| {
        let mut files = Vec::new();
        for n in 0..5 {
            let size = 10_000 + n as usize * 200_000;
            let data = pattern(n, size);
            files.push((d.file(&n.to_string(), &data)?, data));
        }
        let cut = d.file("cut", &pattern(9, HUGE))?;
        cut.truncate(123_456)?;
        files.push((cut, pattern(9, HUGE)[..123_456].to_vec()));
        for (n, (file, data)) in files.iter().enumerate() {
            look(t, &format!("{mode} {n}"), mount, file, data)?;
        }
        std::fs::write("/proc/sys/vm/drop_caches", "2").context("drop_caches")?;
        for (n, (file, data)) in files.iter().enumerate() {
            look(t, &format!("{mode} {n} shrunk"), mount, file, data)?;
        }
        // And grow again.
        let data = pattern(8, 50_000);
        ensure!(files[0].0.pwrite(&data, 0)? == data.len(), "short write");
        look(t, &format!("{mode} grown"), mount, &files[0].0, &data)
    })
}

/// A write ends where its source does; a folio for all of it is larger than the file needs.
fn given_back_of_a_short_write(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=4m", |t, mode, mount, d| {
        let source = Map::anonymous(HUGE)?;
        let data = vec![7; PAGE];
        source.fill(0, PAGE, 7);
        let rest = HUGE - PAGE;
        drop(source.part(PAGE, rest, rest, libc::MREMAP_MAYMOVE)?);
        for need in ["memory", "blocks"] {
            let file = d.create("f")?;
            let written = raw_pwrite(&file, source.start(), HUGE, 0)?;
            t.put(format!("{mode} written"), written);
            look(t, &format!("{mode} there"), mount, &file, &data)?;
            if need == "memory" {
                std::fs::write("/proc/sys/vm/drop_caches", "2").context("drop_caches")?;
            } else {
                let other = d.file("other", &vec![1; HUGE])?;
                t.put("one more", other.pwrite(&data, HUGE as u64));
                drop(other);
                d.unlink("other")?;
            }
            look(t, &format!("{mode}, for {need}"), mount, &file, &data)?;
            drop(file);
            d.unlink("f")?;
        }
        Ok(())
    })
}

fn counted_in_a_group(t: &mut Trace, fs: &Fs) -> Done {
    let group = Group::enter(&[])?;
    each_mode(t, fs, "size=32m", |t, mode, _, d| {
        let file = d.file("f", &vec![1; 4 * HUGE])?;
        let figures = group.stats_mib(["shmem", "shmem_thp", "file_thp", "anon_thp"])?;
        t.put(format!("{mode}: of the group"), figures);
        for name in ["ShmemHugePages", "FileHugePages", "ShmemPmdMapped"] {
            t.put(format!("{mode}: {name}"), meminfo::kib(name)?);
        }
        file.truncate(HUGE as u64 + 1)?;
        t.put(
            format!("{mode}: shmem_thp, cut"),
            group.stats_mib(["shmem_thp"])?,
        );
        drop(file);
        d.unlink("f")?;
        t.put(
            format!("{mode}: shmem_thp, gone"),
            group.stats_mib(["shmem_thp"])?,
        );
        Ok(())
    })
}

fn copied_on_write(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=16m", |t, mode, mount, d| {
        let data = pattern(1, HUGE);
        let file = d.file("f", &data)?;
        let map = Map::private(&file, HUGE, 0)?;
        map.set(5 * PAGE + 1, 200);
        t.put(format!("{mode} private"), map.bytes(5 * PAGE, 8));
        look(t, &format!("{mode} shared"), mount, &file, &data)?;
        file.truncate(PAGE as u64)?;
        look(t, &format!("{mode} cut"), mount, &file, &data[..PAGE])
    })
}

fn removed_by_madvise(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=16m", |t, mode, mount, d| {
        let mut data = pattern(1, 2 * HUGE);
        let file = d.file("f", &data)?;
        let map = Map::shared(&file, 2 * HUGE, 0)?;
        for (at, len) in [(3 * PAGE, 5 * PAGE), (HUGE, HUGE), (0, PAGE)] {
            // SAFETY: nothing refers to the memory.
            let done = unsafe {
                let start = map.start().cast::<u8>().add(at).cast();
                rustix::mm::madvise(start, len, Advice::LinuxRemove)
            };
            t.put(format!("{mode} {len} at {at}"), done.is_ok());
            data[at..at + len].fill(0);
            look(t, &format!("{mode} {len} at {at}"), mount, &file, &data)?;
        }
        Ok(())
    })
}

fn read_in_parts(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=16m", |t, mode, _, d| {
        let data = pattern(1, HUGE + 4 * PAGE + 100);
        let file = d.file("f", &data)?;
        for (at, len) in [
            (0, 1),
            (PAGE - 1, 2),
            (HUGE - 1, 2),
            (HUGE - 5 * PAGE - 5, 7 * PAGE),
            (HUGE, 100),
            (HUGE + 4 * PAGE, 1000),
            (HUGE + 5 * PAGE, 10),
        ] {
            let got = file.pread(len, at as u64)?;
            let end = (at + len).min(data.len());
            let expected = data.get(at..end).unwrap_or_default();
            ensure!(got.0 == expected, "{mode}: {len} at {at}");
            t.put(format!("{mode} {len} at {at}"), got.0.len());
        }
        Ok(())
    })
}

fn spliced(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=16m", |t, mode, mount, d| {
        let data = pattern(1, 300_000);
        let from = d.file("f", &data)?;
        let to = d.create("t")?;
        let mut offset = 0;
        while offset < data.len() as u64 {
            let n = rustix::fs::sendfile(&to, &from, Some(&mut offset), 1 << 20)?;
            ensure!(n > 0, "the file ends at {offset}");
        }
        look(t, &format!("{mode} copy"), mount, &to, &data)?;
        let done = rustix::fs::copy_file_range(&from, Some(&mut 5000), &to, Some(&mut 10), 70_000)?;
        let mut expected = data.clone();
        expected[10..10 + done].copy_from_slice(&data[5000..5000 + done]);
        t.put(format!("{mode} range"), done);
        look(t, &format!("{mode} range"), mount, &to, &expected)
    })
}

/// No more memory than they need, but where the mount says so.
fn small_files(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=64m", |t, mode, _, d| {
        for n in 0..20 {
            d.file(&n.to_string(), &pattern(n, 500 * (n as usize + 1)))?;
        }
        t.put(format!("{mode} space"), d.space()?);
        for n in 0..20 {
            ensure!(
                d.contents(&n.to_string())?.0 == pattern(n, 500 * (n as usize + 1)),
                "{n}"
            );
        }
        Ok(())
    })
}

/// The size that I/O is best done in: which files it is large for, by the mount and by the machine.
fn block_sizes(t: &mut Trace, fs: &Fs) -> Done {
    for control in ["", "deny", "force"] {
        let _control = match control {
            "" => None,
            _ => Some(set_control("shmem_enabled", control)?),
        };
        for mode in MODES {
            let mount = fs.mount(&format!("size=32m,huge={mode}"))?;
            let d = mount.dir()?;
            d.mkdir("dir")?;
            d.symlink("dir", "link")?;
            for size in [0, 1, 2 * PAGE, 4 * PAGE, HUGE, HUGE + 1] {
                d.create(format!("{size}"))?.truncate(size as u64)?;
            }
            for name in d.names()? {
                let size = d.meta(&name)?.blksize;
                t.put(format!("{control} {mode} {name:?}"), size);
            }
            t.put("statfs", d.space()?);
            drop(d);
            mount.unmount()?;
        }
    }
    Ok(())
}

/// What fallocate(2) has put beyond the end of the file is not for a mapping.
fn collapsed_beyond_the_end(t: &mut Trace, fs: &Fs) -> Done {
    each_mode(t, fs, "size=32m", |t, mode, mount, d| {
        let data = pattern(3, HUGE / 2);
        let file = d.file("f", &data)?;
        fallocate(&file, FallocateFlags::KEEP_SIZE, 0, HUGE)?;
        look(t, &format!("{mode} before"), mount, &file, &data)?;
        let map = Map::aligned(&file, HUGE, HUGE)?;
        map.touch(HUGE / 2 / PAGE);
        t.put(format!("{mode} collapse"), collapse(&map, HUGE));
        look(t, &format!("{mode} collapsed"), mount, &file, &data)?;
        put_smaps(t, mode, &map)?;
        file.truncate(HUGE as u64)?;
        let mut data = data;
        data.resize(HUGE, 0);
        look(t, &format!("{mode} longer"), mount, &file, &data)?;
        t.put(format!("{mode} collapse the longer"), collapse(&map, HUGE));
        look(t, &format!("{mode} collapsed at last"), mount, &file, &data)
    })
}

/// A collapse that comes to nothing leaves nodes without entries in the xarray: that is no page, and no hindrance to the
/// file's end.
fn collapsed_holes(t: &mut Trace, fs: &Fs) -> Done {
    for pages in [0, 1, 40] {
        each_mode(t, fs, "size=1m", |t, mode, mount, d| {
            let file = d.create("f")?;
            for page in 0..pages {
                file.pwrite(&[3], (page * PAGE) as u64)?;
            }
            file.truncate(HUGE as u64)?;
            let map = Map::aligned(&file, HUGE, HUGE)?;
            let label = format!("{mode}, {pages} pages");
            t.put(format!("{label}: collapse"), collapse(&map, HUGE));
            drop(map);
            t.put(format!("{label}: space"), d.space()?);
            let modified = || rustix::fs::fstat(&file).map(|s| (s.st_mtime, s.st_mtime_nsec));
            let before = modified()?;
            std::thread::sleep(std::time::Duration::from_millis(20));
            file.truncate(HUGE as u64)?;
            let now = modified()?;
            t.put(format!("{label}: the same size is a change"), now != before);
            drop(file);
            d.unlink("f")?;
            t.put(format!("{label}: gone"), d.space()?);
            Ok(mount.remount("size=2m")?)
        })?;
    }
    Ok(())
}

/// On a mount without large folios one that MADV_COLLAPSE has made is met by a hole only where its pages go: it is cut there,
/// and the pieces that are in the hole are gone, of whatever sizes it is cut into.
fn collapsed_and_cut(t: &mut Trace, fs: &Fs) -> Done {
    const PAGES: usize = HUGE / PAGE;
    const HOLES: [(usize, usize); 7] = [
        (7, 3),
        (64, 8),
        (256, 256),
        (256, 1),
        (0, 300),
        (509, 3),
        (300, 600),
    ];
    prepare()?;
    let data = pattern(9, 2 * HUGE);
    for (from, pages) in HOLES {
        for is_hole in [true, false] {
            let mount = fs.mount("size=32m,huge=never")?;
            let file = mount.dir()?.file("f", &data)?;
            let map = Map::aligned(&file, 2 * HUGE, HUGE)?;
            collapse(&map, 2 * HUGE)?;
            let (at, len) = (from * PAGE, pages * PAGE);
            let mut expected = data.clone();
            let label = if is_hole {
                punch(&file, at, len)?;
                expected[at..at + len].fill(0);
                format!("{pages} pages from {from}")
            } else {
                file.truncate(at as u64)?;
                expected.truncate(at);
                format!("to {from} pages")
            };
            look(t, &label, &mount, &file, &expected)?;
            let left = expected.len() / PAGE - if is_hole { pages } else { 0 };
            ensure!(
                file.blocks()? == (left * PAGE / 512) as u64,
                "{label} of {PAGES} in a folio: {} blocks",
                file.blocks()?
            );
            drop((map, file));
            mount.unmount()?;
        }
    }
    Ok(())
}
