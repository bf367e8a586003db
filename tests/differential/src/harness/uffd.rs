//! userfaultfd(2).

use std::fmt::{self, Debug, Display};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, FromRawFd};

use rustix::event::{poll, PollFd, PollFlags, Timespec};

use super::errno::{Errno, Res};
use super::map::Map;
use super::sys::PAGE;
use super::trace::Trace;

pub const MISSING: u64 = 1;
pub const WP: u64 = 2;
pub const MINOR: u64 = 4;

pub const FEATURE_FLAG_WP: u64 = 1 << 0;
pub const FEATURE_EVENT_REMAP: u64 = 1 << 2;
pub const FEATURE_EVENT_REMOVE: u64 = 1 << 3;
pub const FEATURE_EVENT_UNMAP: u64 = 1 << 6;
pub const FEATURE_SIGBUS: u64 = 1 << 7;
pub const FEATURE_WP_ASYNC: u64 = 1 << 15;
pub const FEATURE_MOVE: u64 = 1 << 16;

pub const DONT_WAKE: u64 = 1;
pub const COPY_WP: u64 = 2;
pub const PROTECT: u64 = 1;

/// One of the ioctls: its number, and the direction of its argument, which is so many 64-bit words.
#[derive(Clone, Copy)]
struct Request(u64, u64);

const IN: u64 = 2;
const BOTH: u64 = 3;

pub struct Uffd(File);

/// What a monitor hears of, with addresses from the start of the mapping that it is asked about.
pub enum Event {
    Fault {
        write: bool,
        reason: &'static str,
        page: i64,
    },
    Other(u8, [i64; 2]),
}

impl Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Fault {
                write,
                reason,
                page,
            } => {
                let access = if *write { "store" } else { "load" };
                write!(f, "{reason} {access} at page {page}")
            }
            Event::Other(kind, pages) => write!(f, "event {kind:#x} of {pages:?}"),
        }
    }
}

impl Uffd {
    pub fn new(features: u64) -> Res<Uffd> {
        // SAFETY: takes no pointer; the descriptor that it returns is nobody else's.
        let file = unsafe {
            let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
            let fd = Errno::check(libc::syscall(libc::SYS_userfaultfd, flags))?;
            File::from_raw_fd(fd as i32)
        };
        let uffd = Uffd(file);
        uffd.call(Request(0x3f, BOTH), [0xaa, features, 0])?;
        Ok(uffd)
    }

    fn call<const N: usize>(&self, request: Request, mut words: [u64; N]) -> Res<[u64; N]> {
        let Request(number, direction) = request;
        let code = (direction << 30) | ((8 * N as u64) << 16) | (0xaa << 8) | number;
        // SAFETY: the argument has the size that the code says.
        let done = unsafe { libc::ioctl(self.0.as_raw_fd(), code, words.as_mut_ptr()) };
        Errno::check(done.into())?;
        Ok(words)
    }

    /// Registers pages of a mapping; what ioctls there are for it is returned.
    pub fn register(&self, map: &Map, page: usize, pages: usize, mode: u64) -> Res<u64> {
        let range = [at(map, page), (pages * PAGE) as u64];
        let words = self.call(Request(0, BOTH), [range[0], range[1], mode, 0])?;
        Ok(words[3])
    }

    pub fn unregister(&self, map: &Map, page: usize, pages: usize) -> Res<()> {
        self.call(Request(1, IN), [at(map, page), (pages * PAGE) as u64])?;
        Ok(())
    }

    pub fn wake(&self, map: &Map, page: usize, pages: usize) -> Res<()> {
        self.call(Request(2, IN), [at(map, page), (pages * PAGE) as u64])?;
        Ok(())
    }

    /// Copies whole pages from `source` on, an address; returns how many bytes it did.
    pub fn copy_from(
        &self,
        map: &Map,
        page: usize,
        source: u64,
        len: usize,
        mode: u64,
    ) -> (Res<()>, i64) {
        let mut words = [at(map, page), source, len as u64, mode, 0];
        let code = (BOTH << 30) | (40 << 16) | (0xaa << 8) | 3;
        // SAFETY: the argument has the size that the code says; the kernel checks the addresses.
        let done = unsafe { libc::ioctl(self.0.as_raw_fd(), code, words.as_mut_ptr()) };
        (Errno::check(done.into()).map(|_| ()), words[4] as i64)
    }

