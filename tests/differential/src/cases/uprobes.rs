//! Uprobes on programs and code: the kernel reads the instruction from the file, and replaces it in what maps that.

use std::os::unix::process::CommandExt;

use rustix::mm::{MapFlags, ProtFlags};
use stage::machine::{wait, LATE};

use super::programs::{call, copy, returning, STATIC};
use crate::harness::memfd::{self, Sealed, CLOEXEC, EXEC};
use crate::harness::prelude::*;
use crate::harness::process::on_one_processor;
use crate::harness::uprobe::Tracing;
use crate::harness::zram::on_zram;

cases! {
    own => program, code, code_in_large_folios, code_in_swap, places;
    shared => program_in_memfd, code_in_memfd, code_of_memfd_in_swap;
}

/// Where in the file of a program of 64 bits its first instruction is.
fn entry(program: &[u8]) -> anyhow::Result<u64> {
    let number = |at: usize, len: usize| -> anyhow::Result<u64> {
        let bytes = program.get(at..at + len).context("the program is short")?;
        let digits = bytes.iter().rev();
        Ok(digits.fold(0, |value, &byte| (value << 8) | u64::from(byte)))
    };
    ensure!(program.starts_with(b"\x7fELF\x02\x01"), "no such program");
    let (entry, table) = (number(24, 8)?, number(32, 8)? as usize);
    let (size, count) = (number(54, 2)? as usize, number(56, 2)? as usize);
    for at in (0..count).map(|n| table + n * size) {
        let (kind, offset) = (number(at, 4)?, number(at + 8, 8)?);
        let (address, len) = (number(at + 16, 8)?, number(at + 32, 8)?);
        if kind == 1 && (address..address + len).contains(&entry) {
            return Ok(entry - address + offset);
        }
    }
    anyhow::bail!("no segment of the program has its entry")
}

fn run(file: &Fd) -> anyhow::Result<Option<i32>> {
    let mut command = std::process::Command::new(file.path());
    command.arg0("busybox").args(["sh", "-c", "exit 7"]);
    let status = command.status()?;
    Ok(status.code())
}

/// A program in a file, which is open for reading only.
fn program_steps(t: &mut Trace, fs: &Fs, file: &Fd) -> Done {
    let tracing = Tracing::new(fs)?;
    let data = file.all()?.0;
    let probe = tracing.probe(file, entry(&data)?)?;
    t.put("run", (run(file)?, probe.hits()?));
    t.put("enable", probe.enable(true));
    for _ in 0..3 {
        t.put("run", (run(file)?, probe.hits()?));
    }
    t.put("contents as before", file.all()?.0 == data);
    t.put("disable", probe.enable(false));
    t.put("run", (run(file)?, probe.hits()?));
    t.put("meta", file.meta()?);
    Ok(())
}

fn program(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    copy(&d, STATIC, "busybox")?;
    let file = d.read_only("busybox")?;
    program_steps(t, fs, &file)?;
    t.put("unlink", d.unlink("busybox"));
    program_steps(t, fs, &file)?;
    drop((file, d));
    mount.unmount()?;
    Ok(())
}

fn program_in_memfd(t: &mut Trace, fs: &Fs) -> Done {
    let file = super::memfd::program(EXEC)?.reopen(libc::O_RDONLY)?;
    program_steps(t, fs, &file)
}

/// What is mapped so has code that may be probed.
fn mapped(file: &Fd) -> Res<Map> {
    let executable = ProtFlags::READ | ProtFlags::EXEC;
    Map::new(file, 4 * PAGE, 0, executable, MapFlags::PRIVATE)
}

/// A function in the second page of a file, with holes around it.
fn code_steps(t: &mut Trace, fs: &Fs, file: &Fd) -> Done {
    let tracing = Tracing::new(fs)?;
    let code = returning(42)?;
    file.truncate(4 * PAGE as u64)?;
    file.pwrite(&code, PAGE as u64)?;
    let early = mapped(file)?;
    t.put("call", call(&early, PAGE));
    let probe = tracing.probe(file, PAGE as u64)?;
    t.put("enable", probe.enable(true));
    t.put("call", (call(&early, PAGE), probe.hits()?));
    let late = mapped(file)?;
    t.put("mapped later", (call(&late, PAGE), probe.hits()?));
    t.forked("child", |t| t.put("call", call(&early, PAGE)));
    t.put("by a child", probe.hits()?);
    t.put("mapped", (early.bytes(PAGE, 8), late.bytes(PAGE, 8)));
    t.put("file", (file.pread(8, PAGE as u64)?, file.meta()?));
    t.put("write", file.pwrite(&returning(43)?, PAGE as u64));
    t.put("call", (call(&early, PAGE), probe.hits()?));
    let later = mapped(file)?;
    t.put("mapped after the write", later.bytes(PAGE, 8));
    t.put("disable", probe.enable(false));
    t.put(
        "call",
        (call(&early, PAGE), call(&late, PAGE), probe.hits()?),
    );
    t.put("mapped", (early.bytes(PAGE, 8), late.bytes(PAGE, 8)));
    drop(probe);
    // A page of the file comes to be there, as after a look at it.
    for at in [2 * PAGE, 4 * PAGE - 1] {
        let probe = tracing.probe(file, at as u64)?;
        t.put("enable in a hole", probe.enable(true));
        t.put("file", (file.meta()?, file.extents()?));
        t.put("mapped", early.bytes(at, 1));
    }
    Ok(())
}

