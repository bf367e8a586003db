//! All that can be seen of a mount: names, metadata, contents, attributes, counts, and the counters of the machine.

use std::collections::HashMap;
use std::os::fd::AsFd;

use anyhow::Context;
use rustix::fs::{FileType, Mode, OFlags, StatFs, Statx, StatxTimestamp};

use super::names::short;
use super::player::Player;
use crate::harness::case::Done;
use crate::harness::errno::{Errno, Res};
use crate::harness::fs::Mounted;
use crate::harness::meta::{statx, Meta};
use crate::harness::quota::{self, Kind, Quota};
use crate::harness::sys::{link_of, Dir, Fd, PAGE};
use crate::harness::trace::Trace;

/// More extents than this are shown as a digest.
const EXTENTS_SHOWN: usize = 8;

/// So much of a file is read at once.
const CHUNK: usize = 256 << 10;

/// No more than this is read of a file, holes left out.
const READ_MOST: u64 = 64 << 20;

/// As deep as directories are looked into.
const DEPTH: usize = 12;

/// What statx(2) says; but for the blocks, where that is to be told roughly.
pub fn metadata(s: &Statx, roughly: bool) -> Meta {
    let mut meta = Meta::from(s);
    if roughly {
        meta.blocks = 0;
    }
    meta
}

/// Whether a store to a mapping may set the times of changes: it does where it takes a fault, and so depends on which pages
/// are mapped.
pub fn is_written_by_faults(s: &Statx) -> bool {
    FileType::from_raw_mode(s.stx_mode.into()) == FileType::RegularFile
}

/// What quotactl(2) says of an id, but for the blocks, likewise.
pub fn quota(mut quota: Quota, roughly: bool) -> Quota {
    if roughly {
        (quota.bytes, quota.block_time) = (0, 0);
    }
    quota
}

/// What statfs(2) says, but the type and the id; and the free blocks, likewise.
pub fn shown(s: &StatFs, roughly: bool) -> String {
    let (free, available) = match roughly {
        true => (0, 0),
        false => (s.f_bfree, s.f_bavail),
    };
    format!(
        "bsize {} frsize {} blocks {} free {} {} files {} free {} names {} flags {:#x}",
        s.f_bsize,
        s.f_frsize,
        s.f_blocks,
        free,
        available,
        s.f_files,
        s.f_ffree,
        s.f_namelen,
        s.f_flags
    )
}

/// Counters of the machine that a mount adds to, and those of the memory cgroup, where there is one. They are of one side
/// at a time, which plays alone.
pub struct Figures {
    pages: i64,
    huge: i64,
    swap: i64,
    committed: i64,
    charged: Option<Charged>,
}

/// In pages.
struct Charged {
    shmem: i64,
    swap: i64,
}

impl Charged {
    fn now() -> anyhow::Result<Option<Charged>> {
        let Some(group) = stage::group::current()? else {
            return Ok(None);
        };
        let stat = stage::machine::read(group.join("memory.stat"))?;
        let shmem = stage::machine::figure(&stat, "shmem").context("memory.stat")?;
        // A kernel without swap has no such file.
        let swap = std::fs::read_to_string(group.join("memory.swap.current"));
        let swap = swap.map_or(Ok(0), |text| text.trim().parse::<u64>())?;
        let pages = |bytes: u64| (bytes / PAGE as u64) as i64;
        Ok(Some(Charged {
            shmem: pages(shmem),
            swap: pages(swap),
        }))
    }
}

/// The kernel adds up what each processor counted for a cgroup when that is so many changes, or late: pages that may be
/// missing, or too many, in memory.stat.
const LATE: i64 = 512;

