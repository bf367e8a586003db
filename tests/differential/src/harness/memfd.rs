//! memfd_create(2) and file seals.

use std::ffi::CString;
use std::fmt;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use stage::switch::device_of_new_files;

use super::errno::{Errno, Res};
use super::sys::Fd;

pub const CLOEXEC: u32 = libc::MFD_CLOEXEC;
pub const ALLOW_SEALING: u32 = libc::MFD_ALLOW_SEALING;
pub const HUGETLB: u32 = libc::MFD_HUGETLB;
pub const NOEXEC_SEAL: u32 = 8;
pub const EXEC: u32 = 0x10;

pub const SEAL: u32 = 1;
pub const SHRINK: u32 = 2;
pub const GROW: u32 = 4;
pub const WRITE: u32 = 8;
pub const FUTURE_WRITE: u32 = 0x10;
/// Of the mode's bits to execute.
pub const SEAL_EXEC: u32 = 0x20;

/// All kinds of seals.
pub const SEALS: [u32; 6] = [SEAL, SHRINK, GROW, WRITE, FUTURE_WRITE, SEAL_EXEC];

/// Seals by name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seals(pub u32);

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 6] = ["SEAL", "SHRINK", "GROW", "WRITE", "FUTURE_WRITE", "EXEC"];
        let set = SEALS
            .iter()
            .zip(NAMES)
            .filter(|(&seal, _)| self.0 & seal != 0);
        let mut names: Vec<String> = set.map(|(_, name)| name.to_owned()).collect();
        let rest = self.0 & !SEALS.iter().sum::<u32>();
        if rest != 0 {
            names.push(format!("{rest:#x}"));
        }
        write!(f, "[{}]", names.join(" "))
    }
}

pub fn create(name: &str, flags: u32) -> Res<Fd> {
    let name = CString::new(name).expect("no NUL in the name");
    // SAFETY: the name is a string; the descriptor is nobody else's.
    unsafe {
        let fd = Errno::check(libc::memfd_create(name.as_ptr(), flags).into())?;
        Ok(Fd(OwnedFd::from_raw_fd(fd as i32)))
    }
}

/// memfd_secret(2).
pub fn secret(flags: u32) -> Res<Fd> {
    // SAFETY: takes no pointer; the descriptor is nobody else's.
    unsafe {
        let fd = Errno::check(libc::syscall(libc::SYS_memfd_secret, flags))?;
        Ok(Fd(OwnedFd::from_raw_fd(fd as i32)))
    }
}

/// A memfd that may be sealed, with contents.
pub fn sealable(data: &[u8]) -> Res<Fd> {
    let file = create("sealable", CLOEXEC | ALLOW_SEALING | EXEC)?;
    let written = file.write(data)?;
    assert_eq!(written, data.len(), "short write");
    Ok(file)
}

/// What a case does with the seals of a file, and asks of one without a mount.
pub trait Sealed {
    fn seal(&self, seals: u32) -> Res<()>;
    fn seals(&self) -> Res<Seals>;

    /// Opens the file anew, by its link in /proc.
    fn reopen(&self, flags: i32) -> Res<Fd>;

    /// What the link in /proc reads.
    fn link(&self) -> String;

    /// It is served by what serves those that are made without a mount now.
    fn is_of_new_files(&self) -> anyhow::Result<bool>;
}

impl Sealed for Fd {
    fn seal(&self, seals: u32) -> Res<()> {
        // SAFETY: takes no pointer.
        let done = unsafe { libc::fcntl(self.0.as_raw_fd(), libc::F_ADD_SEALS, seals) };
        Errno::check(done.into()).map(drop)
    }

    fn seals(&self) -> Res<Seals> {
        // SAFETY: takes no pointer.
        let seals = unsafe { libc::fcntl(self.0.as_raw_fd(), libc::F_GET_SEALS) };
        Ok(Seals(Errno::check(seals.into())? as u32))
    }

    fn reopen(&self, flags: i32) -> Res<Fd> {
        let path = CString::new(self.path()).expect("no NUL in the path");
        // SAFETY: the path is a string; the descriptor is nobody else's.
        unsafe {
            let fd = libc::open(path.as_ptr(), flags | libc::O_CLOEXEC);
            let fd = Errno::check(fd.into())?;
            Ok(Fd(OwnedFd::from_raw_fd(fd as i32)))
        }
    }

    fn link(&self) -> String {
        std::fs::read_link(self.path())
            .map(|path| path.display().to_string())
            .unwrap_or_else(|e| e.to_string())
    }

    fn is_of_new_files(&self) -> anyhow::Result<bool> {
        Ok(rustix::fs::fstat(self)?.st_dev == device_of_new_files()?)
    }
}
