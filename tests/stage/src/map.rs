//! A mapping of a file, or of memory alone.

use std::os::fd::AsFd;

use anyhow::Context;
use rustix::mm;
pub use rustix::mm::{MapFlags, ProtFlags};

use crate::bytes::Bytes;
use crate::errno::{Errno, Res};
use crate::pages::PAGE;

/// A mapping, undone when dropped.
pub struct Map {
    start: *mut u8,
    len: usize,
}

// SAFETY: the mapping is plain memory, which stays until the mapping is dropped; who writes where is the tests' agreement.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

impl Map {
    pub fn shared(file: &impl AsFd, len: usize, offset: u64) -> Res<Map> {
        Map::new(file, len, offset, READ_WRITE, MapFlags::SHARED)
    }

    /// A shared mapping of the first pages of a file.
    pub fn first(file: &impl AsFd, pages: usize) -> Res<Map> {
        Map::shared(file, pages * PAGE, 0)
    }

    pub fn private(file: &impl AsFd, len: usize, offset: u64) -> Res<Map> {
        Map::new(file, len, offset, READ_WRITE, MapFlags::PRIVATE)
    }

    /// Memory alone.
    pub fn anonymous(len: usize) -> Res<Map> {
        Map::memory(len, READ_WRITE, MapFlags::PRIVATE)
    }

    /// Memory that children share.
    pub fn common(len: usize) -> Res<Map> {
        Map::memory(len, READ_WRITE, MapFlags::SHARED)
    }

    /// Memory alone, of any kind.
    pub fn memory(len: usize, prot: ProtFlags, flags: MapFlags) -> Res<Map> {
        // SAFETY: the kernel chooses the place, so that nothing else is there.
        let start = unsafe { mm::mmap_anonymous(std::ptr::null_mut(), len, prot, flags)? };
        Ok(Map {
            start: start.cast(),
            len,
        })
    }

    pub fn read_only(file: &impl AsFd, len: usize, offset: u64) -> Res<Map> {
        Map::new(file, len, offset, ProtFlags::READ, MapFlags::SHARED)
    }

    pub fn new(
        file: &impl AsFd,
        len: usize,
        offset: u64,
        prot: ProtFlags,
        flags: MapFlags,
    ) -> Res<Map> {
        // SAFETY: the kernel chooses the place, so that nothing else is there.
        let start = unsafe { mm::mmap(std::ptr::null_mut(), len, prot, flags, file, offset)? };
        Ok(Map {
            start: start.cast(),
            len,
        })
    }

    /// Attaches a segment of System V shared memory, all of whose `len` bytes count: shmat(2). To unmap it is to detach
    /// it.
    pub fn attached(id: i32, len: usize, flags: i32) -> Res<Map> {
        // SAFETY: the kernel chooses the place, so that nothing else is there.
        let start = unsafe { libc::shmat(id, std::ptr::null(), flags) };
        Map::moved(start, len.next_multiple_of(PAGE))
    }

    /// Attaches a segment where the mapping is, which is gone then: shmat(2) with SHM_REMAP.
    pub fn attached_onto(self, id: i32, flags: i32) -> Res<Map> {
        // SAFETY: the place is a mapping that is given up.
        let start = unsafe { libc::shmat(id, self.start(), flags | libc::SHM_REMAP) };
        let map = Map::moved(start, self.len)?;
        std::mem::forget(self);
        Ok(map)
    }

    /// Changes what may be done with it, mprotect(2).
    pub fn protect(&self, prot: ProtFlags) -> Res<()> {
        self.protect_part(0, self.len, prot)
    }

    /// The same for a part of it.
    pub fn protect_part(&self, at: usize, len: usize, prot: ProtFlags) -> Res<()> {
        let flags = mm::MprotectFlags::from_bits_retain(prot.bits());
        assert!(at + len <= self.len);
        // SAFETY: the range is of this mapping; who touches it against that expects a signal.
        unsafe { mm::mprotect(self.start().wrapping_byte_add(at), len, flags)? };
        Ok(())
    }

    /// Moves the mapping, or changes its length.
    pub fn remap(&mut self, len: usize, flags: i32) -> Res<()> {
        let moved = self.part(0, self.len, len, flags)?;
        std::mem::forget(std::mem::replace(self, moved));
        Ok(())
    }

