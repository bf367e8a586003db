//! From a sequence that differs to the shortest one that still does.

use std::fmt::Write;
use std::time::{Duration, Instant};

use differential::calls::Call;

use crate::made::Sequence;
use crate::sides::{Difference, Sides};

/// No sequence is worth more time than this.
const PATIENCE: Duration = Duration::from_secs(90);

struct Search<'a> {
    sides: &'a Sides<'a>,
    best: Sequence,
    difference: Difference,
    deadline: Instant,
}

pub fn shrink(sides: &Sides, sequence: Sequence, difference: Difference) -> (Sequence, Difference) {
    let deadline = Instant::now() + PATIENCE;
    let mut search = Search {
        sides,
        best: sequence,
        difference,
        deadline,
    };
    search.chunks();
    search.options();
    search.arguments();
    search.chunks();
    (search.best, search.difference)
}

impl Search<'_> {
    fn late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Whether that one differs, too; then it is the best.
    fn try_one(&mut self, sequence: Sequence) -> bool {
        if self.late() {
            return false;
        }
        // One that the oracle does not end says nothing.
        let Ok(Some(difference)) = self.sides.difference(&sequence) else {
            return false;
        };
        self.best = sequence;
        self.difference = difference;
        true
    }

    /// Leaves out halves, quarters, and in the end single calls, until none of them can be missed.
    fn chunks(&mut self) {
        let mut size = self.best.calls.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            let mut shorter = false;
            while at < self.best.calls.len() {
                let mut tried = self.best.clone();
                let left_out = tried.calls.drain(at..(at + size).min(tried.calls.len()));
                // Without that, what is meant to differ would be found.
                let is_rough = left_out.into_iter().any(|call| call == Call::Roughly);
                if is_rough {
                    tried.calls.insert(at, Call::Roughly);
                }
                if tried.calls.len() < self.best.calls.len() && self.try_one(tried) {
                    shorter = true;
                } else {
                    at += size;
                }
            }
            // Each round makes it shorter or the size smaller.
            if size == 1 && !shorter || self.late() {
                return;
            }
            size = size.div_ceil(2);
        }
    }

    /// Leaves out options of the mount.
    fn options(&mut self) {
        let mut at = 0;
        loop {
            let mut options: Vec<&str> = self.best.options.split(',').collect();
            // A mount without a limit is another thing.
            if at >= options.len() {
                return;
            }
            if options[at].starts_with("size") {
                at += 1;
                continue;
            }
            options.remove(at);
            let tried = Sequence {
                options: options.join(","),
                calls: self.best.calls.clone(),
            };
            if !self.try_one(tried) {
                at += 1;
            }
        }
    }

    /// Takes simpler calls.
    fn arguments(&mut self) {
        for at in 0..self.best.calls.len() {
            for simpler in simpler(self.best.calls[at]) {
                let mut tried = self.best.clone();
                tried.calls[at] = simpler;
                self.try_one(tried);
            }
        }
    }
}

