//! An overlay with its upper and work directory on the type under test.

use anyhow::Context;
use nix::mount::{umount2, MntFlags, MsFlags};

use super::case::Done;
use super::errno::{Errno, Res};
use super::fs::{Fs, Mount, Mounted};
use super::sys::Dir;
use super::trace::Trace;

/// A directory below, an upper one of the type under test, and what they look like together.
pub struct Overlay {
    // In this order they are dropped.
    pub merged: Dir,
    pub upper: Dir,
    pub lower: Dir,
    /// Where the two are seen together.
    pub point: std::path::PathBuf,
    below: std::path::PathBuf,
    mount: Option<Mount>,
    options: String,
}

impl Overlay {
    pub fn new(fs: &Fs, options: &str, fill: fn(&Dir) -> Done) -> anyhow::Result<Overlay> {
        Overlay::limited(fs, "", options, fill)
    }

    /// With these mount options of the type under test.
    pub fn limited(
        fs: &Fs,
        mount_options: &str,
        options: &str,
        fill: fn(&Dir) -> Done,
    ) -> anyhow::Result<Overlay> {
        Overlay::over(fs, "tmpfs", mount_options, options, fill)
    }

    /// Over a directory on this type.
    pub fn over(
        fs: &Fs,
        lower: &str,
        mount_options: &str,
        options: &str,
        fill: fn(&Dir) -> Done,
    ) -> anyhow::Result<Overlay> {
        let mount = fs.mount(mount_options)?;
        let top = mount.dir()?;
        top.mkdir("upper")?;
        top.mkdir("work")?;
        let below = fs.point("below");
        let flags = MsFlags::empty();
        nix::mount::mount(Some("below"), &below, Some(lower), flags, None::<&str>)?;
        let lower = Dir::open(&below)?;
        fill(&lower)?;
        let point = fs.point("merged");
        let path = mount.path.display();
        let all = format!(
            "lowerdir={},upperdir={path}/upper,workdir={path}/work{options}",
            below.display()
        );
        nix::mount::mount(
            Some("overlay"),
            &point,
            Some("overlay"),
            flags,
            Some(all.as_str()),
        )
        .context("mount of overlayfs")?;
        Ok(Overlay {
            merged: Dir::open(&point)?,
            upper: top.sub("upper")?,
            lower,
            point,
            below,
            mount: Some(mount),
            options: all,
        })
    }

    /// The names on both levels, with type, mode and the attributes' names.
    pub fn show(&self, t: &mut Trace) -> Done {
        tree(t, "merged", &self.merged, "")?;
        tree(t, "upper", &self.upper, "")
    }

    /// The directory that overlayfs works in.
    pub fn work(&self) -> Res<Dir> {
        let mount = self.mount.as_ref().expect("a mount until the end");
        mount.dir()?.sub("work")
    }

    /// Unmounts what is seen together and mounts it anew.
    pub fn again(&mut self) -> Res<()> {
        // The descriptor of the old one would keep it.
        self.merged = self.upper.sub(".")?;
        umount2(&self.point, MntFlags::empty())?;
        let kind = Some("overlay");
        let options = Some(self.options.as_str());
        nix::mount::mount(kind, &self.point, kind, MsFlags::empty(), options)?;
        self.merged = Dir::open(&self.point)?;
        Ok(())
    }

    pub fn end(self, t: &mut Trace) -> Done {
        let Overlay {
            merged,
            upper,
            lower,
            point,
            below,
            mount,
            options: _,
        } = self;
        drop((merged, upper, lower));
        t.put(
            "unmount",
            umount2(&point, MntFlags::empty()).map_err(Errno::from),
        );
        umount2(&below, MntFlags::empty())?;
        if let Some(mount) = mount {
            t.put("unmount the upper one", mount.unmount());
        }
        Ok(())
    }
}

fn tree(t: &mut Trace, label: &str, d: &Dir, path: &str) -> Done {
    for name in d.names()? {
        let meta = d.meta(&name)?;
        let directory = meta.mode & 0o170000 == 0o040000;
        // Sizes of directories depend on what overlayfs does in between.
        let size = if directory { 0 } else { meta.size };
        let mut xattrs = d.xattrs(&name)?;
        xattrs.sort();
        t.put(
            format!("{label} {path}{name}"),
            (
                format!("{:o} {}:{} {:?}", meta.mode, meta.uid, meta.gid, meta.rdev),
                size,
                xattrs,
            ),
        );
        if directory {
            tree(t, label, &d.sub(&name)?, &format!("{path}{name}/"))?;
        }
    }
    Ok(())
}
