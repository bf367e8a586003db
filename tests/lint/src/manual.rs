// SPDX-License-Identifier: GPL-2.0

//! The manual (man/) has what the source has: each mount option with its default, its remount rule and its
//! refusals; the words by which options are refused; the parameters of the module; the files in sysfs. Its version
//! and the module's are that of CHANGELOG.md.

use crate::finding::Finding;
use crate::tree::File;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// From the top of the checkout.
const MOUNTS: &str = "man/rtmpfs.5";
const MACHINE: &str = "man/rtmpfs.8";
const CHANGES: &str = "CHANGELOG.md";

/// The line of a page that has the version.
const FOOT: &str = ".Os \"rtmpfs ";

const TABLE: &str = "src/tmpfs/control/options.rs";
const NAMES: &str = "src/tmpfs/control/name_options.rs";
const MODULE: &str = "src/lib.rs";

/// Where files in sysfs are named, and by which functions.
const FLOORS: [&str; 2] = ["src/shmem/", "src/tmpfs/"];
const MAKERS: [&str; 3] = ["ControlFile", "Feature", "Figure"];
const SYSFS: &str = "/sys/fs/rtmpfs/";

/// What is said of each option.
const FACTS: [&str; 3] = ["Default", "Remount", "Refused"];

/// How the kernel's own parser refuses options.
const OF_THE_KERNEL: [&str; 4] = [
    "Invalid gid '{}'",
    "Invalid uid '{}'",
    "Unexpected value for '{}'",
    "Unknown parameter '{}'",
];

/// Words with the number of the line that has them.
type Lines = BTreeMap<String, usize>;

/// An item of a list that is in no other one, and the heads of the items of the lists in it.
struct Item {
    line: usize,
    name: String,
    heads: BTreeSet<String>,
}

/// The items of a section whose heads begin with a macro.
fn items(page: &str, section: &str, macro_name: &str) -> Vec<Item> {
    let mut found: Vec<Item> = Vec::new();
    let (mut inside, mut depth) = (false, 0);
    for (at, line) in page.lines().enumerate() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            ".Sh" => inside = rest == section,
            ".Bl" => depth += 1,
            ".El" => depth -= 1,
            ".It" if inside && depth == 1 => {
                if let Some(head) = rest.strip_prefix(macro_name) {
                    found.push(Item {
                        line: at + 1,
                        name: head.trim().to_owned(),
                        heads: BTreeSet::new(),
                    });
                }
            }
            ".It" if inside => {
                if let Some(item) = found.last_mut() {
                    item.heads.insert(rest.to_owned());
                }
            }
            _ => {}
        }
    }
    found
}

/// The first word of a head, which is the name of an option or a parameter.
fn first(items: &[Item]) -> Lines {
    let name = |item: &Item| item.name.split(' ').next().unwrap_or_default().to_owned();
    items.iter().map(|item| (name(item), item.line)).collect()
}

/// The words that a page quotes in a line of their own.
fn words(page: &str) -> Lines {
    let quoted = |line: &str| {
        let words = line.strip_prefix(".Ql \"")?.strip_suffix('"')?;
        Some(words.replace("\\&", ""))
    };
    let lines = page.lines().enumerate();
    lines
        .filter_map(|(at, line)| Some((quoted(line)?, at + 1)))
        .collect()
}

/// All literals but those in attributes, which comments are, and what is said when all is well.
fn literals(tokens: TokenStream, found: &mut Vec<String>) {
    let mut skip = false;
    for token in tokens {
        match token {
            TokenTree::Punct(mark) => {
                skip = mark.as_char() == '#' || (skip && mark.as_char() == '!');
            }
            TokenTree::Ident(word) => skip = word == "pr_info",
            TokenTree::Group(group) => {
                if !skip {
                    literals(group.stream(), found);
                }
                skip = false;
            }
            TokenTree::Literal(literal) => found.push(literal.to_string()),
        }
    }
}

/// The C strings among literals.
fn c_string(literal: &str) -> Option<&str> {
    literal.strip_prefix("c\"")?.strip_suffix('"')
}

