//! Where the mounts of a run are, and what is made ready before the first one.

use std::path::Path;

use anyhow::{bail, ensure, Context};
use nix::mount::MsFlags;
use nix::sched::{unshare, CloneFlags};
use stage::machine::Setting;

use super::khugepaged::Asleep;
use super::run::oracle;

/// A folder of its own, with mounts that are seen by nobody else and go with this process, while
/// khugepaged sleeps and kcompactd waits until it is asked.
pub struct Place {
    base: tempfile::TempDir,
    _asleep: Option<Asleep>,
    _still: Option<Setting>,
}

impl Place {
    /// `kind` is the type that is compared with [`oracle`].
    pub fn new(prefix: &str, kind: &str) -> anyhow::Result<Place> {
        let base = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir()
            .context("TMPDIR")?;
        ensure!(nix::unistd::geteuid().is_root(), "must be root to mount");
        let known = std::fs::read_to_string("/proc/filesystems").context("/proc/filesystems")?;
        for wanted in [oracle(), kind] {
            if !known
                .lines()
                .any(|l| l.split_whitespace().last() == Some(wanted))
            {
                bail!("file system type {wanted} is not registered (is its module loaded?)");
            }
        }
        unshare(CloneFlags::CLONE_NEWNS).context("new mount namespace")?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        nix::mount::mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
            .context("make all mounts private")?;
        // mkdtemp's mode would keep the users of the permission cases out.
        std::fs::set_permissions(
            base.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )?;
        Ok(Place {
            base,
            _asleep: Asleep::new()?,
            // Not each kernel has it.
            _still: Setting::new("/proc/sys/vm/compaction_proactiveness", "0").ok(),
        })
    }

    pub fn path(&self) -> &Path {
        self.base.path()
    }
}
