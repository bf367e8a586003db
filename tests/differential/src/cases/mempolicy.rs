//! Memory policies: of the mount, of ranges of a file, of the task, and the nodes where pages are.

use rustix::fs::FallocateFlags;
use stage::group::Group;

use crate::harness::kmsg::Kmsg;
use crate::harness::numa::{self, Nodes, BIND, DEFAULT, INTERLEAVE, LOCAL, PREFERRED};
use crate::harness::prelude::*;
use crate::harness::process::on_one_processor;

cases! {
    own => options, remounts, in_a_user_namespace, files_of_a_mount, files_that_interleave, policy_of_the_task,
        files_keep_theirs, within_a_cpuset, ranges_interleave, moved_pages;
    "" => ranges, refused, shared_by_all, gone_with_the_file, in_numa_maps,
        not_for_private_copies;
}

const PAGES: usize = 8;

/// A mount with options whose values may have commas.
fn mount(fs: &Fs, options: &[&str]) -> Res<Mount> {
    let context = fs.context()?;
    for option in options {
        context.option(option)?;
    }
    context.create()?;
    fs.attach("m", context.mount()?)
}

pub fn two_nodes() -> Done {
    if numa::nodes_with_memory() < 2 {
        skip!("the machine has one node");
    }
    Ok(())
}

const OPTIONS: &[&str] = &[
    "default",
    "default:0",
    "default=static",
    "prefer",
    "prefer:0",
    "prefer:1",
    "prefer:0-1",
    "prefer:0,1",
    "prefer:",
    "prefer=static:1",
    "prefer=relative:0",
    "prefer=static",
    "bind",
    "bind:",
    "bind:0",
    "bind:1",
    "bind:0-1",
    "bind:0,1",
    "bind:7",
    "bind:0-7",
    "bind:x",
    "bind=static:0",
    "bind=relative:0-1",
    "bind=static:1",
    "bind=other:0",
    "bind=:0",
    "interleave",
    "interleave:0",
    "interleave:0-1",
    "interleave=static:0-1",
    "interleave=relative:0,1",
    "interleave=static",
    "local",
    "local:0",
    "local=static",
    "weighted interleave",
    "weighted interleave:0-1",
    "prefer (many):0-1",
    "prefer (many)",
    "Bind:0",
    "bind:0=static",
    "bind:0 ",
    "",
    "nonsense",
];

fn options(t: &mut Trace, fs: &Fs) -> Done {
    for value in OPTIONS {
        let context = fs.context()?;
        t.put(format!("mpol={value}"), context.set("mpol", value));
        t.put(format!("mpol={value}: create"), context.create());
        t.put(format!("mpol={value}: log"), context.log());
        if let Ok(fd) = context.mount() {
            let mount = fs.attach("m", fd)?;
            t.text(format!("mpol={value}: shown"), mount.options());
        }
    }
    let context = fs.context()?;
    t.put("flag", context.flag("mpol"));
    t.put("first", context.set("mpol", "bind:0"));
    t.put("second", context.set("mpol", "nonsense"));
    t.put("create", context.create());
    t.text("shown", fs.attach("m", context.mount()?)?.options());
    for options in [
        "mpol=bind:0",
        "mpol=interleave,size=1m",
        "mpol=local,noswap",
        "mpol=x",
        "mpol",
    ] {
        let mut log = Kmsg::start()?;
        let mount = fs.mount(options);
        let shown = mount.map(|mount| mount.options());
        t.text(format!("mount {options}"), format!("{shown:?}"));
        for line in log.of(&fs.kind) {
            t.text(format!("mount {options}: log"), line);
        }
    }
    Ok(())
}

fn remounts(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("size=1m")?;
    for value in [
        "mpol=bind:0",
        "size=2m",
        "mpol=default",
        "mpol=nonsense",
        "mpol=interleave:0",
        "mpol=prefer:0,size=3m",
        "mpol=local",
        "mpol=prefer=static:0",
    ] {
        t.put(value, mount.remount(value));
        t.text(format!("{value}: shown"), mount.options());
    }
    mount.dir()?.file("f", &[1; 4 * PAGE])?;
    let context = mount.pick()?;
    t.put("policy", context.set("mpol", "bind:0"));
    t.put("and a size that is too small", context.set("size", "4k"));
    t.put("reconfigure", context.reconfigure());
    t.put("log", context.log());
    t.text("shown", mount.options());
    Ok(())
}

