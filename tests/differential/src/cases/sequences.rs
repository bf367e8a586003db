//! Sequences that tests/random found to differ once.

use crate::harness::prelude::*;
use differential::calls::{replay, Call};

cases! {
    own => end_of_a_listing;
}

/// Where a directory ends is a position from which other calls can go on.
fn end_of_a_listing(t: &mut Trace, fs: &Fs) -> Done {
    use Call::*;
    let calls = [
        Open {
            fd: 0,
            path: ".",
            flags: libc::O_DIRECTORY,
            mode: 0,
        },
        List { fd: 0, size: 4096 },
        Read { fd: 0, len: 1 },
        Sendfile {
            from: 0,
            at: None,
            to: 0,
            len: 32768,
        },
        Setlk {
            fd: 0,
            command: libc::F_OFD_GETLK,
            kind: 7,
            whence: libc::SEEK_CUR,
            start: 729_333,
            len: 45056,
        },
        Symlink {
            target: "a",
            path: "c",
        },
        Seek {
            fd: 0,
            to: i64::MAX,
            whence: libc::SEEK_SET,
        },
        List { fd: 0, size: 300 },
    ];
    replay(t, fs, "size=4m", &calls)
}
