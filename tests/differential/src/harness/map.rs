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

    fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.len, "{offset} is outside of the mapping");
        // SAFETY: inside the mapping.
        unsafe { self.start.add(offset) }
    }

    pub fn get(&self, offset: usize) -> u8 {
        // SAFETY: inside the mapping; a page that cannot be had is a SIGBUS that the case expects.
        unsafe { self.at(offset).read_volatile() }
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
