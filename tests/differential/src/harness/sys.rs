//! Directories and files, by descriptor.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::{
    self as sys, AtFlags, Dev, FileType, Mode, OFlags, RawDir, RenameFlags, SeekFrom,
};
use rustix::io::ReadWriteFlags;
use rustix::path::Arg;

use super::bytes::Bytes;
use super::errno::{Errno, Res};
use super::meta::{self, Meta, Times};

pub use stage::pages::PAGE;

/// The number of the system call, which libc does not know.
const CACHESTAT: libc::c_long = 451;

/// Bytes of directory entries fetched by one call.
const LISTING_BUFFER: usize = 32 * 1024;

pub struct Dir(OwnedFd);

/// A directory entry as getdents64(2) gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub kind: FileType,
    pub ino: u64,
    pub next: u64,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Dir {
    fn from(fd: OwnedFd) -> Dir {
        Dir(fd)
    }
}

impl From<Dir> for OwnedFd {
    fn from(dir: Dir) -> OwnedFd {
        dir.0
    }
}

impl Dir {
    pub fn open(path: &Path) -> Res<Dir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Dir(sys::open(path, flags, Mode::empty())?))
    }

    pub fn sub(&self, name: impl Arg) -> Res<Dir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Dir(sys::openat(self, name, flags, Mode::empty())?))
    }

    /// Makes a directory and opens it.
    pub fn make(&self, name: &str) -> Res<Dir> {
        self.mkdir(name)?;
        self.sub(name)
    }

    pub fn openat(&self, name: impl Arg, flags: OFlags, mode: u32) -> Res<Fd> {
        let mode = Mode::from_raw_mode(mode);
        Ok(Fd(sys::openat(self, name, flags | OFlags::CLOEXEC, mode)?))
    }

    /// A new file, open for reading and writing.
    pub fn create(&self, name: impl Arg) -> Res<Fd> {
        self.openat(name, OFlags::CREATE | OFlags::EXCL | OFlags::RDWR, 0o644)
    }

    pub fn read_write(&self, name: impl Arg) -> Res<Fd> {
        self.openat(name, OFlags::RDWR, 0)
    }

    pub fn read_only(&self, name: impl Arg) -> Res<Fd> {
        self.openat(name, OFlags::RDONLY, 0)
    }

    /// A new file that is in no directory.
    pub fn tmpfile(&self) -> Res<Fd> {
        self.openat(".", OFlags::TMPFILE | OFlags::RDWR, 0o600)
    }

    /// A new file with these contents.
    pub fn file(&self, name: &str, data: &[u8]) -> Res<Fd> {
        let file = self.create(name)?;
        let written = file.write(data)?;
        assert_eq!(written, data.len(), "short write of {name}");
        Ok(file)
    }

    pub fn contents(&self, name: &str) -> Res<Bytes> {
        let file = self.read_only(name)?;
        file.all()
    }

    pub fn mkdir(&self, name: impl Arg) -> Res<()> {
        self.mkdir_mode(name, 0o755)
    }

    pub fn mkdir_mode(&self, name: impl Arg, mode: u32) -> Res<()> {
        Ok(sys::mkdirat(self, name, Mode::from_raw_mode(mode))?)
    }

    pub fn mknod(&self, name: impl Arg, kind: FileType, mode: u32, rdev: (u32, u32)) -> Res<()> {
        let dev: Dev = sys::makedev(rdev.0, rdev.1);
        Ok(sys::mknodat(
            self,
            name,
            kind,
            Mode::from_raw_mode(mode),
            dev,
        )?)
    }

    pub fn fifo(&self, name: &str) -> Res<()> {
        self.mknod(name, FileType::Fifo, 0o644, (0, 0))
    }

    pub fn symlink(&self, target: impl Arg, name: impl Arg) -> Res<()> {
        Ok(sys::symlinkat(target, self, name)?)
    }

    pub fn readlink(&self, name: &str) -> Res<String> {
        let target: CString = sys::readlinkat(self, name, Vec::new())?;
        Ok(target.to_string_lossy().into_owned())
    }

    pub fn link(&self, old: impl Arg, new: impl Arg) -> Res<()> {
        Ok(sys::linkat(self, old, self, new, AtFlags::empty())?)
    }

    pub fn link_to(&self, old: &str, dir: &Dir, new: &str) -> Res<()> {
        Ok(sys::linkat(self, old, dir, new, AtFlags::empty())?)
    }

    /// Gives an open file, such as one without a name, a name.
    pub fn link_fd(&self, file: &Fd, name: &str) -> Res<()> {
        Ok(sys::linkat(
            sys::CWD,
            file.path(),
            self,
            name,
            AtFlags::SYMLINK_FOLLOW,
        )?)
    }

    pub fn unlink(&self, name: impl Arg) -> Res<()> {
        Ok(sys::unlinkat(self, name, AtFlags::empty())?)
    }

    pub fn rmdir(&self, name: impl Arg) -> Res<()> {
        Ok(sys::unlinkat(self, name, AtFlags::REMOVEDIR)?)
    }

    pub fn rename(&self, old: impl Arg, new: impl Arg) -> Res<()> {
        Ok(sys::renameat(self, old, self, new)?)
    }

    pub fn rename_flags(&self, old: &str, new: &str, flags: RenameFlags) -> Res<()> {
        Ok(sys::renameat_with(self, old, self, new, flags)?)
    }

    pub fn rename_to(&self, old: &str, dir: &Dir, new: &str) -> Res<()> {
        Ok(sys::renameat(self, old, dir, new)?)
    }

    pub fn meta(&self, name: &str) -> Res<Meta> {
        Ok(Meta::from(&meta::statx(self, name)?))
    }

    pub fn times(&self, name: &str) -> Res<Times> {
        Ok(Times::from(&meta::statx(self, name)?))
    }

    pub fn ino(&self, name: &str) -> Res<u64> {
        Ok(meta::statx(self, name)?.stx_ino)
    }

    pub fn chmod(&self, name: &str, mode: u32) -> Res<()> {
        Ok(sys::chmodat(
            self,
            name,
            Mode::from_raw_mode(mode),
            AtFlags::empty(),
        )?)
    }

    pub fn chown(&self, name: &str, uid: Option<u32>, gid: Option<u32>) -> Res<()> {
        let uid = uid.map(sys::Uid::from_raw);
        let gid = gid.map(sys::Gid::from_raw);
        Ok(sys::chownat(
            self,
            name,
            uid,
            gid,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    pub fn truncate(&self, name: &str, len: u64) -> Res<()> {
        self.openat(name, OFlags::WRONLY, 0)?.truncate(len)
    }

    /// The entries in the order of the directory, `.` and `..` included, from the start of the directory.
    pub fn list(&self) -> Res<Vec<Entry>> {
        sys::seek(self, SeekFrom::Start(0))?;
        self.list_on(LISTING_BUFFER)
    }

    /// The entries from where the descriptor stands, fetched `buffer` bytes at a time.
    pub fn list_on(&self, buffer: usize) -> Res<Vec<Entry>> {
        let mut all = Vec::new();
        loop {
            let some = self.list_once(buffer)?;
            if some.is_empty() {
                return Ok(all);
            }
            all.extend(some);
        }
    }

    /// The entries of one call.
    pub fn list_once(&self, buffer: usize) -> Res<Vec<Entry>> {
        let mut space = vec![MaybeUninit::uninit(); buffer];
        let mut raw = RawDir::new(self, &mut space);
        let mut entries = Vec::new();
        while let Some(entry) = raw.next() {
            let entry = entry?;
            entries.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                kind: entry.file_type(),
                ino: entry.ino(),
                next: entry.next_entry_cookie(),
            });
            if raw.is_buffer_empty() {
                break;
            }
        }
        Ok(entries)
    }

    pub fn seek(&self, to: SeekFrom) -> Res<u64> {
        Ok(sys::seek(self, to)?)
    }

    /// Names without `.` and `..`, sorted.
    pub fn names(&self) -> Res<Vec<String>> {
        let mut names: Vec<String> = self.list()?.into_iter().map(|e| e.name).collect();
        names.retain(|n| n != "." && n != "..");
        names.sort();
        Ok(names)
    }

    /// What there is on its file system.
    pub fn space(&self) -> Res<Space> {
        Ok(Space::of(&sys::fstatfs(self)?))
    }
}

