// SPDX-License-Identifier: GPL-2.0
//! Calls in which an allocation fails, on the side under test. A call that fails of it must have changed nothing, which
//! that side says of itself; then it is made once more, as on the other side, and that is compared.

use stage::inject::{self, Countdown, Requests};

use super::player::{short, Player, Said};
use super::state::View;
use super::Call;
use crate::harness::errno::Errno;
use crate::harness::fs::Fs;
use crate::harness::trace::Trace;

/// Notes on a call in which an allocation failed.
pub const FAILED: &str = "it failed";
pub const SURVIVED: &str = "it survived";

/// What a line begins with that only the side has where allocations fail.
pub const LACKED: &str = "for lack of memory, ";

/// What lets allocations of this thread fail, where one is to.
pub fn countdown(fs: &Fs, calls: &[Call]) -> anyhow::Result<Option<Countdown>> {
    let wanted = calls.iter().any(|call| matches!(call, Call::Fault { .. }));
    if !wanted || !fs.is_subject() || !inject::available() {
        return Ok(None);
    }
    inject::prepare()?;
    Ok(Some(Countdown::of_this_thread()?))
}

impl Call {
    /// Whether it does all that it says, or fails and changes nothing; a write at a position can be made once more where
    /// it came to less. What is left out:
    /// - other writes, and copies, go on from where they came to, and reads tell that;
    /// - reads of contents, directories and links set the time of the access first;
    /// - chmod(2) sets the mode before it looks for memory for the ACL, as tmpfs does;
    /// - what the kernel takes for a policy says EINVAL without memory;
    /// - a mapping that is populated is there with less in it;
    /// - page faults are made again by the kernel, io_uring has tasks of its own;
    /// - advice, protection, policies and locks of memory, and mremap, go from one mapping to the next;
    /// - pipes and locks of files have no memory of the file system's, and the others ask for none.
    pub fn is_all_or_nothing(&self) -> bool {
        const POPULATED: i32 = libc::MAP_POPULATE | libc::MAP_LOCKED;
        match *self {
            Call::Pwritev { flags, .. } => flags & libc::RWF_APPEND == 0,
            Call::Remount { options } => !options.contains("mpol="),
            Call::Map { flags, .. } | Call::MapCommon { flags, .. } => flags & POPULATED == 0,
            Call::Open { .. }
            | Call::OpenAt { .. }
            | Call::Reopen { .. }
            | Call::Truncate { .. }
            | Call::Ftruncate { .. }
            | Call::Fallocate { .. }
            | Call::Mkdir { .. }
            | Call::Mknod { .. }
            | Call::Symlink { .. }
            | Call::Link { .. }
            | Call::LinkFd { .. }
            | Call::Unlink { .. }
            | Call::Rename { .. }
            | Call::Stat { .. }
            | Call::Access { .. }
            | Call::Statfs { .. }
            | Call::Chown { .. }
            | Call::Fchown { .. }
            | Call::Utimens { .. }
            | Call::SetFlags { .. }
            | Call::SetFsxattr { .. }
            | Call::SetXattr { .. }
            | Call::FsetXattr { .. }
            | Call::GetXattr { .. }
            | Call::ListXattr { .. }
            | Call::RemoveXattr { .. }
            | Call::SetAcl { .. }
            | Call::Memfd { .. }
            | Call::Shmget { .. }
            | Call::Shmat { .. }
            | Call::Handle { .. }
            | Call::OpenHandle { .. }
            | Call::QuotaSet { .. } => true,
            _ => false,
        }
    }

    /// Whether it moves memory between places and changes nothing else; requests to the device of swap fail in it, too.
    pub fn only_moves(&self) -> bool {
        match *self {
            Call::Reclaim { .. } => true,
            Call::Advise { advice, .. } => matches!(advice, libc::MADV_PAGEOUT | libc::MADV_COLD),
            _ => false,
        }
    }

    /// Whether its path goes through /proc, which finds no name of its own without memory.
    fn is_by_proc(&self) -> bool {
        matches!(
            self,
            Call::Reopen { .. }
                | Call::Truncate { .. }
                | Call::Statfs { .. }
                | Call::SetXattr { .. }
                | Call::GetXattr { .. }
                | Call::ListXattr { .. }
                | Call::RemoveXattr { .. }
                | Call::SetAcl { .. }
        )
    }

    /// Whether it may have to split a folio, which stays as it is where there is no memory for that.
    pub fn may_split(&self) -> bool {
        matches!(
            self,
            Call::Pwritev { .. }
                | Call::Truncate { .. }
                | Call::Ftruncate { .. }
                | Call::Fallocate { .. }
        )
    }

