// SPDX-License-Identifier: GPL-2.0
//! What is stored beyond the end of a file, by a mapping of a folio that is in use, and then goes to swap: the file does
//! not get it when it grows, nor where there is no memory to bring it back.

use super::{Case, Scene};
use crate::device::{self, Swap};
use crate::group::Group;
use crate::inject::{self, Countdown};
use crate::map::Map;
use crate::pages::{self, PAGE};
use anyhow::{bail, ensure, Context, Result};
use rustix::fs::{fallocate, FallocateFlags};
use stage::pipe::InPipe;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// So many pages are allocated, more than the file has; it grows in the middle of a folio.
const PAGES: u64 = 64;
const END: u64 = 20;
const GROWN: u64 = 32;
/// A growth that goes on needing more allocations will do so for ever.
const MOST: u32 = 100;

pub fn cases() -> Vec<Case> {
    vec![Case {
        name: "what was stored beyond the end of a file is in swap when it grows",
        run: grows,
    }]
}

fn grows(scene: &mut Scene) -> Result<()> {
    let _swap = Swap::disk(1)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let source = pages::create(&mount.file("source"))?;
    source.write_all_at(b"stored", 0)?;
    let countdown = if inject::available() {
        inject::prepare()?;
        Some(Countdown::of_this_thread()?)
    } else {
        None
    };
    let mut failed = 0;
    for nth in 0..MOST {
        let file = pages::create(&mount.file("file"))?;
        prepare(&file, &source)?;
        group.push_out()?;
        if nth == 0 {
            scene.space("in swap", &mount, &file)?;
        }
        // Number 0 is none.
        if let Some(countdown) = &countdown {
            countdown.arm(nth)?;
        }
        let result = file.set_len(GROWN * PAGE as u64);
        let injected = match &countdown {
            Some(countdown) => countdown.disarm()? && nth > 0,
            None => false,
        };
        match result {
            Err(e) if injected && e.raw_os_error() == Some(libc::ENOMEM) => {
                failed += 1;
                file.set_len(GROWN * PAGE as u64)?;
            }
            result => result.with_context(|| format!("with allocation {nth} failing"))?,
        }
        let mut data = vec![1; (GROWN - END) as usize * PAGE];
        file.read_exact_at(&mut data, END * PAGE as u64)?;
        let stored = data.iter().position(|&byte| byte != 0);
        ensure!(
            stored.is_none(),
            "byte {stored:?} beyond the old end is not zero, with allocation {nth} failing"
        );
        if nth == 0 {
            scene.space("grown", &mount, &file)?;
        }
        drop(file);
        std::fs::remove_file(mount.file("file"))?;
        if nth > 0 && !injected || countdown.is_none() {
            scene.note(&format!("{failed} allocations failed with an error"));
            drop(source);
            mount.unmount()?;
            device::nothing_in_use()?;
            return group.remove();
        }
    }
    bail!("more than {MOST} allocations, and no end")
}

/// Makes such a file, and stores to its last page and beyond.
fn prepare(file: &File, source: &File) -> Result<()> {
    let allocate = || fallocate(file, FallocateFlags::KEEP_SIZE, 0, PAGES * PAGE as u64);
    allocate()?;
    file.set_len(END * PAGE as u64)?;
    // All that is there is valid afterwards.
    allocate()?;
    // A folio in a pipe cannot be split.
    let _pipe = InPipe::page(file, END as usize - 1)?;
    let map = Map::first(file, PAGES as usize)?;
    for page in [END - 1, END, END + 5] {
        let to = map.start().wrapping_byte_add(page as usize * PAGE);
        // By a call, which fails where a store would end the process.
        // SAFETY: the page is one of the mapping.
        unsafe { libc::pread(source.as_raw_fd(), to.cast(), 6, 0) };
    }
    Ok(())
}