/// Blocks and inodes that are free, and their limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub blocks: u64,
    pub free: u64,
    pub files: u64,
    pub free_files: u64,
}

impl Space {
    pub fn of(file_system: &sys::StatFs) -> Self {
        Self {
            blocks: file_system.f_blocks,
            free: file_system.f_bfree,
            files: file_system.f_files,
            free_files: file_system.f_ffree,
        }
    }
}

pub struct Fd(pub OwnedFd);

impl AsFd for Fd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The link to an open file in /proc.
pub fn link_of(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

/// In a trace an open file is just that: its number says nothing.
impl std::fmt::Debug for Fd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "open")
    }
}

impl Fd {
    /// The link to it in /proc.
    pub fn path(&self) -> String {
        link_of(self)
    }

    pub fn read(&self, len: usize) -> Res<Bytes> {
        let mut data = vec![0; len];
        let n = rustix::io::read(self, &mut data)?;
        data.truncate(n);
        Ok(Bytes(data))
    }

    pub fn pread(&self, len: usize, at: u64) -> Res<Bytes> {
        let mut data = vec![0; len];
        let n = rustix::io::pread(self, &mut data, at)?;
        data.truncate(n);
        Ok(Bytes(data))
    }

    /// The whole file, through its end.
    pub fn all(&self) -> Res<Bytes> {
        let size = sys::fstat(self)?.st_size as usize;
        self.pread(size + 1, 0)
    }

