# SPDX-License-Identifier: GPL-2.0
"""Where the shared memory of all processes is: on devices of rtmpfs's, by number."""

import contextlib
import ctypes
import errno
import mmap
import os
import re
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

import program

CONTROL = Path("/sys/fs/rtmpfs")
# The files that the kernel makes, as /proc/PID/maps and the links in /proc/PID/fd name them.
KERNELS_OWN = re.compile(r"/(?:memfd:|SYSV[0-9a-f]{8} \(deleted\)|dev/zero \(deleted\))")
MAPPING = re.compile(r"\S+ (\S+) \S+ ([0-9a-f]+):([0-9a-f]+) \d+\s*(.*)")
SHM_RDONLY = 0o10000
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = ctypes.c_void_p
FSCONFIG, FSPICK = 431, 433
FSCONFIG_SET_STRING = 1
AT_FDCWD = -100
SHRINK = Path("/sys/kernel/slab/rtmpfs_inode_cache/shrink")
# Files, so that a count in the slab allocator's own units shows them.
MANY = 600
# What own_device() has found so far: what was made there stays there.
OWN: set[str] = set()


def number(device: int) -> str:
    return f"{os.major(device)}:{os.minor(device)}"


def is_ours(root: Path) -> bool:
    """Whether a mount of type tmpfs is the module's, by a row of the README's known differences: rtmpfs refuses a size
    of more than 64 bits, as soon as it is said. The mount stays as it is, for it is never told to change.
    """
    context = LIBC.syscall(FSPICK, AT_FDCWD, os.fsencode(root), 0)
    if context < 0:
        raise OSError(ctypes.get_errno(), f"fspick {root}")
    try:
        done = LIBC.syscall(FSCONFIG, context, FSCONFIG_SET_STRING, b"size", b"16e", 0)
        if done < 0 and ctypes.get_errno() != errno.EINVAL:
            raise OSError(ctypes.get_errno(), f"fsconfig {root}")
        return done < 0
    finally:
        os.close(context)


def memfd() -> tuple[int, str]:
    file = os.memfd_create("machine")
    return file, number(os.fstat(file).st_dev)


def inodes() -> int:
    """Those of the module's that are in use, roughly. What the processors keep for the next ones counts, too: they give
    it back first."""
    SHRINK.write_text("1", encoding="ascii")
    rows = Path("/proc/slabinfo").read_text(encoding="ascii")
    match = re.search(r"^rtmpfs_inode_cache +(\d+)", rows, re.MULTILINE)
    return int(match[1]) if match else 0


def needs_our_inodes() -> bool:
    """Whether new files without a mount need the module's inodes: many of them at one time."""
    many, before = [], inodes()
    try:
        many.extend(memfd()[0] for _ in range(MANY))
        return inodes() - before > MANY // 2
    finally:
        for file in many:
            os.close(file)


def own_device() -> str:
    """MAJOR:MINOR of the module's files without a mount, or "" where it does not make them. Each time that the switch is
    turned on, that is another one.
    """
    file, device = memfd()
    os.close(file)
    # Those that have just been closed may be counted for a while, and hide as many new ones: three looks.
    for look_again in (True, True, False):
        if device in OWN:
            return device
        if needs_our_inodes():
            OWN.add(device)
            return device
        if look_again:
            time.sleep(1)
    return ""


def devices() -> set[str]:
    """MAJOR:MINOR of all superblocks of the module's that are seen from here or from any process."""
    own_device()
    found, ours = Found(), set(OWN)
    for process in processes():
        # It may have ended by now.
        with contextlib.suppress(OSError):
            mounts(process, found)
    for device, mount in found.mounts.items():
        where, process = mount.rsplit(" of ", 1)
        # Another mount is in its place, or the process is gone: then it is not said to be ours.
        with contextlib.suppress(OSError):
            root = Path(f"/proc/{process}/root{where}")
            if number(root.stat().st_dev) == device and is_ours(root):
                ours.add(device)
    return ours


@dataclass
class Found:
    """Device numbers, each with an example of what is there."""

    mounts: dict[str, str] = field(default_factory=dict)
    maps: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)

    def kind(self, path: str) -> None:
        self.kinds.add("SYSV" if path.startswith("/SYSV") else path.split(":")[0].split(" ")[0])


def processes() -> Iterator[Path]:
    yield from (path for path in Path("/proc").iterdir() if path.name.isdigit())