fn in_a_user_namespace(t: &mut Trace, fs: &Fs) -> Done {
    let end = crate::harness::process::in_user_namespace("0 100000 65536\n", || {
        let shown = fs.mount("mpol=bind:0").map(|mount| mount.options());
        t.text("mount", format!("{shown:?}"));
    });
    t.put("end", end);
    Ok(())
}

/// Where the pages of a file are that were made in each of the ways there are.
fn made(t: &mut Trace, label: &str, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((3 * PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, 3 * PAGES * PAGE, 0)?;
    file.pwrite(&pattern(1, PAGES * PAGE), 0)?;
    let len = (PAGES * PAGE) as u64;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), len, len)?;
    (2 * PAGES..3 * PAGES).for_each(|page| map.set(page * PAGE, 1));
    let nodes = map.nodes_touched(3 * PAGES)?;
    for (way, nodes) in ["written", "preallocated", "mapped"]
        .iter()
        .zip(nodes.chunks(PAGES))
    {
        t.put(format!("{label}: {way}"), nodes);
    }
    t.put(format!("{label}: policy"), map.policy(0));
    drop((file, map));
    d.unlink("f")?;
    Ok(())
}

fn files_of_a_mount(t: &mut Trace, fs: &Fs) -> Done {
    two_nodes()?;
    for value in [
        "mpol=default",
        "mpol=bind:0",
        "mpol=bind:1",
        "mpol=prefer:1",
        "mpol=bind=static:1",
        "mpol=bind=relative:1",
        "mpol=local",
    ] {
        let mount = mount(fs, &[value])?;
        made(t, value, &mount.dir()?)?;
        mount.unmount()?;
    }
    Ok(())
}

/// Which node is first depends on the inode, the nodes of the pages alternate.
fn files_that_interleave(t: &mut Trace, fs: &Fs) -> Done {
    two_nodes()?;
    on_one_processor()?;
    for value in [
        "mpol=interleave",
        "mpol=interleave:0,1",
        "mpol=interleave=static:0-1",
    ] {
        let mount = mount(fs, &[value])?;
        let d = mount.dir()?;
        for round in 0..3 {
            let label = format!("{value}: file {round}, number {}", {
                let file = d.create("other")?;
                drop(file);
                d.ino("other")?
            });
            made(t, &label, &d)?;
            d.unlink("other")?;
        }
        drop(d);
        mount.unmount()?;
    }
    Ok(())
}

fn policy_of_the_task(t: &mut Trace, fs: &Fs) -> Done {
    two_nodes()?;
    for value in ["mpol=default", "mpol=bind:0"] {
        let mount = mount(fs, &[value])?;
        let d = mount.dir()?;
        for (mode, nodes) in [(BIND, 2), (PREFERRED, 2), (LOCAL, 0), (BIND, 1)] {
            t.put("policy", numa::set_task(mode, nodes));
            let made = made(t, &format!("{value}, task {mode} {nodes}"), &d);
            t.put("default", numa::set_task(DEFAULT, 0));
            made?;
        }
        drop(d);
        mount.unmount()?;
    }
    Ok(())
}

/// A remount is for files that are made later.
fn files_keep_theirs(t: &mut Trace, fs: &Fs) -> Done {
    two_nodes()?;
    let mount = mount(fs, &["mpol=bind:1"])?;
    let d = mount.dir()?;
    let file = d.create("old")?;
    t.put("remount", mount.remount("mpol=bind:0"));
    file.pwrite(&pattern(1, PAGES * PAGE), 0)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    t.put("old", map.nodes_touched(PAGES)?);
    made(t, "new", &d)?;
    t.put("remount without", mount.remount("size=10m"));
    made(t, "still", &d)?;
    Ok(())
}

