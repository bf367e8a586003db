//! Files without a mount: memfd_create(2), shared memory of System V, shared anonymous memory; and what a child does
//! with a mapping that it inherits.

use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;

use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult};
use stage::machine::Setting;

use super::player::{number, Player, Said, REGION};
use super::Call;
use crate::harness::errno::{Errno, Res};
use crate::harness::sys::PAGE;
use crate::harness::sysv;

const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

/// Segments of System V that a player has made.
#[derive(Default)]
pub struct Segments {
    named: [Option<i32>; super::SEGMENTS],
    /// All of them, with their lengths.
    made: Vec<(i32, usize)>,
}

impl Segments {
    fn len(&self, id: i32) -> usize {
        let made = self.made.iter().rev().find(|(made, _)| *made == id);
        made.map_or(0, |(_, len)| *len)
    }

    /// They go when nobody has them attached any more.
    pub fn remove_all(&self) {
        for &(id, _) in &self.made {
            // SAFETY: the command takes no pointer. Some are gone.
            unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
        }
    }

    /// What is seen of each of them.
    pub fn seen(&self) -> Vec<String> {
        let seen = |&(id, _): &(i32, usize)| format!("{:?}", sysv::status(id, libc::IPC_STAT));
        self.made.iter().map(seen).collect()
    }
}

impl Player {
    /// `None` for a call of another kind.
    pub fn on_shared(&mut self, call: Call) -> Option<Said> {
        Some(match call {
            Call::Memfd { fd, flags } => {
                self.fds[fd] = None;
                // SAFETY: a name that ends with a zero.
                let given = unsafe { libc::memfd_create(c"random".as_ptr(), flags) };
                Some(self.take(fd, given.into()))
            }
            Call::MapCommon {
                map,
                len,
                prot,
                flags,
                zero,
            } => self.map_common(map, len, prot, flags, zero),
            Call::OpenMapped { fd, map, flags } => self.open_mapped(fd, map, flags),
            Call::Shmget {
                segment,
                key,
                len,
                flags,
            } => Some(self.get(segment, key, len, flags)),
            Call::Shmat {
                segment,
                map,
                flags,
            } => self.attach(segment, map, flags),
            Call::Shmdt { map, from } => {
                let (start, _) = self.range(map, from, 0);
                Some(sysv::detach(start as usize).map(|()| "detached".to_owned()))
            }
            Call::Shmctl { segment, command } => self.segments.named[segment].map(|id| {
                const STATUS: [i32; 2] = [libc::IPC_STAT, sysv::STAT_ANY];
                if STATUS.contains(&command) {
                    return sysv::status(id, command).map(|status| format!("{status:?}"));
                }
                // SAFETY: the other commands take no pointer.
                number(unsafe { libc::shmctl(id, command, std::ptr::null_mut()) }.into())
            }),
            Call::ShmSet { segment, mode, uid } => self.segments.named[segment].map(|id| {
                let mut raw = MaybeUninit::<libc::shmid_ds>::zeroed();
                // SAFETY: plain numbers, for which zero is a value; the kernel reads it all.
                let done = unsafe {
                    let set = raw.assume_init_mut();
                    set.shm_perm.mode = mode;
                    set.shm_perm.uid = uid;
                    libc::shmctl(id, libc::IPC_SET, set)
                };
                number(done.into())
            }),
            Call::ShmInfo => Some(self.info()),
            Call::Child {
                map,
                from,
                pages,
                write,
            } => (self.maps[map] > 0).then(|| self.child(map, from, pages, write)),
            Call::HugeShared { value } => {
                self.huge_shared(value);
                Some(Ok("done".to_owned()))
            }
            _ => return None,
        })
    }

    fn map_common(&mut self, map: usize, len: usize, prot: i32, flags: i32, zero: bool) -> Said {
        let file = if zero {
            let file = std::fs::File::options();
            let file = file.clone().read(true).write(true).open("/dev/zero");
            match file {
                Ok(file) => Some(file),
                Err(e) => return Some(Err(Errno(e.raw_os_error().unwrap_or(0)))),
            }
        } else {
            None
        };
        let (fd, flags) = match &file {
            Some(file) => (file.as_raw_fd(), flags),
            None => (-1, flags | libc::MAP_ANONYMOUS),
        };
        Some(self.map_in_place(map, len, |start, fixed| {
            // SAFETY: nothing else is in the places of mappings.
            unsafe { libc::mmap(start, len, prot, flags | fixed, fd, 0) }
        }))
    }

