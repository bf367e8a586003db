//! khugepaged, the thread of the kernel that makes large folios of the small ones of a mapping. It sleeps while the
//! cases run, lest luck decides what they see, and is awake for those that are about it.

use std::time::{Duration, Instant};

use anyhow::{ensure, Context};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use stage::machine::{self, Setting};

use super::sys::PAGE;

const CONTROLS: &str = "/sys/kernel/mm/transparent_hugepage/khugepaged";

/// Longer than any run.
const FOR_EVER: &str = "4294967295";

/// What it takes to hold it back is a matter of milliseconds, and of a few scans where it is to find something.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// So many times it looks at all there is before it is said to leave it.
const SCANS: u64 = 3;

/// It sleeps until this is dropped.
pub struct Asleep {
    _settings: [Setting; 2],
}

impl Asleep {
    /// Sees to it that it sleeps; `None` on a machine without it.
    pub fn new() -> anyhow::Result<Option<Asleep>> {
        if !std::path::Path::new(CONTROLS).exists() {
            return Ok(None);
        }
        let before = figure("full_scans")?;
        stay_on_its_list()?;
        // The second: where it finds no memory it would sleep in the midst of its work.
        let settings = [
            Setting::new(&control("scan_sleep_millisecs"), FOR_EVER)?,
            Setting::new(&control("alloc_sleep_millisecs"), "0")?,
        ];
        let found = machine::wait(TIME_LIMIT.as_secs(), || Ok(figure("full_scans")? > before))?;
        ensure!(found, "khugepaged does not look at this process");
        wait_until_asleep()?;
        Ok(Some(Asleep {
            _settings: settings,
        }))
    }
}

/// While nobody has what it could look at, somebody who comes wakes it, whatever its time. Hence a mapping that stays
/// as long as the process.
fn stay_on_its_list() -> anyhow::Result<()> {
    const LARGE: usize = 4 << 20;
    // SAFETY: a new mapping that nobody else uses.
    unsafe {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        let all = ProtFlags::READ | ProtFlags::WRITE;
        let start = rustix::mm::mmap_anonymous(std::ptr::null_mut(), LARGE + PAGE, all, flags)?;
        // One that never had a page does not count. The last is no part of what a PMD could map.
        start.cast::<u8>().add(LARGE).write_volatile(1);
        rustix::mm::madvise(start, LARGE + PAGE, Advice::LinuxHugepage).context("MADV_HUGEPAGE")?;
    }
    Ok(())
}

fn control(name: &str) -> String {
    format!("{CONTROLS}/{name}")
}

/// A setting of its own, until that is dropped.
pub fn set(name: &str, value: u64) -> anyhow::Result<Setting> {
    Setting::new(&control(name), &value.to_string())
}

fn figure(name: &str) -> anyhow::Result<u64> {
    let text = machine::read(control(name))?;
    text.trim()
        .parse()
        .with_context(|| format!("{name}: {text}"))
}

/// How many large folios it has made.
pub fn collapsed() -> anyhow::Result<u64> {
    figure("pages_collapsed")
}

/// Lets it run until `done`, or until it has looked at everything and left it as it is.
pub fn run_until(done: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    awake(|| wait(done))
}

/// Lets it run while `body` does.
pub fn awake<T>(body: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    machine::write(control("scan_sleep_millisecs"), "10")?;
    let result = body();
    machine::write(control("scan_sleep_millisecs"), FOR_EVER)?;
    wait_until_asleep()?;
    result
}

fn wait(mut done: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let start = Instant::now();
    // The scan that is under way may have begun before there was anything.
    let last = figure("full_scans")? + 1 + SCANS;
    while !done()? && figure("full_scans")? < last {
        ensure!(
            start.elapsed() < TIME_LIMIT,
            "khugepaged has not looked at everything in {TIME_LIMIT:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// It sleeps where it does nothing and does not wake up in between.
fn wait_until_asleep() -> anyhow::Result<()> {
    const TIMES: u32 = 4;
    let status = format!("/proc/{}/status", thread()?);
    let start = Instant::now();
    let (mut before, mut times) = (None, 0);
    while times < TIMES {
        ensure!(
            start.elapsed() < TIME_LIMIT,
            "khugepaged does not go to sleep in {TIME_LIMIT:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
        let text = machine::read(&status)?;
        let sleeps = text.lines().any(|l| l.starts_with("State:\tS"));
        let switches = machine::figure(&text, "voluntary_ctxt_switches");
        let now = (switches, figure("full_scans")?);
        times = if sleeps && before == Some(now) {
            times + 1
        } else {
            0
        };
        before = Some(now);
    }
    Ok(())
}

fn thread() -> anyhow::Result<String> {
    for process in std::fs::read_dir("/proc")? {
        let process = process?;
        let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        if name.trim() == "khugepaged" {
            return Ok(process.file_name().to_string_lossy().into_owned());
        }
    }
    anyhow::bail!("there is no thread khugepaged")
}
