//! Sequences of calls, each made from its number.

mod contents;
mod control;
mod memory;
mod names;
mod shared;
mod values;

use differential::calls::{Call, FDS, MAPS};
use differential::harness::sys::PAGE;

use values::Rng;

/// Calls on a mount with these options.
#[derive(Clone, Debug)]
pub struct Sequence {
    pub options: String,
    pub calls: Vec<Call>,
}

/// How many calls a sequence has.
const LENGTH: usize = 150;

/// All is compared once in so many calls.
const CHECK_EVERY: usize = 40;

/// One in so many of the calls that can is made while an allocation fails.
const FAULT_EVERY: usize = 6;

/// The most allocations before the one that fails, which is mostly one of the first: on the way to a name and for what
/// it is of, and for contents.
const BEFORE_NAMES: u32 = 10;
const BEFORE_CONTENTS: u32 = 3;
/// A page that goes to swap takes some allocations and a request to the device.
const BEFORE_SWAP: u32 = 60;

/// What the mount and the calls before allow.
struct Maker {
    rng: Rng,
    /// There is swap to be switched on and off.
    swap: bool,
    /// Which descriptors and mappings calls before may have made, a bit each.
    opened: usize,
    mapped: usize,
    /// No later page of a file is at the start of the place of a mapping.
    first_page: [usize; MAPS],
    /// Which descriptors may be of memfd_create(2), and which segments there may be.
    memfds: usize,
    segments: usize,
    /// A hard limit by option: ids that are set to have none are a known difference.
    hard: bool,
    /// How much memory there is for what is not compared, and so nothing is left out.
    roughly: bool,
    /// It is, and folios have the size that fits. Pinned pages, what faults behind the first folios of a file make, and what
    /// is left of a write whose source cannot be read are known differences.
    fits: bool,
    /// Mappings say that they are used at random, so that a write maps its page only. Without that, which pages are
    /// mapped and dirty is a known difference: where that is compared none is given back, and nothing is done to mapped
    /// pages.
    at_random: bool,
    /// Files are opened through mappings of them. A segment must not be locked then: the kernel gives back locked memory
    /// by the size that a segment has at that time, on both sides.
    opens_mapped: bool,
    /// Where the last write at a position has ended: others go on there.
    written_to: i64,
}

type Make = fn(&mut Maker) -> Call;

/// The kinds of calls. Each sequence has its own mix of them, often without some.
const KINDS: &[Make] = &[
    Maker::descriptors,
    Maker::contents,
    Maker::contents,
    Maker::space,
    Maker::space,
    Maker::copies,
    Maker::names,
    Maker::names,
    Maker::listing,
    Maker::attributes,
    Maker::xattrs,
    Maker::maps,
    Maker::maps,
    Maker::touches,
    Maker::advice,
    Maker::locks,
    Maker::control,
    Maker::memory,
];

/// Those of sequences with files without a mount, besides.
const SHARED_KINDS: &[Make] = &[
    Maker::without_mount,
    Maker::without_mount,
    Maker::segments,
    Maker::seals,
    Maker::children,
];

/// The sequence of this number: the same one, whenever it is asked for. With `faults` allocations fail in some of its
/// calls, which are the same without.
pub fn sequence(seed: u64, number: u64, faults: bool) -> Sequence {
    let source = fastrand::Rng::with_seed(
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03),
    );
    let of_faults = source.clone();
    let mut sequence = plain(source);
    if faults {
        sequence.calls = with_faults(of_faults, sequence.calls);
    }
    sequence
}

/// Lets some calls be made while an allocation fails.
fn with_faults(mut source: fastrand::Rng, calls: Vec<Call>) -> Vec<Call> {
    let mut all = Vec::new();
    for call in calls {
        if (call.is_all_or_nothing() || call.only_moves()) && source.usize(..FAULT_EVERY) == 0 {
            let most = match call {
                _ if call.only_moves() => BEFORE_SWAP,
                Call::Pwritev { .. } | Call::Fallocate { .. } | Call::Ftruncate { .. } => {
                    BEFORE_CONTENTS
                }
                _ => BEFORE_NAMES,
            };
            let most = source.u32(..=most);
            all.push(Call::Fault {
                after: source.u32(..=most),
            });
        }
        all.push(call);
    }
    all
}