/// The nodes of the mount are those that the maker of the file may use.
fn within_a_cpuset(t: &mut Trace, fs: &Fs) -> Done {
    two_nodes()?;
    let group = Group::enter(&[])?;
    let bind = mount(fs, &["mpol=bind:1"])?;
    group.set("cpuset.mems", "0")?;
    made(t, "bind to another node", &bind.dir()?)?;
    bind.unmount()?;
    let relative = mount(fs, &["mpol=bind=relative:1"])?;
    made(t, "relative", &relative.dir()?)?;
    relative.unmount()?;
    let both = mount(fs, &["mpol=interleave:0-1"])?;
    made(t, "one of them", &both.dir()?)?;
    both.unmount()?;
    group.set("cpuset.mems", "")?;
    group.remove()
}

fn ranges(t: &mut Trace, d: &Dir) -> Done {
    two_nodes()?;
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    t.put("second half", map.bind(PAGES / 2, PAGES / 2, BIND, 2, 0));
    t.put("first page", map.bind(0, 1, PREFERRED, 2, 0));
    t.put(
        "policies",
        (0..PAGES).map(|at| map.policy(at)).collect::<Vec<_>>(),
    );
    file.pwrite(&pattern(1, PAGES * PAGE), 0)?;
    t.put("written", map.nodes_touched(PAGES)?);
    file.truncate(0)?;
    file.truncate((PAGES * PAGE) as u64)?;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, (PAGES * PAGE) as u64)?;
    t.put("preallocated", map.nodes_touched(PAGES)?);
    file.truncate(0)?;
    file.truncate((PAGES * PAGE) as u64)?;
    t.put("mapped", map.nodes_touched(PAGES)?);
    t.put("in the middle", map.bind(PAGES / 2 + 1, 2, DEFAULT, 0, 0));
    t.put(
        "policies",
        (0..PAGES).map(|at| map.policy(at)).collect::<Vec<_>>(),
    );
    file.truncate(0)?;
    file.pwrite(&pattern(1, PAGES * PAGE), 0)?;
    t.put("written again", map.nodes_touched(PAGES)?);
    let shifted = Map::shared(&file, 4 * PAGE, 3 * PAGE as u64)?;
    t.put(
        "policies",
        (0..4).map(|at| shifted.policy(at)).collect::<Vec<_>>(),
    );
    Ok(())
}

fn ranges_interleave(t: &mut Trace, fs: &Fs) -> Done {
    two_nodes()?;
    on_one_processor()?;
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let file = d.create("f")?;
    let map = Map::shared(&file, 2 * PAGES * PAGE, 0)?;
    t.put("interleave", map.bind(3, PAGES, INTERLEAVE, 3, 0));
    t.put("policy", map.policy(4));
    file.pwrite(&pattern(1, 2 * PAGES * PAGE), 0)?;
    t.put("written", map.nodes_touched(2 * PAGES)?);
    file.truncate(0)?;
    file.truncate((2 * PAGES * PAGE) as u64)?;
    t.put("mapped", map.nodes_touched(2 * PAGES)?);
    drop((d, file, map));
    mount.unmount()?;
    Ok(())
}

fn refused(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    for (label, mode, nodes, flags) in [
        ("no node", BIND, 0, 0),
        ("a node that is not there", BIND, 1 << 7, 0),
        ("unknown mode", 77, 1, 0),
        (
            "both flags",
            BIND | numa::STATIC_NODES | numa::RELATIVE_NODES,
            1,
            0,
        ),
        ("unknown flag", BIND, 1, 1 << 10),
        ("local with a node", LOCAL, 1, 0),
        ("default with a node", DEFAULT, 1, 0),
        ("preferred without", PREFERRED, 0, 0),
        ("static", BIND | numa::STATIC_NODES, 1, 0),
        ("relative", BIND | numa::RELATIVE_NODES, 1, 0),
    ] {
        t.put(label, map.bind(0, PAGES, mode, nodes, flags));
        t.put(format!("{label}: policy"), map.policy(0));
    }
    Ok(())
}