/// A sentence among literals, without the end of its line.
fn sentence(literal: &str) -> Option<&str> {
    let text = literal.strip_prefix('"')?.strip_suffix('"')?;
    (text.contains(' ') && !text.starts_with(',')).then(|| text.trim_end_matches("\\n"))
}

/// Whether `text` is `pattern`, in which anything may stand for what is in braces.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    let mut parts = pattern.split('{');
    let Some(tail) = rest.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    rest = tail;
    for part in parts {
        let (_, part) = part.split_once('}').unwrap_or((part, ""));
        if part.is_empty() {
            return !rest.is_empty();
        }
        let Some(at) = rest.find(part).filter(|at| *at > 0) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// The parameters that the declaration of a module names: `params: { NAME: TYPE { ... }, ... }`.
fn parameters(tokens: TokenStream, found: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_word = |token: &TokenTree| matches!(token, TokenTree::Ident(_));
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else {
            continue;
        };
        let head = at.checked_sub(2).map(|at| tokens[at].to_string());
        if head.as_deref() != Some("params") {
            parameters(group.stream(), found);
            continue;
        }
        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
        for four in inner.windows(4) {
            let is_body =
                matches!(&four[3], TokenTree::Group(body) if body.delimiter() == Delimiter::Brace);
            if is_word(&four[0]) && four[1].to_string() == ":" && is_word(&four[2]) && is_body {
                found.insert(four[0].to_string());
            }
        }
    }
}

/// The names that go to the functions that make files in sysfs.
fn files_of(tokens: TokenStream, found: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else {
            continue;
        };
        let maker = at.checked_sub(4).map(|at| tokens[at].to_string());
        if maker.is_some_and(|maker| MAKERS.contains(&maker.as_str())) {
            let mut inner = Vec::new();
            literals(group.stream(), &mut inner);
            found.extend(
                inner
                    .iter()
                    .filter_map(|text| c_string(text))
                    .map(str::to_owned),
            );
        }
        files_of(group.stream(), found);
    }
}

/// What a page has too little and too much.
fn differ(
    page: &str,
    what: &str,
    has: &Lines,
    wanted: &BTreeSet<String>,
    found: &mut Vec<Finding>,
) {
    let mut report = |line, text| {
        found.push(Finding {
            path: page.to_owned(),
            line,
            text,
        });
    };
    for name in wanted.iter().filter(|name| !has.contains_key(*name)) {
        report(1, format!("{what} {name} is missing"));
    }
    for (name, line) in has.iter().filter(|(name, _)| !wanted.contains(*name)) {
        report(*line, format!("there is no {what} {name}"));
    }
}

fn check_pages(files: &[File], mounts: &str, machine: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let (mut names, mut sentences) = (BTreeSet::new(), BTreeSet::new());
    let (mut of_module, mut in_sysfs) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        let Ok(tokens) = file.source.parse::<TokenStream>() else {
            continue;
        };
        if [TABLE, NAMES].contains(&file.path.as_str()) {
            let mut all = Vec::new();
            literals(tokens.clone(), &mut all);
            if file.path == TABLE {
                names.extend(
                    all.iter()
                        .filter_map(|text| c_string(text))
                        .map(str::to_owned),
                );
            }
            sentences.extend(
                all.iter()
                    .filter_map(|text| sentence(text))
                    .map(str::to_owned),
            );
        }
        if file.path == MODULE {
            parameters(tokens.clone(), &mut of_module);
        }
        if FLOORS.iter().any(|floor| file.path.starts_with(floor)) {
            files_of(tokens, &mut in_sysfs);
        }
    }

    let options = items(mounts, "MOUNT OPTIONS", "Cm ");
    differ(MOUNTS, "option", &first(&options), &names, &mut found);
    let mut report = |path: &str, line, text| {
        found.push(Finding {
            path: path.to_owned(),
            line,
            text,
        });
    };
    for option in &options {
        for fact in FACTS.iter().filter(|fact| !option.heads.contains(**fact)) {
            report(
                MOUNTS,
                option.line,
                format!("{} has no {fact}", option.name),
            );
        }
    }
    let said = words(mounts);
    for pattern in &sentences {
        if !said.keys().any(|text| is_like(text, pattern)) {
            report(MOUNTS, 1, format!("the words '{pattern}' are missing"));
        }
    }
    for (text, line) in &said {
        let mut known = sentences.iter().map(String::as_str).chain(OF_THE_KERNEL);
        if !known.any(|pattern| is_like(text, pattern)) {
            report(MOUNTS, *line, format!("nothing says '{text}'"));
        }
    }

    let listed = items(machine, "MODULE PARAMETERS", "Cm ");
    differ(
        MACHINE,
        "parameter",
        &first(&listed),
        &of_module,
        &mut found,
    );

    let paths = items(mounts, "FILES", "Pa ");
    let in_manual = paths.iter().filter_map(|item| {
        let path = item.name.strip_prefix(SYSFS)?;
        // Not a folder, whose name is made up.
        let name = path.rsplit('/').next().filter(|_| !path.contains(' '))?;
        Some((name.to_owned(), item.line))
    });
    differ(MOUNTS, "file", &in_manual.collect(), &in_sysfs, &mut found);
    found
}

