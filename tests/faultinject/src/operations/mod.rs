// SPDX-License-Identifier: GPL-2.0
//! The operations: what each needs, the one thing that is to fail, and the way back.

mod data;
mod large;
mod mounts;
mod names;
mod shared;

pub use mounts::is_mounted;
pub use stage::pages::PAGE;

use anyhow::{ensure, Context, Result};
use nix::mount::MsFlags;
use stage::map::{Map, MapFlags, ProtFlags};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where an operation works: a mount of the type under test, and an empty folder outside it.
pub struct Place {
    pub fstype: String,
    pub mount: PathBuf,
    pub outside: PathBuf,
}

/// All that an operation uses while it may fail, made beforehand: an allocation in user space could become one
/// of the kernel's.
#[derive(Default)]
pub struct Held {
    file: Option<File>,
    second: Option<File>,
    map: Option<Map>,
    path: Vec<CString>,
    buffer: Vec<u8>,
    moved: usize,
    segment: Option<shared::Segment>,
    /// A control has its old value again with this.
    _before: Option<stage::machine::Setting>,
}

pub struct Operation {
    pub name: &'static str,
    /// Makes what must be there, before each attempt.
    pub prepare: fn(&Place) -> Result<Held>,
    /// The operation itself, in system calls and as little else as possible.
    pub act: fn(&mut Held) -> io::Result<()>,
    /// After a success: checks what was done. The tree is made anew for the next attempt.
    pub verify: fn(&Place, Held) -> Result<()>,
    /// The type need not know this one: EOPNOTSUPP skips it.
    pub optional: bool,
    /// What the mount says about large folios meanwhile.
    pub huge: &'static str,
    /// Works on files without a mount, which the module under test serves meanwhile.
    pub without_mount: bool,
}

impl Operation {
    const fn new(
        name: &'static str,
        prepare: fn(&Place) -> Result<Held>,
        act: fn(&mut Held) -> io::Result<()>,
        verify: fn(&Place, Held) -> Result<()>,
    ) -> Self {
        Self {
            name,
            prepare,
            act,
            verify,
            optional: false,
            huge: "never",
            without_mount: false,
        }
    }

    const fn huge(mut self, huge: &'static str) -> Self {
        self.huge = huge;
        self
    }

    const fn without_mount(mut self) -> Self {
        self.without_mount = true;
        self
    }

    const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

pub fn all() -> Vec<Operation> {
    let mut all = names::operations();
    all.extend(data::operations());
    all.extend(large::operations());
    all.extend(mounts::operations());
    all.extend(shared::operations());
    all
}

impl Held {
    fn fd(&self) -> RawFd {
        self.file
            .as_ref()
            .expect("prepared with a file")
            .as_raw_fd()
    }

    fn second_fd(&self) -> RawFd {
        self.second
            .as_ref()
            .expect("prepared with a second file")
            .as_raw_fd()
    }
}

fn c(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("paths of this program hold no NUL")
}

fn check(status: i64) -> io::Result<i64> {
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(status)
}

fn paths(place: &Place, names: &[&str]) -> Held {
    Held {
        path: names
            .iter()
            .map(|name| c(&place.mount.join(name)))
            .collect(),
        ..Held::default()
    }
}

fn nothing_more(_: &Place, _: Held) -> Result<()> {
    Ok(())
}

fn present(place: &Place, name: &str) -> Result<()> {
    ensure!(
        place.mount.join(name).symlink_metadata().is_ok(),
        "{name} is not there after a success"
    );
    Ok(())
}

/// What the mount says about large folios from now on.
pub fn set_huge(place: &Place, huge: &str) -> Result<()> {
    let options = format!("huge={huge}");
    stage::mount::remount(&place.mount, MsFlags::empty(), &options)
        .with_context(|| format!("remount -o {options}"))
}

/// Bytes by which a misplaced page would be noticed.
pub fn pattern(length: usize) -> Vec<u8> {
    stage::bytes::pattern(1, length)
}

/// A new file of that many such bytes.
fn filled(path: &Path, length: usize) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)?;
    file.write_all_at(&pattern(length), 0)?;
    Ok(file)
}

/// The tree that every attempt begins with.
pub fn populate(place: &Place) -> Result<()> {
    let at = |name: &str| place.mount.join(name);
    filled(&at("file"), 3 * PAGE + 100)?;
    filled(&at("other"), 10)?;
    fs::create_dir(at("dir"))?;
    filled(&at("dir/inner"), PAGE)?;
    fs::create_dir(at("empty"))?;
    std::os::unix::fs::symlink("t".repeat(names::LONG_TARGET), at("long link"))?;
    Ok(())
}

/// Takes away all that an attempt may have left, in the mount and over the folder outside.
pub fn wipe(place: &Place) -> Result<()> {
    if is_mounted(place)? {
        nix::mount::umount(&place.outside)?;
    }
    for entry in fs::read_dir(&place.mount)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
