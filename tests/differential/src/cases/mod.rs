//! The cases, one module a subject.

use crate::harness::case::Case;

macro_rules! subjects {
    ($($subject:ident),+ $(,)?) => {
        $(mod $subject;)+

        pub fn all() -> impl Iterator<Item = (&'static str, Case)> {
            let all: &[(&'static str, &[Case])] = &[$((stringify!($subject), $subject::CASES)),+];
            all.iter().flat_map(|&(subject, cases)| cases.iter().map(move |&c| (subject, c)))
        }
    };
}

subjects! {
    mount_options,
    remount,
    directories,
    rename,
    links,
    symlinks,
    readdir,
    special_nodes,
    tmpfile,
    file_io,
    holes,
    mmap,
    madvise,
    page_states,
    reclaim_marks,
    remapping,
    userfaultfd,
    userfaultfd_swap,
    mempolicy,
    migration,
    truncate,
    enospc_blocks,
    enospc_inodes,
    evicted_by_reclaim,
    splice,
    io_uring,
    aio,
    fsync,
    attributes,
    flags,
    handles,
    casefold,
    fanotify,
    locks,
    permissions,
    statfs,
    user_namespaces,
    idmapped,
    core_dumps,
    programs,
    uprobes,
    swap_files,
    loop_device,
    xattr,
    acl,
    overlay,
    overlay_features,
    fuse_passthrough,
    archive,
    memory,
    dropped_pages,
    huge,
    fitting,
    filling,
    beyond_the_end,
    unwritten,
    khugepaged,
    concurrency,
    busy_sysfs,
    killed,
    leaks,
    quota,
    sequences,
    memfd,
    kernel_mount,
    anonymous,
    sysv,
    seals,
    commitment,
    shared_accounting,
    drivers,
    tmpfs_mounts,
}