    /// A write has set the times before it asks for memory.
    fn view(&self) -> View {
        match self {
            Call::Pwritev { .. } => View::KeptButTimes,
            _ => View::Kept,
        }
    }
}

impl Player {
    /// Whether the call is so here and now.
    pub fn is_all_or_nothing(&self, call: Call) -> bool {
        call.is_all_or_nothing()
            // A folio that cannot be made, or not be split, is made small, or stays.
            && !(self.large && call.may_split())
            && match call {
                // Where it writes to is not known; one by a user takes away set-user-ID before it asks for memory.
                Call::Pwritev { fd, .. } => self.user.is_none() && !self.appends(fd),
                _ => true,
            }
    }

    fn appends(&self, fd: usize) -> bool {
        let flags = self.fd(fd).map(rustix::fs::fcntl_getfl);
        matches!(flags, Some(Ok(flags)) if flags.contains(rustix::fs::OFlags::APPEND))
    }

    /// Makes a call in which an allocation fails, and says what is not as it was if that made it fail.
    pub fn under_fault(&mut self, t: &mut Trace, after: u32, call: Call) -> anyhow::Result<Said> {
        self.make_room(call);
        // On both sides: to look at contents takes them in from swap.
        let before = self.seen(t, call)?;
        let Some(countdown) = self.countdown.take() else {
            return self.call(call);
        };
        countdown.arm(after + 1)?;
        let first = self.call(call);
        let is_hit = countdown.disarm()?;
        self.countdown = Some(countdown);
        let first = first?;
        let failed = match &first {
            _ if !is_hit => return Ok(first),
            // A write that can copy nothing may have made the file longer; that there is no memory to copy from may be the
            // fault's doing.
            Some(Err(Errno(libc::EFAULT))) => {
                t.note(SURVIVED);
                return self.call(call);
            }
            Some(Err(error)) => *error,
            _ => {
                t.note(SURVIVED);
                return match call {
                    Call::Pwritev { len, .. } if short(&first, len) => self.call(call),
                    _ => Ok(first),
                };
            }
        };
        t.note(FAILED);
        let label = format!("{LACKED}{call:?}");
        for line in inject::changes(&before, &self.seen(t, call)?) {
            t.text(&label, line);
        }
        let again = self.call(call)?;
        let lacks_memory = inject::is_out_of_memory(failed.0)
            || (failed == Errno(libc::ENOENT) && call.is_by_proc());
        if again != first && !lacks_memory {
            t.text(&label, format!("{failed:?}"));
        }
        Ok(again)
    }

    /// Moves memory while something fails, which is no matter of what the call says: all that there was has to be there
    /// afterwards, for the calls that follow.
    pub fn moved_under_fault(
        &mut self,
        t: &mut Trace,
        after: u32,
        call: Call,
    ) -> anyhow::Result<Said> {
        if self.countdown.is_none() {
            return self.call(call);
        }
        let _requests = match &self.swap {
            Some(swap) => Requests::of(&[swap.path()])?,
            None => None,
        };
        self.moving = Some(after + 1);
        let said = self.call(call);
        // It is there still where there was nothing to call on.
        if self.moving.take().is_none() {
            t.note(SURVIVED);
        }
        said
    }

    /// Moves memory by one system call, in which something fails where that is wanted.
    pub fn moves<T>(&mut self, call: impl FnOnce() -> T) -> T {
        const ITS_OWN: &str = "the thread's own counter can be set and read";
        let (Some(nth), Some(countdown)) = (self.moving.take(), &self.countdown) else {
            return call();
        };
        countdown.arm(nth).expect(ITS_OWN);
        let value = call();
        if !countdown.disarm().expect(ITS_OWN) {
            self.moving = Some(nth);
        }
        value
    }

    fn seen(&mut self, t: &Trace, call: Call) -> anyhow::Result<Vec<String>> {
        self.as_root(|player| t.aside(|t| player.look(t, call.view())))
    }

    /// What a call takes the place of goes whatever comes of the call.
    fn make_room(&mut self, call: Call) {
        match call {
            Call::Open { fd, .. } | Call::Memfd { fd, .. } | Call::OpenHandle { fd, .. } => {
                self.fds[fd] = None;
            }
            Call::Map { map, .. } | Call::MapCommon { map, .. } | Call::Shmat { map, .. } => {
                self.unmap_all(map);
            }
            _ => {}
        }
    }
}