    /// Moves a part of the mapping to a place of its own.
    pub fn part(&self, offset: usize, len: usize, new_len: usize, flags: i32) -> Res<Map> {
        let (start, anywhere) = (self.at(offset), std::ptr::null_mut::<u8>());
        // SAFETY: the new place is the kernel's choice; what is gone is touched by those alone who expect a signal.
        let new = unsafe { libc::mremap(start.cast(), len, new_len, flags, anywhere) };
        Map::moved(new, new_len)
    }

    /// Moves the mapping to the place of another one, which is gone then.
    pub fn remap_onto(&mut self, len: usize, flags: i32, other: Map) -> Res<()> {
        let flags = flags | libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: as in `part`; the other place is a mapping that is given up.
        let new = unsafe { libc::mremap(self.start(), self.len, len, flags, other.start()) };
        let moved = Map::moved(new, len)?;
        std::mem::forget(std::mem::replace(self, moved));
        // What was behind the new mapping is still there.
        if other.len > len {
            // SAFETY: the rest of a mapping that is given up.
            let _ = unsafe { mm::munmap(other.at(len).cast(), other.len - len) };
        }
        std::mem::forget(other);
        Ok(())
    }

    fn moved(new: *mut std::ffi::c_void, len: usize) -> Res<Map> {
        if new == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(Map {
            start: new.cast(),
            len,
        })
    }

    pub fn advise(&self, offset: usize, len: usize, advice: i32) -> Res<()> {
        // SAFETY: inside the mapping, which is plain memory; the case looks at what is left of it.
        let done = unsafe { libc::madvise(self.start().wrapping_byte_add(offset), len, advice) };
        Errno::check(done.into()).map(drop)
    }

    /// For the whole of it.
    pub fn advise_all(&self, advice: i32) -> Res<()> {
        self.advise(0, self.len, advice)
    }

    /// Keeps its pages in memory, mlock(2), or does so no longer.
    pub fn lock(&self, locked: bool) -> Res<()> {
        // SAFETY: has no effect on the contents.
        let done = unsafe {
            match locked {
                true => libc::mlock(self.start(), self.len),
                false => libc::munlock(self.start(), self.len),
            }
        };
        Errno::check(done.into()).map(drop)
    }

    /// A figure of this mapping in /proc/self/smaps, in KiB.
    pub fn smaps(&self, name: &str) -> anyhow::Result<u64> {
        let smaps = std::fs::read_to_string("/proc/self/smaps")?;
        let start = self.start as usize;
        let head = format!("{start:x}-{:x} ", start + self.len);
        let figure = smaps
            .lines()
            .skip_while(|line| !line.starts_with(&head))
            .find_map(|line| {
                let figure = line.strip_prefix(name)?.strip_prefix(':')?;
                figure.split_whitespace().next()?.parse().ok()
            });
        figure.with_context(|| format!("/proc/self/smaps has no {name} of {head}"))
    }

    /// The words of /proc/self/pagemap for its pages.
    pub fn pagemap(&self) -> std::io::Result<Vec<u64>> {
        use std::os::unix::fs::FileExt;
        let pages = self.len / PAGE;
        let mut data = vec![0; pages * 8];
        let at = self.start as usize / PAGE * 8;
        std::fs::File::open("/proc/self/pagemap")?.read_exact_at(&mut data, at as u64)?;
        let word = |w: &[u8]| u64::from_ne_bytes(w.try_into().expect("8 bytes"));
        Ok(data.chunks_exact(8).map(word).collect())
    }

    /// A shared mapping at an address that is a multiple of `align`, whatever the file system would choose.
    pub fn aligned(file: &impl AsFd, len: usize, align: usize) -> Res<Map> {
        let place = Map::place(len, align)?;
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: nothing else is there.
        unsafe { mm::mmap(place.start(), len, READ_WRITE, flags, file, 0)? };
        Ok(place)
    }

    /// As [`Map::common`], at an address that is a multiple of `align`.
    pub fn common_aligned(len: usize, align: usize) -> Res<Map> {
        let place = Map::place(len, align)?;
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: nothing else is there.
        unsafe { mm::mmap_anonymous(place.start(), len, READ_WRITE, flags)? };
        Ok(place)
    }

