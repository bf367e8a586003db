//! Locks, handles, quota, and what concerns the mount or the machine.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use anyhow::Context;
use rustix::fs::OFlags;
use stage::device::Swap;

use super::names::path;
use super::player::{number, Player, Said};
use super::state;
use super::Call;
use crate::harness::errno::Res;
use crate::harness::handle::Handle;
use crate::harness::{process, quota};

/// Room for what any command of quotactl(2) reads or writes.
type Room = [u64; 64];

impl Player {
    pub fn control(&mut self, call: Call) -> anyhow::Result<Said> {
        let set = |done: Res<()>| Some(done.map(|()| "done".to_owned()));
        Ok(match call {
            Call::Flock { fd, operation } => self.raw(fd).map(|fd| {
                // SAFETY: no memory is involved.
                number(unsafe { libc::flock(fd, operation | libc::LOCK_NB) }.into())
            }),
            Call::Setlk {
                fd,
                command,
                kind,
                whence,
                start,
                len,
            } => self.raw(fd).map(|fd| {
                let mut lock = libc::flock {
                    l_type: kind as libc::c_short,
                    l_whence: whence as libc::c_short,
                    l_start: start,
                    l_len: len,
                    l_pid: 0,
                };
                // SAFETY: the commands take a lock.
                number(unsafe { libc::fcntl(fd, command, &raw mut lock) }.into())
                    .map(|said| format!("{said} {} {} {}", lock.l_type, lock.l_start, lock.l_len))
            }),
            Call::Handle {
                handle,
                path: name,
                flags,
            } => {
                let mut made = Handle::new(128);
                let done = made.fill(&self.root, path(name), flags);
                self.handles[handle] = done.is_ok().then_some(made);
                set(done)
            }
            Call::OpenHandle { fd, handle, flags } => {
                let Some(handle) = self.handles[handle] else {
                    return Ok(None);
                };
                self.fds[fd] = None;
                let flags = OFlags::from_bits_retain(flags as u32) | OFlags::NONBLOCK;
                Some(handle.open(&self.root, flags).map(|file| {
                    self.fds[fd] = Some(file.0);
                    "open".to_owned()
                }))
            }
            Call::QuotaSet { .. }
            | Call::QuotaGet { .. }
            | Call::QuotaNext { .. }
            | Call::QuotaCommand { .. } => Some(self.quota(call)),
            Call::Remount { options } => {
                use nix::mount::MsFlags;
                let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
                set(self.mount.remount_flags(options, flags))
            }
            Call::Become { user } => {
                self.become_user(user);
                set(Ok(()))
            }
            Call::Umask { mask } => {
                // SAFETY: no memory is involved.
                Some(number(unsafe { libc::umask(mask) }.into()))
            }
            Call::FileSizeLimit { bytes } => set(process::limit_file_size(bytes)),
            Call::SwapOn | Call::SwapOff | Call::Reclaim { .. } | Call::DropCaches { .. } => {
                self.as_root(|player| player.memory(call))?;
                set(Ok(()))
            }
            _ => unreachable!("{call:?} belongs to no kind"),
        })
    }

    fn quota(&mut self, call: Call) -> Res<String> {
        let kind = |group| {
            if group {
                quota::Kind::Group
            } else {
                quota::Kind::User
            }
        };
        let shown = |quota| format!("{:?}", state::quota(quota, self.roughly));
        // Records that are used no more go when a work of the kernel comes to them, with the soft limits of an id that has
        // nothing: this waits for it. Where there is no quota, the call itself says so.
        for group in [false, true] {
            let _ = quota::sync(&self.root, kind(group));
        }
        match call {
            Call::QuotaSet {
                group,
                id,
                kib,
                soft_kib,
                inodes,
            } => {
                let limits = quota::Quota {
                    hard_blocks: kib,
                    soft_blocks: soft_kib,
                    hard_inodes: inodes,
                    valid: quota::field::LIMITS,
                    ..quota::Quota::default()
                };
                quota::set(&self.root, kind(group), id, limits).map(|()| "set".to_owned())
            }
            Call::QuotaGet { group, id } => quota::get(&self.root, kind(group), id).map(shown),
            Call::QuotaNext { group, id } => quota::next(&self.root, kind(group), id).map(shown),
            Call::QuotaCommand { group, command } => {
                let mut room: Room = [0; 64];
                quota::raw(self.root.as_fd(), command, kind(group) as u32, 0, &mut room)
                    .map(|()| "done".to_owned())
            }
            _ => unreachable!("{call:?} is none of quota"),
        }
    }

    /// What the memory of the machine does does not depend on the file system alone: that it was done is all that is said.
    fn memory(&mut self, call: Call) -> anyhow::Result<()> {
        self.vague = true;
        match call {
            Call::SwapOn if self.swap.is_none() => {
                const MIB: u64 = 128;
                self.swap = Some(Swap::as_before(&stage::device::disk(1)?, MIB)?);
            }
            Call::SwapOn => {}
            Call::SwapOff => {
                if let Some(mut swap) = self.swap.take() {
                    swap.off()?;
                }
            }
            Call::Reclaim { bytes } => {
                if let Some(group) = stage::group::current()? {
                    let text = format!("{bytes} swappiness=max");
                    let reclaim = group.join("memory.reclaim");
                    let mut file = File::options().write(true).open(reclaim)?;
                    // EAGAIN says that there was less than that.
                    let _ = self.moves(|| file.write(text.as_bytes()));
                }
            }
            Call::DropCaches { what } => {
                const CONTROL: &str = "/proc/sys/vm/drop_caches";
                // From then on without a word in the kernel log. It is no bit that goes with others.
                const QUIETLY: &str = "4";
                for value in [QUIETLY, &what.to_string()] {
                    std::fs::write(CONTROL, value).context(CONTROL)?;
                }
            }
            _ => unreachable!("{call:?} is none of memory"),
        }
        Ok(())
    }
}
