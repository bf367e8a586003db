//! Pages of an area that a monitor watches, while they are in swap.

use stage::device::Swap;
use stage::group::Group;
use stage::machine::{vmstat, Setting};

use super::huge::compact;
use crate::harness::prelude::*;
use crate::harness::uffd::{self, Event, Uffd, MINOR, MISSING, WP};
use crate::harness::zram::on_zram;

cases! {
    own => single_pages, of_large_folios, of_large_folios_on_a_disk;
}

/// Written at once: one folio where it may be large.
const PAGES: usize = 256;
const SIZE: usize = PAGES * PAGE;

/// A file whose first page has been asked for, and a hole behind it.
struct Watched {
    mount: Mount,
    file: Fd,
    map: Map,
    data: Vec<u8>,
    group: Group,
}

impl Watched {
    fn new(fs: &Fs, options: &str) -> anyhow::Result<Watched> {
        compact()?;
        let mount = fs.mount(options)?;
        let group = Group::enter(&[])?;
        let file = mount.dir()?.create("f")?;
        let data = pattern(1, SIZE);
        ensure!(file.pwrite(&data, 0)? == data.len(), "short write");
        file.truncate((SIZE + 4 * PAGE) as u64)?;
        let map = Map::aligned(&file, SIZE + 4 * PAGE, SIZE)?;
        Ok(Watched {
            mount,
            file,
            map,
            data,
            group,
        })
    }

    fn push_out(&self) -> Done {
        self.group.push_out_all(&self.file, PAGES)
    }

    /// Which of the pages are in memory, the length of each run of these and of the others.
    fn resident(&self) -> anyhow::Result<Vec<(bool, usize)>> {
        let pages = self.map.resident()?;
        Ok(pages
            .chunk_by(|a, b| a == b)
            .map(|run| (run[0], run.len()))
            .collect())
    }

    fn show(&self, t: &mut Trace, label: &str) -> Done {
        t.put(format!("{label}: in memory"), self.resident()?);
        t.put(format!("{label}: blocks"), self.file.blocks()?);
        t.put(format!("{label}: space"), self.mount.dir()?.space()?);
        Ok(())
    }

    fn done(self, t: &mut Trace) -> Done {
        let found = self.file.pread(SIZE, 0)?;
        let wrong = found.0.iter().zip(&self.data).position(|(a, b)| a != b);
        t.put("first byte that differs", wrong);
        drop((self.map, self.file));
        self.mount.dir()?.unlink("f")?;
        t.put("space in the end", self.mount.dir()?.space()?);
        self.mount.unmount()?;
        self.group.remove()
    }
}

/// One of the accesses, with what a monitor that resolves everything hears of it.
fn access(t: &mut Trace, label: &str, w: &Watched, uffd: &mut Uffd, page: usize, store: bool) {
    let map = &w.map;
    let answer = |t: &mut Trace, uffd: &Uffd, event: Event| {
        if let Event::Fault { page, reason, .. } = event {
            let page = page as usize;
            match reason {
                "missing" => t.put("copy", uffd.copy(map, page, &vec![b'c'; PAGE])),
                "minor" => t.put("continue", uffd.resume(map, page, 1, 0)),
                _ => t.put("unprotect", uffd.write_protect(map, page, 1, 0)),
            }
        }
    };
    let byte = w.data.get(page * PAGE).copied().unwrap_or(b'c');
    let act = move || {
        if store {
            map.set(page * PAGE, byte);
        }
        map.get(page * PAGE)
    };
    uffd.serve(t, label, map, act, answer);
}

fn in_modes(t: &mut Trace, fs: &Fs, options: &str, modes: &[u64]) -> Done {
    for &mode in modes {
        let label = format!("mode {mode:#x}");
        let w = Watched::new(fs, options)?;
        w.push_out()?;
        w.show(t, &format!("{label}, out"))?;
        let mut uffd = Uffd::new(0)?;
        if mode != 0 {
            t.put(
                format!("{label}, register"),
                uffd.register(&w.map, 0, PAGES + 4, mode),
            );
        }
        if mode & WP != 0 {
            t.put(
                "protect",
                uffd.write_protect(&w.map, 0, PAGES, uffd::PROTECT),
            );
        }
        let majors = vmstat("pgmajfault")?;
        for (page, store) in [
            (5, false),
            (PAGES / 2 + 3, true),
            (PAGES - 1, false),
            (PAGES - 1, true),
        ] {
            let label = format!("{label}, page {page}, store {store}");
            access(t, &label, &w, &mut uffd, page, store);
            w.show(t, &label)?;
        }
        t.put(
            format!("{label}: major faults"),
            vmstat("pgmajfault")? > majors,
        );
        // A hole is one whatever is in swap.
        access(t, &format!("{label}, hole"), &w, &mut uffd, PAGES + 1, true);
        // By read, which no monitor hears of.
        t.put("read", w.file.pread(1, 64 * PAGE as u64).map(|_| ()));
        w.show(t, &format!("{label}, read"))?;
        // Armed still, once more.
        w.push_out()?;
        access(t, &format!("{label}, out again"), &w, &mut uffd, 5, true);
        w.show(t, &format!("{label}, out again"))?;
        drop(uffd);
        // Nobody watches any more.
        w.map.get(200 * PAGE);
        w.show(t, &format!("{label}, free"))?;
        w.done(t)?;
    }
    Ok(())
}

fn single_pages(t: &mut Trace, fs: &Fs) -> Done {
    let _single = Setting::new("/proc/sys/vm/page-cluster", "0")?;
    let mut swap = Swap::disk(1)?;
    in_modes(t, fs, "size=16m,huge=never", &[MISSING | WP, MINOR])?;
    Ok(swap.off()?)
}

/// From zram a large folio comes back whole, but not where a monitor would miss what of it was not asked for.
fn of_large_folios(t: &mut Trace, fs: &Fs) -> Done {
    let modes = [0, MISSING, MINOR, WP, MISSING | WP];
    on_zram(|| in_modes(t, fs, "size=16m,huge=always", &modes))
}

fn of_large_folios_on_a_disk(t: &mut Trace, fs: &Fs) -> Done {
    let _single = Setting::new("/proc/sys/vm/page-cluster", "0")?;
    let mut swap = Swap::disk(1)?;
    in_modes(t, fs, "size=16m,huge=always", &[MISSING | WP, MINOR])?;
    Ok(swap.off()?)
}