    /// Maps private memory over one of its pages.
    pub fn cover(&self, page: usize) -> Res<()> {
        let flags = MapFlags::PRIVATE | MapFlags::FIXED;
        let place = self.at(page * PAGE).cast();
        // SAFETY: a page of this mapping, which is plain memory; the case looks at what it is then.
        unsafe { mm::mmap_anonymous(place, PAGE, READ_WRITE, flags)? };
        Ok(())
    }

    /// Addresses without memory that begin at a multiple of `align`, for something to be mapped there. All are whole
    /// pages.
    pub fn place(len: usize, align: usize) -> Res<Map> {
        let room = len.next_multiple_of(align) + align;
        let free = Map::memory(room, ProtFlags::empty(), MapFlags::PRIVATE)?;
        let skip = free.start.align_offset(align);
        let start = free.start.wrapping_add(skip);
        std::mem::forget(free);
        // SAFETY: what is in front of the place and behind it is given back, and is not in use.
        unsafe {
            if skip > 0 {
                mm::munmap(start.wrapping_sub(skip).cast(), skip)?;
            }
            mm::munmap(start.wrapping_add(len).cast(), room - skip - len)?;
        }
        Ok(Map { start, len })
    }

    fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.len, "{offset} is outside of the mapping");
        // SAFETY: inside the mapping.
        unsafe { self.start.add(offset) }
    }

    /// In bytes.
    pub fn length(&self) -> usize {
        self.len
    }

    /// How many whole pages it has.
    pub fn pages(&self) -> usize {
        self.len / PAGE
    }

    pub fn page(&self, at: usize) -> &[u8] {
        assert!(at < self.pages());
        // SAFETY: within the mapping; the tests do not write to a page that is being looked at.
        unsafe { std::slice::from_raw_parts(self.start.add(at * PAGE), PAGE) }
    }

    pub fn page_mut(&mut self, at: usize) -> &mut [u8] {
        assert!(at < self.pages());
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at * PAGE), PAGE) }
    }

    pub fn get(&self, offset: usize) -> u8 {
        // SAFETY: inside the mapping; a page that cannot be had is a SIGBUS that the case expects.
        unsafe { self.at(offset).read_volatile() }
    }

    /// Looks at each of its first pages.
    pub fn touch(&self, pages: usize) {
        (0..pages).for_each(|page| {
            self.get(page * PAGE);
        });
    }

    pub fn set(&self, offset: usize, value: u8) {
        // SAFETY: as in `get`.
        unsafe { self.at(offset).write_volatile(value) }
    }

    pub fn bytes(&self, offset: usize, len: usize) -> Bytes {
        Bytes((offset..offset + len).map(|at| self.get(at)).collect())
    }

    pub fn fill(&self, offset: usize, len: usize, value: u8) {
        (offset..offset + len).for_each(|at| self.set(at, value));
    }

    /// What opens the file that is mapped, for root, as long as it is one mapping.
    pub fn file(&self) -> String {
        let start = self.start() as usize;
        format!("/proc/self/map_files/{start:x}-{:x}", start + self.length())
    }

    pub fn start(&self) -> *mut std::ffi::c_void {
        self.start.cast()
    }

    /// The memory as a buffer for a system call, which may fault on it.
    ///
    /// # Safety
    ///
    /// Only to be handed to the kernel.
    // The memory is shared with whoever else maps the file anyway.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn raw(&self, offset: usize, len: usize) -> &mut [u8] {
        assert!(offset + len <= self.len);
        // SAFETY: inside the mapping; the caller touches it through the kernel alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(offset), len) }
    }

    pub fn sync(&self) -> Res<()> {
        // SAFETY: the range is this mapping.
        unsafe { mm::msync(self.start(), self.len, mm::MsyncFlags::SYNC)? };
        Ok(())
    }

    /// Which pages are in memory, as mincore(2) has it.
    pub fn resident(&self) -> Res<Vec<bool>> {
        let mut pages = vec![0u8; self.len.div_ceil(PAGE)];
        // SAFETY: one byte for each page of this mapping.
        let done = unsafe { libc::mincore(self.start(), self.len, pages.as_mut_ptr()) };
        Errno::check(done.into())?;
        Ok(pages.into_iter().map(|p| p & 1 == 1).collect())
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the range is this mapping and nothing refers to it any more.
        let _ = unsafe { mm::munmap(self.start(), self.len) };
    }
}
