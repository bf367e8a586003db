// SPDX-License-Identifier: GPL-2.0
//! What was there before a round, and has to be the same after it.

use anyhow::{ensure, Context, Result};
use stage::group::Group;
use stage::machine::LATE;
use stage::{fileattr, machine, quota};
use std::fs::{self, File};
use std::path::Path;

/// KiB that figures which the kernel gathers from the processors in batches may be off.
const SLACK: u64 = 1024;
/// What a cgroup may be charged for without files and processes, in bytes: memory of the kernel that is freed late, and
/// what is kept on the processors' stocks.
const GROUP_SLACK: u64 = 2 << 20;

pub struct Before {
    shmem: u64,
    committed: u64,
    inodes: u64,
}

/// Inodes of the type under test, and of all other mounts of it.
fn inodes(kind: &str) -> Result<u64> {
    let name = match kind {
        "tmpfs" => "shmem_inode_cache".to_owned(),
        kind => format!("{kind}_inode_cache"),
    };
    // Without this, slabs of each processor count as full.
    let _ = machine::write(format!("/sys/kernel/slab/{name}/shrink"), "1");
    let table = machine::read("/proc/slabinfo")?;
    Ok(machine::figure(&table, &name).unwrap_or(0))
}

impl Before {
    pub fn look(kind: &str) -> Result<Self> {
        Ok(Self {
            shmem: machine::meminfo("Shmem")?,
            committed: machine::meminfo("Committed_AS")?,
            inodes: inodes(kind)?,
        })
    }

    /// After all is unmounted.
    pub fn compare(&self, kind: &str) -> Result<()> {
        // No more, and no less: what is given back twice is given to others.
        let comes_back = |name: &str, before: u64| -> Result<()> {
            let back = machine::wait(LATE, || {
                Ok(machine::meminfo(name)?.abs_diff(before) <= SLACK)
            })?;
            let after = machine::meminfo(name)?;
            ensure!(
                back,
                "/proc/meminfo {name} was {before} KiB and is {after} KiB"
            );
            Ok(())
        };
        comes_back("Shmem", self.shmem)?;
        comes_back("Committed_AS", self.committed)?;
        let back = machine::wait(LATE, || {
            std::thread::sleep(std::time::Duration::from_millis(200));
            Ok(inodes(kind)? <= self.inodes)
        })?;
        ensure!(
            back,
            "{} inodes of {kind} were in use, and {} are",
            self.inodes,
            inodes(kind)?
        );
        Ok(())
    }
}

/// Removes all that is in a directory, whatever flags it has.
pub fn wipe(directory: &Path) -> Result<()> {
    plain(directory);
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_file() {
            plain(&path);
        }
        if kind.is_dir() {
            wipe(&path)?;
            fs::remove_dir(&path).with_context(|| path.display().to_string())?;
        } else {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// Takes away flags that keep a file from being deleted.
fn plain(path: &Path) {
    if let Ok(file) = File::open(path) {
        if fileattr::flags(&file)
            .is_ok_and(|flags| flags & (fileattr::IMMUTABLE | fileattr::APPEND) != 0)
        {
            let _ = fileattr::set_flags(&file, 0);
        }
    }
}

/// Blocks and inodes in use.
pub fn used(mount: &Path) -> Result<(u64, u64)> {
    let figures = nix::sys::statvfs::statvfs(mount)?;
    Ok((
        figures.blocks() - figures.blocks_free(),
        figures.files() - figures.files_free(),
    ))
}

/// A mount on which nothing is left but its root.
pub fn is_empty(mount: &Path, has_quota: bool) -> Result<()> {
    machine::wait(LATE, || Ok(used(mount)? == (0, 1)))?;
    let (blocks, inodes) = used(mount)?;
    ensure!(
        (blocks, inodes) == (0, 1),
        "with all removed, {blocks} blocks and {inodes} inodes are in use, not 0 and 1"
    );
    if has_quota {
        let root = File::open(mount)?;
        for kind in [quota::Kind::User, quota::Kind::Group] {
            for known in quota::all(&root, kind).context("quotactl")? {
                let inodes = u64::from(known.id == 0);
                ensure!(
                    known.bytes == 0 && known.inodes == inodes,
                    "with all removed, quota of {kind:?} still has {known:?}"
                );
            }
        }
    }
    Ok(())
}

/// A group without processes, whose files are all gone.
pub fn group_is_empty(group: &Group) -> Result<()> {
    let back = machine::wait(LATE, || {
        // What is left of programs' files may go, too.
        let _ = group.set("memory.reclaim", "64M");
        // A page in swap whose last user did not get the lock of its folio stays until reclaim comes by.
        let swap = group.value("memory.swap.current").unwrap_or(0);
        Ok(group.stat("shmem")? == 0 && group.value("memory.current")? <= GROUP_SLACK && swap == 0)
    })?;
    ensure!(
        back,
        "memory.current stays {}, of which shmem {} and anon {} and file {} and slab {}; memory.swap.current {}",
        group.value("memory.current")?,
        group.stat("shmem")?,
        group.stat("anon")?,
        group.stat("file")?,
        group.stat("slab")?,
        group.value("memory.swap.current").unwrap_or(0)
    );
    Ok(())
}