fn code_of(t: &mut Trace, fs: &Fs, options: &str) -> Done {
    let mount = fs.mount(options)?;
    let d = mount.dir()?;
    let file = d.create("code")?;
    code_steps(t, fs, &file)?;
    t.counts("in the end", &d, &file)?;
    drop((file, d));
    mount.unmount()?;
    Ok(())
}

fn code(t: &mut Trace, fs: &Fs) -> Done {
    code_of(t, fs, "")
}

fn code_in_large_folios(t: &mut Trace, fs: &Fs) -> Done {
    code_of(t, fs, "huge=always")
}

fn code_in_memfd(t: &mut Trace, fs: &Fs) -> Done {
    code_steps(t, fs, &memfd::create("code", CLOEXEC | EXEC)?)
}

/// Its second page does; another task that looks at it may keep it for a while.
fn goes_out(file: &Fd) -> anyhow::Result<bool> {
    let map = Map::shared(file, 2 * PAGE, 0)?;
    wait(LATE, || {
        map.get(PAGE);
        map.advise(PAGE, PAGE, libc::MADV_PAGEOUT)?;
        Ok(!map.resident()?[1])
    })
}

/// The instruction is read from a page that has to come from swap, and from one where no page stays for its writing.
fn swap_steps(t: &mut Trace, fs: &Fs, file: Fd) -> Done {
    let tracing = Tracing::new(fs)?;
    on_zram(|| from_swap(t, &tracing, file))
}

fn from_swap(t: &mut Trace, tracing: &Tracing, file: Fd) -> Done {
    // A page that was written on another processor may wait in a batch of that, and is on no list of reclaim.
    on_one_processor()?;
    file.truncate(4 * PAGE as u64)?;
    file.pwrite(&returning(42)?, PAGE as u64)?;
    let map = mapped(&file)?;
    let probe = tracing.probe(&file, PAGE as u64)?;
    ensure!(goes_out(&file)?, "the page does not go out");
    t.put("enable", probe.enable(true));
    t.put("in", map.resident()?);
    t.put("call", (call(&map, PAGE), probe.hits()?));
    // The mapping has a page of its own now.
    ensure!(goes_out(&file)?, "the page does not go out again");
    t.put("call", (call(&map, PAGE), probe.hits()?));
    t.put("disable", probe.enable(false));
    t.put("call", (call(&map, PAGE), probe.hits()?));
    t.put("file", file.all()?);
    drop((probe, map, file));
    Ok(())
}

fn code_in_swap(t: &mut Trace, fs: &Fs) -> Done {
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    swap_steps(t, fs, d.create("code")?)?;
    drop(d);
    mount.unmount()?;
    Ok(())
}

fn code_of_memfd_in_swap(t: &mut Trace, fs: &Fs) -> Done {
    swap_steps(t, fs, memfd::create("code", CLOEXEC | EXEC)?)
}

/// Where there can be no probe, or none that counts.
fn places(t: &mut Trace, fs: &Fs) -> Done {
    let tracing = Tracing::new(fs)?;
    let mount = fs.mount("")?;
    let d = mount.dir()?;
    d.mkdir("folder")?;
    d.fifo("fifo")?;
    d.file("file", &pattern(1, PAGE))?;
    d.symlink("file", "link")?;
    for name in [".", "folder", "fifo", "link"] {
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let probe = tracing.probe(&d.openat(name, flags, 0)?, 0);
        t.put(name, probe.map(drop));
    }
    let file = d.read_only("file")?;
    for at in [PAGE - 1, PAGE, PAGE + 1, 1 << 40] {
        let probe = tracing.probe(&file, at as u64);
        t.put(
            format!("at {at}"),
            probe.and_then(|probe| probe.enable(true)),
        );
    }
    let probe = tracing.probe(&file, 0)?;
    drop((file, d));
    t.put(
        "umount",
        nix::mount::umount(&mount.path).map_err(Errno::from),
    );
    let d = mount.dir()?;
    t.put("unlink", d.unlink("file"));
    t.put("space", d.space()?);
    drop(probe);
    t.put("space", d.space()?);
    drop(d);
    mount.unmount()?;
    Ok(())
}
