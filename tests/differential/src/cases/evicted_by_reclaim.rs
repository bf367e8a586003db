//! Files that only a name of an overlay still holds, which reclaim drops: what needs memory while it works on such a file
//! may be the task that drops the name, and must not wait for itself.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use stage::device::Swap;
use stage::group::Group;
use stage::machine::Expected;
use stage::pipe::InPipe;

use super::huge::HUGE;
use crate::harness::overlay::Overlay;
use crate::harness::prelude::*;
use crate::harness::process;

cases! {
    own => counted, for_want_of_blocks, brought_back;
}

/// What the kernel may say of a group without processes that gets no more memory.
const OUT_OF_MEMORY: &str = "oom-killer|Call Trace|Out of memory and no killable";

/// Names that reclaim finds in the overlay, beside that of the file.
const NAMES: usize = 64;

/// The pages that a file has in the end; its folio has more.
const LEFT: usize = 5;

/// A file in swap has so many.
const OUT: usize = 80;

/// An overlay that is the only one to hold a file any more, and the group that is charged for all of it.
struct Scene {
    overlay: Overlay,
    group: Group,
    _expected: Expected,
}

impl Scene {
    /// The mount below has these options, and `make` makes the file; what that returns has gone by then. The group gets no
    /// more memory.
    fn new<T>(
        fs: &Fs,
        options: &str,
        make: fn(&Dir, &Group) -> anyhow::Result<T>,
    ) -> anyhow::Result<Scene> {
        let expected = Expected::new(OUT_OF_MEMORY)?;
        let group = Group::new(&[])?;
        // What this processor has been charged for in advance is for no other.
        process::on_processor(0)?;
        group.add_self()?;
        let overlay = Overlay::limited(fs, options, "", |_| Ok(()))?;
        let made = make(&overlay.upper, &group)?;
        for number in 0..NAMES {
            // That there is no such name is kept, too.
            let _ = overlay.merged.meta(&format!("none{number}"));
        }
        overlay.merged.meta("f")?;
        overlay.upper.unlink("f")?;
        drop(made);
        group.leave()?;
        process::on_processor(1)?;
        let less = group.value("memory.current")? / 2;
        // Without waiting: nothing is reclaimed yet.
        let mut max = File::options()
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(group.path().join("memory.max"))?;
        max.write_all(less.to_string().as_bytes())?;
        Ok(Scene {
            overlay,
            group,
            _expected: expected,
        })
    }

    fn end(self, t: &mut Trace) -> Done {
        self.group.set("memory.max", "max")?;
        self.overlay.end(t)?;
        self.group.remove()
    }
}

/// statfs(2) counts what folios have beyond the ends of their files as free.
fn counted(t: &mut Trace, fs: &Fs) -> Done {
    let scene = Scene::new(fs, "size=32m", |d, _| {
        let file = d.file("f", &pattern(1, HUGE))?;
        // A folio that is in use is not split, whatever asks for the blocks.
        let pipe = InPipe::page(&file, 0)?;
        file.truncate((LEFT * PAGE) as u64)?;
        Ok(pipe)
    })?;
    t.put("counted", scene.overlay.upper.space().map(|_| ()));
    scene.end(t)
}

/// A write that finds no block looks for such folios.
fn for_want_of_blocks(t: &mut Trace, fs: &Fs) -> Done {
    let scene = Scene::new(fs, "size=8m,huge=always", |d, _| {
        d.file("f", &pattern(1, LEFT * PAGE))?;
        Ok(())
    })?;
    let file = scene.overlay.upper.create("g")?;
    let data = pattern(2, HUGE);
    let wanted = 5;
    let written = (0..wanted).map(|n| file.pwrite(&data, (n * HUGE) as u64));
    let short = written.filter(|done| *done != Ok(HUGE)).count();
    t.put("short of blocks", short > 0);
    drop(file);
    scene.end(t)
}

/// swapoff brings such a file back. With tmpfs its task would wait for itself.
fn brought_back(t: &mut Trace, fs: &Fs) -> Done {
    stage::skip::without("SWAP")?;
    let mut swap = Swap::disk(1)?;
    let scene = Scene::new(fs, "size=32m", |d, group| {
        let file = d.file("f", &pattern(1, OUT * PAGE))?;
        group.push_out_all(&file, OUT)
    })?;
    if fs.is_subject() {
        // There may be no memory for it, or no such file any more.
        let _ = swap.off();
    }
    scene.end(t)
}
