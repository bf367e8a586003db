//! System calls as data: a sequence of them can be made up, shortened, printed, and played on any mount.

mod control;
mod fault;
mod files;
mod maps;
mod names;
mod pipes;
mod player;
mod shared;
mod state;

pub use fault::{FAILED, LACKED};
pub use player::{replay, LOG, ROUGHLY};

/// How many of each a player has; a call names one by its number.
pub const FDS: usize = 6;
pub const MAPS: usize = 4;
pub const PIPES: usize = 2;
pub const HANDLES: usize = 2;
pub const MARKS: usize = 3;
pub const SEGMENTS: usize = 3;

/// A system call, or a short fixed series of them.
///
/// Paths are seen from the root of the mount; a component `@N` stands for a name of N letters. Flags are as the
/// kernel has them, known or not. What is written is a pattern that starts from `byte`. A call on what is not there (no
/// open file, no mapping) is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    // Descriptors.
    Open {
        fd: usize,
        path: &'static str,
        flags: i32,
        mode: u32,
    },
    /// A path seen from an open directory, which may have been removed.
    OpenAt {
        fd: usize,
        dir: usize,
        path: &'static str,
        flags: i32,
    },
    /// The same file once more, by its magic link.
    Reopen {
        fd: usize,
        of: usize,
        flags: i32,
    },
    Close {
        fd: usize,
    },
    Dup {
        fd: usize,
        of: usize,
    },
    SetStatus {
        fd: usize,
        flags: i32,
    },
    Seals {
        fd: usize,
        add: Option<i32>,
    },
    Ioctl {
        fd: usize,
        number: u32,
    },

    // Contents.
    Read {
        fd: usize,
        len: usize,
    },
    Write {
        fd: usize,
        len: usize,
        byte: u8,
    },
    /// In two parts.
    Preadv {
        fd: usize,
        len: usize,
        at: i64,
        flags: i32,
    },
    Pwritev {
        fd: usize,
        len: usize,
        at: i64,
        byte: u8,
        flags: i32,
    },
    /// With a mapping as the buffer.
    PreadMap {
        fd: usize,
        map: usize,
        from: usize,
        len: usize,
        at: i64,
    },
    PwriteMap {
        fd: usize,
        map: usize,
        from: usize,
        len: usize,
        at: i64,
    },
    /// By io_uring: a write from what starts with a byte, or a read.
    Uring {
        fd: usize,
        len: u32,
        at: i64,
        write: Option<u8>,
        flags: i32,
        /// By a worker, not at once where that can be.
        aside: bool,
    },
    Seek {
        fd: usize,
        to: i64,
        whence: i32,
    },
    Truncate {
        path: &'static str,
        len: i64,
    },
    Ftruncate {
        fd: usize,
        len: i64,
    },
    Fallocate {
        fd: usize,
        mode: i32,
        at: i64,
        len: i64,
    },
    Fsync {
        fd: usize,
        data: bool,
    },
    SyncRange {
        fd: usize,
        at: i64,
        len: i64,
        flags: u32,
    },
    Fadvise {
        fd: usize,
        at: i64,
        len: i64,
        advice: i32,
    },
    Readahead {
        fd: usize,
        at: i64,
        len: usize,
    },
    CopyRange {
        from: usize,
        at: Option<i64>,
        to: usize,
        to_at: Option<i64>,
        len: usize,
        flags: u32,
    },
    Sendfile {
        from: usize,
        at: Option<i64>,
        to: usize,
        len: usize,
    },
    Clone {
        from: usize,
        at: i64,
        to: usize,
        to_at: i64,
        len: i64,
    },
    Cachestat {
        fd: usize,
        at: u64,
        len: u64,
    },

    // Pipes.
    SpliceIn {
        fd: usize,
        at: Option<i64>,
        pipe: usize,
        len: usize,
        flags: u32,
    },
    SpliceOut {
        pipe: usize,
        fd: usize,
        at: Option<i64>,
        len: usize,
        flags: u32,
    },
    Tee {
        from: usize,
        to: usize,
        len: usize,
        flags: u32,
    },
    Vmsplice {
        map: usize,
        from: usize,
        len: usize,
        pipe: usize,
        flags: u32,
    },
    PipeRead {
        pipe: usize,
        len: usize,
    },
    PipeWrite {
        pipe: usize,
        len: usize,
        byte: u8,
    },

    // Names.
    Mkdir {
        path: &'static str,
        mode: u32,
    },
    Mknod {
        path: &'static str,
        mode: u32,
        dev: u64,
    },
    Symlink {
        target: &'static str,
        path: &'static str,
    },
    Readlink {
        path: &'static str,
        size: usize,
    },
    Link {
        from: &'static str,
        to: &'static str,
        flags: i32,
    },
    LinkFd {
        fd: usize,
        to: &'static str,
    },
    Unlink {
        path: &'static str,
        flags: i32,
    },
    Rename {
        from: &'static str,
        to: &'static str,
        flags: u32,
    },
    /// Entries from where the descriptor stands.
    List {
        fd: usize,
        size: usize,
    },
    /// Keeps the position of a descriptor.
    Mark {
        fd: usize,
        mark: usize,
    },
    /// Goes back there.
    Return {
        fd: usize,
        mark: usize,
    },

    // Attributes.
    Stat {
        path: &'static str,
        flags: i32,
        mask: u32,
    },
    Access {
        path: &'static str,
        mode: i32,
        flags: i32,
    },
    Statfs {
        path: &'static str,
    },
    Chmod {
        path: &'static str,
        mode: u32,
        flags: i32,
    },
    Fchmod {
        fd: usize,
        mode: u32,
    },
    Chown {
        path: &'static str,
        uid: u32,
        gid: u32,
        flags: i32,
    },
    Fchown {
        fd: usize,
        uid: u32,
        gid: u32,
    },
    Utimens {
        path: &'static str,
        times: [(i64, i64); 2],
        flags: i32,
    },
    SetFlags {
        fd: usize,
        flags: u32,
    },
    GetFlags {
        fd: usize,
    },
    SetFsxattr {
        fd: usize,
        xflags: u32,
        projid: u32,
    },
    SetXattr {
        path: &'static str,
        name: &'static str,
        len: usize,
        byte: u8,
        flags: i32,
    },
    GetXattr {
        path: &'static str,
        name: &'static str,
        size: usize,
    },
    ListXattr {
        path: &'static str,
        size: usize,
    },
    RemoveXattr {
        path: &'static str,
        name: &'static str,
    },
    FsetXattr {
        fd: usize,
        name: &'static str,
        len: usize,
        byte: u8,
        flags: i32,
    },
    /// `acl` as `Acl::parse` takes it, or nothing to remove it.
    SetAcl {
        path: &'static str,
        default: bool,
        acl: &'static str,
    },
    /// What changed of a file since it was watched before.
    Watch {
        path: &'static str,
    },

    // Memory.
    Map {
        map: usize,
        fd: usize,
        at: i64,
        len: usize,
        prot: i32,
        flags: i32,
    },
    Unmap {
        map: usize,
        from: usize,
        len: usize,
    },
    /// Reads bytes that are a page apart, or writes there, and says how far that went.
    Touch {
        map: usize,
        from: usize,
        pages: usize,
        write: Option<u8>,
    },
    Advise {
        map: usize,
        from: usize,
        len: usize,
        advice: i32,
    },
    Protect {
        map: usize,
        from: usize,
        len: usize,
        prot: i32,
    },
    Msync {
        map: usize,
        from: usize,
        len: usize,
        flags: i32,
    },
    Lock {
        map: usize,
        from: usize,
        len: usize,
        flags: Option<u32>,
    },
    Unlock {
        map: usize,
        from: usize,
        len: usize,
    },
    Mincore {
        map: usize,
        from: usize,
        len: usize,
    },
    /// Grows, shrinks or moves a mapping, or a part of it, to the place of another.
    Remap {
        map: usize,
        from: usize,
        len: usize,
        new_len: usize,
        flags: i32,
        to: usize,
    },
    /// Moves pages to a node, or says where they are; the machine must have two nodes.
    MovePages {
        map: usize,
        from: usize,
        pages: usize,
        node: Option<i32>,
        flags: u32,
    },
    /// mbind
    Bind {
        map: usize,
        from: usize,
        len: usize,
        mode: i32,
        nodes: u64,
        flags: u32,
    },

    // Without a mount.
    Memfd {
        fd: usize,
        flags: u32,
    },
    /// Shared memory without a file, or of /dev/zero.
    MapCommon {
        map: usize,
        len: usize,
        prot: i32,
        flags: i32,
        zero: bool,
    },
    /// The file of a mapping, by its link in /proc.
    OpenMapped {
        fd: usize,
        map: usize,
        flags: i32,
    },
    Shmget {
        segment: usize,
        key: i32,
        len: usize,
        flags: i32,
    },
    Shmat {
        segment: usize,
        map: usize,
        flags: i32,
    },
    Shmdt {
        map: usize,
        from: usize,
    },
    /// A command that takes nothing, or asks for the status.
    Shmctl {
        segment: usize,
        command: i32,
    },
    /// IPC_SET
    ShmSet {
        segment: usize,
        mode: u16,
        uid: u32,
    },
    /// SHM_INFO
    ShmInfo,
    /// As `Touch`, by a child with a copy of the memory, which reads each byte before and after.
    Child {
        map: usize,
        from: usize,
        pages: usize,
        write: Option<u8>,
    },
    /// What `shmem_enabled` says, until the end.
    HugeShared {
        value: &'static str,
    },

    // Locks.
    Flock {
        fd: usize,
        operation: i32,
    },
    Setlk {
        fd: usize,
        command: i32,
        kind: i32,
        whence: i32,
        start: i64,
        len: i64,
    },

    // The mount and the machine.
    Handle {
        handle: usize,
        path: &'static str,
        flags: i32,
    },
    OpenHandle {
        fd: usize,
        handle: usize,
        flags: i32,
    },
    QuotaSet {
        group: bool,
        id: u32,
        kib: u64,
        soft_kib: u64,
        inodes: u64,
    },
    QuotaGet {
        group: bool,
        id: u32,
    },
    QuotaNext {
        group: bool,
        id: u32,
    },
    QuotaCommand {
        group: bool,
        command: u32,
    },
    Remount {
        options: &'static str,
    },
    /// All that follows is done by this user, of the group of the same number.
    Become {
        user: u32,
    },
    Umask {
        mask: u32,
    },
    FileSizeLimit {
        bytes: Option<u64>,
    },
    SwapOn,
    SwapOff,
    /// memory.reclaim of the cgroup that the player is in.
    Reclaim {
        bytes: usize,
    },
    DropCaches {
        what: u8,
    },
    /// Compares everything there is.
    Check,
    /// From here on it is not compared how much memory there is for what, nor which pages are there.
    Roughly,
    /// In the call that follows, so many allocations, or requests to the device of swap, succeed and one fails; on the
    /// side under test, where the kernel can do that and the call is all or nothing, or only moves what is in memory.
    Fault {
        after: u32,
    },
}
