//! Programs, scripts and libraries in the file system.

use std::ffi::{CStr, CString};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::mount::MsFlags;
use rustix::mm::{MapFlags, ProtFlags};

use crate::harness::prelude::*;
use crate::harness::xattr::file_capability;

cases! {
    own => static_program, scripts, noexec, busy_text, set_ids, capabilities, by_descriptor, replaced_while_running,
        libraries, libraries_by_path, changed_protection, in_large_folios;
}

pub const STATIC: &str = "/bin/busybox";
const DYNAMIC: &str = "/usr/bin/grep";
const LIBRARY: &str = "/lib/x86_64-linux-gnu/libz.so.1";
const USER: u32 = 1000;
const GROUP: u32 = 1001;

fn read(path: &str) -> anyhow::Result<Vec<u8>> {
    match std::fs::read(path) {
        Ok(data) => Ok(data),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => skip!("there is no {path}"),
        Err(e) => Err(e).context(path.to_owned()),
    }
}

/// Copies a program of the machine.
pub fn copy(d: &Dir, from: &str, name: &str) -> Done {
    // The descriptor is closed again: a program that is open for writing cannot run.
    d.file(name, &read(from)?)?;
    d.chmod(name, 0o755)?;
    Ok(())
}

/// Runs a program of the mount: what it ends with and says.
fn run(mount: &Mount, name: &str, arguments: &[&str]) -> Result<(Option<i32>, String), Errno> {
    outcome(mount, Command::new(mount.path.join(name)).args(arguments))
}

fn outcome(mount: &Mount, command: &mut Command) -> Result<(Option<i32>, String), Errno> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Errno(e.raw_os_error().unwrap_or(0)))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let path = mount.path.display().to_string();
    Ok((output.status.code(), text.replace(&path, "MOUNT")))
}

