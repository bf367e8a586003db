//! Pages that move in memory while the file stays what it is: from node to node, in compaction, out of memory that
//! is unplugged, and back from swap.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stage::device::Swap;
use stage::group::Group;
use stage::machine::{self, Setting};

use super::huge::{compact, look, HUGE};
use super::mempolicy::two_nodes;
use crate::harness::numa::{self, Nodes, BIND, DEFAULT, INTERLEAVE, MOVE, MOVE_ALL};
use crate::harness::owned::{set, write, Own};
use crate::harness::prelude::*;
use crate::harness::process::on_one_processor;
use crate::harness::zram::on_zram;

cases! {
    "" => by_migrate_pages;
    // The MM moves whole folios.
    "huge=never" => by_move_pages, of_two_processes;
    own => large_folios, back_from_swap, large_back_from_swap, while_in_use, unplugged;
}

const PAGES: usize = 16;

fn show(t: &mut Trace, label: &str, file: &Fd, map: &Map, pages: usize) -> Done {
    t.put(format!("{label}: nodes"), map.nodes_touched(pages)?);
    t.put(format!("{label}: file"), file.all()?);
    t.put(format!("{label}: blocks"), file.blocks()?);
    Ok(())
}

fn by_move_pages(t: &mut Trace, d: &Dir) -> Done {
    two_nodes()?;
    let file = d.file("f", &pattern(1, PAGES * PAGE))?;
    // The last ones are holes.
    file.truncate((PAGES * PAGE + 2 * PAGE) as u64)?;
    let map = Map::shared(&file, (PAGES + 2) * PAGE, 0)?;
    let all: Vec<usize> = (0..PAGES + 2).collect();
    t.put(
        "not mapped yet",
        map.move_pages(&all, &[1; PAGES + 2], MOVE),
    );
    map.touch(PAGES);
    t.put("moved", map.move_pages(&all, &[1; PAGES + 2], MOVE));
    show(t, "moved", &file, &map, PAGES)?;
    map.set(PAGE, 99);
    let alternating: Vec<i32> = (0..PAGES as i32 + 2).map(|n| n % 2).collect();
    t.put("alternating", map.move_pages(&all, &alternating, MOVE));
    show(t, "alternating", &file, &map, PAGES)?;
    t.put("no such node", map.move_pages(&all[..2], &[7, 1], MOVE));
    let private = Map::private(&file, PAGES * PAGE, 0)?;
    private.get(0);
    private.set(PAGE, 1);
    t.put(
        "through a private mapping",
        private.move_pages(&[0, 1], &[1, 1], MOVE),
    );
    t.put("of all", private.move_pages(&[0, 1], &[1, 1], MOVE_ALL));
    show(t, "private", &file, &map, PAGES)
}

fn by_migrate_pages(t: &mut Trace, d: &Dir) -> Done {
    two_nodes()?;
    let file = d.file("f", &pattern(2, PAGES * PAGE))?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    show(t, "before", &file, &map, PAGES)?;
    for (label, from, to) in [("there", 1, 2), ("and back", 2, 1)] {
        // How many others of this process cannot move is luck.
        t.put(label, numa::migrate(from, to).map(|_| ()));
        show(t, label, &file, &map, PAGES)?;
    }
    Ok(())
}

/// A page that another process has mapped too moves only with the right to.
fn of_two_processes(t: &mut Trace, d: &Dir) -> Done {
    two_nodes()?;
    let file = d.file("f", &pattern(3, PAGES * PAGE))?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    t.put("before", map.nodes_touched(PAGES)?);
    let all: Vec<usize> = (0..PAGES).collect();
    t.forked("child", |t| {
        map.nodes_touched(PAGES).expect("nodes");
        t.put("moved", map.move_pages(&all, &[1; PAGES], MOVE));
        t.put("all moved", map.move_pages(&all, &[1; PAGES], MOVE_ALL));
        t.put("bound", map.bind(0, PAGES, BIND, 1, MOVE));
        t.put("all bound", map.bind(0, PAGES, BIND, 1, MOVE_ALL));
    });
    show(t, "after", &file, &map, PAGES)
}