impl Figures {
    pub fn now() -> anyhow::Result<Figures> {
        // All CPUs hand in theirs.
        std::fs::write("/proc/sys/vm/stat_refresh", "1").context("stat_refresh")?;
        let text = stage::machine::read("/proc/vmstat")?;
        let figure = |name| stage::machine::figure(&text, name).map_or(0, |value| value as i64);
        let used: u64 = stage::device::in_use()
            .unwrap_or_default()
            .iter()
            .map(|(_, used)| used)
            .sum();
        Ok(Figures {
            pages: figure("nr_shmem"),
            huge: figure("nr_shmem_hugepages"),
            swap: used as i64,
            // But for what this process has to work with.
            committed: stage::machine::meminfo("Committed_AS")? as i64
                - stage::machine::status("VmData")? as i64,
            charged: Charged::now()?,
        })
    }

    /// Whether the cgroup has been charged since `before` for all that the machine has counted since.
    fn are_charged(&self, before: &Figures) -> bool {
        let (Some(now), Some(then)) = (&self.charged, &before.charged) else {
            return true;
        };
        let counted = [
            self.pages - before.pages,
            (self.swap - before.swap) / (PAGE as i64 >> 10),
        ];
        let charged = [now.shmem - then.shmem, now.swap - then.swap];
        counted
            .iter()
            .zip(charged)
            .all(|(counted, charged)| (counted - charged).abs() <= LATE)
    }

    /// What has come since; with `vague` pages may be in memory, in swap, both, or elsewhere. Without `sized` the size of
    /// folios is a known difference.
    pub fn since(&self, vague: bool, sized: bool) -> anyhow::Result<String> {
        let now = Figures::now()?;
        let charged = now.are_charged(self);
        if vague {
            return Ok(format!("pages here and there, charged: {charged}"));
        }
        let (pages, swap) = (now.pages - self.pages, now.swap - self.swap);
        let huge = if sized {
            format!("{} huge ones", now.huge - self.huge)
        } else {
            "of some sizes".to_owned()
        };
        Ok(format!(
            "{pages} pages, {huge}, {swap} KiB in swap, charged: {charged}"
        ))
    }

    /// What is left when all is gone, or was taken away once more; in commitments, which other tasks have too, no less
    /// than a MiB is.
    pub fn left(&self) -> anyhow::Result<String> {
        let committed = (Figures::now()?.committed - self.committed) / 1024;
        Ok(format!(
            "{}, {committed} MiB committed",
            self.since(false, true)?
        ))
    }
}

/// What is shown of files.
#[derive(Clone, Copy)]
pub enum View {
    /// All of it, as both sides have it: a time that a call has set is what it is; those of the clock are all the same.
    Whole,
    /// What a call that fails must leave alone, with the very times of changes; links on the way to a file have been
    /// read. It is looked at often, so that long contents are read in part.
    Kept,
    /// The same without times.
    KeptButTimes,
}

impl View {
    fn read_most(self) -> u64 {
        match self {
            View::Whole => READ_MOST,
            View::Kept | View::KeptButTimes => READ_MOST >> 6,
        }
    }

    fn times(self, s: &Statx, roughly: bool) -> String {
        let shown: &[_] = match self {
            View::Whole if roughly && is_written_by_faults(s) => {
                &[s.stx_atime, s.stx_btime].map(|t| stamp(&t))
            }
            View::Whole => &[s.stx_atime, s.stx_mtime, s.stx_ctime, s.stx_btime].map(|t| stamp(&t)),
            View::Kept => &[s.stx_mtime, s.stx_ctime].map(|t| exact(&t)),
            View::KeptButTimes => &[],
        };
        shown.join(" ")
    }
}

/// Inodes as they are shown.
struct Inodes {
    view: View,
    roughly: bool,
    /// Their numbers, in the order in which they are seen.
    numbers: HashMap<(u32, u32, u64), usize>,
}

impl Inodes {
    fn number(&mut self, s: &Statx) -> usize {
        let next = self.numbers.len();
        let file = (s.stx_dev_major, s.stx_dev_minor, s.stx_ino);
        *self.numbers.entry(file).or_insert(next)
    }

