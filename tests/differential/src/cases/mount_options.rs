//! Options at mount time: values, defaults, what is shown, what is refused and with which words.

use nix::mount::MsFlags;

use crate::harness::kmsg::Kmsg;
use crate::harness::prelude::*;

cases! {
    own => defaults, sizes, sizes_that_overflow, block_counts, inode_counts, modes, owners, inode_number_widths, unknown,
        noswap, commas_of_mount, other_kinds_of_values, combined, generic_flags, messages_of_mount, context_states, defaults_of_another_user,
        shown_in_mountinfo, many_mounts, sources;
}

/// Tries an option by mount(2) and by fsconfig(2) and records all that can be seen of it.
pub(super) fn attempt(t: &mut Trace, fs: &Fs, option: &str) -> Done {
    match fs.mount(option) {
        Ok(mount) => {
            describe(t, &format!("mount {option}"), &mount)?;
            mount.unmount()?;
        }
        Err(e) => t.put(format!("mount {option}"), e),
    }
    let context = fs.context()?;
    t.put(format!("fsconfig {option}"), context.option(option));
    t.put(format!("fsconfig {option}: create"), context.create());
    t.put(format!("fsconfig {option}: log"), context.log());
    if let Ok(fd) = context.mount() {
        let mount = fs.attach("m", fd)?;
        t.text(format!("fsconfig {option}: shown"), mount.options());
        mount.unmount()?;
    }
    Ok(())
}

fn describe(t: &mut Trace, label: &str, mount: &Mount) -> Done {
    let dir = mount.dir()?;
    t.text(format!("{label}: shown"), mount.options());
    t.put(format!("{label}: space"), dir.space()?);
    t.put(format!("{label}: root"), dir.meta(".")?);
    Ok(())
}

pub(super) fn attempts(t: &mut Trace, fs: &Fs, options: &[&str]) -> Done {
    options.iter().try_for_each(|option| attempt(t, fs, option))
}

fn defaults(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    describe(t, "defaults", &mount)?;
    let (pages, total) = (
        mount.dir()?.space()?.blocks,
        rustix::system::sysinfo().totalram,
    );
    t.put("half of RAM", pages == total / PAGE as u64 / 2);
    mount.unmount()?;
    Ok(())
}

fn sizes(t: &mut Trace, fs: &Fs) -> Done {
    attempts(
        t,
        fs,
        &[
            "size=0",
            "size=1",
            "size=4095",
            "size=4096",
            "size=4097",
            "size=1000000",
            "size=1k",
            "size=5K",
            "size=1m",
            "size=3M",
            "size=1g",
            "size=1G",
            "size=2t",
            "size=1p",
            "size=1e",
            "size=7E",
            "size=0x2000",
            "size=010000",
            "size=0%",
            "size=1%",
            "size=10%",
            "size=33%",
            "size=50%",
            "size=100%",
            "size=150%",
            "size=1k%",
        ],
    )?;
    attempts(
        t,
        fs,
        &[
            "size",
            "size=",
            "size=k",
            "size=%",
            "size=x",
            "size=-1",
            "size=-4096",
            "size=1kk",
            "size=1kb",
            "size=1 k",
            "size= 1",
            "size=10%%",
            "size=10%k",
            "size=1.5m",
            "size=0x",
            "size=9223372036854775807",
        ],
    )
}

fn sizes_that_overflow(t: &mut Trace, fs: &Fs) -> Done {
    for size in [
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
        "16e",
        "64E",
    ] {
        let shown = fs
            .mount(&format!("size={size}"))
            .map(|mount| mount.options());
        t.text(size, format!("{shown:?}"));
    }
    Ok(())
}

fn block_counts(t: &mut Trace, fs: &Fs) -> Done {
    attempts(
        t,
        fs,
        &[
            "nr_blocks=0",
            "nr_blocks=1",
            "nr_blocks=100",
            "nr_blocks=4k",
            "nr_blocks=1M",
            "nr_blocks=0x10",
            "nr_blocks=9223372036854775807",
            "nr_blocks=9223372036854775808",
            "nr_blocks=18446744073709551615",
            "nr_blocks=-1",
            "nr_blocks=10%",
            "nr_blocks=x",
            "nr_blocks=",
            "nr_blocks",
            "nr_blocks=k",
            "nr_blocks=1z",
            "nr_blocks=8e",
            "nr_blocks=7e",
        ],
    )
}

