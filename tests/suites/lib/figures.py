# SPDX-License-Identifier: GPL-2.0
"""The figures of the module under test, and those of the kernel that they are to agree with."""

import errno
import mmap
import os
import time
from pathlib import Path
from typing import Callable

CONTROL = Path("/sys/fs/rtmpfs")
NAMES = ("resident", "swapped", "inodes")
PAGE = mmap.PAGESIZE
# Until what is put off (freeing, folding the counters of processors and cgroups) is done.
QUIET_SECONDS = 60


def read(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


def device(number: int) -> str:
    return f"{os.major(number)}:{os.minor(number)}"


def folder(where: Path) -> Path:
    """That of the mount in which something is."""
    return CONTROL / device(os.lstat(where).st_dev)


def is_of_mount(path: Path) -> bool:
    """Whether the folder is that of a superblock that is there: it goes a little later."""
    try:
        read(path / "inodes")
    except OSError as error:
        if error.errno not in (errno.ENODEV, errno.ENOENT):
            raise
        return False
    return True


def folders() -> list[Path]:
    """All, one that is about to go, too."""
    return sorted(path for path in CONTROL.iterdir() if ":" in path.name)


def of_mounts() -> list[Path]:
    """Those of superblocks that are there."""
    return [path for path in folders() if is_of_mount(path)]


def goes(path: Path) -> str:
    """What is wrong, "" where a folder goes soon."""
    return differ(f"{path} after umount", path.exists, lambda: False)


def meminfo() -> dict[str, int]:
    """The figures of /proc/meminfo, in KiB."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


def shmem() -> int:
    """Pages of shared memory in the page cache, of tmpfs and of the module, as the kernel counts them."""
    # The processors hand in what they have counted.
    Path("/proc/sys/vm/stat_refresh").write_text("1", encoding="ascii")
    return meminfo()["Shmem"] * 1024 // PAGE


def of_tmpfs() -> int:
    """How many of those are tmpfs's."""
    return shmem() - read(CONTROL / "resident")


def differ(what: str, one: Callable[[], object], other: Callable[[], object]) -> str:
    """The two are only equal in a quiet moment, of which there has to be one in time; "" if they are."""
    end = time.monotonic() + QUIET_SECONDS
    while True:
        found = one(), other()
        if found[0] == found[1]:
            return ""
        if time.monotonic() > end:
            return f"{what}: {found[0]} and {found[1]}"
        time.sleep(0.1)
