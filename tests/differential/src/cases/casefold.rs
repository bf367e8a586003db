//! Directories in which case does not matter: mount options, and what happens to names.

use crate::harness::fileattr::{flags, set_flags, APPEND, CASEFOLD, NOATIME, NODUMP};
use crate::harness::kmsg::Kmsg;
use crate::harness::prelude::*;

cases! {
    "" => without_an_encoding;
    "casefold" => flag_needs_an_empty_directory, flag_on_files, lookups, creates_collide, case_is_kept, renames,
        exchanges_and_whiteouts, links_and_symlinks, removals, unicode_names, invalid_names, names_that_ignore,
        across_directories, inheritance, inheritance_of_effects, long_names, repeated_lookups, unnamed_files, at_once;
    "casefold,strict_encoding" => strict_names, strict_lookups, strict_plain_directory;
    "casefold=utf8-12.1.0" => given_version;
    own => options, messages, remounts, shown, features, in_a_user_namespace;
}

fn fold(d: &Dir, name: &str) -> Res<Dir> {
    let sub = d.make(name)?;
    set_flags(&sub, CASEFOLD)?;
    Ok(sub)
}

fn without_an_encoding(t: &mut Trace, d: &Dir) -> Done {
    let sub = d.make("dir")?;
    let file = d.create("file")?;
    t.put("directory", (set_flags(&sub, CASEFOLD), flags(&sub)));
    t.put("file", (set_flags(&file, CASEFOLD), flags(&file)));
    t.put(
        "with others",
        (set_flags(&sub, CASEFOLD | NODUMP), flags(&sub)),
    );
    Ok(())
}

fn flag_needs_an_empty_directory(t: &mut Trace, d: &Dir) -> Done {
    let sub = d.make("dir")?;
    sub.create("f")?;
    t.put("with a name", set_flags(&sub, CASEFOLD));
    sub.unlink("f")?;
    t.effects("empty", d, &[".", "dir"], || set_flags(&sub, CASEFOLD))
        .ok();
    t.put("flags", flags(&sub));
    t.put("again", set_flags(&sub, CASEFOLD | NODUMP));
    sub.create("F")?;
    t.put(
        "others with a name",
        (set_flags(&sub, CASEFOLD | NOATIME), flags(&sub)),
    );
    t.put(
        "take it away with a name",
        (set_flags(&sub, NOATIME), flags(&sub)),
    );
    sub.unlink("f")?;
    t.put("take it away", (set_flags(&sub, NOATIME), flags(&sub)));
    sub.create("f")?;
    t.put(
        "exact again",
        (sub.read_only("F").map(drop), sub.read_only("f").map(drop)),
    );
    let root = (set_flags(d, CASEFOLD), flags(d));
    t.put("root with names", root);
    Ok(())
}

fn flag_on_files(t: &mut Trace, d: &Dir) -> Done {
    let file = d.create("file")?;
    t.put("file", (set_flags(&file, CASEFOLD), flags(&file)));
    let sub = fold(d, "dir")?;
    let file = sub.create("file")?;
    t.put("file in it", flags(&file));
    t.put("set the same", set_flags(&file, CASEFOLD));
    t.put("take it away", (set_flags(&file, 0), flags(&file)));
    t.put("give it back", (set_flags(&file, CASEFOLD), flags(&file)));
    d.fifo("fifo")?;
    let fifo = d.openat("fifo", OFlags::RDONLY | OFlags::NONBLOCK, 0)?;
    t.put("fifo", set_flags(&fifo, CASEFOLD));
    Ok(())
}

/// Which of the names are found, and whether as one file.
fn found(t: &mut Trace, label: &str, d: &Dir, names: &[&str]) {
    let mut first = None;
    for name in names {
        let ino = d.ino(name);
        let same = ino.map(|ino| ino == *first.get_or_insert(ino));
        t.put(format!("{label} {name:?}"), same);
    }
}

fn lookups(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    sub.file("ReadMe.TXT", b"text")?;
    found(
        t,
        "look up",
        &sub,
        &[
            "ReadMe.TXT",
            "readme.txt",
            "README.TXT",
            "rEADmE.txt",
            "readme.tx",
            "readme.txt ",
        ],
    );
    t.put("open", sub.contents("README.txt"));
    t.put("by path", d.contents("dir/readme.TXT"));
    t.put("outside", d.contents("DIR/readme.TXT"));
    t.put("names", sub.names());
    t.put("meta", sub.meta("readme.txt"));
    Ok(())
}

