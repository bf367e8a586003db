//! Uprobes: the kernel counts how often programs come by a place in a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use nix::mount::MsFlags;
use stage::machine;

use super::errno::{Errno, Res};
use super::fs::{Fs, Mount};
use super::sys::Fd;
use crate::skip;

const PROBE: &str = "differential/probe";

/// The files of a tracefs that is mounted for it.
pub struct Tracing(Mount);

impl Tracing {
    /// Skips the case where the kernel has no uprobes.
    pub fn new(fs: &Fs) -> anyhow::Result<Tracing> {
        let path = fs.point("tracing");
        let mount = match Mount::new("tracefs", path, "tracefs", MsFlags::empty(), "") {
            Ok(mount) => mount,
            Err(Errno(libc::ENODEV)) => skip!("this kernel has no tracefs"),
            Err(e) => return Err(e).context("tracefs"),
        };
        if !mount.path.join("uprobe_events").exists() {
            skip!("this kernel has no uprobes");
        }
        Ok(Tracing(mount))
    }

    /// A probe at byte `at` of an open file, which counts nothing yet.
    pub fn probe(&self, file: &Fd, at: u64) -> Res<Uprobe<'_>> {
        let line = format!("p:{PROBE} {}:{at:#x}", file.path());
        append(&self.0.path.join("uprobe_events"), &line)?;
        Ok(Uprobe { tracing: self })
    }
}

/// It stays when the file is closed, and goes when dropped.
pub struct Uprobe<'a> {
    tracing: &'a Tracing,
}

/// Opened without being cut, which would take all probes away.
fn append(path: &Path, text: &str) -> Res<()> {
    let written = OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|e| Errno(e.raw_os_error().unwrap_or(0)))
}

impl Uprobe<'_> {
    /// The instruction is replaced in what maps the file, or is put back there.
    pub fn enable(&self, on: bool) -> Res<()> {
        let path = self.tracing.0.path.join("events").join(PROBE);
        append(&path.join("enable"), if on { "1" } else { "0" })
    }

    /// How often programs came by.
    pub fn hits(&self) -> anyhow::Result<u64> {
        let text = machine::read(self.tracing.0.path.join("uprobe_profile"))?;
        let line = text.lines().next().context("no line of the probe")?;
        let hits = line.split_whitespace().nth(2).context("no count")?;
        Ok(hits.parse()?)
    }
}

impl Drop for Uprobe<'_> {
    fn drop(&mut self) {
        let gone = self.enable(false).and_then(|()| {
            append(
                &self.tracing.0.path.join("uprobe_events"),
                &format!("-:{PROBE}"),
            )
        });
        if let Err(e) = gone {
            stage::tap::note(&format!("a uprobe stays: {e}"));
        }
    }
}