fn large_folios(t: &mut Trace, fs: &Fs) -> Done {
    two_nodes()?;
    compact()?;
    let mount = fs.mount("size=16m,huge=always")?;
    let data = pattern(4, 2 * HUGE);
    let file = mount.dir()?.file("f", &data)?;
    let map = Map::aligned(&file, 2 * HUGE, HUGE)?;
    let pages = 2 * HUGE / PAGE;
    for (label, nodes) in [("to the second", 2), ("to the first", 1)] {
        t.put(label, map.bind(0, pages, BIND, nodes, MOVE));
        t.put(format!("{label}: nodes"), map.nodes_touched(pages)?);
        look(t, label, &mount, &file, &data)?;
    }
    // A part of one.
    t.put("default", map.bind(0, pages, DEFAULT, 0, 0));
    t.put("moved", map.move_pages(&[3, 600], &[1, 1], MOVE));
    t.put("nodes", map.nodes_touched(pages)?);
    look(t, "a part", &mount, &file, &data)
}

/// Pages come back where the policy of the file says, whoever asks for them.
fn back_from_swap(t: &mut Trace, fs: &Fs) -> Done {
    two_nodes()?;
    // A page that was read ahead is where the policy of another one says.
    let _single = Setting::new("/proc/sys/vm/page-cluster", "0")?;
    let mut swap = Swap::disk(1)?;
    let ways = ["fault", "read", "write", "task with a policy"];
    from_swap(t, fs, "disk", &ways)?;
    swap.off()?;
    on_zram(|| from_swap(t, fs, "zram", &ways[..2]))
}

fn from_swap(t: &mut Trace, fs: &Fs, device: &str, ways: &[&str]) -> Done {
    const PAGES: usize = 256;
    on_one_processor()?;
    let mount = fs.mount("size=16m")?;
    let d = mount.dir()?;
    let group = Group::enter(&[])?;
    let data = pattern(5, PAGES * PAGE);
    for (policy, mode, nodes) in [("bind", BIND, 2), ("interleave", INTERLEAVE, 3)] {
        for &way in ways {
            let label = format!("{device}, {policy}, {way}");
            let file = d.create("f")?;
            file.truncate((PAGES * PAGE) as u64)?;
            let map = Map::shared(&file, PAGES * PAGE, 0)?;
            map.bind(0, PAGES / 2, mode, nodes, 0)?;
            ensure!(file.pwrite(&data, 0)? == data.len(), "short write");
            t.put(format!("{label}: before"), map.nodes_touched(PAGES)?);
            // The pages of a mapping that was just used do not go out at once.
            drop(map);
            group.push_out_all(&file, PAGES)?;
            let map = Map::shared(&file, PAGES * PAGE, 0)?;
            match way {
                "read" => drop(file.all()?),
                "write" => (0..PAGES).try_for_each(|page| {
                    file.pwrite(&data[page * PAGE..][..1], (page * PAGE) as u64)
                        .map(|_| ())
                })?,
                "task with a policy" => numa::set_task(BIND, 2)?,
                _ => {}
            }
            t.put(format!("{label}: nodes"), map.nodes_touched(PAGES)?);
            numa::set_task(DEFAULT, 0)?;
            look(t, &label, &mount, &file, &data)?;
            drop((file, map));
            d.unlink("f")?;
        }
    }
    drop(d);
    mount.unmount()?;
    group.remove()
}

fn large_back_from_swap(t: &mut Trace, fs: &Fs) -> Done {
    two_nodes()?;
    on_zram(|| {
        compact()?;
        let mount = fs.mount("size=16m,huge=always")?;
        let d = mount.dir()?;
        let group = Group::enter(&[])?;
        let data = pattern(6, 2 * HUGE);
        let file = d.create("f")?;
        file.truncate(2 * HUGE as u64)?;
        let pages = 2 * HUGE / PAGE;
        let map = Map::aligned(&file, 2 * HUGE, HUGE)?;
        map.bind(HUGE / PAGE, HUGE / PAGE, BIND, 2, 0)?;
        ensure!(file.pwrite(&data, 0)? == data.len(), "short write");
        t.put("before", map.nodes_touched(pages)?);
        drop(map);
        group.push_out_all(&file, pages)?;
        let map = Map::aligned(&file, 2 * HUGE, HUGE)?;
        t.put("back", map.nodes_touched(pages)?);
        look(t, "back", &mount, &file, &data)?;
        drop((file, map, d));
        mount.unmount()?;
        group.remove()
    })
}

