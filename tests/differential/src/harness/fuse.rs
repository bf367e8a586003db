//! A FUSE server with one file, whose contents are those of another file: the kernel passes reads, writes and mappings on to it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use fuser::{
    consts, BackingId, FileAttr, FileType, Filesystem, KernelConfig, ReplyAttr, ReplyEmpty,
    ReplyEntry, ReplyOpen, Request, Session, SessionACL, TimeOrNow,
};
use nix::mount::MsFlags;

use super::case::Done;
use super::fs::Fs;
use super::sys::{Dir, Fd};

pub const NAME: &str = "file";

const ROOT: u64 = 1;
const FILE: u64 = 2;
/// The kernel asks again each time.
const TTL: Duration = Duration::ZERO;

struct Server {
    backing: File,
    open: HashMap<u64, BackingId>,
    next: u64,
}

impl Server {
    fn attributes(&self, ino: u64) -> std::io::Result<FileAttr> {
        let meta = self.backing.metadata()?;
        let file = ino == FILE;
        Ok(FileAttr {
            ino,
            size: if file { meta.size() } else { 0 },
            blocks: if file { meta.blocks() } else { 0 },
            atime: meta.accessed()?,
            mtime: meta.modified()?,
            ctime: SystemTime::UNIX_EPOCH,
            crtime: SystemTime::UNIX_EPOCH,
            kind: if file {
                FileType::RegularFile
            } else {
                FileType::Directory
            },
            perm: if file { 0o644 } else { 0o755 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: meta.blksize() as u32,
            flags: 0,
        })
    }

    fn answer(&self, ino: u64, reply: ReplyAttr) {
        match self.attributes(ino) {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(e) => reply.error(number(&e)),
        }
    }
}

fn number(e: &std::io::Error) -> i32 {
    e.raw_os_error().unwrap_or(libc::EIO)
}

impl Filesystem for Server {
    fn init(&mut self, _: &Request<'_>, config: &mut KernelConfig) -> Result<(), i32> {
        let passthrough = config.add_capabilities(consts::FUSE_PASSTHROUGH);
        passthrough.map_err(|_| libc::EOPNOTSUPP)?;
        config
            .set_max_stack_depth(1)
            .map_err(|_| libc::EOPNOTSUPP)?;
        Ok(())
    }

    fn lookup(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEntry) {
        if parent != ROOT || name != NAME {
            return reply.error(libc::ENOENT);
        }
        match self.attributes(FILE) {
            Ok(attributes) => reply.entry(&TTL, &attributes, 0),
            Err(e) => reply.error(number(&e)),
        }
    }

    fn getattr(&mut self, _: &Request<'_>, ino: u64, _: Option<u64>, reply: ReplyAttr) {
        self.answer(ino, reply);
    }

    fn setattr(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<u64>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<u32>,
        reply: ReplyAttr,
    ) {
        if let Some(Err(e)) = size.map(|size| self.backing.set_len(size)) {
            return reply.error(number(&e));
        }
        self.answer(ino, reply);
    }

    fn open(&mut self, _: &Request<'_>, _ino: u64, _flags: i32, reply: ReplyOpen) {
        match reply.open_backing(&self.backing) {
            Ok(id) => {
                self.next += 1;
                reply.opened_passthrough(self.next, 0, &id);
                self.open.insert(self.next, id);
            }
            Err(e) => reply.error(number(&e)),
        }
    }

    fn release(
        &mut self,
        _: &Request<'_>,
        _ino: u64,
        fh: u64,
        _flags: i32,
        _lock_owner: Option<u64>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.open.remove(&fh);
        reply.ok();
    }
}

/// A mount of it, undone by `end`.
pub struct Passthrough {
    pub dir: Dir,
    point: PathBuf,
    server: JoinHandle<std::io::Result<()>>,
}

impl Passthrough {
    pub fn on(fs: &Fs, backing: &Fd) -> anyhow::Result<Passthrough> {
        let device = File::options().read(true).write(true).open("/dev/fuse");
        let device = device.context("/dev/fuse")?;
        let point = fs.point("fuse");
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,default_permissions",
            device.as_fd().as_raw_fd()
        );
        nix::mount::mount(
            Some("passthrough"),
            &point,
            Some("fuse"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            Some(options.as_str()),
        )
        .context("mount of fuse")?;
        let server = Server {
            backing: backing.0.try_clone()?.into(),
            open: HashMap::new(),
            next: 0,
        };
        let device = OwnedFd::from(device);
        let server =
            std::thread::spawn(move || Session::from_fd(server, device, SessionACL::All).run());
        Ok(Passthrough {
            dir: Dir::open(&point)?,
            point,
            server,
        })
    }

    pub fn end(self) -> Done {
        let Passthrough { dir, point, server } = self;
        drop(dir);
        nix::mount::umount(&point)?;
        let ended = server
            .join()
            .map_err(|_| anyhow::anyhow!("the server panicked"))?;
        match ended {
            // To a server that has just taken the last request, the kernel says so in the place of ENODEV.
            Err(e) if e.raw_os_error() == Some(libc::ECONNABORTED) => Ok(()),
            ended => ended.context("the server"),
        }
    }
}