    pub fn copy(&self, map: &Map, page: usize, data: &[u8]) -> (Res<()>, i64) {
        self.copy_from(map, page, data.as_ptr() as u64, data.len(), 0)
    }

    pub fn zero(&self, map: &Map, page: usize, pages: usize) -> Res<i64> {
        self.range(4, map, page, pages, 0)
    }

    pub fn resume(&self, map: &Map, page: usize, pages: usize, mode: u64) -> Res<i64> {
        self.range(7, map, page, pages, mode)
    }

    pub fn poison(&self, map: &Map, page: usize, pages: usize) -> Res<i64> {
        self.range(8, map, page, pages, 0)
    }

    /// One of the ioctls with a range, a mode and a count that the kernel writes.
    fn range(&self, number: u64, map: &Map, page: usize, pages: usize, mode: u64) -> Res<i64> {
        let range = [at(map, page), (pages * PAGE) as u64];
        let words = self.call(Request(number, BOTH), [range[0], range[1], mode, 0])?;
        Ok(words[3] as i64)
    }

    pub fn move_from(&self, map: &Map, page: usize, from: &Map, pages: usize) -> Res<i64> {
        let len = (pages * PAGE) as u64;
        let words = self.call(Request(5, BOTH), [at(map, page), at(from, 0), len, 0, 0])?;
        Ok(words[4] as i64)
    }

    pub fn write_protect(&self, map: &Map, page: usize, pages: usize, mode: u64) -> Res<()> {
        let range = [at(map, page), (pages * PAGE) as u64];
        self.call(Request(6, BOTH), [range[0], range[1], mode])?;
        Ok(())
    }

    /// The next event within that time.
    pub fn event(&mut self, map: &Map, milliseconds: i64) -> Option<Event> {
        let wait = Timespec {
            tv_sec: milliseconds / 1000,
            tv_nsec: milliseconds % 1000 * 1_000_000,
        };
        let mut fds = [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&wait)).expect("poll");
        let mut message = [0u8; 32];
        match self.0.read(&mut message) {
            Ok(n) => assert_eq!(n, message.len(), "a whole message"),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return None,
            Err(e) => panic!("userfaultfd: {e}"),
        }
        let word = |at: usize| u64::from_ne_bytes(message[at..at + 8].try_into().expect("8 bytes"));
        let page = |address: u64| (address as i64 - at(map, 0) as i64).div_euclid(PAGE as i64);
        Some(match message[0] {
            0x12 => Event::Fault {
                write: word(8) & 1 != 0,
                reason: match word(8) & !1 {
                    0 => "missing",
                    2 => "protected",
                    4 => "minor",
                    _ => "unknown",
                },
                page: page(word(16)),
            },
            // Where to, or the range.
            0x14 => Event::Other(0x14, [page(word(8)), word(24) as i64 / PAGE as i64]),
            kind => Event::Other(kind, [page(word(8)), page(word(16))]),
        })
    }

    /// Runs `access` in a thread; each event goes to the record and to `answer`, until the thread is done.
    pub fn serve<T: Debug + Send>(
        &mut self,
        t: &mut Trace,
        label: impl Display,
        map: &Map,
        access: impl FnOnce() -> T + Send,
        mut answer: impl FnMut(&mut Trace, &Uffd, Event),
    ) {
        std::thread::scope(|scope| {
            let thread = scope.spawn(access);
            loop {
                if let Some(event) = self.event(map, 20) {
                    t.put(&label, &event);
                    answer(t, self, event);
                } else if thread.is_finished() {
                    break;
                }
            }
            t.put(&label, thread.join().expect("an access does not panic"));
        });
    }
}

/// The address of a page of a mapping.
fn at(map: &Map, page: usize) -> u64 {
    (map.start() as u64).wrapping_add((page * PAGE) as u64)
}