/// The policy is the file's: another mapping, another descriptor, another process.
fn shared_by_all(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    let early = Map::shared(&file, PAGES * PAGE, 0)?;
    t.put("bind", map.bind(2, 3, BIND, 1, 0));
    let policies = |map: &Map| (0..PAGES).map(|at| map.policy(at)).collect::<Vec<_>>();
    t.put("of a mapping of before", policies(&early));
    let again = d.read_write("f")?;
    t.put(
        "of another descriptor",
        policies(&Map::shared(&again, PAGES * PAGE, 0)?),
    );
    t.put(
        "read-only",
        policies(&Map::read_only(&again, PAGES * PAGE, 0)?),
    );
    t.put("private", policies(&Map::private(&again, PAGES * PAGE, 0)?));
    t.forked("of a child", |t| t.put("policies", policies(&map)));
    t.forked("a child sets it", |t| {
        t.put("bind", map.bind(0, PAGES, PREFERRED, 1, 0));
    });
    t.put("seen by the parent", policies(&map));
    drop((map, early));
    t.put(
        "without a mapping",
        policies(&Map::shared(&file, PAGES * PAGE, 0)?),
    );
    Ok(())
}

fn moved_pages(t: &mut Trace, fs: &Fs) -> Done {
    two_nodes()?;
    on_one_processor()?;
    // The MM moves whole folios.
    let mount = fs.mount("huge=never")?;
    let d = mount.dir()?;
    let file = d.file("f", &pattern(1, PAGES * PAGE))?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    t.put("before", map.nodes_touched(PAGES)?);
    t.put("strict", map.bind(0, 4, BIND, 2, numa::STRICT));
    t.put("move", map.bind(0, 4, BIND, 2, numa::MOVE));
    t.put("moved", map.nodes(PAGES)?);
    t.put("strict now", map.bind(0, 4, BIND, 2, numa::STRICT));
    t.put("interleave", map.bind(0, PAGES, INTERLEAVE, 3, numa::MOVE));
    t.put("interleaved", map.nodes_touched(PAGES)?);
    t.put("file", file.all()?);
    t.put("blocks", file.blocks()?);
    drop((d, file, map));
    mount.unmount()?;
    Ok(())
}

fn gone_with_the_file(t: &mut Trace, d: &Dir) -> Done {
    for round in 0..3 {
        let file = d.create("f")?;
        file.truncate((PAGES * PAGE) as u64)?;
        let map = Map::shared(&file, PAGES * PAGE, 0)?;
        t.put(format!("{round}: new"), map.policy(0));
        for page in 0..PAGES {
            map.bind(page, 1, if page % 2 == 0 { BIND } else { PREFERRED }, 1, 0)?;
        }
        t.put(format!("{round}: set"), (map.policy(0), map.policy(1)));
        d.unlink("f")?;
    }
    Ok(())
}

fn in_numa_maps(t: &mut Trace, d: &Dir) -> Done {
    let file = d.file("f", &pattern(1, PAGES * PAGE))?;
    let map = Map::shared(&file, PAGES * PAGE, 0)?;
    map.bind(2, 2, BIND, 1, 0)?;
    t.put("touched", map.nodes_touched(PAGES)?);
    let text = std::fs::read_to_string("/proc/self/numa_maps")?;
    let start = map.start() as usize;
    for page in 0..PAGES {
        let address = format!("{:x} ", start + page * PAGE);
        if let Some(line) = text.lines().find_map(|line| line.strip_prefix(&address)) {
            let words = line.split(' ').filter(|word| !word.starts_with("file="));
            t.text(format!("page {page}"), words.collect::<Vec<_>>().join(" "));
        }
    }
    Ok(())
}

/// A private copy is where the policy of the mapping says, and the file's page where the file's does.
fn not_for_private_copies(t: &mut Trace, d: &Dir) -> Done {
    two_nodes()?;
    let file = d.create("f")?;
    file.truncate((PAGES * PAGE) as u64)?;
    let shared = Map::shared(&file, PAGES * PAGE, 0)?;
    let private = Map::private(&file, PAGES * PAGE, 0)?;
    t.put("of the file", shared.bind(0, PAGES, BIND, 2, 0));
    t.put("of the mapping", private.bind(0, 4, BIND, 1, 0));
    t.put("of the file still", shared.policy(0));
    (0..PAGES).for_each(|page| private.set(page * PAGE, 1));
    t.put("copies", private.nodes(PAGES)?);
    t.put("file", shared.nodes_touched(PAGES)?);
    Ok(())
}
