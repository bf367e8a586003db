// SPDX-License-Identifier: GPL-2.0
//! A device that cannot be read or written any more.

use super::{Case, Scene};
use crate::device::{self, Swap};
use crate::group::Group;
use crate::machine::{self, Expected};
use crate::map::Map;
use crate::mounted::Mounted;
use crate::pages::{self, PAGE};
use crate::skip::{self, Skip};
use anyhow::{bail, ensure, Context, Result};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, ForkResult};
use rustix::fs::{fallocate, FallocateFlags};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

const PAGES: u64 = 512;
pub(super) const MESSAGES: &str = "I/O error, dev nullb|Read-error on swap|Write-error on swap";

pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "pages that cannot be read back: EIO and SIGBUS, never zeros",
            run: unreadable,
        },
        Case {
            name: "a file that cannot be read back is truncated and deleted",
            run: given_up,
        },
        Case {
            name: "a large folio that cannot be read back is cut and punched",
            run: large,
        },
        Case {
            name: "a page that cannot be read back loses no other",
            run: here_and_there,
        },
        Case {
            name: "swapoff of a device that cannot be read",
            run: swapoff,
        },
        Case {
            name: "pages that cannot be written stay",
            run: unwritable,
        },
    ]
}

/// A disk in memory whose sectors can be declared bad.
pub(super) struct Disk {
    folder: PathBuf,
    device: PathBuf,
}

const SECTORS: u64 = (16 << 20) / 512;

impl Disk {
    pub(super) fn new() -> Result<Self> {
        let config = Path::new("/sys/kernel/config");
        if !config.exists() {
            return Err(Skip("this kernel has no configfs (CONFIG_CONFIGFS_FS)".into()).into());
        }
        if !config.join("nullb").exists() {
            let flags = nix::mount::MsFlags::empty();
            let mounted = nix::mount::mount(
                Some("configfs"),
                config,
                Some("configfs"),
                flags,
                None::<&str>,
            );
            if let Err(error) = mounted {
                ensure!(
                    error == nix::errno::Errno::EBUSY,
                    "mounting configfs: {error}"
                );
            }
        }
        if !config.join("nullb").exists() {
            return Err(
                Skip("this kernel has no null_blk (CONFIG_BLK_DEV_NULL_BLK)".into()).into(),
            );
        }
        let folder = config.join("nullb/nullb7");
        std::fs::create_dir(&folder).context("a null_blk disk")?;
        let mut disk = Self {
            folder,
            device: PathBuf::new(),
        };
        for (name, value) in [
            ("size", "16"),
            ("blocksize", "4096"),
            ("memory_backed", "1"),
            ("power", "1"),
        ] {
            machine::write(disk.folder.join(name), value)?;
        }
        let index = machine::read(disk.folder.join("index"))?;
        let names = ["nullb7".to_owned(), format!("nullb{}", index.trim())];
        let device = names
            .iter()
            .map(|name| Path::new("/dev").join(name))
            .find(|path| path.exists());
        disk.device = device.context("the null_blk disk has no device")?;
        Ok(disk)
    }

    pub(super) fn device(&self) -> &Path {
        &self.device
    }

    /// Declares all but the first page of the disk bad or good.
    pub(super) fn bad(&self, bad: bool) -> Result<()> {
        if bad {
            keep_own_pages()?;
        }
        let sign = if bad { '+' } else { '-' };
        self.declare(&format!("{sign}8-{}", SECTORS - 1))
    }

    /// Declares the last of each so many pages bad.
    pub(super) fn bad_each(&self, pages: u64) -> Result<()> {
        keep_own_pages()?;
        (pages * 8..=SECTORS)
            .step_by(pages as usize * 8)
            .try_for_each(|end| self.declare(&format!("+{}-{}", end - 8, end - 1)))
    }

    fn declare(&self, sectors: &str) -> Result<()> {
        machine::write(self.folder.join("badblocks"), sectors)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let off = machine::write(self.folder.join("power"), "0");
        if let Err(error) = off.and_then(|()| Ok(std::fs::remove_dir(&self.folder)?)) {
            stage::tap::note(&format!("{error:#}"));
        }
    }
}

