// SPDX-License-Identifier: GPL-2.0
//! A process of several threads that do calls, one after another, until the end or until they are killed.

use crate::board::Board;
use crate::calls::{Registered, CALLS, WITHOUT_MOUNT};
use crate::config::Config;
use crate::faults;
use crate::memory::{self, Area};
use crate::own::{self, Own};
use crate::rights;
use fastrand::Rng;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};
use stage::pages::{self, PAGE};
use stage::uring::Ring;
use std::path::Path;

/// Pages of a buffer.
pub const BUFFER: usize = 16;
/// Files that are kept open, mappings, and pipes that are kept filled, of each thread.
const KEPT: usize = 4;
/// Threads of all processes together.
pub const MOST_WORKERS: usize = 20;
pub const DIRECTORIES: [&str; 4] = ["wild", "own", "names", "stay"];
/// Names in `stay` that nobody takes away.
pub const STAYING: usize = 24;

/// An open file, and what its contents have to be.
pub struct Opened {
    pub fd: OwnedFd,
    /// What its pages say.
    pub id: u64,
    /// Its pages come from anywhere.
    pub foreign: bool,
    /// Only its owner may change it.
    pub owned: bool,
    /// It is on no mount, whose size would limit it.
    pub boundless: bool,
}

impl Opened {
    /// A shared mapping of `count` pages from `page` on.
    pub fn map(&self, page: u64, count: usize, prot: i32) -> Result<Area> {
        let offset = page * PAGE as u64;
        let fd = self.fd.as_raw_fd();
        Area::new(fd, offset, count * PAGE, prot, libc::MAP_SHARED, 0)
    }
}

pub struct Mapped {
    pub area: Area,
    /// Page of the file that it begins with.
    pub first: u64,
    pub id: u64,
    pub foreign: bool,
    /// May be written to: of a file that is not owned, shared.
    pub writable: bool,
}

pub struct Pipe {
    pub read: OwnedFd,
    pub write: OwnedFd,
}

impl Pipe {
    pub fn new() -> Result<Self> {
        let (read, write) = rustix::pipe::pipe_with(
            rustix::pipe::PipeFlags::NONBLOCK | rustix::pipe::PipeFlags::CLOEXEC,
        )?;
        Ok(Self { read, write })
    }
}

/// A buffer for O_DIRECT, that begins at a page.
#[repr(C, align(4096))]
pub struct Buffer(pub [u8; BUFFER * PAGE]);

pub struct Worker<'a> {
    pub board: &'static Board,
    pub slot: usize,
    pub config: &'a Config,
    pub rng: Rng,
    pub root: &'a OwnedFd,
    /// Of the mount.
    pub device: u64,
    /// What tells this round's files from those of others.
    pub salt: u64,
    pub buffer: Box<Buffer>,
    pub kept: Vec<Opened>,
    pub maps: Vec<Mapped>,
    pub pipes: Vec<Pipe>,
    pub own: Option<Own>,
    /// Made for the first call that needs it.
    pub ring: Option<Ring>,
    pub registered: Option<Registered>,
    /// What the current call says of itself.
    pub about: &'static str,
}