fn creates_collide(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    t.effects("create", d, &["dir", "dir/Name"], || {
        sub.create("Name").map(drop)
    })
    .ok();
    t.put("create another case", sub.create("NAME").map(drop));
    t.put(
        "open or create",
        sub.openat("name", OFlags::CREATE | OFlags::RDWR, 0o600)?
            .meta(),
    );
    t.put("mkdir", sub.mkdir("NAME"));
    t.put("fifo", sub.fifo("nAME"));
    t.put("symlink", sub.symlink("x", "namE"));
    t.put("link", sub.link("Name", "nAmE"));
    sub.mkdir("Other")?;
    t.put("create over a directory", sub.create("other").map(drop));
    t.put("names", sub.names());
    t.put("space", d.space()?);
    Ok(())
}

fn case_is_kept(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    for name in ["Alpha", "bETA", "gamma"] {
        sub.create(name)?;
        sub.ino(&name.to_uppercase())?;
    }
    t.put(
        "order",
        sub.list()?.into_iter().map(|e| e.name).collect::<Vec<_>>(),
    );
    sub.unlink("ALPHA")?;
    t.put("removed", sub.names());
    sub.create("alpha")?;
    t.put("made again", sub.names());
    let file = sub.read_only("ALPHA")?;
    let link = std::fs::read_link(file.path())?;
    t.put("path", link.iter().rev().take(2).collect::<Vec<_>>());
    Ok(())
}

fn renames(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    sub.file("one", b"1")?;
    sub.file("two", b"2")?;
    let names = |t: &mut Trace, label: &str| t.put(label, (sub.names(), d.meta("dir")));
    t.put("to another case", sub.rename("one", "ONE"));
    names(t, "to another case");
    t.put("from another case", sub.rename("ONE", "three"));
    names(t, "from another case");
    t.put("over another case", sub.rename("three", "TWO"));
    names(t, "over another case");
    t.put("contents", (sub.contents("two"), sub.contents("three")));
    t.put("old name", sub.ino("three").map(drop));
    t.put("to where it was", sub.rename("TWO", "one"));
    names(t, "to where it was");
    t.put(
        "no replace",
        sub.rename_flags("one", "ONE", RenameFlags::NOREPLACE),
    );
    t.put("missing", sub.rename("nothing", "NOTHING"));
    sub.mkdir("Sub")?;
    t.put("directory", sub.rename("SUB", "sub"));
    t.put("directory to another name", sub.rename("SUB", "Bus"));
    names(t, "directory");
    sub.create("bus/f")?;
    sub.mkdir("empty")?;
    t.put("over a directory with names", sub.rename("EMPTY", "BUS"));
    t.put("over an empty directory", sub.rename("BUS", "EMPTY"));
    names(t, "over an empty directory");
    t.put("into itself", sub.rename("empty", "EMPTY/x"));
    Ok(())
}

fn exchanges_and_whiteouts(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    sub.file("One", b"1")?;
    sub.file("Two", b"2")?;
    t.put(
        "exchange",
        sub.rename_flags("ONE", "two", RenameFlags::EXCHANGE),
    );
    t.put(
        "contents",
        (sub.contents("one"), sub.contents("TWO"), sub.names()),
    );
    t.put(
        "with itself",
        sub.rename_flags("one", "ONE", RenameFlags::EXCHANGE),
    );
    t.put(
        "whiteout",
        sub.rename_flags("ONE", "three", RenameFlags::WHITEOUT),
    );
    t.put("names", sub.names());
    t.put("the whiteout", sub.meta("oNE"));
    t.put("moved", sub.contents("THREE"));
    t.put(
        "whiteout over",
        sub.rename_flags("THREE", "TWO", RenameFlags::WHITEOUT),
    );
    t.put("names", sub.names());
    for name in sub.names()? {
        sub.unlink(name.to_uppercase())?;
    }
    t.put("all gone", (sub.names(), d.meta("dir"), d.space()));
    Ok(())
}

