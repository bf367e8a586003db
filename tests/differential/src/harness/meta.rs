//! Metadata as a trace shows it: values that must be equal on both types, and time stamps as relations.

use std::fmt;

use rustix::fs::{AtFlags, Statx, StatxFlags};
use rustix::time::{clock_gettime, ClockId};

use super::errno::Res;
use super::sys::Dir;

pub type Stamp = (i64, u32);

/// What statx(2) says but times, inode number, device and attributes (these have a case of their own).
#[derive(Clone, PartialEq, Eq)]
pub struct Meta {
    pub mode: u16,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub blocks: u64,
    pub blksize: u32,
    pub rdev: (u32, u32),
}

impl From<&Statx> for Meta {
    fn from(s: &Statx) -> Meta {
        Meta {
            mode: s.stx_mode,
            nlink: s.stx_nlink,
            uid: s.stx_uid,
            gid: s.stx_gid,
            size: s.stx_size,
            blocks: s.stx_blocks,
            blksize: s.stx_blksize,
            rdev: (s.stx_rdev_major, s.stx_rdev_minor),
        }
    }
}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "mode {:06o} nlink {} owner {}:{} size {} blocks {} blksize {} rdev {}:{}",
            self.mode,
            self.nlink,
            self.uid,
            self.gid,
            self.size,
            self.blocks,
            self.blksize,
            self.rdev.0,
            self.rdev.1
        )
    }
}

pub fn statx(dir: &Dir, path: &str) -> Res<Statx> {
    let (flags, want) = (
        AtFlags::SYMLINK_NOFOLLOW,
        StatxFlags::BASIC_STATS | StatxFlags::BTIME,
    );
    if path == "." {
        return Ok(rustix::fs::statx(
            dir,
            "",
            flags | AtFlags::EMPTY_PATH,
            want,
        )?);
    }
    Ok(rustix::fs::statx(dir, path, flags, want)?)
}

/// The four time stamps of a file, named by their letter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Times([(char, Stamp); 4]);

impl From<&Statx> for Times {
    fn from(s: &Statx) -> Times {
        Times([
            ('a', (s.stx_atime.tv_sec, s.stx_atime.tv_nsec)),
            ('m', (s.stx_mtime.tv_sec, s.stx_mtime.tv_nsec)),
            ('c', (s.stx_ctime.tv_sec, s.stx_ctime.tv_nsec)),
            ('b', (s.stx_btime.tv_sec, s.stx_btime.tv_nsec)),
        ])
    }
}

/// The order of time stamps: `b<a=m=c`.
impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.order("amcb"))
    }
}

impl Times {
    /// The order of some of them.
    fn order(&self, letters: &str) -> String {
        let mut sorted: Vec<_> = self
            .0
            .into_iter()
            .filter(|t| letters.contains(t.0))
            .collect();
        sorted.sort_by_key(|&(_, stamp)| stamp);
        let mut text: String = sorted.iter().take(1).map(|t| t.0).collect();
        for pair in sorted.windows(2) {
            text.push(if pair[0].1 == pair[1].1 { '=' } else { '<' });
            text.push(pair[1].0);
        }
        text
    }

    /// Which of them were set since then, and their order: the others may be anything to each other.
    fn set_since(&self, start: Stamp) -> String {
        let letters: String = self
            .0
            .iter()
            .filter(|t| t.1 >= start)
            .map(|t| t.0)
            .collect();
        if letters.is_empty() {
            return "no times set".to_owned();
        }
        format!("times set: {}", self.order(&letters))
    }

    pub fn get(&self, letter: char) -> Stamp {
        self.0
            .iter()
            .find(|t| t.0 == letter)
            .expect("one of a, m, c, b")
            .1
    }
}

/// A file before or after a step.
pub struct Snapshot(Res<Statx>);

impl Snapshot {
    pub fn of(dir: &Dir, path: &str) -> Snapshot {
        Snapshot(statx(dir, path))
    }

    /// What happened between `self` and `after`, of which the first was taken at `start`.
    pub fn change(&self, after: &Snapshot, start: Stamp) -> String {
        let (old, new) = match (&self.0, &after.0) {
            (Err(a), Err(b)) => return format!("{a:?} then {b:?}"),
            (Ok(_), Err(e)) => return format!("gone, {e:?}"),
            (Err(_), Ok(new)) => {
                return format!(
                    "new, {:?}, {}",
                    Meta::from(new),
                    Times::from(new).set_since(start)
                );
            }
            (Ok(old), Ok(new)) => (old, new),
        };
        if old.stx_ino != new.stx_ino {
            return format!(
                "another, {:?}, {}",
                Meta::from(new),
                Times::from(new).set_since(start)
            );
        }
        let mut changes = Vec::new();
        let (was, is) = (
            format!("{:?}", Meta::from(old)),
            format!("{:?}", Meta::from(new)),
        );
        let words = was.split(' ').zip(is.split(' '));
        let mut name = "";
        for (a, b) in words {
            if a != b {
                changes.push(format!("{name} {a} -> {b}"));
            }
            name = a;
        }
        let (was, is) = (Times::from(old), Times::from(new));
        let touched: Vec<char> = "amcb"
            .chars()
            .filter(|&letter| was.get(letter) != is.get(letter))
            .collect();
        if !touched.is_empty() {
            let back = touched
                .iter()
                .any(|&letter| is.get(letter) < was.get(letter));
            let back = if back { ", backwards" } else { "" };
            let touched: String = touched.into_iter().collect();
            changes.push(format!("times changed: {}{back}", is.order(&touched)));
        }
        if changes.is_empty() {
            return "unchanged".to_owned();
        }
        changes.join(", ")
    }
}

/// Waits until the coarse clock, which stamps files, is past all that any clock has shown so far, and tells it.
pub fn tick() -> Stamp {
    let now = |id| {
        let t = clock_gettime(id);
        (t.tv_sec, t.tv_nsec as u32)
    };
    let start = now(ClockId::Realtime);
    loop {
        let coarse = now(ClockId::RealtimeCoarse);
        if coarse > start {
            return coarse;
        }
        std::thread::sleep(std::time::Duration::from_micros(500));
    }
}

/// How a value relates to another, for values that themselves may differ between runs.
#[derive(Debug, PartialEq, Eq)]
pub enum Relation {
    Less,
    Same,
    More,
}

impl Relation {
    pub fn of<T: Ord>(a: T, b: T) -> Relation {
        match a.cmp(&b) {
            std::cmp::Ordering::Less => Relation::Less,
            std::cmp::Ordering::Equal => Relation::Same,
            std::cmp::Ordering::Greater => Relation::More,
        }
    }
}