    pub fn write(&self, data: &[u8]) -> Res<usize> {
        Ok(rustix::io::write(self, data)?)
    }

    pub fn pwrite(&self, data: &[u8], at: u64) -> Res<usize> {
        Ok(rustix::io::pwrite(self, data, at)?)
    }

    pub fn preadv2(&self, len: usize, at: u64, flags: ReadWriteFlags) -> Res<Bytes> {
        let mut data = vec![0; len];
        let mut slices = [std::io::IoSliceMut::new(&mut data)];
        let n = rustix::io::preadv2(self, &mut slices, at, flags)?;
        data.truncate(n);
        Ok(Bytes(data))
    }

    pub fn pwritev2(&self, data: &[u8], at: u64, flags: ReadWriteFlags) -> Res<usize> {
        let slices = [std::io::IoSlice::new(data)];
        Ok(rustix::io::pwritev2(self, &slices, at, flags)?)
    }

    pub fn seek(&self, to: SeekFrom) -> Res<u64> {
        Ok(sys::seek(self, to)?)
    }

    /// lseek(2) with the offset as the kernel takes it, negative ones too.
    pub fn lseek(&self, offset: i64, whence: i32) -> Res<u64> {
        // SAFETY: lseek touches no memory of the process.
        let at = unsafe { libc::lseek(self.0.as_raw_fd(), offset, whence) };
        if at < 0 {
            return Err(Errno::last());
        }
        Ok(at as u64)
    }

    pub fn truncate(&self, len: u64) -> Res<()> {
        Ok(sys::ftruncate(self, len)?)
    }

    pub fn meta(&self) -> Res<Meta> {
        let want = sys::StatxFlags::BASIC_STATS | sys::StatxFlags::BTIME;
        Ok(Meta::from(&sys::statx(
            self,
            "",
            AtFlags::EMPTY_PATH,
            want,
        )?))
    }

    pub fn size(&self) -> Res<u64> {
        Ok(self.meta()?.size)
    }

    pub fn blocks(&self) -> Res<u64> {
        Ok(self.meta()?.blocks)
    }

    /// The extents of data as SEEK_DATA and SEEK_HOLE tell them.
    pub fn extents(&self) -> Res<Vec<(u64, u64)>> {
        let mut extents = Vec::new();
        let mut at = 0;
        loop {
            let start = match self.seek(SeekFrom::Data(at)) {
                Ok(start) => start,
                Err(Errno(libc::ENXIO)) => return Ok(extents),
                Err(e) => return Err(e),
            };
            let end = self.seek(SeekFrom::Hole(start))?;
            extents.push((start, end));
            at = end;
        }
    }
}

/// How many pages of a range of a file the page cache has, with cachestat(2). Takes any descriptor and any range.
pub fn cached_pages(fd: RawFd, at: u64, len: u64) -> Res<u64> {
    let (range, mut figures) = ([at, len], [0u64; 5]);
    // SAFETY: a range of two words and room for five figures.
    let done = unsafe { libc::syscall(CACHESTAT, fd, range.as_ptr(), figures.as_mut_ptr(), 0) };
    Errno::check(done)?;
    Ok(figures[0])
}
