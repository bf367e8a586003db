//! Extended attributes and POSIX access control lists of names in a directory. Links are not followed.

use std::ffi::{c_void, CString};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd};

use super::bytes::Bytes;
use super::errno::{Errno, Res};
use super::sys::{Dir, Fd};

pub const CREATE: u32 = libc::XATTR_CREATE as u32;
pub const REPLACE: u32 = libc::XATTR_REPLACE as u32;

pub const ACCESS: &str = "system.posix_acl_access";
pub const DEFAULT: &str = "system.posix_acl_default";

/// The largest list of names and the largest value that the kernel hands out.
pub const LARGEST: usize = 65_536;

/// The value of `security.capability` in its second version, for the first 32 capabilities.
pub const fn file_capability(permitted: u32, inheritable: u32, effective: bool) -> [u8; 20] {
    let (p, i) = (permitted.to_le_bytes(), inheritable.to_le_bytes());
    let e = effective as u8;
    [
        e, 0, 0, 2, p[0], p[1], p[2], p[3], i[0], i[1], i[2], i[3], 0, 0, 0, 0, 0, 0, 0, 0,
    ]
}

/// Numbers that the C library does not know yet; the same on all architectures.
const SYS_SETXATTRAT: libc::c_long = 463;
const SYS_GETXATTRAT: libc::c_long = 464;
const SYS_LISTXATTRAT: libc::c_long = 465;
const SYS_REMOVEXATTRAT: libc::c_long = 466;

#[repr(C, align(8))]
struct Arguments {
    value: u64,
    size: u32,
    flags: u32,
}

/// A file by directory and name, or an open one.
struct Place<'a> {
    fd: i32,
    path: CString,
    flags: i32,
    _fd: std::os::fd::BorrowedFd<'a>,
}

fn in_dir<'a>(dir: &'a Dir, name: &str) -> Place<'a> {
    let (path, flags) = match name {
        "." => ("", libc::AT_EMPTY_PATH),
        name => (name, libc::AT_SYMLINK_NOFOLLOW),
    };
    Place {
        fd: dir.as_fd().as_raw_fd(),
        path: CString::new(path).expect("a name without NUL"),
        flags,
        _fd: dir.as_fd(),
    }
}

fn open(file: &Fd) -> Place<'_> {
    Place {
        fd: file.as_fd().as_raw_fd(),
        path: CString::default(),
        flags: libc::AT_EMPTY_PATH,
        _fd: file.as_fd(),
    }
}

impl Place<'_> {
    /// # Safety
    ///
    /// The value must be as the call wants it.
    unsafe fn call(&self, number: libc::c_long, name: &str, arguments: &Arguments) -> Res<usize> {
        let name = CString::new(name).expect("a name without NUL");
        // SAFETY: all pointers are valid through the call; the value by the caller's promise.
        let size = Errno::check(unsafe {
            libc::syscall(
                number,
                self.fd,
                self.path.as_ptr(),
                self.flags,
                name.as_ptr(),
                arguments,
                size_of::<Arguments>(),
            )
        })?;
        Ok(size as usize)
    }

    fn set(&self, name: &str, value: &[u8], flags: u32) -> Res<()> {
        let arguments = Arguments {
            value: value.as_ptr() as u64,
            size: value.len() as u32,
            flags,
        };
        // SAFETY: the value lives through the call.
        unsafe { self.call(SYS_SETXATTRAT, name, &arguments) }?;
        Ok(())
    }

    fn get(&self, name: &str, buffer: &mut [u8]) -> Res<usize> {
        let arguments = Arguments {
            value: buffer.as_mut_ptr() as u64,
            size: buffer.len() as u32,
            flags: 0,
        };
        // SAFETY: the buffer lives through the call and may be written to.
        unsafe { self.call(SYS_GETXATTRAT, name, &arguments) }
    }

    fn value(&self, name: &str) -> Res<Bytes> {
        let mut buffer = vec![0; LARGEST];
        let size = self.get(name, &mut buffer)?;
        buffer.truncate(size);
        Ok(Bytes(buffer))
    }

    fn list(&self, buffer: &mut [u8]) -> Res<usize> {
        // SAFETY: as above.
        let size = Errno::check(unsafe {
            libc::syscall(
                SYS_LISTXATTRAT,
                self.fd,
                self.path.as_ptr(),
                self.flags,
                buffer.as_mut_ptr().cast::<c_void>(),
                buffer.len(),
            )
        })?;
        Ok(size as usize)
    }

    fn names(&self) -> Res<Vec<String>> {
        let mut buffer = vec![0; LARGEST];
        let size = self.list(&mut buffer)?;
        let names = String::from_utf8_lossy(&buffer[..size]);
        Ok(names.split_terminator('\0').map(str::to_owned).collect())
    }

    fn remove(&self, name: &str) -> Res<()> {
        let name = CString::new(name).expect("a name without NUL");
        // SAFETY: as above.
        Errno::check(unsafe {
            libc::syscall(
                SYS_REMOVEXATTRAT,
                self.fd,
                self.path.as_ptr(),
                self.flags,
                name.as_ptr(),
            )
        })?;
        Ok(())
    }
}