    /// The file of the first thing in a place.
    fn open_mapped(&mut self, fd: usize, map: usize, flags: i32) -> Said {
        let (start, len) = self.range(map, 0, self.maps[map]);
        let place = start as usize..start as usize + len;
        let text = std::fs::read_to_string("/proc/self/maps").ok()?;
        let range = text.lines().find_map(|line| {
            let range = line.split(' ').next()?;
            let start = usize::from_str_radix(range.split('-').next()?, 16).ok()?;
            place.contains(&start).then_some(range)
        })?;
        let path = format!("/proc/self/map_files/{range}");
        let kind = std::fs::metadata(&path).map(|m| m.file_type());
        // What a private mapping of /dev/zero has is the machine's own: its mode would be what the other side begins with.
        if kind.is_ok_and(|kind| kind.is_char_device()) {
            return None;
        }
        let path = std::ffi::CString::new(path).ok()?;
        self.fds[fd] = None;
        let flags = flags | libc::O_CLOEXEC | libc::O_NONBLOCK;
        // SAFETY: a path that ends with a zero.
        let given = unsafe { libc::open(path.as_ptr(), flags) };
        Some(self.take(fd, given.into()))
    }

    fn get(&mut self, segment: usize, key: i32, len: usize, flags: i32) -> Res<String> {
        let segments = &mut self.segments;
        segments.named[segment] = None;
        // SAFETY: takes no pointer.
        let id = Errno::check(unsafe { libc::shmget(key, len, flags) }.into())? as i32;
        segments.named[segment] = Some(id);
        let is_new = !segments.made.iter().any(|(made, _)| *made == id);
        if is_new {
            segments.made.push((id, len));
        }
        Ok(if is_new { "new" } else { "known" }.to_owned())
    }

    fn attach(&mut self, segment: usize, map: usize, flags: i32) -> Said {
        let id = self.segments.named[segment]?;
        let len = self.segments.len(id).next_multiple_of(PAGE);
        if len > REGION {
            return None;
        }
        Some(self.map_in_place(map, len, |start, _| {
            // SAFETY: nothing else is in the places of mappings.
            unsafe { libc::shmat(id, start, flags) }
        }))
    }

    /// Of all segments of the namespace, which is the player's own. Where reclaim decides which pages are in memory, only
    /// how many there are is said.
    fn info(&mut self) -> Res<String> {
        let info = sysv::info()?;
        let sum = info.resident + info.swapped;
        Ok(match self.vague {
            true => format!("{} ids, {} pages, {sum} there", info.used_ids, info.total),
            false => format!("{info:?}"),
        })
    }

    /// A child reads a byte of each page, writes there, and reads it again; a signal ends it and nothing else.
    fn child(&self, map: usize, from: usize, pages: usize, write: Option<u8>) -> Res<String> {
        let (start, len) = self.range(map, from, pages.saturating_mul(PAGE));
        let pages = len.div_ceil(PAGE);
        let (mut told, tell) = {
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            (std::fs::File::from(read), write)
        };
        // SAFETY: the player has one thread, and the child only touches the mapping and tells of it.
        let child = match unsafe { fork() }? {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                for page in 0..pages {
                    let at: *mut u8 = start.wrapping_byte_add(page * PAGE).cast();
                    // SAFETY: the place is a mapping's; where nothing is there the child ends with a signal.
                    unsafe {
                        let before = at.read_volatile();
                        if let Some(byte) = write {
                            at.write_volatile(byte.wrapping_add(page as u8));
                        }
                        let seen = [before, at.read_volatile()];
                        libc::write(tell.as_raw_fd(), seen.as_ptr().cast(), seen.len());
                    }
                }
                // SAFETY: ends the child without running what belongs to the player.
                unsafe { libc::_exit(0) }
            }
        };
        drop(tell);
        let mut seen = Vec::new();
        let read = told.read_to_end(&mut seen);
        let end = match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => String::new(),
            WaitStatus::Signaled(_, signal, _) => format!(", then {signal}"),
            other => format!(", then {other:?}"),
        };
        read.map_err(|e| Errno(e.raw_os_error().unwrap_or(0)))?;
        let sum = |which: usize| {
            let bytes = seen.iter().skip(which).step_by(2);
            bytes.fold(0_usize, |sum, byte| {
                sum.wrapping_mul(31) + usize::from(*byte)
            })
        };
        Ok(format!(
            "{} pages{end}, sums {:#x} {:#x}",
            seen.len() / 2,
            sum(0),
            sum(1)
        ))
    }

    /// What files without a mount may have of large folios, until the end. A kernel without them has no such control.
    fn huge_shared(&mut self, value: &'static str) {
        self.as_root(|player| {
            if player.huge_shared.is_none() {
                player.huge_shared = Setting::new(HUGE_PAGES, value).ok();
            } else {
                let _ = stage::machine::write(HUGE_PAGES, value);
            }
        });
    }
}