fn links_and_symlinks(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    sub.file("File", b"x")?;
    t.put("link", sub.link("FILE", "Hard"));
    t.put("link onto itself", sub.link("file", "FILE"));
    t.put("meta", sub.meta("HARD"));
    t.put("symlink", sub.symlink("fILE", "Soft"));
    t.put("through it", sub.contents("SOFT"));
    t.put("readlink", sub.readlink("sOFT"));
    t.put("link out", sub.link_to("HARD", d, "out"));
    d.file("plain", b"y")?;
    t.put("link in", d.link_to("plain", &sub, "Plain"));
    t.put("found", sub.contents("PLAIN"));
    t.put("names", (sub.names(), d.names()));
    Ok(())
}

fn removals(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    sub.create("File")?;
    sub.mkdir("Dir")?;
    t.put("rmdir of a file", sub.rmdir("FILE"));
    t.put("unlink of a directory", sub.unlink("DIR"));
    t.effects("unlink", d, &["dir"], || sub.unlink("fILE")).ok();
    found(t, "removed", &sub, &["File", "FILE", "file"]);
    t.effects("rmdir", d, &["dir"], || sub.rmdir("dir")).ok();
    for name in ["FILE", "file", "DIR"] {
        t.put(format!("create {name}"), sub.create(name).map(drop));
    }
    t.put("names", sub.names());
    let open = sub.file("gone", b"still there")?;
    sub.unlink("GONE")?;
    t.put("open file", open.all());
    sub.file("Gone", b"new")?;
    t.put("both", (open.all(), sub.contents("gone")));
    t.put("rmdir with names", d.rmdir("dir"));
    Ok(())
}

fn unicode_names(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    for (name, others) in [
        ("Ärger", ["ärger", "A\u{308}rger", "a\u{308}RGER"]),
        ("Straße", ["STRASSE", "strasse", "straSSe"]),
        ("ΣΙΓΜΑΣ", ["σιγμας", "σιγμασ", "Σιγμας"]),
        ("ﬁle", ["file", "FILE", "Fi\u{200d}le"]),
        ("\u{212b}", ["å", "Å", "a\u{30a}"]),
        ("İ", ["i\u{307}", "i", "ı"]),
        (
            "한글",
            [
                "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}",
                "한글",
                "한",
            ],
        ),
        ("Ж", ["ж", "Z", "Җ"]),
    ] {
        sub.create(name)?;
        found(t, name, &sub, &[name, others[0], others[1], others[2]]);
        let made: Vec<_> = others.iter().map(|o| sub.create(*o).map(drop)).collect();
        t.put(name, made);
        t.each(name, sub.names()?);
        for name in sub.names()? {
            sub.unlink(&name)?;
        }
    }
    Ok(())
}

/// Not UTF-8: two different ones, and one that differs in case.
const INVALID: [&[u8]; 4] = [b"caf\xe9", b"CAF\xe9", b"caf\xe8", b"\xff\xfe"];

fn invalid_names(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    for name in INVALID {
        t.put(
            format!("create {}", name.escape_ascii()),
            sub.create(name).map(drop),
        );
    }
    t.put("names", sub.names());
    for name in INVALID {
        t.put(
            format!("open {}", name.escape_ascii()),
            sub.read_only(name).map(drop),
        );
    }
    t.put("rename", sub.rename(INVALID[0], &b"x\xe9"[..]));
    t.put("mkdir", sub.mkdir(&b"D\xe9"[..]));
    t.put("symlink", sub.symlink("x", &b"L\xe9"[..]));
    t.put("link", sub.link(INVALID[1], &b"H\xe9"[..]));
    for name in INVALID {
        t.put(format!("unlink {}", name.escape_ascii()), sub.unlink(name));
    }
    t.put("names", sub.names());
    Ok(())
}

/// Code points that folding leaves out of a name.
fn names_that_ignore(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    for name in [
        "a\u{200b}b",
        "a\u{ad}b",
        "\u{200b}",
        "\u{feff}",
        ".\u{200b}",
        "\u{0}",
    ] {
        let made = match name {
            "\u{0}" => continue,
            name => sub.create(name).map(drop),
        };
        t.put(format!("{}", name.escape_unicode()), made);
    }
    found(t, "ab", &sub, &["ab", "AB", "a\u{ad}B"]);
    t.each("names", sub.names()?);
    Ok(())
}

