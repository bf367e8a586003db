// SPDX-License-Identifier: GPL-2.0
//! Access to mapped pages that may not be there any more when they are looked at.

use crate::faults;
use stage::pages::PAGE;
use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{compiler_fence, Ordering::SeqCst};

thread_local! {
    /// The mapping that this thread looks at.
    static LOOKED_AT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    static FAULTS: Cell<u32> = const { Cell::new(0) };
    /// Signals since then that are about no address.
    static FROM_KERNEL: Cell<u32> = const { Cell::new(0) };
}

/// The code of a signal that the kernel sends for reasons of its own.
const SI_KERNEL: i32 = 0x80;
/// The code of a signal that another task sends, or the kernel where it has no memory to say more.
const SI_USER: i32 = 0;
/// As often as that in a row, it is a mistake of this program: an address that no memory has.
const MOST_FROM_KERNEL: u32 = 1000;

/// Writes a line without any memory but the stack's.
fn tell(text: std::fmt::Arguments<'_>) {
    let mut line = [0_u8; 160];
    let mut rest = line.as_mut_slice();
    // What does not fit is left out.
    let _ = std::io::Write::write_fmt(&mut rest, text);
    let len = 160 - rest.len();
    // SAFETY: may be called in a handler; the line is as long as is said.
    unsafe { libc::write(libc::STDOUT_FILENO, line.as_ptr().cast(), len) };
}

/// In place of a page that does not come, memory of the process comes, so that the access goes on.
extern "C" fn replace(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid one, and these signals have an address.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    let (start, end) = LOOKED_AT.get();
    if address < start || address >= end {
        let is_of_no_address = code == SI_KERNEL || (code == SI_USER && address == 0);
        if is_of_no_address && FROM_KERNEL.get() < MOST_FROM_KERNEL {
            // The kernel itself did not get at the memory of this thread: to tell a fault's handler, or where the thread
            // last ran. Or it had no memory for what it has to say of a fault. For want of a page that is for later: the
            // thread goes on where it was, and faults again.
            FROM_KERNEL.set(FROM_KERNEL.get() + 1);
            return;
        }
        tell(format_args!(
            "# signal {signal} with code {code} at {address:#x}, while {start:#x}-{end:#x} is looked at\n"
        ));
        // A mistake of this program: it happens again at once, and ends the process.
        // SAFETY: may be called in a handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    FAULTS.set(FAULTS.get() + 1);
    let page = (address & !(PAGE - 1)) as *mut libc::c_void;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // Without memory for it the access faults again and comes back here.
    // SAFETY: it replaces a page of a mapping that nobody but this thread uses; errno is put back.
    unsafe {
        let errno = *libc::__errno_location();
        faults::spared(|| libc::mmap(page, PAGE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0));
        *libc::__errno_location() = errno;
    }
}

/// For all threads of the process.
pub fn catch_faults() {
    // SAFETY: the handler does only what a handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = replace as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
        libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut());
    }
}

/// A mapping of this thread's.
pub struct Area {
    start: usize,
    len: usize,
}

impl Area {
    /// At an address of the kernel's choice, a multiple of `align`.
    pub fn new(
        fd: i32,
        offset: u64,
        len: usize,
        prot: i32,
        flags: i32,
        align: usize,
    ) -> rustix::io::Result<Self> {
        let map = |at: usize, len, prot, flags, fd, offset| {
            // SAFETY: either no address is demanded, or one of a mapping made here.
            let start = unsafe { libc::mmap(at as *mut _, len, prot, flags, fd, offset) };
            if start == libc::MAP_FAILED {
                return Err(super::call::last());
            }
            Ok(start as usize)
        };
        if align <= PAGE {
            let start = map(0, len, prot, flags, fd, offset as i64)?;
            return Ok(Self { start, len });
        }
        let nothing = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let room = map(0, len + align, libc::PROT_NONE, nothing, -1, 0)?;
        let start = room.next_multiple_of(align);
        let fixed = flags | libc::MAP_FIXED;
        let made = faults::spared(|| map(start, len, prot, fixed, fd, offset as i64));
        // SAFETY: what is left of the room, which nobody knows.
        unsafe {
            if made.is_err() {
                libc::munmap(room as *mut _, len + align);
            } else {
                if start > room {
                    libc::munmap(room as *mut _, start - room);
                }
                libc::munmap((start + len) as *mut _, room + align - start);
            }
        }
        made.map(|start| Self { start, len })
    }

