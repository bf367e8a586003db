# SPDX-License-Identifier: GPL-2.0
"""Where the shared memory of all processes is: on devices of rtmpfs's, by number."""

import contextlib
import ctypes
import mmap
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

import figures
import program
from figures import CONTROL

# The files that the kernel makes, as /proc/PID/maps and the links in /proc/PID/fd name them.
KERNELS_OWN = re.compile(r"/(?:memfd:|SYSV[0-9a-f]{8} \(deleted\)|dev/zero \(deleted\))")
MAPPING = re.compile(r"\S+ (\S+) \S+ ([0-9a-f]+):([0-9a-f]+) \d+\s*(.*)")
SHM_RDONLY = 0o10000
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = ctypes.c_void_p


def memfd() -> tuple[int, str]:
    file = os.memfd_create("machine")
    return file, figures.device(os.fstat(file).st_dev)


def devices() -> set[str]:
    """MAJOR:MINOR of all superblocks of the module's. That these are all that has pages is said by Shmem."""
    return {folder.name for folder in figures.of_mounts()}


def is_ours(where: Path) -> bool:
    """Whether the mount is the module's."""
    return figures.folder(where).is_dir()


def are_files_ours() -> bool:
    """Whether files without a mount are."""
    file, device = memfd()
    try:
        return device in devices()
    finally:
        os.close(file)


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
                found.files.setdefault(figures.device(link.stat().st_dev), f"{target} of {process.name}")


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
            if are_files_ours():
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
    if not are_files_ours():
        wrong.append("a memfd is not rtmpfs's again")
    return "; ".join(wrong)


def figures_of(mounts_found: dict[str, str]) -> str:
    missing = [f"{where} has no figures" for device, where in mounts_found.items() if not (CONTROL / device).is_dir()]
    for name in figures.NAMES:
        missing.append(figures.differ(name, lambda name=name: figures.read(CONTROL / name),
                                      lambda name=name: sum(figures.read(of / name) for of in figures.of_mounts())))
    return "\n".join(filter(None, missing))


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
    yield "what /proc/meminfo calls Shmem is what rtmpfs holds: tmpfs has no page", figures.differ(
        "pages of tmpfs", figures.of_tmpfs, lambda: 0)
    yield "each mount of rtmpfs has figures, and these together are the module's", figures_of(found.mounts)


def switches():
    yield "new files and mounts are tmpfs's, and rtmpfs's when they are on again", off_and_on()
