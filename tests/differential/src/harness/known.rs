//! The differences that are meant, each with its reason. All others are bugs.

pub struct Known {
    /// Subject and name of the case.
    pub case: (&'static str, &'static str),
    pub reason: &'static str,
    /// The line of the trace on tmpfs.
    pub oracle: &'static str,
    /// The same line on rtmpfs.
    pub subject: &'static str,
}

/// In all cases: a mount shows where it has been told to have no large folios, which is no default here.
pub const SHOWN_HERE: &str = ",huge=never";

const OVERFLOW: &str =
    "a size that does not fit 64 bits is an error, where tmpfs takes what is left of it";
const ORDER: &str = "a name keeps its place when another file takes it over, and a file that is renamed within a directory its own";
const ONCE: &str = "a name that another file takes over is returned once, as it keeps its place; a reader of tmpfs may miss it or begin anew";
const LARGE: &str =
    "the last blocks of a mount go to folios as large as have room; tmpfs takes single pages for a large one without room";
const FORGOTTEN: &str =
    "an id whose limits come back from the options is held to them; tmpfs has marked it as one without limits";

/// A case of which tmpfs makes something else in a kernel that lacks an option: the traces are not compared there.
pub struct Lacking {
    pub option: &'static str,
    pub reason: &'static str,
    /// Subject and names of the cases.
    pub cases: (&'static str, &'static [&'static str]),
}

pub const LACKING: &[Lacking] = &[Lacking {
    option: "TMPFS_POSIX_ACL",
    reason: "without CONFIG_TMPFS_POSIX_ACL tmpfs does not move the quota of a directory or a special file to its new owner",
    cases: (
        "quota",
        &["chown_moves", "inodes_of_all_types", "namespaces", "owner_of_the_root"],
    ),
}];

pub const KNOWN: &[Known] = &[
    Known {
        case: ("quota", "limits_that_come_back"),
        reason: FORGOTTEN,
        oracle: "write: Ok(12288)",
        subject: "write: Ok(8192)",
    },
    Known {
        case: ("mount_options", "sizes_that_overflow"),
        reason: OVERFLOW,
        oracle: "18446744073709551615: Ok(\"source MOUNT TYPE rw,relatime,size=0k,inode64 0 0\")",
        subject: "18446744073709551615: Ok(\"source MOUNT TYPE rw,relatime,size=18014398509481984k,inode64 0 0\")",
    },
    Known {
        case: ("mount_options", "sizes_that_overflow"),
        reason: OVERFLOW,
        oracle: "18446744073709551616: Ok(\"source MOUNT TYPE rw,relatime,size=0k,inode64 0 0\")",
        subject: "18446744073709551616: Err(EINVAL)",
    },
    Known {
        case: ("mount_options", "sizes_that_overflow"),
        reason: OVERFLOW,
        oracle: "99999999999999999999999: Ok(\"source MOUNT TYPE rw,relatime,size=0k,inode64 0 0\")",
        subject: "99999999999999999999999: Err(EINVAL)",
    },
    Known {
        case: ("mount_options", "sizes_that_overflow"),
        reason: OVERFLOW,
        oracle: "16e: Ok(\"source MOUNT TYPE rw,relatime,size=0k,inode64 0 0\")",
        subject: "16e: Err(EINVAL)",
    },
    Known {
        case: ("mount_options", "sizes_that_overflow"),
        reason: OVERFLOW,
        oracle: "64E: Ok(\"source MOUNT TYPE rw,relatime,size=0k,inode64 0 0\")",
        subject: "64E: Err(EINVAL)",
    },
    Known {
        case: ("readdir", "order_after_rename"),
        reason: ORDER,
        oracle: "renamed: [\".\", \"..\", \"r1\", \"p\", \"f0005\", \"f0004\", \"f0003\", \"f0002\", \"f0000\"]",
        subject: "renamed: [\".\", \"..\", \"p\", \"f0005\", \"f0004\", \"f0003\", \"f0002\", \"r1\", \"f0000\"]",
    },
    Known {
        case: ("readdir", "order_after_rename"),
        reason: ORDER,
        oracle: "renamed over: [\".\", \"..\", \"f0004\", \"r1\", \"p\", \"f0005\", \"f0003\", \"f0000\"]",
        subject: "renamed over: [\".\", \"..\", \"p\", \"f0005\", \"f0004\", \"f0003\", \"r1\", \"f0000\"]",
    },
    Known {
        case: ("readdir", "order_after_rename"),
        reason: ORDER,
        oracle: "exchanged: [\".\", \"..\", \"f0005\", \"f0000\", \"f0004\", \"r1\", \"p\", \"f0003\"]",
        subject: "exchanged: [\".\", \"..\", \"p\", \"f0005\", \"f0004\", \"f0003\", \"r1\", \"f0000\"]",
    },
    Known {
        case: ("readdir", "order_after_rename"),
        reason: ORDER,
        oracle: "moved away and back: [\".\", \"..\", \"f0003\", \"f0005\", \"f0000\", \"f0004\", \"r1\", \"p\"]",
        subject: "moved away and back: [\".\", \"..\", \"f0003\", \"p\", \"f0005\", \"f0004\", \"r1\", \"f0000\"]",
    },
    Known {
        case: ("readdir", "rename_over_while_listing"),
        reason: ONCE,
        oracle: "not just once: [\"8 to 2\", \"3 to 1\", \"1 to 3\", \"8 to 4\", \"4 to 2\", \"2 to 4\", \"5 to 4\", \"5 to 2\", \"9 to 0\", \"another to 4\", \"another to 2\", \"another to 0\"]",
        subject: "not just once: []",
    },
    Known {
        case: ("readdir", "delete_the_rest"),
        reason: "a directory ends for a reader below whose position no name is left; one of tmpfs begins anew",
        oracle: "on: [\"f0009\", \"f0008\", \"f0007\", \"f0006\", \"f0005\", \"f0004\", \"f0003\", \"f0002\", \"f0001\"]",
        subject: "on: []",
    },
    Known {
        case: ("readdir", "exchange_while_listing"),
        reason: ONCE,
        oracle: "not just once: [\"8 to 2\", \"2 to 8\", \"3 to 1\", \"1 to 3\", \"8 to 4\", \"4 to 8\", \"4 to 2\", \"2 to 4\", \"5 to 4\", \"4 to 5\", \"5 to 2\", \"2 to 5\", \"9 to 0\", \"0 to 9\", \"another to 4\", \"another to 2\", \"another to 0\"]",
        subject: "not just once: []",
    },
    Known {
        case: ("huge", "preallocation_undone"),
        reason: LARGE,
        oracle: "always: counted: [\"thp_file_alloc +4\", \"8kB shmem_alloc +15\", \"16kB shmem_alloc +13\", \"32kB shmem_alloc +11\", \"64kB shmem_alloc +9\", \"128kB shmem_alloc +7\", \"256kB shmem_alloc +5\", \"512kB shmem_alloc +3\", \"1024kB shmem_alloc +3\", \"2048kB shmem_alloc +4\"]",
        subject: "always: counted: [\"thp_file_alloc +4\", \"8kB shmem_alloc +5\", \"16kB shmem_alloc +5\", \"32kB shmem_alloc +5\", \"64kB shmem_alloc +5\", \"128kB shmem_alloc +5\", \"256kB shmem_alloc +5\", \"512kB shmem_alloc +5\", \"1024kB shmem_alloc +3\", \"2048kB shmem_alloc +4\"]",
    },
    Known {
        case: ("huge", "preallocation_undone"),
        reason: LARGE,
        oracle: "within_size: counted: [\"thp_file_alloc +1\", \"8kB shmem_alloc +17\", \"16kB shmem_alloc +15\", \"32kB shmem_alloc +13\", \"64kB shmem_alloc +11\", \"128kB shmem_alloc +9\", \"256kB shmem_alloc +7\", \"512kB shmem_alloc +5\", \"1024kB shmem_alloc +5\", \"2048kB shmem_alloc +1\"]",
        subject: "within_size: counted: [\"thp_file_alloc +1\", \"8kB shmem_alloc +7\", \"16kB shmem_alloc +7\", \"32kB shmem_alloc +7\", \"64kB shmem_alloc +7\", \"128kB shmem_alloc +7\", \"256kB shmem_alloc +7\", \"512kB shmem_alloc +7\", \"1024kB shmem_alloc +5\", \"2048kB shmem_alloc +1\"]",
    },
];