    /// The extents of a file, and a digest of what is in them; of the latter alone where that is to be told roughly.
    fn contents(&self, dir: impl AsFd, name: &str) -> String {
        let flags = OFlags::RDONLY | OFlags::NOATIME | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let said = rustix::fs::openat(dir, name, flags, Mode::empty())
            .map_err(Errno::from)
            .and_then(|fd| match self.roughly {
                true => what_is_in(&Fd(fd)),
                false => digest(&Fd(fd), self.view.read_most()),
            });
        said.unwrap_or_else(|e| format!("{e:?}"))
    }

    fn metadata(&self, s: &Statx) -> String {
        format!(
            "{:?} times {} attributes {:#x}",
            metadata(s, self.roughly),
            self.view.times(s, self.roughly),
            s.stx_attributes
        )
    }
}

impl Player {
    /// Records all of it. Only root can.
    pub fn check(&mut self, t: &mut Trace) -> Done {
        self.look(t, View::Whole)
    }

    pub fn look(&mut self, t: &mut Trace, view: View) -> Done {
        let mut inodes = Inodes {
            view,
            roughly: self.roughly,
            numbers: HashMap::new(),
        };
        let root = self.mount.dir()?;
        tree(t, &mut inodes, &root, "", DEPTH)?;
        let mounted = statx(&root, ".")?;
        let device = |s: &Statx| (s.stx_dev_major, s.stx_dev_minor);
        for number in 0..self.fds.len() {
            let Some(fd) = self.fd(number) else { continue };
            let label = format!("fd {number}");
            let at = rustix::fs::seek(fd, rustix::fs::SeekFrom::Current(0)).map_err(Errno::from);
            let s = rustix::fs::statx(
                fd,
                "",
                rustix::fs::AtFlags::EMPTY_PATH,
                rustix::fs::StatxFlags::ALL,
            )?;
            let kind = FileType::from_raw_mode(s.stx_mode.into());
            if kind == FileType::Symlink && device(&s) != device(&mounted) {
                // The link by which a descriptor was opened anew, and not what it leads to.
                continue;
            }
            let at = if kind == FileType::Directory {
                Ok(0)
            } else {
                at
            };
            t.text(
                &label,
                format!(
                    "at {at:?} inode {} {}",
                    inodes.number(&s),
                    inodes.metadata(&s)
                ),
            );
            if kind == FileType::RegularFile {
                let link = link_of(fd);
                t.text(&label, inodes.contents(rustix::fs::CWD, &link));
            }
        }
        let space = rustix::fs::fstatfs(&root).map_err(Errno::from);
        t.text(
            "statfs",
            space.map_or_else(|e| format!("{e:?}"), |s| shown(&s, self.roughly)),
        );
        let options = self.mount.options();
        let sized = self.sized
            && ["always", "within_size", "advise"]
                .iter()
                .any(|mode| options.contains(&format!("huge={mode}")));
        t.text("options", options);
        for kind in [Kind::User, Kind::Group] {
            let all = quota::all(&root, kind).map(|all| -> Vec<_> {
                let told = all.into_iter().map(|q| quota(q, self.roughly));
                told.collect()
            });
            t.put(format!("quota {kind:?}"), all);
        }
        for (n, seen) in self.segments.seen().into_iter().enumerate() {
            t.text(format!("segment {n}"), seen);
        }
        t.text(
            "memory",
            self.figures.since(self.vague || self.long_link, sized)?,
        );
        Ok(())
    }
}