/// Brings the memory of this process back from swap, to stay: it is in the group that is pushed out, and a device that
/// fails would end the test.
fn keep_own_pages() -> Result<()> {
    for line in machine::read("/proc/self/maps")?.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(access)) = (words.next(), words.next()) else {
            bail!("/proc/self/maps has '{line}'");
        };
        // Pages of the kernel, such as [vdso], never go to swap.
        if !access.ends_with('p') || line.contains("[v") {
            continue;
        }
        let (start, end) = range.split_once('-').context(line.to_owned())?;
        let start = usize::from_str_radix(start, 16)?;
        let end = usize::from_str_radix(end, 16)?;
        // SAFETY: what is locked stays as it is.
        let done = unsafe { libc::mlock(start as *const libc::c_void, end - start) };
        // What may not be touched at all cannot be brought back either.
        ensure!(
            done == 0 || access.starts_with("---"),
            "mlock of '{line}': {}",
            std::io::Error::last_os_error()
        );
    }
    Ok(())
}

/// Which pages read(2) refuses with EIO; all others must hold what was written.
fn lost(file: &File, version: u64) -> Result<Vec<bool>> {
    let mut page = vec![0; PAGE];
    (0..PAGES)
        .map(
            |index| match file.read_exact_at(&mut page, index * PAGE as u64) {
                Ok(()) => pages::check(&page, 1, index, version).map(|()| false),
                Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(true),
                Err(error) => Err(error).with_context(|| format!("page {index}")),
            },
        )
        .collect()
}

/// The file has this many pages, wherever one looks: lost ones count until they are cut off.
///
/// tmpfs is no oracle here: it keeps counting those of a file that has no others (seen on 7.3).
fn accounted(scene: &Scene, mount: &Mounted, file: &File, empty: u64, pages: u64) -> Result<()> {
    let blocks = file.metadata()?.blocks() / (PAGE as u64 / 512);
    let used = mount.used()? - empty;
    if scene.kind == "tmpfs" {
        scene.note(&format!(
            "st_blocks is {blocks} pages and statfs has {used} in use, of {pages}"
        ));
        return Ok(());
    }
    ensure!(blocks == pages, "st_blocks is {blocks} pages, of {pages}");
    ensure!(used == pages, "statfs has {used} pages in use, of {pages}");
    Ok(())
}

/// Whether touching the page kills a child with SIGBUS.
fn is_fatal(mapping: &Map, at: usize) -> Result<bool> {
    // SAFETY: the child reads a byte and ends.
    match unsafe { fork() }? {
        ForkResult::Child => {
            std::hint::black_box(mapping.page(at)[0]);
            // SAFETY: ends the child here.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(false),
            WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGBUS, _) => Ok(true),
            other => bail!("the child ends with {other:?}"),
        },
    }
}

fn unreadable(scene: &mut Scene) -> Result<()> {
    let disk = Disk::new()?;
    let swap = Swap::new(&disk.device, None, None)?;
    let mount = scene.mount("size=64m")?;
    let empty = mount.used()?;
    let group = Group::enter(&[])?;
    let path = mount.file("file");
    let file = pages::create(&path)?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    let mapping = Map::first(&file, PAGES as usize)?;
    group.push_out_all(&file, PAGES as usize)?;
    let _expected = Expected::new(MESSAGES)?;
    disk.bad(true)?;
    // Half by faults and the other half by reads.
    let mut fatal = 0;
    for at in (0..PAGES as usize / 2).step_by(16) {
        fatal += u64::from(is_fatal(&mapping, at)?);
    }
    ensure!(
        fatal >= 8,
        "{fatal} of 16 faults on pages that cannot be read end with SIGBUS"
    );
    let lost_now = lost(&file, 1)?;
    let count = lost_now.iter().filter(|lost| **lost).count() as u64;
    ensure!(count >= PAGES / 2, "only {count} pages cannot be read");
    scene.fact("lost", count);
    accounted(scene, &mount, &file, empty, PAGES)?;
    scene.fact("Swap: of smaps", mapping.smaps("Swap")?);

    // What is lost stays lost, on a good disk too.
    disk.bad(false)?;
    ensure!(
        lost(&file, 1)? == lost_now,
        "pages that were lost once can be read again, or others are lost"
    );
    for at in (0..PAGES as usize).step_by(50) {
        ensure!(
            is_fatal(&mapping, at)? == lost_now[at],
            "a fault on page {at} differs from a read"
        );
    }
    let write = |index: u64| {
        file.write_all_at(&vec![1; PAGE], index * PAGE as u64)
            .map_err(|e| e.raw_os_error())
    };
    let victim = lost_now
        .iter()
        .position(|lost| *lost)
        .context("no lost page")? as u64;
    scene.fact("write to a lost page", write(victim));
    scene.fact(
        "seek to data",
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(victim * PAGE as u64)).is_ok(),
    );
    let left = group.value("memory.swap.current")? / 1024;
    let others = device::of_others()?;
    ensure!(
        left <= (PAGES - count) * 4 + others,
        "memory.swap.current is {left} KiB, {others} KiB of processes"
    );
    drop((mapping, file));
    std::fs::remove_file(&path)?;
    let used = mount.used()? - empty;
    ensure!(
        used == 0 || scene.kind == "tmpfs",
        "{used} pages are in use with the file deleted"
    );
    mount.unmount()?;
    device::nothing_in_use()?;
    drop(swap);
    group.remove()
}

