//! What every case stands on: the runner, the trace and thin wrappers over system calls.

pub mod aio;
pub mod case;
pub mod device;
pub mod fs;
pub mod fuse;
pub mod handle;
pub mod idmap;
pub mod khugepaged;
pub mod kmsg;
pub mod known;
pub mod maps;
pub mod meanwhile;
pub mod memfd;
pub mod meminfo;
pub mod message;
pub mod meta;
pub mod numa;
pub mod overlay;
pub mod owned;
pub mod place;
pub mod process;
pub mod run;
pub mod smaps;
pub mod sys;
pub mod sysv;
pub mod trace;
pub mod uffd;
pub mod uprobe;
pub mod xattr;
pub mod zram;

pub use stage::{bytes, errno, fileattr, map, quota, uring};

/// What a case imports.
pub mod prelude {
    pub use super::bytes::{pattern, Bytes};
    pub use super::case::Done;
    pub use super::errno::{Errno, Res};
    pub use super::fs::{Fs, Mount, Mounted};
    pub use super::map::Map;
    pub use super::meta::Relation;
    pub use super::process::User;
    pub use super::sys::{Dir, Entry, Fd, PAGE};
    pub use super::trace::Trace;
    pub use crate::{cases, skip, skip_by_chance};
    pub use anyhow::{ensure, Context};
    pub use rustix::fs::{FileType, Mode, OFlags, RenameFlags, SeekFrom};
}