/// The version of the newest heading, as scripts/deb/names.sh reads it.
fn newest(changes: &str) -> Option<&str> {
    changes.lines().find_map(|line| {
        let version = line.strip_prefix("## ")?.split(' ').next()?;
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
        version.split('.').all(is_number).then_some(version)
    })
}

/// What is wrong with the version that a file says in the line that begins with `key`.
fn check_version(path: &str, text: &str, key: &str, changes: &str) -> Option<Finding> {
    let Some(version) = newest(changes) else {
        return Some(Finding {
            path: CHANGES.to_owned(),
            line: 1,
            text: "there is no line '## VERSION'".to_owned(),
        });
    };
    let wanted = format!("{key}{version}\"");
    let said = text
        .lines()
        .enumerate()
        .find(|(_, line)| line.trim_start().starts_with(key));
    let is_there = said.is_some_and(|(_, line)| line.trim().trim_end_matches(',') == wanted);
    (!is_there).then(|| Finding {
        path: path.to_owned(),
        line: said.map_or(1, |(at, _)| at + 1),
        text: format!("the version is not that of {CHANGES}: {wanted}"),
    })
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let mut missing = Vec::new();
    let mut read = |path: &str| {
        fs::read_to_string(path).unwrap_or_else(|e| {
            missing.push(Finding {
                path: path.to_owned(),
                line: 1,
                text: e.to_string(),
            });
            String::new()
        })
    };
    let (mounts, machine, changes) = (read(MOUNTS), read(MACHINE), read(CHANGES));
    let module = read(MODULE);
    if !missing.is_empty() {
        return missing;
    }
    let mut found = check_pages(files, &mounts, &machine);
    found.extend(check_version(MOUNTS, &mounts, FOOT, &changes));
    found.extend(check_version(MACHINE, &machine, FOOT, &changes));
    found.extend(check_version(MODULE, &module, "version: \"", &changes));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &str = "/// Not this one.\nstatic OPTIONS: &[O] = &[O::new(c\"size\", K, |o| Err(\"Too small\")), hard!(c\"many\", \
                           \"Too many.\")];\nfn f(cx: &C) { cx.invalid(fmt!(\"Bad value for '{}'\", o)); seq_print!(seq, \", x={y}\"); }\n";
    const OTHERS: &str =
        "fn f() { pr_info!(\"All is well\\n\"); pr_err!(\"Too {strict} here\\n\"); }\n";
    const LIB: &str = "m! { name: \"x\", params: { on: bool { default: true, description: \"On or off\" }, }, }\n";
    const FIGURES: &str = "const F: &[F<S>] = &[Figure::new(c\"inodes\", |_| 1)];\n";
    const MOUNTS_PAGE: &str = ".Sh MOUNT OPTIONS\n.Bl -tag\n.It Cm size Ns = Ns Ar x\n.Bl -tag\n.It Cm nested\n.It Default\n.It Remount\n\
                               .It Refused\n.Ql \"Bad value for 'size'\"\n.Ql \"Too small\"\n.El\n.It Cm many\n.Bl -tag\n.It Default\n\
                               .It Remount\n.It Refused\n.Ql \"Too many\\&.\"\n.Ql \"Too much here\"\n.Ql \"Unknown parameter 'x'\"\n.El\n.El\n\
                               .Sh FILES\n.Bl -tag\n.It Pa /sys/fs/rtmpfs/ Ns Ar x Ns Pa /\n.It Pa /sys/fs/rtmpfs/inodes\n.El\n";
    const MACHINE_PAGE: &str = ".Sh MODULE PARAMETERS\n.Bl -tag\n.It Cm on Ns = Ns Ar bool\n.El\n";

    fn texts(mounts: &str, machine: &str) -> Vec<String> {
        let files = [
            File::new(TABLE, OPTIONS).unwrap(),
            File::new(NAMES, OTHERS).unwrap(),
            File::new(MODULE, LIB).unwrap(),
            File::new("src/tmpfs/control/file_system.rs", FIGURES).unwrap(),
        ];
        let found = check_pages(&files, mounts, machine);
        found.iter().map(|finding| finding.text.clone()).collect()
    }

    #[test]
    fn all_is_there() {
        assert!(texts(MOUNTS_PAGE, MACHINE_PAGE).is_empty());
    }

    #[test]
    fn too_little() {
        assert_eq!(
            texts("", ""),
            [
                "option many is missing",
                "option size is missing",
                "the words 'Bad value for '{}'' are missing",
                "the words 'Too many.' are missing",
                "the words 'Too small' are missing",
                "the words 'Too {strict} here' are missing",
                "parameter on is missing",
                "file inodes is missing",
            ]
        );
    }

    #[test]
    fn too_much() {
        let mounts = MOUNTS_PAGE
            .replace(".It Cm many\n", ".It Cm many\n.It Cm more\n")
            .replace("Too small\"", "Too small\"\n.Ql \"Too large\"")
            .replace("inodes\n", "inodes\n.It Pa /sys/fs/rtmpfs/a/b\n");
        let machine = MACHINE_PAGE.replace(".It Cm on", ".It Cm off\n.It Cm on");
        assert_eq!(
            texts(&mounts, &machine),
            [
                "there is no option more",
                "many has no Default",
                "many has no Remount",
                "many has no Refused",
                "nothing says 'Too large'",
                "there is no parameter off",
                "there is no file b",
            ]
        );
    }

    #[test]
    fn versions() {
        let text =
            |page, changes| check_version(MOUNTS, page, FOOT, changes).map(|found| found.text);
        let changes = "# Changes\n\n## Soon\n## 0.2.0 (not yet)\n\n## 0.1.0\n";
        assert_eq!(text(".Dd X\n.Os \"rtmpfs 0.2.0\"\n", changes), None);
        for page in [".Dd X\n.Os\n", ".Dd X\n.Os \"rtmpfs 0.1.0\"\n", ".Dd X\n"] {
            assert!(text(page, changes)
                .unwrap()
                .ends_with(".Os \"rtmpfs 0.2.0\""));
        }
        assert!(text(".Os \"rtmpfs 0.2.0\"\n", "# Changes\n").is_some());
        let module = "m! {\n    version: \"0.2.0\",\n}\n";
        assert!(check_version(MODULE, module, "version: \"", changes).is_none());
        let stale = check_version(MODULE, module, "version: \"", "## 0.3.0\n").unwrap();
        assert_eq!((stale.line, stale.text.contains("0.3.0")), (2, true));
    }

    #[test]
    fn patterns() {
        assert!(is_like("a", "a"));
        assert!(is_like("a b c", "a {} c"));
        assert!(is_like("version: 1.2", "version: {version}"));
        assert!(!is_like("version: ", "version: {version}"));
        assert!(!is_like("a b c d", "a {} c"));
        assert!(!is_like("a", "a {}"));
        assert!(!is_like("ab", "a"));
    }
}
