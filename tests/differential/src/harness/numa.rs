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

impl Map {
    /// Sets the policy of pages of the mapping, and with it that of the file.
    pub fn bind(&self, page: usize, pages: usize, mode: i32, nodes: u64, flags: u32) -> Res<()> {
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

    /// Mode and nodes of the policy of a page.
    pub fn policy(&self, page: usize) -> Res<(i32, u64)> {
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

    /// The node of each page, or why it has none.
    pub fn nodes(&self, pages: usize) -> Res<Vec<i32>> {
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

    /// The same, after a look at each page.
    pub fn nodes_touched(&self, pages: usize) -> Res<Vec<i32>> {
        (0..pages).for_each(|page| {
            self.get(page * PAGE);
        });
        self.nodes(pages)
    }
}
