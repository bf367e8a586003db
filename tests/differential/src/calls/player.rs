//! Plays calls on a mount and says what came of them.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use anyhow::Context;
use nix::mount::MsFlags;
use rustix::fs::FileType;
use stage::device::Swap;
use stage::group::Group;
use stage::inject::Countdown;
use stage::machine::{self, Setting};

use super::shared::Segments;
use super::state::Figures;
use super::{Call, FDS, HANDLES, MAPS, MARKS, PIPES};
use crate::harness::case::Done;
use crate::harness::errno::{Errno, Res};
use crate::harness::fs::{Fs, Mount, Mounted};
use crate::harness::handle::Handle;
use crate::harness::process::User;
use crate::harness::sys::Dir;
use crate::harness::sysv;
use crate::harness::trace::Trace;
use crate::harness::uring::Ring;

/// Where mappings are: each has a place of its own, the same on both sides.
const FIRST: usize = 0x2000_0000_0000;
/// The room that a mapping has.
pub const REGION: usize = 1 << 40;

/// A variable of the environment: each call is written to the kernel log before it is made.
pub const LOG: &str = "CALLS_LOG";

/// What a line begins with as of which it is not compared how much memory there is for what.
pub const ROUGHLY: &str = "roughly";

/// What a call said, in words that are the same on both sides; `None` if there was nothing to call on.
pub type Said = Option<Res<String>>;