/// Calls that are a little simpler each, in one thing.
fn simpler(call: Call) -> Vec<Call> {
    let page = 4096;
    match call {
        Call::Open {
            fd,
            path,
            flags,
            mode,
        } => {
            let bits = (0..31).map(|bit| 1 << bit).filter(|bit| flags & bit != 0);
            let mut all: Vec<Call> = bits
                .map(|bit| Call::Open {
                    fd,
                    path,
                    flags: flags & !bit,
                    mode,
                })
                .collect();
            all.push(Call::Open {
                fd,
                path,
                flags,
                mode: 0o666,
            });
            all
        }
        Call::Write { fd, byte, .. } => [1, page].map(|len| Call::Write { fd, len, byte }).to_vec(),
        Call::Pwritev {
            fd,
            len,
            at,
            byte,
            flags,
        } => vec![
            Call::Pwritev {
                fd,
                len,
                at,
                byte,
                flags: 0,
            },
            Call::Pwritev {
                fd,
                len: 1,
                at,
                byte,
                flags,
            },
            Call::Pwritev {
                fd,
                len: page,
                at,
                byte,
                flags,
            },
            Call::Pwritev {
                fd,
                len,
                at: 0,
                byte,
                flags,
            },
        ],
        Call::Preadv { fd, len, at, flags } => vec![
            Call::Preadv {
                fd,
                len,
                at,
                flags: 0,
            },
            Call::Preadv {
                fd,
                len: 1,
                at,
                flags,
            },
            Call::Preadv {
                fd,
                len,
                at: 0,
                flags,
            },
        ],
        Call::Uring {
            fd,
            len,
            at,
            write,
            flags,
            aside,
        } => [
            (len, at, 0, aside),
            (len, at, flags, false),
            (1, at, flags, aside),
            (len, 0, flags, aside),
        ]
        .map(|(len, at, flags, aside)| Call::Uring {
            fd,
            len,
            at,
            write,
            flags,
            aside,
        })
        .to_vec(),
        Call::Fallocate { fd, mode, at, len } => vec![
            Call::Fallocate {
                fd,
                mode,
                at: 0,
                len,
            },
            Call::Fallocate {
                fd,
                mode,
                at,
                len: page as i64,
            },
            Call::Fallocate {
                fd,
                mode,
                at: at & -4096,
                len,
            },
        ],
        Call::Ftruncate { fd, len } => [0, 4096, len & -4096]
            .map(|len| Call::Ftruncate { fd, len })
            .to_vec(),
        Call::Map {
            map,
            fd,
            at,
            len,
            prot,
            flags,
        } => vec![
            Call::Map {
                map,
                fd,
                at: 0,
                len,
                prot,
                flags,
            },
            Call::Map {
                map,
                fd,
                at,
                len: page,
                prot,
                flags,
            },
            Call::Map {
                map,
                fd,
                at,
                len,
                prot: 3,
                flags,
            },
            Call::Map {
                map,
                fd,
                at,
                len,
                prot,
                flags: flags & 3,
            },
        ],
        Call::Touch {
            map,
            from,
            pages,
            write,
        } => vec![
            Call::Touch {
                map,
                from,
                pages: 1,
                write,
            },
            Call::Touch {
                map,
                from: 0,
                pages,
                write,
            },
        ],
        Call::Advise {
            map,
            from,
            len,
            advice,
        } => vec![
            Call::Advise {
                map,
                from: 0,
                len,
                advice,
            },
            Call::Advise {
                map,
                from,
                len: page,
                advice,
            },
        ],
        Call::SetXattr {
            path,
            name,
            byte,
            flags,
            ..
        } => vec![Call::SetXattr {
            path,
            name,
            len: 1,
            byte,
            flags,
        }],
        Call::Child {
            map,
            from,
            pages,
            write,
        } => [(0, pages), (from, 1)]
            .map(|(from, pages)| Call::Child {
                map,
                from,
                pages,
                write,
            })
            .to_vec(),
        Call::MapCommon {
            map,
            len,
            prot,
            flags,
            zero,
        } => [
            (page, prot, flags),
            (len, 3, flags),
            (len, prot, libc::MAP_SHARED),
        ]
        .map(|(len, prot, flags)| Call::MapCommon {
            map,
            len,
            prot,
            flags,
            zero,
        })
        .to_vec(),
        Call::Shmget {
            segment,
            key,
            len,
            flags,
        } => [(0, len, flags), (key, page, flags), (key, len, 0o1666)]
            .map(|(key, len, flags)| Call::Shmget {
                segment,
                key,
                len,
                flags,
            })
            .to_vec(),
        Call::Fault { after } => (0..after)
            .rev()
            .map(|after| Call::Fault { after })
            .collect(),
        Call::Shmat { segment, map, .. } => vec![Call::Shmat {
            segment,
            map,
            flags: 0,
        }],
        _ => Vec::new(),
    }
}

/// As it can be pasted into tests/differential.
pub fn as_case(sequence: &Sequence, number: u64) -> String {
    let mut text =
        format!("fn sequence_{number}(t: &mut Trace, fs: &Fs) -> Done {{\n    use Call::*;\n");
    let options = &sequence.options;
    writeln!(text, "    let calls = [").expect("text");
    for call in &sequence.calls {
        writeln!(text, "        {call:?},").expect("text");
    }
    writeln!(text, "    ];\n    replay(t, fs, {options:?}, &calls)\n}}").expect("text");
    text
}
