//! Writes that follow each other in what fallocate(2) made: whatever else is done with the file between them, it has the
//! contents, the holes and the pages that it would have of single pages.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{FallocateFlags, SeekFrom};
use stage::pipe::InPipe;

use super::file_io::raw_pwrite;
use super::huge::{fallocate, prepare, punch, HUGE};
use super::unwritten::use_memory;
use crate::harness::prelude::*;

cases! {
    "size=64m" => interrupted, by_calls_of_a_size, short_writes, watched, read_meanwhile;
    own => stays_large, remounted, remounted_after_a_punch;
}

/// A large folio that a PMD can map, and a smaller one.
const LEN: usize = HUGE + 64 * PAGE;

/// What is done with the file; bytes are where the first number says.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write(usize, usize),
    Read(usize, usize),
    /// Part of it is in a pipe until the end.
    Pipe(usize),
    Holes,
    Resident,
    Load(usize),
    Store(usize),
    Collapse,
    Punch(usize, usize),
    Truncate(usize),
    Allocate(usize, usize),
    AllocateBeyond(usize, usize),
}

use Step::*;

/// A file, and what it should have.
struct Subject {
    file: Fd,
    model: Vec<u8>,
    /// Those that have a part of it.
    pipes: Vec<InPipe>,
}

impl Subject {
    fn new(file: Fd, model: Vec<u8>) -> Self {
        Self {
            file,
            model,
            pipes: Vec::new(),
        }
    }

    /// A new file that was `allocated` so, and whose first pages are filled by as many calls.
    fn filled(t: &mut Trace, d: &Dir, allocated: Step, pages: usize) -> anyhow::Result<Self> {
        let mut subject = Self::new(d.create("f")?, Vec::new());
        subject.step(t, allocated)?;
        subject.fill(t, 0, pages)?;
        Ok(subject)
    }

    /// Writes these pages, each by a call.
    fn fill(&mut self, t: &mut Trace, from: usize, to: usize) -> Done {
        (from..to).try_for_each(|n| self.step(t, Write(n * PAGE, PAGE)))
    }

    fn step(&mut self, t: &mut Trace, step: Step) -> Done {
        let label = format!("{step:?}");
        match step {
            Write(at, len) => {
                let data = pattern(at as u32 + 1, len);
                t.put(label, self.file.pwrite(&data, at as u64));
                self.model.resize(self.model.len().max(at + len), 0);
                self.model[at..at + len].copy_from_slice(&data);
            }
            Read(at, len) => t.put(label, self.file.pread(len, at as u64)),
            Pipe(page) => self.pipes.push(InPipe::page(&self.file, page)?),
            Holes => t.put(label, self.file.extents()),
            Resident => t.put(label, runs(&Map::shared(&self.file, LEN, 0)?.resident()?)),
            Load(at) => t.put(label, Map::shared(&self.file, LEN, 0)?.get(at)),
            Store(at) => {
                Map::shared(&self.file, LEN, 0)?.set(at, 0x5c);
                self.model[at] = 0x5c;
            }
            Collapse => {
                let map = Map::aligned(&self.file, LEN, HUGE)?;
                t.put(label, map.advise_all(libc::MADV_COLLAPSE).is_ok());
            }
            Punch(at, len) => {
                t.put(label, punch(&self.file, at, len));
                let end = self.model.len().min(at + len);
                self.model[at.min(end)..end].fill(0);
            }
            Truncate(len) => {
                t.put(label, self.file.truncate(len as u64));
                self.model.resize(len, 0);
            }
            Allocate(at, len) => {
                t.put(
                    label,
                    fallocate(&self.file, FallocateFlags::empty(), at, len),
                );
                self.model.resize(self.model.len().max(at + len), 0);
            }
            AllocateBeyond(at, len) => {
                t.put(
                    label,
                    fallocate(&self.file, FallocateFlags::KEEP_SIZE, at, len),
                );
            }
        }
        Ok(())
    }

    /// Fails where the bytes from `start` to before `end` are not what they should be.
    fn check(&self, label: &str, start: usize, end: usize) -> Done {
        let end = self.model.len().min(end);
        let start = end.min(start);
        let got = self.file.pread(end - start, start as u64)?.0;
        let wanted = &self.model[start..end];
        let wrong = got.iter().zip(wanted).position(|(a, b)| a != b);
        ensure!(
            got.len() == wanted.len() && wrong.is_none(),
            "{label}: wrong byte at {start} + {wrong:?}"
        );
        Ok(())
    }

