// SPDX-License-Identifier: GPL-2.0
//! What a worker may do, each with its weight.

mod data;
pub mod errors;
mod maps;
mod names;
mod pipes;
mod ring;
mod shared;
mod space;
mod userfault;

pub use ring::Registered;
pub use shared::{remove_segments, WITHOUT_MOUNT};

use crate::board;
use crate::own;
use crate::worker::Worker;
use rustix::io::Result;

/// What is done besides.
#[derive(Clone, Copy)]
pub enum Step {
    SetUp = FIRST_STEP as isize,
    Conduct,
    Wait,
    Remove,
    Unmount,
    Count,
    Swapoff,
    Swapon,
    Reclaim,
    DropCaches,
    Compact,
    Limit,
    Control,
    Remount,
    OtherMount,
    Look,
    Migrate,
    Switch,
}

const FIRST_STEP: usize = 100;

/// Whether that number is a step's, and no call's.
pub fn is_step(number: usize) -> bool {
    number >= FIRST_STEP
}

const STEPS: [&str; 18] = [
    "setting up",
    "conducting",
    "waiting for the workers",
    "removing all files",
    "unmounting",
    "counting what is left",
    "swapoff",
    "swapon",
    "reclaim",
    "drop_caches",
    "compaction",
    "a limit of the cgroup",
    "a control of huge pages",
    "remount",
    "another mount",
    "looking at /proc/PID",
    "migrate_pages",
    "the switch of shared memory",
];

const _: () = assert!(CALLS.len() <= FIRST_STEP && FIRST_STEP + STEPS.len() <= board::CALLS);

/// The number of a call with this name.
pub fn number(name: &str) -> usize {
    let place = CALLS.iter().position(|call| call.name == name);
    place.expect("a call has the name")
}

/// The name of a call or step with this number.
pub fn name(number: usize) -> &'static str {
    match number {
        FIRST_STEP.. => STEPS.get(number - FIRST_STEP).unwrap_or(&"?"),
        _ => CALLS.get(number).map_or("?", |call| call.name),
    }
}

pub struct Call {
    pub name: &'static str,
    pub weight: u32,
    /// Ends with EFAULT where a page of a mapping does not come.
    pub may_fault: bool,
    pub run: fn(&mut Worker<'_>) -> Result<()>,
}

macro_rules! calls {
    ($($name:literal $weight:literal $run:expr $(, $faults:ident)?;)*) => {
        /// The number of a call is its place here.
        pub const CALLS: &[Call] = &[
            $(Call { name: $name, weight: $weight, may_fault: calls!(@ $($faults)?), run: $run },)*
        ];
    };
    (@) => { false };
    (@ faults) => { true };
}

calls! {
    "own write" 30 own::write;
    "own read" 30 own::read;
    "own mapping" 20 own::map;
    "own truncation" 8 own::cut;
    "own hole" 8 own::punch;
    "own fallocate" 3 own::allocate;
    "own splice" 8 own::send;
    "own fork" 4 own::fork;

    "pwrite" 40 data::write;
    "pread" 40 data::read;
    "pwrite from its own mapping" 5 data::write_from_mapping, faults;
    "pread into its own mapping" 5 data::read_into_mapping, faults;
    "appending write" 4 data::append;
    "readahead" 3 data::advise;
    "fsync" 2 data::sync;
    "lseek" 8 data::seek;
    "fstat" 4 data::stat;
    "file lock" 2 data::lock;

    "io_uring read" 6 ring::read;
    "io_uring write" 6 ring::write;
    "io_uring with a registered mapping" 6 ring::registered, faults;

    "ftruncate" 12 space::truncate;
    "fallocate" 10 space::allocate;
    "punch" 12 space::punch;
    "collapse or zero range" 2 space::other;

    "mmap" 20 maps::make;
    "mapped read" 30 maps::read;
    "mapped write" 30 maps::write;
    "munmap" 4 maps::drop_one;
    "madvise" 30 maps::advise, faults;
    "mremap" 5 maps::remap, faults;
    "mprotect" 3 maps::protect;
    "mlock" 4 maps::lock;
    "msync" 2 maps::sync;
    "mincore" 2 maps::in_core;
    "remap_file_pages" 1 maps::remap_pages;
    "mbind" 3 maps::bind;
    "move_pages" 3 maps::move_pages;
    "process_vm_readv" 4 maps::read_remotely, faults;
    "process_vm_writev" 4 maps::write_remotely, faults;
    "hard memory error" 3 errors::hard;
    "soft memory error" 3 errors::soft, faults;
    "userfaultfd" 4 userfault::fill, faults;
    "fork with shared mappings" 3 maps::fork;

    "splice from file" 8 pipes::splice_out;
    "splice to file" 8 pipes::splice_in;
    "vmsplice" 5 pipes::vmsplice, faults;
    "sendfile" 6 pipes::sendfile;
    "copy_file_range" 6 pipes::copy_range;
    "tee" 2 pipes::tee;
    "full pipe" 4 pipes::leave_full;
    "pipe read" 4 pipes::drain;

    "memfd_create" 8 shared::memfd;
    "seals" 6 shared::seal;
    "shared anonymous memory" 6 shared::anonymous;
    "segment of System V" 6 shared::segment;

    "create" 10 names::create;
    "unlink" 14 names::unlink;
    "mkdir" 10 names::make_directory;
    "rmdir" 5 names::remove_directory;
    "symlink" 4 names::symlink;
    "mknod" 3 names::node;
    "link" 5 names::link;
    "rename" 16 names::rename;
    "linked tmpfile" 4 names::linked_tmpfile;
    "getdents" 8 names::list;
    "directory that others change" 6 names::staying;
    "setxattr" 6 names::set_attribute;
    "getxattr" 4 names::get_attribute;
    "ACL" 3 names::acl;
    "chattr" 2 names::flags;
    "chmod, chown, utimens" 5 names::change;
    "handle" 3 names::handle;
    "statfs" 2 names::space;
    "quotactl" 3 names::quota;
}