fn inode_counts(t: &mut Trace, fs: &Fs) -> Done {
    attempts(
        t,
        fs,
        &[
            "nr_inodes=0",
            "nr_inodes=1",
            "nr_inodes=2",
            "nr_inodes=100",
            "nr_inodes=2k",
            "nr_inodes=1M",
            "nr_inodes=0x10",
            "nr_inodes=9007199254740991",
            "nr_inodes=18014398509481983",
            "nr_inodes=18014398509481984",
            "nr_inodes=36028797018963967",
            "nr_inodes=36028797018963968",
            "nr_inodes=18446744073709551615",
            "nr_inodes=-1",
            "nr_inodes=10%",
            "nr_inodes=x",
            "nr_inodes=",
            "nr_inodes",
            "nr_inodes=k",
            "nr_inodes=1z",
        ],
    )
}

fn modes(t: &mut Trace, fs: &Fs) -> Done {
    attempts(
        t,
        fs,
        &[
            "mode=0",
            "mode=1",
            "mode=755",
            "mode=0755",
            "mode=1777",
            "mode=01777",
            "mode=7777",
            "mode=17777",
            "mode=100755",
            "mode=37777777777",
            "mode=40000000000",
            "mode=8",
            "mode=0x1ff",
            "mode=rwx",
            "mode=",
            "mode",
            "mode=-1",
            "mode=755 ",
        ],
    )
}

fn owners(t: &mut Trace, fs: &Fs) -> Done {
    for key in ["uid", "gid"] {
        for value in [
            "=0",
            "=1",
            "=1000",
            "=65534",
            "=4294967294",
            "=4294967295",
            "=4294967296",
            "=-1",
            "=root",
            "=0x10",
            "=010",
            "=",
            "",
            "=1k",
        ] {
            attempt(t, fs, &format!("{key}{value}"))?;
        }
    }
    Ok(())
}

fn inode_number_widths(t: &mut Trace, fs: &Fs) -> Done {
    attempts(
        t,
        fs,
        &[
            "inode32",
            "inode64",
            "inode32=1",
            "inode64=",
            "inode16",
            "noinode64",
            "inode32,inode64",
            "inode64,inode32",
        ],
    )
}

fn unknown(t: &mut Trace, fs: &Fs) -> Done {
    attempts(
        t,
        fs,
        &[
            "foo", "foo=bar", "SIZE=1m", "sizes=1m", "siz=1m", "=1", "=", "size1m", "nosize",
            "xyz=%s%n",
        ],
    )
}

fn noswap(t: &mut Trace, fs: &Fs) -> Done {
    attempts(
        t,
        fs,
        &["noswap", "noswap=1", "swap", "size=1m,noswap,inode32"],
    )?;
    for options in ["", "noswap"] {
        let mount = fs.mount(options)?;
        for change in ["noswap", "size=1m", "noswap,size=2m"] {
            let context = mount.pick()?;
            for option in change.split(',') {
                t.put(format!("{options}: set {option}"), context.option(option));
            }
            t.put("reconfigure", context.reconfigure());
            t.put("log", context.log());
            t.text("shown", mount.options());
        }
        mount.unmount()?;
    }
    Ok(())
}

/// A comma before a digit belongs to a value, as in a list of nodes; others end an option. The words of the
/// kernel show what it took for one.
fn commas_of_mount(t: &mut Trace, fs: &Fs) -> Done {
    let Ok(mut log) = Kmsg::start() else {
        skip!("/dev/kmsg cannot be read")
    };
    let lists = [
        "size=1m,5",
        "size=1m,5,nr_inodes=7",
        "nr_inodes=7,size=1m,5k",
        "size=1m, 5",
        "size=1m,:5",
        "size=1m,-1",
        "size=1m,,5",
        "size=1m,,,nr_inodes=7,",
        "5",
        ",5",
        "5,size=1m",
        "inode64,1",
        "inode64,1=2",
        "mode=7,7,7",
        "uid=1,2,gid=3",
        "foo=1,2,size=x",
        "foo=0,1-2,4:x,size=1m",
        "foo=bind:0,1,2,bar=3",
        "=1,2,size=2m",
        "size=2m,=1,2,nr_inodes=9",
        "\u{661},size=1m",
        "size=1m,\u{661}",
    ];
    for options in lists {
        match fs.mount(options) {
            Ok(mount) => {
                t.text(options, mount.options());
                mount.unmount()?;
            }
            Err(e) => t.put(options, e),
        }
        t.put("log", log.of(&fs.kind));
    }
    let mount = fs.mount("size=3m")?;
    for options in lists {
        t.put(format!("remount {options}"), mount.remount(options));
        t.put("log", log.of(&fs.kind));
        t.text("shown", mount.options());
    }
    mount.unmount()?;
    // One option is one option there.
    attempt(t, fs, "size=1m,5")?;
    attempt(t, fs, "nr_inodes=9,mode=700")
}

