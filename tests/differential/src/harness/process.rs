//! Children, other users, user namespaces.

use std::fs::File;
use std::io::{Read, Write};

use nix::sched::{sched_setaffinity, unshare, CloneFlags, CpuSet};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid};

use super::errno::{Errno, Res};

/// Keeps this task, and what it starts from now on, on one processor. Some things are the same on both sides there only:
/// pages that wait in the batches of other processors are not seen, and the inodes of a mount that was made there have
/// numbers that follow one another.
pub fn on_one_processor() -> nix::Result<()> {
    on_processor(0)
}

/// Keeps this thread on the processor of that number.
pub fn on_processor(number: usize) -> nix::Result<()> {
    let mut one = CpuSet::new();
    one.set(number)?;
    sched_setaffinity(Pid::from_raw(0), &one)
}

fn schedule(policy: i32, sched_priority: i32) -> Res<()> {
    let parameter = libc::sched_param { sched_priority };
    // SAFETY: the parameter is what the policy takes.
    let done = unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) };
    Errno::check(done.into()).map(drop)
}

/// Lets this thread have a processor when no other task wants it, or next to none of it.
pub fn only_when_idle() -> Res<()> {
    schedule(libc::SCHED_IDLE, 0)
}

/// Lets this thread have a processor as soon as it wants it.
pub fn at_once() -> Res<()> {
    schedule(libc::SCHED_FIFO, 1)
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(Signal),
}

/// What a child exits with when its steps panic.
const PANICKED: i32 = 101;

/// Runs `body` in a child that has but this thread.
pub fn forked(body: impl FnOnce()) -> End {
    Child::new(body)
        .and_then(|mut child| child.wait())
        .expect("a child")
}

fn end_after(body: impl FnOnce()) -> ! {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    // SAFETY: ends the child without running what belongs to the parent.
    unsafe { libc::_exit(if done.is_ok() { 0 } else { PANICKED }) }
}

/// A child that runs beside the steps of a case, and is killed when dropped.
pub struct Child {
    id: Pid,
    end: Option<End>,
}

impl Child {
    /// One that ends after `body`, as [`forked`] has it.
    pub fn new(body: impl FnOnce()) -> Res<Child> {
        // SAFETY: cases fork before they start threads, so that no lock is held by another thread.
        match unsafe { fork() }? {
            ForkResult::Child => end_after(body),
            ForkResult::Parent { child: id } => Ok(Child { id, end: None }),
        }
    }

    pub fn kill(&self) -> Res<()> {
        Ok(kill(self.id, Signal::SIGKILL)?)
    }

    /// Whether it sleeps where no signal but a fatal one is to wake it.
    pub fn sleeps(&self) -> anyhow::Result<bool> {
        let stat = stage::machine::read(format!("/proc/{}/stat", self.id))?;
        // Behind its name, which may have anything in it.
        let state = stat.rsplit(')').next().unwrap_or_default();
        Ok(state.trim_start().starts_with('D'))
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Res<Option<End>> {
        self.look(Some(WaitPidFlag::WNOHANG))
    }

    /// How it ends.
    pub fn wait(&mut self) -> Res<End> {
        loop {
            match self.look(None) {
                Ok(Some(end)) => return Ok(end),
                Ok(None) | Err(Errno(libc::EINTR)) => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn look(&mut self, flags: Option<WaitPidFlag>) -> Res<Option<End>> {
        if self.end.is_none() {
            self.end = match waitpid(self.id, flags)? {
                WaitStatus::Exited(_, code) => Some(End::Exit(code)),
                WaitStatus::Signaled(_, signal, _) => Some(End::Signal(signal)),
                _ => None,
            };
        }
        Ok(self.end)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.end.is_none() {
            let _ = self.kill();
            let _ = self.wait();
        }
    }
}

/// The two ends of a pipe, to read from and to write to.
pub fn pipe() -> (File, File) {
    let (read, write) = rustix::pipe::pipe().expect("pipe");
    (read.into(), write.into())
}

/// Runs `body` as the child does it in a new user and mount namespace in which `map` (lines of
/// /proc/PID/uid_map and gid_map) holds.
pub fn in_user_namespace(map: &str, body: impl FnOnce()) -> End {
    let (mut ready_read, mut ready_write) = pipe();
    let (mut go_read, mut go_write) = pipe();
    // Its ends of the pipes go with the steps, in the parent at once.
    let child = Child::new(move || {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).expect("unshare");
        ready_write.write_all(b"r").expect("tell the parent");
        go_read.read_exact(&mut [0]).expect("wait for the map");
        nix::unistd::setgroups(&[]).expect("setgroups");
        nix::unistd::setresgid(0.into(), 0.into(), 0.into()).expect("setresgid");
        nix::unistd::setresuid(0.into(), 0.into(), 0.into()).expect("setresuid");
        body();
    });
    let mut child = child.expect("fork");
    if ready_read.read_exact(&mut [0]).is_ok() {
        for file in ["uid_map", "gid_map"] {
            std::fs::write(format!("/proc/{}/{file}", child.id), map).expect("write the map");
        }
        let _ = go_write.write_all(b"g");
    }
    child.wait().expect("a child")
}

/// A user that the thread is until this is dropped.
pub struct User(());

impl User {
    pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> User {
        let groups: Vec<nix::unistd::Gid> = groups.iter().map(|&g| g.into()).collect();
        nix::unistd::setgroups(&groups).expect("setgroups");
        nix::unistd::setegid(gid.into()).expect("setegid");
        nix::unistd::seteuid(uid.into()).expect("seteuid");
        User(())
    }

    /// Runs `op` as that user, without further groups.
    pub fn run<T>(uid: u32, gid: u32, op: impl FnOnce() -> T) -> T {
        let _user = User::become_user(uid, gid, &[]);
        op()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        nix::unistd::seteuid(0.into()).expect("seteuid 0");
        nix::unistd::setegid(0.into()).expect("setegid 0");
        nix::unistd::setgroups(&[]).expect("setgroups");
    }
}

/// Runs a program and gives its exit status and output; `None` where it is not installed.
pub fn program(name: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let output = match std::process::Command::new(name).args(arguments).output() {
        Ok(output) => output,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
        Err(e) => panic!("{name}: {e}"),
    };
    let text = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

/// Limits the size of files of this process.
pub fn limit_file_size(bytes: Option<u64>) -> Res<()> {
    use nix::sys::resource::{getrlimit, setrlimit, Resource};
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).map_err(Errno::from)?;
    Ok(setrlimit(
        Resource::RLIMIT_FSIZE,
        bytes.unwrap_or(hard),
        hard,
    )?)
}