    /// What can be seen of the file.
    fn look(&self, t: &mut Trace, label: &str, d: &Dir) -> Done {
        t.counts(label, d, &self.file)?;
        let map = Map::shared(&self.file, LEN, 0)?;
        t.put(format!("{label}: resident"), runs(&map.resident()?));
        let size = self.file.size()?;
        ensure!(size == self.model.len() as u64, "{label}: {size} bytes");
        // Where something was done; all of it would take long.
        for (start, end) in [(0, 20), (508, 524), (568, 576)] {
            self.check(label, start * PAGE, end * PAGE)?;
        }
        t.counts(format!("{label}, read"), d, &self.file)
    }

    /// The same, and all that the file has.
    fn look_at_all(&self, t: &mut Trace, label: &str, d: &Dir) -> Done {
        self.look(t, label, d)?;
        self.check(label, 0, usize::MAX)
    }
}

/// Where what is the same begins, and what it is.
fn runs(pages: &[bool]) -> Vec<(usize, bool)> {
    let begins = |&at: &usize| at == 0 || pages[at] != pages[at - 1];
    (0..pages.len())
        .filter(begins)
        .map(|at| (at, pages[at]))
        .collect()
}

/// Each of these after some writes, and more writes after it.
fn interrupted(t: &mut Trace, d: &Dir) -> Done {
    const FILLED: usize = 5 * PAGE;
    let between: &[&[Step]] = &[
        &[],
        &[Read(0, 3 * PAGE)],
        &[Read(FILLED - 10, 20)],
        &[Read(FILLED, PAGE)],
        &[Read(HUGE - 10, 20)],
        &[Pipe(0)],
        &[Pipe(4)],
        &[Pipe(5)],
        &[Pipe(2), Read(0, FILLED)],
        &[Holes],
        &[Resident],
        &[Load(0)],
        &[Load(FILLED + 3)],
        &[Load(HUGE + 3)],
        &[Store(PAGE + 1)],
        &[Store(FILLED)],
        &[Store(HUGE - 1)],
        &[Collapse],
        &[Punch(0, PAGE)],
        &[Punch(0, FILLED)],
        &[Punch(PAGE + 7, PAGE)],
        &[Punch(FILLED - 7, PAGE)],
        &[Punch(FILLED, HUGE)],
        &[Punch(0, HUGE)],
        &[Punch(0, HUGE), Allocate(0, HUGE)],
        &[Punch(0, FILLED), Allocate(0, LEN)],
        &[Truncate(0), Allocate(0, LEN)],
        &[Truncate(2 * PAGE + 9), AllocateBeyond(0, LEN)],
        &[Truncate(FILLED), Truncate(LEN)],
        &[Truncate(0), Truncate(LEN)],
        &[Truncate(HUGE)],
        &[Truncate(PAGE), Allocate(0, LEN)],
        &[Allocate(0, LEN)],
        &[Allocate(FILLED, PAGE)],
        &[Write(0, 100)],
        &[Write(3 * PAGE + 5, 100)],
        &[Write(0, FILLED)],
        &[Write(FILLED - 100, 200)],
        &[Write(FILLED + 100, 200)],
        &[Write(FILLED + PAGE, PAGE)],
        &[Write(0, HUGE)],
        &[Write(2 * PAGE, HUGE)],
        &[Write(HUGE, PAGE)],
        &[Write(HUGE, PAGE), Write(HUGE + PAGE, PAGE), Holes],
        &[Write(HUGE + 9 * PAGE, 3 * PAGE)],
        &[Write(LEN - 10, 20)],
    ];
    use_memory()?;
    for allocated in [
        Allocate(0, LEN),
        AllocateBeyond(0, LEN),
        Allocate(0, 16 * PAGE),
    ] {
        for steps in between {
            let mut subject = Subject::filled(t, d, allocated, FILLED / PAGE)?;
            let label = format!("{allocated:?} {steps:?}");
            for &between in *steps {
                // Behind the end of the file there is nothing to be mapped or piped.
                let at = match between {
                    Load(at) | Store(at) => at,
                    Pipe(page) => page * PAGE,
                    _ => 0,
                };
                if at >= subject.model.len() {
                    continue;
                }
                subject.step(t, between).context(label.clone())?;
            }
            // On, where it had come to.
            subject.fill(t, 5, 9)?;
            subject.look(t, &label, d)?;
            drop(subject);
            d.unlink("f")?;
        }
    }
    Ok(())
}