impl Dir {
    pub fn set_xattr(&self, file: &str, name: &str, value: &[u8], flags: u32) -> Res<()> {
        in_dir(self, file).set(name, value, flags)
    }

    pub fn xattr(&self, file: &str, name: &str) -> Res<Bytes> {
        in_dir(self, file).value(name)
    }

    /// What comes of a buffer of `size` bytes; 0 asks for the size of the value.
    pub fn xattr_in(&self, file: &str, name: &str, size: usize) -> Res<usize> {
        in_dir(self, file).get(name, &mut vec![0; size])
    }

    /// In the order in which the kernel lists them.
    pub fn xattrs(&self, file: &str) -> Res<Vec<String>> {
        in_dir(self, file).names()
    }

    /// What comes of a buffer of `size` bytes; 0 asks for the size of the list.
    pub fn xattrs_in(&self, file: &str, size: usize) -> Res<usize> {
        in_dir(self, file).list(&mut vec![0; size])
    }

    pub fn remove_xattr(&self, file: &str, name: &str) -> Res<()> {
        in_dir(self, file).remove(name)
    }

    /// Each attribute with its value.
    pub fn all_xattrs(&self, file: &str) -> Res<Vec<(String, Res<Bytes>)>> {
        let names = self.xattrs(file)?;
        Ok(names
            .into_iter()
            .map(|name| {
                let value = self.xattr(file, &name);
                (name, value)
            })
            .collect())
    }

    pub fn set_acl(&self, file: &str, which: &str, text: &str) -> Res<()> {
        self.set_xattr(file, which, &Acl::parse(text).bytes(), 0)
    }

    pub fn acl(&self, file: &str, which: &str) -> Res<Acl> {
        Ok(Acl::from_bytes(&self.xattr(file, which)?.0))
    }
}

impl Fd {
    pub fn set_xattr(&self, name: &str, value: &[u8], flags: u32) -> Res<()> {
        open(self).set(name, value, flags)
    }

    pub fn xattr(&self, name: &str) -> Res<Bytes> {
        open(self).value(name)
    }

    pub fn xattrs(&self) -> Res<Vec<String>> {
        open(self).names()
    }

    pub fn remove_xattr(&self, name: &str) -> Res<()> {
        open(self).remove(name)
    }

    pub fn acl(&self, which: &str) -> Res<Acl> {
        Ok(Acl::from_bytes(&self.xattr(which)?.0))
    }
}

/// An access control list, in a trace as `u::rw- u:10:r-- g::r-- m::rw- o::---`.
#[derive(Clone, PartialEq, Eq)]
pub struct Acl(Vec<(u16, u16, u32)>);

const NOBODY: u32 = u32::MAX;
const VERSION: u32 = 2;
const TAGS: [(&str, bool, u16); 6] = [
    ("u", false, 0x01),
    ("u", true, 0x02),
    ("g", false, 0x04),
    ("g", true, 0x08),
    ("m", false, 0x10),
    ("o", false, 0x20),
];

impl Acl {
    /// Of the text that a trace shows; entries may be wrong.
    pub fn parse(text: &str) -> Acl {
        let entry = |text: &str| {
            let parts: Vec<&str> = text.split(':').collect();
            let [tag, id, permissions] = parts[..] else {
                panic!("{text} is no entry of an ACL");
            };
            let tag = TAGS
                .iter()
                .find(|t| t.0 == tag && t.1 != id.is_empty())
                .expect("a tag");
            let permissions = permissions
                .chars()
                .map(|c| match c {
                    'r' => 4,
                    'w' => 2,
                    'x' => 1,
                    '-' => 0,
                    // A bit that means nothing.
                    '?' => 8,
                    c => panic!("{c} is no permission"),
                })
                .sum();
            (tag.2, permissions, id.parse().unwrap_or(NOBODY))
        };
        Acl(text.split_whitespace().map(entry).collect())
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for (tag, permissions, id) in &self.0 {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Acl {
        let (version, entries) = bytes.split_at(4);
        assert_eq!(version, VERSION.to_le_bytes(), "the version of an ACL");
        let half = |b: &[u8]| u16::from_le_bytes(b.try_into().expect("two bytes"));
        let entry = |b: &[u8]| {
            let id = u32::from_le_bytes(b[4..].try_into().expect("four bytes"));
            (half(&b[..2]), half(&b[2..4]), id)
        };
        Acl(entries.chunks_exact(8).map(entry).collect())
    }
}

impl fmt::Debug for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (tag, permissions, id)) in self.0.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            let letter = TAGS.iter().find(|t| t.2 == *tag).map_or("?", |t| t.0);
            let id = match *id {
                NOBODY => String::new(),
                id => id.to_string(),
            };
            let may = |bit, c| if permissions & bit != 0 { c } else { '-' };
            write!(
                f,
                "{gap}{letter}:{id}:{}{}{}",
                may(4, 'r'),
                may(2, 'w'),
                may(1, 'x')
            )?;
        }
        Ok(())
    }
}