fn plain(source: fastrand::Rng) -> Sequence {
    let mut rng = Rng {
        source,
        limited: true,
        large: false,
    };
    let roughly = rng.one_in(2);
    let options = options(&mut rng, roughly);
    let has = |wanted: &str| options.split(',').any(|option| option == wanted);
    rng.limited = !has("size=0");
    rng.large = options.contains("huge=") && !has("huge=never");
    // Nothing limits files without a mount.
    let shared = rng.one_in(2);
    rng.limited &= !shared;
    let huge = shared && rng.one_in(4);
    rng.large |= huge;
    let swap = rng.one_in(3);
    let (at_random, opens_mapped) = (rng.one_in(2), rng.one_in(2));
    let mut maker = Maker {
        rng,
        swap,
        opened: 0b111,
        mapped: 1,
        first_page: [0; MAPS],
        memfds: 0,
        segments: 0,
        hard: options.contains("hardlimit"),
        roughly,
        fits: !roughly && !options.contains("huge="),
        at_random,
        opens_mapped,
        written_to: 0,
    };
    let kinds: Vec<Make> = match shared {
        true => [KINDS, SHARED_KINDS].concat(),
        false => KINDS.to_vec(),
    };
    let weights: Vec<usize> = kinds
        .iter()
        .map(|_| {
            if maker.rng.one_in(3) {
                0
            } else {
                1 + maker.rng.below(8)
            }
        })
        .collect();
    let mut calls = maker.beginning();
    if huge {
        let value = maker.rng.of(&["always", "within_size", "advise"]);
        calls.push(Call::HugeShared { value });
    }
    if options.contains("casefold") {
        calls.push(Call::Mkdir {
            path: "d2",
            mode: 0o777,
        });
        calls.push(Call::Open {
            fd: 5,
            path: "d2",
            flags: libc::O_DIRECTORY,
            mode: 0,
        });
        calls.push(Call::SetFlags {
            fd: 5,
            flags: differential::harness::fileattr::CASEFOLD,
        });
    }
    let total: usize = weights.iter().sum();
    while calls.len() < LENGTH {
        if maker.rng.one_in(CHECK_EVERY) {
            calls.push(Call::Check);
        }
        if total == 0 {
            calls.push(maker.contents());
            continue;
        }
        let mut at = maker.rng.below(total);
        let kind = weights.iter().position(|&weight| {
            let here = at < weight;
            at = at.wrapping_sub(weight);
            here
        });
        let make = kinds[kind.expect("at is below their sum")];
        let call = make(&mut maker);
        maker.note(&call);
        calls.extend(maker.said_at_random(call));
        calls.extend(maker.let_go(call));
    }
    Sequence { options, calls }
}

fn options(rng: &mut Rng, roughly: bool) -> String {
    let size = rng.early(&[
        "size=4m",
        "size=1m",
        "size=16m",
        "size=8m",
        "nr_blocks=77",
        "size=64k",
        "size=32m",
        "size=0",
    ]);
    let mut all = vec![size];
    let mut some = |one_in: usize, values: &[&'static str]| {
        if rng.one_in(one_in) {
            all.push(rng.of(values));
        }
    };
    some(
        3,
        &[
            "nr_inodes=20",
            "nr_inodes=200",
            "nr_inodes=5",
            "nr_inodes=0",
        ],
    );
    some(
        2,
        &[
            "huge=always",
            "huge=within_size",
            "huge=advise",
            "huge=never",
        ],
    );
    some(3, &["quota", "usrquota", "grpquota"]);
    some(
        6,
        &[
            "usrquota_block_hardlimit=1m",
            "usrquota_inode_hardlimit=10",
            "grpquota_block_hardlimit=300k",
            "grpquota_inode_hardlimit=7",
        ],
    );
    some(8, &["noswap"]);
    some(4, &["inode32", "inode64"]);
    some(
        5,
        &[
            "casefold",
            "casefold=utf8-12.1.0",
            "casefold,strict_encoding",
        ],
    );
    some(
        5,
        &[
            "mpol=bind:0",
            "mpol=interleave:0",
            "mpol=prefer:0",
            "mpol=local",
            "mpol=prefer=static:0",
            "mpol=default",
        ],
    );
    some(5, &["mode=755", "mode=1777", "mode=0"]);
    some(8, &["uid=1000", "uid=1000,gid=1001"]);
    let is_large = |option: &&str| option.starts_with("huge=") && *option != "huge=never";
    if all.iter().any(is_large) && !roughly {
        // Which folios are made where there is no room for the largest is a known difference.
        all[0] = "size=0";
        all.retain(|option| !option.contains("block_hardlimit"));
    }
    all.join(",")
}

