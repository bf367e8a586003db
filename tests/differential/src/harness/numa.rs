//! NUMA nodes: policies of tasks and of ranges, and where pages are.

use super::errno::{Errno, Res};
use super::map::Map;
use super::sys::PAGE;

pub const DEFAULT: i32 = 0;
pub const PREFERRED: i32 = 1;
pub const BIND: i32 = 2;
pub const INTERLEAVE: i32 = 3;
pub const LOCAL: i32 = 4;

pub const STATIC_NODES: i32 = 1 << 15;
pub const RELATIVE_NODES: i32 = 1 << 14;

pub const STRICT: u32 = 1;
pub const MOVE: u32 = 2;
/// Also what others have mapped.
pub const MOVE_ALL: u32 = 4;

/// One bit more than the kernel's mask has nodes.
const MAX_NODE: libc::c_ulong = 64;

/// How many nodes have memory.
pub fn nodes_with_memory() -> usize {
    let text = std::fs::read_to_string("/sys/devices/system/node/has_memory").unwrap_or_default();
    let range = text.trim().split(',').next_back().unwrap_or_default();
    let last = range.split('-').next_back().unwrap_or_default();
    last.parse().map_or(1, |last: usize| last + 1)
}

/// Sets the policy of this thread; `nodes` is a bit mask.
pub fn set_task(mode: i32, nodes: u64) -> Res<()> {
    // SAFETY: the mask has as many bits as are said.
    let done = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, &raw const nodes, MAX_NODE) };
    Errno::check(done).map(|_| ())
}

/// Moves what this process has on some nodes to others; both are bit masks. Returns how many pages stay behind.
pub fn migrate(from: u64, to: u64) -> Res<i64> {
    // SAFETY: the masks have as many bits as are said.
    let done = unsafe {
        libc::syscall(
            libc::SYS_migrate_pages,
            0,
            MAX_NODE,
            &raw const from,
            &raw const to,
        )
    };
    Errno::check(done)
}

/// The nodes of a mapping's pages.
pub trait Nodes {
    /// Moves pages to nodes; what became of each is returned, a node or an error.
    fn move_pages(&self, pages: &[usize], nodes: &[i32], flags: u32) -> Res<Vec<i32>>;

    /// The frame of each page that is mapped, as /proc/self/pagemap has it.
    fn frames(&self, pages: usize) -> std::io::Result<Vec<Option<u64>>>;

    /// Sets the policy of pages of the mapping, and with it that of the file.
    fn bind(&self, page: usize, pages: usize, mode: i32, nodes: u64, flags: u32) -> Res<()>;

    /// Mode and nodes of the policy of a page.
    fn policy(&self, page: usize) -> Res<(i32, u64)>;

    /// The node of each page, or why it has none.
    fn nodes(&self, pages: usize) -> Res<Vec<i32>>;

    /// The same, after a look at each page.
    fn nodes_touched(&self, pages: usize) -> Res<Vec<i32>>;
}

impl Nodes for Map {
    fn move_pages(&self, pages: &[usize], nodes: &[i32], flags: u32) -> Res<Vec<i32>> {
        assert_eq!(pages.len(), nodes.len());
        let addresses: Vec<_> = pages
            .iter()
            .map(|page| self.start().wrapping_byte_add(page * PAGE))
            .collect();
        let mut status = vec![i32::MAX; pages.len()];
        // SAFETY: one address, node and result for each page.
        let done = unsafe {
            libc::syscall(
                libc::SYS_move_pages,
                0,
                pages.len(),
                addresses.as_ptr(),
                nodes.as_ptr(),
                status.as_mut_ptr(),
                flags,
            )
        };
        Errno::check(done).map(|_| status)
    }

    fn frames(&self, pages: usize) -> std::io::Result<Vec<Option<u64>>> {
        use std::os::unix::fs::FileExt;
        const PRESENT: u64 = 1 << 63;
        const FRAME: u64 = (1 << 55) - 1;
        let mut buffer = vec![0; pages * 8];
        let first = self.start() as usize / PAGE;
        std::fs::File::open("/proc/self/pagemap")?.read_exact_at(&mut buffer, first as u64 * 8)?;
        let words = buffer
            .chunks_exact(8)
            .map(|w| u64::from_ne_bytes(w.try_into().expect("8 bytes")));
        Ok(words
            .map(|w| (w & PRESENT != 0).then_some(w & FRAME))
            .collect())
    }

    fn bind(&self, page: usize, pages: usize, mode: i32, nodes: u64, flags: u32) -> Res<()> {
        let start = self.start().wrapping_byte_add(page * PAGE);
        // SAFETY: the mask has as many bits as are said.
        let done = unsafe {
            libc::syscall(
                libc::SYS_mbind,
                start,
                pages * PAGE,
                mode,
                &raw const nodes,
                MAX_NODE,
                flags,
            )
        };
        Errno::check(done).map(|_| ())
    }

    fn policy(&self, page: usize) -> Res<(i32, u64)> {
        const ADDRESS: libc::c_ulong = 2;
        let (mut mode, mut nodes) = (-1i32, 0u64);
        // SAFETY: there is room for the mode and for as many bits as are said.
        let done = unsafe {
            libc::syscall(
                libc::SYS_get_mempolicy,
                &raw mut mode,
                &raw mut nodes,
                MAX_NODE,
                self.start().wrapping_byte_add(page * PAGE),
                ADDRESS,
            )
        };
        Errno::check(done).map(|_| (mode, nodes))
    }

    fn nodes(&self, pages: usize) -> Res<Vec<i32>> {
        let addresses: Vec<_> = (0..pages)
            .map(|page| self.start().wrapping_byte_add(page * PAGE))
            .collect();
        let mut nodes = vec![0i32; pages];
        // SAFETY: one address and one result for each page; without target nodes nothing moves.
        let done = unsafe {
            libc::syscall(
                libc::SYS_move_pages,
                0,
                pages,
                addresses.as_ptr(),
                std::ptr::null::<i32>(),
                nodes.as_mut_ptr(),
                0,
            )
        };
        Errno::check(done).map(|_| nodes)
    }

    fn nodes_touched(&self, pages: usize) -> Res<Vec<i32>> {
        self.touch(pages);
        self.nodes(pages)
    }
}
