// SPDX-License-Identifier: GPL-2.0
//! What a failed operation must leave as it was: the tree with its contents, and the space in use.

use anyhow::{Context, Result};
use stage::machine;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// One line for the whole mount and one for each name; times are left out, since a failed attempt may set them.
pub fn of(mount: &Path) -> Result<Vec<String>> {
    let figures = nix::sys::statvfs::statvfs(mount).context("statvfs")?;
    let mut lines = vec![format!(
        "blocks {} free {}, inodes {} free {}",
        figures.blocks(),
        figures.blocks_free(),
        figures.files(),
        figures.files_free()
    )];
    walk(mount, mount, &mut lines)?;
    lines[1..].sort();
    Ok(lines)
}

/// What there is of files that no mount shows: segments of System V, pages of all mounts and of none, what holds the
/// module, and what is committed since there were `committed` KiB; that is not exact, since this program's own heap
/// is among it.
pub fn without_mount(committed: u64) -> Result<String> {
    const SHM_INFO: libc::c_int = 14;
    // All CPUs hand in theirs.
    machine::write("/proc/sys/vm/stat_refresh", "1")?;
    // The kernel's structure begins with that number, and is shorter.
    let mut segments = [0_i32; 32];
    // SAFETY: there is room for what the kernel writes.
    if unsafe { libc::shmctl(0, SHM_INFO, segments.as_mut_ptr().cast()) } < 0 {
        segments[0] = -1;
    }
    Ok(format!(
        "{} segments, {} pages, the module is used {} times, {} times 4 MiB are committed",
        segments[0],
        machine::vmstat("nr_shmem")?,
        stage::switch::uses().unwrap_or(0),
        (machine::meminfo("Committed_AS")? as i64 - committed as i64 + 2048) >> 12
    ))
}

fn walk(top: &Path, path: &Path, lines: &mut Vec<String>) -> Result<()> {
    let meta = fs::symlink_metadata(path).with_context(|| format!("stat {}", path.display()))?;
    let mut line = format!(
        "{:?} ino {} mode {:o} nlink {} owner {}:{} size {} blocks {} rdev {}",
        path.strip_prefix(top)?,
        meta.ino(),
        meta.mode(),
        meta.nlink(),
        meta.uid(),
        meta.gid(),
        meta.size(),
        meta.blocks(),
        meta.rdev()
    );
    let kind = meta.file_type();
    if kind.is_file() {
        let mut hasher = DefaultHasher::new();
        fs::read(path)?.hash(&mut hasher);
        write!(line, " data {:x}", hasher.finish())?;
    } else if kind.is_symlink() {
        write!(line, " to {:?}", fs::read_link(path)?)?;
    } else if kind.is_fifo() {
        line.push_str(" fifo");
    }
    lines.push(line);
    if kind.is_dir() {
        for entry in fs::read_dir(path)? {
            walk(top, &entry?.path(), lines)?;
        }
    }
    Ok(())
}