fn across_directories(t: &mut Trace, d: &Dir) -> Done {
    let folded = fold(d, "folded")?;
    let plain = d.make("plain")?;
    plain.file("Name", b"1")?;
    plain.file("NAME", b"2")?;
    t.put("in", plain.rename_to("Name", &folded, "Name"));
    t.put("over", plain.rename_to("NAME", &folded, "name"));
    t.put(
        "contents",
        (folded.contents("nAME"), folded.names(), plain.names()),
    );
    t.put("out", folded.rename_to("NAME", &plain, "nAmE"));
    t.put("names", (folded.names(), plain.names()));
    t.put(
        "exact outside",
        (plain.ino("name").map(drop), plain.ino("nAmE").map(drop)),
    );
    plain.mkdir("Sub")?;
    t.put("directory in", plain.rename_to("Sub", &folded, "Sub"));
    t.put("its flags", flags(&folded.sub("SUB")?));
    folded.create("sub/X")?;
    t.put("exact inside", folded.create("sub/x").map(drop));
    let made = folded.make("made")?;
    made.create("X")?;
    t.put("directory out", folded.rename_to("MADE", &plain, "made"));
    t.put("its flags", flags(&plain.sub("made")?));
    t.put(
        "still folded",
        (
            plain.create("made/x").map(drop),
            plain.ino("MADE").map(drop),
        ),
    );
    Ok(())
}

fn inheritance(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    sub.mkdir("inner")?;
    sub.create("file")?;
    sub.fifo("fifo")?;
    let inner = sub.sub("INNER")?;
    t.put("directory", flags(&inner));
    t.put("file", flags(sub.read_only("FILE")?));
    inner.create("Name")?;
    t.put("inside", inner.create("NAME").map(drop));
    t.put("by path", d.ino("dir/INNER/name").map(drop));
    set_flags(&sub, CASEFOLD | NODUMP | APPEND)?;
    sub.mkdir("third")?;
    t.put("with others", flags(sub.sub("third")?));
    set_flags(&sub, CASEFOLD)?;
    Ok(())
}

/// A regular file in a directory that folds case and hands on noatime.
fn inheritance_of_effects(t: &mut Trace, d: &Dir) -> Done {
    let sub = d.make("dir")?;
    set_flags(&sub, CASEFOLD | NOATIME)?;
    sub.file("f", b"text")?;
    sub.mkdir("inner")?;
    t.put(
        "flags",
        (flags(sub.read_only("f")?), flags(sub.sub("inner")?)),
    );
    t.effects("write", &sub, &["f"], || sub.read_write("f")?.write(b"x"))
        .ok();
    t.effects("read", &sub, &["f"], || sub.contents("f")).ok();
    t.effects("create", &sub, &["inner"], || {
        sub.create("inner/x").map(drop)
    })
    .ok();
    t.effects("list", &sub, &["inner"], || sub.sub("inner")?.names())
        .ok();
    Ok(())
}

fn long_names(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    for len in [31, 32, 33, 39, 40, 41, 254, 255, 256] {
        let (lower, upper) = ("n".repeat(len), "N".repeat(len));
        t.put(format!("create {len}"), sub.create(&*lower).map(drop));
        t.put(format!("again {len}"), sub.create(&*upper).map(drop));
        t.put(format!("rename {len}"), sub.rename(&*upper, "short"));
        t.put(format!("back {len}"), sub.rename("SHORT", &*upper));
        t.put(format!("unlink {len}"), sub.unlink(&*lower));
    }
    t.put("names", sub.names());
    Ok(())
}

/// A name that is not there must not answer for a spelling that is made later.
fn repeated_lookups(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    found(t, "before", &sub, &["name", "NAME", "Name"]);
    sub.create("nAME")?;
    found(t, "made", &sub, &["name", "NAME", "Name"]);
    sub.unlink("Name")?;
    found(t, "removed", &sub, &["name", "NAME", "Name"]);
    d.create("moved")?;
    d.rename_to("moved", &sub, "NamE")?;
    found(t, "moved in", &sub, &["name", "NAME", "Name"]);
    t.put("names", sub.names());
    sub.rename("name", "other")?;
    found(t, "renamed", &sub, &["name", "OTHER"]);
    sub.create("NAME")?;
    t.put("names", sub.names());
    Ok(())
}

fn unnamed_files(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    let file = sub.tmpfile()?;
    t.put("flags", flags(&file));
    sub.create("Taken")?;
    t.put("name that is taken", sub.link_fd(&file, "TAKEN"));
    t.put("name", sub.link_fd(&file, "Free"));
    found(t, "found", &sub, &["Free", "FREE"]);
    Ok(())
}

