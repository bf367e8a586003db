//! Mappings, each at a place of its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitStatus};

use super::player::{number, Player, Said, REGION};
use super::{Call, MAPS};
use crate::harness::errno::{Errno, Res};
use crate::harness::numa::nodes_with_memory;
use crate::harness::sys::PAGE;

/// No more pages are asked about.
const MOST_PAGES: usize = 4096;

/// One bit more than the kernel's mask has nodes.
const MAX_NODE: libc::c_ulong = 64;

/// What a task that touches memory, and may die of it, needs of its own.
const STACK: usize = 64 << 10;

impl Player {
    /// `None` for a call of another kind.
    pub fn on_maps(&mut self, call: Call) -> Option<Said> {
        Some(match call {
            Call::Map {
                map,
                fd,
                at,
                len,
                prot,
                flags,
            } => self.map(map, fd, at, len, prot, flags),
            Call::Unmap { map, from, len } => {
                let (start, len) = self.range(map, from, len);
                // SAFETY: the place is a mapping's, or nothing, and what is gone is touched by nobody who minds.
                self.on(map, |_| number(unsafe { libc::munmap(start, len) }.into()))
            }
            Call::Touch {
                map,
                from,
                pages,
                write,
            } => self.on(map, |player| player.touch(map, from, pages, write)),
            Call::Advise {
                map,
                from,
                len,
                advice,
            } => {
                let (start, len) = self.range(map, from, len);
                if [libc::MADV_PAGEOUT, libc::MADV_COLD, libc::MADV_FREE].contains(&advice) {
                    self.vague = true;
                }
                // SAFETY: as above.
                self.on(map, |player| {
                    number(
                        player
                            .moves(|| unsafe { libc::madvise(start, len, advice) })
                            .into(),
                    )
                })
            }
            Call::Protect {
                map,
                from,
                len,
                prot,
            } => {
                let (start, len) = self.range(map, from, len);
                // SAFETY: as above.
                self.on(map, |_| {
                    number(unsafe { libc::mprotect(start, len, prot) }.into())
                })
            }
            Call::Msync {
                map,
                from,
                len,
                flags,
            } => {
                let (start, len) = self.range(map, from, len);
                // SAFETY: as above.
                self.on(map, |_| {
                    number(unsafe { libc::msync(start, len, flags) }.into())
                })
            }
            Call::Lock {
                map,
                from,
                len,
                flags,
            } => {
                let (start, len) = self.range(map, from, len);
                // SAFETY: as above.
                self.on(map, |_| {
                    number(
                        unsafe {
                            match flags {
                                None => libc::mlock(start, len),
                                Some(flags) => libc::mlock2(start, len, flags),
                            }
                        }
                        .into(),
                    )
                })
            }
            Call::Unlock { map, from, len } => {
                let (start, len) = self.range(map, from, len);
                // SAFETY: as above.
                self.on(map, |_| number(unsafe { libc::munlock(start, len) }.into()))
            }
            Call::Mincore { map, from, len } => {
                self.on(map, |player| player.mincore(map, from, len))
            }
            Call::Remap {
                map,
                from,
                len,
                new_len,
                flags,
                to,
            } => self.on(map, |player| {
                player.remap((map, from, len), new_len, flags, to)
            }),
            Call::MovePages {
                map,
                from,
                pages,
                node,
                flags,
            } => {
                if nodes_with_memory() < 2 {
                    return Some(None);
                }
                self.on(map, |player| {
                    player.move_pages(map, (from, pages), node, flags)
                })
            }
            Call::Bind {
                map,
                from,
                len,
                mode,
                nodes,
                flags,
            } => {
                let (start, len) = self.range(map, from, len);
                // SAFETY: as above; the mask has as many bits as are said.
                self.on(map, |_| {
                    number(unsafe {
                        libc::syscall(
                            libc::SYS_mbind,
                            start,
                            len,
                            mode,
                            &raw const nodes,
                            MAX_NODE,
                            flags,
                        )
                    })
                })
            }
            _ => return None,
        })
    }

    fn on(&mut self, map: usize, call: impl FnOnce(&mut Self) -> Res<String>) -> Said {
        if self.maps[map] == 0 {
            return None;
        }
        Some(call(self))
    }

    fn map(&mut self, map: usize, fd: usize, at: i64, len: usize, prot: i32, flags: i32) -> Said {
        let fd = self.raw(fd)?;
        Some(self.map_in_place(map, len, |start, fixed| {
            // SAFETY: nothing else is in the places of mappings.
            unsafe { libc::mmap(start, len, prot, flags | fixed, fd, at) }
        }))
    }

    /// Maps so many bytes in the place of a mapping; `mmap` is told where, and by which flag.
    pub fn map_in_place(
        &mut self,
        map: usize,
        len: usize,
        mmap: impl FnOnce(*mut libc::c_void, i32) -> *mut libc::c_void,
    ) -> Res<String> {
        self.unmap_all(map);
        let (start, _) = self.range(map, 0, 0);
        // Where it would not fit, the kernel may look for a place itself.
        let (start, fixed) = if len > REGION {
            (std::ptr::null_mut(), 0)
        } else {
            (start, libc::MAP_FIXED)
        };
        let done = mmap(start, fixed);
        if done == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        if fixed == 0 {
            // SAFETY: it was made just now.
            unsafe { libc::munmap(done, len) };
        } else {
            self.maps[map] = len;
        }
        Ok("mapped".to_owned())
    }

