// SPDX-License-Identifier: GPL-2.0
//! An io_uring on which one request runs at a time, or a few together.

use io_uring::squeue::{Entry, Flags};
use io_uring::{Builder, IoUring};

use crate::errno::{Errno, Res};

pub struct Ring(IoUring);

/// How a request may be asked for: where it can be done at once, or by a worker in any case.
pub const WAYS: [(&str, Flags); 2] = [("", Flags::empty()), ("async ", Flags::ASYNC)];

fn raw(e: std::io::Error) -> Errno {
    Errno(e.raw_os_error().expect("an error of the kernel's"))
}

impl Ring {
    pub fn new(entries: u32) -> Res<Ring> {
        Ring::with(entries, |builder| builder)
    }

    /// With flags of the set-up.
    pub fn with(entries: u32, flags: impl FnOnce(&mut Builder) -> &mut Builder) -> Res<Ring> {
        let mut builder = IoUring::builder();
        Ok(Ring(flags(&mut builder).build(entries).map_err(raw)?))
    }

    pub fn submitter(&self) -> io_uring::Submitter<'_> {
        self.0.submitter()
    }

    /// Runs a request to its end.
    ///
    /// # Safety
    ///
    /// What the request points to must be as the request wants it, until this returns.
    pub unsafe fn run(&mut self, entry: Entry, flags: Flags) -> Res<u32> {
        // SAFETY: the caller's promise.
        let results = unsafe { self.run_all([entry.flags(flags)]) }?;
        results[0]
    }

    /// Runs requests together and gives their results in the order of the requests.
    ///
    /// # Safety
    ///
    /// As for `run`.
    pub unsafe fn run_all(
        &mut self,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Res<Vec<Res<u32>>> {
        let mut count = 0;
        for entry in entries {
            let entry = entry.user_data(count as u64);
            // SAFETY: the caller's promise.
            unsafe { self.0.submission().push(&entry) }.expect("the ring is large enough");
            count += 1;
        }
        let mut results = vec![None; count];
        let mut left = count;
        while left > 0 {
            match self.0.submit_and_wait(1) {
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(raw(e)),
            }
            for done in self.0.completion() {
                let result = done.result();
                let place = &mut results[done.user_data() as usize];
                assert!(place.is_none(), "one completion for each request");
                *place = Some(u32::try_from(result).map_err(|_| Errno(-result)));
                left -= 1;
            }
        }
        Ok(results.into_iter().flatten().collect())
    }
}
