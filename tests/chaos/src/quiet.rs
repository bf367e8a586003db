// SPDX-License-Identifier: GPL-2.0
//! What is on a mount when nobody does anything any more: contents that belong there, and figures that agree.

use crate::ledger::used;
use anyhow::{ensure, Context, Result};
use stage::pages::{self, PAGE};
use stage::quota;
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// All inodes that have a name, each once.
fn inodes(top: &Path, all: &mut HashMap<u64, PathBuf>) -> Result<()> {
    let meta = fs::symlink_metadata(top).with_context(|| top.display().to_string())?;
    all.insert(meta.ino(), top.to_owned());
    if meta.is_dir() {
        for entry in fs::read_dir(top)? {
            inodes(&entry?.path(), all)?;
        }
    }
    Ok(())
}

/// Reads what a file has, which has to be its own. Pages that faults on demand or memory errors have lost may be missing.
fn check(path: &Path, meta: &Metadata, salt: u64, may_miss: bool) -> Result<()> {
    let file = File::open(path)?;
    let mut data = vec![0; 64 * PAGE];
    let mut at = 0;
    while let Ok(start) = rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(at)) {
        let end = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(start))?;
        ensure!(end > start, "data at {start} ends at {end}");
        at = start;
        while at < end {
            let length = (end - at).min(data.len() as u64) as usize;
            let done = match file.read_at(&mut data[..length], at) {
                Ok(0) => break,
                Ok(done) => done,
                Err(error) if may_miss && error.raw_os_error() == Some(libc::EIO) => {
                    at = (at / PAGE as u64 + 1) * PAGE as u64;
                    continue;
                }
                Err(error) => return Err(error).with_context(|| format!("reading at {at}")),
            };
            if let Some(wrong) = pages::first_foreign(&data[..done], at, salt ^ meta.ino()) {
                anyhow::bail!("byte {} is neither its own nor zero", at + wrong as u64);
            }
            at += done as u64;
        }
        at = end;
    }
    Ok(())
}

/// Blocks of 512 bytes, and inodes.
type Usage = (u64, u64);

/// What files of each user and group take.
type ById = [HashMap<u32, Usage>; 2];

/// The blocks of a page each of all files together, and whose they are.
fn count(all: &HashMap<u64, PathBuf>) -> Result<(u64, ById)> {
    let mut sum = 0;
    let mut by_id = ById::default();
    for path in all.values() {
        let meta = fs::symlink_metadata(path)?;
        sum += meta.blocks();
        for (ids, id) in by_id.iter_mut().zip([meta.uid(), meta.gid()]) {
            let usage = ids.entry(id).or_default();
            usage.0 += meta.blocks();
            usage.1 += 1;
        }
    }
    Ok((sum / (PAGE as u64 / 512), by_id))
}

pub fn look(mount: &Path, salt: u64, has_quota: bool, may_miss: bool) -> Result<()> {
    let mut all = HashMap::new();
    inodes(mount, &mut all)?;
    for path in all.values() {
        let meta = fs::symlink_metadata(path)?;
        if meta.is_file() && meta.mode() & libc::S_ISVTX == 0 {
            check(path, &meta, salt, may_miss).with_context(|| path.display().to_string())?;
        }
    }
    // Reclaim may go on, and drop clean pages of files that were asked before; what is wrong stays so.
    let (mut blocks, mut by_id) = count(&all)?;
    let agree = stage::machine::wait(stage::machine::LATE, || {
        (blocks, by_id) = count(&all)?;
        Ok(used(mount)?.0 == blocks)
    })?;
    ensure!(
        agree,
        "all files together have {blocks} blocks, and the mount {}",
        used(mount)?.0
    );
    if has_quota {
        let root = File::open(mount)?;
        for (kind, ids) in [quota::Kind::User, quota::Kind::Group]
            .into_iter()
            .zip(by_id)
        {
            let known = quota::all(&root, kind).context("quotactl")?;
            for (id, (blocks, inodes)) in ids {
                let counted = known.iter().find(|quota| quota.id == id);
                let counted = counted.map(|quota| (quota.bytes, quota.inodes));
                ensure!(
                    counted == Some((blocks * 512, inodes)),
                    "{kind:?} {id} has {inodes} inodes of {} bytes, and for quota {counted:?}",
                    blocks * 512
                );
            }
        }
    }
    Ok(())
}