    /// A segment of System V, at an address of the kernel's choice.
    pub fn attached(id: i32, len: usize) -> rustix::io::Result<Self> {
        // SAFETY: no address is demanded.
        let start = unsafe { libc::shmat(id, std::ptr::null(), 0) };
        if start == libc::MAP_FAILED {
            return Err(super::call::last());
        }
        let start = start as usize;
        Ok(Self { start, len })
    }

    /// By the call for segments.
    pub fn detach(self) -> rustix::io::Result<()> {
        // SAFETY: nobody has its address.
        super::call::check(unsafe { libc::shmdt(self.start as *const _) })?;
        std::mem::forget(self);
        Ok(())
    }

    pub fn address(&self, page: usize) -> *mut libc::c_void {
        debug_assert!(page * PAGE <= self.len);
        (self.start + page * PAGE) as *mut _
    }

    pub fn pages(&self) -> usize {
        self.len / PAGE
    }

    /// Another place or another length. What there was stays where it fails.
    pub fn moved(&mut self, pages: usize) -> rustix::io::Result<()> {
        let len = pages * PAGE;
        // SAFETY: the address is not kept by anybody.
        let start = unsafe { libc::mremap(self.address(0), self.len, len, libc::MREMAP_MAYMOVE) };
        if start == libc::MAP_FAILED {
            return Err(super::call::last());
        }
        (self.start, self.len) = (start as usize, len);
        Ok(())
    }

    /// Its pages at another place; here they are mapped anew when they are touched.
    pub fn beside(&self) -> rustix::io::Result<Self> {
        let how = libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP;
        // SAFETY: what is mapped here stays a mapping.
        let start = unsafe { libc::mremap(self.address(0), self.len, self.len, how) };
        if start == libc::MAP_FAILED {
            return Err(super::call::last());
        }
        let (start, len) = (start as usize, self.len);
        Ok(Self { start, len })
    }

    fn look<T>(&self, access: impl FnOnce() -> T) -> Option<T> {
        FAULTS.set(0);
        FROM_KERNEL.set(0);
        LOOKED_AT.set((self.start, self.start + self.len));
        // The handler reads and writes these in the midst of the access.
        compiler_fence(SeqCst);
        let value = access();
        compiler_fence(SeqCst);
        LOOKED_AT.set((0, 0));
        (FAULTS.get() == 0).then_some(value)
    }

    /// Copies out a page. None where it, or what it is mapped from, is not there.
    pub fn read(&self, page: usize, to: &mut [u8]) -> Option<()> {
        assert!(page < self.pages() && to.len() == PAGE);
        let from = self.address(page).cast::<u64>();
        self.look(|| {
            for (n, chunk) in to.chunks_exact_mut(8).enumerate() {
                // SAFETY: within the mapping; what faults is replaced. Others may write to it, as to the file.
                let word = unsafe { from.add(n).read_volatile() };
                chunk.copy_from_slice(&word.to_ne_bytes());
            }
        })
    }

    /// Copies to a part of a page, in multiples of 8 bytes. None where that was not sure to arrive.
    pub fn write(&self, page: usize, data: &[u8], part: Range<usize>) -> Option<()> {
        assert!(page < self.pages() && data.len() == PAGE);
        let to = self.address(page).cast::<u64>();
        self.look(|| {
            for n in part.start / 8..part.end / 8 {
                let word = u64::from_ne_bytes(data[n * 8..n * 8 + 8].try_into().expect("8 bytes"));
                // SAFETY: as above.
                unsafe { to.add(n).write_volatile(word) };
            }
        })
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: nobody has its address.
        unsafe { libc::munmap(self.start as *mut _, self.len) };
    }
}