/// Tasks make, find and remove spellings of one name: never are there two of them.
fn at_once(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    let spellings = ["name", "NAME", "Name", "nAME"];
    let twice = std::thread::scope(|scope| -> Res<bool> {
        for spelling in spellings {
            let sub = &sub;
            scope.spawn(move || {
                for i in 0..150 {
                    let _ = sub.create(spelling);
                    let _ = sub.rename(spelling, if i % 2 == 0 { "other" } else { "OTHER" });
                    let _ = sub.ino(spelling);
                    let _ = sub.unlink(if i % 3 == 0 { "OTHER" } else { spelling });
                }
            });
        }
        let mut twice = false;
        for _ in 0..50 {
            let list = d.sub("dir")?.names()?;
            let names = list
                .iter()
                .filter(|n| n.eq_ignore_ascii_case("name"))
                .count();
            twice |= names > 1;
        }
        Ok(twice)
    });
    t.put("two at a time", twice?);
    for name in sub.names()? {
        sub.unlink(name)?;
    }
    t.put("left", (sub.names(), d.meta("dir"), d.space()));
    Ok(())
}

fn strict_names(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    sub.create("good")?;
    for name in INVALID {
        let label = format!("{}", name.escape_ascii());
        t.put(format!("create {label}"), sub.create(name).map(drop));
        t.put(format!("mkdir {label}"), sub.mkdir(name));
        t.put(format!("symlink {label}"), sub.symlink("x", name));
        t.put(
            format!("node {label}"),
            sub.mknod(name, FileType::Fifo, 0o600, (0, 0)),
        );
        t.put(format!("link {label}"), sub.link("good", name));
        t.put(format!("rename {label}"), sub.rename("good", name));
        t.put(format!("unlink {label}"), sub.unlink(name));
    }
    // Assigned only after Unicode 12.1.
    for name in ["\u{1fae0}", "x\u{1f6dd}", "\u{fffe}", "\u{10ffff}"] {
        t.put(
            format!("create {}", name.escape_unicode()),
            sub.create(name).map(drop),
        );
    }
    t.put("names", sub.names());
    Ok(())
}

fn strict_lookups(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    sub.create("Name")?;
    found(t, "valid", &sub, &["name", "NAME", "nothing"]);
    for name in INVALID {
        t.put(
            format!("open {}", name.escape_ascii()),
            sub.read_only(name).map(drop),
        );
    }
    d.create(INVALID[0])?;
    let moved = rustix::fs::renameat(d, INVALID[0], &sub, INVALID[0]).map_err(Errno::from);
    t.put("move in", moved);
    t.put("names", sub.names());
    Ok(())
}

fn strict_plain_directory(t: &mut Trace, d: &Dir) -> Done {
    for name in INVALID {
        t.put(
            format!("create {}", name.escape_ascii()),
            d.create(name).map(drop),
        );
        t.put(format!("mkdir {}", name.escape_ascii()), d.mkdir(name));
    }
    t.put("names", d.names());
    Ok(())
}

fn given_version(t: &mut Trace, d: &Dir) -> Done {
    let sub = fold(d, "dir")?;
    sub.create("Ä")?;
    found(t, "found", &sub, &["Ä", "ä"]);
    Ok(())
}

const OPTIONS: &[&str] = &[
    "casefold",
    "casefold=",
    "casefold=utf8-12.1.0",
    "casefold=utf8-12.0.0",
    "casefold=utf8-11.0.0",
    "casefold=utf8-0.0.0",
    "casefold=utf8-99.0.0",
    "casefold=utf8-256.0.0",
    "casefold=utf8-12.1",
    "casefold=utf8-12.1.0.0",
    "casefold=utf8-12.1.0x",
    "casefold=utf8-",
    "casefold=utf8",
    "casefold=utf16-1.0.0",
    "casefold=UTF8-12.1.0",
    "casefold=12.1.0",
    "casefold=ascii",
    "nocasefold",
    "strict_encoding",
    "strict_encoding=1",
    "casefold,strict_encoding",
    "strict_encoding,casefold",
    "casefold,casefold",
    "casefold,casefold=utf8-12.1.0",
    "casefold=utf8-12.1.0,strict_encoding,strict_encoding",
];