/// Calls of one length, at places that begin and end folios or do not, up to less than all of it.
fn by_calls_of_a_size(t: &mut Trace, d: &Dir) -> Done {
    use_memory()?;
    for (start, len) in [
        (0, PAGE),
        (0, 1000),
        (0, 5000),
        (0, 16 * PAGE),
        (0, 16 * PAGE + 1),
        (100, PAGE),
        (3 * PAGE, PAGE),
        (HUGE - PAGE, PAGE),
        (HUGE, 3 * PAGE),
        (0, HUGE - PAGE),
        (0, HUGE + PAGE),
    ] {
        let Subject {
            file, mut model, ..
        } = Subject::filled(t, d, Allocate(0, LEN), 0)?;
        let mut at = start;
        // Not more than a hundred calls.
        while at + len <= LEN - 7 * PAGE && at < start + 100 * len {
            let data = pattern(at as u32, len);
            ensure!(file.pwrite(&data, at as u64)? == len, "short write");
            model[at..at + len].copy_from_slice(&data);
            at += len;
        }
        Subject::new(file, model).look_at_all(t, &format!("{len} from {start}"), d)?;
        d.unlink("f")?;
    }
    Ok(())
}

/// The source ends in the middle, in a call that would fill more.
fn short_writes(t: &mut Trace, d: &Dir) -> Done {
    use_memory()?;
    for there in [1, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE, 5 * PAGE + 100] {
        let mut subject = Subject::filled(t, d, Allocate(0, LEN), 3)?;
        // The end of it is not there.
        let source = Map::anonymous(16 * PAGE)?;
        source.fill(0, 8 * PAGE, 7);
        let nothing = source.part(8 * PAGE, 8 * PAGE, 8 * PAGE, libc::MREMAP_MAYMOVE)?;
        drop(nothing);
        let start = source.start().wrapping_byte_add(8 * PAGE - there);
        let written = raw_pwrite(&subject.file, start, there + 4 * PAGE, 3 * PAGE as i64)?;
        let written = written as usize;
        t.put("written", written);
        subject.model[3 * PAGE..3 * PAGE + written].fill(7);
        subject.look(t, &format!("{there} bytes"), d)?;
        drop(subject);
        d.unlink("f")?;
    }
    Ok(())
}

/// Other tasks read, map and look for holes while one writes: each byte is zero, or what was written, and that once its
/// page was.
fn watched(t: &mut Trace, d: &Dir) -> Done {
    const ROUNDS: usize = 2;
    use_memory()?;
    let data = pattern(3, LEN);
    for round in 0..ROUNDS {
        let file = d.create("f")?;
        fallocate(&file, FallocateFlags::empty(), 0, LEN)?;
        let written = AtomicUsize::new(0);
        let check = |at: usize, page: &[u8]| -> Done {
            // Byte by byte: read(2) and a mapping do not wait for the write of a page that was filled before.
            let wrong = page
                .iter()
                .zip(&data[at..])
                .position(|(a, b)| a != b && *a != 0);
            ensure!(
                page.len() == PAGE && wrong.is_none(),
                "byte {wrong:?} of the page at {at} is neither zero nor what was written"
            );
            Ok(())
        };
        let result: Done = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| -> Done {
                let mut n = 0usize;
                while written.load(Ordering::Acquire) < LEN {
                    let before = written.load(Ordering::Acquire);
                    n = n.wrapping_mul(0x9e37_79b1).wrapping_add(round + 1);
                    let at = (n >> 7) % (LEN / PAGE) * PAGE;
                    let page = match n % 4 {
                        0 => Map::shared(&file, PAGE, at as u64)?.bytes(0, PAGE).0,
                        1 => {
                            file.seek(SeekFrom::Data(at as u64)).ok();
                            continue;
                        }
                        _ => file.pread(PAGE, at as u64)?.0,
                    };
                    check(at, &page)?;
                    ensure!(
                        at + PAGE > before || page == data[at..at + PAGE],
                        "page at {at} is lost"
                    );
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                Ok(())
            });
            for at in (0..LEN).step_by(PAGE) {
                let done = file.pwrite(&data[at..at + PAGE], at as u64);
                if !matches!(done, Ok(PAGE)) {
                    // The watcher is to end, too.
                    written.store(LEN, Ordering::Release);
                    anyhow::bail!("a write of a page at {at}: {done:?}");
                }
                written.store(at + PAGE, Ordering::Release);
            }
            watcher.join().expect("the watcher panicked")
        });
        result?;
        Subject::new(file, data.clone()).look_at_all(t, "at the end", d)?;
        d.unlink("f")?;
    }
    Ok(())
}

