//! Shared memory of System V: shmget(2), shmctl(2).

use std::mem::MaybeUninit;

use anyhow::Context;

use super::errno::{Errno, Res};
use super::map::Map;

pub const PRIVATE: i32 = libc::IPC_PRIVATE;
pub const CREATE: i32 = libc::IPC_CREAT | 0o600;
/// As IPC_STAT, by the place in the list of all.
pub const STAT_BY_PLACE: i32 = 13;
pub const INFO: i32 = 14;
pub const STAT_ANY: i32 = 15;
/// Of the mode: it goes with its last user.
pub const DEST: u32 = 0o1000;
/// Of the mode: it is locked.
pub const LOCKED: u32 = 0o2000;

/// A segment, removed when dropped.
#[derive(Debug)]
pub struct Segment {
    pub id: i32,
    len: usize,
}

/// What shmctl(2) says of a segment but times, which are compared with zero alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Status {
    pub key: i32,
    pub mode: u32,
    pub owner: (u32, u32),
    pub creator: (u32, u32),
    pub size: usize,
    pub attached: u64,
    pub made_here: bool,
    pub last_here: bool,
    pub was_attached: bool,
    pub was_detached: bool,
}

/// shmctl(2) with SHM_INFO: of the whole namespace, in pages.
#[derive(Debug, PartialEq, Eq)]
pub struct Info {
    pub used_ids: i32,
    pub total: u64,
    pub resident: u64,
    pub swapped: u64,
}

/// The kernel's struct shm_info.
#[repr(C)]
struct RawInfo {
    used_ids: i32,
    total: libc::c_ulong,
    resident: libc::c_ulong,
    swapped: libc::c_ulong,
    attempts: libc::c_ulong,
    successes: libc::c_ulong,
}

/// A namespace of its own, in which the numbers of segments begin anew.
pub fn own_namespace() -> Res<()> {
    Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWIPC)?)
}

pub fn get(key: i32, len: usize, flags: i32) -> Res<Segment> {
    // SAFETY: takes no pointer.
    let id = Errno::check(unsafe { libc::shmget(key, len, flags) }.into())? as i32;
    Ok(Segment { id, len })
}

/// A new one without a key.
pub fn new(len: usize) -> Res<Segment> {
    get(PRIVATE, len, CREATE)
}

pub fn status(id: i32, command: i32) -> Res<Status> {
    let mut raw = MaybeUninit::<libc::shmid_ds>::zeroed();
    // SAFETY: there is room for what the kernel writes.
    let raw = unsafe {
        Errno::check(libc::shmctl(id, command, raw.as_mut_ptr()).into())?;
        raw.assume_init()
    };
    let own = std::process::id() as i32;
    Ok(Status {
        key: raw.shm_perm.__key,
        mode: raw.shm_perm.mode.into(),
        owner: (raw.shm_perm.uid, raw.shm_perm.gid),
        creator: (raw.shm_perm.cuid, raw.shm_perm.cgid),
        size: raw.shm_segsz,
        attached: raw.shm_nattch,
        made_here: raw.shm_cpid == own,
        last_here: raw.shm_lpid == own,
        was_attached: raw.shm_atime != 0,
        was_detached: raw.shm_dtime != 0,
    })
}

pub fn info() -> Res<Info> {
    let mut raw = MaybeUninit::<RawInfo>::zeroed();
    // SAFETY: there is room for what the kernel writes, a struct shm_info.
    let raw = unsafe {
        Errno::check(libc::shmctl(0, INFO, raw.as_mut_ptr().cast()).into())?;
        raw.assume_init()
    };
    Ok(Info {
        used_ids: raw.used_ids,
        total: raw.total,
        resident: raw.resident,
        swapped: raw.swapped,
    })
}

/// Detaches what is attached at an address.
pub fn detach(address: usize) -> Res<()> {
    let address = std::ptr::without_provenance(address);
    // SAFETY: the kernel looks whether a segment is there; who touches what is gone expects a signal.
    Errno::check(unsafe { libc::shmdt(address) }.into()).map(drop)
}

/// The line of a segment in /proc/sysvipc/shm: all but its processes and times.
pub fn line(id: i32) -> anyhow::Result<String> {
    let text = std::fs::read_to_string("/proc/sysvipc/shm")?;
    let mut lines = text.lines().map(|line| line.split_whitespace());
    let names: Vec<&str> = lines.next().context("no head")?.collect();
    let line = lines
        .map(Iterator::collect::<Vec<_>>)
        .find(|words| words.get(1) == Some(&id.to_string().as_str()))
        .with_context(|| format!("/proc/sysvipc/shm has no segment {id}"))?;
    const LEFT_OUT: [&str; 5] = ["cpid", "lpid", "atime", "dtime", "ctime"];
    let shown = names
        .iter()
        .zip(line)
        .filter(|(name, _)| !LEFT_OUT.contains(name))
        .map(|(name, word)| format!("{name} {word}"));
    Ok(shown.collect::<Vec<_>>().join(" "))
}

impl Segment {
    /// A segment that another holds.
    pub fn of(id: i32, len: usize) -> Segment {
        Segment { id, len }
    }

    pub fn attach(&self, flags: i32) -> Res<Map> {
        Map::attached(self.id, self.len, flags)
    }

    pub fn attach_onto(&self, map: Map, flags: i32) -> Res<Map> {
        map.attached_onto(self.id, flags)
    }

    pub fn status(&self) -> Res<Status> {
        status(self.id, libc::IPC_STAT)
    }

    pub fn lock(&self, on: bool) -> Res<()> {
        self.control(if on { libc::SHM_LOCK } else { libc::SHM_UNLOCK })
    }

    /// The segment goes when nobody has it attached any more.
    pub fn remove(&self) -> Res<()> {
        self.control(libc::IPC_RMID)
    }

    /// Sets the mode and the owner.
    pub fn set(&self, mode: u16, uid: u32) -> Res<()> {
        let mut raw = MaybeUninit::<libc::shmid_ds>::zeroed();
        // SAFETY: plain numbers, for which zero is a value; the kernel reads it all.
        unsafe {
            let set = raw.assume_init_mut();
            set.shm_perm.mode = mode;
            set.shm_perm.uid = uid;
            Errno::check(libc::shmctl(self.id, libc::IPC_SET, set).into()).map(drop)
        }
    }

    fn control(&self, command: i32) -> Res<()> {
        // SAFETY: these commands take no pointer.
        let done = unsafe { libc::shmctl(self.id, command, std::ptr::null_mut()) };
        Errno::check(done.into()).map(drop)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // It may be gone by the case's own doing.
        let _ = self.remove();
    }
}