fn options(t: &mut Trace, fs: &Fs) -> Done {
    for option in OPTIONS {
        match fs.mount(option) {
            Ok(mount) => {
                t.text(option, mount.options());
                mount.unmount()?;
            }
            Err(e) => t.put(option, e),
        }
        let context = fs.context()?;
        for part in option.split(',') {
            t.put(format!("fsconfig {option}: {part}"), context.option(part));
        }
        t.put(format!("fsconfig {option}: create"), context.create());
        t.put(format!("fsconfig {option}: log"), context.log());
    }
    Ok(())
}

fn messages(t: &mut Trace, fs: &Fs) -> Done {
    let Ok(mut log) = Kmsg::start() else {
        skip!("/dev/kmsg cannot be read")
    };
    for option in OPTIONS {
        t.put(option, fs.mount(option).map(drop));
        t.each(format!("{option}: log"), log.of(&fs.kind));
    }
    Ok(())
}

fn remounts(t: &mut Trace, fs: &Fs) -> Done {
    let Ok(mut log) = Kmsg::start() else {
        skip!("/dev/kmsg cannot be read")
    };
    for first in ["", "casefold"] {
        let mount = fs.mount(first)?;
        let d = mount.dir()?;
        log.of(&fs.kind);
        for option in [
            "casefold",
            "casefold=utf8-12.1.0",
            "strict_encoding",
            "casefold=x",
            "casefold,strict_encoding",
        ] {
            t.put(format!("{first}, then {option}"), mount.remount(option));
            t.put("log", log.of(&fs.kind));
            t.text("shown", mount.options());
            let sub = d.make("dir")?;
            t.put("flag", set_flags(&sub, CASEFOLD));
            t.put("invalid name", sub.create(&b"\xff"[..]).map(drop));
            for name in [&b"\xff"[..], b"dir"] {
                sub.unlink(name).ok();
            }
            drop(sub);
            d.rmdir("dir")?;
        }
        let context = mount.pick()?;
        t.put(
            "reconfigure",
            (
                context.option("casefold"),
                context.reconfigure(),
                context.log(),
            ),
        );
        drop((d, context));
        mount.unmount()?;
    }
    Ok(())
}

fn shown(t: &mut Trace, fs: &Fs) -> Done {
    for option in ["casefold", "casefold,strict_encoding,size=1m"] {
        let mount = fs.mount(option)?;
        t.text(option, mount.options());
        t.text(option, mount.mountinfo());
        mount.unmount()?;
    }
    Ok(())
}

fn features(t: &mut Trace, fs: &Fs) -> Done {
    use std::os::unix::fs::MetadataExt;
    let base = std::path::PathBuf::from("/sys/fs").join(&fs.kind);
    for path in ["", "features", "features/casefold"] {
        let path = base.join(path);
        let meta = std::fs::metadata(&path)?;
        t.text("path", path.display());
        t.text(
            "mode",
            format!("{:o} {}:{}", meta.mode(), meta.uid(), meta.gid()),
        );
        if meta.is_dir() {
            let mut names: Vec<_> = std::fs::read_dir(&path)?
                .map(|e| e.map(|e| e.file_name()))
                .collect::<Result<_, _>>()?;
            names.sort();
            // What rtmpfs has beside tmpfs: switches and figures, and a folder for each of its mounts.
            const BESIDE: [&str; 5] = ["inodes", "mounts", "resident", "shared_memory", "swapped"];
            names.retain(|name| {
                let name = name.to_string_lossy();
                !BESIDE.contains(&&*name) && !name.contains(':')
            });
            t.put("names", names);
        } else {
            t.put("text", std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

fn in_a_user_namespace(t: &mut Trace, fs: &Fs) -> Done {
    let point = fs.point("m");
    let end = crate::harness::process::in_user_namespace("0 0 4294967295", || {
        for option in ["casefold", "casefold,strict_encoding"] {
            let mounted = fs.mount(option);
            t.put(option, mounted.as_ref().map(drop));
            if let Ok(mount) = mounted {
                t.text("shown", mount.options());
                let d = mount.dir().expect("a directory");
                t.put("flag", fold(&d, "dir").map(drop));
                t.put(
                    "names",
                    (
                        d.create("dir/Name").map(drop),
                        d.create("dir/NAME").map(drop),
                    ),
                );
            }
        }
    });
    t.put("end", end);
    t.put("point", point.exists());
    Ok(())
}