pub struct Player {
    pub mount: Mount,
    pub root: Dir,
    pub fds: [Option<OwnedFd>; FDS],
    /// How much of each place may be mapped.
    pub maps: [usize; MAPS],
    /// The ends to read from and to write to.
    pub pipes: [(File, File); PIPES],
    pub handles: [Option<Handle>; HANDLES],
    pub marks: [Option<i64>; MARKS],
    pub segments: Segments,
    /// Made for the first call that needs it.
    pub ring: Option<Ring>,
    pub watched: Option<(&'static str, rustix::fs::Statx)>,
    pub user: Option<(u32, User)>,
    /// What was said of large folios without a mount is taken back with this; by root, which the player is again by then.
    pub huge_shared: Option<Setting>,
    pub swap: Option<Swap>,
    pub group: Option<Group>,
    /// Which pages are in memory is for reclaim to decide.
    pub vague: bool,
    /// Entries of directories may be in an order of their own, which is a known difference.
    pub moved: bool,
    /// A long symbolic link has a page on one side and none on the other, which is a known difference.
    pub long_link: bool,
    /// How much memory there is for what is not compared.
    pub roughly: bool,
    /// There may be large folios.
    pub large: bool,
    /// There were none yet when the mount got huge=: the sizes of those from before are a known difference.
    pub sized: bool,
    /// What lets allocations fail, on the side where they do.
    pub countdown: Option<Countdown>,
    /// For the next call.
    fault: Option<u32>,
    /// For the system call of this one that moves memory; taken when something has failed in it.
    pub moving: Option<u32>,
    /// The sides are not the same from now on, for this reason.
    parted: Option<&'static str>,
    pub figures: Figures,
}

/// Plays calls on a new mount with these options, and records what came of each.
pub fn replay(t: &mut Trace, fs: &Fs, options: &str, calls: &[Call]) -> Done {
    crate::harness::process::on_one_processor()?;
    // SAFETY: to ignore a signal needs no handler.
    unsafe {
        nix::sys::signal::signal(
            nix::sys::signal::Signal::SIGXFSZ,
            nix::sys::signal::SigHandler::SigIgn,
        )
    }?;
    // A program that plays many sequences makes a group for all of them.
    let group = if stage::skip::lacks("MEMCG") || stage::group::current()?.is_some() {
        None
    } else {
        Some(Group::enter(&[])?)
    };
    // A kernel without System V IPC has no namespaces of it.
    let _ = sysv::own_namespace();
    if calls.iter().any(|call| matches!(call, Call::Fault { .. })) {
        // On both sides. A page of the player's own that is to come back from swap while a request fails would end it.
        machine::keep_in_memory_so_far()?;
    }
    let figures = Figures::now()?;
    // Else it would depend on the moment of the one before whether an access is noted (relatime).
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME;
    let mount = match fs.mount_at("m", options, flags) {
        Ok(mount) => mount,
        Err(e) => {
            t.put("mount", e);
            return Ok(());
        }
    };
    let pipe = || -> anyhow::Result<(File, File)> {
        let flags = rustix::pipe::PipeFlags::NONBLOCK | rustix::pipe::PipeFlags::CLOEXEC;
        let (read, write) = rustix::pipe::pipe_with(flags)?;
        Ok((read.into(), write.into()))
    };
    let mut player = Player {
        root: mount.dir()?,
        mount,
        fds: Default::default(),
        maps: [0; MAPS],
        pipes: [pipe()?, pipe()?],
        handles: [None; HANDLES],
        marks: [None; MARKS],
        segments: Segments::default(),
        ring: None,
        huge_shared: None,
        watched: None,
        user: None,
        swap: None,
        group,
        vague: false,
        moved: false,
        long_link: false,
        roughly: false,
        large: options.contains("huge="),
        sized: options.contains("huge="),
        countdown: super::fault::countdown(fs, calls)?,
        fault: None,
        moving: None,
        parted: None,
        figures,
    };
    for call in calls {
        player.step(t, call)?;
        if let Some(reason) = player.parted {
            t.text("known difference", reason);
            break;
        }
    }
    player.end(t)
}

impl Player {
    fn step(&mut self, t: &mut Trace, call: &Call) -> Done {
        if *call == Call::Check {
            return self.as_root(|player| player.check(t));
        }
        if std::env::var_os(LOG).is_some() {
            std::fs::write("/dev/kmsg", format!("{call:?}")).context("/dev/kmsg")?;
        }
        match *call {
            Call::Fault { after } => {
                self.fault = Some(after);
                return Ok(());
            }
            Call::Roughly => {
                self.compare_roughly(t);
                return Ok(());
            }
            _ => {}
        }
        let said = match self.fault.take() {
            Some(after) if self.is_all_or_nothing(*call) => {
                // On both sides, as only one knows whether it lacked memory.
                if !self.sized && call.may_split() {
                    self.compare_roughly(t);
                }
                self.under_fault(t, after, *call)
            }
            Some(after) if call.only_moves() => {
                // What is there in part is split before it goes out.
                self.compare_roughly(t);
                self.moved_under_fault(t, after, *call)
            }
            _ => self.call(*call),
        }?;
        self.parted = match self.roughly {
            true => self.parts_roughly(*call, &said),
            false => self.parts(*call, &said),
        };
        let said = match said {
            None => "-".to_owned(),
            Some(Ok(text)) => text,
            Some(Err(e)) => format!("{e:?}"),
        };
        t.text(format!("{call:?}"), said);
        Ok(())
    }

    /// From here on it is not compared how much memory there is for what, nor which pages are there.
    fn compare_roughly(&mut self, t: &mut Trace) {
        if !self.roughly {
            t.text(ROUGHLY, "from here on");
        }
        (self.roughly, self.vague) = (true, true);
    }

    /// Why the sides differ from here on, and are meant to.
    fn parts(&mut self, call: Call, said: &Said) -> Option<&'static str> {
        match call {
            Call::Remount { options } => self.large |= options.contains("huge="),
            Call::HugeShared { .. } => self.large = true,
            Call::Advise {
                advice: libc::MADV_COLLAPSE,
                ..
            } => self.large = true,
            Call::Fallocate { mode, .. }
                if mode & !libc::FALLOC_FL_KEEP_SIZE == 0
                    && self.large
                    && matches!(said, Some(Err(Errno(libc::ENOSPC | libc::EDQUOT)))) =>
            {
                return Some("a failed fallocate may take pages before the range with it");
            }
            // Also without huge=, where the sizes of folios are rtmpfs's own.
            Call::Pwritev { .. } | Call::Write { .. }
                if matches!(said, Some(Err(Errno(libc::EFAULT)))) =>
            {
                return Some(BEHIND);
            }
            Call::PwriteMap { len, .. } if self.large && short(said, len) => return Some(BEHIND),
            _ => {}
        }
        None
    }