fn given_up(scene: &mut Scene) -> Result<()> {
    let disk = Disk::new()?;
    let _swap = Swap::new(&disk.device, None, None)?;
    let mount = scene.mount("size=64m")?;
    let empty = mount.used()?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    let _expected = Expected::new(MESSAGES)?;
    for round in 0..3 {
        pages::write(&file, 1, 0, PAGES, 1).with_context(|| format!("round {round}"))?;
        group.push_out_all(&file, PAGES as usize)?;
        disk.bad(true)?;
        if round > 0 {
            let count = lost(&file, 1)?.iter().filter(|lost| **lost).count() as u64;
            ensure!(count >= PAGES / 2, "only {count} pages cannot be read");
        }
        // The page that the new end is in cannot be read either.
        let cut = file
            .set_len(100 * PAGE as u64 + 1000)
            .map_err(|error| error.raw_os_error());
        scene.fact(&format!("round {round}: truncate within a lost page"), cut);
        let cut = file
            .set_len(50 * PAGE as u64)
            .map_err(|error| error.raw_os_error());
        scene.fact(&format!("round {round}: truncate"), cut);
        disk.bad(false)?;
        file.set_len(0)?;
        accounted(scene, &mount, &file, empty, 0)?;
    }
    pages::write(&file, 1, 0, PAGES, 2)?;
    pages::verify(&file, 1, 0, PAGES, |_| 2)?;
    drop(file);
    mount.unmount()?;
    device::nothing_in_use()?;
    group.remove()
}

/// Requests to zram fail, until it is dropped.
struct FailingZram;

impl FailingZram {
    const SWITCH: &str = "/sys/block/zram0/make-it-fail";

    /// Whether the kernel can do it.
    fn available() -> Result<()> {
        if !device::has_zram() {
            return Err(Skip("this kernel has no zram0 (CONFIG_ZRAM)".into()).into());
        }
        if !Path::new(Self::SWITCH).exists() {
            return Err(Skip(
                "this kernel has no failing requests (CONFIG_FAIL_MAKE_REQUEST)".into(),
            )
            .into());
        }
        Ok(())
    }

    fn new() -> Result<Self> {
        let knobs = [("probability", "100"), ("times", "-1"), ("verbose", "0")];
        for (knob, value) in knobs {
            let path = Path::new("/sys/kernel/debug/fail_make_request").join(knob);
            machine::write(path, value)?;
        }
        keep_own_pages()?;
        machine::write(Self::SWITCH, "1")?;
        Ok(Self)
    }
}

impl Drop for FailingZram {
    fn drop(&mut self) {
        if let Err(error) = machine::write(Self::SWITCH, "0") {
            stage::tap::note(&format!("{error:#}"));
        }
    }
}

