//! What a call leaves on the pages of a file for reclaim: whether they were used, and whether they are to be freed next.

use std::os::unix::fs::FileExt;

use rustix::fs::FallocateFlags;
use rustix::pipe::SpliceFlags;

use super::huge::{self, HUGE};
use crate::harness::prelude::*;
use crate::harness::process::{on_one_processor, pipe};

cases! {
    own => used, used_in_large_folios, written_when_to_be_freed;
}

/// Bits of /proc/kpageflags.
const MARKS: [(u64, &str); 3] = [(2, "referenced"), (6, "active"), (9, "to be freed")];

/// The marks of a page of a file. It is mapped for that: where this mapping goes it leaves a mark of its own.
fn marks(file: &Fd, page: usize) -> anyhow::Result<Vec<&'static str>> {
    const FRAME: u64 = (1 << 55) - 1;
    let map = Map::read_only(file, PAGE, (page * PAGE) as u64)?;
    map.get(0);
    let frame = map.pagemap()?[0] & FRAME;
    ensure!(frame != 0, "the page is not mapped");
    let mut word = [0; 8];
    std::fs::File::open("/proc/kpageflags")
        .and_then(|flags| flags.read_exact_at(&mut word, frame * 8))
        .context("kpageflags")?;
    let word = u64::from_ne_bytes(word);
    let set = MARKS.iter().filter(|mark| (word >> mark.0) & 1 == 1);
    Ok(set.map(|mark| mark.1).collect())
}

/// Sees to it that no page waits in the batch of a processor for its list, or for another one.
fn drain() -> Done {
    std::fs::write("/proc/sys/vm/compact_memory", "1").context("compact_memory")
}

fn allocate(file: &Fd, len: usize) -> Res<()> {
    huge::fallocate(file, FallocateFlags::empty(), 0, len)
}

/// A mapping of the first page, which has been stored to.
fn stored(file: &Fd) -> Res<Map> {
    let map = Map::shared(file, PAGE, 0)?;
    map.set(0, 1);
    Ok(map)
}

/// Uses the first page of a file; what it returns stays mapped until the marks have been read.
type Use = fn(&Fd) -> Res<Option<Map>>;

const USES: [(&str, Use); 8] = [
    ("written", |file| {
        file.pwrite(&[1; PAGE], 0)?;
        Ok(None)
    }),
    ("written in part", |file| {
        file.pwrite(&[1; 10], 100)?;
        Ok(None)
    }),
    ("allocated", |file| {
        allocate(file, PAGE)?;
        Ok(None)
    }),
    ("allocated twice", |file| {
        allocate(file, PAGE)?;
        allocate(file, PAGE)?;
        Ok(None)
    }),
    ("loaded from", |file| {
        let map = Map::shared(file, PAGE, 0)?;
        map.get(0);
        Ok(Some(map))
    }),
    ("stored to", |file| stored(file).map(Some)),
    ("stored to and read", |file| {
        let map = stored(file)?;
        file.pread(10, 0)?;
        Ok(Some(map))
    }),
    ("stored to and spliced", |file| {
        let map = stored(file)?;
        let (_end, begin) = pipe();
        let flags = SpliceFlags::empty();
        rustix::pipe::splice(file, Some(&mut 0), &begin, None, PAGE, flags)?;
        Ok(Some(map))
    }),
];

/// Only a write uses a page by making it: what was allocated in advance, or mapped, is not used yet.
fn used(t: &mut Trace, fs: &Fs) -> Done {
    on_one_processor()?;
    for options in ["", "huge=never"] {
        let mount = fs.mount(options)?;
        let d = mount.dir()?;
        for (name, act) in USES {
            let file = d.create(name)?;
            file.truncate(PAGE as u64)?;
            let _map = act(&file)?;
            t.put(format!("{options} {name}"), marks(&file, 0)?);
            // Of what was used before, the next use makes more.
            let again = d.create(format!("{name} again"))?;
            again.truncate(PAGE as u64)?;
            let _map = act(&again)?;
            drain()?;
            again.pwrite(&[2], 7)?;
            drain()?;
            t.put(format!("{options} {name}, then written"), marks(&again, 0)?);
        }
        drop(d);
        mount.unmount()?;
    }
    Ok(())
}

/// Of a large folio a read(2) uses what it begins with.
fn used_in_large_folios(t: &mut Trace, fs: &Fs) -> Done {
    huge::prepare()?;
    on_one_processor()?;
    let mount = fs.mount("size=64m,huge=always")?;
    let d = mount.dir()?;
    for page in [0, 7, 511] {
        for at in [0, 100] {
            let file = d.create("f")?;
            ensure!(file.pwrite(&pattern(1, HUGE), 0)? == HUGE, "short write");
            drain()?;
            t.put(format!("page {page}, written"), marks(&file, page)?);
            drop(file);
            // Another one: the look at the first one was a use of it.
            let file = d.create("g")?;
            ensure!(file.pwrite(&pattern(1, HUGE), 0)? == HUGE, "short write");
            drain()?;
            file.pread(10, (page * PAGE + at) as u64)?;
            drain()?;
            t.put(format!("page {page}, read at {at}"), marks(&file, page)?);
            drop(file);
            d.unlink("f")?;
            d.unlink("g")?;
        }
    }
    drop(d);
    mount.unmount()?;
    Ok(())
}

/// A page that cannot be dropped, as it has what is nowhere else, is to be freed next; when it is written, no longer.
fn written_when_to_be_freed(t: &mut Trace, fs: &Fs) -> Done {
    on_one_processor()?;
    for options in ["", "huge=never"] {
        let mount = fs.mount(options)?;
        let d = mount.dir()?;
        let files = ["left", "written", "written in part", "allocated"]
            .map(|name| d.file(name, &[1; PAGE]).map(|file| (name, file)));
        // The first time they come to the lists, and into the batch of those that are moved there; the second time they are.
        for _ in 0..2 {
            std::fs::write("/proc/sys/vm/drop_caches", "1").context("drop_caches")?;
        }
        for file in files {
            let (name, file) = file?;
            match name {
                "written" => drop(file.pwrite(&[2; PAGE], 0)?),
                "written in part" => drop(file.pwrite(&[2], 7)?),
                "allocated" => allocate(&file, PAGE)?,
                _ => {}
            }
            let marks = marks(&file, 0)?;
            ensure!(
                name != "left" || marks.contains(&"to be freed"),
                "a page that cannot be dropped is {marks:?}"
            );
            t.put(format!("{options} {name}"), marks);
        }
        drop(d);
        mount.unmount()?;
    }
    Ok(())
}