impl Worker<'_> {
    pub fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(0..n) == 0
    }

    pub fn wrong(&self, text: &str) {
        self.board.wrong(&format!("{}: {text}", self.about));
    }

    pub fn bus(&self) {
        self.board.page_was_lost();
    }

    /// Looks at the bytes that were read at `position` of a file.
    pub fn look(&self, data: &[u8], position: u64, id: u64, foreign: bool) {
        if foreign {
            return;
        }
        if let Some(at) = pages::first_foreign(data, position, id) {
            let begin = at & !7;
            let bytes = &data[begin..(begin + 32).min(data.len())];
            self.wrong(&format!(
                "byte {} of the file with id {id:#x} is neither its own nor zero: {bytes:02x?}, read from {position}",
                position + at as u64
            ));
        }
    }

    /// Fills the buffer with what belongs to pages `from..` of a file.
    pub fn prepare(&mut self, id: u64, from: u64, count: usize) {
        let version = self.rng.u64(1..1 << 40);
        for (n, page) in self.buffer.0.chunks_exact_mut(PAGE).take(count).enumerate() {
            pages::fill(page, id, from.wrapping_add(n as u64), version);
        }
    }

    /// A path of `wild` or of `names`.
    pub fn wild_path(&mut self) -> String {
        match self.rng.u8(0..10) {
            0..=6 => format!("wild/w{}", self.rng.u8(0..10)),
            _ => self.name(),
        }
    }

    /// A path of `names`, of up to three components.
    pub fn name(&mut self) -> String {
        let mut path = "names".to_owned();
        for _ in 0..[1, 1, 1, 2, 2, 3][self.rng.usize(0..6)] {
            path.push_str(&format!("/n{}", self.rng.u8(0..16)));
        }
        if self.one_in(40) {
            path.push_str(&"-longer-than-what-fits-into-a-dentry".repeat(self.rng.usize(1..6)));
        }
        path
    }

    /// What its inode says of it; an error for what is no regular file.
    pub fn opened(&self, fd: OwnedFd, owned: bool) -> Result<Opened> {
        let stat = rustix::fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Errno::INVAL);
        }
        let foreign = stat.st_mode & libc::S_ISVTX != 0;
        let boundless = stat.st_dev != self.device;
        let kind = if boundless { WITHOUT_MOUNT } else { 0 };
        Ok(Opened {
            fd,
            id: self.salt ^ kind ^ stat.st_ino,
            foreign,
            owned,
            boundless,
        })
    }

    /// What the pages of a file say.
    pub fn id(&self, fd: &OwnedFd) -> Result<u64> {
        Ok(self.salt ^ rustix::fs::fstat(fd)?.st_ino)
    }

    fn open(&mut self) -> Result<Opened> {
        let mut flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if self.one_in(10) {
            let path = match self.rng.usize(0..MOST_WORKERS * 2) {
                n if n < MOST_WORKERS => format!("own/{n}"),
                _ => own::COMMON.to_owned(),
            };
            let fd = rustix::fs::openat(
                self.root,
                path,
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            return self.opened(fd, true);
        }
        let mut mode = Mode::from_raw_mode(0o644);
        for (flag, n) in [
            (OFlags::DIRECT, 12),
            (OFlags::TRUNC, 60),
            (OFlags::SYNC, 20),
        ] {
            if self.one_in(n) {
                flags |= flag;
            }
        }
        if self.one_in(20) {
            let flags = (flags | OFlags::TMPFILE) - (OFlags::TRUNC | OFlags::NOFOLLOW);
            let directory = DIRECTORIES[self.rng.usize(0..4)];
            let fd = rustix::fs::openat(self.root, directory, flags, mode)?;
            return self.opened(fd, false);
        }
        let path = if self.one_in(8) {
            mode |= Mode::SVTX;
            format!("wild/foreign{}", self.rng.u8(0..3))
        } else {
            self.wild_path()
        };
        if !self.one_in(4) {
            flags |= OFlags::CREATE;
        }
        let fd = rustix::fs::openat(self.root, path, flags, mode)?;
        self.opened(fd, false)
    }

    /// Some file: one that was kept, or another.
    pub fn file(&mut self) -> Result<Opened> {
        if !self.kept.is_empty() && self.rng.u8(0..3) > 0 {
            let at = self.rng.usize(0..self.kept.len());
            return Ok(self.kept.swap_remove(at));
        }
        self.open()
    }

    /// Some file that anybody may change.
    pub fn wild(&mut self) -> Result<Opened> {
        let file = self.file()?;
        if file.owned {
            self.keep(file);
            return Err(Errno::PERM);
        }
        Ok(file)
    }

    /// Some file whose pages are from anywhere, for what copies from others.
    pub fn foreign(&mut self) -> Result<Opened> {
        let path = format!("wild/foreign{}", self.rng.u8(0..3));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.root, &path, flags, Mode::from_raw_mode(0o1644))?;
        let file = self.opened(fd, false)?;
        if !file.foreign {
            // Another file was renamed to it.
            let _ = rustix::fs::unlinkat(self.root, path, AtFlags::empty());
            return Err(Errno::PERM);
        }
        Ok(file)
    }

    /// Done with it, for now or for good.
    pub fn keep(&mut self, file: Opened) {
        if self.one_in(4) {
            return;
        }
        if self.kept.len() >= KEPT {
            let at = self.rng.usize(0..KEPT);
            self.kept.swap_remove(at);
        }
        self.kept.push(file);
    }

    pub fn keep_map(&mut self, map: Mapped) {
        if self.maps.len() >= KEPT {
            let at = self.rng.usize(0..KEPT);
            self.maps.swap_remove(at);
        }
        self.maps.push(map);
    }

    /// Reads into the buffer what a pipe must have; as much as that is returned.
    pub fn empty(&mut self, pipe: &Pipe, length: usize) -> Result<usize> {
        let mut got = 0;
        while got < length {
            let n = rustix::io::read(&pipe.read, &mut self.buffer.0[got..length])?;
            if n == 0 {
                self.wrong("a pipe ends before all that was spliced is read");
                break;
            }
            got += n;
        }
        Ok(got)
    }

    pub fn keep_pipe(&mut self, pipe: Pipe) {
        if self.pipes.len() >= KEPT {
            let at = self.rng.usize(0..KEPT);
            self.pipes.swap_remove(at);
        }
        self.pipes.push(pipe);
    }

    /// A page of a file: mostly near the beginning, at times at an edge.
    pub fn page(&mut self) -> u64 {
        const EDGES: [u64; 8] = [
            511,
            512,
            1 << 19,
            1 << 20,
            (1 << 31) - 1,
            1 << 31,
            (1 << 51) - 2,
            (1 << 51) - 1,
        ];
        match self.rng.u8(0..40) {
            0 => EDGES[self.rng.usize(0..EDGES.len())],
            1..=9 => self.rng.u64(0..1024),
            _ => self.rng.u64(0..300),
        }
    }

    /// A position in a file.
    pub fn position(&mut self) -> u64 {
        let page = self.page() * PAGE as u64;
        match self.rng.u8(0..3) {
            0 => page + self.rng.u64(0..PAGE as u64),
            _ => page,
        }
    }

    fn work(&mut self) {
        let total: u32 = CALLS.iter().map(|call| call.weight).sum();
        while !self.board.is_over() {
            let mut choice = self.rng.u32(0..total);
            let number = CALLS.iter().position(|call| {
                let is = choice < call.weight;
                choice = choice.saturating_sub(call.weight);
                is
            });
            let number = number.expect("less than the sum");
            let call = &CALLS[number];
            self.about = call.name;
            self.board.slot(self.slot).does(number);
            let result = (call.run)(self);
            let error = result.err().map_or(0, Errno::raw_os_error);
            self.board.count(number, error);
            if let Err(error) = result {
                self.judge(error, call.may_fault);
                if matches!(error, Errno::NOSPC | Errno::DQUOT) && self.rng.bool() {
                    self.make_room();
                }
            }
        }
    }

    /// A mount that is always full would be no good test.
    fn make_room(&mut self) {
        if self.one_in(3) {
            self.own = None;
            let own = format!("own/{}", self.slot);
            let _ = rustix::fs::unlinkat(self.root, own, AtFlags::empty());
        }
        for _ in 0..3 {
            let path = match self.one_in(3) {
                true => format!("wild/foreign{}", self.rng.u8(0..3)),
                false => self.wild_path(),
            };
            let flags = OFlags::WRONLY
                | OFlags::TRUNC
                | OFlags::NONBLOCK
                | OFlags::NOFOLLOW
                | OFlags::CLOEXEC;
            let _ = match self.rng.bool() {
                true => rustix::fs::openat(self.root, path, flags, Mode::empty()).map(drop),
                false => rustix::fs::unlinkat(self.root, path, AtFlags::empty()),
            };
        }
        self.kept.clear();
    }

    /// How many pages: mostly few.
    pub fn count(&mut self) -> usize {
        match self.rng.u8(0..4) {
            0 => self.rng.usize(1..=BUFFER),
            _ => self.rng.usize(1..4),
        }
    }

    /// Errors that no call here may end with.
    fn judge(&self, error: Errno, may_fault: bool) {
        let known = match error.raw_os_error() {
            // A page that was lost.
            libc::EIO => self.config.may_lose_pages(),
            libc::EFAULT => may_fault || self.config.may_lose_pages(),
            libc::EHWPOISON => self.config.errors,
            libc::EUCLEAN | libc::ENOTRECOVERABLE => false,
            // Not for user space.
            512.. => false,
            _ => true,
        };
        if !known {
            let error = nix::errno::Errno::from_raw(error.raw_os_error());
            self.wrong(&format!("ends with {error:?}"));
        }
    }
}