/// Options are words or strings, and nothing else that fsconfig(2) can bring.
fn other_kinds_of_values(t: &mut Trace, fs: &Fs) -> Done {
    use rustix::mount as api;
    for key in ["size", "mode", "uid", "inode64", "noswap", "quota", "foo"] {
        let context = fs.context()?;
        let fd = &context;
        let cwd = rustix::fs::CWD;
        t.put(
            format!("{key}: bytes"),
            api::fsconfig_set_binary(fd, key, b"1").map_err(Errno::from),
        );
        t.put(
            format!("{key}: path"),
            api::fsconfig_set_path(fd, key, "/", cwd).map_err(Errno::from),
        );
        t.put(
            format!("{key}: no path"),
            api::fsconfig_set_path_empty(fd, key, fd).map_err(Errno::from),
        );
        t.put(
            format!("{key}: descriptor"),
            api::fsconfig_set_fd(fd, key, fd).map_err(Errno::from),
        );
        t.put(format!("{key}: word"), context.flag(key));
        t.put(format!("{key}: log"), context.log());
        t.put(format!("{key}: create"), context.create());
    }
    Ok(())
}

fn combined(t: &mut Trace, fs: &Fs) -> Done {
    for options in [
        "size=1m,nr_inodes=10,mode=700,uid=5,gid=6",
        "gid=6,uid=5,mode=700,nr_inodes=10,size=1m",
        "size=1m,size=2m",
        "size=1m,nr_blocks=3",
        "nr_blocks=3,size=1m",
        ",size=1m",
        "size=1m,",
        "size=1m,,nr_inodes=7",
        ",",
        "size=1m,foo,nr_inodes=7",
        "size=1m nr_inodes=7",
        "size=1m,5",
        "nr_inodes=0,size=0",
        "mode=0,uid=1,gid=1",
    ] {
        match fs.mount(options) {
            Ok(mount) => {
                describe(t, options, &mount)?;
                mount.unmount()?;
            }
            Err(e) => t.put(options, e),
        }
    }
    Ok(())
}

fn generic_flags(t: &mut Trace, fs: &Fs) -> Done {
    for (name, flags) in [
        ("rdonly", MsFlags::MS_RDONLY),
        (
            "nosuid,nodev,noexec",
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        ),
        ("noatime", MsFlags::MS_NOATIME),
        ("relatime", MsFlags::MS_RELATIME),
        (
            "sync,dirsync",
            MsFlags::MS_SYNCHRONOUS | MsFlags::MS_DIRSYNC,
        ),
        ("lazytime", MsFlags::MS_LAZYTIME),
        ("i_version", MsFlags::MS_I_VERSION),
        ("posixacl", MsFlags::MS_POSIXACL),
    ] {
        let mount = fs.mount_at("m", "size=1m", flags)?;
        t.text(name, mount.options());
        let dir = mount.dir()?;
        t.put(format!("{name}: create"), dir.create("f").map(drop));
        t.put(format!("{name}: mkdir"), dir.mkdir("d"));
        t.put(
            format!("{name}: node"),
            dir.mknod("n", FileType::CharacterDevice, 0o600, (1, 3)),
        );
        t.put(
            format!("{name}: open of the node"),
            dir.read_only("n").map(drop),
        );
        drop(dir);
        mount.unmount()?;
    }
    Ok(())
}

/// mount(2) has no context to read, so the words go to the kernel log.
fn messages_of_mount(t: &mut Trace, fs: &Fs) -> Done {
    let Ok(mut log) = Kmsg::start() else {
        skip!("/dev/kmsg cannot be read")
    };
    for options in [
        "size=x",
        "nr_blocks=x",
        "nr_inodes=x",
        "mode=9",
        "uid=x",
        "gid=-1",
        "foo",
        "foo=1",
        "inode32=1",
        "size",
    ] {
        t.put(options, fs.mount(options).map(drop));
        t.put(format!("{options}: log"), log.of(&fs.kind));
    }
    let mount = fs.mount("size=1m")?;
    mount.dir()?.file("f", &pattern(1, 2 * PAGE))?;
    for options in ["size=4k", "nr_inodes=1", "size=x", "bar"] {
        t.put(format!("remount {options}"), mount.remount(options));
        t.put(format!("remount {options}: log"), log.of(&fs.kind));
    }
    mount.unmount()?;
    Ok(())
}

