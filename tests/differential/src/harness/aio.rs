//! Asynchronous I/O as io_submit(2) has it.

use std::os::fd::AsRawFd;

use super::errno::{Errno, Res};
use super::sys::Fd;

/// What `aio_lio_opcode` may be.
pub mod code {
    pub const PREAD: u16 = 0;
    pub const PWRITE: u16 = 1;
    pub const FSYNC: u16 = 2;
    pub const FDSYNC: u16 = 3;
    pub const POLL: u16 = 5;
    pub const NOOP: u16 = 6;
    pub const PREADV: u16 = 7;
    pub const PWRITEV: u16 = 8;
}

/// `struct io_event`
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Event {
    data: u64,
    object: u64,
    result: i64,
    result2: i64,
}

pub struct Context(u64);

/// A request for a file; the fields are those of `struct iocb`.
pub fn request(file: &Fd, code: u16, buffer: u64, len: u64, offset: i64) -> libc::iocb {
    // SAFETY: a plain struct of numbers, for which zeros are good.
    let mut request: libc::iocb = unsafe { std::mem::zeroed() };
    request.aio_fildes = file.0.as_raw_fd() as u32;
    request.aio_lio_opcode = code;
    request.aio_buf = buffer;
    request.aio_nbytes = len;
    request.aio_offset = offset;
    request
}

impl Context {
    pub fn new(requests: u32) -> Res<Context> {
        let mut context = 0u64;
        // SAFETY: there is room for the context.
        let done = unsafe { libc::syscall(libc::SYS_io_setup, requests, &raw mut context) };
        Errno::check(done)?;
        Ok(Context(context))
    }

    /// Submits the requests and waits for those that were taken: how many that is, and their results in order.
    ///
    /// # Safety
    ///
    /// What the requests point to must be as they want it, until this returns.
    pub unsafe fn run(&self, requests: &mut [libc::iocb]) -> Res<Vec<Res<i64>>> {
        for (i, request) in requests.iter_mut().enumerate() {
            request.aio_data = i as u64;
        }
        let pointers: Vec<*mut libc::iocb> = requests.iter_mut().map(|r| r as *mut _).collect();
        // SAFETY: as many pointers to requests as the call is told; the rest is the caller's promise.
        let taken = unsafe {
            let (len, list) = (pointers.len(), pointers.as_ptr());
            libc::syscall(libc::SYS_io_submit, self.0, len, list)
        };
        let taken = Errno::check(taken)? as usize;
        let mut results = vec![Err(Errno(0)); taken];
        let mut events = vec![Event::default(); taken];
        let mut seen = 0;
        while seen < taken {
            // SAFETY: there is room for as many events.
            let got = unsafe {
                let (len, list) = (taken - seen, events.as_mut_ptr());
                libc::syscall(libc::SYS_io_getevents, self.0, 1, len, list, 0)
            };
            let got = Errno::check(got)? as usize;
            for event in &events[..got] {
                results[event.data as usize] = match event.result {
                    value if value < 0 => Err(Errno(-value as i32)),
                    value => Ok(value),
                };
            }
            seen += got;
        }
        Ok(results)
    }

    /// Runs one request to its end.
    ///
    /// # Safety
    ///
    /// As for `run`.
    pub unsafe fn one(&self, request: libc::iocb) -> Res<i64> {
        // SAFETY: the caller's promise.
        unsafe { self.run(&mut [request]) }?[0]
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: takes no memory; nothing is under way any more.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.0) };
    }
}