/// What is read while it is filled does not make data of the rest.
fn read_meanwhile(t: &mut Trace, d: &Dir) -> Done {
    const HALF: usize = HUGE / 2;
    use_memory()?;
    let data = pattern(4, HALF);
    let file = d.create("f")?;
    fallocate(&file, FallocateFlags::empty(), 0, LEN)?;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| -> Done {
        let read = || -> Done {
            while !is_over.load(Ordering::Relaxed) {
                let got = file.pread(HALF, 0)?.0;
                let wrong = got.iter().zip(&data).position(|(a, b)| a != b && *a != 0);
                ensure!(wrong.is_none(), "wrong byte at {wrong:?}");
            }
            Ok(())
        };
        let readers = [scope.spawn(read), scope.spawn(read)];
        let written = data
            .chunks(PAGE)
            .try_for_each(|part| file.write(part).map(drop));
        is_over.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().expect("a reader panicked")?;
        }
        Ok(written?)
    })?;
    let mut model = data;
    model.resize(LEN, 0);
    Subject::new(file, model).look(t, "half", d)
}

/// A folio that was allocated in advance is not split by writes that follow each other.
fn stays_large(t: &mut Trace, fs: &Fs) -> Done {
    prepare()?;
    let mount = fs.mount("")?;
    let dir = mount.dir()?;
    for len in [PAGE, 3000, 16 * PAGE, 3 * PAGE + 1] {
        let file = dir.create("f")?;
        let before = stage::machine::folios(2048, "shmem_alloc")?;
        fallocate(&file, FallocateFlags::empty(), 0, 2 * HUGE)?;
        let made = stage::machine::folios(2048, "shmem_alloc")? - before;
        ensure!(
            made == if fs.is_subject() { 2 } else { 0 },
            "{made} of 2 MiB"
        );
        let split = stage::machine::folios(2048, "split")?;
        let data = pattern(len as u32, 2 * HUGE);
        for part in data.chunks(len) {
            ensure!(file.write(part)? == part.len(), "short write");
        }
        ensure!(
            stage::machine::folios(2048, "split")? == split,
            "calls of {len} bytes split a folio"
        );
        Subject::new(file, data).look_at_all(t, &format!("calls of {len} bytes"), &dir)?;
        dir.unlink("f")?;
    }
    drop(dir);
    mount.unmount()?;
    Ok(())
}

/// The mount gets another policy while a folio is being filled.
fn remounted(t: &mut Trace, fs: &Fs) -> Done {
    use_memory()?;
    for policy in ["never", "always", "within_size", "advise"] {
        let mount = fs.mount("size=64m")?;
        let dir = mount.dir()?;
        let mut subject = Subject::filled(t, &dir, Allocate(0, LEN), 5)?;
        t.put(policy, mount.remount(&format!("huge={policy}")));
        subject.fill(t, 5, 9)?;
        subject.step(t, Write(HUGE + 3 * PAGE, 10))?;
        subject.look(t, policy, &dir)?;
        drop((subject, dir));
        mount.unmount()?;
    }
    Ok(())
}

/// What was filled has gone, and a folio of another policy comes in its place for a page beside it.
fn remounted_after_a_punch(t: &mut Trace, fs: &Fs) -> Done {
    for (policy, again) in [
        ("always", None),
        ("always", Some("never")),
        ("within_size", None),
    ] {
        use_memory()?;
        let mount = fs.mount("size=64m")?;
        let dir = mount.dir()?;
        let mut subject = Subject::filled(t, &dir, Allocate(0, LEN), 5)?;
        subject.step(t, Punch(0, LEN))?;
        t.put(policy, mount.remount(&format!("huge={policy}")));
        subject.step(t, Allocate(HUGE / 2, PAGE))?;
        if let Some(again) = again {
            t.put(again, mount.remount(&format!("huge={again}")));
        }
        subject.step(t, Read(0, 8 * PAGE))?;
        subject.step(t, Write(3 * PAGE + 7, 100))?;
        // How large the folio is, and so what is data of it, is the policy's affair.
        subject.check(&format!("{policy}, {again:?}"), 0, usize::MAX)?;
        drop((subject, dir));
        mount.unmount()?;
    }
    Ok(())
}
