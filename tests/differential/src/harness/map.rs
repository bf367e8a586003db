//! A mapping of a file.

use rustix::mm::{self, MapFlags, ProtFlags};

use super::bytes::Bytes;
use super::errno::Res;
use super::sys::Fd;

pub struct Map {
    start: *mut u8,
    len: usize,
}

// SAFETY: the mapping is plain memory; all access is volatile and races are what the cases are about.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    pub fn shared(file: &Fd, len: usize, offset: u64) -> Res<Map> {
        Map::new(
            file,
            len,
            offset,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
        )
    }

    pub fn private(file: &Fd, len: usize, offset: u64) -> Res<Map> {
        Map::new(
            file,
            len,
            offset,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )
    }

    pub fn read_only(file: &Fd, len: usize, offset: u64) -> Res<Map> {
        Map::new(file, len, offset, ProtFlags::READ, MapFlags::SHARED)
    }

    pub fn new(file: &Fd, len: usize, offset: u64, prot: ProtFlags, flags: MapFlags) -> Res<Map> {
        // SAFETY: the kernel chooses the place, so that nothing else is there.
        let start = unsafe { mm::mmap(std::ptr::null_mut(), len, prot, flags, file, offset)? };
        Ok(Map {
            start: start.cast(),
            len,
        })
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
            return Err(super::errno::Errno::last());
        }
        Ok(Map {
            start: new.cast(),
            len,
        })
    }

    pub fn advise(&self, offset: usize, len: usize, advice: i32) -> Res<()> {
        // SAFETY: inside the mapping, which is plain memory; the case looks at what is left of it.
        let done = unsafe { libc::madvise(self.start().wrapping_byte_add(offset), len, advice) };
        super::errno::Errno::check(done.into()).map(drop)
    }

    /// The words of /proc/self/pagemap for its pages.
    pub fn pagemap(&self) -> std::io::Result<Vec<u64>> {
        use std::os::unix::fs::FileExt;
        let pages = self.len / super::sys::PAGE;
        let mut data = vec![0; pages * 8];
        let at = self.start as usize / super::sys::PAGE * 8;
        std::fs::File::open("/proc/self/pagemap")?.read_exact_at(&mut data, at as u64)?;
        let word = |w: &[u8]| u64::from_ne_bytes(w.try_into().expect("8 bytes"));
        Ok(data.chunks_exact(8).map(word).collect())
    }

    /// A shared mapping at an address that is a multiple of `align`, whatever the file system would choose.
    pub fn aligned(file: &Fd, len: usize, align: usize) -> Res<Map> {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the place is reserved first, with what there is around it given back.
        unsafe {
            let room = len.next_multiple_of(align) + align;
            let free = mm::mmap_anonymous(
                std::ptr::null_mut(),
                room,
                ProtFlags::empty(),
                MapFlags::PRIVATE,
            )?;
            let skip = free.align_offset(align);
            let start = free.byte_add(skip);
            if skip > 0 {
                mm::munmap(free, skip)?;
            }
            mm::munmap(start.byte_add(len), room - skip - len)?;
            mm::mmap(
                start,
                len,
                prot,
                MapFlags::SHARED | MapFlags::FIXED,
                file,
                0,
            )?;
            Ok(Map {
                start: start.cast(),
                len,
            })
        }
    }

    fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.len, "{offset} is outside of the mapping");
        // SAFETY: inside the mapping.
        unsafe { self.start.add(offset) }
    }

    pub fn get(&self, offset: usize) -> u8 {
        // SAFETY: inside the mapping; a page that cannot be had is a SIGBUS that the case expects.
        unsafe { self.at(offset).read_volatile() }
    }

    /// Looks at each of its first pages.
    pub fn touch(&self, pages: usize) {
        (0..pages).for_each(|page| {
            self.get(page * super::sys::PAGE);
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
        let mut pages = vec![0u8; self.len.div_ceil(super::sys::PAGE)];
        // SAFETY: one byte for each page of this mapping.
        let done = unsafe { libc::mincore(self.start(), self.len, pages.as_mut_ptr()) };
        super::errno::Errno::check(done.into())?;
        Ok(pages.into_iter().map(|p| p & 1 == 1).collect())
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the range is this mapping and nothing refers to it any more.
        let _ = unsafe { mm::munmap(self.start(), self.len) };
    }
}
