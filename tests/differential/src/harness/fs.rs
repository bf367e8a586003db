//! Mounting the file system under test.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;
use rustix::mount as api;
pub use stage::mount::Mount;

use super::case::Done;
use super::errno::Res;
use super::run::SUBJECT;
use super::sys::Dir;

/// One of the two types, and where it may be mounted.
pub struct Fs {
    pub kind: String,
    base: PathBuf,
}

impl Fs {
    pub fn new(kind: &str, base: &Path) -> Fs {
        Fs {
            kind: kind.to_owned(),
            base: base.to_owned(),
        }
    }

    /// Whether it is the one that is tested, and not the one that it is compared with.
    pub fn is_subject(&self) -> bool {
        self.kind == SUBJECT
    }

    /// A directory to mount on. The same name on both types: it is seen in /proc/mounts.
    pub fn point(&self, name: &str) -> PathBuf {
        let path = self.base.join(name);
        if let Err(e) = std::fs::create_dir(&path) {
            assert_eq!(
                e.kind(),
                std::io::ErrorKind::AlreadyExists,
                "{}: {e}",
                path.display()
            );
        }
        path
    }

    pub fn mount(&self, options: &str) -> Res<Mount> {
        self.mount_at("m", options, MsFlags::empty())
    }

    pub fn mount_at(&self, name: &str, options: &str, flags: MsFlags) -> Res<Mount> {
        let path = self.point(name);
        Mount::new("source", path, &self.kind, flags, options)
    }

    /// Runs `prepare` in a new mount, and `steps` once it is read-only.
    pub fn read_only(
        &self,
        prepare: impl FnOnce(&Dir) -> Done,
        steps: impl FnOnce(&Mount, &Dir) -> Done,
    ) -> Done {
        let mount = self.mount("")?;
        let dir = mount.dir()?;
        prepare(&dir)?;
        mount.remount_flags("", MsFlags::MS_RDONLY)?;
        steps(&mount, &dir)?;
        drop(dir);
        mount.unmount()?;
        Ok(())
    }

    /// A new mount context of the type.
    pub fn context(&self) -> Res<Context> {
        let fd = api::fsopen(self.kind.as_str(), api::FsOpenFlags::FSOPEN_CLOEXEC)?;
        Ok(Context { fd })
    }

    /// Mounts what a context made.
    pub fn attach(&self, name: &str, mount: impl AsFd) -> Res<Mount> {
        let path = self.point(name);
        api::move_mount(
            mount,
            "",
            rustix::fs::CWD,
            &path,
            api::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )?;
        Ok(Mount::at(path))
    }
}

/// What a case does with its mount.
pub trait Mounted {
    /// The root directory.
    fn dir(&self) -> Res<Dir>;

    /// A context that reconfigures the mount.
    fn pick(&self) -> Res<Context>;
}

impl Mounted for Mount {
    fn dir(&self) -> Res<Dir> {
        Dir::open(&self.path)
    }

    fn pick(&self) -> Res<Context> {
        let flags = api::FsPickFlags::FSPICK_CLOEXEC;
        Ok(Context {
            fd: api::fspick(rustix::fs::CWD, &self.path, flags)?,
        })
    }
}

/// A file system context: fsopen(2) or fspick(2).
pub struct Context {
    fd: OwnedFd,
}

impl AsFd for Context {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Context {
    pub fn set(&self, key: &str, value: &str) -> Res<()> {
        Ok(api::fsconfig_set_string(self.fd.as_fd(), key, value)?)
    }

    pub fn flag(&self, key: &str) -> Res<()> {
        Ok(api::fsconfig_set_flag(self.fd.as_fd(), key)?)
    }

    /// `key=value` or `key`.
    pub fn option(&self, option: &str) -> Res<()> {
        match option.split_once('=') {
            Some((key, value)) => self.set(key, value),
            None => self.flag(option),
        }
    }

    pub fn create(&self) -> Res<()> {
        Ok(api::fsconfig_create(self.fd.as_fd())?)
    }

    pub fn reconfigure(&self) -> Res<()> {
        Ok(api::fsconfig_reconfigure(self.fd.as_fd())?)
    }

    pub fn mount(&self) -> Res<OwnedFd> {
        let flags = api::FsMountFlags::FSMOUNT_CLOEXEC;
        Ok(api::fsmount(
            self.fd.as_fd(),
            flags,
            api::MountAttrFlags::empty(),
        )?)
    }

    /// The messages that the context holds, each with its level.
    pub fn log(&self) -> Vec<String> {
        let mut log = Vec::new();
        loop {
            let mut buffer = [0; 1024];
            match rustix::io::read(&self.fd, &mut buffer) {
                Ok(n) => log.push(String::from_utf8_lossy(&buffer[..n]).trim_end().to_owned()),
                Err(rustix::io::Errno::NODATA) => return log,
                Err(e) => {
                    log.push(format!("{:?}", super::errno::Errno::from(e)));
                    return log;
                }
            }
        }
    }
}