def mounts(process: Path, found: Found) -> None:
    for line in (process / "mountinfo").read_text(encoding="utf-8").splitlines():
        before, after = line.split(" - ", 1)
        if after.split(" ")[0] in ("tmpfs", "rtmpfs"):
            found.mounts.setdefault(before.split(" ")[2], f"{before.split(' ')[4]} of {process.name}")


def maps(process: Path, found: Found) -> None:
    for line in (process / "maps").read_text(encoding="utf-8", errors="replace").splitlines():
        match = MAPPING.match(line)
        if match and KERNELS_OWN.match(match[4]):
            found.kind(match[4])
            found.maps.setdefault(f"{int(match[2], 16)}:{int(match[3], 16)}", f"{match[4]} of {process.name}")


def files(process: Path, found: Found) -> None:
    for link in (process / "fd").iterdir():
        # It may be closed by now.
        with contextlib.suppress(OSError):
            target = os.readlink(link)
            if KERNELS_OWN.match(target):
                found.kind(target)
                found.files.setdefault(number(link.stat().st_dev), f"{target} of {process.name}")


def segments(found: Found) -> None:
    """Those of System V that nobody may have attached."""
    for row in Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]:
        address = LIBC.shmat(int(row.split()[1]), None, SHM_RDONLY)
        if address != ctypes.c_void_p(-1).value:
            maps(Path("/proc/self"), found)
            LIBC.shmdt(ctypes.c_void_p(address))


def look() -> Found:
    found = Found()
    segments(found)
    for process in processes():
        for part in (mounts, maps, files):
            # It may have ended by now.
            with contextlib.suppress(OSError):
                part(process, found)
    return found


def elsewhere(places: dict[str, str]) -> str:
    """What is wrong with these device numbers."""
    ours = devices()
    if not places:
        return "there is none at all"
    return "\n".join(f"{where} is on {device}" for device, where in sorted(places.items()) if device not in ours)


def off_and_on() -> str:
    """With the switches off, new files and mounts are tmpfs's: and that one is told from the other."""
    wrong = []
    files = [CONTROL / "shared_memory", CONTROL / "mounts"]
    with tempfile.TemporaryDirectory() as folder:
        for switch in files:
            switch.write_text("0", encoding="ascii")
        try:
            if own_device():
                wrong.append("a memfd is still rtmpfs's")
            program.call("mount", "-t", "tmpfs", "off", folder)
        finally:
            for switch in files:
                switch.write_text("1", encoding="ascii")
        if is_ours(Path(folder)):
            wrong.append("a mount is still rtmpfs's")
        program.call("umount", folder)
        program.call("mount", "-t", "tmpfs", "on", folder)
        if not is_ours(Path(folder)):
            wrong.append("a mount is not rtmpfs's again")
        program.call("umount", folder)
    if not own_device():
        wrong.append("a memfd is not rtmpfs's again")
    return "; ".join(wrong)


def figures() -> tuple[int, int]:
    """Bytes of Shmem in /proc/meminfo, and what the module holds."""
    shmem = re.search(r"^Shmem: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    return int(shmem[1]) * 1024, int((CONTROL / "resident").read_text(encoding="ascii")) * mmap.PAGESIZE


def nothing_of_tmpfs() -> str:
    """The machine goes on working, so that the two are only equal in a quiet moment; ten seconds must have one."""
    for _ in range(100):
        shmem, resident = figures()
        if shmem == resident:
            return ""
        time.sleep(0.1)
    return f"Shmem is {shmem}, and rtmpfs has {resident}"


def checks():
    # One of each kind, whatever the machine has; a segment is there by PostgreSQL's server.
    with mmap.mmap(-1, mmap.PAGESIZE) as anonymous:
        anonymous[0] = 1
        file, _ = memfd()
        found = look()
        os.close(file)
    yield f"every mount of tmpfs is rtmpfs ({len(found.mounts)} superblocks)", elsewhere(found.mounts)
    yield "every mapping of memfd, System V and /dev/zero is rtmpfs's", elsewhere(found.maps)
    yield "every open memfd is rtmpfs's", elsewhere(found.files)
    missing = {"/memfd", "SYSV", "/dev/zero"} - found.kinds
    yield "there are some of each kind", f"there is no {', '.join(sorted(missing))}" if missing else ""
    if (CONTROL / "resident").exists():
        yield "what /proc/meminfo calls Shmem is what rtmpfs holds: tmpfs has no page", nothing_of_tmpfs()


def switches():
    yield "new files and mounts are tmpfs's, and rtmpfs's when they are on again", off_and_on()