/// Calls `trouble` again and again while threads read and write the pages of a file, one by one and mapped.
fn in_use(
    file: &Fd,
    map: &Map,
    pages: usize,
    time: Duration,
    mut trouble: impl FnMut(u64) -> Done,
) -> Done {
    let stop = AtomicBool::new(false);
    let class = |n: usize| Own::new(file, (0..pages).filter(move |page| page % 2 == n));
    let mut all = [class(0), class(1)];
    let end = Instant::now() + time;
    std::thread::scope(|scope| -> Done {
        let ([writer, mapper], stop) = (&mut all, &stop);
        scope.spawn(move || writer.work(stop, write));
        scope.spawn(move || mapper.work(stop, |_, page, version| set(map, page, version)));
        let mut turn = 0;
        let mut result = Ok(());
        while result.is_ok() && (turn == 0 || Instant::now() < end) {
            result = trouble(turn);
            turn += 1;
        }
        stop.store(true, Ordering::Relaxed);
        result
    })?;
    for own in &all {
        own.check_all();
        ensure!(own.turn > 0, "a thread did nothing");
    }
    Ok(())
}

fn while_in_use(t: &mut Trace, fs: &Fs) -> Done {
    two_nodes()?;
    for huge in ["never", "always"] {
        let mount = fs.mount(&format!("size=16m,huge={huge}"))?;
        let file = mount.dir()?.create("f")?;
        let pages = 3 * HUGE / PAGE;
        file.truncate((pages * PAGE) as u64)?;
        let map = Map::aligned(&file, pages * PAGE, HUGE)?;
        in_use(&file, &map, pages, Duration::from_millis(700), |turn| {
            machine::write("/proc/sys/vm/compact_memory", "1")?;
            map.bind(0, pages, BIND, 1 << (turn % 2), MOVE)
                .or_else(|e| {
                    // Who is at a page just now keeps it where it is.
                    ensure!(e == Errno::from(rustix::io::Errno::IO), "mbind: {e:?}");
                    Ok(())
                })
        })?;
        map.touch(pages);
        t.put(huge, file.blocks()?);
        t.put(format!("{huge}: space"), mount.dir()?.space()?);
        drop((file, map));
        mount.unmount()?;
    }
    Ok(())
}

/// A block of memory that can be unplugged as long as this lives.
struct Block {
    path: PathBuf,
    node: u32,
}

const MEMORY: &str = "/sys/devices/system/memory";