fn static_program(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    copy(&d, STATIC, "busybox")?;
    t.put("run", run(&mount, "busybox", &["echo", "hello"]));
    d.symlink("busybox", "echo")?;
    d.link("busybox", "true")?;
    t.put("by a symbolic link", run(&mount, "echo", &["hello"]));
    t.put("by a hard link", run(&mount, "true", &[]));
    d.chmod("busybox", 0o644)?;
    t.put("not executable", run(&mount, "busybox", &["true"]));
    d.chmod("busybox", 0o711)?;
    let by_user = |name: &str| {
        let mut command = Command::new(mount.path.join(name));
        outcome(&mount, command.args(["echo", "hello"]).uid(USER).gid(GROUP))
    };
    t.put("not readable", by_user("busybox"));
    d.chmod("busybox", 0o700)?;
    t.put("not for others", by_user("busybox"));
    d.file("empty", b"")?;
    d.file("garbage", &pattern(1, PAGE))?;
    d.file("short", b"\x7fELF")?;
    d.mkdir("directory")?;
    for name in ["empty", "garbage", "short", "directory"] {
        d.chmod(name, 0o755)?;
        let mut command = Command::new(mount.path.join(name));
        t.put(name, outcome(&mount, &mut command));
    }
    // A program of which the end is missing.
    copy(&d, STATIC, "cut")?;
    let file = d.read_write("cut")?;
    file.truncate(file.size()? / 2)?;
    drop(file);
    let cut = Command::new(mount.path.join("cut"))
        .stderr(Stdio::null())
        .status();
    t.put(
        "cut",
        cut.map(|status| status.success())
            .map_err(|e| e.raw_os_error()),
    );
    t.put("name", run(&mount, "true", &[]).map(|_| ()));
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn scripts(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    copy(&d, STATIC, "busybox")?;
    let place = mount.path.display();
    for (name, text) in [
        ("plain", "#!/bin/sh\necho \"$0 $*\"\n".to_owned()),
        ("own", format!("#!{place}/busybox sh\necho \"$0 $*\"\n")),
        ("nested", format!("#!{place}/own more\n")),
        ("missing", "#!/nonexistent\n".to_owned()),
        ("no-name", "#!\n".to_owned()),
        ("long", format!("#!/{}\n", "x/".repeat(200))),
        ("itself", format!("#!{place}/itself\n")),
        ("no-line", "echo hello\n".to_owned()),
    ] {
        d.file(name, text.as_bytes())?;
        t.put(
            format!("{name}, not executable"),
            run(&mount, name, &["a", "b"]),
        );
        d.chmod(name, 0o755)?;
        t.put(name, run(&mount, name, &["a", "b"]));
    }
    // The shell reads on in what was appended meanwhile.
    let text = format!("#!/bin/sh\necho one\necho 'echo two' >> {place}/growing\n");
    d.file("growing", text.as_bytes())?;
    d.chmod("growing", 0o755)?;
    t.put("growing", run(&mount, "growing", &[]));
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn noexec(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount_at("m", "", MsFlags::MS_NOEXEC)?;
    let d = mount.dir()?;
    t.text("options", mount.options());
    copy(&d, STATIC, "busybox")?;
    d.file("script", b"#!/bin/sh\necho hello\n")?;
    d.chmod("script", 0o755)?;
    for name in ["busybox", "script"] {
        t.put(name, run(&mount, name, &["true"]));
    }
    let mut by_shell = Command::new("/bin/sh");
    t.put(
        "by a shell",
        outcome(&mount, by_shell.arg(mount.path.join("script"))),
    );
    let file = d.read_write("busybox")?;
    for (label, flags) in [("shared", MapFlags::SHARED), ("private", MapFlags::PRIVATE)] {
        let executable = ProtFlags::READ | ProtFlags::EXEC;
        t.put(
            format!("mmap {label}"),
            Map::new(&file, PAGE, 0, executable, flags).map(drop),
        );
        let map = Map::new(&file, PAGE, 0, ProtFlags::READ, flags)?;
        t.put(
            format!("mprotect {label}"),
            protect(&map, PAGE, libc::PROT_READ | libc::PROT_EXEC),
        );
    }
    drop(file);
    mount.remount_flags("", MsFlags::empty())?;
    t.put("remounted", run(&mount, "busybox", &["echo", "hello"]));
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn protect(map: &Map, len: usize, protection: i32) -> Res<()> {
    // SAFETY: the start of the mapping, which is used as the protection allows.
    let done = unsafe { libc::mprotect(map.start(), len, protection) };
    Errno::check(done.into()).map(drop)
}

/// A program of the mount that runs until it is told to end.
struct Running(std::process::Child);

impl Running {
    fn start(path: &Path) -> anyhow::Result<Running> {
        let mut command = Command::new(path);
        command
            .arg0("busybox")
            .arg("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut running = Running(command.spawn()?);
        // An answer shows that exec is over.
        ensure!(running.answers()?, "the program does not answer");
        Ok(running)
    }

    fn answers(&mut self) -> anyhow::Result<bool> {
        let mut back = [0; 5];
        self.0
            .stdin
            .as_mut()
            .context("stdin")?
            .write_all(b"hello")?;
        self.0
            .stdout
            .as_mut()
            .context("stdout")?
            .read_exact(&mut back)?;
        Ok(back == *b"hello")
    }

    fn program(&self) -> anyhow::Result<String> {
        let path = std::fs::read_link(format!("/proc/{}/exe", self.0.id()))?;
        let name = path.file_name().context("a name")?;
        Ok(name.to_string_lossy().into_owned())
    }

    fn end(mut self) -> anyhow::Result<Option<i32>> {
        drop(self.0.stdin.take());
        Ok(self.0.wait()?.code())
    }
}

fn busy_text(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    copy(&d, STATIC, "busybox")?;
    for access in [OFlags::WRONLY, OFlags::RDWR, OFlags::RDONLY, OFlags::PATH] {
        let file = d.openat("busybox", access, 0)?;
        t.put(
            format!("open with {access:?}"),
            run(&mount, "busybox", &["true"]),
        );
        drop(file);
    }
    let file = d.read_write("busybox")?;
    let map = Map::shared(&file, PAGE, 0)?;
    drop(file);
    t.put("mapped for writing", run(&mount, "busybox", &["true"]));
    drop(map);
    let mut running = Running::start(&mount.path.join("busybox"))?;
    for access in [
        OFlags::WRONLY,
        OFlags::RDWR,
        OFlags::WRONLY | OFlags::TRUNC,
        OFlags::WRONLY | OFlags::APPEND,
        OFlags::RDONLY,
    ] {
        let file = d.openat("busybox", access, 0).map(drop);
        t.put(format!("running: open with {access:?}"), file);
    }
    let path = CString::new(
        mount
            .path
            .join("busybox")
            .to_str()
            .context("a plain path")?,
    )?;
    // SAFETY: the path lives through the call.
    let cut = unsafe { libc::truncate(path.as_ptr(), 0) };
    t.put("running: truncate", Errno::check(cut.into()));
    t.put("running: chmod", d.chmod("busybox", 0o500));
    t.put(
        "running: set an attribute",
        d.set_xattr("busybox", "user.a", b"1", 0),
    );
    t.put("running: link", d.link("busybox", "link"));
    t.put("running: write to the link", d.read_write("link").map(drop));
    t.put(
        "running: unmount",
        nix::mount::umount(&mount.path).map_err(Errno::from),
    );
    t.put("answers", running.answers()?);
    t.put("end", running.end()?);
    t.put("open again", d.read_write("busybox").map(drop));
    drop(d);
    mount.unmount()?;
    Ok(())
}

/// A program that `status` can run.
pub fn status_program(d: &Dir, name: &str) -> Done {
    copy(d, DYNAMIC, name)
}

/// What a program that the user starts knows of itself.
pub fn status(mount: &Mount, name: &str, narrow: bool) -> Result<(Option<i32>, String), Errno> {
    let mut command = Command::new(mount.path.join(name));
    command.args([
        "-E",
        "^(Uid|Gid|CapPrm|CapEff|CapAmb):",
        "/proc/self/status",
    ]);
    command.uid(USER).gid(GROUP);
    if narrow {
        // SAFETY: the child does nothing but this call.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                Ok(())
            });
        }
    }
    outcome(mount, &mut command)
}

fn set_ids(t: &mut Trace, fs: &Fs) -> Done {
    for (label, flags) in [("suid", MsFlags::empty()), ("nosuid", MsFlags::MS_NOSUID)] {
        let mount = fs.mount_at("m", "", flags)?;
        let d = mount.dir()?;
        status_program(&d, "grep")?;
        for (uid, gid) in [(0, 0), (1234, 2345)] {
            for mode in [0o755, 0o4755, 0o2755, 0o6755, 0o2745, 0o4644] {
                d.chown("grep", Some(uid), Some(gid))?;
                d.chmod("grep", mode)?;
                t.put(
                    format!("{label} {uid}:{gid} {mode:o}"),
                    status(&mount, "grep", false),
                );
            }
        }
        d.chmod("grep", 0o6755)?;
        t.put(
            format!("{label}, no new privileges"),
            status(&mount, "grep", true),
        );
        drop(d);
        mount.unmount()?;
    }
    Ok(())
}

fn capabilities(t: &mut Trace, fs: &Fs) -> Done {
    const NET_RAW: u32 = 1 << 13;
    for (label, flags) in [("suid", MsFlags::empty()), ("nosuid", MsFlags::MS_NOSUID)] {
        let mount = fs.mount_at("m", "", flags)?;
        let d = mount.dir()?;
        status_program(&d, "grep")?;
        for effective in [false, true] {
            let value = file_capability(NET_RAW, 0, effective);
            t.put("set", d.set_xattr("grep", "security.capability", &value, 0));
            t.put(
                format!("{label}, effective {effective}"),
                status(&mount, "grep", false),
            );
        }
        t.put(
            format!("{label}, no new privileges"),
            status(&mount, "grep", true),
        );
        let value = file_capability(0, NET_RAW, true);
        t.put("set", d.set_xattr("grep", "security.capability", &value, 0));
        t.put(
            format!("{label}, inheritable"),
            status(&mount, "grep", false),
        );
        let value = file_capability(NET_RAW, 0, true);
        d.set_xattr("grep", "security.capability", &value, 0)?;
        d.chown("grep", Some(5), None)?;
        t.put(
            format!("{label}, given away"),
            status(&mount, "grep", false),
        );
        t.put("left", d.xattrs("grep"));
        drop(d);
        mount.unmount()?;
    }
    Ok(())
}

/// execveat(2) of an open file in a child: what it ends with, or the error.
fn execute(t: &mut Trace, label: &str, file: &Fd, flags: i32) -> Done {
    let arguments: Vec<CString> = ["sh", "-c", "exit 7"]
        .map(|a| CString::new(a).expect("no NUL"))
        .into();
    let mut list: Vec<*const libc::c_char> = arguments.iter().map(|a| a.as_ptr()).collect();
    list.push(std::ptr::null());
    let environment = [std::ptr::null::<libc::c_char>()];
    t.forked(label, |t| {
        // SAFETY: lists that end with null, of strings that live through the call.
        let done = unsafe {
            libc::syscall(
                libc::SYS_execveat,
                file.0.as_raw_fd(),
                c"".as_ptr(),
                list.as_ptr(),
                environment.as_ptr(),
                libc::AT_EMPTY_PATH | flags,
            )
        };
        t.put(label, Errno::check(done));
    });
    Ok(())
}

fn by_descriptor(t: &mut Trace, fs: &Fs) -> Done {
    const AT_EXECVE_CHECK: i32 = 0x10000;
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    copy(&d, STATIC, "busybox")?;
    let file = d.read_only("busybox")?;
    execute(t, "named", &file, 0)?;
    execute(t, "checked", &file, AT_EXECVE_CHECK)?;
    execute(t, "by a path", &d.openat("busybox", OFlags::PATH, 0)?, 0)?;
    d.unlink("busybox")?;
    execute(t, "unlinked", &file, 0)?;
    drop(file);
    let unnamed = d.tmpfile()?;
    unnamed.write(&read(STATIC)?)?;
    rustix::fs::fchmod(&unnamed, Mode::from_raw_mode(0o700))?;
    execute(t, "unnamed and open for writing", &unnamed, 0)?;
    let reading = rustix::fs::open(unnamed.path(), OFlags::RDONLY, Mode::empty())?;
    drop(unnamed);
    let unnamed = Fd(reading);
    execute(t, "unnamed", &unnamed, 0)?;
    rustix::fs::fchmod(&unnamed, Mode::from_raw_mode(0o600))?;
    execute(t, "not executable", &unnamed, 0)?;
    execute(t, "not executable, checked", &unnamed, AT_EXECVE_CHECK)?;
    drop((unnamed, d));
    mount.unmount()?;
    Ok(())
}

fn replaced_while_running(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    copy(&d, STATIC, "program")?;
    let mut old = Running::start(&mount.path.join("program"))?;
    copy(&d, STATIC, "program.new")?;
    t.put("replace", d.rename("program.new", "program"));
    t.put("old one", (old.program()?, old.answers()?));
    t.put("write to the new one", d.read_write("program").map(drop));
    let mut new = Running::start(&mount.path.join("program"))?;
    t.put("write to it now", d.read_write("program").map(drop));
    copy(&d, STATIC, "other")?;
    t.put(
        "exchange",
        d.rename_flags("program", "other", RenameFlags::EXCHANGE),
    );
    t.put("write to what is there", d.read_write("program").map(drop));
    t.put("new one", (new.program()?, new.answers()?));
    t.put("unlink", (d.unlink("other"), d.unlink("program")));
    t.put("both", (old.answers()?, new.answers()?));
    let space = d.space()?;
    t.put("end", (old.end()?, new.end()?));
    t.put(
        "came back",
        (
            d.space()?.free > space.free,
            d.space()?.free == d.space()?.blocks,
        ),
    );
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn last_error() -> String {
    // SAFETY: the C library gives a string or null.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "no error".to_owned();
    }
    // SAFETY: a string that lives until the next call.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// The version that zlib at this path says it has.
fn version(path: &Path) -> anyhow::Result<(*mut libc::c_void, String)> {
    let name = CString::new(path.to_str().context("a plain path")?)?;
    // SAFETY: zlib does nothing when it is loaded.
    let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    ensure!(!library.is_null(), "{}", last_error());
    // SAFETY: the library is there.
    let symbol = unsafe { libc::dlsym(library, c"zlibVersion".as_ptr()) };
    ensure!(!symbol.is_null(), "{}", last_error());
    // SAFETY: zlib's function of this name is such a one.
    let version: extern "C" fn() -> *const libc::c_char = unsafe { std::mem::transmute(symbol) };
    // SAFETY: it gives a constant.
    let text = unsafe { CStr::from_ptr(version()) };
    Ok((library, text.to_string_lossy().into_owned()))
}

/// How many mappings of this process are of that path, by their protection.
fn mappings(path: &Path) -> anyhow::Result<Vec<String>> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let path = path.to_str().context("a plain path")?;
    let own = maps.lines().filter(|l| l.contains(path));
    Ok(own
        .map(|l| {
            let deleted = if l.ends_with("(deleted)") {
                " deleted"
            } else {
                ""
            };
            let protection = l.split_whitespace().nth(1).unwrap_or_default();
            format!("{protection}{deleted}")
        })
        .collect())
}

fn libraries(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    copy(&d, LIBRARY, "lib.so")?;
    let path = mount.path.join("lib.so");
    t.forked("libraries", |t| {
        let mut steps = || -> Done {
            let (library, text) = version(&path)?;
            t.put("version", text);
            t.put("mappings", mappings(&path)?);
            // A library is not protected as a program is, but whoever is wise replaces it by rename.
            t.put("open for writing", d.read_write("lib.so").map(drop));
            copy(&d, LIBRARY, "new.so")?;
            t.put("replace", d.rename("new.so", "lib.so"));
            t.put("of the old one", mappings(&path)?);
            let (again, text) = version(&path)?;
            t.put("loaded anew", (again != library, text));
            t.put("mappings", mappings(&path)?);
            // SAFETY: nothing of the libraries is used any more.
            t.put("close", unsafe {
                (libc::dlclose(library), libc::dlclose(again))
            });
            t.put("mappings", mappings(&path)?);
            Ok(())
        };
        if let Err(e) = steps() {
            t.put("failed", e.to_string());
        }
    });
    let file = d.read_write("lib.so")?;
    file.truncate(100)?;
    drop(file);
    t.forked("cut library", |t| {
        let failed = version(&path).map(|_| ()).map_err(|e| e.to_string());
        let place = mount.path.display().to_string();
        t.put("cut", failed.map_err(|e| e.replace(&place, "MOUNT")));
    });
    drop(d);
    mount.remount_flags("", MsFlags::MS_NOEXEC)?;
    let d = mount.dir()?;
    copy(&d, LIBRARY, "whole.so")?;
    t.forked("noexec", |t| {
        let failed = version(&mount.path.join("whole.so")).map(|_| ());
        let place = mount.path.display().to_string();
        t.put(
            "noexec",
            failed.map_err(|e| e.to_string().replace(&place, "MOUNT")),
        );
    });
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn libraries_by_path(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let place = mount.path.to_str().context("a plain path")?.to_owned();
    for library in ["libc.so.6", "libpcre2-8.so.0"] {
        copy(&d, &format!("/lib/x86_64-linux-gnu/{library}"), library)?;
    }
    copy(&d, DYNAMIC, "grep")?;
    for path in ["", place.as_str()] {
        let mut command = Command::new(mount.path.join("grep"));
        command.args(["-o", &format!("r[-wx]*p .*{place}/.*"), "/proc/self/maps"]);
        command.env("LD_LIBRARY_PATH", path);
        let (code, text) = outcome(&mount, &mut command)?;
        // Without offsets and numbers of inodes.
        let lines = text.lines().map(|l| {
            let mut words = l.split_whitespace();
            (
                words.next().map(str::to_owned),
                words.next_back().map(str::to_owned),
            )
        });
        t.put(format!("{} libraries", path.len().min(1)), code);
        t.each("mappings", lines);
    }
    drop(d);
    mount.unmount()?;
    Ok(())
}

/// The code of a function that returns a number: mov eax, VALUE; ret
pub fn returning(value: u8) -> anyhow::Result<[u8; 6]> {
    if !cfg!(target_arch = "x86_64") {
        skip!("no machine code for this architecture");
    }
    Ok([0xb8, value, 0, 0, 0, 0xc3])
}

/// Calls such a function in a mapping.
pub fn call(map: &Map, at: usize) -> i32 {
    // SAFETY: the bytes there are the code of such a function.
    let function: extern "C" fn() -> i32 =
        unsafe { std::mem::transmute(map.start().wrapping_byte_add(at)) };
    function()
}

/// Code is written to a mapping, which becomes executable afterwards.
fn changed_protection(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    let file = d.create("code")?;
    file.truncate(2 * PAGE as u64)?;
    let maps = [
        ("shared", Map::shared(&file, 2 * PAGE, 0)?),
        ("private", Map::private(&file, 2 * PAGE, 0)?),
    ];
    for (label, map) in &maps {
        for value in [42, 43] {
            let code = returning(value)?;
            (0..6).for_each(|i| map.set(PAGE + i, code[i]));
            let executable = libc::PROT_READ | libc::PROT_EXEC;
            t.put(
                format!("{label}: executable"),
                protect(map, 2 * PAGE, executable),
            );
            t.put(format!("{label}: returns"), call(map, PAGE));
            t.put(
                format!("{label}: writable"),
                protect(map, 2 * PAGE, libc::PROT_READ | libc::PROT_WRITE),
            );
        }
        // Written to the file, seen by who shares it.
        file.pwrite(&returning(7)?, PAGE as u64)?;
        t.put(format!("{label}: from the file"), map.bytes(PAGE, 6));
    }
    t.counts("in the end", &d, &file)?;
    let reading = d.read_only("code")?;
    let map = Map::read_only(&reading, PAGE, 0)?;
    t.put(
        "writable without the right",
        protect(&map, PAGE, libc::PROT_READ | libc::PROT_WRITE),
    );
    t.put("nothing", protect(&map, PAGE, libc::PROT_NONE));
    drop((map, maps, reading, file, d));
    mount.unmount()?;
    Ok(())
}

fn in_large_folios(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("huge=always")?;
    let d = mount.dir()?;
    copy(&d, STATIC, "busybox")?;
    t.put("run", run(&mount, "busybox", &["echo", "hello"]));
    let mut running = Running::start(&mount.path.join("busybox"))?;
    t.put("answers", running.answers()?);
    t.put("unlink", d.unlink("busybox"));
    t.put("still", running.answers()?);
    t.put("end", running.end()?);
    drop(d);
    mount.unmount()?;
    Ok(())
}