    pub fn unmap_all(&mut self, map: usize) {
        let (start, len) = self.range(map, 0, self.maps[map]);
        if len > 0 {
            // SAFETY: only mappings are in their places, and nobody touches them any more.
            unsafe { libc::munmap(start, len) };
            self.maps[map] = 0;
        }
    }

    /// A task with the same memory touches it, so that a signal ends that task and nothing else.
    fn touch(&mut self, map: usize, from: usize, pages: usize, write: Option<u8>) -> Res<String> {
        let (start, len) = self.range(map, from, pages.saturating_mul(PAGE));
        let pages = len.div_ceil(PAGE);
        let (done, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let body = Box::new(|| {
            for page in 0..pages {
                let at: *mut u8 = start.wrapping_byte_add(page * PAGE).cast();
                // SAFETY: the place is a mapping's; where nothing is there the task ends with a signal.
                unsafe {
                    match write {
                        Some(byte) => at.write_volatile(byte.wrapping_add(page as u8)),
                        None => {
                            let byte = usize::from(at.read_volatile());
                            sum.store(
                                sum.load(Ordering::Relaxed).wrapping_mul(31) + byte,
                                Ordering::Relaxed,
                            );
                        }
                    }
                }
                done.store(page + 1, Ordering::Relaxed);
            }
            0
        });
        let mut stack = vec![0; STACK];
        let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
        // SAFETY: this task sleeps until the other has ended, which only touches the mapping and two counters.
        let task =
            unsafe { nix::sched::clone(body, &mut stack, flags, Some(Signal::SIGCHLD as i32)) }?;
        let end = match waitpid(task, None)? {
            WaitStatus::Exited(_, 0) => String::new(),
            WaitStatus::Signaled(_, signal, _) => format!(", then {signal}"),
            other => format!(", then {other:?}"),
        };
        let said = format!("{} pages{end}", done.into_inner());
        Ok(if write.is_some() {
            said
        } else {
            format!("{said}, sum {:#x}", sum.into_inner())
        })
    }

    /// Which pages are in memory, while that is no decision of reclaim.
    fn mincore(&mut self, map: usize, from: usize, len: usize) -> Res<String> {
        let (start, len) = self.range(map, from, len.min(MOST_PAGES * PAGE));
        let mut pages = vec![0u8; len.div_ceil(PAGE)];
        // SAFETY: one byte for each page.
        let done = unsafe { libc::mincore(start, len, pages.as_mut_ptr()) };
        Errno::check(done.into())?;
        pages.iter_mut().for_each(|page| *page &= 1);
        Ok(if self.vague {
            "done".to_owned()
        } else {
            format!("{:?}", crate::harness::bytes::Bytes(pages))
        })
    }

    /// What became of each page, where that is no matter of reclaim or of whole folios.
    fn move_pages(
        &mut self,
        map: usize,
        (from, pages): (usize, usize),
        node: Option<i32>,
        flags: u32,
    ) -> Res<String> {
        let (start, _) = self.range(map, from, 0);
        let pages = pages.min(MOST_PAGES);
        let places: Vec<_> = (0..pages)
            .map(|page| start.wrapping_byte_add(page * PAGE))
            .collect();
        let nodes = node.map(|node| vec![node; pages]);
        let nodes = nodes.as_ref().map_or(std::ptr::null(), |all| all.as_ptr());
        let mut became = vec![i32::MAX; pages];
        // SAFETY: one address, node and result for each page.
        let done = unsafe {
            let (places, became) = (places.as_ptr(), became.as_mut_ptr());
            libc::syscall(libc::SYS_move_pages, 0, pages, places, nodes, became, flags)
        };
        let said = number(done)?;
        Ok(match self.vague || self.large {
            true => "done".to_owned(),
            false => format!("{said}, {became:?}"),
        })
    }

    fn remap(
        &mut self,
        part: (usize, usize, usize),
        new_len: usize,
        flags: i32,
        to: usize,
    ) -> Res<String> {
        let (map, from, len) = part;
        let (start, len) = self.range(map, from, len);
        // A place of its own on both sides, or none.
        let (target, new_len) = self.range(to % MAPS, 0, new_len);
        let flags = if flags & libc::MREMAP_MAYMOVE == 0 {
            flags
        } else {
            flags | libc::MREMAP_FIXED
        };
        // SAFETY: only mappings are in their places.
        let moved = unsafe { libc::mremap(start, len, new_len, flags, target) };
        if moved == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let (grown, limit) = if moved == target {
            (to % MAPS, new_len)
        } else {
            (map, from.saturating_add(new_len))
        };
        self.maps[grown] = self.maps[grown].max(limit.min(REGION));
        Ok("moved".to_owned())
    }
}