fn context_states(t: &mut Trace, fs: &Fs) -> Done {
    let context = fs.context()?;
    t.put("mount before create", context.mount().map(drop));
    t.put("reconfigure before create", context.reconfigure());
    t.put("good option", context.set("size", "1m"));
    t.put("bad value", context.set("size", "y"));
    t.put("bad value again", context.set("nr_inodes", "y"));
    t.put("flag with a value", context.set("inode64", "y"));
    t.put("value without", context.flag("mode"));
    t.put("generic flag", context.flag("ro"));
    t.put("source", context.set("source", "somewhere"));
    t.put("source again", context.set("source", "elsewhere"));
    t.put("log", context.log());
    t.put("create", context.create());
    t.put("create again", context.create());
    t.put("option after create", context.set("size", "2m"));
    let mount = fs.attach("m", context.mount()?)?;
    t.put("mount again", context.mount().map(drop));
    t.text("shown", mount.options());
    mount.unmount()?;

    // A context that is given up must take its options with it.
    let context = fs.context()?;
    context.set("size", "1m")?;
    drop(context);
    let context = fs.context()?;
    context.create()?;
    drop(context);
    Ok(())
}

fn defaults_of_another_user(t: &mut Trace, fs: &Fs) -> Done {
    // The owner of the root is who makes the context, by fsuid and fsgid.
    // SAFETY: only the credentials of this thread change.
    unsafe {
        libc::setfsuid(1234);
        libc::setfsgid(2345);
    }
    let context = fs.context()?;
    // SAFETY: as above.
    unsafe {
        libc::setfsuid(0);
        libc::setfsgid(0);
    }
    context.create()?;
    let mount = fs.attach("m", context.mount()?)?;
    describe(t, "made by 1234:2345", &mount)?;
    mount.unmount()?;
    Ok(())
}

fn shown_in_mountinfo(t: &mut Trace, fs: &Fs) -> Done {
    for options in [
        "",
        "size=1m,nr_inodes=10,mode=711,uid=5,gid=6,inode64",
        "inode32",
        "nr_blocks=77",
    ] {
        let mount = fs.mount(options)?;
        t.text(format!("mounts {options}"), mount.options());
        t.text(format!("mountinfo {options}"), mount.mountinfo());
        mount.unmount()?;
    }
    Ok(())
}

const MOUNTS: usize = 20;

/// Instances are apart from each other and numbered by the kernel one by one.
fn many_mounts(t: &mut Trace, fs: &Fs) -> Done {
    let mut mounts = Vec::new();
    for i in 0..MOUNTS {
        let mount = fs.mount_at(
            &format!("m{i}"),
            &format!("nr_blocks={}", i + 1),
            MsFlags::empty(),
        )?;
        mount.dir()?.file("own", &[i as u8])?;
        mounts.push(mount);
    }
    let mut devices = std::collections::BTreeSet::new();
    for (i, mount) in mounts.iter().enumerate() {
        let dir = mount.dir()?;
        t.put(format!("{i}: space"), dir.space()?);
        t.put(format!("{i}: names"), dir.names()?);
        t.put(format!("{i}: contents"), dir.contents("own")?);
        devices.insert(rustix::fs::fstat(&dir).map(|s| s.st_dev).context("fstat")?);
    }
    t.put("devices", devices.len());
    mounts.into_iter().try_for_each(Mount::unmount)?;
    Ok(())
}

fn sources(t: &mut Trace, fs: &Fs) -> Done {
    let path = fs.point("m");
    for source in [
        None,
        Some(""),
        Some("none"),
        Some("a name"),
        Some("/no/such/device"),
    ] {
        let done = nix::mount::mount(
            source,
            &path,
            Some(fs.kind.as_str()),
            MsFlags::empty(),
            None::<&str>,
        );
        t.put(format!("source {source:?}"), done);
        let text = std::fs::read_to_string("/proc/mounts")?;
        let shown = text
            .lines()
            .rev()
            .find(|l| l.split(' ').nth(1) == path.to_str());
        let first = shown.and_then(|l| l.split(' ').next()).map(str::to_owned);
        t.put(format!("source {source:?}: shown"), first);
        if done.is_ok() {
            nix::mount::umount(&path)?;
        }
    }
    Ok(())
}