/// Does what may never return, in a child, which is left behind where it does not.
fn in_time(what: &str, act: impl FnOnce() -> std::io::Result<()>) -> Result<()> {
    // SAFETY: the child makes system calls and ends.
    let child = match unsafe { fork() }? {
        ForkResult::Child => {
            let status = act().map_or_else(|e| e.raw_os_error().unwrap_or(255), |()| 0);
            // SAFETY: ends the child here.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => child,
    };
    let mut status = WaitStatus::StillAlive;
    let done = machine::wait(machine::LATE, || {
        status = waitpid(child, Some(WaitPidFlag::WNOHANG))?;
        Ok(status != WaitStatus::StillAlive)
    })?;
    ensure!(
        done,
        "{what} has not returned after {} seconds",
        machine::LATE
    );
    ensure!(
        status == WaitStatus::Exited(child, 0),
        "{what} ends with {status:?}"
    );
    Ok(())
}

/// Which of the pages of a large folio are lost, as far as the file goes; others hold what `version`
/// tells, 0 for zeros.
fn lost_of_large(file: &File, version: impl Fn(u64) -> Option<u64>) -> Result<()> {
    let mut page = vec![0; PAGE];
    for index in 0..file.metadata()?.len() / PAGE as u64 {
        let result = file.read_exact_at(&mut page, index * PAGE as u64);
        match (version(index), result) {
            (None, Err(error)) if error.raw_os_error() == Some(libc::EIO) => {}
            (Some(0), Ok(())) => {
                ensure!(page.iter().all(|b| *b == 0), "page {index} is not zeros");
            }
            (Some(version), Ok(())) => pages::check(&page, 1, index, version)?,
            (version, result) => bail!("page {index} should be {version:?}, but is {result:?}"),
        }
    }
    Ok(())
}

fn large(scene: &mut Scene) -> Result<()> {
    skip::without("TRANSPARENT_HUGEPAGE")?;
    FailingZram::available()?;
    device::on_zram(|_| {
        let mount = scene.mount("size=64m,huge=always")?;
        let empty = mount.used()?;
        let group = Group::enter(&[])?;
        let path = mount.file("file");
        for (round, end) in [256, 300].into_iter().enumerate() {
            let at = |page: u64| page * PAGE as u64;
            machine::write("/proc/sys/vm/compact_memory", "1")?;
            let out = machine::vmstat("thp_swpout")?;
            let file = pages::create(&path)?;
            pages::write(&file, 1, 0, PAGES, 1)?;
            group.push_out()?;
            ensure!(
                machine::vmstat("thp_swpout")? > out,
                "the folio did not go to swap as a whole"
            );
            let _expected = Expected::new("I/O error, dev zram0|Read-error on swap")?;
            let failing = FailingZram::new()?;
            lost_of_large(&file, |_| None).context("while nothing can be read back")?;
            drop(failing);
            lost_of_large(&file, |_| None).context("after that")?;

            let extra = if round == 0 { 0 } else { 1000 };
            in_time("truncation", || file.set_len(at(end) + extra))?;
            if scene.kind == "tmpfs" {
                // What is lost stays so beyond the end, and even where the file is cut to nothing.
                std::fs::remove_file(&path)?;
                continue;
            }
            // The second half is a hole again, and the rest stays lost.
            file.set_len(at(PAGES))?;
            let kept = end + u64::from(extra > 0);
            let cut = |index: u64| (index >= kept).then_some(0);
            lost_of_large(&file, cut).context("after the truncation")?;
            accounted(scene, &mount, &file, empty, kept)?;

            in_time("punching", || {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                Ok(fallocate(&file, flags, at(10), at(5))?)
            })?;
            // No large folio has room there: the page after it is lost.
            pages::write(&file, 1, 14, 15, 2)?;
            let punched = |index: u64| match index {
                14 => Some(2),
                10..=14 => Some(0),
                _ => cut(index),
            };
            lost_of_large(&file, punched).context("after punching")?;
            accounted(scene, &mount, &file, empty, kept - 4)?;
            in_time("truncation to nothing", || file.set_len(0))?;
            accounted(scene, &mount, &file, empty, 0)?;
            pages::write(&file, 1, 0, 1, 3).context("once more")?;
            std::fs::remove_file(&path)?;
        }
        mount.unmount()?;
        device::nothing_in_use()?;
        group.remove()
    })
}

/// What is read at once from a device is read again by the page where one of its pages is bad.
fn here_and_there(scene: &mut Scene) -> Result<()> {
    const EACH: u64 = 64;
    const READERS: usize = 8;
    // What is read ahead of a page is one request with it, which this disk fails as a whole: tmpfs loses all of that.
    let cluster = if scene.kind == "tmpfs" { "0" } else { "3" };
    let _cluster = machine::Setting::new("/proc/sys/vm/page-cluster", cluster)?;
    let disk = Disk::new()?;
    let swap = Swap::new(&disk.device, None, None)?;
    for options in ["size=64m", "size=64m,huge=never", "size=64m,huge=always"] {
        // tmpfs loses all that it reads at once, and some kernels have no large folios.
        let is_single = scene.kind == "tmpfs" || skip::lacks("TRANSPARENT_HUGEPAGE");
        if is_single && options.contains("always") {
            continue;
        }
        let mount = scene.mount(options)?;
        let empty = mount.used()?;
        let group = Group::enter(&[])?;
        let path = mount.file("file");
        let file = pages::create(&path)?;
        pages::write(&file, 1, 0, PAGES, 1)?;
        group.push_out()?;
        let _expected = Expected::new(MESSAGES)?;
        disk.bad_each(EACH)?;
        // Many at once: what one of them reads alone another one may find, and read again.
        let all = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..READERS)
                .map(|_| scope.spawn(|| lost(&file, 1)))
                .collect();
            readers
                .into_iter()
                .map(|reader| reader.join().expect("a reader panics"))
                .collect::<Result<Vec<_>>>()
        })?;
        ensure!(
            all.iter().all(|one| *one == all[0]),
            "{options}: what one reader has lost another one has read"
        );
        let count = all[0].iter().filter(|lost| **lost).count() as u64;
        // Where in the device the pages are is the kernel's choice.
        ensure!(
            (1..=PAGES / EACH + 1).contains(&count),
            "{options}: {count} pages are lost, with one of {EACH} on the device bad"
        );
        accounted(scene, &mount, &file, empty, PAGES)?;
        disk.bad(false)?;
        drop(file);
        std::fs::remove_file(&path)?;
        mount.unmount()?;
        device::nothing_in_use()?;
        group.remove()?;
    }
    drop(swap);
    Ok(())
}