impl Block {
    /// Any that nothing of the kernel's is in; nothing will be then. The last ones are the least used.
    fn new() -> anyhow::Result<Option<Block>> {
        let mut blocks = Vec::new();
        for entry in std::fs::read_dir(MEMORY).context(MEMORY)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if let Some(Ok(number)) = name.strip_prefix("memory").map(str::parse::<u32>) {
                blocks.push((number, path));
            }
        }
        blocks.sort();
        let begin = Instant::now();
        for (_, path) in blocks.into_iter().rev() {
            if begin.elapsed() > Duration::from_secs(80) {
                break;
            }
            let node = |node: &u32| path.join(format!("node{node}")).exists();
            let node = (0..64).find(node).context("a block without a node")?;
            let block = Block { path, node };
            if block.offline_within(20).is_ok() {
                block.online()?;
                return Ok(Some(block));
            }
            // It is as it was.
            std::mem::forget(block);
        }
        Ok(None)
    }

    fn offline(&self) -> Done {
        self.offline_within(100)
    }

    /// The kernel tries again and again where a page does not go, until a signal ends that.
    fn offline_within(&self, seconds: u32) -> Done {
        let state = self.path.join("state");
        let done = std::process::Command::new("timeout")
            .arg(seconds.to_string())
            .args([
                "sh",
                "-c",
                "echo offline >\"$0\"",
                state.to_str().context("a path")?,
            ])
            .stderr(std::process::Stdio::null())
            .status()?;
        ensure!(done.success(), "{} does not go offline", state.display());
        Ok(())
    }

    fn online(&self) -> Done {
        machine::write(self.path.join("state"), "online_movable")
    }

    fn frames(&self) -> anyhow::Result<std::ops::Range<u64>> {
        let hex = |path: &Path| -> anyhow::Result<u64> {
            Ok(u64::from_str_radix(machine::read(path)?.trim(), 16)?)
        };
        let frames = hex(&Path::new(MEMORY).join("block_size_bytes"))? / PAGE as u64;
        let index = hex(&self.path.join("phys_index"))?;
        Ok(index * frames..(index + 1) * frames)
    }

    /// How many of the pages are in it, all of which are mapped.
    fn holds(&self, map: &Map, pages: usize) -> anyhow::Result<usize> {
        map.touch(pages);
        let block = self.frames()?;
        let frames = map.frames(pages)?;
        Ok(frames
            .iter()
            .flatten()
            .filter(|frame| block.contains(frame))
            .count())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let _ = self.offline_within(60);
        let _ = machine::write(self.path.join("state"), "online_kernel");
    }
}

fn unplugged(t: &mut Trace, fs: &Fs) -> Done {
    let Some(block) = Block::new()? else {
        skip_by_chance!("no block of memory can be unplugged: the kernel uses each");
    };
    for huge in ["never", "always"] {
        compact()?;
        let mount = fs.mount(&format!("size=32m,huge={huge}"))?;
        let d = mount.dir()?;
        let file = d.create("f")?;
        let pages = 4 * HUGE / PAGE;
        file.truncate((pages * PAGE) as u64)?;
        let map = Map::aligned(&file, pages * PAGE, HUGE)?;
        t.put("bind", map.bind(0, pages, BIND, 1 << block.node, 0).is_ok());
        let data = pattern(7, pages * PAGE);
        ensure!(file.pwrite(&data, 0)? == data.len(), "short write");
        let held = block.holds(&map, pages)?;
        ensure!(
            held > pages / 2,
            "only {held} pages of {pages} are in {}",
            block.path.display()
        );
        if block.offline().is_err() {
            ensure!(
                block.holds(&map, pages)? == 0,
                "a page of the file does not move"
            );
            skip_by_chance!("a page of the block of memory does not move, whose it may be");
        }
        ensure!(
            block.holds(&map, pages)? == 0,
            "a page is in memory that is not there"
        );
        look(t, &format!("{huge}, unplugged"), &mount, &file, &data)?;
        file.truncate((pages * PAGE / 2 + 5) as u64)?;
        look(
            t,
            &format!("{huge}, cut"),
            &mount,
            &file,
            &data[..pages * PAGE / 2 + 5],
        )?;
        drop((file, map));
        d.unlink("f")?;
        t.put(format!("{huge}: space"), d.space()?);

        block.online()?;
        let file = d.create("g")?;
        file.truncate((pages * PAGE) as u64)?;
        let map = Map::aligned(&file, pages * PAGE, HUGE)?;
        let mut is_gone = false;
        in_use(&file, &map, pages, Duration::from_millis(700), |_| {
            if is_gone {
                block.online()?;
                is_gone = false;
            } else {
                // While it is in use it may stay.
                is_gone = block.offline_within(5).is_ok();
            }
            Ok(())
        })?;
        map.touch(pages);
        t.put(format!("{huge}, in use: blocks"), file.blocks()?);
        t.put(format!("{huge}, in use: space"), d.space()?);
        if is_gone {
            block.online()?;
        }
        drop((file, map, d));
        mount.unmount()?;
    }
    Ok(())
}