fn tree(t: &mut Trace, inodes: &mut Inodes, dir: &Dir, at: &str, depth: usize) -> Done {
    let mut entries = dir.list().with_context(|| format!("listing '{at}'"))?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in entries {
        let (name, here) = (&entry.name, format!("{at}/{}", short(&entry.name)));
        if name == ".." {
            continue;
        }
        let s = match statx(dir, name) {
            Ok(s) => s,
            Err(e) => {
                t.put(here, e);
                continue;
            }
        };
        let kind = FileType::from_raw_mode(s.stx_mode.into());
        let same = entry.ino == s.stx_ino && entry.kind == kind;
        t.text(
            &here,
            format!("inode {} {same} {}", inodes.number(&s), inodes.metadata(&s)),
        );
        if name == "." {
            continue;
        }
        match dir.all_xattrs(name) {
            Ok(all) if all.is_empty() => {}
            all => t.put(format!("{here} xattrs"), all),
        }
        match kind {
            FileType::RegularFile => t.text(&here, inodes.contents(dir, name)),
            FileType::Symlink => t.put(&here, dir.readlink(name)),
            FileType::Directory if depth > 0 => {
                let sub = rustix::fs::openat(
                    dir,
                    name.as_str(),
                    OFlags::RDONLY | OFlags::NOATIME | OFlags::DIRECTORY,
                    Mode::empty(),
                )?;
                tree(t, inodes, &Dir::from(sub), &here, depth - 1)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn stamp(t: &StatxTimestamp) -> String {
    let (from, to) = (1_600_000_000, 4_000_000_000);
    if (from..to).contains(&t.tv_sec) {
        return "now".to_owned();
    }
    exact(t)
}

fn exact(t: &StatxTimestamp) -> String {
    format!("{}.{}", t.tv_sec, t.tv_nsec)
}

/// Reads the bytes from `start` to before `end` in pieces, with the position of each; no more than are `left`.
fn read_extent(
    file: &Fd,
    (start, end): (u64, u64),
    left: &mut u64,
    mut f: impl FnMut(u64, &[u8]),
) -> Res<()> {
    let mut at = start;
    while at < end && *left > 0 {
        let data = file.pread(CHUNK.min((end - at) as usize), at)?.0;
        if data.is_empty() {
            break;
        }
        f(at, &data);
        at += data.len() as u64;
        *left = left.saturating_sub(data.len() as u64);
    }
    Ok(())
}

fn digest(file: &Fd, most: u64) -> Res<String> {
    let extents = file.extents()?;
    let mut sum = Sum::default();
    let mut left = most;
    for &(start, end) in &extents {
        sum.add(&start.to_le_bytes());
        read_extent(file, (start, end), &mut left, |_, data| sum.add(data))?;
    }
    // A hole, or the end, reads as zeros or nothing.
    let first = file.pread(64, 0)?;
    if extents.len() > EXTENTS_SHOWN {
        let mut of = Sum::default();
        extents
            .iter()
            .for_each(|(_, end)| of.add(&end.to_le_bytes()));
        return Ok(format!(
            "{} extents {:x}, digest {:x}, {first:?}",
            extents.len(),
            of.0,
            sum.0
        ));
    }
    Ok(format!(
        "extents {extents:?}, digest {:x}, {first:?}",
        sum.0
    ))
}

/// A digest of all pages that are not zero, whether the others are there or not.
fn what_is_in(file: &Fd) -> Res<String> {
    // All that there is.
    let (mut sum, mut left) = (Sum::default(), u64::MAX);
    for extent in file.extents()? {
        read_extent(file, extent, &mut left, |at, data| {
            for (page, data) in (at / PAGE as u64..).zip(data.chunks(PAGE)) {
                if data.iter().any(|byte| *byte != 0) {
                    sum.add(&page.to_le_bytes());
                    sum.add(data);
                }
            }
        })?;
    }
    let first = file.pread(64, 0)?;
    Ok(format!("digest {:x}, {first:?}", sum.0))
}

/// FNV, a word at a time: contents are megabytes and the guest is emulated.
struct Sum(u64);

impl Default for Sum {
    fn default() -> Sum {
        Sum(0xcbf2_9ce4_8422_2325)
    }
}

impl Sum {
    fn add(&mut self, data: &[u8]) {
        for word in data.chunks(8) {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            self.0 = (self.0 ^ u64::from_le_bytes(bytes))
                .wrapping_mul(0x0100_0000_01b3)
                .rotate_left(23);
        }
    }
}