impl Sequence {
    /// Whether a call may lack room: at a place that depends on how much memory there is for what, where that is not
    /// compared.
    pub fn may_lack_room(&self) -> bool {
        let limits = |call: &Call| matches!(call, Call::Remount { .. } | Call::QuotaSet { .. });
        !self.options.contains("size=0")
            || self.options.contains("block_hardlimit")
            || self.calls.iter().any(limits)
    }
}

impl Maker {
    /// Files, a directory and a mapping to begin with.
    fn beginning(&mut self) -> Vec<Call> {
        let mut calls = match self.roughly {
            true => vec![Call::Roughly],
            false => Vec::new(),
        };
        calls.extend([
            Call::Mkdir {
                path: "d1",
                mode: 0o777,
            },
            Call::Open {
                fd: 0,
                path: "a",
                flags: libc::O_CREAT | libc::O_RDWR,
                mode: 0o666,
            },
            Call::Open {
                fd: 1,
                path: "d1/a",
                flags: libc::O_CREAT | libc::O_RDWR,
                mode: 0o666,
            },
            Call::Open {
                fd: 2,
                path: ".",
                flags: 0,
                mode: 0,
            },
        ]);
        if self.swap {
            calls.push(Call::SwapOn);
        }
        if self.rng.one_in(2) {
            calls.push(Call::Ftruncate {
                fd: 0,
                len: self.rng.span().max(1),
            });
            let len = self.map_length();
            let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
            calls.extend(self.said_at_random(Call::Map {
                map: 0,
                fd: 0,
                at: 0,
                len,
                prot,
                flags,
            }));
        }
        calls
    }

    /// A descriptor, mostly one that there may be.
    fn fd(&mut self) -> usize {
        let fd = self.rng.early(&[0, 1, 0, 1, 2, 3, 4, 5]) % FDS;
        if self.opened & (1 << fd) == 0 && !self.rng.one_in(10) {
            return self.rng.below(2);
        }
        fd
    }

    /// A mapping, likewise.
    fn map_number(&mut self) -> usize {
        let map = self.rng.early(&[0, 0, 0, 1, 2, 3]) % MAPS;
        if self.mapped & (1 << map) == 0 && !self.rng.one_in(10) {
            return 0;
        }
        map
    }

    fn note(&mut self, call: &Call) {
        match *call {
            Call::Open { fd, .. }
            | Call::OpenAt { fd, .. }
            | Call::Reopen { fd, .. }
            | Call::Dup { fd, .. } => {
                self.opened |= 1 << fd;
            }
            Call::Memfd { fd, .. } => {
                self.opened |= 1 << fd;
                self.memfds |= 1 << fd;
            }
            Call::OpenMapped { fd, .. } => self.opened |= 1 << fd,
            Call::Shmget { segment, .. } => self.segments |= 1 << segment,
            Call::Map { map, at, .. } => {
                self.mapped |= 1 << map;
                self.first_page[map] = at.unsigned_abs() as usize / PAGE;
            }
            Call::MapCommon { map, .. } | Call::Shmat { map, .. } => {
                self.mapped |= 1 << map;
                self.first_page[map] = 0;
            }
            Call::Remap { map, from, to, .. } => {
                self.mapped |= 1 << to;
                // What is behind it in its new place stays there.
                let first = self.first_page[map].saturating_add(from / PAGE);
                self.first_page[to] = self.first_page[to].max(first);
            }
            _ => {}
        }
    }
}