/// The life of a process, whose threads have the slots from `slot` on.
pub fn run(
    board: &'static Board,
    config: &Config,
    mount: &Path,
    slot: usize,
    seed: u64,
    salt: u64,
) {
    memory::catch_faults();
    std::panic::set_hook(Box::new(|info| {
        board.wrong(&format!("a worker panicked: {info}"))
    }));
    let Ok(root) = rustix::fs::open(mount, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    else {
        return;
    };
    let Ok(stat) = rustix::fs::fstat(&root) else {
        return;
    };
    if config.quota {
        // Who may exceed limits is not limited.
        rights::drop_resource();
    }
    std::thread::scope(|scope| {
        for n in 0..config.threads {
            let root = &root;
            let thread = move || {
                let slot = slot + n;
                board.slot(slot).take_self();
                if config.faults > 0 {
                    faults::of_this_thread(true);
                }
                let mut worker = Worker {
                    board,
                    slot,
                    config,
                    rng: Rng::with_seed(seed.wrapping_add(n as u64)),
                    root,
                    device: stat.st_dev,
                    salt,
                    buffer: Box::new(Buffer([0; BUFFER * PAGE])),
                    kept: Vec::with_capacity(KEPT),
                    maps: Vec::with_capacity(KEPT),
                    pipes: Vec::with_capacity(KEPT),
                    own: None,
                    ring: None,
                    registered: None,
                    about: "",
                };
                worker.work();
                drop(worker);
                board.slot(slot).leave();
            };
            let builder = std::thread::Builder::new().stack_size(256 << 10);
            if builder.spawn_scoped(scope, thread).is_err() {
                // No memory for it.
                board.slot(slot + n).leave();
            }
        }
    });
}