    /// The same where it is not compared how much memory there is for what.
    fn parts_roughly(&self, call: Call, said: &Said) -> Option<&'static str> {
        match call {
            Call::Advise {
                advice: libc::MADV_COLLAPSE,
                ..
            } if !self.sized && matches!(said, Some(Ok(_))) => Some(STORED_BEYOND),
            _ => None,
        }
    }

    /// Does something as root, whoever the player is.
    pub fn as_root<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        let id = self.user.take().map(|(id, _)| id);
        let value = body(self);
        self.become_user(id.unwrap_or(0));
        value
    }

    pub fn become_user(&mut self, id: u32) {
        self.user = None;
        if id != 0 {
            self.user = Some((id, User::become_user(id, id, &[])));
        }
    }

    pub fn call(&mut self, call: Call) -> anyhow::Result<Said> {
        let said = self
            .on_files(call)
            .or_else(|| self.on_pipes(call))
            .or_else(|| self.on_names(call))
            .or_else(|| self.on_maps(call))
            .or_else(|| self.on_shared(call));
        match said {
            Some(said) => Ok(said),
            None => self.control(call),
        }
    }

    pub fn fd(&self, fd: usize) -> Option<BorrowedFd<'_>> {
        self.fds[fd].as_ref().map(AsFd::as_fd)
    }

    pub fn raw(&self, fd: usize) -> Option<i32> {
        self.fds[fd].as_ref().map(AsRawFd::as_raw_fd)
    }

    pub fn is_of_type(&self, fd: usize, file_type: FileType) -> bool {
        self.fd(fd)
            .and_then(|fd| rustix::fs::fstat(fd).ok())
            .is_some_and(|s| FileType::from_raw_mode(s.st_mode) == file_type)
    }

    /// Takes a descriptor that the kernel has just given out.
    pub fn take(&mut self, fd: usize, given: libc::c_long) -> Res<String> {
        let given = Errno::check(given)?;
        // SAFETY: the caller got it from a system call and has no other use of it.
        self.fds[fd] = Some(unsafe { OwnedFd::from_raw_fd(given as i32) });
        Ok("open".to_owned())
    }

    /// The start of a mapping, and a range within its place.
    pub fn range(&self, map: usize, from: usize, len: usize) -> (*mut libc::c_void, usize) {
        let from = from.min(REGION);
        let start = FIRST + map * REGION + from;
        (
            std::ptr::without_provenance_mut(start),
            len.min(REGION - from),
        )
    }

    /// Lets everything go and looks at what is left.
    fn end(mut self, t: &mut Trace) -> Done {
        self.user = None;
        if self.parted.is_none() {
            self.check(t)?;
        }
        for map in 0..MAPS {
            self.unmap_all(map);
        }
        self.segments.remove_all();
        let Player {
            mut mount,
            ring,
            swap,
            group,
            figures,
            huge_shared,
            ..
        } = self;
        drop(huge_shared);
        drop((self.root, self.fds, self.pipes));
        match ring {
            // A request may have been told of before it let its file go.
            Some(ring) => {
                drop(ring);
                let done = mount.unmount_when_free();
                t.put("umount", done.map_err(|e| format!("{e:#}")));
            }
            None => t.put("umount", mount.unmount()),
        }
        drop(swap);
        drop(group);
        // Wherever pages were: now there are none.
        t.text("left", figures.left()?);
        Ok(())
    }
}

/// Why the sides differ after a write from memory that is not there.
const BEHIND: &str = "what a short write leaves behind the end is as large as there is room for";

/// And why they do where a file may have a folio of 2 MiB without huge=.
const STORED_BEYOND: &str = "what is stored beyond the end is the file's when it grows, or is not";

/// Whether less than that was written, or nothing at all from a bad address.
pub fn short(said: &Said, len: usize) -> bool {
    match said {
        Some(Ok(written)) => written.parse().is_ok_and(|written: usize| written < len),
        Some(Err(error)) => *error == Errno(libc::EFAULT),
        None => false,
    }
}

/// A number that a call returned.
pub fn number(value: libc::c_long) -> Res<String> {
    Errno::check(value).map(|value| value.to_string())
}