fn swapoff(scene: &mut Scene) -> Result<()> {
    let disk = Disk::new()?;
    let mut swap = Swap::new(&disk.device, None, None)?;
    let mount = scene.mount("size=64m")?;
    let empty = mount.used()?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    group.push_out_all(&file, PAGES as usize)?;
    let _expected = Expected::new(MESSAGES)?;
    disk.bad(true)?;
    scene.fact("swapoff", swap.off().map_err(|error| error.kind()));
    let count = lost(&file, 1)?.iter().filter(|lost| **lost).count() as u64;
    ensure!(count >= PAGES / 2, "only {count} pages cannot be read");
    scene.fact("lost", count);
    accounted(scene, &mount, &file, empty, PAGES)?;
    disk.bad(false)?;
    file.set_len(0)?;
    accounted(scene, &mount, &file, empty, 0)?;
    drop(file);
    mount.unmount()?;
    group.remove()
}

fn unwritable(scene: &mut Scene) -> Result<()> {
    let disk = Disk::new()?;
    let _swap = Swap::new(&disk.device, None, None)?;
    let mount = scene.mount("size=64m")?;
    let group = Group::enter(&[])?;
    let file = pages::create(&mount.file("file"))?;
    pages::write(&file, 1, 0, PAGES, 1)?;
    let _expected = Expected::new(MESSAGES)?;
    disk.bad(true)?;
    group.reclaim()?;
    pages::verify(&file, 1, 0, PAGES, |_| 1)?;
    pages::write(&file, 1, 0, PAGES, 2)?;
    scene.space("unwritable", &mount, &file)?;
    disk.bad(false)?;
    group.push_out()?;
    pages::verify(&file, 1, 0, PAGES, |_| 2)?;
    drop(file);
    mount.unmount()?;
    device::nothing_in_use()?;
    group.remove()
}
